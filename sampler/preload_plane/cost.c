/* SPDX-License-Identifier: MIT */
#include "sampler/preload_plane/cost.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sampler/preload/record.h"
#include "sampler/preload/ticks.h"

#define ROUNDS 7
#define CALLS  5000

static void record_calls(struct mp_region *r, struct mp_slot *s, uint32_t word)
{
	for (uint32_t i = 0; i < CALLS; i++) {
		struct mp_stamps at = {0};

		at.start = mp_ticks(word);
		at.end = mp_ticks(word);
		mp_record_call(r, s, i & 1 ? MP_OP_FREE : MP_OP_MALLOC, i & 1 ? 0 : 16 + i % 500, i, at, 0);
	}
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

uint64_t mp_preload_cost(const struct mp_preload_clock *c, uint64_t floor_ticks)
{
	uint64_t bytes = mp_region_header_bytes() + mp_region_slot_bytes(MP_RING_RECORDS), ns[ROUNDS];
	struct mp_region *r = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (r == MAP_FAILED)
		return 0;
	struct mp_slot *s = mp_region_slot(r, mp_region_slot_bytes(MP_RING_RECORDS), 0);
	memset(r->keep_over_ns, 0xff, sizeof(r->keep_over_ns)); /* none is kept: only counted */
	r->ns_per_tick = mp_preload_clock_rate(c);
	r->floor_ticks = floor_ticks;
	r->word = MP_MODE_ACTIVE | c->word;
	s->ring_mask = MP_RING_RECORDS - 1;
	s->lines = 1;
	mp_slot_settings(r, s, r->word);
	record_calls(r, s, c->word); /* its memory is there now */
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = mp_ticks_monotonic();
		record_calls(r, s, c->word);
		ns[i] = (mp_ticks_monotonic() - start) / CALLS;
	}
	munmap(r, bytes);
	qsort(ns, ROUNDS, sizeof(*ns), by_value);
	return ns[ROUNDS / 2];
}
