/* SPDX-License-Identifier: MIT */
#include "sampler/pools/heap_watch.h"

#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "sampler/grow.h"
#include "sampler/mappings.h"
#include "sampler/pools/glibc_heap.h"
#include "store/append_pool.h"

#define NS_PER_S 1000000000LL

/* A round looks at all arenas. Its cost is 1 % of the time from its begin to the next one's, and while it
 * lasts 10 % at first, so that the heap has not become another when its end is reached. */
#define ROUND_NS      NS_PER_S
#define SHARE         100
#define SHARE_AT_WORK 10
#define HASTE_NS      (NS_PER_S / 2) /* so much at the higher share, in a round */
#define STEP_NS       (NS_PER_S / 4000)
#define ARENA_NS      (NS_PER_S / 20) /* at most 20 rows a second */

/* Where no heap is found: a program that has just begun may have none yet. */
#define SEARCH_NS      (NS_PER_S / 10)
#define SEARCH_MAX_NS  (30 * NS_PER_S)
#define SEARCH_BYTES   (4u << 20) /* of a module's data */
#define ARENAS_MAX     4096       /* glibc makes 8 a core */
#define TRIES_TO_BEGIN 4

static const char *const libc_names[] = {"libc.so.6", "libc-2.*.so"};

struct arena {
	uint64_t address;
	int64_t pool_id; /* 0: not yet seen whole */
};

struct mp_heap_watch {
	pid_t pid;
	struct mp_session *session;
	struct mp_memory memory;
	struct mp_glibc_walk *walk;
	int64_t next_ns, search_pause_ns;

	struct arena *arenas; /* [0]: the main one; in the order in which they were found */
	size_t n_arenas, arenas_room;

	bool in_round, in_look;
	size_t at; /* the arena that is looked at */
	struct mp_size_mix mix;
	struct mp_glibc_arena arena;
	int64_t round_ns, round_cpu_ns;
	struct mp_heap_looks looks;
};

/* What there is of it: up to the first page that is not to be read. */
static size_t read_process(void *ctx, uint64_t addr, void *buf, size_t n)
{
	const struct mp_heap_watch *w = ctx;
	struct iovec local = {buf, n}, remote = {(void *)(uintptr_t)addr, n};
	ssize_t got = process_vm_readv(w->pid, &local, 1, &remote, 1, 0);

	return got > 0 ? (size_t)got : 0;
}

struct mp_heap_watch *mp_heap_watch_new(pid_t pid, struct mp_session *session)
{
	struct mp_heap_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->pid = pid;
	w->session = session;
	w->memory = (struct mp_memory){.read = read_process, .ctx = w};
	w->search_pause_ns = SEARCH_NS;
	w->walk = mp_glibc_walk_new(&w->memory);
	if (!w->walk) {
		free(w);
		return NULL;
	}
	return w;
}

void mp_heap_watch_free(struct mp_heap_watch *w)
{
	if (!w)
		return;
	mp_glibc_walk_free(w->walk);
	free(w->arenas);
	free(w);
}

int64_t mp_heap_watch_next_ns(const struct mp_heap_watch *w)
{
	return w->next_ns;
}

struct mp_heap_looks mp_heap_watch_looks(struct mp_heap_watch *w)
{
	struct mp_heap_looks looks = w->looks;

	w->looks = (struct mp_heap_looks){0};
	return looks;
}

/* ---- Finding ---- */

static bool is_libc(const char *path)
{
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; i < sizeof(libc_names) / sizeof(*libc_names); i++)
		if (slash && !fnmatch(libc_names[i], slash + 1, 0))
			return true;
	return false;
}

static uint64_t find_main_in(
    struct mp_heap_watch *w, const struct mp_mapping *m, const struct mp_mapping *heap)
{
	size_t size = m->end - m->start < SEARCH_BYTES ? m->end - m->start : SEARCH_BYTES, n;
	char *data = malloc(size);
	uint64_t found = 0;

	if (data && (n = read_process(w, m->start, data, size)) > 0)
		found = mp_glibc_find_main(data, n, m->start, heap->start, heap->end);
	free(data);
	return found;
}

/* The main arena is in libc's data, or, of a program that is linked statically, in its own, which is the
 * first file. 0: there is none. */
static uint64_t find_main(struct mp_heap_watch *w)
{
	struct mp_mappings maps;
	const struct mp_mapping *heap = NULL;
	uint64_t found = 0;

	if (mp_mappings_read(w->pid, &maps))
		return 0;
	for (size_t i = 0; i < maps.n && !heap; i++)
		heap = strcmp(maps.all[i].path, "[heap]") ? NULL : &maps.all[i];
	for (size_t i = 0; heap && i < maps.n && !found; i++) {
		const struct mp_mapping *m = &maps.all[i];
		if (m->is_writable && *m->path == '/' &&
		    (is_libc(m->path) || !strcmp(m->path, maps.all[0].path)))
			found = find_main_in(w, m, heap);
	}
	mp_mappings_free(&maps);
	return found;
}

static bool add_arena(struct mp_heap_watch *w, uint64_t address)
{
	for (size_t i = 0; i < w->n_arenas; i++)
		if (w->arenas[i].address == address)
			return true;
	if (w->n_arenas == ARENAS_MAX ||
	    !mp_grow((void **)&w->arenas, &w->arenas_room, w->n_arenas + 1, sizeof(*w->arenas)))
		return false;
	w->arenas[w->n_arenas++] = (struct arena){.address = address};
	return true;
}

