/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_JIT_RANGES_H
#define MP_SYMBOLIZE_JIT_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Address ranges of which later ones cover earlier ones, as a JIT compiler's code does that reuses memory. */
struct mp_range {
	uint64_t start, end;
	uint32_t value; /* the caller's */
};

/* An index over ranges. Immutable; any thread. */
struct mp_ranges;

/* `ranges` in the order in which they came, none of them empty; at most 2^31. O(n log n) however they
 * overlap. NULL without memory. */
struct mp_ranges *mp_ranges_new(const struct mp_range *ranges, size_t n);

/* The last of `ranges` (those that the index was made from) that holds `addr`, or NULL. */
const struct mp_range *mp_ranges_find(
    const struct mp_ranges *r, const struct mp_range *ranges, uint64_t addr);

/* Sets `shown[i]` for each range of which later ones have left something; `shown` has one for each range. */
void mp_ranges_shown(const struct mp_ranges *r, bool *shown);

void mp_ranges_free(struct mp_ranges *r);

#endif
