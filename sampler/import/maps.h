/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_IMPORT_MAPS_H
#define MP_SAMPLER_IMPORT_MAPS_H

#include "sampler/perf/data_file.h"
#include "store/append.h"
#include "store/session.h"
#include "symbolize/symbolize.h"

/*
 * What an imported recording says of mappings: of processes over time (sampler/perf/space.h), and of the code
 * in them, of which equal ones of several processes are one module of the session. Handed in in the order of
 * times. One thread.
 */
struct mp_import_maps;

struct mp_import_maps *mp_import_maps_new(void);
void mp_import_maps_free(struct mp_import_maps *m);

/* MMAP, MMAP2, FORK, EXIT and COMM records; others are passed by. 0 or -ENOMEM; what is beyond a limit is
 * counted. */
int mp_import_maps_take(struct mp_import_maps *m, const struct mp_perf_record *r);
uint64_t mp_import_maps_refused(const struct mp_import_maps *m);

/* The module that holds a code address of a process (user or kernel) now, or 0. */
uint32_t mp_import_maps_module(struct mp_import_maps *m, uint32_t pid, uint64_t addr);

/* What a data address lies in: place, place_name and offset of the row. */
void mp_import_maps_place(struct mp_import_maps *m, uint32_t pid, uint64_t addr, struct mp_sample_row *row);

/* Writes the modules, with build-ids from their records, the recording's list, or the files of this machine,
 * if it is the recorded one. First of both. `start_ns`: those that were there before. */
int mp_import_maps_store(struct mp_import_maps *m, struct mp_session *s, struct mp_perf_data *d,
    int64_t start_ns, struct mp_err *err);
/* Tells the modules to a symbolizer; numbers[module] is its number there, for mp_naming. NULL without memory.
 * The caller's to free(); *n entries. */
uint32_t *mp_import_maps_tell(
    struct mp_import_maps *m, struct mp_perf_data *d, struct mp_symbolizer *s, size_t *n);

#endif
