// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/*
 * The uprobe plane inside the kernel: entry and return of the allocation functions are paired per thread,
 * every call is counted in a histogram, and only slow, sampled or (--full) all calls become records. Beside
 * it, page faults, time off CPU and migrations of the same process.
 *
 * The same source serves kernels with uprobe session programs (6.13) and those with multi-links only (6.6):
 * the loader loads `session` or `entry` + `ret`.
 */
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <linux/ptrace.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "sampler/preload/mpsample.h"
#include "sampler/uprobe_shared.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

typedef unsigned int u32;
typedef unsigned long long u64;

/* The few members that are used, found in the running kernel's types at load (CO-RE). */
struct task_struct {
	int pid;
	int tgid;
} __attribute__((preserve_access_index));

extern bool bpf_session_is_return(void) __ksym __weak;

/* A thread's open call, and its kernel-side context. */
struct thread_state {
	u64 entry_sp; /* stack pointer at the open call's entry; 0: none is open */
	u64 entry_ip; /* the probed instruction */
	u64 start_ns;
	u64 size_bytes;
	u64 ptr;
	u64 off_since_ns;
	u64 off_in_trap; /* the CPU was lost on the way out of the entry's trap */
	u64 fault_addr;  /* of the page fault in progress */
	u64 fault_ns;    /* start of the page fault in progress; 0: none */
	u64 floor_ns;
	u32 op;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread_state);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct mp_bpf_control);
} control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct mp_bpf_stats);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MP_HIST_BLOCKS); /* times the shards: set by the loader */
	__type(key, u32);
	__type(value, struct mp_hist);
} hists SEC(".maps");

/* The sizes are set by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} call_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} kernel_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} marker_rows SEC(".maps");

static __always_inline struct mp_bpf_control *get_control(void)
{
	u32 zero = 0;
	return bpf_map_lookup_elem(&control, &zero);
}

static __always_inline struct mp_bpf_stats *get_stats(void)
{
	u32 zero = 0;
	return bpf_map_lookup_elem(&stats, &zero);
}

#define COUNT(member)                                                                                        \
	do {                                                                                                 \
		struct mp_bpf_stats *st_ = get_stats();                                                      \
		if (st_)                                                                                     \
			__sync_fetch_and_add(&st_->member, 1);                                               \
	} while (0)

/* The recorder drains by a timer: a wakeup per row would interrupt the target. Only a ring that is half full
 * asks for attention. */
static __always_inline u64 wakeup_flags(void *ring, u64 ring_bytes)
{
	return bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) * 2 > ring_bytes ? BPF_RB_FORCE_WAKEUP
									   : BPF_RB_NO_WAKEUP;
}

/* ---- Calls ---- */

/* A probe's cookie: see mp_probe_cookie(). */
static __always_inline u32 cookie_op(u64 cookie)
{
	return cookie & 0xff;
}

static __always_inline u64 argument(struct pt_regs *ctx, u32 n)
{
	return n == 1 ? PT_REGS_PARM1(ctx) : n == 2 ? PT_REGS_PARM2(ctx) : PT_REGS_PARM3(ctx);
}

static __always_inline u64 size_of(struct pt_regs *ctx, u32 mask)
{
	u64 size = mask ? 1 : 0;

#pragma unroll
	for (u32 n = 1; n <= 3; n++)
		if (mask & MP_ARG(n))
			size *= argument(ctx, n);
	return size;
}

