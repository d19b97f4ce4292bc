/* SPDX-License-Identifier: MIT */
#include "sampler/blocks/table.h"

#include <stdlib.h>

#include "sampler/grow.h"
#include "sampler/index.h"

#define FIRST_PLACES 1024

struct mp_block_table {
	struct mp_block *blocks;
	size_t n, room;
	uint32_t *places; /* number of the block, from 1 on; 0: free */
	size_t n_places;  /* a power of two, more than twice n */
};

struct mp_block_table *mp_block_table_new(void)
{
	struct mp_block_table *t = calloc(1, sizeof(*t));

	if (t)
		t->places = calloc(FIRST_PLACES, sizeof(*t->places));
	if (!t || !t->places) {
		free(t);
		return NULL;
	}
	t->n_places = FIRST_PLACES;
	return t;
}

void mp_block_table_free(struct mp_block_table *t)
{
	if (!t)
		return;
	free(t->places);
	free(t->blocks);
	free(t);
}

size_t mp_block_table_count(const struct mp_block_table *t)
{
	return t->n;
}

struct mp_block *mp_block_table_at(const struct mp_block_table *t, size_t i)
{
	return &t->blocks[i];
}

static size_t home_of(const struct mp_block_table *t, uint64_t addr)
{
	return mp_index_mix(addr) & (t->n_places - 1);
}

/* Where the address stands, or the free place where it would. */
static size_t place_of(const struct mp_block_table *t, uint64_t addr)
{
	size_t at = home_of(t, addr);

	while (t->places[at] && t->blocks[t->places[at] - 1].addr != addr)
		at = (at + 1) & (t->n_places - 1);
	return at;
}

struct mp_block *mp_block_table_find(const struct mp_block_table *t, uint64_t addr)
{
	uint32_t number = t->places[place_of(t, addr)];

	return number ? &t->blocks[number - 1] : NULL;
}

static bool make_places(struct mp_block_table *t)
{
	size_t n = 2 * t->n_places;
	uint32_t *places = n < UINT32_MAX ? calloc(n, sizeof(*places)) : NULL;

	if (!places)
		return false;
	free(t->places);
	t->places = places;
	t->n_places = n;
	for (size_t i = 0; i < t->n; i++)
		places[place_of(t, t->blocks[i].addr)] = (uint32_t)i + 1;
	return true;
}

struct mp_block *mp_block_table_add(struct mp_block_table *t, uint64_t addr)
{
	if (!mp_grow((void **)&t->blocks, &t->room, t->n + 1, sizeof(*t->blocks)) ||
	    (2 * (t->n + 1) >= t->n_places && !make_places(t)))
		return NULL;
	t->places[place_of(t, addr)] = (uint32_t)t->n + 1;
	t->blocks[t->n] = (struct mp_block){.addr = addr};
	return &t->blocks[t->n++];
}

/* Those behind the place that is free now move up, so that no search ends before its time (Knuth, The Art of
 * Computer Programming 3, 6.4, algorithm R). */
static void free_place(struct mp_block_table *t, size_t hole)
{
	size_t mask = t->n_places - 1;

	for (size_t at = (hole + 1) & mask; t->places[at]; at = (at + 1) & mask) {
		size_t home = home_of(t, t->blocks[t->places[at] - 1].addr);

		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		t->places[hole] = t->places[at];
		hole = at;
	}
	t->places[hole] = 0;
}

void mp_block_table_remove(struct mp_block_table *t, struct mp_block *b)
{
	struct mp_block *last = &t->blocks[t->n - 1];

	free_place(t, place_of(t, b->addr));
	if (b != last) {
		t->places[place_of(t, last->addr)] = (uint32_t)(b - t->blocks) + 1;
		*b = *last;
	}
	t->n--;
}
