/* SPDX-License-Identifier: MIT */
#include "store/retention.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/retention_priv.h"

/* What a row takes of the file, about, with its share of half empty pages: only to tell whose turn it is. */
const double mp_row_bytes[MP_AREAS] = {[MP_AREA_CALL] = MP_CALL_BYTES,
    [MP_AREA_KERNEL_EVENT] = 50,
    [MP_AREA_SAMPLE] = 80,
    [MP_AREA_SPAN] = 65,
    [MP_AREA_MARK] = 60,
    [MP_AREA_POOL_EVENT] = 45,
    [MP_AREA_GC] = 300,
    [MP_AREA_GC_PREDICTION] = 60,
    [MP_AREA_BLOCK] = 65};

/* The parts of the file that the areas may have when it is full. */
static const double share[MP_AREAS] = {[MP_AREA_CALL] = 0.50,
    [MP_AREA_KERNEL_EVENT] = 0.10,
    [MP_AREA_SAMPLE] = 0.10,
    [MP_AREA_SPAN] = 0.10,
    [MP_AREA_MARK] = 0.02,
    [MP_AREA_POOL_EVENT] = 0.02,
    [MP_AREA_GC] = 0.05,
    [MP_AREA_GC_PREDICTION] = 0.02,
    [MP_AREA_BLOCK] = 0.10,
    [MP_AREA_SLOT] = 0.20};

static const char *const area_names[MP_AREAS] = {[MP_AREA_CALL] = "call sample",
    [MP_AREA_KERNEL_EVENT] = "kernel_event",
    [MP_AREA_SAMPLE] = "sample",
    [MP_AREA_SPAN] = "span",
    [MP_AREA_MARK] = "mark",
    [MP_AREA_POOL_EVENT] = "pool_event",
    [MP_AREA_GC] = "gc",
    [MP_AREA_GC_PREDICTION] = "gc_prediction",
    [MP_AREA_BLOCK] = "block",
    [MP_AREA_SLOT] = "slot"};

#define STACK_SHARE 0.25

/* The log: half of it is folded back into the file at a time, the other half is for one transaction. */
#define LOG_SHARE     8
#define LOG_MIN_BYTES (4ULL << 20)
#define LOG_MAX_BYTES (32ULL << 20)

#define STEPS_TO_COMMIT 16
#define STEP_ROWS       512

/* A row that is refused counts as so many appended ones: room has to be made soon. */
#define FULL_STEP     16
#define STEP_APPENDED 256

int mp_retention_parse(const char *option, const char *text, uint64_t *bytes, struct mp_err *err)
{
	static const char units[] = "KMGT";
	char *end;

	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;
	unsigned int shift = unit ? 10 * (unsigned int)(unit - units + 1) : 0;

	if (*text < '0' || *text > '9' || errno || (*end && (!unit || end[1])) ||
	    v > UINT64_MAX >> 1 >> shift)
		return mp_err_set(err, EINVAL,
		    "%s: '%s' is not a size: a whole number, with K, M, G or T behind it", option, text);
	*bytes = (uint64_t)v << shift;
	if (*bytes < MP_RETENTION_MIN_BYTES)
		return mp_err_set(err, EINVAL, "%s: '%s' is less than %lluM, which a session needs", option,
		    text, MP_RETENTION_MIN_BYTES >> 20);
	return 0;
}

/* ---- For all files ---- */

sqlite3_stmt *mp_retention_get(struct mp_retention *r, int which, const char *sql)
{
	if (!r->statement[which])
		sqlite3_prepare_v3(
		    r->session->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &r->statement[which], NULL);
	return r->statement[which];
}

int mp_retention_run(struct mp_retention *r, sqlite3_stmt *st, struct mp_err *err)
{
	int rc = st && sqlite3_step(st) == SQLITE_DONE ? 0 : mp_session_fail(r->session, "write", err);

	sqlite3_reset(st);
	return rc;
}

uint64_t mp_retention_random(struct mp_retention *r)
{
	uint64_t x = r->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return r->random = x;
}

bool mp_draw_takes(struct mp_draw *d, unsigned int level, uint64_t *random)
{
	uint32_t block = 1u << (level < 31 ? level : 31);

	if (d->n >= d->block || d->block != block) {
		*random ^= *random << 13;
		*random ^= *random >> 7;
		*random ^= *random << 17;
		/* A block that was cut short by a new one has drawn, or not, as likely as it should. */
		d->block = block;
		d->n = 0;
		d->drawn = (uint32_t)((*random >> 32) & (block - 1));
	}
	return d->n++ == d->drawn;
}

/* ---- The size ---- */

