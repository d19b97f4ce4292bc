/* SPDX-License-Identifier: MIT */
#include "analysis/forecast/calendar.h"

#include <errno.h>
#include <stdlib.h>

#include "analysis/stats/rank.h"

static int64_t median(int64_t *v, size_t n)
{
	return n ? mp_rank_select(v, 0, n, (n - 1) / 2) : 0;
}

/* `scratch` has room for as many as there are occurrences. */
static void describe(const struct mp_pool_course *c, struct mp_calendar_phase *p, int64_t *scratch)
{
	int64_t last_ns = 0;
	size_t n = 0;

	for (size_t i = 0; i < c->phases; i++) {
		const struct mp_pool_phase *o = &c->phase[i];

		if (o->id != p->id)
			continue;
		if (p->occurrences++)
			scratch[n++] = o->start_ns - last_ns;
		last_ns = o->start_ns;
	}
	p->last_ns = last_ns;
	p->period_ns = median(scratch, n);
	n = 0;
	for (size_t i = 0; i < c->phases; i++)
		if (c->phase[i].id == p->id && c->phase[i].end_ns != INT64_MAX)
			scratch[n++] = c->phase[i].end_ns - c->phase[i].start_ns;
	p->length_ns = median(scratch, n);
}

static int find(const struct mp_calendar *cal, int id)
{
	for (size_t i = 0; i < cal->phases; i++)
		if (cal->phase[i].id == id)
			return (int)i;
	return -1;
}

int mp_calendar_make(const struct mp_pool_course *c, struct mp_calendar *out)
{
	int64_t *scratch = malloc((c->phases + 1) * sizeof(*scratch));

	*out = (struct mp_calendar){.course = c, .phase = calloc(c->phases + 1, sizeof(*out->phase))};
	if (!scratch || !out->phase) {
		free(scratch);
		mp_calendar_clear(out);
		return -ENOMEM;
	}
	for (size_t i = 0; i < c->phases; i++) {
		if (find(out, c->phase[i].id) >= 0)
			continue;
		struct mp_calendar_phase *p = &out->phase[out->phases++];
		p->id = c->phase[i].id;
		describe(c, p, scratch);
	}
	free(scratch);
	return 0;
}

void mp_calendar_clear(struct mp_calendar *cal)
{
	free(cal->phase);
	*cal = (struct mp_calendar){0};
}

static int64_t plus(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* Of what is told without an end, the one that is expected; but what is on at the course's end lasts at least
 * until then. */
static int64_t end_of(const struct mp_calendar *cal, const struct mp_pool_phase *o)
{
	if (o->end_ns != INT64_MAX)
		return o->end_ns;
	int index = find(cal, o->id);
	int64_t length_ns = index < 0 ? 0 : cal->phase[index].length_ns;
	if (!length_ns)
		return INT64_MAX;
	int64_t end_ns = plus(o->start_ns, length_ns), now_ns = cal->course->to_ns;
	return end_ns > now_ns ? end_ns : plus(now_ns, 1);
}

/* The first that is expected behind what is told and ends behind t_ns. */
static bool expected(
    const struct mp_calendar *cal, const struct mp_calendar_phase *p, int64_t t_ns, struct mp_pool_phase *out)
{
	int64_t start_ns = p->last_ns, told_ns = cal->course->to_ns, skip = 1;

	if (!p->period_ns || !p->length_ns)
		return false;
	if (cal->course->phase[cal->course->phases - 1].start_ns > told_ns)
		told_ns = cal->course->phase[cal->course->phases - 1].start_ns;
	/* One that should have been there by now is late, and may come any time: it is expected now. */
	if (t_ns - p->length_ns > start_ns)
		skip = (t_ns - p->length_ns - start_ns) / p->period_ns + 1;
	if (__builtin_mul_overflow(skip, p->period_ns, &start_ns))
		return false;
	start_ns = plus(p->last_ns, start_ns);
	if (start_ns < told_ns)
		start_ns = told_ns;
	*out = (struct mp_pool_phase){start_ns, plus(start_ns, p->length_ns), p->id};
	return out->end_ns > t_ns && out->end_ns != INT64_MAX;
}

bool mp_calendar_next(const struct mp_calendar *cal, size_t index, int64_t t_ns, struct mp_pool_phase *out)
{
	const struct mp_pool_course *c = cal->course;
	const struct mp_calendar_phase *p = &cal->phase[index];

	for (size_t i = 0; i < c->phases; i++) {
		int64_t end_ns = c->phase[i].id == p->id ? end_of(cal, &c->phase[i]) : INT64_MIN;

		if (end_ns <= t_ns)
			continue;
		*out = c->phase[i];
		out->end_ns = end_ns;
		return true;
	}
	return expected(cal, p, t_ns, out);
}

/* The one told that is on at t_ns, or the gap that t_ns is in, whose end is INT64_MAX behind the last one. */
static struct mp_pool_phase told_at(const struct mp_calendar *cal, int64_t t_ns)
{
	const struct mp_pool_course *c = cal->course;
	struct mp_pool_phase gap = {INT64_MIN, INT64_MAX, -1};
	size_t lo = 0, hi = c->phases;

	while (lo < hi) {
		size_t middle = (lo + hi) / 2;

		if (c->phase[middle].start_ns <= t_ns)
			lo = middle + 1;
		else
			hi = middle;
	}
	if (lo < c->phases)
		gap.end_ns = c->phase[lo].start_ns;
	if (!lo)
		return gap;
	gap.start_ns = end_of(cal, &c->phase[lo - 1]);
	if (gap.start_ns <= t_ns)
		return gap;
	struct mp_pool_phase on = c->phase[lo - 1];
	on.end_ns = gap.start_ns < gap.end_ns ? gap.start_ns : gap.end_ns;
	return on;
}

struct mp_pool_phase mp_calendar_at(const struct mp_calendar *cal, int64_t t_ns, int *index)
{
	struct mp_pool_phase at = told_at(cal, t_ns);
	bool is_told = at.id >= 0 || at.end_ns != INT64_MAX;

	for (size_t i = 0; i < cal->phases && (!is_told || at.end_ns > cal->course->to_ns); i++) {
		struct mp_pool_phase next;

		if (!expected(cal, &cal->phase[i], t_ns, &next))
			continue;
		if (next.start_ns > t_ns)
			at.end_ns = next.start_ns < at.end_ns ? next.start_ns : at.end_ns;
		else if (!is_told && next.start_ns >= at.start_ns)
			at = (struct mp_pool_phase){
			    next.start_ns, at.end_ns < next.end_ns ? at.end_ns : next.end_ns, next.id};
	}
	if (index)
		*index = at.id < 0 ? -1 : find(cal, at.id);
	return at;
}
