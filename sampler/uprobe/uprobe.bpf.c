// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/*
 * The uprobe plane inside the kernel: entry and return of the allocation functions are paired per thread,
 * every call is counted in a histogram, and only slow, sampled or (--full) all calls become records. Beside
 * it, page faults, time off CPU and migrations of the same process.
 *
 * The same source serves kernels with uprobe session programs (6.13) and those with multi-links only (6.6):
 * the loader loads `session` or `entry` + `ret`.
 */
#include "sampler/uprobe/bpf/arguments.h"
#include "sampler/uprobe/bpf/call.h"
#include "sampler/uprobe/bpf/context.h"
#include "sampler/uprobe/bpf/scopes.h"
#include "sampler/uprobe/bpf/state.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

extern bool bpf_session_is_return(void) __ksym __weak;

/* ---- Hits ---- */

static __always_inline struct mp_bpf_hits *my_hits(const struct mp_bpf_control *c)
{
	u32 shard = bpf_get_smp_processor_id() & c->shard_mask;

	return bpf_map_lookup_elem(&hits, &shard);
}

/* Calls that are followed are counted when they return: one counter less. */
static __always_inline void count_skipped(const struct mp_bpf_control *c, u64 cookie)
{
	struct mp_bpf_hits *h = my_hits(c);
	u32 group = cookie_group(cookie);

	if (h && group < MP_SKIPPING_GROUPS)
		__sync_fetch_and_add(&h->skipped[group][cookie_is_stepped(cookie)], 1);
}

/* ---- Slow paths ---- */

/* The operation on whose behalf a slow function is called: that into whose code it returns; where that is
 * nobody's, that which jumps here, and returns to the program. */
static __noinline u32 slow_op(struct pt_regs *ctx, u64 cookie)
{
	u32 zero = 0, by_jump = cookie_op(cookie);
	struct mp_bpf_slow *s = bpf_map_lookup_elem(&slow, &zero);
	u64 back = 0;

	if (!s)
		return MP_COOKIE_NO_OP;
	__sync_fetch_and_add(&s->hits[cookie >> 32 & (MP_BPF_SLOW_FUNCTIONS - 1)], 1);
#ifdef __TARGET_ARCH_x86
	bpf_probe_read_user(&back, sizeof(back), (void *)PT_REGS_SP(ctx));
#else
	back = PT_REGS_RET(ctx);
#endif
	for (u32 i = 0; i < MP_BPF_SLOW_CALLERS && i < s->n_callers; i++)
		if (back >= s->callers[i].lo && back < s->callers[i].hi)
			return MP_OP_SLOW + s->callers[i].op;
	return by_jump == MP_COOKIE_NO_OP ? MP_COOKIE_NO_OP : MP_OP_SLOW + by_jump;
}

/*
 * A probed function called by another probed one (realloc(NULL) is malloc inside glibc) is part of that
 * call, not a call of the program. It runs deeper on the same stack, or in the same place after a tail call
 * (reallocarray ends in a jump to realloc).
 *
 * An outer call that was left by a longjmp or an exception must not swallow what comes after it: while a call
 * is open, the kernel keeps its return trampoline, which begins a page, where the return address was. Where
 * return addresses are not on the stack, only operator new is taken for one that throws.
 */
#define NESTED_WITHIN_BYTES 65536

static __always_inline bool is_nested(const struct call *call, u64 sp)
{
	if (sp > call->entry_sp || call->entry_sp - sp >= NESTED_WITHIN_BYTES)
		return false;
#ifdef __TARGET_ARCH_x86
	u64 return_to = 0;
	if (!bpf_probe_read_user(&return_to, sizeof(return_to), (void *)call->entry_sp))
		return return_to && !(return_to & 0xfff);
#endif
	return sp < call->entry_sp || op_of(call) != MP_OP_NEW;
}

/* A slow function, called by a function that is followed: only counted, for the row is that of the call. */
static __always_inline int enter_inner(struct call *call, u64 cookie, u64 sp)
{
	/* What is open further up did not return, or this is called by another slow function. */
	if (call->has_inner && sp < call->inner_sp)
		return 1;
	call->inner_op = cookie_op(cookie);
	call->inner_stepped = cookie_is_stepped(cookie);
	call->inner_start_ns = bpf_ktime_get_ns();
	call->inner_sp = sp;
	call->has_inner = 1;
	return 0;
}

