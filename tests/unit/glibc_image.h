/* SPDX-License-Identifier: MIT */
/* Memory of a process with glibc's heaps in it, made by hand: a main arena with one run of memory, and
 * another arena with two heaps. Chunks are put one behind the other. */
#ifndef GLIBC_IMAGE_H
#define GLIBC_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "sampler/pools/glibc_heap.h"

#define IMAGE_DATA     0x7f0000002000ULL /* of libc */
#define IMAGE_MAIN     (IMAGE_DATA + 0xc60)
#define IMAGE_HEAP     0x555500001000ULL
#define IMAGE_THREAD   0x7f4c10000000ULL
#define IMAGE_THREAD_2 0x7f4c18000000ULL
#define IMAGE_SEGMENT  0x10000ULL
#define IMAGE_ARENA    (IMAGE_THREAD + 0x30)
#define IMAGE_ARENA_AT (IMAGE_THREAD + 0x8d0)  /* its first chunk */
#define IMAGE_ARENA_2  (IMAGE_THREAD_2 + 0x30) /* the first chunk of its second heap */
#define IMAGE_KEY      0x8badf00ddeadbeefULL

enum { IN_USE = 1, OF_THREAD = 4 }; /* flags of a size */

enum { TOP_AT = 96, BINS_AT = 112, NEXT_AT = 2160, SYSTEM_AT = 2184 };

struct image {
	struct image_segment {
		uint64_t at;
		unsigned char bytes[IMAGE_SEGMENT];
	} segments[4];
	unsigned int reads;
	void (*on_read)(struct image *i); /* NULL: it does not change meanwhile */
};

static size_t image_read(void *ctx, uint64_t addr, void *buf, size_t n)
{
	struct image *i = ctx;

	i->reads++;
	if (i->on_read)
		i->on_read(i);
	for (unsigned int s = 0; s < 4; s++) {
		uint64_t offset = addr - i->segments[s].at;
		if (addr < i->segments[s].at || offset >= IMAGE_SEGMENT)
			continue;
		size_t there = IMAGE_SEGMENT - offset < n ? IMAGE_SEGMENT - offset : n;
		memcpy(buf, i->segments[s].bytes + offset, there);
		return there;
	}
	return 0;
}

/* What lies outside is not written. */
static void image_put(struct image *i, uint64_t addr, uint64_t word)
{
	for (unsigned int s = 0; s < 4; s++)
		if (addr >= i->segments[s].at && addr - i->segments[s].at <= IMAGE_SEGMENT - 8)
			memcpy(i->segments[s].bytes + (addr - i->segments[s].at), &word, 8);
}

static uint64_t image_get(struct image *i, uint64_t addr)
{
	uint64_t word = 0;

	image_read(i, addr, &word, 8);
	return word;
}

static void image_state(struct image *i, uint64_t at, uint64_t top, uint64_t next, uint64_t system)
{
	image_put(i, at + TOP_AT, top);
	for (unsigned int bin = 0; bin < 127; bin++)
		for (unsigned int link = 0; link < 2; link++)
			image_put(i, at + BINS_AT + 16 * bin + 8 * link, at + BINS_AT + 16 * bin - 16);
	image_put(i, at + NEXT_AT, next);
	image_put(i, at + SYSTEM_AT, system);
	image_put(i, at + SYSTEM_AT + 8, system);
}

/* A chunk; the next one is told whether this is free. Returns where the next one is. */
static uint64_t image_chunk(struct image *i, uint64_t at, uint64_t bytes, bool is_free)
{
	uint64_t flags = at >= IMAGE_THREAD && !is_free ? OF_THREAD : 0;

	image_put(i, at + 8, bytes | flags | (image_get(i, at + 8) & IN_USE));
	image_put(i, at + bytes, is_free ? bytes : 0);
	image_put(i, at + bytes + 8, is_free ? 0 : IN_USE);
	return at + bytes;
}

/* The first chunk of a heap has none before it. */
static uint64_t image_first(struct image *i, uint64_t at)
{
	image_put(i, at + 8, IN_USE);
	return at;
}

