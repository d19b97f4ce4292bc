/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_APPEND_GC_H
#define MP_STORE_APPEND_GC_H

#include <stdbool.h>
#include <stdint.h>

#include "store/session.h"

/* What a session keeps of garbage collections and of pressure. As store/append.h: the same errors, the same
 * thread. Columns that are not told here are explained in sql/schema.sql and where their views are
 * (sql/views/v_gc*.sql, v_pressure.sql). Texts: NULL is not known. */

struct mp_gc_row {
	int64_t t_ns, dur_ns;
	int64_t ttsp_ns, stopped_ns; /* < 0: not known */
	bool is_pause;
	const char *runtime, *kind, *cause;
	int64_t tid;              /* 0: not known */
	int64_t bytes_since_last; /* < 0: not known */
	const char *source;       /* "probes" or "log" */
};
/* *gc_id 0: it gave way to `record --max-size`, and what is told of it below is ignored. */
int mp_append_gc(struct mp_session *s, const struct mp_gc_row *row, int64_t *gc_id, struct mp_err *err);

/* < 0: not known. Of a pool that is told again, what is known now is added. */
struct mp_gc_pool_row {
	const char *pool;
	int64_t used_before_bytes, used_after_bytes, committed_bytes, max_bytes;
};
int mp_append_gc_pool(
    struct mp_session *s, int64_t gc_id, const struct mp_gc_pool_row *row, struct mp_err *err);

int mp_append_gc_phase(
    struct mp_session *s, int64_t gc_id, const char *name, int64_t t_ns, int64_t dur_ns, struct mp_err *err);

struct mp_gc_prediction_row {
	int64_t made_ns;
	const char *runtime, *kind; /* kind "": a pause of any */
	int64_t due_ns, lo_ns, hi_ns;
	double coverage;
};
int mp_append_gc_prediction(struct mp_session *s, const struct mp_gc_prediction_row *row, struct mp_err *err);

/* Takes the place of what was told before. */
int mp_append_gc_setting(
    struct mp_session *s, const char *runtime, const char *name, const char *value, struct mp_err *err);

/*
 * What a runtime gave out in a slot to objects of a class; several rows of the same add up. After
 * MP_GC_CLASS_NAMES different names in a session further ones are MP_GC_CLASS_OTHER: a program may make
 * classes without end.
 */
#define MP_GC_CLASS_NAMES 4096
#define MP_GC_CLASS_OTHER "(other)"

struct mp_gc_class_row {
	int64_t slot_ns;
	const char *runtime, *name;
	int64_t object_bytes; /* as in sql/schema.sql; 0: buffers of threads */
	int64_t events, bytes;
};
int mp_append_gc_class(struct mp_session *s, const struct mp_gc_class_row *row, struct mp_err *err);

int mp_append_pressure(
    struct mp_session *s, int64_t t_ns, const char *name, double value, struct mp_err *err);

#endif
