// SPDX-License-Identifier: MIT
// Objects from the memory resources of libstdc++, counted here: a pool resource of one thread, one of
// several, and a monotonic one that is released twice.
#include <memory_resource>
#include <vector>

#include "target.h"

enum { ORDERS = 1500, KEPT = 200, TICKS = 700, ROUNDS = 3, MESSAGES = 400, OFTEN = 100000 };

// The resource is known by its base only, as containers know it: calls go through its table of functions.
static NOINLINE void *take(std::pmr::memory_resource *r, size_t bytes)
{
	return r->allocate(bytes, 16);
}

static NOINLINE void put(std::pmr::memory_resource *r, void *p, size_t bytes)
{
	r->deallocate(p, bytes, 16);
}

// More often than a budget bears.
static void take_and_put_often()
{
	std::pmr::unsynchronized_pool_resource orders;

	for (int i = 0; i < OFTEN; i++)
		put(&orders, take(&orders, 96), 96);
}

int main(int argc, char **)
{
	static void *order[ORDERS], *message[MESSAGES];
	long ticks = 0;

	target_wait_go();
	if (argc > 1)
		take_and_put_often();
	{
		std::pmr::unsynchronized_pool_resource orders;
		for (int i = 0; i < ORDERS; i++)
			order[i] = take(&orders, 96);
		for (int i = KEPT; i < ORDERS; i++)
			put(&orders, order[i], 96);
		for (int i = KEPT; i < ORDERS / 2; i++)
			order[i] = take(&orders, 96);
		for (int i = 0; i < ORDERS / 2; i++)
			put(&orders, order[i], 96);
	}
	{
		std::pmr::synchronized_pool_resource messages;
		for (int i = 0; i < MESSAGES; i++)
			message[i] = take(&messages, 256);
		for (int i = 0; i < MESSAGES; i++)
			put(&messages, message[i], 256);
	}
	{
		std::pmr::monotonic_buffer_resource arena;
		std::pmr::memory_resource *r = &arena;
		for (int round = 0; round < ROUNDS; round++) {
			for (int i = 0; i < TICKS; i++, ticks++)
				take(r, 40);
			arena.release();
		}
	}
	target_print("orders_gets %d\norders_high %d\n", ORDERS + ORDERS / 2 - KEPT, ORDERS);
	target_print("messages_gets %d\nmessages_high %d\nticks %ld\nticks_high %d\n", MESSAGES, MESSAGES,
	    ticks, TICKS);
	target_print("done\n");
	while (target_wait_line())
		;
	return 0;
}
