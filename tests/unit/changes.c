/* SPDX-License-Identifier: MIT */
#include "analysis/patterns/changes.h"

#include <criterion/criterion.h>
#include <string.h>

#include "analysis/patterns/modes.h"
#include "analysis/stats/effect.h"
#include "tests/unit/arrivals.h"

#define MOST 4000

static double value[MOST];
static struct mp_change change;

TestSuite(changes, .timeout = 120);
TestSuite(effect, .timeout = 120);
TestSuite(modes, .timeout = 120);

/* Pettitt's statistic from all pairs: U(t) = sum over i < t <= j of sign(x_i - x_j). */
Test(changes, ranks_agree_with_all_pairs)
{
	enum { N = 300 };

	for (uint64_t seed = 0; seed < 10; seed++) {
		double most = 0;
		size_t at = 0;

		begin(seed);
		for (size_t i = 0; i < N; i++)
			value[i] = floor(20 * normal() + (i >= 190 ? 12 : 0)); /* with ties */
		cr_assert_eq(mp_change_of_ranks(value, N, &change), 0);
		for (size_t t = 30; t <= N - 30; t++) {
			double u = 0;

			for (size_t i = 0; i < t; i++)
				for (size_t j = t; j < N; j++)
					u += (value[i] > value[j]) - (value[i] < value[j]);
			if (fabs(u) > fabs(most)) {
				most = u;
				at = t;
			}
		}
		double pairs = (double)at * (double)(N - at);

		cr_assert_eq(change.at, at);
		cr_assert_float_eq(change.effect, 0.5 - most / pairs / 2, 1e-9);
	}
}

Test(changes, a_change_is_found_where_it_was)
{
	for (uint64_t seed = 0; seed < 20; seed++) {
		begin(100 + seed);
		for (size_t i = 0; i < 1000; i++)
			value[i] = exp(normal() + (i >= 620 ? 1 : 0));
		cr_assert_eq(mp_change_of_ranks(value, 1000, &change), 0);
		cr_assert_lt(change.log_p, log(MP_CHANGE_ALPHA));
		cr_assert_lt(fabs((double)change.at - 620), 40, "%zu", change.at);
		cr_assert_gt(change.effect, 0.6);
	}
}

/* How often p < 0.05 where nothing changes: 5 of 100 times, up to chance; values of a bunch are alike. */
static double false_alarms(int alike, bool of_rate)
{
	double alarms = 0;

	for (uint64_t seed = 0; seed < 400; seed++) {
		double now = 0;

		begin(1000 + seed);
		for (size_t i = 0; i < 2000; i++) {
			now = i % (size_t)alike ? now : normal();
			value[i] = now + 0.1 * normal();
		}
		if (of_rate) {
			add_bursts(100, 2000.0 / alike / 100, alike, 0.01);
			sort_arrivals();
			mp_change_of_rate(arrival, arrivals, 0, 100 * SECOND, &change);
		} else {
			cr_assert_eq(mp_change_of_ranks(value, 2000, &change), 0);
		}
		alarms += change.log_p < log(0.05);
	}
	return alarms / 400;
}

Test(changes, where_nothing_changes_p_values_are_what_they_say)
{
	/* 0.05 and three standard deviations of 400 draws. */
	cr_assert_lt(false_alarms(1, false), 0.085);
	cr_assert_lt(false_alarms(1, true), 0.085);
	cr_assert_lt(false_alarms(10, false), 0.085, "of bunches");
	cr_assert_lt(false_alarms(10, true), 0.085, "of bunches");
	/* Not because the test were deaf. */
	cr_assert_gt(false_alarms(1, false), 0.01);
	cr_assert_gt(false_alarms(1, true), 0.01);
}

Test(changes, a_change_of_the_rate_is_found)
{
	for (uint64_t seed = 0; seed < 20; seed++) {
		begin(2000 + seed);
		add_poisson(30, 10);
		size_t before = arrivals;
		add_poisson(70, 25);
		for (size_t i = before; i < arrivals; i++)
			arrival[i] += 30 * SECOND;
		mp_change_of_rate(arrival, arrivals, 0, 100 * SECOND, &change);
		cr_assert_lt(change.log_p, log(MP_CHANGE_ALPHA));
		cr_assert_lt(
		    fabs((double)arrival[change.at] * 1e-9 - 30), 5, "%g", (double)arrival[change.at] * 1e-9);
	}
	/* A site that is not called before, and one that is not called after. */
	begin(1);
	add_poisson(50, 10);
	mp_change_of_rate(arrival, arrivals, 0, 100 * SECOND, &change);
	cr_assert_eq(change.at, arrivals);
	cr_assert_lt(change.log_p, log(MP_CHANGE_ALPHA));
	mp_change_of_rate(arrival, arrivals, -50 * SECOND, 50 * SECOND, &change);
	cr_assert_eq(change.at, 0);
	cr_assert_lt(change.log_p, log(MP_CHANGE_ALPHA));
}

Test(changes, of_too_little_nothing_is_said)
{
	memset(value, 0, sizeof(value));
	cr_assert_eq(mp_change_of_ranks(value, MP_CHANGE_LEAST - 1, &change), 0);
	cr_assert_eq(change.log_p, 0);
	cr_assert_eq(mp_change_of_ranks(value, MOST, &change), 0);
	cr_assert_eq(change.log_p, 0, "all are equal");
	mp_change_of_rate(arrival, 10, 0, SECOND, &change);
	cr_assert_eq(change.log_p, 0);
}

static struct mp_value weighted[MOST];

