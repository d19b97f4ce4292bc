/* SPDX-License-Identifier: MIT */
/*
 * orders [ORDERS] [SCALE]    (default 20000 1)
 *
 * Truth: between go and "done" each of ORDERS orders is done twice, by order_slow(), which is also the span
 * `slow`, and by order_plain(), the span `plain`; which of them comes first takes turns. Both work for the
 * same SCALE times 20 to 60 us, and allocate 10 times from 3 sites, but of those of order_slow() 2 % take
 * SCALE times 50 us longer (cause_alloc.c). What disturbs the machine disturbs the one as much as the other.
 */
#include "cause_alloc.h"
#include "mpsample.h"
#include "target.h"

#include <stdbool.h>

enum { ALLOCS = 10, SLOW_PERCENT = 2 };

static unsigned long scale = 1;

static NOINLINE void *site_a(size_t size)
{
	void *p = malloc(size);
	TARGET_USE(p);
	return p;
}

static NOINLINE void *site_b(size_t size)
{
	void *p = malloc(size);
	TARGET_USE(p);
	return p;
}

static NOINLINE void *site_c(size_t size)
{
	void *p = malloc(size);
	TARGET_USE(p);
	return p;
}

static NOINLINE void work(uint64_t ns)
{
	uint64_t end = target_ns(CLOCK_MONOTONIC) + ns;

	while (target_ns(CLOCK_MONOTONIC) < end)
		;
}

/* The same sequence of random numbers gives the same order. */
static NOINLINE void order(bool is_slow, uint64_t *state)
{
	static void *(*const sites[])(size_t) = {site_a, site_b, site_c};
	void *blocks[ALLOCS];

	work(scale * (20000 + target_random(state) % 40000));
	for (int i = 0; i < ALLOCS; i++) {
		bool slow = target_random(state) % 100 < SLOW_PERCENT;
		blocks[i] = sites[i % 3](slow && is_slow ? CAUSE_BYTES : 64 + (size_t)i * 16);
	}
	for (int i = 0; i < ALLOCS; i++)
		free(blocks[i]);
}

void order_slow(unsigned long number, uint64_t state);
void order_plain(unsigned long number, uint64_t state);

NOINLINE void order_slow(unsigned long number, uint64_t state)
{
	MPSAMPLE_SPAN_BEGIN(slow, number);
	order(true, &state);
	MPSAMPLE_SPAN_END(slow, number);
}

NOINLINE void order_plain(unsigned long number, uint64_t state)
{
	MPSAMPLE_SPAN_BEGIN(plain, number);
	order(false, &state);
	MPSAMPLE_SPAN_END(plain, number);
}

int main(int argc, char **argv)
{
	unsigned long orders = argc > 1 ? target_number(argv[1]) : 20000;
	uint64_t random_state = 42;

	if (argc > 2)
		scale = target_number(argv[2]);
	cause_spin_ns = scale * 50000;
	if (!cause_choose("spin"))
		return 3;
	target_wait_go();
	for (unsigned long i = 0; i < orders; i++) {
		uint64_t state = target_random(&random_state);
		(i % 2 ? order_slow : order_plain)(i, state);
		(i % 2 ? order_plain : order_slow)(i, state);
	}
	target_print("orders %lu\n", orders);
	target_done();
	return 0;
}
