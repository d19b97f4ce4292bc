/* SPDX-License-Identifier: MIT */
#include "analysis/forecast/backtest.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/forecast/demand.h"

#define LEVELS   3
#define MOST     (MP_BACKTEST_ORIGINS * LEVELS)
#define EARLIEST 3 /* of the recording, its first third is always known */

static const double levels[LEVELS] = {0.9, 1, 1.1};

double mp_backtest_line(const struct mp_pool_course *c, int64_t horizon_ns)
{
	struct mp_pool_windows w;
	double time = 0, last = 0, products = 0, squares = 0;

	if (mp_pool_windows_make(c, 1000000000, &w))
		return NAN;
	for (size_t i = 0; i < w.n; i++) {
		time += (double)i / (double)w.n;
		last += w.window[i].last / (double)w.n;
	}
	for (size_t i = 0; i < w.n; i++) {
		products += ((double)i - time) * (w.window[i].last - last);
		squares += ((double)i - time) * ((double)i - time);
	}
	double slope = squares > 0 ? products / squares : 0;
	double now = last + slope * ((double)(w.n - 1) - time);
	double then = now + slope * (double)horizon_ns / (double)w.window_ns;
	mp_pool_windows_clear(&w);
	return fmax(now, then);
}

/* The course as it was known at a time. */
static struct mp_pool_course until(
    const struct mp_pool_course *c, int64_t to_ns, struct mp_pool_phase *phases)
{
	struct mp_pool_course known = *c;

	known.to_ns = to_ns;
	while (known.slots && c->slot[known.slots - 1].t_ns + c->slot[known.slots - 1].dur_ns > to_ns)
		known.slots--;
	while (known.phases && c->phase[known.phases - 1].start_ns >= to_ns)
		known.phases--;
	if (known.phases) {
		memcpy(phases, c->phase, known.phases * sizeof(*phases));
		if (phases[known.phases - 1].end_ns > to_ns)
			phases[known.phases - 1].end_ns = INT64_MAX;
	}
	known.phase = phases;
	return known;
}

/* The highest of what was in use between two times. `failed`: gets failed, and it might have been higher. */
static double highest(const struct mp_pool_course *c, int64_t from_ns, int64_t to_ns, bool *failed)
{
	double max = 0;

	*failed = false;
	for (size_t i = 0; i < c->slots; i++) {
		const struct mp_pool_slot *s = &c->slot[i];

		/* What the last slot before left in use is in use, too. */
		if (s->t_ns + s->dur_ns <= from_ns)
			max = (double)s->in_use_last;
		if (s->t_ns < from_ns || s->t_ns >= to_ns)
			continue;
		max = fmax(max, (double)s->in_use_max);
		*failed |= s->failures > 0;
	}
	return max;
}

struct tally {
	int origins, questions, covered;
	double forecast[MOST], line[MOST], came_true[MOST];
	double error[MP_BACKTEST_ORIGINS];
};

static int ask(const struct mp_pool_course *c, int64_t origin_ns, int64_t horizon_ns,
    struct mp_pool_phase *phases, struct tally *t)
{
	struct mp_pool_course known = until(c, origin_ns, phases);
	struct mp_demand *d;
	bool failed;
	double max = highest(c, origin_ns, origin_ns + horizon_ns, &failed);
	double so_far = highest(&known, c->from_ns, origin_ns, &(bool){false});

	if (failed || !(so_far > 0))
		return 0;
	int rc = mp_demand_fit(&known, horizon_ns, &d);
	if (rc)
		return rc == -ENODATA ? 0 : rc;
	double line = mp_backtest_line(&known, horizon_ns);
	for (int i = 0; i < LEVELS; i++, t->questions++) {
		double level = ceil(levels[i] * so_far) + 1;

		t->forecast[t->questions] =
		    mp_demand_reach(d, MP_DEMAND_NOW, origin_ns, origin_ns + horizon_ns, level);
		t->line[t->questions] = line >= level;
		t->came_true[t->questions] = max >= level;
	}
	double q[3];
	for (int i = 0; i < 3; i++)
		q[i] =
		    mp_demand_quantile(d, MP_DEMAND_NOW, origin_ns, origin_ns + horizon_ns, 0.9 - 0.4 * i) -
		    1;
	t->covered += q[0] <= max && max <= q[2];
	t->error[t->origins++] = (q[1] - max) / fmax(max, 1);
	mp_demand_free(d);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_value);
	return (v[(n - 1) / 2] + v[n / 2]) / 2;
}

static void settle(struct tally *t, struct mp_backtest *out)
{
	double share = 0;

	*out = (struct mp_backtest){.origins = t->origins};
	for (int i = 0; i < t->questions; i++) {
		out->brier += pow(t->forecast[i] - t->came_true[i], 2) / t->questions;
		out->brier_line += pow(t->line[i] - t->came_true[i], 2) / t->questions;
		share += t->came_true[i] / t->questions;
	}
	out->brier_share = share * (1 - share);
	out->covered = (double)t->covered / t->origins;
	out->bias = median(t->error, t->origins);
	for (int i = 0; i < t->origins; i++)
		t->error[i] = fabs(t->error[i]);
	out->error = median(t->error, t->origins);
}

int mp_backtest_make(const struct mp_pool_course *c, int64_t horizon_ns, struct mp_backtest *out)
{
	struct tally t = {0};

	*out = (struct mp_backtest){0, NAN, NAN, NAN, NAN, NAN, NAN};
	if (horizon_ns < 1 || mp_pool_course_check(c))
		return -EINVAL;
	/* Those that follow on each other do not look at the same future, as far as that can be had. */
	int64_t first_ns = (c->to_ns - c->from_ns) / EARLIEST, room_ns = c->to_ns - c->from_ns - first_ns;
	int64_t step_ns = (room_ns - horizon_ns) / (MP_BACKTEST_ORIGINS - 1);
	if (horizon_ns > room_ns)
		return 0;
	if (step_ns < horizon_ns)
		step_ns = horizon_ns;
	struct mp_pool_phase *phases = calloc(c->phases + 1, sizeof(*phases));
	int rc = phases ? 0 : -ENOMEM;
	for (int i = 0; i < MP_BACKTEST_ORIGINS && !rc; i++) {
		int64_t origin_ns = c->to_ns - horizon_ns - i * step_ns;

		if (origin_ns < c->from_ns + first_ns)
			break;
		rc = ask(c, origin_ns, horizon_ns, phases, &t);
	}
	free(phases);
	if (!rc && t.origins)
		settle(&t, out);
	return rc;
}
