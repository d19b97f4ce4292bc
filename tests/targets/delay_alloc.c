/* SPDX-License-Identifier: MIT */
#include "delay_alloc.h"
#include "target.h"

#include <dlfcn.h>
#include <string.h>

static struct {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void (*free)(void *);
} real;

static struct {
	bool armed;
	size_t calls, capacity;
	uint64_t *ticks;
	uint64_t ticks_50us, ticks_1ms;
} delay;

/* Serves what dlsym itself asks for while the real functions are being looked up; never given back. */
static char bootstrap[64 * 1024] __attribute__((aligned(16)));
static size_t bootstrap_used;

static void *bootstrap_alloc(size_t size)
{
	size_t at = bootstrap_used;

	bootstrap_used += (size + 15) & ~(size_t)15;
	return bootstrap_used <= sizeof(bootstrap) ? bootstrap + at : NULL;
}

static bool from_bootstrap(const void *p)
{
	return (const char *)p >= bootstrap && (const char *)p < bootstrap + sizeof(bootstrap);
}

static void resolve_one(void *function, const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	memcpy(function, &found, sizeof(found));
}

/* False while a lookup is under way: the caller is dlsym. */
static bool resolved(void)
{
	static bool busy;

	if (__builtin_expect(real.free != NULL, 1))
		return true;
	if (busy)
		return false;
	busy = true;
	resolve_one(&real.malloc, "malloc");
	resolve_one(&real.calloc, "calloc");
	resolve_one(&real.realloc, "realloc");
	resolve_one(&real.free, "free");
	busy = false;
	return true;
}

void delay_alloc_arm(uint64_t *ticks, size_t capacity, double ns_per_tick)
{
	delay.ticks = ticks;
	delay.capacity = capacity;
	delay.ticks_50us = (uint64_t)(50e3 / ns_per_tick);
	delay.ticks_1ms = (uint64_t)(1e6 / ns_per_tick);
	delay.calls = 0;
	delay.armed = true;
}

size_t delay_alloc_disarm(void)
{
	delay.armed = false;
	return delay.calls;
}

static NOINLINE void spin_until(uint64_t ticks)
{
	while (target_ticks() < ticks)
		;
}

void *malloc(size_t size)
{
	uint64_t start = target_ticks();
	void *p;

	if (!resolved())
		return bootstrap_alloc(size);
	p = real.malloc(size);
	if (!delay.armed)
		return p;
	size_t call = ++delay.calls;

	if (call % DELAY_EVERY_1MS == 0)
		spin_until(start + delay.ticks_1ms);
	else if (call % DELAY_EVERY_50US == 0)
		spin_until(start + delay.ticks_50us);
	if (call <= delay.capacity)
		delay.ticks[call - 1] = target_ticks() - start;
	return p;
}

void *calloc(size_t count, size_t size)
{
	size_t bytes;

	if (resolved())
		return real.calloc(count, size);
	return __builtin_mul_overflow(count, size, &bytes) ? NULL : bootstrap_alloc(bytes);
}

void *realloc(void *old, size_t size)
{
	if (!resolved() || from_bootstrap(old)) {
		void *p = resolved() ? real.malloc(size) : bootstrap_alloc(size);

		/* The old size is not known; what lies behind the block in the arena is readable. */
		if (p && old)
			memcpy(p, old,
			    size < (size_t)(bootstrap + sizeof(bootstrap) - (char *)old)
				? size
				: (size_t)(bootstrap + sizeof(bootstrap) - (char *)old));
		return p;
	}
	return real.realloc(old, size);
}

void free(void *p)
{
	if (p && !from_bootstrap(p) && resolved())
		real.free(p);
}
