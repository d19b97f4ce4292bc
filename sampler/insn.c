/* SPDX-License-Identifier: MIT */
#include "sampler/insn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* The registers that probes read: the stack pointer and those of the arguments. */
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
	case ZYDIS_REGISTER_RCX:
		return args & MP_ARG(4);
	case ZYDIS_REGISTER_R8:
		return args & MP_ARG(5);
	case ZYDIS_REGISTER_R9:
		return args & MP_ARG(6);
	default:
		return false;
	}
}

static bool writes_wanted(const struct insn *in, unsigned int args)
{
	for (unsigned int k = 0; k < in->i.operand_count; k++) {
		const ZydisDecodedOperand *o = &in->op[k];
		if (!(o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && args & MP_INSN_MEMORY)
			return true;
		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && is_wanted_register(o->reg.value, args))
			return true;
	}
	return false;
}

/* May a direct jump of the function lead into (0, end]? A jump to the entry itself repeats all of it. What
 * cannot be decoded may do anything. */
static bool jumped_into(const unsigned char *code, size_t n, size_t end)
{
	struct insn in;
	int64_t target;

	for (size_t at = 0; at < n; at += in.i.length) {
		if (!decode(code + at, n - at, &in))
			return true;
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
		} else if (is_branch(&in) || writes_wanted(&in, args)) {
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

/*
 * Which argument of the function each register holds: two bits a register, 0 for none. A forward data-flow
 * analysis (copy propagation); where two ways meet, only what both say is kept.
 */
typedef uint32_t held_t;

#define HELD_AT_ENTRY                                                                                        \
	(hold(hold(hold(0, ZYDIS_REGISTER_RDI, 1), ZYDIS_REGISTER_RSI, 2), ZYDIS_REGISTER_RDX, 3))

static held_t hold(held_t held, ZydisRegister reg, unsigned int arg)
{
	unsigned int at = 2 * (unsigned int)ZydisRegisterGetId(reg);

	return (held & ~(3u << at)) | arg << at;
}

static unsigned int held_in(held_t held, ZydisRegister reg)
{
	return held >> (2 * (unsigned int)ZydisRegisterGetId(reg)) & 3;
}

static held_t meet(held_t a, held_t b)
{
	held_t differs = a ^ b, any = (differs | differs >> 1) & 0x55555555;

	return a & ~(any | any << 1);
}

static bool is_gpr64(const ZydisDecodedOperand *o)
{
	return o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_GPR64;
}

/* A call may change what the ABI does not preserve. */
static held_t behind_call(held_t held)
{
	static const ZydisRegister kept[] = {ZYDIS_REGISTER_RBX, ZYDIS_REGISTER_RBP, ZYDIS_REGISTER_R12,
	    ZYDIS_REGISTER_R13, ZYDIS_REGISTER_R14, ZYDIS_REGISTER_R15};
	held_t out = 0;

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		out = hold(out, kept[i], held_in(held, kept[i]));
	return out;
}

static held_t behind(const struct insn *in, held_t held)
{
	unsigned int copied =
	    in->i.mnemonic == ZYDIS_MNEMONIC_MOV && is_gpr64(&in->op[0]) && is_gpr64(&in->op[1])
		? held_in(held, in->op[1].reg.value)
		: 0;

	if (in->i.meta.category == ZYDIS_CATEGORY_CALL)
		return behind_call(held);
	for (unsigned int k = 0; k < in->i.operand_count; k++) {
		if (in->op[k].type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    !(in->op[k].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		ZydisRegister whole =
		    ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, in->op[k].reg.value);
		if (ZydisRegisterGetClass(whole) == ZYDIS_REGCLASS_GPR64)
			held = hold(held, whole, 0);
	}
	return copied ? hold(held, in->op[0].reg.value, copied) : held;
}

struct flow {
	enum { UNREACHED, BEHIND_CALL, REACHED } * reached; /* by offset in the function */
	held_t *held;
	bool changed;
};

/* Not every call returns (abort), and what stands behind one that does not is reached by other ways only:
 * where there are other ways, they count. */
static void flow_to(struct flow *f, size_t at, held_t held, bool is_behind_call)
{
	if (is_behind_call && f->reached[at] == REACHED)
		return;
	bool is_first = f->reached[at] == UNREACHED || (!is_behind_call && f->reached[at] == BEHIND_CALL);
	held_t now = is_first ? held : meet(f->held[at], held);

	f->changed |= is_first || now != f->held[at];
	f->reached[at] = is_behind_call ? BEHIND_CALL : REACHED;
	f->held[at] = now;
}

/* Each round only takes away, so it would end; hostile code may want many. Then nothing is said to be known.
 */
#define FLOW_ROUNDS_MAX 64

static void follow_arguments(const unsigned char *code, size_t n, struct flow *f)
{
	struct insn in;
	int64_t target;

	flow_to(f, 0, HELD_AT_ENTRY, false);
	for (int round = 0; f->changed; round++) {
		f->changed = false;
		if (round == FLOW_ROUNDS_MAX) {
			memset(f->held, 0, n * sizeof(*f->held));
			return;
		}
		for (size_t at = 0; at < n && decode(code + at, n - at, &in); at += in.i.length) {
			if (!f->reached[at])
				continue;
			held_t held = behind(&in, f->held[at]);
			bool is_call = in.i.meta.category == ZYDIS_CATEGORY_CALL,
			     is_behind_call = f->reached[at] == BEHIND_CALL;
			if (!is_call && is_branch(&in) && direct_target(&in, &target) &&
			    (uint64_t)((int64_t)at + target) < n)
				flow_to(f, (size_t)((int64_t)at + target), f->held[at], is_behind_call);
			bool goes_on = is_call || !is_branch(&in) ||
				       in.i.meta.category == ZYDIS_CATEGORY_COND_BR ||
				       in.i.meta.category == ZYDIS_CATEGORY_SYSCALL;
			if (goes_on && at + in.i.length < n)
				flow_to(f, at + in.i.length, held, is_call || is_behind_call);
		}
	}
}

/* A call takes some arguments and leaves the other registers as they happen to be: what still lies where it
 * lay at the entry says nothing, but for the first. A jump hands on all. */
static unsigned int handed_on(held_t held, ZydisRegister reg, unsigned int i, bool is_jump)
{
	unsigned int arg = held_in(held, reg);

	return is_jump || i == 0 || arg != i + 1 ? arg : 0;
}

int mp_insn_each_exit(const unsigned char *code, size_t n, uint64_t vaddr,
    int (*fn)(void *ctx, const struct mp_insn_exit *exit), void *ctx)
{
	static const ZydisRegister args[MP_INSN_ARGS] = {
	    ZYDIS_REGISTER_RDI, ZYDIS_REGISTER_RSI, ZYDIS_REGISTER_RDX, ZYDIS_REGISTER_RCX};
	struct flow f = {
	    .reached = calloc(n + 1, sizeof(*f.reached)), .held = calloc(n + 1, sizeof(*f.held))};
	struct insn in;
	int64_t target;
	int ret = f.reached && f.held ? 0 : -ENOMEM;

	if (!ret && n)
		follow_arguments(code, n, &f);
	for (size_t at = 0; !ret && at < n && decode(code + at, n - at, &in); at += in.i.length) {
		if (!is_branch(&in) || !direct_target(&in, &target))
			continue;
		uint64_t to = (uint64_t)((int64_t)at + target);
		if (to < n)
			continue;
		struct mp_insn_exit exit = {
		    .to = vaddr + to, .is_jump = in.i.meta.category != ZYDIS_CATEGORY_CALL};
		for (unsigned int i = 0; i < MP_INSN_ARGS; i++)
			exit.hands_on[i] = (unsigned char)handed_on(f.held[at], args[i], i, exit.is_jump);
		ret = fn(ctx, &exit);
	}
	free(f.reached);
	free(f.held);
	return ret;
}

/* Which of the two ways behind the instruction is that of a NULL first argument: 1 the jump, 2 going on, 0
 * neither. */
static int null_way(const struct insn *before, const struct insn *in)
{
	if (!is_null_test(before))
		return 0;
	return in->i.mnemonic == ZYDIS_MNEMONIC_JZ ? 1 : in->i.mnemonic == ZYDIS_MNEMONIC_JNZ ? 2 : 0;
}

bool mp_insn_returns_alone(const unsigned char *code, size_t n, uint64_t vaddr, bool null_is_no_call,
    bool (*passes)(void *ctx, uint64_t to), void *ctx)
{
	enum { UNSEEN, WAITING, SEEN } *state = calloc(n + 1, sizeof(*state));
	struct insn in, before = {0};
	bool returns = false, any = state && n;
	int64_t target;

	if (any)
		state[0] = WAITING;
	/* In the order of addresses until nothing waits: ways lead forward for the most part. */
	while (any && !returns) {
		any = false;
		for (size_t at = 0; at < n && !returns && decode(code + at, n - at, &in); at += in.i.length) {
			int null = null_is_no_call ? null_way(&before, &in) : 0;
			before = in;
			if (state[at] != WAITING)
				continue;
			state[at] = SEEN;
			bool is_direct = is_branch(&in) && direct_target(&in, &target),
			     is_call = in.i.meta.category == ZYDIS_CATEGORY_CALL,
			     is_conditional = in.i.meta.category == ZYDIS_CATEGORY_COND_BR;
			uint64_t to = is_direct ? (uint64_t)((int64_t)at + target) : n;
			size_t next = at + in.i.length;
			returns = in.i.meta.category == ZYDIS_CATEGORY_RET;
			if (is_direct && !is_call && to < n && state[to] == UNSEEN && null != 1) {
				state[to] = WAITING;
				any |= to <= at;
			}
			bool goes_on = is_call ? is_direct && passes(ctx, vaddr + to)
					       : !is_branch(&in) || (is_conditional && null != 2);
			if (goes_on && next < n && state[next] == UNSEEN)
				state[next] = WAITING;
		}
	}
	free(state);
	return returns;
}

/* Addresses below are taken for numbers: programs that name their own are linked above. */
#define LOWEST_ADDRESS 0x10000

/* Whether the instruction speaks of an address among [vaddr, vaddr + n) other than to jump to it. */
static bool addresses_code(const struct insn *in, uint64_t at, uint64_t vaddr, size_t n)
{
	for (unsigned int k = 0; k < in->i.operand_count_visible; k++) {
		const ZydisDecodedOperand *o = &in->op[k];
		uint64_t to = 0;
		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.base == ZYDIS_REGISTER_RIP)
			to = at + in->i.length + (uint64_t)o->mem.disp.value;
		else if (vaddr < LOWEST_ADDRESS)
			continue;
		else if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.base == ZYDIS_REGISTER_NONE)
			to = (uint64_t)o->mem.disp.value;
		else if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && !o->imm.is_relative)
			to = o->imm.value.u;
		if (to >= vaddr && to < vaddr + n)
			return true;
	}
	return false;
}

