/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_REGS_H
#define MP_SAMPLER_PERF_REGS_H

#include <asm/perf_regs.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "sampler/perf/record.h"
#include "sampler/uprobe/shared.h"
#include "symbolize/unwind/unwind.h"

/*
 * The registers that perf records of probed functions carry (PERF_SAMPLE_REGS_USER). Of an entry the
 * arguments, of a return the value and what unwinding needs; they come in the order of their numbers. */
#ifdef __x86_64__
#define ENTRY_REGS                                                                                           \
	(1ull << PERF_REG_X86_DX | 1ull << PERF_REG_X86_SI | 1ull << PERF_REG_X86_DI |                       \
	    1ull << PERF_REG_X86_SP)
#define RETURN_REGS                                                                                          \
	(1ull << PERF_REG_X86_AX | 1ull << PERF_REG_X86_BX | 1ull << PERF_REG_X86_BP |                       \
	    1ull << PERF_REG_X86_SP | 1ull << PERF_REG_X86_IP | 15ull << PERF_REG_X86_R12)
enum { ENTRY_DX, ENTRY_SI, ENTRY_DI, ENTRY_SP };
enum { RETURN_AX, RETURN_BX, RETURN_BP, RETURN_SP, RETURN_IP, RETURN_R12, N_RETURN_REGS = RETURN_R12 + 4 };
#else
#define ENTRY_REGS (7ull << PERF_REG_ARM64_X0 | 1ull << PERF_REG_ARM64_SP)
#define RETURN_REGS                                                                                          \
	(1ull << PERF_REG_ARM64_X0 | 2047ull << PERF_REG_ARM64_X19 | 1ull << PERF_REG_ARM64_SP |             \
	    1ull << PERF_REG_ARM64_PC)
enum { ENTRY_X0, ENTRY_SP = 3 };
enum { RETURN_X0, RETURN_X19, RETURN_X29 = RETURN_X19 + 10, RETURN_SP, RETURN_IP, N_RETURN_REGS };
#endif

#ifdef __x86_64__
static inline uint64_t reg_value(const uint64_t *r)
{
	return r[RETURN_AX];
}

static inline void reg_args(const uint64_t *r, uint64_t args[3])
{
	args[0] = r[ENTRY_DI];
	args[1] = r[ENTRY_SI];
	args[2] = r[ENTRY_DX];
}

static inline void reg_saved(const uint64_t *r, unsigned long long saved[MP_SAVED_REGS])
{
	saved[0] = r[RETURN_BP];
	saved[1] = r[RETURN_BX];
	for (int i = 0; i < 4; i++)
		saved[2 + i] = r[RETURN_R12 + i];
}
#else
static inline uint64_t reg_value(const uint64_t *r)
{
	return r[RETURN_X0];
}

static inline void reg_args(const uint64_t *r, uint64_t args[3])
{
	memcpy(args, r + ENTRY_X0, 3 * sizeof(*args));
}

static inline void reg_saved(const uint64_t *r, unsigned long long saved[MP_SAVED_REGS])
{
	saved[0] = r[RETURN_X29];
	for (int i = 0; i < 10; i++)
		saved[1 + i] = r[RETURN_X19 + i];
}
#endif

/*
 * Of code that was interrupted anywhere: what unwinding needs.
 */
#ifdef __x86_64__
#define SAMPLE_REGS                                                                                          \
	(1ull << PERF_REG_X86_BX | 1ull << PERF_REG_X86_BP | 1ull << PERF_REG_X86_SP |                       \
	    1ull << PERF_REG_X86_IP | 15ull << PERF_REG_X86_R12)
/* Their DWARF numbers, in the order in which they come; MP_REGS: the instruction pointer. */
static const unsigned char sample_regs[] = {3, MP_REG_FP, MP_REG_SP, MP_REGS, 12, 13, 14, 15};
#else
#define SAMPLE_REGS (4095ull << PERF_REG_ARM64_X19 | 1ull << PERF_REG_ARM64_SP | 1ull << PERF_REG_ARM64_PC)
static const unsigned char sample_regs[] = {
    19, 20, 21, 22, 23, 24, 25, 26, 27, 28, MP_REG_FP, MP_REG_LR, MP_REG_SP, MP_REGS};
#endif

/* The registers of a sample that was asked for SAMPLE_REGS; false: it has others, or none. */
static inline bool sample_state(const struct mp_perf_regs *r, struct mp_stack_state *out)
{
	*out = (struct mp_stack_state){0};
	if (!r->abi || r->mask != SAMPLE_REGS || r->value.n != sizeof(sample_regs))
		return false;
	for (size_t i = 0; i < sizeof(sample_regs); i++) {
		uint64_t v = mp_perf_u64(&r->value, i);
		if (sample_regs[i] == MP_REGS) {
			out->ip = v;
			continue;
		}
		out->reg[sample_regs[i]] = v;
		out->known |= 1ull << sample_regs[i];
	}
	return true;
}

#endif
