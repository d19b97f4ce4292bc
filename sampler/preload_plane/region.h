/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRELOAD_PLANE_REGION_H
#define MP_SAMPLER_PRELOAD_PLANE_REGION_H

#include <stdint.h>
#include <sys/types.h>

#include "sampler/preload/shared.h"
#include "store/err.h"

/*
 * The shared memory of a process with libmpsample.so (sampler/preload/shared.h), mapped into the recorder.
 * The process is not stopped, and needs not even notice. It may be hostile: before anything is read it is
 * made sure that the memory is an ordinary memfd that cannot shrink, of the size and shape that this version
 * knows; from then on only our own copies of its sizes are used. One thread.
 */
struct mp_preload_region {
	int fd; /* opened anew, so that the lock on it is ours alone and goes with us */
	struct mp_region *header;
	uint64_t bytes, slot_bytes, ring_records;
	unsigned int slots;
	uint64_t inode;
};

/*
 * Finds, checks and maps the region of a process, without a lock. It is found by its inode among the mappings
 * and opened through /proc/PID/fd, or where the process has closed its descriptor through
 * /proc/PID/map_files.
 *
 *   -ENOENT  none is mapped: the process does not carry the library
 *   -ECHILD  it maps that of the process it was forked from, and has none of its own
 *   -EACCES  not permitted
 *   -EPROTO  one is mapped that is not what this version's library makes
 */
int mp_preload_region_open(pid_t pid, struct mp_preload_region *out, struct mp_err *err);
void mp_preload_region_close(struct mp_preload_region *r);

/* Becomes the one recorder, until the region is closed or we end. -EBUSY when there is another. */
int mp_preload_region_lock(struct mp_preload_region *r, pid_t pid, struct mp_err *err);

/* The process that holds the lock as /proc/locks tells; 0: none, or not known. */
pid_t mp_preload_region_recorder(const struct mp_preload_region *r);

/* Whether the process maps this region now: after an exec it does not. */
int mp_preload_region_is_mapped(const struct mp_preload_region *r, pid_t pid);

static inline struct mp_slot *mp_preload_region_slot(const struct mp_preload_region *r, unsigned int i)
{
	return mp_region_slot(r->header, r->slot_bytes, i);
}

/* Where the process itself maps a slot; 0 when it does not, or that cannot be read. */
uint64_t mp_preload_region_slot_addr(const struct mp_preload_region *r, pid_t pid, unsigned int i);

/*
 * The next slot at or after `i` whose memory is there; r->slots when there is none. Reading of a slot that
 * nobody has claimed would take memory for it.
 */
unsigned int mp_preload_region_next(const struct mp_preload_region *r, unsigned int i);

#endif
