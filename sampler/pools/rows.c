/* SPDX-License-Identifier: MIT */
/* What sampler/pools/pools.c has found, as rows of the session. */
#include "sampler/grow.h"
#include "sampler/pools/private.h"

#define MAX_EVENTS 20000 /* rows in a slot */
#define MAX_HELD   65536 /* of them, for their stacks */

static int put_event(struct mp_pools *p, const struct mp_pool_event_row *row)
{
	return mp_append_pool_event(p->session, row, p->err);
}

/* Holds the row back until the place's stack is known. */
int mp_pools_event(
    struct mp_pools *p, const struct pool *pool, const struct waiting *w, const char *kind, int64_t n)
{
	struct held h = {.place = w->place,
	    .row = {.pool_id = pool->pool_id,
		.t_ns = w->at.t_ns,
		.tid = w->tid,
		.kind = kind,
		.addr = w->counts ? 0 : w->ptr,
		.stack_id = mp_pool_places_stack(p->places, w->place),
		.n = n}};

	if (p->rows_made == MAX_EVENTS) {
		p->lost[LIMIT_EVENTS]++;
		return 0;
	}
	p->rows_made++;
	if (h.row.stack_id || !w->place || p->n_held == MAX_HELD ||
	    !mp_grow((void **)&p->held, &p->held_room, p->n_held + 1, sizeof(h)))
		return put_event(p, &h.row);
	p->held[p->n_held++] = h;
	return 0;
}

int mp_pools_put_held(struct mp_pools *p, bool all)
{
	size_t left = 0;
	int ret = 0;

	for (size_t i = 0; i < p->n_held; i++) {
		struct held h = p->held[i];
		h.row.stack_id = mp_pool_places_stack(p->places, h.place);
		if (!ret && (all || h.row.stack_id))
			ret = put_event(p, &h.row);
		else
			p->held[left++] = p->held[i];
	}
	p->n_held = left;
	return ret;
}

struct drain {
	struct mp_pools *p;
	const struct pool *pool;
	const char *what;
};

static int put_bucket(void *ctx, uint32_t bucket, uint64_t count)
{
	const struct drain *d = ctx;

	return mp_append_pool_latency(
	    d->p->session, d->pool->pool_id, d->p->slot_ns, d->what, bucket, count, d->p->err);
}

static int put_hist(struct mp_pools *p, const struct pool *pool, const char *what, struct mp_pool_hist *h)
{
	struct drain d = {p, pool, what};

	return mp_pool_hist_drain(h, put_bucket, &d);
}

static int put_high_water(struct mp_pools *p, struct pool *pool)
{
	struct mp_pool_account *a = &pool->account;
	const struct waiting w = {
	    .at.t_ns = a->sum.in_use_max_t_ns, .tid = (pid_t)a->sum.in_use_max_tid, .place = a->high_place};

	if (!a->was_highest || !a->sum.in_use_max_t_ns)
		return 0;
	a->was_highest = false;
	return mp_pools_event(p, pool, &w, "high_water", a->sum.in_use_max);
}

int mp_pools_put_sum(struct mp_pools *p, struct pool *pool, bool is_end)
{
	struct mp_pool_account *a = &pool->account;

	mp_pool_account_sum(a, pool->object_bytes, is_end);
	a->sum.in_use_max_stack_id = mp_pool_places_stack(p->places, a->high_place);
	return mp_append_pool_sum(p->session, pool->pool_id, &a->sum, p->err);
}

int mp_pools_put_sites(struct mp_pools *p, struct pool *pool)
{
	struct mp_pool_account *a = &pool->account;
	int ret = 0;

	for (uint32_t i = 1; !ret && i <= a->user_index.n; i++) {
		const struct mp_pool_user *u = &a->users[i - 1];
		const struct mp_pool_site site = {.ip = mp_pool_places_ip(p->places, u->place),
		    .stack_id = mp_pool_places_stack(p->places, u->place),
		    .gets = u->gets,
		    .holds = u->holds,
		    .hold_sum_ns = u->hold_sum_ns,
		    .hold_max_ns = u->hold_max_ns,
		    .hold_p50_ns = mp_pool_hist_quantile(&u->hold, 0.5),
		    .hold_p99_ns = mp_pool_hist_quantile(&u->hold, 0.99),
		    .at_high_water = a->is_rising ? u->held : u->at_high_water,
		    .held = u->held,
		    .oldest_ns = u->held ? mp_pool_account_oldest(a, i) : 0};
		ret = mp_append_pool_site(p->session, pool->pool_id, &site, p->err);
	}
	return ret;
}

/* What it did in this slot. */
int mp_pools_put_slot(struct mp_pools *p, struct pool *pool)
{
	struct mp_pool_account *a = &pool->account;

	if (!a->is_used)
		return 0;
	a->is_used = false;
	a->use.in_use_last = a->in_use;
	int ret = mp_append_pool_use(p->session, pool->pool_id, p->slot_ns, &a->use, p->err);
	if (!ret)
		ret = put_hist(p, pool, "get", &a->get_hist);
	if (!ret)
		ret = put_hist(p, pool, "put", &a->put_hist);
	if (!ret)
		ret = put_hist(p, pool, "hold", &a->hold_hist);
	if (!ret)
		ret = put_high_water(p, pool);
	return ret ? ret : mp_pools_put_sum(p, pool, false);
}
