/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_JIT_TIMED_RANGES_H
#define MP_SYMBOLIZE_JIT_TIMED_RANGES_H

#include <stddef.h>
#include <stdint.h>

#include "symbolize/jit/ranges.h"

/*
 * Address ranges that came one after another, each covering from its time on what was there before. One
 * thread.
 *
 * Life: new -> add ... -> build -> find ... -> add ... -> build -> ... -> free.
 */
struct mp_timed_ranges;

/* At most `max` ranges, each of about 80 bytes. NULL without memory. */
struct mp_timed_ranges *mp_timed_ranges_new(size_t max);

/* Ranges may come in any order of times; of two with the same time the one added later covers the other.
 * 0, -EINVAL (empty range), -E2BIG or -ENOMEM. */
int mp_timed_ranges_add(struct mp_timed_ranges *r, const struct mp_range *range, int64_t t_ns);

/* Makes what was added be found. O(n log n) in what is new, and in what is older than that but later in time.
 */
void mp_timed_ranges_build(struct mp_timed_ranges *r);

/* Among the ranges at or before `t_ns` that hold `addr` the latest, or NULL. Some microseconds, however they
 * overlap. Valid until the next add. */
const struct mp_range *mp_timed_ranges_find(const struct mp_timed_ranges *r, uint64_t addr, int64_t t_ns);

/* Forgets all ranges. */
void mp_timed_ranges_clear(struct mp_timed_ranges *r);

void mp_timed_ranges_free(struct mp_timed_ranges *r);

#endif
