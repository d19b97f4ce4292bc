/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_EVENT_H
#define MP_SAMPLER_PERF_EVENT_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/perf/level.h"
#include "store/append.h"
#include "store/err.h"

/* clang-format off */
/*
 * The names of perf events, and what they come to on a machine. A name is one of
 *
 *   an alias of ours      mem-loads mem-stores cache-misses l3-miss remote-dram dtlb-misses page-faults: the
 *                         best that the machine has, by the ladder below; mem-loads takes :ldlat=N
 *   libpfm4's             skx::MEM_TRANS_RETIRED:LOAD_LATENCY:ldlat=64, cycles:u, perf::CACHE-MISSES ...
 *   perf's own            cpu-clock, task-clock, context-switches, cpu-migrations, minor-faults ...
 *   rNNN                  a raw number in hexadecimal
 *   mem:ADDR[/LEN][:rwx]  a watched address (PERF_TYPE_BREAKPOINT), LEN 1 2 4 8
 *
 * each with libpfm4's modifiers, among them :u :k :period=N :freq=N :precise=N, or perf's letters (:ukpp).
 * Without :k or :u only what runs in user space counts; of what only the kernel does (context-switches,
 * cpu-migrations) all.
 */
/* clang-format on */
#define MP_EVENT_NAME_BYTES 128

enum mp_event_keep {
	MP_EVENT_KEEP_ALL,
	MP_EVENT_KEEP_LOADS,
	MP_EVENT_KEEP_STORES,
	MP_EVENT_KEEP_L3_MISSES,
	MP_EVENT_KEEP_REMOTE_DRAM,
	MP_EVENT_KEEP_TLB_WALKS,
};

struct mp_event {
	char name[MP_EVENT_NAME_BYTES];   /* as it was asked for */
	char chosen[MP_EVENT_NAME_BYTES]; /* the encoded event, fully spelled, or how else it is made */
	char note[160];                   /* why it is not a better rung; or empty */
	/* type, config*, bp_*, exclude_*, precise_ip (what the kernel took, where it was tried), freq and
	 * sample_freq or sample_period where the name says so. sample_type has what the rung gives: ADDR,
	 * DATA_SRC, WEIGHT or WEIGHT_STRUCT. The rest is the caller's. */
	struct perf_event_attr attr;
	/* Some CPUs give latencies only to a group that this event leads (Intel since Sapphire Rapids). */
	bool has_leader;
	struct perf_event_attr leader;
	enum mp_sample_quality quality;
	bool has_period;     /* the name says how often: it is not to be adapted. IBS wants periods that are
				multiples of 16 */
	bool is_system_wide; /* cannot be opened for one thread: per CPU, and what is not the target's is
				thrown away. So is IBS before Linux 6.2, which then has its registers in
				PERF_SAMPLE_RAW (sampler/perf/ibs.h) and no ADDR, DATA_SRC, WEIGHT */
	bool is_aux;         /* its records are packets in the aux area (ARM SPE: sampler/perf/spe.h) */
	/* What the PMU cannot choose by itself (IBS takes any instruction): mp_event_keeps() does. */
	enum mp_event_keep keep;
	bool is_user_only;   /* samples of the kernel are to be thrown away, too */
	uint32_t min_weight; /* and what took fewer cycles; 0: nothing */
};

/* Whether a sample is one of those that the event is for. `access` and `weight` as the sample tells them
 * (weight < 0: not told); `in_kernel` by PERF_RECORD_MISC_CPUMODE_MASK. */
bool mp_event_keeps(const struct mp_event *e, const struct mp_access *access, int64_t weight, bool in_kernel);

/*
 * Resolves a name on this machine. The ladder of an alias is climbed down from the top until
 * perf_event_open(2) takes a rung, tried on the calling thread. 0, or -errno with one line: -EINVAL for names
 * that nothing knows (with the nearest three), for ldlat below 3 and for precise where the PMU has none;
 * -ENOENT where the machine has not got it; -EACCES where this user may not. Any thread.
 */
int mp_event_resolve(const char *text, struct mp_event *out, struct mp_err *err);

/* Encodes only, for whatever CPU (LIBPFM_ENCODE_INACTIVE): nothing is tried on this machine, and of the
 * aliases only those that are names of perf's, too, are known. Any thread. */
int mp_event_encode(const char *text, struct mp_event *out, struct mp_err *err);

/* "software", "counter", "precise" ...: as in v_event and v_sample. */
const char *mp_event_quality_name(enum mp_sample_quality quality);

/* The aliases, for people; NULL after the last. */
struct mp_event_alias {
	const char *name, *about;
};
const struct mp_event_alias *mp_event_alias(size_t i);

/* Likewise names of perf's own. */
const struct mp_event_alias *mp_event_perf_name(size_t i);

#endif
