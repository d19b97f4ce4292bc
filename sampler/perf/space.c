/* SPDX-License-Identifier: MIT */
#include "sampler/perf/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/grow.h"
#include "sampler/index.h"

#define PROCESSES_MAX (1u << 19)

/* By address; no two overlap. */
struct space {
	struct mp_space_map *maps;
	size_t n, room;
	uint32_t pid;
	bool is_ended;
};

struct mp_spaces {
	struct space *spaces; /* [number - 1] */
	size_t n, room;
	struct mp_index by_pid;
	size_t n_maps;  /* of all */
	bool may_sweep; /* one has ended since those that had were forgotten */
};

struct mp_spaces *mp_spaces_new(void)
{
	return calloc(1, sizeof(struct mp_spaces));
}

static void forget(struct mp_spaces *s, struct space *p)
{
	s->n_maps -= p->n;
	free(p->maps);
	p->maps = NULL;
	p->n = p->room = 0;
}

void mp_spaces_free(struct mp_spaces *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->spaces[i].maps);
	free(s->spaces);
	mp_index_free(&s->by_pid);
	free(s);
}

static bool same_pid(const void *owner, uint32_t number, const void *what)
{
	return ((const struct mp_spaces *)owner)->spaces[number - 1].pid == *(const uint32_t *)what;
}

static struct space *find_process(struct mp_spaces *s, uint32_t pid)
{
	uint32_t *slot = mp_index_slot(&s->by_pid, mp_index_mix(pid), same_pid, s, &pid);

	return slot && *slot ? &s->spaces[*slot - 1] : NULL;
}

/* NULL: out of memory, or too many. */
static struct space *get_process(struct mp_spaces *s, uint32_t pid)
{
	uint32_t *slot = mp_index_slot(&s->by_pid, mp_index_mix(pid), same_pid, s, &pid);

	if (slot && *slot)
		return &s->spaces[*slot - 1];
	if (!slot || s->n == PROCESSES_MAX ||
	    !mp_grow((void **)&s->spaces, &s->room, s->n + 1, sizeof(*s->spaces)))
		return NULL;
	s->spaces[s->n] = (struct space){.pid = pid};
	*slot = (uint32_t)++s->n;
	s->by_pid.n = s->n;
	return &s->spaces[s->n - 1];
}

static bool make_room(struct mp_spaces *s, size_t more)
{
	if (s->n_maps + more <= MP_SPACE_MAPS_MAX)
		return true;
	for (size_t i = 0; s->may_sweep && i < s->n; i++)
		if (s->spaces[i].is_ended)
			forget(s, &s->spaces[i]);
	s->may_sweep = false;
	return s->n_maps + more <= MP_SPACE_MAPS_MAX;
}

/* Most of very many processes have few mappings. */
static bool grow(struct space *p, size_t wanted)
{
	size_t room = p->room ? p->room : 4;

	while (room < wanted)
		room *= 2;
	struct mp_space_map *maps = room == p->room ? p->maps : reallocarray(p->maps, room, sizeof(*maps));
	if (!maps)
		return false;
	p->maps = maps;
	p->room = room;
	return true;
}

/* The number of maps that begin at or before `addr`. */
static size_t count_up_to(const struct space *p, uint64_t addr)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (p->maps[mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void trim_front(struct mp_space_map *m, uint64_t start)
{
	m->file_offset += start - m->start;
	m->start = start;
}

/* Puts `with` in place of [from, to). There is room. */
static void replace(struct space *p, size_t from, size_t to, const struct mp_space_map *with, size_t n)
{
	memmove(p->maps + from + n, p->maps + to, (p->n - to) * sizeof(*p->maps));
	memcpy(p->maps + from, with, n * sizeof(*with));
	p->n = p->n - (to - from) + n;
}

int mp_spaces_map(struct mp_spaces *s, uint32_t pid, const struct mp_space_map *map)
{
	struct mp_space_map with[3];
	size_t n = 0;

	if (map->start >= map->end)
		return 0;
	if (!make_room(s, 2))
		return -E2BIG;
	struct space *p = get_process(s, pid);
	if (!p || !grow(p, p->n + 2))
		return p || s->n < PROCESSES_MAX ? -ENOMEM : -E2BIG;
	p->is_ended = false;
	/* Those that it touches: [from, to). Of the first and the last some may stay. */
	size_t from = count_up_to(p, map->start), to = count_up_to(p, map->end - 1), before = p->n;
	if (from && p->maps[from - 1].end > map->start)
		from--;
	if (from < to && p->maps[from].start < map->start) {
		with[n] = p->maps[from];
		with[n++].end = map->start;
	}
	with[n++] = *map;
	if (from < to && p->maps[to - 1].end > map->end) {
		with[n] = p->maps[to - 1];
		trim_front(&with[n++], map->end);
	}
	replace(p, from, to, with, n);
	s->n_maps = s->n_maps - before + p->n;
	return 0;
}

int mp_spaces_fork(struct mp_spaces *s, uint32_t parent, uint32_t child)
{
	struct space *from = find_process(s, parent), *to;

	mp_spaces_exec(s, child); /* an earlier process of this number */
	if (parent == child || !from || !from->n)
		return 0;
	/* The parent may go, if it has ended: then it is no parent. */
	if (!make_room(s, from->n))
		return -E2BIG;
	to = get_process(s, child);
	from = find_process(s, parent);
	if (!to || !from)
		return s->n < PROCESSES_MAX ? -ENOMEM : -E2BIG;
	if (!grow(to, from->n))
		return -ENOMEM;
	to->is_ended = false;
	memcpy(to->maps, from->maps, from->n * sizeof(*to->maps));
	to->n = from->n;
	s->n_maps += to->n;
	return 0;
}

void mp_spaces_exec(struct mp_spaces *s, uint32_t pid)
{
	struct space *p = find_process(s, pid);

	if (p)
		forget(s, p);
}

void mp_spaces_exit(struct mp_spaces *s, uint32_t pid)
{
	struct space *p = find_process(s, pid);

	if (!p)
		return;
	p->is_ended = true;
	s->may_sweep = true;
}

const struct mp_space_map *mp_spaces_find(
    struct mp_spaces *s, uint32_t pid, uint64_t addr, const struct mp_space_map **above)
{
	const struct space *p = find_process(s, pid);
	size_t n = p ? count_up_to(p, addr) : 0;

	if (above)
		*above = p && n < p->n ? &p->maps[n] : NULL;
	return n && addr < p->maps[n - 1].end ? &p->maps[n - 1] : NULL;
}
