/* SPDX-License-Identifier: MIT */
#include "store/retention_priv.h"

/*
 * Slots of one level become a part of the slot before them, until that is as long as one of the next level:
 * one slot a step. A slot is of level l if it begins before roll_ns[l]; the last one of those grows.
 */
#define SECOND_NS 1000000000LL

static const int64_t length_ns[MP_ROLL_LEVELS] = {
    SECOND_NS, 10 * SECOND_NS, 60 * SECOND_NS, 600 * SECOND_NS, 3600 * SECOND_NS};

/* What is kept of the levels, in proportion. */
static const int64_t wanted_ns[MP_ROLL_LEVELS - 1] = {
    600 * SECOND_NS, 7200 * SECOND_NS, 86400 * SECOND_NS, 7 * 86400 * SECOND_NS};

#define ROW_BYTES  18  /* of `latency` */
#define SLOT_BYTES 400 /* the rest of a slot */

/* Markers tell of a slot when the next one is over. */
#define LATE_NS (60 * SECOND_NS)

/* The slot ?2, up to ?3, becomes a part of the one that began at ?1. */
static const char *const merge[] = {
    "INSERT INTO latency SELECT ?1, op_id, size_class, bucket, calls FROM latency WHERE slot_ns >= ?2 AND "
    "slot_ns < ?3"
    " ON CONFLICT DO UPDATE SET calls = calls + excluded.calls",
    "DELETE FROM latency WHERE slot_ns >= ?2 AND slot_ns < ?3",
    "INSERT INTO latency_sum SELECT ?1, op_id, size_class, calls, bytes, sum_ns, max_ns FROM latency_sum"
    " WHERE slot_ns >= ?2 AND slot_ns < ?3"
    " ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, bytes = CAST(bytes + excluded.bytes AS "
    "INTEGER),"
    " sum_ns = CAST(sum_ns + excluded.sum_ns AS INTEGER), max_ns = max(max_ns, excluded.max_ns)",
    "DELETE FROM latency_sum WHERE slot_ns >= ?2 AND slot_ns < ?3",
    /* The worst, as sampler/latency.c finds it: of windows with enough calls, if there are any. */
    "INSERT INTO latency_window SELECT ?1, op_id, t_ns, dur_ns, calls, p99_ns FROM latency_window"
    " WHERE slot_ns >= ?2 AND slot_ns < ?3"
    " ON CONFLICT DO UPDATE SET t_ns = excluded.t_ns, dur_ns = excluded.dur_ns, calls = excluded.calls,"
    " p99_ns = excluded.p99_ns"
    " WHERE (excluded.calls >= 100, excluded.p99_ns) > (calls >= 100, p99_ns)",
    "DELETE FROM latency_window WHERE slot_ns >= ?2 AND slot_ns < ?3",
    "INSERT INTO counter SELECT ?1, name, value FROM counter WHERE slot_ns >= ?2 AND slot_ns < ?3"
    " ON CONFLICT DO UPDATE SET value = value + excluded.value",
    "DELETE FROM counter WHERE slot_ns >= ?2 AND slot_ns < ?3",
    "INSERT INTO thread_counter SELECT ?1, tid, event_id, value, enabled_ns, running_ns FROM thread_counter"
    " WHERE slot_ns >= ?2 AND slot_ns < ?3"
    " ON CONFLICT DO UPDATE SET value = value + excluded.value, enabled_ns = enabled_ns + "
    "excluded.enabled_ns,"
    " running_ns = running_ns + excluded.running_ns",
    "DELETE FROM thread_counter WHERE slot_ns >= ?2 AND slot_ns < ?3",
    "INSERT INTO overhead SELECT ?1, plane, events, cost_ns, mode, watched_ns, windows, window_cost_ns, "
    "cpu_ns,"
    " watched_cpu_ns, spans, watched_spans FROM overhead WHERE slot_ns >= ?2 AND slot_ns < ?3"
    " ON CONFLICT DO UPDATE SET events = events + excluded.events, cost_ns = cost_ns + excluded.cost_ns,"
    " mode = CASE WHEN mode IS excluded.mode THEN mode ELSE 'mixed' END,"
    " watched_ns = watched_ns + excluded.watched_ns, windows = windows + excluded.windows,"
    " window_cost_ns = window_cost_ns + excluded.window_cost_ns, cpu_ns = cpu_ns + excluded.cpu_ns,"
    " watched_cpu_ns = watched_cpu_ns + excluded.watched_cpu_ns, spans = spans + excluded.spans,"
    " watched_spans = watched_spans + excluded.watched_spans",
    "DELETE FROM overhead WHERE slot_ns >= ?2 AND slot_ns < ?3",
    "INSERT INTO pool_use SELECT pool_id, ?1, in_use_min, in_use_max, gets, puts, failures, in_use_last,"
    " in_use_bytes_max FROM pool_use"
    " WHERE pool_id IN (SELECT pool_id FROM pool) AND slot_ns >= ?2 AND slot_ns < ?3"
    " ON CONFLICT DO UPDATE SET in_use_min = min(in_use_min, excluded.in_use_min),"
    " in_use_max = max(in_use_max, excluded.in_use_max), gets = gets + excluded.gets, puts = puts + "
    "excluded.puts,"
    " failures = failures + excluded.failures, in_use_last = excluded.in_use_last,"
    /* max() of NULL and a number is NULL. */
    " in_use_bytes_max = max(coalesce(in_use_bytes_max, excluded.in_use_bytes_max),"
    " coalesce(excluded.in_use_bytes_max, in_use_bytes_max))",
    "DELETE FROM pool_use WHERE pool_id IN (SELECT pool_id FROM pool) AND slot_ns >= ?2 AND slot_ns < ?3",
    "INSERT INTO pool_latency SELECT pool_id, ?1, what, bucket, count FROM pool_latency"
    " WHERE pool_id IN (SELECT pool_id FROM pool) AND slot_ns >= ?2 AND slot_ns < ?3"
    " ON CONFLICT DO UPDATE SET count = count + excluded.count",
    "DELETE FROM pool_latency WHERE pool_id IN (SELECT pool_id FROM pool) AND slot_ns >= ?2 AND slot_ns < ?3",
    "INSERT INTO gc_class SELECT ?1, class_id, object_bytes, events, bytes FROM gc_class WHERE slot_ns >= ?2 "
    "AND "
    "slot_ns < ?3"
    " ON CONFLICT DO UPDATE SET events = CAST(events + excluded.events AS INTEGER), bytes = CAST(bytes + "
    "excluded.bytes AS "
    "INTEGER)",
    "DELETE FROM gc_class WHERE slot_ns >= ?2 AND slot_ns < ?3",
    /* Of a longer slot the last look stays. */
    "DELETE FROM pool_heap WHERE pool_id IN (SELECT pool_id FROM pool) AND t_ns >= ?1 AND t_ns < ?3"
    " AND EXISTS (SELECT 1 FROM pool_heap AS later WHERE later.pool_id = pool_heap.pool_id"
    " AND later.t_ns > pool_heap.t_ns AND later.t_ns < ?3)",
    /* The first of a slot stays. */
    "DELETE FROM clock WHERE mono_ns >= ?2 AND mono_ns < ?3",
    /* A loss is known by the end of its interval. */
    "INSERT INTO loss (t_ns, source, what, lost) SELECT -?3, source, what, sum(lost) FROM loss"
    " WHERE t_ns > ?1 AND t_ns <= ?3 GROUP BY source, what",
    "DELETE FROM loss WHERE t_ns > ?1 AND t_ns <= ?3",
    "UPDATE loss SET t_ns = ?3 WHERE t_ns = -?3",
    "DELETE FROM slot WHERE slot_ns = ?2",
    "UPDATE slot SET dur_ns = ?3 - slot_ns WHERE slot_ns = ?1",
};
#define MERGES ((int)(sizeof(merge) / sizeof(*merge)))

