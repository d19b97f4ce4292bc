/* SPDX-License-Identifier: MIT */
#include "analysis/impact/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of a name's spans: more than these tell nothing new, fewer tell too little, and those of all calls are
 * taken. */
#define SAMPLES_MAX (1u << 14)
#define SAMPLES_MIN 30

/* Sampled calls that lasted about as long as another: so many times longer, or shorter. */
#define ABOUT 1.25

/* ---- Causes at sites ---- */

int mp_impact_pairs_new(struct mp_impact_pairs *p, struct mp_err *err)
{
	p->used = 0;
	p->pair = calloc(MP_IMPACT_PAIRS, sizeof(*p->pair));
	return p->pair ? 0 : mp_err_set(err, ENOMEM, "out of memory");
}

void mp_impact_pairs_clear(struct mp_impact_pairs *p)
{
	memset(p->pair, 0, MP_IMPACT_PAIRS * sizeof(*p->pair));
	p->used = 0;
}

void mp_impact_pairs_free(struct mp_impact_pairs *p)
{
	free(p->pair);
}

struct mp_impact_pair *mp_impact_pair_of(struct mp_impact_pairs *p, uint32_t key, uint32_t span)
{
	struct mp_impact_pair *pair;

	for (;;) {
		uint32_t at = (key * 2654435769u) >> 16;

		while ((pair = &p->pair[at])->spans && pair->key != key)
			at = (at + 1) % MP_IMPACT_PAIRS;
		/* The last quarter is for sites that are none, of which there are few. */
		if (pair->spans || p->used < MP_IMPACT_PAIRS / 4 * 3 ||
		    mp_impact_key_site(key) >= MP_IMPACT_SITES)
			break;
		key = mp_impact_key(mp_impact_key_kind(key), MP_IMPACT_SITE_OTHER);
	}
	if (!pair->spans)
		p->used++;
	if (!pair->spans || pair->last_span != span)
		pair->spans++;
	pair->key = key;
	pair->last_span = span;
	return pair;
}

/* ---- The usual time of calls that are not kept ---- */

static void begin(struct mp_impact_estimate *e)
{
	e->n = e->sampled = 0;
	e->seen = 0;
}

/* Counts a kept call in; once there are too many, each takes the place of any other. */
static void add_sample(
    const struct mp_impact *m, const struct mp_impact_call *c, struct mp_impact_estimate *e)
{
	uint32_t at = e->n;

	e->seen++;
	e->sampled += c->sample;
	if (e->n < SAMPLES_MAX)
		e->n++;
	else if ((at = (uint32_t)(e->seen * 0x9e3779b97f4a7c15 % e->seen)) >= SAMPLES_MAX)
		return;
	e->sample[at] = (struct mp_impact_sample){c->dur_ns, m->usual_ns[c->group], c->weight, 0};
}

static int by_duration(const void *a, const void *b)
{
	const struct mp_impact_sample *x = a, *y = b;

	return (x->dur_ns > y->dur_ns) - (x->dur_ns < y->dur_ns);
}

static void add_up(struct mp_impact_estimate *e)
{
	double weight = 0, usual = 0;

	qsort(e->sample, e->n, sizeof(*e->sample), by_duration);
	for (uint32_t i = 0; i < e->n; i++) {
		struct mp_impact_sample *s = &e->sample[i];

		usual += s->weight * (double)s->usual_ns;
		weight += s->weight;
		s->weight = weight;
		s->weighted_usual = usual;
	}
}

int mp_impact_estimate_new(struct mp_impact_estimate *e, struct mp_err *err)
{
	e->sample = malloc(SAMPLES_MAX * sizeof(*e->sample));
	return e->sample ? 0 : mp_err_set(err, ENOMEM, "out of memory");
}

void mp_impact_estimate_free(struct mp_impact_estimate *e)
{
	free(e->sample);
}

static void estimate_from_all(const struct mp_impact *m, struct mp_impact_estimate *e)
{
	begin(e);
	for (uint32_t i = 0; i < m->calls; i++)
		add_sample(m, &m->call[i], e);
}

