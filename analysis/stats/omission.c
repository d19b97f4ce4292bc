/* SPDX-License-Identifier: MIT */
#include "analysis/stats/omission.h"

/* Counts are sums of up to millions of quotients: more than 64 bits hold, if a file means harm. */
typedef unsigned __int128 count;

static int64_t missing(int64_t ns, int64_t interval_ns)
{
	return ns > interval_ns ? ns / interval_ns - 1 : 0;
}

/* Of a duration above `most_ns`, how many of the missing are not above it: ns - k * interval for k from
 * ceil((ns - most) / interval). */
static int64_t missing_upto(int64_t ns, int64_t interval_ns, int64_t most_ns)
{
	int64_t all = missing(ns, interval_ns);
	int64_t first = (ns - most_ns - 1) / interval_ns + 1;

	return first > all ? 0 : all - first + 1;
}

/* How many are not above `most_ns`. The first `plain` durations miss nothing. */
static count count_upto(const int64_t *ns, size_t n, size_t plain, int64_t interval_ns, int64_t most_ns)
{
	count c = 0;
	size_t below = 0;

	for (size_t i = 0; i < plain; i++)
		below += ns[i] <= most_ns;
	for (size_t i = plain; i < n; i++)
		c += (count)(ns[i] <= most_ns ? 1 + missing(ns[i], interval_ns)
					      : missing_upto(ns[i], interval_ns, most_ns));
	return c + below;
}

void mp_omission_correct(int64_t *ns, size_t n, int64_t interval_ns, struct mp_percentiles *out, double *all)
{
	static const unsigned int per_mille[] = {500, 900, 990, 999};
	int64_t *const to[] = {&out->p50_ns, &out->p90_ns, &out->p99_ns, &out->p999_ns};
	size_t plain = 0;
	count total = n;
	int64_t lo = 0;

	*out = (struct mp_percentiles){0};
	*all = 0;
	for (size_t i = 0; i < n; i++) {
		int64_t v = ns[i];

		total += (count)missing(v, interval_ns);
		out->max_ns = v > out->max_ns ? v : out->max_ns;
		if (!missing(v, interval_ns)) {
			ns[i] = ns[plain];
			ns[plain++] = v;
		}
	}
	if (!n)
		return;
	*all = (double)total;
	for (size_t i = 0; i < sizeof(to) / sizeof(*to); i++) {
		count rank = (total * per_mille[i] + 999) / 1000;
		int64_t hi = out->max_ns;

		/* The smallest value that `rank` of them do not exceed: it is one of them. */
		while (lo < hi) {
			int64_t middle = lo + (hi - lo) / 2;

			if (count_upto(ns, n, plain, interval_ns, middle) >= rank)
				hi = middle;
			else
				lo = middle + 1;
		}
		*to[i] = lo;
	}
}
