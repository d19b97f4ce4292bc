/* SPDX-License-Identifier: MIT */
/* The recorder's side of the preload plane: differences of histograms, rings, stacks, the clock, and what may
 * not be believed. Slots are written by the library's own code (sampler/preload/record.h). */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sampler/preload/mpsample.h"
#include "sampler/preload/record.h"
#include "sampler/preload/ticks.h"
#include "sampler/preload_plane/clock.h"
#include "sampler/preload_plane/hist.h"
#include "sampler/preload_plane/region.h"
#include "sampler/preload_plane/ring.h"
#include "sampler/preload_plane/stack.h"
#include "sampler/saved_regs.h"

enum { RECORDS = 64 };

struct fixture {
	struct mp_region *region;
	struct mp_slot *slot;
	struct mp_slot_seen seen;
	struct mp_hist hists[MP_HIST_BANKS * MP_HIST_BLOCKS];
	struct mp_ring_reader reader;
	struct mp_preload_clock clock;
};

/* Ticks are ns, so that the figures can be read. */
static struct fixture *new_fixture(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	cr_assert_not_null(f);
	f->region = aligned_alloc(4096, mp_region_header_bytes() + mp_region_slot_bytes(RECORDS));
	cr_assert_not_null(f->region);
	memset(f->region, 0, mp_region_header_bytes() + mp_region_slot_bytes(RECORDS));
	f->region->ns_per_tick = 1ULL << 32;
	f->region->word = MP_MODE_ACTIVE | MP_WORD_MONOTONIC;
	f->region->period = 1;
	f->region->lease_ticks = UINT64_MAX;
	f->slot = mp_region_slot(f->region, mp_region_slot_bytes(RECORDS), 0);
	f->slot->ring_mask = RECORDS - 1;
	f->slot->lines = 1;
	f->slot->random = 42;
	f->slot->tid = 7;
	f->slot->ready = 1;
	memset(f->region->keep_over_ns, 0xff, sizeof(f->region->keep_over_ns));
	mp_slot_settings(f->region, f->slot, f->region->word);
	f->clock.word = MP_WORD_MONOTONIC;
	mp_preload_clock_add(&f->clock, (struct mp_clock_point){0, 0});
	mp_preload_clock_add(&f->clock, (struct mp_clock_point){1000000, 1000000});
	return f;
}

static void free_fixture(struct fixture *f)
{
	free(f->region);
	free(f);
}

/* As in an interposed function, which has a frame of its own. */
static __attribute__((noinline)) void call_given(
    struct fixture *f, unsigned int op, uint64_t size, uint64_t start, uint64_t given)
{
	mp_record_call(f->region, f->slot, op, size, 0xb10c,
	    (struct mp_stamps){start, start + 50, given, false}, (uint64_t)__builtin_frame_address(0));
}

static __attribute__((noinline)) void call(
    struct fixture *f, unsigned int op, uint64_t size, uint64_t start, uint64_t ns)
{
	mp_record_call(f->region, f->slot, op, size, 0xb10c, (struct mp_stamps){start, start + ns, 0, false},
	    (uint64_t)__builtin_frame_address(0));
}

static void poll_hists(struct fixture *f)
{
	mp_preload_hist_take(f->slot, &f->seen, f->hists, f->region->period, false);
}

static struct mp_hist *block(struct fixture *f, unsigned int op, uint64_t size)
{
	return &f->hists[mp_hist_block(op, mp_size_class(size))];
}

/* ---- Histograms ---- */

Test(preload, histograms_count_what_is_new)
{
	struct fixture *f = new_fixture();

	call(f, MP_OP_MALLOC, 100, 1, 50);
	mp_preload_hist_take(f->slot, &f->seen, NULL, 1, true);
	poll_hists(f);
	cr_assert_eq(block(f, MP_OP_MALLOC, 100)->calls, 0, "what was before does not count");
	for (int i = 0; i < 1000; i++)
		call(f, MP_OP_MALLOC, 100, 1, 50);
	call(f, MP_OP_MALLOC, 100, 1, 5000);
	call(f, MP_OP_FREE, 0, 1, 20);
	poll_hists(f);
	poll_hists(f);
	cr_assert_eq(block(f, MP_OP_MALLOC, 100)->calls, 1001);
	cr_assert_eq(block(f, MP_OP_MALLOC, 100)->bucket[mp_hist_bucket(50)], 1000);
	cr_assert_eq(block(f, MP_OP_MALLOC, 100)->bytes, 100100);
	cr_assert_eq(block(f, MP_OP_MALLOC, 100)->sum_ns, 55000);
	cr_assert_eq(block(f, MP_OP_MALLOC, 100)->max_ns, 5000);
	cr_assert_eq(block(f, MP_OP_FREE, 0)->calls, 1);
	free_fixture(f);
}

