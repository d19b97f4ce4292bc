/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
#ifndef MP_SAMPLER_UPROBE_SHARED_H
#define MP_SAMPLER_UPROBE_SHARED_H

/*
 * What the BPF programs (uprobe.bpf.c) and their loader (backend_bpf.c) share: the layout of the maps and of
 * the ring buffer records. Fixed-width integers are spelled out because BPF programs include no libc header.
 */
#include "sampler/functions/fetch.h"
#include "store/histogram.h"
#include "store/op.h"

#define MP_MAX_FRAMES 64

/* Bytes of the stack that a row carries, from the stack pointer upwards: the most; when the ring is half
 * full; when little is left; and of rows that are kept because all are (--full). Powers of two. */
#define MP_STACK_BYTES       8192
#define MP_STACK_BYTES_TIGHT 2048
#define MP_STACK_BYTES_LEAST 512
#define MP_STACK_BYTES_FULL  1024

enum mp_stack_mode {
	MP_STACK_OFF,
	MP_STACK_FRAME_POINTERS, /* addresses, as the kernel finds them by frame pointers */
	MP_STACK_COPY,           /* registers and stack, to be unwound by the recorder */
};

/* The registers that a function keeps for its caller: x86-64 rbp rbx r12-r15; arm64 x29 x19-x28. */
#define MP_SAVED_REGS 11

/* The extra operation that measures the plane's own floor on a function of the recorder. */
#define MP_OP_CALIBRATE MP_OP_COUNT

/* In struct mp_probe and the session's table of probes: no operation, but a marker, or a function that is a
 * span, or of a pool, or a point that tells of garbage collections. */
#define MP_OP_MARKER 255
#define MP_OP_SPAN   254
#define MP_OP_POOL   253
#define MP_OP_GC     252

/* Histogram blocks of one shard: (operation, size class); a slow path each, whose calls do not always know
 * their size; and one for the calibration. */
#define MP_HIST_DIRECT_BLOCKS (MP_OP_COUNT * MP_SIZE_CLASSES)
#define MP_HIST_BLOCKS        (MP_HIST_DIRECT_BLOCKS + MP_OP_COUNT + 1)

/*
 * Probes come and go by group.
 *
 *   always   in for the whole recording
 *   window   functions of the family, in for a while and out for a while
 *   slow     what is only called when the thread's cache cannot serve a call (sampler/slow_path.h)
 *   profile  functions of pools that built-in profiles know: in until they cost too much
 *   gc       where runtimes give out memory, which is summed up: likewise
 */
enum mp_probe_group {
	MP_PROBES_ALWAYS,
	MP_PROBES_WINDOW,
	MP_PROBES_SLOW,
	MP_PROBES_PROFILE,
	MP_PROBES_GC,
	MP_PROBE_GROUPS
};

/*
 * A probe's cookie (mp_probe_cookie()). Bits 0-7: the operation, of a slow function that which comes by a
 * jump (MP_COOKIE_NO_OP: none does). 8-15 and 16-23: masks of MP_ARG, the arguments that make the size and
 * the block handed in. 24: the kernel single-steps the instruction. 25-26: the group. 27: a call with NULL is
 * none (mp_op_ignores_null()). 28: what is returned is the block. 32-47: of a slow function, which it is.
 * Markers, spans and pools have programs of their own, and their kind or number as cookies.
 */
#define MP_COOKIE_NO_OP         255
#define MP_COOKIE_IGNORES_NULL  (1ULL << 27)
#define MP_COOKIE_RETURNS_BLOCK (1ULL << 28)

/*
 * The cookies again, by the lowest bits of the probed address, which are those of the offset in the file: to
 * ask the kernel for a cookie takes longer. MP_COOKIE_IS_HERE is set; 0: no probe is there; MP_COOKIE_ASK:
 * more than one, with different ones.
 */
#define MP_PROBE_PLACES   4096 /* the smallest page there is */
#define MP_COOKIE_IS_HERE (1ULL << 63)
#define MP_COOKIE_ASK     (~0ULL)

#define MP_SMALL_BYTES 1024

struct mp_bpf_probes {
	unsigned long long cookies[MP_PROBE_PLACES];
	unsigned char size_class[MP_SMALL_BYTES / 16 + 1]; /* of so many times 16 bytes: mp_size_class() */
};

/* Hits of probes whose return was not wanted, by group and whether they are stepped. Of one shard: a cache
 * line, for each CPU writes its own. */
