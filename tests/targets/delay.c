/* SPDX-License-Identifier: MIT */
/*
 * delay [CALLS]    (default 200000)
 *
 * Truth: between go and "done" malloc is called exactly CALLS times. Of these every 9973rd takes 1 ms and
 * comes from slow_site_1ms(); every other 997th takes 50 us; all but the 9973rds come from fast_path(). The
 * durations printed were measured by the allocator inside its own malloc (delay_alloc.c), converted with the
 * time stamp rate of the whole run; quantiles are by nearest rank.
 *
 * `delay` gets this malloc from libdelay_alloc.so, `delay_own` has it in the executable.
 */
#include "delay_alloc.h"
#include "target.h"

#include <sys/mman.h>

enum { WINDOW = 128 };

static void *window[WINDOW];

static NOINLINE void fast_path(size_t call, size_t size)
{
	char *p = malloc(size);

	TARGET_USE(p);
	window[call % WINDOW] = p;
}

static NOINLINE void slow_site_1ms(size_t call, size_t size)
{
	char *p = malloc(size);

	TARGET_USE(p);
	window[call % WINDOW] = p;
}

static void work(size_t calls)
{
	uint64_t random = 1;

	for (size_t call = 1; call <= calls; call++) {
		size_t size = 16 + target_random(&random) % 1009;

		free(window[call % WINDOW]);
		if (call % DELAY_EVERY_1MS == 0)
			slow_site_1ms(call, size);
		else
			fast_path(call, size);
	}
}

static unsigned long long ns(uint64_t ticks, double ns_per_tick)
{
	return (unsigned long long)((double)ticks * ns_per_tick + 0.5);
}

/* Sorts the durations; min_1ms_ns and min_50us_ns are the shortest of as many as were made to be so slow. */
static void report(uint64_t *ticks, size_t calls, double ns_per_tick)
{
	static const struct {
		const char *name;
		unsigned per_mille;
	} quantiles[] = {{"p50_ns", 500}, {"p99_ns", 990}, {"p99_9_ns", 999}, {"max_ns", 1000}};
	size_t slow = calls / DELAY_EVERY_1MS;
	/* 997 and 9973 are primes: both divide a call's number only at their product. */
	size_t medium = calls / DELAY_EVERY_50US - calls / ((size_t)DELAY_EVERY_50US * DELAY_EVERY_1MS);
	uint64_t sum = 0;

	for (size_t i = 0; i < calls; i++)
		sum += ticks[i];
	target_sort(ticks, calls);
	target_print("calls %zu\ncalls_fast_path %zu\ncalls_slow_site_1ms %zu\ncalls_50us %zu\n", calls,
	    calls - slow, slow, medium);
	target_print("total_ns %llu\n", ns(sum, ns_per_tick));
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		target_print("%s %llu\n", quantiles[i].name,
		    ns(target_quantile(ticks, calls, quantiles[i].per_mille), ns_per_tick));
	if (slow)
		target_print("min_1ms_ns %llu\n", ns(ticks[calls - slow], ns_per_tick));
	if (medium)
		target_print("min_50us_ns %llu\n", ns(ticks[calls - slow - medium], ns_per_tick));
	target_print("ns_per_tick %.9f\n", ns_per_tick);
}

static double calibrate(void)
{
	struct target_clock from = target_clock_now();

	while (target_ns(CLOCK_MONOTONIC) < from.ns + 50000000)
		;
	return target_ns_per_tick(from, target_clock_now());
}

int main(int argc, char **argv)
{
	size_t calls = argc > 1 ? target_number(argv[1]) : 200000;
	/* Populated, so that no recording of a duration faults. */
	uint64_t *ticks = mmap(NULL, (calls + 1) * sizeof(*ticks), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct target_clock from;

	if (ticks == MAP_FAILED || argc > 2) {
		fputs("usage: delay [CALLS]\n", stderr);
		return 2;
	}
	double ns_per_tick = calibrate();

	from = target_clock_now();
	target_wait_go();
	delay_alloc_arm(ticks, calls, ns_per_tick);
	work(calls);
	size_t made = delay_alloc_disarm();

	report(ticks, made, target_ns_per_tick(from, target_clock_now()));
	target_done();
	return 0;
}
