/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_JIT_H
#define MP_SYMBOLIZE_JIT_H

#include "symbolize/jit/jitdump.h"
#include "symbolize/process.h"
#include "symbolize/source.h"

/*
 * The names of code that the target's JIT compilers made, from whichever files they write: jitdump files
 * (symbolize/jit/jitdump.h) before the perf map (symbolize/jit/perf_map.h). One thread.
 */
struct mp_jit;

/* Of a process; the perf map is looked for in its own /tmp, and in the host's. */
struct mp_jit *mp_jit_new(pid_t pid, const struct mp_process *process);
void mp_jit_free(struct mp_jit *j);

/* Whether a mapping is of a jitdump file, which its writer maps to be found: it holds no code. */
bool mp_jit_add_map(struct mp_jit *j, const struct mp_map *map);

/* Reads what is new in all files; else that is read by and by, at most once a second. */
void mp_jit_refresh(struct mp_jit *j);

/* What is known of the code at `addr`, run-time address; names are as they are shown. Texts are valid until
 * the next call. */
void mp_jit_find(struct mp_jit *j, uint64_t addr, int64_t t_ns, struct mp_found *found);

#endif
