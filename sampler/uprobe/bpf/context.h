/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
#ifndef MP_SAMPLER_UPROBE_BPF_CONTEXT_H
#define MP_SAMPLER_UPROBE_BPF_CONTEXT_H

/*
 * What the kernel does to the threads of the target: page faults, system calls, time off the CPU, interrupts.
 * Each is counted, some become rows, and each adds its time to the call that is under way. Part of
 * uprobe.bpf.c.
 *
 * These intervals nest, and time is counted once, for the innermost: an interval takes its whole length less
 * what ended within it. A sleep is no interval of its own. Its time is that of the system call, the page
 * fault or the lock that sleeps.
 */
#include "sampler/uprobe/bpf/call.h"

/* Rows of these are wanted only where they are long: there are many, and none is a surprise. */
static __always_inline bool is_row_when_long(u32 kind)
{
	return kind == MP_KERNEL_IRQ || kind == MP_KERNEL_SOFTIRQ || kind == MP_KERNEL_SYSCALL ||
	       kind == MP_KERNEL_LOCK || kind == MP_KERNEL_MMAP_LOCK || kind == MP_KERNEL_STOPPED;
}

/* Counts an event; true: it shall be a row, and there is credit. Long ones have a credit of their own, so
 * that short ones do not use it up. */
static __always_inline bool take_credit(const struct mp_bpf_control *c, u32 kind, u64 dur_ns)
{
	struct mp_bpf_stats *st = get_stats();
	bool is_long = dur_ns != ~0ULL && dur_ns >= c->kernel_long_ns;

	if (!st || kind >= MP_KERNEL_KINDS)
		return false;
	__sync_fetch_and_add(&st->kernel_events[kind], 1);
	if (!is_long && is_row_when_long(kind))
		return false;
	if (__sync_fetch_and_add(is_long ? &st->kernel_long_credit : &st->kernel_credit, -1) > 0)
		return true;
	__sync_fetch_and_add(&st->kernel_thinned, 1);
	return false;
}

/* A row, or a cause of a call that only the recorder knows to be under way, or both. */
static __always_inline void emit_kernel(const struct mp_bpf_control *c, struct mp_bpf_kernel *r)
{
	/* A call may have hundreds of page faults: short ones add up. */
	bool is_long =
	    r->kind <= MP_KERNEL_THP || r->kind == MP_KERNEL_OFF_CPU || r->self_ns >= c->hand_over_ns;
	bool is_wanted =
	    c->hand_over_ns && is_long && (r->cause != MP_KERNEL_NO_CAUSE || r->kind == MP_KERNEL_OFF_CPU);

	if (!r->is_row && !is_wanted)
		return;
	if (bpf_ringbuf_output(&kernel_rows, r, sizeof(*r), wakeup_flags(&kernel_rows, c->kernel_ring_bytes)))
		COUNT(kernel_rows_lost);
}

static __always_inline struct mp_bpf_control *control_of_current(void)
{
	struct mp_bpf_control *c = get_control();
	return c->enabled && c->tgid && bpf_get_current_pid_tgid() >> 32 == c->tgid ? c : 0;
}

/* ---- Intervals ---- */

static __always_inline void begin(struct thread_state *t, u32 which, u64 now)
{
	t->in[which].since_ns = now;
	t->in[which].accounted_ns = t->accounted_ns;
}

/* The time of an interval by itself. */
static __always_inline u64 end(struct thread_state *t, u32 which, u64 now)
{
	u64 whole = now - t->in[which].since_ns;
	u64 inner = t->accounted_ns - t->in[which].accounted_ns;

	t->in[which].since_ns = 0;
	t->accounted_ns = t->in[which].accounted_ns + whole;
	return whole > inner ? whole - inner : 0;
}

/* Of an interval inside a longer one that is not over: that much is not the longer one's. */
static __always_inline void account(struct thread_state *t, u64 ns)
{
	t->accounted_ns += ns;
}

static __always_inline void add_syscall(struct mp_causes *to, u32 nr, u64 ns)
{
#pragma unroll
	for (u32 i = 0; i < MP_CAUSE_SYSCALLS; i++) {
		if (to->syscall[i].n && to->syscall[i].nr != nr)
			continue;
		to->syscall[i].nr = nr;
		to->syscall[i].n++;
		to->syscall[i].ns += ns;
		return;
	}
}