/* How many samples are not longer. */
static uint32_t samples_upto(const struct mp_impact_estimate *e, double ns)
{
	uint32_t lo = 0, hi = e->n;

	while (lo < hi) {
		uint32_t middle = lo + (hi - lo) / 2;

		if ((double)e->sample[middle].dur_ns <= ns)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo;
}

/* A sample that lasted about as long, any of them, by weight; where none did, the nearest, by ratio. `any` is
 * from 0 to 1. */
static const struct mp_impact_sample *sample_like(const struct mp_impact_estimate *e, double ns, double any)
{
	uint32_t lo = samples_upto(e, ns / ABOUT), hi = samples_upto(e, ns * ABOUT);

	if (lo == hi) {
		bool above =
		    !lo ||
		    (lo < e->n && (double)e->sample[lo - 1].dur_ns * (double)e->sample[lo].dur_ns < ns * ns);
		return &e->sample[above ? lo : lo - 1];
	}
	double before = lo ? e->sample[lo - 1].weight : 0;
	double want = before + any * (e->sample[hi - 1].weight - before);
	hi--;
	while (lo < hi) {
		uint32_t middle = lo + (hi - lo) / 2;

		if (e->sample[middle].weight < want)
			lo = middle + 1;
		else
			hi = middle;
	}
	return &e->sample[lo];
}

/* See analysis/impact/impact.h. */
static double usual_of_rest(const struct mp_impact_estimate *e, double ns, double calls, double any)
{
	uint32_t shorter = samples_upto(e, ns / 2);
	const struct mp_impact_sample *s = shorter ? &e->sample[shorter - 1] : NULL;
	double base = s && s->weight > 0 ? (calls - 1) * s->weighted_usual / s->weight : 0;

	if (ns <= base)
		return ns;
	s = sample_like(e, ns - base, any);
	return s->usual_ns < s->dur_ns ? base + (ns - base) * ((double)s->usual_ns / (double)s->dur_ns) : ns;
}

static void survey_call(const struct mp_impact *m, const struct mp_impact_call *c, uint32_t span, bool tail,
    struct mp_impact_pairs *pairs)
{
	uint32_t site = MP_IMPACT_SITE_OF(c->group);

	for (uint32_t i = 0; i < c->causes; i++) {
		double ns = (double)mp_impact_taken(m, c, mp_impact_cause_of(m, c, i));

		if (ns <= 0)
			continue;
		struct mp_impact_pair *p =
		    mp_impact_pair_of(pairs, mp_impact_key(mp_impact_cause_of(m, c, i)->kind, site), span);
		p->total_ns += ns;
		p->tail_ns += tail ? ns : 0;
	}
}

void mp_impact_survey(struct mp_impact *m, const struct mp_impact_name *name, int64_t p99_ns,
    struct mp_impact_pairs *pairs, struct mp_impact_estimate *estimate)
{
	begin(estimate);
	for (uint32_t i = 0; i < name->spans; i++) {
		struct mp_impact_span *span = mp_impact_span_of(m, name, i);

		mp_impact_fetch(m, name, i);
		span->outlier = false;
		for (uint32_t j = 0; j < span->calls; j++) {
			const struct mp_impact_call *c = mp_impact_call_of(m, span, j);

			span->outlier |= c->outlier;
			add_sample(m, c, estimate);
			survey_call(m, c, i, span->dur_ns >= p99_ns, pairs);
		}
	}
	if (estimate->sampled < SAMPLES_MIN)
		estimate_from_all(m, estimate);
	add_up(estimate);
}

/* ---- What-if ---- */

static int64_t within(double ns, int64_t most)
{
	return ns <= 0 ? 0 : ns >= (double)most ? most : (int64_t)(ns + 0.5);
}

/* How much longer than usual allocations took: those that are rows, and those that are not. */
static void beyond_usual(const struct mp_impact *m, const struct mp_impact_span *span,
    const struct mp_impact_estimate *estimate, double *kept, double *not_kept)
{
	double kept_ns = 0, usual_ns = 0, alloc_ns = (double)span->part_ns[MP_IMPACT_ALLOC];

	for (uint32_t i = 0; i < span->calls; i++) {
		const struct mp_impact_call *c = mp_impact_call_of(m, span, i);

		kept_ns += (double)c->dur_ns;
		usual_ns += (double)m->usual_ns[c->group];
	}
	*kept = kept_ns - usual_ns;
	*not_kept = 0;
	if (span->alloc_calls <= span->calls || alloc_ns <= kept_ns || !estimate->sampled)
		return;
	/* As good as random, and the same each time that the report is made. */
	double any = (double)((uint32_t)(span - m->span) * 2654435769u) / 4294967296.0;

	*not_kept = alloc_ns - kept_ns -
		    usual_of_rest(estimate, alloc_ns - kept_ns, span->alloc_calls - span->calls, any);
}

int64_t mp_impact_lost_alloc(
    const struct mp_impact *m, const struct mp_impact_span *span, const struct mp_impact_estimate *estimate)
{
	double kept, not_kept;

	beyond_usual(m, span, estimate, &kept, &not_kept);
	return within(kept + not_kept, span->dur_ns);
}

int64_t mp_impact_lost_not_kept(
    const struct mp_impact *m, const struct mp_impact_span *span, const struct mp_impact_estimate *estimate)
{
	double kept, not_kept;

	beyond_usual(m, span, estimate, &kept, &not_kept);
	return within(not_kept, span->dur_ns);
}

int64_t mp_impact_lost_part(const struct mp_impact_span *span, enum mp_impact_part part)
{
	return span->part_ns[part] > 0 ? span->part_ns[part] : 0;
}

void mp_impact_lost_pairs(const struct mp_impact *m, const struct mp_impact_span *span, const uint32_t *key,
    size_t n, int64_t *lost_ns)
{
	for (size_t k = 0; k < n; k++)
		lost_ns[k] = 0;
	for (uint32_t i = 0; i < span->calls; i++) {
		const struct mp_impact_call *c = mp_impact_call_of(m, span, i);
		uint32_t site = MP_IMPACT_SITE_OF(c->group);

		for (size_t k = 0; k < n; k++) {
			if (mp_impact_key_site(key[k]) != site)
				continue;
			for (uint32_t j = 0; j < c->causes; j++) {
				const struct mp_impact_cause *cause = mp_impact_cause_of(m, c, j);

				/* No more than all of it: with that, no sum can be too large. */
				if (cause->kind == mp_impact_key_kind(key[k]))
					lost_ns[k] += mp_impact_taken(m, c, cause);
				if (lost_ns[k] > span->dur_ns)
					lost_ns[k] = span->dur_ns;
			}
		}
	}
}
