/* SPDX-License-Identifier: MIT */
/*
 * places_cxx FILE: stacks of C++ code (capture.h): comparators deep in std::sort and std::map, std::function,
 * lambdas, virtual calls, recursion in templates, streams, threads, exceptions thrown through all of them
 * with captures in catch clauses and in destructors that unwinding runs.
 */
#include "capture.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

namespace
{

struct Order {
	int id;
	std::string symbol;
	bool operator<(const Order &o) const
	{
		return capture(id < o.id) != 0;
	}
	bool operator==(const Order &o) const
	{
		return capture(id == o.id) != 0;
	}
};

struct Noted {
	int id;
	explicit Noted(int i) : id(i)
	{
	}
	~Noted()
	{
		capture(id);
	}
};

std::ostream &operator<<(std::ostream &to, const Order &o)
{
	return to << capture(o.id) << ' ' << o.symbol;
}

std::vector<Order> orders(int n)
{
	std::vector<Order> all;

	for (int i = 0; i < n; i++)
		all.push_back({i * 37 % n, "SYM" + std::to_string(i)});
	return all;
}

void algorithms(int n)
{
	auto all = orders(n);

	std::sort(all.begin(), all.end());
	std::stable_sort(all.begin(), all.end(), [](const Order &a, const Order &b) { return b < a; });
	std::make_heap(all.begin(), all.end());
	std::sort_heap(all.begin(), all.end());
	std::nth_element(all.begin(), all.begin() + n / 2, all.end());
	std::accumulate(
	    all.begin(), all.end(), 0, [](int sum, const Order &o) { return sum + capture(o.id); });
	std::find(all.begin(), all.end(), Order{n, ""});
}

void containers(int n)
{
	std::map<Order, int> book;
	struct Hash {
		size_t operator()(const Order &o) const
		{
			return static_cast<size_t>(capture(o.id)) % 5;
		}
	};
	std::unordered_map<Order, int, Hash> index;

	for (auto &o : orders(n)) {
		book[o] = o.id;
		index.emplace(o, 1);
	}
	std::vector<std::unique_ptr<Noted>> owned;
	for (int i = 0; i < n; i++)
		owned.push_back(std::make_unique<Noted>(i));
	std::shared_ptr<Noted> shared(new Noted(n), [](Noted *p) { delete p; });
}

int through_functions(int depth, const std::function<int(int)> &f)
{
	if (depth == 0)
		return f(depth);
	std::function<int(int)> inner = [&f, depth](int x) { return f(x + depth) + 1; };
	return through_functions(depth - 1, inner);
}

template <int N> int nested(int x)
{
	std::array<int, N> local{};
	local[static_cast<size_t>(x % N)] = x;
	return nested<N - 1>(x + 1) + local[static_cast<size_t>(x % N)];
}

template <> int nested<1>(int x)
{
	return capture(x);
}

struct Shape {
	virtual ~Shape() = default;
	virtual int visit(int depth) = 0;
};
struct Leaf : virtual Shape {
	int visit(int depth) override
	{
		return capture(depth);
	}
};
struct Second {
	virtual ~Second() = default;
	virtual int other()
	{
		return 1;
	}
};
struct Node : Second, virtual Shape { /* visit() is called through a thunk */
	std::vector<std::unique_ptr<Shape>> below;
	int visit(int depth) override
	{
		int sum = 0;

		for (auto &b : below)
			sum += b->visit(depth + 1);
		return sum;
	}
};

std::unique_ptr<Shape> tree(int depth)
{
	if (depth == 0)
		return std::make_unique<Leaf>();
	auto node = std::make_unique<Node>();
	for (int i = 0; i < 2; i++)
		node->below.push_back(tree(depth - 1));
	return node;
}

/* Throws from the bottom of a recursion whose every frame has something to destroy. */
int thrower(int depth, int kind)
{
	Noted here(depth);

	if (depth > 0)
		return thrower(depth - 1, kind) + here.id;
	switch (kind % 3) {
	case 0:
		throw std::runtime_error("disconnected");
	case 1:
		throw Order{kind, "thrown"};
	default:
		return static_cast<int>(std::vector<int>(3).at(static_cast<size_t>(kind + 3)));
	}
}

int rethrower(int depth, int kind)
{
	try {
		return depth > 0 ? rethrower(depth - 1, kind) : thrower(3, kind);
	} catch (const std::exception &e) {
		capture(depth);
		throw;
	}
}

void exceptions(int rounds)
{
	for (int i = 0; i < rounds; i++) {
		try {
			through_functions(i % 4, [i](int) { return rethrower(i % 3, i); });
		} catch (const Order &o) {
			capture(o.id);
		} catch (...) {
			capture(i);
		}
	}
}

void text(int rounds)
{
	std::regex pattern("(([A-Z]+)([0-9]+)(x*)*)+");

	for (int i = 0; i < rounds; i++) {
		std::ostringstream to;

		to << Order{i, "stream"};
		std::regex_match("SYM" + std::to_string(i) + "xxx", pattern);
	}
}

void steps()
{
	std::ostringstream to;
	std::map<std::string, int> m;

	capture_steps_begin(11, 1000);
	for (int i = 0; i < 5; i++)
		m["key" + std::to_string(i)] = i;
	to << m.size() << ' ' << 3.25 << std::string(40, 'x');
	try {
		throw std::runtime_error(to.str());
	} catch (const std::exception &) {
	}
	capture_steps_end();
}

} // namespace

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	capture_begin(argv[1], __builtin_frame_address(0));
	for (int n = 3; n < 20; n += 4)
		algorithms(n);
	containers(12);
	for (int i = 0; i < 12; i++)
		through_functions(i, [](int x) { return capture(x); });
	for (int i = 0; i < 20; i++)
		nested<12>(i);
	tree(5)->visit(0);
	exceptions(18);
	text(12);
	std::thread([] {
		capture_thread(static_cast<char *>(__builtin_frame_address(0)) + 1024);
		algorithms(7);
		exceptions(4);
		capture_thread(nullptr);
	}).join();
	std::variant<int, Order> either = Order{7, "variant"};
	std::visit([](auto &&v) { capture(static_cast<int>(sizeof(v))); }, either);
	steps();
	capture_end();
	return 0;
}
