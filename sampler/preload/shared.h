/* SPDX-License-Identifier: MIT */
#ifndef MP_PRELOAD_SHARED_H
#define MP_PRELOAD_SHARED_H

/*
 * The memory that libmpsample.so shares with the recorder: one memfd a process, made at its first call
 * of an interposed function, which the recorder maps through /proc/PID. Its layout is the whole of their
 * agreement.
 *
 *   header   what the recorder sets (modes, limits), the owner of each slot, the names of markers
 *   slots    one a thread: a histogram of every call, a ring of records, copies of stacks
 *
 * A slot has one writer at a time, the thread that owns it, and one reader, the recorder. What several
 * threads write to (`owner`, names, gauges, the counters of threads without a slot, the set of followed
 * blocks) no usual call writes to.
 *
 * To the recorder, which may be root, all of it is hostile: it checks magic, version and sizes against its
 * own, and takes no index, length or position from here without a bound (sampler/preload_plane/plane.c).
 */
#include <stdint.h>

#include "store/histogram.h"
#include "store/op.h"

#define MP_REGION_NAME    "mpsample" /* of the memfd: "/memfd:mpsample" in /proc/PID/maps */
#define MP_REGION_MAGIC   0x314c50656c706d73ULL
#define MP_REGION_VERSION 6

#define MP_LINE_BYTES 64
#define MP_ALIGNED    __attribute__((aligned(MP_LINE_BYTES)))

/* Threads at a time. A slot takes no memory until it is claimed. */
#define MP_REGION_SLOTS 512

/* ---- The mode, in one word that each call reads ---- */

enum mp_mode {
	MP_MODE_DORMANT, /* calls go through */
	MP_MODE_ACTIVE,  /* every call is counted; outliers and samples are kept */
	MP_MODE_FULL,    /* every call is kept */
	MP_MODE_TRACK,   /* every call is kept, and tells its caller and the block that it was given */
};

#define MP_WORD_MODE      3u /* enum mp_mode */
#define MP_WORD_MONOTONIC 4u /* stamps are CLOCK_MONOTONIC ns, not CPU ticks: no usable counter here */
#define MP_WORD_CHANGE    8u /* added by the recorder at each change of what it set: threads then look again */
#define MP_WORD_NONE      ~0u /* of a slot that has no settings yet: unlike any that there is */

/* ---- Records ---- */

/*
 * 32 bytes in the thread's ring: a call, what belongs to the call behind it, a marker, or the beginning of
 * another owner of the slot. What is said here of each member is so of a call; by `kind` it is otherwise.
 *
 * A marker: `addr` and `size` are its first two arguments; bits 0-15 of `what` the name's index; where it has
 * none, 0-40 and 49-63 are the address of its place in the program (mp_place_pack).
 *
 * A followed block that is born: `t` is when its call returned; bits 0-40 the period that it was drawn with,
 * 49-63 the operation. One that is released: `t` is when that call began, 49-63 are 1 where it is a realloc.
 */
struct mp_record {
	uint64_t t;    /* ticks at the start */
	uint64_t addr; /* the block returned, or handed in; of MP_KIND_CALLER the return address, of
			* MP_KIND_THREAD the tid */
	uint64_t size; /* bytes asked for; of MP_KIND_CALLER the block that realloc was given */
	/* Bits 0-40 the duration in ns, 41-45 the kind, 46-47 enum mp_kept, 48 a copy of the stack is in
	 * `stacks`, 49-63 the weight (mp_weight_pack). */
	uint64_t what;
};

/* Kinds: enum mp_op, then markers (MPSAMPLE_KIND_* of mpsample.h added), then these. */
#define MP_KIND_SCOPE  15 /* `addr`: which component the thread is in from here on (mp_slot.scope) */
#define MP_KIND_MARKER 16
#define MP_KIND_BORN   27 /* a followed block */
#define MP_KIND_DIED   28
#define MP_KIND_CALLER 29 /* of the call behind it */
#define MP_KIND_THREAD 30
#define MP_KIND_MORE   31 /* third argument of the marker before it, in `addr` */
#define MP_SPAN_NS_BITS                                                                                      \
	40 /* `size` of a span's markers: the slot's calls above so many bits of its calls_ns */
