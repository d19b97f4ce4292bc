/* SPDX-License-Identifier: MIT */
/*
 * Pools that give out many objects at once, or say by a status that they are empty, or take them back as
 * chains, each with a known course:
 *
 *   bulk     all that is asked for or nothing; a negative status; a put that finds no room is refused. Its
 *            two functions have no name in the file: a table leads to them.
 *   burst    as many as there are, which it returns, or a negative status
 *   blocks   an array of them, or NULL
 *   single   one, through a pointer; false when there is none
 *   coded    one, through a pointer; a status that is not 0 when there is none
 *   chain    put back as chains, the second of which leads out of memory
 *
 *   pools_bulk THREADS ROUNDS     threads work on `bulk` only, all at once by a barrier
 *
 * Linked without the symbols of what is static, but with those of what a file may name.
 */
#include <pthread.h>

#include "target.h"

enum { CAPACITY = 120, EACH = 6, MAX_THREADS = 16 };

struct object {
	struct object *next;
	char body[88];
};

struct pool {
	char name[16];
	pthread_mutex_t lock;
	struct object *free; /* a stack */
	int capacity, in_use, high;
	long gets, puts, failures, calls;
};

struct ops {
	char name[32];
	int (*enqueue)(struct pool *p, struct object **o, unsigned int n);
	int (*dequeue)(struct pool *p, struct object **o, unsigned int n);
};

static struct object objects[6][CAPACITY];
static struct pool bulk = {.name = "bulk one"}, burst = {.name = "burst one"}, blocks, single, coded, chain;

/* The INI file names these: the compiler may neither inline nor clone them. */
#define NAMED __attribute__((noinline, noipa, externally_visible, visibility("default")))

void bulk_init(struct pool *p, struct object *first, int capacity);
int burst_get(struct pool *p, struct object **o, int n);
void burst_put(struct pool *p, struct object **o, int n);
struct object **blocks_get(struct pool *p, unsigned int n);
void blocks_put(struct pool *p, struct object **o, unsigned int n);
bool single_get(struct pool *p, struct object **o);
int coded_get(struct pool *p, struct object **o);
void one_put(struct pool *p, struct object *o);
struct object *chain_get(struct pool *p);
void chain_put(struct pool *p, struct object *first);

static void pool_init(struct pool *p, struct object *first, int capacity)
{
	pthread_mutex_init(&p->lock, NULL);
	p->capacity = capacity;
	for (int i = 0; i < capacity; i++) {
		first[i].next = p->free;
		p->free = &first[i];
	}
}

NAMED void bulk_init(struct pool *p, struct object *first, int capacity)
{
	pool_init(p, first, capacity);
}

static int take(struct pool *p, struct object **o, int n)
{
	for (int i = 0; i < n; i++) {
		o[i] = p->free;
		p->free = o[i]->next;
	}
	p->in_use += n;
	p->gets += n;
	p->high = p->in_use > p->high ? p->in_use : p->high;
	return n;
}

static void give(struct pool *p, struct object **o, int n)
{
	for (int i = 0; i < n; i++) {
		o[i]->next = p->free;
		p->free = o[i];
	}
	p->in_use -= n;
	p->puts += n;
}

/* All or nothing. */
static bool take_all(struct pool *p, struct object **o, int n)
{
	pthread_mutex_lock(&p->lock);
	bool has = p->capacity - p->in_use >= n;
	p->calls += n > 0;
	p->failures += !has;
	if (has)
		take(p, o, n);
	pthread_mutex_unlock(&p->lock);
	return has;
}

static __attribute__((noinline)) int bulk_dequeue(struct pool *p, struct object **o, unsigned int n)
{
	return take_all(p, o, (int)n) ? 0 : -105;
}

static __attribute__((noinline)) int bulk_enqueue(struct pool *p, struct object **o, unsigned int n)
{
	int ret = -105;

	pthread_mutex_lock(&p->lock);
	if (p->in_use >= (int)n) {
		give(p, o, (int)n);
		ret = 0;
	}
	pthread_mutex_unlock(&p->lock);
	return ret;
}

/* Entry 0 is not used. */
__attribute__((externally_visible, visibility("default"))) struct ops bulk_ops[3] = {
    {.name = "none"}, {"bulk", bulk_enqueue, bulk_dequeue}};

NAMED int burst_get(struct pool *p, struct object **o, int n)
{
	int left = p->capacity - p->in_use;

	p->failures += n < 0 || !left;
	return n < 0 ? -22 : take(p, o, n < left ? n : left);
}

NAMED void burst_put(struct pool *p, struct object **o, int n)
{
	give(p, o, n);
}

NAMED struct object **blocks_get(struct pool *p, unsigned int n)
{
	static struct object *block[CAPACITY];

	return take_all(p, block, (int)n) ? block : NULL;
}