/* Adds to the call that is under way. */
static __always_inline void add_cause(struct thread_state *t, struct call *call, u32 kind, u64 ns, u64 now)
{
	u64 age = now - call->start_ns;

	if (!was_in(call, now) || kind >= MP_KERNEL_KINDS)
		return;
	t->causes.ns[kind] += ns < age ? ns : age;
	t->causes.n[kind]++;
	call->has_causes = 1;
}

/* ---- Where a thread is ---- */

/* The system call that a thread is in; -1: none. */
#ifdef __TARGET_ARCH_x86
#define NR_FUTEX 202
#define NR_PROBE 335 /* uretprobe(2) and uprobe(2): our own traps */

static __always_inline long syscall_of(struct task_struct *task, const struct pt_regs *regs)
{
	return regs ? (long)regs->orig_rax : -1;
}
#else
#define NR_FUTEX 98
#define NR_PROBE 100000 /* none */

struct pt_regs___kernel {
	int syscallno;
} __attribute__((preserve_access_index));

static __always_inline long syscall_of(struct task_struct *task, const struct pt_regs *regs)
{
	return regs ? BPF_CORE_READ((const struct pt_regs___kernel *)regs, syscallno) : -1;
}
#endif

static __always_inline bool is_ours(long nr)
{
	return nr == NR_PROBE || nr == NR_PROBE + 1;
}

/*
 * A thread that spends most of its time in our traps loses the CPU there, and is interrupted there, mostly
 * where a trap returns to user space. The function has not run an instruction yet then, or has run them all:
 * the time is not the call's. On x86 a return probe is a system call of its own.
 */
static __always_inline bool is_in_trap(const struct call *call, struct task_struct *task)
{
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(task);
	u64 ip = regs ? PT_REGS_IP(regs) : 0;

	if (!call->entry_sp)
		return false;
	if (is_ours(syscall_of(task, regs)))
		return true;
	return ip >= call->entry_ip && ip < call->entry_ip + 16; /* an emulated instruction at most */
}

static __always_inline void note_syscall(struct thread_state *t, long nr, const struct pt_regs *regs)
{
	t->syscall_nr = nr;
	t->syscall_op = nr == NR_FUTEX ? PT_REGS_PARM2(regs) : 0;
}

/* Of linux/futex.h: those that wait for another thread. */
static __always_inline bool is_futex_wait(u32 op)
{
	op &= 0x7f; /* without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME */
	return op == 0 || op == 6 || op == 9 || op == 11 || op == 13;
}

static __always_inline u32 kind_of_syscall(const struct thread_state *t)
{
	return t->syscall_nr == NR_FUTEX && is_futex_wait(t->syscall_op) ? MP_KERNEL_LOCK : MP_KERNEL_SYSCALL;
}

/* ---- Off the CPU ---- */

#define STATE_STOPPED 0x4
#define STATE_TRACED  0x8
#define STATE_FROZEN  0x8000

/* The threads "migration/N" of the kernel. */
static __always_inline bool is_stopper(const char *comm)
{
	static const char begins[8] = "migratio";

	return *(const u64 *)comm == *(const u64 *)begins;
}

static __always_inline u32 how_off(
    const struct mp_bpf_control *c, struct thread_state *t, struct task_struct *task, bool preempt, u32 state)
{
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(task);
	long nr = syscall_of(task, regs);

	if (nr >= 0)
		t->in[IN_FAULT].since_ns = 0; /* it ended in a signal */
	if (preempt || !state)
		return OFF_RUNNABLE;
	if (state & (STATE_STOPPED | STATE_TRACED | STATE_FROZEN))
		return OFF_STOPPED;
	if (t->in[IN_SYSCALL].since_ns || t->in[IN_FAULT].since_ns || t->in[IN_MMAP_LOCK].since_ns)
		return OFF_ASLEEP;
	if (nr < 0) /* on its way out of the kernel: a debugger, or the cgroup freezer; or in a page fault */
		return c->sees_faults ? OFF_STOPPED : OFF_ASLEEP;
	if (is_ours(nr))
		return OFF_ASLEEP;
	note_syscall(t, nr, regs);
	return OFF_SYSCALL;
}

static __always_inline void note_ran(struct thread_state *t, struct task_struct *other)
{
	/* Two loads, for a helper costs more. */
	const u64 *comm = (const u64 *)other->comm;

	t->ran_tid = other->pid;
	((u64 *)t->ran)[0] = comm[0];
	((u64 *)t->ran)[1] = comm[1];
}

