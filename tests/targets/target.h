/* SPDX-License-Identifier: MIT */
/*
 * What the known targets share: the go/stop protocol, a time stamp, and printing - all without a single call
 * of the allocator, so that what a target says it allocated is all there is.
 *
 * Protocol: the target prints "ready PID" when a recorder may attach; waits for a line on stdin; works;
 * prints what it did; prints "done"; waits for the end of stdin; exits. Attach after "ready", stop before
 * closing stdin.
 */
#ifndef TARGET_H
#define TARGET_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

/* Hides a pointer from the optimizer, which may otherwise drop a malloc together with its free. */
#define TARGET_USE(p) __asm__ volatile("" : "+r"(p) : : "memory")

/* printf by write(2): libc's buffered stdout would allocate its buffer. */
__attribute__((format(printf, 1, 2))) static inline void target_print(const char *format, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, format);
	int n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	for (int done = 0; done < n;) {
		ssize_t written = write(STDOUT_FILENO, line + done, (size_t)(n - done));

		if (written < 0 && errno != EINTR)
			return;
		done += written > 0 ? (int)written : 0;
	}
}

/* Reads one line and forgets it. False at the end of stdin. */
static inline bool target_wait_line(void)
{
	char c = 0;
	ssize_t n;

	while ((n = read(STDIN_FILENO, &c, 1)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && c == '\n')
			return true;
	return false;
}

/* Says "ready" and waits for go. Without a go there is no work: exits with 2. */
static inline void target_wait_go(void)
{
	target_print("ready %d\n", (int)getpid());
	if (!target_wait_line())
		_exit(2);
}

static inline void target_done(void)
{
	target_print("done\n");
	while (target_wait_line())
		;
}

static inline uint64_t target_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The CPU's time stamp; the fences keep the measured work between two stamps. */
static inline uint64_t target_ticks(void)
{
#if defined(__x86_64__) || defined(__i386__)
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
#elif defined(__aarch64__)
	uint64_t t;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(t) : : "memory");
	return t;
#else
	return target_ns(CLOCK_MONOTONIC);
#endif
}

/* A pair of stamps, as close together as they can be had, for converting ticks to ns. */
struct target_clock {
	uint64_t ticks, ns;
};

static inline struct target_clock target_clock_now(void)
{
	struct target_clock best = {0, 0};
	uint64_t narrowest = UINT64_MAX;

	for (int i = 0; i < 16; i++) {
		uint64_t before = target_ticks(), ns = target_ns(CLOCK_MONOTONIC), after = target_ticks();

		if (after - before < narrowest) {
			narrowest = after - before;
			best = (struct target_clock){before + (after - before) / 2, ns};
		}
	}
	return best;
}

static inline double target_ns_per_tick(struct target_clock from, struct target_clock to)
{
	return (double)(to.ns - from.ns) / (double)(to.ticks - from.ticks);
}

/* A seeded generator whose sequence is the same everywhere (Knuth's MMIX constants). */
static inline uint32_t target_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

/* Shell sort (Ciura's gaps): qsort allocates for long arrays. */
static inline void target_sort(uint64_t *v, size_t n)
{
	static const size_t gaps[] = {10000000, 3000000, 1000000, 400000, 150000, 54901, 24001, 10273, 4409,
	    1750, 701, 301, 132, 57, 23, 10, 4, 1};

	for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++)
		for (size_t i = gaps[g], j; i < n; i++) {
			uint64_t x = v[i];

			for (j = i; j >= gaps[g] && v[j - gaps[g]] > x; j -= gaps[g])
				v[j] = v[j - gaps[g]];
			v[j] = x;
		}
}

/* The q-quantile of sorted values by nearest rank: the ceil(q * n)-th smallest; per_mille 1000 is the
 * maximum. */
static inline uint64_t target_quantile(const uint64_t *sorted, size_t n, unsigned per_mille)
{
	size_t rank = (n * per_mille + 999) / 1000;

	return n ? sorted[rank ? rank - 1 : 0] : 0;
}

/* A whole number from the command line; exits with 2 on anything else. */
static inline unsigned long target_number(const char *text)
{
	char *end;

	errno = 0;
	unsigned long n = strtoul(text, &end, 10);

	if (errno || end == text || *end || *text == '-') {
		fprintf(stderr, "not a number: '%s'\n", text);
		exit(2);
	}
	return n;
}

#endif
