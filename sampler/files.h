/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_FILES_H
#define MP_SAMPLER_FILES_H

#include <stddef.h>

#include "store/err.h"

/* What commands share that look into many files. Any thread. */

#define MP_DEBUG_DIRS_MAX 32

/* Folders of debug files (--debug-dir), in the order in which they are searched. The texts are the caller's.
 */
struct mp_debug_dirs {
	const char *dir[MP_DEBUG_DIRS_MAX];
	size_t n;
};

/* Adds one; -EINVAL with the reason when it cannot serve as one, or there are too many. */
int mp_debug_dirs_add(struct mp_debug_dirs *d, const char *dir, struct mp_err *err);

/* Raises the limit of open files as far as that is allowed: files of the target stay open for their names,
 * and a tracefs recording needs many perf events. */
void mp_raise_file_limit(void);

#endif
