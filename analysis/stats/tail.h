/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_TAIL_H
#define MP_ANALYSIS_STATS_TAIL_H

/*
 * Tail probabilities, as natural logarithms: what is looked for is far below what a double holds. Pure; any
 * thread. Arguments out of range (counts below 1, means not above 0, NaN) answer 0, which is certainty.
 */

/* Of `count` or more events where `mean` are expected (Poisson). */
double mp_tail_poisson(double count, double mean);

/* Of a sum above `x` of `shape` exponential variables of mean 1 (Erlang): what averaged periodograms of noise
 * follow. */
double mp_tail_erlang(double shape, double x);

/* Of a standard normal variable farther from 0 than `z`, on either side. */
double mp_tail_normal(double z);

/* Of a Brownian bridge that goes farther from 0 than `x` (Kolmogorov's distribution). */
double mp_tail_bridge(double x);

#endif