static int64_t one(struct mp_retention *r, int which, const char *sql)
{
	sqlite3_stmt *st = mp_retention_get(r, which, sql);
	int64_t value = st && sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;

	sqlite3_reset(st);
	return value;
}

static void look(struct mp_retention *r)
{
	r->used_pages =
	    one(r, MP_RS_PAGES, "PRAGMA page_count") - one(r, MP_RS_FREE_PAGES, "PRAGMA freelist_count");
}

int mp_retention_new(struct mp_session *s, uint64_t max_bytes, struct mp_err *err)
{
	struct mp_retention *r = calloc(1, sizeof(*r));
	char sql[256];
	struct timespec t;

	if (!r)
		return mp_err_set(err, ENOMEM, "out of memory");
	clock_gettime(CLOCK_REALTIME, &t);
	r->session = s;
	r->max_bytes = max_bytes;
	r->random = ((uint64_t)t.tv_nsec << 20 ^ (uint64_t)t.tv_sec) | 1;
	r->log_bytes = max_bytes / LOG_SHARE;
	r->log_bytes = r->log_bytes < LOG_MIN_BYTES ? LOG_MIN_BYTES : r->log_bytes;
	r->log_bytes = r->log_bytes > LOG_MAX_BYTES ? LOG_MAX_BYTES : r->log_bytes;
	s->retention = r;
	r->page_bytes = (uint64_t)one(r, MP_RS_CALL_READ, "PRAGMA page_size");
	sqlite3_finalize(r->statement[MP_RS_CALL_READ]);
	r->statement[MP_RS_CALL_READ] = NULL;
	if (!r->page_bytes)
		return mp_session_fail(s, "write", err);
	r->limit_pages = (int64_t)((max_bytes - r->log_bytes) / r->page_bytes);
	r->high_pages = r->limit_pages - r->limit_pages / 16 - 8;
	snprintf(sql, sizeof(sql),
	    "PRAGMA temp_store=MEMORY; PRAGMA wal_autocheckpoint=%" PRIu64
	    "; PRAGMA journal_size_limit=%" PRIu64,
	    r->log_bytes / 2 / r->page_bytes, r->log_bytes / 2);
	/* PRAGMA temp_store does not go with an open transaction. */
	if (mp_session_commit(s, err) || sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) ||
	    sqlite3_exec(s->db, sql, NULL, NULL, NULL) ||
	    sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL))
		return mp_session_fail(s, "write", err);
	return 0;
}

void mp_retention_free(struct mp_retention *r)
{
	if (!r)
		return;
	for (int i = 0; i < MP_RETENTION_STATEMENTS; i++)
		sqlite3_finalize(r->statement[i]);
	free(r);
}

static bool has_room(struct mp_session *s);

/* ---- What is let in ---- */

static bool is_full(const struct mp_retention *r)
{
	return r->used_pages >= r->limit_pages - 4;
}

void mp_retention_count(struct mp_session *s, enum mp_area area, double bytes)
{
	if (s->retention)
		s->retention->bytes[area] += bytes;
}

bool mp_retention_takes(struct mp_session *s, enum mp_area area)
{
	struct mp_retention *r = s->retention;

	if (!r)
		return true;
	if (!has_room(s)) {
		r->refused.events++;
		return false;
	}
	if (!mp_draw_takes(&r->draw[area], r->pass[area].level, &r->random)) {
		r->thinned[area]++;
		return false;
	}
	r->bytes[area] += mp_row_bytes[area];
	return true;
}

bool mp_retention_takes_gc(struct mp_session *s, int64_t dur_ns)
{
	struct mp_retention *r = s->retention;
	bool is_long = r && (double)dur_ns >= MP_GC_LONG * r->gc_mean_ns;

	if (r)
		r->gc_mean_ns += ((double)dur_ns - r->gc_mean_ns) / 256;
	if (!is_long || is_full(r))
		return mp_retention_takes(s, MP_AREA_GC);
	r->bytes[MP_AREA_GC] += mp_row_bytes[MP_AREA_GC];
	return true;
}

double mp_retention_block_times(const struct mp_session *s)
{
	return s->retention ? (double)(1ULL << s->retention->pass[MP_AREA_BLOCK].level) : 1;
}

uint64_t mp_retention_period(const struct mp_session *s, uint64_t period)
{
	unsigned int level = s->retention ? s->retention->pass[MP_AREA_SAMPLE].level : 0;

	return level < 63 && period <= (uint64_t)INT64_MAX >> level ? period << level : INT64_MAX;
}

bool mp_retention_keeps_stacks(const struct mp_session *s)
{
	const struct mp_retention *r = s->retention;

	return !r || (!is_full(r) && r->bytes[MP_AREA_STACK] <
					 STACK_SHARE * (double)r->limit_pages * (double)r->page_bytes);
}

