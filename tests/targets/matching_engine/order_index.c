/* SPDX-License-Identifier: MIT */
/* Orders by id: open addressing with linear probing; deletion shifts back, so there are no tombstones. */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>

static struct {
	struct order **slot;
	size_t mask, count; /* capacity - 1, a power of two less one */
	unsigned growths;
} table;

static size_t home_of(uint64_t id)
{
	return (size_t)(id * 0x9e3779b97f4a7c15ULL >> 20) & table.mask;
}

int index_create(void)
{
	table.mask = 1023;
	table.slot = calloc(table.mask + 1, sizeof(*table.slot));
	return table.slot ? 0 : -ENOMEM;
}

static void place(struct order *o)
{
	size_t i = home_of(o->id);

	while (table.slot[i])
		i = (i + 1) & table.mask;
	table.slot[i] = o;
}

/* Doubles the table and moves every order at once: the order that triggers it waits for all of them. */
static NOINLINE int index_grow(void)
{
	struct order **old = table.slot;
	size_t old_mask = table.mask;
	struct order **bigger = calloc((old_mask + 1) * 2, sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	table.slot = bigger;
	table.mask = old_mask * 2 + 1;
	for (size_t i = 0; i <= old_mask; i++)
		if (old[i])
			place(old[i]);
	free(old);
	table.growths++;
	return 0;
}

int index_insert(struct order *o)
{
	if (table.count * 4 > (table.mask + 1) * 3) {
		int err = index_grow();

		if (err)
			return err;
	}
	place(o);
	table.count++;
	return 0;
}

/* The slot of the order with this id, or the empty slot where its probe sequence ends. */
static size_t slot_of(uint64_t id)
{
	size_t i = home_of(id);

	while (table.slot[i] && table.slot[i]->id != id)
		i = (i + 1) & table.mask;
	return i;
}

struct order *index_find(uint64_t id)
{
	return table.slot[slot_of(id)];
}

void index_erase(uint64_t id)
{
	size_t hole = slot_of(id);

	if (!table.slot[hole])
		return;
	table.count--;
	table.slot[hole] = NULL;
	for (size_t i = (hole + 1) & table.mask; table.slot[i]; i = (i + 1) & table.mask) {
		size_t distance = (i - home_of(table.slot[i]->id)) & table.mask;

		/* An entry may move back to the hole only if that is not before its home. */
		if (distance < ((i - hole) & table.mask))
			continue;
		table.slot[hole] = table.slot[i];
		table.slot[i] = NULL;
		hole = i;
	}
}

size_t index_count(void)
{
	return table.count;
}

size_t index_bytes(void)
{
	return (table.mask + 1) * sizeof(*table.slot);
}

unsigned index_growths(void)
{
	return table.growths;
}

void index_each(void (*fn)(struct order *o, void *arg), void *arg)
{
	for (size_t i = 0; i <= table.mask; i++)
		if (table.slot[i])
			fn(table.slot[i], arg);
}

void index_destroy(void)
{
	free(table.slot);
}
