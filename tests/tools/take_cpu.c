/* SPDX-License-Identifier: MIT */
/*
 * take_cpu CPU
 *
 * Takes the CPU away from whatever runs on it, some microseconds at a time and some ten thousand times a
 * second, so that a short function loses it at each of its instructions sooner or later. Until it is killed,
 * or its parent ends. Says "ready" first, or fails where it may not be of a real-time priority.
 */
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

enum { RUN_NS = 20000, REST_NS = 60000 };

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv)
{
	const struct sched_param lowest = {.sched_priority = 1};
	const struct timespec rest = {0, REST_NS};
	cpu_set_t one;

	if (argc != 2) {
		fprintf(stderr, "usage: take_cpu CPU\n");
		return 2;
	}
	CPU_ZERO(&one);
	CPU_SET((size_t)atoi(argv[1]), &one);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1);
	if (sched_setaffinity(0, sizeof(one), &one) || sched_setscheduler(0, SCHED_FIFO, &lowest)) {
		perror("take_cpu");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		int64_t end = now_ns() + RUN_NS;
		while (now_ns() < end)
			;
		nanosleep(&rest, NULL);
	}
}
