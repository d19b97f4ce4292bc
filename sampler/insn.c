/* SPDX-License-Identifier: MIT */
#include "sampler/insn.h"

#include <errno.h>

#include "store/op.h"

#ifdef __x86_64__

#include <Zydis/Zydis.h>

struct insn {
	ZydisDecodedInstruction i;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

static bool decode(const unsigned char *code, size_t n, struct insn *out)
{
	static ZydisDecoder decoder;
	static bool ready;

	if (!ready)
		ready = ZYAN_SUCCESS(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64));
	return ready && ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, n, &out->i, out->op));
}

/* The target of a direct jump or call, as an offset from the instruction's start. */
static bool direct_target(const struct insn *in, int64_t *target)
{
	const ZydisDecodedOperand *o = &in->op[0];

	if (in->i.operand_count == 0 || o->type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !o->imm.is_relative)
		return false;
	*target = (int64_t)in->i.length + o->imm.value.s;
	return true;
}

static bool is_branch(const struct insn *in)
{
	switch (in->i.meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
		return true;
	default:
		return false;
	}
}

/* What arch/x86/kernel/uprobes.c (branch_xol_ops, push_xol_ops) emulates instead of stepping. */
static bool is_emulated(const struct insn *in)
{
	int64_t target;

	switch (in->i.mnemonic) {
	case ZYDIS_MNEMONIC_NOP:
		return true;
	case ZYDIS_MNEMONIC_PUSH:
		return in->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		       ZydisRegisterGetClass(in->op[0].reg.value) == ZYDIS_REGCLASS_GPR64;
	case ZYDIS_MNEMONIC_JCXZ:
	case ZYDIS_MNEMONIC_JECXZ:
	case ZYDIS_MNEMONIC_JRCXZ:
	case ZYDIS_MNEMONIC_LOOP:
	case ZYDIS_MNEMONIC_LOOPE:
	case ZYDIS_MNEMONIC_LOOPNE:
		return false;
	default:
		return is_branch(in) && direct_target(in, &target) &&
		       !(in->i.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE);
	}
}

/* The registers that probes read: the stack pointer and those of the arguments 1 to 3. */
static bool is_wanted_register(ZydisRegister reg, unsigned int args)
{
	switch (ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg)) {
	case ZYDIS_REGISTER_RSP:
		return true;
	case ZYDIS_REGISTER_RDI:
		return args & MP_ARG(1);
	case ZYDIS_REGISTER_RSI:
		return args & MP_ARG(2);
	case ZYDIS_REGISTER_RDX:
		return args & MP_ARG(3);
	default:
		return false;
	}
}

static bool writes_wanted_register(const struct insn *in, unsigned int args)
{
	for (unsigned int k = 0; k < in->i.operand_count; k++)
		if (in->op[k].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    in->op[k].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE &&
		    is_wanted_register(in->op[k].reg.value, args))
			return true;
	return false;
}

/* Does any direct jump of the function lead into (0, end]? A jump to the entry itself repeats all of it. */
static bool jumped_into(const unsigned char *code, size_t n, size_t end)
{
	struct insn in;
	int64_t target;

	for (size_t at = 0; at < n && decode(code + at, n - at, &in); at += in.i.length) {
		if (!is_branch(&in) || !direct_target(&in, &target))
			continue;
		int64_t to = (int64_t)at + target;
		if (to > 0 && to <= (int64_t)end)
			return true;
	}
	return false;
}

static bool is_null_test(const struct insn *in)
{
	return in->i.mnemonic == ZYDIS_MNEMONIC_TEST && in->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       in->op[0].reg.value == ZYDIS_REGISTER_RDI && in->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       in->op[1].reg.value == ZYDIS_REGISTER_RDI;
}

/* Prologues are shorter; a longer way is not worth the look. */
#define MAX_SKIPPED_BYTES 64

unsigned int mp_insn_placement(const unsigned char *code, size_t n, unsigned int args, bool null_is_no_call)
{
	struct insn in;
	bool tested = false; /* the last instruction compared the first argument with NULL */
	size_t best = 0;

	for (size_t at = 0; at < n && at < MAX_SKIPPED_BYTES && decode(code + at, n - at, &in);
	     at += in.i.length) {
		if (is_emulated(&in)) {
			if (!at || !jumped_into(code, n, at))
				best = at;
			if (!(null_is_no_call && tested && in.i.mnemonic == ZYDIS_MNEMONIC_JZ))
				break;
		} else if (is_branch(&in) || writes_wanted_register(&in, args)) {
			break;
		}
		tested = is_null_test(&in);
	}
	return (unsigned int)best;
}

bool mp_insn_is_emulated(const unsigned char *code, size_t n)
{
	struct insn in;
	return decode(code, n, &in) && is_emulated(&in);
}

