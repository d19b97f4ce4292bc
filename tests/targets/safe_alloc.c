/* SPDX-License-Identifier: MIT */
/*
 * libsafe_alloc.so, for LD_PRELOAD: an allocator that may be called in a signal handler that interrupted it:
 * one atomic addition. Blocks of 24 and 40 bytes, which preload_signals.c uses for a moment only, go round
 * and round in 1 MiB; others are never used again.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void *realloc(void *old, size_t size);
void free(void *p);

enum { SMALL_BLOCKS = 16384, LARGE_BYTES = 64 << 20 };

/* The size stands in the 16 bytes before each block. */
static unsigned char small[SMALL_BLOCKS][64] __attribute__((aligned(64)));
static unsigned char large[LARGE_BYTES] __attribute__((aligned(64)));
static size_t small_used, large_used;

void *malloc(size_t size)
{
	size_t need = (size + 31) & ~(size_t)15;
	unsigned char *at = NULL;

	if (size == 24 || size == 40)
		at = small[__atomic_fetch_add(&small_used, 1, __ATOMIC_RELAXED) % SMALL_BLOCKS];
	else if (size < LARGE_BYTES / 2) {
		size_t offset = __atomic_fetch_add(&large_used, need, __ATOMIC_RELAXED);
		at = offset + need <= LARGE_BYTES ? large + offset : NULL;
	}
	if (!at) {
		errno = ENOMEM;
		return NULL;
	}
	memcpy(at, &size, sizeof(size));
	return at + 16;
}

void *calloc(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	void *p = malloc(bytes);
	return p ? memset(p, 0, bytes) : NULL;
}

void *realloc(void *old, size_t size)
{
	size_t old_size = 0;
	void *p = malloc(size);

	if (old)
		memcpy(&old_size, (char *)old - 16, sizeof(old_size));
	if (p && old)
		memcpy(p, old, old_size < size ? old_size : size);
	return p;
}

void free(void *p)
{
	(void)p;
}
