/* SPDX-License-Identifier: MIT */
/*
 * paged [OBJECTS]    (default 100)
 *
 * Truth for the addresses of page faults: between go and "done" OBJECTS blocks that libc maps one by one are
 * allocated, by site_even() and site_odd() in turn, touched once in each of their PAGES pages at a known
 * byte, and released, the even ones at once, the odd ones eight rounds later. A block is more than libc has
 * at hand beside its mappings, and there is a pause between two: a kernel takes 100 samples a tick, and no
 * more.
 */
#include "target.h"

#include <malloc.h>

enum { PAGES = 36, PAGE_BYTES = 4096, BYTE = 100, KEPT = 4 };

static NOINLINE char *site_even(void)
{
	char *p = malloc(PAGES * PAGE_BYTES);

	TARGET_USE(p);
	return p;
}

static NOINLINE char *site_odd(void)
{
	char *p = malloc(PAGES * PAGE_BYTES + 64);

	TARGET_USE(p);
	return p;
}

static NOINLINE void touch(char *block)
{
	for (int page = 0; page < PAGES; page++)
		*(volatile char *)(block + page * PAGE_BYTES + BYTE) = 1;
}

int main(int argc, char **argv)
{
	unsigned long objects = argc > 1 ? strtoul(argv[1], NULL, 10) : 100;
	char *kept[KEPT] = {NULL};

	mallopt(M_MMAP_THRESHOLD, PAGES * PAGE_BYTES / 2);
	target_wait_go();
	for (unsigned long i = 0; i < objects; i++) {
		char *block = i % 2 ? site_odd() : site_even();

		touch(block);
		usleep(2000);
		if (i % 2) {
			free(kept[i / 2 % KEPT]);
			kept[i / 2 % KEPT] = block;
		} else {
			free(block);
		}
	}
	target_print("objects %lu\npages %d\nbyte %d\n", objects, PAGES, BYTE);
	target_done();
	return 0;
}
