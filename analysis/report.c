/* SPDX-License-Identifier: MIT */
#include "analysis/report.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "analysis/phase.h"
#include "store/cell.h"
#include "store/embed.h"
#include "store/nearest.h"

#define SLOT_NS 1000000000LL

/* Of sql/reports/object_coverage.sql: those of struct mp_report's `coverage` come after them. */
#define OBJECT_COVERAGE_COLUMNS 13

const struct mp_report *mp_report_find(const char *name, struct mp_err *err)
{
	char all[256] = "";
	const struct mp_report *nearest = NULL;
	int least = 3;

	for (const struct mp_report *r = mp_reports; r->name; r++) {
		size_t n = strlen(all);
		int d = (int)mp_name_distance(name, r->name, 3);

		if (!strcmp(name, r->name))
			return r;
		if (*name && !strncmp(name, r->name, strlen(name)))
			d = 0;
		if (d < least) {
			least = d;
			nearest = r;
		}
		snprintf(all + n, sizeof(all) - n, "%s%s", n ? ", " : "", r->name);
	}
	if (nearest)
		mp_err_set(err, EINVAL, "there is no report %s: did you mean %s? There are %s", name,
		    nearest->name, all);
	else
		mp_err_set(err, EINVAL, "there is no report %s: there are %s", name, all);
	return NULL;
}

static int prepare_text(struct mp_session *s, const char *path, const char *sql,
    const struct mp_report_scope *b, sqlite3_stmt **stmt, struct mp_err *err)
{
	sqlite3 *db = mp_session_db(s);
	const struct {
		const char *name;
		int64_t value;
		bool known;
	} parameter[] = {
	    {":start_ns", b->start_ns, true},
	    {":from_ns", b->from_ns, true},
	    {":to_ns", b->to_ns, true},
	    {":covered_ns", b->covered_ns, true},
	    {":slots_ns", b->slots_ns, true},
	    {":lost_ns", b->lost_ns, true},
	    {":tid", b->tid, b->tid != 0},
	    {":call_id", b->call_id, b->call_id != 0},
	    {":limit", b->limit ? b->limit : -1, true},
	    {":brief", 1, b->is_brief},
	    {":people", b->people, true},
	};

	if (sqlite3_prepare_v2(db, sql, -1, stmt, NULL) != SQLITE_OK)
		return mp_err_set(
		    err, EIO, "cannot read %s: %s: %s", mp_session_path(s), path, sqlite3_errmsg(db));
	for (size_t i = 0; i < sizeof(parameter) / sizeof(*parameter); i++) {
		int index = sqlite3_bind_parameter_index(*stmt, parameter[i].name);

		if (index && parameter[i].known)
			sqlite3_bind_int64(*stmt, index, parameter[i].value);
	}
	sqlite3_bind_text(*stmt, sqlite3_bind_parameter_index(*stmt, ":op"), b->op, -1, SQLITE_STATIC);
	return 0;
}

int mp_report_prepare(struct mp_session *s, const char *path, const struct mp_report_scope *b,
    sqlite3_stmt **stmt, struct mp_err *err)
{
	return prepare_text(s, path, mp_embedded_text(path), b, stmt, err);
}

/* The columns of two queries of one row each, side by side. */
static int prepare_pair(struct mp_session *s, const char *path, const char *more,
    const struct mp_report_scope *b, sqlite3_stmt **stmt, struct mp_err *err)
{
	const char *first = mp_embedded_text(path), *second = mp_embedded_text(more);
	/* Without the semicolon that ends each. */
	char *sql = sqlite3_mprintf("SELECT * FROM (%.*s), (%.*s)", (int)(strrchr(first, ';') - first), first,
	    (int)(strrchr(second, ';') - second), second);
	int rc = sql ? prepare_text(s, more, sql, b, stmt, err) : mp_err_set(err, ENOMEM, "out of memory");

	sqlite3_free(sql);
	return rc;
}

