/* SPDX-License-Identifier: MIT */
#include "symbolize/jit/ranges.h"

#include <stdlib.h>

#define NOBODY UINT32_MAX

/*
 * All starts and ends, sorted, cut the addresses into cells [points[i], points[i + 1]) that belong as a whole
 * to one range or to nobody. Ranges take their cells from the last to the first: what is taken stays taken.
 */
struct mp_ranges {
	size_t npoints;
	uint64_t *points;
	uint32_t *owner; /* of cell i: an index into the ranges */
};

static int compare_points(const void *va, const void *vb)
{
	uint64_t a = *(const uint64_t *)va, b = *(const uint64_t *)vb;

	return a < b ? -1 : a > b;
}

/* The number of points at or below `addr`. */
static size_t points_before(const struct mp_ranges *r, uint64_t addr)
{
	size_t low = 0, high = r->npoints;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->points[mid] <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void sort_points(struct mp_ranges *r, const struct mp_range *ranges, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		r->points[2 * i] = ranges[i].start;
		r->points[2 * i + 1] = ranges[i].end;
	}
	if (n)
		qsort(r->points, 2 * n, sizeof(*r->points), compare_points);
	for (size_t i = 0; i < 2 * n; i++)
		if (!kept || r->points[kept - 1] != r->points[i])
			r->points[kept++] = r->points[i];
	r->npoints = kept;
}

/* The first cell from `i` on that nobody has taken: follows `next`, halving the path on its way. */
static uint32_t first_free(uint32_t *next, uint32_t i)
{
	while (next[i] != i) {
		next[i] = next[next[i]];
		i = next[i];
	}
	return i;
}

static void take_cells(struct mp_ranges *r, const struct mp_range *ranges, size_t n, uint32_t *next)
{
	for (size_t i = 0; i < r->npoints; i++) {
		next[i] = (uint32_t)i;
		r->owner[i] = NOBODY;
	}
	for (size_t i = n; i-- > 0;) {
		size_t end = points_before(r, ranges[i].end) - 1;
		uint32_t cell = first_free(next, (uint32_t)(points_before(r, ranges[i].start) - 1));

		for (; cell < end; cell = first_free(next, cell)) {
			r->owner[cell] = (uint32_t)i;
			next[cell] = cell + 1; /* the last point starts no cell, and is never taken */
		}
	}
}

struct mp_ranges *mp_ranges_new(const struct mp_range *ranges, size_t n)
{
	struct mp_ranges *r = calloc(1, sizeof(*r));
	uint32_t *next = malloc((2 * n + 1) * sizeof(*next));

	if (!r || !next)
		goto fail;
	r->points = malloc((2 * n + 1) * sizeof(*r->points));
	r->owner = malloc((2 * n + 1) * sizeof(*r->owner));
	if (!r->points || !r->owner)
		goto fail;
	sort_points(r, ranges, n);
	take_cells(r, ranges, n, next);
	free(next);
	return r;
fail:
	free(next);
	mp_ranges_free(r);
	return NULL;
}

const struct mp_range *mp_ranges_find(const struct mp_ranges *r, const struct mp_range *ranges, uint64_t addr)
{
	size_t i = points_before(r, addr);

	if (!i || r->owner[i - 1] == NOBODY)
		return NULL;
	return &ranges[r->owner[i - 1]];
}

void mp_ranges_shown(const struct mp_ranges *r, bool *shown)
{
	for (size_t i = 0; i < r->npoints; i++)
		if (r->owner[i] != NOBODY)
			shown[r->owner[i]] = true;
}

void mp_ranges_free(struct mp_ranges *r)
{
	if (!r)
		return;
	free(r->points);
	free(r->owner);
	free(r);
}
