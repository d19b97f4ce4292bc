/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRELOAD_STACK_H
#define MP_SAMPLER_PRELOAD_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/preload/shared.h"
#include "sampler/uprobe_shared.h"

/*
 * Reads the copies of stacks that a slot's thread makes beside its records (struct mp_stack_copy), and
 * follows the frame pointers in them. Every copy is copied once more before it is looked at: its writer may
 * be hostile. One thread.
 */
struct mp_preload_stack {
	uint64_t ip[MP_MAX_FRAMES]; /* return addresses, the allocator's caller first */
	size_t nframes;
	uint64_t word[MP_STACK_WORDS]; /* of the caller's stack as it was after the return (sampler/leaf.h) */
	size_t nwords;
};

/*
 * The copy that belongs to the record at position `record` of the slot's ring. `*tail` is the position up to
 * which copies were read; it moves behind this one, and over those of earlier records. False: it is not
 * there.
 */
bool mp_preload_stack_take(
    const struct mp_slot *slot, uint64_t *tail, uint64_t record, struct mp_preload_stack *out);

/* Follows the frame pointers in a copy whose `bytes` bytes of stack are at `stack`. */
void mp_preload_stack_walk(
    const struct mp_stack_copy *copy, const unsigned char *stack, struct mp_preload_stack *out);

#endif
