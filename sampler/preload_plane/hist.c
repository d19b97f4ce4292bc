/* SPDX-License-Identifier: MIT */
#include "sampler/preload_plane/hist.h"

#include <string.h>

#include "sampler/preload/record.h"

struct take {
	const struct mp_slot *slot;
	struct mp_slot_seen *seen;
	struct mp_hist *blocks; /* NULL: only remember */
	uint32_t period;
	uint32_t top[MP_SLOT_BLOCKS]; /* the highest bucket that changed, and one; 0: none */
};

/* The recorder's block of one of a slot, whose banks have no blocks but those of operations. */
static struct mp_hist *block_of(const struct take *t, uint32_t block)
{
	return &t->blocks[block / MP_BANK_BLOCKS * MP_HIST_BLOCKS + block % MP_BANK_BLOCKS];
}

/* In a fine line each cell is a bucket. A coarse one has a cell for all 64 buckets of a line: the middle one
 * stands for them. */
static void take_cell(struct take *t, uint32_t line, uint32_t cell, uint32_t block, uint32_t bucket)
{
	uint32_t count = mp_load(&t->slot->line[line][cell]);
	uint32_t more = count - t->seen->line[line][cell]; /* modulo 2^32, as the counter */

	if (!more)
		return;
	t->seen->line[line][cell] = count;
	if (!t->blocks)
		return;
	block_of(t, block)->bucket[bucket] += more;
	block_of(t, block)->calls += more;
	if (t->top[block] <= bucket)
		t->top[block] = bucket + 1;
}

static void take_lines(struct take *t)
{
	uint32_t lines = mp_load_acquire(&t->slot->lines); /* their keys are there */

	if (lines > MP_FINE_LINES)
		lines = MP_FINE_LINES;
	for (uint32_t line = 1; line < lines; line++) {
		uint32_t key = mp_load(&t->slot->line_key[line]);
		uint32_t block = key / MP_HIST_LINE_COUNT, first = key % MP_HIST_LINE_COUNT * MP_HIST_LINE;
		if (block >= MP_SLOT_BLOCKS)
			continue;
		for (uint32_t i = 0; i < MP_HIST_LINE; i++)
			take_cell(t, line, i, block, first + i);
	}
	if (lines < MP_FINE_LINES)
		return;
	for (uint32_t block = 0; block < MP_SLOT_BLOCKS; block++)
		for (uint32_t number = 0; number < MP_HIST_LINE_COUNT; number++)
			take_cell(t, MP_FINE_LINES + block, number, block,
			    number * MP_HIST_LINE + MP_HIST_LINE / 2);
}

/* The longest of the calls that were new: the slot's word for it within the bucket that it lies in. */
static uint64_t longest_ns(const struct take *t, uint32_t block)
{
	uint64_t max = mp_load(&t->slot->sum[block].max), period = max >> MP_MAX_SHIFT;
	uint64_t ns = max & MP_HIST_MAX_NS;
	uint64_t lo = mp_hist_lo_ns(t->top[block] - 1), hi = mp_hist_hi_ns(t->top[block] - 1);
	bool is_recent = period == t->period || period + 1 == t->period;

	if (mp_load_acquire(&t->slot->lines) >= MP_FINE_LINES) { /* the line is as far as it is known */
		lo = mp_hist_lo_ns((t->top[block] - 1) / MP_HIST_LINE * MP_HIST_LINE);
		hi = mp_hist_hi_ns((t->top[block] - 1) / MP_HIST_LINE * MP_HIST_LINE + MP_HIST_LINE - 1);
	}
	if (!is_recent || ns > hi)
		return hi;
	return ns < lo ? lo : ns;
}

static void take_sums(struct take *t, uint32_t block)
{
	uint64_t bytes = mp_load(&t->slot->sum[block].bytes), sum_ns = mp_load(&t->slot->sum[block].sum_ns);
	struct mp_hist *h = t->blocks ? block_of(t, block) : NULL;

	if (h) {
		h->bytes += bytes - t->seen->bytes[block];
		h->sum_ns += sum_ns - t->seen->sum_ns[block];
	}
	if (h && t->top[block]) {
		uint64_t ns = longest_ns(t, block);
		if (ns > h->max_ns)
			h->max_ns = ns;
	}
	t->seen->bytes[block] = bytes;
	t->seen->sum_ns[block] = sum_ns;
}

void mp_preload_hist_take(const struct mp_slot *slot, struct mp_slot_seen *seen, struct mp_hist *blocks,
    uint32_t period, bool final)
{
	struct take t = {slot, seen, blocks, period, {0}};
	uint64_t calls = mp_load_acquire(&slot->calls); /* stored last: what it counts is there */

	if (calls == seen->calls && !final && blocks)
		return;
	seen->calls = calls;
	take_lines(&t);
	for (uint32_t block = 0; block < MP_SLOT_BLOCKS; block++)
		take_sums(&t, block);
}
