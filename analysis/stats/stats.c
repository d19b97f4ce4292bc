/* SPDX-License-Identifier: MIT */
#include "analysis/stats/stats.h"

#include <math.h>

/* Outside of the interval, on either side, and where the standard normal distribution leaves as much. */
#define OUTSIDE   0.025
#define OUTSIDE_Z 1.959963984540054

/* Up to this variance the probabilities are summed: some 9 standard deviations, 1000 each, on either side. */
#define SUMMED_VARIANCE 1e6

/* What is less likely than this, compared with the likeliest, no longer changes a sum of doubles. */
#define NEGLIGIBLE 1e-20

int64_t mp_quantile_beyond(int64_t n, uint32_t tail)
{
	/* In two parts, of which neither overflows. */
	return n / MP_TAIL_WHOLE * tail + n % MP_TAIL_WHOLE * tail / MP_TAIL_WHOLE;
}

int64_t mp_quantile_rank(int64_t n, uint32_t tail)
{
	return n - mp_quantile_beyond(n, tail);
}

/* The binomial distribution, but for a constant factor: its likeliest k has 1. What is needed are ratios. */
struct binomial {
	double n, odds; /* q / (1 - q) */
};

/* From the weight of k to that of k + 1, and to that of k - 1. */
static double up(const struct binomial *b, double weight, double k)
{
	return weight * (b->n - k) / (k + 1) * b->odds;
}

static double down(const struct binomial *b, double weight, double k)
{
	return weight * k / (b->n - k + 1) / b->odds;
}

static struct mp_ranks interval_by_sums(int64_t n, double q)
{
	const struct binomial b = {(double)n, q / (1 - q)};
	int64_t mode = (int64_t)floor((b.n + 1) * q);
	double below = 0, above = 0, weight;
	struct mp_ranks r = {mode, mode};

	/* The mode counts in both. */
	weight = 1;
	for (int64_t k = mode; k >= 0 && weight > NEGLIGIBLE; k--) {
		below += weight;
		weight = down(&b, weight, (double)k);
	}
	weight = 1;
	for (int64_t k = mode; k <= n && weight > NEGLIGIBLE; k++) {
		above += weight;
		weight = up(&b, weight, (double)k);
	}
	double outside = OUTSIDE * (below + above - 1);

	/* `below` is the weight of all up to r.lo: what stays outside is one less. Likewise above. */
	weight = 1;
	while (below - weight > outside) {
		below -= weight;
		weight = down(&b, weight, (double)r.lo--);
	}
	weight = 1;
	while (above > outside) {
		above -= weight;
		weight = up(&b, weight, (double)r.hi++);
	}
	return r;
}

static int64_t clamp(double rank, int64_t n)
{
	return rank <= 0 ? 0 : rank > (double)n ? n + 1 : (int64_t)rank;
}

/*
 * The binomial's quantiles, with the term for its skewness: the next one is below 0.01 here. The half is of
 * the step from one whole number to the next.
 */
static struct mp_ranks interval_by_expansion(int64_t n, double q)
{
	const double z = OUTSIDE_Z;
	double half = z * sqrt((double)n * q * (1 - q));
	double center = (double)n * q + (1 - 2 * q) * (z * z - 1) / 6;

	return (struct mp_ranks){
	    clamp(ceil(center - half - 0.5) - 1, n), clamp(ceil(center + half + 0.5) + 1, n)};
}

struct mp_ranks mp_quantile_interval(int64_t n, uint32_t tail)
{
	double beyond = (double)tail / MP_TAIL_WHOLE, q = 1 - beyond;

	if (n <= 0 || tail == 0 || tail >= MP_TAIL_WHOLE)
		return (struct mp_ranks){0, n <= 0 ? 1 : n + 1};
	if ((double)n * q * beyond <= SUMMED_VARIANCE)
		return interval_by_sums(n, q);
	return interval_by_expansion(n, q);
}

void mp_moments_add(struct mp_moments *m, double value, double calls)
{
	double distance = value - m->mean;

	if (!(calls > 0))
		return;
	m->n += calls;
	m->mean += distance * calls / m->n;
	m->square += calls * distance * (value - m->mean);
}

double mp_moments_stddev(const struct mp_moments *m)
{
	return m->n > 0 ? sqrt(m->square / m->n) : NAN;
}

double mp_moments_cv(const struct mp_moments *m)
{
	return m->n > 0 && m->mean != 0 ? mp_moments_stddev(m) / fabs(m->mean) : NAN;
}
