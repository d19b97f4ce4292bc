/* SPDX-License-Identifier: MIT */
#include "stamped_alloc.h"
#include "target.h"

#include <dlfcn.h>
#include <string.h>

static void *(*next_malloc)(size_t);
static struct stamped_call *log_of;
static size_t n, capacity;
static int with_mono;
static const uint64_t *spins;

/* As a program would take it, without fences. */
static inline uint64_t ticks(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	return target_ticks();
#endif
}

void stamped_alloc_arm(struct stamped_call *calls, size_t room, int mono, const uint64_t ticks_of[8])
{
	log_of = calls;
	capacity = room;
	with_mono = mono;
	spins = ticks_of;
	n = 0;
}

size_t stamped_alloc_disarm(void)
{
	capacity = 0;
	return n;
}

void *malloc(size_t size)
{
	uint64_t start = ticks();

	if (!next_malloc) {
		void *found = dlsym(RTLD_NEXT, "malloc");
		memcpy(&next_malloc, &found, sizeof(found));
	}
	if (n >= capacity)
		return next_malloc(size);

	uint64_t mono = with_mono ? target_ns(CLOCK_MONOTONIC) : 0;
	void *p = next_malloc(size);
	uint64_t until = start + spins[n % 8];
	while (ticks() < until)
		;
	struct stamped_call *call = &log_of[n++];
	call->start_ticks = start;
	call->mono_ns = mono;
	call->end_ticks = ticks();
	return p;
}
