/* SPDX-License-Identifier: MIT */
#include "analysis/patterns/patterns.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/patterns/clusters.h"
#include "analysis/patterns/gc.h"
#include "analysis/patterns/kept.h"
#include "analysis/patterns/rhythm.h"
#include "analysis/patterns/sites.h"
#include "analysis/patterns/traits.h"
#include "store/cell.h"

#define FOUND_MOST   10 /* of each kind */
#define RHYTHMS_MOST 6  /* of all threads together, and of each one */
#define THREADS_MOST 8  /* that are looked at by themselves */
#define SAMPLE_MOST  (1 << 18)
#define THREADS_ROOM 4096
#define THREAD_LEAST 64  /* outliers */
#define COMMON_LEAST 0.1 /* of a share above that elsewhere */
#define TEXT         192

static const char tables[] =
    "DROP TABLE IF EXISTS temp.pattern_rhythm;"
    "DROP TABLE IF EXISTS temp.pattern_rhythm_trait;"
    "DROP TABLE IF EXISTS temp.pattern_cluster;"
    "DROP TABLE IF EXISTS temp.pattern_change;"
    "DROP TABLE IF EXISTS temp.pattern_mode;"
    "DROP TABLE IF EXISTS temp.pattern_gc;"
    "CREATE TEMP TABLE pattern_rhythm (rhythm_id, period_ns, thread, outliers, share, p_value, phase_ns,"
    "  locked_ns, cause, cause_share, rhythm);"
    "CREATE TEMP TABLE pattern_rhythm_trait (rhythm_id, trait, value, share);"
    "CREATE TEMP TABLE pattern_cluster (t_ns, dur_ns, outliers, expected, p_value, trait, value, share,"
    "  elsewhere_share);"
    "CREATE TEMP TABLE pattern_change (aspect, site, op_id, t_ns, p_value, before_per_s, after_per_s,"
    "  before_size_bytes, after_size_bytes, before_p50_ns, after_p50_ns, before_p99_ns, after_p99_ns);"
    "CREATE TEMP TABLE pattern_mode (site, op_id, rows, fast_ns, fast_share, slow_ns, slow_share, valley_ns,"
    "  p_value);"
    "CREATE TEMP TABLE pattern_gc (what, rows_in, rows_out, in_p50_ns, out_p50_ns, in_p99_ns, out_p99_ns,"
    "  delta, p_value);";

struct fill {
	struct mp_session *session;
	struct mp_kept_calls calls;
	struct mp_traits_reader *traits;
	int64_t *t_ns;  /* of the outliers */
	uint8_t *owner; /* which rhythm they are of */
	int64_t start_ns;
	struct mp_rhythm rhythm[RHYTHMS_MOST]; /* of all threads together */
	int rhythms;
	uint32_t sampled; /* rhythms are looked for in one of so many outliers */
};

static int failed(const struct fill *f, struct mp_err *err)
{
	return mp_err_set(err, EIO, "cannot write temporary tables for %s: %s", mp_session_path(f->session),
	    sqlite3_errmsg(mp_session_db(f->session)));
}

static int out_of_memory(struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "out of memory");
}

/* An INSERT into one of the tables; values are bound in the order of its columns. */
struct row {
	sqlite3_stmt *stmt;
	int column;
};

static int row_open(const struct fill *f, const char *table, int columns, struct row *r, struct mp_err *err)
{
	char sql[160];
	int n = snprintf(sql, sizeof(sql), "INSERT INTO temp.%s VALUES (?", table);

	for (int i = 1; i < columns; i++)
		n += snprintf(sql + n, sizeof(sql) - (size_t)n, ",?");
	snprintf(sql + n, sizeof(sql) - (size_t)n, ")");
	*r = (struct row){0};
	return sqlite3_prepare_v2(mp_session_db(f->session), sql, -1, &r->stmt, NULL) == SQLITE_OK
		   ? 0
		   : failed(f, err);
}

