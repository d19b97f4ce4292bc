/* SPDX-License-Identifier: MIT */
/*
 * places FILE: stacks of C code (capture.h) at many places: frames of all shapes, recursion, callbacks out of
 * libc's qsort() and bsearch(), signal handlers, threads, the stack 10,000 calls deep, and single
 * instructions of libc. Prints `kind count` lines.
 */
#include "capture.h"

#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

static volatile int sink;
static jmp_buf back;

/* ---- Frames of all shapes, each calling on ---- */

typedef int shape(int depth, int seed);
static shape plain, with_alloca, with_vla, aligned, wide, many, variadic, early, leaves_by_jump;
static shape *const shapes[] = {plain, with_alloca, with_vla, aligned, wide, many, variadic, early};

static int next(int depth, int seed)
{
	if (depth <= 0)
		return capture(seed);
	return shapes[(unsigned)seed % (sizeof(shapes) / sizeof(*shapes))](depth, seed / 3 + depth * 7) + 1;
}

NOINLINE static int plain(int depth, int seed)
{
	return next(depth - 1, seed) + seed;
}

NOINLINE static int with_alloca(int depth, int seed)
{
	char *p = alloca(16 + (unsigned)seed % 64);

	memset(p, seed, 16);
	int got = next(depth - 1, seed + 1);
	return got + p[seed & 15];
}

NOINLINE static int with_vla(int depth, int seed)
{
	int n = 3 + (int)((unsigned)seed % 19);
	volatile int v[n];

	v[0] = seed;
	v[n - 1] = next(depth - 1, seed + 2);
	return v[0] + v[n - 1];
}

/* A frame on a boundary that callers do not keep: gcc finds its caller through a saved pointer. */
NOINLINE static int aligned(int depth, int seed)
{
	volatile int v[16] __attribute__((aligned(64)));

	v[seed & 15] = seed;
	int got = next(depth - 1, seed + 3);
	return got + v[seed & 15];
}

NOINLINE static int wide(int depth, int seed)
{
	volatile char v[700];

	v[seed & 511] = 1;
	int got = next(depth - 1, seed + 4);
	return got + v[seed & 511];
}

NOINLINE static int many(int depth, int seed)
{
	int a = sink + 1, b = sink + 2, c = sink + 3, d = sink + 4, e = sink + 5, f = sink + 6, g = sink + 7;
	int got = next(depth - 1, seed + 5);

	return a * b + c * d + e * f + g + got;
}

NOINLINE static int sum(int n, ...)
{
	va_list ap;
	int total = 0;

	va_start(ap, n);
	for (int i = 0; i < n - 1; i++)
		total += va_arg(ap, int);
	int depth = va_arg(ap, int);
	va_end(ap);
	return next(depth, total) + total;
}

NOINLINE static int variadic(int depth, int seed)
{
	return sum(9, seed, 1, 2, 3, 4, 5, 6, 7, depth - 1) + 1;
}

/* Its frame is made only on one of its ways. */
NOINLINE static int early(int depth, int seed)
{
	if (seed == sink - 1)
		return depth;
	int got = next(depth - 1, seed + 6);
	sink = sink + 0;
	return got - 1;
}

/* A call that never returns, at the very end of its function: the return address is the next one's. */
NOINLINE static _Noreturn void never_returns(int depth, int seed)
{
	next(depth - 1, seed);
	longjmp(back, 1);
}

NOINLINE static int leaves_by_jump(int depth, int seed)
{
	if (depth < 0)
		return seed;
	never_returns(depth, seed);
}

/* ---- Out of libc ---- */

static int order(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return capture(x < y ? -1 : x > y);
}

static int order_deep(const void *a, const void *b)
{
	next(4, *(const int *)a);
	return *(const int *)a - *(const int *)b;
}

