/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_NORMAL_H
#define MP_ANALYSIS_STATS_NORMAL_H

/* The standard normal distribution. Pure; any thread. */

/* The probability of less than z, and of more. */
double mp_normal_below(double z);
double mp_normal_above(double z);

/* The z that has `p` above it; p in (0, 1), and so small that 1 - p is 1. To some 1e-12. */
double mp_normal_with_above(double p);

#endif
