/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include <pthread.h>
#include <stdlib.h>

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t not_empty, not_full;
	size_t capacity, head, count;
	uint64_t full_waits;
	void *item[];
};

struct queue *queue_create(size_t capacity)
{
	struct queue *q = calloc(1, sizeof(*q) + capacity * sizeof(q->item[0]));

	if (!q)
		return NULL;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->not_empty, NULL);
	pthread_cond_init(&q->not_full, NULL);
	q->capacity = capacity;
	return q;
}

void queue_push(struct queue *q, void *item)
{
	pthread_mutex_lock(&q->lock);
	if (q->count == q->capacity)
		q->full_waits++;
	while (q->count == q->capacity)
		pthread_cond_wait(&q->not_full, &q->lock);
	q->item[(q->head + q->count++) % q->capacity] = item;
	pthread_cond_signal(&q->not_empty);
	pthread_mutex_unlock(&q->lock);
}

void *queue_pop(struct queue *q)
{
	void *item;

	pthread_mutex_lock(&q->lock);
	while (!q->count)
		pthread_cond_wait(&q->not_empty, &q->lock);
	item = q->item[q->head];
	q->head = (q->head + 1) % q->capacity;
	q->count--;
	pthread_cond_signal(&q->not_full);
	pthread_mutex_unlock(&q->lock);
	return item;
}

uint64_t queue_full_waits(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	uint64_t n = q->full_waits;
	pthread_mutex_unlock(&q->lock);
	return n;
}

void queue_destroy(struct queue *q)
{
	if (!q)
		return;
	pthread_cond_destroy(&q->not_full);
	pthread_cond_destroy(&q->not_empty);
	pthread_mutex_destroy(&q->lock);
	free(q);
}
