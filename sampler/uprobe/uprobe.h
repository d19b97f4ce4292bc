/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_UPROBE_UPROBE_H
#define MP_SAMPLER_UPROBE_UPROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sampler/gc/classes.h"
#include "sampler/gc/points.h"
#include "sampler/latency.h"
#include "sampler/pipeline.h"
#include "sampler/pools/function.h"
#include "sampler/probe.h"
#include "sampler/span.h"

/*
 * The uprobe plane: probes at the entry and return of functions of one process, every call counted in a
 * histogram, some handed on as rows; the markers that it passes; and its page faults, time off CPU and
 * migrations. Three backends behind one interface, the best that works is taken:
 *
 *   session   one BPF program for entry and return, which skips the return probe where it can (Linux 6.13)
 *   multi     two BPF programs on multi-links (Linux 6.6)
 *   tracefs   uprobe events read through perf rings and paired here (no BPF); dearer, and it may lose calls
 *
 * Life: open -> attach (more than once when code is loaded later) -> enable -> { wait for fd or a
 * timer; drain } ... -> detach -> drain -> close. One thread. All that is in the kernel lives by file
 * descriptors: it ends with the recorder, however that ends (tracefs: the names remain until the next run).
 */
enum mp_backend {
	MP_BACKEND_AUTO,
	MP_BACKEND_SESSION,
	MP_BACKEND_MULTI,
	MP_BACKEND_TRACEFS,
};

int mp_backend_parse(const char *text, enum mp_backend *out, struct mp_err *err);
const char *mp_backend_name(enum mp_backend backend);

/* What becomes a row besides being counted. May change while recording. */
struct mp_keep {
	bool full;                /* every call */
	bool track;               /* calls that become no rows are told all the same: mp_pipeline_tracked() */
	bool track_all;           /* and of those that allocate, the stacks */
	uint64_t track_bytes;     /* blocks are followed: the period that they are drawn with; 0: none is */
	enum mp_stack_mode stack; /* what rows carry */
	uint32_t sample_weight;   /* 1 in so many, drawn at random; 0: none */
	uint64_t over_ns[MP_OP_ROWS]; /* by mp_op_row(): every call of this duration and more */
	bool sample_adaptive; /* the plane may double these limits in a burst, until they are set again */
	bool over_adaptive;
};

/* System calls, interrupts and the like that are shorter are not handed on to be joined with calls: they
 * would cost the target more than they explain. */
#define MP_HAND_OVER_NS 500

/* Counts since enable, all exact. */
struct mp_uprobe_stats {
	uint64_t calls_lost, rows_lost, unpaired, nested;
	uint64_t spans_ended;
	uint64_t marker_hits;
	uint64_t kernel_rows_lost, kernel_thinned;
	uint64_t tracked_lost;             /* calls that were to be told, and found no room */
	uint64_t gauge_sets;               /* how often gauges were told; `tracefs` hands on each */
	uint64_t scope_ends;               /* ends of components that had not begun; likewise */
	uint64_t scopes_deep;              /* components inside too many others; likewise */
	uint64_t scopes_lost, gauges_lost; /* whose names found no room; likewise */
	uint64_t gc_lost;                  /* what told of garbage collections */
	uint64_t gc_classes_lost;          /* memory given out that has not been counted by class */
	uint64_t pools_left;               /* calls of pool functions that were not seen to return */
	uint64_t pool_chains_cut;          /* chains of objects that were not read to their end */
	uint64_t spans_left, spans_deep;   /* began, and did not end; too many inside one another */
	uint64_t kernel_events[MP_KERNEL_KINDS];
};

struct mp_uprobe;

#define MP_TRACEFS_RING_PAGES 2048 /* of locked memory per CPU, backend tracefs only */

