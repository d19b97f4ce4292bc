/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRELOAD_PLANE_PLANE_H
#define MP_SAMPLER_PRELOAD_PLANE_PLANE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sampler/latency.h"
#include "sampler/pipeline.h"
#include "sampler/uprobe/uprobe.h"

/*
 * The preload plane, the recorder's side: a process that carries libmpsample.so is woken through its shared
 * memory, counts every call and hands on rows, and is let sleep again. It is not stopped, no signal is sent,
 * nothing is injected; that it may be read is all that it takes (root, or its own user).
 *
 * Life: open -> activate -> { poll; drain; keep; slot } ... -> deactivate -> poll(final), drain -> close. One
 * thread. A recorder that dies leaves the process awake until the lease ends; its lock ends with it, by which
 * the next one notices.
 */
struct mp_preload;

/* Finds and locks the process's region, and calibrates; takes 30 ms. Changes nothing in the process. Errors:
 * those of mp_preload_region_open() and mp_preload_region_lock() (sampler/preload_plane/region.h). */
int mp_preload_open(pid_t pid, struct mp_preload **out, struct mp_err *err);
void mp_preload_close(struct mp_preload *p);

/* The last recorder died while it recorded: the process has been awake since. */
bool mp_preload_was_left(const struct mp_preload *p);

/* What two stamps take by themselves (subtracted from every duration), and what recording a call costs. */
uint64_t mp_preload_floor_ns(const struct mp_preload *p);
uint64_t mp_preload_cost_ns(const struct mp_preload *p);

/* From now on calls are counted; what was counted before does not show. */
void mp_preload_activate(struct mp_preload *p, const struct mp_keep *keep);

/* Sets what becomes a row, and renews the lease. False: the process had gone to sleep because we did not look
 * for a minute; it is awake again. */
bool mp_preload_keep(struct mp_preload *p, const struct mp_keep *keep);

/* A slot of the session has ended: the longest duration is sought anew. After mp_preload_poll(). */
void mp_preload_slot(struct mp_preload *p);

/* The histograms, which mp_preload_poll() brings up to date; `final` once the process sleeps. */
struct mp_hist_view mp_preload_hists(const struct mp_preload *p);
void mp_preload_poll(struct mp_preload *p, bool final);

/*
 * Counting goes over at `t_ns`, which is yet to come, from a bank to the other one. When that was, as rows
 * tell the time of calls, is known after a drain behind it; before that -1.
 */
void mp_preload_split(struct mp_preload *p, int64_t t_ns, unsigned int bank);
int64_t mp_preload_split_ns(const struct mp_preload *p);

/* Where in the process a thread counts its calls, and their durations (struct mp_slot: calls, calls_ns).
 * Calls `fn` for each of which that has changed since the last time. */
void mp_preload_each_counter(struct mp_preload *p,
    void (*fn)(void *ctx, pid_t tid, uint64_t calls_addr, uint64_t calls_ns_addr), void *ctx);

/* Hands on all rows and markers that wait; NULL: throws them away. True when a ring was fuller than a
 * quarter: to be called again at once. */
struct mp_preload_listener {
	/* NULL, or told of threads that rings name. */
	void (*thread)(void *ctx, pid_t tid, int64_t t_ns);
	/* NULL, or called when it stands fast which rows are going to be handed on: what happened before them
	 * elsewhere can be handed on now. */
	void (*before_rows)(void *ctx);
	void *ctx;
};
bool mp_preload_drain(
    struct mp_preload *p, struct mp_pipeline *pipeline, const struct mp_preload_listener *listener);

/* Counts since activate, as of the last poll and drain; all exact. */
struct mp_preload_stats {
	uint64_t rows_lost;    /* the ring was full, or its record made no sense */
	uint64_t stacks_lost;  /* of rows that were kept */
	uint64_t markers_lost; /* the ring or the table of names was full, or the thread had no slot */
	uint64_t reentered;    /* calls in a signal handler that interrupted the recording of one */
	uint64_t without_slot; /* calls of threads that found no slot */
	uint64_t nested;       /* interposed functions that another one called: part of that call */
	uint64_t gauge_sets;   /* how often gauges were told */
	uint64_t scope_ends;   /* ends of components that had not begun */
	uint64_t scopes_deep;  /* components that began inside too many others */
	uint64_t
	    track_lost; /* blocks that were to be followed, and found no room in the ring or in the set */
};
void mp_preload_stats(const struct mp_preload *p, struct mp_preload_stats *out);

/* What gauges were last told (mp_pipeline_gauge()). */
void mp_preload_gauges(struct mp_preload *p, struct mp_pipeline *pipeline);

/* Of the set of live followed blocks in the process: whether an address is in it, and to take it out. */
bool mp_preload_has_block(struct mp_preload *p, uint64_t addr);
void mp_preload_forget_block(struct mp_preload *p, uint64_t addr);

/* Lets the process sleep. What is in its memory can still be read. */
void mp_preload_deactivate(struct mp_preload *p);

/* Whether the process still is the program that was opened: an exec takes the region away. */
bool mp_preload_is_mapped(const struct mp_preload *p);

/* After an exec: takes in what the old region still holds, and goes over to that of the new program, waking
 * it. -ENOENT while it has none. What was counted stays. */
int mp_preload_follow(struct mp_preload *p, struct mp_pipeline *pipeline, struct mp_err *err);

#endif