/*
 * Of pressure, which is known by the end of a second, the last row of each name stays, and the one with the
 * least and the one with the greatest value. Of counters, which grow, these are two.
 */
static const char thin_pressure[] =
    "DELETE FROM pressure WHERE t_ns > ?1 AND t_ns <= ?3 AND (t_ns, name) IN (SELECT t_ns, name FROM ("
    "SELECT t_ns, name, row_number() OVER (PARTITION BY name ORDER BY t_ns DESC) AS from_last,"
    " row_number() OVER (PARTITION BY name ORDER BY value, t_ns) AS from_least,"
    " row_number() OVER (PARTITION BY name ORDER BY value DESC, t_ns) AS from_greatest"
    " FROM pressure WHERE t_ns > ?1 AND t_ns <= ?3)"
    " WHERE from_last > 1 AND from_least > 1 AND from_greatest > 1)";

enum { THIN_PRESSURE = MERGES, FIND_BEFORE, FIND_FROM, COUNT, CROSSES, STATEMENTS };

_Static_assert(STATEMENTS <= MP_RETENTION_STATEMENTS - MP_RS_ROLL, "all statements have room");

struct slot {
	int64_t slot_ns, dur_ns; /* dur_ns 0: there is none */
};

static int find(
    struct mp_retention *r, int which, const char *sql, int64_t at_ns, struct slot *out, struct mp_err *err)
{
	sqlite3_stmt *st = mp_retention_get(r, MP_RS_ROLL + which, sql);

