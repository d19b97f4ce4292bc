/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_POOLS_PRIVATE_H
#define MP_ANALYSIS_POOLS_PRIVATE_H

#include <sqlite3.h>

#include "analysis/forecast/course.h"
#include "analysis/report.h"

/* ---- series.c: the course of a pool, from a session ---- */

/* Phases of the session by name. Beyond the largest number they are left out: a session may come from
 * anybody. */
#define POOL_PHASES 4096

struct pool_phases {
	struct mp_pool_phase *phase; /* as struct mp_pool_course has them; id: index into `name` */
	size_t n;
	char **name;
	size_t names;
};

/* As they were known at now_ns. -ENOMEM, -EIO. To be cleared, also after a failure. */
int pool_phases_load(struct mp_session *s, int64_t now_ns, struct pool_phases *out, struct mp_err *err);
void pool_phases_clear(struct pool_phases *p);

struct pool_who {
	int64_t pool_id, capacity, object_bytes, threads; /* 0: not known */
	int64_t created_ns, destroyed_ns;                 /* INT64_MIN, INT64_MAX: not in the recording */
};

struct pool_series {
	struct mp_pool_slot *slot; /* reused from pool to pool */
	size_t room;
	bool has_long_slots;          /* not all are of a second: to look up each takes half of the time */
	struct mp_pool_course course; /* in use is counted from `least` on */
	bool is_heap;   /* v_pool_heap has it, and no gets and puts: slots have used bytes at one time each */
	bool is_known;  /* there is a course, and it passes mp_pool_course_check() */
	int64_t least;  /* 0, or what the count fell to: so many were out before it began, at least */
	int64_t in_use; /* at the end, as counted */
};

/* Before the first one. -EIO. */
int pool_series_begin(struct mp_session *s, struct pool_series *out, struct mp_err *err);

/* The course of a pool from from_ns to now_ns, as far as it was there. -ENOMEM, -EIO. */
int pool_series_load(struct mp_session *s, const struct pool_who *who, const struct pool_phases *phases,
    const struct mp_report_scope *scope, int64_t from_ns, int64_t now_ns, struct pool_series *out,
    struct mp_err *err);
void pool_series_clear(struct pool_series *p);

/* ---- quantiles.c ---- */

/* Fills temp.pool_quantile for a pool: nearest rank, the middle of the bucket that it is in. -ENOMEM, -EIO.
 */
int pool_quantiles_put(struct mp_session *s, int64_t pool_id, const struct mp_report_scope *scope,
    sqlite3_stmt *insert, struct mp_err *err);

/* ---- strip.c: how full over time, in at most POOL_STEPS pieces of equal length ---- */

#define POOL_STEPS 60

struct pool_step {
	int64_t min, max, last, gets, puts, failures;
	bool is_watched;
};

struct pool_strip {
	struct pool_step step[POOL_STEPS];
	int n;
	int64_t from_ns, step_ns;  /* whole seconds */
	char text[POOL_STEPS + 1]; /* sql/reports/pools.sql says what the characters mean */
};

void pool_strip_make(
    const struct pool_series *series, int64_t from_ns, int64_t now_ns, struct pool_strip *out);

/* ---- choose.c ---- */

/* Fills temp.pool_chosen. -EINVAL for a pool that is not there. */
int pool_choose(struct mp_session *s, const char *pool, struct mp_err *err);

#endif
