/* SPDX-License-Identifier: MIT */
#ifndef MP_PRELOAD_ENVIRONMENT_H
#define MP_PRELOAD_ENVIRONMENT_H

/* The environment that the process was started with. Reads it where the kernel left it: the first call comes
 * before the C library knows of it. Any thread. */
#include <stdbool.h>

/* The value of a variable, or NULL. */
const char *mp_environment(const char *name);
/* Whether it is there and neither empty nor "0". */
bool mp_environment_is_set(const char *name);

/* Takes this library out of LD_PRELOAD, so that programs that the process starts run without it. */
void mp_environment_forget_preload(void);

/* The main thread's stack begins below this address; 0: not known. */
unsigned long mp_environment_stack_end(void);

#endif
