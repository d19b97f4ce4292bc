/* SPDX-License-Identifier: MIT */
#include "analysis/forecast/course.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static bool is_count(int64_t n)
{
	return n >= 0 && n <= MP_POOL_MOST;
}

static bool is_slot(const struct mp_pool_slot *s)
{
	return s->dur_ns > 0 && s->t_ns <= INT64_MAX - s->dur_ns && is_count(s->in_use_max) &&
	       0 <= s->in_use_min && s->in_use_min <= s->in_use_last && s->in_use_last <= s->in_use_max &&
	       is_count(s->gets) && is_count(s->puts) && is_count(s->failures);
}

int mp_pool_course_check(const struct mp_pool_course *c)
{
	int64_t length_ns;

	/* Lengths are added to times: none may be of half the clock. */
	if (c->from_ns >= c->to_ns || __builtin_sub_overflow(c->to_ns, c->from_ns, &length_ns) ||
	    length_ns > INT64_MAX / 4 || !is_count(c->capacity))
		return -EINVAL;
	for (size_t i = 0; i < c->slots; i++)
		if (!is_slot(&c->slot[i]) ||
		    (i && c->slot[i].t_ns < c->slot[i - 1].t_ns + c->slot[i - 1].dur_ns))
			return -EINVAL;
	for (size_t i = 0; i < c->phases; i++)
		if (c->phase[i].id < 0 || c->phase[i].start_ns >= c->phase[i].end_ns ||
		    (i && c->phase[i].start_ns < c->phase[i - 1].end_ns &&
			c->phase[i - 1].end_ns != INT64_MAX) ||
		    (i && c->phase[i].start_ns <= c->phase[i - 1].start_ns))
			return -EINVAL;
	return 0;
}

/* How long an object is held on average: the number in use over time, divided by the gets. INFINITY: nothing
 * was taken. */
static double hold_ns(const struct mp_pool_course *c)
{
	double area = 0, gets = 0;

	for (size_t i = 0; i < c->slots; i++) {
		int64_t next_ns = i + 1 < c->slots ? c->slot[i + 1].t_ns : c->to_ns;

		area += (double)c->slot[i].in_use_last * (double)(next_ns - c->slot[i].t_ns);
		gets += (double)c->slot[i].gets;
	}
	return gets > 0 ? fmax(area / gets, 1) : INFINITY;
}

struct filling {
	struct mp_pool_windows *w;
	int64_t to_ns;
};

/* The windows that from_ns to to_ns touch: [first, last]; false: none. */
static bool touched(const struct filling *f, int64_t from_ns, int64_t to_ns, size_t *first, size_t *last)
{
	if (from_ns < f->w->from_ns)
		from_ns = f->w->from_ns;
	if (to_ns > f->to_ns)
		to_ns = f->to_ns;
	if (from_ns >= to_ns)
		return false;
	*first = (size_t)((from_ns - f->w->from_ns) / f->w->window_ns);
	*last = (size_t)((to_ns - 1 - f->w->from_ns) / f->w->window_ns);
	return true;
}

static void fill(struct filling *f, int64_t from_ns, int64_t to_ns, int64_t min, int64_t max, int64_t end)
{
	size_t first, last;

	if (!touched(f, from_ns, to_ns, &first, &last))
		return;
	for (size_t i = first; i <= last; i++) {
		struct mp_pool_window *w = &f->w->window[i];

		w->min = fmin(w->min, (double)min);
		w->max = fmax(w->max, (double)max);
		w->wanted = fmax(w->wanted, (double)max);
		w->last = (double)end;
	}
}

static void count(struct filling *f, const struct mp_pool_slot *s, double missing)
{
	size_t first, last;

	if (!touched(f, s->t_ns, s->t_ns + s->dur_ns, &first, &last))
		return;
	f->w->window[last].gets += (double)s->gets;
	f->w->window[last].failures += (double)s->failures;
	if (s->failures)
		f->w->window[last].wanted =
		    fmax(f->w->window[last].wanted, (double)s->in_use_max + fmax(missing, 1));
}

static void fill_all(const struct mp_pool_course *c, struct filling *f)
{
	double hold = hold_ns(c), missing = 0;
	/* Before the first slot nothing changed since nobody knows when. */
	int64_t level = c->slots ? c->slot[0].in_use_min : 0, since_ns = c->from_ns;

	for (size_t i = 0; i < c->slots; i++) {
		const struct mp_pool_slot *s = &c->slot[i];
		int64_t end_ns = s->t_ns + s->dur_ns;

		fill(f, since_ns, s->t_ns, level, level, level);
		fill(f, s->t_ns, end_ns, s->in_use_min, s->in_use_max, s->in_use_last);
		missing =
		    missing * exp(-fmax((double)end_ns - (double)since_ns, 0) / hold) + (double)s->failures;
		count(f, s, missing);
		level = s->in_use_last;
		since_ns = end_ns;
	}
	fill(f, since_ns, c->to_ns, level, level, level);
}

int mp_pool_windows_make(const struct mp_pool_course *c, int64_t window_ns, struct mp_pool_windows *out)
{
	*out = (struct mp_pool_windows){0};
	if (window_ns < 1 || mp_pool_course_check(c))
		return -EINVAL;
	int64_t length_ns = c->to_ns - c->from_ns;
	if (window_ns < (length_ns - 1) / MP_POOL_WINDOWS + 1)
		window_ns = (length_ns - 1) / MP_POOL_WINDOWS + 1;
	for (size_t i = 0; i < c->slots; i++)
		if (window_ns < c->slot[i].dur_ns)
			window_ns = c->slot[i].dur_ns;
	size_t n = (size_t)(length_ns / window_ns);
	if (!n)
		return -ENODATA;
	out->window = calloc(n, sizeof(*out->window));
	if (!out->window)
		return -ENOMEM;
	out->n = n;
	out->window_ns = window_ns;
	out->from_ns = c->to_ns - (int64_t)n * window_ns;
	for (size_t i = 0; i < n; i++)
		out->window[i].min = INFINITY;
	fill_all(c, &(struct filling){out, c->to_ns});
	return 0;
}

void mp_pool_windows_clear(struct mp_pool_windows *w)
{
	free(w->window);
	*w = (struct mp_pool_windows){0};
}
