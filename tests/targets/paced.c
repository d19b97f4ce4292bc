/* SPDX-License-Identifier: MIT */
/*
 * paced RATE SECONDS [RATE SECONDS]...: makes pairs of malloc and free at so many a second for so long, then
 * at the next rate; what cannot be kept up is left out. Prints `pairs N`, all of them, and a line `stage RATE
 * N` for each.
 */
#include "target.h"

#define SLICE_NS 1000000

int main(int argc, char **argv)
{
	unsigned long all = 0;

	target_wait_go();
	for (int i = 1; i + 1 < argc; i += 2) {
		double rate = (double)target_number(argv[i]) / 1e9; /* a ns */
		uint64_t start = target_ns(CLOCK_MONOTONIC),
			 end = start + target_number(argv[i + 1]) * 1000000000, now;
		uint64_t wanted_ns = 0; /* of time whose calls are made */
		double done = 0;
		unsigned long pairs = 0;
		uint64_t cpu = target_ns(CLOCK_PROCESS_CPUTIME_ID);
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
		target_print("stage %s %lu cpu_ns %lu wall_ns %lu\n", argv[i], pairs,
		    target_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu, now - start);
		all += pairs;
	}
	target_print("pairs %lu\n", all);
	target_done();
}
