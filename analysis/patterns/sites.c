/* SPDX-License-Identifier: MIT */
#include "analysis/patterns/sites.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/patterns/changes.h"
#include "analysis/patterns/modes.h"
#include "analysis/stats/effect.h"
#include "store/op.h"

#define DRAWN  8192  /* rows of a site that are tested */
#define FIGURE 32768 /* rows of a site that percentiles are taken from */

struct group {
	size_t first, n; /* of `order` */
	double weight, weight_most;
	uint32_t site;
	uint8_t op;
};

struct mp_sites {
	const struct mp_kept_calls *calls;
	uint32_t *order; /* indexes of calls, by group, in order of time */
	struct group *group;
	size_t groups;
	/* Room for the rows of one group. */
	double *drawn;
	int64_t *drawn_ns;
	struct mp_value *figure;
};

/* 0 to 1, the same for the same call each time. */
static double lot(int64_t call_id)
{
	uint64_t x = (uint64_t)call_id * 0xbf58476d1ce4e5b9ULL;

	x = (x ^ x >> 29) * 0x94d049bb133111ebULL;
	return (double)((x ^ x >> 32) >> 11) / 9007199254740992.0;
}

static const struct mp_kept_call *call_of(const struct mp_sites *s, const struct group *g, size_t i)
{
	return &s->calls->call[s->order[g->first + i]];
}

/* Counting sort: the calls are in order of time, and stay so within a group. */
static int group_calls(struct mp_sites *s)
{
	const struct mp_kept_calls *k = s->calls;
	size_t most = (size_t)mp_texts_count(k->sites) * MP_OP_COUNT;
	uint32_t *group_of = calloc(most, sizeof(*group_of)); /* + 1 */

	if (!group_of)
		return -ENOMEM;
	for (size_t i = 0; i < k->n; i++) {
		size_t at = (size_t)k->call[i].site * MP_OP_COUNT + k->call[i].op;

		if (!group_of[at])
			group_of[at] = (uint32_t)++s->groups;
	}
	s->group = calloc(s->groups + 1, sizeof(*s->group));
	s->order = malloc((k->n + 1) * sizeof(*s->order));
	if (!s->group || !s->order) {
		free(group_of);
		return -ENOMEM;
	}
	for (int pass = 0; pass < 2; pass++) {
		size_t first = 0;

		for (size_t i = 0; i < k->n; i++) {
			const struct mp_kept_call *c = &k->call[i];
			struct group *g = &s->group[group_of[(size_t)c->site * MP_OP_COUNT + c->op] - 1];

			g->site = c->site;
			g->op = c->op;
			if (pass) {
				s->order[g->first + g->n] = (uint32_t)i;
				g->weight += c->weight;
				g->weight_most = fmax(g->weight_most, c->weight);
			}
			g->n++;
		}
		for (size_t i = 0; !pass && i < s->groups; i++) {
			s->group[i].first = first;
			first += s->group[i].n;
			s->group[i].n = 0;
		}
	}
	free(group_of);
	return 0;
}

struct mp_sites *mp_sites_new(const struct mp_kept_calls *calls)
{
	struct mp_sites *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->calls = calls;
	s->drawn = malloc(2 * DRAWN * sizeof(*s->drawn));
	s->drawn_ns = malloc(2 * DRAWN * sizeof(*s->drawn_ns));
	s->figure = malloc(2 * FIGURE * sizeof(*s->figure));
	if (s->drawn && s->drawn_ns && s->figure && !group_calls(s))
		return s;
	mp_sites_free(s);
	return NULL;
}

void mp_sites_free(struct mp_sites *s)
{
	if (!s)
		return;
	free(s->order);
	free(s->group);
	free(s->drawn);
	free(s->drawn_ns);
	free(s->figure);
	free(s);
}

static double aspect_of(const struct mp_kept_call *c, enum mp_site_aspect aspect)
{
	return (double)(aspect == MP_SITE_SIZE ? c->size_bytes : c->dur_ns);
}