/* The first row of a query for internal use. The statement is the caller's to finalize. */
static int first_row(
    struct mp_session *s, const char *sql, int64_t arg, sqlite3_stmt **stmt, struct mp_err *err)
{
	sqlite3 *db = mp_session_db(s);
	int rc = sqlite3_prepare_v2(db, sql, -1, stmt, NULL);

	if (rc == SQLITE_OK) {
		sqlite3_bind_int64(*stmt, 1, arg);
		rc = sqlite3_step(*stmt);
	}
	if (rc == SQLITE_ROW)
		return 0;
	return mp_err_set(err, EIO, "cannot read %s: %s", mp_session_path(s),
	    rc == SQLITE_DONE ? "a row is missing" : sqlite3_errmsg(db));
}

static int check_thread(struct mp_session *s, const struct mp_report *report, int64_t tid, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;

	if (!tid)
		return 0;
	if (report->histogram)
		return mp_err_set(err, EINVAL,
		    "%s cannot show one thread: its histograms count all threads together; outliers and "
		    "sites take --thread",
		    report->name);
	int rc = first_row(s,
	    "SELECT EXISTS (SELECT 1 FROM thread WHERE tid = ?1) OR EXISTS (SELECT 1 FROM call WHERE tid = "
	    "?1) OR EXISTS (SELECT 1 FROM sample WHERE tid = ?1)",
	    tid, &stmt, err);
	if (!rc && !sqlite3_column_int(stmt, 0))
		rc = mp_err_set(err, EINVAL,
		    "thread %" PRId64
		    " is not in %s: its threads are listed by: mpsample query %s 'SELECT * FROM v_thread'",
		    tid, mp_session_path(s), mp_session_path(s));
	sqlite3_finalize(stmt);
	return rc;
}

/* The start of the slot that holds `t_ns`; slots need not begin at whole seconds of the clock. */
static int64_t slot_floor(int64_t t_ns, int64_t any_slot_ns)
{
	int64_t phase = (t_ns - any_slot_ns) % SLOT_NS;

	return t_ns - (phase < 0 ? phase + SLOT_NS : phase);
}

/*
 * The slot that holds `t_ns`. Slots that were rolled up are as long as their rows say; a session without such
 * rows, of an older version or an import, has slots of a second.
 */
static int find_slot(struct mp_session *s, int64_t t_ns, int64_t any_slot_ns, int64_t *start_ns,
    int64_t *end_ns, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = first_row(s,
	    "SELECT slot_ns, dur_ns, max(slot_ns) FROM slot WHERE slot_ns <= ?1 AND slot_ns > ?1 - "
	    "4000000000000",
	    t_ns, &stmt, err);

	*start_ns = slot_floor(t_ns, any_slot_ns);
	*end_ns = *start_ns + SLOT_NS;
	if (!rc && sqlite3_column_type(stmt, 0) != SQLITE_NULL) {
		int64_t slot_ns = sqlite3_column_int64(stmt, 0), dur_ns = sqlite3_column_int64(stmt, 1);

		if (dur_ns > 0 && t_ns - slot_ns < dur_ns) {
			*start_ns = slot_ns;
			*end_ns = slot_ns + dur_ns;
		}
	}
	sqlite3_finalize(stmt);
	return rc;
}

/* Which slots, and which losses, are of the time that was asked for; of reports from histograms that time is
 * rounded outwards to slots. */
static int find_slots(struct mp_session *s, const struct mp_report *report, int64_t any_slot_ns,
    struct mp_report_filter *f, struct mp_report_scope *b, struct mp_err *err)
{
	int64_t start_ns, end_ns;
	int rc = 0;

