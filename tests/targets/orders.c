/* SPDX-License-Identifier: MIT */
/*
 * orders slow|plain [ORDERS] [SCALE]    (default 20000 1)
 *
 * Truth: between go and "done" order() is called ORDERS times, which is also the span `tick_to_trade`. Each
 * works for SCALE times 20 to 60 us, the same in each run, and allocates 10 times from 3 sites. With `slow` 2
 * % of the allocations, the same in each run, take SCALE times 50 us longer (cause_alloc.c); with `plain`
 * none does, and all else is the same.
 */
#include "cause_alloc.h"
#include "mpsample.h"
#include "target.h"

#include <string.h>

enum { ALLOCS = 10, SLOW_PERCENT = 2 };

static bool is_slow;
static unsigned long scale = 1;
static uint64_t random_state = 42;

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

void order(unsigned long number);

NOINLINE void order(unsigned long number)
{
	static void *(*const sites[])(size_t) = {site_a, site_b, site_c};
	void *blocks[ALLOCS];

	MPSAMPLE_SPAN_BEGIN(tick_to_trade, number);
	work(scale * (20000 + target_random(&random_state) % 40000));
	for (int i = 0; i < ALLOCS; i++) {
		bool slow = target_random(&random_state) % 100 < SLOW_PERCENT;
		blocks[i] = sites[i % 3](slow && is_slow ? CAUSE_BYTES : 64 + (size_t)i * 16);
	}
	for (int i = 0; i < ALLOCS; i++)
		free(blocks[i]);
	MPSAMPLE_SPAN_END(tick_to_trade, number);
}

int main(int argc, char **argv)
{
	unsigned long orders = argc > 2 ? target_number(argv[2]) : 20000;

	if (argc > 3)
		scale = target_number(argv[3]);
	cause_spin_ns = scale * 50000;
	is_slow = argc > 1 && !strcmp(argv[1], "slow");
	if (!cause_choose("spin"))
		return 3;
	target_wait_go();
	for (unsigned long i = 0; i < orders; i++)
		order(i);
	target_print("orders %lu\n", orders);
	target_done();
	return 0;
}