#define MP_SKIPPING_GROUPS (MP_PROBES_SLOW + 1)

struct mp_bpf_hits {
	unsigned long long skipped[MP_SKIPPING_GROUPS][2];
	unsigned long long pad[2];
};

_Static_assert(sizeof(struct mp_bpf_hits) == 64, "a cache line");

/* Which operation a slow function was called for: that into whose code it returns. Addresses in the target.
 * `hits`: by slow function. */
#define MP_BPF_POOL_FUNCTIONS 256
#define MP_BPF_GC_POINTS      64
#define MP_BPF_GC_RUNTIMES    4
#define MP_BPF_SLOW_CALLERS   128
#define MP_BPF_SLOW_FUNCTIONS 256

struct mp_bpf_slow {
	unsigned int n_callers, pad;
	struct mp_bpf_slow_caller {
		unsigned long long lo, hi; /* hi: exclusive */
		unsigned int op, pad;
	} callers[MP_BPF_SLOW_CALLERS];
	unsigned long long hits[MP_BPF_SLOW_FUNCTIONS];
};

/* How many rows a burst makes at each limit (struct mp_keep) before the limit is doubled. */
#define MP_SAMPLES_TO_DOUBLE  64
#define MP_OUTLIERS_TO_DOUBLE 512

/* CPUs share a shard only beyond this many: a shard is 2.7 MB in each bank. */
#define MP_MAX_SHARDS 16

static inline unsigned int mp_hist_block(unsigned int op, unsigned int size_class)
{
	if (op == MP_OP_CALIBRATE)
		return MP_HIST_BLOCKS - 1;
	if (mp_op_is_slow(op))
		return MP_HIST_DIRECT_BLOCKS + op - MP_OP_SLOW;
	return op * MP_SIZE_CLASSES + size_class;
}

/* The way back, but for the calibration's. */
static inline unsigned int mp_hist_block_op(unsigned int block)
{
	return block < MP_HIST_DIRECT_BLOCKS ? block / MP_SIZE_CLASSES
					     : block - MP_HIST_DIRECT_BLOCKS + MP_OP_SLOW;
}

static inline unsigned int mp_hist_block_class(unsigned int block)
{
	return block < MP_HIST_DIRECT_BLOCKS ? block % MP_SIZE_CLASSES : 0;
}

/* Sections, and by that maps, with one variable each. */
#define MP_BPF_CONTROL ".data.control"
#define MP_BPF_PROBES  ".data.probes"

/* What the kernel does to a thread, and so to a call that is under way in it. Each is the time by itself:
 * what interrupts it counts as what that is. Counters, rows and causes have the names of sampler/context.h.
 */
enum mp_kernel_kind {
	MP_KERNEL_MINOR_FAULT,
	MP_KERNEL_MAJOR_FAULT,
	MP_KERNEL_THP,     /* a page fault that was given a huge page */
	MP_KERNEL_SYSCALL, /* running or asleep */
	MP_KERNEL_LOCK,    /* a futex wait */
	MP_KERNEL_OFF_CPU, /* runnable, and another thread ran instead */
	MP_KERNEL_STOPPED,
	MP_KERNEL_MIGRATION,
	MP_KERNEL_IRQ,
	MP_KERNEL_SOFTIRQ,
	MP_KERNEL_MMAP_LOCK,
	MP_KERNEL_KINDS
};

#define MP_COMM_BYTES 16 /* the kernel's TASK_COMM_LEN */

/* Interrupts that are no line of a device: x86's vectors, by their tracepoints. */
enum mp_irq {
	MP_IRQ_LOCAL_TIMER = 1 << 16, /* below: the number of a line */
	MP_IRQ_RESCHEDULE,
	MP_IRQ_CALL_FUNCTION,
	MP_IRQ_CALL_FUNCTION_SINGLE,
	MP_IRQ_WORK,
};

/* What happened while a call was under way. All 0: nothing did. */
#define MP_CAUSE_SYSCALLS 4 /* different ones that are told apart */

struct mp_causes {
	unsigned long long ns[MP_KERNEL_KINDS];
	unsigned int n[MP_KERNEL_KINDS];
	unsigned int ran_tid; /* the thread that ran longest instead */
	struct mp_cause_syscall {
		unsigned int nr, n; /* n 0: unused */
		unsigned long long ns;
	} syscall[MP_CAUSE_SYSCALLS]; /* of ns[MP_KERNEL_SYSCALL]; the rest is of others */
	unsigned long long ran_ns;
	char ran[MP_COMM_BYTES];
	unsigned long long irq_ns, softirq_ns; /* the longest of each */
	unsigned int irq, irq_cpu;             /* a line, or enum mp_irq */
	unsigned int softirq;                  /* a vector of linux/interrupt.h */
};

