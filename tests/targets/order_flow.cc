// SPDX-License-Identifier: MIT
/*
 * Orders into a book, built as production programs are: optimized, without frame pointers (tests/targets.mk).
 * The truth is its stacks. Every order allocates once, through a vector, and the callers are, from the inside
 * out:
 *
 *   std::...                 of the vector, inlined or not, as the compiler likes
 *   PriceLevel::append       inlined into
 *   OrderBook::insert        a function of its own
 *   Gateway::on_packet       called through a virtual table
 *   replay                   called by the comparator of a std::sort, called by
 *   main
 *
 * Prints: `orders` N.
 */
#include <algorithm>
#include <cstdint>
#include <vector>

#include "target.h"

#define ORDERS 20011

#define INLINE inline __attribute__((always_inline))

struct Order {
	uint64_t id, price, quantity;
};

struct PriceLevel {
	std::vector<Order> *orders = nullptr;

	INLINE void append(const Order &o)
	{
		orders = new std::vector<Order>(1, o); /* one for the vector itself, one for its element */
	}
};

struct OrderBook {
	PriceLevel level;

	NOINLINE void insert(const Order &o)
	{
		level.append(o);
		__asm__ volatile("" ::: "memory"); /* no tail call */
	}
	void clear()
	{
		delete level.orders;
	}
};

struct Handler {
	virtual void on_packet(uint64_t number) = 0;
};

struct Gateway : Handler {
	OrderBook book;

	NOINLINE void on_packet(uint64_t number) override
	{
		book.insert(Order{number, number % 101, 10});
		book.clear();
	}
};

static Handler *handler;
static uint64_t sent;

NOINLINE static void replay()
{
	if (sent < ORDERS)
		handler->on_packet(sent++);
	__asm__ volatile("" ::: "memory");
}

int main()
{
	std::vector<int> numbers(4096);
	Gateway gateway;

	handler = &gateway;
	target_wait_go();
	while (sent < ORDERS) {
		for (size_t i = 0; i < numbers.size(); i++)
			numbers[i] = (int)(i * 7919 % 4099);
		std::sort(numbers.begin(), numbers.end(), [](int a, int b) {
			replay();
			return a < b;
		});
	}
	target_print("orders %u\n", ORDERS);
	target_done();
	return 0;
}
