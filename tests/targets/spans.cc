/* SPDX-License-Identifier: MIT */
/*
 * Truth: between go and "done" these functions are called so often as printed: span_alloc makes 3 mallocs and
 * 3 frees each time, span_fault touches 16 fresh pages, span_sleep sleeps 1 ms (span_slept times by
 * leaving the CPU: where the machine stands still as the thread falls asleep, the time is over before),
 * span_outer calls span_inner twice, span_deep calls itself to a depth of 12. span_left is left each third
 * time: by longjmp, or in C++ by an exception. span_switch jumps through a table, and ends in many places,
 * some of them tail calls. In the code of span_mixed lies data that looks like code: the program ends at once
 * if it is changed.
 *
 * `spans` is compiled as C, `spans_cxx` as C++.
 */
#include "target.h"

#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum {
	ALLOCS = 1009,
	FAULTS = 101,
	SLEEPS = 53,
	OUTERS = 211,
	DEEPS = 5,
	DEPTH = 12,
	LEFTS = 21,
	SWITCHES = 90,
	MIXED = 20,
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
PUBLIC int span_switch(int which);
PUBLIC int span_mixed(void);

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

NOINLINE static int other(int value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

/* Each case ends the function by itself. */
NOINLINE int span_switch(int which)
{
	static volatile int seen[9];

	switch (which) {
	case 0:
		return seen[0];
	case 1:
		seen[1]++;
		return other(17);
	case 2:
		return seen[2] = 5;
	case 3:
		return other(seen[3]);
	case 4:
		seen[4] += 2;
		return 4;
	case 5:
		return seen[5]++;
	case 6:
		return other(seen[6]++);
	case 7:
		return seen[7] - 1;
	case 8:
		return seen[8] ^ 3;
	default:
		abort();
	}
}

/* The byte 0xc3, a `ret` if it were code, is how far the function jumps. */
#ifdef __x86_64__
__asm__(".text\n"
	".globl span_mixed\n"
	".type span_mixed, @function\n"
	"span_mixed:\n"
	"	lea 1f(%rip), %rax\n"
	"	movslq (%rax), %rdx\n"
	"	add %rdx, %rax\n"
	"	jmp *%rax\n"
	"1:	.long 0xc3\n"
	"	.fill 0xc3 - 4, 1, 0x90\n"
	"	mov $1, %eax\n"
	"	ret\n"
	"	.fill 64, 1, 0xf4\n"
	".size span_mixed, . - span_mixed\n");
#else
__asm__(".text\n"
	".globl span_mixed\n"
	".type span_mixed, %function\n"
	"span_mixed:\n"
	"	ldr w0, 1f\n"
	"	ret\n"
	"1:	.word 1\n"
	".size span_mixed, . - span_mixed\n");
#endif

/* How often this thread has given up the CPU. */
static long times_left(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return u.ru_nvcsw;
}

int main(void)
{
	long slept = 0;
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
	for (int i = 0; i < SLEEPS; i++) {
		long before = times_left();

		span_sleep();
		slept += times_left() > before;
	}
	for (int i = 0; i < OUTERS; i++)
		span_outer();
	for (int i = 0; i < DEEPS; i++)
		span_deep(DEPTH);
	for (int i = 0; i < LEFTS; i++)
		call_left(i);
	for (int i = 0; i < SWITCHES; i++)
		span_switch(i % 9);
	for (int i = 0; i < MIXED; i++)
		if (span_mixed() != 1)
			abort();
	target_print("span_switch %d\n", SWITCHES);
	target_print("span_alloc %d\nspan_fault %d\nspan_sleep %d\nspan_inner %d\nspan_outer %d\nspan_deep "
		     "%d\nspan_left %d\n",
	    ALLOCS + 2 * OUTERS, FAULTS, SLEEPS, 2 * OUTERS, OUTERS, DEEPS * DEPTH, LEFTS);
	target_print("span_slept %ld\n", slept);
	target_print("pages %d\nleft %d\ndeeps %d\ndepth %d\n", PAGES, LEFTS / 3, DEEPS, DEPTH);
	target_done();
	return 0;
}
