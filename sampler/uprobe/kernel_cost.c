/* SPDX-License-Identifier: MIT */
#include "sampler/uprobe/kernel_cost.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS   10
#define SYSCALLS 500
#define SWITCHES 100 /* there and back */
#define PAGES    100
#define PAGE_BYTES                                                                                           \
	4096 /* the smallest there is: of larger ones fewer faults, which the best round does not mind */

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t syscall_ns(void)
{
	uint64_t start = cpu_ns();

	for (int i = 0; i < SYSCALLS; i++)
		syscall(SYS_getppid);
	return (cpu_ns() - start) / SYSCALLS;
}

static uint64_t fault_ns(volatile char *pages)
{
	madvise((void *)pages, PAGES * PAGE_BYTES, MADV_DONTNEED);
	uint64_t start = cpu_ns();

	for (int i = 0; i < PAGES; i++)
		pages[i * PAGE_BYTES] = 1;
	return (cpu_ns() - start) / PAGES;
}

static void keep_least(uint64_t *least, uint64_t ns)
{
	if (!*least || ns < *least)
		*least = ns;
}

/* ---- Switches: two threads on one CPU hand each other a turn ---- */

struct turns {
	int there, back;
	uint64_t cpu_ns; /* of the other thread */
};

static bool give(int fd)
{
	return !eventfd_write(fd, 1);
}

static bool wait_for(int fd)
{
	eventfd_t n;

	return !eventfd_read(fd, &n);
}

static void *answer(void *arg)
{
	struct turns *t = arg;

	for (int i = 0; i < ROUNDS * SWITCHES && wait_for(t->there) && give(t->back); i++)
		__atomic_store_n(&t->cpu_ns, cpu_ns(), __ATOMIC_RELAXED);
	return NULL;
}

/* Both threads' time, a switch: the one that leaves the CPU and the one that gets it are the same process's,
 * as the beginning and the end of one time off the CPU of a target. */
static uint64_t switch_ns(struct turns *t)
{
	uint64_t start = cpu_ns(), other = __atomic_load_n(&t->cpu_ns, __ATOMIC_RELAXED);

	for (int i = 0; i < SWITCHES; i++)
		if (!give(t->there) || !wait_for(t->back))
			return 0;
	return (cpu_ns() - start + __atomic_load_n(&t->cpu_ns, __ATOMIC_RELAXED) - other) / (SWITCHES * 2);
}

static void measure_switches(struct mp_kernel_cost *best)
{
	struct turns t = {.there = eventfd(0, EFD_CLOEXEC), .back = eventfd(0, EFD_CLOEXEC)};
	cpu_set_t before, one;
	pthread_t other;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	/* The new thread inherits where it may run. */
	if (t.there >= 0 && t.back >= 0 && !sched_getaffinity(0, sizeof(before), &before) &&
	    !sched_setaffinity(0, sizeof(one), &one)) {
		if (!pthread_create(&other, NULL, answer, &t)) {
			for (int i = 0; i < ROUNDS; i++)
				keep_least(&best->switch_ns, switch_ns(&t));
			pthread_cancel(other); /* it waits where a turn was not taken */
			pthread_join(other, NULL);
		}
		sched_setaffinity(0, sizeof(before), &before);
	}
	close(t.there);
	close(t.back);
}

struct mp_kernel_cost mp_kernel_cost_now(void)
{
	struct mp_kernel_cost best = {0};
	char *pages =
	    mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return best;
	madvise(pages, PAGES * PAGE_BYTES, MADV_NOHUGEPAGE);
	for (int i = 0; i < ROUNDS; i++) {
		keep_least(&best.syscall_ns, syscall_ns());
		keep_least(&best.fault_ns, fault_ns(pages));
	}
	munmap(pages, PAGES * PAGE_BYTES);
	measure_switches(&best);
	return best;
}

static uint64_t more(uint64_t before, uint64_t after)
{
	return after > before ? after - before : 0;
}

struct mp_kernel_cost mp_kernel_cost_added(struct mp_kernel_cost before, struct mp_kernel_cost after)
{
	return (struct mp_kernel_cost){.syscall_ns = more(before.syscall_ns, after.syscall_ns),
	    .fault_ns = more(before.fault_ns, after.fault_ns),
	    .switch_ns = more(before.switch_ns, after.switch_ns)};
}
