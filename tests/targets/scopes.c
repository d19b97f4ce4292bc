/* SPDX-License-Identifier: MIT */
/*
 * scopes [ROUNDS [SETS [REST_US]]]    (default 100, 1000, 0)
 *
 * Truth for the markers of components and gauges. Each of three threads does ROUNDS rounds; a round calls
 * malloc
 *
 *   outside              site_ruled 100 bytes, site_plain 110
 *   in order_book        site_ruled 200 bytes three times; twice more after what follows
 *   in positions in it   site_plain 300 bytes twice, one of which is released there
 *   in order_book in it  site_plain 210 bytes: again the same name
 *
 * The main thread, besides:
 *   before go            begins a component that it ends after go, as nobody sees who attaches later
 *   20 begun in a row    site_plain 600 bytes before each of their ends; then 610 outside
 *   a name of 60 bytes   site_plain 700 bytes in it
 *   7 ends too many      then site_plain 710 bytes
 *   gauges               in each round of its own: orders, the count of its blocks of 200 bytes (never
 * released), SETS times, lower values first; pnl, which is negative
 *
 * It tells, in lines `name figure`: ruled, plain, book, book_again, positions, positions_freed, deep (calls);
 * too_deep (begun beyond 16); ends (too many); orders (its last value) and sets (of both gauges).
 */
#include "target.h"

#include <pthread.h>
#include <unistd.h>

#include <mpsample.h>

enum { THREADS = 3, DEEP = 20, KNOWN_DEEP = 16, ENDS = 7 };

#define LONG_NAME "a name of sixty bytes, of which forty-seven count: 0123456789"

static unsigned long rounds = 100, sets = 1000, rest_us;

static NOINLINE void *site_ruled(size_t bytes)
{
	void *p = malloc(bytes);

	TARGET_USE(p);
	return p;
}

static NOINLINE void *site_plain(size_t bytes)
{
	void *p = malloc(bytes);

	TARGET_USE(p);
	return p;
}

static void do_positions(void)
{
	void *p, *q;

	MPSAMPLE_COMPONENT_BEGIN("positions");
	p = site_plain(300);
	q = site_plain(300);
	free(p);
	MPSAMPLE_COMPONENT_END();
	TARGET_USE(q);
	site_ruled(200);
}

static void do_round(void)
{
	site_ruled(100);
	MPSAMPLE_COMPONENT_BEGIN("order_book");
	for (int i = 0; i < 3; i++)
		site_ruled(200);
	do_positions();
	MPSAMPLE_COMPONENT_BEGIN("order_book");
	site_plain(210);
	MPSAMPLE_COMPONENT_END();
	site_ruled(200);
	MPSAMPLE_COMPONENT_END();
	site_plain(110);
}

static void tell_gauges(unsigned long orders)
{
	for (unsigned long i = sets; i-- > 0;)
		MPSAMPLE_GAUGE("orders", (int64_t)(orders - (i < orders ? i : orders)));
	MPSAMPLE_GAUGE("pnl", -5 - (int64_t)orders);
}

static void *work(void *arg)
{
	for (unsigned long i = 1; i <= rounds; i++) {
		do_round();
		if (arg)
			continue;
		tell_gauges(5 * i);
		if (rest_us)
			usleep((useconds_t)rest_us);
	}
	return NULL;
}

static void go_deep(void)
{
	for (int i = 0; i < DEEP; i++)
		MPSAMPLE_COMPONENT_BEGIN("deep");
	for (int i = 0; i < DEEP; i++) {
		site_plain(600);
		MPSAMPLE_COMPONENT_END();
	}
	site_plain(610);
	MPSAMPLE_COMPONENT_BEGIN(LONG_NAME);
	site_plain(700);
	MPSAMPLE_COMPONENT_END();
	for (int i = 0; i < ENDS; i++)
		MPSAMPLE_COMPONENT_END();
	site_plain(710);
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS - 1];
	char other = 0;

	if (argc > 1)
		rounds = strtoul(argv[1], NULL, 10);
	if (argc > 2)
		sets = strtoul(argv[2], NULL, 10);
	if (argc > 3)
		rest_us = strtoul(argv[3], NULL, 10);
	MPSAMPLE_COMPONENT_BEGIN("before");
	target_wait_go();
	MPSAMPLE_COMPONENT_END();
	for (int i = 0; i < THREADS - 1; i++)
		pthread_create(&threads[i], NULL, work, &other);
	work(NULL);
	for (int i = 0; i < THREADS - 1; i++)
		pthread_join(threads[i], NULL);
	go_deep();
	target_print("ruled %lu\nplain %lu\nbook %lu\nbook_again %lu\npositions %lu\npositions_freed %lu\n",
	    THREADS * rounds, THREADS * rounds, THREADS * rounds * 5, THREADS * rounds, THREADS * rounds * 2,
	    THREADS * rounds);
	target_print("deep %d\ntoo_deep %d\nends %d\norders %lu\nsets %lu\n", DEEP, DEEP - KNOWN_DEEP,
	    ENDS + 1, 5 * rounds, rounds * (sets + 1));
	target_done();
	return 0;
}