/* What a call had besides is cleared by who had some. */
static __noinline void clean_up(struct call *call)
{
	struct thread_state *t = call->has_causes ? state_of(bpf_get_current_task_btf()) : 0;

	if (t)
		__builtin_memset(&t->causes, 0, sizeof(t->causes));
	call->ours_ns = 0;
	call->is_special = 0;
}

/* Where a call is open already. True: it was left, and is not any more. */
static __always_inline bool was_left(struct call *call, u64 sp)
{
	if (is_nested(call, sp))
		return false;
	COUNT(unpaired);
	/* An interrupt that comes meanwhile belongs to no call. */
	call->entry_sp = 0;
	barrier();
	clean_up(call);
	return true;
}

static __always_inline void begin_call(struct pt_regs *ctx, struct call *call, u64 cookie)
{
	call->begin = (u32)cookie;
	take_arguments(ctx, call, cookie);
	call->entry_ip = PT_REGS_IP(ctx);
	barrier(); /* this order: call_of() */
	call->start_ns = bpf_ktime_get_ns();
	barrier(); /* from here on an interrupt is the call's, and looks at its start */
	call->entry_sp = PT_REGS_SP(ctx);
}

/* Returns 0 when the return is wanted. */
static __always_inline int enter(struct pt_regs *ctx, struct mp_bpf_control *c, u64 cookie)
{
	u32 group = cookie_group(cookie);

	if (!c->enabled || (group == MP_PROBES_WINDOW && !c->window_open) ||
	    (group == MP_PROBES_SLOW && !c->slow_open))
		return 1;
	if (cookie & MP_COOKIE_IGNORES_NULL && !PT_REGS_PARM1(ctx))
		return 1;
	if (group == MP_PROBES_SLOW) {
		cookie = (cookie & ~0xffULL) | slow_op(ctx, cookie);
		if (cookie_op(cookie) == MP_COOKIE_NO_OP)
			return 1;
	}

	struct call *call = take_call(ctx);
	if (!call) {
		COUNT(calls_lost);
		return 1;
	}

	u64 sp = PT_REGS_SP(ctx);
	if (call->entry_sp && !was_left(call, sp)) {
		if (group == MP_PROBES_SLOW && !mp_op_is_slow(op_of(call)))
			return enter_inner(call, cookie, sp);
		COUNT(nested);
		return 1;
	}
	begin_call(ctx, call, cookie);
	return 0;
}

/* Returns 0 when the return is wanted. */
static __noinline int enter_unusual(struct pt_regs *ctx, u64 cookie)
{
	struct mp_bpf_control *c = get_control();

	if (!enter(ctx, c, cookie))
		return 0;
	count_skipped(c, cookie);
	return 1;
}

/*
 * The usual call, in as few instructions as it takes: of a thread that is in none, and has its place in the
 * table, to a function of the family. What is no such call is not touched.
 */
static __always_inline bool begins_usual(struct pt_regs *ctx, u64 cookie)
{
	u64 owner = owner_of(ctx);
	struct call *call = place_of(owner);
	u32 group = cookie_group(cookie);

	if (control.state != MP_BPF_ON_AND_NONE_ELSEWHERE || group > MP_PROBES_WINDOW ||
	    (group == MP_PROBES_WINDOW && !control.window_open) ||
	    (cookie & MP_COOKIE_IGNORES_NULL && !PT_REGS_PARM1(ctx)) || !take_place(call, owner))
		return false;
	begin_call(ctx, call, cookie);
	return true;
}

/* `to - from`, or 0 where that is later. No branch: where a call takes as long as its probes, either is as
 * likely. */
static __always_inline u64 ns_between(u64 from, u64 to)
{
	long long ns = to - from, is_negative = ns >> 63;

	barrier_var(is_negative); /* or it becomes a branch */
	return ns & ~is_negative;
}

static __always_inline u32 size_class(u64 bytes)
{
	return bytes <= MP_SMALL_BYTES ? probes.size_class[(bytes + 15) / 16] : mp_size_class(bytes);
}

