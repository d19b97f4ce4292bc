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

/* What all tables of a recording may take: a target may map any number of files that are slow to read. */
#define BYTES_MAX    (UINT64_C(1) << 30)
#define BUILD_NS_MAX (INT64_C(60) * 1000000000)

struct mp_cfi_queue {
	struct mp_cfi_queue_options o;
	char *cache_dir;
	uint64_t bytes;   /* of all tables; the builder's */
	int64_t build_ns; /* that all tables took; the builder's */
	pthread_t builder;
	bool has_builder, is_ending;
	pthread_mutex_t lock; /* over the list and is_ending; files are asked for with it held */
	pthread_cond_t wanted, done;
	struct mp_symfile *first, **last;
	size_t pending;  /* in the list, and at work */
	uint64_t n_done; /* tables */
};

struct mp_cfi_queue *mp_cfi_queue_new(const struct mp_cfi_queue_options *options)
{
	struct mp_cfi_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->o = *options;
	q->o.bytes_max = q->o.bytes_max ? q->o.bytes_max : BYTES_MAX;
	q->o.build_ns_max = q->o.build_ns_max ? q->o.build_ns_max : BUILD_NS_MAX;
	q->cache_dir = options->cache_dir ? strdup(options->cache_dir) : NULL;
	q->last = &q->first;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->wanted, NULL);
	pthread_cond_init(&q->done, NULL);
	return q;
}

/* ---- The builder. Without the lock: it takes its time ---- */

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int build_within_bounds(struct mp_cfi_queue *q, struct mp_symfile *f, struct mp_cfi **cfi)
{
	if (q->build_ns >= q->o.build_ns_max)
		return mp_err_set(
		    &f->cfi_err, ETIMEDOUT, "not read: the tables of other files took too much time");

	int64_t begin = now_ns();
	int ret = mp_cfi_build(f->elf, f->debug.elf, q->cache_dir, cfi, &f->cfi_err);
	q->build_ns += now_ns() - begin + 1; /* never nothing, whatever the clock's resolution */
	if (ret)
		return ret;
	if (mp_cfi_bytes(*cfi) <= q->o.bytes_max - q->bytes) {
		q->bytes += mp_cfi_bytes(*cfi);
		return 0;
	}
	mp_cfi_free(*cfi);
	return mp_err_set(&f->cfi_err, E2BIG, "not read: the tables of other files take too much memory");
}

/* The release store publishes the table and the note. */
static void build(struct mp_cfi_queue *q, struct mp_symfile *f)
{
	struct mp_cfi *cfi = NULL;
	int ret = build_within_bounds(q, f, &cfi);

	f->cfi = ret ? NULL : cfi;
	if (!ret || ret == -ENOENT)
		f->cfi_err.text[0] = '\0';
	atomic_store_explicit(&f->cfi_state, MP_CFI_READY, memory_order_release);
}

static void serve(struct mp_cfi_queue *q, struct mp_symfile *f, bool wants_table)
{
	mp_symfile_find_debug(f, q->o.files);
	if (wants_table)
		build(q, f);
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
		f->is_queued = false; /* a table that is asked for from now on is another round */
		bool wants_table = f->cfi_state == MP_CFI_PENDING;
		pthread_mutex_unlock(&q->lock);
		serve(q, f, wants_table);
		pthread_mutex_lock(&q->lock);
		q->pending--;
		q->n_done += wants_table;
		pthread_cond_broadcast(&q->done);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

/* ---- The caller ---- */

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

static void ask(struct mp_cfi_queue *q, struct mp_symfile *f, bool wants_table)
{
	if (!q->has_builder)
		q->has_builder = !pthread_create(&q->builder, NULL, run_builder, q);
	if (!q->has_builder) {
		q->n_done += wants_table;
		serve(q, f, wants_table); /* no thread to be had: the caller waits */
		return;
	}
	pthread_mutex_lock(&q->lock);
	if (f->debug_state == MP_CFI_UNASKED)
		f->debug_state = MP_CFI_PENDING;
	if (wants_table)
		f->cfi_state = MP_CFI_PENDING;
	if (!f->is_queued) {
		f->is_queued = true;
		f->cfi_next = NULL;
		*q->last = f;
		q->last = &f->cfi_next;
		q->pending++;
	}
	pthread_cond_signal(&q->wanted);
	pthread_mutex_unlock(&q->lock);
}

void mp_cfi_queue_add(struct mp_cfi_queue *q, struct mp_symfile *f)
{
	if (f->debug_state == MP_CFI_UNASKED)
		ask(q, f, false);
}

const struct mp_cfi *mp_cfi_queue_get(struct mp_cfi_queue *q, struct mp_symfile *f, bool *is_pending)
{
	if (f->cfi_state == MP_CFI_UNASKED)
		ask(q, f, true);
	*is_pending = atomic_load_explicit(&f->cfi_state, memory_order_acquire) != MP_CFI_READY;
	return *is_pending ? NULL : f->cfi;
}

void mp_cfi_queue_find_debug(struct mp_cfi_queue *q, struct mp_symfile *f)
{
	if (f->debug_state == MP_CFI_UNASKED)
		mp_symfile_find_debug(f, q->o.files);
	if (atomic_load_explicit(&f->debug_state, memory_order_acquire) == MP_CFI_READY)
		return;
	pthread_mutex_lock(&q->lock);
	while (f->debug_state != MP_CFI_READY)
		pthread_cond_wait(&q->done, &q->lock);
	pthread_mutex_unlock(&q->lock);
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
