/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_FILES_H
#define MP_SAMPLER_FILES_H

#include "store/err.h"

/* What commands share that look into many files. Any thread. */

#define MP_DEBUG_DIRS_MAX 32

/* Whether `dir` can serve as a folder of debug files (--debug-dir); -EINVAL with the reason. */
int mp_debug_dir_check(const char *dir, struct mp_err *err);

/* Raises the limit of open files as far as that is allowed: files of the target stay open for their names,
 * and a tracefs recording needs many perf events. */
void mp_raise_file_limit(void);

#endif
