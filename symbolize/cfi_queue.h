/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_CFI_QUEUE_H
#define MP_SYMBOLIZE_CFI_QUEUE_H

#include "symbolize/symfile.h"

/*
 * Finds the debug files of files and builds their tables in the background, in the order in which they are
 * asked for: a large program takes a second, a checksum over gigabytes more, and calls go on meanwhile. The
 * builder is one thread of low priority. All functions: one other thread, which sees of a file either nothing
 * or what is finished (release and acquire by debug_state and cfi_state of struct mp_symfile).
 */
struct mp_cfi_queue;

struct mp_cfi_queue_options {
	const char *cache_dir;        /* copied; NULL: no cache */
	struct mp_debug_files *files; /* where debug files are; the caller's, it outlives the queue; NULL:
					 there are none */
	uint64_t bytes_max;           /* memory for all tables; 0: 1 GiB */
	int64_t build_ns_max;         /* no table is begun when all before took so long; 0: a minute */
};

struct mp_cfi_queue *mp_cfi_queue_new(const struct mp_cfi_queue_options *options); /* NULL without memory */

/* Ends the builder after the file that it is at. Before the files are freed. */
void mp_cfi_queue_free(struct mp_cfi_queue *q);

/* Has the debug file of `f` looked for. */
void mp_cfi_queue_add(struct mp_cfi_queue *q, struct mp_symfile *f);

/* The same, and its table built behind that. The table; NULL: it has none, why not says f->cfi_err, or with
 * *is_pending, not yet. */
const struct mp_cfi *mp_cfi_queue_get(struct mp_cfi_queue *q, struct mp_symfile *f, bool *is_pending);

/* How many tables have been finished. */
uint64_t mp_cfi_queue_done(struct mp_cfi_queue *q);

/* Waits until nothing is pending, for at most so many ms (< 0: however long it takes). */
void mp_cfi_queue_wait(struct mp_cfi_queue *q, int max_ms);

/* Before names of `f`: waits until its debug file is found, if it was asked for, and else looks for it now.
 * Does not wait where mp_cfi_queue_wait() did. */
void mp_cfi_queue_find_debug(struct mp_cfi_queue *q, struct mp_symfile *f);

#endif
