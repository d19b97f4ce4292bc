/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_DEBUGINFOD_H
#define MP_SYMBOLIZE_DEBUGINFOD_H

#include <stdbool.h>

#include "store/err.h"

/*
 * Files by build-id from the servers that DEBUGINFOD_URLS names, through libdebuginfod where it is installed:
 * it is loaded when it is needed, not linked. It keeps what it fetched in its cache folder and reads the
 * other DEBUGINFOD_* variables, DEBUGINFOD_TIMEOUT among them. Network: for naming after a recording, not
 * during one. One thread.
 */
struct mp_debuginfod;

struct mp_debuginfod_options {
	/* Called some times a second while it waits: `done` of `total` units (bytes, mostly; total 0: not
	 * known). False ends the wait, and no more is asked from then on. NULL: nothing is said. */
	bool (*progress)(void *ctx, long done, long total);
	void *ctx;
};

/* `options` may be NULL. 0, -ENOENT (DEBUGINFOD_URLS is not set, or empty), -ENOSYS (no library), -ENOMEM. */
int mp_debuginfod_new(
    const struct mp_debuginfod_options *options, struct mp_debuginfod **out, struct mp_err *err);
void mp_debuginfod_free(struct mp_debuginfod *d);

enum mp_debuginfod_kind { MP_DEBUGINFOD_DEBUG, MP_DEBUGINFOD_EXECUTABLE };

/* A descriptor of the file, the caller's, or -errno: -ENOENT where no server has it. Nothing says that it is
 * the file that was asked for. After three failures in a row of another kind (servers that are not there or
 * do not answer) every answer is -ECONNABORTED: each would take its time. */
int mp_debuginfod_find(struct mp_debuginfod *d, enum mp_debuginfod_kind kind, const char *build_id);

#endif