static __always_inline bool was_asleep(const struct thread_state *t)
{
	return t->off_how == OFF_ASLEEP || t->off_how == OFF_SYSCALL;
}

/* When a sleep was over: once it was woken, if another one had the CPU. Of idle CPUs the time to wake up is
 * the sleep's. */
static __always_inline u64 sleep_end(const struct thread_state *t, u64 now)
{
	return t->woken_ns && t->ran_tid ? t->woken_ns : now;
}

/* Of a time off the CPU up to `now`, what is a cause by itself. */
static __always_inline u32 off_cause(const struct thread_state *t, u64 *self_ns, u64 whole, u64 now)
{
	*self_ns = whole;
	if (t->off_to_stopper && t->moved_ns)
		return MP_KERNEL_MIGRATION;
	if (was_asleep(t)) {
		*self_ns = now - sleep_end(t, now);
		return *self_ns ? MP_KERNEL_OFF_CPU : MP_KERNEL_NO_CAUSE;
	}
	return t->off_how == OFF_STOPPED ? MP_KERNEL_STOPPED : MP_KERNEL_OFF_CPU;
}

static __always_inline void add_off(
    struct thread_state *t, struct call *call, u32 cause, u64 self_ns, u64 now)
{
	account(t, self_ns);
	add_cause(t, call, cause, self_ns, now);
	if (!was_in(call, now) || self_ns <= t->causes.ran_ns || cause != MP_KERNEL_OFF_CPU)
		return;
	t->causes.ran_ns = self_ns;
	t->causes.ran_tid = t->ran_tid;
	__builtin_memcpy(t->causes.ran, t->ran, sizeof(t->ran));
}

/* A system call of which only the sleep is seen, from `r->t_ns` on. */
static __always_inline void end_sleep(const struct mp_bpf_control *c, struct thread_state *t,
    struct call *call, const struct mp_bpf_kernel *off, u64 now)
{
	struct mp_bpf_kernel r = {.tid = off->tid, .t_ns = off->t_ns, .what = t->syscall_nr};

	r.dur_ns = r.self_ns = sleep_end(t, now) - off->t_ns;
	r.kind = r.cause = kind_of_syscall(t);
	account(t, r.self_ns);
	add_cause(t, call, r.kind, r.self_ns, now);
	if (was_in(call, now) && r.kind == MP_KERNEL_SYSCALL)
		add_syscall(&t->causes, t->syscall_nr, r.self_ns);
	r.is_row = take_credit(c, r.kind, r.dur_ns);
	emit_kernel(c, &r);
}

/* A time off the CPU, from `since_ns` to `now`, that is over. */
static __always_inline void end_off(
    const struct mp_bpf_control *c, struct thread_state *t, struct task_struct *task, u64 since_ns, u64 now)
{
	struct call *call = call_of(t, task);
	struct mp_bpf_kernel r = {
	    .tid = task->pid, .kind = MP_KERNEL_OFF_CPU, .t_ns = since_ns, .dur_ns = now - since_ns};

	call->is_off_cpu = 0;
	t->sums.off_cpu_ns += r.dur_ns;
	r.cause = off_cause(t, &r.self_ns, r.dur_ns, now);
	r.what = t->ran_tid;
	__builtin_memcpy(r.ran, t->ran, sizeof(r.ran));
	r.is_row = take_credit(c, MP_KERNEL_OFF_CPU, r.dur_ns);
	if (t->off_in_trap) {
		if (was_in(call, now))
			add_ours(call, r.dur_ns);
		r.cause = MP_KERNEL_NO_CAUSE;
	} else if (t->off_how == OFF_SYSCALL && r.cause != MP_KERNEL_MIGRATION) {
		end_sleep(c, t, call, &r, now);
	}
	if (r.cause == MP_KERNEL_STOPPED)
		take_credit(c, MP_KERNEL_STOPPED, 0); /* to be counted */
	if (r.cause != MP_KERNEL_NO_CAUSE)
		add_off(t, call, r.cause, r.self_ns, now);
	emit_kernel(c, &r);
}

static __always_inline u64 last_arrival(struct task_struct *task)
{
	return bpf_core_field_exists(task->sched_info.last_arrival) ? task->sched_info.last_arrival : 0;
}

