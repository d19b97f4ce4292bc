/* SPDX-License-Identifier: MIT */
/*
 * stl: what programs in C++ do to an allocator: containers, strings, shared pointers, exceptions, bad_alloc
 * thrown and caught, types aligned to more than 16, and all that in threads at once. Prints the same figures
 * in each run.
 */
#include "target.h"

#include <algorithm>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace
{

constexpr unsigned THREADS = 4, ORDERS = 3001, FAILURES = 2003;

struct alignas(64) line {
	unsigned long value[8];
};

unsigned long containers(unsigned seed)
{
	std::map<std::string, std::vector<unsigned>> book;
	std::unordered_map<unsigned, std::shared_ptr<std::string>> names;
	std::list<std::function<unsigned long()>> later;
	unsigned long sum = 0;

	for (unsigned i = 0; i < ORDERS; i++) {
		std::ostringstream name;
		name << "instrument-with-a-long-name-" << (i * 7919 + seed) % 101;
		book[name.str()].push_back(i);
		names[i % 499] = std::make_shared<std::string>(name.str() + "-copy");
		if (i % 16 == 0)
			later.emplace_back([s = name.str(), i] { return s.size() + i; });
	}
	for (auto &entry : book) {
		std::sort(entry.second.rbegin(), entry.second.rend());
		sum += entry.second.front() + entry.first.size();
	}
	for (auto &entry : names)
		sum += entry.second->size() * entry.first;
	for (auto &f : later)
		sum += f();
	return sum;
}

/* No machine has so much: operator new throws, or returns nullptr. */
unsigned long failures()
{
	volatile size_t impossible = PTRDIFF_MAX;
	unsigned long caught = 0;

	for (unsigned i = 0; i < FAILURES; i++) {
		try {
			void *p = i % 2 ? ::operator new(impossible) : ::operator new[](impossible);
			TARGET_USE(p);
		} catch (const std::bad_alloc &) {
			caught++;
		}
		caught += ::operator new(impossible, std::nothrow) == nullptr;
		try {
			throw std::runtime_error(std::string(100, 'x') + std::to_string(i));
		} catch (const std::exception &e) {
			caught += std::string(e.what()).size() > 100;
		}
	}
	return caught;
}

unsigned long aligned()
{
	std::vector<std::unique_ptr<line>> lines;
	unsigned long good = 0;

	for (unsigned i = 0; i < ORDERS; i++) {
		lines.push_back(std::make_unique<line>());
		good += reinterpret_cast<uintptr_t>(lines.back().get()) % 64 == 0;
		if (i % 3 == 0)
			lines.erase(lines.begin() + long(lines.size() / 2));
	}
	return good;
}

} // namespace

int main()
{
	std::vector<std::thread> threads;
	unsigned long sums[THREADS];

	for (unsigned i = 0; i < THREADS; i++)
		threads.emplace_back([i, &sums] { sums[i] = containers(i) + failures() + aligned(); });
	for (auto &t : threads)
		t.join();
	for (unsigned long sum : sums)
		target_print("%lu\n", sum);
	return 0;
}
