/* SPDX-License-Identifier: MIT */
/*
 * prefixed: a program with an allocator of its own under jemalloc's prefix, as engines embed it: je_malloc
 * and je_free beside libc's malloc and free, which stay what they are. Truth: after go it makes 10007 calls
 * of je_malloc with `bytes` in all and 9973 of je_free in pool_get() and pool_put(), and 211 of libc's malloc
 * and free each.
 */
#include "target.h"

#include <stdlib.h>

enum { POOL_CALLS = 10007, POOL_FREES = 9973, LIBC_CALLS = 211, BLOCK = 256 };

static unsigned char arena[POOL_CALLS][BLOCK];
static size_t used, freed;

__attribute__((noinline)) void *je_malloc(size_t size);
__attribute__((noinline)) void je_free(void *p);

void *je_malloc(size_t size)
{
	return size <= BLOCK && used < POOL_CALLS ? arena[used++] : NULL;
}

void je_free(void *p)
{
	*(volatile unsigned char *)p = 0xdd;
	freed++;
}

__attribute__((noinline)) static void *pool_get(size_t size)
{
	void *p = je_malloc(size);

	TARGET_USE(p);
	return p;
}

__attribute__((noinline)) static void pool_put(void *p)
{
	je_free(p);
	TARGET_USE(p);
}

int main(void)
{
	size_t bytes = 0;

	target_wait_go();
	for (size_t i = 0; i < POOL_CALLS; i++) {
		pool_get(i % BLOCK + 1);
		bytes += i % BLOCK + 1;
	}
	for (size_t i = 0; i < POOL_FREES; i++)
		pool_put(arena[i]);
	for (int i = 0; i < LIBC_CALLS; i++) {
		void *p = malloc(1000);

		TARGET_USE(p);
		free(p);
	}
	target_print("bytes %zu\n", bytes + LIBC_CALLS * 1000);
	target_done();
	return freed == POOL_FREES ? 0 : 1;
}
