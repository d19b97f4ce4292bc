/* SPDX-License-Identifier: MIT */
#include "analysis/impact/private.h"

#include "analysis/impact/cost.h"

/* What is known of a span besides the causes of its kept calls. */
struct rest {
	uint32_t key;
	double ns;
};
#define RESTS 4

static double positive(double v)
{
	return v > 0 ? v : 0;
}

/* Sums what the causes of kept calls took: all of them, and by the part of the span that counts them, too. */
static double sum_causes(
    const struct mp_impact *m, const struct mp_impact_span *span, double within[MP_IMPACT_PARTS])
{
	double all = 0;

	for (uint32_t i = 0; i < span->calls; i++) {
		const struct mp_impact_call *c = mp_impact_call_of(m, span, i);

		for (uint32_t j = 0; j < c->causes; j++) {
			double ns = (double)mp_impact_taken(m, c, mp_impact_cause_of(m, c, j));

			all += ns;
			for (int part = MP_IMPACT_FAULT; part < MP_IMPACT_PARTS; part++)
				if (m->kind[mp_impact_cause_of(m, c, j)->kind].within >> part & 1)
					within[part] += ns;
		}
	}
	return all;
}

/*
 * The parts of a span less what kept calls account for, so that nothing counts twice: of the time off the CPU
 * also the pauses of the collector; of slow calls that are not kept also all of these, which may be why they
 * were slow.
 */
static void find_rests(const struct mp_impact *m, const struct mp_impact_span *span,
    const struct mp_impact_estimate *estimate, const double within[MP_IMPACT_PARTS], struct rest rest[RESTS])
{
	double fault = positive((double)mp_impact_lost_part(span, MP_IMPACT_FAULT) - within[MP_IMPACT_FAULT]);
	double gc = positive((double)mp_impact_lost_part(span, MP_IMPACT_GC) - within[MP_IMPACT_GC]);
	double off_cpu =
	    positive((double)mp_impact_lost_part(span, MP_IMPACT_OFF_CPU) - within[MP_IMPACT_OFF_CPU] - gc);
	double slow = (double)mp_impact_lost_not_kept(m, span, estimate);

	rest[0] = (struct rest){mp_impact_key(MP_IMPACT_KIND_FAULT, MP_IMPACT_SITE_OUTSIDE), fault};
	rest[1] = (struct rest){mp_impact_key(MP_IMPACT_KIND_GC, MP_IMPACT_SITE_OUTSIDE), gc};
	rest[2] = (struct rest){mp_impact_key(MP_IMPACT_KIND_OFF_CPU, MP_IMPACT_SITE_OUTSIDE), off_cpu};
	rest[3] = (struct rest){mp_impact_key(MP_IMPACT_UNEXPLAINED, MP_IMPACT_SITE_NOT_KEPT),
	    positive(slow - fault - gc - off_cpu)};
}

struct late {
	uint32_t span;
	double ns, cost; /* of the span */
	double of_ns;    /* what the times of causes are parts of */
};

static void give(struct mp_impact_pairs *pairs, uint32_t key, const struct late *late, double ns)
{
	if (ns <= 0)
		return;
	struct mp_impact_pair *p = mp_impact_pair_of(pairs, key, late->span);

	p->late_ns += late->ns * (ns / late->of_ns);
	p->cost += late->cost * (ns / late->of_ns);
}

static void divide(const struct mp_impact *m, const struct mp_impact_span *span,
    const struct mp_impact_estimate *estimate, struct late *late, struct mp_impact_pairs *pairs)
{
	double within[MP_IMPACT_PARTS] = {0}, all = sum_causes(m, span, within);
	struct rest rest[RESTS];

	find_rests(m, span, estimate, within, rest);
	for (int i = 0; i < RESTS; i++)
		all += rest[i].ns;
	late->of_ns = all > late->ns ? all : late->ns;
	for (uint32_t i = 0; i < span->calls; i++) {
		const struct mp_impact_call *c = mp_impact_call_of(m, span, i);
		uint32_t site = MP_IMPACT_SITE_OF(c->group);

		for (uint32_t j = 0; j < c->causes; j++)
			give(pairs, mp_impact_key(mp_impact_cause_of(m, c, j)->kind, site), late,
			    (double)mp_impact_taken(m, c, mp_impact_cause_of(m, c, j)));
	}
	for (int i = 0; i < RESTS; i++)
		give(pairs, rest[i].key, late, rest[i].ns);
	give(pairs, mp_impact_key(MP_IMPACT_UNEXPLAINED, MP_IMPACT_SITE_OUTSIDE), late, late->ns - all);
}

void mp_impact_loss(const struct mp_impact *m, const struct mp_impact_name *name, int64_t median_ns,
    const struct mp_impact_estimate *estimate, const struct mp_cost *cost, struct mp_impact_pairs *pairs)
{
	for (uint32_t i = 0; i < name->spans; i++) {
		const struct mp_impact_span *span = mp_impact_span_of(m, name, i);
		struct late late = {.span = i, .ns = (double)(span->dur_ns - median_ns)};

		mp_impact_fetch(m, name, i);
		if (late.ns <= 0)
			continue;
		late.cost = mp_cost_of(cost, span->dur_ns - median_ns);
		divide(m, span, estimate, &late, pairs);
	}
}
