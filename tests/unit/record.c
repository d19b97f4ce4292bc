/* SPDX-License-Identifier: MIT */
/* Recording one call (sampler/preload/record.h), step by step in one thread. */
#include "sampler/preload/record.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { RING = 8 };

static struct mp_region region;
static struct {
	struct mp_slot slot;
	struct mp_record ring[RING];
} memory;
static struct mp_slot *const s = &memory.slot;

/* As the library and the recorder leave them when a recording begins. */
static void set_up(void)
{
	memset(&region, 0, sizeof(region));
	memset(&memory, 0, sizeof(memory));
	region.word = MP_WORD_CHANGE + MP_MODE_ACTIVE;
	region.ns_per_tick = 1ULL << 32;
	region.lease_ticks = UINT64_MAX;
	for (int op = 0; op < MP_OP_COUNT; op++)
		region.keep_over_ns[op] = UINT64_MAX;
	s->ring_mask = RING - 1;
	s->lines = 1;
	s->random = 88172645463325252ULL;
	s->tid = 4711;
	mp_slot_settings(&region, s, region.word);
}

TestSuite(record, .init = set_up);

static void change_mode(enum mp_mode mode)
{
	region.word = ((region.word & ~MP_WORD_MODE) + MP_WORD_CHANGE) | mode;
	mp_slot_settings(&region, s, region.word);
}

/* A call from tick 1000 on; its block is at 0xabc0. */
static void call(uint32_t op, uint64_t size, uint64_t ticks)
{
	mp_record_call(&region, s, op, size, 0xabc0, (struct mp_stamps){1000, 1000 + ticks, 0, false},
	    (uint64_t)__builtin_frame_address(0));
}

/* The next record that stands in the ring, which is then free; false: none. Owners are told apart. */
static bool read_any(struct mp_record *out)
{
	struct mp_ring_span span;

	cr_assert(mp_ring_readable(s, RING, &span));
	if (span.from == span.to)
		return false;
	mp_ring_peek(mp_slot_ring(s), RING, span.from, out);
	mp_ring_release(s, span.from + 1);
	return true;
}

static uint32_t kind_of(const struct mp_record *r)
{
	return r->what >> MP_KIND_SHIFT & MP_KIND_MASK;
}

static uint32_t kept_of(const struct mp_record *r)
{
	return r->what >> MP_KEPT_SHIFT & 3;
}

static uint32_t weight_of(const struct mp_record *r)
{
	return mp_weight_unpack(r->what >> MP_WEIGHT_SHIFT);
}

static bool read_record(struct mp_record *out)
{
	while (read_any(out))
		if (kind_of(out) != MP_KIND_THREAD)
			return true;
	return false;
}

static uint64_t next_random(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15ULL;

	return mp_random(&state);
}

/* ---- Weights ---- */

static void check_weight(uint32_t weight)
{
	uint32_t rounded = mp_weight_round(weight);
	uint64_t packed = mp_weight_pack(weight);

	cr_assert_lt(packed, 1u << 15, "%u", weight);
	cr_assert_eq(mp_weight_unpack(packed), rounded, "%u", weight);
	cr_assert_eq(mp_weight_round(rounded), rounded, "%u", weight);
	cr_assert(rounded <= weight && weight - rounded <= weight / 512, "%u becomes %u", weight, rounded);
}

Test(record, weights_survive_packing)
{
	for (uint32_t weight = 0; weight < 1 << 20; weight++)
		check_weight(weight);
	for (uint64_t weight = 1 << 20; weight <= UINT32_MAX; weight += 4093)
		check_weight((uint32_t)weight);
	for (int bit = 0; bit < 32; bit++)
		for (uint32_t mantissa = 512; mantissa < 1024; mantissa++)
			for (uint32_t near = 0; near < 3; near++)
				check_weight((mantissa << bit) + near - 1);
	cr_assert_eq(mp_weight_round(1023), 1023);
	cr_assert_eq(mp_weight_round(1025), 1024);
	cr_assert_eq(mp_weight_unpack(mp_weight_pack(UINT32_MAX)), 1023u << 22);
}

Test(record, a_weight_does_not_touch_its_neighbours)
{
	region.sample_weight = UINT32_MAX;
	change_mode(MP_MODE_ACTIVE);
	s->countdown = 0;
	call(MP_OP_DELETE, 0, MP_HIST_MAX_NS);

	struct mp_record r;
	cr_assert(read_record(&r));
	cr_assert_eq(weight_of(&r), 1023u << 22);
	cr_assert_eq(kept_of(&r), MP_KEPT_SAMPLE);
	cr_assert_eq(kind_of(&r), MP_OP_DELETE);
	cr_assert_eq(r.what & MP_WHAT_NS, MP_HIST_MAX_NS);
	cr_assert_eq(r.what >> MP_STACK_SHIFT & 1, 0);
}

