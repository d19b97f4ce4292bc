/* SPDX-License-Identifier: MIT */
#include "analysis/stats/student.h"

#include <math.h>

double mp_student_z(double t, double df)
{
	double a = df - 0.5, b = 48 * a * a;
	double square = a * log1p(t * t / df), w = sqrt(square), w3 = w * square;
	double third = ((4 * square + 33) * square + 240) * w3 + 855 * w;

	if (isinf(df) || t == 0)
		return t;
	double z = w + (w3 + 3 * w) / b - third / (10 * b * (b + 0.8 * square * square + 100));
	return t < 0 ? -z : z;
}

/* z rises with t: the t is looked for by halving. */
double mp_student_t(double z, double df)
{
	double size = fabs(z), lo = 0, hi = size > 0 ? size : 1;

	if (isinf(df) || z == 0)
		return z;
	while (mp_student_z(hi, df) < size && hi < 1e300)
		hi *= 2;
	for (int i = 0; i < 200 && hi - lo > 1e-12 * hi; i++) {
		double middle = lo + (hi - lo) / 2;

		if (mp_student_z(middle, df) < size)
			lo = middle;
		else
			hi = middle;
	}
	return z < 0 ? -hi : hi;
}