static void put_int(struct row *r, int64_t v)
{
	sqlite3_bind_int64(r->stmt, ++r->column, v);
}

/* NaN: NULL. */
static void put_real(struct row *r, double v)
{
	sqlite3_bind_double(r->stmt, ++r->column, v);
}

/* Times and sizes are whole numbers; NaN and what is no such number: NULL. */
static void put_whole(struct row *r, double v)
{
	++r->column;
	if (v >= 0 && v < 9e18)
		sqlite3_bind_int64(r->stmt, r->column, (int64_t)(v + 0.5));
}

/* NULL is NULL. */
static void put_text(struct row *r, const char *v)
{
	sqlite3_bind_text(r->stmt, ++r->column, v, -1, SQLITE_TRANSIENT);
}

static int row_end(const struct fill *f, struct row *r, struct mp_err *err)
{
	int rc = sqlite3_step(r->stmt) == SQLITE_DONE ? 0 : failed(f, err);

	sqlite3_reset(r->stmt);
	sqlite3_clear_bindings(r->stmt);
	r->column = 0;
	return rc;
}

struct rhythm_rows {
	struct row rhythm, trait;
	int64_t rhythms; /* so far */
};

/* "every 10.0 ms, 83 % of the outliers, mostly irq (local_timer cpu 1)"; where the cause is not known, the
 * site. */
static void say_rhythm(const struct mp_rhythm *r, double part, const char *thread,
    char text[MP_TRAIT_COUNT][TEXT], const double share[MP_TRAIT_COUNT], char *out, size_t size)
{
	char period[MP_CELL_NUMBER], percent[MP_CELL_NUMBER];
	const char *mostly = "", *what = "";

	if (share[MP_TRAIT_CAUSE] >= 0.5 && strcmp(text[MP_TRAIT_CAUSE], "unexplained") != 0) {
		mostly = ", mostly ";
		what = text[MP_TRAIT_CAUSE];
	} else if (share[MP_TRAIT_SITE] >= 0.5 && strcmp(text[MP_TRAIT_SITE], "[no stack]") != 0) {
		mostly = ", mostly at ";
		what = text[MP_TRAIT_SITE];
	}
	mp_cell_int(MP_UNIT_DURATION, (int64_t)(r->period_ns + 0.5), period);
	mp_cell_real(MP_UNIT_SHARE, part, percent);
	snprintf(out, size, "every %s%s%s, %s of the outliers%s%s%s", period, *thread ? " in thread " : "",
	    thread, percent, mostly, what, r->phase_ns >= 0 ? ", in phase throughout" : "");
}

/* The columns of a rhythm, and what its members have in common. */
static int put_rhythm(struct fill *f, const struct mp_rhythm *r, int64_t tid, const uint32_t *member,
    size_t members, struct rhythm_rows *rows, struct mp_err *err)
{
	char text[MP_TRAIT_COUNT][TEXT], thread[TEXT] = "", sentence[(MP_TRAIT_COUNT + 2) * TEXT];
	double share[MP_TRAIT_COUNT], whole = (double)f->calls.outliers / f->sampled;
	struct mp_traits *set = malloc(sizeof(*set));
	int rc = set ? mp_traits_read(f->traits, member, members, set, err) : out_of_memory(err);

	rows->rhythms++;
	for (int t = 0; !rc && t < MP_TRAIT_COUNT; t++) {
		int64_t top = mp_traits_top(set, (enum mp_trait)t, &share[t]);

		mp_traits_text(f->traits, (enum mp_trait)t, top, text[t], TEXT);
		put_int(&rows->trait, rows->rhythms);
		put_text(&rows->trait, mp_trait_name((enum mp_trait)t));
		put_text(&rows->trait, text[t]);
		put_real(&rows->trait, share[t]);
		rc = row_end(f, &rows->trait, err);
	}
	free(set);
	if (rc)
		return rc;
	if (tid)
		mp_traits_text(f->traits, MP_TRAIT_THREAD, tid, thread, sizeof(thread));
	double events = fmin(r->events, whole), phase = r->phase_ns;
	if (phase >= 0)
		phase = fmod(phase + (double)(f->calls.from_ns - f->start_ns), r->period_ns);
	say_rhythm(r, events / whole, thread, text, share, sentence, sizeof(sentence));
	put_int(&rows->rhythm, rows->rhythms);
	put_whole(&rows->rhythm, r->period_ns);
	put_text(&rows->rhythm, tid ? thread : NULL);
	put_whole(&rows->rhythm, events * f->sampled * f->calls.thinned);
	put_real(&rows->rhythm, events / whole);
	put_real(&rows->rhythm, r->p_value);
	put_whole(&rows->rhythm, phase);
	put_whole(&rows->rhythm, r->locked_ns);
	put_text(&rows->rhythm, text[MP_TRAIT_CAUSE]);
	put_real(&rows->rhythm, share[MP_TRAIT_CAUSE]);
	put_text(&rows->rhythm, sentence);
	return row_end(f, &rows->rhythm, err);
}

