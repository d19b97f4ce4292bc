/* SPDX-License-Identifier: MIT */
#include "analysis/forecast/forecast.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/forecast/backtest.h"
#include "analysis/forecast/passage.h"
#include "analysis/forecast/sizing.h"
#include "analysis/stats/gev.h"
#include "analysis/stats/normal.h"
#include "tests/unit/arrivals.h"

#define MOST_SLOTS 4000

static struct mp_pool_slot slot[MOST_SLOTS];
static struct mp_pool_course course;

/* A course of seconds, of which each one's maximum follows g, but none is more than the capacity: the rest
 * failed. */
static void follow(const struct mp_gev *g, double trend_per_s, int seconds, int64_t capacity)
{
	for (int i = 0; i < seconds; i++) {
		double want = mp_gev_value(g, -log(-log(uniform()))) + trend_per_s * i;
		int64_t max = want > 0 ? (int64_t)lround(want) : 0, failed = 0;

		if (capacity && max > capacity) {
			failed = max - capacity;
			max = capacity;
		}
		slot[i] = (struct mp_pool_slot){.t_ns = i * SECOND,
		    .dur_ns = SECOND,
		    .in_use_min = max / 2,
		    .in_use_max = max,
		    .in_use_last = max / 2,
		    .gets = 100 * max + 1,
		    .puts = 100 * max + 1,
		    .failures = failed};
	}
	course = (struct mp_pool_course){
	    .slot = slot, .slots = (size_t)seconds, .to_ns = seconds * SECOND, .capacity = capacity};
}

static void all_finite(const struct mp_demand_summary *s)
{
	const double figure[] = {s->window_s, s->windows, s->independent, s->censored, s->level, s->trend,
	    s->trend_error, s->p_trend, s->scale, s->shape, s->burstiness, s->correlation};

	for (size_t i = 0; i < sizeof(figure) / sizeof(*figure); i++)
		cr_assert(isfinite(figure[i]), "figure %zu", i);
}

/* Of independent windows, the hazard is what their distribution says. */
Test(passage, of_independent_windows)
{
	static struct mp_passage p;

	mp_passage_make(0, 2, &p);
	for (double at = -3; at < 50; at += 0.37) {
		cr_assert_float_eq(mp_passage_hazard(&p, MP_PASSAGE_ANEW, at), exp(-at), 0.005 * exp(-at));
		cr_assert_float_eq(mp_passage_hazard(&p, 1, at), exp(-at), 0.005 * exp(-at));
		cr_assert_eq(mp_passage_hazard(&p, MP_PASSAGE_FIRST, at), exp(-at));
	}
}

/* Against 400,000 windows that are drawn: neighbours alike by 0.8. */
Test(passage, of_windows_that_are_alike)
{
	static struct mp_passage p;
	const double z = 1.5, alike = 0.8, own = sqrt(1 - alike * alike);
	double at = -log(-log(mp_normal_below(z))), below = 0, passed = 0, score = 0;
	double next = 0, after = 0, first = 0;

	begin(3);
	for (int i = 0; i < 400000; i++) {
		double then = alike * score + own * normal();

		below += score <= z;
		passed += score <= z && then > z;
		score = then;
	}
	mp_passage_make(alike, 1, &p);
	cr_assert_float_eq(mp_passage_hazard(&p, MP_PASSAGE_ANEW, at), -log1p(-passed / below), 0.002);

	/* And given that the present one has a score of 1. */
	for (int i = 0; i < 100000; i++) {
		double one = alike + own * normal(), two = alike * one + own * normal();

		next += one > z;
		first += one <= z;
		after += one <= z && two > z;
	}
	cr_assert_float_eq(mp_passage_hazard(&p, 1, at), -log1p(-next / 100000), 0.007);
	cr_assert_float_eq(mp_passage_hazard(&p, 2, at), -log1p(-after / first), 0.007);
}

/* The shape's standard error is some 0.04 of 400 windows; the prior draws it towards 0. */
Test(forecast, parameters_are_found)
{
	struct mp_forecast f;

	begin(5);
	for (double shape = -0.2; shape < 0.25; shape += 0.1) {
		const struct mp_gev g = {500, 20, shape};

		follow(&g, 0, 400, 0);
		cr_assert_eq(mp_forecast_make(&course, 8 * SECOND, &f), 0);
		cr_assert_eq(f.quality, MP_FORECAST_GOOD);
		cr_assert_eq(f.demand.windows, 400);
		cr_assert_float_eq(f.demand.shape, shape, 0.12, "%g instead of %g", f.demand.shape, shape);
		cr_assert_float_eq(f.demand.scale, 20, 3);
		cr_assert_float_eq(f.demand.level, mp_gev_mean(&g), 6);
		cr_assert_float_eq(f.demand.trend, 0, 0.05);
		mp_forecast_clear(&f);
	}
}