	f->is_rounded = false;
	b->slots_ns = INT64_MIN;
	b->lost_ns = INT64_MAX;
	if (b->from_ns > INT64_MIN) {
		rc = find_slot(s, b->from_ns, any_slot_ns, &start_ns, &end_ns, err);
		b->slots_ns = start_ns;
		f->is_rounded |= report->histogram && b->from_ns != start_ns;
		if (report->histogram)
			b->from_ns = start_ns;
	}
	if (!rc && b->to_ns < INT64_MAX) {
		rc = find_slot(s, b->to_ns - 1, any_slot_ns, &start_ns, &end_ns, err);
		f->is_rounded |= report->histogram && b->to_ns != end_ns && b->to_ns != b->end_ns;
		if (report->histogram)
			b->to_ns = end_ns;
		/* What is lost is known at the end of its slot, or soon after it. */
		b->lost_ns = (end_ns > b->to_ns ? end_ns : b->to_ns) + SLOT_NS / 2;
	}
	return rc;
}

/* A session may come from anybody: its times are kept where they can be added and subtracted. */
static int64_t sane(int64_t t_ns)
{
	return t_ns < 0 ? 0 : t_ns > INT64_MAX / 4 ? INT64_MAX / 4 : t_ns;
}

/* The phase asked for as a part of the recording's time. */
static int apply_phase(
    struct mp_session *s, const struct mp_report_scope *b, struct mp_report_filter *f, struct mp_err *err)
{
	int64_t start_ns, end_ns;

	if (!f->phase)
		return 0;
	if (f->from_ns >= 0 || f->to_ns >= 0)
		return mp_err_set(err, EINVAL, "give a phase or --from and --to, not both");
	int rc = mp_phase_find(s, f->phase, &start_ns, &end_ns, err);
	if (rc)
		return rc;
	start_ns = start_ns > b->start_ns ? start_ns : b->start_ns;
	end_ns = end_ns < b->end_ns ? end_ns : b->end_ns;
	if (start_ns >= end_ns)
		return mp_err_set(err, EINVAL, "phase %.80s has no time in %s", f->phase, mp_session_path(s));
	f->from_ns = start_ns - b->start_ns;
	f->to_ns = end_ns - b->start_ns;
	return 0;
}

/* From what the user asked for to session times; the other way round into `f`, once rounded. */
static int find_bounds(struct mp_session *s, const struct mp_report *report, struct mp_report_filter *f,
    struct mp_report_scope *b, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = first_row(s,
	    "SELECT start_ns, end_ns, finished, coalesce((SELECT min(slot_ns) FROM latency_sum), start_ns), "
	    "?1"
	    " FROM session_time",
	    0, &stmt, err);

	if (rc)
		goto out;
	int64_t slot_ns = sane(sqlite3_column_int64(stmt, 3));
	*b = (struct mp_report_scope){.start_ns = sane(sqlite3_column_int64(stmt, 0)),
	    .end_ns = sane(sqlite3_column_int64(stmt, 1)),
	    .finished = sqlite3_column_int(stmt, 2),
	    .from_ns = INT64_MIN,
	    .to_ns = INT64_MAX,
	    .tid = f->tid,
	    .op = f->op,
	    .call_id = f->call_id,
	    .limit = f->limit < 0 ? report->limit : f->limit,
	    .impact = f->impact,
	    .pools = f->pools};
	rc = apply_phase(s, b, f, err);
	if (rc)
		goto out;
	if (f->from_ns >= 0)
		b->from_ns = b->start_ns + f->from_ns;
	if (f->to_ns >= 0)
		b->to_ns = b->start_ns + f->to_ns;
	if (b->from_ns > b->end_ns)
		rc =
		    mp_err_set(err, EINVAL, "--from %g is after the end of the recording, which is %g s long",
			(double)f->from_ns / 1e9, (double)(b->end_ns - b->start_ns) / 1e9);
	else if (b->from_ns >= b->to_ns)
		rc = mp_err_set(err, EINVAL, "--from %g is not before --to %g", (double)f->from_ns / 1e9,
		    (double)f->to_ns / 1e9);
	if (!rc)
		rc = find_slots(s, report, slot_ns, f, b, err);
	int64_t from = b->from_ns > b->start_ns ? b->from_ns : b->start_ns;
	int64_t to = b->to_ns < b->end_ns ? b->to_ns : b->end_ns;
	b->covered_ns = to > from ? to - from : 0;
	if (f->from_ns >= 0)
		f->from_ns = from - b->start_ns;
	if (f->to_ns >= 0)
		f->to_ns = to - b->start_ns;
out:
	sqlite3_finalize(stmt);
	return rc;
}

