/* SPDX-License-Identifier: MIT */
#include "analysis/forecast/demand.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/forecast/private.h"

/* What was wanted beyond what was in use is at most so many times the estimate: were it taken for a sharp
 * bound, which grows with what it bounds, it would draw the demand down; without one, a pool that was dry all
 * the time would have none. */
#define WANTED_MARGIN 4

#define MOST_WINDOWS 512
#define WANT_WINDOWS 64
#define PER_HORIZON  8 /* windows in it, if there can be as many */
#define PER_PHASE    8 /* at least; likewise */

/* Of a time that is looked at: pieces, each in one cell of the pattern, which grow with their distance. */
#define STEPS        1024
#define STEPS_GROWTH 32

/* Of an answer in objects. */
#define PRECISION 5e-4

struct step {
	double time, windows;
	size_t cell;
	int ahead; /* as for mp_passage_hazard() */
	int64_t end_ns;
};

struct path {
	struct step step[STEPS];
	int n;
};

static int64_t window_for(const struct mp_pool_course *c, const struct mp_pattern *p, int64_t horizon_ns)
{
	int64_t length_ns = c->to_ns - c->from_ns, window_ns = horizon_ns / PER_HORIZON;

	for (size_t i = 0; i < p->calendar.phases; i++) {
		int64_t part_ns = p->calendar.phase[i].length_ns / PER_PHASE;

		if (p->calendar.phase[i].occurrences > 1 && part_ns > 0 && window_ns > part_ns)
			window_ns = part_ns;
	}

	if (window_ns > length_ns / WANT_WINDOWS)
		window_ns = length_ns / WANT_WINDOWS;
	if (window_ns < (length_ns - 1) / MOST_WINDOWS + 1)
		window_ns = (length_ns - 1) / MOST_WINDOWS + 1;
	return window_ns;
}

static int observe(struct mp_demand *d, const struct mp_pool_windows *w)
{
	struct mp_pattern_point *point = calloc(w->n, sizeof(*point));
	struct mp_observed *seen = calloc(w->n, sizeof(*seen));
	double highest = 0;
	int rc = point && seen ? 0 : -ENOMEM;

	for (size_t i = 0; i < w->n && !rc; i++) {
		const struct mp_pool_window *win = &w->window[i];
		int64_t middle_ns = w->from_ns + (int64_t)i * w->window_ns + w->window_ns / 2, until_ns;
		bool is_cut = win->failures > 0;

		point[i] = (struct mp_pattern_point){win->max,
		    ((double)middle_ns - (double)d->course->to_ns) / d->length_ns,
		    mp_pattern_cell_at(&d->pattern, middle_ns, &until_ns)};
		seen[i] = (struct mp_observed){win->max + (is_cut ? 0.5 : -0.5),
		    is_cut ? win->max + WANTED_MARGIN * fmax(win->wanted - win->max, 1) + 0.5
			   : win->max + 0.5};
		d->summary.censored += is_cut;
		d->mean_time += point[i].time / (double)w->n;
		highest = fmax(highest, win->max);
	}
	if (!rc && !(highest > 0))
		rc = -ENODATA;
	if (!rc)
		rc = mp_posterior_make(d, point, seen, w->n);
	free(point);
	free(seen);
	return rc;
}

int mp_demand_fit(const struct mp_pool_course *c, int64_t horizon_ns, struct mp_demand **out)
{
	struct mp_pool_windows w = {0};

	*out = NULL;
	if (horizon_ns < 1 || mp_pool_course_check(c))
		return -EINVAL;
	struct mp_demand *d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->course = c;
	d->length_ns = (double)(c->to_ns - c->from_ns);
	int rc = mp_pattern_make(c, &d->pattern);
	if (!rc)
		rc = mp_pool_windows_make(c, window_for(c, &d->pattern, horizon_ns), &w);
	d->window_ns = w.window_ns;
	d->summary.window_s = (double)w.window_ns * 1e-9;
	if (!rc)
		rc = w.n < MP_DEMAND_LEAST ? -ENODATA : observe(d, &w);
	mp_pool_windows_clear(&w);
	if (rc)
		mp_demand_free(d);
	else
		*out = d;
	return rc;
}

void mp_demand_free(struct mp_demand *d)
{
	if (!d)
		return;
	mp_pattern_clear(&d->pattern);
	free(d->cells);
	free(d);
}

void mp_demand_summarize(const struct mp_demand *d, struct mp_demand_summary *out)
{
	*out = d->summary;
}

/* Windows near now are looked at one by one; farther ones in groups, of which the middle stands for all. */
static void walk(
    const struct mp_demand *d, enum mp_demand_view view, int64_t from_ns, int64_t to_ns, struct path *out)
{
	int64_t t_ns = from_ns, origin_ns = view == MP_DEMAND_NOW ? d->course->to_ns : from_ns;
	int64_t least_ns = view == MP_DEMAND_NOW ? d->window_ns : (to_ns - from_ns) / (STEPS / 8) + 1;

	for (out->n = 0; t_ns < to_ns && out->n < STEPS; out->n++) {
		struct step *s = &out->step[out->n];
		int64_t passed_ns = t_ns - origin_ns, number = passed_ns / d->window_ns, length_ns;

		s->cell = mp_pattern_cell_at(&d->pattern, t_ns, &s->end_ns);
		s->ahead = view == MP_DEMAND_ANEW ? (t_ns == from_ns ? MP_PASSAGE_FIRST : MP_PASSAGE_ANEW)
			   : number < MP_PASSAGE_KNOWN ? (int)number + 1
						       : MP_PASSAGE_ANEW;
		/* A first window ends where it ends; part of it that is behind is no part of the step. */
		length_ns = s->ahead > 0 ? (number + 1) * d->window_ns - passed_ns : passed_ns / STEPS_GROWTH;
		if (s->ahead <= 0 && length_ns < least_ns)
			length_ns = least_ns;
		if (s->ahead == MP_PASSAGE_FIRST)
			length_ns = d->window_ns;
		if (s->end_ns > to_ns)
			s->end_ns = to_ns;
		if (length_ns < s->end_ns - t_ns)
			s->end_ns = t_ns + length_ns;
		length_ns = s->end_ns - t_ns;
		s->windows = (double)length_ns / (double)d->window_ns;
		s->time = ((double)t_ns + (double)length_ns / 2 - (double)d->course->to_ns) / d->length_ns;
		t_ns = s->end_ns;
	}
}

