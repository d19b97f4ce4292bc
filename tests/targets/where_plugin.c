/* SPDX-License-Identifier: MIT */
/* libwhere_a.so and libwhere_b.so: libraries of the same size whose functions are not the same (where.c). */
#include "target.h"

#ifdef PLUGIN_A
#define ALLOCATES a_allocates
enum { CALLS = 5 };
#else
#define ALLOCATES b_allocates
enum { CALLS = 7 };
#endif

void ALLOCATES(void);

#ifndef PLUGIN_A
/* So that the code of both is not at the same place. */
void other(void);
NOINLINE void other(void)
{
	__asm__ volatile(".skip 256, 0x90");
}
#endif

NOINLINE void ALLOCATES(void)
{
	for (int i = 0; i < CALLS; i++) {
		void *p = malloc(977);

		TARGET_USE(p);
		free(p);
	}
}