/* What of the kernel's doings is watched besides, and who pays for it. */
enum mp_watch {
	MP_WATCH_MOST, /* page faults, time off the CPU, interrupts, locks, and the system calls that map
			  memory or sleep */
	MP_WATCH_ALL,  /* and every system call: which then takes longer in all processes of the machine */
	MP_WATCH_NOTHING,
};

struct mp_uprobe_options {
	enum mp_backend want;
	pid_t pid;
	enum mp_watch watch;
	bool track; /* struct mp_keep will ask for it: it takes a buffer */
};

/*
 * Opens the backend that is wanted, or the first that works: each candidate has to see every call of a
 * function of the recorder's own, by which it is calibrated. Takes about 0.3 s.
 */
int mp_uprobe_open(const struct mp_uprobe_options *o, const struct mp_keep *keep, struct mp_uprobe **out,
    struct mp_err *err);

/* Likewise where calls come from elsewhere: for the kernel events of a process, all of which are handed on,
 * to be joined with the calls by time, and for spans. Calibrated only for those. */
int mp_uprobe_open_beside(
    pid_t pid, enum mp_watch watch, bool for_spans, struct mp_uprobe **out, struct mp_err *err);

enum mp_backend mp_uprobe_backend(const struct mp_uprobe *u);

/*
 * What the plane adds on this machine: to every duration (subtracted before it is counted), and to every call
 * in CPU time. [0]: probes on instructions that the kernel emulates; [1]: on those that it single-steps.
 */
struct mp_floor {
	uint64_t ns[2];
	uint64_t cost_ns[2];
	uint64_t skip_cost_ns[2]; /* of a call that is not followed to its return */
	uint64_t
	    spread_ns[2]; /* one in a hundred takes so much more than `ns`: durations are that uncertain */
};
const struct mp_floor *mp_uprobe_floor(const struct mp_uprobe *u);

/* Puts the probes in, as members of a group. All or nothing: on failure those of this call are out again. */
int mp_uprobe_attach(struct mp_uprobe *u, enum mp_probe_group group, const struct mp_probe *probes, size_t n,
    struct mp_err *err);

/* Whether groups can come and go: not with `tracefs`, where none of what follows up to mp_uprobe_slow_hits()
 * may be called. */
bool mp_uprobe_can_switch(const struct mp_uprobe *u);

/* Takes a group out and leaves the others in: from then on it costs the target nothing. Calls that are under
 * way are not seen to return: it should be closed some milliseconds before. Does not wait for the kernel. */
void mp_uprobe_detach_group(struct mp_uprobe *u, enum mp_probe_group group);

/* Calls of the window group that begin from now on are counted, or are not. `since_ns`: that is so of every
 * call of the target since then; < 0: not of every call. */
void mp_uprobe_window(struct mp_uprobe *u, bool open, int64_t since_ns);

/* Calls of slow functions that begin from now on are counted, or are not. */
void mp_uprobe_slow_open(struct mp_uprobe *u, bool open);

/* For slow functions: which code they return into, and on whose behalf. At most MP_BPF_SLOW_CALLERS, in place
 * of those before. How often the slow function `i` was entered. */
void mp_uprobe_slow_callers(struct mp_uprobe *u, const struct mp_bpf_slow_caller *callers, size_t n);
uint64_t mp_uprobe_slow_hits(const struct mp_uprobe *u, size_t i);

/* How often probes of a group were hit without that the call was followed to its return, [0] of emulated and
 * [1] of stepped ones: calls of a closed window, of free(NULL), of functions inside others. The rest is what
 * was counted. */
void mp_uprobe_skipped(const struct mp_uprobe *u, enum mp_probe_group group, uint64_t out[static 2]);

/* Puts in those of functions that are spans, once; they stay the caller's until close. -ENOTSUP by `tracefs`.
 */
int mp_uprobe_attach_spans(struct mp_uprobe *u, const struct mp_span_set *set, struct mp_err *err);

/* What a marker costs the target in CPU time, as calibrated: one trap, of a nop. */
uint64_t mp_uprobe_marker_cost_ns(const struct mp_uprobe *u);