/* Rows that each stand for as many calls. Twice DRAWN is more than chance ever draws. */
static size_t draw(struct mp_sites *s, const struct group *g, enum mp_site_aspect aspect)
{
	double each = fmax(g->weight_most, g->weight / DRAWN);
	size_t n = 0;

	for (size_t i = 0; i < g->n && n < 2 * DRAWN; i++) {
		const struct mp_kept_call *c = call_of(s, g, i);

		if (lot(c->call_id) * each >= c->weight)
			continue;
		s->drawn[n] = aspect_of(c, aspect);
		s->drawn_ns[n++] = c->t_ns;
	}
	return n;
}

/* Weighted percentiles of the rows before t_ns or from it on, of a random part where they are many. */
static double figure(struct mp_sites *s, const struct group *g, enum mp_site_aspect aspect, int64_t t_ns,
    bool before, double share)
{
	double part = (double)FIGURE / (double)g->n;
	size_t n = 0;

	for (size_t i = 0; i < g->n && n < 2 * FIGURE; i++) {
		const struct mp_kept_call *c = call_of(s, g, i);

		if ((c->t_ns < t_ns) == before && lot(~c->call_id) < part)
			s->figure[n++] = (struct mp_value){aspect_of(c, aspect), c->weight, true};
	}
	mp_effect_sort(s->figure, n);
	return mp_effect_quantile(s->figure, n, true, share);
}

static struct mp_site_side side(struct mp_sites *s, const struct group *g, int64_t t_ns, bool before)
{
	int64_t from = before ? s->calls->from_ns : t_ns, to = before ? t_ns : s->calls->to_ns;
	double calls = 0;

	for (size_t i = 0; i < g->n; i++)
		if ((call_of(s, g, i)->t_ns < t_ns) == before)
			calls += call_of(s, g, i)->weight;
	return (struct mp_site_side){
	    .per_s = to > from ? calls * s->calls->thinned / ((double)(to - from) * 1e-9) : NAN,
	    .size_bytes = figure(s, g, MP_SITE_SIZE, t_ns, before, 0.5),
	    .p50_ns = figure(s, g, MP_SITE_LATENCY, t_ns, before, 0.5),
	    .p99_ns = figure(s, g, MP_SITE_LATENCY, t_ns, before, 0.99)};
}

/* How often the calls before and after were, of those drawn: at most that many times as many. */
static double rate_ratio(double before, double before_ns, double after, double after_ns)
{
	if (!(before_ns > 0) || !(after_ns > 0))
		return 1;
	double x = before / before_ns, y = after / after_ns;

	return fmax(x, y) / fmax(fmin(x, y), 1e-300);
}

static int test(
    struct mp_sites *s, const struct group *g, enum mp_site_aspect aspect, struct mp_site_change *out)
{
	size_t n = draw(s, g, aspect);
	struct mp_change c;
	int64_t from = s->calls->from_ns, to = s->calls->to_ns;

	*out = (struct mp_site_change){.site = g->site, .op = g->op, .aspect = aspect};
	if (aspect == MP_SITE_RATE)
		mp_change_of_rate(s->drawn_ns, n, from, to, &c);
	else if (mp_change_of_ranks(s->drawn, n, &c))
		return -ENOMEM;
	if (!(c.log_p < 0))
		return 0;
	out->t_ns = c.at < n ? s->drawn_ns[c.at] : s->drawn_ns[n - 1] + 1;
	bool large = fabs(c.effect - 0.5) >= MP_SITE_EFFECT;
	if (aspect == MP_SITE_RATE)
		large = rate_ratio((double)c.at, (double)(out->t_ns - from), (double)(n - c.at),
			    (double)(to - out->t_ns)) >= MP_SITE_RATE_RATIO;
	out->log_p = large ? c.log_p : 0;
	return 0;
}

/* Puts one of `size` bytes in its place by log_p, the lowest first; the last may fall out. */
static size_t place(double log_p, const double *have, size_t n)
{
	size_t at = n;

	while (at > 0 && have[at - 1] > log_p)
		at--;
	return at;
}

