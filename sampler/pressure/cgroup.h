/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRESSURE_CGROUP_H
#define MP_SAMPLER_PRESSURE_CGROUP_H

#include <stdbool.h>
#include <sys/types.h>

#include "sampler/pressure/series.h"

/*
 * The control group that accounts for the memory of a process: version 2, or the memory controller of
 * version 1 (the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst). One thread.
 *
 *   cgroup_memory_bytes                        in use
 *   cgroup_high_bytes, cgroup_max_bytes        its own limits, where it has them; -1: it had one and has none
 * any more. (Those of groups around it may be lower.) Version 1 has no high cgroup_high_events
 * cgroup_max_events cgroup_oom_events       how often it came to them; version 1: max alone
 *   cgroup_psi_memory_some_ns cgroup_psi_memory_full_ns          as psi_memory_*, within the group; version 2
 */
struct mp_cgroup;

struct mp_cgroup_place {
	int version; /* 1 or 2 */
	char path[4096];
};

/*
 * Pure: where the files are, by /proc/PID/cgroup and by the mount table of the one who looks
 * (/proc/self/mountinfo; both are told as seen from the control group namespace of the reader). -ENOENT: no
 * such hierarchy is mounted, or the process is in a group that is not below what is mounted.
 */
int mp_cgroup_place(const char *cgroups, const char *mounts, struct mp_cgroup_place *out);

/* NULL without memory. */
struct mp_cgroup *mp_cgroup_new(void);
void mp_cgroup_free(struct mp_cgroup *c);

/* Opens what is there of this place, instead of what was open before. */
void mp_cgroup_open(struct mp_cgroup *c, const struct mp_cgroup_place *place);

/* Looks where the process is now. True: in another group than before, which has been opened, or in none. */
bool mp_cgroup_follow(struct mp_cgroup *c, pid_t pid);

/* Within a look (series.h): what is in use, or all. */
void mp_cgroup_tell(struct mp_cgroup *c, struct mp_series *s, bool all);

#endif
