/* SPDX-License-Identifier: MIT */
#include "analysis/jitter/jitter.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/each_row.h"
#include "analysis/jitter/succession.h"
#include "analysis/stats/tally.h"

#define OPS        MP_SUCCESSION_OPS /* operations with larger numbers are passed over */
#define PHASES     64                /* names: further ones count as the last */
#define PHASE_NAME 64                /* bytes: what is longer is cut */

enum statement { SPREAD, SUCCESSION, QUANTILE, STEP, PHASE, SLOT_SECONDS, SLOT_SUMS, STATEMENTS };

static const char *const statements[STATEMENTS] = {
    [SPREAD] = "INSERT INTO temp.jitter_spread VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [SUCCESSION] = "INSERT INTO temp.jitter_succession VALUES (?,?,?)",
    [QUANTILE] = "INSERT INTO temp.jitter_quantile VALUES (?,?,?,?,?,?)",
    [STEP] = "INSERT INTO temp.jitter_step VALUES (?,?,?,?,?)",
    [PHASE] = "INSERT INTO temp.jitter_phase VALUES (?,?,?,?)",
    [SLOT_SECONDS] = "SELECT dur_ns / 1000000000 FROM slot WHERE slot_ns = ?",
    [SLOT_SUMS] = "SELECT op_id, size_class, calls, sum_ns, max_ns FROM main.latency_sum WHERE slot_ns = ?",
};

static const char tables[] =
    "DROP TABLE IF EXISTS temp.jitter_spread;"
    "DROP TABLE IF EXISTS temp.jitter_succession;"
    "DROP TABLE IF EXISTS temp.jitter_quantile;"
    "DROP TABLE IF EXISTS temp.jitter_step;"
    "DROP TABLE IF EXISTS temp.jitter_phase;"
    "CREATE TEMP TABLE jitter_spread(kind, key, op_id, rows, calls, p50_ns, p90_ns, p99_ns, p999_ns,"
    " p9999_ns, p99999_ns, max_ns, mean_ns, stddev_ns);"
    "CREATE TEMP TABLE jitter_succession(op_id, masd_ns, gap_cv);"
    "CREATE TEMP TABLE jitter_quantile(op_id, tail, dur_ns, lo_ns, hi_ns, beyond_calls);"
    "CREATE TEMP TABLE jitter_step(op_id, lo_ns, hi_ns, calls, bits);"
    "CREATE TEMP TABLE jitter_phase(phase, name, start_ns, seconds);";

/* A name of phases: the program may be in it several times. */
struct phase {
	char name[PHASE_NAME];
	int64_t start_ns, seconds;
	int64_t end_ns; /* of the last time that has begun so far, or of an earlier one that lasts longer */
	struct mp_tally op[OPS];
};

struct jitter {
	struct mp_session *session;
	const struct mp_report_scope *scope;
	struct mp_err *err; /* of the reading */
	sqlite3_stmt *statement[STATEMENTS];

	int64_t slot_ns; /* the one being read */
	int64_t slot_seconds;
	bool has_slot;
	struct mp_tally slot[OPS], size[OPS][MP_SIZE_CLASSES];

	/* Phases by their start, one row ahead of the slots. */
	sqlite3_stmt *phases;
	bool has_next;
	struct phase *phase[PHASES], none;
	size_t n_phases;
};

static sqlite3 *db_of(const struct jitter *j)
{
	return mp_session_db(j->session);
}

static int no_memory(const struct jitter *j, struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "cannot read %s: out of memory", mp_session_path(j->session));
}

static int sqlite_failed(const struct jitter *j, struct mp_err *err)
{
	return mp_err_set(
	    err, EIO, "cannot read %s: %s", mp_session_path(j->session), sqlite3_errmsg(db_of(j)));
}