/* 2 more in use every second: from 600 on average at the end, 1000 are reached in some 200 s. */
Test(forecast, a_leak_has_its_time)
{
	const struct mp_gev g = {200, 10, 0};
	struct mp_forecast f;

	begin(6);
	follow(&g, 2, 200, 1000);
	cr_assert_eq(mp_forecast_make(&course, 100 * SECOND, &f), 0);
	cr_assert_float_eq(f.demand.trend, 2, 0.1);
	cr_assert_gt(f.demand.p_trend, 0.99);
	cr_assert_gt(f.demand.trend_error, 0);
	cr_assert_lt(f.p_exhaust, 0.01);
	cr_assert_float_eq((double)f.exhaust.p50_ns, 185e9, 20e9, "%g s", (double)f.exhaust.p50_ns / 1e9);
	cr_assert_lt(f.exhaust.p10_ns, f.exhaust.p50_ns);
	cr_assert_lt(f.exhaust.p50_ns, f.exhaust.p90_ns);
	mp_forecast_clear(&f);
	cr_assert_eq(mp_forecast_make(&course, 300 * SECOND, &f), 0);
	cr_assert_gt(f.p_exhaust, 0.95);
	mp_forecast_clear(&f);
}

Test(forecast, what_is_far_away_is_never_in_sight)
{
	const struct mp_gev g = {200, 10, -0.1};
	struct mp_forecast f;

	begin(7);
	follow(&g, 0, 1000, 2000);
	cr_assert_eq(mp_forecast_make(&course, 100 * SECOND, &f), 0);
	cr_assert_eq(f.exhaust.p50_ns, MP_FORECAST_NEVER);
	cr_assert_lt(f.p_exhaust, 1e-3);
	mp_forecast_clear(&f);
}

/* The highest of 60 that follow on 400: how often it is beyond p10, p50 and p90. */
Test(forecast, quantiles_of_the_maximum_are_met)
{
	const struct mp_gev g = {100, 8, 0.05};
	int beyond[3] = {0};

	begin(8);
	for (int n = 0; n < 100; n++) {
		struct mp_forecast f;
		double max = 0;

		follow(&g, 0, 460, 0);
		for (int i = 400; i < 460; i++)
			max = fmax(max, (double)slot[i].in_use_max);
		course.slots = 400;
		course.to_ns = 400 * SECOND;
		cr_assert_eq(mp_forecast_make(&course, 60 * SECOND, &f), 0);
		beyond[0] += max > f.max_p10;
		beyond[1] += max > f.max_p50;
		beyond[2] += max > f.max_p90;
		mp_forecast_clear(&f);
	}
	cr_assert(beyond[0] >= 81 && beyond[0] <= 98, "%d", beyond[0]);
	cr_assert(beyond[1] >= 36 && beyond[1] <= 64, "%d", beyond[1]);
	cr_assert(beyond[2] >= 3 && beyond[2] <= 19, "%d", beyond[2]);
}

/* An open every 100 s, of 20 s, in which twice as many are in use. */
Test(forecast, a_phase_that_comes_has_its_own_risk)
{
	const struct mp_gev calm = {100, 5, 0};
	struct mp_pool_phase phase[10];
	struct mp_forecast f;

	begin(9);
	follow(&calm, 0, 950, 170);
	for (int i = 0; i < 950; i++)
		if (i % 100 < 20) {
			slot[i].in_use_max = (int64_t)lround(150 + 5 * normal());
			slot[i].failures = 0;
		}
	for (int i = 0; i < 10; i++)
		phase[i] = (struct mp_pool_phase){i * 100 * SECOND, (i * 100 + 20) * SECOND, 4};
	course.phase = phase;
	course.phases = 10;
	cr_assert_eq(mp_forecast_make(&course, 40 * SECOND, &f), 0);
	cr_assert_lt(f.p_exhaust, 0.02);
	cr_assert_float_eq(f.max_p50, 120, 10);
	cr_assert_eq(f.phases, 1);
	cr_assert_eq(f.phase[0].next.id, 4);
	cr_assert_eq(f.phase[0].next.start_ns, 1000 * SECOND);
	cr_assert_eq(f.phase[0].next.end_ns, 1020 * SECOND);
	cr_assert_float_eq(f.phase[0].max_p50, 159, 8, "%g", f.phase[0].max_p50);
	cr_assert_gt(f.phase[0].p_exhaust, f.p_exhaust);
	mp_forecast_clear(&f);
}

