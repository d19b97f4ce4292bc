/* SPDX-License-Identifier: MIT */
/* A bounded queue of pointers, any number of senders and receivers. NULL is a value like any other. */
#ifndef QUEUE_H
#define QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct queue;

struct queue *queue_create(size_t capacity);
/* Waits while the queue is full. */
void queue_push(struct queue *q, void *item);
/* Waits while the queue is empty. */
void *queue_pop(struct queue *q);
/* How often a sender found it full. */
uint64_t queue_full_waits(struct queue *q);
void queue_destroy(struct queue *q);

#endif
