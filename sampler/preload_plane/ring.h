/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRELOAD_PLANE_RING_H
#define MP_SAMPLER_PRELOAD_PLANE_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sampler/preload/shared.h"
#include "sampler/preload_plane/clock.h"
#include "sampler/preload_plane/stack.h"

/*
 * Reads the ring of one slot up to a head that was taken before, and hands on what it holds. The positions
 * are our own; the slot's `tail` is only told. Kinds, indices and lengths are bounded. One thread.
 */
struct mp_ring_reader {
	uint64_t tail, stacks_tail;
	pid_t owner;            /* of the records that follow; 0: not told yet */
	uint64_t caller, given; /* of the call that follows; 0: not told */
	unsigned int scope;     /* of the records that follow: as struct mp_ring_call */
	uint64_t rows_lost;   /* records that could not be read: positions that make no sense, no such kind */
	uint64_t stacks_lost; /* copies that were announced and not found */
	uint64_t calls, calls_ns; /* of the slot, at the last marker that told */
};

struct mp_ring_call {
	pid_t tid;
	unsigned int op, kept, weight;
	int64_t t_ns, dur_ns;
	uint64_t size_bytes, addr;
	uint64_t caller, given; /* its return address, and the block that realloc was given; 0: not told */
	unsigned int
	    scope; /* the component that its thread says it is of: its name's index and one; 0: none */
	const struct mp_preload_stack *stack; /* NULL: none */
};

struct mp_ring_marker {
	pid_t tid;
	unsigned int kind; /* enum mpsample_kind */
	unsigned int name; /* index in the region's table, or one that is beyond it: none */
	int64_t t_ns;
	uint64_t a, b, c;
	uint64_t place;                       /* its address in the program; 0: not told */
	const struct mp_preload_stack *stack; /* NULL: none */
	int64_t alloc_calls, alloc_ns;        /* of its thread so far; -1: not told */
};

/* A followed block was born, or has ended. */
struct mp_ring_block {
	pid_t tid;
	int64_t t_ns;
	uint64_t addr;
	uint64_t period_bytes; /* that it was drawn with when it was born; 0: it has ended */
	uint64_t size_bytes;   /* of a birth, with the rest */
	unsigned int op;
	bool is_moved;      /* it has ended by a realloc */
	uint64_t caller;    /* of a birth without a stack: its return address; 0: not told */
	unsigned int scope; /* of a birth: as struct mp_ring_call */
	const struct mp_preload_stack *stack; /* NULL: none */
};

struct mp_ring_sink {
	void (*call)(void *ctx, const struct mp_ring_call *c);
	void (*marker)(void *ctx, const struct mp_ring_marker *m);
	void (*owner)(void *ctx, pid_t tid, int64_t t_ns); /* a thread that the ring has not named before */
	void (*block)(void *ctx, const struct mp_ring_block *b);
	void *ctx;
};

/* Everything so far counts as read. */
void mp_preload_ring_skip(struct mp_slot *slot, struct mp_ring_reader *r);

/*
 * Reads the records before `head`, a value of the slot's. A head that is out of range is a loss of one row at
 * least, and reading begins anew behind it. The clock has to have a point that was taken after `head` was
 * read.
 */
void mp_preload_ring_drain(struct mp_slot *slot, uint64_t ring_records, uint64_t head,
    struct mp_ring_reader *r, const struct mp_preload_clock *clock, const struct mp_ring_sink *sink);

#endif
