/* SPDX-License-Identifier: MIT */
#include "sampler/import/threads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/grow.h"
#include "sampler/index.h"
#include "store/append.h"

/* A number is used again: then there are two. */
#define THREADS_MAX (1u << 20)

struct thread {
	uint32_t tid;
	char comm[17];
	bool is_ended;
	int64_t start_ns, end_ns;
};

struct mp_import_threads {
	struct thread *threads; /* [number - 1] */
	size_t n, room;
	struct mp_index by_tid; /* the latest of each number */
	uint64_t refused;
};

struct mp_import_threads *mp_import_threads_new(void)
{
	return calloc(1, sizeof(struct mp_import_threads));
}

void mp_import_threads_free(struct mp_import_threads *t)
{
	if (!t)
		return;
	free(t->threads);
	mp_index_free(&t->by_tid);
	free(t);
}

uint64_t mp_import_threads_refused(const struct mp_import_threads *t)
{
	return t->refused;
}

static bool same_tid(const void *owner, uint32_t number, const void *what)
{
	return ((const struct mp_import_threads *)owner)->threads[number - 1].tid == *(const uint32_t *)what;
}

static uint32_t *slot_of(struct mp_import_threads *t, uint32_t tid)
{
	return mp_index_slot(&t->by_tid, mp_index_mix(tid), same_tid, t, &tid);
}

/* A new one, which takes the place of an earlier one with its number. NULL: too many, or *ret -ENOMEM. */
static struct thread *begin(struct mp_import_threads *t, uint32_t tid, int64_t t_ns, int *ret)
{
	uint32_t *slot = slot_of(t, tid);

	*ret = 0;
	if (slot && t->n == THREADS_MAX) {
		t->refused++;
		return NULL;
	}
	if (!slot || !mp_grow((void **)&t->threads, &t->room, t->n + 1, sizeof(*t->threads))) {
		*ret = -ENOMEM;
		return NULL;
	}
	t->threads[t->n] = (struct thread){.tid = tid, .start_ns = t_ns};
	t->by_tid.n += !*slot;
	*slot = (uint32_t)++t->n;
	return &t->threads[t->n - 1];
}

/* The one that has the number now. */
static struct thread *get(struct mp_import_threads *t, uint32_t tid, int64_t t_ns, int *ret)
{
	uint32_t *slot = slot_of(t, tid);

	*ret = slot ? 0 : -ENOMEM;
	if (!slot)
		return NULL;
	return *slot ? &t->threads[*slot - 1] : begin(t, tid, t_ns, ret);
}

static int take_comm(struct mp_import_threads *t, const struct mp_perf_record *r, int64_t t_ns)
{
	int ret;
	struct thread *thread = get(t, r->u.comm.tid, t_ns, &ret);
	size_t n = r->u.comm.comm.n < sizeof(thread->comm) - 1 ? r->u.comm.comm.n : sizeof(thread->comm) - 1;

	if (!thread)
		return ret;
	memset(thread->comm, 0, sizeof(thread->comm));
	for (size_t i = 0; i < n; i++) {
		unsigned char c = r->u.comm.comm.at[i];
		thread->comm[i] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
	}
	return 0;
}

/* It has the name of the one that made it until it changes it. */
static int take_fork(struct mp_import_threads *t, const struct mp_perf_record *r, int64_t t_ns)
{
	uint32_t *maker = slot_of(t, r->u.task.ptid);
	char comm[sizeof(((struct thread *)NULL)->comm)] = "";
	int ret;

	if (!maker)
		return -ENOMEM;
	if (*maker)
		memcpy(comm, t->threads[*maker - 1].comm, sizeof(comm));
	struct thread *thread = begin(t, r->u.task.tid, t_ns, &ret);
	if (thread)
		memcpy(thread->comm, comm, sizeof(comm));
	return ret;
}

static int take_exit(struct mp_import_threads *t, const struct mp_perf_record *r, int64_t t_ns)
{
	int ret;
	struct thread *thread = get(t, r->u.task.tid, t_ns, &ret);

	if (thread) {
		thread->is_ended = true;
		thread->end_ns = t_ns;
	}
	return ret;
}

int mp_import_threads_take(struct mp_import_threads *t, const struct mp_perf_record *r, int64_t t_ns)
{
	switch (r->type) {
	case PERF_RECORD_COMM:
		return take_comm(t, r, t_ns);
	case PERF_RECORD_FORK:
		return take_fork(t, r, t_ns);
	case PERF_RECORD_EXIT:
		return take_exit(t, r, t_ns);
	default:
		return 0;
	}
}

int mp_import_threads_seen(struct mp_import_threads *t, uint32_t tid, int64_t t_ns)
{
	int ret;

	get(t, tid, t_ns, &ret);
	return ret;
}

int mp_import_threads_store(
    struct mp_import_threads *t, struct mp_session *s, int64_t start_ns, struct mp_err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < t->n; i++) {
		const struct thread *thread = &t->threads[i];
		int64_t id, from = thread->start_ns > start_ns ? thread->start_ns : start_ns;

		ret = mp_append_thread(
		    s, (int32_t)thread->tid, *thread->comm ? thread->comm : NULL, from, &id, err);
		if (!ret && thread->is_ended)
			ret = mp_update_thread(s, id, NULL, thread->end_ns, err);
	}
	return ret;
}
