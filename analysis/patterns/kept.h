/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_PATTERNS_KEPT_H
#define MP_ANALYSIS_PATTERNS_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/patterns/texts.h"
#include "analysis/report.h"

/*
 * The kept calls of a session in memory, in order of time, for what has to look at them more than once. At
 * most MP_KEPT_MOST of them, some 50 MB: of more, a random part (one in `thinned`), drawn by call_id, so that
 * it is the same each time. Rows with a time outside the recording, an unknown operation, a negative duration
 * or size, or a weight below 1 are left out.
 */
#define MP_KEPT_MOST (1 << 20)

struct mp_kept_call {
	int64_t t_ns, call_id, dur_ns, size_bytes;
	uint32_t weight;
	uint32_t site; /* of `sites` */
	int32_t tid;   /* 0 where it is no such number */
	uint8_t op, kept;
};

struct mp_kept_calls {
	struct mp_session *session; /* not owned */
	int64_t from_ns, to_ns;
	struct mp_kept_call *call;
	size_t n;
	uint32_t thinned;
	struct mp_texts *sites;
	uint32_t *outlier; /* indexes of calls, in order of time: see mp_kept_load() */
	size_t outliers;
};

/*
 * Loads what `scope` covers. Outliers are the calls that were kept as such; where everything was kept
 * (--full), the slowest thousandth of each operation, or of few calls up to 500 that are slower than 95 of
 * 100. 0 or -errno; free with mp_kept_free() in any case.
 */
int mp_kept_load(
    struct mp_session *s, const struct mp_report_scope *scope, struct mp_kept_calls *out, struct mp_err *err);
void mp_kept_free(struct mp_kept_calls *k);

/* Whether a call is among one of `part` (a power of two), the same for the same call, and without a pattern:
 * a part of a part is one of their product. */
bool mp_kept_is_drawn(int64_t call_id, uint32_t part);

#endif
