/* SPDX-License-Identifier: MIT */
/* The walk through glibc's heaps, over memory that is made by hand: sound, changing, and broken. */
#include <criterion/criterion.h>
#include <errno.h>

#include "tests/unit/glibc_image.h"

static struct image image;
static struct mp_memory memory = {.read = image_read, .ctx = &image};
static struct mp_glibc_walk *walk;
static const struct mp_size_mix no_mix;

static void begin(void)
{
	image_new(&image);
	image_pattern(&image);
	walk = mp_glibc_walk_new(&memory);
}

static void end(void)
{
	mp_glibc_walk_free(walk);
}

TestSuite(glibc_heap, .init = begin, .fini = end);

/* No memory makes it go on without end. */
static enum mp_glibc_step look(uint64_t arena, const struct mp_size_mix *mix)
{
	struct mp_glibc_arena a;
	enum mp_glibc_step step = MP_GLIBC_MORE;

	if (mp_glibc_arena_read(&memory, arena, arena == IMAGE_MAIN, &a))
		return MP_GLIBC_TORN;
	mp_glibc_walk_begin(walk, &a, mix);
	for (unsigned int n = 0; step == MP_GLIBC_MORE; n++) {
		cr_assert_lt(n, 20000);
		step = mp_glibc_walk_step(walk);
	}
	return step;
}

static void check(uint64_t arena, uint64_t total, uint64_t free_bytes, uint64_t pieces, uint64_t largest)
{
	cr_assert_eq(look(arena, &no_mix), MP_GLIBC_DONE);
	struct mp_heap_figures f = mp_glibc_walk_figures(walk);
	cr_assert_eq(f.total_bytes, total, "%lu", (unsigned long)f.total_bytes);
	cr_assert_eq(f.free_bytes, free_bytes, "%lu", (unsigned long)f.free_bytes);
	cr_assert_eq(f.free_pieces, pieces, "%lu", (unsigned long)f.free_pieces);
	cr_assert_eq(f.largest_free_bytes, largest, "%lu", (unsigned long)f.largest_free_bytes);
}

#define MAIN_TOP (IMAGE_SEGMENT - 0x290 - 7 * IMAGE_PIECE - 608 - 128)

Test(glibc_heap, main_arena)
{
	check(IMAGE_MAIN, IMAGE_SEGMENT, 3 * IMAGE_PIECE + 608 + 128 + MAIN_TOP, 7, MAIN_TOP);
}

Test(glibc_heap, an_arena_of_two_heaps)
{
	uint64_t rest = IMAGE_SEGMENT - 32 - 0x8d0 - 0x290 - 7 * IMAGE_PIECE,
		 top = IMAGE_SEGMENT - 0x30 - 4096;

	check(IMAGE_ARENA, 2 * IMAGE_SEGMENT, 3 * IMAGE_PIECE + rest + top, 5, top);
}

Test(glibc_heap, small_rests_of_an_older_heap)
{
	/* What was left was too small for a chunk and both fences: 32 bytes, that nobody gets. */
	uint64_t at = IMAGE_THREAD + IMAGE_SEGMENT - 48,
		 rest = at - (IMAGE_ARENA_AT + 0x290 + 7 * IMAGE_PIECE);

	image_chunk(&image, at - rest, rest, true);
	image_chunk(&image, at, 32, false);
	image_put(&image, at + 8, 32);
	cr_assert_eq(look(IMAGE_ARENA, &no_mix), MP_GLIBC_DONE);
}

Test(glibc_heap, layout_before_2_35)
{
	const uint64_t heap = IMAGE_THREAD, arena = heap + 0x20, top = IMAGE_SEGMENT - 0x8c0 - 4096;

	image_new(&image);
	image_state(&image, arena, 0, IMAGE_MAIN, IMAGE_SEGMENT);
	image_put(&image, heap, arena);
	uint64_t first = image_first(&image, heap + 0x8c0);
	image_top(&image, arena, image_chunk(&image, first, 4096, false), heap + IMAGE_SEGMENT);
	check(arena, IMAGE_SEGMENT, top, 1, top);
}

Test(glibc_heap, unfit_is_expected_over_the_mix)
{
	/* A quarter fits everywhere but in fast blocks, a quarter not in 608 either, half only at the top. */
	const struct mp_size_mix mix = {3, {{600, 0.25}, {1208, 0.25}, {5000, 0.5}}};

	cr_assert_eq(look(IMAGE_MAIN, &mix), MP_GLIBC_DONE);
	double unfit = mp_glibc_walk_figures(walk).unfit_bytes;
	cr_assert_float_eq(unfit, 128 + 608 * 0.75 + 3 * IMAGE_PIECE * 0.5, 1e-6, "%f", unfit);
}