/* All that is left of the segment. */
static void image_top(struct image *i, uint64_t arena, uint64_t at, uint64_t end)
{
	image_put(i, at + 8, (end - at) | IN_USE);
	image_put(i, arena + TOP_AT, at);
}

/* A thread's cache with one block, and a block in it. */
static uint64_t image_cache(struct image *i, uint64_t at)
{
	return image_chunk(i, at, 0x290, false);
}

static void image_cached(struct image *i, uint64_t cache, uint64_t chunk, uint64_t key)
{
	uint64_t size = (image_get(i, chunk + 8) & ~7ULL) / 16 - 2;

	image_put(i, cache + 16 + 128 + 8 * size, chunk + 16);
	image_put(i, cache + 16 + 2 * size / 8 * 8, 1ULL << (16 * (size % 4)));
	image_put(i, chunk + 16, (chunk + 16) >> 12);
	image_put(i, chunk + 24, key);
}

/* A block in a fast bin, before what is in it. */
static void image_fast(struct image *i, uint64_t arena, uint64_t chunk, bool is_mixed)
{
	uint64_t bin = arena + 16 + 8 * ((image_get(i, chunk + 8) & ~7ULL) / 16 - 2);
	uint64_t first = image_get(i, bin);

	image_put(i, chunk + 16, is_mixed ? first ^ (chunk + 16) >> 12 : first);
	image_put(i, bin, chunk);
}

static void image_new(struct image *i)
{
	static const uint64_t at[4] = {IMAGE_DATA, IMAGE_HEAP, IMAGE_THREAD, IMAGE_THREAD_2};

	memset(i, 0, sizeof(*i));
	for (unsigned int s = 0; s < 4; s++)
		i->segments[s].at = at[s];
	image_state(i, IMAGE_MAIN, IMAGE_HEAP, IMAGE_ARENA, IMAGE_SEGMENT);
	image_state(i, IMAGE_ARENA, 0, IMAGE_MAIN, 2 * IMAGE_SEGMENT);
	const uint64_t heaps[2][4] = {{IMAGE_ARENA, 0, IMAGE_SEGMENT, IMAGE_SEGMENT},
	    {IMAGE_ARENA, IMAGE_THREAD, IMAGE_SEGMENT, IMAGE_SEGMENT}};
	memcpy(i->segments[2].bytes, heaps[0], sizeof(heaps[0]));
	memcpy(i->segments[3].bytes, heaps[1], sizeof(heaps[1]));
}

/*
 * Main arena: a cache, four blocks in use and three free between, of 1216 bytes, one block that is cached and
 * two in a fast bin; the top. Other arena: the first heap has the same without lists and ends in fences, the
 * second has a block and the top.
 */
#define IMAGE_PIECE 1216

static void image_pattern(struct image *i)
{
	uint64_t cache = image_first(i, IMAGE_HEAP), at = image_cache(i, cache);

	for (unsigned int n = 0; n < 7; n++)
		at = image_chunk(i, at, IMAGE_PIECE, n % 2);
	uint64_t cached = at, fast = at = image_chunk(i, at, 608, false);
	at = image_chunk(i, at, 64, false);
	at = image_chunk(i, at, 64, false);
	image_cached(i, cache, cached, IMAGE_KEY);
	image_fast(i, IMAGE_MAIN, fast, true);
	image_fast(i, IMAGE_MAIN, fast + 64, true);
	image_top(i, IMAGE_MAIN, at, IMAGE_HEAP + IMAGE_SEGMENT);

	at = image_cache(i, image_first(i, IMAGE_ARENA_AT));
	for (unsigned int n = 0; n < 7; n++)
		at = image_chunk(i, at, IMAGE_PIECE, n % 2);
	at = image_chunk(i, at, IMAGE_THREAD + IMAGE_SEGMENT - 32 - at, true);
	at = image_chunk(i, at, 16, false);
	image_put(i, at + 8, IN_USE); /* a size of 0 */

	at = image_chunk(i, image_first(i, IMAGE_ARENA_2), 4096, false);
	image_top(i, IMAGE_ARENA, at, IMAGE_THREAD_2 + IMAGE_SEGMENT);
}

#endif
