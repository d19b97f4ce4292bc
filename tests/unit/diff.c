/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/diff/private.h"
#include "analysis/stats/normal.h"
#include "analysis/stats/series.h"
#include "analysis/stats/student.h"
#include "analysis/stats/tail.h"

TestSuite(diff, .timeout = 120);

/* Two-sided 5 %, 1 % and 0.1 % points of tables of t. */
Test(diff, student)
{
	static const struct {
		double df, t, p;
	} want[] = {{3, 3.18245, 0.05}, {3, 5.84091, 0.01}, {5, 6.86883, 0.001}, {10, 2.22814, 0.05},
	    {10, 4.58689, 0.001}, {30, 2.75000, 0.01}, {120, 3.37345, 0.001}};

	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		double z = mp_student_z(want[i].t, want[i].df);

		cr_expect_float_eq(2 * mp_normal_above(z) / want[i].p, 1, 0.002, "df %g: %g", want[i].df,
		    2 * mp_normal_above(z));
		cr_expect_float_eq(mp_student_t(z, want[i].df), want[i].t, 1e-9);
		cr_expect_float_eq(mp_student_z(-want[i].t, want[i].df), -z, 1e-12);
	}
	cr_expect_eq(mp_student_z(2, INFINITY), 2);
	cr_expect_eq(mp_student_t(0, 7), 0);
	cr_expect(mp_student_t(40, 3) > 1e6 && isfinite(mp_student_t(40, 3)), "far out it is large, not NaN");
}

/* By hand: residuals of 1 and -1 around a mean of 10, in turn or in runs. */
Test(diff, ratio_by_hand)
{
	double one[40], num[40];
	struct mp_ratio r;

	for (int i = 0; i < 40; i++) {
		one[i] = 1;
		num[i] = i % 2 ? 11 : 9;
	}
	struct mp_series s = {num, one, 40, 400};
	mp_series_ratio(&s, &r);
	cr_expect_float_eq(r.ratio, 10, 1e-12);
	cr_expect_float_eq(r.variance, 1.0 / 39, 1e-12, "in turn: that of single units");
	cr_expect_float_eq(r.df, 39, 1e-12);

	for (int i = 0; i < 40; i++)
		num[i] = i / 10 % 2 ? 11 : 9;
	mp_series_ratio(&s, &r);
	cr_expect(r.variance > 3.5 / 39, "runs of ten count as fewer: %g", r.variance);
	cr_expect(r.df < 12, "%g", r.df);

	struct mp_series none = {num, num, 0, 0};
	mp_series_ratio(&none, &r);
	cr_expect(isnan(r.ratio));
}

static uint64_t random_state = 1;

