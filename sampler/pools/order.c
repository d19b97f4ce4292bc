/* SPDX-License-Identifier: MIT */
#include "sampler/pools/order.h"

#include <stdlib.h>

static void add(struct mp_pool_order *o, uint32_t turn, uint32_t by)
{
	for (; turn <= o->room; turn += turn & -turn)
		o->tree[turn] += by; /* modulo 2^32: by may be -1 */
}

static uint32_t up_to(const struct mp_pool_order *o, uint32_t turn)
{
	uint32_t n = 0;

	for (; turn; turn -= turn & -turn)
		n += o->tree[turn];
	return n;
}

/* New turns for those in the pool, in their order, and as many more to come. */
static bool renumber(struct mp_pool_order *o, uint32_t *turn_of)
{
	uint32_t room = o->n < 512 ? 1024 : o->n > UINT32_MAX / 4 ? 0 : o->n * 2;
	struct mp_pool_order fresh = {.room = room,
	    .tree = calloc((size_t)room + 1, sizeof(*fresh.tree)),
	    .owner = calloc((size_t)room + 1, sizeof(*fresh.owner)),
	    .n = o->n};

	if (!room || !fresh.tree || !fresh.owner) {
		mp_pool_order_free(&fresh);
		return false;
	}
	for (uint32_t turn = 1; turn < o->next; turn++) {
		if (!o->owner[turn])
			continue;
		fresh.owner[++fresh.next] = o->owner[turn];
		turn_of[o->owner[turn] - 1] = fresh.next;
		add(&fresh, fresh.next, 1);
	}
	fresh.next++;
	free(o->tree);
	free(o->owner);
	*o = fresh;
	return true;
}

bool mp_pool_order_put(struct mp_pool_order *o, uint32_t number, uint32_t *turn_of)
{
	turn_of[number - 1] = 0;
	if ((!o->room || o->next > o->room) && !renumber(o, turn_of))
		return false;
	turn_of[number - 1] = o->next;
	o->owner[o->next] = number;
	add(o, o->next++, 1);
	o->n++;
	return true;
}

uint32_t mp_pool_order_get(struct mp_pool_order *o, uint32_t turn)
{
	uint32_t later = o->n - up_to(o, turn);

	o->owner[turn] = 0;
	add(o, turn, (uint32_t)-1);
	o->n--;
	return later;
}

void mp_pool_order_free(struct mp_pool_order *o)
{
	free(o->tree);
	free(o->owner);
	*o = (struct mp_pool_order){0};
}