int mp_report_scope_of_all(struct mp_session *s, struct mp_report_scope *out, struct mp_err *err)
{
	struct mp_report_filter all = {.from_ns = -1, .to_ns = -1};
	const struct mp_report any = {0};

	return find_bounds(s, &any, &all, out, err);
}

static const char *text_or(sqlite3_stmt *stmt, int col, const char *otherwise)
{
	const char *text = (const char *)sqlite3_column_text(stmt, col);

	return text && *text ? text : otherwise;
}

/*
 * session: ./engine --venue XNAS (pid 4242), 20.0 s; planes uprobe,perf (bpf), probe all; ended: duration
 * session: ./engine (pid 4242), 12.0 s; ...; it is being recorded, or the recorder did not finish: ...
 */
static void note_session(struct mp_emit *e, sqlite3_stmt *stmt)
{
	char length[MP_CELL_NUMBER];
	const char *end = text_or(stmt, 6, NULL);

	mp_cell_int(MP_UNIT_DURATION, sqlite3_column_int64(stmt, 2), length);
	mp_emit_note(e, "session: %s (pid %s), %s; planes %s (%s), probe %s; %s%s",
	    text_or(stmt, 1, "command not known"), text_or(stmt, 0, "?"), length, text_or(stmt, 3, "?"),
	    text_or(stmt, 4, "?"), text_or(stmt, 5, "?"), end ? "ended: " : "",
	    end ? end
		: "it is being recorded, or the recorder did not finish: the last second may be missing");
}

static void count_lost(char *out, size_t size, int64_t have, int64_t lost)
{
	char number[MP_CELL_NUMBER];

	if (!lost) {
		snprintf(out, size, "none lost");
		return;
	}
	mp_cell_int(MP_UNIT_COUNT, lost, number);
	snprintf(
	    out, size, "%s LOST (%.2g %%)", number, 100.0 * (double)lost / ((double)have + (double)lost));
}

static void describe_duty(char *out, size_t size, const char *probe, sqlite3_stmt *stmt)
{
	double duty = sqlite3_column_double(stmt, 4);

	if (!strcmp(probe, "slow"))
		snprintf(out, size, "only the allocator's slow paths are probed");
	else if (sqlite3_column_type(stmt, 4) == SQLITE_NULL)
		snprintf(out, size, "duty not known");
	else if (duty >= 1)
		snprintf(out, size, "every call probed (duty 1.0)");
	else
		snprintf(out, size,
		    "probed %.3g %% of the time (duty %.3g): rates are rescaled, counts are not", duty * 100,
		    duty);
}

/* coverage: 1,000,003 calls counted, none lost; 2,113 rows kept, none lost; every call probed (duty 1.0); ...
 */