Test(preload, histograms_wrap_without_loss)
{
	struct fixture *f = new_fixture();

	call(f, MP_OP_MALLOC, 1, 1, 10);
	f->slot->line[1][10] = UINT32_MAX - 1;
	mp_preload_hist_take(f->slot, &f->seen, NULL, 1, true);
	for (int i = 0; i < 5; i++)
		call(f, MP_OP_MALLOC, 1, 1, 10);
	poll_hists(f);
	cr_assert_eq(block(f, MP_OP_MALLOC, 1)->bucket[10], 5);
	free_fixture(f);
}

/* So many different durations and sizes that the fine lines run out: every call counts all the same. */
Test(preload, histograms_stay_exact_when_lines_run_out)
{
	struct fixture *f = new_fixture();
	uint64_t calls = 0, counted = 0;

	for (unsigned int class = 0; class < MP_SIZE_CLASSES; class ++)
		for (uint64_t ns = 1; ns < 1ULL << 40; ns *= 2, calls++)
			call(f, MP_OP_MALLOC, mp_size_class_lo(class), 1, ns);
	for (int i = 0; i < 100; i++, calls++)
		call(f, MP_OP_NEW, 5, 1, 3333);
	poll_hists(f);
	for (size_t b = 0; b < MP_HIST_BANKS * MP_HIST_BLOCKS; b++)
		for (size_t i = 0; i < MP_HIST_BUCKETS; i++)
			counted += f->hists[b].bucket[i];
	cr_assert_eq(counted, calls);
	cr_assert_eq(block(f, MP_OP_NEW, 5)->calls, 100);
	cr_assert_eq(block(f, MP_OP_NEW, 5)->max_ns, 3333);
	free_fixture(f);
}

Test(preload, the_longest_is_of_its_own_time)
{
	struct fixture *f = new_fixture();
	struct mp_hist *h = block(f, MP_OP_MALLOC, 1);

	call(f, MP_OP_MALLOC, 1, 1, 900000);
	poll_hists(f);
	cr_assert_eq(h->max_ns, 900000);
	h->max_ns = 0;
	f->region->period = 3;
	call(f, MP_OP_MALLOC, 1, 1, 777);
	poll_hists(f);
	cr_assert_eq(h->max_ns, 777);
	h->max_ns = 0;
	f->slot->sum[0].max = 3ULL << MP_MAX_SHIFT | 123456789; /* a lie */
	call(f, MP_OP_MALLOC, 1, 1, 500);
	f->slot->sum[0].max = 3ULL << MP_MAX_SHIFT | 123456789;
	poll_hists(f);
	cr_assert_eq(h->max_ns, mp_hist_hi_ns(mp_hist_bucket(500)));
	free_fixture(f);
}

Test(preload, hostile_histograms_stay_within_their_blocks)
{
	struct fixture *f = new_fixture();
	uint64_t random = 99;
	uint64_t *words = (uint64_t *)f->slot;

	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < sizeof(*f->slot) / 8; i++)
			words[i] = mp_random(&random);
		poll_hists(f); /* the sanitizers look on */
	}
	free_fixture(f);
}

/* ---- Rings ---- */

struct seen_rows {
	unsigned int calls, markers, owners, stacks;
	struct mp_ring_call last_call;
	struct mp_ring_marker last_marker;
	uint64_t first_frame;
	pid_t owner;
};

static void see_call(void *ctx, const struct mp_ring_call *c)
{
	struct seen_rows *s = ctx;

	s->calls++;
	s->last_call = *c;
	s->stacks += c->stack != NULL;
	s->first_frame = c->stack && c->stack->nframes ? c->stack->ip[0] : 0;
}

static void see_marker(void *ctx, const struct mp_ring_marker *m)
{
	struct seen_rows *s = ctx;

	s->markers++;
	s->last_marker = *m;
}

static void see_owner(void *ctx, pid_t tid, int64_t t_ns)
{
	struct seen_rows *s = ctx;

	(void)t_ns;
	s->owners++;
	s->owner = tid;
}