Test(forecast, too_little_is_said_to_be)
{
	struct mp_forecast f;

	/* Nothing at all. */
	course = (struct mp_pool_course){.to_ns = 100 * SECOND, .capacity = 10};
	cr_assert_eq(mp_forecast_make(&course, 10 * SECOND, &f), 0);
	cr_assert_eq(f.quality, MP_FORECAST_NONE);
	cr_assert(isnan(f.p_exhaust));
	mp_forecast_clear(&f);

	/* One slot, which is as long as the course. */
	begin(10);
	follow(&(struct mp_gev){50, 5, 0}, 0, 1, 100);
	cr_assert_eq(mp_forecast_make(&course, 10 * SECOND, &f), 0);
	cr_assert_eq(f.quality, MP_FORECAST_NONE);
	cr_assert_eq(f.in_use_max, (double)slot[0].in_use_max);
	cr_assert_eq(f.exhaust.p50_ns, MP_FORECAST_NEVER);
	mp_forecast_clear(&f);

	/* Dry, and no more is known. */
	slot[0].in_use_min = slot[0].in_use_max = slot[0].in_use_last = 100;
	cr_assert_eq(mp_forecast_make(&course, 10 * SECOND, &f), 0);
	cr_assert_eq(f.p_exhaust, 1);
	cr_assert_eq(f.exhaust.p90_ns, 0);
	mp_forecast_clear(&f);

	/* Ten slots: a word, but a rough one. */
	follow(&(struct mp_gev){50, 5, 0}, 0, 10, 100);
	cr_assert_eq(mp_forecast_make(&course, 10 * SECOND, &f), 0);
	cr_assert_eq(f.quality, MP_FORECAST_ROUGH);
	cr_assert(f.p_exhaust > 0 && f.p_exhaust < 0.5);
	all_finite(&f.demand);
	mp_forecast_clear(&f);

	cr_assert_eq(mp_forecast_make(&course, 0, &f), -EINVAL);
	cr_assert_eq(mp_forecast_make(&course, INT64_MAX, &f), -EINVAL);
	slot[3].puts = -1;
	cr_assert_eq(mp_forecast_make(&course, SECOND, &f), -EINVAL);
}

/* Fewer windows, the same distribution: what is possible is wider. */
Test(forecast, short_recordings_have_wide_intervals)
{
	const struct mp_gev g = {100, 8, 0};
	double width[2] = {0};

	begin(12);
	for (int n = 0; n < 20; n++)
		for (int i = 0; i < 2; i++) {
			struct mp_forecast f;

			follow(&g, 0, i ? 600 : 12, 0);
			cr_assert_eq(mp_forecast_make(&course, 8 * SECOND, &f), 0);
			width[i] += f.max_p90 - f.max_p10;
			mp_forecast_clear(&f);
		}
	cr_assert_gt(width[0], 1.15 * width[1], "%g %g", width[0], width[1]);
}

Test(forecast, courses_without_life_have_finite_figures)
{
	struct mp_forecast f;

	/* Always the same. */
	follow(&(struct mp_gev){50, 1e-9, 0}, 0, 300, 60);
	cr_assert_eq(mp_forecast_make(&course, 30 * SECOND, &f), 0);
	all_finite(&f.demand);
	cr_assert_float_eq(f.demand.level, 50, 0.5);
	cr_assert_lt(f.p_exhaust, 0.01);
	cr_assert_float_eq(f.max_p50, 50, 1);
	mp_forecast_clear(&f);

	/* Full all the time, and without a failure. */
	course.capacity = 50;
	cr_assert_eq(mp_forecast_make(&course, 30 * SECOND, &f), 0);
	cr_assert_gt(f.p_exhaust, 0.99);
	mp_forecast_clear(&f);

	/* Never used. */
	memset(slot, 0, sizeof(slot));
	for (int i = 0; i < 300; i++)
		slot[i] = (struct mp_pool_slot){.t_ns = i * SECOND, .dur_ns = SECOND};
	cr_assert_eq(mp_forecast_make(&course, 30 * SECOND, &f), 0);
	cr_assert_eq(f.quality, MP_FORECAST_NONE);
	mp_forecast_clear(&f);

	/* Nothing but failures, as many as there can be. */
	for (int i = 0; i < 300; i++) {
		slot[i].in_use_max = slot[i].in_use_last = slot[i].in_use_min = 50;
		slot[i].failures = MP_POOL_MOST;
	}
	cr_assert_eq(mp_forecast_make(&course, 30 * SECOND, &f), 0);
	all_finite(&f.demand);
	cr_assert_eq(f.p_exhaust, 1);
	mp_forecast_clear(&f);

	/* One jump, and the largest numbers. */
	for (int i = 0; i < 300; i++) {
		slot[i].failures = 0;
		slot[i].in_use_max = slot[i].in_use_last = i < 150 ? 0 : MP_POOL_MOST;
		slot[i].in_use_min = 0;
	}
	course.capacity = MP_POOL_MOST;
	cr_assert_eq(mp_forecast_make(&course, 30 * SECOND, &f), 0);
	all_finite(&f.demand);
	cr_assert_eq(f.p_exhaust, 1);
	mp_forecast_clear(&f);

	/* No capacity that is known. */
	course.capacity = 0;
	cr_assert_eq(mp_forecast_make(&course, 30 * SECOND, &f), 0);
	cr_assert(isnan(f.p_exhaust));
	cr_assert_eq(f.exhaust.p10_ns, MP_FORECAST_NEVER);
	mp_forecast_clear(&f);
}

