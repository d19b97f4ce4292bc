/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_PATTERNS_SITES_H
#define MP_ANALYSIS_PATTERNS_SITES_H

#include "analysis/patterns/kept.h"

/*
 * Sites (each with an operation) that did not behave alike throughout: what changed
 * (analysis/patterns/changes.h), and which have two modes (analysis/patterns/modes.h).
 *
 * Kept rows stand for different numbers of calls: outliers for one, samples for as many as the sampling of
 * their time made them. For the tests rows are drawn in proportion to their weight, so that each one drawn
 * stands for as many calls: a change of the sampling is none of the site. Figures are of all rows, weighted.
 */
enum mp_site_aspect { MP_SITE_RATE, MP_SITE_SIZE, MP_SITE_LATENCY, MP_SITE_ASPECTS };

struct mp_site_side {
	double per_s, size_bytes, p50_ns, p99_ns; /* size_bytes: the median. NaN: no calls */
};

struct mp_site_change {
	uint32_t site;
	uint8_t op;
	enum mp_site_aspect aspect;
	int64_t t_ns;
	double log_p; /* all questions asked taken together */
	struct mp_site_side before, after;
};

struct mp_site_modes {
	uint32_t site;
	uint8_t op;
	size_t rows;
	double fast_ns, slow_ns; /* the medians on either side */
	double valley_ns, slow_share, log_p;
};

/* What is said only if it is large enough to matter: a rate by half, or a later call larger in 60 of 100
 * pairs. */
#define MP_SITE_RATE_RATIO 1.5
#define MP_SITE_EFFECT     0.1

struct mp_sites;

/* Sorts the calls by site. NULL: out of memory. `calls` has to stay. Memory: 8 bytes a call. */
struct mp_sites *mp_sites_new(const struct mp_kept_calls *calls);
void mp_sites_free(struct mp_sites *sites);

/* The surest first; how many, at most `most`, or -ENOMEM. */
int mp_sites_changes(struct mp_sites *sites, struct mp_site_change *out, int most);

/* `doubt_ns`: how uncertain a duration is. As mp_sites_changes(). */
int mp_sites_modes(struct mp_sites *sites, double doubt_ns, struct mp_site_modes *out, int most);

#endif
