/* SPDX-License-Identifier: MIT */
/*
 * What it costs to have a pool recorded: gets and puts in bursts that no buffer is too small for, with a rest
 * after each, so that the recorder keeps up.
 *
 *   pools functions|markers    for each line on stdin prints `get NS` and `put NS`: CPU time a call, the
 *                              median of the bursts
 */
#include <string.h>

#include <mpsample.h>

#include "tests/targets/target.h"

enum { OBJECTS = 500, BURSTS = 200, REST_NS = 2000000 };

struct object {
	struct object *next;
	char body[56];
};

static struct object objects[OBJECTS], *free_list;
static struct object *held[OBJECTS];
static bool is_marked;

/* Exported: the program that measures the least that a probe costs looks them up as libraries' functions. */
#define EXPORTED __attribute__((noinline, noipa, visibility("default")))

EXPORTED struct object *bench_pool_get(void);
EXPORTED void bench_pool_put(struct object *o);

/* What the kernel emulates, and need not step through: as the push that most functions begin with. */
#define PROBED_WELL __asm__ __volatile__("nop")

struct object *bench_pool_get(void)
{
	PROBED_WELL;
	struct object *o = free_list;

	free_list = o->next;
	return o;
}

void bench_pool_put(struct object *o)
{
	PROBED_WELL;
	o->next = free_list;
	free_list = o;
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

/* Marked and plain loops apart: what is measured is the marker, not a test for it. */
static void get_all(void)
{
	for (int i = 0; i < OBJECTS; i++)
		held[i] = bench_pool_get();
}

static void get_all_marked(void)
{
	for (int i = 0; i < OBJECTS; i++) {
		held[i] = bench_pool_get();
		MPSAMPLE_POOL_GET(&free_list, held[i]);
	}
}

static void put_all(void)
{
	for (int i = OBJECTS; i-- > 0;)
		bench_pool_put(held[i]);
}

static void put_all_marked(void)
{
	for (int i = OBJECTS; i-- > 0;) {
		MPSAMPLE_POOL_PUT(&free_list, held[i]);
		bench_pool_put(held[i]);
	}
}

static void round_of_bursts(void)
{
	static double get[BURSTS], put[BURSTS];

	for (int b = 0; b < BURSTS; b++) {
		const struct timespec rest = {.tv_nsec = REST_NS};
		double t0 = now_ns(), t1, t2;

		if (is_marked)
			get_all_marked();
		else
			get_all();
		t1 = now_ns();
		if (is_marked)
			put_all_marked();
		else
			put_all();
		t2 = now_ns();
		get[b] = (t1 - t0) / OBJECTS;
		put[b] = (t2 - t1) / OBJECTS;
		nanosleep(&rest, NULL);
	}
	qsort(get, BURSTS, sizeof(*get), by_value);
	qsort(put, BURSTS, sizeof(*put), by_value);
	target_print("round get %.2f put %.2f\n", get[BURSTS / 2], put[BURSTS / 2]);
}

int main(int argc, char **argv)
{
	is_marked = argc > 1 && !strcmp(argv[1], "markers");
	for (int i = 0; i < OBJECTS; i++)
		bench_pool_put(&objects[i]);
	if (is_marked)
		MPSAMPLE_POOL_CREATE(&free_list, "bench", sizeof(struct object), OBJECTS);
	target_print("ready %d\n", (int)getpid());
	while (target_wait_line())
		round_of_bursts();
	return 0;
}