static __always_inline void count_call(struct mp_bpf_control *c, u32 op, u64 size, u64 start_ns, u64 dur_ns)
{
	u32 shard = bpf_get_smp_processor_id() & c->shard_mask;
	u32 class = op < MP_OP_COUNT ? size_class(size) : 0;
	u32 bank = mp_hist_bank(c->split, start_ns) * (c->shard_mask + 1);
	u32 key = (bank + shard) * MP_HIST_BLOCKS + mp_hist_block(op, class);
	struct mp_hist *h = bpf_map_lookup_elem(&hists, &key);
	if (!h)
		return;

	u32 bucket = mp_hist_bucket(dur_ns);
	if (bucket >= MP_HIST_BUCKETS)
		return;
	__sync_fetch_and_add(&h->bucket[bucket], 1);
	if (size)
		__sync_fetch_and_add(&h->bytes, size);
	__sync_fetch_and_add(&h->sum_ns, dur_ns);

	/* A few tries: each that fails was beaten by a writer on another CPU of the shard. */
	u64 seen = h->max_ns;
	for (int i = 0; i < 4; i++) {
		if (dur_ns <= seen)
			break;
		u64 now = __sync_val_compare_and_swap(&h->max_ns, seen, dur_ns);
		if (now == seen)
			break;
		seen = now;
	}

	/* Last: the reader takes it as the sign that the block has changed. */
	__sync_fetch_and_add(&h->calls, 1);
}

static __always_inline bool every(u64 *counter, u32 n)
{
	u64 count = __sync_fetch_and_add(counter, 1) + 1;
	return n && count % n == 0;
}

static __always_inline bool every_outlier(u32 n)
{
	struct mp_bpf_stats *st = get_stats();

	return st && every(&st->outliers, n);
}

static __always_inline bool every_sample(u32 n)
{
	struct mp_bpf_stats *st = get_stats();

	return st && every(&st->samples, n);
}

/* xorshift32 (Marsaglia 2003): the kernel's own random numbers are a call away. */
static __always_inline u32 draw(struct call *call)
{
	u32 x = call->random ? call->random : bpf_get_prandom_u32() | 1;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	call->random = x;
	return x;
}

/* 0 when the call is not kept, else enum mp_kept; sets how many calls the row stands for. */
static __always_inline u32 keep(struct mp_bpf_control *c, struct call *call, u64 dur_ns, u32 *weight)
{
	u32 op = op_of(call), row = mp_op_row(op);

	*weight = 1;
	if (op == MP_OP_CALIBRATE || row >= MP_OP_ROWS)
		return 0;
	if (dur_ns >= c->keep_over_ns[row]) {
		if (every_outlier(c->outlier_double_every))
			c->keep_over_ns[row] *= 2;
		return 1;
	}
	if (c->full)
		return 3;

	u32 one_in = c->sample_weight;
	if (!one_in || ((u64)draw(call) * one_in) >> 32)
		return 0;
	if (every_sample(c->double_every) && one_in < 1u << 30)
		c->sample_weight = one_in * 2;
	*weight = one_in;
	return 2;
}

/* The block that a call returned. posix_memalign stores it where its first argument points. */
static __always_inline u64 block_of(struct pt_regs *ctx, const struct call *call)
{
	u64 addr = PT_REGS_RC(ctx);

	if (mp_op_ignores_null(op_of(call)))
		return call->ptr;
	if (!(call->cookie & MP_COOKIE_RETURNS_BLOCK))
		return 0;
	if (op_of(call) == MP_OP_POSIX_MEMALIGN &&
	    bpf_probe_read_user(&addr, sizeof(addr), (void *)call->ptr))
		return 0;
	return addr;
}

/* Of posix_memalign, `ptr` is where the block's address goes. */
static __always_inline u64 handed_in(const struct call *call)
{
	return op_of(call) == MP_OP_POSIX_MEMALIGN ? 0 : call->ptr;
}

#ifdef __TARGET_ARCH_x86
static __always_inline void save_registers(unsigned long long *saved, const struct pt_regs *ctx)
{
	saved[0] = ctx->rbp;
	saved[1] = ctx->rbx;
	saved[2] = ctx->r12;
	saved[3] = ctx->r13;
	saved[4] = ctx->r14;
	saved[5] = ctx->r15;
}
#else
static __always_inline void save_registers(unsigned long long *saved, const struct pt_regs *ctx)
{
	const struct user_pt_regs *regs = (const struct user_pt_regs *)ctx;

	saved[0] = regs->regs[29];
#pragma unroll
	for (u32 i = 0; i < 10; i++)
		saved[1 + i] = regs->regs[19 + i];
}
#endif

/* Copies what there is of the stack: a read that leaves the last mapped page copies nothing, so pages are
 * read apart. */