/* ---- Drawing ---- */

/* The state whose next number is `x`: mp_random() backwards. */
static uint64_t state_before(uint64_t x)
{
	uint64_t y = x;

	for (int i = 0; i < 4; i++)
		y = x ^ y << 17;
	x = y;
	for (int i = 0; i < 10; i++)
		y = x ^ y >> 7;
	x = y;
	for (int i = 0; i < 5; i++)
		y = x ^ y << 13;
	return y;
}

static void check_exponential(uint64_t x)
{
	uint64_t state = state_before(x);
	double is = mp_exponential(&state), should = -log(((double)(x >> 11) + 1) / 9007199254740992.0);

	cr_assert_eq(state, x);
	cr_assert(is >= 0 && fabs(is - should) < 1e-6, "-ln of %#llx: %.9g, should be %.9g",
	    (unsigned long long)x, is, should);
}

Test(record, the_exponential_is_a_logarithm)
{
	for (int i = 0; i < 1000000; i++)
		check_exponential(next_random() >> next_random() % 64 | 1);
	for (uint64_t mantissa = 1ULL << 20; mantissa < 1ULL << 21; mantissa++) /* all of [1/2, 1] */
		check_exponential(mantissa << 43);
	for (uint64_t ulp = 0; ulp < 4096;
	     ulp++) { /* the least, the largest, and on both sides of the seam */
		check_exponential(ulp << 11 | 1);
		check_exponential(UINT64_MAX - (ulp << 11));
		check_exponential((uint64_t)(0x1p64 / 1.41421356237309505) - (2048 << 11) + (ulp << 11));
	}
}

/* P(draw < k) of a geometric distribution. */
static double below(double k, double weight)
{
	return -expm1(k * log1p(-1 / weight));
}

/* Twelve classes, as near to equally probable as whole numbers allow: chi-square of eleven degrees of freedom
 * is above 45 once in 200 000 times, and here always the same. */
static void check_draw(uint32_t weight)
{
	enum { DRAWS = 1000000, CLASSES = 12 };
	uint64_t random = 88172645463325252ULL, bound[CLASSES];
	double mean = 0, chi_square = 0, sd = sqrt((double)weight * (weight - 1.0));
	uint32_t found[CLASSES] = {0};

	for (int c = 0; c < CLASSES; c++)
		bound[c] = (uint64_t)ceil(log1p(-(c + 1.0) / CLASSES) / log1p(-1.0 / weight));
	for (int i = 0; i < DRAWS; i++) {
		uint64_t draw = mp_draw(&random, weight);
		int c = 0;
		while (c < CLASSES - 1 && draw >= bound[c])
			c++;
		found[c]++;
		mean += (double)draw / DRAWS;
	}
	for (int c = 0; c < CLASSES; c++) {
		double hi = c == CLASSES - 1 ? 1 : below((double)bound[c], weight);
		double expected = DRAWS * (hi - (c ? below((double)bound[c - 1], weight) : 0));
		if (expected > 0.5)
			chi_square += (found[c] - expected) * (found[c] - expected) / expected;
		else
			cr_assert_eq(found[c], 0);
	}
	cr_assert_float_eq(mean, weight - 1.0, 4 * sd / sqrt(DRAWS), "weight %u: mean %f", weight, mean);
	cr_assert_lt(chi_square, 45, "weight %u: chi-square %f", weight, chi_square);
}

Test(record, draws_are_geometric)
{
	check_draw(2);
	check_draw(3);
	check_draw(5);
	check_draw(1000);
	check_draw(UINT32_MAX / 2);
}

Test(record, every_call_or_none_is_drawn)
{
	for (int i = 0; i < 1000; i++) {
		cr_assert_eq(mp_draw(&s->random, 1), 0);
		cr_assert_eq(mp_draw(&s->random, 0), MP_LEASE_CALLS);
	}
}

/* ---- The histogram ---- */

static uint32_t cell(uint32_t block, uint32_t bucket)
{
	uint32_t line = s->line_of[block][bucket / MP_HIST_LINE];

	return line ? s->line[line][bucket % MP_HIST_LINE] : 0;
}

static uint64_t total(void)
{
	uint64_t n = 0;

	for (uint32_t line = 1; line < MP_SLOT_LINES; line++)
		for (uint32_t i = 0; i < MP_HIST_LINE; i++)
			n += s->line[line][i];
	return n;
}