/* What is above the p99.9 of all that came so far. */
static void learn_full(struct mp_retention *r, const struct mp_call *c)
{
	uint32_t *buckets = r->full[c->op];
	uint64_t beyond = 0;

	buckets[mp_hist_bucket((uint64_t)c->dur_ns)]++;
	if (++r->n_full[c->op] % 4096)
		return;
	for (unsigned int b = MP_HIST_BUCKETS; b--;) {
		beyond += buckets[b];
		if (beyond * 1000 > r->n_full[c->op]) {
			r->full_over_ns[c->op] = mp_hist_hi_ns(b) + 1;
			break;
		}
	}
	if (r->n_full[c->op] < 1u << 30)
		return;
	r->n_full[c->op] = 0;
	for (unsigned int b = 0; b < MP_HIST_BUCKETS; b++)
		r->n_full[c->op] += buckets[b] /= 2;
}

int mp_demotion_of(const struct mp_retention *r, unsigned int op, uint64_t dur_ns)
{
	for (unsigned int i = 0; i < r->demotions; i++)
		if (dur_ns < r->demotion[i].under_ns[op])
			return (int)i;
	return -1;
}

/* Nothing has been thinned yet: all stays what it is. */
static bool is_untouched(const struct mp_retention *r)
{
	return !r->pass[MP_AREA_CALL].level && !r->demotions;
}

static uint32_t scaled(uint32_t weight, unsigned int level)
{
	return level < 32 && weight <= UINT32_MAX >> level ? weight << level : UINT32_MAX;
}

bool mp_retention_keeps_call(struct mp_session *s, struct mp_call *c)
{
	struct mp_retention *r = s->retention;
	unsigned int level;

	if (!r || c->op >= MP_OP_COUNT || c->dur_ns < 0)
		return true;
	if (c->kept == MP_KEPT_FULL)
		learn_full(r, c);
	if (!has_room(s)) {
		r->refused.rows++;
		return false;
	}
	if (is_untouched(r))
		return true;
	level = r->pass[MP_AREA_CALL].level;
	if (c->kept == MP_KEPT_FULL && level)
		c->kept = (uint64_t)c->dur_ns >= r->full_over_ns[c->op] ? MP_KEPT_OUTLIER : MP_KEPT_SAMPLE;
	if (c->kept == MP_KEPT_OUTLIER) {
		int i = mp_demotion_of(r, c->op, (uint64_t)c->dur_ns);
		if (i < 0)
			return true;
		c->kept = MP_KEPT_SAMPLE;
		level = level - r->demotion[i].level + 1;
		if (level < 32 && mp_retention_random(r) >> 32 << level >> 32 == 0) {
			c->weight = scaled(c->weight, level);
			return true;
		}
		r->thinned_outliers++;
		return false;
	}
	if (!mp_draw_takes(&r->call_draw[c->op], level, &r->random)) {
		r->thinned[MP_AREA_CALL]++;
		return false;
	}
	c->weight = scaled(c->weight, level);
	return true;
}

void mp_retention_count_call(struct mp_session *s, const struct mp_call *c)
{
	struct mp_retention *r = s->retention;

	if (!r || c->op >= MP_OP_COUNT || c->kept > MP_KEPT_FULL)
		return;
	r->bytes[MP_AREA_CALL] += mp_row_bytes[MP_AREA_CALL];
	r->rows_of[c->kept]++;
	if (c->kept == MP_KEPT_OUTLIER && c->dur_ns >= 0)
		r->outliers[c->op][mp_hist_bucket((uint64_t)c->dur_ns)]++;
}

/* ---- Steps ---- */

static int thin(struct mp_retention *r, enum mp_area area, uint64_t *work, struct mp_err *err)
{
	switch (area) {
	case MP_AREA_CALL:
		return mp_thin_calls(r, work, err);
	case MP_AREA_SLOT:
		return mp_rollup(r, work, err);
	default:
		return mp_thin_rows(r, area, work, err);
	}
}

/* The area that has most of what it may have, and of which something can go. */
static int thin_fullest(struct mp_retention *r, uint64_t *work, struct mp_err *err)
{
	bool tried[MP_AREAS] = {[MP_AREA_STACK] = true};
	uint64_t before = *work;
	int rc = 0;

	for (int n = 0; !rc && *work == before && n < MP_AREAS - 1; n++) {
		int most = -1;

		for (int a = 0; a < MP_AREAS; a++)
			if (!tried[a] && (most < 0 || r->bytes[a] / share[a] > r->bytes[most] / share[most]))
				most = a;
		tried[most] = true;
		rc = thin(r, (enum mp_area)most, work, err);
	}
	return rc;
}

