/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_JIT_JIT_MAPPING_H
#define MP_SYMBOLIZE_JIT_JIT_MAPPING_H

#include <stdbool.h>

/*
 * Whether an executable mapping of this name (as in /proc/PID/maps, or as perf names it: "//anon") is memory
 * in which a process makes code for itself, rather than a file that was linked: anonymous, shared anonymous,
 * of huge pages, a memfd or System V shared memory. Such code has no CFI, and often no frame pointers. A
 * shared object may lie in a memfd, too: look for ELF first. Any thread.
 */
bool mp_is_jit_mapping(const char *path);

#endif
