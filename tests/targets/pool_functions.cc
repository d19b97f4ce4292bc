// SPDX-License-Identifier: MIT
// Pools whose functions are named in INI files: a class with overloads, with constructors and destructors in
// their variants, C functions, functions that call nothing and such that may throw, and a USDT probe. Does
// nothing but wait: what is looked at is where the functions are.
#include <cstdint>
#include <cstdlib>
#include <new>
#include <vector>

#include "mpsample.h"
#include "target.h"

#define KEPT __attribute__((noinline, used))

struct OrderPool {
	void *free_list;
	uint64_t unused;
	uint32_t capacity;

	OrderPool(unsigned long n);
	virtual ~OrderPool();
	void *acquire();
	void *acquire(unsigned long n);
	void release(void *order);
	void reset();
	void *grow(unsigned long n);
};

KEPT OrderPool::OrderPool(unsigned long n) : free_list(nullptr), capacity((uint32_t)n)
{
}
KEPT OrderPool::~OrderPool()
{
	free(free_list);
}
KEPT void *OrderPool::acquire()
{
	void *order = free_list;
	if (order)
		free_list = *(void **)order;
	return order;
}
KEPT void *OrderPool::acquire(unsigned long n)
{
	return capacity > n ? acquire() : nullptr;
}
KEPT void OrderPool::release(void *order)
{
	*(void **)order = free_list;
	free_list = order;
}
KEPT void OrderPool::reset()
{
	free_list = nullptr;
}
KEPT void *OrderPool::grow(unsigned long n)
{
	if (n > capacity)
		throw std::bad_alloc();
	return acquire();
}

extern "C" {
uint64_t pool_table[4] = {16, 32, 64, 128};

KEPT void *pool_get(OrderPool *pool, unsigned int size)
{
	return size ? pool->free_list : nullptr;
}
KEPT void pool_put(OrderPool *pool, void *order)
{
	MPSAMPLE_POOL_PUT(pool, order);
	pool->unused++;
}
/* Six arguments, none on the stack. */
KEPT long pool_many(long a, long b, long c, long d, long e, long f)
{
	return a + b + c + d + e * f;
}
/* Goes on as another function, whose value it returns. */
__attribute__((noinline, used, optimize("optimize-sibling-calls"))) void *pool_tail(size_t n)
{
	return pool_get((OrderPool *)pool_table, n > 100 ? 1 : (unsigned)n);
}
/* What a table of drivers is: its second entry leads to functions, its third to the same, the others to none.
 */
void *pool_ops[8] = {nullptr, nullptr, (void *)pool_put, (void *)pool_get, nullptr, (void *)pool_get};

KEPT void *pool_callback(void *(*f)(size_t), size_t n)
{
	void *p = f(n);
	return p ? p : f(n + 1);
}
}

int main()
{
	OrderPool pool(8);
	void *volatile kept;

	target_wait_go();
	kept = pool.acquire();
	kept = pool.acquire(1);
	kept = pool_get(&pool, 1);
	kept = pool_tail(1);
	kept = pool_callback(malloc, 1);
	(void)kept;
	target_done();
	return (int)pool_many(0, 0, 0, 0, 0, 0);
}
