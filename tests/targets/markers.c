/* SPDX-License-Identifier: MIT */
/*
 * markers: passes each marker of <mpsample.h> a known number of times.
 *
 * Truth, between ready and done, in lines `name figure`:
 *   tick, tick_ids             spans tick_to_trade begun and ended by the main thread, and the sum of their
 * ids handover                   spans begun by the main thread and ended by another open, orphan spans begun
 * and not ended, ended and not begun fills, fill_sum            marks fill, and the sum of their values gets,
 * puts, empty, high    of pool orders, which is created after ready; what is left in use is gets - puts
 *   old_pool                   address of a pool that is created before ready: it is got from 101 times, put
 * to 103 Besides: mark halt with the smallest value, a mark of 60 bytes, phases open_auction, continuous,
 * closing in this order. Every tick_to_trade lies inside one span session, with id 1.
 *
 *   markers --load FILE    at each further line on stdin, calls late_markers() of this shared object, which
 * is loaded at the first
 */
#include "target.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include <mpsample.h>

#define TICKS     1009
#define HANDOVERS 211
#define OPEN      13
#define ORPHANS   7
#define FILLS     503
#define GETS      997
#define PUTS      991
#define EMPTIES   17

#define LONG_NAME "a name of sixty bytes, of which forty-seven count: 0123456789"

static char orders, old;
static char objects[1009];

#define PAGE_BYTES 4096
static const char cold_name[PAGE_BYTES] __attribute__((aligned(PAGE_BYTES))) = "not in memory";

static void *end_handovers(void *arg)
{
	(void)arg;
	for (int i = 0; i < HANDOVERS; i++)
		MPSAMPLE_SPAN_END(handover, i);
	return NULL;
}

static void spans(void)
{
	unsigned long ids = 0;
	pthread_t other;

	MPSAMPLE_SPAN_BEGIN(session, 1);
	for (unsigned long i = 0; i < TICKS; i++) {
		MPSAMPLE_SPAN_BEGIN(tick_to_trade, i * 3);
		ids += i * 3;
		MPSAMPLE_SPAN_END(tick_to_trade, i * 3);
	}
	MPSAMPLE_SPAN_END(session, 1);
	for (int i = 0; i < HANDOVERS; i++)
		MPSAMPLE_SPAN_BEGIN(handover, i);
	pthread_create(&other, NULL, end_handovers, NULL);
	pthread_join(other, NULL);
	for (int i = 0; i < OPEN; i++)
		MPSAMPLE_SPAN_BEGIN(left_open, i);
	for (int i = 0; i < ORPHANS; i++)
		MPSAMPLE_SPAN_END(never_begun, i);
	target_print(
	    "tick %d\ntick_ids %lu\nhandover %d\nopen %d\norphan %d\n", TICKS, ids, HANDOVERS, OPEN, ORPHANS);
}

static void marks(void)
{
	long sum = 0;

	for (int i = 0; i < FILLS; i++) {
		int value = i % 2 ? i : -2 * i;
		MPSAMPLE_MARK("fill", value);
		sum += value;
	}
	MPSAMPLE_MARK("halt", INT64_MIN);
	MPSAMPLE_MARK(LONG_NAME, 0);
	madvise((void *)(uintptr_t)cold_name, sizeof(cold_name), MADV_DONTNEED);
	MPSAMPLE_MARK(cold_name, 1);
	target_print("fills %d\nfill_sum %ld\n", FILLS, sum);
}

static void pools(void)
{
	char name[] = "orders";
	int in_use = 0, high = 0, puts = 0; /* a stack: what is out begins at the first object */

	MPSAMPLE_POOL_CREATE(&orders, name, 192, 4096);
	memset(name, 'x', sizeof(name) - 1); /* it was copied when the marker was passed */
	TARGET_USE(*name);
	for (int i = 0; i < GETS; i++) {
		MPSAMPLE_POOL_GET(&orders, &objects[in_use]);
		high = ++in_use > high ? in_use : high;
		for (; i % 97 == 96 && in_use > 3 && puts < PUTS; puts++)
			MPSAMPLE_POOL_PUT(&orders, &objects[--in_use]);
	}
	for (; puts < PUTS; puts++)
		MPSAMPLE_POOL_PUT(&orders, &objects[--in_use]);
	for (int i = 0; i < EMPTIES; i++)
		MPSAMPLE_POOL_EMPTY(&orders);
	for (int i = 0; i < 101; i++)
		MPSAMPLE_POOL_GET(&old, &objects[i]);
	for (int i = 0; i < 103; i++)
		MPSAMPLE_POOL_PUT(&old, &objects[i]);
	target_print(
	    "gets %d\nputs %d\nempty %d\nhigh %d\nold_pool %p\n", GETS, puts, EMPTIES, high, (void *)&old);
}

#ifdef STATIC /* a static program cannot load */
static void call_late(const char *file)
{
	(void)file;
}
#else
static void call_late(const char *file)
{
	void *module = NULL;

	while (target_wait_line()) {
		if (!module)
			module = dlopen(file, RTLD_NOW);
		void (*late_markers)(void) = module ? (void (*)(void))dlsym(module, "late_markers") : NULL;
		if (!late_markers) {
			target_print("cannot load %s\n", file);
			_exit(1);
		}
		late_markers();
		target_print("called\n");
	}
}
#endif

int main(int argc, char **argv)
{
	MPSAMPLE_POOL_CREATE(&old, "old", 64, 100);
	target_wait_go();
	MPSAMPLE_PHASE("open_auction");
	spans();
	MPSAMPLE_PHASE("continuous");
	marks();
	pools();
	MPSAMPLE_PHASE("closing");
	target_print("done\n");
	if (argc > 2 && !strcmp(argv[1], "--load"))
		call_late(argv[2]);
	while (target_wait_line())
		;
	return 0;
}