	*out = (struct slot){0};
	sqlite3_bind_int64(st, 1, at_ns);
	int rc = st ? sqlite3_step(st) : SQLITE_ERROR;
	if (rc == SQLITE_ROW)
		*out = (struct slot){sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1)};
	sqlite3_reset(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : mp_session_fail(r->session, "write", err);
}

/* About what a slot takes without its pressure: nearly all of it are the buckets. */
static double bytes_of(struct mp_retention *r, int64_t slot_ns)
{
	sqlite3_stmt *st = mp_retention_get(r, MP_RS_ROLL + COUNT,
	    "SELECT (SELECT count(*) FROM latency WHERE slot_ns = ?1), (SELECT count(*) FROM pool_latency"
	    " WHERE pool_id IN (SELECT pool_id FROM pool) AND slot_ns = ?1),"
	    " (SELECT count(*) FROM gc_class WHERE slot_ns = ?1)");
	double bytes = SLOT_BYTES;

	sqlite3_bind_int64(st, 1, slot_ns);
	if (st && sqlite3_step(st) == SQLITE_ROW)
		bytes += (double)sqlite3_column_int64(st, 0) * ROW_BYTES +
			 (double)sqlite3_column_int64(st, 1) * MP_POOL_LATENCY_BYTES +
			 (double)sqlite3_column_int64(st, 2) * MP_GC_CLASS_BYTES;
	sqlite3_reset(st);
	return bytes;
}

/* A statement over both slots. */
static int join(struct mp_retention *r, int which, const char *sql, const struct slot *into,
    const struct slot *s, struct mp_err *err)
{
	sqlite3_stmt *st = mp_retention_get(r, MP_RS_ROLL + which, sql);

	sqlite3_bind_int64(st, 1, into->slot_ns);
	sqlite3_bind_int64(st, 2, s->slot_ns);
	sqlite3_bind_int64(st, 3, s->slot_ns + s->dur_ns);
	return mp_retention_run(r, st, err);
}

static int absorb(
    struct mp_retention *r, const struct slot *into, const struct slot *s, uint64_t *work, struct mp_err *err)
{
	double of_it = bytes_of(r, s->slot_ns), before = bytes_of(r, into->slot_ns) + of_it;
	int rc = 0;

