/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_UNWIND_UNWIND_H
#define MP_SYMBOLIZE_UNWIND_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "symbolize/unwind/cfi.h"

/*
 * Stacks from a copy of registers and stack, without frame pointers: by the flat tables of
 * symbolize/unwind/cfi.h, whole stacks again by libunwind where a row is MP_CFI_COMPLEX, by the frame pointer
 * in code that no table describes. All of the copy is hostile: every address is checked against it, and a
 * walk goes upwards only. One thread.
 */

/* Registers by their DWARF numbers: x86-64 0-15 (6 rbp, 7 rsp), arm64 0-31 (29 fp, 30 lr, 31 sp). */
#define MP_REGS 32
#ifdef __aarch64__
#define MP_REG_FP 29
#define MP_REG_LR 30
#define MP_REG_SP 31
#else
#define MP_REG_FP 6
#define MP_REG_SP 7
#endif

struct mp_stack_state {
	uint64_t ip;
	uint64_t reg[MP_REGS];
	uint64_t known;    /* bit n: reg[n] is known. ip, sp and fp have to be. */
	uint64_t bytes_at; /* address of the first byte of the copy */
	const unsigned char *bytes;
	size_t n_bytes;
	int64_t t_ns; /* when it was taken: says what was mapped */
	bool
	    ip_is_return; /* ip is a return address: the code before it is meant (false: interrupted there) */
};

/* How far to trust a stack: the worst of what its frames were found by. Stored in sessions. */
enum mp_stack_quality {
	MP_STACK_NONE = 0,
	MP_STACK_GUESS =
	    1,            /* some frames by a scan for addresses of code (JIT code without frame pointers) */
	MP_STACK_FP = 2,  /* some frames by the frame pointer, unverified */
	MP_STACK_CFI = 3, /* all frames by CFI */
};

/* Why it ends where it ends. Stored in sessions. */
enum mp_stack_end {
	MP_STACK_OUTERMOST = 0, /* the thread's first frame */
	MP_STACK_CUT = 1,       /* the copy ends: there are more frames */
	MP_STACK_LOST = 2,      /* no rule for this code, and no frame pointer */
	MP_STACK_FULL = 3,      /* more frames than there was room for */
};

struct mp_unwound {
	size_t n;
	enum mp_stack_quality quality;
	enum mp_stack_end end;
};

/* What the unwinder asks about code. Of mappings of a file, those with code suffice: its other bytes are
 * found from there. */
struct mp_unwind_code {
	/* The table of the file mapped at `addr` at that time and its load bias (run-time address - vaddr).
	 * NULL with *is_code true: code without a table (JIT, assembly); false: no code. */
	const struct mp_cfi *(*table)(void *ctx, uint64_t addr, int64_t t_ns, uint64_t *bias, bool *is_code);
	/* Bytes of the file mapped there, for libunwind's own reading of .eh_frame. False: not to be had. */
	const struct mp_elf *(*elf)(void *ctx, uint64_t addr, int64_t t_ns, uint64_t *bias);
	/* Whether there is code at `addr`, with or without a table. Cheap: words of the stack are asked
	 * about. */
	bool (*is_code)(void *ctx, uint64_t addr, int64_t t_ns);
	/* Whether `addr` lies in code that a JIT compiler made: where a scan is worth it. */
	bool (*is_jit)(void *ctx, uint64_t addr, int64_t t_ns);
	void *ctx;
};

struct mp_unwinder;

struct mp_unwinder *mp_unwinder_new(const struct mp_unwind_code *code); /* NULL without memory */
void mp_unwinder_free(struct mp_unwinder *u);

/* Walks the stack: addresses innermost first, the first being state->ip, then return addresses (look the code
 * up at addr - 1). */
struct mp_unwound mp_unwind(
    struct mp_unwinder *u, const struct mp_stack_state *state, uint64_t *ip, size_t room);

/* The same, all by libunwind: what the tables are measured against. `keep_cache`: libunwind may remember what
 * it read for later calls, which holds as long as the same files stay mapped. */
struct mp_unwound mp_unwind_reference(
    struct mp_unwinder *u, const struct mp_stack_state *state, bool keep_cache, uint64_t *ip, size_t room);

#endif
