/* SPDX-License-Identifier: MIT */
/*
 * What a marker costs while nobody listens: loops of one marker against an empty loop, in turn, round by
 * round; medians of the rounds. With libmpsample.so preloaded it is the cost of a dormant library.
 *
 *   markers [ROUNDS]    prints `MARKER ns`: nanoseconds a marker, the empty loop's taken off
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <mpsample.h>

#define PASSES     1000000
#define MAX_ROUNDS 1001

static char pool;

/* The loop's own work: a counter that the compiler must keep. */
#define LOOP(name, marker)                                                                                   \
	__attribute__((noinline)) static void name(void)                                                     \
	{                                                                                                    \
		for (uint64_t i = 0; i < PASSES; i++) {                                                      \
			__asm__ volatile("" : "+r"(i) : : "memory");                                         \
			marker;                                                                              \
		}                                                                                            \
	}

LOOP(empty_loop, (void)i)
LOOP(span_begin, MPSAMPLE_SPAN_BEGIN(bench, i))
LOOP(span_end, MPSAMPLE_SPAN_END(bench, i))
LOOP(mark, MPSAMPLE_MARK("bench", (int64_t)i))
LOOP(phase, MPSAMPLE_PHASE("bench"))
LOOP(pool_create, MPSAMPLE_POOL_CREATE(&pool, "bench", 64, i))
LOOP(pool_get, MPSAMPLE_POOL_GET(&pool, &pool))
LOOP(pool_put, MPSAMPLE_POOL_PUT(&pool, &pool))
LOOP(pool_empty, MPSAMPLE_POOL_EMPTY(&pool))
LOOP(gauge, MPSAMPLE_GAUGE("bench", (int64_t)i))
LOOP(component_begin, MPSAMPLE_COMPONENT_BEGIN("bench"))
LOOP(component_end, MPSAMPLE_COMPONENT_END())

static const struct {
	const char *name;
	void (*run)(void);
} loops[] = {
    {"empty_loop", empty_loop},
    {"span_begin", span_begin},
    {"span_end", span_end},
    {"mark", mark},
    {"phase", phase},
    {"pool_create", pool_create},
    {"pool_get", pool_get},
    {"pool_put", pool_put},
    {"pool_empty", pool_empty},
    {"gauge", gauge},
    {"component_begin", component_begin},
    {"component_end", component_end},
};

#define N_LOOPS (sizeof(loops) / sizeof(*loops))

static double ns_a_pass(void (*run)(void))
{
	struct timespec a, b;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	run();
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / PASSES;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

int main(int argc, char **argv)
{
	static double ns[N_LOOPS][MAX_ROUNDS];
	int rounds = argc > 1 ? atoi(argv[1]) : 21;

	if (rounds < 1 || rounds > MAX_ROUNDS)
		return 2;
	for (int r = 0; r < rounds; r++)
		for (size_t i = 0; i < N_LOOPS; i++)
			ns[i][r] = ns_a_pass(loops[i].run);
	for (size_t i = 0; i < N_LOOPS; i++)
		qsort(ns[i], (size_t)rounds, sizeof(double), by_value);
	for (size_t i = 0; i < N_LOOPS; i++)
		printf("%-15s %.2f\n", loops[i].name, ns[i][rounds / 2] - (i ? ns[0][rounds / 2] : 0));
	return 0;
}