#define MP_KIND_SHIFT   41
#define MP_KIND_MASK    31u
#define MP_KEPT_SHIFT   46
#define MP_STACK_SHIFT  48
#define MP_WEIGHT_SHIFT 49
#define MP_WHAT_NS      ((1ULL << MP_KIND_SHIFT) - 1)

/* A weight is a mantissa of 10 bits and a shift of 5: what has more digits is never drawn with. */
#define MP_WEIGHT_MANTISSA 1023u

static inline uint32_t mp_weight_round(uint32_t weight)
{
	uint32_t shift = weight > MP_WEIGHT_MANTISSA ? mp_hist_log2(weight) - 9 : 0;
	return weight >> shift << shift;
}

static inline uint64_t mp_weight_pack(uint32_t weight)
{
	uint64_t shift = weight > MP_WEIGHT_MANTISSA ? mp_hist_log2(weight) - 9 : 0;
	return shift << 10 | weight >> shift;
}

static inline uint32_t mp_weight_unpack(uint64_t packed)
{
	return (uint32_t)((packed & MP_WEIGHT_MANTISSA) << (packed >> 10 & 31));
}

static inline uint64_t mp_place_pack(uint64_t ip)
{
	return (ip & MP_WHAT_NS) | ip >> MP_KIND_SHIFT << MP_WEIGHT_SHIFT;
}

static inline uint64_t mp_place_unpack(uint64_t what)
{
	return (what & MP_WHAT_NS) | what >> MP_WEIGHT_SHIFT << MP_KIND_SHIFT;
}

/*
 * The copy of a stack for the record that says it has one, in order, one after the other in the ring of bytes
 * `stacks`. Positions are multiples of 8; where the rest of the ring is too short for the next one's header
 * and bytes, that one begins at offset 0. Registers are those of the place that copies; `frame` is the frame
 * address of the interposed function: at frame[0] its caller's frame pointer, at frame[1] its return address
 * (x86-64 and arm64). `sp` is the address of the first byte copied.
 */
struct mp_stack_copy {
	uint64_t position; /* of itself: a reader that finds another is out of step */
	uint64_t ip, sp, frame;
	uint64_t callee_saved[12]; /* x86-64: rbp rbx r12-r15; arm64: x29 x19-x28 */
	uint64_t record; /* position of its record in the ring: a reader that begins in the midst finds
			  * out by it whose copy this is */
	uint64_t bytes;  /* that follow */
};

#define MP_STACK_COPY_MAX   8192
#define MP_STACKS_BYTES     131072
#define MP_RING_RECORDS     4096 /* unless the environment says otherwise: MPSAMPLE_RING */
#define MP_RING_RECORDS_MAX (1u << 18)

/* ---- Components ---- */

/* So many scopes of components inside one another are known. A thread keeps them itself, and tells which it
 * is in only where a call is told: however often they change, the ring holds no more. */
#define MP_SCOPES_DEEP 16

_Static_assert(MP_OP_COUNT <= MP_KIND_SCOPE, "kinds");

/* ---- Pools ---- */

/* The first time that a thread passes a marker of a pool since the settings changed, it copies its stack.
 * Which it has passed is in `pool_places`: at the hash of the address, or one of the next few. What finds no
 * room there has no stack of its own. */
#define MP_POOL_PLACES 256
#define MP_POOL_TRIES  8

static inline unsigned int mp_pool_place(uint64_t ip)
{
	return (unsigned int)(ip * 0x9e3779b97f4a7c15ULL >> 56);
}

/* Gets and puts that found the ring full, by pool: so that how full it is stays right. Those of more pools go
 * to the last one, whose `pool` is 0. */
#define MP_POOLS_LOST 64

struct mp_pool_missed {
	uint64_t pool, gets, puts;
};

/* ---- The histogram ---- */