/*
 * Written by the recorder, read by the programs; these write only the two limits of what is kept,
 * `sample_weight` and `keep_over_ns`: a burst that comes between two looks of the recorder doubles them, so
 * that it ends in some hundred rows and not in a full ring. Each row carries its own weight, so estimates
 * stay unbiased.
 */
struct mp_bpf_control {
	/* What every call needs: one cache line, and of the thresholds another one. */
	union {
		struct {
			unsigned int enabled;
			unsigned int calls_elsewhere; /* written by the programs: bpf/call.h */
		};
		unsigned long long state; /* both */
	};
	unsigned int window_open; /* calls of the window group begin to be counted */
	unsigned int slow_open;   /* likewise of slow functions */
	unsigned long long split; /* of the histograms: mp_hist_split(), by start */
	unsigned int shard_mask;
	unsigned int stack;             /* enum mp_stack_mode: of kept rows */
	unsigned long long floor_ns[2]; /* of emulated and of stepped probes */
	unsigned int wants_sums;        /* somebody asks what a thread has spent in calls: markers, spans */
	unsigned int full;
	unsigned int track;         /* calls that are not kept are told by a short record */
	unsigned int sample_weight; /* a call is sampled with probability 1/weight; 0: none */
	unsigned long long keep_over_ns[MP_OP_ROWS];

	unsigned long long calls_since_ns; /* every call since then has been counted; ~0: not every call is */
	unsigned long long
	    cost_ns[2];            /* as floor_ns: what a call that is probed inside another adds to that */
	unsigned int tgid;         /* whose kernel events are kept */
	unsigned int hand_over_ns; /* every interval of so long by itself is handed on, to be joined with
				      calls; 0: none */
	unsigned int counts_calls; /* probes do; else the target itself may, then `has_counters` */
	unsigned int has_counters;
	unsigned int has_scopes;  /* there are markers of components */
	unsigned int sees_faults; /* page faults have a beginning, by which a thread is known to be in one */
	unsigned int
	    double_every; /* so many samples since the recorder's last look double sample_weight; 0: never */
	unsigned int outlier_double_every; /* likewise for outliers and keep_over_ns */
	unsigned int kernel_long_ns; /* kernel events of this duration and more have a credit of their own */
	unsigned int call_ring_bytes;
	unsigned int kernel_ring_bytes;
	unsigned int marker_ring_bytes;
	unsigned int tracked_ring_bytes;
	unsigned int pool_ring_bytes;
	unsigned int gc_ring_bytes;
};

/* Of `state`. */
#define MP_BPF_ON_AND_NONE_ELSEWHERE 1ULL

_Static_assert(__builtin_offsetof(struct mp_bpf_control, keep_over_ns) == 64, "a cache line");

/* Written by the programs with atomic adds, read by the recorder. Only the credits go down. */
struct mp_bpf_stats {
	unsigned long long rows_lost; /* kept calls for which the ring had no room */
	unsigned long long
	    calls_lost;              /* calls that could not be followed: no memory for the thread's state */
	unsigned long long unpaired; /* entries whose return never came (longjmp, exception) */
	unsigned long long spans_ended;      /* by functions or markers: how fast the target works */
	unsigned long long nested;           /* probed functions that another probed one called */
	unsigned long long samples;          /* since the recorder's last look, which sets it to 0 */
	unsigned long long outliers;         /* likewise */
	unsigned long long kernel_rows_lost; /* kernel events for which the ring had no room */
	unsigned long long tracked_lost;     /* calls that are told by a short record: likewise */
	unsigned long long kernel_thinned;   /* kernel events counted but not kept: over the row budget */
	unsigned long long pools_left; /* calls of pool functions that began and did not end, or were too
					  many inside one another */
	unsigned long long pool_calls[MP_BPF_POOL_FUNCTIONS]; /* hits, by function */
	unsigned long long
	    pool_chain_ns[MP_BPF_POOL_FUNCTIONS]; /* likewise: what it took to read chains of objects */
	unsigned long long pool_chains_cut;       /* chains that were not read to their end */
	unsigned long long gc_lost;               /* what told of collections and found no room in the ring */
	unsigned long long gc_classes_lost; /* memory that was given out, too many classes for this one */
	unsigned long long gc_hits[MP_BPF_GC_POINTS];
	unsigned long long gc_allocated[MP_BPF_GC_RUNTIMES]; /* bytes */
	unsigned long long gauge_sets, gauges_lost;          /* told; with a name that found no room */
	unsigned long long scope_ends;                       /* ends of components that had not begun */
	unsigned long long scopes_deep,
	    scopes_lost; /* inside too many others; with a name that found no room */
	unsigned long long marker_hits;
	unsigned long long markers_lost; /* markers and spans for which the ring had no room */
	unsigned long long
	    spans_left; /* spans that began and did not end: left by a longjmp or an exception */
	unsigned long long spans_deep; /* spans that were not followed: too many inside one another */
	unsigned long long kernel_events[MP_KERNEL_KINDS];
	long long kernel_credit; /* how many more kernel events may be kept; refilled by the recorder */
	long long kernel_long_credit;
};

