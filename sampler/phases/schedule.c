/* SPDX-License-Identifier: MIT */
#include "sampler/phases/schedule.h"

#include <stdlib.h>

#define DAY_NS 86400000000000LL

struct mp_phase_schedule {
	const struct mp_phase_calendar *calendar;
	struct mp_phase_window *windows; /* by their start */
	size_t n;
	int64_t from_ns, to_ns; /* all of that time */
	int64_t passed_ns;      /* wall time: bounds up to here have been passed */
};

struct mp_phase_schedule *mp_phase_schedule_new(const struct mp_phase_calendar *c)
{
	struct mp_phase_schedule *s = calloc(1, sizeof(*s));

	if (s)
		s->calendar = c;
	return s;
}

void mp_phase_schedule_free(struct mp_phase_schedule *s)
{
	if (!s)
		return;
	free(s->windows);
	free(s);
}

/* All windows from what has passed to a day behind `to_ns`. */
static int look_ahead(struct mp_phase_schedule *s, int64_t to_ns, struct mp_err *err)
{
	struct mp_phase_window *w;
	size_t n;

	to_ns = to_ns > s->passed_ns ? to_ns : s->passed_ns;
	if (s->windows && s->passed_ns >= s->from_ns && to_ns + DAY_NS <= s->to_ns)
		return 0;
	int64_t from_ns = s->passed_ns > DAY_NS ? s->passed_ns - DAY_NS : 0;
	int ret = mp_phase_calendar_windows(s->calendar, from_ns, to_ns + 2 * DAY_NS, &w, &n, err);
	if (ret)
		return ret;
	free(s->windows);
	s->windows = w;
	s->n = n;
	s->from_ns = from_ns;
	s->to_ns = to_ns + 2 * DAY_NS;
	return 0;
}

static bool is_on(const struct mp_phase_window *w, int64_t real_ns)
{
	return w->start_ns <= real_ns && real_ns < w->end_ns;
}

int mp_phase_schedule_begin(
    struct mp_phase_schedule *s, int64_t real_ns, const struct mp_phase_listener *l, struct mp_err *err)
{
	s->passed_ns = real_ns;
	int ret = look_ahead(s, real_ns, err);
	for (size_t i = 0; !ret && i < s->n; i++)
		if (is_on(&s->windows[i], real_ns))
			ret = l->begin(l->ctx, &s->windows[i], err);
	return ret;
}

int mp_phase_schedule_next(struct mp_phase_schedule *s, int64_t mono_ns, int64_t real_ns,
    struct mp_phase_bound *out, struct mp_err *err)
{
	int64_t next_ns = INT64_MAX, offset_ns = real_ns - mono_ns;
	int ret = look_ahead(s, real_ns, err);

	*out = (struct mp_phase_bound){INT64_MAX, INT64_MAX};
	for (size_t i = 0; !ret && i < s->n; i++) {
		const struct mp_phase_window *w = &s->windows[i];
		if (w->start_ns > s->passed_ns && w->start_ns < next_ns)
			next_ns = w->start_ns;
		if (w->end_ns > s->passed_ns && w->end_ns < next_ns)
			next_ns = w->end_ns;
	}
	if (ret || next_ns > s->to_ns)
		return ret;
	int64_t at_ns = next_ns - offset_ns, first_ns = mono_ns + MP_PHASE_LEAD_NS;
	out->mono_ns = at_ns > first_ns ? at_ns : first_ns;
	out->real_ns = at_ns > first_ns ? next_ns : first_ns + offset_ns;
	return 0;
}

int mp_phase_schedule_pass(struct mp_phase_schedule *s, const struct mp_phase_bound *b,
    const struct mp_phase_listener *l, struct mp_err *err)
{
	int64_t before_ns = s->passed_ns;
	int ret = look_ahead(s, b->real_ns, err);

	s->passed_ns = b->real_ns;
	for (size_t i = 0; !ret && i < s->n; i++)
		if (is_on(&s->windows[i], before_ns) && !is_on(&s->windows[i], b->real_ns))
			ret = l->end(l->ctx, &s->windows[i], err);
	for (size_t i = 0; !ret && i < s->n; i++)
		if (!is_on(&s->windows[i], before_ns) && is_on(&s->windows[i], b->real_ns))
			ret = l->begin(l->ctx, &s->windows[i], err);
	return ret;
}
