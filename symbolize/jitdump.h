/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_JITDUMP_H
#define MP_SYMBOLIZE_JITDUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The names that a JIT compiler writes to jit-PID.dump (V8 --perf-prof, .NET, LuaJIT, JVMs with perf's
 * agent): JIT_CODE_LOAD, JIT_CODE_MOVE and JIT_CODE_DEBUG_INFO records with times, so that an address means
 * the code that was there then. See tools/perf/Documentation/jitdump-specification.txt in the Linux tree. The
 * file is found by the executable mapping of it that its writer makes for this purpose. It is the target's,
 * and hostile. One thread.
 */
struct mp_jitdump;

/* Takes a duplicate of `fd`. NULL when it is no jitdump file of this machine's byte order, or without memory.
 */
struct mp_jitdump *mp_jitdump_new(int fd);

/* Whether a mapped file's name is one of a jitdump file ("jit-1234.dump"). */
bool mp_jitdump_is_name(const char *path);

/* Reads what is new in the file; bounded in time and memory. */
void mp_jitdump_refresh(struct mp_jitdump *j);

/* Changes whenever a refresh changed something. */
uint32_t mp_jitdump_generation(const struct mp_jitdump *j);

struct mp_jit_name {
	const char *function; /* without control characters; valid until the next refresh */
	uint64_t start;
	const char *file; /* NULL: not known */
	int line;
};

/* The code that was at `addr` at `t_ns` (the session clock; files whose clock is another one: the latest). */
bool mp_jitdump_find(const struct mp_jitdump *j, uint64_t addr, int64_t t_ns, struct mp_jit_name *out);

void mp_jitdump_free(struct mp_jitdump *j);

#endif
