/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_PLANE_PRIV_H
#define MP_SAMPLER_PERF_PLANE_PRIV_H

/*
 * What the files of the perf plane share:
 *
 *   plane_open.c  events opened for threads and CPUs
 *   plane.c       their records, periods and counts
 */
#include "sampler/perf/aux.h"
#include "sampler/perf/plane.h"
#include "sampler/perf/record.h"
#include "sampler/perf/ring.h"

struct mp_perf_counts {
	uint64_t value, enabled_ns, running_ns, lost;
};

/* One event of one thread, or of one CPU. */
struct mp_perf_counter {
	int fd; /* -1: not open */
	uint64_t id;
	struct mp_perf_counts last, more; /* when it was read, and what has come since it was read before */
	uint64_t told;                    /* of last.value, by the periods of samples, lost ones too */
	bool is_read;                     /* at the end of this slot */
	struct mp_perf_aux *aux;          /* of an event whose samples are there; it owns `fd`. Else NULL */
};

/* A thread of the target, or (tid -1) a CPU. All its events write into one ring, which is that of an event
 * that never happens and tells of new threads. */
struct mp_perf_unit {
	pid_t tid;
	int cpu;
	struct mp_perf_ring ring;
	struct mp_perf_counter *counters; /* [n wants] */
	int *leaders;                     /* likewise, of events that need one; -1 */
	bool has_ended;
};

struct mp_perf_plane {
	struct mp_perf_options o;
	size_t ring_pages;
	int epoll_fd;
	bool is_enabled;
	bool follows_data; /* addresses are resolved: what is mapped is told */
	struct mp_perf_unit **units;
	size_t n_units, units_room;
	struct mp_perf_layout layouts[MP_PERF_WANTS_MAX], ring_layout;
	bool is_described; /* the events have rows */

	unsigned int steps[MP_PERF_WANTS_MAX];       /* the period was doubled so often */
	uint64_t samples[MP_PERF_WANTS_MAX];         /* since the last steering */
	uint64_t slot_samples, missed, bad, aux_cut; /* since the last slot */
	uint64_t cost_ns;                            /* of a sample, in the target */
	struct mp_pipeline *pipeline;                /* of the drain in progress */
	struct mp_perf_unit *reading;                /* likewise */
	size_t reading_want;                         /* likewise, of an aux area */
};

/* plane_open.c. The period of a sampled event as it is now. */
uint64_t mp_perf_period_now(const struct mp_perf_plane *p, size_t i);

/* Opens the events of a thread, or with tid -1 of a CPU. -ESRCH: it has ended. */
int mp_perf_add_unit(struct mp_perf_plane *p, pid_t tid, int cpu, struct mp_err *err);
void mp_perf_close_unit(struct mp_perf_plane *p, struct mp_perf_unit *u);
struct mp_perf_unit *mp_perf_unit_of(const struct mp_perf_plane *p, pid_t tid); /* NULL: none */

#endif
