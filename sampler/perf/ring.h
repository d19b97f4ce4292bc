/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_RING_H
#define MP_SAMPLER_PERF_RING_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/err.h"

/*
 * The memory-mapped ring of a perf event (perf_event_open(2), "MMAP layout"): opened, read, checked. One
 * thread reads; the kernel writes. Records that wrap around the end of the ring are handed out in one piece.
 */
struct mp_perf_ring {
	int fd;
	struct perf_event_mmap_page *page;
	size_t data_bytes;      /* a power of two */
	unsigned char *scratch; /* for a record that wraps */
};

/* Opens an event; -errno as perf_event_open(2), no text: the caller knows what it was for. */
int mp_perf_open(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd);

/* Maps the ring of `fd`, which the ring owns from now on. `data_pages` is a power of two. */
int mp_perf_ring_map(int fd, size_t data_pages, struct mp_perf_ring *out, struct mp_err *err);
void mp_perf_ring_close(struct mp_perf_ring *r);

/* Calls `fn` with each record that waits, in order, and frees its place. Returns the number of records. */
size_t mp_perf_ring_read(
    struct mp_perf_ring *r, void (*fn)(void *ctx, const struct perf_event_header *record), void *ctx);

/*
 * How many records of an event were dropped for want of room, exactly (PERF_FORMAT_LOST, Linux 6.0). The
 * event has to be opened with mp_perf_lost_format(). Where the kernel does not know (mp_perf_knows_lost()
 * after an event was opened), PERF_RECORD_LOST records tell of losses once there is room again:
 * mp_perf_lost_record() reads one.
 */
uint64_t mp_perf_lost_format(void);
bool mp_perf_knows_lost(void);
uint64_t mp_perf_lost(int fd);
struct mp_perf_lost_record {
	uint64_t id; /* of the event */
	uint64_t lost;
};
bool mp_perf_lost_record(const struct perf_event_header *record, struct mp_perf_lost_record *out);

#endif
