/* SPDX-License-Identifier: MIT */
/*
 * stamped durations CALLS | stamped clock SECONDS
 *
 * Truth: a line `call N DURATION_NS MONO_NS` for each malloc between go and "done", in order, as the
 * allocator (stamped_alloc.c) measured it itself. durations   calls of eight lengths from that of libc's
 * malloc to 20 us clock       a burst of 16 calls every ms, each with CLOCK_MONOTONIC read at its first
 * instruction
 */
#include "stamped_alloc.h"
#include "target.h"

#include <string.h>
#include <sys/mman.h>

enum { WINDOW = 64, BURST = 16 };

static void *window[WINDOW];

static NOINLINE void one_call(size_t i)
{
	free(window[i % WINDOW]);
	char *p = malloc(16 + i % 7 * 48);
	TARGET_USE(p);
	window[i % WINDOW] = p;
}

static void report(const struct stamped_call *calls, size_t n, size_t step, double ns_per_tick)
{
	for (size_t i = step - 1; i < n; i += step)
		target_print("call %zu %.0f %llu\n", i,
		    (double)(calls[i].end_ticks - calls[i].start_ticks) * ns_per_tick,
		    (unsigned long long)calls[i].mono_ns);
}

int main(int argc, char **argv)
{
	bool is_clock = argc == 3 && !strcmp(argv[1], "clock");
	size_t room = argc == 3 ? target_number(argv[2]) * (is_clock ? 1000 * BURST : 1) : 0;
	struct stamped_call *calls = mmap(NULL, (room + 1) * sizeof(*calls), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct target_clock from = target_clock_now();

	if (!room || calls == MAP_FAILED) {
		fputs("usage: stamped durations CALLS | stamped clock SECONDS\n", stderr);
		return 2;
	}
	usleep(50000);
	double ns_per_tick = target_ns_per_tick(from, target_clock_now());
	const double ns_of[8] = {0, 0, 0, 100, 300, 1000, 5000, 20000};
	uint64_t ticks_of[8];
	for (int i = 0; i < 8; i++)
		ticks_of[i] = is_clock ? 0 : (uint64_t)(ns_of[i] / ns_per_tick);

	target_wait_go();
	stamped_alloc_arm(calls, room, is_clock, ticks_of);
	for (size_t i = 0; i < room; i++) {
		if (is_clock && i % BURST == 0)
			usleep(1000);
		one_call(i);
	}
	size_t made = stamped_alloc_disarm();
	report(calls, made, is_clock ? BURST : 1, target_ns_per_tick(from, target_clock_now()));
	target_done();
	return 0;
}
