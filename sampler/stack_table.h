/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_STACK_TABLE_H
#define MP_SAMPLER_STACK_TABLE_H

#include "store/session.h"
#include "symbolize/symbolize.h"

/*
 * The stacks of a recording, each once: what a call brought is unwound, its addresses become frames of the
 * mappings that held them then, and equal stacks one. One thread.
 */
struct mp_stack_table;

/* Session and symbolizer stay the caller's. NULL without memory. */
struct mp_stack_table *mp_stack_table_new(struct mp_session *session, struct mp_symbolizer *symbolizer);
/* The same over addresses whose mappings the caller knows: `find` gives the number of the one that held an
 * address at a time, or 0. For mp_stack_table_add_addresses() only. */
struct mp_stack_table *mp_stack_table_new_of(
    struct mp_session *session, uint32_t (*find)(void *ctx, uint64_t addr, int64_t t_ns), void *ctx);
void mp_stack_table_free(struct mp_stack_table *t);

/* What there is of a stack. */
struct mp_stack_source {
	const struct mp_stack_state *stack; /* NULL: not taken; or as struct mp_call_event tells */
	const uint64_t *ip;
	size_t n_ip;
	int64_t t_ns;
	bool at_instruction; /* ip[0] is where the thread was, and no return address */
};

/*
 * The number of the stack, new or known; 0: it has none, or there are too many, which is counted. All
 * its addresses are return addresses: of an instruction, the one behind its first byte stands for it.
 * -EAGAIN while the unwind table of a file in it is still built. Other failures are of the session, or
 * -ENOMEM.
 */
int mp_stack_table_add(
    struct mp_stack_table *t, const struct mp_stack_source *e, int64_t *stack_id, struct mp_err *err);

/* The same for addresses that are known: `how->n` of them, return addresses, innermost first, at most 256. */
int mp_stack_table_add_addresses(struct mp_stack_table *t, const uint64_t *ip, const struct mp_unwound *how,
    int64_t t_ns, int64_t *stack_id, struct mp_err *err);

/* Stacks that found no place since it was last asked. */
uint64_t mp_stack_table_take_dropped(struct mp_stack_table *t);

size_t mp_stack_table_stacks(const struct mp_stack_table *t);
size_t mp_stack_table_frames(const struct mp_stack_table *t);

#endif