Test(backtest, says_how_good_forecasts_were)
{
	struct mp_backtest b;

	begin(13);
	follow(&(struct mp_gev){100, 8, 0}, 0, 2000, 0);
	cr_assert_eq(mp_backtest_make(&course, 100 * SECOND, &b), 0);
	cr_assert_eq(b.origins, MP_BACKTEST_ORIGINS);
	cr_assert_lt(b.brier, b.brier_line, "%g %g %g", b.brier, b.brier_line, b.brier_share);
	cr_assert_lt(b.error, 0.15);
	cr_assert_leq(fabs(b.bias), b.error + 1e-12);
	cr_assert_geq(b.covered, 0.5);
	/* Too short for the horizon. */
	cr_assert_eq(mp_backtest_make(&course, 1500 * SECOND, &b), 0);
	cr_assert_eq(b.origins, 0);
	cr_assert(isnan(b.brier) && isnan(b.error));
}

Test(backtest, a_straight_line)
{
	for (int i = 0; i < 100; i++)
		slot[i] = (struct mp_pool_slot){i * SECOND, SECOND, 3 * i, 3 * i, 3 * i, 3, 0, 0};
	course = (struct mp_pool_course){.slot = slot, .slots = 100, .to_ns = 100 * SECOND};
	cr_assert_float_eq(mp_backtest_line(&course, 50 * SECOND), 3 * 149, 1e-6);
	course.to_ns = SECOND / 2;
	cr_assert(isnan(mp_backtest_line(&course, SECOND)));
}

/* Sessions like the one that was seen need more than what was advised about as often as they may. */
Test(sizing, is_exceeded_as_often_as_it_may)
{
	const struct mp_gev g = {100, 8, 0};
	const struct mp_sizing_options o = {.risk = 0.1};
	int exceeded = 0;

	begin(14);
	for (int n = 0; n < 200; n++) {
		struct mp_sizing s;
		int64_t max = 0;

		follow(&g, 0, 300, 0);
		cr_assert_eq(mp_sizing_make(&course, &o, &s), 0);
		cr_assert_geq(s.capacity_upper, s.capacity);
		follow(&g, 0, 300, 0);
		for (int i = 0; i < 300; i++)
			max = slot[i].in_use_max > max ? slot[i].in_use_max : max;
		exceeded += max > s.capacity;
	}
	/* Binomial, 99.9 %. */
	cr_assert(exceeded >= 7 && exceeded <= 35, "%d", exceeded);
}

/* The pool ran dry in every tenth window. As if no more had been wanted, it would seem to be nearly large
 * enough; in truth the highest of 300 is below 100 + 10 (log 300 - log -log 0.95) with a probability of 0.95.
 */
Test(sizing, of_a_demand_that_was_cut)
{
	const struct mp_gev g = {100, 10, 0};
	const struct mp_sizing_options o = {.risk = 0.05};
	double truth = 100 + 10 * (log(300) - log(-log(0.95))), cut = 0, blind = 0;

	begin(15);
	for (int n = 0; n < 40; n++) {
		struct mp_sizing s;

		follow(&g, 0, 300, 135);
		cr_assert_eq(mp_sizing_make(&course, &o, &s), 0);
		cr_assert(s.is_censored && s.capacity > 135);
		cut += (double)s.capacity / 40;
		for (int i = 0; i < 300; i++)
			slot[i].failures = 0;
		cr_assert_eq(mp_sizing_make(&course, &o, &s), 0);
		cr_assert_not(s.is_censored);
		blind += (double)s.capacity / 40;
	}
	cr_assert_float_eq(cut / truth, 1, 0.06, "cut %g, truth %g, blind %g", cut, truth, blind);
	cr_assert_lt(blind, 0.9 * truth, "cut %g, truth %g, blind %g", cut, truth, blind);
}

