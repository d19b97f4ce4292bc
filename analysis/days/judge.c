/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/days/private.h"
#include "analysis/stats/correlation.h"
#include "analysis/stats/outlier.h"

/* A figure of a phase, over the days that have it. */
struct series {
	size_t group;
	enum figure figure;
	bool is_log;
	bool has_trend; /* one that is told */
	double median;
	struct mp_trend trend;
};

struct test {
	size_t series, card;
	struct mp_outlier found;
};

/* Values of one series, as they are tested. */
struct values {
	double number[MP_DAYS_MOST], v[MP_DAYS_MOST], least[MP_DAYS_MOST];
	size_t card[MP_DAYS_MOST], n;
};

struct judging {
	struct days *d;
	struct series *series;
	struct test *test;
	double *log_p;
	size_t n_series, n_tests;
	struct values values;
};

/* 1970-01-01 was a Thursday. */
double days_number(const struct days *d, int64_t date)
{
	int64_t week = (date + 3) / 7, weekday = (date + 3) % 7;

	return d->is_weekdays ? (double)(week * 5 + weekday) : (double)date;
}

static double median_of(const double *v, size_t n)
{
	double sorted[MP_DAYS_MOST];

	memcpy(sorted, v, n * sizeof(*v));
	mp_sort(sorted, n);
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* What can be tested of a figure; a phase of a name and nth has at most one card a day, whatever a file says.
 */
static void collect(struct judging *j, struct series *s)
{
	const struct group *g = &j->d->group[s->group];
	struct values *out = &j->values;

	out->n = 0;
	s->is_log = true;
	for (size_t i = g->from; i < g->to; i++) {
		const struct card *c = &j->d->card[i];
		double v = c->value[s->figure];

		if (!isfinite(v) || isinf(c->error[s->figure]) || (i > g->from && c[-1].day == c->day))
			continue;
		out->card[out->n] = i;
		out->number[out->n] = days_number(j->d, j->d->day[c->day].date);
		out->v[out->n++] = v;
		s->is_log &= v > 0;
	}
	s->median = out->n ? median_of(out->v, out->n) : NAN;
	for (size_t i = 0; i < out->n; i++) {
		double of = fabs(s->is_log ? out->v[i] : s->median);
		double least = fmax(MP_DAYS_LEAST_SHARE * of, j->d->card[out->card[i]].error[s->figure]);

		out->least[i] = s->is_log ? least / of : fmax(least, 1e-300);
		if (s->is_log)
			out->v[i] = log(out->v[i]);
	}
}

/* ---- Trends ---- */

static bool has_days(const struct values *v)
{
	size_t days = v->n > 0;

	for (size_t i = 1; i < v->n; i++)
		days += v->number[i] != v->number[i - 1];
	return days >= MP_DAYS_LEAST;
}

static int find_trends(struct judging *j)
{
	struct days *d = j->d;

	for (size_t g = 0; g < d->n_groups; g++) {
		for (int f = 0; f < FIGURES; f++) {
			struct series *s = &j->series[j->n_series];

			*s = (struct series){.group = g, .figure = f};
			collect(j, s);
			if (j->values.n < MP_DAYS_LEAST)
				continue;
			if (has_days(&j->values) &&
			    mp_trend_of(j->values.number, j->values.v, j->values.n, &s->trend))
				return -ENOMEM;
			j->n_series++;
		}
	}
	return 0;
}

static bool is_tested(const struct series *s)
{
	return s->trend.n && !isnan(s->trend.tau) && !isnan(s->trend.lo);
}

/* Shares a day, of slopes. */
static double share_of(const struct series *s, double slope)
{
	return s->is_log ? expm1(slope) : s->median != 0 ? slope / s->median : NAN;
}

static double level_at(const struct series *s, double number)
{
	double v = s->trend.intercept + s->trend.slope * number;

	return s->is_log ? exp(v) : v;
}

static void tell_trend(struct judging *j, struct series *s, double log_p)
{
	struct days *d = j->d;

	collect(j, s);
	double from = level_at(s, j->values.number[0]), to = level_at(s, j->values.number[j->values.n - 1]);
	if (log_p > log(MP_DAYS_LEVEL / 2) || fabs(to - from) < MP_DAYS_LEAST_SHARE * fabs(s->median))
		return;
	s->has_trend = true;
	d->trend[d->n_trends++] = (struct told_trend){.of = &d->card[j->values.card[0]],
	    .figure = s->figure,
	    .is_share = s->is_log,
	    .n = j->values.n,
	    .tau = s->trend.tau,
	    .log_p = log_p,
	    .slope = share_of(s, s->trend.slope),
	    .lo = share_of(s, s->trend.lo),
	    .hi = share_of(s, s->trend.hi),
	    .first = from,
	    .last = to};
}

static int judge_trends(struct judging *j)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n_series; i++)
		if (is_tested(&j->series[i]))
			j->log_p[n++] = j->series[i].trend.log_p;
	j->d->tested_trends = n;
	j->d->trend = calloc(n + 1, sizeof(*j->d->trend));
	if (!j->d->trend || mp_holm(j->log_p, n))
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < j->n_series; i++)
		if (is_tested(&j->series[i]))
			tell_trend(j, &j->series[i], j->log_p[n++]);
	return 0;
}

