/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_MERGE_H
#define MP_SAMPLER_PERF_MERGE_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Records of several rings, put in order of time: each ring is in order, all together are not. Copies wait
 * here until nothing older can come any more. Zero-initialized; one thread.
 */
struct mp_perf_merged {
	int64_t t_ns;
	int ring;  /* as it was told */
	size_t at; /* in `bytes` */
};

struct mp_perf_merge {
	struct mp_perf_merged *waiting;
	size_t n, room;
	unsigned char *bytes;
	size_t n_bytes, bytes_room;
};

/* Copies a record; false without memory. */
bool mp_perf_merge_add(
    struct mp_perf_merge *m, int64_t t_ns, int ring, const struct perf_event_header *record);

/* Hands on those up to a time, in its order; of one time, in the order in which they came. The rest waits. */
typedef void mp_perf_merge_fn(void *ctx, const struct perf_event_header *record, int64_t t_ns, int ring);
void mp_perf_merge_take(struct mp_perf_merge *m, int64_t up_to_ns, mp_perf_merge_fn *fn, void *ctx);

void mp_perf_merge_free(struct mp_perf_merge *m);

#endif
