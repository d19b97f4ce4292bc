/* SPDX-License-Identifier: MIT */
/*
 * A pool with a scripted course: a known number of gets, puts, failures, objects at once, double and foreign
 * puts, objects that never come back, and puts by another thread than the get. Its functions are what an INI
 * file names; with -DMARKED it tells of itself by markers instead.
 *
 *   pools THREADS ROUNDS
 *
 * The course of one thread, on the pool `orders`: fills to 40, puts 10, fills until it is empty and fails 5
 * times; another thread puts 13; three objects are put twice; two of another pool are put here. Then THREADS
 * threads take 4 each, ROUNDS times, all at once by a barrier, and put them; 7 objects stay out in the end.
 * Then `late` is made, from which 3 objects are out when it is destroyed.
 */
#include <pthread.h>
#include <string.h>

#include "target.h"

#ifdef MARKED
#include <mpsample.h>
#define TELL(marker) marker
#else
#define TELL(marker) ((void)0)
#endif

enum { CAPACITY = 64, OBJECT_BYTES = 96, EACH = 4, MAX_THREADS = 16 };

struct object {
	struct object *next;
	bool is_out;
	char body[OBJECT_BYTES - 16];
};

struct pool {
	pthread_mutex_t lock;
	struct object *free; /* a stack */
	unsigned int capacity, in_use;
};

static struct object orders_objects[CAPACITY], late_objects[CAPACITY], other_objects[2];
static struct pool orders, late;
static long n_gets, n_puts, failures, high, doubles, foreign, cross; /* of orders */

/* The INI file names these four: the compiler may neither inline nor clone them. */
#define NAMED __attribute__((noinline, noipa, externally_visible))

void pool_init(struct pool *p, struct object *objects, unsigned int capacity);
struct object *pool_acquire(struct pool *p);
void pool_release(struct pool *p, struct object *o);
void pool_fini(struct pool *p);

NAMED void pool_init(struct pool *p, struct object *objects, unsigned int capacity)
{
	pthread_mutex_init(&p->lock, NULL);
	p->capacity = capacity;
	p->free = NULL;
	p->in_use = 0;
	for (unsigned int i = 0; i < capacity; i++) {
		objects[i].next = p->free;
		p->free = &objects[i];
	}
	TELL(MPSAMPLE_POOL_CREATE(p, p == &orders ? "orders" : "late", OBJECT_BYTES, capacity));
}

NAMED struct object *pool_acquire(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	struct object *o = p->free;
	if (o) {
		p->free = o->next;
		o->is_out = true;
		n_gets += p == &orders;
		p->in_use++;
		if (p == &orders && (long)p->in_use > high)
			high = p->in_use;
		TELL(MPSAMPLE_POOL_GET(p, o));
	} else {
		failures++;
		TELL(MPSAMPLE_POOL_EMPTY(p));
	}
	pthread_mutex_unlock(&p->lock);
	return o;
}

NAMED void pool_release(struct pool *p, struct object *o)
{
	pthread_mutex_lock(&p->lock);
	TELL(MPSAMPLE_POOL_PUT(p, o));
	n_puts++;
	if (o >= other_objects && o < other_objects + 2) {
		foreign++;
	} else if (!o->is_out) {
		doubles++;
	} else {
		o->is_out = false;
		o->next = p->free;
		p->free = o;
		p->in_use--;
	}
	pthread_mutex_unlock(&p->lock);
}

NAMED void pool_fini(struct pool *p)
{
	TELL(MPSAMPLE_POOL_DESTROY(p));
	pthread_mutex_destroy(&p->lock);
}

static struct object *held[CAPACITY];
static pthread_barrier_t barrier;
static long rounds;

static void *put_some(void *arg)
{
	for (int i = 0; i < 13; i++, cross++)
		pool_release(&orders, held[i]);
	return arg;
}

static void *take_and_put(void *arg)
{
	struct object *mine[EACH];

	for (long r = 0; r < rounds; r++) {
		for (int i = 0; i < EACH; i++)
			mine[i] = pool_acquire(&orders);
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < EACH; i++)
			pool_release(&orders, mine[i]);
		pthread_barrier_wait(&barrier);
	}
	return arg;
}

static void alone(void)
{
	pthread_t thread;
	int n = 0;

	while (n < 40)
		held[n++] = pool_acquire(&orders);
	for (int i = 0; i < 10; i++)
		pool_release(&orders, held[--n]);
	while (n < CAPACITY)
		held[n++] = pool_acquire(&orders);
	for (int i = 0; i < 5; i++)
		pool_acquire(&orders);
	if (!pthread_create(&thread, NULL, put_some, NULL))
		pthread_join(thread, NULL);
	for (int i = 0; i < 3; i++)
		pool_release(&orders, held[i]);
	for (int i = 0; i < 2; i++)
		pool_release(&orders, &other_objects[i]);
	for (int i = 13; i < CAPACITY - 7; i++)
		pool_release(&orders, held[i]);
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
	pool_init(&orders, orders_objects, CAPACITY);
	alone();
	for (long i = 0; i < n; i++)
		pthread_create(&threads[i], NULL, take_and_put, NULL);
	for (long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	target_print(
	    "gets %ld\nputs %ld\nfailures %ld\nhigh %ld\ndouble %ld\nforeign %ld\ncross %ld\nleft %u\n",
	    n_gets, n_puts, failures, high, doubles, foreign, cross, orders.in_use);
	pool_init(&late, late_objects, 8);
	for (int i = 0; i < 3; i++)
		pool_acquire(&late);
	pool_fini(&late);
	target_print("done\n");
	while (target_wait_line())
		;
	return 0;
}
