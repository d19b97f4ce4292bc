/* SPDX-License-Identifier: MIT */
/* Predictions of collections: how good they are on courses whose truth is known, and that nothing confuses
 * them. */
#include "sampler/gc/predict.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define MS      INT64_C(1000000)
#define CYCLES  400
#define LEARN   20   /* of them, at first, do not count */
#define ASKS    4096 /* in one cycle, at most */
#define LIMIT   1e8
#define NOMINAL 0.9

TestSuite(gc_predict, .timeout = 120);

static uint64_t state;

static double uniform(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (double)(state >> 11) * 0x1p-53;
}

/* A program: how much it allocates in the millisecond `t`, of a limit of the cycle `n`, and when it is
 * collected. */
struct course {
	double (*per_ms)(int64_t t);
	double (*limit)(int n);
	double trigger;      /* part of the limit */
	int64_t sample_ms;   /* 0: only collections are told */
	bool tells_no_limit; /* the predictor has to learn it */
	bool at_collections; /* samples just before and after them, too */
};

struct quality {
	double error;   /* median of |error| half-way, relative to what was left */
	double covered; /* share of the intervals, one a cycle, that held */
	double width;   /* median of their width, relative to what was left */
	int cycles;
};

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct answer {
	int64_t made, due, lo, hi;
};

static struct quality play(const struct course *c)
{
	struct mp_gc_predictor *p = mp_gc_predictor_new(NOMINAL);
	static struct answer answers[ASKS];
	static double errors[CYCLES], widths[CYCLES];
	struct quality q = {0};
	int64_t begin = 0, t = 0;
	double filled = 0;

	state = 88172645463325252;
	for (int n = 0, asks = 0; n < CYCLES; t++) {
		double limit = c->limit(n), told = c->tells_no_limit ? 0 : limit;

		filled += c->per_ms(t);
		if (filled < limit * c->trigger) {
			if (c->sample_ms && t % c->sample_ms == 0)
				mp_gc_predictor_sample(p, t * MS, filled, told);
			struct answer a = {.made = t * MS};
			if (t % 5 == 0 && asks < ASKS &&
			    mp_gc_predictor_ask(p, a.made, &a.due, &a.lo, &a.hi)) {
				cr_assert(a.made <= a.lo && a.lo <= a.due && a.due <= a.hi);
				answers[asks++] = a;
			}
			continue;
		}
		if (c->at_collections)
			mp_gc_predictor_sample(p, t * MS, filled, told);
		mp_gc_predictor_pause(p, t * MS);
		if (n >= LEARN) {
			int half = 0;
			while (half + 1 < asks && answers[half].made < (begin + t * MS) / 2)
				half++;
			cr_assert(asks > 0, "cycle %d has no prediction", n);
			struct answer a = answers[half], any = answers[(int)(uniform() * asks)];
			double left = (double)(t * MS - a.made);
			errors[q.cycles] = fabs((double)(a.due - t * MS)) / left;
			widths[q.cycles++] = (double)(a.hi - a.lo) / left;
			q.covered += any.lo <= t * MS && t * MS <= any.hi;
		}
		n++;
		asks = 0;
		begin = t * MS;
		filled = 0;
		if (c->at_collections)
			mp_gc_predictor_sample(p, t * MS, filled, c->tells_no_limit ? 0 : c->limit(n));
	}
	qsort(errors, (size_t)q.cycles, sizeof(*errors), by_size);
	qsort(widths, (size_t)q.cycles, sizeof(*widths), by_size);
	q.error = errors[q.cycles / 2];
	q.width = widths[q.cycles / 2];
	q.covered /= q.cycles;
	mp_gc_predictor_free(p);
	return q;
}

/* Coverage by chance: within four standard deviations of a binomial. */
static void expect(const struct course *c, double most_error)
{
	struct quality q = play(c);
	double sd = sqrt(NOMINAL * (1 - NOMINAL) / q.cycles);

	cr_log_info("error %.3f, covered %.3f, width %.2f of %d", q.error, q.covered, q.width, q.cycles);
	cr_assert(q.cycles >= 200);
	cr_assert(q.error <= most_error, "median error half-way: %.3f > %.3f", q.error, most_error);
	cr_assert(fabs(q.covered - NOMINAL) <= 4 * sd, "covered: %.3f of %d", q.covered, q.cycles);
}

static double fixed_limit(int n)
{
	(void)n;
	return LIMIT;
}

static double steady(int64_t t)
{
	(void)t;
	return LIMIT / 2000;
}

/* Each millisecond another amount, and each second another mean, by a fifth: so much of it nobody can know.
 */
static double noisy(int64_t t)
{
	static double mean;

	if (t % 1000 == 0 || mean == 0)
		mean = LIMIT / 2000 * exp(0.4 * (uniform() + uniform() + uniform() - 1.5));
	return mean * 2 * uniform();
}

/* Four times as much while a burst lasts; both last so long on average, in cycles of about 1.6 s. */
static double burst_ms;

static double bursty(int64_t t)
{
	static bool is_burst;

	if (t == 0)
		is_burst = false;
	if (uniform() < 1 / burst_ms)
		is_burst = !is_burst;
	return LIMIT / 4000 * (is_burst ? 4 : 1);
}

/* Three times as fast in the end as at first. */
static double trending(int64_t t)
{
	return LIMIT / 2000 * (1 + fmin((double)t / 300000, 2)) * (0.8 + 0.4 * uniform());
}

