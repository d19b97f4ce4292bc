/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_IMPORT_IMPORT_H
#define MP_SAMPLER_IMPORT_IMPORT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "sampler/naming.h"
#include "sampler/perf/data_file.h"
#include "store/err.h"

/*
 * A recording of perf becomes a session: samples, events, threads, code that was mapped, stacks, and what was
 * lost. Times stay on the recording's own clock, which the session's key `clock` names. All or nothing: until
 * the session is whole its name does not exist, or stays what it was. One thread.
 */
struct mp_import_options {
	const char *input; /* "-": standard input */
	const char *output;
	bool force, symbolize_later;
	struct mp_symbolize_options symbolize;
	const char *options_text;          /* for the session: how it was asked for */
	void (*progress)(int percent);     /* now and then; NULL: nobody asks */
	const volatile sig_atomic_t *stop; /* not 0: give up; NULL: never */
};

struct mp_import_totals {
	uint64_t samples, lost;
	size_t events;
	struct mp_naming_totals names;
	struct mp_perf_data_totals data;
};

/* 0 or -errno; -ENODATA: not one whole record is in the file; -EINTR: stopped. */
int mp_import(const struct mp_import_options *o, struct mp_import_totals *totals, struct mp_err *err);

#endif
