/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_MAPPED_H
#define MP_SYMBOLIZE_MAPPED_H

#include "symbolize/process.h"
#include "symbolize/symbolize.h"

/*
 * The very file that a process mapped, whatever has become of its name: in another mount namespace, deleted,
 * replaced, in a memfd. One thread a process.
 */

#define MP_MAPPED_PATH_MAX 4096

/*
 * Opens what is mapped at `map`; returns a descriptor of the caller's or -errno (-ENOENT: no file, -ESTALE:
 * another file is at its path now, by their build-ids). It comes from /proc/PID/map_files; without the right
 * to that (CAP_CHECKPOINT_RESTORE) or when the mapping is gone, from /proc/PID/exe or the path below the
 * process's root, compared with the build-id in the process's memory where that is still there.
 *
 * Programs move their text onto huge pages: they map anonymous memory over it and copy it there. Such a
 * mapping is in the midst of a loaded file, as that one's ELF header shows; its code is that file's. Then
 * `map` is changed to that file: path (into `path`) and offset.
 */
int mp_mapped_open(struct mp_process *p, struct mp_map *map, char path[static MP_MAPPED_PATH_MAX]);

#endif
