/* SPDX-License-Identifier: MIT */
#ifndef MP_TESTS_ARRIVALS_H
#define MP_TESTS_ARRIVALS_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

/* Times of events of known origin, the same each time for a seed: what tests of patterns look at. */

#define ARRIVALS_MOST 400000
#define SECOND        1000000000LL

static int64_t arrival[ARRIVALS_MOST];
static size_t arrivals;
static uint64_t random_state;

static inline void begin(uint64_t seed)
{
	random_state = 0x9e3779b97f4a7c15ULL * (seed + 1);
	arrivals = 0;
}

/* 0 to 1, neither of them. */
static inline double uniform(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return ((double)(random_state >> 11) + 0.5) / 9007199254740992.0;
}

static inline double exponential(void)
{
	return -log(uniform());
}

static inline double normal(void)
{
	return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

static inline void add_arrival(double t_s, double length_s)
{
	if (t_s >= 0 && t_s < length_s && arrivals < ARRIVALS_MOST)
		arrival[arrivals++] = (int64_t)(t_s * 1e9);
}

static inline void add_poisson(double length_s, double per_s)
{
	for (double t = exponential() / per_s; t < length_s; t += exponential() / per_s)
		add_arrival(t, length_s);
}

/* A busy open, a calm, a jump, a slow swell: between a fifth of the rate and four times it. */
static inline void add_varying(double length_s, double per_s)
{
	double most = 4 * per_s;

	for (double t = exponential() / most; t < length_s; t += exponential() / most) {
		double x = t / length_s;
		double rate = x < 0.1 ? 4 : x < 0.4 ? 1 : x < 0.5 ? 0.2 : 1 + 0.6 * sin(9 * x);

		if (uniform() * 4 < rate)
			add_arrival(t, length_s);
	}
}

/* Bursts that come at random, of `mean` events on average within burst_s. */
static inline void add_bursts(double length_s, double per_s, double mean, double burst_s)
{
	for (double t = exponential() / per_s; t < length_s; t += exponential() / per_s)
		for (double k = exponential() * mean; k > 0; k--)
			add_arrival(t + uniform() * burst_s, length_s);
}

/* Beats, each off by jitter x period, or, if they drift, each so much off the one before. */
static inline void add_beats(double length_s, double period_s, double jitter, double missing, int drifts)
{
	for (double t = uniform() * period_s; t < length_s;) {
		double off = jitter * period_s * normal();

		if (uniform() >= missing)
			add_arrival(t + (drifts ? 0 : off), length_s);
		t += period_s + (drifts ? off : 0);
	}
}

static inline int by_arrival(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static inline void sort_arrivals(void)
{
	qsort(arrival, arrivals, sizeof(*arrival), by_arrival);
}

#endif
