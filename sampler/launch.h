/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_LAUNCH_H
#define MP_SAMPLER_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/err.h"

/*
 * Starts a command for recording from its first allocation: as our child under ptrace, held when the dynamic
 * linker has mapped all libraries and run none of their code (a static program: at its first instruction).
 * That is the one place where ptrace is used, and only before the program runs: a live process is never
 * stopped.
 */
struct mp_launch_options {
	char *const *argv;
	const char *preload; /* path of libmpsample.so, to be loaded before all else; NULL: none */
	bool big_rings;      /* its rings are large enough for every call to be a row */
	bool follow_forks;   /* what the command starts carries the library, too */
};

/* Starts the command and holds it. -ECHILD: it ended meanwhile. */
int mp_launch(const struct mp_launch_options *o, pid_t *pid, struct mp_err *err);

/* Lets a held command go on until it is about to execute the instruction at `address`, and holds it there.
 * -ENOENT: it has come to its own first instruction, and is held there. -ECHILD: it ended. */
int mp_launch_until(pid_t pid, uint64_t address, struct mp_err *err);

/* Lets it run, untraced. */
int mp_launch_go(pid_t pid, struct mp_err *err);

/* Ends a command that was held and shall not run. */
void mp_launch_abandon(pid_t pid);

#endif
