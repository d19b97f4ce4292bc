/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRELOAD_PLANE_STACK_H
#define MP_SAMPLER_PRELOAD_PLANE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/preload/shared.h"
#include "sampler/uprobe/shared.h"
#include "symbolize/unwind/unwind.h"

/*
 * Reads the copies of stacks that a slot's thread makes beside its records (struct mp_stack_copy). Every copy
 * is copied once more before it is looked at: its writer may be hostile. One thread.
 */
struct mp_preload_stack {
	struct mp_stack_state
	    state; /* of the allocator's caller, as the call has returned; bytes: those below */
	uint64_t ip[MP_MAX_FRAMES]; /* what its frame pointers say: return addresses, the caller's first */
	size_t nframes;
	unsigned char bytes[MP_STACK_COPY_MAX];
};

/*
 * The copy that belongs to the record at position `record` of the slot's ring. `*tail` is the position up to
 * which copies were read; it moves behind this one, and over those of earlier records. False: it is not
 * there.
 */
bool mp_preload_stack_take(
    const struct mp_slot *slot, uint64_t *tail, uint64_t record, struct mp_preload_stack *out);

/* Makes of a copy, whose `bytes` bytes of stack are in out->bytes, all the rest of `out`. */
void mp_preload_stack_read(const struct mp_stack_copy *copy, struct mp_preload_stack *out);

#endif
