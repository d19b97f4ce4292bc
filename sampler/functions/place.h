/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_FUNCTIONS_PLACE_H
#define MP_SAMPLER_FUNCTIONS_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/functions/table.h"

/*
 * Where the probes of a function go: one at its entry, and one at each instruction that ends it.
 *
 * A return probe would be simpler and cheaper than those at the ends, but it puts another return address on
 * the stack: a C++ exception, a Rust panic, pthread_exit and a coroutine that goes on elsewhere cannot bear
 * that, and the process would end. Probes on instructions change nothing on the stack.
 */
#define MP_FUNCTION_ENDS_MAX 64

struct mp_function_place {
	uint64_t entry;             /* file offset */
	unsigned int skipped_bytes; /* from the function's entry to it */
	bool is_stepped;            /* the kernel single-steps it: see mp_insn_is_emulated() */
	bool ends_in_jump; /* it may end where another function goes on in its place, and returns its value */
	uint64_t ends[MP_FUNCTION_ENDS_MAX]; /* file offsets */
	size_t n_ends;
};

/* The entry. `args`: what a probe there reads, as for mp_insn_placement(). 0, or -ENOTSUP with the reason as
 * half a sentence, as below. */
int mp_function_place_entry(const struct mp_function_table *t, const struct mp_function_symbol *f,
    unsigned int args, struct mp_function_place *out, const char **why);

/* The same for who does not look for the end of a call by its stack pointer: of Go's functions also. */
int mp_function_place_point(const struct mp_function_table *t, const struct mp_function_symbol *f,
    unsigned int args, struct mp_function_place *out, const char **why);

/*
 * The ends: those of a function that has data in its code cannot be told, and one that never returns has
 * none. With `through_jumps`, where it goes on as another function of the module (a tail call), that one's
 * ends are taken in place of the jump. It may be called by others, too: an end belongs to the call at whose
 * entry the stack pointer was the same.
 */
int mp_function_place_ends(const struct mp_function_table *t, const struct mp_function_symbol *f,
    bool through_jumps, struct mp_function_place *out, const char **why);

/*
 * Whether no exception, longjmp or switch of stacks can come out of a call of the function, so that a return
 * probe may be used: in all of its code, and in that of all functions of the module that it may come to,
 * calls and jumps are direct, and lead to code that is seen here too, or by the dynamic linker to functions
 * of the C library that neither call back nor can be cancelled. In doubt, false.
 */
bool mp_function_is_closed(const struct mp_function_table *t, const struct mp_function_symbol *f);

#endif
