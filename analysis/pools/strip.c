/* SPDX-License-Identifier: MIT */
#include "analysis/pools/private.h"

#define SECOND_NS INT64_C(1000000000)

static void touch(struct pool_strip *out, int64_t from_ns, int64_t to_ns, const struct mp_pool_slot *s)
{
	int64_t end_ns = out->from_ns + out->n * out->step_ns;

	from_ns = from_ns > out->from_ns ? from_ns : out->from_ns;
	to_ns = to_ns < end_ns ? to_ns : end_ns;
	for (int64_t i = (from_ns - out->from_ns) / out->step_ns; from_ns < to_ns && i < out->n; i++) {
		struct pool_step *step = &out->step[i];

		if (out->from_ns + i * out->step_ns >= to_ns)
			break;
		step->min = step->is_watched && step->min < s->in_use_min ? step->min : s->in_use_min;
		step->max = step->is_watched && step->max > s->in_use_max ? step->max : s->in_use_max;
		step->last = s->in_use_last;
		step->is_watched = true;
	}
}

/* A slot's gets are of the step that it begins in: rolled up slots may be longer than a step. */
static void count(struct pool_strip *out, const struct mp_pool_slot *s)
{
	int64_t i = s->t_ns < out->from_ns ? 0 : (s->t_ns - out->from_ns) / out->step_ns;

	if (i >= out->n)
		return;
	out->step[i].gets += s->gets;
	out->step[i].puts += s->puts;
	out->step[i].failures += s->failures;
}

static char character(const struct pool_step *step, int64_t capacity, int64_t most)
{
	if (!step->is_watched)
		return '.';
	if (step->failures)
		return '!';
	if (capacity && step->max >= capacity)
		return 'F';
	double tenths = most > 0 ? 10.0 * (double)step->max / (double)most : 0;
	return (char)('0' + (tenths < 9 ? (int)tenths : 9));
}

void pool_strip_make(
    const struct pool_series *series, int64_t from_ns, int64_t now_ns, struct pool_strip *out)
{
	const struct mp_pool_course *c = &series->course;
	int64_t length_ns = now_ns - from_ns, most = c->capacity;

	*out = (struct pool_strip){.from_ns = from_ns};
	out->step_ns = ((length_ns - 1) / (POOL_STEPS * SECOND_NS) + 1) * SECOND_NS;
	out->n = (int)((length_ns - 1) / out->step_ns + 1);
	for (size_t i = 0; i < c->slots && series->is_known; i++) {
		const struct mp_pool_slot *s = &c->slot[i];
		struct mp_pool_slot still = {.in_use_min = s->in_use_last,
		    .in_use_max = s->in_use_last,
		    .in_use_last = s->in_use_last};
		int64_t end_ns = s->t_ns + s->dur_ns < c->to_ns ? s->t_ns + s->dur_ns : c->to_ns;

		touch(out, s->t_ns > c->from_ns ? s->t_ns : c->from_ns, end_ns, s);
		count(out, s);
		touch(out, end_ns, i + 1 < c->slots ? c->slot[i + 1].t_ns : c->to_ns, &still);
		if (!c->capacity && s->in_use_max > most)
			most = s->in_use_max;
	}
	for (int i = 0; i < out->n; i++)
		out->text[i] = character(&out->step[i], c->capacity, most);
}
