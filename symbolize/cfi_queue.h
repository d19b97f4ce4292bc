/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_CFI_QUEUE_H
#define MP_SYMBOLIZE_CFI_QUEUE_H

#include "symbolize/symfile.h"

/*
 * Builds the tables of files in the background, in the order in which they are asked for: a large program
 * takes a second, and calls go on meanwhile. The builder is one thread of low priority. All functions: one
 * other thread.
 */
struct mp_cfi_queue;

struct mp_cfi_queue *mp_cfi_queue_new(const char *cache_dir); /* NULL: no cache; NULL without memory */

/* Ends the builder after the table that it is at. Before the files are freed. */
void mp_cfi_queue_free(struct mp_cfi_queue *q);

/* The table of a file; NULL: it has none, or with *is_pending, not yet. */
const struct mp_cfi *mp_cfi_queue_get(struct mp_cfi_queue *q, struct mp_symfile *f, bool *is_pending);

/* How many tables have been finished. */
uint64_t mp_cfi_queue_done(struct mp_cfi_queue *q);

/* Waits until nothing is pending, for at most so many ms (< 0: however long it takes). */
void mp_cfi_queue_wait(struct mp_cfi_queue *q, int max_ms);

#endif
