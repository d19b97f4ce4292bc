/* SPDX-License-Identifier: MIT */
#include "analysis/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Where a key stands in an array of its own: open addressing with linear steps, less than half full. Entries
 * are 1 + an index, and 0 is empty.
 */
struct places {
	uint32_t *at;
	size_t size; /* a power of two */
};

/* Twice the size, all empty. */
static int grow_places(struct places *p)
{
	size_t size = p->size ? p->size * 2 : 256;
	uint32_t *at = calloc(size, sizeof(*at));

	if (!at)
		return -ENOMEM;
	free(p->at);
	p->at = at;
	p->size = size;
	return 0;
}

/* Where a key of two parts belongs, of `size` places: the upper half of its product with odd constants. Keys
 * from a hostile file can make a chain long, but the number of keys is bounded. */
static size_t hash(uint64_t a, uint64_t b, size_t size)
{
	return (size_t)((a * 0x9e3779b97f4a7c15ULL + b * 0xc2b2ae3d27d4eb4fULL) >> 32) & (size - 1);
}

struct mp_tally {
	struct places places;
	struct mp_tally_row *row;
	size_t n, room, max;
};

void mp_tally_add(int64_t *sum, int64_t v)
{
	if (__builtin_add_overflow(*sum, v, sum))
		*sum = v > 0 ? INT64_MAX : INT64_MIN;
}

struct mp_tally *mp_tally_new(size_t max)
{
	struct mp_tally *t = calloc(1, sizeof(*t));

	if (t)
		t->max = max;
	return t;
}

void mp_tally_free(struct mp_tally *t)
{
	if (!t)
		return;
	free(t->places.at);
	free(t->row);
	free(t);
}

/* The place of a key, or the empty one where it belongs. There is one: less than half are taken. */
static uint32_t *tally_place(const struct mp_tally *t, int64_t a, int64_t b)
{
	size_t mask = t->places.size - 1;
	size_t i = hash((uint64_t)a, (uint64_t)b, t->places.size);

	for (; t->places.at[i]; i = (i + 1) & mask) {
		const struct mp_tally_row *row = &t->row[t->places.at[i] - 1];

		if (row->a == a && row->b == b)
			break;
	}
	return &t->places.at[i];
}

static int tally_grow(struct mp_tally *t)
{
	size_t room = t->room ? t->room * 2 : 128;
	struct mp_tally_row *row = realloc(t->row, room * sizeof(*row));

	if (!row)
		return -ENOMEM;
	t->row = row;
	if (grow_places(&t->places))
		return -ENOMEM;
	t->room = room;
	for (size_t i = 0; i < t->n; i++)
		*tally_place(t, row[i].a, row[i].b) = (uint32_t)i + 1;
	return 0;
}

struct mp_tally_row *mp_tally_at(struct mp_tally *t, int64_t a, int64_t b)
{
	if (t->n == t->room && tally_grow(t))
		return NULL;
	uint32_t *place = tally_place(t, a, b);
	if (!*place && t->n >= t->max && (a != MP_TALLY_REST || b != MP_TALLY_REST))
		return mp_tally_at(t, MP_TALLY_REST, MP_TALLY_REST);
	if (!*place) {
		t->row[t->n] = (struct mp_tally_row){.a = a, .b = b};
		*place = (uint32_t)++t->n;
	}
	return &t->row[*place - 1];
}

struct mp_tally_row *mp_tally_find(const struct mp_tally *t, int64_t a, int64_t b)
{
	if (!t->n)
		return NULL;
	uint32_t *place = tally_place(t, a, b);
	return *place ? &t->row[*place - 1] : NULL;
}

const struct mp_tally_row *mp_tally_rows(const struct mp_tally *t, size_t *n)
{
	*n = t->n;
	return t->row;
}

struct mp_labels {
	struct places places;
	struct label {
		char *text;
		size_t length;
	} * label;
	size_t n, room, max;
};

struct mp_labels *mp_labels_new(size_t max)
{
	struct mp_labels *labels = calloc(1, sizeof(*labels));

	if (labels)
		labels->max = max;
	return labels;
}

void mp_labels_free(struct mp_labels *labels)
{
	if (!labels)
		return;
	for (size_t i = 0; i < labels->n; i++)
		free(labels->label[i].text);
	free(labels->label);
	free(labels->places.at);
	free(labels);
}

/* The ends of a text tell most from each other: those of "syscall:mmap" and "syscall:munmap", of two threads.
 */
static size_t hash_text(const char *text, size_t n, size_t size)
{
	uint64_t first = 0, last = n;

	memcpy(&first, text, n < 8 ? n : 8);
	if (n > 8)
		memcpy(&last, text + n - 8, 8);
	return hash(first, last ^ n, size);
}

static uint32_t *label_place(const struct mp_labels *labels, const char *text, size_t n)
{
	size_t mask = labels->places.size - 1;
	size_t i = hash_text(text, n, labels->places.size);

	for (; labels->places.at[i]; i = (i + 1) & mask) {
		const struct label *label = &labels->label[labels->places.at[i] - 1];

		if (label->length == n && !memcmp(label->text, text, n))
			break;
	}
	return &labels->places.at[i];
}

static int labels_grow(struct mp_labels *labels)
{
	size_t room = labels->room ? labels->room * 2 : 128;
	struct label *label = realloc(labels->label, room * sizeof(*label));

	if (!label)
		return -ENOMEM;
	labels->label = label;
	if (grow_places(&labels->places))
		return -ENOMEM;
	labels->room = room;
	for (size_t i = 0; i < labels->n; i++)
		*label_place(labels, label[i].text, label[i].length) = (uint32_t)i + 1;
	return 0;
}

int64_t mp_labels_id(struct mp_labels *labels, const char *text, size_t n)
{
	if (labels->n == labels->room && labels_grow(labels))
		return -ENOMEM;
	uint32_t *place = label_place(labels, text, n);
	if (*place)
		return (int64_t)*place - 1;
	if (labels->n >= labels->max)
		return MP_TALLY_REST;
	char *copy = malloc(n + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, n);
	copy[n] = '\0';
	labels->label[labels->n].text = copy;
	labels->label[labels->n].length = n;
	*place = (uint32_t)++labels->n;
	return (int64_t)labels->n - 1;
}

const char *mp_labels_text(const struct mp_labels *labels, int64_t id)
{
	return id >= 0 && (size_t)id < labels->n ? labels->label[id].text : NULL;
}
