/* SPDX-License-Identifier: MIT */
/* Phases that lie in one another, as parts of time that each have one. */
#include <criterion/criterion.h>

#include "analysis/phase.h"

enum { MOST = 64 };

static struct mp_phase_part out[2 * MOST];

static size_t innermost(const struct mp_phase_part *phases, size_t n)
{
	struct mp_phase_part in[MOST];

	for (size_t i = 0; i < n; i++)
		in[i] = phases[n - 1 - i]; /* in any order */
	ptrdiff_t parts = mp_phase_innermost(in, n, out);
	cr_assert_geq(parts, 0);
	return (size_t)parts;
}

static void expect(const struct mp_phase_part *wanted, size_t n, size_t is)
{
	cr_assert_eq(is, n, "%zu parts", is);
	for (size_t i = 0; i < n; i++)
		cr_assert(out[i].start_ns == wanted[i].start_ns && out[i].end_ns == wanted[i].end_ns &&
			      out[i].id == wanted[i].id,
		    "part %zu: %ld to %ld of %ld", i, (long)out[i].start_ns, (long)out[i].end_ns,
		    (long)out[i].id);
}

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

Test(phase, one_after_the_other)
{
	static const struct mp_phase_part p[] = {{0, 10, 1}, {10, 20, 2}, {25, INT64_MAX, 3}};

	expect(p, 3, innermost(p, 3));
	expect(p, 0, innermost(p, 0));
}

Test(phase, a_day_of_an_exchange)
{
	static const struct mp_phase_part p[] = {
	    {0, 100, 1}, {0, 5, 2}, {40, 50, 3}, {90, 100, 4}, {100, 120, 5}};
	static const struct mp_phase_part w[] = {
	    {0, 5, 2}, {5, 40, 1}, {40, 50, 3}, {50, 90, 1}, {90, 100, 4}, {100, 120, 5}};

	expect(w, COUNT(w), innermost(p, COUNT(p)));
}

Test(phase, overlapping_without_lying_in_one_another)
{
	static const struct mp_phase_part p[] = {
	    {0, 50, 1}, {10, 60, 2}, {20, 30, 3}, {70, 70, 4}, {80, 75, 5}, {65, INT64_MAX, 6}};
	static const struct mp_phase_part w[] = {
	    {0, 10, 1}, {10, 20, 2}, {20, 30, 3}, {30, 60, 2}, {65, INT64_MAX, 6}};

	expect(w, COUNT(w), innermost(p, COUNT(p)));
}

/* Against each instant by itself. */
Test(phase, any)
{
	uint64_t random = 1;

	for (int round = 0; round < 2000; round++) {
		struct mp_phase_part p[12];
		size_t n = 1 + (size_t)round % COUNT(p);
		for (size_t i = 0; i < n; i++) {
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			p[i] = (struct mp_phase_part){
			    (int64_t)(random >> 33) % 30, (int64_t)(random >> 40) % 32, (int64_t)i};
		}
		size_t parts = innermost(p, n);
		for (int64_t t = 0; t < 32; t++) {
			const struct mp_phase_part *best = NULL;
			bool is_in = false;
			for (size_t i = 0; i < n; i++)
				if (p[i].start_ns <= t && t < p[i].end_ns &&
				    (!best || p[i].start_ns > best->start_ns ||
					(p[i].start_ns == best->start_ns && p[i].end_ns < best->end_ns)))
					best = &p[i];
			for (size_t k = 0; k < parts; k++) {
				if (t < out[k].start_ns || t >= out[k].end_ns)
					continue;
				cr_assert(!is_in && best, "round %d, at %ld", round, (long)t);
				is_in = true;
				const struct mp_phase_part *is = &p[out[k].id];
				cr_assert(is->start_ns == best->start_ns && is->end_ns == best->end_ns,
				    "round %d, at %ld", round, (long)t);
			}
			cr_assert_eq(is_in, best != NULL, "round %d, at %ld", round, (long)t);
		}
	}
}
