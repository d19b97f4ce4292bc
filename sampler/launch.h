/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_LAUNCH_H
#define MP_SAMPLER_LAUNCH_H

#include <sys/types.h>

#include "store/err.h"

/*
 * Starts a command for recording from its first allocation: as our child under ptrace, held when the dynamic
 * linker has mapped all libraries and run none of their code (a static program: at its first instruction).
 * That is the one place where ptrace is used, and only before the program runs: a live process is never
 * stopped.
 */

/* Starts `argv` and holds it. */
int mp_launch(char *const argv[], pid_t *pid, struct mp_err *err);

/* Lets it run, untraced. */
int mp_launch_go(pid_t pid, struct mp_err *err);

/* Ends a command that was held and shall not run. */
void mp_launch_abandon(pid_t pid);

#endif