static __always_inline u32 copy_stack(unsigned char *to, u64 sp, const u32 room)
{
	u64 first = 4096 - (sp & 4095); /* to the end of the page */

	if (room < 4096) {
		if (!bpf_probe_read_user(to, room, (void *)sp))
			return room;
		first &= room - 1;
		barrier_var(first); /* or the bound is forgotten in between */
		return bpf_probe_read_user(to, first, (void *)sp) ? 0 : first;
	}
	barrier_var(first);
	if (first > 4096 || bpf_probe_read_user(to, first, (void *)sp))
		return 0;
	return bpf_probe_read_user(to + first, 4096, (void *)(sp + first)) ? first : first + 4096;
}

static __always_inline void emit_row(struct pt_regs *ctx, const struct mp_bpf_control *c,
    const struct call *call, u32 kept, u32 weight, u64 dur_ns, u64 now, const u32 mode, const u32 room)
{
	struct mp_bpf_call *r = bpf_ringbuf_reserve(&call_rows, sizeof(*r) + room, 0);
	if (!r) {
		COUNT(rows_lost);
		return;
	}
	struct thread_state *t = call->has_causes ? state_of(bpf_get_current_task_btf()) : 0;
	r->tid = (u32)bpf_get_current_pid_tgid();
	r->op = op_of(call);
	r->kept = kept;
	r->weight = weight;
	r->t_ns = call->start_ns;
	r->dur_ns = dur_ns;
	r->end_ns = now;
	r->size_bytes = call->size_bytes;
	r->addr = block_of(ctx, call);
	r->handed_in = handed_in(call);
	r->ip = PT_REGS_IP(ctx);
	r->sp = PT_REGS_SP(ctx);
	r->nframes = 0;
	r->stack_bytes = 0;
	r->stack = mode;
	r->has_causes = !!t;
	r->scope = scope_now(c);
	if (t)
		__builtin_memcpy(&r->causes, &t->causes, sizeof(r->causes));
	if (mode == MP_STACK_FRAME_POINTERS) {
		long bytes = bpf_get_stack(ctx, r + 1, room, BPF_F_USER_STACK);
		r->nframes = bytes > 0 && bytes <= room ? bytes / sizeof(u64) : 0;
	} else if (mode == MP_STACK_COPY) {
		save_registers(r->saved, ctx);
		r->stack_bytes = copy_stack((unsigned char *)(r + 1), r->sp, room);
	}
	bpf_ringbuf_submit(r, wakeup_flags(&call_rows, c->call_ring_bytes));
}

/* The fuller the ring, the less of the stack: rather a row whose stack is cut than none. */
static __always_inline void emit_call(struct pt_regs *ctx, const struct mp_bpf_control *c,
    const struct call *call, u32 kept, u32 weight, u64 dur_ns, u64 now)
{
	u64 fill = bpf_ringbuf_query(&call_rows, BPF_RB_AVAIL_DATA) * 4;

	if (c->stack == MP_STACK_OFF)
		emit_row(ctx, c, call, kept, weight, dur_ns, now, MP_STACK_OFF, 0);
	else if (c->stack == MP_STACK_FRAME_POINTERS)
		emit_row(ctx, c, call, kept, weight, dur_ns, now, MP_STACK_FRAME_POINTERS,
		    MP_MAX_FRAMES * sizeof(u64));
	else if (fill > c->call_ring_bytes * 3ULL)
		emit_row(ctx, c, call, kept, weight, dur_ns, now, MP_STACK_COPY, MP_STACK_BYTES_LEAST);
	else if (kept == 3)
		emit_row(ctx, c, call, kept, weight, dur_ns, now, MP_STACK_COPY, MP_STACK_BYTES_FULL);
	else if (fill > c->call_ring_bytes * 2ULL)
		emit_row(ctx, c, call, kept, weight, dur_ns, now, MP_STACK_COPY, MP_STACK_BYTES_TIGHT);
	else
		emit_row(ctx, c, call, kept, weight, dur_ns, now, MP_STACK_COPY, MP_STACK_BYTES);
}

/* The return address is popped at a return on x86, and was never pushed elsewhere. */
#ifdef __TARGET_ARCH_x86
#define RETURN_POPS 8
#else
#define RETURN_POPS 0
#endif