Test(record, each_bucket_is_counted_where_it_belongs)
{
	const uint32_t op = MP_OP_CALLOC, block = op * MP_SIZE_CLASSES + mp_size_class(1000);
	uint64_t sum_ns = 0;

	for (uint32_t b = 0; b < MP_HIST_BUCKETS; b++)
		for (uint32_t n = 0; n <= b % 3; n++) {
			uint64_t ns = n ? mp_hist_hi_ns(b) : mp_hist_lo_ns(b);
			mp_hist_count(s, op, 1000, ns, 0);
			sum_ns += ns;
		}
	for (uint32_t b = 0; b < MP_HIST_BUCKETS; b++)
		cr_assert_eq(cell(block, b), b % 3 + 1, "bucket %u", b);
	for (uint32_t line = 1; line < s->lines; line++)
		cr_assert_eq(s->line_of[block][s->line_key[line] % MP_HIST_LINE_COUNT], line);
	cr_assert_eq(s->lines, 1 + MP_HIST_LINE_COUNT);
	cr_assert_eq(s->calls, 2 * MP_HIST_BUCKETS);
	cr_assert_eq(total(), s->calls);
	cr_assert_eq(s->sum[block].bytes, 1000 * s->calls);
	cr_assert_eq(s->sum[block].sum_ns, sum_ns);
	cr_assert_eq(s->sum[block].max, MP_HIST_MAX_NS);
}

Test(record, without_lines_calls_are_counted_coarsely)
{
	uint64_t calls = 0;

	for (uint32_t number = 0; number < MP_HIST_LINE_COUNT; number++)
		for (uint32_t op = 0; op < MP_HIST_BANKS * MP_OP_COUNT; op++)
			for (uint32_t class = 0; class < MP_SIZE_CLASSES; class ++)
				for (uint32_t n = 0; n < 3; n++, calls++)
					mp_hist_count(s, op, mp_size_class_lo(class),
					    mp_hist_lo_ns(number * MP_HIST_LINE + n * 31), 0);
	cr_assert_eq(s->lines, MP_FINE_LINES);
	cr_assert_eq(s->calls, calls);
	cr_assert_eq(total(), calls);
	for (uint32_t i = 0; i < MP_HIST_LINE; i++)
		cr_assert_eq(s->line[0][i], 0, "line 0 is given out");

	uint32_t fine = 0;
	for (uint32_t block = 0; block < MP_SLOT_BLOCKS; block++)
		for (uint32_t number = 0; number < MP_HIST_LINE_COUNT; number++) {
			bool is_fine = s->line_of[block][number];
			fine += is_fine;
			cr_assert_eq(s->line[MP_FINE_LINES + block][number], is_fine ? 0 : 3);
			for (uint32_t n = 0; is_fine && n < 3; n++)
				cr_assert_eq(cell(block, number * MP_HIST_LINE + n * 31), 1);
		}
	cr_assert_eq(fine, MP_FINE_LINES - 1);
}

/* A call belongs to the bank of its start, whenever it ends. */
Test(record, counting_goes_over_to_the_other_bank)
{
	const uint32_t block = MP_OP_MALLOC * MP_SIZE_CLASSES + mp_size_class(100);

	region.split = mp_hist_split(1001, 0);
	call(MP_OP_MALLOC, 100, 5000); /* from tick 1000 on */
	cr_assert_eq(s->sum[block].bytes, 100);
	region.split = mp_hist_split(999, 0);
	call(MP_OP_MALLOC, 100, 5000);
	cr_assert_eq(s->sum[block].bytes, 100);
	cr_assert_eq(s->sum[MP_BANK_BLOCKS + block].bytes, 100);
	cr_assert_eq(cell(block, mp_hist_bucket(5000)), 1);
	cr_assert_eq(cell(MP_BANK_BLOCKS + block, mp_hist_bucket(5000)), 1);
	cr_assert_eq(s->calls, 2);
}

Test(record, what_is_too_long_is_counted_last)
{
	call(MP_OP_MALLOC, 1, UINT64_MAX / 4);

	cr_assert_eq(cell(MP_OP_MALLOC * MP_SIZE_CLASSES, MP_HIST_BUCKETS - 1), 1);
	cr_assert_eq(s->sum[MP_OP_MALLOC * MP_SIZE_CLASSES].max, MP_HIST_MAX_NS);
}

