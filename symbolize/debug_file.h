/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_DEBUG_FILE_H
#define MP_SYMBOLIZE_DEBUG_FILE_H

#include "symbolize/elf.h"

/* Where distributions install separate debug files, by build-id. */
#define MP_DEBUG_DIR "/usr/lib/debug"

/*
 * The separate debug file of the file with this build-id (lower-case hex): DIR/.build-id/xx/yyyy.debug, below
 * `dir` on the host, then below MP_DEBUG_DIR in the folder `root_fd` (-1: none), the target's root. A file
 * whose own build-id differs is not taken: symbols of another build are worse than none. Returns NULL when
 * there is none; else close it with mp_elf_close(). Any thread.
 */
struct mp_elf *mp_debug_file_open(const char *dir, int root_fd, const char *build_id);

#endif