/* Of some outliers, by their places among the outliers: finds and describes their rhythms. */
static int fill_rhythms(struct fill *f, const uint32_t *place, size_t n, int64_t tid, double part,
    struct rhythm_rows *rows, struct mp_err *err)
{
	struct mp_rhythm r[2 * RHYTHMS_MOST];
	int64_t *t_ns = malloc((n + 1) * sizeof(*t_ns));
	uint32_t *member = malloc((n + 1) * sizeof(*member));
	uint8_t *owner = malloc(n + 1);
	int known = tid ? f->rhythms : 0, found = known;
	int rc = t_ns && member && owner ? 0 : out_of_memory(err);

	memcpy(r, f->rhythm, (size_t)known * sizeof(*r));
	for (size_t i = 0; !rc && i < n; i++) {
		t_ns[i] = f->t_ns[place[i]];
		owner[i] = f->owner[place[i]] ? UINT8_MAX : 0;
	}
	if (!rc) {
		found = mp_rhythm_find(
		    t_ns, n, f->calls.from_ns, f->calls.to_ns, part, owner, r, known, known + RHYTHMS_MOST);
		rc = found < 0 ? out_of_memory(err) : 0;
	}
	for (int k = known; !rc && k < found; k++) {
		size_t members = 0;

		for (size_t i = 0; i < n; i++)
			if (owner[i] == k + 1) {
				member[members++] = f->calls.outlier[place[i]];
				f->owner[place[i]] = 1;
			}
		if (members)
			rc = put_rhythm(f, &r[k], tid, member, members, rows, err);
	}
	if (!rc && !tid) {
		memcpy(f->rhythm, r, (size_t)found * sizeof(*r));
		f->rhythms = found;
	}
	free(t_ns);
	free(member);
	free(owner);
	return rc;
}

struct thread_count {
	int32_t tid;
	uint32_t outliers;
};