	for (int i = 0; !rc && i < MERGES; i++)
		rc = join(r, i, merge[i], into, s, err);
	if (!rc)
		rc = join(r, THIN_PRESSURE, thin_pressure, into, s, err);
	if (!rc) {
		int gone = sqlite3_changes(r->session->db);
		r->thinned_pressure += (uint64_t)gone;
		r->bytes[MP_AREA_SLOT] -= gone * MP_PRESSURE_BYTES;
	}
	*work += (uint64_t)(of_it / ROW_BYTES);
	r->bytes[MP_AREA_SLOT] -= before - bytes_of(r, into->slot_ns);
	return rc;
}

/* A phase that is as long as the slot would be shall not share it with another one. */
static bool crosses_phase(
    struct mp_retention *r, const struct slot *into, const struct slot *s, int64_t length)
{
	sqlite3_stmt *st = mp_retention_get(r, MP_RS_ROLL + CROSSES,
	    "SELECT 1 FROM phase WHERE (end_ns IS NULL OR end_ns - start_ns >= ?3)"
	    " AND ((start_ns > ?1 AND start_ns <= ?2) OR (end_ns > ?1 AND end_ns <= ?2)) LIMIT 1");

	sqlite3_bind_int64(st, 1, into->slot_ns);
	sqlite3_bind_int64(st, 2, s->slot_ns);
	sqlite3_bind_int64(st, 3, length);
	bool crosses = st && sqlite3_step(st) == SQLITE_ROW;
	sqlite3_reset(st);
	return crosses;
}

/* One slot of the level below joins the last one of level `l`, or begins the next. Nothing is done where
 * there is none that could. */
static int roll(struct mp_retention *r, int l, uint64_t *work, struct mp_err *err)
{
	static const char before[] =
	    "SELECT slot_ns, dur_ns FROM slot WHERE slot_ns < ?1 ORDER BY slot_ns DESC LIMIT 1";
	static const char from[] =
	    "SELECT slot_ns, dur_ns FROM slot WHERE slot_ns >= ?1 ORDER BY slot_ns LIMIT 1";
	int64_t upto = l == 1 ? r->roll_ns[0] - LATE_NS : r->roll_ns[l - 1];
	struct slot grows, next;

	for (;;) {
		int rc = find(r, FIND_FROM, from, r->roll_ns[l], &next, err);
		if (rc || !next.dur_ns || next.slot_ns + 1 >= upto)
			return rc;
		rc = find(r, FIND_BEFORE, before, r->roll_ns[l], &grows, err);
		if (rc)
			return rc;
		bool is_one = grows.dur_ns && (l + 1 == MP_ROLL_LEVELS || grows.slot_ns >= r->roll_ns[l + 1]);
		r->roll_ns[l] = next.slot_ns + 1;
		is_one = is_one && !crosses_phase(r, &grows, &next, length_ns[l]);
		if (!is_one || grows.dur_ns + next.dur_ns > length_ns[l] + length_ns[l] / 20)
			continue; /* it is the first of its own */
		r->thinned[MP_AREA_SLOT]++;
		return absorb(r, &grows, &next, work, err);
	}
}

int mp_rollup(struct mp_retention *r, uint64_t *work, struct mp_err *err)
{
	bool tried[MP_ROLL_LEVELS] = {false};
	uint64_t before = *work;
	int rc = 0;

	/* First where there is most, as it is wanted. */
	for (int n = 1; r->rolls && !rc && *work == before && n < MP_ROLL_LEVELS; n++) {
		double most = -1;
		int level = 0;

		for (int l = 1; l < MP_ROLL_LEVELS; l++) {
			double has = (double)(r->roll_ns[l - 1] - r->roll_ns[l]) / (double)wanted_ns[l - 1];

			if (!tried[l] && has > most) {
				most = has;
				level = l;
			}
		}
		tried[level] = true;
		rc = roll(r, level, work, err);
	}
	return rc;
}