/* ---- Outliers ---- */

static int find_outliers(struct judging *j, size_t series)
{
	struct series *s = &j->series[series];
	struct values *v = &j->values;
	struct mp_outlier found[MP_DAYS_MOST];

	collect(j, s);
	for (size_t i = 0; s->has_trend && i < v->n; i++)
		v->v[i] -= s->trend.slope * v->number[i];
	if (mp_outliers_of(v->v, v->least, v->n, found))
		return -ENOMEM;
	for (size_t i = 0; i < v->n; i++) {
		if (s->has_trend)
			found[i].expected += s->trend.slope * v->number[i];
		j->test[j->n_tests++] = (struct test){series, v->card[i], found[i]};
	}
	return 0;
}

static int judge_outliers(struct judging *j)
{
	struct days *d = j->d;

	for (size_t i = 0; i < j->n_series; i++)
		if (find_outliers(j, i))
			return -ENOMEM;
	for (size_t i = 0; i < j->n_tests; i++)
		j->log_p[i] = j->test[i].found.log_p;
	d->tested_values = j->n_tests;
	d->outlier = calloc(j->n_tests + 1, sizeof(*d->outlier));
	if (!d->outlier || mp_holm(j->log_p, j->n_tests))
		return -ENOMEM;
	for (size_t i = 0; i < j->n_tests; i++) {
		const struct test *t = &j->test[i];
		const struct series *s = &j->series[t->series];

		if (j->log_p[i] <= log(MP_DAYS_LEVEL / 2))
			d->outlier[d->n_outliers++] = (struct told_outlier){.of = &d->card[t->card],
			    .figure = s->figure,
			    .expected = s->is_log ? exp(t->found.expected) : t->found.expected,
			    .z = t->found.z,
			    .log_p = j->log_p[i]};
	}
	return 0;
}

/* ---- All of it ---- */

static int by_sureness(const void *a, const void *b)
{
	const struct told_trend *x = a, *y = b;

	if (x->log_p != y->log_p)
		return x->log_p < y->log_p ? -1 : 1;
	return x->of != y->of ? (x->of < y->of ? -1 : 1) : (int)x->figure - (int)y->figure;
}

static int by_distance(const void *a, const void *b)
{
	const struct told_outlier *x = a, *y = b;

	if (fabs(x->z) != fabs(y->z))
		return fabs(x->z) > fabs(y->z) ? -1 : 1;
	return x->of != y->of ? (x->of < y->of ? -1 : 1) : (int)x->figure - (int)y->figure;
}

int days_judge(struct days *d, struct mp_err *err)
{
	struct judging *j = calloc(1, sizeof(*j));
	int rc = -ENOMEM;

	if (j) {
		j->d = d;
		/* Of groups of too few cards there is none. */
		j->series = calloc((d->n_cards / MP_DAYS_LEAST + 1) * FIGURES + 1, sizeof(*j->series));
		j->test = calloc(d->n_cards * FIGURES + 1, sizeof(*j->test));
		j->log_p = calloc(d->n_cards * FIGURES + 1, sizeof(*j->log_p));
	}
	if (j && j->series && j->test && j->log_p)
		rc = find_trends(j);
	if (!rc)
		rc = judge_trends(j);
	if (!rc)
		rc = judge_outliers(j);
	if (j) {
		free(j->series);
		free(j->test);
		free(j->log_p);
	}
	free(j);
	if (rc)
		return days_no_memory(err);
	if (d->n_trends)
		qsort(d->trend, d->n_trends, sizeof(*d->trend), by_sureness);
	if (d->n_outliers)
		qsort(d->outlier, d->n_outliers, sizeof(*d->outlier), by_distance);
	return 0;
}