static int by_outliers(const void *a, const void *b)
{
	const struct thread_count *x = a, *y = b;

	if (x->outliers != y->outliers)
		return x->outliers > y->outliers ? -1 : 1;
	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

/* The threads with the most outliers first. Of more threads than there is room for, some are left out. */
static void count_threads(const struct fill *f, struct thread_count count[THREADS_ROOM])
{
	memset(count, 0, THREADS_ROOM * sizeof(*count));
	for (size_t i = 0; i < f->calls.outliers; i++) {
		int32_t tid = f->calls.call[f->calls.outlier[i]].tid;
		uint32_t at = (uint32_t)tid * 2654435761U % THREADS_ROOM, steps = 0;

		while (count[at].outliers && count[at].tid != tid && steps++ < 64)
			at = (at + 1) % THREADS_ROOM;
		if (count[at].outliers && count[at].tid != tid)
			continue;
		count[at].tid = tid;
		count[at].outliers++;
	}
	qsort(count, THREADS_ROOM, sizeof(*count), by_outliers);
}

/*
 * The places of the outliers of one thread, or with 0 of all; of more than SAMPLE_MOST outliers a part of
 * them, drawn without a pattern: that many tell any rhythm, and the time is bounded.
 */
static size_t sample(const struct fill *f, int32_t tid, uint32_t *place)
{
	size_t n = 0;

	for (size_t i = 0; i < f->calls.outliers; i++) {
		const struct mp_kept_call *c = &f->calls.call[f->calls.outlier[i]];

		if ((!tid || c->tid == tid) && mp_kept_is_drawn(c->call_id, f->sampled * f->calls.thinned))
			place[n++] = (uint32_t)i;
	}
	return n;
}

/* Half of the false alarms that a report may give are for all threads together, half for the single ones. */
static int fill_rhythm(struct fill *f, struct mp_err *err)
{
	size_t outliers = f->calls.outliers, looked_at = 0;
	uint32_t *place = malloc((outliers + 1) * sizeof(*place));
	struct thread_count *count = malloc(THREADS_ROOM * sizeof(*count));
	struct rhythm_rows rows = {0};
	int rc = place && count ? row_open(f, "pattern_rhythm", 11, &rows.rhythm, err) : out_of_memory(err);

	if (!rc)
		rc = row_open(f, "pattern_rhythm_trait", 4, &rows.trait, err);
	if (rc)
		goto out;
	size_t n = sample(f, 0, place);
	rc = fill_rhythms(f, place, n, 0, 0.5, &rows, err);
	count_threads(f, count);
	/* A single thread's rhythms are those of all. */
	while (count[1].outliers && looked_at < THREADS_MOST && count[looked_at].outliers >= THREAD_LEAST)
		looked_at++;
	for (size_t t = 0; !rc && t < looked_at; t++) {
		if (!count[t].tid) /* what is no tid */
			continue;
		n = sample(f, count[t].tid, place);
		rc = fill_rhythms(f, place, n, count[t].tid, 0.5 / (double)looked_at, &rows, err);
	}
out:
	sqlite3_finalize(rows.rhythm.stmt);
	sqlite3_finalize(rows.trait.stmt);
	free(place);
	free(count);
	return rc;
}

struct common {
	enum mp_trait trait;
	int64_t value;
	double in_share, out_share, excess;
};

/* What is most above its share outside of the cluster. */
static int find_common(struct fill *f, const struct mp_cluster *c, struct common *out, struct mp_err *err)
{
	size_t outliers = f->calls.outliers, most = outliers < MP_TRAITS_MOST ? outliers : MP_TRAITS_MOST,
	       n = 0;
	struct mp_traits *set = malloc(2 * sizeof(*set));
	uint32_t *index = malloc((most + 1) * sizeof(*index));
	int rc = set && index ? 0 : out_of_memory(err);

	/* The same ones for each cluster, so that their causes are read once. */
	for (size_t i = 0; !rc && i < most; i++) {
		size_t at = i * outliers / most;

		if (at < c->first || at >= c->first + c->n)
			index[n++] = f->calls.outlier[at];
	}
	if (!rc)
		rc = mp_traits_read(f->traits, f->calls.outlier + c->first, c->n, &set[0], err);
	if (!rc)
		rc = mp_traits_read(f->traits, index, n, &set[1], err);
	*out = (struct common){.excess = -2};
	for (int t = 0; !rc && t < MP_TRAIT_COUNT; t++) {
		struct common one = {.trait = (enum mp_trait)t};
		char text[TEXT];

		one.excess =
		    mp_traits_excess(&set[0], &set[1], one.trait, &one.value, &one.in_share, &one.out_share);
		mp_traits_text(f->traits, one.trait, one.value, text, sizeof(text));
		if (one.excess > out->excess && strcmp(text, "unexplained") != 0)
			*out = one;
	}
	free(set);
	free(index);
	return rc;
}

static int fill_clusters(struct fill *f, struct mp_err *err)
{
	struct mp_cluster c[FOUND_MOST];
	struct row row = {0};
	int found =
	    mp_clusters_find(f->t_ns, f->calls.outliers, f->calls.from_ns, f->calls.to_ns, c, FOUND_MOST);
	int rc = found < 0 ? out_of_memory(err) : row_open(f, "pattern_cluster", 9, &row, err);

	for (int i = 0; !rc && i < found; i++) {
		struct common common;
		char text[TEXT];

		rc = find_common(f, &c[i], &common, err);
		if (rc)
			break;
		put_int(&row, c[i].t_ns);
		put_int(&row, c[i].end_ns - c[i].t_ns);
		put_int(&row, (int64_t)c[i].n * f->calls.thinned);
		put_real(&row, c[i].expected * f->calls.thinned);
		put_real(&row, c[i].p_value);
		if (common.excess >= COMMON_LEAST) {
			mp_traits_text(f->traits, common.trait, common.value, text, sizeof(text));
			put_text(&row, mp_trait_name(common.trait));
			put_text(&row, text);
			put_real(&row, common.in_share);
			put_real(&row, common.out_share);
		}
		rc = row_end(f, &row, err);
	}
	sqlite3_finalize(row.stmt);
	return rc;
}

static int fill_changes(struct fill *f, struct mp_sites *sites, struct mp_err *err)
{
	static const char *const aspects[] = {"rate", "size", "latency"};
	struct mp_site_change c[FOUND_MOST];
	struct row row = {0};
	int found = mp_sites_changes(sites, c, FOUND_MOST);
	int rc = found < 0 ? out_of_memory(err) : row_open(f, "pattern_change", 13, &row, err);

	for (int i = 0; !rc && i < found; i++) {
		put_text(&row, aspects[c[i].aspect]);
		put_text(&row, mp_texts_text(f->calls.sites, c[i].site));
		put_int(&row, c[i].op);
		put_int(&row, c[i].t_ns);
		put_real(&row, exp(c[i].log_p));
		put_real(&row, c[i].before.per_s);
		put_real(&row, c[i].after.per_s);
		put_whole(&row, c[i].before.size_bytes);
		put_whole(&row, c[i].after.size_bytes);
		put_whole(&row, c[i].before.p50_ns);
		put_whole(&row, c[i].after.p50_ns);
		put_whole(&row, c[i].before.p99_ns);
		put_whole(&row, c[i].after.p99_ns);
		rc = row_end(f, &row, err);
	}
	sqlite3_finalize(row.stmt);
	return rc;
}

/* How far off a duration may be: as in the coverage line (sql/reports/object_coverage.sql). */
static double doubt_ns(const struct fill *f)
{
	sqlite3_stmt *stmt = NULL;
	double doubt = 300;

	if (sqlite3_prepare_v2(mp_session_db(f->session),
		"SELECT 1 FROM session WHERE key = 'backend' AND value = 'preload'", -1, &stmt,
		NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		doubt = 50;
	sqlite3_finalize(stmt);
	return doubt;
}

static int fill_modes(struct fill *f, struct mp_sites *sites, struct mp_err *err)
{
	struct mp_site_modes m[FOUND_MOST];
	struct row row = {0};
	int found = mp_sites_modes(sites, doubt_ns(f), m, FOUND_MOST);
	int rc = found < 0 ? out_of_memory(err) : row_open(f, "pattern_mode", 9, &row, err);

	for (int i = 0; !rc && i < found; i++) {
		put_text(&row, mp_texts_text(f->calls.sites, m[i].site));
		put_int(&row, m[i].op);
		put_int(&row, (int64_t)m[i].rows);
		put_whole(&row, m[i].fast_ns);
		put_real(&row, 1 - m[i].slow_share);
		put_whole(&row, m[i].slow_ns);
		put_real(&row, m[i].slow_share);
		put_whole(&row, m[i].valley_ns);
		put_real(&row, exp(m[i].log_p));
		rc = row_end(f, &row, err);
	}
	sqlite3_finalize(row.stmt);
	return rc;
}

static int fill_sites(struct fill *f, struct mp_err *err)
{
	struct mp_sites *sites = mp_sites_new(&f->calls);
	int rc = sites ? fill_changes(f, sites, err) : out_of_memory(err);

	if (!rc)
		rc = fill_modes(f, sites, err);
	mp_sites_free(sites);
	return rc;
}

static int fill_gc(struct fill *f, struct mp_err *err)
{
	struct mp_gc_effect e[FOUND_MOST];
	struct row row = {0};
	int found = mp_gc_effects(&f->calls, e, FOUND_MOST, err);
	int rc = found < 0 ? found : row_open(f, "pattern_gc", 9, &row, err);

	for (int i = 0; !rc && i < found; i++) {
		put_text(&row, e[i].what);
		put_int(&row, (int64_t)e[i].rows_in);
		put_int(&row, (int64_t)e[i].rows_out);
		put_whole(&row, e[i].in_p50_ns);
		put_whole(&row, e[i].out_p50_ns);
		put_whole(&row, e[i].in_p99_ns);
		put_whole(&row, e[i].out_p99_ns);
		put_real(&row, e[i].delta);
		put_real(&row, exp(e[i].log_p));
		rc = row_end(f, &row, err);
	}
	sqlite3_finalize(row.stmt);
	return rc;
}

static int load(struct fill *f, const struct mp_report_scope *scope, struct mp_err *err)
{
	int rc = mp_kept_load(f->session, scope, &f->calls, err);

	if (rc)
		return rc;
	f->t_ns = malloc((f->calls.outliers + 1) * sizeof(*f->t_ns));
	f->owner = calloc(f->calls.outliers + 1, 1);
	if (!f->t_ns || !f->owner)
		return out_of_memory(err);
	for (size_t i = 0; i < f->calls.outliers; i++)
		f->t_ns[i] = f->calls.call[f->calls.outlier[i]].t_ns;
	for (f->sampled = 1; f->calls.outliers / f->sampled > SAMPLE_MOST;)
		f->sampled *= 2;
	f->traits = mp_traits_open(&f->calls, err);
	return f->traits ? 0 : -EIO;
}

static int look_for_all(struct fill *f, struct mp_err *err)
{
	int rc = fill_rhythm(f, err);

	if (!rc)
		rc = fill_clusters(f, err);
	if (!rc)
		rc = fill_sites(f, err);
	return rc ? rc : fill_gc(f, err);
}

static int run(struct mp_session *s, const struct mp_report_scope *scope,
    int (*look)(struct fill *f, struct mp_err *err), struct mp_err *err)
{
	struct fill f = {.session = s, .start_ns = scope->start_ns};
	sqlite3 *db = mp_session_db(s);
	int rc = 0;

	sqlite3_exec(db, "PRAGMA query_only=OFF", NULL, NULL, NULL);
	if (sqlite3_exec(db, tables, NULL, NULL, NULL) != SQLITE_OK)
		rc = failed(&f, err);
	if (!rc)
		rc = load(&f, scope, err);
	if (!rc)
		rc = look(&f, err);
	sqlite3_exec(db, "PRAGMA query_only=ON", NULL, NULL, NULL);
	mp_traits_close(f.traits);
	mp_kept_free(&f.calls);
	free(f.t_ns);
	free(f.owner);
	return rc;
}

int mp_patterns_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	return run(s, scope, look_for_all, err);
}

int mp_patterns_fill_gc(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	return run(s, scope, fill_gc, err);
}
