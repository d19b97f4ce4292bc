/* SPDX-License-Identifier: MIT */
/* One instrument's book: a skip list of price levels for each side, orders in FIFO lists within a level. */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>

enum { MAX_HEIGHT = 12 };

struct level {
	int32_t rank; /* the price, negated for bids: the best level has the lowest rank on both sides */
	int height;
	struct order *first, *last;
	struct level *next[]; /* `height` of them */
};

struct book {
	struct level *head[2][MAX_HEIGHT];
	uint64_t random;
};

struct book *book_create(uint64_t seed)
{
	struct book *b = calloc(1, sizeof(*b));

	if (b)
		b->random = seed * 2 + 1;
	return b;
}

static int32_t rank_of(const struct order *o)
{
	return o->side == BUY ? -o->price : o->price;
}

/* Fills link[h] with the pointer, at height h, that leads to the first level of this rank or worse. */
static struct level *level_find(struct book *b, enum side side, int32_t rank, struct level **link[MAX_HEIGHT])
{
	struct level **row = b->head[side];

	for (int h = MAX_HEIGHT - 1; h >= 0; h--) {
		while (row[h] && row[h]->rank < rank)
			row = row[h]->next;
		link[h] = &row[h];
	}
	return *link[0] && (*link[0])->rank == rank ? *link[0] : NULL;
}

static NOINLINE struct level *level_create(struct book *b, int32_t rank, struct level **link[MAX_HEIGHT])
{
	int height = 1 + __builtin_ctzll(random_next(&b->random) >> 8 | 1ULL << (2 * MAX_HEIGHT - 2)) / 2;
	struct level *l = malloc(sizeof(*l) + (size_t)height * sizeof(l->next[0]));

	if (!l)
		return NULL;
	*l = (struct level){.rank = rank, .height = height};
	for (int h = 0; h < height; h++) {
		l->next[h] = *link[h];
		*link[h] = l;
	}
	return l;
}

static NOINLINE void level_destroy(struct book *b, enum side side, struct level *l)
{
	struct level **link[MAX_HEIGHT];

	level_find(b, side, l->rank, link);
	for (int h = 0; h < l->height; h++)
		*link[h] = l->next[h];
	free(l);
}

NOINLINE int book_insert(struct book *b, struct order *o)
{
	struct level **link[MAX_HEIGHT];
	struct level *l = level_find(b, o->side, rank_of(o), link);

	if (!l)
		l = level_create(b, rank_of(o), link);
	if (!l)
		return -ENOMEM;
	o->level = l;
	o->next = NULL;
	o->prev = l->last;
	*(l->last ? &l->last->next : &l->first) = o;
	l->last = o;
	return 0;
}

NOINLINE void book_cancel(struct book *b, struct order *o)
{
	struct level *l = o->level;

	*(o->prev ? &o->prev->next : &l->first) = o->next;
	*(o->next ? &o->next->prev : &l->last) = o->prev;
	o->level = NULL;
	if (!l->first)
		level_destroy(b, o->side, l);
}

struct order *book_best(const struct book *b, enum side side)
{
	return b->head[side][0] ? b->head[side][0]->first : NULL;
}

void book_destroy(struct book *b)
{
	for (int side = 0; b && side < 2; side++)
		for (struct level *l = b->head[side][0], *next; l; l = next) {
			next = l->next[0];
			free(l);
		}
	free(b);
}