/*
 * The buckets of store/histogram.h, 64 to a line; a line is given to an (operation, size class, line number)
 * when it is first hit, for most are never. When none is left, the call is counted in the coarse line of its
 * operation and size class, by line number: none is uncounted, but its bucket is then a power of two wide.
 */
#define MP_HIST_LINE       64
#define MP_HIST_LINE_COUNT (MP_HIST_BUCKETS / MP_HIST_LINE)
#define MP_BANK_BLOCKS     (MP_OP_COUNT * MP_SIZE_CLASSES)
#define MP_SLOT_BLOCKS     (MP_HIST_BANKS * MP_BANK_BLOCKS) /* one bank behind the other */
#define MP_FINE_LINES      512                              /* line 0 is never given out */
#define MP_SLOT_LINES      (MP_FINE_LINES + MP_SLOT_BLOCKS) /* behind them the coarse line of each block */

struct mp_slot_sum {
	uint64_t bytes, sum_ns;
	uint64_t max; /* bits 41-63: the period (mp_region.period), 0-40: the longest duration in it, ns */
};

#define MP_MAX_SHIFT 41

struct mp_slot {
	/* Written by the thread at each call. */
	MP_ALIGNED uint64_t head; /* records ever written; published by a release store */
	uint64_t tail_seen;       /* the reader's position when last looked at */
	uint64_t calls;           /* ever counted in the histogram; stored after it */
	uint64_t dropped;         /* records that found the ring full */
	uint64_t countdown;       /* calls until the next sample */
	uint32_t word;            /* the mode word that the settings below are of */
	uint32_t ring_mask;       /* records - 1 */
	uint32_t weight;          /* the next sample stands for so many calls */
	uint32_t lines;           /* the next fine line to be given out; published by a release store */
	uint64_t calls_ns;        /* that they took, ever */

	/* Written now and then. */
	MP_ALIGNED uint64_t keep_over_ns[MP_OP_COUNT];
	uint64_t track_left;  /* bytes until the next block that is followed */
	uint64_t track_bytes; /* the period that those were drawn with; 0: none is followed */
	uint32_t scope;       /* the innermost component: its name's index and one; 0: none */
	uint32_t scope_told;  /* as the ring has it */
	uint64_t tracked;     /* blocks since the last change of the mode word */
	uint64_t random;      /* xorshift64 */
	uint64_t outliers;    /* since the last change of the mode word */
	uint64_t samples;     /* likewise */
	uint64_t stacks_head; /* bytes ever written */
	uint64_t stacks_tail_seen;
	uint64_t dropped_markers; /* that found the ring full */
	uint64_t stacks_dropped;  /* kept calls whose stack found no room */
	uint64_t nested;          /* interposed functions that another one called: part of that call */
	uint64_t reentered; /* calls in a signal handler that interrupted the recording of one: not counted */
	uint64_t stack_lo, stack_hi; /* of the thread; stack_hi 0: not known */
	uint64_t pool_places[MP_POOL_PLACES + MP_POOL_TRIES];
	struct mp_pool_missed pool_missed[MP_POOLS_LOST + 1];
	uint32_t scopes[MP_SCOPES_DEEP]; /* what `scope` was before each of those that are open */
	uint32_t scopes_open;            /* also those that are too deep */
	uint32_t recording;              /* that they are of */
	uint64_t scope_ends;             /* that nothing had begun */
	uint64_t scopes_deep;            /* begun too deep */
	uint64_t gauge_sets;
	uint32_t tid;
	uint32_t ready;     /* 1 when the slot can be read; never 0 again */
	uint32_t named_tid; /* the owner whose record stands in the ring */

	/* Written by the recorder. */
	MP_ALIGNED uint64_t tail; /* records ever read */
	uint64_t stacks_tail;

	MP_ALIGNED struct mp_slot_sum sum[MP_SLOT_BLOCKS];
	uint16_t line_of[MP_SLOT_BLOCKS][MP_HIST_LINE_COUNT]; /* 0: none yet */
	uint32_t line_key[MP_FINE_LINES];                     /* block * MP_HIST_LINE_COUNT + line number */
	MP_ALIGNED uint32_t line[MP_SLOT_LINES][MP_HIST_LINE];
	MP_ALIGNED unsigned char stacks[MP_STACKS_BYTES];
	/* struct mp_record[ring_records] follows. */
};

