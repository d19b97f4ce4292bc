/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
#ifndef MP_SAMPLER_UPROBE_BPF_ARGUMENTS_H
#define MP_SAMPLER_UPROBE_BPF_ARGUMENTS_H

/* What a probe's cookie says of its function, and what that was called with. Part of uprobe.bpf.c. */
#include "sampler/uprobe/bpf/state.h"

/* See MP_COOKIE_NO_OP. */
static __always_inline u32 cookie_op(u64 cookie)
{
	return cookie & 0xff;
}

static __always_inline bool cookie_is_stepped(u64 cookie)
{
	return cookie >> 24 & 1;
}

static __always_inline u32 cookie_group(u64 cookie)
{
	return cookie >> 25 & 3;
}

static __always_inline u32 op_of(const struct call *call)
{
	return cookie_op(call->cookie);
}

/* Of the probe that is hit at its function's entry; without MP_COOKIE_IS_HERE: it is a return. */
static __always_inline u64 cookie_of(struct pt_regs *ctx)
{
	u64 cookie = probes.cookies[PT_REGS_IP(ctx) & (MP_PROBE_PLACES - 1)];

	return cookie == MP_COOKIE_ASK ? bpf_get_attach_cookie(ctx) | MP_COOKIE_IS_HERE : cookie;
}

static __always_inline u64 argument(struct pt_regs *ctx, u32 n)
{
	return n == 1   ? PT_REGS_PARM1(ctx)
	       : n == 2 ? PT_REGS_PARM2(ctx)
	       : n == 3 ? PT_REGS_PARM3(ctx)
			: PT_REGS_PARM4(ctx);
}

static __always_inline u64 size_of(struct pt_regs *ctx, u32 mask)
{
	u64 size = mask ? 1 : 0;

#pragma unroll
	for (u32 n = 1; n <= 4; n++)
		if (mask & MP_ARG(n))
			size *= argument(ctx, n);
	return size;
}

static __always_inline u64 ptr_of(struct pt_regs *ctx, u32 mask)
{
	u64 ptr = 0;

#pragma unroll
	for (u32 n = 1; n <= 4; n++)
		if (mask & MP_ARG(n)) {
			ptr = argument(ctx, n);
			/* Or it is loaded through an address that the verifier does not know. */
			barrier_var(ptr);
		}
	return ptr;
}

/* No block is larger than what a process can map. */
#define MP_ADDRESS_BITS 47

static __noinline void take_many_arguments(struct pt_regs *ctx, struct call *call, u64 cookie)
{
	call->size_bytes = size_of(ctx, cookie >> 8 & 0xff);
	call->ptr = ptr_of(ctx, cookie >> 16 & 0xff);
	/* Of a slow function: another argument there after all? */
	if (cookie_group(cookie) == MP_PROBES_SLOW && call->size_bytes >> MP_ADDRESS_BITS)
		call->size_bytes = 0;
}

/* What malloc and free have comes first. */
static __always_inline void take_arguments(struct pt_regs *ctx, struct call *call, u64 cookie)
{
	u32 size_and_ptr = cookie >> 8 & 0xffff;

	if (size_and_ptr == MP_ARG(1) && cookie_group(cookie) != MP_PROBES_SLOW) {
		call->size_bytes = PT_REGS_PARM1(ctx);
		call->ptr = 0;
	} else if (size_and_ptr == MP_ARG(1) << 8) {
		call->size_bytes = 0;
		call->ptr = PT_REGS_PARM1(ctx);
	} else {
		take_many_arguments(ctx, call, cookie);
	}
}

#endif
