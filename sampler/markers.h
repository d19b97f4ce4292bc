/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_MARKERS_H
#define MP_SAMPLER_MARKERS_H

#include <stddef.h>
#include <stdint.h>

#include "sampler/pipeline.h"

/*
 * What a target's markers say, made into rows: spans paired by name and id, marks, and phases (pools:
 * sampler/pools/pools.h). Markers come from several buffers and in any order; they wait here until all
 * buffers have been read up to a time, and are then applied in the order of time. One thread.
 *
 * The target decides how many markers, names and open spans there are: each has a limit, and what goes
 * beyond is left out and counted.
 */
struct mp_markers;

/* The session stays the caller's. NULL: out of memory. */
struct mp_markers *mp_markers_new(struct mp_session *session);

/* All kernel events of the target are in `context`, which stays the caller's: spans are told apart by it
 * where their markers do not know. */
void mp_markers_use(struct mp_markers *m, struct mp_context *context);
void mp_markers_free(struct mp_markers *m);

/* Takes a marker; copies its name. An unknown kind is ignored. */
void mp_markers_take(struct mp_markers *m, const struct mp_marker_event *e);

/* Writes a span that is whole already. */
int mp_markers_span(struct mp_markers *m, const struct mp_span_event *e, struct mp_err *err);

/* A slot ends at `t_ns`. Applies, and writes, what is older than the slot: of the rest older companions may
 * still be in a buffer. The first call says when the first slot begins. */
int mp_markers_commit(struct mp_markers *m, int64_t t_ns, struct mp_err *err);

/* Applies all that waits; spans that are still open are counted as without end. The last call but free. */
int mp_markers_end(struct mp_markers *m, struct mp_err *err);

/* How many markers limit `which` has left out since it was last asked, and what it is a limit of. NULL: there
 * are only so many limits. */
const char *mp_markers_lost(struct mp_markers *m, size_t which, uint64_t *lost);

#endif
