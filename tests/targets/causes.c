/* SPDX-License-Identifier: MIT */
/*
 * causes NAME [CALLS]    (default 100)
 *
 * Truth: between go and "done" malloc(CAUSE_BYTES) is called CALLS times from slow_site(), and each call is
 * slow because of NAME (cause_alloc.c), and of nothing else that the program does. NAME `munmap`: instead,
 * free() is called CALLS times from slow_site() for a block of 32 MiB that was written to, which libc has
 * mapped for it and unmaps. Between the slow calls there are 50 fast ones.
 */
#include "cause_alloc.h"
#include "target.h"

#include <string.h>

enum { BLOCK_BYTES = 32 << 20 };

static NOINLINE void slow_site(void *big)
{
	if (big) {
		free(big);
		return;
	}
	void *p = malloc(CAUSE_BYTES);
	TARGET_USE(p);
	free(p);
}

static NOINLINE void fast_site(void)
{
	for (int i = 0; i < 50; i++) {
		void *p = malloc(64);
		TARGET_USE(p);
		free(p);
	}
}

static void *big_block(void)
{
	char *p = malloc(BLOCK_BYTES);

	if (p)
		memset(p, 1, BLOCK_BYTES);
	TARGET_USE(p);
	return p;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	unsigned long calls = argc > 2 ? target_number(argv[2]) : 100;
	bool is_munmap = !strcmp(name, "munmap");

	if (!is_munmap && !cause_choose(name)) {
		target_print("cannot have the cause '%s': %s\n", name, strerror(errno));
		return 3;
	}
	target_wait_go();
	for (unsigned long i = 0; i < calls; i++) {
		fast_site();
		if (!is_munmap)
			cause_prepare();
		slow_site(is_munmap ? big_block() : NULL);
	}
	target_print("calls %lu\n", calls);
	target_done();
	if (!is_munmap)
		cause_end();
	return 0;
}
