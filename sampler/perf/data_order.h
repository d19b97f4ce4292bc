/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_DATA_ORDER_H
#define MP_SAMPLER_PERF_DATA_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Records of many CPUs' rings, as perf record wrote them one ring after the other, put into the order of
 * their times; those of one time stay in the order of the file. perf's rule: once all rings were read
 * (PERF_RECORD_FINISHED_ROUND), nothing comes any more that is older than what the round before had brought.
 * At most MP_PERF_ORDER_BYTES wait: beyond that the earliest goes on its way, round or not, so that memory is
 * bounded where rounds are long or missing. One thread.
 */
struct mp_perf_order;

#define MP_PERF_ORDER_BYTES (64u << 20)

struct mp_perf_waiting {
	uint64_t time, number; /* number: its place in the file */
	size_t event, n_bytes;
	unsigned char bytes[];
};

struct mp_perf_order *mp_perf_order_new(void);
void mp_perf_order_free(struct mp_perf_order *o);

/* Copies a record. False: out of memory. */
bool mp_perf_order_add(
    struct mp_perf_order *o, uint64_t time, size_t event, const void *bytes, size_t n_bytes);

/* All rings were read. */
void mp_perf_order_round(struct mp_perf_order *o);
/* Nothing follows. */
void mp_perf_order_end(struct mp_perf_order *o);

/* The next record that is not to wait any longer, the caller's to free(); NULL: none now. */
struct mp_perf_waiting *mp_perf_order_next(struct mp_perf_order *o);

#endif
