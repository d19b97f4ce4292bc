/* SPDX-License-Identifier: MIT */
/*
 * stalls: a process that must not stall. One thread reads the time stamp counter without end and keeps the
 * longest gap between two readings; another allocates and frees without end and keeps the longest call. Each
 * has a CPU of its own where there are two, the first with the highest ordinary priority, as a thread for
 * which time matters has.
 *
 * Prints `ready PID`, and for each line on stdin `longest gap_ns G call_ns C`: since the last line.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "tests/targets/target.h"

static _Atomic uint64_t longest_gap, longest_call; /* in ticks */

static void on_cpu(long cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void keep_longest(_Atomic uint64_t *longest, uint64_t ticks)
{
	if (ticks > atomic_load_explicit(longest, memory_order_relaxed))
		atomic_store_explicit(longest, ticks, memory_order_relaxed);
}

static void *watch(void *arg)
{
	on_cpu(sysconf(_SC_NPROCESSORS_ONLN) - 1);
	setpriority(PRIO_PROCESS, 0, -20); /* of this thread alone; without the right to it, as it is */
	for (uint64_t before = target_ticks();;) {
		uint64_t now = target_ticks();

		keep_longest(&longest_gap, now - before);
		before = now;
	}
	return arg;
}

static void *allocate(void *arg)
{
	static void *live[4096];
	uint64_t random = 1;

	on_cpu(0);
	for (;;) {
		void **slot = &live[target_random(&random) % 4096];
		uint64_t before = target_ticks();

		free(*slot);
		*slot = malloc(16 + target_random(&random) % 1024);
		keep_longest(&longest_call, target_ticks() - before);
	}
	return arg;
}

int main(void)
{
	struct target_clock from = target_clock_now();
	pthread_t thread;

	if (pthread_create(&thread, NULL, watch, NULL) || pthread_create(&thread, NULL, allocate, NULL))
		return 1;
	usleep(50000);
	target_print("ready %d\n", (int)getpid());
	while (target_wait_line()) {
		double ns = target_ns_per_tick(from, target_clock_now());
		uint64_t gap = atomic_exchange(&longest_gap, 0), call = atomic_exchange(&longest_call, 0);

		target_print("longest gap_ns %.0f call_ns %.0f\n", (double)gap * ns, (double)call * ns);
	}
	_exit(0);
}
