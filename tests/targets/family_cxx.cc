/* SPDX-License-Identifier: MIT */
/*
 * family_cxx: every replaceable form of C++'s new and delete, a known number of times each.
 *
 * Truth: the table `op calls bytes`, as in family.c; at "done" `kept` blocks of `kept_bytes` are not deleted.
 * What libstdc++ makes of it: array and nothrow forms go on in plain operator new and that in malloc; aligned
 * forms in aligned_alloc; every delete in free.
 */
#include "target.h"

#include <new>

namespace
{

constexpr std::align_val_t ALIGN{64};

/* Blocks not yet deleted of the form at work, newest last: a stack, in which no call can be optimized away.
 */
void *block[2048];
unsigned blocks;
unsigned kept;
size_t kept_bytes;

void row(const char *op, unsigned calls, size_t bytes)
{
	target_print("%-24s %6u %10zu\n", op, calls, bytes);
}

template <class Make> void make(const char *op, unsigned calls, size_t size, Make one)
{
	for (unsigned i = 0; i < calls; i++) {
		void *p = one(size);

		TARGET_USE(p);
		block[blocks++] = p;
	}
	row(op, calls, calls * size);
}

template <class Drop> void drop(const char *op, unsigned calls, Drop one)
{
	for (unsigned i = 0; i < calls; i++)
		one(block[--blocks]);
	row(op, calls, 0);
}

/* What is left of a form stays allocated. */
void keep_rest(size_t size)
{
	kept += blocks;
	kept_bytes += blocks * size;
	blocks = 0;
}

__attribute__((noinline)) void plain()
{
	make("new", 1009, 48, [](size_t n) { return ::operator new(n); });
	drop("delete", 499, [](void *p) { ::operator delete(p); });
	drop("delete_sized", 503, [](void *p) { ::operator delete(p, size_t(48)); });
	keep_rest(48);
	make("new_array", 1013, 240, [](size_t n) { return ::operator new[](n); });
	drop("delete_array", 499, [](void *p) { ::operator delete[](p); });
	drop("delete_array_sized", 509, [](void *p) { ::operator delete[](p, size_t(240)); });
	keep_rest(240);
}

__attribute__((noinline)) void nothrow()
{
	make("new_nothrow", 211, 56, [](size_t n) { return ::operator new(n, std::nothrow); });
	drop("delete_nothrow", 211, [](void *p) { ::operator delete(p, std::nothrow); });
	make("new_array_nothrow", 223, 72, [](size_t n) { return ::operator new[](n, std::nothrow); });
	drop("delete_array_nothrow", 223, [](void *p) { ::operator delete[](p, std::nothrow); });
}

__attribute__((noinline)) void aligned()
{
	make("new_aligned", 227, 128, [](size_t n) { return ::operator new(n, ALIGN); });
	drop("delete_aligned", 113, [](void *p) { ::operator delete(p, ALIGN); });
	drop("delete_aligned_sized", 109, [](void *p) { ::operator delete(p, size_t(128), ALIGN); });
	keep_rest(128);
	make("new_array_aligned", 229, 192, [](size_t n) { return ::operator new[](n, ALIGN); });
	drop("delete_array_aligned", 113, [](void *p) { ::operator delete[](p, ALIGN); });
	drop("delete_array_aligned_sized", 113, [](void *p) { ::operator delete[](p, size_t(192), ALIGN); });
	keep_rest(192);
}

} // namespace

int main()
{
	target_wait_go();
	plain();
	nothrow();
	aligned();
	target_print("kept %u\nkept_bytes %zu\n", kept, kept_bytes);
	target_done();
	return 0;
}