/* Of reaching `objects` in a step, by the parameters of one draw. */
static double hazard(const struct mp_demand *d, const struct mp_draw *w, const struct step *s, double objects)
{
	double base = w->level + w->offset[s->cell] + w->trend * (s->time - d->mean_time);
	double threshold = (objects - 0.5 - base) / w->spread[s->cell];

	return s->windows * mp_passage_hazard(&d->passage, s->ahead, mp_gev_reduce(&w->peak, threshold));
}

static double risk_of(
    const struct mp_demand *d, const struct mp_draw *w, const struct path *p, double objects)
{
	double sum = 0;

	for (int i = 0; i < p->n; i++)
		sum += hazard(d, w, &p->step[i], objects);
	return -expm1(-sum);
}

static double risk(const struct mp_demand *d, const struct path *p, double objects)
{
	double sum = 0;

	for (int j = 1; j < MP_DRAWS; j++)
		sum += d->draw[j].weight > 0 ? d->draw[j].weight * risk_of(d, &d->draw[j], p, objects) : 0;
	return fmin(sum, 1);
}

double mp_demand_reach(
    const struct mp_demand *d, enum mp_demand_view view, int64_t from_ns, int64_t to_ns, double objects)
{
	struct path p;

	walk(d, view, from_ns, to_ns, &p);
	return risk(d, &p, objects);
}

/* Whether so many objects are reached with a probability of at most p. */
struct question {
	const struct mp_demand *d;
	struct path path;
	double p;
	enum { ALL_TOGETHER, BEST, THIS_MANY } of;
	double confidence;
};

static bool is_enough(const struct question *q, double objects)
{
	double sure = 0;

	if (q->of == ALL_TOGETHER)
		return risk(q->d, &q->path, objects) <= q->p;
	if (q->of == BEST)
		return risk_of(q->d, &q->d->draw[0], &q->path, objects) <= q->p;
	for (int j = 1; j < MP_DRAWS; j++)
		if (risk_of(q->d, &q->d->draw[j], &q->path, objects) <= q->p)
			sure += q->d->draw[j].weight;
	return sure >= q->confidence;
}

static double smallest(struct question *q, enum mp_demand_view view, int64_t from_ns, int64_t to_ns)
{
	double lo = 0, hi = fmax(q->d->summary.level, 1);

	walk(q->d, view, from_ns, to_ns, &q->path);
	while (!is_enough(q, hi) && hi < (double)MP_POOL_MOST) {
		lo = hi;
		hi *= 2;
	}
	hi = fmin(hi, (double)MP_POOL_MOST);
	while (hi - lo > fmax(0.5, PRECISION * hi)) {
		double middle = (lo + hi) / 2;

		if (is_enough(q, middle))
			hi = middle;
		else
			lo = middle;
	}
	return ceil(hi);
}

double mp_demand_quantile(
    const struct mp_demand *d, enum mp_demand_view view, int64_t from_ns, int64_t to_ns, double p)
{
	return smallest(&(struct question){.d = d, .p = p, .of = ALL_TOGETHER}, view, from_ns, to_ns);
}

double mp_demand_quantile_best(
    const struct mp_demand *d, enum mp_demand_view view, int64_t from_ns, int64_t to_ns, double p)
{
	return smallest(&(struct question){.d = d, .p = p, .of = BEST}, view, from_ns, to_ns);
}

double mp_demand_quantile_upper(const struct mp_demand *d, enum mp_demand_view view, int64_t from_ns,
    int64_t to_ns, double p, double confidence)
{
	return smallest(&(struct question){.d = d, .p = p, .of = THIS_MANY, .confidence = confidence}, view,
	    from_ns, to_ns);
}

void mp_demand_times(
    const struct mp_demand *d, int64_t sight_ns, double objects, const double *p, int n, int64_t *out)
{
	double sum[MP_DRAWS] = {0}, before = 0;
	int64_t start_ns = d->course->to_ns, end_ns;
	struct path path;
	int next = 0;

	if (__builtin_add_overflow(start_ns, sight_ns, &end_ns))
		end_ns = INT64_MAX;
	walk(d, MP_DEMAND_NOW, start_ns, end_ns, &path);
	for (int i = 0; i < path.n && next < n; i++) {
		double reached = 0;

		for (int j = 1; j < MP_DRAWS; j++) {
			sum[j] += hazard(d, &d->draw[j], &path.step[i], objects);
			reached += d->draw[j].weight * -expm1(-sum[j]);
		}
		for (; next < n && reached >= p[next]; next++) {
			double part = reached > before ? (p[next] - before) / (reached - before) : 1;

			out[next] = start_ns - d->course->to_ns +
				    (int64_t)(part * (double)(path.step[i].end_ns - start_ns));
		}
		before = reached;
		start_ns = path.step[i].end_ns;
	}
	for (; next < n; next++)
		out[next] = INT64_MAX;
}
