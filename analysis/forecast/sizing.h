/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_FORECAST_SIZING_H
#define MP_ANALYSIS_FORECAST_SIZING_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/forecast/course.h"

/*
 * How large a pool should be: the capacity that a session's demand exceeds with the probability that the user
 * accepts, and what that costs.
 */
struct mp_sizing_options {
	double risk;          /* of running dry, per session: above 0, below 1 */
	int64_t session_ns;   /* 0: as long as the course was watched */
	int64_t object_bytes; /* 0: not known, and all figures of bytes are 0 */
	int64_t threads;      /* that get and put; 0: not known */
	int64_t line_bytes;   /* of the cache; 0: 64 */
	int64_t page_bytes;   /* 0: 4096 */
};

struct mp_sizing {
	/*
	 * A session like the one watched, from its start, with its phases and its trend, needs more than
	 * `capacity` with probability `risk`, what is not known of the demand taken into account. In
	 * `capacity_upper` we may be 95 % confident: with the parameters that the recording leaves possible,
	 * 95 % have their risk there or below; never less than `capacity`, which at small risks is as
	 * cautious. `capacity_best` is that of the most probable parameters alone. All 0 where there is too
	 * little to fit (-ENODATA).
	 */
	int64_t capacity, capacity_upper, capacity_best;
	/* The risk is smaller than what the recording has seen of a session: capacity is an extrapolation, by
	 * the shape of the peaks. */
	bool is_extrapolated;
	bool is_censored; /* gets failed: the demand was estimated beyond what could be seen */
	double risk_now;  /* of a session at the capacity that the pool has; NAN if it is not known */

	/* Objects to add at once when the pool runs dry nevertheless, in whole pages: as many as in use rose
	 * from one slot to the next in the steepest 1 % of the slots that rose. */
	int64_t growth;
	/* Objects that each thread keeps for itself: in half of the busy slots it gives and takes no more
	 * than these without the shared pool. They come on top of `capacity`, since other threads cannot have
	 * them; 0 if threads are not known, or fewer than 2. */
	int64_t thread_cache;

	/* Of an object: rounded up to whole cache lines, or, of one smaller than a line, to a power of 2, so
	 * that none lies across two lines more than it must. */
	int64_t stride_bytes;
	int64_t packed_bytes;   /* capacity objects without that */
	int64_t capacity_bytes; /* capacity x stride, in whole pages; likewise the next ones */
	int64_t upper_bytes;
	int64_t growth_bytes;
	int64_t thread_cache_bytes; /* of all threads */
	int64_t now_bytes;          /* of the capacity that the pool has */
	/* now_bytes less that of capacity and thread caches, where the pool is larger than capacity_upper:
	 * below that nobody should be advised to shrink it. Else 0. */
	int64_t saving_bytes;
};

/* -EINVAL (a course that fails mp_pool_course_check(), options out of range), -ENOMEM, -ENODATA if the course
 * is too short for a demand (mp_demand_fit()): `out` then has what needs none. Takes some ms. */
int mp_sizing_make(const struct mp_pool_course *c, const struct mp_sizing_options *o, struct mp_sizing *out);

#endif