Test(sizing, less_risk_and_longer_sessions_need_more)
{
	struct mp_sizing_options o = {.risk = 0.1};
	struct mp_sizing a, b, c;

	begin(16);
	follow(&(struct mp_gev){100, 8, 0}, 0, 600, 400);
	cr_assert_eq(mp_sizing_make(&course, &o, &a), 0);
	cr_assert_not(a.is_extrapolated && o.risk >= 1);
	o.session_ns = 6000 * SECOND;
	cr_assert_eq(mp_sizing_make(&course, &o, &b), 0);
	cr_assert_gt(b.capacity, a.capacity);
	o = (struct mp_sizing_options){.risk = 1e-6};
	cr_assert_eq(mp_sizing_make(&course, &o, &c), 0);
	cr_assert_gt(c.capacity, a.capacity);
	cr_assert_gt(c.capacity, c.capacity_best);
	cr_assert(c.is_extrapolated);
	cr_assert(c.risk_now > 0 && c.risk_now < 0.01);
}

Test(sizing, costs)
{
	const struct mp_sizing_options o = {.risk = 0.01, .object_bytes = 100, .threads = 4};
	struct mp_sizing s;

	/* 50 in use in all slots but the last; 10 fewer at the least, and in one slot 32 more. */
	for (int i = 0; i < 300; i++)
		slot[i] = (struct mp_pool_slot){i * SECOND, SECOND, 40, i == 150 ? 82 : 50, 45, 10, 10, 0};
	course =
	    (struct mp_pool_course){.slot = slot, .slots = 300, .to_ns = 300 * SECOND, .capacity = 100000};
	cr_assert_eq(mp_sizing_make(&course, &o, &s), 0);
	cr_assert_eq(s.stride_bytes, 128);
	cr_assert_eq(s.growth, 32); /* a page */
	cr_assert_eq(s.growth_bytes, 4096);
	cr_assert_eq(s.thread_cache, 3); /* a quarter of 10 */
	cr_assert_eq(s.thread_cache_bytes, 4096);
	cr_assert_eq(s.packed_bytes, s.capacity * 100);
	cr_assert_eq(s.capacity_bytes, (s.capacity * 128 + 4095) / 4096 * 4096);
	cr_assert_eq(s.now_bytes, 12800000);
	cr_assert_eq(s.saving_bytes, s.now_bytes - s.capacity_bytes - s.thread_cache_bytes);
	cr_assert_lt(s.capacity_upper, 100000);

	/* Smaller than a line: none across two. */
	cr_assert_eq(
	    mp_sizing_make(&course, &(struct mp_sizing_options){.risk = 0.01, .object_bytes = 24}, &s), 0);
	cr_assert_eq(s.stride_bytes, 32);
	cr_assert_eq(s.thread_cache, 0);

	/* Too small already: there is nothing to save. */
	course.capacity = 20;
	cr_assert_eq(mp_sizing_make(&course, &o, &s), 0);
	cr_assert_eq(s.saving_bytes, 0);
	cr_assert_gt(s.risk_now, 0.99);
}

Test(sizing, refused)
{
	struct mp_sizing s;

	begin(17);
	follow(&(struct mp_gev){100, 8, 0}, 0, 5, 0);
	cr_assert_eq(mp_sizing_make(&course, &(struct mp_sizing_options){.risk = 0}, &s), -EINVAL);
	cr_assert_eq(mp_sizing_make(&course, &(struct mp_sizing_options){.risk = 1}, &s), -EINVAL);
	cr_assert_eq(mp_sizing_make(&course, &(struct mp_sizing_options){.risk = NAN}, &s), -EINVAL);
	cr_assert_eq(
	    mp_sizing_make(&course, &(struct mp_sizing_options){.risk = 0.1, .object_bytes = -1}, &s),
	    -EINVAL);
	cr_assert_eq(
	    mp_sizing_make(&course, &(struct mp_sizing_options){.risk = 0.1, .object_bytes = 64}, &s),
	    -ENODATA);
	cr_assert_eq(s.stride_bytes, 64);
	cr_assert(s.capacity == 0 && isnan(s.risk_now));
}