static void note_coverage(struct mp_emit *e, sqlite3_stmt *stmt, const char *probe, int64_t tid)
{
	char calls[MP_CELL_NUMBER], rows[MP_CELL_NUMBER], floor[MP_CELL_NUMBER] = "not known";
	char uncertain[MP_CELL_NUMBER];
	char calls_lost[80], rows_lost[80], duty[128], thread[48] = "";
	char number[MP_CELL_NUMBER], thinned[128] = "";
	bool floor_known = sqlite3_column_type(stmt, 5) != SQLITE_NULL;

	mp_cell_int(MP_UNIT_COUNT, sqlite3_column_int64(stmt, 0), calls);
	mp_cell_int(MP_UNIT_COUNT, sqlite3_column_int64(stmt, 2), rows);
	count_lost(
	    calls_lost, sizeof(calls_lost), sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1));
	count_lost(
	    rows_lost, sizeof(rows_lost), sqlite3_column_int64(stmt, 2), sqlite3_column_int64(stmt, 3));
	describe_duty(duty, sizeof(duty), probe, stmt);
	if (floor_known)
		mp_cell_int(MP_UNIT_DURATION, sqlite3_column_int64(stmt, 5), floor);
	mp_cell_int(MP_UNIT_DURATION, sqlite3_column_int64(stmt, 6), uncertain);
	if (tid)
		snprintf(thread, sizeof(thread), " of thread %" PRId64, tid);
	if (sqlite3_column_int64(stmt, 8)) {
		mp_cell_int(MP_UNIT_COUNT, sqlite3_column_int64(stmt, 8), number);
		snprintf(thinned, sizeof(thinned),
		    " (%s more of the recording are thinned: the others stand for them)", number);
	}
	mp_emit_note(e, "coverage: %s calls counted%s, %s; %s rows kept%s, %s%s; %s; floor %s%s%s", calls,
	    tid ? " (all threads)" : "", calls_lost, rows, thread, rows_lost, thinned, duty, floor,
	    floor_known ? " subtracted, which leaves durations uncertain by up to " : "",
	    floor_known ? uncertain : "");
	if (sqlite3_column_int64(stmt, 7)) {
		mp_cell_int(MP_UNIT_COUNT, sqlite3_column_int64(stmt, 7), number);
		mp_emit_note(
		    e, "%s events of the kernel were lost: what they took is told as unexplained", number);
	}
	if (sqlite3_column_int64(stmt, 11)) {
		mp_cell_int(MP_UNIT_COUNT, sqlite3_column_int64(stmt, 11), number);
		mp_emit_note(
		    e, "%s stacks were LOST: sites and components miss these calls, or blocks", number);
	}
	if (sqlite3_column_int64(stmt, 12)) {
		mp_cell_int(MP_UNIT_COUNT, sqlite3_column_int64(stmt, 12), number);
		mp_emit_note(e,
		    "%s markers were LOST: spans, phases and pools by markers miss what they told", number);
	}
}

/* samples: 12,345, none lost; 12,000 with an address, of which 120 (1.0 %) are in nothing that is known */
static void note_samples(struct mp_emit *e, sqlite3_stmt *stmt, int col)
{
	char samples[MP_CELL_NUMBER], with_addr[MP_CELL_NUMBER], unmatched[MP_CELL_NUMBER], lost[80];
	char share[MP_CELL_NUMBER];
	int64_t n = sqlite3_column_int64(stmt, col);

	if (!n)
		return;
	mp_cell_int(MP_UNIT_COUNT, n, samples);
	mp_cell_int(MP_UNIT_COUNT, sqlite3_column_int64(stmt, col + 1), with_addr);
	mp_cell_int(MP_UNIT_COUNT, sqlite3_column_int64(stmt, col + 2), unmatched);
	mp_cell_real(MP_UNIT_SHARE, sqlite3_column_double(stmt, col + 3), share);
	count_lost(lost, sizeof(lost), n, sqlite3_column_int64(stmt, col + 5));
	if (sqlite3_column_int64(stmt, col + 1))
		mp_emit_note(e,
		    "samples: %s, %s; %s with an address, of which %s (%s) are in nothing that is known",
		    samples, lost, with_addr, unmatched, share);
	else
		mp_emit_note(e, "samples: %s, %s; none with an address", samples, lost);
}

static void note_range(struct mp_emit *e, const struct mp_report_scope *b, const struct mp_report_filter *f)
{
	char from[MP_CELL_NUMBER], to[MP_CELL_NUMBER];

	if (b->tid)
		mp_emit_note(e, "only thread %" PRId64, b->tid);
	if (b->op)
		mp_emit_note(e, "only %s", b->op);
	if (f->from_ns < 0 && f->to_ns < 0)
		return;
	mp_cell_int(MP_UNIT_TIME, f->from_ns < 0 ? 0 : f->from_ns, from);
	mp_cell_int(MP_UNIT_TIME, f->to_ns < 0 ? b->end_ns - b->start_ns : f->to_ns, to);
	mp_emit_note(e, "only %s%sfrom %s s to %s s of the recording%s", f->phase ? f->phase : "",
	    f->phase ? ", " : "", from, to,
	    f->is_rounded ? ": rounded outwards to the seconds that the histograms count by" : "");
}

