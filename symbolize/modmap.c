/* SPDX-License-Identifier: MIT */
#include "symbolize/modmap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Twice the kernel's default limit of mappings (vm.max_map_count), for those that come and go. A target that
 * maps and unmaps code all the time gets no further than this. */
#define MODULES_MAX 131072

/* Mappings that overlap at one place over time. A target that makes more of them gets no better answer. */
#define LOOKED_MAX 4096

struct mp_modmap {
	struct mp_module *modules; /* [id - 1] */
	uint32_t *order;   /* their places, by start, those with the same start in the order of arrival */
	uint64_t *max_end; /* the furthest end of order[0..i]: where a search to the left may stop */
	size_t n, room;
};

struct mp_modmap *mp_modmap_new(void)
{
	return calloc(1, sizeof(struct mp_modmap));
}

static int make_room(struct mp_modmap *m)
{
	size_t room = m->room ? 2 * m->room : 64;

	if (m->n < m->room)
		return 0;
	if (m->n >= MODULES_MAX)
		return -E2BIG;
	struct mp_module *modules = realloc(m->modules, room * sizeof(*modules));
	if (!modules)
		return -ENOMEM;
	m->modules = modules;
	uint32_t *order = realloc(m->order, room * sizeof(*order));
	if (!order)
		return -ENOMEM;
	m->order = order;
	uint64_t *max_end = realloc(m->max_end, room * sizeof(*max_end));
	if (!max_end)
		return -ENOMEM;
	m->max_end = max_end;
	m->room = room;
	return 0;
}

static const struct mp_module *nth(const struct mp_modmap *m, size_t i)
{
	return &m->modules[m->order[i]];
}

/* The number of modules that start at or before `addr`. */
static size_t count_before(const struct mp_modmap *m, uint64_t addr)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (nth(m, mid)->map.start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool later(const struct mp_module *a, const struct mp_module *b)
{
	return a->map.t_ns != b->map.t_ns ? a->map.t_ns > b->map.t_ns : a->id > b->id;
}

static bool same(const struct mp_module *m, const struct mp_map *map, const struct mp_symfile *file)
{
	return m->map.start == map->start && m->map.end == map->end &&
	       m->map.file_offset == map->file_offset && m->file == file &&
	       strcmp(m->map.path, map->path) == 0;
}

/* Whether the latest that overlaps `map` by its time is the same mapping. */
static bool already_noted(const struct mp_modmap *m, const struct mp_map *map, const struct mp_symfile *file)
{
	const struct mp_module *latest = NULL;

	for (size_t i = count_before(m, map->end - 1); i-- > 0 && m->max_end[i] > map->start;) {
		const struct mp_module *module = nth(m, i);

		if (map->start < module->map.end && module->map.t_ns <= map->t_ns &&
		    (!latest || later(module, latest)))
			latest = module;
	}
	return latest && same(latest, map, file);
}

int mp_modmap_add(struct mp_modmap *m, const struct mp_map *map, struct mp_symfile *file)
{
	if (map->start >= map->end)
		return -EINVAL;
	if (already_noted(m, map, file))
		return 0;
	int rc = make_room(m);
	if (rc < 0)
		return rc;

	size_t at = count_before(m, map->start);
	memmove(&m->order[at + 1], &m->order[at], (m->n - at) * sizeof(*m->order));
	m->order[at] = (uint32_t)m->n;
	m->modules[m->n] = (struct mp_module){.map = *map, .file = file, .id = (uint32_t)m->n + 1};
	m->n++;
	for (size_t i = at; i < m->n; i++) {
		uint64_t left = i ? m->max_end[i - 1] : 0, end = nth(m, i)->map.end;

		m->max_end[i] = end > left ? end : left;
	}
	return 0;
}

const struct mp_module *mp_modmap_get(const struct mp_modmap *m, uint32_t id)
{
	return id && id <= m->n ? &m->modules[id - 1] : NULL;
}

const struct mp_module *mp_modmap_find(const struct mp_modmap *m, uint64_t addr, int64_t t_ns)
{
	const struct mp_module *best = NULL;
	int looked = 0;

	for (size_t i = count_before(m, addr); i-- > 0 && m->max_end[i] > addr && looked < LOOKED_MAX;
	     looked++) {
		const struct mp_module *module = nth(m, i);

		if (addr < module->map.end && module->map.t_ns <= t_ns && (!best || later(module, best)))
			best = module;
	}
	return best;
}

void mp_modmap_free(struct mp_modmap *m)
{
	if (!m)
		return;
	free(m->modules);
	free(m->order);
	free(m->max_end);
	free(m);
}