/* Marks where instructions begin. Compilers keep data out of code; what has data in its code speaks of its
 * address, or jumps to where no instruction seems to begin. */
static bool find_instructions(
    const unsigned char *code, size_t n, uint64_t vaddr, struct mp_insn_ends *out, unsigned char *begins)
{
	struct insn in;
	int64_t target;

	for (size_t at = 0; at < n; at += in.i.length) {
		if (!decode(code + at, n - at, &in) || addresses_code(&in, vaddr + at, vaddr, n))
			return false;
		begins[at] = 1;
	}
	for (size_t at = 0; at < n; at += in.i.length) {
		decode(code + at, n - at, &in);
		if (!is_branch(&in) || !direct_target(&in, &target))
			continue;
		uint64_t to = (uint64_t)((int64_t)at + target);
		if (to < n && !begins[to])
			return false;
		if (to >= n && in.i.meta.category != ZYDIS_CATEGORY_CALL && out->leaves)
			out->leaves(out->ctx, vaddr + to);
	}
	return true;
}

/* Registers, a bit for each, that were last set by an addition or an indexed read: as the address is that a
 * `switch` finds in its table. */
static void note_table_registers(const struct insn *in, uint32_t *registers)
{
	const ZydisDecodedOperand *to = &in->op[0], *from = &in->op[1];

	if (!in->i.operand_count_visible || to->type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    !(to->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
		return;
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, to->reg.value);
	if (ZydisRegisterGetClass(whole) != ZYDIS_REGCLASS_GPR64)
		return;
	uint32_t bit = 1u << ZydisRegisterGetId(whole);
	bool is_indexed = in->i.operand_count_visible > 1 && from->type == ZYDIS_OPERAND_TYPE_MEMORY &&
			  from->mem.index != ZYDIS_REGISTER_NONE;
	if (in->i.mnemonic == ZYDIS_MNEMONIC_ADD || is_indexed)
		*registers |= bit;
	else
		*registers &= ~bit;
}

/* A jump that is not direct goes through the table of a `switch`, or is a tail call. */
static bool is_table_jump(const struct insn *jump, uint32_t table_registers)
{
	const ZydisDecodedOperand *o = &jump->op[0];

	if (jump->i.attributes & ZYDIS_ATTRIB_HAS_NOTRACK)
		return true;
	if (o->type == ZYDIS_OPERAND_TYPE_MEMORY)
		return o->mem.index != ZYDIS_REGISTER_NONE;
	return o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       table_registers >> ZydisRegisterGetId(o->reg.value) & 1;
}

static bool is_jump_out(const struct insn *in, size_t at, size_t n, uint32_t table_registers)
{
	int64_t target;

	if (in->i.mnemonic != ZYDIS_MNEMONIC_JMP)
		return false;
	if (direct_target(in, &target))
		return (uint64_t)((int64_t)at + target) >= n;
	return !is_table_jump(in, table_registers);
}

int mp_insn_each_end(const unsigned char *code, size_t n, uint64_t vaddr, struct mp_insn_ends *out)
{
	unsigned char *begins = calloc(n + 1, 1);
	uint32_t table_registers = 0;
	struct insn in;
	int64_t target;
	int ret = !begins ? -ENOMEM : find_instructions(code, n, vaddr, out, begins) ? 0 : -EINVAL;

	for (size_t at = 0; !ret && at < n; at += in.i.length) {
		decode(code + at, n - at, &in);
		bool is_jump = is_jump_out(&in, at, n, table_registers);
		if (is_jump || in.i.meta.category == ZYDIS_CATEGORY_RET)
			ret = out->end(out->ctx, vaddr + at, is_jump,
			    direct_target(&in, &target) ? vaddr + at + (uint64_t)target : 0);
		note_table_registers(&in, &table_registers);
	}
	free(begins);
	return ret;
}

/* The address of the pointer that a call or jump goes through, where the instruction says it; else 0. */
static uint64_t pointer_slot(const struct insn *in, uint64_t at)
{
	const ZydisDecodedOperand *o = &in->op[0];

	return o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.base == ZYDIS_REGISTER_RIP
		   ? at + in->i.length + (uint64_t)o->mem.disp.value
		   : 0;
}

int mp_insn_each_call(const unsigned char *code, size_t n, uint64_t vaddr,
    int (*fn)(void *ctx, const struct mp_insn_call *call), void *ctx)
{
	uint32_t table_registers = 0;
	struct insn in;
	int64_t target;
	int ret = 0;

	for (size_t at = 0; !ret && at < n; at += in.i.length) {
		if (!decode(code + at, n - at, &in))
			return -EINVAL;
		bool is_call = in.i.meta.category == ZYDIS_CATEGORY_CALL;
		if (is_branch(&in) && direct_target(&in, &target)) {
			uint64_t to = (uint64_t)((int64_t)at + target);
			if (is_call || to >= n)
				ret = fn(ctx, &(struct mp_insn_call){.to = vaddr + to});
		} else if (is_call || is_jump_out(&in, at, n, table_registers)) {
			ret = fn(ctx, &(struct mp_insn_call){.slot = pointer_slot(&in, vaddr + at)});
		}
		note_table_registers(&in, &table_registers);
	}
	return ret;
}

bool mp_insn_is_nop(const unsigned char *code, size_t n)
{
	return n && code[0] == 0x90;
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
int mp_insn_each_exit(const unsigned char *code, size_t n, uint64_t vaddr,
    int (*fn)(void *ctx, const struct mp_insn_exit *exit), void *ctx)
{
	for (size_t at = 0; at + 4 <= n; at += 4) {
		uint32_t w = word(code + at);
		if ((w & 0x7c000000) != 0x14000000)
			continue;
		int64_t to = (int64_t)at + (int64_t)((int32_t)(w << 6) >> 4);
		if (to >= 0 && to < (int64_t)n)
			continue;
		const struct mp_insn_exit exit = {.to = vaddr + (uint64_t)to, .is_jump = !(w >> 31)};
		int ret = fn(ctx, &exit);
		if (ret)
			return ret;
	}
	return 0;
}

bool mp_insn_returns_alone(const unsigned char *code, size_t n, uint64_t vaddr, bool null_is_no_call,
    bool (*passes)(void *ctx, uint64_t to), void *ctx)
{
	(void)code;
	(void)n;
	(void)vaddr;
	(void)null_is_no_call;
	(void)passes;
	(void)ctx;
	return false;
}

/* B: imm26 words (Arm ARM C6.2.26). */
static bool is_b(uint32_t w)
{
	return (w & 0xfc000000) == 0x14000000;
}

/* RET {Xn}, RETAA, RETAB (C6.2.254, C6.2.255). */
static bool is_ret(uint32_t w)
{
	return (w & 0xfffffc1f) == 0xd65f0000 || (w & 0xfffffbff) == 0xd65f0bff;
}

/* BR Xn (C6.2.37) through the table of a `switch` comes behind an ADD that sets Xn (C6.2.4). */
static bool is_tail_call(uint32_t before, uint32_t w)
{
	return (w & 0xfffffc1f) == 0xd61f0000 &&
	       !((before & 0x1f000000) == 0x0b000000 && (before & 31) == (w >> 5 & 31));
}

/* Conditional branches: imm19 words (B.cond, CBZ, CBNZ), imm14 words (TBZ, TBNZ); 0 for anything else. */
static int64_t conditional_target(uint32_t w)
{
	if ((w & 0xff000000) == 0x54000000 || (w & 0x7e000000) == 0x34000000)
		return (int64_t)((int32_t)(w << 8) >> 13) * 4;
	if ((w & 0x7e000000) == 0x36000000)
		return (int64_t)((int32_t)(w << 13) >> 18) * 4;
	return 0;
}

/* LDR (literal) reads data that lies among the code (C6.2.177). */
static bool reads_code(uint32_t w, size_t at, size_t n)
{
	return (w & 0x3b000000) == 0x18000000 &&
	       (uint64_t)((int64_t)at + (int64_t)((int32_t)(w << 8) >> 13) * 4) < n;
}

int mp_insn_each_end(const unsigned char *code, size_t n, uint64_t vaddr, struct mp_insn_ends *out)
{
	int ret = n % 4 ? -EINVAL : 0;

	for (size_t at = 0; !ret && at < n; at += 4)
		if (reads_code(word(code + at), at, n))
			ret = -EINVAL;
	for (size_t at = 0; !ret && at < n; at += 4) {
		uint32_t w = word(code + at);
		int64_t offset = is_b(w) ? (int64_t)((int32_t)(w << 6) >> 4) : conditional_target(w);
		uint64_t to = offset ? (uint64_t)((int64_t)at + offset) : 0;
		if (to >= n && out->leaves)
			out->leaves(out->ctx, vaddr + to);
		if (is_ret(w) || (is_b(w) && to >= n) || is_tail_call(at ? word(code + at - 4) : 0, w))
			ret = out->end(out->ctx, vaddr + at, !is_ret(w), is_b(w) ? vaddr + to : 0);
	}
	return ret;
}

/* B and BL and conditional branches that lead out; BLR, BLRAA and its like, and BR that is a tail call. */
int mp_insn_each_call(const unsigned char *code, size_t n, uint64_t vaddr,
    int (*fn)(void *ctx, const struct mp_insn_call *call), void *ctx)
{
	int ret = n % 4 ? -EINVAL : 0;

	for (size_t at = 0; !ret && at < n; at += 4) {
		uint32_t w = word(code + at);
		bool is_bl = (w & 0xfc000000) == 0x94000000;
		int64_t offset = is_b(w) || is_bl ? (int64_t)((int32_t)(w << 6) >> 4) : conditional_target(w);
		uint64_t to = (uint64_t)((int64_t)at + offset);
		if (is_bl || (offset && to >= n))
			ret = fn(ctx, &(struct mp_insn_call){.to = vaddr + to});
		else if ((w & 0xfefff000) == 0xd63f0000 || is_tail_call(at ? word(code + at - 4) : 0, w))
			ret = fn(ctx, &(struct mp_insn_call){0});
	}
	return ret;
}

bool mp_insn_is_nop(const unsigned char *code, size_t n)
{
	return n >= 4 && word(code) == 0xd503201f;
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