/*
 * The current thread runs, and no switch to it was told. The tracepoint fires in the thread that leaves the
 * CPU, and a kernel may run no program there: one for virtual machines runs none in the threads of process 1,
 * nor in the interrupts that come meanwhile, which may have woken this one. The scheduler itself keeps when
 * it gave the CPU to a thread, by a clock of its own: so much later than the time before, which was told.
 *
 * Not static, and without arguments: a kernel verifies such a function once, not again in each of the thirty
 * programs that call it, which is most of what it takes to load them.
 */
__noinline int end_untold_off(void)
{
	const struct mp_bpf_control *c = get_control();
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *t = state_of(task);

	if (!t)
		return 0;
	u64 now = bpf_ktime_get_ns();
	u64 until_ns = t->arrived_ns + (last_arrival(task) - t->last_arrival);
	/* An interrupt may come here as well: one of both ends it. */
	u64 since_ns = __sync_lock_test_and_set(&t->in[OFF_CPU].since_ns, 0);

	if (!since_ns)
		return 0;
	if (until_ns > now)
		until_ns = now;
	/* A call began: the thread ran by then. */
	struct call *call = call_of(t, task);
	if (call->entry_sp && since_ns < call->start_ns && until_ns > call->start_ns)
		until_ns = call->start_ns;
	/* Earlier: the time before was not told, or the scheduler keeps none. */
	t->arrived_ns = until_ns < since_ns ? 0 : until_ns;
	if (t->arrived_ns)
		end_off(c, t, task, since_ns, until_ns);
	return 0;
}

/* Of the current thread, which runs, whatever the programs were told. Not where the kernel may have begun to
 * switch from it: there it is off the CPU already. */
static __always_inline struct thread_state *running(const struct mp_bpf_control *c, struct thread_state *t)
{
	if (t && t->in[OFF_CPU].since_ns)
		end_untold_off();
	return t;
}

static __always_inline struct thread_state *state_of_current(const struct mp_bpf_control *c)
{
	return running(c, state_of(bpf_get_current_task_btf()));
}

static __always_inline struct thread_state *make_state_of_current(const struct mp_bpf_control *c)
{
	return running(c, make_state_of(bpf_get_current_task_btf()));
}

static __always_inline void switch_out(const struct mp_bpf_control *c, bool preempt, struct task_struct *prev,
    struct task_struct *next, u32 state, u64 now)
{
	struct thread_state *t = make_state_of_current(c);
	if (!t)
		return;
	struct call *call = call_of(t, prev);
	begin(t, OFF_CPU, now);
	call->is_off_cpu = 1;
	t->off_in_trap = is_in_trap(call, prev);
	t->off_how = how_off(c, t, prev, preempt, state);
	t->woken_ns = t->moved_ns = 0;
	t->last_arrival = last_arrival(prev);
	note_ran(t, next);
	t->off_to_stopper = is_stopper(t->ran);
}

