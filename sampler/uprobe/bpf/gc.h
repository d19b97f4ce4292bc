/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
#ifndef MP_SAMPLER_UPROBE_BPF_GC_H
#define MP_SAMPLER_UPROBE_BPF_GC_H

/* Garbage collections: what points in the code of a runtime tell. Part of uprobe.bpf.c. */
#include "sampler/uprobe/bpf/values.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* set by the loader, as all of the rings */
} gc_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MP_BPF_GC_POINTS);
	__type(key, u32);
	__type(value, struct mp_bpf_gc_point);
} gc_points SEC(".maps");

static __always_inline unsigned long long *allocated_by(
    struct mp_bpf_stats *st, const struct mp_bpf_gc_point *p)
{
	u64 runtime = p->runtime & (MP_BPF_GC_RUNTIMES - 1);

	barrier_var(runtime);
	return &st->gc_allocated[runtime & (MP_BPF_GC_RUNTIMES - 1)];
}

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MP_BPF_GC_CLASSES);
	__type(key, struct mp_bpf_gc_class);
	__type(value, struct mp_bpf_gc_given);
} gc_classes SEC(".maps");

static __always_inline u64 power_of_two_in(u64 n)
{
	n |= n >> 1;
	n |= n >> 2;
	n |= n >> 4;
	n |= n >> 8;
	n |= n >> 16;
	n |= n >> 32;
	return n - (n >> 1);
}

/* The recorder takes an entry out while another CPU may be adding to it: that one hit is then nobody's. */
static __always_inline void count_class(struct pt_regs *ctx, const struct mp_bpf_gc_point *p,
    const struct pool_args *args, struct mp_bpf_stats *st, u64 bytes)
{
	struct mp_bpf_gc_given first = {.events = 0, .bytes = 0}, *sum;
	struct mp_bpf_gc_class key = {.runtime = p->runtime};
	u64 object;

	if (!fetch(&p->klass, ctx, args, true, &key.klass))
		return;
	if (fetch(&p->object, ctx, args, true, &object))
		key.object_bytes = power_of_two_in(object);
	sum = bpf_map_lookup_elem(&gc_classes, &key);
	if (!sum) {
		bpf_map_update_elem(&gc_classes, &key, &first, BPF_NOEXIST);
		sum = bpf_map_lookup_elem(&gc_classes, &key);
	}
	if (!sum) {
		COUNT(gc_classes_lost);
		return;
	}
	__sync_fetch_and_add(&sum->events, 1);
	__sync_fetch_and_add(&sum->bytes, bytes);
}

static __always_inline void count_allocated(
    struct pt_regs *ctx, const struct mp_bpf_gc_point *p, struct mp_bpf_stats *st)
{
	struct pool_args args;
	u64 bytes;

	take_args(&args, ctx);
	if (!fetch(&p->bytes, ctx, &args, true, &bytes))
		return;
	__sync_fetch_and_add(allocated_by(st, p), bytes);
	count_class(ctx, p, &args, st, bytes);
}

/* Of a length that is told, so many bytes of it; else up to the zero. */
static __always_inline void take_text(char text[static MP_BPF_GC_TEXT_BYTES], struct pt_regs *ctx,
    const struct mp_bpf_gc_point *p, const struct pool_args *args)
{
	u64 at, n;

	__builtin_memset(text, 0, MP_BPF_GC_TEXT_BYTES);
	if (!fetch(&p->text, ctx, args, true, &at) || !at)
		return;
	read_name(text, (const char *)at);
	if (!fetch(&p->text_bytes, ctx, args, true, &n))
		return;
	barrier_var(n);
	if (n < MP_BPF_GC_TEXT_BYTES)
		text[n] = 0;
}

_Static_assert(MP_BPF_GC_TEXT_BYTES == MP_MARKER_NAME_BYTES, "read_name() reads so much");

/* The cookie: which point. At entries, ends, returns and USDT probes alike: what is returned is in its
 * register wherever a point may ask for it. */
SEC("kprobe")
int gc_point(struct pt_regs *ctx)
{
	u64 now = bpf_ktime_get_ns();
	struct mp_bpf_control *c = get_control();
	struct mp_bpf_stats *st = get_stats();
	u32 number = bpf_get_attach_cookie(ctx);
	struct mp_bpf_gc_point *p = bpf_map_lookup_elem(&gc_points, &number);
	struct pool_args args;

	if (!c->enabled || !p || !st || number >= MP_BPF_GC_POINTS)
		return 0;
	__sync_fetch_and_add(&st->gc_hits[number], 1);
	if (p->counts) {
		count_allocated(ctx, p, st);
		return 0;
	}
	/* Copied to the ring as a whole: who waits for a text to be read into memory shall have no place
	 * there, behind which others' rows would wait as well. */
	struct mp_bpf_gc r = {.tid = (u32)bpf_get_current_pid_tgid(),
	    .point = number,
	    .t_ns = now,
	    .allocated = *allocated_by(st, p)};
	take_args(&args, ctx);
#pragma unroll
	for (u32 i = 0; i < MP_BPF_GC_VALUES; i++) {
		r.values[i] = ~0ULL;
		if (p->values[i].from != MP_FETCH_NOTHING)
			fetch(&p->values[i], ctx, &args, true, &r.values[i]);
	}
	take_text(r.text, ctx, p, &args);
	if (p->begins)
		r.t_ns = bpf_ktime_get_ns();
	if (bpf_ringbuf_output(&gc_rows, &r, sizeof(r), wakeup_flags(&gc_rows, c->gc_ring_bytes)))
		COUNT(gc_lost);
	return 0;
}

#endif