static bool is_wanted(const struct mp_report *report, const struct mp_report_section *section,
    const struct mp_report_filter *f, enum mp_format format)
{
	if (f->table)
		return !strcmp(f->table, section->name);
	if (format == MP_FORMAT_CSV)
		return section == report->section;
	if (format == MP_FORMAT_JSON)
		return true;
	if ((section->needs == MP_NEEDS_COST && !f->impact.cost) ||
	    (section->needs == MP_NEEDS_INTERVAL && !f->impact.intervals))
		return false;
	return !section->data_only;
}

static int check_table(const struct mp_report *report, const struct mp_report_filter *f, struct mp_err *err)
{
	char all[256] = "";

	if (!f->table)
		return 0;
	for (const struct mp_report_section *c = report->section; c->name; c++) {
		size_t n = strlen(all);

		if (!strcmp(f->table, c->name))
			return 0;
		snprintf(all + n, sizeof(all) - n, "%s%s", n ? ", " : "", c->name);
	}
	return mp_err_set(err, EINVAL, "%s has no table %s: it has %s", report->name, f->table, all);
}

/* Each row's first column is a line of text; `step` is what the first step gave. `title` NULL: nothing is
 * said where there are none. */
static int write_lines(struct mp_session *s, const char *title, sqlite3_stmt *stmt, int step,
    struct mp_emit *e, struct mp_err *err)
{
	if (title || step == SQLITE_ROW)
		mp_emit_note(e, "%s", "");
	if (title)
		mp_emit_note(e, "%s", title);
	if (title && step == SQLITE_DONE)
		mp_emit_note(e, "(no rows)");
	for (; step == SQLITE_ROW; step = sqlite3_step(stmt))
		mp_emit_note(e, "%s", text_or(stmt, 0, ""));
	if (step == SQLITE_DONE)
		return 0;
	return mp_err_set(
	    err, EIO, "cannot read %s: %s", mp_session_path(s), sqlite3_errmsg(mp_session_db(s)));
}

static int run_section(struct mp_session *s, const struct mp_report *report,
    const struct mp_report_section *c, const struct mp_report_filter *f, const struct mp_report_scope *b,
    struct mp_emit *e, enum mp_format format, struct mp_err *err)
{
	bool first = c == report->section, lines = first && report->lines && format == MP_FORMAT_TABLE;
	bool may_hide = (c->is_optional || c->none) && format == MP_FORMAT_TABLE && !f->table;
	const char *csv = first && format == MP_FORMAT_CSV ? report->csv : NULL;
	sqlite3_stmt *stmt = NULL;
	int rc = mp_report_prepare(s, lines ? report->lines : csv ? csv : c->sql, b, &stmt, err);

	mp_emit_json_column(e, first ? report->json_column : NULL);
	/* Once: of most queries the first step is all the work. */
	int step = rc ? SQLITE_ERROR : sqlite3_step(stmt);
	if (!rc && may_hide && step == SQLITE_DONE) {
		if (c->none) {
			mp_emit_note(e, "%s", "");
			mp_emit_note(e, "%s: %s", c->title, c->none);
		}
		sqlite3_finalize(stmt);
		return 0;
	}
	if (!rc && lines)
		rc = write_lines(s, c->title, stmt, step, e, err);
	else if (!rc)
		rc = mp_emit_stepped(e, c->name, c->title, stmt, step, err);
	if (!rc && c->note)
		mp_emit_note(e, "%s", c->note);
	sqlite3_finalize(stmt);
	return rc;
}

