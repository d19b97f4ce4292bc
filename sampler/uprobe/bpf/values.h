/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
#ifndef MP_SAMPLER_UPROBE_BPF_VALUES_H
#define MP_SAMPLER_UPROBE_BPF_VALUES_H

/* Values of the target, as struct mp_fetch says where they are. Part of uprobe.bpf.c. */

/* `n`: which word of struct pt_regs. A compiler would read a member of the context by an address that it has
 * computed, which the kernel does not allow. */
static __always_inline u64 register_of(struct pt_regs *ctx, u32 n)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (const u64 *)ctx + (n & 63));
	return value;
}

static __always_inline void take_args(struct pool_args *a, struct pt_regs *ctx)
{
	a->arg[0] = PT_REGS_PARM1(ctx);
	a->arg[1] = PT_REGS_PARM2(ctx);
	a->arg[2] = PT_REGS_PARM3(ctx);
	a->arg[3] = PT_REGS_PARM4(ctx);
	a->arg[4] = PT_REGS_PARM5(ctx);
#ifdef __TARGET_ARCH_x86
	a->arg[5] = ctx->r9;
#else
	a->arg[5] = ((const struct user_pt_regs *)ctx)->regs[5];
#endif
}

static __always_inline u64 argument_of(const struct pool_args *a, u32 n)
{
	barrier_var(n); /* or the check is made of another register than the one that is used */
	return n < MP_FETCH_ARGS ? a->arg[n] : 0;
}

/* Its lower part, of so many bytes, negative: signed; 0: all of it. */
static __always_inline u64 cut(u64 value, int bytes)
{
	u32 n = bytes < 0 ? -bytes : bytes, shift = (64 - n * 8) & 63;

	if (!n || n >= 8)
		return value;
	return bytes < 0 ? (u64)((long long)(value << shift) >> shift) : value << shift >> shift;
}

/* One read of `bytes`, two's complement: negative is signed. False: it is not in memory. */
static __always_inline bool read_value(u64 *value, u64 at, int bytes)
{
	u32 n = bytes < 0 ? -bytes : bytes;
	u64 raw = 0;
	long failed;

	failed = n == 8   ? bpf_probe_read_user(&raw, 8, (void *)at)
		 : n == 4 ? bpf_probe_read_user(&raw, 4, (void *)at)
		 : n == 2 ? bpf_probe_read_user(&raw, 2, (void *)at)
			  : bpf_probe_read_user(&raw, 1, (void *)at);
	if (failed)
		return false;
	*value = cut(raw, bytes);
	return true;
}

/* From `value` on, through the target's memory. False: it is not there. Not static: a kernel verifies it
 * once, not again for each value of each program. */
__noinline int follow(const struct mp_fetch *f, u64 *value)
{
	if (!f || !value)
		return 0;
	if (!f->n_reads)
		*value = cut(*value, (signed char)f->bytes[0]);
	long long add = f->add[0];
#pragma unroll
	for (u32 i = 0; i < MP_FETCH_READS; i++) {
		if (i >= f->n_reads)
			break;
		if (!read_value(value, *value + add, (signed char)f->bytes[i]))
			return 0;
		add = f->add[i + 1];
	}
	*value += add;
	return 1;
}

/* False: it is not known. */
static __always_inline bool fetch(
    const struct mp_fetch *f, struct pt_regs *ctx, const struct pool_args *args, bool is_return, u64 *out)
{
	u64 value = f->constant;

	if (f->from == MP_FETCH_ARG)
		value = argument_of(args, f->number);
	else if (f->from == MP_FETCH_RETURNED && is_return)
		value = PT_REGS_RC(ctx);
	else if (f->from == MP_FETCH_REGISTER)
		value = register_of(ctx, f->number);
	else if (f->from != MP_FETCH_CONSTANT)
		return false;
	if (!follow(f, &value))
		return false;
	*out = value;
	return true;
}

#endif