static struct seen_rows drain(struct fixture *f)
{
	struct seen_rows rows = {0};
	const struct mp_ring_sink sink = {
	    .call = see_call, .marker = see_marker, .owner = see_owner, .ctx = &rows};

	mp_preload_ring_drain(f->slot, RECORDS, f->slot->head, &f->reader, &f->clock, &sink);
	return rows;
}

static void keep_all(struct fixture *f)
{
	memset(f->region->keep_over_ns, 0, sizeof(f->region->keep_over_ns));
	f->region->word += MP_WORD_CHANGE;
	mp_slot_settings(f->region, f->slot, f->region->word);
}

Test(preload, rings_hand_on_calls_with_their_owner)
{
	struct fixture *f = new_fixture();

	keep_all(f);
	call(f, MP_OP_MALLOC, 100, 500000, 50);
	call(f, MP_OP_FREE, 0, 600000, 70);
	struct seen_rows rows = drain(f);
	cr_assert_eq(rows.calls, 2);
	cr_assert_eq(rows.owners, 1);
	cr_assert_eq(rows.owner, 7);
	cr_assert_eq(rows.last_call.tid, 7);
	cr_assert_eq(rows.last_call.op, MP_OP_FREE);
	cr_assert_eq(rows.last_call.kept, MP_KEPT_OUTLIER);
	cr_assert_eq(rows.last_call.weight, 1);
	cr_assert_eq(rows.last_call.t_ns, 600000);
	cr_assert_eq(rows.last_call.dur_ns, 70);
	cr_assert_eq(rows.last_call.addr, 0xb10c);
	cr_assert_eq(f->slot->tail, f->slot->head, "the writer has room again");
	cr_assert_eq(drain(f).calls, 0);
	free_fixture(f);
}

Test(preload, tracked_calls_tell_their_caller_and_what_they_were_given)
{
	struct fixture *f = new_fixture();
	unsigned int calls = 0;

	f->region->sample_weight = 0; /* none is drawn, none is slow: all are told */
	f->region->word = ((f->region->word & ~MP_WORD_MODE) | MP_MODE_TRACK) + MP_WORD_CHANGE;
	mp_slot_settings(f->region, f->slot, f->region->word);
	call_given(f, MP_OP_REALLOC, 100, 500000, 0x01d);
	struct seen_rows rows = drain(f);
	cr_assert_eq(rows.calls, 1);
	cr_assert_eq(rows.last_call.kept, MP_KEPT_FULL);
	cr_assert_eq(rows.last_call.given, 0x01d);
	cr_assert_neq(rows.last_call.caller, 0);
	call(f, MP_OP_MALLOC, 100, 600000, 50);
	cr_assert_eq(drain(f).last_call.given, 0);

	/* Both records find room, or the call is counted as dropped. */
	for (int i = 0; i < 5 * RECORDS; i++)
		call(f, MP_OP_MALLOC, 100, 700000, 50);
	calls = drain(f).calls;
	cr_assert_gt(calls, RECORDS / 2 - 3);
	cr_assert_eq(calls + f->slot->dropped, 5 * RECORDS);
	free_fixture(f);
}

Test(preload, a_full_ring_loses_and_counts_what_it_loses)
{
	struct fixture *f = new_fixture();
	unsigned int kept = 0;

	keep_all(f);
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 100; i++)
			call(f, MP_OP_MALLOC, 8, 1, 50);
		kept += drain(f).calls;
	}
	cr_assert_eq(kept + f->slot->dropped, 1000);
	cr_assert_gt(f->slot->dropped, 0);
	cr_assert_eq(f->reader.rows_lost, 0);
	free_fixture(f);
}

static void push_marker(struct fixture *f, unsigned int kind, uint64_t a, uint64_t b, unsigned int name)
{
	const struct mp_record r = {700000, a, b, name | (uint64_t)(MP_KIND_MARKER + kind) << MP_KIND_SHIFT};
	cr_assert(mp_ring_push(f->slot, &r));
}

