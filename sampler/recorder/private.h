/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_RECORDER_PRIVATE_H
#define MP_SAMPLER_RECORDER_PRIVATE_H

/*
 * What the files of the recorder share: its state, and what each of them does to it.
 *
 *   recorder.c  the loop, from the beginning of a recording to its end
 *   open.c      the target, found or started, and the planes that fit it
 *   follow.c    the target as it changes: new code, another program
 *   describe.c  what the recording is, for the session and for people
 *   blocks.c    followed blocks
 *   slot.c      what is written once a second
 *   phases.c    phases of a calendar, and marks from outside
 *   pools.c     probes of pools, what they cost, and glibc's heaps
 *   gc.c        probes of runtimes, and what they cost
 */
#include <time.h>

#include "sampler/census.h"
#include "sampler/components/gauges.h"
#include "sampler/gc/classes.h"
#include "sampler/gc/watch.h"
#include "sampler/hiccup.h"
#include "sampler/perf/plane.h"
#include "sampler/perf/sideband.h"
#include "sampler/pools/heap_watch.h"
#include "sampler/preload_plane/plane.h"
#include "sampler/pressure/pressure.h"
#include "sampler/recorder/recorder.h"
#include "sampler/switcher.h"
#include "store/retention.h"

#define NS_PER_S 1000000000LL

struct mp_recorder {
	const struct mp_record_options *o;
	struct mp_session *session;
	struct mp_target target;
	struct mp_profiles profiles;
	struct mp_probe_set found;  /* what the target defines, before anything is attached */
	struct mp_probe_set probes; /* all that were ever attached */
	struct mp_span_set spans;
	struct mp_recorder_pools {
		struct mp_pool_set set;
		bool is_in, is_withdrawn; /* is_withdrawn: those of profiles */
		unsigned int waited;      /* how often it was looked whether set.waits has an end */
		double credit_ns;         /* of profiles: see mp_recorder_watch_pools() */
		int64_t watched_ns;
		uint64_t watched_cost_ns;
		uint64_t slot_calls, slot_cost_ns; /* so many are accounted for in `overhead` */
	} pools;
	struct mp_recorder_gc {
		struct mp_gc_set set;
		struct mp_gc_watch *watch;
		struct mp_gc_classes *classes;
		bool is_in, is_withdrawn; /* is_withdrawn: what runtimes give out is not counted any more */
		double credit_ns;         /* of that: see mp_recorder_tick_gc() */
		int64_t watched_ns;
		uint64_t watched_cost_ns;
		uint64_t slot_hits, slot_cost_ns; /* so many are accounted for in `overhead` */
	} gc;
	struct mp_recorder_blocks {
		uint64_t least; /* period */
		uint64_t tick_births, second_births, slot_older, told_period;
		int64_t tick_ns, second_ns;
	} blocks;
	struct mp_component_rules components; /* none: n is 0 */
	struct mp_gauge_set gauges;
	struct mp_preload *preload;   /* NULL: calls come by uprobes */
	struct mp_switcher *switcher; /* NULL: the probes are in all the time, or there are none */
	struct mp_uprobe *uprobe; /* with `preload` for kernel events only, and NULL where there are none */
	struct mp_sideband *sideband; /* NULL: not permitted, then `census` */
	struct mp_census *census;
	struct mp_perf_plane *perf; /* NULL: no events were asked for */
	struct mp_symbolizer *symbolizer;
	struct mp_pipeline *pipeline;
	struct mp_hiccup *hiccup;    /* NULL: stalls of the machine are not seen */
	struct mp_heap_watch *heaps; /* NULL: not wanted */
	struct mp_pressure *pressure;
	struct mp_recorder_phases *phases; /* phases.c */
	struct mp_latency *latency;
	struct mp_keep keep;
	pid_t child;            /* the target, when it was started by us */
	bool is_held;           /* and does not run yet */
	int signals;            /* signalfd */
	struct mp_err fallback; /* why it is not the preload plane, where one would expect that; or empty */
	struct mp_err missing;  /* why there are no kernel events, or empty */

