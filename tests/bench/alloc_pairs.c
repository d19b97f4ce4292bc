/* SPDX-License-Identifier: MIT */
/*
 * What a malloc/free pair costs, round by round: `alloc_pairs THREADS` prints `ready PID`, and for each line
 * on stdin one line of figures:
 *
 *   pairs cpu_ns C stamp_ns S p50 A p99 B p999 D p9999 E max F
 *
 * C: CPU time of a pair, the mean of an untimed loop, over all threads. S: reading the time stamp counter.
 * The rest, in ns: the distribution of pairs timed one by one (wall time; two fenced stamps are in each).
 */
#include <pthread.h>
#include <stdatomic.h>

#include "store/histogram.h"
#include "tests/targets/target.h"

#define MAX_THREADS 8
#define PAIRS       400000
#define TIMED_PAIRS 200000

static unsigned n_threads;
static pthread_barrier_t begin, end;
static uint64_t cpu_ns[MAX_THREADS];
static _Atomic uint32_t buckets[MP_HIST_BUCKETS];
static double ns_per_tick;

/* Small sizes of six classes, as an order's life takes them. */
static size_t size_of(unsigned i)
{
	return 16 + (i * 37 & 511);
}

static void pair(unsigned i)
{
	void *p = malloc(size_of(i));

	TARGET_USE(p);
	free(p);
}

static void round_of(unsigned id)
{
	uint64_t from = target_ns(CLOCK_THREAD_CPUTIME_ID);

	for (unsigned i = 0; i < PAIRS; i++)
		pair(i);
	cpu_ns[id] = target_ns(CLOCK_THREAD_CPUTIME_ID) - from;
	for (unsigned i = 0; i < TIMED_PAIRS; i++) {
		uint64_t start = target_ticks();
		pair(i);
		double ns = (double)(target_ticks() - start) * ns_per_tick;
		atomic_fetch_add_explicit(&buckets[mp_hist_bucket((uint64_t)ns)], 1, memory_order_relaxed);
	}
}

static void *thread_main(void *arg)
{
	for (;;) {
		pthread_barrier_wait(&begin);
		round_of((unsigned)(uintptr_t)arg);
		pthread_barrier_wait(&end);
	}
	return NULL;
}

static uint64_t quantile(double q)
{
	uint64_t rank = (uint64_t)((double)TIMED_PAIRS * n_threads * q), below = 0;

	for (unsigned b = 0; b < MP_HIST_BUCKETS; b++) {
		below += buckets[b];
		if (below > rank || below == (uint64_t)TIMED_PAIRS * n_threads)
			return mp_hist_hi_ns(b);
	}
	return 0;
}

static double stamp_ns(void)
{
	struct target_clock from = target_clock_now();
	uint64_t sum = 0;

	for (int i = 0; i < 1000000; i++) {
#ifdef __x86_64__
		sum += __builtin_ia32_rdtsc();
#else
		sum += target_ticks();
#endif
		TARGET_USE(sum);
	}
	return (double)(target_clock_now().ns - from.ns) / 1000000;
}

int main(int argc, char **argv)
{
	struct target_clock from = target_clock_now();
	pthread_t thread;

	n_threads = argc > 1 ? (unsigned)target_number(argv[1]) : 1;
	if (!n_threads || n_threads > MAX_THREADS)
		return 2;
	pthread_barrier_init(&begin, NULL, n_threads + 1);
	pthread_barrier_init(&end, NULL, n_threads + 1);
	for (uintptr_t i = 0; i < n_threads; i++)
		pthread_create(&thread, NULL, thread_main, (void *)i);
	usleep(50000);
	ns_per_tick = target_ns_per_tick(from, target_clock_now());
	target_print("ready %d\n", (int)getpid());

	while (target_wait_line()) {
		uint64_t sum = 0;
		double stamp = stamp_ns();

		pthread_barrier_wait(&begin);
		pthread_barrier_wait(&end);
		for (unsigned i = 0; i < n_threads; i++)
			sum += cpu_ns[i];
		target_print("pairs cpu_ns %.2f stamp_ns %.2f p50 %lu p99 %lu p999 %lu p9999 %lu max %lu\n",
		    (double)sum / n_threads / PAIRS, stamp, quantile(0.5), quantile(0.99), quantile(0.999),
		    quantile(0.9999), quantile(1));
		for (unsigned b = 0; b < MP_HIST_BUCKETS; b++)
			buckets[b] = 0;
	}
}
