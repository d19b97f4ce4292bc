/* SPDX-License-Identifier: MIT */
/*
 * dry_pool: a pool with a scripted course of some 10 s, told by markers.
 *
 * Pool "orders" of 64 objects of 200 bytes is created after go. Five are taken by leak(), and kept. In each
 * of 1000 rounds of 10 ms, work() takes 10 objects, and 30 in every hundredth, of which a thread "md"
 * puts_done back two of five, this one the others. In round 700 all that is left is taken, 17 gets find
 * nothing, and all of it is put back; in round 800 three objects are put back twice. Pool "idle" is created
 * and not used.
 *
 * Truth, between ready and done, in lines `name figure`: gets, puts (with the double ones), empty, high,
 * leaked, double, cross (puts_done by md).
 */
#include "target.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>

#include <mpsample.h>

#define CAPACITY 64
#define BYTES    200
#define ROUNDS   1000
#define LEAKED   5
#define EMPTIES  17
#define DOUBLES  3

static char orders, idle;
static char object[CAPACITY][BYTES];
static int out; /* a stack: what is out begins at the first object */
static unsigned long gets, puts_done, cross;
static int high;

/* How many md is still to put back: the other thread waits until there are none. */
static atomic_int md_count, md_stop;

/* Each use is a place of its own. */
#define GET()                                                                                                \
	do {                                                                                                 \
		MPSAMPLE_POOL_GET(&orders, object[out++]);                                                   \
		gets++;                                                                                      \
		high = out > high ? out : high;                                                              \
	} while (0)

static void put(void)
{
	MPSAMPLE_POOL_PUT(&orders, object[--out]);
	puts_done++;
}

static void *md(void *arg)
{
	prctl(PR_SET_NAME, "md");
	while (!md_stop) {
		for (int n = md_count; n > 0; n = --md_count)
			put();
		usleep(100);
	}
	return arg;
}

NOINLINE static void leak(void)
{
	for (int i = 0; i < LEAKED; i++)
		GET();
}

NOINLINE static void work(int objects)
{
	int theirs = objects * 2 / 5;

	for (int i = 0; i < objects; i++)
		GET();
	cross += (unsigned long)theirs;
	md_count = theirs;
	while (md_count)
		usleep(100);
	for (int i = theirs; i < objects; i++)
		put();
}

NOINLINE static void run_dry(void)
{
	int n = CAPACITY - out;

	for (int i = 0; i < n; i++)
		GET();
	for (int i = 0; i < EMPTIES; i++)
		MPSAMPLE_POOL_EMPTY(&orders);
	for (int i = 0; i < n; i++)
		put();
}

static void put_twice(void)
{
	for (int i = 0; i < DOUBLES; i++) {
		GET();
		put();
		MPSAMPLE_POOL_PUT(&orders, object[out]);
		puts_done++;
	}
}

int main(void)
{
	pthread_t thread;

	target_wait_go();
	MPSAMPLE_POOL_CREATE(&orders, "orders", BYTES, CAPACITY);
	MPSAMPLE_POOL_CREATE(&idle, "idle", BYTES, CAPACITY);
	leak();
	pthread_create(&thread, NULL, md, NULL);
	for (int round = 0; round < ROUNDS; round++) {
		work(round % 100 == 99 ? 30 : 10);
		if (round == 700)
			run_dry();
		if (round == 800)
			put_twice();
		usleep(10000);
	}
	md_stop = 1;
	pthread_join(thread, NULL);
	target_print("gets %lu\nputs %lu\nempty %d\nhigh %d\nleaked %d\ndouble %d\ncross %lu\n", gets,
	    puts_done, EMPTIES, high, LEAKED, DOUBLES, cross);
	target_done();
	return 0;
}
