/* SPDX-License-Identifier: MIT */
/* A pool of orders made before the open, so that the day needs no allocator - until it runs dry. */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>

static struct {
	struct order *slab;
	struct order *free_list; /* linked by next */
	struct pool_stats stats;
} pool;

int pool_create(size_t capacity)
{
	pool.slab = calloc(capacity, sizeof(*pool.slab));
	if (!pool.slab)
		return -ENOMEM;
	for (size_t i = capacity; i-- > 0;) {
		pool.slab[i].next = pool.free_list;
		pool.free_list = &pool.slab[i];
	}
	pool.stats.capacity = capacity;
	return 0;
}

/* The slow path of a dry pool, a function of its own so that a profile names it. */
static NOINLINE struct order *pool_exhausted(void)
{
	struct order *o = malloc(sizeof(*o));

	pool.stats.exhausted++;
	if (o)
		o->from_pool = false;
	return o;
}

NOINLINE struct order *pool_acquire(void)
{
	struct order *o = pool.free_list;

	if (!o)
		return pool_exhausted();
	pool.free_list = o->next;
	o->from_pool = true;
	if (++pool.stats.in_use > pool.stats.high_water)
		pool.stats.high_water = pool.stats.in_use;
	return o;
}

NOINLINE void pool_release(struct order *o)
{
	if (!o->from_pool) {
		free(o);
		return;
	}
	o->next = pool.free_list;
	pool.free_list = o;
	pool.stats.in_use--;
}

struct pool_stats pool_stats(void)
{
	return pool.stats;
}

void pool_destroy(void)
{
	free(pool.slab);
}
