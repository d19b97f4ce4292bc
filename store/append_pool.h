/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_APPEND_POOL_H
#define MP_STORE_APPEND_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "store/session.h"

/* What a session keeps of pools. As store/append.h: the same errors, the same thread. Columns that are not
 * told here are explained where their views are (sql/views/v_pool*.sql). */

struct mp_pool_row {
	const char *name, *source;
	uint64_t address; /* what the program calls it by; 0: by nothing, or by a size */
	int64_t capacity; /* these three: < 0: not known */
	int64_t object_bytes;
	int64_t created_ns;
};
int mp_append_pool(struct mp_session *s, const struct mp_pool_row *row, int64_t *pool_id, struct mp_err *err);

/* `capacity`, `object_bytes`, `destroyed_ns` < 0: as it was. */
int mp_update_pool(struct mp_session *s, int64_t pool_id, int64_t capacity, int64_t object_bytes,
    int64_t destroyed_ns, struct mp_err *err);

/* Of one slot; of one that is appended again, this is added. */
struct mp_pool_use {
	int64_t in_use_min, in_use_max, in_use_last;
	uint64_t gets, puts, failures;
	int64_t in_use_bytes_max; /* < 0: not told */
};
int mp_append_pool_use(struct mp_session *s, int64_t pool_id, int64_t slot_ns, const struct mp_pool_use *use,
    struct mp_err *err);

/* `what`: get, put or hold; `bucket` of store/histogram.h. Added to what is there. */
int mp_append_pool_latency(struct mp_session *s, int64_t pool_id, int64_t slot_ns, const char *what,
    uint32_t bucket, uint64_t count, struct mp_err *err);

/* So far: takes the place of what was written before. */
struct mp_pool_sum {
	uint64_t gets, puts, failures;
	int64_t in_use, in_use_max;
	int64_t in_use_max_t_ns, in_use_max_tid, in_use_max_stack_id; /* 0: none */
	int64_t in_use_bytes_max, requested_bytes;                    /* < 0: not told */
	uint64_t lost, double_puts, foreign_puts, older_puts, cross_puts;
	uint64_t hidden_failures, hidden_max, threads;
	uint64_t reuses, lifo_reuses, fifo_reuses;
	int64_t reuse_depth_p50; /* < 0: nothing was used again */
	uint64_t objects;
	int64_t lines, lines_least, pages, pages_least; /* < 0: not known */
};
int mp_append_pool_sum(
    struct mp_session *s, int64_t pool_id, const struct mp_pool_sum *sum, struct mp_err *err);

/* Likewise. */
struct mp_pool_site {
	uint64_t ip;
	int64_t stack_id; /* 0: none */
	uint64_t gets, holds, hold_sum_ns, hold_max_ns;
	int64_t hold_p50_ns, hold_p99_ns; /* < 0: none was put back */
	uint64_t at_high_water, held;
	int64_t oldest_ns; /* 0: none is held */
};
int mp_append_pool_site(
    struct mp_session *s, int64_t pool_id, const struct mp_pool_site *site, struct mp_err *err);

struct mp_pool_event_row {
	int64_t pool_id, t_ns;
	int64_t tid; /* 0, with the next two: none */
	const char *kind;
	uint64_t addr;
	int64_t stack_id;
	int64_t n; /* < 0: none */
};
int mp_append_pool_event(struct mp_session *s, const struct mp_pool_event_row *row, struct mp_err *err);

struct mp_pool_heap {
	uint64_t total_bytes, used_bytes, free_bytes, largest_free_bytes;
	int64_t unfit_bytes; /* < 0: not known */
	uint64_t free_pieces;
	int64_t requested_bytes; /* < 0: not known */
};
int mp_append_pool_heap(
    struct mp_session *s, int64_t pool_id, int64_t t_ns, const struct mp_pool_heap *heap, struct mp_err *err);

#endif
