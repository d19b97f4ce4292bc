/* SPDX-License-Identifier: MIT */
/*
 * preload_errno: every function of the malloc family with arguments good, odd and impossible. After each call
 * a line: what was returned, as far as it does not differ from run to run, and errno, which was 77 before.
 *
 * Truth: the lines of a run without any preloaded library. Under one that keeps out of the way they are the
 * same. Calls are made through pointers: the compiler knows nothing of them.
 */
#include "target.h"

#include <malloc.h>
#include <string.h>
#include <sys/resource.h>

static void *(*volatile do_malloc)(size_t) = malloc;
static void *(*volatile do_calloc)(size_t, size_t) = calloc;
static void *(*volatile do_realloc)(void *, size_t) = realloc;
static void *(*volatile do_reallocarray)(void *, size_t, size_t) = reallocarray;
static void (*volatile do_free)(void *) = free;
static int (*volatile do_posix_memalign)(void **, size_t, size_t) = posix_memalign;
static void *(*volatile do_aligned_alloc)(size_t, size_t) = aligned_alloc;
static void *(*volatile do_memalign)(size_t, size_t) = memalign;
static void *(*volatile do_valloc)(size_t) = valloc;
static void *(*volatile do_pvalloc)(size_t) = pvalloc;

enum { ERRNO_BEFORE = 77 };

static const size_t sizes[] = {0, 1, 8, 16, 24, 25, 100, 1000, 4096, 100000, 200000, 1 << 20, (size_t)1 << 46,
    PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 4096, SIZE_MAX};
static const size_t alignments[] = {0, 1, 3, 8, 16, 24, 64, 4096, 65536, (size_t)1 << 46, SIZE_MAX};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What can be told of a block: whether there is one, aligned as it should be. Writes to both of its ends. */
static void tell(const char *call, size_t a, size_t b, void *p, size_t alignment)
{
	int after = errno;
	size_t usable = p ? malloc_usable_size(p) : 0;

	if (usable) {
		((volatile char *)p)[0] = 1;
		((volatile char *)p)[usable - 1] = 1;
	}
	target_print("%s %zu %zu: %s, errno %d%s%s\n", call, a, b, p ? "block" : "NULL", after,
	    (uintptr_t)p & 15 ? ", not aligned to 16" : "",
	    alignment && (uintptr_t)p & (alignment - 1) ? ", not aligned" : "");
	errno = ERRNO_BEFORE;
	do_free(p);
	if (errno != ERRNO_BEFORE)
		target_print("free: errno %d\n", errno);
}

static void plain_calls(void)
{
	for (size_t i = 0; i < COUNT(sizes); i++) {
		errno = ERRNO_BEFORE;
		tell("malloc", sizes[i], 0, do_malloc(sizes[i]), 0);
		errno = ERRNO_BEFORE;
		tell("valloc", sizes[i], 0, do_valloc(sizes[i]), 4096);
		errno = ERRNO_BEFORE;
		tell("pvalloc", sizes[i], 0, do_pvalloc(sizes[i]), 4096);
		for (size_t k = 0; k < COUNT(sizes); k++) {
			errno = ERRNO_BEFORE;
			tell("calloc", sizes[i], sizes[k], do_calloc(sizes[i], sizes[k]), 0);
			errno = ERRNO_BEFORE;
			tell(
			    "reallocarray", sizes[i], sizes[k], do_reallocarray(NULL, sizes[i], sizes[k]), 0);
		}
	}
}

/* A power of two, or the result's alignment is not defined. */
static size_t checked(size_t alignment)
{
	return alignment & (alignment - 1) ? 0 : alignment;
}

static void aligned_calls(void)
{
	for (size_t i = 0; i < COUNT(alignments); i++)
		for (size_t k = 0; k < COUNT(sizes); k++) {
			size_t alignment = alignments[i], size = sizes[k];
			void *p = &p;

			errno = ERRNO_BEFORE;
			int ret = do_posix_memalign(&p, alignment, size);
			target_print("posix_memalign returns %d%s\n", ret, p == &p ? ", nothing stored" : "");
			tell("posix_memalign", alignment, size, ret ? NULL : p, checked(alignment));
			errno = ERRNO_BEFORE;
			tell("aligned_alloc", alignment, size, do_aligned_alloc(alignment, size),
			    checked(alignment));
			errno = ERRNO_BEFORE;
			tell("memalign", alignment, size, do_memalign(alignment, size), checked(alignment));
		}
}

/* The old block has to be there still when a larger one cannot be had; realloc(p, 0) frees it. */
static void realloc_calls(void)
{
	for (size_t i = 0; i < COUNT(sizes); i++)
		for (size_t k = 0; k < COUNT(sizes); k++) {
			char *old = do_malloc(sizes[i]);

			if (!old)
				continue;
			memset(old, 'x', sizes[i]);
			errno = ERRNO_BEFORE;
			char *p = do_realloc(old, sizes[k]);
			int after = errno;
			const char *kept = p ? p : sizes[k] ? old : NULL;
			size_t n = sizes[i] < sizes[k] ? sizes[i] : sizes[k];
			target_print("realloc %zu %zu holds %d\n", sizes[i], sizes[k],
			    !kept || n == 0 || (kept[0] == 'x' && kept[n - 1] == 'x'));
			if (!p && sizes[k])
				do_free(old);
			errno = after;
			tell("realloc", sizes[i], sizes[k], p, 0);
		}
}

int main(void)
{
	target_wait_go();
	/* So that what is impossible does not depend on the machine's memory. */
	setrlimit(RLIMIT_AS, &(struct rlimit){(rlim_t)1 << 40, (rlim_t)1 << 40});
	plain_calls();
	aligned_calls();
	realloc_calls();
	errno = ERRNO_BEFORE;
	do_free(NULL);
	target_print("free NULL: errno %d\n", errno);
	target_done();
	return 0;
}
