/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_PLANE_H
#define MP_SAMPLER_PERF_PLANE_H

#include "sampler/perf/event.h"
#include "sampler/pipeline.h"
#include "sampler/uprobe/shared.h"

/*
 * The perf plane: events that are sampled or counted on each thread of a process. An event is opened for a
 * thread and no other, so that neither another process nor the making of a thread pays; a new thread's events
 * come a few ms after it. What can only be watched on whole CPUs is, and what is not the target's is thrown
 * away.
 *
 * The period of a sampled event is doubled while its samples cost more than the budget, and halved again:
 * each sample tells what it stands for. Life: open -> enable -> { drain; slot } ... -> disable -> drain ->
 * slot -> close. One thread.
 */
struct mp_perf_plane;

/* What is asked for with -e or --count. */
struct mp_perf_want {
	struct mp_event event;
	bool is_sampled;
	int group; /* those of one number > 0 stand side by side, and have a place in the hardware together or
		      not at all */
};

#define MP_PERF_WANTS_MAX 64

struct mp_perf_options {
	pid_t pid;
	const struct mp_perf_want *wants; /* the caller's, it outlives the plane */
	size_t n;
	enum mp_stack_mode stack;
	double budget; /* the share of a core that samples may cost the target */
};

/* 0, or -errno with one line: what cannot be opened and why, a group that the PMU has not enough counters
 * for. */
int mp_perf_plane_open(const struct mp_perf_options *o, struct mp_perf_plane **out, struct mp_err *err);
void mp_perf_plane_close(struct mp_perf_plane *p);

void mp_perf_plane_enable(struct mp_perf_plane *p);
/* What was counted up to now can still be read. */
void mp_perf_plane_disable(struct mp_perf_plane *p);

/* Polls readable when a buffer is half full. */
int mp_perf_plane_fd(const struct mp_perf_plane *p);

/* Hands samples on, and follows the threads of the target. */
void mp_perf_plane_drain(struct mp_perf_plane *p, struct mp_pipeline *to);

/* A tenth of a second has gone by, `ns` exactly: adapts the periods. */
void mp_perf_plane_steer(struct mp_perf_plane *p, int64_t ns);

/* The slot that began at slot_ns ends at t_ns: writes its counters, its losses and what it cost. Event i of
 * the options has the event_id i + 1. */
int mp_perf_plane_slot(struct mp_perf_plane *p, struct mp_session *s, struct mp_pipeline *to, int64_t slot_ns,
    int64_t t_ns, struct mp_err *err);

/* Whether any event tells addresses of data. */
bool mp_perf_wants_addresses(const struct mp_perf_want *wants, size_t n);

#endif