Test(record, the_maximum_is_that_of_the_newest_period)
{
	struct mp_slot_sum *sum = &s->sum[MP_OP_MALLOC * MP_SIZE_CLASSES];
	const uint32_t last = (1u << (64 - MP_MAX_SHIFT)) - 1;

	mp_hist_count(s, MP_OP_MALLOC, 1, 500, 7);
	mp_hist_count(s, MP_OP_MALLOC, 1, 300, 7);
	cr_assert_eq(sum->max, 7ULL << MP_MAX_SHIFT | 500);
	mp_hist_count(s, MP_OP_MALLOC, 1, 20, 8);
	cr_assert_eq(sum->max, 8ULL << MP_MAX_SHIFT | 20);
	mp_hist_count(s, MP_OP_MALLOC, 1, UINT64_MAX, 8);
	cr_assert_eq(sum->max, 8ULL << MP_MAX_SHIFT | MP_HIST_MAX_NS);
	mp_hist_count(s, MP_OP_MALLOC, 1, 0, last);
	cr_assert_eq(sum->max, (uint64_t)last << MP_MAX_SHIFT);
}

/* ---- From ticks to ns ---- */

Test(record, ticks_become_ns)
{
	static const double ns_per_tick[] = {1, 0.25, 1 / 3.0, 40, 1 / 2.9};

	change_mode(MP_MODE_FULL);
	region.floor_ticks = 25;
	for (int i = 0; i < 5; i++) {
		region.ns_per_tick = (uint64_t)(ns_per_tick[i] * 0x1p32);
		for (uint64_t ticks = 0; ticks < 1ULL << 40; ticks += ticks / 7 + 1) {
			double should = ticks > 25 ? (double)(ticks - 25) * ns_per_tick[i] : 0;
			struct mp_record r;
			call(MP_OP_FREE, 0, ticks);
			cr_assert(read_record(&r));
			if (should >= (double)MP_HIST_MAX_NS)
				cr_assert_eq(r.what & MP_WHAT_NS, MP_HIST_MAX_NS);
			else
				cr_assert_float_eq((double)(r.what & MP_WHAT_NS), should, 1 + should * 1e-8);
		}
	}
}

Test(record, a_clock_that_goes_back_gives_nothing)
{
	change_mode(MP_MODE_FULL);
	call(MP_OP_FREE, 0, -100ULL);

	struct mp_record r;
	cr_assert(read_record(&r));
	cr_assert_eq(r.what & MP_WHAT_NS, 0);
}

/* ---- What is kept ---- */

static void expect_kept(uint64_t ticks, uint32_t kept, uint32_t weight)
{
	struct mp_record r;
	uint64_t calls = s->calls;

	call(MP_OP_MALLOC, 77, ticks);
	cr_assert_eq(s->calls, calls + 1);
	cr_assert_eq(read_record(&r), kept != 0);
	if (!kept)
		return;
	cr_assert_eq(r.t, 1000);
	cr_assert_eq(r.addr, 0xabc0);
	cr_assert_eq(r.size, 77);
	cr_assert_eq(r.what & MP_WHAT_NS, ticks);
	cr_assert_eq(kind_of(&r), MP_OP_MALLOC);
	cr_assert_eq(kept_of(&r), kept);
	cr_assert_eq(weight_of(&r), weight);
	cr_assert(!read_record(&r));
}

Test(record, outliers_and_samples_are_kept)
{
	region.keep_over_ns[MP_OP_MALLOC] = 500;
	region.sample_weight = 64;
	change_mode(MP_MODE_ACTIVE);
	s->countdown = 2;
	expect_kept(499, 0, 0);
	expect_kept(
	    500, MP_KEPT_OUTLIER, 1); /* does not count down: it is none of those that are drawn from */
	expect_kept(1, 0, 0);
	expect_kept(499, MP_KEPT_SAMPLE, 64);
	cr_assert_leq(s->countdown, 64 * 40);
	s->countdown = 0;
	expect_kept(501, MP_KEPT_OUTLIER, 1);
	expect_kept(499, MP_KEPT_SAMPLE, 64);
}

Test(record, in_full_mode_everything_is_kept)
{
	region.keep_over_ns[MP_OP_MALLOC] = 500;
	region.sample_weight = 64;
	change_mode(MP_MODE_FULL);
	s->countdown = 1;
	expect_kept(499, MP_KEPT_FULL, 1);
	expect_kept(500, MP_KEPT_OUTLIER, 1);
	expect_kept(499, MP_KEPT_FULL, 1); /* drawn, and yet it stands for itself only */
}

/* The mode that a thread knows and that the recorder has just set may differ. */
Test(record, a_sample_keeps_its_weight_when_full_mode_begins)
{
	region.sample_weight = 64;
	change_mode(MP_MODE_ACTIVE);
	s->countdown = 0;
	region.word += MP_WORD_CHANGE;
	region.word = (region.word & ~MP_WORD_MODE) | MP_MODE_FULL;
	expect_kept(1, MP_KEPT_SAMPLE, 64);
}

