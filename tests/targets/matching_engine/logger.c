/* SPDX-License-Identifier: MIT */
/* The execution log: records come through a bounded queue, are formatted here, and freed on this thread. */
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOG_QUEUE = 8192, BUFFER_BYTES = 64 * 1024, LINE_MAX_BYTES = 256 };

struct log_record {
	int64_t time_ns;
	const char *event; /* NULL: an execution */
	uint64_t a, b;     /* the event's figures, or the maker's and taker's order ids */
	uint32_t quantity, instrument;
	int32_t price;
	char maker_tag[40], taker_tag[40];
};

static struct {
	struct queue *queue;
	int fd;
	char *buffer;
	size_t used;
	uint64_t lines;
} logger = {.fd = -1};

int logger_create(const char *path)
{
	logger.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (logger.fd < 0)
		return -errno;
	logger.queue = queue_create(LOG_QUEUE);
	logger.buffer = malloc(BUFFER_BYTES);
	return logger.queue && logger.buffer ? 0 : -ENOMEM;
}

NOINLINE void log_execution(const struct order *maker, const struct order *taker, uint32_t quantity)
{
	struct log_record *r = malloc(sizeof(*r));

	if (!r)
		return;
	r->time_ns = day_now_ns();
	r->event = NULL;
	r->a = maker->id;
	r->b = taker->id;
	r->quantity = quantity;
	r->instrument = maker->instrument;
	r->price = maker->price;
	memcpy(r->maker_tag, maker->client_tag ? maker->client_tag : "", maker->client_tag ? 40 : 1);
	memcpy(r->taker_tag, taker->client_tag ? taker->client_tag : "", taker->client_tag ? 40 : 1);
	queue_push(logger.queue, r);
}

void log_event(const char *text, uint64_t a, uint64_t b)
{
	struct log_record *r = malloc(sizeof(*r));

	if (!r)
		return;
	r->time_ns = day_now_ns();
	r->event = text;
	r->a = a;
	r->b = b;
	queue_push(logger.queue, r);
}

static NOINLINE void log_flush(void)
{
	size_t done = 0;

	while (done < logger.used) {
		ssize_t n = write(logger.fd, logger.buffer + done, logger.used - done);

		if (n < 0 && errno != EINTR)
			break; /* a full disk costs the log, not the market */
		done += n > 0 ? (size_t)n : 0;
	}
	logger.used = 0;
}

static NOINLINE void log_format(const struct log_record *r)
{
	char *at = logger.buffer + logger.used;
	double seconds = (double)(r->time_ns - day.start_ns) / 1e9;
	int n;

	if (r->event)
		n = snprintf(at, LINE_MAX_BYTES, "%.6f %s %llu %llu\n", seconds, r->event,
		    (unsigned long long)r->a, (unsigned long long)r->b);
	else
		n = snprintf(at, LINE_MAX_BYTES, "%.6f FILL I%u %u@%d maker %llu %s taker %llu %s\n", seconds,
		    r->instrument, r->quantity, r->price, (unsigned long long)r->a, r->maker_tag,
		    (unsigned long long)r->b, r->taker_tag);
	logger.used += (size_t)n;
	logger.lines++;
}

void *logger_main(void *arg)
{
	struct log_record *r;

	while ((r = queue_pop(logger.queue))) {
		log_format(r);
		free(r);
		if (logger.used > BUFFER_BYTES - LINE_MAX_BYTES)
			log_flush();
	}
	log_flush();
	return arg;
}

void logger_finish(void)
{
	queue_push(logger.queue, NULL);
}

uint64_t logger_lines(void)
{
	return logger.lines;
}

void logger_destroy(void)
{
	queue_destroy(logger.queue);
	free(logger.buffer);
	if (logger.fd >= 0)
		close(logger.fd);
}