NAMED void blocks_put(struct pool *p, struct object **o, unsigned int n)
{
	give(p, o, (int)n);
}

NAMED bool single_get(struct pool *p, struct object **o)
{
	return take_all(p, o, 1);
}

NAMED int coded_get(struct pool *p, struct object **o)
{
	return take_all(p, o, 1) ? 0 : 12;
}

NAMED void one_put(struct pool *p, struct object *o)
{
	give(p, &o, 1);
}

NAMED struct object *chain_get(struct pool *p)
{
	struct object *o = NULL;

	take(p, &o, 1);
	return o;
}

NAMED void chain_put(struct pool *p, struct object *first)
{
	for (struct object *o = first, *next; o; o = next) {
		next = (uintptr_t)o->next > 4096 ? o->next : NULL;
		give(p, &o, 1);
	}
}

static void work_on_chain(struct pool *p)
{
	struct object *held[CAPACITY];

	for (int i = 0; i < 70; i++)
		held[i] = chain_get(p);
	for (int i = 0; i < 60; i++)
		held[i]->next = i == 49 ? NULL : i == 59 ? (struct object *)8 : held[i + 1];
	chain_put(p, held[0]);
	chain_put(p, held[50]);
}

static pthread_barrier_t barrier;
static long rounds;

static void *take_and_put(void *arg)
{
	struct object *mine[EACH];

	for (long r = 0; r < rounds; r++) {
		bulk_ops[1].dequeue(&bulk, mine, EACH);
		pthread_barrier_wait(&barrier);
		bulk_ops[1].enqueue(&bulk, mine, EACH);
		pthread_barrier_wait(&barrier);
	}
	return arg;
}

/* 7 * 16 objects of 120 are out, when 16 more are asked for and refused; then the last 8, and one more. */
static void work_on_bulk(void)
{
	struct object *held[CAPACITY + 1];

	for (int i = 0; i < 7; i++)
		bulk_ops[1].dequeue(&bulk, held + i * 16, 16);
	bulk_ops[1].dequeue(&bulk, held, 16);
	bulk_ops[1].dequeue(&bulk, held + 112, 8);
	bulk_ops[1].dequeue(&bulk, held, 1);
	bulk_ops[1].dequeue(&bulk, held, 0);
	bulk_ops[1].enqueue(&bulk, held + 20, 100);
	bulk_ops[1].enqueue(&bulk, held, 21); /* one more than are out */
	bulk_ops[1].enqueue(&bulk, held, 17);
}

static void work_on_others(void)
{
	struct object *held[CAPACITY], **block;
	int n = 0;

	for (int got; (got = burst_get(&burst, held + n, 50)) > 0;)
		n += got;
	burst_get(&burst, held, -1);
	burst_put(&burst, held + 30, 90);
	for (int i = 0; i < 4; i++) {
		block = blocks_get(&blocks, 40);
		if (block && i)
			blocks_put(&blocks, block, 40);
	}
	blocks_get(&blocks, 81);
	for (n = 0; single_get(&single, held + n);)
		n++;
	while (n > 9)
		one_put(&single, held[--n]);
	for (n = 0; !coded_get(&coded, held + n);)
		n++;
	coded_get(&coded, held);
	while (n > 13)
		one_put(&coded, held[--n]);
}

static void tell(const char *name, const struct pool *p)
{
	target_print("%s %ld %ld %ld %d %d\n", name, p->gets, p->puts, p->failures, p->in_use, p->high);
}

int main(int argc, char **argv)
{
	pthread_t threads[MAX_THREADS];
	long n = argc > 1 ? strtol(argv[1], NULL, 10) : 1;

	rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
	if (n < 1 || n > MAX_THREADS)
		return 2;
	pthread_barrier_init(&barrier, NULL, (unsigned int)n);
	target_wait_go();
	bulk_init(&bulk, objects[0], CAPACITY);
	pool_init(&burst, objects[1], CAPACITY);
	pool_init(&blocks, objects[2], CAPACITY);
	pool_init(&single, objects[3], CAPACITY);
	pool_init(&coded, objects[4], CAPACITY);
	pool_init(&chain, objects[5], CAPACITY);
	work_on_bulk();
	work_on_others();
	work_on_chain(&chain);
	for (long i = 0; i < n; i++)
		pthread_create(&threads[i], NULL, take_and_put, NULL);
	for (long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	tell("bulk", &bulk);
	tell("burst", &burst);
	tell("blocks", &blocks);
	tell("single", &single);
	tell("coded", &coded);
	tell("chain", &chain);
	target_print("bulk_calls %ld\n", bulk.calls);
	target_print("done\n");
	while (target_wait_line())
		;
	return 0;
}
