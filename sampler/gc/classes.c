/* SPDX-License-Identifier: MIT */
#include "sampler/gc/classes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/append_gc.h"

/* A runtime that is about to start has no table yet. */
#define LAYOUT_TRIES 16

/* Names that are remembered, at the hash of the class: a later one takes the place of an earlier one. */
#define REMEMBERED 1024

struct named {
	uint64_t klass;
	char name[MP_GC_CLASS_NAME_BYTES];
};

struct layout {
	struct mp_hotspot_layout of;
	bool is_known;
	unsigned int tries;
};

struct mp_gc_classes {
	const struct mp_target *target;
	const struct mp_gc_set *set;
	struct layout layout[MP_GC_RUNTIMES_MAX];
	struct named remembered[REMEMBERED];
	struct mp_gc_given given[MP_GC_GIVEN_MAX];
	size_t n;
};

struct mp_gc_classes *mp_gc_classes_new(const struct mp_target *t, const struct mp_gc_set *set)
{
	struct mp_gc_classes *c = calloc(1, sizeof(*c));

	if (c) {
		c->target = t;
		c->set = set;
	}
	return c;
}

void mp_gc_classes_free(struct mp_gc_classes *c)
{
	free(c);
}

void mp_gc_classes_take(void *ctx, const struct mp_gc_given *g)
{
	struct mp_gc_classes *c = ctx;

	if (c->n < MP_GC_GIVEN_MAX && g->runtime < c->set->n_runtimes)
		c->given[c->n++] = *g;
}

/* ---- Names ---- */

static int read_target(void *ctx, uint64_t at, void *buf, size_t n)
{
	return mp_target_read(ctx, at, buf, n);
}

static const struct mp_hotspot_layout *layout_of(
    struct mp_gc_classes *c, const struct mp_gc_memory *m, size_t runtime)
{
	struct layout *l = &c->layout[runtime];

	if (!l->is_known && l->tries++ < LAYOUT_TRIES)
		l->is_known = mp_hotspot_read_layout(m, &c->set->runtimes[runtime].hotspot, &l->of);
	return l->is_known ? &l->of : NULL;
}

/* Classes are 8 bytes aligned, and no two within some hundred bytes. */
static struct named *place_of(struct mp_gc_classes *c, uint64_t klass)
{
	return &c->remembered[(klass >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 54 & (REMEMBERED - 1)];
}

static const char *name_of(struct mp_gc_classes *c, const struct mp_gc_given *g)
{
	const struct mp_gc_memory m = {.read = read_target, .ctx = (void *)(uintptr_t)c->target};
	const struct mp_hotspot_layout *l = layout_of(c, &m, g->runtime);
	struct named *known = place_of(c, g->klass);
	char name[MP_GC_CLASS_NAME_BYTES];

	if (l && mp_hotspot_class_name(&m, l, g->klass, name)) {
		known->klass = g->klass;
		memcpy(known->name, name, sizeof(known->name));
	}
	return known->klass == g->klass && *known->name ? known->name : MP_GC_CLASS_UNKNOWN;
}

/* ---- Rows ---- */

static int by_bytes(const void *a, const void *b)
{
	const struct mp_gc_given *x = a, *y = b;

	return x->bytes < y->bytes ? 1 : -(x->bytes > y->bytes);
}

static int64_t at_most(uint64_t value)
{
	return value < INT64_MAX ? (int64_t)value : INT64_MAX;
}

int mp_gc_classes_store(
    struct mp_gc_classes *c, struct mp_session *session, int64_t slot_ns, struct mp_err *err)
{
	size_t n = c->n;
	int ret = 0;

	c->n = 0;
	qsort(c->given, n, sizeof(*c->given), by_bytes);
	for (size_t i = 0; !ret && i < n; i++) {
		const struct mp_gc_given *g = &c->given[i];
		const struct mp_gc_class_row row = {.slot_ns = slot_ns,
		    .runtime = c->set->runtimes[g->runtime].profile.name,
		    .name = i < MP_GC_CLASSES_NAMED ? name_of(c, g) : MP_GC_CLASS_OTHER,
		    .object_bytes = at_most(g->object_bytes),
		    .events = at_most(g->events),
		    .bytes = at_most(g->bytes)};
		ret = mp_append_gc_class(session, &row, err);
	}
	return ret;
}
