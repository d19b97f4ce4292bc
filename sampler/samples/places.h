/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_SAMPLES_PLACES_H
#define MP_SAMPLER_SAMPLES_PLACES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/append.h"

/*
 * What lies at an address of a process that no allocation is known to hold: by its mappings, which are read
 * when this is made, and again when an address is in none of them, but at most once a second; and as they are
 * told. What is unmapped stays known until something else is mapped there. One thread.
 */
struct mp_places;

struct mp_places *mp_places_new(pid_t pid); /* NULL without memory */
void mp_places_free(struct mp_places *p);

/* Memory was mapped. `path` as /proc/PID/maps has it, or "//anon". Copied. */
void mp_places_map(struct mp_places *p, uint64_t start, uint64_t end, uint64_t file_offset, const char *path);

struct mp_place {
	enum mp_sample_place kind; /* of the heap MP_PLACE_OLDER, where it was there from the beginning, or
				      MP_PLACE_UNTRACKED */
	const char *name;          /* the file; NULL: none. Valid until the next look */
	int64_t offset;            /* in it; < 0: not known */
};

/* `sp`: the stack pointer of the thread that used the address, 0: not known. The memory that it points into
 * is a stack from then on, for all threads. */
struct mp_place mp_places_find(struct mp_places *p, uint64_t addr, uint64_t sp);

#endif