/* The weights of the rows estimate how many calls there were. */
static void check_estimate(uint32_t weight, uint32_t double_samples, double tolerance)
{
	const uint32_t calls = 2000000;
	double estimate = 0;
	struct mp_record r;

	region.sample_weight = weight;
	region.double_samples = double_samples;
	change_mode(MP_MODE_ACTIVE);
	for (uint32_t i = 0; i < calls; i++) {
		call(MP_OP_FREE, 0, 10);
		while (read_record(&r))
			estimate += weight_of(&r);
	}
	cr_assert_float_eq(
	    estimate / calls, 1, tolerance, "weight %u: %f of the calls", weight, estimate / calls);
}

Test(record, samples_are_not_biased)
{
	check_estimate(1, 0, 1e-9);
	check_estimate(10, 0, 0.01);
	check_estimate(1000, 0, 0.1);
	check_estimate(1, 10000, 0.05);
	check_estimate(10, 5000, 0.05);
}

Test(record, bursts_are_damped)
{
	region.keep_over_ns[MP_OP_MALLOC] = 500;
	region.keep_over_ns[MP_OP_FREE] = 500;
	region.double_outliers = 3;
	change_mode(MP_MODE_ACTIVE);
	for (int i = 0; i < 3; i++)
		expect_kept(900, MP_KEPT_OUTLIER, 1);
	expect_kept(900, 0, 0);
	expect_kept(1000, MP_KEPT_OUTLIER, 1);
	cr_assert_eq(s->keep_over_ns[MP_OP_MALLOC], 1000);
	cr_assert_eq(s->keep_over_ns[MP_OP_FREE], 500);

	region.sample_weight = 16;
	region.double_samples = 2;
	change_mode(MP_MODE_ACTIVE); /* and all is as it was set */
	cr_assert_eq(s->keep_over_ns[MP_OP_MALLOC], 500);
	for (uint32_t i = 0; i < 8; i++) {
		s->countdown = 0;
		expect_kept(1, MP_KEPT_SAMPLE, 16u << i / 2);
	}
	for (uint32_t i = 8; i < 100; i++) { /* and no further than 2^30 */
		s->countdown = 0;
		expect_kept(1, MP_KEPT_SAMPLE, 16u << (i / 2 < 26 ? i / 2 : 26));
	}
}

/* Also where no call is drawn and none is slow. */
Test(record, without_samples_the_lease_is_looked_at)
{
	struct mp_record record;

	region.lease_ticks = 999;
	for (uint64_t i = 0; i < MP_LEASE_CALLS; i++)
		call(MP_OP_MALLOC, 16, 10);
	cr_assert_eq(region.word & MP_WORD_MODE, MP_MODE_ACTIVE);
	call(MP_OP_MALLOC, 16, 10);
	cr_assert_eq(region.word, MP_WORD_CHANGE);
	cr_assert_not(read_any(&record));
	cr_assert_eq(s->calls, MP_LEASE_CALLS + 1);
}

/* The recorder is dead: its lease is over. The change count stays, or threads would not notice the next one.
 */
Test(record, without_a_lease_recording_ends)
{
	region.sample_weight = 1;
	region.lease_ticks = 1000;
	change_mode(MP_MODE_ACTIVE);
	uint32_t word = region.word;

	expect_kept(1, MP_KEPT_SAMPLE, 1);
	cr_assert_eq(region.word, word);
	region.lease_ticks = 999;
	expect_kept(1, MP_KEPT_SAMPLE, 1);
	cr_assert_eq(region.word & MP_WORD_MODE, MP_MODE_DORMANT);
	cr_assert_neq(((region.word & ~MP_WORD_MODE) + MP_WORD_CHANGE) | MP_MODE_ACTIVE, s->word);
}

/* ---- The ring ---- */

static bool push(uint64_t number)
{
	const struct mp_record r = {
	    number, number + 1, number + 2, (uint64_t)MP_KIND_MARKER << MP_KIND_SHIFT};

	return mp_ring_push(s, &r);
}

static void expect_owner(uint32_t tid)
{
	struct mp_record r;

	cr_assert(read_any(&r));
	cr_assert_eq(kind_of(&r), MP_KIND_THREAD);
	cr_assert_eq(r.addr, tid);
}

static void expect_pushed(uint64_t number)
{
	struct mp_record r;

	cr_assert(read_any(&r));
	cr_assert(r.t == number && r.addr == number + 1 && r.size == number + 2, "%llu, not %llu",
	    (unsigned long long)r.t, (unsigned long long)number);
}