/* ---- Followed blocks ---- */

/*
 * The addresses of live blocks that are followed (sampler/preload/track.h). A bucket is a cache line,
 * `filter` counts by the same hash: a release looks there first, and most find 0.
 */
#define MP_TRACK_FILTER  65536
#define MP_TRACK_BUCKETS 1024
#define MP_TRACK_ENTRIES 8

/* So many may be alive at a time: half of the room, for buckets are filled unevenly. */
#define MP_TRACK_ALIVE (MP_TRACK_BUCKETS * MP_TRACK_ENTRIES / 2)

struct mp_tracked {
	MP_ALIGNED uint64_t addr[MP_TRACK_BUCKETS][MP_TRACK_ENTRIES]; /* 0: free */
	uint8_t filter[MP_TRACK_FILTER];
};

/* ---- The header ---- */

#define MP_NAMES      1024
#define MP_NAME_BYTES 56

struct mp_region_name {
	uint32_t state; /* 0 free, 1 being written, else ready */
	uint32_t pad;
	char text[MP_NAME_BYTES];
};

struct mp_region {
	uint64_t magic;
	uint32_t version, pid; /* pid: the process that made it */
	uint64_t header_bytes, slot_bytes, slots, ring_records;

	/* Written by the recorder, before it changes `word`. */
	MP_ALIGNED uint32_t word;
	uint32_t period;      /* counts up with each slot of the session, for `max` */
	uint64_t ns_per_tick; /* as a fixed-point number, 32.32 */
	uint64_t floor_ticks; /* of two stamps with nothing between them */
	uint64_t split;       /* of the histograms: mp_hist_split(), by ticks */
	uint64_t lease_ticks; /* a recorder that does not renew it by then is dead */
	uint64_t keep_over_ns[MP_OP_COUNT];
	uint32_t sample_weight; /* 0: none */
	uint32_t take_stacks;
	uint32_t double_samples, double_outliers; /* so many in a slot double its own limit; 0: never */
	uint64_t
	    track_bytes; /* a block of `size` is followed with probability mp_track_chance(); 0: none is */
	uint32_t track_stacks; /* with MP_MODE_TRACK: every allocation has its stack copied */
	uint32_t recording;    /* counts up with each, and where markers may have been missed */

	/* Written by threads that have no slot, atomically. */
	MP_ALIGNED uint64_t calls_without_slot;
	uint64_t markers_lost; /* of such threads, or with a name that found no room */
	uint64_t track_lost;   /* blocks that were drawn, and found no room in the set or in a ring */
	uint64_t gauge_sets;   /* of such threads */

	MP_ALIGNED uint32_t owner[MP_REGION_SLOTS]; /* tid; 0: free */
	struct mp_region_name name[MP_NAMES];

	/* Written by all threads: what gauges were last told, by the index of their names. */
	MP_ALIGNED uint64_t gauge[MP_NAMES];
	uint32_t is_gauge[MP_NAMES]; /* 1: told since the recorder has set it to 0 */

	/* Written by all threads, seldom, by locked instructions; and by the recorder. */
	struct mp_tracked tracked;
};

#define MP_PAGE_ROUND(n) (((n) + 4095) & ~4095ULL)

static inline uint64_t mp_region_header_bytes(void)
{
	return MP_PAGE_ROUND(sizeof(struct mp_region));
}

static inline uint64_t mp_region_slot_bytes(uint64_t ring_records)
{
	return MP_PAGE_ROUND(sizeof(struct mp_slot) + ring_records * sizeof(struct mp_record));
}

static inline struct mp_slot *mp_region_slot(struct mp_region *r, uint64_t slot_bytes, uint64_t i)
{
	return (struct mp_slot *)((unsigned char *)r + mp_region_header_bytes() + i * slot_bytes);
}

static inline struct mp_record *mp_slot_ring(struct mp_slot *s)
{
	return (struct mp_record *)(s + 1);
}

#endif
