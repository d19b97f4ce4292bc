/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_IMPORT_THREADS_H
#define MP_SAMPLER_IMPORT_THREADS_H

#include "sampler/perf/record.h"
#include "store/session.h"

/* The threads of an imported recording, with their names and lives. Records come in time order. One thread.
 */
struct mp_import_threads;

struct mp_import_threads *mp_import_threads_new(void);
void mp_import_threads_free(struct mp_import_threads *t);

/* COMM, FORK, EXIT; others are passed by. 0 or -ENOMEM; threads beyond a limit are counted. */
int mp_import_threads_take(struct mp_import_threads *t, const struct mp_perf_record *r, int64_t t_ns);
/* A thread that had a sample. */
int mp_import_threads_seen(struct mp_import_threads *t, uint32_t tid, int64_t t_ns);
uint64_t mp_import_threads_refused(const struct mp_import_threads *t);

/* Writes them. `start_ns` is the beginning of those that were there before. */
int mp_import_threads_store(
    struct mp_import_threads *t, struct mp_session *s, int64_t start_ns, struct mp_err *err);

#endif
