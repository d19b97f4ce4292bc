/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/glibc_image.h"

/*
 * The heaps of a process that writes into them what it likes, before and during the walk. The input is
 * changes to a sound image, of 12 bytes each: where (segment and offset), when (so many reads later; 0:
 * before), and the word.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 2000000

static struct image image;
static const uint8_t *changes;
static size_t n_changes, next_change;
static unsigned int wait;

static void change(struct image *i)
{
	while (next_change < n_changes) {
		const uint8_t *c = changes + 12 * next_change;
		uint64_t word;
		if (wait < c[3]) {
			wait++;
			return;
		}
		memcpy(&word, c + 4, sizeof(word));
		image_put(i,
		    i->segments[c[0] % 4].at + 8 * ((uint64_t)(c[1] | c[2] << 8) % (IMAGE_SEGMENT / 8)),
		    word);
		next_change++;
		wait = 0;
	}
}

static void look(struct mp_glibc_walk *w, const struct mp_memory *m, uint64_t arena)
{
	const struct mp_size_mix mix = {3, {{10, 0.25}, {1000, 0.25}, {INT64_MAX, 0.5}}};
	struct mp_glibc_arena a;
	enum mp_glibc_step step = MP_GLIBC_MORE;

	if (mp_glibc_arena_read(m, arena, arena == IMAGE_MAIN, &a))
		return;
	mp_glibc_walk_begin(w, &a, &mix);
	for (unsigned int n = 0; step == MP_GLIBC_MORE; n++) {
		if (n == STEPS_MAX)
			abort();
		step = mp_glibc_walk_step(w);
	}
	struct mp_heap_figures f = mp_glibc_walk_figures(w);
	if (step == MP_GLIBC_DONE &&
	    (f.free_bytes > f.total_bytes || f.largest_free_bytes > f.free_bytes || f.unfit_bytes < 0 ||
		f.unfit_bytes > (double)f.free_bytes * 1.000001))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mp_memory m = {.read = image_read, .ctx = &image};
	struct mp_glibc_walk *w = mp_glibc_walk_new(&m);

	if (!w)
		abort();
	image_new(&image);
	image_pattern(&image);
	changes = data;
	n_changes = size / 12;
	next_change = wait = 0;
	image.on_read = change;
	mp_glibc_find_main(
	    image.segments[0].bytes, IMAGE_SEGMENT, IMAGE_DATA, IMAGE_HEAP, IMAGE_HEAP + IMAGE_SEGMENT);
	look(w, &m, IMAGE_MAIN);
	look(w, &m, IMAGE_ARENA);
	look(w, &m, IMAGE_MAIN);
	mp_glibc_walk_free(w);
	return 0;
}