int mp_report_check_impact(
    const struct mp_report *report, const struct mp_impact_options *o, struct mp_err *err)
{
	if (report->is_of_spans || (!o->cost && !o->intervals))
		return 0;
	return mp_err_set(err, EINVAL, "%s is not of spans: %s is an option of the report impact",
	    report->name, o->cost ? "--cost-per-us" : "--interval");
}

int mp_report_check_pools(const struct mp_report *report, const struct mp_pool_options *o, struct mp_err *err)
{
	if (report->is_of_pools || (!o->pool && o->risk == 0 && !o->horizon_ns))
		return 0;
	return mp_err_set(err, EINVAL, "%s is not of pools: %s is an option of the report pools",
	    report->name,
	    o->pool         ? "--pool"
	    : o->horizon_ns ? "--horizon"
			    : "--risk");
}

static int run_sections(struct mp_session *s, const struct mp_report *report,
    const struct mp_report_filter *f, const struct mp_report_scope *b, struct mp_emit *e,
    enum mp_format format, struct mp_err *err)
{
	bool group = report->section[1].name && !report->flat;
	const struct mp_report_section *first = report->section + (report->is_rows_first ? 1 : 0);
	int rc = 0;

	for (const struct mp_report_section *c = report->section; !rc && c->name; c++) {
		if (group && c == first)
			mp_emit_group_begin(e, "tables");
		if (is_wanted(report, c, f, format))
			rc = run_section(s, report, c, f, b, e, format, err);
	}
	if (group)
		mp_emit_group_end(e);
	return rc;
}

/* What stands above or below the tables, for people. */
static int run_lines(struct mp_session *s, const char *path, const struct mp_report_scope *b,
    const struct mp_report_filter *f, struct mp_emit *e, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;

	if (!path || !b->people || f->table)
		return 0;
	int rc = mp_report_prepare(s, path, b, &stmt, err);
	if (!rc)
		rc = write_lines(s, NULL, stmt, sqlite3_step(stmt), e, err);
	sqlite3_finalize(stmt);
	return rc;
}

/* The session and coverage objects, with the columns of `more` if that is not NULL; for a table the first row
 * of each is read here, and put into words. */
static int run_object(struct mp_session *s, const char *name, const char *path, const char *more,
    const struct mp_report_scope *b, struct mp_emit *e, enum mp_format format, sqlite3_stmt **stmt,
    struct mp_err *err)
{
	int rc = more ? prepare_pair(s, path, more, b, stmt, err) : mp_report_prepare(s, path, b, stmt, err);

	if (rc || format == MP_FORMAT_CSV)
		return rc;
	if (format == MP_FORMAT_JSON)
		return mp_emit_object(e, name, *stmt, err);
	if (sqlite3_step(*stmt) != SQLITE_ROW)
		return mp_err_set(
		    err, EIO, "cannot read %s: %s", mp_session_path(s), sqlite3_errmsg(mp_session_db(s)));
	return 0;
}

static int run(struct mp_session *s, const struct mp_report *report, const struct mp_report_filter *f,
    const struct mp_report_scope *b, struct mp_emit *e, enum mp_format format, struct mp_err *err)
{
	sqlite3_stmt *session = NULL, *coverage = NULL;
	bool table = format == MP_FORMAT_TABLE;

	mp_emit_begin(e, report->name);
	int rc =
	    run_object(s, "session", "sql/reports/object_session.sql", NULL, b, e, format, &session, err);
	if (!rc && table) {
		note_session(e, session);
		note_range(e, b, f);
	}
	if (!rc)
		rc = run_lines(s, report->before, b, f, e, err);
	if (!rc)
		rc = run_sections(s, report, f, b, e, format, err);
	if (!rc)
		rc = run_lines(s, report->after, b, f, e, err);
	if (!rc) {
		mp_emit_json_column(e, report->coverage ? "events" : NULL);
		rc = run_object(s, "coverage", "sql/reports/object_coverage.sql", report->coverage, b, e,
		    format, &coverage, err);
	}
	if (!rc && table) {
		if (report->is_of_rows && sqlite3_column_int64(coverage, 3) > 0)
			mp_emit_note(e, "(rows were LOST: this table is of those that were kept, and its "
					"sums are too low; summary and jitter count every call)");
		mp_emit_note(e, "%s", "");
		note_coverage(e, coverage, text_or(session, 5, ""), b->tid);
		if (report->coverage)
			note_samples(e, coverage, OBJECT_COVERAGE_COLUMNS);
	}
	sqlite3_finalize(session);
	sqlite3_finalize(coverage);
	return rc;
}

