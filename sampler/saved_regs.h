/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_SAVED_REGS_H
#define MP_SAMPLER_SAVED_REGS_H

#include "sampler/uprobe/shared.h"
#include "symbolize/unwind/unwind.h"

/* Registers as the planes copy them, to registers as unwinding counts them: by their DWARF numbers (the
 * psABIs of x86-64 and AArch64). */
#ifdef __x86_64__
#define MP_REGS_SAVED                                                                                        \
	{                                                                                                    \
		MP_REG_FP, 3, 12, 13, 14, 15                                                                 \
	}
#else
#define MP_REGS_SAVED                                                                                        \
	{                                                                                                    \
		MP_REG_FP, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28                                            \
	}
#endif

static inline void mp_stack_state_set(struct mp_stack_state *s, unsigned int reg, uint64_t value)
{
	s->reg[reg] = value;
	s->known |= 1ULL << reg;
}

/* `saved` as MP_SAVED_REGS tells (sampler/uprobe/shared.h). */
static inline void mp_stack_state_set_saved(
    struct mp_stack_state *s, uint64_t sp, const unsigned long long *saved)
{
	static const unsigned char number[] = MP_REGS_SAVED;

	mp_stack_state_set(s, MP_REG_SP, sp);
	for (unsigned int i = 0; i < sizeof(number); i++)
		mp_stack_state_set(s, number[i], saved[i]);
}

#endif