Test(preload, markers_come_with_all_arguments)
{
	struct fixture *f = new_fixture();
	const struct mp_record more = {0, 4096, 0, (uint64_t)MP_KIND_MORE << MP_KIND_SHIFT};

	push_marker(f, MPSAMPLE_KIND_MARK, 5, 0, 3);
	struct seen_rows rows = drain(f);
	cr_assert_eq(rows.markers, 1);
	cr_assert_eq(rows.last_marker.kind, MPSAMPLE_KIND_MARK);
	cr_assert_eq(rows.last_marker.name, 3);
	cr_assert_eq(rows.last_marker.a, 5);
	push_marker(f, MPSAMPLE_KIND_POOL_CREATE, 0x1000, 64, 4);
	cr_assert_eq(drain(f).markers, 0, "its other half is not there yet");
	cr_assert(mp_ring_push(f->slot, &more));
	rows = drain(f);
	cr_assert_eq(rows.markers, 1);
	cr_assert_eq(rows.last_marker.b, 64);
	cr_assert_eq(rows.last_marker.c, 4096);
	free_fixture(f);
}

Test(preload, calls_come_with_the_scope_that_they_are_in)
{
	struct fixture *f = new_fixture();
	const struct mp_record lie = {.addr = MP_NAMES + 1, .what = (uint64_t)MP_KIND_SCOPE << MP_KIND_SHIFT};

	keep_all(f);
	mp_scope_begin(f->slot, 3);
	call(f, MP_OP_MALLOC, 100, 500000, 50);
	call(f, MP_OP_MALLOC, 100, 500000, 50);
	struct seen_rows rows = drain(f);
	cr_assert_eq(rows.calls, 2);
	cr_assert_eq(rows.last_call.scope, 3);
	call(f, MP_OP_MALLOC, 100, 600000, 50);
	cr_assert_eq(drain(f).last_call.scope, 3, "told before");
	keep_all(f);
	call(f, MP_OP_MALLOC, 100, 700000, 50);
	cr_assert_eq(drain(f).last_call.scope, 3, "told again to whoever reads now");
	cr_assert(mp_ring_push(f->slot, &lie));
	call(f, MP_OP_MALLOC, 100, 800000, 50);
	cr_assert_eq(drain(f).last_call.scope, 0);
	mp_scope_end(f->slot);
	call(f, MP_OP_MALLOC, 100, 900000, 50);
	cr_assert_eq(drain(f).last_call.scope, 0);
	cr_assert_eq(f->reader.rows_lost, 0);
	free_fixture(f);
}

Test(preload, hostile_rings_cost_rows_and_nothing_else)
{
	struct fixture *f = new_fixture();
	uint64_t random = 5;
	uint64_t *ring = (uint64_t *)mp_slot_ring(f->slot);

	f->slot->head = 1ULL << 60;
	cr_assert_eq(drain(f).calls, 0);
	cr_assert_eq(f->reader.rows_lost, 1);
	cr_assert_eq(f->reader.tail, 1ULL << 60, "reading begins anew there");
	for (int round = 0; round < 2000; round++) {
		for (size_t i = 0; i < RECORDS * sizeof(struct mp_record) / 8; i++)
			ring[i] = mp_random(&random);
		for (size_t i = 0; i < MP_STACKS_BYTES / 8; i += 17)
			((uint64_t *)f->slot->stacks)[i] = mp_random(&random) % (round % 2 ? 9000 : 70000);
		f->slot->head += mp_random(&random) % (RECORDS + 2);
		f->slot->stacks_head += mp_random(&random) % 70000 / 8 * 8;
		drain(f);
	}
	free_fixture(f);
}

/* ---- Stacks ---- */

static void read_stack(const struct mp_stack_copy *copy, const uint64_t *stack, struct mp_preload_stack *out)
{
	memcpy(out->bytes, stack, copy->bytes);
	mp_preload_stack_read(copy, out);
}