/* Behind it: with MP_STACK_FRAME_POINTERS `nframes` addresses, with MP_STACK_COPY `stack_bytes` bytes from
 * `sp` on. */
struct mp_bpf_call {
	unsigned int tid;
	unsigned char op, kept;
	unsigned short nframes;
	unsigned int weight;
	unsigned short stack_bytes;
	unsigned char stack; /* enum mp_stack_mode: what was asked for */
	unsigned char has_causes;
	unsigned int scope; /* the component that the thread said it was in: its number; 0: none */
	unsigned int pad;
	unsigned long long t_ns; /* CLOCK_MONOTONIC at the call's start */
	unsigned long long dur_ns;
	unsigned long long end_ns; /* when the return was seen: dur_ns has the floor subtracted */
	unsigned long long size_bytes;
	unsigned long long addr;
	unsigned long long handed_in; /* the block that was handed in, or 0 */
	unsigned long long ip, sp;    /* after the return */
	unsigned long long saved[MP_SAVED_REGS];
	struct mp_causes causes;
};

/* A call that is no row, for those who follow each block. */
struct mp_bpf_tracked {
	unsigned int tid;
	unsigned short op, scope;
	unsigned long long t_ns, end_ns;
	unsigned long long size_bytes, addr, handed_in;
	unsigned long long ip; /* the return address */
};

/* Something that the kernel did to a thread. As a row it is what it looks like from outside: a thread was off
 * the CPU, for whatever reason. As a cause it is a part of that. */
#define MP_KERNEL_NO_CAUSE 255

struct mp_bpf_kernel {
	unsigned int tid;
	unsigned char kind;  /* enum mp_kernel_kind, of the row */
	unsigned char cause; /* of the part of it that is a cause, or MP_KERNEL_NO_CAUSE */
	unsigned char is_row;
	unsigned char pad;
	unsigned long long t_ns;
	unsigned long long dur_ns;  /* ~0: not known */
	unsigned long long self_ns; /* of the cause */
	unsigned long long addr;
	unsigned long long ip;
	unsigned int what; /* the system call, the interrupt, the thread that ran instead */
	unsigned int cpu;
	char ran[MP_COMM_BYTES];
};

/* What a thread has spent since it was first seen. alloc_*: ~0 when not known. */
struct mp_bpf_sums {
	unsigned long long alloc_ns, alloc_calls, fault_ns, off_cpu_ns;
	unsigned long long
	    calls_since_ns; /* as struct mp_bpf_control: of two sums with different ones calls are missing */
};

/* Addresses in the target. */
struct mp_bpf_counter {
	unsigned long long calls, calls_ns;
};

/* A marker passed that is none of a pool. Its name is empty when it could not be read. */
#define MP_MARKER_NAME_BYTES 48

struct mp_bpf_marker {
	unsigned int tid;
	unsigned int kind; /* enum mpsample_kind */
	unsigned long long t_ns;
	unsigned long long a;    /* as enum mpsample_kind tells */
	struct mp_bpf_sums sums; /* with those of spans */
	char name[MP_MARKER_NAME_BYTES];
};

/*
 * Components that threads say they are in, and what gauges were last told, by name: neither makes a record.
 * Components are numbered from 1 on as their names come, below MP_BPF_SCOPE_NUMBERS.
 */
#define MP_BPF_SCOPES        255
#define MP_BPF_SCOPE_NUMBERS 1024
#define MP_BPF_SCOPES_DEEP   16
#define MP_BPF_GAUGES        64

struct mp_bpf_name {
	char text[MP_MARKER_NAME_BYTES]; /* zeros behind the text */
};

