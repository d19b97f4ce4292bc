/* SPDX-License-Identifier: MIT */
/*
 * threads [--repeat] N SECONDS       malloc/free pairs on N threads
 * threads [--repeat] --create M      M threads made and joined, one after the other
 *
 * For benchmarks: what does a recorder cost its target? One round makes the same number of calls each time
 * (about SECONDS long when nothing records), so rounds before, during and after a recording compare. With
 * --repeat every line on stdin starts a round, without it there is one.
 * Prints a line a round: `threads N pairs P cpu_ns_per_pair X wall_ns_per_pair Y` or `create M median_us X
 * joined_median_us Y joined_p99_us Z`. The CPU time is the whole process's, divided by the pairs of all
 * threads.
 */
#include "target.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

struct round {
	unsigned threads;
	uint64_t pairs; /* of each thread */
};

static struct round config;
static pthread_barrier_t go, finished;

static NOINLINE void malloc_free_pairs(uint64_t pairs, uint64_t random)
{
	for (uint64_t i = 0; i < pairs; i++) {
		char *p = malloc(16 + target_random(&random) % 240);

		TARGET_USE(p);
		free(p);
	}
}

static void *worker_main(void *arg)
{
	for (;;) {
		pthread_barrier_wait(&go);
		if (!config.pairs)
			return arg;
		malloc_free_pairs(config.pairs, (uintptr_t)arg);
		pthread_barrier_wait(&finished);
	}
}

/* So many pairs that a round takes about `seconds`, all CPUs shared. */
static uint64_t calibrate(unsigned threads, double seconds)
{
	const uint64_t trial = 1000000;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	malloc_free_pairs(trial / 10, 1);
	uint64_t start = target_ns(CLOCK_PROCESS_CPUTIME_ID);

	malloc_free_pairs(trial, 1);
	double ns_per_pair = (double)(target_ns(CLOCK_PROCESS_CPUTIME_ID) - start) / (double)trial;
	double at_once = threads < cpus ? threads : (double)cpus;

	return (uint64_t)(seconds * 1e9 / ns_per_pair * at_once / threads) + 1;
}

static void pairs_round(void)
{
	uint64_t wall = target_ns(CLOCK_MONOTONIC), cpu = target_ns(CLOCK_PROCESS_CPUTIME_ID);

	pthread_barrier_wait(&go);
	pthread_barrier_wait(&finished);
	cpu = target_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = target_ns(CLOCK_MONOTONIC) - wall;
	double pairs = (double)config.pairs * config.threads;

	target_print("threads %u pairs %llu cpu_ns_per_pair %.2f wall_ns_per_pair %.2f\n", config.threads,
	    (unsigned long long)pairs, (double)cpu / pairs, (double)wall / pairs);
}

static void *short_main(void *arg)
{
	return arg;
}

/* `ns` holds `count` times of pthread_create() alone, then `count` of create and join: a thread's end calls
 * free() some 26 times inside glibc (most with NULL), which a recorder of allocations cannot help but see. */
static void create_round(unsigned long count, uint64_t *ns)
{
	uint64_t *joined = ns + count;

	for (unsigned long i = 0; i < count; i++) {
		uint64_t start = target_ns(CLOCK_MONOTONIC);
		pthread_t t;

		if (pthread_create(&t, NULL, short_main, NULL)) {
			target_print("error: cannot make thread %lu\n", i);
			_exit(1);
		}
		ns[i] = target_ns(CLOCK_MONOTONIC) - start;
		pthread_join(t, NULL);
		joined[i] = target_ns(CLOCK_MONOTONIC) - start;
	}
	target_sort(ns, count);
	target_sort(joined, count);
	target_print("create %lu median_us %.1f joined_median_us %.1f joined_p99_us %.1f\n", count,
	    (double)target_quantile(ns, count, 500) / 1e3, (double)target_quantile(joined, count, 500) / 1e3,
	    (double)target_quantile(joined, count, 990) / 1e3);
}

static int create_main(unsigned long count, bool repeat)
{
	uint64_t *ns = mmap(NULL, (2 * count + 1) * sizeof(*ns), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (ns == MAP_FAILED || !count)
		return 2;
	target_wait_go();
	do
		create_round(count, ns);
	while (repeat && target_wait_line());
	target_done();
	return 0;
}

static int pairs_main(unsigned threads, double seconds, bool repeat)
{
	pthread_t *t =
	    mmap(NULL, threads * sizeof(*t) + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (t == MAP_FAILED || !threads || !(seconds > 0))
		return 2;
	config = (struct round){threads, calibrate(threads, seconds)};
	pthread_barrier_init(&go, NULL, threads + 1);
	pthread_barrier_init(&finished, NULL, threads + 1);
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, worker_main, (void *)(uintptr_t)(i + 1))) {
			fprintf(stderr, "threads: cannot make thread %u\n", i);
			return 1;
		}
	target_wait_go();
	do
		pairs_round();
	while (repeat && target_wait_line());
	target_done();
	config.pairs = 0; /* the sign to end; the barrier orders it */
	pthread_barrier_wait(&go);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	return 0;
}

int main(int argc, char **argv)
{
	bool repeat = argc > 1 && !strcmp(argv[1], "--repeat");

	argc -= repeat;
	argv += repeat;
	if (argc != 3) {
		fputs("usage: threads [--repeat] N SECONDS | threads [--repeat] --create M\n", stderr);
		return 2;
	}
	if (!strcmp(argv[1], "--create"))
		return create_main(target_number(argv[2]), repeat);
	return pairs_main((unsigned)target_number(argv[1]), strtod(argv[2], NULL), repeat);
}
