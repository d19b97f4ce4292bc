/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
#ifndef MP_SAMPLER_UPROBE_BPF_STATE_H
#define MP_SAMPLER_UPROBE_BPF_STATE_H

/* The maps of the BPF programs, and what they keep of each thread. Part of uprobe.bpf.c. */
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <linux/ptrace.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "sampler/preload/mpsample.h"
#include "sampler/uprobe/shared.h"

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

/* The few members that are used, found in the running kernel's types at load (CO-RE). */
struct rw_semaphore {
	int dummy;
} __attribute__((preserve_access_index));

struct mm_struct {
	struct rw_semaphore mmap_lock;
} __attribute__((preserve_access_index));

struct sched_info {
	u64 last_arrival; /* when it got the CPU last, ns of the scheduler's clock */
} __attribute__((preserve_access_index));

struct task_struct {
	int pid;
	int tgid;
	struct mm_struct *mm;
	struct sched_info sched_info;
	char comm[MP_COMM_BYTES];
} __attribute__((preserve_access_index));

/* What a thread may be in the middle of, outermost first: they nest. */
enum interval { IN_SYSCALL, IN_FAULT, IN_MMAP_LOCK, IN_SOFTIRQ, IN_IRQ, OFF_CPU, INTERVALS };

/* How a thread left the CPU. */
enum off {
	OFF_RUNNABLE,
	OFF_ASLEEP,  /* in what it is in the middle of */
	OFF_SYSCALL, /* asleep in a system call that is seen by that only: syscall_nr */
	OFF_STOPPED,
};

#define MP_SPANS_DEEP 8
#define MP_POOLS_DEEP 4

/* A thread may have several stacks (signals, coroutines): what is open further away is on another one. */
#define SAME_STACK_BYTES 65536

/*
 * The call that a thread is in. Of every call this much is written and read, and a call of a helper is as
 * dear as all of that: so it stands in a table, where a thread finds it by an address (bpf/call.h). What the
 * usual call needs is in one cache line.
 */
struct call {
	u64 owner;    /* the thread that has the place, with CALL_IS_TAKEN, or that had it last */
	u64 entry_sp; /* stack pointer at the call's entry; 0: none is open */
	u64 entry_ip; /* the probed instruction */
	u64 start_ns;
	u64 size_bytes;
	u64 ptr;
	u64 ours_ns; /* of its duration, besides the floor: interrupts and time off the CPU in the traps of
			its probes, and those of the call within it; 0 where none is open */
	union {
		struct {
			u32 cookie; /* of its probe, with its operation */
			union {
				struct {
					u8 has_causes; /* they are in the thread's state */
					u8 has_ours;   /* ours_ns is not 0 */
					u8 is_off_cpu; /* as far as the programs were told */
					u8 has_inner;  /* a call of a slow function is open within it */
				};
				u32 is_special; /* any of these */
			};
		};
		u64 begin; /* a cookie, and nothing special */
	};

	/* The one within: only counted. */
	u64 inner_sp, inner_start_ns;
	u32 inner_op, inner_stepped;

	u32 random; /* of the place, whoever has it; 0: not yet seeded */
} __attribute__((aligned(128)));

_Static_assert(__builtin_offsetof(struct call, inner_sp) == 64, "one cache line");

struct thread_state {
	struct call call;        /* where its place in the table is taken */
	struct mp_causes causes; /* of the open call; all 0 where that has none, or none is open */

	/* What the kernel is doing to the thread. */
	struct {
		u64 since_ns; /* 0: not in it */
		u64 accounted_ns;
	} in[INTERVALS];
	u64 accounted_ns; /* of all intervals that have ended, nested ones once */
	u64 fault_addr;
	u32 fault_is_huge;
	u32 syscall_nr, syscall_op; /* its number; the operation of a futex call */
	u32 syscall_by_lock;        /* seen by the lock of the address space that it holds */
	u32 off_how;                /* enum off */
	u32 off_in_trap;            /* the CPU was lost on the way out of the entry's trap */
	u32 off_to_stopper;         /* to the kernel's thread that moves others */
	u64 woken_ns, moved_ns;     /* while off the CPU; 0: not */
	u64 arrived_ns;             /* when it got the CPU last; 0: not known */
	u64 last_arrival;           /* the same by the scheduler, as of when it left the CPU */
	char ran[MP_COMM_BYTES];    /* the first that ran instead */
	u32 ran_tid;

	struct mp_bpf_sums sums;

	/* Components that the thread says it is in. */
	u64 scopes_of;                  /* the memory, and so the program, that they are of */
	u32 scope;                      /* the innermost; 0: none */
	u32 scopes_open;                /* also those that are too deep */
	u32 scopes[MP_BPF_SCOPES_DEEP]; /* what `scope` was before each of them */

	/* Spans that are open, in no order. */
	struct open_span {
		u64 sp;       /* stack pointer at its entry */
		u64 start_ns; /* 0: none */
		u64 span;     /* which */
		struct mp_bpf_sums sums;
	} spans[MP_SPANS_DEEP];

	/* Likewise calls of functions of pools. */
	struct open_pool {
		u64 sp; /* stack pointer at its entry; 0: none */
		u64 start_ns;
		u32 function; /* which */
		struct pool_args {
			u64 arg[MP_FETCH_ARGS];
		} args;
		struct pool_values {
			u64 pool, ptr, bytes, capacity, object_bytes; /* ~0: not known */
		} values;                                             /* as they were at its entry */
	} pools[MP_POOLS_DEEP];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread_state);
} threads SEC(".maps");

/* Variables, which a program reaches without a look-up. Each has a map of its own, that the loader finds by
 * the name of the section. */
struct mp_bpf_control control SEC(MP_BPF_CONTROL);
struct mp_bpf_probes probes SEC(MP_BPF_PROBES);

/* More than threads have calls open at a time, so that two seldom meet in a place. While they do, every probe
 * asks for the state of its thread. */
#define CALL_PLACES 4096

struct call calls[CALL_PLACES];

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
	__uint(max_entries, MP_HIST_BLOCKS); /* times the shards and banks: set by the loader */
	__type(key, u32);
	__type(value, struct mp_hist);
} hists SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MP_MAX_SHARDS);
	__type(key, u32);
	__type(value, struct mp_bpf_hits);
} hits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct mp_bpf_slow);
} slow SEC(".maps");

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

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} tracked_calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MP_BPF_SCOPES);
	__type(key, struct mp_bpf_name);
	__type(value, u32);
} scope_names SEC(".maps");

u32 scope_numbers; /* given out */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MP_BPF_GAUGES);
	__type(key, struct mp_bpf_name);
	__type(value, u64);
} gauges SEC(".maps");

/* Where in the target a thread counts its calls itself. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32); /* tid */
	__type(value, struct mp_bpf_counter);
} counters SEC(".maps");

static __always_inline struct mp_bpf_control *get_control(void)
{
	return &control;
}

static __always_inline struct mp_bpf_stats *get_stats(void)
{
	u32 zero = 0;
	return bpf_map_lookup_elem(&stats, &zero);
}

static __always_inline struct thread_state *state_of(struct task_struct *task)
{
	return bpf_task_storage_get(&threads, task, 0, 0);
}

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

/* Programs of probes may sleep, and would wait for the memory of a new state. Under this lock they may not:
 * the target does not wait for us, rather a call is lost. */
static __always_inline struct thread_state *make_state_of(struct task_struct *task)
{
	struct thread_state *t = state_of(task);

	if (t)
		return t;
	bpf_rcu_read_lock();
	t = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	bpf_rcu_read_unlock();
	return t;
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

#endif
