/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PIPELINE_H
#define MP_SAMPLER_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sampler/blocks/blocks.h"
#include "sampler/context.h"
#include "sampler/gc/collector.h"
#include "sampler/perf/level.h"
#include "sampler/pools/pools.h"
#include "store/append.h"
#include "store/session.h"
#include "symbolize/symbolize.h"

/*
 * Where the planes meet: they hand in calls, kernel events, and what happened to the target's threads and
 * mappings; the pipeline has stacks unwound (sampler/stack_table.h), remembers threads and mappings, and
 * writes it all to the session. Names come afterwards (sampler/naming.h).
 *
 * One thread. The first failure to write is remembered, later events are then ignored, and
 * mp_pipeline_commit() reports it: the callers in between need not look.
 */
struct mp_pipeline;

/* The session and the symbolizer, of the target, stay the caller's. NULL without memory. */
struct mp_pipeline *mp_pipeline_new(struct mp_session *session, struct mp_symbolizer *symbolizer);
void mp_pipeline_free(struct mp_pipeline *p);

struct mp_call_event {
	pid_t tid;
	unsigned int op, kept, weight; /* enum mp_op, enum mp_kept */
	int64_t t_ns, dur_ns;
	int64_t end_ns; /* when its return was seen; 0: t_ns + dur_ns */
	uint64_t size_bytes, addr;
	uint64_t handed_in; /* the block that realloc or free was given; 0: none, or not known */
	uint64_t caller;    /* its return address; 0: not known */
	unsigned int scope; /* the component that its thread says it is of (mp_pipeline_scope()); 0: none */
	/* As it was when the call had returned: the allocator's caller is the innermost frame. NULL: not
	 * taken. */
	const struct mp_stack_state *stack;
	/* What following the frame pointers gave, if that was done: return addresses, the allocator's caller
	 * first. With `stack`, it goes on where that is cut. */
	const uint64_t *ip;
	size_t nframes;
	/* What the kernel did meanwhile, where the plane knows; NULL: nothing. Else it is found among the
	 * kernel events of its thread, which have to be handed in before. */
	bool knows_causes;
	const struct mp_causes *causes;
	int64_t hiccup_ns; /* the pipeline's own */
	/* Not 0: this tells no call, but of a followed block that it has been born: the period that it was
	 * drawn with (sampler/blocks/blocks.h). */
	uint64_t born_period;
	bool is_no_row; /* the pipeline's own: it is told for its block only */
};
void mp_pipeline_call(struct mp_pipeline *p, const struct mp_call_event *e);

/*
 * From now on it is known which allocation holds what address (sampler/samples/objects.h): for that each call
 * is handed in, those that become no rows by mp_pipeline_tracked(), which looks at op, times, size, blocks,
 * thread and caller.
 */
int mp_pipeline_track(struct mp_pipeline *p, pid_t pid, struct mp_err *err);
void mp_pipeline_tracked(struct mp_pipeline *p, const struct mp_call_event *e);

/*
 * From now on blocks are followed (sampler/blocks/blocks.h). With `o->all` each call is handed in, as for
 * mp_pipeline_track(); else births and deaths are.
 */
int mp_pipeline_follow_blocks(struct mp_pipeline *p, const struct mp_blocks_options *o, struct mp_err *err);
/* Looked at are: op, tid, size, addr, scope, born_period, the stack or the caller, and t_ns, which is when
 * its call returned. */
void mp_pipeline_block_born(struct mp_pipeline *p, const struct mp_call_event *e);
void mp_pipeline_block_died(struct mp_pipeline *p, uint64_t addr, int64_t t_ns, pid_t tid, bool is_moved);
void mp_pipeline_blocks_gone(struct mp_pipeline *p, int64_t t_ns);
/* Once a second: whose end was told by nobody; and what a new period must not be below. NULL: none is
 * followed. */
void mp_pipeline_look_at_blocks(struct mp_pipeline *p, int64_t now_ns);
const struct mp_blocks *mp_pipeline_blocks(const struct mp_pipeline *p);
/* Calls of mp_pipeline_block_born() so far. */
uint64_t mp_pipeline_births(const struct mp_pipeline *p);

/* A sample of a perf event. */
struct mp_sample_event {
	int64_t t_ns;
	pid_t tid;
	int cpu; /* < 0: not known */
	int64_t event_id;
	uint64_t ip;
	bool has_addr;
	uint64_t addr, period;
	int64_t weight;    /* < 0: not told */
	uint64_t data_src; /* 0: not told */
	struct mp_access access;
	enum mp_sample_quality quality;
	const struct mp_stack_state *stack; /* NULL: not taken */
	const uint64_t *chain;              /* by frame pointers, from ip on; NULL: not taken */
	size_t n_chain;
	uint64_t sp; /* the thread's stack pointer; 0: not known */
};
void mp_pipeline_sample(struct mp_pipeline *p, const struct mp_sample_event *e);

/* The target mapped memory, be it code or not: for what samples fall into. */
void mp_pipeline_map_data(
    struct mp_pipeline *p, uint64_t start, uint64_t end, uint64_t file_offset, const char *path);

/* All calls that had returned by then are handed in: what samples fell into can be told. */
void mp_pipeline_calls_known(struct mp_pipeline *p, int64_t t_ns);

/* Those of a thread in the order in which they end. */
void mp_pipeline_kernel_event(struct mp_pipeline *p, const struct mp_kernel_interval *k);

/* The machine was stalled, as a thread of the recorder saw it. */
void mp_pipeline_hiccup(struct mp_pipeline *p, int64_t t_ns, int64_t dur_ns);

