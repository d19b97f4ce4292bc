/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_FORECAST_PASSAGE_H
#define MP_ANALYSIS_FORECAST_PASSAGE_H

/*
 * When a sequence of windows' maxima first passes a threshold, if neighbours are alike: their normal scores
 * are an autoregressive sequence of first order. A window passes with the probability that its score is above
 * the threshold's, given that the one before was not; conditioning on one window before, not on all, is first
 * order, too, and takes the clusters of peaks for what they are.
 *
 * Thresholds are told as -log(-log P), P being that a maximum is no higher (mp_gev_reduce()). Answers are
 * hazards, -log of the probability of not passing: those of windows in a row add up, and part of a window has
 * its part. Read-only once made; any thread.
 */
#define MP_PASSAGE_KNOWN 32 /* windows behind the present one that may depend on it */
#define MP_PASSAGE_ANEW  (-1)
#define MP_PASSAGE_FIRST 0

#define MP_PASSAGE_LEAST  (-4)
#define MP_PASSAGE_MOST   40
#define MP_PASSAGE_STEPS  4 /* per unit of the threshold */
#define MP_PASSAGE_POINTS ((MP_PASSAGE_MOST - MP_PASSAGE_LEAST) * MP_PASSAGE_STEPS + 1)

struct mp_passage {
	int known; /* windows that depend on the present one */
	/* Logarithms of hazards: of windows by their distance from the present one, 1 to known; [0] in the
	 * steady state. */
	float log_hazard[MP_PASSAGE_KNOWN + 1][MP_PASSAGE_POINTS];
};

/* Of a correlation of neighbours from 0 to below 1, and the normal score of the present window's maximum. */
void mp_passage_make(double correlation, double score_now, struct mp_passage *out);

/* The hazard of the window number `ahead` behind the present one (from 1 on); MP_PASSAGE_ANEW: of one of
 * whose distance nothing is known, MP_PASSAGE_FIRST: nor of one before it. */
double mp_passage_hazard(const struct mp_passage *p, int ahead, double threshold);

#endif