static __always_inline void emit_tracked(
    struct pt_regs *ctx, const struct mp_bpf_control *c, const struct call *call, u64 now)
{
	struct mp_bpf_tracked r = {.tid = (u32)bpf_get_current_pid_tgid(),
	    .op = op_of(call),
	    .scope = scope_now(c),
	    .t_ns = call->start_ns,
	    .end_ns = now,
	    .size_bytes = call->size_bytes,
	    .addr = block_of(ctx, call),
	    .handed_in = handed_in(call),
	    .ip = PT_REGS_IP(ctx)};

	if (bpf_ringbuf_output(
		&tracked_calls, &r, sizeof(r), wakeup_flags(&tracked_calls, c->tracked_ring_bytes)))
		COUNT(tracked_lost);
}

/* The probes on the slow function are a part of the call that it is in. */
static __always_inline void leave_inner(struct mp_bpf_control *c, struct call *call, u64 now)
{
	u32 is_stepped = call->inner_stepped & 1, op = call->inner_op;
	u64 from_ns = call->inner_start_ns + c->floor_ns[is_stepped];

	call->has_inner = 0;
	add_ours(call, c->cost_ns[is_stepped]);
	if (mp_op_is_slow(op))
		count_call(c, op, 0, call->inner_start_ns, ns_between(from_ns, now));
}

/* What the thread has spent in calls. */
static __always_inline void add_to_sums(const struct mp_bpf_control *c, u64 dur_ns)
{
	struct thread_state *t = make_state_of_current(c);

	if (!t)
		return;
	t->sums.alloc_ns += dur_ns;
	t->sums.alloc_calls++;
}

static __always_inline void count_and_keep(
    struct pt_regs *ctx, struct mp_bpf_control *c, struct call *call, u64 now)
{
	u32 op = op_of(call), weight;
	u64 ours_ns = call->ours_ns + c->floor_ns[cookie_is_stepped(call->cookie)];
	u64 dur_ns = ns_between(call->start_ns + ours_ns, now);

	if (op > MP_OP_COUNT && !mp_op_is_slow(op))
		return;
	count_call(c, op, call->size_bytes, call->start_ns, dur_ns);
	if (c->wants_sums && op < MP_OP_COUNT)
		add_to_sums(c, dur_ns);
	u32 kept = keep(c, call, dur_ns, &weight);
	if (kept)
		emit_call(ctx, c, call, kept, weight, dur_ns, now);
	else if (c->track && op < MP_OP_COUNT)
		emit_tracked(ctx, c, call, now);
}

/* What there is to do besides at a return into `sp`. True: it was that of a slow function within the call. */
static __noinline bool leave_special(struct call *call, u64 sp, u64 now)
{
	struct mp_bpf_control *c = get_control();

	if (call->is_off_cpu)
		state_of_current(c); /* it is not: that belongs to the call */
	if (!call->has_inner || sp != call->inner_sp + RETURN_POPS)
		return false;
	leave_inner(c, call, now);
	return true;
}

static __always_inline int leave(struct pt_regs *ctx)
{
	u64 now = bpf_ktime_get_ns();
	struct call *call = find_call(ctx);

	if (!call)
		return 0;
	if (call->is_special && leave_special(call, PT_REGS_SP(ctx), now))
		return 0;
	if (PT_REGS_SP(ctx) != call->entry_sp + RETURN_POPS)
		return 0;
	call->entry_sp = 0;
	barrier();
	count_and_keep(ctx, get_control(), call, now);
	if (call->is_special)
		clean_up(call);
	give_back(call);
	return 0;
}

/* A thread that is in no call returns from none, or from one that is not followed any more. This saves to ask
 * the kernel at most entries. */
static __always_inline bool may_return(const struct pt_regs *ctx)
{
	u64 owner = owner_of(ctx);

	return control.calls_elsewhere || is_taken_by(place_of(owner), owner);
}

static __noinline int session_unusual(struct pt_regs *ctx, u64 cookie)
{
	bool is_entry = !may_return(ctx) || !bpf_session_is_return();

	return is_entry ? enter_unusual(ctx, cookie) : leave(ctx);
}

SEC("kprobe")
int session(struct pt_regs *ctx)
{
	u64 cookie = cookie_of(ctx);

	if (!cookie)
		return leave(ctx);
	return begins_usual(ctx, cookie) ? 0 : session_unusual(ctx, cookie);
}

