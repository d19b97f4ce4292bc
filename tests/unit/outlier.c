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
	/* Of the last one's others 10 11 12 13 14 the farthest is left out, the first of the two: 11 to 14
	 * have a deviation of 1.29, and a fifth is left out. */
	static const double v[] = {12, 10, 14, 11, 13, 30}, least[6] = {1e-9, 1e-9, 1e-9, 1e-9, 1e-9, 1e-9};
	struct mp_outlier out[6];

	cr_assert_eq(mp_outliers_of(v, least, 6, out), 0);
	cr_assert_eq(out[5].expected, 12);
	cr_assert_float_eq(out[5].z, 18 / (sqrt(5.0 / 3) * (1.15 + 3.4 / 5)), 1e-12, "%g", out[5].z);
	/* Those of the first: 10 11 13 14 30, without the 30. */
	cr_assert_eq(out[0].expected, 13);
	cr_assert_lt(fabs(out[0].z), 1);
}

Test(outlier, least_spread)
{
	static const double v[] = {5, 5, 5, 5, 5, 6}, least[] = {0.5, 0.5, 0.5, 0.5, 0.5, 0.5};
	struct mp_outlier out[6];

	cr_assert_eq(mp_outliers_of(v, least, 6, out), 0);
	cr_assert_float_eq(out[5].z, 2, 1e-12);
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

/* Probabilities are not too small: of 20,000 samples of n, the first is as far off as p says in no more than
 * p of them, with 99.9 % confidence; nor much too large. */
Test(outlier, chance)
{
	static const size_t sizes[] = {5, 6, 8, 10, 11, 13, 21, 31};
	enum { TRIES = 20000 };

	srand48(11);
	for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
		int hundredth = 0, thousandth = 0;

		for (int i = 0; i < TRIES; i++) {
			double v[31], least[31];
			struct mp_outlier out[31];

			for (size_t j = 0; j < sizes[k]; j++) {
				v[j] = normal();
				least[j] = 1e-9;
			}
			cr_assert_eq(mp_outliers_of(v, least, sizes[k], out), 0);
			hundredth += out[0].log_p <= log(0.01);
			thousandth += out[0].log_p <= log(0.001);
		}
		cr_assert_leq(hundredth, 200 + 44, "%zu: %d", sizes[k], hundredth);
		cr_assert_leq(thousandth, 20 + 16, "%zu: %d", sizes[k], thousandth);
		cr_assert_geq(hundredth, 10, "%zu: %d", sizes[k], hundredth);
	}
}
