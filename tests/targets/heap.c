/* SPDX-License-Identifier: MIT */
/*
 * heap [BLOCKS [FOREIGN]]    (default 2000 0)
 *
 * Truth for the fragmentation of glibc's heap. Before "ready" the main thread and another one, each in its
 * own arena, take BLOCKS blocks of BYTES bytes and release every second one: the pieces between them are too
 * small for what is asked for between go and "rest 1", ASKED bytes each. With the next go some blocks are
 * released that go to the main thread's cache and, being more than that holds, to a fast bin; then "rest 2".
 *
 * With FOREIGN others take so many bytes by sbrk() in between, which mallinfo2() counts as used.
 *
 * At each rest the lines `PREFIX_total`, `_free` and `_pieces` are what mallinfo2() says of all arenas, which
 * counts blocks in thread caches as used; nothing is allocated after that.
 */
#include "target.h"

#include <malloc.h>
#include <pthread.h>

enum { BYTES = 1200, CHUNK = 1216, ASKED = 5000, ASKS = 500 };
enum { FAST_BYTES = 56, FAST_CHUNK = 64, FAST = 20, CACHED_BYTES = 600, CACHED_CHUNK = 608, CACHED = 7 };

static unsigned long blocks, foreign;
static pthread_barrier_t stage;

static void make_pattern(void)
{
	char **block = malloc(blocks * sizeof(*block));

	for (unsigned long i = 0; i < blocks; i++)
		block[i] = malloc(BYTES);
	for (unsigned long i = 0; i < blocks; i += 2)
		free(block[i]);
	TARGET_USE(block);
}

static void *run(void *arg)
{
	make_pattern();
	pthread_barrier_wait(&stage);
	pthread_barrier_wait(&stage);
	return arg;
}

static void say(const char *prefix)
{
	struct mallinfo2 m = mallinfo2();

	target_print("%s_total %zu\n%s_free %zu\n%s_pieces %zu\n", prefix, m.arena, prefix, m.fordblks,
	    prefix, m.ordblks + m.smblks);
}

int main(int argc, char **argv)
{
	char *fast[FAST], *cached[CACHED];
	pthread_t thread;

	blocks = argc > 1 ? target_number(argv[1]) : 2000;
	foreign = argc > 2 ? target_number(argv[2]) : 0;
	pthread_barrier_init(&stage, NULL, 2);
	for (int i = 0; i < FAST; i++)
		fast[i] = malloc(FAST_BYTES);
	for (int i = 0; i < CACHED; i++)
		cached[i] = malloc(CACHED_BYTES);
	if (foreign && sbrk((intptr_t)foreign) == (void *)-1)
		return 1;
	make_pattern();
	pthread_create(&thread, NULL, run, NULL);
	pthread_barrier_wait(&stage);
	target_print("blocks %lu\nchunk %d\nasked %d\n", blocks, CHUNK, ASKED);
	target_print("extra_pieces %d\nextra_bytes %d\n", 2 * CACHED, CACHED * (FAST_CHUNK + CACHED_CHUNK));

	target_wait_go();
	for (int i = 0; i < ASKS; i++) {
		char *p = malloc(ASKED);
		TARGET_USE(p);
	}
	say("asked");
	target_print("rest 1\n");
	target_wait_line();
	for (int i = 0; i < FAST; i++)
		free(fast[i]);
	for (int i = 0; i < CACHED; i++)
		free(cached[i]);
	say("cached");
	target_print("rest 2\n");
	target_done();
	pthread_barrier_wait(&stage);
	pthread_join(thread, NULL);
	return 0;
}
