/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_JIT_PERF_MAP_H
#define MP_SYMBOLIZE_JIT_PERF_MAP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The names that a JIT compiler writes to /tmp/perf-PID.map: lines "START SIZE NAME", both numbers in
 * hexadecimal, without end, and later lines override earlier ones. See
 * tools/perf/Documentation/jit-interface.txt in the Linux tree. The file is the target's: a line that is not
 * of this form is skipped. One thread.
 */
struct mp_perf_map;

/* A map that only a file of user `owner` or of root may fill. */
struct mp_perf_map *mp_perf_map_new(uid_t owner);

/* Where it may be: `path` within the folder `root_fd`, of which a duplicate is kept. At most two; the first
 * that can be opened counts. */
void mp_perf_map_add_source(struct mp_perf_map *m, int root_fd, const char *path);

/* Reads what is new in the file. A replaced or truncated file is read anew; one that is gone stays as read.
 */
void mp_perf_map_refresh(struct mp_perf_map *m);

/* The same, at most once a second, and never more than a twentieth of the time. */
void mp_perf_map_poll(struct mp_perf_map *m);

/* Changes whenever a refresh changed something. */
uint32_t mp_perf_map_generation(const struct mp_perf_map *m);

/* The name of the code at `addr`, and where it starts. Without control characters, at most 1023 bytes long;
 * valid until the next refresh or poll. */
bool mp_perf_map_find(const struct mp_perf_map *m, uint64_t addr, const char **name, uint64_t *start);

void mp_perf_map_free(struct mp_perf_map *m);

#endif
