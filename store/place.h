/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_PLACE_H
#define MP_STORE_PLACE_H

#include <stdbool.h>

#include "store/err.h"

/*
 * Where a new session's file goes. All return 0 or -errno with a text that names the path. One thread at a
 * time for a path; what other processes do to it meanwhile is noticed, at the latest by mp_place_publish().
 */

/*
 * Can `path` become a session? -EEXIST when it exists and `force` is not set, or when it is anything but a
 * regular file (a symbolic link counts as such); -EBUSY when another process has it open as a database;
 * -ENOENT, -ENOTDIR, -EACCES, -EROFS for its directory.
 */
int mp_place_check(const char *path, bool force, struct mp_err *err);

/* Creates an empty file with a free hidden name beside `path`. `*temp` is the caller's to free and to unlink.
 */
int mp_place_temp(const char *path, char **temp, struct mp_err *err);

/*
 * Renames `temp` to `path`: readers see the old file or the new one, never a part. Without `force` an
 * existing `path` is -EEXIST. With it, an old write-ahead log goes away together with the old file, and comes
 * back if that cannot be replaced. On failure `temp` is still there.
 */
int mp_place_publish(const char *temp, const char *path, bool force, struct mp_err *err);

#endif