static __always_inline void switch_in(
    const struct mp_bpf_control *c, struct task_struct *prev, struct task_struct *next, u64 now)
{
	struct thread_state *t = state_of(next);
	if (!t)
		return;
	t->arrived_ns = now;
	u64 since_ns = t->in[OFF_CPU].since_ns;
	if (!since_ns)
		return;
	t->in[OFF_CPU].since_ns = 0;
	if (was_asleep(t))
		note_ran(t, prev);
	end_off(c, t, next, since_ns, now);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(
    sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int state)
{
	struct mp_bpf_control *c = get_control();
	if (!c->enabled || !c->tgid)
		return 0;

	bool out = prev->tgid == (int)c->tgid, in = next->tgid == (int)c->tgid;
	if (!out && !in)
		return 0;
	u64 now = bpf_ktime_get_ns();
	if (out)
		switch_out(c, preempt, prev, next, state, now);
	if (in)
		switch_in(c, prev, next, now);
	return 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(sched_waking, struct task_struct *task)
{
	struct mp_bpf_control *c = get_control();
	if (!c->enabled || !c->tgid || task->tgid != (int)c->tgid)
		return 0;

	struct thread_state *t = state_of(task);
	if (t && t->in[OFF_CPU].since_ns && !t->woken_ns)
		t->woken_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/sched_migrate_task")
int BPF_PROG(sched_migrate_task, struct task_struct *task, int to_cpu)
{
	struct mp_bpf_control *c = get_control();
	if (!c->enabled || !c->tgid || task->tgid != (int)c->tgid)
		return 0;

	u64 now = bpf_ktime_get_ns();
	struct thread_state *t = state_of(task);
	if (t && t->in[OFF_CPU].since_ns && !t->moved_ns)
		t->moved_ns = now;
	struct mp_bpf_kernel r = {.tid = task->pid,
	    .kind = MP_KERNEL_MIGRATION,
	    .cause = MP_KERNEL_NO_CAUSE,
	    .is_row = take_credit(c, MP_KERNEL_MIGRATION, ~0ULL),
	    .t_ns = now,
	    .dur_ns = ~0ULL,
	    .addr = to_cpu};
	emit_kernel(c, &r);
	return 0;
}

/* The program runs: whatever it seemed to hold a lock for is over. An attempt to take it may have failed
 * unseen. */
static __always_inline void forget_lock(struct thread_state *t)
{
	if (t->syscall_by_lock)
		t->in[IN_SYSCALL].since_ns = 0;
	t->syscall_by_lock = 0;
}

/* ---- Page faults ---- */

SEC("tp_btf/page_fault_user")
int BPF_PROG(page_fault_user, unsigned long address)
{
	struct mp_bpf_control *c = control_of_current();
	struct thread_state *t = c ? make_state_of_current(c) : 0;

	if (t) {
		forget_lock(t);
		t->fault_addr = address;
		t->fault_is_huge = 0;
		begin(t, IN_FAULT, bpf_ktime_get_ns());
	}
	return 0;
}

/* An order of pages that no fault takes but for a huge page, or a folio of several that is as dear. */
#define HUGE_ORDER 4

SEC("tp_btf/mm_page_alloc")
int BPF_PROG(mm_page_alloc, void *page, unsigned int order)
{
	if (order < HUGE_ORDER || !control_of_current())
		return 0;

	struct thread_state *t = state_of(bpf_get_current_task_btf());
	if (t && t->in[IN_FAULT].since_ns && !t->in[IN_IRQ].since_ns && !t->in[IN_SOFTIRQ].since_ns)
		t->fault_is_huge = 1;
	return 0;
}

/* The software event fires at the end of a fault: with the tracepoint above it gives the duration. Faults
 * that end in a signal have no end, those of the kernel no start: only the same address is the same fault. */
static __always_inline int fault(struct bpf_perf_event_data *ctx, u32 kind)
{
	struct mp_bpf_control *c = control_of_current();
	if (!c)
		return 0;

	u64 now = bpf_ktime_get_ns();
	struct thread_state *t = state_of_current(c);
	struct call *call = t ? call_of(t, bpf_get_current_task_btf()) : 0;
	struct mp_bpf_kernel r = {.tid = (u32)bpf_get_current_pid_tgid(),
	    .kind = kind,
	    .cause = MP_KERNEL_NO_CAUSE,
	    .t_ns = now,
	    .dur_ns = ~0ULL,
	    .addr = ctx->addr,
	    .ip = PT_REGS_IP(&ctx->regs)};
	if (t && call && t->in[IN_FAULT].since_ns && t->fault_addr == ctx->addr) {
		if (t->fault_is_huge && kind == MP_KERNEL_MINOR_FAULT)
			r.kind = MP_KERNEL_THP;
		r.cause = r.kind;
		r.t_ns = t->in[IN_FAULT].since_ns;
		r.dur_ns = now - r.t_ns;
		r.self_ns = end(t, IN_FAULT, now);
		t->sums.fault_ns += r.self_ns;
		add_cause(t, call, r.kind, r.self_ns, now);
	} else if (t) {
		t->in[IN_FAULT].since_ns = 0;
	}
	r.is_row = take_credit(c, r.kind, r.dur_ns);
	emit_kernel(c, &r);
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

/* ---- System calls ---- */

static __always_inline void end_syscall(
    const struct mp_bpf_control *c, struct thread_state *t, struct call *call)
{
	u64 now = bpf_ktime_get_ns();
	struct mp_bpf_kernel r = {.tid = (u32)bpf_get_current_pid_tgid(),
	    .kind = kind_of_syscall(t),
	    .t_ns = t->in[IN_SYSCALL].since_ns,
	    .what = t->syscall_nr};

	r.dur_ns = now - r.t_ns;
	r.self_ns = end(t, IN_SYSCALL, now);
	r.cause = r.kind;
	add_cause(t, call, r.kind, r.self_ns, now);
	if (was_in(call, now) && r.kind == MP_KERNEL_SYSCALL)
		add_syscall(&t->causes, t->syscall_nr, r.self_ns);
	r.is_row = take_credit(c, r.kind, r.dur_ns);
	emit_kernel(c, &r);
}

/* Each one, at a price that every process of the machine pays (--causes all). */
SEC("tp_btf/sys_enter")
int BPF_PROG(sys_enter, struct pt_regs *regs, long nr)
{
	struct mp_bpf_control *c = control_of_current();
	struct thread_state *t = c && !is_ours(nr) ? make_state_of_current(c) : 0;

	if (!t)
		return 0;
	note_syscall(t, nr, regs);
	t->syscall_by_lock = 0;
	t->in[IN_FAULT].since_ns = t->in[IN_MMAP_LOCK].since_ns = 0; /* of a fault that ended in a signal */
	begin(t, IN_SYSCALL, bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(sys_exit, struct pt_regs *regs, long ret)
{
	struct mp_bpf_control *c = control_of_current();
	struct thread_state *t = c ? state_of_current(c) : 0;
	struct call *call = t ? call_of(t, bpf_get_current_task_btf()) : 0;

	if (t && call && t->in[IN_SYSCALL].since_ns)
		end_syscall(c, t, call);
	return 0;
}

/*
 * Without these, what an allocator asks the kernel for is seen by the lock that mmap, munmap, brk, madvise,
 * mremap and mprotect hold while they work; and any other system call by its sleep, if it sleeps.
 */
SEC("tp_btf/mmap_lock_acquire_returned")
int BPF_PROG(mmap_lock_acquire_returned, struct mm_struct *mm)
{
	struct mp_bpf_control *c = control_of_current();
	if (!c)
		return 0;

	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *t = make_state_of_current(c);
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(task);
	long nr = syscall_of(task, regs);

	if (t)
		call_of(t, task); /* forgets a system call that had no end */
	if (!t || t->in[IN_SYSCALL].since_ns || nr < 0 || is_ours(nr) || task->mm != mm)
		return 0; /* or the lock of another process (process_vm_readv, /proc) */
	note_syscall(t, nr, regs);
	t->syscall_by_lock = 1;
	t->in[IN_FAULT].since_ns = 0;
	begin(t, IN_SYSCALL, bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/mmap_lock_released")
int BPF_PROG(mmap_lock_released, struct mm_struct *mm)
{
	struct mp_bpf_control *c = control_of_current();
	struct thread_state *t = c ? state_of_current(c) : 0;
	struct call *call = t ? call_of(t, bpf_get_current_task_btf()) : 0;

	if (t && call && t->syscall_by_lock && t->in[IN_SYSCALL].since_ns)
		end_syscall(c, t, call);
	return 0;
}

/* ---- The lock of the address space ---- */

static __always_inline bool is_own_mmap_lock(const void *lock)
{
	const struct mm_struct *mm = bpf_get_current_task_btf()->mm;

	return mm && (u64)lock == (u64)mm + bpf_core_field_offset(mm->mmap_lock);
}

SEC("tp_btf/contention_begin")
int BPF_PROG(contention_begin, void *lock)
{
	struct mp_bpf_control *c = control_of_current();
	if (!c)
		return 0;

	/* Other locks are those of the scheduler, too. */
	if (!is_own_mmap_lock(lock))
		return 0;
	struct thread_state *t = state_of_current(c);
	if (t)
		begin(t, IN_MMAP_LOCK, bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/contention_end")
int BPF_PROG(contention_end, void *lock)
{
	struct mp_bpf_control *c = control_of_current();
	if (!c)
		return 0;

	if (!is_own_mmap_lock(lock))
		return 0;
	struct thread_state *t = state_of_current(c);
	struct call *call = t ? call_of(t, bpf_get_current_task_btf()) : 0;
	if (!t || !call || !t->in[IN_MMAP_LOCK].since_ns)
		return 0;
	u64 now = bpf_ktime_get_ns();
	struct mp_bpf_kernel r = {.tid = (u32)bpf_get_current_pid_tgid(),
	    .kind = MP_KERNEL_MMAP_LOCK,
	    .cause = MP_KERNEL_MMAP_LOCK,
	    .t_ns = t->in[IN_MMAP_LOCK].since_ns};
	r.dur_ns = now - r.t_ns;
	r.self_ns = end(t, IN_MMAP_LOCK, now);
	add_cause(t, call, MP_KERNEL_MMAP_LOCK, r.self_ns, now);
	r.is_row = take_credit(c, MP_KERNEL_MMAP_LOCK, r.dur_ns);
	emit_kernel(c, &r);
	return 0;
}

/* ---- Interrupts ---- */

static __always_inline int interrupt_begin(u32 which)
{
	struct mp_bpf_control *c = control_of_current();
	struct thread_state *t = c ? state_of_current(c) : 0;

	if (t)
		begin(t, which, bpf_ktime_get_ns());
	return 0;
}

/* The longest of the call that is under way. */
static __always_inline void note_interrupt(
    struct thread_state *t, u32 kind, u32 what, const struct mp_bpf_kernel *r)
{
	if (kind == MP_KERNEL_IRQ && r->self_ns > t->causes.irq_ns) {
		t->causes.irq_ns = r->self_ns;
		t->causes.irq = what;
		t->causes.irq_cpu = r->cpu;
	}
	if (kind == MP_KERNEL_SOFTIRQ && r->self_ns > t->causes.softirq_ns) {
		t->causes.softirq_ns = r->self_ns;
		t->causes.softirq = what;
	}
}

static __always_inline int interrupt_end(u32 which, u32 kind, u32 what)
{
	struct mp_bpf_control *c = control_of_current();
	struct thread_state *t = c ? state_of_current(c) : 0;
	if (!t || !t->in[which].since_ns)
		return 0;

	struct task_struct *task = bpf_get_current_task_btf();
	struct call *call = call_of(t, task);
	u64 now = bpf_ktime_get_ns();
	struct mp_bpf_kernel r = {.tid = (u32)bpf_get_current_pid_tgid(),
	    .kind = kind,
	    .cause = kind,
	    .t_ns = t->in[which].since_ns,
	    .what = what,
	    .cpu = bpf_get_smp_processor_id()};
	r.dur_ns = now - r.t_ns;
	r.self_ns = end(t, which, now);
	if (is_in_trap(call, task)) {
		add_ours(call, r.self_ns);
		r.cause = MP_KERNEL_NO_CAUSE;
	} else if (was_in(call, now)) {
		add_cause(t, call, kind, r.self_ns, now);
		note_interrupt(t, kind, what, &r);
	}
	r.is_row = take_credit(c, kind, r.dur_ns);
	emit_kernel(c, &r);
	return 0;
}

SEC("tp_btf/irq_handler_entry")
int BPF_PROG(irq_handler_entry, int irq)
{
	return interrupt_begin(IN_IRQ);
}

SEC("tp_btf/irq_handler_exit")
int BPF_PROG(irq_handler_exit, int irq)
{
	return interrupt_end(IN_IRQ, MP_KERNEL_IRQ, irq);
}

SEC("tp_btf/softirq_entry")
int BPF_PROG(softirq_entry, unsigned int vector)
{
	return interrupt_begin(IN_SOFTIRQ);
}

SEC("tp_btf/softirq_exit")
int BPF_PROG(softirq_exit, unsigned int vector)
{
	return interrupt_end(IN_SOFTIRQ, MP_KERNEL_SOFTIRQ, vector);
}

/* x86 has tracepoints of its own for what is no device's. */
#define VECTOR(name, which)                                                                                  \
	SEC("tp_btf/" #name "_entry")                                                                        \
	int BPF_PROG(name##_entry, int vector)                                                               \
	{                                                                                                    \
		return interrupt_begin(IN_IRQ);                                                              \
	}                                                                                                    \
	SEC("tp_btf/" #name "_exit")                                                                         \
	int BPF_PROG(name##_exit, int vector)                                                                \
	{                                                                                                    \
		return interrupt_end(IN_IRQ, MP_KERNEL_IRQ, which);                                          \
	}

VECTOR(local_timer, MP_IRQ_LOCAL_TIMER)
VECTOR(reschedule, MP_IRQ_RESCHEDULE)
VECTOR(call_function, MP_IRQ_CALL_FUNCTION)
VECTOR(call_function_single, MP_IRQ_CALL_FUNCTION_SINGLE)
VECTOR(irq_work, MP_IRQ_WORK)

#endif