static void callbacks(int n)
{
	int v[64], key = 17;

	for (int i = 0; i < n; i++)
		v[i] = i * 31 % n;
	qsort(v, (size_t)n, sizeof(*v), order);
	bsearch(&key, v, (size_t)n, sizeof(*v), order);
	bsearch(&key, v, (size_t)n, sizeof(*v), order_deep);
}

/* ---- Signals ---- */

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		raise(SIGUSR2);
	else
		next(3, sig + sink);
}

static void on_fault(int sig)
{
	capture(sig);
	siglongjmp(back, 1);
}

NOINLINE static int raise_below(int depth, int seed)
{
	if (depth > 0)
		return raise_below(depth - 1, seed) + 1;
	raise(seed & 1 ? SIGUSR1 : SIGUSR2);
	return 0;
}

NOINLINE static int fault_below(int depth)
{
	volatile int *volatile nowhere = NULL;

	return depth > 0 ? fault_below(depth - 1) + 1 : *nowhere;
}

static void signals(int rounds)
{
	static unsigned char other_stack[128 << 10];
	struct sigaction sa = {.sa_handler = on_signal},
			 fault = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};

	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	sigaction(SIGSEGV, &fault, NULL);
	for (int i = 0; i < rounds; i++)
		raise_below(i % 9, i);
	for (volatile int i = 0; i < rounds; i++)
		if (sigsetjmp(back, 1) == 0)
			fault_below(i % 5);
	stack_t stack = {.ss_sp = other_stack, .ss_size = 64 << 10};
	sigaltstack(&stack, NULL);
	fault.sa_flags |= SA_ONSTACK;
	sigaction(SIGSEGV, &fault, NULL);
	for (volatile int i = 0; i < 3; i++)
		if (sigsetjmp(back, 1) == 0)
			fault_below(i);
}

/* ---- Deep, threads, steps ---- */

NOINLINE static int deep(int depth)
{
	int got;

	if (depth == 0)
		return capture(1);
	got = depth % 97 == 0 ? capture(depth) : 0;
	got += deep(depth - 1);
	sink = sink + 0;
	return got + 1;
}

static void *thread(void *arg)
{
	capture_thread((char *)__builtin_frame_address(0) + 512);
	for (int i = 0; i < *(int *)arg; i++)
		next(i % 12, i * 5);
	capture_thread(NULL);
	return NULL;
}

static int order_quietly(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Through the dynamic linker's first calls, and libc's own frames, prologues and epilogues. */
static void libc_at_work(void)
{
	char text[128], *words[] = {"prime", "of", "the", "seven", "hundred", "and", "first", "kind"};

	qsort(words, 8, sizeof(*words), order_quietly);
	snprintf(text, sizeof(text), "%s %d %g %08lx", words[3], sink, 3.25, 0x1234abcdl);
	sink += (int)strtol(text + 6, NULL, 10) + atoi(text) + (int)strtod("1.5e3", NULL);
	void *p = malloc(4000), *q = calloc(7, 131), *r = realloc(p, 90000);
	free(q);
	free(r);
	sink += getenv("HOME") != NULL;
	memmove(text + 3, text, 40);
	sink = sink % 2 + (int)strlen(text) * 0;
}

int main(int argc, char **argv)
{
	int rounds = 150;
	pthread_t t;

	if (argc != 2)
		return 2;
	capture_begin(argv[1], __builtin_frame_address(0));
	for (int i = 0; i < 2 * rounds; i++)
		next(i % 17, i * 2654435 + i);
	for (volatile int i = 0; i < rounds / 3; i++)
		if (setjmp(back) == 0)
			leaves_by_jump(1 + i % 5, i * 11);
	for (int n = 2; n < 24; n += 3)
		callbacks(n);
	signals(rounds / 5);
	deep(10000);
	if (pthread_create(&t, NULL, thread, &rounds) == 0)
		pthread_join(t, NULL);
	capture_steps_begin(7, 1500);
	libc_at_work();
	libc_at_work();
	capture_steps_end();
	capture_end();
	return 0;
}
