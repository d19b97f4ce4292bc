/* SPDX-License-Identifier: MIT */
/*
 * watched [ROUNDS]    (default 3000)
 *
 * Truth for data addresses. Before go it tells addresses: `block` of a block that is free, `older` of one
 * that stays allocated, `global` of a variable. Between go and "done" four threads hand one another the
 * block's address: in a round one of them allocates it by one of three sites with a size of its own, writes
 * two words in it at offsets WORD_A and WORD_B, as does the thread that gets it next, which then releases it
 * (in a round in seven after a realloc, which leaves it where it is). A round in five writes to the older
 * block and to the variable, too. The lines `SITE_a` and `SITE_b` say how often a block of each site was
 * written to at which word.
 */
#include "target.h"

#include <pthread.h>
#include <string.h>

enum { THREADS = 4, SITES = 4, WORD_A = 40, WORD_B = 120, BLOCK_BYTES = 200 };

static const char *const site_names[SITES] = {"site_malloc", "site_aligned", "site_small", "site_realloc"};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t turn;
	unsigned long round, rounds;
	int whose; /* the thread whose turn it is */
	char *block;
	int site;
	unsigned long touched[SITES][2], strays, older;
} day = {.lock = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER};

static char *older;
static uintptr_t expected;
static volatile uint64_t variable;

static NOINLINE char *site_malloc(void)
{
	char *p = malloc(BLOCK_BYTES);

	TARGET_USE(p);
	return p;
}

static NOINLINE char *site_aligned(void)
{
	char *p = aligned_alloc(16, BLOCK_BYTES - 4);

	TARGET_USE(p);
	return p;
}

static NOINLINE char *site_small(void)
{
	char *p = malloc(BLOCK_BYTES - 8);

	TARGET_USE(p);
	return p;
}

/* In its place: the block of another site becomes this one's. */
static NOINLINE char *site_realloc(char *p)
{
	p = realloc(p, BLOCK_BYTES - 2);
	TARGET_USE(p);
	return p;
}

/* Nothing but these writes touches the watched words, and all of them are in one function. */
static NOINLINE void touch(char *block, int site)
{
	*(volatile uint64_t *)(void *)(block + WORD_A) = day.round;
	*(volatile uint64_t *)(void *)(block + WORD_B) = day.round;
	day.touched[site][0]++;
	day.touched[site][1]++;
}

static NOINLINE void touch_others(void)
{
	*(volatile uint64_t *)(void *)(older + WORD_A) = day.round;
	variable = day.round;
	day.older++;
}

static void begin_round(void)
{
	day.site = (int)(day.round % 3);
	day.block = day.site == 0 ? site_malloc() : day.site == 1 ? site_aligned() : site_small();
	day.strays += (uintptr_t)day.block != expected;
	touch(day.block, day.site);
	if (day.round % 5 == 0)
		touch_others();
}

static void end_round(void)
{
	touch(day.block, day.site);
	if (day.round % 7 == 0) {
		day.block = site_realloc(day.block);
		touch(day.block, 3);
	}
	free(day.block);
	day.round++;
}

/* The thread that releases the block has its address for the next round. */
static void *run(void *arg)
{
	int self = *(int *)arg;

	pthread_mutex_lock(&day.lock);
	while (day.round < day.rounds) {
		if (day.whose != self) {
			pthread_cond_wait(&day.turn, &day.lock);
			continue;
		}
		if (day.block)
			end_round();
		day.block = NULL;
		if (day.round < day.rounds)
			begin_round();
		day.whose = (self + 1) % THREADS;
		pthread_cond_broadcast(&day.turn);
	}
	pthread_mutex_unlock(&day.lock);
	return NULL;
}

int main(int argc, char **argv)
{
	static int number[THREADS];
	pthread_t thread[THREADS];

	day.rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 3000;
	older = malloc(1 << 16);
	TARGET_USE(older);
	char *block = site_malloc();
	expected = (uintptr_t)block;
	free(block);
	target_print("block_a %#lx\nblock_b %#lx\nolder %#lx\nglobal %#lx\n",
	    (unsigned long)expected + WORD_A, (unsigned long)expected + WORD_B, (unsigned long)older + WORD_A,
	    (unsigned long)&variable);
	for (int i = 1; i < THREADS; i++) {
		number[i] = i;
		pthread_create(&thread[i], NULL, run, &number[i]);
	}
	pthread_mutex_lock(&day.lock);
	while (day.whose != 0)
		pthread_cond_wait(&day.turn, &day.lock);
	pthread_mutex_unlock(&day.lock);
	target_wait_go();
	run(&number[0]);
	for (int i = 1; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < SITES; i++)
		target_print("%s_a %lu\n%s_b %lu\n", site_names[i], day.touched[i][0], site_names[i],
		    day.touched[i][1]);
	target_print("older_touched %lu\nstrays %lu\n", day.older, day.strays);
	target_done();
	return 0;
}
