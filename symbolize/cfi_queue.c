/* SPDX-License-Identifier: MIT */
#include "symbolize/cfi_queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* The target's threads come first, also on a machine without a spare CPU. */
#define BUILDER_NICE 10

struct mp_cfi_queue {
	char *cache_dir;
	pthread_t builder;
	bool has_builder, is_ending;
	pthread_mutex_t lock; /* over the list and is_ending */
	pthread_cond_t wanted, done;
	struct mp_symfile *first, **last;
	size_t pending; /* asked for and not ready */
	uint64_t n_done;
};

struct mp_cfi_queue *mp_cfi_queue_new(const char *cache_dir)
{
	struct mp_cfi_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->cache_dir = cache_dir ? strdup(cache_dir) : NULL;
	q->last = &q->first;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->wanted, NULL);
	pthread_cond_init(&q->done, NULL);
	return q;
}

/* Without the lock: it takes its time. The release store publishes the table and the note. */
static void build(const struct mp_cfi_queue *q, struct mp_symfile *f)
{
	struct mp_cfi *cfi = NULL;
	int ret = mp_cfi_build(f->elf, f->debug.elf, q->cache_dir, &cfi, &f->cfi_err);

	f->cfi = ret ? NULL : cfi;
	if (!ret || ret == -ENOENT)
		f->cfi_err.text[0] = '\0';
	atomic_store_explicit(&f->cfi_state, MP_CFI_READY, memory_order_release);
}

static void *run_builder(void *arg)
{
	struct mp_cfi_queue *q = arg;

	setpriority(PRIO_PROCESS, 0, BUILDER_NICE); /* of this thread: Linux's way */
	pthread_mutex_lock(&q->lock);
	while (!q->is_ending) {
		struct mp_symfile *f = q->first;

		if (!f) {
			pthread_cond_wait(&q->wanted, &q->lock);
			continue;
		}
		q->first = f->cfi_next;
		if (!q->first)
			q->last = &q->first;
		pthread_mutex_unlock(&q->lock);
		build(q, f);
		pthread_mutex_lock(&q->lock);
		q->pending--;
		q->n_done++;
		pthread_cond_broadcast(&q->done);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

void mp_cfi_queue_free(struct mp_cfi_queue *q)
{
	if (!q)
		return;
	pthread_mutex_lock(&q->lock);
	q->is_ending = true;
	pthread_cond_signal(&q->wanted);
	pthread_mutex_unlock(&q->lock);
	if (q->has_builder)
		pthread_join(q->builder, NULL);
	pthread_cond_destroy(&q->done);
	pthread_cond_destroy(&q->wanted);
	pthread_mutex_destroy(&q->lock);
	free(q->cache_dir);
	free(q);
}

static void ask(struct mp_cfi_queue *q, struct mp_symfile *f)
{
	if (!q->has_builder)
		q->has_builder = !pthread_create(&q->builder, NULL, run_builder, q);
	if (!q->has_builder) {
		build(q, f); /* no thread to be had: the caller waits */
		return;
	}
	f->cfi_state = MP_CFI_PENDING;
	f->cfi_next = NULL;
	pthread_mutex_lock(&q->lock);
	*q->last = f;
	q->last = &f->cfi_next;
	q->pending++;
	pthread_cond_signal(&q->wanted);
	pthread_mutex_unlock(&q->lock);
}

const struct mp_cfi *mp_cfi_queue_get(struct mp_cfi_queue *q, struct mp_symfile *f, bool *is_pending)
{
	if (f->cfi_state == MP_CFI_UNASKED)
		ask(q, f);
	*is_pending = atomic_load_explicit(&f->cfi_state, memory_order_acquire) != MP_CFI_READY;
	return *is_pending ? NULL : f->cfi;
}

uint64_t mp_cfi_queue_done(struct mp_cfi_queue *q)
{
	pthread_mutex_lock(&q->lock);
	uint64_t n = q->n_done;
	pthread_mutex_unlock(&q->lock);
	return n;
}

void mp_cfi_queue_wait(struct mp_cfi_queue *q, int max_ms)
{
	struct timespec until;
	int ret = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += max_ms / 1000;
	until.tv_nsec += max_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&q->lock);
	while (q->pending && !ret)
		ret = max_ms < 0 ? pthread_cond_wait(&q->done, &q->lock)
				 : pthread_cond_clockwait(&q->done, &q->lock, CLOCK_MONOTONIC, &until);
	pthread_mutex_unlock(&q->lock);
}
