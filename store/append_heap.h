/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_APPEND_HEAP_H
#define MP_STORE_APPEND_HEAP_H

#include <stdint.h>

#include "store/session.h"

/* What a session keeps of the allocator's heaps (sql/views/v_pool_heap.sql). As store/append.h: the same
 * errors, the same thread. */

/* A pool without capacity and size, which was there before the recording. */
int mp_append_heap(struct mp_session *s, const char *name, const char *source, uint64_t address,
    int64_t *pool_id, struct mp_err *err);

struct mp_pool_heap {
	uint64_t total_bytes, used_bytes, free_bytes, largest_free_bytes;
	int64_t unfit_bytes; /* < 0: not known */
	uint64_t free_pieces;
	int64_t requested_bytes; /* < 0: not known */
};
int mp_append_pool_heap(
    struct mp_session *s, int64_t pool_id, int64_t t_ns, const struct mp_pool_heap *heap, struct mp_err *err);

#endif
