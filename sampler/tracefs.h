/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_TRACEFS_H
#define MP_SAMPLER_TRACEFS_H

#include <stdint.h>

#include "store/err.h"

/*
 * uprobe events of the kernel's tracing file system (Documentation/trace/uprobetracer.rst). The file system
 * is mounted privately, seen by this process alone, so that it need not be mounted anywhere. Names live in
 * the kernel until they are removed: a recorder that was killed leaves its group, and the next one removes
 * it.
 */
struct mp_tracefs {
	int dir;        /* the root of the file system */
	char group[32]; /* of this process's events */
};

/* -EPERM, -ENODEV (not built into this kernel) ... with a text. */
int mp_tracefs_open(struct mp_tracefs *out, struct mp_err *err);

/* Removes the names that killed recorders left, as far as it is permitted. */
void mp_tracefs_remove_leftovers(void);

/* Adds a probe to event `name` of our group: type 'p' (entry) or 'r' (return), at `offset` of the file
 * `path`. `tag` is attached to each record as a constant, behind it what `args` fetches ("" for nothing; see
 * FETCHARGS in the kernel's text). All probes of one name make one event: their args have the same names and
 * types. */
int mp_tracefs_add(struct mp_tracefs *t, char type, const char *name, const char *path, uint64_t offset,
    uint64_t tag, const char *args, struct mp_err *err);

/* The number by which perf_event_open(2) knows an event; -errno. */
int mp_tracefs_event_id(const struct mp_tracefs *t, const char *name);

/* Removes an event of ours; it must not be open any more. */
void mp_tracefs_remove(struct mp_tracefs *t, const char *name);
void mp_tracefs_close(struct mp_tracefs *t);

#endif
