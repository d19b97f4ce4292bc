/* SPDX-License-Identifier: MIT */
#include "analysis/stats/survival.h"

#include <criterion/criterion.h>
#include <math.h>

/* Acute myelogenous leukaemia, weeks to relapse (Miller, Survival Analysis, 1981; R: survival::aml). */
static const struct mp_lifetime maintained[] = {{9, 1, true}, {13, 1, true}, {13, 1, false}, {18, 1, true},
    {23, 1, true}, {28, 1, false}, {31, 1, true}, {34, 1, true}, {45, 1, false}, {48, 1, true},
    {161, 1, false}};
static const struct mp_lifetime not_maintained[] = {{5, 1, true}, {5, 1, true}, {8, 1, true}, {8, 1, true},
    {12, 1, true}, {16, 1, false}, {23, 1, true}, {27, 1, true}, {30, 1, true}, {33, 1, true}, {43, 1, true},
    {45, 1, true}};

enum {
	MAINTAINED = sizeof(maintained) / sizeof(*maintained),
	OTHERS = sizeof(not_maintained) / sizeof(*not_maintained)
};

static void check(const struct mp_lifetime *l, size_t n, double t, double should)
{
	cr_assert_float_eq(mp_survival_at(l, n, t), should, 0.0005, "S(%g) is %g, should be %g", t,
	    mp_survival_at(l, n, t), should);
}

Test(survival, r_says_the_same)
{
	static const double a[][2] = {{8.9, 1}, {9, 0.909}, {13, 0.818}, {18, 0.716}, {23, 0.614},
	    {30, 0.614}, {31, 0.491}, {34, 0.368}, {47, 0.368}, {48, 0.184}, {200, 0.184}};
	static const double b[][2] = {{4, 1}, {5, 0.8333}, {8, 0.6667}, {12, 0.5833}, {23, 0.4861},
	    {27, 0.3889}, {30, 0.2917}, {33, 0.1944}, {43, 0.0972}, {45, 0}};

	for (size_t i = 0; i < sizeof(a) / sizeof(*a); i++)
		check(maintained, MAINTAINED, a[i][0], a[i][1]);
	for (size_t i = 0; i < sizeof(b) / sizeof(*b); i++)
		check(not_maintained, OTHERS, b[i][0], b[i][1]);
	cr_assert_eq(mp_survival_quantile(maintained, MAINTAINED, 0.5), 31);
	cr_assert_eq(mp_survival_quantile(not_maintained, OTHERS, 0.5), 23);
	cr_assert_eq(mp_survival_quantile(not_maintained, OTHERS, 0.99), 45);
	cr_assert(isnan(mp_survival_quantile(maintained, MAINTAINED, 0.9)));
}

Test(survival, without_censoring_it_is_the_distribution)
{
	struct mp_lifetime l[100];

	for (int i = 0; i < 100; i++)
		l[i] = (struct mp_lifetime){100 - i, 1, true};
	mp_survival_sort(l, 100);
	for (int i = 0; i <= 100; i++)
		cr_assert_float_eq(mp_survival_at(l, 100, i), 1 - i / 100.0, 1e-9);
	for (int q = 1; q < 100; q++)
		cr_assert_eq(mp_survival_quantile(l, 100, q / 100.0), q);
}

Test(survival, a_weight_is_so_many_of_the_same)
{
	const struct mp_lifetime few[] = {{1, 2, true}, {2, 3, false}, {3, 1, true}, {5, 4, false}};
	const struct mp_lifetime many[] = {{1, 1, true}, {1, 1, true}, {2, 1, false}, {2, 1, false},
	    {2, 1, false}, {3, 1, true}, {5, 1, false}, {5, 1, false}, {5, 1, false}, {5, 1, false}};

	for (double t = 0; t < 6; t += 0.5)
		cr_assert_float_eq(mp_survival_at(few, 4, t), mp_survival_at(many, 10, t), 1e-12);
	cr_assert_float_eq(mp_survival_at(few, 4, 3), 0.8 * 0.8, 1e-12);
}

Test(survival, one_that_is_censored_when_another_ends_had_not_ended)
{
	struct mp_lifetime l[] = {{1, 1, false}, {1, 1, true}};

	mp_survival_sort(l, 2);
	cr_assert(l[0].is_ended);
	cr_assert_float_eq(mp_survival_at(l, 2, 1), 0.5, 1e-12);
}

Test(survival, of_nothing_nothing_is_known)
{
	const struct mp_lifetime alive[] = {{1, 1, false}, {2, 1, false}};

	cr_assert_eq(mp_survival_at(NULL, 0, 1), 1);
	cr_assert(isnan(mp_survival_quantile(NULL, 0, 0.5)));
	cr_assert_eq(mp_survival_at(alive, 2, 9), 1);
	cr_assert(isnan(mp_survival_quantile(alive, 2, 0.5)));
}