/* A runtime that resizes its eden. */
static double changing_limit(int n)
{
	static const double part[] = {1, 0.5, 0.75, 1.5, 0.6};

	return LIMIT * part[(n / 3) % 5];
}

Test(gc_predict, steady_allocation)
{
	struct quality q = play(&(struct course){steady, fixed_limit, 1, 100, false, false});

	/* Exact to the millisecond: half-way, a thousand are left. */
	cr_assert(q.error <= 0.01, "%.4f", q.error);
	cr_assert(q.covered >= 0.85, "%.3f", q.covered);
}

Test(gc_predict, the_trigger_is_learned)
{
	expect(&(struct course){noisy, fixed_limit, 0.942, 100, false, false}, 0.15);
	expect(&(struct course){noisy, fixed_limit, 0.942, 100, true, false}, 0.15);
	expect(&(struct course){noisy, fixed_limit, 0.6, 100, false, true}, 0.15);
}

/* Of bursts of a quarter of a cycle, who knew all of the process but its future would be wrong by 0.31. */
Test(gc_predict, bursts)
{
	static const struct {
		double length_ms, most_error;
	} cases[] = {{100, 0.25}, {400, 0.35}, {1000, 0.25}, {5000, 0.25}, {30000, 0.25}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		burst_ms = cases[i].length_ms;
		expect(&(struct course){bursty, fixed_limit, 1, 100, false, false}, cases[i].most_error);
	}
}

Test(gc_predict, a_trend)
{
	expect(&(struct course){trending, fixed_limit, 1, 100, false, false}, 0.10);
}

Test(gc_predict, a_limit_that_changes)
{
	expect(&(struct course){noisy, changing_limit, 0.942, 100, false, false}, 0.15);
}

/* What is filled is told only at collections. */
Test(gc_predict, cycles_as_short_as_samples)
{
	expect(&(struct course){noisy, changing_limit, 0.942, 0, false, true}, 0.25);
}

Test(gc_predict, collections_alone)
{
	expect(&(struct course){noisy, fixed_limit, 1, 0, false, false}, 0.25);
	expect(&(struct course){trending, fixed_limit, 1, 0, false, false}, 0.15);
}

/* ---- Nothing confuses it ---- */

static bool ask(struct mp_gc_predictor *p, int64_t now, struct answer *a)
{
	bool is_known = mp_gc_predictor_ask(p, now, &a->due, &a->lo, &a->hi);

	if (is_known)
		cr_assert(now <= a->lo && a->lo <= a->due && a->due <= a->hi,
		    "at %" PRId64 ": %" PRId64 " %" PRId64 " %" PRId64, now, a->lo, a->due, a->hi);
	return is_known;
}

Test(gc_predict, nothing_is_known_at_first)
{
	struct mp_gc_predictor *p = mp_gc_predictor_new(NOMINAL);
	struct answer a;

	cr_assert_not(ask(p, 0, &a));
	cr_assert_not(ask(p, 1000 * MS, &a));
	mp_gc_predictor_pause(p, 2000 * MS);
	cr_assert_not(ask(p, 2001 * MS, &a), "one collection is no interval");
	mp_gc_predictor_pause(p, 3000 * MS);
	cr_assert(ask(p, 3001 * MS, &a));
	cr_assert_eq(a.due, 4000 * MS);
	mp_gc_predictor_free(p);
}

Test(gc_predict, nothing_that_grows_gives_no_date)
{
	struct mp_gc_predictor *p = mp_gc_predictor_new(NOMINAL);
	struct answer a;

	for (int i = 0; i < 100; i++) {
		mp_gc_predictor_sample(p, i * 100 * MS, 5, 100);
		cr_assert_not(ask(p, i * 100 * MS, &a));
	}
	for (int i = 0; i < 100; i++) /* time stands */
		mp_gc_predictor_sample(p, 10000 * MS, 5 + i, 100);
	cr_assert_not(ask(p, 9000 * MS, &a), "before the last sample");
	mp_gc_predictor_free(p);
}

Test(gc_predict, what_is_filled_may_shrink)
{
	struct mp_gc_predictor *p = mp_gc_predictor_new(NOMINAL);
	struct answer a;

	/* Growing by 10 each 100 ms, and collected every second without a word. */
	for (int i = 0; i < 100; i++)
		mp_gc_predictor_sample(p, i * 100 * MS, i % 10 * 10, 100);
	cr_assert(ask(p, 9900 * MS, &a));
	cr_assert(llabs(a.due - 10000 * MS) <= MS, "%" PRId64, a.due);
	mp_gc_predictor_free(p);
}

Test(gc_predict, any_input_gives_an_order)
{
	static const double odd[] = {
	    0, -1, 1, 1e300, -1e300, NAN, INFINITY, -INFINITY, 1e-300, 50, 100, 1e18};
	struct mp_gc_predictor *p = mp_gc_predictor_new(NAN);
	struct answer a;
	int64_t t = 0;

	state = 42;
	for (int i = 0; i < 200000; i++) {
		double what = uniform(), filled = odd[(int)(uniform() * 12)],
		       limit = odd[(int)(uniform() * 12)];

		t += (int64_t)(uniform() * uniform() * 1000) * MS - 100 * MS;
		if (uniform() < 0.001)
			t = INT64_MAX / 4 * (int64_t)(uniform() * 4);
		else if (uniform() < 0.001)
			t = 0;
		if (what < 0.5)
			mp_gc_predictor_sample(p, t, filled, limit);
		else if (what < 0.6)
			mp_gc_predictor_pause(p, t);
		else
			ask(p, t, &a);
	}
	mp_gc_predictor_free(p);
}