Test(preload, stacks_are_followed_within_their_copy)
{
	uint64_t stack[32] = {0}, base = 0x7000;
	struct mp_stack_copy copy = {.sp = base, .frame = base + 16, .bytes = sizeof(stack)};
	struct mp_preload_stack out;

	stack[2] = base + 64; /* the caller's frame pointer, the return address to it */
	stack[3] = 0x401000;
	stack[8] = base + 128;
	stack[9] = 0x402000;
	stack[16] = base + 64; /* back down: a circle */
	stack[17] = 0x403000;
	read_stack(&copy, stack, &out);
	cr_assert_eq(out.nframes, 3);
	cr_assert_eq(out.ip[0], 0x401000);
	cr_assert_eq(out.ip[2], 0x403000);
	cr_assert_eq(out.state.ip, 0x401000);
	cr_assert_eq(out.state.reg[MP_REG_FP], base + 64, "the caller's");
	cr_assert_eq(out.state.reg[MP_REG_SP], base + 32, "as it was behind the call");
	cr_assert_eq(out.state.known, 1ULL << MP_REG_FP | 1ULL << MP_REG_SP);
	cr_assert_eq(out.state.bytes_at, base);
	cr_assert_eq(out.state.n_bytes, sizeof(stack));

	stack[8] = base + sizeof(stack) - 8; /* the last word is there, what stands behind it not */
	read_stack(&copy, stack, &out);
	cr_assert_eq(out.nframes, 2);
	stack[8] = base + 131; /* not aligned */
	read_stack(&copy, stack, &out);
	cr_assert_eq(out.nframes, 2);
	copy.frame = base - 8;
	read_stack(&copy, stack, &out);
	cr_assert_eq(out.nframes, 0);
	copy.frame = UINT64_MAX - 7;
	read_stack(&copy, stack, &out);
	cr_assert_eq(out.nframes + out.state.n_bytes, 0);
}

static __attribute__((noinline)) void two_calls(struct fixture *f)
{
	call(f, MP_OP_MALLOC, 8, 1, 50);
	call(f, MP_OP_FREE, 8, 1, 50);
	__asm__ volatile("" ::: "memory"); /* not a tail call */
}

Test(preload, stacks_belong_to_their_rows)
{
	struct fixture *f = new_fixture();
	unsigned int with = 0, without = 0;

	f->region->take_stacks = 1;
	keep_all(f);
	f->slot->stack_lo = (uint64_t)__builtin_frame_address(0) - 65536;
	f->slot->stack_hi = (uint64_t)__builtin_frame_address(0) + 512;
	for (int i = 0; i < 2000; i++) { /* many times around the ring */
		two_calls(f);
		struct seen_rows rows = drain(f);
		with += rows.stacks;
		without += rows.calls - rows.stacks;
		cr_assert_lt(rows.first_frame - (uint64_t)two_calls, 512, "it is the caller");
	}
	cr_assert_eq(with, 4000);
	cr_assert_eq(without + f->reader.stacks_lost, 0);
	free_fixture(f);
}

/* A recorder that takes over begins between the copy of a stack and its record. */
Test(preload, a_stack_of_an_earlier_row_is_never_taken_for_a_later_one)
{
	struct fixture *f = new_fixture();

	f->region->take_stacks = 1;
	keep_all(f);
	f->slot->stack_lo = (uint64_t)__builtin_frame_address(0) - 65536;
	f->slot->stack_hi = (uint64_t)__builtin_frame_address(0) + 512;
	call(f, MP_OP_MALLOC, 8, 1, 50);
	mp_preload_ring_skip(f->slot, &f->reader);
	f->reader.stacks_tail = f->slot->stacks_tail = 0; /* the copy was not skipped with its record */
	call(f, MP_OP_MALLOC, 8, 1, 50);
	struct seen_rows rows = drain(f);
	cr_assert_eq(rows.calls, 1);
	cr_assert_eq(rows.stacks, 1);
	cr_assert_eq(f->reader.stacks_tail, f->slot->stacks_head);

	call(f, MP_OP_MALLOC, 8, 1, 50); /* and the other way round: skipped without its record */
	f->reader.stacks_tail = f->slot->stacks_head;
	call(f, MP_OP_FREE, 8, 1, 50);
	rows = drain(f);
	cr_assert_eq(rows.calls, 2);
	cr_assert_eq(rows.stacks, 1);
	cr_assert_eq(f->reader.stacks_lost, 1);
	cr_assert_eq(rows.last_call.op, MP_OP_FREE);
	cr_assert_not_null(rows.last_call.stack);
	free_fixture(f);
}

/* ---- The clock ---- */

Test(preload, times_are_interpolated_and_never_beyond)
{
	struct mp_preload_clock *c = calloc(1, sizeof(*c));

	mp_preload_clock_add(c, (struct mp_clock_point){1000, 500});
	mp_preload_clock_add(c, (struct mp_clock_point){4000, 1500});
	mp_preload_clock_add(c, (struct mp_clock_point){5000, 2500});
	cr_assert_eq(mp_preload_clock_ns(c, 2500), 1000);
	cr_assert_eq(mp_preload_clock_ns(c, 4500), 2000);
	cr_assert_eq(mp_preload_clock_ns(c, 4000), 1500);
	cr_assert_eq(mp_preload_clock_ns(c, 0), 500);
	cr_assert_eq(mp_preload_clock_ns(c, UINT64_MAX), 2500);
	cr_assert_eq(mp_preload_clock_rate(c), 1ULL << 31, "2000 ns in 4000 ticks");
	mp_preload_clock_add(c, (struct mp_clock_point){10, 3000}); /* set back */
	mp_preload_clock_add(c, (struct mp_clock_point){20, 3010});
	cr_assert_eq(mp_preload_clock_ns(c, 15), 3005);
	free(c);
}

