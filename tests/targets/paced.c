/* SPDX-License-Identifier: MIT */
/*
 * paced RATE SECONDS [RATE SECONDS]...: makes pairs of malloc and free at so many a second for so long, then
 * at the next rate; what cannot be kept up is left out. Prints a line for each rate, how many and what time
 * they took, and `pairs N`, all of them. Each further line on stdin has it do so once more.
 */
#include "target.h"

#define SLICE_NS 1000000

/* How many. */
static unsigned long run_stage(const char *pairs_per_s, uint64_t seconds)
{
	double rate = (double)target_number(pairs_per_s) / 1e9; /* a ns */
	uint64_t start = target_ns(CLOCK_MONOTONIC), end = start + seconds * 1000000000, now;
	uint64_t cpu = target_ns(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t wanted_ns = 0; /* of time whose calls are made */
	unsigned long pairs = 0;
	double done = 0;

	while ((now = target_ns(CLOCK_MONOTONIC)) < end) {
		uint64_t slice_end = now + SLICE_NS;
		if (now - start > wanted_ns + SLICE_NS)
			done = rate * (double)(now - start - SLICE_NS); /* too late for these */
		wanted_ns = now - start;
		while (done < rate * (double)wanted_ns && target_ns(CLOCK_MONOTONIC) < slice_end) {
			void *p = malloc(64);
			TARGET_USE(p);
			free(p);
			done++;
			pairs++;
		}
		usleep(100);
	}
	target_print("stage %s %lu cpu_ns %lu wall_ns %lu\n", pairs_per_s, pairs,
	    target_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu, now - start);
	return pairs;
}

int main(int argc, char **argv)
{
	target_wait_go();
	do {
		unsigned long pairs = 0;
		for (int i = 1; i + 1 < argc; i += 2)
			pairs += run_stage(argv[i], target_number(argv[i + 1]));
		target_print("pairs %lu\n", pairs);
		target_print("done\n");
	} while (target_wait_line());
}
