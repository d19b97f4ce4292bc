/* SPDX-License-Identifier: MIT */
/*
 * libplugin.so, and libplugin_static.so, which brings its own libstdc++: C++ for a program in C to load
 * (preload_plugin.c). Allocates when it is loaded, at work, and when it is taken out again.
 *
 * Truth: its constructor makes 1 new and 1 delete in a thread that it starts and waits for, as libraries with
 * worker threads do; plugin_work(n) n of each, in equal parts plain, array, nothrow and aligned, of which it
 * looks at the blocks.
 */
#include "target.h"

#include <new>
#include <pthread.h>

namespace
{

void *first_new(void *)
{
	void *p = ::operator new(40);

	TARGET_USE(p);
	::operator delete(p);
	return nullptr;
}

struct starter {
	starter()
	{
		pthread_t t;

		if (!pthread_create(&t, nullptr, first_new, nullptr))
			pthread_join(t, nullptr);
		target_print("plugin loaded\n");
	}
	~starter()
	{
		target_print("plugin unloaded\n");
	}
} starter;

bool is_aligned(const void *p, size_t alignment)
{
	return p && !(reinterpret_cast<uintptr_t>(p) & (alignment - 1));
}

} // namespace

extern "C" __attribute__((visibility("default"))) unsigned plugin_work(unsigned n)
{
	constexpr std::align_val_t LINE{64};
	unsigned good = 0;

	for (unsigned i = 0; i < n; i += 4) {
		void *a = ::operator new(48), *b = ::operator new[](i + 1);
		void *c = ::operator new(i + 1, std::nothrow), *d = ::operator new(128, LINE);

		good += is_aligned(a, 16) + is_aligned(b, 16) + is_aligned(c, 16) + is_aligned(d, 64);
		::operator delete(a);
		::operator delete[](b);
		::operator delete(c, std::nothrow);
		::operator delete(d, LINE);
	}
	return good;
}
