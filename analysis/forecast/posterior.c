/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/forecast/private.h"
#include "analysis/stats/minimum.h"
#include "analysis/stats/normal.h"

/* The parameters that are fitted. The scale is a logarithm, so that any number is one. */
enum { LEVEL, SCALE, SHAPE, TREND, PARAMETERS };

/* Of a scale, in objects: maxima that never differ have none, but the next one may. */
#define LEAST_SCALE 0.05

/* Above this scale an interval of one object has the density in its middle as its probability, to 0.1 %. */
#define SMOOTH_SCALE 4

/* Neighbours that are more alike than this would never change. */
#define MOST_ALIKE 0.97

/* How far draws are spread beyond what is expected of them, for the weights to find what the normal
 * approximation of the posterior misses. */
#define SPREAD_OUT 1.3

/* Of the logarithm of the likelihood, in the search of its maximum: weights tell the rest. */
#define TOLERANCE 0.02

/* A model to fit: with a trend, or without. */
struct model {
	const struct mp_pattern_point *point;
	const struct mp_observed *seen;
	size_t n;
	const struct mp_pattern *pattern;
	double mean_time;
	double weight;      /* of a window, in independent ones, as to how far they are spread */
	double mean_weight; /* and as to their mean */
	int parameters;
	double best[PARAMETERS], value; /* the minimum */
	double root[PARAMETERS][PARAMETERS];
};

static double trend_of(const struct model *m, const double *x)
{
	return m->parameters > TREND ? x[TREND] : 0;
}

/* What is left of a maximum when level, trend and pattern are taken away is peak x spread. */
static double base_of(const struct model *m, const double *x, const struct mp_pattern_point *p)
{
	const struct mp_pattern_cell *cell = &m->pattern->cell[p->cell];

	return x[LEVEL] + cell->offset + trend_of(m, x) * (p->time - m->mean_time - cell->lag);
}

static struct mp_gev peak_of(const double *x)
{
	struct mp_gev g = {0, exp(x[SCALE]), x[SHAPE]};

	g.location = -mp_gev_mean(&g);
	return g;
}

static double log_likelihood(
    const struct mp_gev *peak, double spread, const struct mp_observed *o, double base)
{
	double above = (o->above - base) / spread, most = (o->most - base) / spread;

	if (peak->scale * spread > SMOOTH_SCALE && o->most - o->above <= 1)
		return mp_gev_log_density(peak, (above + most) / 2) - log(spread);
	return mp_gev_log_between(peak, above, most);
}

