/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_RECORDER_RECORDER_H
#define MP_SAMPLER_RECORDER_RECORDER_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sampler/perf/plane.h"
#include "sampler/uprobe/governor.h"
#include "sampler/uprobe/uprobe.h"
#include "store/err.h"

/*
 * One recording from beginning to end: attaches the planes to a process, drains them into a session, steers
 * what is kept, ends. Prints its few lines for people on stderr. Blocks; the whole process is its own (it
 * takes SIGINT, SIGTERM and SIGHUP as the order to end).
 */

/* By what calls are seen. The perf plane (kernel events) runs beside either, where it may. */
enum mp_plane {
	MP_PLANE_AUTO, /* by the library where it is, or can be, in the target; else by uprobes */
	MP_PLANE_PRELOAD,
	MP_PLANE_UPROBE,
};

/* Which blocks are followed to their end (sampler/blocks/blocks.h). */
enum mp_track {
	MP_TRACK_SOME, /* drawn by their size */
	MP_TRACK_ALL,
	MP_TRACK_OFF,
};

struct mp_record_options {
	pid_t pid;            /* the target; 0: start `command` */
	char *const *command; /* ends with NULL */
	const char *output;
	bool force;          /* overwrite the output */
	int64_t duration_ns; /* 0: until a signal or the target's end */
	enum mp_plane plane;
	enum mp_backend backend;  /* of the uprobe plane */
	enum mp_probe_mode probe; /* likewise: which calls are watched, and when */
	bool has_cpus;            /* where the recorder itself may run */
	cpu_set_t cpus;
	bool follow_forks; /* what `command` starts carries the library, too */
	bool full;         /* keep every call */
	enum mp_stack_mode stack;
	bool symbolize_later;          /* addresses only, but for what no file will tell later */
	bool long_names;               /* template arguments whole */
	const char *const *debug_dirs; /* searched first */
	size_t n_debug_dirs;
	enum mp_watch watch;      /* what the kernel does meanwhile */
	const char *const *spans; /* globs: functions that are spans */
	size_t n_spans;
	const char *pools_file;           /* functions of pools; NULL: those of profiles only */
	const char *components_file;      /* rules of components; NULL: none */
	const char *phases;               /* a calendar's name or file; NULL: none */
	const struct mp_perf_want *wants; /* perf events to sample and to count */
	size_t n_wants;
	bool gc;      /* follow garbage collectors of runtimes that are known */
	bool predict; /* tell when the next collection is due, on stderr */
	enum mp_track track;
	uint64_t track_bytes;     /* of some: one in so many bytes, or fewer; 0: the default */
	bool heap;                /* look at the allocator's heaps now and then */
	double budget;            /* the share of a core that samples, and probes likewise, may cost */
	uint64_t max_bytes;       /* of the session; 0: no limit (store/retention.h) */
	int64_t keep_over_ns;     /* < 0: adaptive, about the p99.9 of each operation */
	int64_t sample_every;     /* < 0: adaptive, about 250 rows a second; 0: none */
	const char *options_text; /* the command line, for the session */
};

/* 0, or -errno with what went wrong. What was recorded up to a failure is in the session. */
int mp_record(const struct mp_record_options *o, struct mp_err *err);

#endif
