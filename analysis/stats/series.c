/* SPDX-License-Identifier: MIT */
#include "analysis/stats/series.h"

#include <math.h>
#include <stdbool.h>

#include "analysis/stats/student.h"
#include "analysis/stats/tail.h"

/* Without a look at the data: as if so many units had shown it. */
#define USUAL_PHI   0.5
#define USUAL_UNITS 20
#define MOST_PHI    0.9

/* Batches of up to an eighth of the series; of a short one up to a fifth, but 3. */
static size_t longest_batch(size_t n)
{
	size_t few = n / 5 < 3 ? n / 5 : 3;

	return n / 8 > few ? n / 8 : few;
}

/* What a variance is made of: the residual of a ratio, or the difference of two. */
struct residuals {
	const struct mp_series *of, *minus; /* minus NULL: none */
	double ratio[2], scale[2];
	size_t n;
};

static double residual(const struct residuals *r, size_t i)
{
	double is = r->scale[0] * (r->of->num[i] - r->ratio[0] * r->of->den[i]);

	return r->minus ? is - r->scale[1] * (r->minus->num[i] - r->ratio[1] * r->minus->den[i]) : is;
}

/* The variance of the sum of the residuals, from sums over all runs of `length` units. */
static double variance_by(const struct residuals *r, size_t length)
{
	double run = 0, squares = 0, n = (double)r->n, m = (double)length;

	for (size_t i = 0; i < r->n; i++) {
		run += residual(r, i);
		if (i >= length)
			run -= residual(r, i - length);
		if (i + 1 >= length)
			squares += run * run;
	}
	return squares * n * n / (m * (n - m + 1) * (n - m));
}

/*
 * How much larger the variance is of an autoregression: (1 + phi) / (1 - phi). What few units show of phi,
 * corrected for its bias, is drawn towards what is usual.
 */
static double autoregression(const struct residuals *r)
{
	double squares = 0, products = 0, last = 0, n = (double)r->n;

	for (size_t i = 0; i < r->n; i++) {
		double is = residual(r, i);

		squares += is * is;
		products += is * last;
		last = is;
	}
	if (!(squares > 0))
		return 1;
	double phi = products / squares;
	phi += (1 + 4 * phi) / n;
	phi = (n * phi + USUAL_UNITS * USUAL_PHI) / (n + USUAL_UNITS);
	phi = fmax(0, fmin(phi, MOST_PHI));
	return (1 + phi) / (1 - phi);
}

static double variance_of(const struct residuals *r, double *df)
{
	size_t longest = longest_batch(r->n), length = 1;
	double most = 0, n = (double)r->n;

	for (size_t m = 1; r->n > 1 && (m == 1 || m <= longest); m++) {
		double variance = variance_by(r, m);

		if (variance > most) {
			most = variance;
			length = m;
		}
	}
	*df = fmax(3, length == 1 ? n - 1 : fmin(n - 1, 1.5 * (n / (double)length - 1)));
	return r->n > 1 ? fmax(most, variance_by(r, 1) * autoregression(r)) : 0;
}

void mp_series_ratio(const struct mp_series *s, struct mp_ratio *out)
{
	*out = (struct mp_ratio){.ratio = NAN};
	for (size_t i = 0; i < s->n; i++) {
		out->num += s->num[i];
		out->den += s->den[i];
	}
	if (!(out->den > 0))
		return;
	out->ratio = out->num / out->den;
	struct residuals r = {.of = s, .ratio = {out->ratio}, .scale = {1 / out->den}, .n = s->n};
	out->variance = variance_of(&r, &out->df);
}

/* Of independent calls as many as both had in the time of both. */
static double least_variance(const struct mp_series *a, const struct mp_series *b, const struct mp_ratio *of,
    const struct mp_contrast *c)
{
	return (a->squares + b->squares) / (c->a.den + c->b.den) / of->den;
}

/* Both ratios, with variances that are large enough; false: nothing can be said of a difference. */
static bool ratios(const struct mp_series *a, const struct mp_series *b, struct mp_contrast *out)
{
	*out = (struct mp_contrast){.widen = 1, .df = 3};
	mp_series_ratio(a, &out->a);
	mp_series_ratio(b, &out->b);
	if (isnan(out->a.ratio) || isnan(out->b.ratio))
		return false;
	out->a.variance = fmax(out->a.variance, least_variance(a, b, &out->a, out));
	out->b.variance = fmax(out->b.variance, least_variance(a, b, &out->b, out));
	return out->a.variance + out->b.variance > 0 && a->n >= MP_SERIES_LEAST && b->n >= MP_SERIES_LEAST;
}

static void test(struct mp_contrast *c, double variance)
{
	c->error = sqrt(variance);
	c->widen = sqrt(variance / (c->a.variance + c->b.variance));
	c->log_p = mp_tail_normal(mp_student_z((c->b.ratio - c->a.ratio) / c->error, c->df));
}

void mp_series_contrast(const struct mp_series *a, const struct mp_series *b, struct mp_contrast *out)
{
	double na = (double)a->n, nb = (double)b->n;

	if (!ratios(a, b, out))
		return;
	double va = out->a.variance, vb = out->b.variance, both = va + vb;
	double common = (va * na * na + vb * nb * nb) / (na + nb) * (1 / na + 1 / nb);

	out->df = both * both / (va * va / out->a.df + vb * vb / out->b.df);
	test(out, fmax(both, common));
}

void mp_series_contrast_pairs(const struct mp_series *a, const struct mp_series *b, struct mp_contrast *out)
{
	if (!ratios(a, b, out))
		return;
	struct residuals r = {.of = b,
	    .minus = a,
	    .ratio = {out->b.ratio, out->a.ratio},
	    .scale = {1 / out->b.den, 1 / out->a.den},
	    .n = a->n < b->n ? a->n : b->n};
	double least = least_variance(a, b, &out->a, out) + least_variance(a, b, &out->b, out);

	double variance = variance_of(&r, &out->df);
	test(out, fmax(variance, least));
}

double mp_contrast_reach(const struct mp_contrast *c, double z)
{
	return mp_student_t(z, c->df);
}
