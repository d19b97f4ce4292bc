/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_JIT_JITDUMP_H
#define MP_SYMBOLIZE_JIT_JITDUMP_H

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

/* Takes a duplicate of `fd`. A file that its writer has not begun yet may become one. NULL when it is no
 * jitdump file of this machine's byte order, or without memory. Nothing is read before the first refresh. */
struct mp_jitdump *mp_jitdump_new(int fd);

/* Whether a mapped file's name is one of a jitdump file ("jit-1234.dump"). */
bool mp_jitdump_is_name(const char *path);

/* Reads what is new in the file; bounded in time and memory. A file that was truncated or rewritten is read
 * anew. */
void mp_jitdump_refresh(struct mp_jitdump *j);

/* The same, at most once a second, and never more than a twentieth of the time. */
void mp_jitdump_poll(struct mp_jitdump *j);

/* Changes whenever a refresh changed something. */
uint32_t mp_jitdump_generation(const struct mp_jitdump *j);

struct mp_jit_name {
	/* Both without control characters, at most 1023 bytes long; valid until the next refresh or poll. */
	const char *function;
	const char *file; /* NULL: not known */
	int line;
	uint64_t start;
};

/* The code that was at `addr` at `t_ns` (the session clock; files whose clock is another one: the latest).
 * Code that was not written to the file by then is not found. */
bool mp_jitdump_find(const struct mp_jitdump *j, uint64_t addr, int64_t t_ns, struct mp_jit_name *out);

void mp_jitdump_free(struct mp_jitdump *j);

#endif