/*
 * What happened to a pool, by a marker or a function. Behind it, as `with` says: a name of
 * MP_MARKER_NAME_BYTES, or a struct mp_bpf_pool_stack, with what struct mp_bpf_call has behind it, or of
 * objects that are put back with one before them the addresses: of `ptr`, up to MP_BPF_POOL_CHAINED.
 */
#define MP_BPF_POOL_NAME  1
#define MP_BPF_POOL_STACK 2
#define MP_BPF_POOL_CHAIN 3

#define MP_BPF_POOL_CHAINED 16

struct mp_bpf_pool {
	unsigned int tid;
	unsigned char kind, with;  /* enum mpsample_kind */
	unsigned short function;   /* which of the set's; MP_BPF_POOL_MARKER: none */
	unsigned long long t_ns;   /* when it was done */
	unsigned long long dur_ns; /* ~0: not told, as with the last two */
	unsigned long long pool;   /* ~0: the function does not say which */
	unsigned long long ptr;    /* the object, or of a function that counts, how many */
	unsigned long long bytes;
	unsigned long long ip; /* the return address; of a marker, behind its first byte */
	unsigned long long capacity, object_bytes;
};

#define MP_BPF_POOL_MARKER 0xffff

struct mp_bpf_pool_stack {
	unsigned long long sp;
	unsigned long long saved[MP_SAVED_REGS];
	unsigned short nframes, stack_bytes;
	unsigned int mode; /* enum mp_stack_mode */
};

/* Places whose stack was copied: at the hash of the address, or one of the next few. What finds no room there
 * has no stack of its own. */
#define MP_BPF_POOL_PLACES 4096
#define MP_BPF_POOL_TRIES  8

struct mp_bpf_pool_places {
	unsigned long long ip[MP_BPF_POOL_PLACES + MP_BPF_POOL_TRIES];
};

/* A function of a pool, by its number. */
struct mp_bpf_pool_function {
	unsigned char kind;
	unsigned char wants_return;
	unsigned char is_stepped;
	unsigned char is_usdt;
	unsigned char ignores_null; /* a get that gives 0 is none */
	unsigned char counts;       /* `ptr` is how many objects */
	unsigned char failure;      /* enum mp_function_failure */
	struct mp_fetch pool, ptr, bytes, capacity, object_bytes, text, next;
};

/* Gets and puts that found no room in the ring, by pool: so that how full it is stays right. */
struct mp_bpf_pool_key {
	unsigned long long pool;
	unsigned int function; /* MP_BPF_POOL_MARKER: a marker's */
	unsigned int pad;
};

struct mp_bpf_pool_missed {
	unsigned long long gets, puts;
};

/*
 * What a point of a garbage collector tells (sampler/gc/points.h). The text of what is read need not end with
 * a zero.
 */
#define MP_BPF_GC_VALUES     7
#define MP_BPF_GC_TEXT_BYTES 48

struct mp_bpf_gc {
	unsigned int tid;
	unsigned int point;
	unsigned long long t_ns;
	unsigned long long allocated;                /* by the runtime, since the recording began */
	unsigned long long values[MP_BPF_GC_VALUES]; /* ~0: not told */
	char text[MP_BPF_GC_TEXT_BYTES];
};

/* A point, by its number. */
struct mp_bpf_gc_point {
	unsigned char counts; /* only the bytes are added up */
	unsigned char runtime;
	unsigned char begins; /* what is measured: without the time that telling it takes */
	unsigned char pad[5];
	struct mp_fetch values[MP_BPF_GC_VALUES], bytes, text, text_bytes;
	struct mp_fetch klass, object; /* of what memory is given out for */
};

/* What memory was given out for since the recorder's last look. Of an object that has memory of its own
 * `object_bytes` is the power of two that it has at least; 0: of any. */
#define MP_BPF_GC_CLASSES 4096

struct mp_bpf_gc_class {
	unsigned long long klass, object_bytes;
	unsigned long long runtime;
};

struct mp_bpf_gc_given {
	unsigned long long events, bytes;
};

/* A call of a function that is a span. In the ring of the markers, with this as its kind. */
#define MP_BPF_SPAN 255

struct mp_bpf_span {
	unsigned int tid;
	unsigned int kind;
	unsigned long long t_ns, dur_ns;
	struct mp_bpf_sums spent; /* in it */
	unsigned int span;        /* which: what the loader's cookie said */
	unsigned int pad;
};

#endif