/* Until about so many rows have been looked at, or nothing more can go. */
static int thin_for(struct mp_retention *r, uint64_t rows, struct mp_err *err)
{
	uint64_t work = 0, before = 1;
	int rc = 0;

	while (!rc && work < rows && work != before) {
		before = work;
		rc = thin_fullest(r, &work, err);
	}
	return rc;
}

static int tell_thinned(struct mp_retention *r, const char *name, uint64_t rows, struct mp_err *err)
{
	sqlite3_stmt *st;

	if (!rows)
		return 0;
	st = mp_retention_get(r, MP_RS_THINNED, "INSERT OR REPLACE INTO thinned (name, rows) VALUES (?,?)");
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, (int64_t)rows);
	return mp_retention_run(r, st, err);
}

static int tell_all(struct mp_retention *r, struct mp_err *err)
{
	int rc = tell_thinned(r, "call outlier", r->thinned_outliers, err);

	if (!rc)
		rc = tell_thinned(r, "pressure", r->thinned_pressure, err);
	for (int a = 0; !rc && a < MP_AREAS; a++)
		if (area_names[a])
			rc = tell_thinned(r, area_names[a], r->thinned[a], err);
	return rc;
}

/* Of this thread's work: a machine that is busy elsewhere does not make a step longer. */
static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

/* The nearer the end, the more rows at a time: at first twice as many as were appended since the last step.
 */
static uint64_t rows_due(const struct mp_retention *r)
{
	int64_t over = r->used_pages - r->high_pages, room = r->limit_pages - r->high_pages;

	return over <= 0 ? 0 : STEP_ROWS + (uint64_t)(7 * STEP_ROWS * over / (room > 0 ? room : 1));
}

static int thin_now(struct mp_retention *r, struct mp_err *err)
{
	look(r);
	int rc = r->used_pages > r->high_pages ? thin_for(r, rows_due(r), err) : 0;
	if (!rc)
		look(r);
	return rc;
}

int mp_retention_step(struct mp_session *s, struct mp_err *err)
{
	struct mp_retention *r = s->retention;
	uint64_t start = now_ns();
	int rc = thin_now(r, err);

	if (!rc && ++r->steps >= STEPS_TO_COMMIT) {
		r->steps = 0;
		rc = mp_session_commit(s, err);
	}
	uint64_t took = now_ns() - start;
	if (took > r->longest_step_ns)
		r->longest_step_ns = took;
	return rc;
}

/* When it is full nobody appends, and comes by. */
static bool has_room(struct mp_session *s)
{
	if (!is_full(s->retention))
		return true;
	s->appended += FULL_STEP;
	if (s->appended >= STEP_APPENDED) {
		s->appended = 0;
		mp_retention_step(s, NULL); /* if it fails, so does the next one */
	}
	return !is_full(s->retention);
}

int mp_retention_slot(struct mp_session *s, int64_t slot_ns, struct mp_err *err)
{
	struct mp_retention *r = s->retention;

	if (!r->rolls)
		for (int l = 0; l < MP_ROLL_LEVELS; l++)
			r->roll_ns[l] = slot_ns;
	r->rolls = true;
	r->roll_ns[0] = slot_ns;
	return tell_all(r, err);
}

int mp_retention_settle(struct mp_session *s, struct mp_err *err)
{
	struct mp_retention *r = s->retention;
	int64_t before = INT64_MAX;
	int rc = mp_session_flush(s, err);

	if (!r)
		return rc;
	for (look(r); !rc && r->used_pages > r->limit_pages - 4 && r->used_pages < before; look(r)) {
		before = r->used_pages;
		rc = thin_for(r, 64 * STEP_ROWS, err);
		if (!rc)
			rc = mp_session_commit(s, err);
	}
	return rc ? rc : tell_all(r, err);
}

/* ---- For people ---- */

void mp_retention_totals(const struct mp_session *s, struct mp_retention_totals *out)
{
	const struct mp_retention *r = s->retention;

	*out = (struct mp_retention_totals){0};
	if (!r)
		return;
	out->max_bytes = r->max_bytes;
	out->calls = r->thinned[MP_AREA_CALL] + r->thinned_outliers;
	out->calls_removed = r->calls_removed;
	for (int a = MP_AREA_CALL + 1; a < MP_AREAS; a++)
		out->others += r->thinned[a];
	out->others += r->thinned_pressure;
	out->longest_step_ns = r->longest_step_ns;
}

struct mp_retention_refused mp_retention_refused(struct mp_session *s)
{
	struct mp_retention_refused refused = {0};

	if (s->retention) {
		refused = s->retention->refused;
		s->retention->refused = (struct mp_retention_refused){0};
	}
	return refused;
}
