/* SPDX-License-Identifier: MIT */
/*
 * seeded CALLS [SEED]: the same allocations at each run: a window of live blocks of many sizes, some so large
 * that they are mappings of their own, and now and then all of one size at once. Prints `calls N`. With
 * randomization of addresses off (setarch -R) blocks are where they were.
 */
#include "target.h"

#define LIVE 4096

static uint64_t state;

/* Knuth's MMIX generator. */
static uint32_t draw(uint32_t below)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((state >> 33) % below);
}

static size_t size(void)
{
	uint32_t kind = draw(1000);

	if (kind < 900)
		return 16 + draw(1000);
	return kind < 995 ? 1024 + draw(60000) : 200000 + draw(400000);
}

/* A thread's cache has memory of its own. Its first use is a page fault in the fast path, and not what this
 * is about. */
static void fill_cache(void)
{
	for (size_t bytes = 16; bytes < 64000; bytes += 16 + bytes / 8) {
		void *p = malloc(bytes);

		TARGET_USE(p);
		free(p);
	}
}

int main(int argc, char **argv)
{
	static void *live[LIVE];
	long calls = argc > 1 ? (long)target_number(argv[1]) : 100000, n = 0;

	state = argc > 2 ? target_number(argv[2]) : 1;
	fill_cache();
	target_wait_go();
	while (n < calls) {
		uint32_t i = draw(LIVE);
		if (live[i]) {
			free(live[i]);
			live[i] = NULL;
			n++;
		} else {
			live[i] = malloc(size());
			TARGET_USE(live[i]);
			n++;
		}
	}
	target_print("calls %ld\n", n);
	target_done();
}