static double cost(const double *x, void *ctx)
{
	const struct model *m = ctx;
	double sum = 0, prior = mp_gev_log_prior(x[SHAPE]);

	if (!(x[SCALE] > log(LEAST_SCALE)) || x[SCALE] > 40 || isinf(prior))
		return INFINITY;
	struct mp_gev peak = peak_of(x);
	for (size_t i = 0; i < m->n; i++)
		sum += log_likelihood(&peak, m->pattern->cell[m->point[i].cell].spread, &m->seen[i],
		    base_of(m, x, &m->point[i]));
	return isfinite(sum) ? -(m->weight * sum + prior) : INFINITY;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Maxima beside the pattern, over its spread: as they were seen, cut at the capacity or not. */
static void rests(const struct model *m, const double *x, double *out)
{
	for (size_t i = 0; i < m->n; i++)
		out[i] = (m->point[i].max - base_of(m, x, &m->point[i])) /
			 m->pattern->cell[m->point[i].cell].spread;
}

/* Where the search begins: by moments, which are not far off. `sorted` has room for all. */
static void begin(struct model *m, double trend, double *sorted)
{
	struct mp_gev g;
	double *x = m->best;

	x[LEVEL] = x[SHAPE] = x[SCALE] = 0;
	x[TREND] = trend;
	rests(m, x, sorted);
	qsort(sorted, m->n, sizeof(*sorted), by_value);
	x[SHAPE] = 0.05;
	if (mp_gev_by_moments(sorted, m->n, &g)) {
		x[LEVEL] = sorted[0];
		x[SCALE] = log(2 * LEAST_SCALE);
		return;
	}
	if (fabs(g.shape) < 0.4)
		x[SHAPE] = g.shape;
	x[LEVEL] = fabs(g.shape) < 0.4 ? mp_gev_mean(&g) : sorted[m->n / 2];
	x[SCALE] = log(fmax(g.scale, 2 * LEAST_SCALE));
	/* Below an upper end that a maximum is beyond, nothing is possible. */
	for (int tries = 0; isinf(cost(x, m)) && tries < 20; tries++) {
		x[SHAPE] = 0.1;
		x[SCALE] += 0.5;
	}
}

static void fit(struct model *m, double trend, double *scratch)
{
	double independent = fmax((double)m->n * m->weight, 1);

	begin(m, trend, scratch);
	double scale = exp(m->best[SCALE]);
	const double step[] = {scale / sqrt(independent), 0.2, 0.05, 3 * scale / sqrt(independent)};
	const double small[] = {0.1 * step[0], 0.05, 0.02, 0.1 * step[3]};
	const double most[] = {5 * scale, 2, 0.2, 20 * scale};
	m->value = mp_minimum(cost, m, m->best, step, m->parameters, TOLERANCE, 250);
	mp_minimum_covariance(cost, m, m->best, small, m->parameters, most, m->root);
}

/* Correlation of what is `lag` windows apart; of values that are cut at 3 standard deviations, so that one
 * peak does not hide how alike the others are. */
static double correlation(const double *v, size_t n, size_t lag)
{
	double mean = 0, variance = 0, sum = 0;

	for (size_t i = 0; i < n; i++)
		mean += v[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		variance += (v[i] - mean) * (v[i] - mean) / (double)n;
	double most = 3 * sqrt(variance), cut = 0;
	if (!(variance > 0))
		return 0;
	for (size_t i = 0; i < n; i++) {
		double a = fmax(-most, fmin(v[i] - mean, most));

		cut += a * a;
		sum += i < lag ? 0 : a * fmax(-most, fmin(v[i - lag] - mean, most));
	}
	return sum / cut;
}

/* How much of an independent window each one is, for what is to be told of them: 1 for their mean, 2 for how
 * far they are spread, of which the correlations are squares. By their sum until they end (initial positive
 * sequence; Geyer, Statistical Science 7(4), 1992). */
static double weight_of(const double *v, size_t n, int power)
{
	double sum = 1;

	for (size_t lag = 1; lag < n / 3; lag++) {
		double r = correlation(v, n, lag);

		/* Of independent windows, as much is chance (one standard deviation). */
		if (r <= 1 / sqrt((double)n))
			break;
		sum += 2 * pow(r, power);
	}
	return fmax(1 / sum, fmin(2.0 / (double)n, 1));
}

/* Points of a normal distribution, evenly spread in all dimensions (Halton). */
static double halton(int index, int dimension)
{
	static const int primes[PARAMETERS + 2] = {2, 3, 5, 7, 11, 13};
	double at = 0, part = 1;

	for (int i = index + 1; i > 0; i /= primes[dimension]) {
		part /= primes[dimension];
		at += part * (i % primes[dimension]);
	}
	return mp_normal_with_above(at);
}

/* A normal score that is another one for each cell and draw, and the same in each run. */
static double scatter(int index, size_t cell)
{
	double at = (index + 0.5) * 0.6180339887498949 + (double)(cell + 1) * 0.7548776662466927;

	return mp_normal_with_above(fmin(fmax(at - floor(at), 1e-6), 1 - 1e-6));
}

static void set_draw(const struct model *m, const double *x, int index, struct mp_draw *out)
{
	out->level = x[LEVEL];
	out->trend = trend_of(m, x);
	out->peak = peak_of(x);
	for (size_t c = 0; c < m->pattern->cells; c++) {
		const struct mp_pattern_cell *cell = &m->pattern->cell[c];

		bool is_best = index < 0;

		out->offset[c] = cell->offset - out->trend * cell->lag +
				 (is_best ? 0 : cell->error * scatter(index, 2 * c));
		out->spread[c] =
		    cell->spread * (is_best ? 1 : exp(cell->spread_error * scatter(index, 2 * c + 1)));
	}
}

/* Level and trend are less certain than the likelihood thinks, which has the weights of the spread. */
static void blur(const struct model *m, int index, double *x)
{
	struct mp_gev peak = peak_of(m->best);
	double variance = mp_gev_variance(&peak) / (double)m->n * (1 / m->mean_weight - 1 / m->weight);

	if (!(variance > 0))
		return;
	x[LEVEL] += sqrt(variance) * halton(index, PARAMETERS);
	/* Times are spread evenly over a length of 1: their variance is 1/12. */
	if (m->parameters > TREND)
		x[TREND] += sqrt(12 * variance) * halton(index, PARAMETERS + 1);
}

/* Draws around the minimum, weighed by what the likelihood says of them; together they weigh 1. */
static void draw(struct model *m, struct mp_draw *out)
{
	double sum = 0;

	for (int j = 0; j < MP_DRAWS_EACH; j++) {
		double x[PARAMETERS], u[PARAMETERS], square = 0;

		for (int k = 0; k < m->parameters; k++) {
			u[k] = halton(j, k);
			square += u[k] * u[k];
		}
		for (int i = 0; i < m->parameters; i++) {
			x[i] = m->best[i];
			for (int k = 0; k < m->parameters; k++)
				x[i] += SPREAD_OUT * m->root[i][k] * u[k];
		}
		double value = cost(x, m);
		out[j].weight = isfinite(value) ? exp(m->value - value + square / 2) : 0;
		sum += out[j].weight;
		if (isinf(value))
			memcpy(x, m->best, sizeof(x));
		blur(m, j, x);
		set_draw(m, x, j, &out[j]);
	}
	for (int j = 0; j < MP_DRAWS_EACH; j++)
		out[j].weight = sum > 0 ? out[j].weight / sum : 1.0 / MP_DRAWS_EACH;
}

static void summarize(struct mp_demand *d, const double *rest, size_t n, double p_trend)
{
	struct mp_demand_summary *s = &d->summary;
	double per_s = 1e9 / d->length_ns, square = 0, mean = 0, variance = 0;

	for (int j = 0; j < MP_DRAWS; j++) {
		const struct mp_draw *w = &d->draw[j];

		s->level += w->weight * (w->level - w->trend * d->mean_time);
		s->trend += w->weight * w->trend * per_s;
		square += w->weight * w->trend * w->trend * per_s * per_s;
	}
	for (size_t i = 0; i < n; i++)
		mean += rest[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		variance += (rest[i] - mean) * (rest[i] - mean) / (double)n;
	s->trend_error = sqrt(fmax(square - s->trend * s->trend, 0));
	s->p_trend = p_trend;
	s->scale = d->draw[0].peak.scale;
	s->shape = d->draw[0].peak.shape;
	s->burstiness = s->level > 0 ? sqrt(variance) / s->level : 0;
}

/* The normal score of the last window, no farther out than 500 windows of a normal distribution would be. */
static double score(const struct mp_gev *peak, double rest)
{
	double y = fmax(-2, fmin(mp_gev_reduce(peak, rest), 6));

	return mp_normal_with_above(-expm1(-exp(-y)));
}

/* Fits a model, and draws from it. The pattern is as its trend makes it. */
static void fit_one(struct mp_demand *d, struct model *m, double trend, double *scratch, struct mp_draw *out)
{
	mp_pattern_fit(&d->pattern, m->point, m->n, trend, m->mean_weight);
	fit(m, trend, scratch);
	draw(m, out);
}

/* How probable it is that there is a trend, by Schwarz's criterion for one parameter more. */
static double weigh(struct mp_demand *d, const struct model *flat, const struct model *leaning)
{
	double gain = (flat->value - leaning->value) * flat->mean_weight / flat->weight;
	double independent = fmax((double)flat->n * flat->mean_weight, 1);
	double p_trend = 1 / (1 + exp(log(independent) / 2 - gain));

	for (int j = 0; j < MP_DRAWS_EACH; j++) {
		d->draw[1 + j].weight *= 1 - p_trend;
		d->draw[1 + MP_DRAWS_EACH + j].weight *= p_trend;
	}
	return p_trend;
}

static void fit_both(struct mp_demand *d, struct model *flat, struct model *leaning, double *scratch)
{
	size_t n = flat->n;
	double trend = mp_pattern_trend(&d->pattern, flat->point, n);

	mp_pattern_fit(&d->pattern, flat->point, n, trend, 1);
	rests(leaning, (double[]){0, 0, 0, trend}, scratch);
	flat->weight = leaning->weight = weight_of(scratch, n, 2);
	flat->mean_weight = leaning->mean_weight = weight_of(scratch, n, 1);
	fit_one(d, leaning, trend, scratch, &d->draw[1 + MP_DRAWS_EACH]);
	fit_one(d, flat, 0, scratch, &d->draw[1]);

	double p_trend = weigh(d, flat, leaning);
	const struct model *best = p_trend > 0.5 ? leaning : flat;
	if (best == leaning)
		mp_pattern_fit(&d->pattern, flat->point, n, trend, flat->mean_weight);
	set_draw(best, best->best, -1, &d->draw[0]);
	rests(best, best->best, scratch);
	d->summary.correlation = fmin(fmax(correlation(scratch, n, 1), 0), MOST_ALIKE);
	d->summary.windows = (double)n;
	d->summary.independent = (double)n * flat->mean_weight;
	mp_passage_make(d->summary.correlation, score(&d->draw[0].peak, scratch[n - 1]), &d->passage);
	summarize(d, scratch, n, p_trend);
}

int mp_posterior_make(
    struct mp_demand *d, const struct mp_pattern_point *point, const struct mp_observed *seen, size_t n)
{
	struct model flat = {.point = point,
	    .seen = seen,
	    .n = n,
	    .pattern = &d->pattern,
	    .mean_time = d->mean_time,
	    .parameters = TREND};
	struct model leaning = flat;
	double *scratch = malloc(n * sizeof(*scratch));

	leaning.parameters = PARAMETERS;
	d->cells = calloc(2 * MP_DRAWS * d->pattern.cells, sizeof(*d->cells));
	if (!scratch || !d->cells) {
		free(scratch);
		return -ENOMEM;
	}
	for (size_t j = 0; j < MP_DRAWS; j++) {
		d->draw[j].offset = d->cells + 2 * j * d->pattern.cells;
		d->draw[j].spread = d->draw[j].offset + d->pattern.cells;
	}
	fit_both(d, &flat, &leaning, scratch);
	free(scratch);
	return 0;
}