/* Mann and Whitney's U from all pairs, and its variance with ties. */
Test(effect, agrees_with_all_pairs)
{
	enum { IN = 60, OUT = 140, ALL = IN + OUT };
	double u = 0, ties = 0;
	struct mp_effect e;

	begin(7);
	for (int i = 0; i < ALL; i++)
		weighted[i] = (struct mp_value){floor(4 * normal() + (i < IN ? 1 : 0)), 1, i < IN};
	for (int i = 0; i < ALL; i++) {
		double equal = 0;

		for (int k = 0; k < ALL; k++) {
			double a = weighted[i].value, b = weighted[k].value;

			equal += a == b;
			if (weighted[i].is_in && !weighted[k].is_in)
				u += (a > b) + (a == b) / 2.0;
		}
		ties += equal * equal - 1; /* the sum of t^3 - t over groups of t equal values */
	}
	double sd = sqrt(IN * OUT / 12.0 * (ALL + 1 - ties / (ALL * (ALL - 1.0))));
	double z = (u - IN * OUT / 2.0) / sd;

	mp_effect_sort(weighted, ALL);
	mp_effect_compare(weighted, ALL, &e);
	cr_assert_eq(e.n_in, IN);
	cr_assert_eq(e.n_out, OUT);
	cr_assert_float_eq(e.delta, 2 * u / (IN * OUT) - 1, 1e-9);
	cr_assert_float_eq(e.log_p, log(erfc(fabs(z) / M_SQRT2)), 0.1 * fabs(e.log_p));
}

/* A row of weight w is w rows for the effect, but not for how sure it is. */
Test(effect, weights_count_calls_and_not_rows)
{
	struct mp_effect rows, calls;

	begin(8);
	for (int i = 0; i < 400; i++)
		weighted[i] = (struct mp_value){normal() + (i < 50 ? 0.5 : 0), 1 + i % 3, i < 50};
	mp_effect_sort(weighted, 400);
	mp_effect_compare(weighted, 400, &rows);
	int n = 0;
	static struct mp_value each[MOST];
	for (int i = 0; i < 400; i++)
		for (int k = 0; k < weighted[i].weight; k++)
			each[n++] = (struct mp_value){weighted[i].value, 1, weighted[i].is_in};
	mp_effect_sort(each, (size_t)n);
	mp_effect_compare(each, (size_t)n, &calls);
	cr_assert_float_eq(rows.delta, calls.delta, 1e-9);
	cr_assert_gt(rows.log_p, calls.log_p);
	cr_assert_eq(
	    mp_effect_quantile(weighted, 400, true, 0.9), mp_effect_quantile(each, (size_t)n, true, 0.9));
	cr_assert(isnan(mp_effect_quantile(weighted, 0, true, 0.5)));
}

Test(effect, equal_groups_differ_as_often_as_chance_says)
{
	int alarms = 0;

	for (uint64_t seed = 0; seed < 1000; seed++) {
		struct mp_effect e;

		begin(9000 + seed);
		for (int i = 0; i < 300; i++)
			weighted[i] = (struct mp_value){normal(), uniform() < 0.2 ? 100 : 1, uniform() < 0.3};
		mp_effect_sort(weighted, 300);
		mp_effect_compare(weighted, 300, &e);
		alarms += e.log_p < log(0.05);
	}
	cr_assert_lt(alarms, 71, "0.05 and three standard deviations");
	cr_assert_gt(alarms, 15);
}

static const struct mp_modes_scale *scale_of(double doubt_ns)
{
	static struct mp_modes_scale scale;

	mp_modes_scale_init(&scale, doubt_ns);
	return &scale;
}

static void add_modes(struct mp_modes_count *c, int n, double slow_share, double slow_ns, double step_ns)
{
	for (int i = 0; i < n; i++) {
		double ns = (uniform() < slow_share ? slow_ns : 60) * exp(0.35 * normal());

		/* Slow calls are kept more often, and count for less. */
		double weight = ns > 3000 ? 1 : 100;
		if (weight > 1 || uniform() < 0.2)
			mp_modes_add(c, (int64_t)(step_ns * floor(ns / step_ns)), weight);
	}
}

Test(modes, one_hump_is_one_mode_in_200_of_200_sets)
{
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct mp_modes_count c = {.scale = scale_of(50)};
		struct mp_modes m;

		begin(seed);
		/* With the steps of a coarse clock, and of any width. */
		double width = 0.1 + uniform(), middle = pow(10, 1 + 3 * uniform());
		for (int i = 0; i < 3000; i++)
			mp_modes_add(&c, (int64_t)(10 * floor(middle / 10 * exp(width * normal()))),
			    uniform() < 0.5 ? 1 : 60);
		cr_assert(!mp_modes_find(&c, 1, &m), "set %d: valley at %g of %g ns", (int)seed, m.valley_ns,
		    middle);
	}
}

Test(modes, two_humps_are_two)
{
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct mp_modes_count c = {.scale = scale_of(50)};
		struct mp_modes m;

		begin(100 + seed);
		add_modes(&c, 5000, 0.3, 1000, 10);
		cr_assert(mp_modes_find(&c, 100, &m));
		cr_assert_gt(m.valley_ns, 130);
		cr_assert_lt(m.valley_ns, 700);
		cr_assert_float_eq(m.slow_share, 0.3, 0.05, "%g", m.slow_share);
	}
}

Test(modes, few_calls_beside_the_hump_are_no_mode)
{
	struct mp_modes_count c = {.scale = scale_of(50)};
	struct mp_modes m;

	begin(1);
	add_modes(&c, 20000, 0.02, 20000, 1);
	cr_assert(!mp_modes_find(&c, 1, &m));
	mp_modes_add(&c, INT64_MAX, 1e9);
	mp_modes_add(&c, 0, 1e-3);
	mp_modes_find(&c, 1, &m);
	cr_assert(isfinite(m.valley_ns));
}
