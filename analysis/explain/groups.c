/* SPDX-License-Identifier: MIT */
#include "analysis/explain/groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

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

/* Not known beforehand, so that nobody can write a file whose keys all meet at one place. */
static uint64_t secret(void)
{
	uint64_t v;

	memcpy(&v, (const void *)getauxval(AT_RANDOM), sizeof(v));
	return v;
}

static uint64_t mix(uint64_t v)
{
	v *= 0x9e3779b97f4a7c15ULL;
	return (v ^ (v >> 32)) * 0xc2b2ae3d27d4eb4fULL;
}

struct mp_groups {
	uint64_t secret;
	struct places places;
	struct mp_group *row;
	size_t n, room, max;
	size_t last; /* the row that was asked for last: keys come in runs */
};

void mp_groups_add(int64_t *sum, int64_t v)
{
	if (__builtin_add_overflow(*sum, v, sum))
		*sum = v > 0 ? INT64_MAX : INT64_MIN;
}

struct mp_groups *mp_groups_new(size_t max)
{
	struct mp_groups *g = calloc(1, sizeof(*g));

	if (g) {
		g->secret = secret();
		g->max = max;
	}
	return g;
}

void mp_groups_free(struct mp_groups *g)
{
	if (!g)
		return;
	free(g->places.at);
	free(g->row);
	free(g);
}

static size_t first_place(const struct mp_groups *g, int64_t a, int64_t b)
{
	return (mix(mix((uint64_t)a ^ g->secret) + (uint64_t)b) >> 32) & (g->places.size - 1);
}

/* The place of a key, or the empty one where it belongs. There is one: less than half are taken. */
static uint32_t *group_place(const struct mp_groups *g, int64_t a, int64_t b)
{
	size_t mask = g->places.size - 1;
	size_t i = first_place(g, a, b);

	for (; g->places.at[i]; i = (i + 1) & mask) {
		const struct mp_group *row = &g->row[g->places.at[i] - 1];

		if (row->a == a && row->b == b)
			break;
	}
	return &g->places.at[i];
}

static int groups_grow(struct mp_groups *g)
{
	size_t room = g->room ? g->room * 2 : 128;
	struct mp_group *row = realloc(g->row, room * sizeof(*row));

	if (!row)
		return -ENOMEM;
	g->row = row;
	if (grow_places(&g->places))
		return -ENOMEM;
	g->room = room;
	for (size_t i = 0; i < g->n; i++)
		*group_place(g, row[i].a, row[i].b) = (uint32_t)i + 1;
	return 0;
}

struct mp_group *mp_groups_at(struct mp_groups *g, int64_t a, int64_t b)
{
	if (g->last < g->n && g->row[g->last].a == a && g->row[g->last].b == b)
		return &g->row[g->last];
	if (g->n == g->room && groups_grow(g))
		return NULL;
	uint32_t *place = group_place(g, a, b);
	if (!*place && g->n >= g->max && (a != MP_GROUPS_REST || b != MP_GROUPS_REST))
		return mp_groups_at(g, MP_GROUPS_REST, MP_GROUPS_REST);
	if (!*place) {
		g->row[g->n] = (struct mp_group){.a = a, .b = b};
		*place = (uint32_t)++g->n;
	}
	g->last = *place - 1;
	return &g->row[g->last];
}

struct mp_group *mp_groups_find(const struct mp_groups *g, int64_t a, int64_t b)
{
	if (!g->n)
		return NULL;
	uint32_t *place = group_place(g, a, b);
	return *place ? &g->row[*place - 1] : NULL;
}

void mp_groups_prefetch(const struct mp_groups *g, int64_t a, int64_t b, enum mp_groups_part part)
{
	if (!g->n)
		return;
	const uint32_t *place = &g->places.at[first_place(g, a, b)];
	if (part == MP_GROUPS_PLACE)
		__builtin_prefetch(place);
	else if (*place)
		__builtin_prefetch(&g->row[*place - 1], 1);
}

const struct mp_group *mp_groups_all(const struct mp_groups *g, size_t *n)
{
	*n = g->n;
	return g->row;
}

struct mp_labels {
	uint64_t secret;
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

	if (labels) {
		labels->secret = secret();
		labels->max = max;
	}
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

/* Eight bytes at a time: most texts are one or two steps. */
static uint64_t hash_text(uint64_t hash, const char *text, size_t n)
{
	uint64_t word = 0;

	for (; n > sizeof(word); text += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		hash = mix(hash ^ word);
	}
	word = 0;
	memcpy(&word, text, n);
	return mix(mix(hash ^ word) + n);
}

static uint32_t *label_place(const struct mp_labels *labels, const char *text, size_t n)
{
	size_t mask = labels->places.size - 1;
	size_t i = (hash_text(labels->secret, text, n) >> 32) & mask;

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
		return MP_GROUPS_REST;
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
