/* SPDX-License-Identifier: MIT */
#include "analysis/forecast/passage.h"

#include <math.h>

#include "analysis/stats/normal.h"

/* A present window that explains less of the variance than this is forgotten. */
#define FORGOTTEN 0.01

/* What a double cannot tell from certainty, on either side. */
#define LEAST_HAZARD 1e-30
#define MOST_HAZARD  50

/* Of the integral over the window before: nodes, and how far they reach from its mean, in its standard
 * deviations; farther up, where those come from that pass a high threshold. */
#define NODES 40
#define BELOW 5
#define ABOVE 9

/* A window's score before it is looked at, given what is known, and the correlation. */
struct before {
	double mean, deviation, correlation;
};

static double hazard_of(double passes, double not_before)
{
	double p = not_before > LEAST_HAZARD ? passes / not_before : 1;

	return fmax(LEAST_HAZARD, fmin(p < 1 ? -log1p(-p) : MOST_HAZARD, MOST_HAZARD));
}

/* That the next one is above z, given that this one, `b`, is below. */
static double hazard_after(const struct before *b, double z)
{
	double own = sqrt(1 - b->correlation * b->correlation), passes = 0;
	double lo = b->mean - BELOW * b->deviation;
	double step = (fmin(z, b->mean + ABOVE * b->deviation) - lo) / NODES;

	if (!(step > 0))
		return MOST_HAZARD;
	for (int i = 0; i < NODES; i++) {
		double score = lo + (i + 0.5) * step, w = (score - b->mean) / b->deviation;

		passes += exp(-w * w / 2) * mp_normal_above((z - b->correlation * score) / own);
	}
	passes *= step / (b->deviation * sqrt(2 * M_PI));
	return hazard_of(passes, mp_normal_below((z - b->mean) / b->deviation));
}

static double hazard_next(double correlation, double score_now, double z)
{
	return hazard_of(
	    mp_normal_above((z - correlation * score_now) / sqrt(1 - correlation * correlation)), 1);
}

static double threshold(int point)
{
	return MP_PASSAGE_LEAST + (double)point / MP_PASSAGE_STEPS;
}

void mp_passage_make(double correlation, double score_now, struct mp_passage *out)
{
	out->known = 0;
	while (out->known < MP_PASSAGE_KNOWN && pow(correlation, 2.0 * (out->known + 1)) > FORGOTTEN)
		out->known++;
	for (int point = 0; point < MP_PASSAGE_POINTS; point++) {
		double log_beyond = -threshold(point);
		double z = mp_normal_with_above(-expm1(-exp(log_beyond)));

		/* Beyond what a double below 1 can tell, all thresholds are sure to be passed. */
		if (!isfinite(z))
			z = -9;
		for (int ahead = 0; ahead <= out->known; ahead++) {
			double kept = ahead ? pow(correlation, ahead - 1) : 0;
			struct before b = {kept * score_now, sqrt(1 - kept * kept), correlation};
			double hazard =
			    ahead == 1 ? hazard_next(correlation, score_now, z) : hazard_after(&b, z);

			/* Exact, where the integral would add its error. */
			if (correlation <= 0)
				hazard = exp(log_beyond);
			out->log_hazard[ahead][point] = (float)log(hazard);
		}
	}
}

double mp_passage_hazard(const struct mp_passage *p, int ahead, double at)
{
	if (ahead == MP_PASSAGE_FIRST || at >= MP_PASSAGE_MOST)
		return exp(-fmax(at, MP_PASSAGE_LEAST));
	double place = (fmax(at, MP_PASSAGE_LEAST) - MP_PASSAGE_LEAST) * MP_PASSAGE_STEPS;
	int point = (int)place;
	const float *row = p->log_hazard[ahead == MP_PASSAGE_ANEW || ahead > p->known ? 0 : ahead];
	return exp(row[point] + (place - point) * (row[point + 1] - row[point]));
}
