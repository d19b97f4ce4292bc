/* SPDX-License-Identifier: MIT */
#include "sampler/components/scopes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/grow.h"
#include "sampler/index.h"
#include "store/append_component.h"

#define NAME_BYTES  48 /* with the NUL: the promise of mpsample.h */
#define DEEP        16 /* likewise */
#define MAX_THREADS 65536

struct thread {
	pid_t tid;
	uint32_t open;              /* also those that are too deep */
	unsigned short outer[DEEP]; /* what was the innermost before each of them */
	unsigned short innermost;
};

struct mp_scopes {
	struct mp_session *session;
	char names[MP_SCOPES_MAX][NAME_BYTES]; /* [number - 1] */
	unsigned int n;
	struct thread *threads;
	size_t n_threads, threads_room;
	struct mp_index index; /* by tid */
	struct mp_scopes_counts counts;
};

struct mp_scopes *mp_scopes_new(struct mp_session *session)
{
	struct mp_scopes *s = calloc(1, sizeof(*s));

	if (s)
		s->session = session;
	return s;
}

void mp_scopes_free(struct mp_scopes *s)
{
	if (!s)
		return;
	mp_index_free(&s->index);
	free(s->threads);
	free(s);
}

/* ---- Names ---- */

int mp_scopes_number(struct mp_scopes *s, const char *name, unsigned int *number, struct mp_err *err)
{
	char text[NAME_BYTES];

	*number = 0;
	snprintf(text, sizeof(text), "%s", name && *name ? name : "(unreadable)");
	for (unsigned int i = 0; i < s->n; i++) {
		if (strcmp(s->names[i], text))
			continue;
		*number = i + 1;
		return 0;
	}
	if (s->n == MP_SCOPES_MAX) {
		s->counts.names_lost++;
		return 0;
	}
	memcpy(s->names[s->n], text, sizeof(text));
	*number = ++s->n;
	return mp_append_component_scope(s->session, *number, text, err);
}

/* ---- Threads ---- */

static bool same_tid(const void *owner, uint32_t value, const void *tid)
{
	const struct mp_scopes *s = owner;
	return s->threads[value - 1].tid == *(const pid_t *)tid;
}

static struct thread *find(struct mp_scopes *s, pid_t tid)
{
	if (!s->n_threads)
		return NULL;
	const uint32_t *slot = mp_index_slot(&s->index, mp_index_mix((uint64_t)tid), same_tid, s, &tid);
	return slot && *slot ? &s->threads[*slot - 1] : NULL;
}

/* NULL: no room. */
static struct thread *find_or_add(struct mp_scopes *s, pid_t tid)
{
	if (s->n_threads == MAX_THREADS)
		return find(s, tid);
	uint32_t *slot = mp_index_slot(&s->index, mp_index_mix((uint64_t)tid), same_tid, s, &tid);
	if (!slot || *slot)
		return slot ? &s->threads[*slot - 1] : NULL;
	if (!mp_grow((void **)&s->threads, &s->threads_room, s->n_threads + 1, sizeof(*s->threads)))
		return NULL;
	s->index.n++;
	*slot = (uint32_t)++s->n_threads;
	s->threads[*slot - 1] = (struct thread){.tid = tid};
	return &s->threads[*slot - 1];
}

int mp_scopes_begin(struct mp_scopes *s, pid_t tid, const char *name, struct mp_err *err)
{
	struct thread *t = find_or_add(s, tid);
	unsigned int number;
	int ret = mp_scopes_number(s, name, &number, err);

	if (!t || t->open >= DEEP) {
		s->counts.deep++;
	} else {
		t->outer[t->open] = t->innermost;
		if (number) /* else what is around it counts */
			t->innermost = (unsigned short)number;
	}
	if (t)
		t->open++;
	return ret;
}

void mp_scopes_end(struct mp_scopes *s, pid_t tid)
{
	struct thread *t = find(s, tid);

	if (!t || !t->open)
		s->counts.ends++;
	else if (--t->open < DEEP)
		t->innermost = t->outer[t->open];
}

unsigned int mp_scopes_of(struct mp_scopes *s, pid_t tid)
{
	const struct thread *t = find(s, tid);

	return t ? t->innermost : 0;
}

void mp_scopes_forget(struct mp_scopes *s, pid_t tid)
{
	struct thread *t = find(s, tid);

	if (t)
		t->open = t->innermost = 0;
}

void mp_scopes_forget_all(struct mp_scopes *s)
{
	for (size_t i = 0; i < s->n_threads; i++)
		s->threads[i].open = s->threads[i].innermost = 0;
}

struct mp_scopes_counts mp_scopes_take_counts(struct mp_scopes *s)
{
	struct mp_scopes_counts counts = s->counts;

	s->counts = (struct mp_scopes_counts){0};
	return counts;
}