/* Stock SQLite may be built without its mathematical functions. */
static void sql_sqrt(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	(void)argc;
	if (sqlite3_value_type(argv[0]) != SQLITE_NULL)
		sqlite3_result_double(ctx, sqrt(sqlite3_value_double(argv[0])));
}

/* A duration for people, within a sentence. */
static void sql_duration(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	char text[MP_CELL_NUMBER];

	(void)argc;
	mp_cell_int(MP_UNIT_DURATION, sqlite3_value_int64(argv[0]), text);
	sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

/* A fraction for people, within a sentence. */
static void sql_share(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	char text[MP_CELL_NUMBER];

	(void)argc;
	mp_cell_real(MP_UNIT_SHARE, sqlite3_value_double(argv[0]), text);
	sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

/* A number of bytes for people, within a sentence. */
static void sql_bytes(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	char text[MP_CELL_NUMBER];

	(void)argc;
	mp_cell_int(MP_UNIT_BYTES, sqlite3_value_int64(argv[0]), text);
	sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

/* The time of day where the report is read, of ns since 1970: 09:30:00.1. NULL stays NULL. */
static void sql_time_of_day(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	int64_t real_ns = sqlite3_value_int64(argv[0]);
	time_t seconds = (time_t)(real_ns / SLOT_NS);
	char text[32];
	struct tm tm;

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL || real_ns < 0 || !localtime_r(&seconds, &tm))
		return;
	snprintf(text, sizeof(text), "%02d:%02d:%02d.%d", tm.tm_hour, tm.tm_min, tm.tm_sec,
	    (int)(real_ns % SLOT_NS / (SLOT_NS / 10)));
	sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

static void add_functions(sqlite3 *db)
{
	const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;

	sqlite3_create_function(db, "mp_sqrt", 1, flags, NULL, sql_sqrt, NULL, NULL);
	sqlite3_create_function(db, "mp_duration", 1, flags, NULL, sql_duration, NULL, NULL);
	sqlite3_create_function(db, "mp_bytes", 1, flags, NULL, sql_bytes, NULL, NULL);
	sqlite3_create_function(
	    db, "mp_time_of_day", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, sql_time_of_day, NULL, NULL);
	sqlite3_create_function(db, "mp_share", 1, flags, NULL, sql_share, NULL, NULL);
}

int mp_report_run(struct mp_session *s, const struct mp_report *report, struct mp_report_filter *filter,
    FILE *out, enum mp_format format, struct mp_err *err)
{
	struct mp_report_scope b;
	int rc = check_table(report, filter, err);

	if (!rc)
		rc = mp_report_check_impact(report, &filter->impact, err);
	if (!rc)
		rc = mp_report_check_pools(report, &filter->pools, err);
	if (!rc)
		rc = check_thread(s, report, filter->tid, err);
	if (!rc)
		rc = find_bounds(s, report, filter, &b, err);
	if (!rc) {
		b.is_brief = format == MP_FORMAT_TABLE && !filter->table && filter->limit < 0;
		b.people = format == MP_FORMAT_TABLE;
	}
	if (!rc && report->fill)
		rc = report->fill(s, &b, err);
	if (rc)
		return rc;

	add_functions(mp_session_db(s));
	struct mp_emit *e = mp_emit_new(out, format);
	if (!e)
		return mp_err_set(err, ENOMEM, "out of memory");
	rc = run(s, report, filter, &b, e, format, err);
	int end = mp_emit_end(e, rc ? NULL : err);
	return rc ? rc : end;
}
