/* SPDX-License-Identifier: MIT */
#include "sampler/perf/cost.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "sampler/perf/regs.h"
#include "sampler/perf/ring.h"

#define FAULTS     200
#define ROUNDS     7
#define RING_PAGES 256 /* more than all faults of a round fill */

static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* The CPU time of touching fresh pages. */
static int64_t fault(unsigned char *memory, size_t page_bytes)
{
	madvise(memory, FAULTS * page_bytes, MADV_DONTNEED);
	int64_t begin = cpu_ns();
	for (size_t i = 0; i < FAULTS; i++)
		*(volatile unsigned char *)(memory + i * page_bytes) = 1;
	return cpu_ns() - begin;
}

static int open_event(enum mp_stack_mode stack)
{
	struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE,
	    .config = PERF_COUNT_SW_PAGE_FAULTS,
	    .sample_period = 1,
	    .disabled = 1,
	    .exclude_kernel = 1,
	    .sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
			   PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD | PERF_SAMPLE_ADDR};

	if (stack == MP_STACK_COPY) {
		a.sample_type |= PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
		a.sample_regs_user = SAMPLE_REGS;
		a.sample_stack_user = 4096;
	} else if (stack == MP_STACK_FRAME_POINTERS) {
		a.sample_type |= PERF_SAMPLE_CALLCHAIN;
	}
	return mp_perf_open(&a, 0, -1, -1);
}

static void forget(void *ctx, const struct perf_event_header *record)
{
	(void)ctx, (void)record;
}

/* The least of some rounds, each with and without: what else runs only adds. */
static uint64_t measure(struct mp_perf_ring *ring, unsigned char *memory, size_t page_bytes)
{
	int64_t with = INT64_MAX, without = INT64_MAX;

	for (int i = 0; i < ROUNDS; i++) {
		int64_t ns = fault(memory, page_bytes);
		without = ns < without ? ns : without;
		ioctl(ring->fd, PERF_EVENT_IOC_ENABLE, 0);
		ns = fault(memory, page_bytes);
		ioctl(ring->fd, PERF_EVENT_IOC_DISABLE, 0);
		mp_perf_ring_read(ring, forget, NULL);
		with = ns < with ? ns : with;
	}
	return with > without ? (uint64_t)(with - without) / FAULTS : 0;
}

uint64_t mp_perf_sample_cost_ns(enum mp_stack_mode stack)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE), bytes = FAULTS * page_bytes;
	struct mp_perf_ring ring;
	struct mp_err ignored;
	uint64_t ns = 0;
	unsigned char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return 0;
	madvise(memory, bytes, MADV_NOHUGEPAGE);
	int fd = open_event(stack);
	if (fd >= 0 && !mp_perf_ring_map(fd, RING_PAGES, &ring, &ignored)) {
		ns = measure(&ring, memory, page_bytes);
		mp_perf_ring_close(&ring);
	} else if (fd >= 0) {
		close(fd);
	}
	munmap(memory, bytes);
	return ns;
}
