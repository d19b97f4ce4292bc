/* SPDX-License-Identifier: MIT */
#include "sampler/samples/places.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sampler/grow.h"
#include "sampler/mappings.h"

#define LOOK_NS 1000000000LL

/* Threads whose stacks are remembered: one address of each. */
#define STACKS_MAX 4096

struct mp_places {
	pid_t pid;
	struct mp_mappings first, now;
	int64_t looked_ns;
	uint64_t *stacks; /* starts of mappings that a stack pointer pointed into */
	size_t n_stacks, stacks_room;
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* A process that ends keeps the mappings that it had. */
static void look(struct mp_places *p)
{
	struct mp_mappings now;

	p->looked_ns = now_ns();
	if (mp_mappings_read(p->pid, &now))
		return;
	if (!now.n) {
		mp_mappings_free(&now);
		return;
	}
	mp_mappings_free(&p->now);
	p->now = now;
}

struct mp_places *mp_places_new(pid_t pid)
{
	struct mp_places *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->pid = pid;
	if (mp_mappings_read(pid, &p->first))
		p->first = (struct mp_mappings){0};
	look(p);
	return p;
}

void mp_places_free(struct mp_places *p)
{
	if (!p)
		return;
	mp_mappings_free(&p->first);
	mp_mappings_free(&p->now);
	free(p->stacks);
	free(p);
}

static const struct mp_mapping *mapping_of(struct mp_places *p, uint64_t addr)
{
	const struct mp_mapping *m = mp_mappings_find(&p->now, addr);

	if (m || now_ns() - p->looked_ns < LOOK_NS)
		return m;
	look(p);
	return mp_mappings_find(&p->now, addr);
}

/* ---- As they are told ---- */

/* Takes [start, end) out of what is known: the index where something else can stand there. */
static size_t make_hole(struct mp_mappings *m, uint64_t start, uint64_t end)
{
	size_t n = 0, at = 0;

	for (size_t i = 0; i < m->n; i++) {
		struct mp_mapping *old = &m->all[i];

		if (old->start >= start && old->end <= end) {
			free(old->path);
			continue;
		}
		if (old->start < start && old->end > start) {
			old->end = start; /* what is behind the hole, if anything, is read at the next look */
		} else if (old->start >= start && old->start < end) {
			old->file_offset += end - old->start;
			old->start = end;
		}
		m->all[n++] = *old;
		if (old->start < start)
			at = n;
	}
	m->n = n;
	return at;
}

void mp_places_map(struct mp_places *p, uint64_t start, uint64_t end, uint64_t file_offset, const char *path)
{
	struct mp_mappings *m = &p->now;
	const struct mp_mapping *last = mp_mappings_find(m, start);
	struct mp_mapping *more;

	if (!strcmp(path, "//anon"))
		path = "";
	if (start >= end || (last && last->start == start && last->end == end && !strcmp(last->path, path)))
		return;
	more = reallocarray(m->all, m->n + 1, sizeof(*more));
	if (!more)
		return;
	m->all = more;
	struct mp_mapping mapping = {
	    .start = start, .end = end, .file_offset = file_offset, .path = strdup(path)};
	if (!mapping.path)
		return;
	size_t at = make_hole(m, start, end);
	memmove(m->all + at + 1, m->all + at, (m->n - at) * sizeof(*m->all));
	m->all[at] = mapping;
	m->n++;
}

/* ---- Questions ---- */

static bool is_stack(const struct mp_places *p, const struct mp_mapping *m)
{
	for (size_t i = 0; i < p->n_stacks; i++)
		if (p->stacks[i] >= m->start && p->stacks[i] < m->end)
			return true;
	return !strncmp(m->path, "[stack", 6);
}

static void note_stack(struct mp_places *p, uint64_t sp)
{
	const struct mp_mapping *m = sp ? mapping_of(p, sp) : NULL;

	if (!m || m->path[0] == '/' || is_stack(p, m) || p->n_stacks == STACKS_MAX ||
	    !mp_grow((void **)&p->stacks, &p->stacks_room, p->n_stacks + 1, sizeof(*p->stacks)))
		return;
	p->stacks[p->n_stacks++] = m->start;
}

/* The file that a mapping is of, or, of memory that is cleared behind a module's data (.bss), that module's.
 */
static const struct mp_mapping *module_of(const struct mp_places *p, const struct mp_mapping *m)
{
	if (m->path[0])
		return m->path[0] == '/' ? m : NULL;
	return m > p->now.all && m[-1].end == m->start && m[-1].path[0] == '/' ? m - 1 : NULL;
}

/* A file with code is a module. */
static bool has_code(const struct mp_places *p, const char *path)
{
	for (size_t i = 0; i < p->now.n; i++)
		if (p->now.all[i].is_exec && !strcmp(p->now.all[i].path, path))
			return true;
	return false;
}

static bool is_heap(const struct mp_mapping *m)
{
	return !m->path[0] || !strcmp(m->path, "[heap]") || !strncmp(m->path, "[anon", 5);
}

struct mp_place mp_places_find(struct mp_places *p, uint64_t addr, uint64_t sp)
{
	struct mp_place place = {.kind = MP_PLACE_UNKNOWN, .offset = -1};

	note_stack(p, sp);
	const struct mp_mapping *m = mapping_of(p, addr);
	const struct mp_mapping *file = m ? module_of(p, m) : NULL;
	if (!m)
		return place;
	if (is_stack(p, m))
		return (struct mp_place){.kind = MP_PLACE_STACK, .offset = -1};
	if (file && (has_code(p, file->path) || file == m))
		return (struct mp_place){.kind = has_code(p, file->path) ? MP_PLACE_DATA : MP_PLACE_FILE,
		    .name = file->path,
		    .offset = (int64_t)(addr - file->start + file->file_offset)};
	if (is_heap(m))
		place.kind = mp_mappings_find(&p->first, addr) ? MP_PLACE_OLDER : MP_PLACE_UNTRACKED;
	else
		place.name = m->path;
	return place;
}
