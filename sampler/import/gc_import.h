/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_IMPORT_GC_IMPORT_H
#define MP_SAMPLER_IMPORT_GC_IMPORT_H

#include "sampler/import/gc_log.h"
#include "sampler/import/import.h"

/*
 * A log of HotSpot's collectors (sampler/import/gc_log.h) becomes a session of gc, gc_pool, gc_phase,
 * gc_setting, and of marks where threads waited for memory. All or nothing, as mp_import(). One thread.
 */

/* Whether the file begins as such a log: a pipe is none, for it cannot be read twice. */
bool mp_gc_import_knows(const char *input);

/* 0 or -errno; -ENODATA: its collections have no times; -EINTR: stopped. */
int mp_gc_import(const struct mp_import_options *o, struct mp_gc_log_totals *totals, struct mp_err *err);

#endif