	double duty; /* as the session has it; 0: not yet */
	bool told_windows, told_refused, told_cost;
	int64_t start_ns, slot_ns, resolved_ns, resolve_pause_ns;
	int64_t known_ns;        /* all calls that returned before have been handed in */
	int64_t follow_until_ns; /* the target is another program, whose region is looked for; 0: no */
	uint64_t slot_calls[MP_OP_COUNT];       /* so many are accounted for in `overhead` */
	uint64_t slot_spans, slot_span_cost_ns; /* likewise, calls of functions that are spans */
	uint64_t slot_all_calls;
	int64_t slot_own_cpu_ns;
	uint64_t cost_ns,
	    budgeted_cost_ns; /* of the rows of `overhead`: what the target paid; what the budget is for */
	uint64_t slot_budgeted_cost_ns;    /* the latter, up to the last slot */
	int64_t over_budget_ns;            /* so long in a row, whole slots */
	uint64_t tick_calls;               /* all calls at the last tick */
	struct mp_uprobe_stats slot_stats; /* at the last slot */
	struct mp_preload_stats slot_preload;
	bool has_marks; /* wait to be read */
	bool new_code;  /* mapped, not yet searched */
	bool told_no_calls;
	bool missed_program; /* the target became one that carries no library */
	const char *end_reason;
	unsigned int orders;                  /* signals to end, so far */
	struct mp_retention_totals retention; /* at the end */
	char exit_detail[64];                 /* how the target ended, where that is known */
};

static inline int64_t mp_recorder_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* slot.c: adds a row to `overhead`, and keeps the sums. */
struct mp_overhead_row;
int mp_recorder_append_overhead(struct mp_recorder *r, const struct mp_overhead_row *row, struct mp_err *err);

/* open.c: opens or starts the target and chooses the plane of its calls; then opens the planes. The
 * target is not touched, or held. */
int mp_recorder_open_target(struct mp_recorder *r, struct mp_err *err);
int mp_recorder_open_planes(struct mp_recorder *r, struct mp_err *err);

/* Attaches the probes of `set` that are not in yet, and remembers them. Returns how many. */
int mp_recorder_attach_new(struct mp_recorder *r, struct mp_probe_set *set, struct mp_err *err);

/* follow.c: files that the target still has, or has again, may be mapped elsewhere now. `moved`: set where
 * one is, whose probes go in by the new way. 0, or what mp_target_refresh() says. */
int mp_recorder_read_target_anew(struct mp_recorder *r, bool *moved);

/* It mapped code, or is another program: probes go into what is new. */
int mp_recorder_look_at_new_code(struct mp_recorder *r, int64_t now, struct mp_err *err);

/* It is another program, with the library or, after a while, without: that is said. */
void mp_recorder_follow_exec(struct mp_recorder *r, int64_t now);
void mp_recorder_tell_not_followed(struct mp_recorder *r, int64_t now);

/* blocks.c: which blocks are followed, and the period that they are drawn with, each tick; and by slot, what
 * is known of them. */
/* Blocks are followed by all calls, and which ones is drawn by the recorder: where it was asked for, and no
 * library draws. */
bool mp_recorder_follows_by_calls(const struct mp_recorder *r);
int mp_recorder_follow_blocks(struct mp_recorder *r, struct mp_err *err);
void mp_recorder_steer_blocks(struct mp_recorder *r, int64_t now);
int mp_recorder_store_blocks(struct mp_recorder *r, int64_t now, struct mp_err *err);

/* describe.c */
int mp_recorder_describe(struct mp_recorder *r, struct mp_err *err);
int mp_recorder_store_probes(struct mp_recorder *r, size_t from, struct mp_err *err);
void mp_recorder_tell_begin(const struct mp_recorder *r);
void mp_recorder_tell_progress(struct mp_recorder *r, int64_t now);
void mp_recorder_tell_end(const struct mp_recorder *r);

void mp_recorder_tell_windows(struct mp_recorder *r, int64_t now);

/* slot.c: what the target has paid so far beside the probes that are switched, in ns of CPU time. */
uint64_t mp_recorder_other_cost_ns(struct mp_recorder *r);

/* What was spent before is not of the first slot. */
void mp_recorder_begin_slots(struct mp_recorder *r);

/* What the program counts, ten times a second. */
int mp_recorder_step_gauges(struct mp_recorder *r, int64_t now, struct mp_err *err);

/* Writes the slot that ends now, and commits. */
int mp_recorder_end_slot(struct mp_recorder *r, int64_t now, struct mp_err *err);

#endif
