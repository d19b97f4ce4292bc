/* SPDX-License-Identifier: MIT */
#include "sampler/perf/aux.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RING_PAGES 8 /* of records that say how far the area is written */

static bool has_neoverse_sources(void)
{
	FILE *f = fopen("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1", "re");
	unsigned long long midr = 0;
	bool is_known = f && fscanf(f, "%llx", &midr) == 1;

	if (f)
		fclose(f);
	return is_known && mp_spe_has_neoverse_sources(midr);
}

int mp_perf_aux_open(int fd, struct mp_perf_aux *out, struct mp_err *err)
{
	*out =
	    (struct mp_perf_aux){.bytes = MP_PERF_AUX_BYTES, .has_neoverse_sources = has_neoverse_sources()};
	out->ring.fd = fd;
	int ret = mp_perf_ring_map(fd, RING_PAGES, &out->ring, err);
	if (ret)
		return ret;
	out->scratch = malloc(out->bytes);
	if (!out->scratch)
		return mp_err_set(err, ENOMEM, "out of memory");
	out->ring.page->aux_offset = out->ring.data_bytes + (size_t)sysconf(_SC_PAGESIZE);
	out->ring.page->aux_size = out->bytes;
	void *area =
	    mmap(NULL, out->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)out->ring.page->aux_offset);
	if (area == MAP_FAILED)
		return mp_err_set(err, errno, "cannot map the aux area of an event: %s", strerror(errno));
	out->area = area;
	return 0;
}

void mp_perf_aux_close(struct mp_perf_aux *a)
{
	if (a->area)
		munmap(a->area, a->bytes);
	free(a->scratch);
	mp_perf_ring_close(&a->ring);
	*a = (struct mp_perf_aux){.ring = {.fd = -1}};
}

static uint64_t last_ticks(const struct mp_perf_aux *a, const void *bytes, size_t n)
{
	struct mp_spe s;
	struct mp_spe_sample sample;
	uint64_t last = 0;

	mp_spe_begin(&s, bytes, n, a->has_neoverse_sources);
	while (mp_spe_next(&s, &sample))
		if (sample.has_time && sample.time_ticks > last)
			last = sample.time_ticks;
	return last;
}

void mp_perf_aux_decode(struct mp_perf_aux *a, const void *bytes, size_t n, int64_t t_ns, double ns_per_tick,
    mp_perf_aux_fn *fn, void *ctx)
{
	uint64_t last = last_ticks(a, bytes, n);
	struct mp_spe s;
	struct mp_spe_sample sample;

	mp_spe_begin(&s, bytes, n, a->has_neoverse_sources);
	while (mp_spe_next(&s, &sample)) {
		double before = sample.has_time ? (double)(last - sample.time_ticks) * ns_per_tick : 0;
		fn(ctx, &sample, t_ns - (int64_t)before);
	}
	a->bad_bytes += s.bad_bytes;
}

struct drain {
	struct mp_perf_aux *a;
	mp_perf_aux_fn *fn;
	void *ctx;
};

static double ns_per_tick(const struct perf_event_mmap_page *page)
{
	return page->cap_user_time ? (double)page->time_mult / (double)(1ULL << (page->time_shift & 63)) : 0;
}

/* What lies across the end of the area is put in one piece. */
static void take(void *ctx, const struct perf_event_header *h)
{
	const struct drain *d = ctx;
	struct mp_perf_aux *a = d->a;
	struct {
		uint64_t offset, size, flags;
	} told;
	uint64_t t_ns;

	if (h->type != PERF_RECORD_AUX || h->size < sizeof(*h) + sizeof(told) + sizeof(t_ns))
		return;
	memcpy(&told, h + 1, sizeof(told));
	memcpy(&t_ns, (const char *)h + h->size - sizeof(t_ns), sizeof(t_ns));
	a->cut +=
	    (told.flags & (PERF_AUX_FLAG_TRUNCATED | PERF_AUX_FLAG_PARTIAL | PERF_AUX_FLAG_COLLISION)) != 0;
	if (told.size > a->bytes)
		return;
	size_t at = told.offset & (a->bytes - 1), to_end = a->bytes - at;
	size_t first = told.size < to_end ? told.size : to_end;
	memcpy(a->scratch, a->area + at, first);
	memcpy(a->scratch + first, a->area, told.size - first);
	mp_perf_aux_decode(a, a->scratch, told.size, (int64_t)t_ns, ns_per_tick(a->ring.page), d->fn, d->ctx);
	/* Our reads are done before the hardware may write there again. */
	__atomic_store_n(&a->ring.page->aux_tail, told.offset + told.size, __ATOMIC_RELEASE);
}

void mp_perf_aux_drain(struct mp_perf_aux *a, mp_perf_aux_fn *fn, void *ctx)
{
	struct drain d = {a, fn, ctx};

	mp_perf_ring_read(&a->ring, take, &d);
}
