/* SPDX-License-Identifier: MIT */
/*
 * workload THREADS: a process with so many threads at rest. It prints `ready PID`, and for each line
 *
 *     NAME T MEAN_MS TIMED_MS
 *
 * on stdin T threads do workload NAME, first MEAN_MS long for its mean cost, then TIMED_MS long with each
 * malloc timed by itself, so that the timing is not in the mean. The answer is one line of figures:
 *
 *     NAME threads T ops N ns A wall_ns B malloc_ns C free_ns D p50 E p99 F p999 G max H mallocs I frees J
 *
 * A: of an operation, CPU time of the threads (by the clock where threads wait for each other). B: by the
 * clock, and times the threads that ran at once. C, D: of a call, where the workload tells them apart (else
 * 0). E to H: ns of a malloc, as the program sees it, the two fenced stamps taken off as far as their own
 * median goes. I, J: calls in all, in both parts.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/bench/compare/workloads/workload.h"

#define MAX_THREADS 64

static const struct workload *const workloads[] = {
    &workload_pairs, &workload_split, &workload_book, &workload_handoff, &workload_large};
enum { WORKLOADS = sizeof(workloads) / sizeof(workloads[0]) };

static unsigned n_workers;
static struct worker *workers;
static pthread_barrier_t go, finished;
static double ns_per_tick;
static uint64_t stamp_ticks;

/* The phase that runs. */
static const struct workload *current;
static unsigned n_active;
static uint64_t deadline_ns;
static bool is_over;

static void run_phase(struct worker *w)
{
	uint64_t from = target_ns(CLOCK_THREAD_CPUTIME_ID);

	do
		current->batch(w);
	while (target_ns(CLOCK_MONOTONIC) < deadline_ns);
	w->cpu_ns = target_ns(CLOCK_THREAD_CPUTIME_ID) - from;
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	for (;;) {
		pthread_barrier_wait(&go);
		if (w->id < n_active)
			run_phase(w);
		pthread_barrier_wait(&finished);
	}
	return NULL;
}

/* Returns its length by the clock. */
static uint64_t phase(unsigned ms, bool timed)
{
	for (unsigned i = 0; i < n_active; i++) {
		workers[i].threads = n_active;
		workers[i].timed = timed;
		workers[i].ops = workers[i].malloc_ns = workers[i].free_ns = 0;
	}
	is_over = false;
	uint64_t from = target_ns(CLOCK_MONOTONIC);

	deadline_ns = from + ms * 1000000ULL;
	pthread_barrier_wait(&go);
	pthread_barrier_wait(&finished);
	from = target_ns(CLOCK_MONOTONIC) - from;
	if (current->finish)
		current->finish(&workers[0]);
	return from;
}

static uint64_t quantile_ns(double q)
{
	uint64_t calls = 0, below = 0;

	for (unsigned i = 0; i < n_active; i++)
		for (unsigned b = 0; b < MP_HIST_BUCKETS; b++)
			calls += workers[i].hist[b];
	uint64_t rank = (uint64_t)((double)calls * q);

	for (unsigned b = 0; b < MP_HIST_BUCKETS; b++) {
		for (unsigned i = 0; i < n_active; i++)
			below += workers[i].hist[b];
		if (below > rank || (below && below == calls)) {
			uint64_t ticks = mp_hist_hi_ns(b);
			return (
			    uint64_t)((double)(ticks > stamp_ticks ? ticks - stamp_ticks : 0) * ns_per_tick);
		}
	}
	return 0;
}

struct mean {
	double ops, ns, wall_ns, malloc_ns, free_ns;
};

static struct mean mean_of(uint64_t wall_ns)
{
	struct mean m = {0};
	double cpu_ns = 0;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	for (unsigned i = 0; i < n_active; i++) {
		m.ops += (double)workers[i].ops;
		cpu_ns += (double)workers[i].cpu_ns;
		m.malloc_ns += (double)workers[i].malloc_ns;
		m.free_ns += (double)workers[i].free_ns;
	}
	double at_once = current->is_wall ? 1 : n_active < cpus ? n_active : (double)cpus;