int mp_insn_each_call(
    const unsigned char *code, size_t n, uint64_t vaddr, int (*fn)(void *ctx, uint64_t callee), void *ctx)
{
	struct insn in;
	int64_t target;

	for (size_t at = 0; at < n && decode(code + at, n - at, &in); at += in.i.length) {
		if (!is_branch(&in) || !direct_target(&in, &target))
			continue;
		int64_t to = (int64_t)at + target;
		if (to >= 0 && to < (int64_t)n)
			continue;
		int ret = fn(ctx, vaddr + (uint64_t)to);
		if (ret)
			return ret;
	}
	return 0;
}

int mp_insn_each_end(const unsigned char *code, size_t n, uint64_t vaddr,
    int (*fn)(void *ctx, size_t at, bool is_jump, uint64_t to), void *ctx)
{
	struct insn in;
	int64_t target = 0;
	int ret = 0;

	for (size_t at = 0; !ret && at < n; at += in.i.length) {
		if (!decode(code + at, n - at, &in))
			return -EINVAL;
		bool is_jump = in.i.mnemonic == ZYDIS_MNEMONIC_JMP && direct_target(&in, &target);
		if (is_jump || in.i.meta.category == ZYDIS_CATEGORY_RET)
			ret = fn(ctx, at, is_jump, vaddr + at + (uint64_t)target);
	}
	return ret;
}

uint64_t mp_insn_stub_slot(const unsigned char *code, size_t n, uint64_t vaddr)
{
	struct insn in;

	for (size_t at = 0, k = 0; k < 3 && at < n && decode(code + at, n - at, &in);
	     at += in.i.length, k++) {
		const ZydisDecodedOperand *o = &in.op[0];
		if (in.i.mnemonic == ZYDIS_MNEMONIC_JMP && o->type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    o->mem.base == ZYDIS_REGISTER_RIP)
			return vaddr + at + in.i.length + (uint64_t)o->mem.disp.value;
	}
	return 0;
}

#elif defined(__aarch64__)

unsigned int mp_insn_placement(const unsigned char *code, size_t n, unsigned int args, bool null_is_no_call)
{
	(void)code;
	(void)n;
	(void)args;
	(void)null_is_no_call;
	return 0;
}

/* arm64 simulates branches and adr only (arch/arm64/kernel/probes/decode-insn.c); stepping is what it does
 * else. */
bool mp_insn_is_emulated(const unsigned char *code, size_t n)
{
	(void)code;
	(void)n;
	return false;
}

static uint32_t word(const unsigned char *code)
{
	return (uint32_t)code[0] | (uint32_t)code[1] << 8 | (uint32_t)code[2] << 16 | (uint32_t)code[3] << 24;
}

/* B and BL: imm26 words (Arm ARM C6.2.26, C6.2.34). */
int mp_insn_each_call(
    const unsigned char *code, size_t n, uint64_t vaddr, int (*fn)(void *ctx, uint64_t callee), void *ctx)
{
	for (size_t at = 0; at + 4 <= n; at += 4) {
		uint32_t w = word(code + at);
		if ((w & 0x7c000000) != 0x14000000)
			continue;
		int64_t to = (int64_t)at + (int64_t)((int32_t)(w << 6) >> 4);
		if (to >= 0 && to < (int64_t)n)
			continue;
		int ret = fn(ctx, vaddr + (uint64_t)to);
		if (ret)
			return ret;
	}
	return 0;
}

/* RET {Xn}: D65F0000 | n << 5; B: imm26 words (Arm ARM C6.2.254, C6.2.26). */
int mp_insn_each_end(const unsigned char *code, size_t n, uint64_t vaddr,
    int (*fn)(void *ctx, size_t at, bool is_jump, uint64_t to), void *ctx)
{
	int ret = 0;

	for (size_t at = 0; !ret && at + 4 <= n; at += 4) {
		uint32_t w = word(code + at);
		bool is_jump = (w & 0xfc000000) == 0x14000000;
		if (is_jump || (w & 0xfffffc1f) == 0xd65f0000)
			ret = fn(ctx, at, is_jump, vaddr + at + (uint64_t)(int64_t)((int32_t)(w << 6) >> 4));
	}
	return ret;
}

/* adrp x16, page; ldr x17, [x16, #imm] (the PLT entry of the AArch64 ELF ABI). */
uint64_t mp_insn_stub_slot(const unsigned char *code, size_t n, uint64_t vaddr)
{
	for (size_t at = 0; at + 8 <= n && at < 8; at += 4) {
		uint32_t adrp = word(code + at), ldr = word(code + at + 4);
		if ((adrp & 0x9f00001f) != 0x90000010 || (ldr & 0xffc003ff) != 0xf9400211)
			continue;
		int64_t page =
		    (int64_t)((uint64_t)((adrp >> 5 & 0x7ffff) << 2 | (adrp >> 29 & 3)) << 43) >> 31;
		return ((vaddr + at) & ~0xfffULL) + (uint64_t)page + (uint64_t)(ldr >> 10 & 0xfff) * 8;
	}
	return 0;
}

#else
#error "mpsample knows x86-64 and arm64"
#endif