Test(glibc_heap, a_key_of_each_cache)
{
	/* Up to 2.33; links of fast bins were plain up to 2.31. */
	const uint64_t cached = IMAGE_HEAP + 0x290 + 7 * IMAGE_PIECE, fast = cached + 608;

	image_put(&image, cached + 24, IMAGE_HEAP + 16);
	image_put(&image, cached + 16, 0);
	image_put(&image, IMAGE_MAIN + 16 + 16, 0);
	image_fast(&image, IMAGE_MAIN, fast, false);
	image_fast(&image, IMAGE_MAIN, fast + 64, false);
	check(IMAGE_MAIN, IMAGE_SEGMENT, 3 * IMAGE_PIECE + 608 + 128 + MAIN_TOP, 7, MAIN_TOP);
}

Test(glibc_heap, a_key_counts_where_a_link_is)
{
	/* A block that was handed out without its key being cleared, and written to. */
	image_put(&image, IMAGE_HEAP + 0x290 + 7 * IMAGE_PIECE + 16, 7);
	check(IMAGE_MAIN, IMAGE_SEGMENT, 3 * IMAGE_PIECE + 128 + MAIN_TOP, 6, MAIN_TOP);
}

Test(glibc_heap, fast_blocks_that_have_a_key_count_once)
{
	const uint64_t fast = IMAGE_HEAP + 0x290 + 7 * IMAGE_PIECE + 608;

	image_put(&image, fast + 24, IMAGE_KEY);
	check(IMAGE_MAIN, IMAGE_SEGMENT, 3 * IMAGE_PIECE + 608 + 128 + MAIN_TOP, 7, MAIN_TOP);
}

/* The run goes on behind `foreign` bytes of someone else, who took them after three blocks. */
static void put_foreign(uint64_t foreign)
{
	uint64_t at = IMAGE_HEAP + 0x290 + 3 * IMAGE_PIECE;

	image_put(&image, IMAGE_MAIN + 16 + 16, 0);
	at = image_chunk(&image, at, 16, false);
	at = image_chunk(&image, at, 16, false);
	for (uint64_t i = 0; i < foreign; i += 8)
		image_put(&image, at + i, i % 1024 ? 0x1122334455667788 + i : 4096 | IN_USE);
	at = image_first(&image, at + foreign);
	for (unsigned int n = 0; n < 4; n++)
		at = image_chunk(&image, at, IMAGE_PIECE, n % 2);
	at = image_chunk(&image, at, IMAGE_PIECE, false);
	image_top(&image, IMAGE_MAIN, at, IMAGE_HEAP + IMAGE_SEGMENT);
}

Test(glibc_heap, memory_of_others_is_passed_over)
{
	for (uint64_t foreign = 16; foreign < 40000; foreign = foreign * 3 / 16 * 16 + 16) {
		image_new(&image);
		image_pattern(&image);
		put_foreign(foreign);
		uint64_t top = IMAGE_SEGMENT - 0x290 - 8 * IMAGE_PIECE - 32 - foreign;
		check(IMAGE_MAIN, IMAGE_SEGMENT - foreign, 3 * IMAGE_PIECE + top, 4, top);
	}
}

/* ---- Arenas ---- */

Test(glibc_heap, the_main_arena_is_found_in_the_data)
{
	const struct image_segment *data = &image.segments[0];
	const uint64_t end = IMAGE_HEAP + IMAGE_SEGMENT;

	cr_assert_eq(mp_glibc_find_main(data->bytes, IMAGE_SEGMENT, data->at, IMAGE_HEAP, end), IMAGE_MAIN);
	cr_assert_eq(mp_glibc_find_main(data->bytes + 4, IMAGE_SEGMENT - 4, data->at + 4, IMAGE_HEAP, end),
	    IMAGE_MAIN);
	cr_assert_eq(mp_glibc_find_main(data->bytes, IMAGE_SEGMENT, data->at, end, end + 4096), 0);
	cr_assert_eq(mp_glibc_find_main(data->bytes, 0xc60 + 2199, data->at, IMAGE_HEAP, end), 0);
	cr_assert_eq(mp_glibc_find_main(data->bytes, 0, data->at, IMAGE_HEAP, end), 0);
}

Test(glibc_heap, the_main_arena_begins_where_its_memory_does)
{
	struct mp_glibc_arena a;

	cr_assert_eq(mp_glibc_arena_read(&memory, IMAGE_MAIN, true, &a), 0);
	cr_assert_eq(a.start, IMAGE_HEAP);
	cr_assert_eq(a.next, IMAGE_ARENA);
	image_put(&image, IMAGE_MAIN + SYSTEM_AT, IMAGE_SEGMENT - 4096); /* others were there before */
	image_put(&image, IMAGE_MAIN + SYSTEM_AT + 8, IMAGE_SEGMENT - 4096);
	cr_assert_eq(mp_glibc_arena_read(&memory, IMAGE_MAIN, true, &a), 0);
	cr_assert_eq(a.start, IMAGE_HEAP + 4096);
}

Test(glibc_heap, no_arenas)
{
	struct mp_glibc_arena a;

	cr_assert_eq(mp_glibc_arena_read(&memory, 8, true, &a), -EFAULT);
	cr_assert_eq(mp_glibc_arena_read(&memory, IMAGE_HEAP, true, &a), -EPROTO);
	image_put(&image, IMAGE_THREAD, IMAGE_MAIN);
	cr_assert_eq(mp_glibc_arena_read(&memory, IMAGE_ARENA, false, &a), -EPROTO);
	image_put(&image, IMAGE_MAIN + SYSTEM_AT, UINT64_MAX & ~4095ULL);
	cr_assert_eq(mp_glibc_arena_read(&memory, IMAGE_MAIN, true, &a), -EPROTO);
}