Test(record, a_full_ring_counts_and_goes_on)
{
	uint64_t number = 0, pushed = 0;
	struct mp_record r;

	for (int round = 0; round < 100; round++) {
		while (push(number))
			number++, pushed++;
		cr_assert_eq(s->head - s->tail, RING);
		cr_assert_eq(s->dropped, round + 1);
		cr_assert_eq(s->head, pushed + 1); /* and the owner's */
		for (int i = 0; i <= round % RING; i++)
			cr_assert(read_any(&r));
	}
}

Test(record, what_is_pushed_is_read)
{
	for (uint64_t number = 0; number < 100; number++) {
		cr_assert(push(number));
		if (!number)
			expect_owner(4711);
		expect_pushed(number);
	}
	cr_assert_eq(s->dropped, 0);
}

/* ---- Scopes of components ---- */

static void expect_in_scope(uint32_t scope, bool is_told_anew)
{
	struct mp_record r;

	call(MP_OP_MALLOC, 8, 5);
	cr_assert(read_record(&r));
	if (is_told_anew) {
		cr_assert_eq(kind_of(&r), MP_KIND_SCOPE);
		cr_assert_eq(r.addr, scope);
		cr_assert(read_record(&r));
	}
	cr_assert_eq(kind_of(&r), MP_OP_MALLOC);
	cr_assert(!read_record(&r));
}

Test(record, a_scope_is_told_where_a_call_is_in_another_one)
{
	struct mp_record r;

	change_mode(MP_MODE_FULL);
	expect_in_scope(0, false);
	mp_scope_begin(s, 5);
	expect_in_scope(5, true);
	expect_in_scope(5, false);
	mp_scope_begin(s, 6);
	mp_scope_begin(s, 7);
	mp_scope_end(s);
	expect_in_scope(6, true);
	for (int i = 0; i < 1000; i++) {
		mp_scope_begin(s, 7);
		mp_scope_end(s);
	}
	cr_assert(!read_record(&r), "markers alone make no record");
	expect_in_scope(6, false);
	mp_scope_end(s);
	mp_scope_end(s);
	expect_in_scope(0, true);
	mp_scope_end(s);
	cr_assert_eq(s->scope_ends, 1);
	expect_in_scope(0, false);
	for (uint32_t i = 0; i < MP_SCOPES_DEEP + 3; i++)
		mp_scope_begin(s, 10 + i);
	cr_assert_eq(s->scopes_deep, 3);
	expect_in_scope(10 + MP_SCOPES_DEEP - 1, true);
	for (uint32_t i = 0; i < MP_SCOPES_DEEP + 2; i++)
		mp_scope_end(s);
	expect_in_scope(10, true);
}

Test(record, a_scope_is_told_anew_to_a_reader_that_begins_and_forgotten_with_its_recording)
{
	change_mode(MP_MODE_FULL);
	mp_scope_begin(s, 5);
	expect_in_scope(5, true);
	change_mode(MP_MODE_FULL); /* the owner is named again, in no scope */
	expect_in_scope(5, true);
	region.recording++;
	change_mode(MP_MODE_FULL);
	expect_in_scope(0, false);
	mp_scope_end(s);
	cr_assert_eq(s->scope_ends, 1);
}

Test(record, a_scope_and_its_call_find_room_together)
{
	struct mp_record r;
	uint64_t head;

	change_mode(MP_MODE_FULL);
	while (push(1))
		;
	cr_assert(read_any(&r));
	head = s->head;
	mp_scope_begin(s, 5);
	call(MP_OP_MALLOC, 8, 5);
	cr_assert_eq(s->head, head);
	while (read_any(&r))
		;
	expect_in_scope(5, true);
}

Test(record, each_owner_is_named_once_before_its_records)
{
	struct mp_record r;

	cr_assert(push(1));
	cr_assert(push(2));
	s->tid = 4712;
	mp_ring_mute(s);
	cr_assert(push(3));
	cr_assert(push(4));
	mp_ring_mute(s); /* another recorder, the same owner */
	cr_assert(push(5));
	expect_owner(4711);
	expect_pushed(1);
	expect_pushed(2);
	expect_owner(4712);
	expect_pushed(3);
	expect_pushed(4);
	expect_owner(4712);
	cr_assert(push(6));
	expect_pushed(5);
	expect_pushed(6);
	cr_assert(!read_any(&r));
}

Test(record, an_owner_without_room_is_named_later)
{
	while (push(0))
		;
	s->tid = 4712;
	mp_ring_mute(s);
	uint64_t dropped = s->dropped;
	cr_assert(!push(1));
	expect_owner(4711);
	cr_assert(!push(2), "there is room for one only, and two are needed");
	expect_pushed(0);
	cr_assert(push(3));
	cr_assert(!push(4));
	cr_assert_eq(s->dropped, dropped + 3);
	for (int i = 0; i < RING - 2; i++)
		expect_pushed(0);
	expect_owner(4712);
	expect_pushed(3);
}

