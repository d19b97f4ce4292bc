/* SPDX-License-Identifier: MIT */
/* Cross-thread free: one thread allocates and hands over, the other frees. Each block goes back to an arena
 * that another thread uses. */
#include <sched.h>
#include <stdatomic.h>

#include "tests/bench/compare/workloads/workload.h"

enum { SLOTS = 4096 };

static void *ring[SLOTS];
static _Alignas(64) _Atomic uint64_t head; /* the producer's */
static _Alignas(64) _Atomic uint64_t tail; /* the consumer's */

static void produce(struct worker *w)
{
	uint64_t at = atomic_load_explicit(&head, memory_order_relaxed);

	while (at + 256 - atomic_load_explicit(&tail, memory_order_acquire) > SLOTS) {
		if (__atomic_load_n(w->is_over, __ATOMIC_RELAXED))
			return;
		sched_yield();
	}
	for (unsigned i = 0; i < 256; i++, at++) {
		ring[at % SLOTS] = bench_malloc(w, 32 + (target_random(&w->random) & 511));
		atomic_store_explicit(&head, at + 1, memory_order_release);
	}
	w->ops += 256;
}

static void consume(struct worker *w)
{
	uint64_t at = atomic_load_explicit(&tail, memory_order_relaxed);
	uint64_t end = atomic_load_explicit(&head, memory_order_acquire);

	if (at == end)
		sched_yield();
	for (; at < end; at++) {
		bench_free(w, ring[at % SLOTS]);
		atomic_store_explicit(&tail, at + 1, memory_order_release);
	}
}

static void batch(struct worker *w)
{
	if (w->id == 0)
		produce(w);
	else
		consume(w);
}

static void finish(struct worker *w)
{
	consume(w);
}

const struct workload workload_handoff = {
    "handoff", .min_threads = 2, .is_wall = true, .batch = batch, .finish = finish};
