/* SPDX-License-Identifier: MIT */
/*
 * markers_cxx: markers in C++'s inline functions, templates and lambdas, of which linkers keep one copy of
 * many.
 *
 * Truth: `name figure` lines: matched, spans `match`, half of them by each of two instances of a template;
 * marked, marks `lambda`; pooled, gets of a pool `objects`, as many as puts.
 */
#include "target.h"

#include <string>

#include <mpsample.h>

namespace
{

template <class T> struct Pool {
	T object[8];

	Pool()
	{
		MPSAMPLE_POOL_CREATE(this, "objects", sizeof(T), 8);
	}
	T *get(unsigned i)
	{
		T *p = &object[i % 8];

		MPSAMPLE_POOL_GET(this, p);
		return p;
	}
	void put(const T *p)
	{
		MPSAMPLE_POOL_PUT(this, p);
	}
};

template <class T> __attribute__((noinline)) void match(T id)
{
	MPSAMPLE_SPAN_BEGIN(match, id);
	TARGET_USE(id);
	MPSAMPLE_SPAN_END(match, id);
}

} // namespace

int main()
{
	unsigned matched = 0, marked = 0, pooled = 0;

	target_wait_go();
	for (; matched < 2 * 499; matched += 2) {
		match<int>(static_cast<int>(matched));
		match<unsigned long>(matched + 1);
	}
	const std::string name("lambda");
	auto mark = [&](long value) { MPSAMPLE_MARK(name.c_str(), value); };
	for (; marked < 307; marked++)
		mark(-static_cast<long>(marked));
	Pool<long> pool;
	for (; pooled < 401; pooled++)
		pool.put(pool.get(pooled));
	target_print("matched %u\nmarked %u\npooled %u\n", matched, marked, pooled);
	target_done();
	return 0;
}