static int exec(const struct jitter *j, const char *sql, struct mp_err *err)
{
	return sqlite3_exec(db_of(j), sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sqlite_failed(j, err);
}

/* ---- Into the tables ---- */

static void bind_known(sqlite3_stmt *st, int i, bool known, int64_t value)
{
	if (known)
		sqlite3_bind_int64(st, i, value);
	else
		sqlite3_bind_null(st, i);
}

static int insert(const struct jitter *j, enum statement which, struct mp_err *err)
{
	sqlite3_stmt *st = j->statement[which];

	/* reset() repeats what step() answered. */
	sqlite3_step(st);
	return sqlite3_reset(st) == SQLITE_OK ? 0 : sqlite_failed(j, err);
}

/* `rows` < 0: not from rows. Of no calls there is no row. */
static int insert_spread(const struct jitter *j, const char *kind, int64_t key, uint32_t op, int64_t rows,
    const struct mp_tally *t, struct mp_err *err)
{
	sqlite3_stmt *st = j->statement[SPREAD];

	if (!t->calls)
		return 0;
	struct mp_spread s = mp_tally_spread(t);

	sqlite3_bind_text(st, 1, kind, -1, SQLITE_STATIC);
	bind_known(st, 2, key != INT64_MIN, key);
	sqlite3_bind_int64(st, 3, op);
	bind_known(st, 4, rows >= 0, rows);
	sqlite3_bind_int64(st, 5, s.calls);
	for (int i = 0; i < MP_SPREAD_QUANTILES; i++)
		sqlite3_bind_int64(st, 6 + i, s.quantile_ns[i]);
	sqlite3_bind_int64(st, 12, s.max_ns);
	sqlite3_bind_double(st, 13, s.mean_ns);
	sqlite3_bind_double(st, 14, s.stddev_ns);
	return insert(j, SPREAD, err);
}

static int insert_quantiles(const struct jitter *j, uint32_t op, const struct mp_tally *t, struct mp_err *err)
{
	struct mp_spread s = mp_tally_spread(t);
	sqlite3_stmt *st = j->statement[QUANTILE];
	int rc = 0;

	for (int i = 0; !rc && i < MP_SPREAD_QUANTILES; i++) {
		uint32_t tail = mp_spread_tails[i];
		struct mp_ranks r = mp_quantile_interval(t->calls, tail);
		int64_t hi_ns = (int64_t)mp_hist_hi_ns(mp_tally_bucket(t, r.hi));

		sqlite3_bind_int64(st, 1, op);
		sqlite3_bind_int64(st, 2, tail);
		sqlite3_bind_int64(st, 3, s.quantile_ns[i]);
		bind_known(st, 4, r.lo > 0, (int64_t)mp_hist_lo_ns(mp_tally_bucket(t, r.lo)));
		bind_known(st, 5, r.hi <= t->calls, hi_ns < s.max_ns ? hi_ns : s.max_ns);
		sqlite3_bind_int64(st, 6, mp_quantile_beyond(t->calls, tail));
		rc = insert(j, QUANTILE, err);
	}
	return rc;
}

static int64_t calls_between(const struct mp_tally *t, uint32_t first, uint32_t end)
{
	int64_t calls = 0;

	for (uint32_t b = first; b < end; b++)
		calls += mp_tally_calls(t, b);
	return calls;
}

/* Steps of the histogram are powers of two, of which each begins a bucket: the counts stay exact. */
static int insert_steps(const struct jitter *j, uint32_t op, const struct mp_tally *t, struct mp_err *err)
{
	uint64_t lo_ns = 0, end_ns = 1;
	int64_t upto = 0;
	int rc = 0;

	for (; !rc && upto < t->calls; lo_ns = end_ns, end_ns *= 2) {
		sqlite3_stmt *st = j->statement[STEP];
		int64_t calls = calls_between(t, mp_hist_bucket(lo_ns), mp_hist_bucket(end_ns - 1) + 1);

		upto += calls;
		if (!upto)
			continue;
		sqlite3_bind_int64(st, 1, op);
		sqlite3_bind_int64(st, 2, (int64_t)lo_ns);
		sqlite3_bind_int64(st, 3, (int64_t)end_ns - 1);
		sqlite3_bind_int64(st, 4, calls);
		sqlite3_bind_int(st, 5, calls ? (int)mp_hist_log2((uint64_t)calls) + 1 : 0);
		rc = insert(j, STEP, err);
	}
	return rc;
}

/* ---- Phases ---- */

static int step_phases(struct jitter *j, struct mp_err *err)
{
	int step = sqlite3_step(j->phases);

	j->has_next = step == SQLITE_ROW;
	return step == SQLITE_ROW || step == SQLITE_DONE ? 0 : sqlite_failed(j, err);
}

static int open_phases(struct jitter *j, struct mp_err *err)
{
	if (sqlite3_prepare_v2(db_of(j),
		"SELECT start_ns, end_ns, name FROM main.phase ORDER BY start_ns, phase_id", -1, &j->phases,
		NULL) != SQLITE_OK)
		return sqlite_failed(j, err);
	return step_phases(j, err);
}

/* The phase of that name; NULL: out of memory. */
static struct phase *find_phase(struct jitter *j, const char *name)
{
	char cut[PHASE_NAME];

	snprintf(cut, sizeof(cut), "%s", name ? name : "");
	for (size_t i = 0; i < j->n_phases; i++)
		if (!strcmp(j->phase[i]->name, cut))
			return j->phase[i];
	if (j->n_phases == PHASES)
		return j->phase[PHASES - 1];
	struct phase *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	/* What does not fit gets no name of its own, so as not to pass for one. */
	bool is_last = j->n_phases == PHASES - 1;
	snprintf(p->name, sizeof(p->name), "%s", is_last ? "(all further phases)" : cut);
	p->start_ns = sqlite3_column_int64(j->phases, 0);
	return j->phase[j->n_phases++] = p;
}

/* All phases that have begun when the slot starts. */
static int enter_phases(struct jitter *j, struct mp_err *err)
{
	int rc = 0;

	while (!rc && j->has_next && sqlite3_column_int64(j->phases, 0) <= j->slot_ns) {
		bool is_open = sqlite3_column_type(j->phases, 1) == SQLITE_NULL;
		int64_t end_ns = is_open ? INT64_MAX : sqlite3_column_int64(j->phases, 1);
		struct phase *p = find_phase(j, (const char *)sqlite3_column_text(j->phases, 2));

		if (p && end_ns > p->end_ns)
			p->end_ns = end_ns;
		rc = p ? step_phases(j, err) : no_memory(j, err);
	}
	return rc;
}

static int add_slot(struct jitter *j, struct phase *p, struct mp_err *err)
{
	p->seconds += j->slot_seconds;
	for (uint32_t op = 0; op < OPS; op++) {
		const struct mp_tally *slot = &j->slot[op];
		if ((slot->calls || slot->exact_calls) && mp_tally_merge(&p->op[op], slot))
			return no_memory(j, err);
	}
	return 0;
}

/* The slot counts for each phase that it starts in: phases lie in one another. */
static int add_slot_to_phases(struct jitter *j, struct mp_err *err)
{
	bool is_in_none = true;
	int rc = 0;

	for (size_t i = 0; !rc && i < j->n_phases; i++) {
		if (j->slot_ns >= j->phase[i]->end_ns)
			continue;
		is_in_none = false;
		rc = add_slot(j, j->phase[i], err);
	}
	return is_in_none ? add_slot(j, &j->none, err) : rc;
}

static int insert_phase(const struct jitter *j, int64_t number, const struct phase *p, struct mp_err *err)
{
	sqlite3_stmt *st = j->statement[PHASE];
	int rc = 0;

	if (!p->seconds)
		return 0;
	bool is_named = p != &j->none;
	bind_known(st, 1, is_named, number);
	if (is_named)
		sqlite3_bind_text(st, 2, p->name, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, 2);
	bind_known(st, 3, is_named, p->start_ns);
	sqlite3_bind_int64(st, 4, p->seconds);
	rc = insert(j, PHASE, err);
	for (uint32_t op = 0; !rc && op < OPS; op++)
		rc = insert_spread(j, "phase", is_named ? number : INT64_MIN, op, -1, &p->op[op], err);
	return rc;
}

static int insert_phases(struct jitter *j, struct mp_err *err)
{
	int rc = 0;

	/* Without phases there is nothing to tell them apart from. */
	if (j->n_phases)
		rc = insert_phase(j, 0, &j->none, err);
	for (size_t i = 0; !rc && i < j->n_phases; i++)
		rc = insert_phase(j, (int64_t)i, j->phase[i], err);
	return rc;
}

/* ---- The histograms, slot by slot ---- */

static int end_slot(struct jitter *j, struct mp_err *err)
{
	if (!j->has_slot)
		return 0;
	int rc = add_slot_to_phases(j, err);
	for (uint32_t op = 0; !rc && op < OPS; op++) {
		struct mp_tally *slot = &j->slot[op];

		if (!slot->calls && !slot->exact_calls)
			continue;
		rc = insert_spread(j, "slot", j->slot_ns, op, -1, slot, err);
		mp_tally_clear(slot);
	}
	return rc;
}

/* A slot is about a second, or as long as its row says. */
static int read_seconds(struct jitter *j)
{
	sqlite3_stmt *st = j->statement[SLOT_SECONDS];

	j->slot_seconds = 1;
	sqlite3_bind_int64(st, 1, j->slot_ns);
	int step = sqlite3_step(st);
	if (step == SQLITE_ROW) {
		int64_t seconds = sqlite3_column_int64(st, 0);

		j->slot_seconds = seconds > 1 ? seconds : 1;
		step = SQLITE_DONE;
	}
	sqlite3_reset(st);
	return step;
}

static int begin_slot(struct jitter *j, int64_t slot_ns, struct mp_err *err)
{
	sqlite3_stmt *st = j->statement[SLOT_SUMS];
	int step;

	j->slot_ns = slot_ns;
	j->has_slot = true;
	sqlite3_bind_int64(st, 1, slot_ns);
	while ((step = sqlite3_step(st)) == SQLITE_ROW) {
		int64_t op = sqlite3_column_int64(st, 0), c = sqlite3_column_int64(st, 1);
		int64_t calls = sqlite3_column_int64(st, 2), max_ns = sqlite3_column_int64(st, 4);
		double sum_ns = (double)sqlite3_column_int64(st, 3);

		if (op < 0 || op >= OPS || c < 0 || c >= MP_SIZE_CLASSES)
			continue;
		mp_tally_add_exact(&j->slot[op], calls, sum_ns, max_ns);
		mp_tally_add_exact(&j->size[op][c], calls, sum_ns, max_ns);
	}
	sqlite3_reset(st);
	if (step == SQLITE_DONE)
		step = read_seconds(j);
	return step == SQLITE_DONE ? enter_phases(j, err) : sqlite_failed(j, err);
}

static int add_row(void *ctx, sqlite3_value **row)
{
	struct jitter *j = ctx;
	struct mp_err *err = j->err;
	int64_t slot_ns = sqlite3_value_int64(row[0]), op = sqlite3_value_int64(row[1]);
	int64_t c = sqlite3_value_int64(row[2]), bucket = sqlite3_value_int64(row[3]);
	int64_t calls = sqlite3_value_int64(row[4]);
	int rc = 0;

	if (!j->has_slot || slot_ns != j->slot_ns) {
		rc = end_slot(j, err);
		if (!rc)
			rc = begin_slot(j, slot_ns, err);
	}
	if (rc || op < 0 || op >= OPS || c < 0 || c >= MP_SIZE_CLASSES)
		return rc;
	if (mp_tally_add(&j->slot[op], bucket, calls) || mp_tally_add(&j->size[op][c], bucket, calls))
		return no_memory(j, err);
	return 0;
}

static int read_latency(struct jitter *j, struct mp_err *err)
{
	int rc = open_phases(j, err);

	/* The order of the primary key: nothing is sorted. */
	j->err = err;
	if (!rc)
		rc = mp_each_row(j->session,
		    "SELECT 1 FROM main.latency WHERE slot_ns >= ?1 AND slot_ns < ?2"
		    " AND mp_take(?4, slot_ns, op_id, size_class, bucket, calls)"
		    " ORDER BY slot_ns, op_id, size_class, bucket",
		    j->scope, add_row, j, err);
	if (!rc)
		rc = end_slot(j, err);
	return rc ? rc : insert_phases(j, err);
}

/* What all slots have come to. */
static int insert_ops(struct jitter *j, struct mp_err *err)
{
	int rc = 0;

	for (uint32_t op = 0; !rc && op < OPS; op++) {
		struct mp_tally all = {0};

		for (uint32_t c = 0; !rc && c < MP_SIZE_CLASSES; c++) {
			const struct mp_tally *size = &j->size[op][c];

			rc = insert_spread(j, "size", c, op, -1, size, err);
			if (!rc && mp_tally_merge(&all, size))
				rc = no_memory(j, err);
		}
		if (!rc && all.calls)
			rc = insert_spread(j, "op", 0, op, -1, &all, err);
		if (!rc && all.calls)
			rc = insert_quantiles(j, op, &all, err);
		if (!rc && all.calls)
			rc = insert_steps(j, op, &all, err);
		mp_tally_clear(&all);
	}
	return rc;
}

static int insert_kept(struct jitter *j, struct mp_err *err)
{
	struct mp_succession kept;
	int rc = mp_succession_read(j->session, j->scope, &kept, err);

	for (size_t i = 0; !rc && i < kept.n; i++) {
		const struct mp_succession_thread *t = &kept.thread[i];

		rc = insert_spread(j, "thread", t->tid, t->op, t->rows, &t->tally, err);
	}
	for (int op = 0; !rc && op < MP_SUCCESSION_OPS; op++) {
		sqlite3_stmt *st = j->statement[SUCCESSION];

		if (isnan(kept.masd_ns[op]) && isnan(kept.gap_cv[op]))
			continue;
		/* NAN becomes NULL. */
		sqlite3_bind_int(st, 1, op);
		sqlite3_bind_double(st, 2, kept.masd_ns[op]);
		sqlite3_bind_double(st, 3, kept.gap_cv[op]);
		rc = insert(j, SUCCESSION, err);
	}
	mp_succession_free(&kept);
	return rc;
}

static void jitter_free(struct jitter *j)
{
	for (uint32_t op = 0; op < OPS; op++) {
		mp_tally_clear(&j->slot[op]);
		mp_tally_clear(&j->none.op[op]);
		for (int c = 0; c < MP_SIZE_CLASSES; c++)
			mp_tally_clear(&j->size[op][c]);
		for (size_t i = 0; i < j->n_phases; i++)
			mp_tally_clear(&j->phase[i]->op[op]);
	}
	for (size_t i = 0; i < j->n_phases; i++)
		free(j->phase[i]);
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(j->statement[i]);
	sqlite3_finalize(j->phases);
	free(j);
}

/* Within one transaction: what the passes read is one state of a session that is still being recorded. */
static int fill(struct jitter *j, struct mp_err *err)
{
	int rc = exec(j, tables, err);

	for (int i = 0; !rc && i < STATEMENTS; i++)
		if (sqlite3_prepare_v2(db_of(j), statements[i], -1, &j->statement[i], NULL) != SQLITE_OK)
			rc = sqlite_failed(j, err);
	if (!rc)
		rc = read_latency(j, err);
	if (!rc)
		rc = insert_ops(j, err);
	return rc ? rc : insert_kept(j, err);
}

int mp_jitter_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	struct jitter *j = calloc(1, sizeof(*j));

	if (!j)
		return mp_err_set(err, ENOMEM, "cannot read %s: out of memory", mp_session_path(s));
	j->session = s;
	j->scope = scope;
	int rc = exec(j, "PRAGMA query_only=OFF; SAVEPOINT jitter", err);
	if (!rc) {
		rc = fill(j, err);
		if (rc)
			sqlite3_exec(db_of(j), "ROLLBACK TO jitter", NULL, NULL, NULL);
		int end = exec(j, "RELEASE jitter", rc ? NULL : err);
		rc = rc ? rc : end;
	}
	sqlite3_exec(db_of(j), "PRAGMA query_only=ON", NULL, NULL, NULL);
	jitter_free(j);
	return rc;
}