Test(record, two_records_find_room_together_or_not_at_all)
{
	for (int i = 0; i < RING - 2; i++)
		cr_assert(push(0)); /* and the owner: one place is left */
	cr_assert(!mp_ring_has_room(s, 2));
	cr_assert(mp_ring_has_room(s, 1));
	expect_owner(4711);
	cr_assert(mp_ring_has_room(s, 2));
}

Test(record, a_dropped_call_is_counted_once_and_takes_no_stack)
{
	region.take_stacks = 1;
	region.keep_over_ns[MP_OP_MALLOC] = 0;
	change_mode(MP_MODE_ACTIVE);
	while (push(0))
		;
	uint64_t dropped = s->dropped;
	call(MP_OP_MALLOC, 1, 1);
	cr_assert_eq(s->dropped, dropped + 1);
	cr_assert_eq(s->stacks_head, 0);
	cr_assert_eq(s->calls, 1);
}

Test(record, a_hostile_head_is_noticed)
{
	struct mp_ring_span span;

	s->head = RING + 1;
	cr_assert(!mp_ring_readable(s, RING, &span));
	s->head = -1ULL;
	cr_assert(!mp_ring_readable(s, RING, &span));
}

/* ---- Copies of the stack ---- */

Test(record, a_known_stack_is_copied_to_its_end)
{
	s->stack_lo = 0x10000;
	s->stack_hi = 0x20000;
	cr_assert_eq(mp_stack_bytes(s, 0x1ff00, 0x1ff80), 0x100);
	cr_assert_eq(mp_stack_bytes(s, 0x1fff8, 0x1fff8), 8);
	cr_assert_eq(mp_stack_bytes(s, 0x1e000, 0x1e100), MP_STACK_COPY_MAX);
	cr_assert_eq(mp_stack_bytes(s, 0x1e004, 0x1e100), MP_STACK_COPY_MAX - 8);
	cr_assert_eq(mp_stack_bytes(s, 0x10000, 0x10100), MP_STACK_COPY_MAX);
}

/* Not known, or the thread runs on another one (sigaltstack, a coroutine). */
Test(record, an_unknown_stack_is_copied_to_the_end_of_the_page)
{
	s->stack_lo = 0x10000;
	s->stack_hi = 0x20000;
	cr_assert_eq(mp_stack_bytes(s, 0x50100, 0x50200), 0xf00);
	cr_assert_eq(mp_stack_bytes(s, 0x50f00, 0x50ff0), 0x100);
	cr_assert_eq(mp_stack_bytes(s, 0x50f00, 0x50ff8), 0x1100, "the return address is on the next page");
	cr_assert_eq(mp_stack_bytes(s, 0x20000, 0x20010), 0x1000);
	cr_assert_eq(mp_stack_bytes(s, 0x50000, 0x58000), MP_STACK_COPY_MAX);
	s->stack_lo = s->stack_hi = 0;
	cr_assert_eq(mp_stack_bytes(s, 0x50100, 0x50200), 0xf00);
}

/* Copies of all sizes, read after a while: none lies over another that is not read yet or over the ring's
 * end, and one finds room whenever there is. */
Test(record, copies_do_not_overlap)
{
	enum { PENDING = 64 };
	struct {
		uint64_t from, to;
	} pending[PENDING];
	unsigned int first = 0, n = 0, wraps = 0, refused = 0;

	for (int i = 0; i < 100000; i++) {
		uint64_t bytes = next_random() % (MP_STACK_COPY_MAX / 8 + 1) * 8, position, next;
		uint64_t need = sizeof(struct mp_stack_copy) + bytes,
			 rest = -s->stacks_head % MP_STACKS_BYTES;
		uint64_t skipped = rest && rest < need ? rest : 0;
		uint64_t used = s->stacks_head - (n ? pending[first].from : s->stacks_head);
		struct mp_stack_copy *copy = mp_stacks_reserve(s, bytes, &position, &next);

		if (used + skipped + need > MP_STACKS_BYTES) {
			cr_assert_null(copy);
			refused++;
		} else {
			cr_assert_not_null(copy);
			cr_assert_eq(position, s->stacks_head + skipped);
			cr_assert_eq(next, position + need);
			cr_assert_eq(
			    (unsigned char *)copy - s->stacks, (ptrdiff_t)(position % MP_STACKS_BYTES));
			cr_assert_leq(position % MP_STACKS_BYTES + need, MP_STACKS_BYTES);
			wraps += skipped > 0;
			pending[(first + n++) % PENDING].from = s->stacks_head;
			pending[(first + n - 1) % PENDING].to = s->stacks_head = next;
		}
		while (n && (n == PENDING || next_random() % 2)) {
			s->stacks_tail = pending[first].to;
			first = (first + 1) % PENDING;
			n--;
		}
	}
	cr_assert(wraps > 1000 && refused > 1000, "%u wraps, %u refused", wraps, refused);
}