/* What a call of a span costs the target in CPU time, as calibrated; and how many of the function at `i` of
 * the set have ended since it was attached. */
uint64_t mp_uprobe_span_cost_ns(const struct mp_uprobe *u, const struct mp_span_function *f);
uint64_t mp_uprobe_span_calls(const struct mp_uprobe *u, size_t i);

/* Likewise of functions of pools, whose events go to mp_pipeline_pool(): those of the set from index `from`
 * on. The set may have grown, or moved, since those before were attached. All or nothing. */
bool mp_uprobe_follows_pools(const struct mp_uprobe *u);
int mp_uprobe_attach_pools(
    struct mp_uprobe *u, const struct mp_pool_set *set, size_t from, struct mp_err *err);
uint64_t mp_uprobe_pool_cost_ns(const struct mp_uprobe *u, const struct mp_pool_function *f);
uint64_t mp_uprobe_pool_calls(const struct mp_uprobe *u, size_t i);
/* What reading chains took beside, in all. */
uint64_t mp_uprobe_pool_chain_ns(const struct mp_uprobe *u, size_t i);

/* Likewise of points that tell of garbage collections, whose events go to mp_pipeline_gc(): those of the set
 * from index `from` on. How often one was hit; and what a runtime has given out since it was attached, in
 * bytes. */
bool mp_uprobe_follows_gc(const struct mp_uprobe *u);
int mp_uprobe_attach_gc(struct mp_uprobe *u, const struct mp_gc_set *set, size_t from, struct mp_err *err);
uint64_t mp_uprobe_gc_cost_ns(const struct mp_uprobe *u, const struct mp_gc_point *p);
uint64_t mp_uprobe_gc_hits(const struct mp_uprobe *u, size_t i);
uint64_t mp_uprobe_gc_allocated(const struct mp_uprobe *u, size_t runtime);
/* What memory was given out for since the last call, each class of objects once. */
void mp_uprobe_gc_classes(
    struct mp_uprobe *u, void (*take)(void *ctx, const struct mp_gc_given *g), void *ctx);

/* What gauges were last told (mp_pipeline_gauge()). */
void mp_uprobe_gauges(struct mp_uprobe *u, struct mp_pipeline *p);

/* Where a thread of the target counts its calls itself (sampler/preload/shared.h, struct mp_slot): its spans
 * are told by that what they spent in them. */
void mp_uprobe_counter(struct mp_uprobe *u, pid_t tid, uint64_t calls_addr, uint64_t calls_ns_addr);

/* From now on calls are counted: all probes begin at once. */
void mp_uprobe_enable(struct mp_uprobe *u);

void mp_uprobe_keep(struct mp_uprobe *u, const struct mp_keep *keep);
struct mp_hist_view mp_uprobe_hists(const struct mp_uprobe *u);

/* When counting goes over to the other bank of them: mp_hist_split() of the session clock. */
void mp_uprobe_split(struct mp_uprobe *u, uint64_t split);
void mp_uprobe_stats(struct mp_uprobe *u, struct mp_uprobe_stats *out);

/* What of the kernel's doings is seen, as parts of calls: 1 << enum mp_kernel_kind. */
uint32_t mp_uprobe_sees(const struct mp_uprobe *u);

/* What watching the kernel adds to a system call, to a page fault and to a time off the CPU of the target, in
 * CPU time, as measured when the plane was opened; 0 where that cannot be told. */
struct mp_kernel_cost {
	uint64_t syscall_ns, fault_ns, switch_ns;
};
struct mp_kernel_cost mp_uprobe_kernel_cost(const struct mp_uprobe *u);

/* A descriptor that polls readable when a buffer fills up, or -1. */
int mp_uprobe_fd(const struct mp_uprobe *u);

