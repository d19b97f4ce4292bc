/* SPDX-License-Identifier: MIT */
#include "sampler/uprobe/kernel_cost.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS   10
#define SYSCALLS 500
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
	return best;
}

static uint64_t more(uint64_t before, uint64_t after)
{
	return after > before ? after - before : 0;
}

struct mp_kernel_cost mp_kernel_cost_added(struct mp_kernel_cost before, struct mp_kernel_cost after)
{
	return (struct mp_kernel_cost){
	    more(before.syscall_ns, after.syscall_ns), more(before.fault_ns, after.fault_ns)};
}
