/* SPDX-License-Identifier: MIT */
#include "analysis/forecast/sizing.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/forecast/demand.h"
#include "analysis/stats/rank.h"

#define LINE_BYTES 64
#define PAGE_BYTES 4096
#define CONFIDENCE 0.95

/* Sums of bytes stay in range, whatever a recording claims. */
#define MOST_BYTES (INT64_C(1) << 60)

static int64_t bytes_of(int64_t objects, int64_t stride_bytes)
{
	int64_t bytes;

	return __builtin_mul_overflow(objects, stride_bytes, &bytes) || bytes > MOST_BYTES ? MOST_BYTES
											   : bytes;
}

static int64_t up_to(int64_t n, int64_t whole)
{
	return (n + whole - 1) / whole * whole;
}

static int64_t stride_for(int64_t object_bytes, int64_t line_bytes)
{
	int64_t stride = 1;

	if (object_bytes >= line_bytes)
		return up_to(object_bytes, line_bytes);
	while (stride < object_bytes)
		stride *= 2;
	return stride;
}

/* Of v, nearest rank. */
static int64_t quantile(int64_t *v, size_t n, double q)
{
	if (!n)
		return 0;
	size_t rank = (size_t)ceil(q * (double)n);
	return mp_rank_select(v, 0, n, rank ? rank - 1 : 0);
}

/* What needs no model: how far in use rises from slot to slot, and how far it swings within a busy one. */
static int look_at_slots(const struct mp_pool_course *c, int64_t *rise, int64_t *swing)
{
	int64_t *rises = malloc((c->slots + 1) * sizeof(*rises)),
		*swings = malloc((c->slots + 1) * sizeof(*swings));
	size_t n = 0, busy = 0;
	int rc = rises && swings ? 0 : -ENOMEM;

	for (size_t i = 0; i < c->slots && !rc; i++) {
		const struct mp_pool_slot *s = &c->slot[i];
		int64_t by = i ? s->in_use_max - c->slot[i - 1].in_use_max : 0;

		if (by > 0)
			rises[n++] = by;
		if (s->gets)
			swings[busy++] = s->in_use_max - s->in_use_min;
	}
	if (!rc) {
		*rise = quantile(rises, n, 0.99);
		*swing = quantile(swings, busy, 0.5);
	}
	free(rises);
	free(swings);
	return rc;
}

static void price(const struct mp_pool_course *c, const struct mp_sizing_options *o, struct mp_sizing *s)
{
	int64_t page_bytes = o->page_bytes ? o->page_bytes : PAGE_BYTES;

	if (!o->object_bytes)
		return;
	s->stride_bytes = stride_for(o->object_bytes, o->line_bytes ? o->line_bytes : LINE_BYTES);
	s->packed_bytes = bytes_of(s->capacity, o->object_bytes);
	s->capacity_bytes = up_to(bytes_of(s->capacity, s->stride_bytes), page_bytes);
	s->upper_bytes = up_to(bytes_of(s->capacity_upper, s->stride_bytes), page_bytes);
	s->growth_bytes = up_to(bytes_of(s->growth, s->stride_bytes), page_bytes);
	s->thread_cache_bytes =
	    s->thread_cache
		? up_to(bytes_of(bytes_of(s->thread_cache, o->threads), s->stride_bytes), page_bytes)
		: 0;
	s->now_bytes = up_to(bytes_of(c->capacity, s->stride_bytes), page_bytes);
	int64_t need_bytes = s->capacity_bytes + s->thread_cache_bytes;
	if (s->capacity && c->capacity > s->capacity_upper && s->now_bytes > need_bytes)
		s->saving_bytes = s->now_bytes - need_bytes;
}

/* A step of less than a page would not be cheaper. */
static int64_t growth_for(const struct mp_sizing_options *o, int64_t rise)
{
	int64_t page_bytes = o->page_bytes ? o->page_bytes : PAGE_BYTES;

	if (!rise || !o->object_bytes)
		return rise;
	int64_t stride = stride_for(o->object_bytes, o->line_bytes ? o->line_bytes : LINE_BYTES);
	int64_t whole = up_to(bytes_of(rise, stride), page_bytes) / stride;
	return whole > rise ? whole : rise;
}

static bool is_valid(const struct mp_sizing_options *o)
{
	return o->risk > 0 && o->risk < 1 && o->session_ns >= 0 && o->object_bytes >= 0 &&
	       o->object_bytes <= MOST_BYTES && o->threads >= 0 && o->threads <= MP_POOL_MOST &&
	       o->line_bytes >= 0 && o->line_bytes <= MP_POOL_MOST && o->page_bytes >= 0 &&
	       o->page_bytes <= MP_POOL_MOST;
}

/* `reached` with at most the risk is one object more than what suffices. */
static int64_t suffices(double reached)
{
	return reached > 1 ? (int64_t)reached - 1 : 0;
}

static int estimate(const struct mp_pool_course *c, const struct mp_sizing_options *o, struct mp_sizing *out)
{
	int64_t session_ns = o->session_ns ? o->session_ns : c->to_ns - c->from_ns, to_ns;
	struct mp_demand_summary sum;
	struct mp_demand *d;

	if (__builtin_add_overflow(c->from_ns, session_ns, &to_ns))
		return -EINVAL;
	int rc = mp_demand_fit(c, c->to_ns - c->from_ns, &d);
	if (rc)
		return rc;
	mp_demand_summarize(d, &sum);
	out->capacity = suffices(mp_demand_quantile(d, MP_DEMAND_ANEW, c->from_ns, to_ns, o->risk));
	out->capacity_best = suffices(mp_demand_quantile_best(d, MP_DEMAND_ANEW, c->from_ns, to_ns, o->risk));
	out->capacity_upper =
	    suffices(mp_demand_quantile_upper(d, MP_DEMAND_ANEW, c->from_ns, to_ns, o->risk, CONFIDENCE));
	if (out->capacity_upper < out->capacity)
		out->capacity_upper = out->capacity;
	out->is_censored = sum.censored > 0;
	out->is_extrapolated = o->risk * (double)(c->to_ns - c->from_ns) < (double)session_ns;
	if (c->capacity)
		out->risk_now =
		    mp_demand_reach(d, MP_DEMAND_ANEW, c->from_ns, to_ns, (double)c->capacity + 1);
	mp_demand_free(d);
	return 0;
}

int mp_sizing_make(const struct mp_pool_course *c, const struct mp_sizing_options *o, struct mp_sizing *out)
{
	int64_t rise = 0, swing = 0;

	*out = (struct mp_sizing){.risk_now = NAN};
	if (!is_valid(o) || mp_pool_course_check(c))
		return -EINVAL;
	int rc = look_at_slots(c, &rise, &swing);
	if (!rc)
		rc = estimate(c, o, out);
	if (rc && rc != -ENODATA)
		return rc;
	out->growth = growth_for(o, rise);
	if (o->threads > 1)
		out->thread_cache = up_to(swing, o->threads) / o->threads;
	price(c, o, out);
	return rc;
}