/*
 * Hands waiting rows on, in turns: true when more than one turn's wait. `kernel_credit`: so many more short
 * kernel events, and as many long ones, may become rows; what is not used is kept for a burst, up to
 * MP_KERNEL_CREDIT_MAX.
 */
#define MP_KERNEL_CREDIT_MAX 20000
#define MP_UPROBE_TURNS      512 /* so many turns take in all that the fullest ring can hold */
bool mp_uprobe_drain(struct mp_uprobe *u, struct mp_pipeline *p, int64_t kernel_credit);

/* After a drain that began at `began_ns` and left nothing: all calls that had returned by then are handed on,
 * but for those whose threads lost the CPU inside the probe. */
int64_t mp_uprobe_known_ns(const struct mp_uprobe *u, int64_t began_ns);

/* Takes all probes out. What waits in the buffers can still be drained. */
void mp_uprobe_detach(struct mp_uprobe *u);
void mp_uprobe_close(struct mp_uprobe *u);

/* What a backend gives; sampler/uprobe/uprobe.c does what they share. */
struct mp_uprobe_ops {
	enum mp_backend backend;
	int (*open)(const struct mp_uprobe_options *o, void **impl, struct mp_err *err);
	int (*attach)(void *impl, pid_t pid, enum mp_probe_group group, const struct mp_probe *probes,
	    size_t n, struct mp_err *err);
	void (*detach_group)(void *impl, enum mp_probe_group group); /* NULL, with the next five: it cannot */
	void (*window)(void *impl, bool open, int64_t since_ns);
	void (*slow_open)(void *impl, bool open);
	void (*slow_callers)(void *impl, const struct mp_bpf_slow_caller *callers, size_t n);
	uint64_t (*slow_hits)(void *impl, size_t i);
	void (*skipped)(void *impl, enum mp_probe_group group, uint64_t out[static 2]);
	int (*attach_spans)(void *impl, pid_t pid, const struct mp_span_set *set, struct mp_err *err);
	uint64_t (*span_calls)(void *impl, size_t i);
	int (*attach_pools)(
	    void *impl, pid_t pid, const struct mp_pool_set *set, size_t from, struct mp_err *err);
	uint64_t (*pool_calls)(void *impl, size_t i);
	uint64_t (*pool_chain_ns)(void *impl, size_t i);
	int (*attach_gc)(void *impl, pid_t pid, const struct mp_gc_set *set, size_t from, struct mp_err *err);
	uint64_t (*gc_hits)(void *impl, size_t i);
	uint64_t (*gc_allocated)(void *impl, size_t runtime);
	void (*gc_classes)(void *impl, void (*take)(void *ctx, const struct mp_gc_given *g), void *ctx);
	void (*gauges)(void *impl, struct mp_pipeline *p); /* NULL: they come as markers */
	void (*counter)(void *impl, pid_t tid, uint64_t calls_addr, uint64_t calls_ns_addr);
	/* `hand_over_ns`: all kernel events of this duration are handed on; 0: only what becomes a row. */
	void (*enable)(void *impl, bool on, pid_t kernel_events_of, uint32_t hand_over_ns);
	void (*keep)(void *impl, const struct mp_keep *keep, const struct mp_floor *floor);
	struct mp_hist_view (*hists)(void *impl);
	void (*split)(void *impl, uint64_t split);
	void (*stats)(void *impl, struct mp_uprobe_stats *out);
	uint32_t (*sees)(void *impl);
	struct mp_kernel_cost (*kernel_cost)(void *impl); /* NULL: cannot be told */
	int (*fd)(void *impl);
	int64_t (*known_ns)(void *impl); /* NULL: all are */
	bool (*drain)(void *impl, struct mp_pipeline *p, int64_t kernel_credit);
	void (*detach)(void *impl);
	void (*close)(void *impl);
};

extern const struct mp_uprobe_ops mp_uprobe_session, mp_uprobe_multi, mp_uprobe_tracefs;

#endif
