/* SPDX-License-Identifier: MIT */
/*
 * family: every function of the malloc family, a prime number of times each.
 *
 * Truth: the table `op calls bytes` lists the calls that this program makes between go and "done"; bytes are
 * what was asked for. realloc_null, realloc_zero and free_null are calls of realloc and free like the others.
 * At "done" `kept` blocks with `kept_bytes` bytes are still allocated, the rest was freed.
 *
 * Seen at the functions' entries (glibc 2.36), more comes: realloc(NULL, n) goes on in malloc, realloc(p, 0)
 * in free, reallocarray in realloc; aligned_alloc and memalign are one address. A profiler must count each
 * call once.
 */
#include "target.h"

#include <malloc.h>

enum { BLOCKS_MAX = 16384, KEPT = 7, KEPT_BYTES = 1000 };

static void *block[BLOCKS_MAX];
static unsigned blocks;

static void keep(void *p)
{
	TARGET_USE(p);
	if (!p || blocks == BLOCKS_MAX)
		abort();
	block[blocks++] = p;
}

static void row(const char *op, unsigned calls, size_t bytes)
{
	target_print("%-16s %6u %10zu\n", op, calls, bytes);
}

static void *op_malloc(size_t size)
{
	return malloc(size);
}

static void *op_calloc(size_t size)
{
	return calloc(4, size / 4);
}

static void *op_realloc_null(size_t size)
{
	void *none = NULL;

	TARGET_USE(none); /* the compiler makes a malloc of realloc(NULL, n) where it sees the NULL */
	return realloc(none, size);
}

static void *op_posix_memalign(size_t size)
{
	void *p = NULL;

	return posix_memalign(&p, 64, size) ? NULL : p;
}

static void *op_aligned_alloc(size_t size)
{
	return aligned_alloc(64, size);
}

static void *op_memalign(size_t size)
{
	return memalign(128, size);
}

static void *op_valloc(size_t size)
{
	return valloc(size);
}

static void *op_pvalloc(size_t size)
{
	return pvalloc(size);
}

static const struct {
	const char *name;
	unsigned calls;
	size_t size; /* of each call */
	void *(*make)(size_t size);
} makers[] = {
    {"malloc", 1009, 104, op_malloc},
    {"calloc", 1013, 208, op_calloc},
    {"realloc_null", 211, 304, op_realloc_null},
    {"posix_memalign", 1021, 400, op_posix_memalign},
    {"aligned_alloc", 1031, 512, op_aligned_alloc},
    {"memalign", 1033, 600, op_memalign},
    {"valloc", 101, 704, op_valloc},
    {"pvalloc", 103, 800, op_pvalloc},
};

/* Resizes of blocks that exist already, each block at most once. */
static unsigned resize(void)
{
	enum { GROWN = 1019, ARRAYS = 223, ZEROED = 107 };
	unsigned at = 0;

	for (unsigned i = 0; i < GROWN; i++, at++) {
		block[at] = realloc(block[at], 1500);
		TARGET_USE(block[at]);
	}
	row("realloc", GROWN, (size_t)GROWN * 1500);
	for (unsigned i = 0; i < ARRAYS; i++, at++) {
		block[at] = reallocarray(block[at], 11, 13);
		TARGET_USE(block[at]);
	}
	row("reallocarray", ARRAYS, (size_t)ARRAYS * 11 * 13);
	for (unsigned i = 0; i < ZEROED; i++, at++) {
		void *gone = realloc(block[at], 0); /* glibc: a free that returns NULL */

		TARGET_USE(gone);
		block[at] = NULL;
	}
	row("realloc_zero", ZEROED, 0);
	return ZEROED;
}

static void release(void)
{
	enum { NULLS = 227 };
	unsigned frees = 0;

	for (unsigned i = 0; i < blocks; i++) {
		if (!block[i])
			continue;
		free(block[i]);
		frees++;
	}
	for (unsigned i = 0; i < NULLS; i++) {
		void *none = NULL;

		TARGET_USE(none);
		free(none);
	}
	row("free", frees, 0);
	row("free_null", NULLS, 0);
}

int main(void)
{
	target_wait_go();
	for (size_t m = 0; m < sizeof(makers) / sizeof(makers[0]); m++) {
		for (unsigned i = 0; i < makers[m].calls; i++)
			keep(makers[m].make(makers[m].size));
		row(makers[m].name, makers[m].calls, makers[m].calls * makers[m].size);
	}
	resize();
	release();
	for (unsigned i = 0; i < KEPT; i++) {
		block[i] = malloc(KEPT_BYTES);
		TARGET_USE(block[i]);
	}
	row("malloc_kept", KEPT, KEPT * KEPT_BYTES);
	target_print("kept %d\nkept_bytes %d\n", KEPT, KEPT * KEPT_BYTES);
	target_done();
	return 0;
}
