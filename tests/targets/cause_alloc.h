/* SPDX-License-Identifier: MIT */
/*
 * An allocator in front of libc's whose malloc(CAUSE_BYTES) is slow for one known reason; every other call is
 * libc's. Reasons that need preparing are prepared by cause_prepare(), outside of the call.
 */
#ifndef CAUSE_ALLOC_H
#define CAUSE_ALLOC_H

#include <stdbool.h>

enum { CAUSE_BYTES = 7919 };

/* Chooses the reason by its name (cause_alloc.c has the list), and starts the threads and processes that it
 * takes. False: there is no such reason, or it cannot be had here; errno says why. */
bool cause_choose(const char *name);

extern unsigned long cause_spin_ns; /* of the reason `spin` */

/* Before each slow call, and once at the end. */
void cause_prepare(void);
void cause_end(void);

#endif
