/* SPDX-License-Identifier: MIT */
#include "analysis/forecast/forecast.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/forecast/calendar.h"

static void observe(const struct mp_pool_course *c, struct mp_forecast *out)
{
	for (size_t i = 0; i < c->slots; i++) {
		const struct mp_pool_slot *s = &c->slot[i];

		if (i == 0 || (double)s->in_use_max > out->in_use_max) {
			out->in_use_max = (double)s->in_use_max;
			out->in_use_max_t_ns = s->t_ns;
		}
		out->failures += (double)s->failures;
		out->in_use_last = (double)s->in_use_last;
	}
}

static bool is_dry(const struct mp_pool_course *c)
{
	return c->capacity && c->slots && c->slot[c->slots - 1].in_use_last >= c->capacity;
}

static void say_nothing(struct mp_forecast *f)
{
	f->quality = MP_FORECAST_NONE;
	f->demand = (struct mp_demand_summary){.level = NAN,
	    .trend = NAN,
	    .trend_error = NAN,
	    .p_trend = NAN,
	    .scale = NAN,
	    .shape = NAN,
	    .burstiness = NAN,
	    .correlation = NAN};
	f->p_exhaust = f->max_p10 = f->max_p50 = f->max_p90 = NAN;
	f->exhaust = (struct mp_forecast_time){MP_FORECAST_NEVER, MP_FORECAST_NEVER, MP_FORECAST_NEVER};
}

static double reach(const struct mp_pool_course *c, const struct mp_demand *d, int64_t from_ns, int64_t to_ns)
{
	return c->capacity ? mp_demand_reach(d, MP_DEMAND_NOW, from_ns, to_ns, (double)c->capacity) : NAN;
}

static double most(const struct mp_demand *d, int64_t from_ns, int64_t to_ns, double p)
{
	/* What is reached with at most 1 - p, less the one object that then is too many. */
	return mp_demand_quantile(d, MP_DEMAND_NOW, from_ns, to_ns, 1 - p) - 1;
}

static int by_start(const void *a, const void *b)
{
	const struct mp_forecast_phase *x = a, *y = b;

	return (x->next.start_ns > y->next.start_ns) - (x->next.start_ns < y->next.start_ns);
}

static int look_at_phases(const struct mp_pool_course *c, const struct mp_demand *d, struct mp_forecast *out)
{
	struct mp_calendar cal;
	int rc = mp_calendar_make(c, &cal);

	if (rc)
		return rc;
	out->phase = calloc(cal.phases + 1, sizeof(*out->phase));
	for (size_t i = 0; out->phase && i < cal.phases; i++) {
		struct mp_forecast_phase p = {0};

		/* One without an end that is known has no occurrence to speak of. */
		if (!mp_calendar_next(&cal, i, c->to_ns, &p.next) || p.next.end_ns == INT64_MAX)
			continue;
		int64_t from_ns = p.next.start_ns > c->to_ns ? p.next.start_ns : c->to_ns;
		p.p_exhaust = reach(c, d, from_ns, p.next.end_ns);
		p.max_p50 = most(d, from_ns, p.next.end_ns, 0.5);
		p.max_p90 = most(d, from_ns, p.next.end_ns, 0.9);
		out->phase[out->phases++] = p;
	}
	mp_calendar_clear(&cal);
	if (!out->phase)
		return -ENOMEM;
	qsort(out->phase, out->phases, sizeof(*out->phase), by_start);
	return 0;
}

static void look_ahead(const struct mp_pool_course *c, const struct mp_demand *d, struct mp_forecast *out)
{
	static const double p[] = {0.1, 0.5, 0.9};
	int64_t to_ns = c->to_ns + out->horizon_ns, length_ns = c->to_ns - c->from_ns, sight_ns, t_ns[3];

	out->p_exhaust = reach(c, d, c->to_ns, to_ns);
	out->max_p10 = most(d, c->to_ns, to_ns, p[0]);
	out->max_p50 = most(d, c->to_ns, to_ns, p[1]);
	out->max_p90 = most(d, c->to_ns, to_ns, p[2]);
	if (!c->capacity)
		return;
	if (__builtin_mul_overflow(length_ns, MP_FORECAST_SIGHT, &sight_ns))
		sight_ns = INT64_MAX;
	mp_demand_times(d, sight_ns, (double)c->capacity, p, 3, t_ns);
	out->exhaust = (struct mp_forecast_time){t_ns[0], t_ns[1], t_ns[2]};
}

int mp_forecast_make(const struct mp_pool_course *c, int64_t horizon_ns, struct mp_forecast *out)
{
	struct mp_demand *d;
	int64_t to_ns;

	*out = (struct mp_forecast){.horizon_ns = horizon_ns};
	if (horizon_ns < 1 || mp_pool_course_check(c) || __builtin_add_overflow(c->to_ns, horizon_ns, &to_ns))
		return -EINVAL;
	observe(c, out);
	say_nothing(out);
	int rc = mp_demand_fit(c, horizon_ns, &d);
	if (!rc) {
		mp_demand_summarize(d, &out->demand);
		out->quality =
		    out->demand.independent < MP_DEMAND_ENOUGH || horizon_ns > c->to_ns - c->from_ns
			? MP_FORECAST_ROUGH
			: MP_FORECAST_GOOD;
		look_ahead(c, d, out);
		rc = look_at_phases(c, d, out);
	}
	if (is_dry(c)) {
		out->p_exhaust = 1;
		out->exhaust = (struct mp_forecast_time){0, 0, 0};
	}
	mp_demand_free(d);
	return rc == -ENODATA ? 0 : rc;
}

void mp_forecast_clear(struct mp_forecast *f)
{
	free(f->phase);
	f->phase = NULL;
	f->phases = 0;
}
