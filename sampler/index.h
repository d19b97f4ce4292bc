/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_INDEX_H
#define MP_SAMPLER_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A hash index over elements that live elsewhere, numbered from 1: finds the number of an element. Open
 * addressing with linear probing, grown at three quarters. Zero-initialized; one thread.
 */
struct mp_index {
	uint64_t *hash;
	uint32_t *value;
	size_t room, n; /* n: how many there are, counted by the caller */
};

/* Mixes 64 bits (splitmix64's finalizer: Steele, Lea, Flood 2014). */
uint64_t mp_index_mix(uint64_t x);

/*
 * The place of an element's number: 0 there means that the element is new, and the caller stores its number
 * and counts it in `n`. `same` compares element `value` with `what`. NULL: out of memory. Valid until the
 * next call.
 */
uint32_t *mp_index_slot(struct mp_index *x, uint64_t hash,
    bool (*same)(const void *owner, uint32_t value, const void *what), const void *owner, const void *what);

void mp_index_free(struct mp_index *x);

#endif