int mp_sites_changes(struct mp_sites *s, struct mp_site_change *out, int most)
{
	double tests = 0, have[64];
	size_t found = 0, room = most < 64 ? (size_t)most : 64, group[64];

	for (size_t i = 0; i < s->groups; i++)
		tests += s->group[i].n >= MP_CHANGE_LEAST ? MP_SITE_ASPECTS : 0;
	for (size_t i = 0; i < s->groups * MP_SITE_ASPECTS; i++) {
		const struct group *g = &s->group[i / MP_SITE_ASPECTS];
		struct mp_site_change c;

		if (g->n < MP_CHANGE_LEAST)
			continue;
		if (test(s, g, (enum mp_site_aspect)(i % MP_SITE_ASPECTS), &c))
			return -ENOMEM;
		c.log_p = c.log_p < 0 ? c.log_p + log(tests) : 0;
		size_t at = place(c.log_p, have, found);
		if (!(c.log_p < log(MP_CHANGE_ALPHA)) || at == room)
			continue;
		size_t behind = (found < room ? found : room - 1) - at;
		memmove(&out[at + 1], &out[at], behind * sizeof(*out));
		memmove(&have[at + 1], &have[at], behind * sizeof(*have));
		memmove(&group[at + 1], &group[at], behind * sizeof(*group));
		out[at] = c;
		have[at] = c.log_p;
		group[at] = i / MP_SITE_ASPECTS;
		found += found < room;
	}
	for (size_t i = 0; i < found; i++) {
		out[i].before = side(s, &s->group[group[i]], out[i].t_ns, true);
		out[i].after = side(s, &s->group[group[i]], out[i].t_ns, false);
	}
	return (int)found;
}

/* The weighted median of the durations on one side of the valley. */
static double centre(struct mp_sites *s, const struct group *g, double valley_ns, bool slow)
{
	double part = (double)FIGURE / (double)g->n;
	size_t n = 0;

	for (size_t i = 0; i < g->n && n < 2 * FIGURE; i++) {
		const struct mp_kept_call *c = call_of(s, g, i);

		if (((double)c->dur_ns > valley_ns) == slow && lot(~c->call_id) < part)
			s->figure[n++] = (struct mp_value){(double)c->dur_ns, c->weight, true};
	}
	mp_effect_sort(s->figure, n);
	return mp_effect_quantile(s->figure, n, true, 0.5);
}

int mp_sites_modes(struct mp_sites *s, double doubt_ns, struct mp_site_modes *out, int most)
{
	double tests = 0, have[64];
	size_t found = 0, room = most < 64 ? (size_t)most : 64;

	struct mp_modes_scale scale;

	mp_modes_scale_init(&scale, doubt_ns);
	for (size_t i = 0; i < s->groups; i++)
		tests += s->group[i].n >= MP_MODES_LEAST;
	for (size_t i = 0; i < s->groups; i++) {
		const struct group *g = &s->group[i];
		struct mp_modes_count count = {.scale = &scale};
		struct mp_modes m;

		for (size_t k = 0; g->n >= MP_MODES_LEAST && k < g->n; k++)
			mp_modes_add(&count, call_of(s, g, k)->dur_ns, call_of(s, g, k)->weight);
		if (!mp_modes_find(&count, tests, &m))
			continue;
		size_t at = place(m.log_p, have, found);
		if (at == room)
			continue;
		size_t behind = (found < room ? found : room - 1) - at;
		memmove(&out[at + 1], &out[at], behind * sizeof(*out));
		memmove(&have[at + 1], &have[at], behind * sizeof(*have));
		have[at] = m.log_p;
		out[at] = (struct mp_site_modes){g->site, g->op, g->n, centre(s, g, m.valley_ns, false),
		    centre(s, g, m.valley_ns, true), m.valley_ns, m.slow_share, m.log_p};
		found += found < room;
	}
	return (int)found;
}
