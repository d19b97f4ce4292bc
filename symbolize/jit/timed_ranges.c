/* SPDX-License-Identifier: MIT */
#include "symbolize/jit/timed_ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * The ranges in the order of their times. "At or before t" is a prefix of them, and of each level's blocks of
 * consecutive ranges every whole one has an index: a look-up goes from the prefix's end backwards, by single
 * ranges to the end of the last whole block of the smallest level, and then by the largest blocks that fit.
 */
#define LEVELS 2
static const size_t block_size[LEVELS] = {1024, 32768};

struct level {
	struct mp_ranges **blocks;
	size_t n, room;
};

struct mp_timed_ranges {
	size_t n, room, max;
	struct mp_range *ranges;
	int64_t *times;
	size_t built; /* of `n` */
	struct level levels[LEVELS];
};

struct mp_timed_ranges *mp_timed_ranges_new(size_t max)
{
	struct mp_timed_ranges *r = calloc(1, sizeof(*r));

	if (r)
		r->max = max;
	return r;
}

static int make_room(struct mp_timed_ranges *r)
{
	size_t room = r->room ? 2 * r->room : 256;
	struct mp_range *ranges = realloc(r->ranges, room * sizeof(*ranges));

	if (!ranges)
		return -ENOMEM;
	r->ranges = ranges;
	int64_t *times = realloc(r->times, room * sizeof(*times));
	if (!times)
		return -ENOMEM;
	r->times = times;
	r->room = room;
	return 0;
}

int mp_timed_ranges_add(struct mp_timed_ranges *r, const struct mp_range *range, int64_t t_ns)
{
	if (range->start >= range->end)
		return -EINVAL;
	if (r->n == r->max)
		return -E2BIG;
	if (r->n == r->room && make_room(r) < 0)
		return -ENOMEM;
	r->ranges[r->n] = *range;
	r->times[r->n++] = t_ns;
	return 0;
}

/* The number of built ranges at or before `t_ns`. */
static size_t count_until(const struct mp_timed_ranges *r, int64_t t_ns)
{
	size_t low = 0, high = r->built;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->times[mid] <= t_ns)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct moved {
	struct mp_range range;
	int64_t t_ns;
	size_t order;
};

static int compare_moved(const void *va, const void *vb)
{
	const struct moved *a = va, *b = vb;

	if (a->t_ns != b->t_ns)
		return a->t_ns < b->t_ns ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* Puts the ranges from `first` on into the order of their times. */
static int sort_from(struct mp_timed_ranges *r, size_t first)
{
	size_t n = r->n - first;
	struct moved *moved = malloc(n * sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		moved[i] = (struct moved){r->ranges[first + i], r->times[first + i], i};
	qsort(moved, n, sizeof(*moved), compare_moved);
	for (size_t i = 0; i < n; i++) {
		r->ranges[first + i] = moved[i].range;
		r->times[first + i] = moved[i].t_ns;
	}
	free(moved);
	return 0;
}

/* Sorts in what was added; the first range whose place is another one now. */
static size_t sort_in(struct mp_timed_ranges *r)
{
	int64_t latest = r->built ? r->times[r->built - 1] : INT64_MIN, earliest = INT64_MAX;
	size_t first = r->built, misplaced = 0;

	for (size_t i = r->built; i < r->n; i++) {
		misplaced += r->times[i] < latest;
		latest = r->times[i] > latest ? r->times[i] : latest;
		earliest = r->times[i] < earliest ? r->times[i] : earliest;
	}
	if (!misplaced)
		return first;
	first = count_until(r, earliest);
	if (sort_from(r, first) < 0) {
		r->n = r->built; /* without memory the new ones are lost, not the order */
		return r->built;
	}
	return first;
}

static void cut_level(struct level *level, size_t n)
{
	while (level->n > n)
		mp_ranges_free(level->blocks[--level->n]);
}

static void build_level(struct mp_timed_ranges *r, struct level *level, size_t size)
{
	while ((level->n + 1) * size <= r->n) {
		if (level->n == level->room) {
			size_t room = level->room ? 2 * level->room : 16;
			struct mp_ranges **blocks = realloc(level->blocks, room * sizeof(struct mp_ranges *));

			if (!blocks)
				return;
			level->blocks = blocks;
			level->room = room;
		}
		level->blocks[level->n] = mp_ranges_new(r->ranges + level->n * size, size);
		if (!level->blocks[level->n])
			return; /* it is found without, only slower */
		level->n++;
	}
}

void mp_timed_ranges_build(struct mp_timed_ranges *r)
{
	size_t first = sort_in(r);

	for (int i = 0; i < LEVELS; i++) {
		cut_level(&r->levels[i], first / block_size[i]);
		build_level(r, &r->levels[i], block_size[i]);
	}
	r->built = r->n;
}

/* The largest level with a block that ends before range `end`, or -1. */
static int level_ending_at(const struct mp_timed_ranges *r, size_t end)
{
	for (int i = LEVELS - 1; i >= 0; i--)
		if (end % block_size[i] == 0 && end / block_size[i] <= r->levels[i].n)
			return i;
	return -1;
}

const struct mp_range *mp_timed_ranges_find(const struct mp_timed_ranges *r, uint64_t addr, int64_t t_ns)
{
	for (size_t end = count_until(r, t_ns); end;) {
		int i = level_ending_at(r, end);

		if (i < 0) {
			const struct mp_range *range = &r->ranges[--end];

			if (addr >= range->start && addr < range->end)
				return range;
			continue;
		}
		end -= block_size[i];
		const struct mp_range *range =
		    mp_ranges_find(r->levels[i].blocks[end / block_size[i]], r->ranges + end, addr);
		if (range)
			return range;
	}
	return NULL;
}

void mp_timed_ranges_clear(struct mp_timed_ranges *r)
{
	for (int i = 0; i < LEVELS; i++)
		cut_level(&r->levels[i], 0);
	r->n = r->built = 0;
}

void mp_timed_ranges_free(struct mp_timed_ranges *r)
{
	if (!r)
		return;
	mp_timed_ranges_clear(r);
	for (int i = 0; i < LEVELS; i++)
		free(r->levels[i].blocks);
	free(r->ranges);
	free(r->times);
	free(r);
}
