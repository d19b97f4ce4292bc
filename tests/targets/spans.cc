/* SPDX-License-Identifier: MIT */
/*
 * Truth: between go and "done" these functions are called so often as printed: span_alloc makes 3 mallocs and
 * 3 frees each time, span_fault touches 16 fresh pages, span_sleep sleeps 1 ms, span_outer calls span_inner
 * twice, span_deep calls itself to a depth of 12. span_left is left each third time: by longjmp, or in C++ by
 * an exception.
 *
 * `spans` is compiled as C, and has no unwinder of exceptions; `spans_cxx` as C++.
 */
#include "target.h"

#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>

enum {
	ALLOCS = 1009,
	FAULTS = 101,
	SLEEPS = 53,
	OUTERS = 211,
	DEEPS = 5,
	DEPTH = 12,
	LEFTS = 21,
	PAGES = 16
};

#ifdef __cplusplus
#define PUBLIC extern "C"
#else
#define PUBLIC
#endif

PUBLIC void span_alloc(void);
PUBLIC void span_fault(char *pages);
PUBLIC void span_sleep(void);
PUBLIC void span_inner(void);
PUBLIC void span_outer(void);
PUBLIC int span_deep(int depth);
PUBLIC void span_left(int call);

NOINLINE void span_alloc(void)
{
	for (int i = 0; i < 3; i++) {
		void *p = malloc(100);
		TARGET_USE(p);
		free(p);
	}
}

NOINLINE void span_fault(char *pages)
{
	for (int i = 0; i < PAGES; i++)
		((volatile char *)pages)[i * 4096] = 1;
}

NOINLINE void span_sleep(void)
{
	const struct timespec t = {0, 1000000};

	nanosleep(&t, NULL);
}

NOINLINE void span_inner(void)
{
	span_alloc();
	__asm__ volatile("");
}

NOINLINE void span_outer(void)
{
	span_inner();
	span_inner();
	__asm__ volatile("");
}

NOINLINE int span_deep(int depth)
{
	int below = depth > 1 ? span_deep(depth - 1) : 0;

	__asm__ volatile("");
	return below + 1;
}

static jmp_buf back;

NOINLINE void span_left(int call)
{
	if (call % 3 == 0) {
#ifdef __cplusplus
		throw call;
#else
		longjmp(back, 1);
#endif
	}
	__asm__ volatile("");
}

static void call_left(int call)
{
#ifdef __cplusplus
	(void)back;
	try {
		span_left(call);
	} catch (int) {
	}
#else
	if (!setjmp(back))
		span_left(call);
#endif
}

int main(void)
{
	char *pages =
	    (char *)mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(pages, PAGES * 4096, MADV_NOHUGEPAGE);
	target_wait_go();
	for (int i = 0; i < ALLOCS; i++)
		span_alloc();
	for (int i = 0; i < FAULTS; i++) {
		madvise(pages, PAGES * 4096, MADV_DONTNEED);
		span_fault(pages);
	}
	for (int i = 0; i < SLEEPS; i++)
		span_sleep();
	for (int i = 0; i < OUTERS; i++)
		span_outer();
	for (int i = 0; i < DEEPS; i++)
		span_deep(DEPTH);
	for (int i = 0; i < LEFTS; i++)
		call_left(i);
	target_print("span_alloc %d\nspan_fault %d\nspan_sleep %d\nspan_inner %d\nspan_outer %d\nspan_deep "
		     "%d\nspan_left %d\n",
	    ALLOCS + 2 * OUTERS, FAULTS, SLEEPS, 2 * OUTERS, OUTERS, DEEPS * DEPTH, LEFTS);
	target_print("pages %d\nleft %d\ndeeps %d\ndepth %d\n", PAGES, LEFTS / 3, DEEPS, DEPTH);
	target_done();
	return 0;
}
