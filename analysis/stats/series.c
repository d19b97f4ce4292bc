/* SPDX-License-Identifier: MIT */
#include "analysis/stats/series.h"

#include <math.h>

#include "analysis/stats/student.h"
#include "analysis/stats/tail.h"

/* Batches of up to a fifth of the series. */
#define BATCHES_LEAST 5

static double residual(const struct mp_series *s, double ratio, size_t i)
{
	return s->num[i] - ratio * s->den[i];
}

/* The variance of the sum of the residuals, from sums over all runs of `length` units. */
static double variance_by(const struct mp_series *s, double ratio, size_t length)
{
	double run = 0, squares = 0, n = (double)s->n, m = (double)length;

	for (size_t i = 0; i < s->n; i++) {
		run += residual(s, ratio, i);
		if (i >= length)
			run -= residual(s, ratio, i - length);
		if (i + 1 >= length)
			squares += run * run;
	}
	return squares * n * n / (m * (n - m + 1) * (n - m));
}

void mp_series_ratio(const struct mp_series *s, struct mp_ratio *out)
{
	size_t longest = s->n / BATCHES_LEAST, length = 1;

	*out = (struct mp_ratio){.ratio = NAN};
	for (size_t i = 0; i < s->n; i++) {
		out->num += s->num[i];
		out->den += s->den[i];
	}
	if (!(out->den > 0))
		return;
	out->ratio = out->num / out->den;
	for (size_t m = 1; s->n > 1 && (m == 1 || m <= longest); m++) {
		double variance = variance_by(s, out->ratio, m) / (out->den * out->den);

		if (variance > out->variance) {
			out->variance = variance;
			length = m;
		}
	}
	double most = (double)s->n - 1, df = 1.5 * ((double)s->n / (double)length - 1);
	out->df = length == 1 ? fmax(3, most) : fmax(3, fmin(df, most));
}

/* Of independent calls as many as both had in the time of both. */
static double least_variance(const struct mp_series *a, const struct mp_series *b, const struct mp_ratio *of,
    const struct mp_contrast *c)
{
	return (a->squares + b->squares) / (c->a.den + c->b.den) / of->den;
}

void mp_series_contrast(const struct mp_series *a, const struct mp_series *b, struct mp_contrast *out)
{
	double na = (double)a->n, nb = (double)b->n;

	*out = (struct mp_contrast){.widen = 1, .df = 3};
	mp_series_ratio(a, &out->a);
	mp_series_ratio(b, &out->b);
	if (isnan(out->a.ratio) || isnan(out->b.ratio))
		return;
	out->a.variance = fmax(out->a.variance, least_variance(a, b, &out->a, out));
	out->b.variance = fmax(out->b.variance, least_variance(a, b, &out->b, out));
	double va = out->a.variance, vb = out->b.variance, both = va + vb;
	if (!(both > 0) || a->n < MP_SERIES_LEAST || b->n < MP_SERIES_LEAST)
		return;
	double common = (va * na * na + vb * nb * nb) / (na + nb) * (1 / na + 1 / nb);

	out->df = both * both / (va * va / out->a.df + vb * vb / out->b.df);
	out->error = sqrt(fmax(both, common));
	out->widen = out->error / sqrt(both);
	out->log_p = mp_tail_normal(mp_student_z((out->b.ratio - out->a.ratio) / out->error, out->df));
}

double mp_contrast_reach(const struct mp_contrast *c, double z)
{
	return mp_student_t(z, c->df);
}
