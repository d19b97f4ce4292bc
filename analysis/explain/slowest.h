/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_EXPLAIN_SLOWEST_H
#define MP_ANALYSIS_EXPLAIN_SLOWEST_H

#include <stddef.h>
#include <stdint.h>

/* The slowest of many calls, found in one pass: a heap of as many as are asked for. Single thread. */
struct mp_slowest;

struct mp_slow_call {
	int64_t dur_ns, call_id;
};

/* Of `max` calls, which may be 0. NULL: out of memory. */
struct mp_slowest *mp_slowest_new(size_t max);
void mp_slowest_free(struct mp_slowest *s); /* NULL is allowed */

void mp_slowest_offer(struct mp_slowest *s, int64_t dur_ns, int64_t call_id);

/* The slowest first, of equal ones the lowest call_id. Ends the pass: nothing may be offered any more. Owned
 * by `s`. */
const struct mp_slow_call *mp_slowest_sort(struct mp_slowest *s, size_t *n);

#endif