SEC("kprobe")
int entry(struct pt_regs *ctx)
{
	u64 cookie = cookie_of(ctx);

	if (!begins_usual(ctx, cookie))
		enter_unusual(ctx, cookie);
	return 0;
}

SEC("kprobe")
int ret(struct pt_regs *ctx)
{
	return leave(ctx);
}

/* ---- What a thread spends ---- */

/* What the thread has spent so far. */
static __always_inline struct mp_bpf_sums sums_now(
    const struct mp_bpf_control *c, const struct thread_state *t)
{
	struct mp_bpf_sums sums = t->sums;
	u32 tid = (u32)bpf_get_current_pid_tgid();
	struct mp_bpf_counter *at = c->has_counters ? bpf_map_lookup_elem(&counters, &tid) : 0;

	sums.calls_since_ns = c->calls_since_ns;
	if (c->counts_calls) {
		if (sums.calls_since_ns == ~0ULL)
			sums.alloc_calls = sums.alloc_ns = ~0ULL;
		return sums;
	}
	if (!at || bpf_probe_read_user(&sums.alloc_calls, sizeof(u64), (void *)at->calls) ||
	    bpf_probe_read_user(&sums.alloc_ns, sizeof(u64), (void *)at->calls_ns))
		sums.alloc_calls = sums.alloc_ns = ~0ULL;
	return sums;
}

static __always_inline u64 spent(u64 from, u64 to)
{
	return from == ~0ULL || to == ~0ULL ? ~0ULL : to - from;
}

/* ---- Markers ---- */

/*
 * A text that nobody has read yet may not be in memory: a constant of the program is loaded at its first use,
 * and the target only takes its address. This program is loaded as a sleepable one, which may wait for it:
 * copied as a whole it is then there, to be read up to its end. Where there is no page behind its page, only
 * the rest of that is copied. `name` is zeros before, and behind the text.
 */
static __always_inline void read_name(char name[static MP_MARKER_NAME_BYTES], const char *text)
{
	u64 bytes = 4096 - ((u64)text & 4095);

	if (bpf_probe_read_user_str(name, MP_MARKER_NAME_BYTES, text) >= 0)
		return;
	barrier_var(bytes); /* or the check is made of another register than the one that is used */
	if (bpf_copy_from_user(name, MP_MARKER_NAME_BYTES, text) && bytes < MP_MARKER_NAME_BYTES)
		bpf_copy_from_user(name, bytes, text);
	__builtin_memset(name, 0, MP_MARKER_NAME_BYTES);
	bpf_probe_read_user_str(name, MP_MARKER_NAME_BYTES, text);
}

#include "sampler/uprobe/bpf/gc.h"
#include "sampler/uprobe/bpf/pools.h"

/* Markers that say how things are, not what happened: no record. */
static __always_inline int state_marker(struct pt_regs *ctx, const struct mp_bpf_control *c, u32 kind)
{
	struct mp_bpf_name name = {{0}};

	if (kind != MPSAMPLE_KIND_COMPONENT_END)
		read_name(name.text, (const char *)PT_REGS_PARM1(ctx));
	if (kind == MPSAMPLE_KIND_GAUGE) {
		set_gauge(&name, PT_REGS_PARM2(ctx));
		return 0;
	}
	struct thread_state *t = make_state_of_current(c);
	if (!t)
		return 0;
	look_at_program(t);
	if (kind == MPSAMPLE_KIND_COMPONENT_BEGIN)
		begin_scope(t, &name);
	else if (kind == MPSAMPLE_KIND_COMPONENT_END)
		end_scope(t);
	return 0;
}

/* The registers of each kind: see MPSAMPLE_FIRE_* of mpsample.h. */
SEC("kprobe")
int marker(struct pt_regs *ctx)
{
	struct mp_bpf_control *c = get_control();
	struct mp_bpf_marker m = {.t_ns = bpf_ktime_get_ns()};

	if (!c->enabled)
		return 0;
	COUNT(marker_hits);
	m.kind = bpf_get_attach_cookie(ctx);
	if (m.kind >= MPSAMPLE_KIND_GAUGE)
		return state_marker(ctx, c, m.kind);
	if (m.kind >= MPSAMPLE_KIND_POOL_CREATE)
		return pool_marker(ctx, c, m.kind, m.t_ns);
	if (m.kind == MPSAMPLE_KIND_SPAN_END)
		COUNT(spans_ended);
	m.tid = (u32)bpf_get_current_pid_tgid();
	struct thread_state *t = make_state_of_current(c);
	if (t)
		m.sums = sums_now(c, t);
	read_name(m.name, (const char *)PT_REGS_PARM1(ctx));
	if (m.kind != MPSAMPLE_KIND_PHASE)
		m.a = PT_REGS_PARM2(ctx);
	if (bpf_ringbuf_output(&marker_rows, &m, sizeof(m), wakeup_flags(&marker_rows, c->marker_ring_bytes)))
		COUNT(markers_lost);
	return 0;
}