	m.wall_ns = (double)wall_ns * at_once / m.ops;
	m.ns = current->is_wall ? m.wall_ns : cpu_ns / m.ops;
	m.malloc_ns /= m.ops;
	m.free_ns /= m.ops;
	return m;
}

static void do_round(unsigned mean_ms, unsigned timed_ms)
{
	uint64_t mallocs = 0, frees = 0;

	for (unsigned i = 0; i < n_active; i++) {
		workers[i].mallocs = workers[i].frees = 0;
		memset(workers[i].hist, 0, sizeof(workers[i].hist));
	}
	struct mean m = mean_of(phase(mean_ms, false));

	phase(timed_ms, true);
	for (unsigned i = 0; i < n_active; i++) {
		mallocs += workers[i].mallocs;
		frees += workers[i].frees;
	}
	target_print(
	    "%s threads %u ops %.0f ns %.3f wall_ns %.3f malloc_ns %.3f free_ns %.3f p50 %lu p99 %lu p999 "
	    "%lu max %lu mallocs %lu frees %lu\n",
	    current->name, n_active, m.ops, m.ns, m.wall_ns, m.malloc_ns, m.free_ns, quantile_ns(0.5),
	    quantile_ns(0.99), quantile_ns(0.999), quantile_ns(1), mallocs, frees);
}

/* Two stamps with nothing between them: the least of many, which is what they take by themselves. */
static uint64_t least_stamp_ticks(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 10000; i++) {
		uint64_t from = target_ticks(), took = target_ticks() - from;

		least = took < least ? took : least;
	}
	return least;
}

static bool read_line(char *line, size_t bytes)
{
	size_t n = 0;

	for (;;) {
		ssize_t got = read(STDIN_FILENO, line + n, 1);

		if (got <= 0 && errno != EINTR)
			return false;
		if (got == 1 && line[n] == '\n') {
			line[n] = 0;
			return true;
		}
		if (got == 1 && n + 2 < bytes)
			n++;
	}
}

static void answer(const char *line)
{
	unsigned mean_ms, timed_ms;
	char name[32];

	current = NULL;
	if (sscanf(line, "%31s %u %u %u", name, &n_active, &mean_ms, &timed_ms) == 4)
		for (unsigned i = 0; i < WORKLOADS; i++)
			if (!strcmp(workloads[i]->name, name))
				current = workloads[i];
	if (!current || !n_active || n_active > n_workers || n_active < current->min_threads)
		target_print("error: no such workload, or not with so many threads: %s\n", line);
	else
		do_round(mean_ms, timed_ms);
}

static bool start_workers(void)
{
	pthread_t thread;

	/* Not from the allocator under test, and in place before anything is timed. */
	workers = mmap(NULL, n_workers * sizeof(*workers), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (workers == MAP_FAILED)
		return false;
	pthread_barrier_init(&go, NULL, n_workers + 1);
	pthread_barrier_init(&finished, NULL, n_workers + 1);
	for (unsigned i = 0; i < n_workers; i++) {
		workers[i].id = i;
		workers[i].random = i + 1;
		workers[i].is_over = &is_over;
		if (pthread_create(&thread, NULL, worker_main, &workers[i]))
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct target_clock from = target_clock_now();
	char line[128];

	n_workers = argc == 2 ? (unsigned)target_number(argv[1]) : 0;
	if (!n_workers || n_workers > MAX_THREADS) {
		fprintf(stderr, "usage: workload THREADS (1 to %d)\n", MAX_THREADS);
		return 2;
	}
	for (unsigned i = 0; i < WORKLOADS; i++)
		if (workloads[i]->prepare)
			workloads[i]->prepare();
	if (!start_workers()) {
		fputs("workload: cannot start its threads\n", stderr);
		return 1;
	}
	usleep(50000);
	ns_per_tick = target_ns_per_tick(from, target_clock_now());
	stamp_ticks = least_stamp_ticks();
	target_print("ready %d\n", (int)getpid());
	while (read_line(line, sizeof(line)))
		answer(line);
	exit(0); /* and not from the threads, which rest in the barrier */
}