static __always_inline u64 ptr_of(struct pt_regs *ctx, u32 mask)
{
	return mask & MP_ARG(1) ? PT_REGS_PARM1(ctx) : 0;
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

static __always_inline bool is_nested(const struct thread_state *t, u64 sp)
{
	if (sp > t->entry_sp || t->entry_sp - sp >= NESTED_WITHIN_BYTES)
		return false;
#ifdef __TARGET_ARCH_x86
	u64 return_to = 0;
	if (!bpf_probe_read_user(&return_to, sizeof(return_to), (void *)t->entry_sp))
		return return_to && !(return_to & 0xfff);
#endif
	return sp < t->entry_sp || t->op != MP_OP_NEW;
}

/* Returns 0 when the return is wanted. */
static __always_inline int enter(struct pt_regs *ctx)
{
	struct mp_bpf_control *c = get_control();
	u64 cookie = bpf_get_attach_cookie(ctx);

	if (!c || !c->enabled || (mp_op_ignores_null(cookie_op(cookie)) && !PT_REGS_PARM1(ctx)))
		return 1;

	struct thread_state *t =
	    bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t) {
		COUNT(calls_lost);
		return 1;
	}

	u64 sp = PT_REGS_SP(ctx);
	if (t->entry_sp && is_nested(t, sp)) {
		COUNT(nested);
		return 1;
	}
	if (t->entry_sp)
		COUNT(unpaired);

	t->op = cookie_op(cookie);
	t->floor_ns = c->floor_ns[cookie >> 24 & 1];
	t->size_bytes = size_of(ctx, (cookie >> 8) & 0xff);
	t->ptr = ptr_of(ctx, (cookie >> 16) & 0xff);
	t->entry_sp = sp;
	t->entry_ip = PT_REGS_IP(ctx);
	t->start_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline void count_call(struct mp_bpf_control *c, u32 op, u64 size, u64 dur_ns)
{
	u32 shard = bpf_get_smp_processor_id() & c->shard_mask;
	u32 class = op == MP_OP_CALIBRATE ? 0 : mp_size_class(size);
	u32 key = shard * MP_HIST_BLOCKS + mp_hist_block(op, class);
	struct mp_hist *h = bpf_map_lookup_elem(&hists, &key);
	if (!h)
		return;

	u32 bucket = mp_hist_bucket(dur_ns);
	if (bucket >= MP_HIST_BUCKETS)
		return;
	__sync_fetch_and_add(&h->bucket[bucket], 1);
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

/* 0 when the call is not kept, else enum mp_kept; sets how many calls the row stands for. */
static __always_inline u32 keep(struct mp_bpf_control *c, u32 op, u64 dur_ns, u32 *weight)
{
	struct mp_bpf_stats *st = get_stats();

	*weight = 1;
	if (op >= MP_OP_COUNT || !st)
		return 0;
	if (dur_ns >= c->keep_over_ns[op]) {
		if (every(&st->outliers, c->outlier_double_every))
			c->keep_over_ns[op] *= 2;
		return 1;
	}
	if (c->full)
		return 3;

	u32 one_in = c->sample_weight;
	if (!one_in || ((u64)bpf_get_prandom_u32() * one_in) >> 32)
		return 0;
	if (every(&st->samples, c->double_every) && one_in < 1u << 30)
		c->sample_weight = one_in * 2;
	*weight = one_in;
	return 2;
}

/* The block that a call returned. posix_memalign stores it where its first argument points. */
static __always_inline u64 block_of(struct pt_regs *ctx, const struct thread_state *t)
{
	u64 addr = PT_REGS_RC(ctx);

	if (mp_op_ignores_null(t->op))
		return t->ptr;
	if (t->op == MP_OP_POSIX_MEMALIGN && bpf_probe_read_user(&addr, sizeof(addr), (void *)t->ptr))
		return 0;
	return addr;
}

#ifdef __TARGET_ARCH_x86
static __always_inline void save_registers(struct mp_bpf_call *r, const struct pt_regs *ctx)
{
	r->saved[0] = ctx->rbp;
	r->saved[1] = ctx->rbx;
	r->saved[2] = ctx->r12;
	r->saved[3] = ctx->r13;
	r->saved[4] = ctx->r14;
	r->saved[5] = ctx->r15;
}
#else
static __always_inline void save_registers(struct mp_bpf_call *r, const struct pt_regs *ctx)
{
	const struct user_pt_regs *regs = (const struct user_pt_regs *)ctx;

	r->saved[0] = regs->regs[29];
#pragma unroll
	for (u32 i = 0; i < 10; i++)
		r->saved[1 + i] = regs->regs[19 + i];
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
    const struct thread_state *t, u32 kept, u32 weight, u64 dur_ns, const u32 mode, const u32 room)
{
	struct mp_bpf_call *r = bpf_ringbuf_reserve(&call_rows, sizeof(*r) + room, 0);
	if (!r) {
		COUNT(rows_lost);
		return;
	}
	r->tid = (u32)bpf_get_current_pid_tgid();
	r->op = t->op;
	r->kept = kept;
	r->weight = weight;
	r->t_ns = t->start_ns;
	r->dur_ns = dur_ns;
	r->size_bytes = t->size_bytes;
	r->addr = block_of(ctx, t);
	r->ip = PT_REGS_IP(ctx);
	r->sp = PT_REGS_SP(ctx);
	r->nframes = 0;
	r->stack_bytes = 0;
	r->stack = mode;
	if (mode == MP_STACK_FRAME_POINTERS) {
		long bytes = bpf_get_stack(ctx, r + 1, room, BPF_F_USER_STACK);
		r->nframes = bytes > 0 && bytes <= room ? bytes / sizeof(u64) : 0;
	} else if (mode == MP_STACK_COPY) {
		save_registers(r, ctx);
		r->stack_bytes = copy_stack((unsigned char *)(r + 1), r->sp, room);
	}
	bpf_ringbuf_submit(r, wakeup_flags(&call_rows, c->call_ring_bytes));
}

/* The fuller the ring, the less of the stack: rather a row whose stack is cut than none. */
static __always_inline void emit_call(struct pt_regs *ctx, const struct mp_bpf_control *c,
    const struct thread_state *t, u32 kept, u32 weight, u64 dur_ns)
{
	u64 fill = bpf_ringbuf_query(&call_rows, BPF_RB_AVAIL_DATA) * 4;

	if (c->stack == MP_STACK_OFF)
		emit_row(ctx, c, t, kept, weight, dur_ns, MP_STACK_OFF, 0);
	else if (c->stack == MP_STACK_FRAME_POINTERS)
		emit_row(
		    ctx, c, t, kept, weight, dur_ns, MP_STACK_FRAME_POINTERS, MP_MAX_FRAMES * sizeof(u64));
	else if (fill > c->call_ring_bytes * 3ULL)
		emit_row(ctx, c, t, kept, weight, dur_ns, MP_STACK_COPY, MP_STACK_BYTES_LEAST);
	else if (kept == 3)
		emit_row(ctx, c, t, kept, weight, dur_ns, MP_STACK_COPY, MP_STACK_BYTES_FULL);
	else if (fill > c->call_ring_bytes * 2ULL)
		emit_row(ctx, c, t, kept, weight, dur_ns, MP_STACK_COPY, MP_STACK_BYTES_TIGHT);
	else
		emit_row(ctx, c, t, kept, weight, dur_ns, MP_STACK_COPY, MP_STACK_BYTES);
}

/* The return address is popped at a return on x86, and was never pushed elsewhere. */
#ifdef __TARGET_ARCH_x86
#define RETURN_POPS 8
#else
#define RETURN_POPS 0
#endif

static __always_inline int leave(struct pt_regs *ctx)
{
	u64 now = bpf_ktime_get_ns();
	struct mp_bpf_control *c = get_control();
	struct thread_state *t = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, 0);

	if (!c || !t || !t->entry_sp || PT_REGS_SP(ctx) != t->entry_sp + RETURN_POPS)
		return 0;
	t->entry_sp = 0;

	u32 op = t->op;
	if (op > MP_OP_COUNT)
		return 0;
	u64 raw = now - t->start_ns;
	u64 dur_ns = raw > t->floor_ns ? raw - t->floor_ns : 0;
	count_call(c, op, t->size_bytes, dur_ns);

	u32 weight;
	u32 kept = keep(c, op, dur_ns, &weight);
	if (kept)
		emit_call(ctx, c, t, kept, weight, dur_ns);
	return 0;
}

SEC("kprobe")
int session(struct pt_regs *ctx)
{
	return bpf_session_is_return() ? leave(ctx) : enter(ctx);
}

SEC("kprobe")
int entry(struct pt_regs *ctx)
{
	enter(ctx);
	return 0;
}

SEC("kprobe")
int ret(struct pt_regs *ctx)
{
	return leave(ctx);
}

/* ---- Markers ---- */

/*
 * A text that nobody has read yet may not be in memory: a constant of the program is loaded at its first use,
 * and the target only takes its address. This program is loaded as a sleepable one, which may wait for it.
 * Bytes behind the text come with it; where there is no page behind its page, only the rest of that is read.
 */
static __always_inline void read_name(struct mp_bpf_marker *m, const char *text)
{
	u64 bytes = 4096 - ((u64)text & 4095);

	if (bpf_probe_read_user_str(m->name, sizeof(m->name), text) >= 0 ||
	    !bpf_copy_from_user(m->name, sizeof(m->name), text))
		return;
	barrier_var(bytes); /* or the check is made of another register than the one that is used */
	if (bytes < sizeof(m->name) && !bpf_copy_from_user(m->name, bytes, text))
		return;
	__builtin_memset(m->name, 0, sizeof(m->name));
}

/* The registers of each kind: see MPSAMPLE_FIRE_* of mpsample.h. */
SEC("kprobe")
int marker(struct pt_regs *ctx)
{
	struct mp_bpf_control *c = get_control();
	struct mp_bpf_marker m = {.t_ns = bpf_ktime_get_ns()};

	if (!c || !c->enabled)
		return 0;
	m.kind = bpf_get_attach_cookie(ctx);
	m.tid = (u32)bpf_get_current_pid_tgid();
	if (m.kind >= MPSAMPLE_KIND_POOL_CREATE) {
		m.a = PT_REGS_PARM1(ctx);
		if (m.kind == MPSAMPLE_KIND_POOL_CREATE) {
			read_name(&m, (const char *)PT_REGS_PARM2(ctx));
			m.b = PT_REGS_PARM3(ctx);
			m.c = PT_REGS_PARM4(ctx);
		} else if (m.kind != MPSAMPLE_KIND_POOL_EMPTY) {
			m.b = PT_REGS_PARM2(ctx);
		}
	} else {
		read_name(&m, (const char *)PT_REGS_PARM1(ctx));
		if (m.kind != MPSAMPLE_KIND_PHASE)
			m.a = PT_REGS_PARM2(ctx);
	}
	if (bpf_ringbuf_output(&marker_rows, &m, sizeof(m), wakeup_flags(&marker_rows, c->marker_ring_bytes)))
		COUNT(markers_lost);
	return 0;
}

/* ---- Kernel events ---- */

/* Counts an event, and keeps it while there is credit. */
static __always_inline void emit_kernel(
    const struct mp_bpf_control *c, u32 kind, u32 tid, u64 t_ns, u64 dur_ns, u64 addr, u64 ip)
{
	struct mp_bpf_stats *st = get_stats();
	if (!st)
		return;
	__sync_fetch_and_add(&st->kernel_events[kind], 1);

	/* Long ones have a credit of their own, so that short ones do not use it up. */
	bool is_long = dur_ns != ~0ULL && dur_ns >= c->kernel_long_ns;
	long long *credit = is_long ? &st->kernel_long_credit : &st->kernel_credit;
	if (__sync_fetch_and_add(credit, -1) <= 0) {
		__sync_fetch_and_add(&st->kernel_thinned, 1);
		return;
	}

	struct mp_bpf_kernel r = {
	    .tid = tid, .kind = kind, .t_ns = t_ns, .dur_ns = dur_ns, .addr = addr, .ip = ip};
	if (bpf_ringbuf_output(&kernel_rows, &r, sizeof(r), wakeup_flags(&kernel_rows, c->kernel_ring_bytes)))
		__sync_fetch_and_add(&st->kernel_rows_lost, 1);
}

static __always_inline struct mp_bpf_control *control_of_current(void)
{
	struct mp_bpf_control *c = get_control();
	return c && c->enabled && c->tgid && bpf_get_current_pid_tgid() >> 32 == c->tgid ? c : 0;
}

/*
 * A thread that spends most of its time in our traps loses the CPU there, mostly where a trap returns to user
 * space. The function has not run an instruction yet then: the time is not the call's.
 */
static __always_inline bool is_in_entry_trap(const struct thread_state *t, struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	u64 ip = regs ? PT_REGS_IP(regs) : 0;

	return t->entry_sp && ip >= t->entry_ip &&
	       ip < t->entry_ip + 16; /* an emulated instruction at most */
}

static __always_inline void switch_out(struct task_struct *prev, u64 now)
{
	struct thread_state *t = bpf_task_storage_get(&threads, prev, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t)
		return;
	t->off_since_ns = now;
	t->off_in_trap = is_in_entry_trap(t, prev);
}

static __always_inline void switch_in(const struct mp_bpf_control *c, struct task_struct *next, u64 now)
{
	struct thread_state *t = bpf_task_storage_get(&threads, next, 0, 0);
	if (!t)
		return;

	if (t->off_since_ns && t->off_in_trap)
		t->start_ns += now - t->off_since_ns;
	if (t->off_since_ns)
		emit_kernel(c, MP_KERNEL_OFF_CPU, next->pid, t->off_since_ns, now - t->off_since_ns, 0, 0);
	t->off_since_ns = 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct mp_bpf_control *c = get_control();
	if (!c || !c->enabled || !c->tgid)
		return 0;

	bool out = prev->tgid == (int)c->tgid, in = next->tgid == (int)c->tgid;
	if (!out && !in)
		return 0;
	u64 now = bpf_ktime_get_ns();
	if (out)
		switch_out(prev, now);
	if (in)
		switch_in(c, next, now);
	return 0;
}

SEC("tp_btf/sched_migrate_task")
int BPF_PROG(sched_migrate_task, struct task_struct *task, int to_cpu)
{
	struct mp_bpf_control *c = get_control();

	if (c && c->enabled && c->tgid && task->tgid == (int)c->tgid)
		emit_kernel(c, MP_KERNEL_MIGRATION, task->pid, bpf_ktime_get_ns(), ~0ULL, to_cpu, 0);
	return 0;
}

SEC("tp_btf/page_fault_user")
int BPF_PROG(page_fault_user, unsigned long address)
{
	if (!control_of_current())
		return 0;

	struct thread_state *t =
	    bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (t) {
		t->fault_addr = address;
		t->fault_ns = bpf_ktime_get_ns();
	}
	return 0;
}

/* The software event fires at the end of a fault: with the tracepoint above it gives the duration. */
static __always_inline int fault(struct bpf_perf_event_data *ctx, u32 kind)
{
	struct mp_bpf_control *c = control_of_current();
	if (!c)
		return 0;

	u64 now = bpf_ktime_get_ns(), start = 0;
	struct thread_state *t = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, 0);
	/* Faults that end in a signal have no end, those of the kernel no start: only the same address is the
	 * same fault. */
	if (t) {
		start = t->fault_addr == ctx->addr ? t->fault_ns : 0;
		t->fault_ns = 0;
	}
	u64 dur_ns = start ? now - start : ~0ULL;
	emit_kernel(c, kind, (u32)bpf_get_current_pid_tgid(), start ? start : now, dur_ns, ctx->addr,
	    PT_REGS_IP(&ctx->regs));
	return 0;
}

SEC("perf_event")
int minor_fault(struct bpf_perf_event_data *ctx)
{
	return fault(ctx, MP_KERNEL_MINOR_FAULT);
}

SEC("perf_event")
int major_fault(struct bpf_perf_event_data *ctx)
{
	return fault(ctx, MP_KERNEL_MAJOR_FAULT);
}