/* A day of points: what is old is thinner, and told as well. */
Test(preload, a_long_recording_keeps_old_times)
{
	struct mp_preload_clock *c = calloc(1, sizeof(*c));

	for (uint64_t i = 1; i < 1000000; i++)
		mp_preload_clock_add(c, (struct mp_clock_point){i * 30000000, (int64_t)i * 10000000});
	cr_assert_leq(c->n, MP_CLOCK_POINTS);
	for (uint64_t t = 60000000; t < 999999ULL * 30000000; t = t * 5 / 4)
		cr_assert_leq(llabs(mp_preload_clock_ns(c, t) - (int64_t)(t / 3)), 1);
	free(c);
}

Test(preload, stamps_are_told_to_some_ns)
{
	struct mp_preload_clock *c = calloc(1, sizeof(*c));
	uint64_t ticks[200];
	int64_t ns[200];

	mp_preload_clock_begin(c);
	for (int i = 0; i < 200; i++) {
		uint64_t tightest = UINT64_MAX;
		for (int k = 0; k < 20; k++) {
			uint64_t before = mp_ticks(c->word);
			int64_t between = (int64_t)mp_ticks_monotonic();
			uint64_t after = mp_ticks(c->word);
			if (after - before >= tightest)
				continue;
			tightest = after - before;
			ticks[i] = before + tightest / 2;
			ns[i] = between;
		}
		if (i % 20 == 0)
			mp_preload_clock_point(c);
	}
	mp_preload_clock_point(c);
	for (int i = 0; i < 200; i++)
		cr_assert_leq(llabs(mp_preload_clock_ns(c, ticks[i]) - ns[i]), 1000);
	free(c);
}

Test(preload, which_counters_are_sound)
{
	const char *flags = "flags\t\t: fpu tsc constant_tsc nonstop_tsc rdtscp\n";

	cr_assert(mp_ticks_are_sound_by(flags, "tsc\n"));
	cr_assert(mp_ticks_are_sound_by(flags, "kvm-clock\n"));
	cr_assert(mp_ticks_are_sound_by(flags, "hyperv_clocksource_tsc_page"));
	cr_assert_not(mp_ticks_are_sound_by(flags, "hpet\n"));
	cr_assert_not(mp_ticks_are_sound_by(flags, "xen"));
	cr_assert_not(mp_ticks_are_sound_by("flags : tsc constant_tsc rdtscp", "tsc"));
	cr_assert_not(mp_ticks_are_sound_by("flags : tsc nonstop_tsc_s3 constant_tsc", "tsc"));
	cr_assert_not(mp_ticks_are_sound_by("", ""));
}

/* ---- Regions ---- */

