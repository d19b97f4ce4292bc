/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_POOLS_ORDER_H
#define MP_SAMPLER_POOLS_ORDER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * In which order a pool gives out again what was put back into it: how many of the objects that are in it
 * were put back later than one. 0: the pool is a stack (LIFO), and the object's lines are the warmest.
 * A Fenwick tree over the turns of the puts (Fenwick 1994), made anew when the turns run out. One thread.
 */
struct mp_pool_order {
	uint32_t *tree;  /* [1..room] */
	uint32_t *owner; /* of each turn: the object's number; 0: it is not in the pool */
	uint32_t room, next;
	uint32_t n; /* objects in the pool */
};

/* Object `number` (from 1) is put back. Its turn goes to turn_of[number - 1], as do the others' when they get
 * new ones. False without memory: then its turn is 0. */
bool mp_pool_order_put(struct mp_pool_order *o, uint32_t number, uint32_t *turn_of);

/* The object of this turn, one that is in the pool, is taken out: how many were put back after it. */
uint32_t mp_pool_order_get(struct mp_pool_order *o, uint32_t turn);

void mp_pool_order_free(struct mp_pool_order *o);

#endif
