/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_EFFECT_H
#define MP_ANALYSIS_STATS_EFFECT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Comparisons by order alone, for durations, whose means say little. Values carry weights: how many calls a
 * row stands for. Pure; any thread.
 */
struct mp_value {
	double value, weight; /* weight > 0 */
	bool is_in;           /* in the first of two groups */
};

struct mp_effect {
	size_t n_in, n_out;
	double delta; /* Cliff: how much likelier a value of the first group is the larger one, -1 to 1 */
	double log_p; /* that the two do not differ (Mann and Whitney, with ties; two-sided, normal) */
};

/* By value. What the others are given has to be sorted. */
void mp_effect_sort(struct mp_value *value, size_t n);

/*
 * The variance is that of the values' places in the other group, weights included, and not less than equal
 * groups of as many rows as the weights are worth would have. Either group empty: delta and log_p are 0.
 */
void mp_effect_compare(const struct mp_value *value, size_t n, struct mp_effect *out);

/* The smallest value that `share` of the weight of a group does not exceed. NaN: the group is empty. */
double mp_effect_quantile(const struct mp_value *value, size_t n, bool in, double share);

#endif