static void search(struct mp_heap_watch *w, int64_t now)
{
	uint64_t main_arena = find_main(w);

	w->n_arenas = 0;
	if (main_arena && add_arena(w, main_arena)) {
		mp_glibc_walk_forget(w->walk);
		w->next_ns = now;
		w->search_pause_ns = SEARCH_NS;
		return;
	}
	w->next_ns = now + w->search_pause_ns;
	w->search_pause_ns = 2 * w->search_pause_ns < SEARCH_MAX_NS ? 2 * w->search_pause_ns : SEARCH_MAX_NS;
}

static int read_arena(struct mp_heap_watch *w, size_t i, struct mp_glibc_arena *out)
{
	int ret = -EAGAIN;

	for (unsigned int tries = 0; ret == -EAGAIN && tries < TRIES_TO_BEGIN; tries++)
		ret = mp_glibc_arena_read(&w->memory, w->arenas[i].address, !i, out);
	return ret;
}

/* ---- Rounds ---- */

/* All arenas are a ring, which the main one is in. Whatever breaks it is not followed. */
static void find_arenas(struct mp_heap_watch *w, const struct mp_glibc_arena *main_arena)
{
	struct mp_glibc_arena a = *main_arena;

	for (size_t n = 0; n < ARENAS_MAX && a.next != main_arena->address; n++)
		if (mp_glibc_arena_read(&w->memory, a.next, false, &a) || !add_arena(w, a.address))
			return;
}

static void begin_round(struct mp_heap_watch *w, const struct mp_latency *latency, int64_t now)
{
	struct mp_glibc_arena main_arena;
	int ret = read_arena(w, 0, &main_arena);

	w->round_ns = now;
	w->round_cpu_ns = 0;
	w->at = 0;
	w->in_round = !ret;
	w->in_look = false;
	w->mix = mp_latency_size_mix(latency);
	if (!ret)
		find_arenas(w, &main_arena);
	else if (ret == -EAGAIN)
		w->next_ns = now + ROUND_NS;
	else
		w->n_arenas = 0; /* another program, or another memory */
}

static void end_round(struct mp_heap_watch *w)
{
	int64_t pause = w->round_cpu_ns * SHARE, least = (int64_t)w->n_arenas * ARENA_NS;

	least = least > ROUND_NS ? least : ROUND_NS;
	w->next_ns = w->round_ns + (pause > least ? pause : least);
	w->in_round = false;
}

static int write_look(struct mp_heap_watch *w, int64_t now, struct mp_err *err)
{
	const struct mp_heap_figures f = mp_glibc_walk_figures(w->walk);
	const struct mp_pool_heap row = {.total_bytes = f.total_bytes,
	    .used_bytes = f.total_bytes - f.free_bytes,
	    .free_bytes = f.free_bytes,
	    .largest_free_bytes = f.largest_free_bytes,
	    .unfit_bytes = w->mix.n ? llround(f.unfit_bytes) : -1,
	    .free_pieces = f.free_pieces,
	    .requested_bytes = -1};
	struct arena *a = &w->arenas[w->at];
	char name[32] = "glibc heap";
	int ret = 0;

	if (!a->pool_id) {
		if (w->at)
			snprintf(name, sizeof(name), "glibc arena %zu", w->at + 1);
		const struct mp_pool_row pool = {.name = name,
		    .source = "glibc",
		    .address = w->arena.is_main ? w->arena.start : mp_glibc_heap_of(w->arena.address),
		    .capacity = -1,
		    .object_bytes = -1,
		    .created_ns = -1};
		ret = mp_append_pool(w->session, &pool, &a->pool_id, err);
	}
	return ret ? ret : mp_append_pool_heap(w->session, a->pool_id, now, &row, err);
}

/* Begins with the next arena. One that nothing was allocated from has no figures. */
static void begin_look(struct mp_heap_watch *w)
{
	int ret = read_arena(w, w->at, &w->arena);

	if (!ret && w->arena.top) {
		mp_glibc_walk_begin(w->walk, &w->arena, &w->mix);
		w->in_look = true;
		return;
	}
	w->looks.looks += ret != 0;
	w->looks.torn += ret != 0;
	w->at++;
}

static int step_look(struct mp_heap_watch *w, int64_t now, struct mp_err *err)
{
	enum mp_glibc_step step = mp_glibc_walk_step(w->walk);
	int ret = 0;

	if (step == MP_GLIBC_MORE)
		return 0;
	w->looks.looks++;
	w->looks.torn += step == MP_GLIBC_TORN;
	if (step == MP_GLIBC_DONE)
		ret = write_look(w, now, err);
	w->in_look = false;
	w->at++;
	return ret;
}

static int64_t own_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

int mp_heap_watch_step(
    struct mp_heap_watch *w, const struct mp_latency *latency, int64_t now, struct mp_err *err)
{
	int64_t begin = own_cpu_ns(), cpu = 0;
	int ret = 0;

	if (!w->n_arenas)
		search(w, now);
	else if (!w->in_round)
		begin_round(w, latency, now);
	while (!ret && w->in_round && w->at < w->n_arenas && (cpu = own_cpu_ns() - begin) < STEP_NS) {
		if (w->in_look)
			ret = step_look(w, now, err);
		else
			begin_look(w);
	}
	cpu = own_cpu_ns() - begin;
	w->looks.cpu_ns += (uint64_t)cpu;
	w->round_cpu_ns += cpu;
	if (!w->in_round)
		return ret;
	if (w->at == w->n_arenas)
		end_round(w);
	else
		w->next_ns = now + cpu * (w->round_cpu_ns < HASTE_NS ? SHARE_AT_WORK : SHARE);
	return ret;
}
