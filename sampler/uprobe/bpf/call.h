/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
#ifndef MP_SAMPLER_UPROBE_BPF_CALL_H
#define MP_SAMPLER_UPROBE_BPF_CALL_H

/*
 * Which call a thread is in. Probes take a place in the table at an entry and give it back at the return;
 * what the kernel does meanwhile looks there whom it does it to. Part of uprobe.bpf.c.
 *
 * A place belongs to the thread that is in a call, so no two write to it. A thread whose place another one
 * has keeps its call in its own state; control.calls_elsewhere counts those. A thread that ends in the
 * middle of a call leaves its place taken, or its call counted, which costs others time. The next thread with
 * its stack finds an open call, as after a longjmp.
 */
#include "sampler/uprobe/bpf/state.h"

/*
 * A thread is known by where the kernel keeps the registers of its program: on its kernel stack, so that no
 * other living thread has the same. A probe is handed this address as its context, which saves the calls that
 * would ask for the thread. Of such a pointer the verifier lets a program make a number by the subtraction of
 * another one only, and only a program that was loaded with CAP_PERFMON, without which no probe goes in. On
 * arm64 the context is the beginning of the registers (struct user_pt_regs), and has the same address.
 */
static __always_inline u64 owner_of(const void *regs)
{
	u64 owner = (u64)regs;

	asm volatile("%0 -= %1" : "+r"(owner) : "r"(calls));
	return owner;
}

/* Of call.owner, an address whose lowest bit is 0. */
#define CALL_IS_TAKEN 1

static __always_inline bool is_taken_by(const struct call *call, u64 owner)
{
	return call->owner == (owner | CALL_IS_TAKEN);
}

/* A kernel stack has at least so many bytes, and begins at a multiple of them. */
#define KERNEL_STACK_SHIFT 14

static __always_inline struct call *place_of(u64 owner)
{
	return &calls[owner >> KERNEL_STACK_SHIFT & (CALL_PLACES - 1)];
}

static __noinline struct call *find_elsewhere(void)
{
	struct thread_state *t = state_of(bpf_get_current_task_btf());

	return t && t->call.entry_sp ? &t->call : 0;
}

static __always_inline struct call *call_elsewhere(void)
{
	return control.calls_elsewhere ? find_elsewhere() : 0;
}

/* The thread's place is another one's. */
static __noinline struct call *take_elsewhere(void)
{
	struct thread_state *t = make_state_of(bpf_get_current_task_btf());

	if (!t)
		return 0;
	__sync_fetch_and_add(&control.calls_elsewhere, 1);
	return &t->call;
}

/* At an entry, where the place is nobody's. */
static __always_inline bool take_place(struct call *call, u64 owner)
{
	u64 had_it = call->owner;

	return !(had_it & CALL_IS_TAKEN) &&
	       __sync_val_compare_and_swap(&call->owner, had_it, owner | CALL_IS_TAKEN) == had_it;
}

/* At an entry. A call that is open there already is one that this is inside of, or that was left. NULL: no
 * memory. */
static __always_inline struct call *take_call(const struct pt_regs *ctx)
{
	u64 owner = owner_of(ctx);
	struct call *call = call_elsewhere();
	if (call)
		return call;

	call = place_of(owner);
	return is_taken_by(call, owner) || take_place(call, owner) ? call : take_elsewhere();
}

/* At a return. NULL: none is open. */
static __always_inline struct call *find_call(const struct pt_regs *ctx)
{
	u64 owner = owner_of(ctx);
	struct call *call = place_of(owner);

	return is_taken_by(call, owner) ? call : call_elsewhere();
}

/* Time of the open call that is not its own. */
static __always_inline void add_ours(struct call *call, u64 ns)
{
	call->ours_ns += ns;
	call->has_ours = 1;
}

/* The next owner must not see its own place written to: x86 keeps the order of stores, others need to be told
 * so. */
static __always_inline void give_back(struct call *call)
{
	if (!call->owner) {
		__sync_fetch_and_add(&control.calls_elsewhere, -1);
		return;
	}
#ifdef __TARGET_ARCH_x86
	barrier();
	call->owner &= ~(u64)CALL_IS_TAKEN;
#else
	__sync_lock_test_and_set(&call->owner, call->owner & ~(u64)CALL_IS_TAKEN);
#endif
}

/* The program ran when its last call began: whatever it seemed to be in before that is over. What ended in a
 * signal had no end. */
static __always_inline void forget_before(struct thread_state *t, u64 start_ns)
{
	if (t->in[IN_SYSCALL].since_ns < start_ns)
		t->in[IN_SYSCALL].since_ns = t->syscall_by_lock = 0;
	if (t->in[IN_FAULT].since_ns < start_ns)
		t->in[IN_FAULT].since_ns = 0;
	if (t->in[IN_MMAP_LOCK].since_ns < start_ns)
		t->in[IN_MMAP_LOCK].since_ns = 0;
}

/*
 * For what the kernel does to a thread. Never NULL, but maybe none that is open: was_in(). What the thread
 * was in before its last call began is forgotten on the way, so `t->in` is to be looked at afterwards.
 *
 * The last call may be over, and its place another thread's. That one says so before it says when it began
 * (enter()), and here they are read in the opposite order: the start belongs to whom `owner` names, or is
 * earlier.
 */
static __always_inline struct call *call_of(struct thread_state *t, struct task_struct *task)
{
	u64 owner = owner_of((const void *)bpf_task_pt_regs(task));
	struct call *call = place_of(owner);
	u64 start_ns = call->start_ns;
	barrier();
	u64 had_it = call->owner;
	bool is_last = (had_it & ~(u64)CALL_IS_TAKEN) == owner;

	if (had_it != (owner | CALL_IS_TAKEN))
		call = &t->call;
	if (is_last || call->entry_sp)
		forget_before(t, is_last ? start_ns : call->start_ns);
	return call;
}

static __always_inline bool was_in(const struct call *call, u64 at_ns)
{
	return call->entry_sp && at_ns > call->start_ns;
}

#endif
