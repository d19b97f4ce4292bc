/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_INSN_H
#define MP_SAMPLER_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Machine code, as far as placing a probe needs it. The bytes are the target's and hostile; nothing outside
 * [code, code + n) is read. Pure functions; any thread. x86-64 by Zydis; on other machines probes stand at
 * the entry, which their kernels emulate or step cheaply.
 */

/*
 * How many bytes after a function's entry its probe should stand: at the first instruction that the kernel
 * emulates (nop, push, jmp rel, jcc, call rel32), which costs a tenth of a single-stepped one. Only
 * instructions are skipped that leave the stack pointer and the wanted arguments alone, are no jumps
 * and no jump targets: else the return probe would read another stack slot, or calls would go by unseen.
 * 0 where no such place exists.
 *
 * `args`: the arguments that will be read there, as a mask of MP_ARG(1..6), and MP_INSN_MEMORY where memory
 * is read, too, which then has to be as it was at the entry.
 * `null_is_no_call`: calls with a NULL first argument are not wanted (free(NULL)), so the probe may stand
 * behind the function's own test for it, where they cost nothing.
 *
 * `code` is the whole function.
 */
#define MP_INSN_MEMORY 1u
unsigned int mp_insn_placement(const unsigned char *code, size_t n, unsigned int args, bool null_is_no_call);

/* Does the kernel emulate the first instruction of `code`? Else it single-steps it. */
bool mp_insn_is_emulated(const unsigned char *code, size_t n);

/*
 * Where the function at `vaddr` leaves to other code: its direct calls, and its direct jumps out of it,
 * conditional ones included. Stops when `fn` returns non-zero and returns that. At the first bytes that are
 * no instruction it ends.
 *
 * `hands_on[i]`: which of the function's own arguments (1 to 3) is argument i + 1 of what it leaves to,
 * whichever way it went there; 0: none, or it cannot be told. By copies from register to register; known on
 * x86-64 only.
 */
#define MP_INSN_ARGS 4
struct mp_insn_exit {
	uint64_t to;
	bool is_jump;
	unsigned char hands_on[MP_INSN_ARGS];
};
int mp_insn_each_exit(const unsigned char *code, size_t n, uint64_t vaddr,
    int (*fn)(void *ctx, const struct mp_insn_exit *exit), void *ctx);

/*
 * Can the function return without a call that matters? From its beginning on, along any way that its jumps
 * allow: past calls for which `passes` is true, and not through others, nor by a jump out. `null_is_no_call`:
 * the way of a NULL first argument does not count, where the function begins with that question. False also
 * where it cannot be told: arm64.
 */
bool mp_insn_returns_alone(const unsigned char *code, size_t n, uint64_t vaddr, bool null_is_no_call,
    bool (*passes)(void *ctx, uint64_t to), void *ctx);

/*
 * Where the code at `vaddr`, the whole of a function or of a part of one, ends or may: its returns, and its
 * jumps out of it. Of the latter, `to` is where a direct one leads, 0 of others; the table of a `switch` is
 * no end, a conditional jump neither. `leaves`, unless NULL, is told where direct jumps lead out, conditional
 * ones included, before any end. Stops when `end` returns non-zero and returns that.
 *
 * Each end is the beginning of an instruction. -EINVAL where that cannot be sworn: code that cannot be
 * decoded, that has data in it, or jumps into the middle of what was decoded. -ENOMEM.
 */
struct mp_insn_ends {
	int (*end)(void *ctx, uint64_t vaddr, bool is_jump, uint64_t to);
	void (*leaves)(void *ctx, uint64_t to);
	void *ctx;
};
int mp_insn_each_end(const unsigned char *code, size_t n, uint64_t vaddr, struct mp_insn_ends *out);

/*
 * Where the code at `vaddr`, the whole of a function or of a part of one, may go to other code: its calls,
 * and its jumps out of it, conditional ones included; the table of a `switch` is within. Stops when `fn`
 * returns non-zero and returns that. -EINVAL where not all of it can be decoded.
 */
struct mp_insn_call {
	uint64_t to;   /* 0: where memory or a register says */
	uint64_t slot; /* the address of that memory; 0: it is not known */
};
int mp_insn_each_call(const unsigned char *code, size_t n, uint64_t vaddr,
    int (*fn)(void *ctx, const struct mp_insn_call *call), void *ctx);

/* Is this the instruction that stands at a USDT probe's place: one that does nothing? A note may point
 * anywhere: a breakpoint inside an instruction, or into data that is next to code, would change what the
 * target does. */
bool mp_insn_is_nop(const unsigned char *code, size_t n);

/*
 * The slot through which a stub (PLT entry) jumps: the address that the indirect jump within its first
 * instructions reads. 0 if it is no such stub.
 */
uint64_t mp_insn_stub_slot(const unsigned char *code, size_t n, uint64_t vaddr);

#endif
