/* SPDX-License-Identifier: MIT */
#include "sampler/pools/hist.h"

#include <math.h>
#include <stdlib.h>

#include "store/histogram.h"

struct mp_pool_counts {
	uint64_t total;
	uint32_t n_used;
	uint32_t count[MP_HIST_BUCKETS];
	uint16_t used[MP_HIST_BUCKETS];
};

bool mp_pool_hist_count(struct mp_pool_hist *h, uint64_t ns)
{
	uint32_t bucket = mp_hist_bucket(ns);

	if (!h->counts && !(h->counts = calloc(1, sizeof(*h->counts))))
		return false;
	if (!h->counts->count[bucket]++)
		h->counts->used[h->counts->n_used++] = (uint16_t)bucket;
	h->counts->total++;
	return true;
}

int64_t mp_pool_hist_quantile(const struct mp_pool_hist *h, double q)
{
	const struct mp_pool_counts *c = h->counts;
	uint64_t rank, seen = 0;

	if (!c || !c->total)
		return -1;
	rank = (uint64_t)ceil(q * (double)c->total);
	for (uint32_t bucket = 0; bucket < MP_HIST_BUCKETS; bucket++) {
		seen += c->count[bucket];
		if (c->count[bucket] && seen >= rank)
			return (int64_t)((mp_hist_lo_ns(bucket) + mp_hist_hi_ns(bucket)) / 2);
	}
	return -1;
}

int mp_pool_hist_drain(
    struct mp_pool_hist *h, int (*fn)(void *ctx, uint32_t bucket, uint64_t count), void *ctx)
{
	struct mp_pool_counts *c = h->counts;
	int ret = 0;

	for (uint32_t i = 0; c && i < c->n_used; i++) {
		if (!ret)
			ret = fn(ctx, c->used[i], c->count[c->used[i]]);
		c->count[c->used[i]] = 0;
	}
	if (c)
		c->n_used = 0, c->total = 0;
	return ret;
}

void mp_pool_hist_free(struct mp_pool_hist *h)
{
	free(h->counts);
	h->counts = NULL;
}
