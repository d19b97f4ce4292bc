/* SPDX-License-Identifier: MIT */
#include "sampler/census.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct thread {
	pid_t tid;
	uint64_t seen; /* the number of the look that saw it last */
};

struct mapping {
	uint64_t start, end, inode;
};

struct mp_census {
	uint64_t looks;
	struct thread *threads;
	size_t n_threads, threads_room;
	struct mapping *mappings; /* those of the last look, by address */
	size_t n_mappings;
};

struct mp_census *mp_census_new(void)
{
	return calloc(1, sizeof(struct mp_census));
}

void mp_census_free(struct mp_census *c)
{
	if (!c)
		return;
	free(c->threads);
	free(c->mappings);
	free(c);
}

/* ---- Threads ---- */

static struct thread *find_thread(struct mp_census *c, pid_t tid)
{
	for (size_t i = 0; i < c->n_threads; i++)
		if (c->threads[i].tid == tid)
			return &c->threads[i];
	return NULL;
}

/* Without memory for it the thread is told again at the next look, and never ended. */
static void remember_thread(struct mp_census *c, pid_t tid)
{
	if (c->n_threads == c->threads_room) {
		size_t room = c->threads_room ? c->threads_room * 2 : 64;
		struct thread *more = reallocarray(c->threads, room, sizeof(*more));
		if (!more)
			return;
		c->threads = more;
		c->threads_room = room;
	}
	c->threads[c->n_threads++] = (struct thread){tid, c->looks};
}

struct look {
	struct mp_census *census;
	struct mp_pipeline *pipeline;
};

static void see_thread(void *ctx, pid_t tid, const char *comm, int64_t start_ns)
{
	struct look *look = ctx;
	struct thread *t = find_thread(look->census, tid);

	mp_pipeline_thread(look->pipeline, tid, comm, start_ns);
	if (t)
		t->seen = look->census->looks;
	else
		remember_thread(look->census, tid);
}

static void end_threads(struct mp_census *c, struct mp_pipeline *p, int64_t t_ns)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_threads; i++) {
		if (c->threads[i].seen == c->looks)
			c->threads[n++] = c->threads[i];
		else
			mp_pipeline_thread_end(p, c->threads[i].tid, t_ns);
	}
	c->n_threads = n;
}

void mp_census_thread(
    struct mp_census *c, const struct mp_target *t, struct mp_pipeline *p, pid_t tid, int64_t t_ns)
{
	if (find_thread(c, tid))
		return;
	mp_pipeline_thread_begin(p, tid, t->pid, t_ns);
	remember_thread(c, tid);
}

/* ---- Mappings ---- */

static int by_start(const void *a, const void *b)
{
	const struct mapping *x = a, *y = b;
	return x->start < y->start ? -1 : x->start > y->start;
}

static bool is_known(const struct mp_census *c, const struct mapping *m)
{
	const struct mapping *found =
	    c->n_mappings ? bsearch(m, c->mappings, c->n_mappings, sizeof(*m), by_start) : NULL;
	return found && found->end == m->end && found->inode == m->inode;
}

static void see_mappings(struct mp_census *c, const struct mp_target *t, struct mp_pipeline *p, int64_t t_ns)
{
	struct mapping *now = calloc(t->maps.n + 1, sizeof(*now));
	size_t n = 0;

	for (size_t i = 0; now && i < t->maps.n; i++) {
		const struct mp_mapping *m = &t->maps.all[i];
		if (!m->is_exec)
			continue;
		now[n] = (struct mapping){m->start, m->end, m->inode};
		if (!is_known(c, &now[n]))
			mp_pipeline_map(p, m->start, m->end, m->file_offset, m->path, t_ns);
		n++;
	}
	if (!now)
		return;
	free(c->mappings);
	c->mappings = now;
	c->n_mappings = n;
}

void mp_census_take(struct mp_census *c, struct mp_target *t, struct mp_pipeline *p, int64_t t_ns)
{
	struct look look = {c, p};
	struct mp_err ignored;

	c->looks++;
	/* A process without threads has ended: its last ones end with it, and not because nobody saw them. */
	if (!mp_target_each_thread(t->pid, see_thread, &look))
		end_threads(c, p, t_ns);
	if (!mp_target_refresh(t, &ignored))
		see_mappings(c, t, p, t_ns);
}
