/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_PATTERNS_CLUSTERS_H
#define MP_ANALYSIS_PATTERNS_CLUSTERS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Bursts of events: where more of them fall into a short window than Poisson arrivals would bring there (the
 * scan statistic; Naus, JASA 60, 1965), for windows of eight widths from 100 us to 1.6 s.
 *
 * What is expected in a window is by the highest of some rates: of the recording, and of what comes before
 * and after the window (eight times its width, or 32 events if that is longer, and once its width where that
 * has so many): a busy open is no cluster, nor is the edge of one. A window begins at an event, so the
 * p-value is of that many others after it, times the events and widths that were tried: no Poisson process
 * has clusters with more than MP_CLUSTER_ALPHA, whatever its rate.
 */
#define MP_CLUSTER_ALPHA 0.001
#define MP_CLUSTER_LEAST 5 /* events */

struct mp_cluster {
	int64_t t_ns, end_ns; /* of the first and of the last event */
	int64_t width_ns;     /* of the window that shows it best */
	size_t first, n;      /* which of the times */
	double expected;      /* in such a window */
	double p_value, log_p;
};

/*
 * Finds up to `most` clusters in `n` times between from_ns and to_ns, in order: the surest first, none
 * overlapping a surer one. Their number, or -ENOMEM. Memory: less than 1 MB.
 */
int mp_clusters_find(
    const int64_t *t_ns, size_t n, int64_t from_ns, int64_t to_ns, struct mp_cluster *out, int most);

#endif
