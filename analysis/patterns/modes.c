/* SPDX-License-Identifier: MIT */
#include "analysis/patterns/modes.h"

#include <math.h>
#include <stdlib.h>

#include "analysis/stats/tail.h"

#define OCTAVE      4 /* cells */
#define REACH       2 /* of the smoothing, on either side */
#define SHARE_LEAST 0.05

struct smooth {
	double height, variance;
};

void mp_modes_scale_init(struct mp_modes_scale *scale, double doubt_ns)
{
	scale->doubt_ns = doubt_ns;
	for (unsigned int b = 0; b < MP_HIST_BUCKETS; b++) {
		double ns = ((double)mp_hist_lo_ns(b) + (double)mp_hist_hi_ns(b)) / 2;
		int cell = (int)(log2(ns + doubt_ns + 1) * OCTAVE);

		scale->cell[b] = (uint8_t)(cell < MP_MODES_CELLS ? cell : MP_MODES_CELLS - 1);
	}
}

void mp_modes_add(struct mp_modes_count *count, int64_t dur_ns, double weight)
{
	int cell = count->scale->cell[mp_hist_bucket((uint64_t)dur_ns)];

	count->weight[cell] += weight;
	count->squares[cell] += weight * weight;
	count->rows++;
}

/* A triangle over five cells: the steps of a coarse clock leave cells empty. */
static struct smooth smooth_at(const struct mp_modes_count *c, int at)
{
	struct smooth s = {0};

	for (int d = -REACH; d <= REACH; d++) {
		double share = (double)(REACH + 1 - abs(d)) / ((REACH + 1) * (REACH + 1));

		if (at + d < 0 || at + d >= MP_MODES_CELLS)
			continue;
		s.height += share * c->weight[at + d];
		s.variance += share * share * c->squares[at + d];
	}
	return s;
}

/* How many standard deviations the lower hump stands above the valley; 0 if that is too high. */
static double depth(struct smooth a, struct smooth b, struct smooth valley, double one_row)
{
	struct smooth lower = a.height < b.height ? a : b;

	/* An empty valley is as uncertain as one row there. */
	double variance = lower.variance + fmax(valley.variance, one_row * one_row * 3 / 16);
	return valley.height <= lower.height / 2 ? (lower.height - valley.height) / sqrt(variance) : 0;
}

/* A valley has to divide the calls into parts that both count. */
static bool divides(double upto, double all)
{
	return upto >= all * SHARE_LEAST && upto <= all * (1 - SHARE_LEAST);
}

bool mp_modes_find(const struct mp_modes_count *c, double tests, struct mp_modes *out)
{
	struct smooth s[MP_MODES_CELLS];
	double upto[MP_MODES_CELLS], all = 0, squares = 0, deepest = 0;
	int valley = 0;

	if (c->rows < MP_MODES_LEAST)
		return false;
	for (int i = 0; i < MP_MODES_CELLS; i++) {
		s[i] = smooth_at(c, i);
		all += c->weight[i];
		upto[i] = all;
		squares += c->squares[i];
	}
	for (int a = 0; a < MP_MODES_CELLS; a++) {
		int low = a;

		for (int b = a + 1; s[a].height > 0 && b < MP_MODES_CELLS; b++) {
			low = s[b].height < s[low].height ? b : low;
			if (b - a < OCTAVE || !divides(upto[low], all))
				continue;
			double z = depth(s[a], s[b], s[low], squares / all);
			if (z > deepest) {
				deepest = z;
				valley = low;
			}
		}
	}
	*out = (struct mp_modes){.valley_ns = fmax(exp2((valley + 1.0) / OCTAVE) - c->scale->doubt_ns - 1, 0),
	    .slow_share = 1 - upto[valley] / all,
	    .log_p = mp_tail_normal(deepest) + log(fmax(tests, 1) * MP_MODES_CELLS * MP_MODES_CELLS / 2)};
	return out->log_p < log(MP_MODES_ALPHA);
}
