/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_NEAREST_H
#define MP_STORE_NEAREST_H

#include <stddef.h>

/*
 * The names that are most like one that was not found, for a message. Names are offered one after the other;
 * the nearest few by edit distance (Levenshtein's: insertions, deletions, replacements) are kept. Bounded in
 * time: names of more than MP_NEAREST_BYTES count as unlike. One thread.
 */
#define MP_NEAREST_N     3
#define MP_NEAREST_BYTES 128

struct mp_nearest {
	const char *wanted;
	struct {
		char name[MP_NEAREST_BYTES];
		size_t distance;
	} best[MP_NEAREST_N]; /* the nearest first */
	size_t n;
};

/* A name with "::" in it is also near if what stands behind the last one is. */
void mp_nearest_offer(struct mp_nearest *n, const char *name);

/* How far two names are apart. More than `most` is as good as any: it is then told as `most` + 1. Any thread.
 */
size_t mp_name_distance(const char *a, const char *b, size_t most);

/* "; did you mean a, b or c?", or nothing. */
void mp_nearest_tell(const struct mp_nearest *n, char *out, size_t size);

#endif
