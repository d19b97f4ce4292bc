/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_SURVIVAL_H
#define MP_ANALYSIS_STATS_SURVIVAL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * How long things live, where some are still alive when one stops to look (censored on the right): the
 * estimator of Kaplan and Meier (JASA 53, 1958). Each stands for `weight` of its like: a weight counts as so
 * many of the same lifetime, as for a sample that was drawn with unequal probabilities.
 *
 * S(t), the share that lives longer than t, falls at each end by the factor 1 - (weight that ends then) /
 * (weight that had not ended, and was still looked at, before). One that is censored when another ends had
 * not ended. Pure; any thread.
 */
struct mp_lifetime {
	double time;   /* that it lived, or was seen to live */
	double weight; /* > 0 */
	bool is_ended; /* false: censored, it lived longer */
};

/* As the others need them: by time, at equal ones those that ended first. */
void mp_survival_sort(struct mp_lifetime *l, size_t n);

/* S(t) of n sorted lifetimes; of none it is 1. */
double mp_survival_at(const struct mp_lifetime *l, size_t n, double t);

/* The least t with S(t) <= 1 - q, q in (0, 1). NAN: too many were censored to tell; it is longer than the
 * longest end. */
double mp_survival_quantile(const struct mp_lifetime *l, size_t n, double q);

#endif