static __attribute__((noinline)) uint64_t keep_with_pattern(volatile uint64_t *pattern)
{
	for (uint64_t i = 0; i < 32; i++)
		pattern[i] = i * 0x0101010101010101ULL;
	call(MP_OP_MALLOC, 1, 1);
	return pattern[7];
}

Test(record, a_copy_holds_what_lay_on_the_stack)
{
	volatile uint64_t pattern[32];
	struct mp_record r;

	region.take_stacks = 1;
	region.keep_over_ns[MP_OP_MALLOC] = 0;
	change_mode(MP_MODE_ACTIVE);
	s->stack_lo = (uint64_t)pattern - 65536;
	s->stack_hi = (uint64_t)(pattern + 32);
	for (uint64_t n = 0; n < 1000; n++) {
		uint64_t tail = s->stacks_tail;
		keep_with_pattern(pattern);
		cr_assert(read_record(&r));
		cr_assert_eq(r.what >> MP_STACK_SHIFT & 1, 1);

		const struct mp_stack_copy *copy = (void *)(s->stacks + tail % MP_STACKS_BYTES);
		if (MP_STACKS_BYTES - tail % MP_STACKS_BYTES < sizeof(*copy) || copy->position != tail)
			copy = (void *)s->stacks;
		cr_assert_eq(copy->position % MP_STACKS_BYTES, (unsigned char *)copy - s->stacks);
		cr_assert_eq(copy->record, s->head - 1);
		cr_assert_eq(copy->sp + copy->bytes, s->stack_hi);
		cr_assert(copy->frame > copy->sp && copy->frame < s->stack_hi);
		cr_assert(!memcmp((unsigned char *)(copy + 1) + copy->bytes - sizeof(pattern),
		    (void *)pattern, sizeof(pattern)));
		s->stacks_tail = s->stacks_head;
	}
	cr_assert_eq(s->stacks_dropped, 0);
}

/* So that a burst has the innermost frames of all its calls, and not the whole stacks of the first. */
Test(record, copies_get_shorter_as_room_gets_less)
{
	volatile unsigned char deep[3 * MP_STACK_COPY_MAX];
	uint64_t last = MP_STACK_COPY_MAX, copies = 0;
	struct mp_record r;

	region.take_stacks = 1;
	region.keep_over_ns[MP_OP_MALLOC] = 0;
	change_mode(MP_MODE_ACTIVE);
	s->stack_lo = (uint64_t)deep - 65536;
	s->stack_hi = (uint64_t)(deep + sizeof(deep)) & ~7ULL;
	while (!s->stacks_dropped) {
		uint64_t head = s->stacks_head;
		call(MP_OP_MALLOC, 1, 1);
		cr_assert(read_record(&r));
		uint64_t bytes = s->stacks_head - head;
		if (!bytes)
			break;
		bytes -= sizeof(
		    struct mp_stack_copy); /* the ring is not full before its end: nothing is skipped */
		cr_assert(bytes <= last && bytes >= MP_STACK_COPY_MIN && bytes % 8 == 0);
		last = bytes;
		copies++;
	}
	cr_assert_eq(last, MP_STACK_COPY_MIN);
	cr_assert_geq(copies, 16);
	s->stacks_tail = s->stacks_head;
	call(MP_OP_MALLOC, 1, 1);
	cr_assert_geq(s->stacks_head - s->stacks_tail, MP_STACK_COPY_MAX, "and long again");
}

Test(record, a_call_without_room_for_its_stack_is_kept)
{
	struct mp_record r;

	region.take_stacks = 1;
	region.keep_over_ns[MP_OP_MALLOC] = 0;
	change_mode(MP_MODE_ACTIVE);
	s->stacks_head = MP_STACKS_BYTES;
	call(MP_OP_MALLOC, 1, 1);
	cr_assert_eq(s->stacks_dropped, 1);
	cr_assert_eq(s->stacks_head, MP_STACKS_BYTES);
	cr_assert(read_record(&r));
	cr_assert_eq(r.what >> MP_STACK_SHIFT & 1, 0);
	cr_assert_eq(kept_of(&r), MP_KEPT_OUTLIER);
}
