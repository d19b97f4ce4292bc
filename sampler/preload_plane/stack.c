/* SPDX-License-Identifier: MIT */
#include "sampler/preload_plane/stack.h"

#include <string.h>

#include "sampler/preload/record.h"
#include "sampler/saved_regs.h"

/* The word at an address of the copied stack. */
static bool word_at(
    const struct mp_stack_copy *copy, const unsigned char *stack, uint64_t addr, uint64_t *out)
{
	uint64_t at = addr - copy->sp; /* huge below it */

	if (at % sizeof(*out) || at >= copy->bytes || copy->bytes - at < sizeof(*out))
		return false;
	memcpy(out, stack + at, sizeof(*out));
	return true;
}

/* Callers lie above: a chain that does not rise has left the stack, or runs in a circle. */
static void walk_frame_pointers(const struct mp_stack_copy *copy, struct mp_preload_stack *out)
{
	uint64_t frame = copy->frame, next, addr;

	while (out->nframes < MP_MAX_FRAMES && word_at(copy, out->bytes, frame, &next) &&
	       word_at(copy, out->bytes, frame + 8, &addr)) {
		out->ip[out->nframes++] = addr;
		if (next <= frame)
			break;
		frame = next;
	}
}

/* The interposed function has a frame pointer, which leads to its caller's registers. What else it has saved
 * for its caller, only its code knows. */
void mp_preload_stack_read(const struct mp_stack_copy *copy, struct mp_preload_stack *out)
{
	uint64_t fp;

	out->nframes = 0;
	out->state = (struct mp_stack_state){.bytes_at = copy->sp, .ip_is_return = true};
	walk_frame_pointers(copy, out);
	if (!out->nframes || !word_at(copy, out->bytes, copy->frame, &fp))
		return;
	out->state.ip = out->ip[0];
	out->state.bytes = out->bytes;
	out->state.n_bytes = copy->bytes;
	mp_stack_state_set(&out->state, MP_REG_FP, fp);
	mp_stack_state_set(&out->state, MP_REG_SP, copy->frame + 16);
}

/* Copies what is at a position; false if it is not a copy that begins there. */
static bool read_copy(
    const struct mp_slot *slot, uint64_t at, uint64_t head, struct mp_stack_copy *copy, unsigned char *stack)
{
	uint64_t offset = at % MP_STACKS_BYTES, room = MP_STACKS_BYTES - offset;

	if (head - at < sizeof(*copy) || room < sizeof(*copy))
		return false;
	memcpy(copy, slot->stacks + offset, sizeof(*copy));
	if (copy->position != at || copy->bytes % 8 || copy->bytes > MP_STACK_COPY_MAX ||
	    copy->bytes > room - sizeof(*copy) || copy->bytes > head - at - sizeof(*copy))
		return false;
	memcpy(stack, slot->stacks + offset + sizeof(*copy), copy->bytes);
	return true;
}

/* The next copy at or after `*tail`: where the end of the ring was too short for it, at the beginning. Moves
 * `*tail` behind it. */
static bool read_next(const struct mp_slot *slot, uint64_t *tail, uint64_t head, struct mp_stack_copy *copy,
    unsigned char *stack)
{
	uint64_t at = *tail;

	if (!read_copy(slot, at, head, copy, stack)) {
		at += MP_STACKS_BYTES - at % MP_STACKS_BYTES;
		if (at - *tail >= head - *tail || !read_copy(slot, at, head, copy, stack))
			return false;
	}
	*tail = at + sizeof(*copy) + copy->bytes;
	return true;
}

bool mp_preload_stack_take(
    const struct mp_slot *slot, uint64_t *tail, uint64_t record, struct mp_preload_stack *out)
{
	struct mp_stack_copy copy;
	uint64_t head = mp_load_acquire(&slot->stacks_head), before = *tail;

	if (head - *tail > MP_STACKS_BYTES) { /* more than there can be: a hostile writer */
		*tail = head;
		return false;
	}
	while (read_next(slot, tail, head, &copy, out->bytes)) {
		if (copy.record == record) {
			mp_preload_stack_read(&copy, out);
			return true;
		}
		if (copy.record - record < UINT64_MAX / 2) { /* of a later record: it is left for that one */
			*tail = before;
			return false;
		}
		before = *tail;
	}
	if (head != *tail)
		*tail = head; /* out of step: begins anew behind what nobody understands */
	return false;
}
