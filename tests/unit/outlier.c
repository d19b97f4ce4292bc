/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/stats/outlier.h"

TestSuite(outlier, .timeout = 60);

static double normal(void)
{
	return sqrt(-2 * log(1 - drand48())) * cos(2 * M_PI * drand48());
}

Test(outlier, by_hand)
{
	/* Six values: one is taken out. The others have a mean and median of 12, and a variance of 2.5. */
	static const double v[] = {12, 10, 14, 11, 13, 30}, least[6] = {1e-9, 1e-9, 1e-9, 1e-9, 1e-9, 1e-9};
	struct mp_outlier out[6];

	cr_assert_eq(mp_outliers_of(v, least, 6, out), 0);
	cr_assert_eq(out[5].expected, 12);
	cr_assert_float_eq(out[5].z, 18 / sqrt(2.5), 1e-12, "%g", out[5].z);
	/* t is 18 / sqrt(3); of 4 degrees of freedom, u = t / sqrt(4 + t^2): 1 - u (1 + (1 - u^2) / 2). */
	cr_assert_float_eq(exp(out[5].log_p), 4.8413e-4, 5e-6, "%g", exp(out[5].log_p));
	cr_assert_eq(out[0].log_p, 0);
}

Test(outlier, least_spread)
{
	static const double v[] = {5, 5, 5, 5, 5, 6}, least[] = {0.5, 0.5, 0.5, 0.5, 0.5, 0.5};
	struct mp_outlier out[6];

	cr_assert_eq(mp_outliers_of(v, least, 6, out), 0);
	cr_assert_float_eq(out[5].z, 2, 1e-12);
	cr_assert_eq(out[5].expected, 5);
	cr_assert_eq(out[0].z, 0);
	cr_assert_eq(out[0].log_p, 0);
}

Test(outlier, too_few)
{
	static const double v[] = {1, 1, 1, 1000}, least[] = {1, 1, 1, 1};
	struct mp_outlier out[4];

	cr_assert_eq(mp_outliers_of(v, least, 4, out), 0);
	cr_assert_eq(out[3].log_p, 0);
	cr_assert_eq(mp_outliers_of(v, least, 0, out), 0);
}

/* Of ten, two that are wild do not hide each other. */
Test(outlier, two)
{
	double v[10], least[10];
	struct mp_outlier out[10];

	srand48(7);
	for (int i = 0; i < 10; i++) {
		v[i] = 100 + normal();
		least[i] = 1e-9;
	}
	v[3] = 180;
	v[8] = 185;
	cr_assert_eq(mp_outliers_of(v, least, 10, out), 0);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(out[i].log_p < log(1e-4), i == 3 || i == 8, "%d: %g", i, out[i].log_p);
}

/* Of 20,000 samples of n ordinary values, one is called an outlier at 1 % in no more than 1 %, with 99.9 %
 * confidence; nor much more seldom, but where degrees of freedom are cut. */
Test(outlier, chance)
{
	static const size_t sizes[] = {5, 6, 9, 10, 11, 20, 30};
	enum { TRIES = 20000 };

	srand48(11);
	for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
		size_t n = sizes[k];
		int told = 0;

		for (int i = 0; i < TRIES; i++) {
			double v[30], least[30], surest = 0;
			struct mp_outlier out[30];

			for (size_t j = 0; j < n; j++) {
				v[j] = normal();
				least[j] = 1e-9;
			}
			cr_assert_eq(mp_outliers_of(v, least, n, out), 0);
			for (size_t j = 0; j < n; j++)
				surest = fmin(surest, out[j].log_p);
			told += surest <= log(0.01 / (double)n);
		}
		cr_assert_leq(told, 200 + 44, "%zu: %d", n, told);
		cr_assert(n > MP_OUTLIER_FREE + 2 || told >= 40, "%zu: %d", n, told);
	}
}