/* ---- Spans: functions from entry to return ---- */

static __always_inline void drop_span(struct open_span *s)
{
	s->start_ns = 0;
	COUNT(spans_left);
}

/* Those that are open below the stack pointer did not return: a longjmp or an exception went past. */
static __always_inline void drop_left_spans(struct thread_state *t, u64 sp)
{
#pragma unroll
	for (u32 i = 0; i < MP_SPANS_DEEP; i++) {
		struct open_span *s = &t->spans[i];
		if (s->start_ns && s->sp < sp && sp - s->sp < SAME_STACK_BYTES)
			drop_span(s);
	}
}

/* The place for a span that begins. One that is open in its place on the stack did not return either. */
static __always_inline struct open_span *place_for_span(struct thread_state *t, u64 sp)
{
	struct open_span *place = 0;

#pragma unroll
	for (u32 i = 0; i < MP_SPANS_DEEP; i++) {
		struct open_span *s = &t->spans[i];
		if (s->start_ns && s->sp == sp)
			drop_span(s);
		if (!s->start_ns)
			place = s;
	}
	return place;
}

static __always_inline struct open_span *find_span(struct thread_state *t, u64 sp, u64 span)
{
#pragma unroll
	for (u32 i = 0; i < MP_SPANS_DEEP; i++) {
		struct open_span *s = &t->spans[i];
		if (s->start_ns && s->sp == sp && s->span == span)
			return s;
	}
	return 0;
}

/* The cookie of both: which span. */
SEC("kprobe")
int span_entry(struct pt_regs *ctx)
{
	struct mp_bpf_control *c = get_control();
	struct thread_state *t = c->enabled ? make_state_of_current(c) : 0;
	u64 sp = PT_REGS_SP(ctx);

	if (!t)
		return 0;
	drop_left_spans(t, sp);
	struct open_span *s = place_for_span(t, sp);
	if (!s) {
		COUNT(spans_deep);
		return 0;
	}
	s->sp = sp;
	s->span = bpf_get_attach_cookie(ctx);
	s->sums = sums_now(c, t);
	s->start_ns = bpf_ktime_get_ns();
	return 0;
}

/* On an instruction that ends the function, where the stack pointer is what it was at the entry. */
SEC("kprobe")
int span_exit(struct pt_regs *ctx)
{
	u64 now = bpf_ktime_get_ns(), sp = PT_REGS_SP(ctx);
	struct mp_bpf_control *c = get_control();
	struct thread_state *t = state_of_current(c);

	if (!t)
		return 0;
	drop_left_spans(t, sp);
	struct open_span *s = find_span(t, sp, bpf_get_attach_cookie(ctx));
	if (!s)
		return 0; /* began before the recording, or was too deep */
	COUNT(spans_ended);
	struct mp_bpf_span r = {.tid = (u32)bpf_get_current_pid_tgid(),
	    .kind = MP_BPF_SPAN,
	    .t_ns = s->start_ns,
	    .dur_ns = now - s->start_ns,
	    .span = s->span};
	struct mp_bpf_sums sums = sums_now(c, t);
	bool knows_calls = s->sums.calls_since_ns == sums.calls_since_ns;
	r.spent.alloc_ns = knows_calls ? spent(s->sums.alloc_ns, sums.alloc_ns) : ~0ULL;
	r.spent.alloc_calls = knows_calls ? spent(s->sums.alloc_calls, sums.alloc_calls) : ~0ULL;
	r.spent.fault_ns = sums.fault_ns - s->sums.fault_ns;
	r.spent.off_cpu_ns = sums.off_cpu_ns - s->sums.off_cpu_ns;
	s->start_ns = 0;
	if (bpf_ringbuf_output(&marker_rows, &r, sizeof(r), wakeup_flags(&marker_rows, c->marker_ring_bytes)))
		COUNT(markers_lost);
	return 0;
}