/* Our own process plays the target: what it maps is what is found. */
static struct mp_region *map_region(uint64_t bytes, unsigned int seals, int *fd)
{
	*fd = memfd_create(MP_REGION_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	cr_assert_geq(*fd, 0);
	cr_assert_eq(ftruncate(*fd, (off_t)bytes), 0);
	cr_assert(!seals || !fcntl(*fd, F_ADD_SEALS, seals));
	struct mp_region *r = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	cr_assert_neq(r, MAP_FAILED);
	return r;
}

static void describe(struct mp_region *r, uint64_t slots)
{
	r->magic = MP_REGION_MAGIC;
	r->version = MP_REGION_VERSION;
	r->pid = (uint32_t)getpid();
	r->header_bytes = mp_region_header_bytes();
	r->slot_bytes = mp_region_slot_bytes(RECORDS);
	r->slots = slots;
	r->ring_records = RECORDS;
}

#define REGION_BYTES (mp_region_header_bytes() + 3 * mp_region_slot_bytes(RECORDS))

Test(preload, a_region_is_found_and_locked_once)
{
	struct mp_preload_region a, b;
	struct mp_err err;
	int fd;

	cr_assert_eq(mp_preload_region_open(getpid(), &a, &err), -ENOENT);
	describe(map_region(REGION_BYTES, F_SEAL_SHRINK, &fd), 3);
	cr_assert_eq(mp_preload_region_open(getpid(), &a, &err), 0, "%s", err.text);
	cr_assert_eq(mp_preload_region_open(getpid(), &b, &err), 0);
	cr_assert_eq(a.slots, 3);
	cr_assert_eq(a.ring_records, RECORDS);
	cr_assert_eq(mp_preload_region_lock(&a, getpid(), &err), 0);
	cr_assert_eq(mp_preload_region_lock(&b, getpid(), &err), -EBUSY);
	cr_assert_not_null(strstr(err.text, "being recorded"));
	mp_preload_region_close(&a);
	cr_assert_eq(mp_preload_region_lock(&b, getpid(), &err), 0);
	mp_preload_region_close(&b);
}

Test(preload, slots_that_nobody_used_are_not_touched)
{
	struct mp_preload_region a;
	struct mp_err err;
	int fd;
	struct mp_region *r = map_region(REGION_BYTES, F_SEAL_SHRINK, &fd);

	describe(r, 3);
	cr_assert_eq(mp_preload_region_open(getpid(), &a, &err), 0, "%s", err.text);
	cr_assert_eq(mp_preload_region_next(&a, 0), 3);
	mp_region_slot(r, r->slot_bytes, 1)->ready = 1;
	cr_assert_eq(mp_preload_region_next(&a, 0), 1);
	cr_assert_eq(mp_preload_region_next(&a, 2), 3);
	cr_assert_eq(mp_preload_region_next(&a, 3), 3);
	mp_preload_region_close(&a);
}

static void lie_magic(struct mp_region *r)
{
	r->magic++;
}

static void lie_version(struct mp_region *r)
{
	r->version = 99;
}

static void lie_header(struct mp_region *r)
{
	r->header_bytes -= 4096;
}

static void lie_slot(struct mp_region *r)
{
	r->slot_bytes *= 2;
}

static void lie_slots(struct mp_region *r)
{
	r->slots = MP_REGION_SLOTS + 1;
}

static void lie_no_slots(struct mp_region *r)
{
	r->slots = 0;
}

static void lie_more_slots(struct mp_region *r)
{
	r->slots = 4; /* of which the file holds 3 */
}

static void lie_ring(struct mp_region *r)
{
	r->ring_records = 63;
	r->slot_bytes = mp_region_slot_bytes(63);
}

static void lie_huge_ring(struct mp_region *r)
{
	r->ring_records = 1ULL << 60;
	r->slot_bytes = mp_region_slot_bytes(1ULL << 60);
}

static int open_lying(unsigned int seals, void (*lie)(struct mp_region *))
{
	struct mp_preload_region a;
	struct mp_err err;
	int fd;
	struct mp_region *r = map_region(REGION_BYTES, seals, &fd);

	describe(r, 3);
	if (lie)
		lie(r);
	int ret = mp_preload_region_open(getpid(), &a, &err);
	if (!ret)
		mp_preload_region_close(&a);
	munmap(r, REGION_BYTES);
	close(fd);
	return ret;
}

Test(preload, hostile_regions_are_refused)
{
	void (*const lies[])(struct mp_region *) = {lie_magic, lie_version, lie_header, lie_slot, lie_slots,
	    lie_no_slots, lie_more_slots, lie_ring, lie_huge_ring};

	cr_assert_eq(open_lying(F_SEAL_SHRINK, NULL), 0);
	cr_assert_eq(open_lying(0, NULL), -EPROTO, "it could shrink");
	cr_assert_eq(open_lying(F_SEAL_GROW, NULL), -EPROTO, "it could shrink");
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++)
		cr_assert_eq(open_lying(F_SEAL_SHRINK, lies[i]), -EPROTO, "lie %zu", i);
}

Test(preload, what_only_has_the_name_is_refused)
{
	struct mp_preload_region a;
	struct mp_err err;
	int fd;

	map_region(4096, F_SEAL_SHRINK, &fd);
	cr_assert_eq(mp_preload_region_open(getpid(), &a, &err), -EPROTO, "%s", err.text);
	describe(map_region(REGION_BYTES, F_SEAL_SHRINK, &fd), 3);
	cr_assert_eq(mp_preload_region_open(getpid(), &a, &err), 0, "the good one counts");
	mp_preload_region_close(&a);
}