/* A thread of the target was seen: begins it, or gives it a new name. `start_ns` is used for a new one. */
void mp_pipeline_thread(struct mp_pipeline *p, pid_t tid, const char *comm, int64_t start_ns);
/* A thread began, and has the name of the one that made it (as clone(2) gives it) until it changes it. */
void mp_pipeline_thread_begin(struct mp_pipeline *p, pid_t tid, pid_t maker, int64_t start_ns);
void mp_pipeline_thread_end(struct mp_pipeline *p, pid_t tid, int64_t t_ns);

/* The target mapped code. */
void mp_pipeline_map(struct mp_pipeline *p, uint64_t start, uint64_t end, uint64_t file_offset,
    const char *path, int64_t t_ns);

/* All mappings up to `t_ns` have been told: stacks of later calls wait for the next such word. Without any,
 * stacks are taken as they come. */
void mp_pipeline_mappings_known(struct mp_pipeline *p, int64_t t_ns);

void mp_pipeline_mark(struct mp_pipeline *p, int64_t t_ns, pid_t tid, const char *name, const char *detail);

/* What a thread has spent so far, from any beginning: the difference of two is what it spent in between. < 0:
 * not known; then the pipeline takes it from the kernel events of the thread, if all of them are handed in.
 */
struct mp_thread_sums {
	int64_t alloc_ns, alloc_calls; /* in allocation calls */
	int64_t fault_ns, off_cpu_ns;
	int64_t calls_since_ns; /* calls have been counted without a gap since then: of two sums with
				   different ones there is no difference of alloc_* */
};
#define MP_THREAD_SUMS_UNKNOWN ((struct mp_thread_sums){-1, -1, -1, -1, 0})

/* All kernel events of the target are handed in, not only those that become rows. */
void mp_pipeline_all_kernel_events(struct mp_pipeline *p);

/* A marker of <mpsample.h> that is none of a pool: `a` as enum mpsample_kind there tells. They may come in
 * any order: what is older than the last commit is applied at the next one (sampler/markers.h). The name is
 * copied; NULL for kinds without one, and where it could not be read. Gauges and components come in the order
 * of time, with the calls of their thread. */
struct mp_marker_event {
	pid_t tid;
	int64_t t_ns;
	unsigned int kind;
	const char *name;
	uint64_t a;
	struct mp_thread_sums sums; /* with the begin and end of a span */
};
void mp_pipeline_marker(struct mp_pipeline *p, const struct mp_marker_event *e);
/* Whether the program has begun a phase since the last call. */
bool mp_pipeline_phase_came(struct mp_pipeline *p);

/* Where the plane knows itself which component a call is in: the number of one by its name, for its calls
 * (sampler/components/scopes.h); and what a gauge was last told, as often as one looks. */
unsigned int mp_pipeline_scope(struct mp_pipeline *p, const char *name);
void mp_pipeline_gauge(struct mp_pipeline *p, const char *name, int64_t value);

/* Which components threads are in is not known any more: markers were lost, or the program is another one. */
void mp_pipeline_scopes_over(struct mp_pipeline *p);

/* Writes what gauges were told, but for those that are read from memory (sampler/components/gauges.h). */
struct mp_gauge_set;
int mp_pipeline_gauges(
    struct mp_pipeline *p, const struct mp_gauge_set *read, int64_t now_ns, struct mp_err *err);

/* What happened to pools (sampler/pools/pools.h); likewise in any order. */
int mp_pipeline_pool_kinds(
    struct mp_pipeline *p, const struct mp_pool_kind *kinds, size_t n, struct mp_err *err);
void mp_pipeline_pool(struct mp_pipeline *p, const struct mp_pool_event *e);
void mp_pipeline_pool_lost(struct mp_pipeline *p, const struct mp_pool_lost *lost);

/* What points in the code of runtimes tell of garbage collections (sampler/gc/collector.h); likewise. All
 * that was told before a time has been handed in. */
void mp_pipeline_gc_follow(
    struct mp_pipeline *p, const struct mp_gc_set *set, const struct mp_gc_listener *listener);
void mp_pipeline_gc(struct mp_pipeline *p, const struct mp_gc_event *e);
void mp_pipeline_gc_known(struct mp_pipeline *p, int64_t t_ns);

/* A call of a function that --spans names. The name is copied. */
struct mp_span_event {
	pid_t tid;
	int64_t t_ns, dur_ns;
	const char *name;
	struct mp_thread_sums spent; /* in it */
};
void mp_pipeline_span(struct mp_pipeline *p, const struct mp_span_event *e);

/* Something was dropped: `what` is "calls", "rows" or "events" (sql/schema.sql, table loss). 0 is no loss. */
void mp_pipeline_loss(
    struct mp_pipeline *p, int64_t t_ns, const char *source, const char *what, uint64_t lost);

/* Makes everything up to `t_ns`, which is now, readable. Returns the first failure since the pipeline began.
 */
int mp_pipeline_commit(struct mp_pipeline *p, int64_t t_ns, struct mp_err *err);

/* Nothing more comes: what still waits is settled, and written. Stacks that wait for the unwind tables of
 * their code are waited for until `is_impatient` says that they shall be given up, and counted as lost. */
int mp_pipeline_end(struct mp_pipeline *p, bool (*is_impatient)(void *ctx), void *ctx, struct mp_err *err);

/* Totals for the last line of a recording. */
struct mp_pipeline_totals {
	uint64_t rows, kernel_rows, samples, calls_lost, rows_lost, events_lost;
	uint64_t stacks, frames;
};
void mp_pipeline_totals(const struct mp_pipeline *p, struct mp_pipeline_totals *out);

#endif
