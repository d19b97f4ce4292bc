/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "analysis/diff/private.h"

/*
 * Quantiles as a continuous function of the share: the calls of a bucket are taken as spread evenly over it,
 * half a nanosecond around each whole one. A bucket is up to 1.6 % wide, and changes of less than that can be
 * told when many calls stand on either side of its middle.
 */

/* Walks both tallies at once; the weight of a tally's call is such that each that has calls has the same
 * whole. */
struct both {
	const struct mp_tally *tally[2];
	double weight[2];
};

static struct both both_of(const struct mp_tally *a, const struct mp_tally *b)
{
	double parts = (a && a->calls) + (b && b->calls);
	struct both both = {{a, b}, {0, 0}};

	for (int i = 0; i < 2; i++)
		if (both.tally[i] && both.tally[i]->calls)
			both.weight[i] = 1 / (parts * (double)both.tally[i]->calls);
	return both;
}

static double share_in(const struct both *both, uint32_t bucket)
{
	double share = 0;

	for (int i = 0; i < 2; i++)
		if (both->weight[i] > 0)
			share += both->weight[i] * (double)mp_tally_calls(both->tally[i], bucket);
	return share;
}

static double value_at(uint32_t bucket, double part)
{
	double lo = (double)mp_hist_lo_ns(bucket), width = (double)mp_hist_hi_ns(bucket) - lo + 1;

	return fmax(0, lo - 0.5 + part * width);
}

static struct mp_diff_place find(const struct both *both, double share)
{
	struct mp_diff_place place = {.part = 1, .ns = NAN};
	double upto = 0;

	for (uint32_t b = 0; b < MP_HIST_BUCKETS; b++) {
		double in = share_in(both, b);

		if (!(in > 0))
			continue;
		place.bucket = b;
		place.part = fmin(1, fmax(0, (share - upto) / in));
		place.ns = value_at(b, place.part);
		if ((upto += in) >= share)
			break;
	}
	return place;
}

double mp_diff_quantile(const struct mp_tally *t, double share)
{
	struct both one = both_of(t, NULL);

	return find(&one, fmin(1, fmax(0, share))).ns;
}

struct mp_diff_place mp_diff_place(const struct mp_tally *a, const struct mp_tally *b, double share)
{
	struct both both = both_of(a, b);

	return find(&both, share);
}
