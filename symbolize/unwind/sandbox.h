/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_UNWIND_SANDBOX_H
#define MP_SYMBOLIZE_UNWIND_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

#include "store/err.h"

/*
 * Runs a piece of work over a hostile file in a child that can do nothing else: no descriptor but that file's
 * and its result's, no memory that the caller shares with anybody, no system call but reading, memory and its
 * own end (seccomp), bounded memory and time.
 * However it ends, the caller goes on. One thread at a time forks; the child calls no code that needs a lock
 * which another thread may hold.
 *
 * The process must not ignore SIGCHLD, nor have SA_NOCLDWAIT set, nor another thread that waits for any
 * child: how the child ended would be lost, and with it the result. SIGCHLD ignored is inherited through
 * exec(): a program sets it to SIG_DFL before the first run.
 */
struct mp_sandbox_limits {
	uint64_t memory_bytes; /* on top of what the process has */
	int64_t cpu_ms, wall_ms;
};

/* `work` writes its result to `out_fd` and returns 0 or -errno. Returns what it returned; -ETIMEDOUT;
 * -EBADMSG when it crashed, made a forbidden system call or ran out of memory; -ECHILD when its end is not
 * known (see above); with the reason. *result_fd: what it wrote, at offset 0, the caller's; only on success.
 */
int mp_sandbox_run(int (*work)(void *ctx, int out_fd), void *ctx, const int *keep_fds, size_t n_keep,
    const struct mp_sandbox_limits *limits, int *result_fd, struct mp_err *err);

#endif
