/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRESSURE_SERIES_H
#define MP_SAMPLER_PRESSURE_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#include "store/session.h"

/*
 * Figures by name, looked at again and again, and written to `pressure` when they have changed, or were not
 * written for MP_SERIES_QUIET_NS. One thread.
 *
 * Life: new -> (begin -> tell ... -> end) ... -> free
 */
struct mp_series;

#define MP_SERIES_QUIET_NS INT64_C(10000000000)
#define MP_SERIES_MAX      128 /* figures; further ones are not told */
#define MP_SERIES_NAME     64  /* bytes of a name, with its end; longer ones are not told */

/* NULL without memory. */
struct mp_series *mp_series_new(void);
void mp_series_free(struct mp_series *s);

/* One look: what is told until the end is of `now_ns`. The end returns the first failure of the session. */
void mp_series_begin(struct mp_series *s, struct mp_session *session, int64_t now_ns);
int mp_series_end(struct mp_series *s, struct mp_err *err);

/* As it is now. */
void mp_series_now(struct mp_series *s, const char *name, double value);

/* Of a counter: what it has grown by since it was first told, or all of it where it has counted only since
 * the recording began (`all`). Where it runs backwards its source is another one: it goes on from there. */
void mp_series_since(struct mp_series *s, const char *name, double count, bool all);

/* The source of counters whose names begin with `prefix` is another one from now on: what they have grown by
 * stays, what the new one had counted before does not come to it. */
void mp_series_new_source(struct mp_series *s, const char *prefix);

/* Whether such a figure has been told. */
bool mp_series_has(const struct mp_series *s, const char *name);

#endif
