/* SPDX-License-Identifier: MIT */
/*
 * blocks [ROUNDS [REST_US [LEAK]]]    (default 2000, 0, 1; LEAK 0: site_leak releases at once)
 *
 * Truth for live blocks: a course by site, ROUNDS times, each block of a known size, to be freed or not.
 *
 *   site_leak      300 bytes, never released: one a round
 *   site_queue     500 bytes, released by another thread 20 rounds later
 *   site_grow      64 bytes, grown by realloc to 640 in the same round and released with the next
 *   site_zero      calloc(3, 40), aligned_alloc(64, 128) and posix_memalign(64, 256): released at once
 *   site_big       2 MB, a mapping of its own, every 50th round; released 100 rounds later
 *   site_older     before go: 100 blocks that are released in the first 100 rounds
 *
 * It tells for each site how many were born, live at the end, and their bytes; how many were released by the
 * other thread; and the live blocks and bytes of all sites at the end.
 */
#include "target.h"

#include <pthread.h>
#include <string.h>

enum { QUEUE = 20, OLDER = 100, BIG_EVERY = 50, BIG_ROUNDS = 100, BIG_BYTES = 2 << 20 };

unsigned long rounds_done; /* read from outside */

static void *older[OLDER], *queue[QUEUE], *big[BIG_ROUNDS / BIG_EVERY], *grown;

/* What the main thread hands over to be released; one at a time. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	void *block;
	bool is_over;
} hand = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static NOINLINE void *site_leak(void)
{
	void *p = malloc(300);

	TARGET_USE(p);
	return p;
}

static NOINLINE void *site_queue(void)
{
	void *p = malloc(500);

	TARGET_USE(p);
	return p;
}

static NOINLINE void *site_grow(void)
{
	void *p = malloc(64);

	TARGET_USE(p);
	p = realloc(p, 640);
	TARGET_USE(p);
	return p;
}

static NOINLINE void site_zero(void)
{
	void *p = calloc(3, 40), *q = aligned_alloc(64, 128), *r = NULL;

	TARGET_USE(p);
	TARGET_USE(q);
	if (posix_memalign(&r, 64, 256))
		abort();
	TARGET_USE(r);
	free(p);
	free(q);
	free(r);
}

static NOINLINE void *site_big(void)
{
	void *p = malloc(BIG_BYTES);

	TARGET_USE(p);
	return p;
}

static NOINLINE void *site_older(void)
{
	void *p = malloc(200);

	TARGET_USE(p);
	return p;
}

static void *release(void *arg)
{
	pthread_mutex_lock(&hand.lock);
	while (!hand.is_over) {
		free(hand.block);
		hand.block = NULL;
		pthread_cond_broadcast(&hand.changed);
		pthread_cond_wait(&hand.changed, &hand.lock);
	}
	pthread_mutex_unlock(&hand.lock);
	return arg;
}

static void hand_over(void *block, bool is_over)
{
	pthread_mutex_lock(&hand.lock);
	hand.block = block;
	hand.is_over = is_over;
	pthread_cond_broadcast(&hand.changed);
	while (hand.block && !is_over)
		pthread_cond_wait(&hand.changed, &hand.lock);
	pthread_mutex_unlock(&hand.lock);
}

static void do_round(unsigned long round, bool leaks)
{
	void *leak = site_leak();

	TARGET_USE(leak);
	if (!leaks)
		free(leak);
	if (queue[round % QUEUE])
		hand_over(queue[round % QUEUE], false);
	queue[round % QUEUE] = site_queue();
	free(grown);
	grown = site_grow();
	site_zero();
	if (round < OLDER)
		free(older[round]);
	if (round % BIG_EVERY == 0) {
		void **at = &big[round / BIG_EVERY % (BIG_ROUNDS / BIG_EVERY)];
		free(*at);
		*at = site_big();
	}
}

static void tell(const char *site, unsigned long born, unsigned long live, unsigned long bytes)
{
	target_print("%s_born %lu\n%s_live %lu\n%s_bytes %lu\n", site, born, site, live, site, live * bytes);
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? target_number(argv[1]) : 2000;
	unsigned long rest_us = argc > 2 ? target_number(argv[2]) : 0;
	bool leaks = argc > 3 ? target_number(argv[3]) : true;
	unsigned long leaked = leaks ? rounds : 0;
	unsigned long bigs = (rounds + BIG_EVERY - 1) / BIG_EVERY, big_live = BIG_ROUNDS / BIG_EVERY;
	unsigned long queued = rounds < QUEUE ? rounds : QUEUE;
	pthread_t thread;

	for (int i = 0; i < OLDER; i++)
		older[i] = site_older();
	pthread_create(&thread, NULL, release, NULL);
	target_wait_go();
	for (unsigned long round = 0; round < rounds; round++) {
		do_round(round, leaks);
		__atomic_store_n(&rounds_done, round + 1, __ATOMIC_RELAXED);
		if (rest_us)
			usleep((useconds_t)rest_us);
	}
	big_live = bigs < big_live ? bigs : big_live;
	tell("site_leak", rounds, leaked, 300);
	tell("site_queue", rounds, queued, 500);
	tell("site_grow", 2 * rounds, 1, 640);
	tell("site_zero", 3 * rounds, 0, 0);
	tell("site_big", bigs, big_live, BIG_BYTES);
	target_print("crossed %lu\nolder %d\n", rounds - queued, OLDER);
	target_print("live %lu\nbytes %lu\n", leaked + queued + 1 + big_live,
	    leaked * 300 + queued * 500 + 640 + big_live * BIG_BYTES);
	hand_over(NULL, true);
	pthread_join(thread, NULL);
	target_done();
	return 0;
}
