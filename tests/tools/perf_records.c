/* SPDX-License-Identifier: MIT */
/*
 * perf_records [MILLIONS]    (default 10)
 *
 * How many samples a second the ring reader and the record parser take on one core: a ring in memory, filled
 * with samples as `record -e mem-loads --stack fp` has them (address, source, latency, 8 frames), read over
 * and over, as the kernel would have written them. Prints `samples_per_s N`, and ns for each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sampler/perf/record.h"
#include "sampler/perf/ring.h"

#define FRAMES 8

struct sample {
	struct perf_event_header header;
	uint64_t identifier, ip;
	uint32_t pid, tid;
	uint64_t time, addr;
	uint32_t cpu, pad;
	uint64_t period, n_frames, frames[FRAMES], weight, data_src;
};

static const struct mp_perf_layout layout = {
    .sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
		   PERF_SAMPLE_ADDR | PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD | PERF_SAMPLE_CALLCHAIN |
		   PERF_SAMPLE_WEIGHT | PERF_SAMPLE_DATA_SRC,
    .sample_id_all = true};

static uint64_t taken, sum;

static void take(void *ctx, const struct perf_event_header *h)
{
	struct mp_perf_record r;

	(void)ctx;
	if (mp_perf_record_parse(&layout, h, h->size, &r))
		return;
	taken++;
	sum += r.weight + mp_perf_u64(&r.callchain, FRAMES - 1);
}

/* As many as fit, the last one across the end. */
static void fill(struct mp_perf_ring *ring)
{
	unsigned char *data = (unsigned char *)ring->page + ring->page->data_offset;
	struct sample s = {
	    .header = {.type = PERF_RECORD_SAMPLE, .size = sizeof(s)}, .n_frames = FRAMES, .weight = 1};
	uint64_t head = ring->page->data_head;

	for (; head + sizeof(s) - ring->page->data_tail <= ring->data_bytes; head += sizeof(s)) {
		size_t at = head & (ring->data_bytes - 1), to_end = ring->data_bytes - at;
		size_t first = sizeof(s) < to_end ? sizeof(s) : to_end;

		s.time = head;
		memcpy(data + at, &s, first);
		memcpy(data, (const char *)&s + first, sizeof(s) - first);
	}
	ring->page->data_head = head;
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	uint64_t wanted = (argc > 1 ? strtoul(argv[1], NULL, 10) : 10) * 1000000ull;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct mp_perf_ring ring = {.fd = -1, .data_bytes = 256 * page, .scratch = malloc(UINT16_MAX + 1)};
	double seconds = 0;

	ring.page = aligned_alloc(page, ring.data_bytes + page);
	if (!ring.page || !ring.scratch)
		return 1;
	memset(ring.page, 0, page);
	ring.page->data_offset = page;
	while (taken < wanted) {
		fill(&ring);
		double begin = now(CLOCK_THREAD_CPUTIME_ID);
		mp_perf_ring_read(&ring, take, NULL);
		seconds += now(CLOCK_THREAD_CPUTIME_ID) - begin;
	}
	printf("samples_per_s %.0f\nns_each %.1f\n", (double)taken / seconds, seconds * 1e9 / (double)taken);
	free(ring.page);
	free(ring.scratch);
	return sum == 0;
}