static double uniform(void)
{
	random_state = random_state * 6364136223846793005 + 1442695040888963407;
	return ((double)(random_state >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
	return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

#define UNITS 60

static void noise(double *v, double phi)
{
	double state = normal();

	for (int i = 0; i < UNITS; i++) {
		state = phi * state + sqrt(1 - phi * phi) * normal();
		v[i] = 100 + state;
	}
}

/* How often equal series are told apart at a level of 1 in 1000, of 20,000. */
static double errors(double phi)
{
	double a[UNITS], b[UNITS], one[UNITS];
	int wrong = 0;

	for (int i = 0; i < UNITS; i++)
		one[i] = 1;
	for (int k = 0; k < 20000; k++) {
		struct mp_contrast c;

		noise(a, phi);
		noise(b, phi);
		mp_series_contrast(
		    &(struct mp_series){a, one, UNITS, 1}, &(struct mp_series){b, one, UNITS, 1}, &c);
		wrong += c.log_p < log(1e-3);
	}
	return wrong / 20000.0;
}

Test(diff, equal_series)
{
	cr_expect(errors(0) <= 0.001, "independent units");
	cr_expect(errors(0.5) <= 0.005, "units that are alike");
}

Test(diff, different_series)
{
	double a[UNITS], b[UNITS], one[UNITS];
	int found = 0, paired = 0;

	for (int i = 0; i < UNITS; i++)
		one[i] = 1;
	for (int k = 0; k < 1000; k++) {
		struct mp_series x = {a, one, UNITS, 1}, y = {b, one, UNITS, 1};
		struct mp_contrast c;

		noise(a, 0);
		noise(b, 0);
		for (int i = 0; i < UNITS; i++)
			b[i] += 1.5;
		mp_series_contrast(&x, &y, &c);
		found += c.log_p < log(1e-3);
		/* A course of both, ten times as large as what differs. */
		for (int i = 0; i < UNITS; i++) {
			a[i] += i;
			b[i] += i;
		}
		mp_series_contrast(&x, &y, &c);
		cr_assert(c.log_p > log(0.05), "without pairs a course hides it");
		mp_series_contrast_pairs(&x, &y, &c);
		paired += c.log_p < log(1e-3);
	}
	cr_expect(found >= 990, "%d of 1000", found);
	cr_expect(paired >= 990, "%d of 1000 in pairs", paired);
}

/* Fifty events against none are a change, five are not, also where no second has two. */
Test(diff, few_events)
{
	double none[UNITS] = {0}, some[UNITS] = {0}, one[UNITS];
	struct mp_contrast c;

	for (int i = 0; i < UNITS; i++)
		one[i] = 1;
	for (int i = 0; i < 5; i++)
		some[i * 11] = 1;
	mp_series_contrast(
	    &(struct mp_series){none, one, UNITS, 0}, &(struct mp_series){some, one, UNITS, 5}, &c);
	cr_expect(c.log_p > log(0.02), "%g", exp(c.log_p));
	for (int i = 0; i < UNITS; i++)
		some[i] = i % 6 ? 1 : 0;
	mp_series_contrast(
	    &(struct mp_series){none, one, UNITS, 0}, &(struct mp_series){some, one, UNITS, 50}, &c);
	cr_expect(c.log_p < log(1e-4), "%g", exp(c.log_p));
	/* All in one second is one event. */
	for (int i = 0; i < UNITS; i++)
		some[i] = i == 30 ? 50 : 0;
	mp_series_contrast(
	    &(struct mp_series){none, one, UNITS, 0}, &(struct mp_series){some, one, UNITS, 50}, &c);
	cr_expect(c.log_p > log(0.05), "%g", exp(c.log_p));
}

/* 1000 calls spread evenly over a power of two: a quantile moves with the share, not from bucket to bucket.
 */
Test(diff, quantiles_between_buckets)
{
	struct mp_tally t = {0}, other = {0};

	for (int64_t ns = 1024; ns < 2048; ns++)
		cr_assert_eq(mp_tally_add(&t, mp_hist_bucket((uint64_t)ns), 1), 0);
	for (int i = 0; i <= 100; i++)
		cr_expect_float_eq(mp_diff_quantile(&t, i / 100.0), 1023.5 + 1024 * i / 100.0, 1e-6, "%d", i);
	cr_expect_float_eq(mp_diff_quantile(&t, 1.5), 2047.5, 1e-6, "no more than all");
	cr_expect(isnan(mp_diff_quantile(&other, 0.5)));

	/* Both sides count the same, however many calls they have. */
	cr_assert_eq(mp_tally_add(&other, 40, 1000000), 0);
	cr_expect_float_eq(mp_diff_place(&t, &other, 0.75).ns, 1023.5 + 512, 1e-6);
	cr_expect_float_eq(mp_diff_place(&t, &other, 0.25).ns, 40, 1e-6);
	mp_tally_clear(&t);
	mp_tally_clear(&other);
}

Test(diff, conditions)
{
	struct mp_diff_condition c;
	struct mp_err err;

	cr_assert_eq(mp_diff_condition_parse("p99_ns > +10%", &c, &err), 0);
	cr_expect(mp_diff_condition_is_of(&c, "sites", "on_packet", "malloc", "p99_ns"));
	cr_expect_not(mp_diff_condition_is_of(&c, "sites", "on_packet", "malloc", "p50_ns"));
	cr_expect(mp_diff_condition_meets(&c, 100, 110.5));
	cr_expect_not(mp_diff_condition_meets(&c, 100, 109.5));
	cr_expect(mp_diff_condition_meets(&c, 0, 1));
	cr_expect_not(mp_diff_condition_meets(&c, 0, 0));

	cr_assert_eq(mp_diff_condition_parse("malloc.calls_per_s<-20.5", &c, &err), 0);
	cr_expect(mp_diff_condition_is_of(&c, "operations", "malloc", NULL, "calls_per_s"));
	cr_expect_not(mp_diff_condition_is_of(&c, "operations", "free", NULL, "calls_per_s"));
	cr_expect_not(mp_diff_condition_is_of(&c, "sites", "malloc", "malloc", "calls_per_s"));
	cr_expect(mp_diff_condition_meets(&c, 100, 79));
	cr_expect_not(mp_diff_condition_meets(&c, 100, 80));

	cr_assert_eq(
	    mp_diff_condition_parse("sites.p50_ns of std::map<int, Order>::operator->/new > +5 %", &c, &err),
	    0);
	cr_expect_str_eq(c.name, "std::map<int, Order>::operator->/new");
	cr_expect(mp_diff_condition_is_of(&c, "sites", "std::map<int, Order>::operator->", "new", "p50_ns"));
	cr_expect_not(
	    mp_diff_condition_is_of(&c, "sites", "std::map<int, Order>::operator->", "free", "p50_ns"));
	cr_expect(c.is_percent && c.is_above && c.limit == 5);
}

Test(diff, conditions_that_are_none)
{
	static const char *const bad[] = {"", ">", "p99_ns", "p99_ns > 10%", "p99_ns > +", "p99_ns > +%",
	    "> +1", "p99_ns > +1x", "p99_ns > +0x10", "p99_ns > +nan", "p99_ns > +inf", "p99_ns of > +1",
	    "a b > +1", ". > +1", "malloc. > +1", ".p99_ns > +1", "p99_ns > ++1", "p99_ns > +1 %%"};
	char longest[600];
	struct mp_diff_condition c;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct mp_err err = {0};

		cr_expect_eq(mp_diff_condition_parse(bad[i], &c, &err), -EINVAL, "'%s'", bad[i]);
		cr_expect(*err.text);
	}
	memset(longest, 'a', sizeof(longest));
	strcpy(longest + sizeof(longest) - 6, " > +1");
	cr_expect_eq(mp_diff_condition_parse(longest, &c, NULL), -EINVAL);
	memcpy(longest, "p99_ns of ", 10);
	cr_expect_eq(mp_diff_condition_parse(longest, &c, NULL), -EINVAL);
}
