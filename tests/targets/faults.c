/* SPDX-License-Identifier: MIT */
/*
 * faults: page faults, sleeps and migrations in known numbers, no allocation.
 *
 * Truth: between go and "done", touch_by_write() takes one minor fault on each of 10007 fresh pages from
 * `write_base` on, touch_by_read() one on each of 1009 pages from `read_base` on (the zero page). The main
 * thread sleeps 211 times (voluntary switches), then moves itself between two CPUs 101 times (0 when it has
 * only one). The two bases are printed before "ready". The kernel's own counts (getrusage) of each step are
 * printed beside: a few more faults (stack, code) and switches (the migration itself waits for the kernel's
 * migration thread) may come.
 */
#include "target.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { WRITES = 10007, READS = 1009, SLEEPS = 211, MIGRATIONS = 101 };

static char *fresh_pages(size_t count, size_t page)
{
	char *base = mmap(NULL, count * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED) {
		target_print("error: out of memory\n");
		_exit(1);
	}
	madvise(base, count * page, MADV_NOHUGEPAGE); /* or one fault would bring in 512 pages */
	return base;
}

static NOINLINE void touch_by_write(char *base, size_t count, size_t page)
{
	for (size_t i = 0; i < count; i++)
		*(volatile char *)(base + i * page) = 1;
}

static NOINLINE unsigned touch_by_read(const char *base, size_t count, size_t page)
{
	unsigned sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += *(const volatile unsigned char *)(base + i * page);
	return sum;
}

static NOINLINE void sleep_often(unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

/* The two lowest CPUs that this thread may run on. False when there is only one. */
static bool two_cpus(int cpu[2])
{
	cpu_set_t allowed;
	int found = 0;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (int c = 0; c < CPU_SETSIZE && found < 2; c++)
		if (CPU_ISSET(c, &allowed))
			cpu[found++] = c;
	return found == 2;
}

static void bind_to(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

/* The thread is bound to cpu[0]: each step leaves the scheduler no choice but to move it. */
static NOINLINE unsigned migrate_often(const int cpu[2], unsigned times)
{
	for (unsigned i = 1; i <= times; i++)
		bind_to(cpu[i % 2]);
	return times;
}

static struct rusage usage(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u;
}

int main(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *written = fresh_pages(WRITES, page), *readable = fresh_pages(READS, page);
	struct rusage at[5];
	int cpu[2];
	bool movable = two_cpus(cpu);

	if (movable)
		bind_to(cpu[0]);
	target_print(
	    "write_base %p\nread_base %p\npage_bytes %zu\n", (void *)written, (void *)readable, page);
	target_wait_go();
	at[0] = usage();
	touch_by_write(written, WRITES, page);
	at[1] = usage();
	touch_by_read(readable, READS, page);
	at[2] = usage();
	sleep_often(SLEEPS);
	at[3] = usage();
	unsigned migrations = movable ? migrate_often(cpu, MIGRATIONS) : 0;

	at[4] = usage();
	target_print("write_faults %d\nwrite_faults_kernel %ld\n", WRITES, at[1].ru_minflt - at[0].ru_minflt);
	target_print("read_faults %d\nread_faults_kernel %ld\n", READS, at[2].ru_minflt - at[1].ru_minflt);
	target_print("sleeps %d\nsleeps_kernel %ld\n", SLEEPS, at[3].ru_nvcsw - at[2].ru_nvcsw);
	target_print("migrations %u\n", migrations);
	target_print("migrations_nvcsw_kernel %ld\n", at[4].ru_nvcsw - at[3].ru_nvcsw);
	target_done();
	return 0;
}