/* ---- Broken and changing memory ---- */

Test(glibc_heap, any_broken_header_is_torn)
{
	static const uint64_t sizes[] = {0, 1, 8, 24, 16 | IN_USE, IMAGE_PIECE + 16, IMAGE_PIECE | 2,
	    IMAGE_PIECE | OF_THREAD, 1ULL << 47, UINT64_MAX, UINT64_MAX & ~15ULL, 0xffffaaab00000000ULL};

	for (unsigned int chunk = 0; chunk < 8; chunk++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			uint64_t at = IMAGE_HEAP + (chunk ? 0x290 + (chunk - 1) * IMAGE_PIECE : 0) + 8;
			uint64_t good = image_get(&image, at);
			image_put(&image, at, sizes[i]);
			cr_assert_eq(
			    look(IMAGE_MAIN, &no_mix), MP_GLIBC_TORN, "chunk %u, size %zu", chunk, i);
			image_put(&image, at, good);
		}
	cr_assert_eq(look(IMAGE_MAIN, &no_mix), MP_GLIBC_DONE);
}

Test(glibc_heap, a_free_chunk_has_its_size_at_both_ends)
{
	image_put(&image, IMAGE_HEAP + 0x290 + 2 * IMAGE_PIECE, IMAGE_PIECE - 16);
	cr_assert_eq(look(IMAGE_MAIN, &no_mix), MP_GLIBC_TORN);
}

Test(glibc_heap, rings_end)
{
	const uint64_t fast = IMAGE_HEAP + 0x290 + 7 * IMAGE_PIECE + 608;

	image_put(&image, fast + 16, (fast + 64) ^ (fast + 16) >> 12);
	cr_assert_eq(look(IMAGE_MAIN, &no_mix), MP_GLIBC_TORN);
	image_put(&image, IMAGE_THREAD + 8, IMAGE_THREAD_2);
	cr_assert_eq(look(IMAGE_ARENA, &no_mix), MP_GLIBC_TORN);
	image_put(&image, IMAGE_THREAD_2 + 8, IMAGE_THREAD_2);
	cr_assert_eq(look(IMAGE_ARENA, &no_mix), MP_GLIBC_TORN);
}

Test(glibc_heap, a_top_that_does_not_end_its_heap)
{
	image_put(&image, image_get(&image, IMAGE_ARENA + TOP_AT) + 8, 4096 | IN_USE);
	cr_assert_eq(look(IMAGE_ARENA, &no_mix), MP_GLIBC_TORN);
	image_put(&image, IMAGE_MAIN + TOP_AT, IMAGE_HEAP + 0x290 + 16);
	cr_assert_eq(look(IMAGE_MAIN, &no_mix), MP_GLIBC_TORN);
}

/* A block is broken for some reads: its header was being written. */
static void mend(struct image *i)
{
	if (i->reads == 40)
		image_put(i, IMAGE_HEAP + 0x290 + 2 * IMAGE_PIECE + 8, IMAGE_PIECE);
}

Test(glibc_heap, what_was_torn_is_read_again)
{
	image_put(&image, IMAGE_HEAP + 0x290 + 2 * IMAGE_PIECE + 8, 0);
	image.reads = 0;
	image.on_read = mend;
	check(IMAGE_MAIN, IMAGE_SEGMENT, 3 * IMAGE_PIECE + 608 + 128 + MAIN_TOP, 7, MAIN_TOP);
	cr_assert_gt(image.reads, 40);
}

/* The first two pieces become one with the block between, when the walk has passed the first. */
static void merge(struct image *i)
{
	if (i->reads != 12)
		return;
	uint64_t next = image_chunk(i, IMAGE_HEAP + 0x290 + IMAGE_PIECE, 3 * IMAGE_PIECE, true);
	image_put(i, next + 8, IMAGE_PIECE);
	image_put(i, IMAGE_HEAP + 0x290 + 2 * IMAGE_PIECE + 8, 0x1234567);
	image_put(i, IMAGE_HEAP + 0x290 + 3 * IMAGE_PIECE + 8, 0x1234567);
}

Test(glibc_heap, chunks_that_merge_on_the_way)
{
	image.reads = 0;
	image.on_read = merge;
	check(IMAGE_MAIN, IMAGE_SEGMENT, 4 * IMAGE_PIECE + 608 + 128 + MAIN_TOP, 6, MAIN_TOP);
}

Test(glibc_heap, memory_that_vanishes)
{
	image.segments[1].at = 0;
	cr_assert_eq(look(IMAGE_MAIN, &no_mix), MP_GLIBC_TORN);
	image.segments[2].at = 0;
	cr_assert_eq(look(IMAGE_ARENA, &no_mix), MP_GLIBC_TORN);
}
