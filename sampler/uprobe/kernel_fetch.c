/* SPDX-License-Identifier: MIT */
#include "sampler/uprobe/kernel_fetch.h"

#include <linux/ptrace.h>
#include <stddef.h>
#include <stdint.h>

/* The word of the kernel's struct pt_regs that is register `n` by DWARF's numbers (System V ABI, AMD64
 * supplement, figure 3.36; arm64's are the kernel's). */
static unsigned char register_word(unsigned char n)
{
#ifdef __x86_64__
#define WORD(member) (unsigned char)(offsetof(struct pt_regs, member) / sizeof(uint64_t))
	static const unsigned char words[] = {WORD(rax), WORD(rdx), WORD(rcx), WORD(rbx), WORD(rsi),
	    WORD(rdi), WORD(rbp), WORD(rsp), WORD(r8), WORD(r9), WORD(r10), WORD(r11), WORD(r12), WORD(r13),
	    WORD(r14), WORD(r15)};
	return words[n & 15];
#else
	return n;
#endif
}

struct mp_fetch mp_kernel_fetch(const struct mp_fetch *f)
{
	struct mp_fetch out = *f;

	if (out.from == MP_FETCH_REGISTER)
		out.number = register_word(out.number);
	return out;
}
