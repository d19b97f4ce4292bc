/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_EXPLAIN_GROUPS_H
#define MP_ANALYSIS_EXPLAIN_GROUPS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Sums by key in one pass and bounded memory: what SQL's GROUP BY needs a sort of all rows for. They have a
 * greatest number of keys, for a session may come from anybody; what comes after that is counted under
 * MP_GROUPS_REST. Sums stay at the largest integer instead of wrapping. Single thread.
 */
#define MP_GROUP_SUMS  5
#define MP_GROUPS_REST INT64_MIN /* of both parts of a key */

struct mp_groups;

struct mp_group {
	int64_t a, b; /* the key */
	int64_t sum[MP_GROUP_SUMS];
};

/* NULL: out of memory. Memory grows with the keys, to about 100 bytes for each of `max`. */
struct mp_groups *mp_groups_new(size_t max);
void mp_groups_free(struct mp_groups *g); /* NULL is allowed */

/* The row of a key; zeros at first. Valid until the next key comes. NULL: out of memory. */
struct mp_group *mp_groups_at(struct mp_groups *g, int64_t a, int64_t b);

/* The same, but NULL where there is none. */
struct mp_group *mp_groups_find(const struct mp_groups *g, int64_t a, int64_t b);

/*
 * For many keys that are known some time before they are asked for: begins to bring what mp_groups_at() of
 * this one will read into the cache. First all with MP_GROUPS_PLACE, then all with MP_GROUPS_ROW.
 */
enum mp_groups_part { MP_GROUPS_PLACE, MP_GROUPS_ROW };
void mp_groups_prefetch(const struct mp_groups *g, int64_t a, int64_t b, enum mp_groups_part part);

/* All rows, in the order in which their keys came. */
const struct mp_group *mp_groups_all(const struct mp_groups *g, size_t *n);

/* *sum += v, at most the largest and at least the smallest integer. */
void mp_groups_add(int64_t *sum, int64_t v);

/* Numbers for texts, from 0 on, to be parts of keys. */
struct mp_labels;

struct mp_labels *mp_labels_new(size_t max);
void mp_labels_free(struct mp_labels *labels); /* NULL is allowed */

/* The number of a text, which is copied; MP_GROUPS_REST when there are too many; -ENOMEM. */
int64_t mp_labels_id(struct mp_labels *labels, const char *text, size_t n);

/* The text of a number; NULL for MP_GROUPS_REST. Owned by `labels`. */
const char *mp_labels_text(const struct mp_labels *labels, int64_t id);

#endif
