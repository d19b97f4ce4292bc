/* SPDX-License-Identifier: MIT */
#include "analysis/stats/rank.h"

#include "store/histogram.h"

/* Always the same pivots would let a file be made that takes quadratic time. */
static size_t any_of(size_t lo, size_t hi)
{
	static __thread uint64_t state = 0x9e3779b97f4a7c15;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return lo + (size_t)(state % (hi - lo));
}

static void swap(int64_t *v, size_t a, size_t b)
{
	int64_t t = v[a];

	v[a] = v[b];
	v[b] = t;
}

int64_t mp_rank_select(int64_t *v, size_t lo, size_t n, size_t k)
{
	size_t hi = n;

	/* Three parts, so that many equal values are done with at once. */
	while (hi - lo > 1) {
		int64_t pivot = v[any_of(lo, hi)];
		size_t below = lo, at = lo, above = hi;

		while (at < above) {
			if (v[at] < pivot)
				swap(v, below++, at++);
			else if (v[at] > pivot)
				swap(v, at, --above);
			else
				at++;
		}
		if (k < below)
			hi = below;
		else if (k >= above)
			lo = above;
		else
			break;
	}
	return v[k];
}

/* Brings the values of one bucket to the front; returns how many they are. */
static size_t gather(int64_t *v, size_t n, unsigned int bucket)
{
	uint64_t lo = mp_hist_lo_ns(bucket);
	uint64_t width = bucket + 1 < MP_HIST_BUCKETS ? mp_hist_hi_ns(bucket) - lo : UINT64_MAX - lo;
	size_t front = 0;

	for (size_t i = 0; i < n; i++)
		if ((uint64_t)v[i] - lo <= width)
			swap(v, front++, i);
	return front;
}

/* A histogram tells the bucket of each percentile: then only that one's values are looked at. Four selections
 * from all would take three times as long, for they mispredict every other branch. */
void mp_percentiles_of(int64_t *v, size_t n, struct mp_percentiles *out)
{
	static const unsigned int per_mille[] = {500, 900, 990, 999};
	int64_t *const to[] = {&out->p50_ns, &out->p90_ns, &out->p99_ns, &out->p999_ns};
	size_t count[MP_HIST_BUCKETS] = {0};

	*out = (struct mp_percentiles){0};
	for (size_t i = 0; i < n; i++) {
		count[mp_hist_bucket((uint64_t)v[i])]++;
		out->max_ns = v[i] > out->max_ns ? v[i] : out->max_ns;
	}
	for (size_t i = 0; n && i < sizeof(to) / sizeof(*to); i++) {
		size_t k = (n * per_mille[i] + 999) / 1000 - 1;
		unsigned int bucket = 0;

		for (; k >= count[bucket]; bucket++)
			k -= count[bucket];
		*to[i] = mp_rank_select(v, 0, gather(v, n, bucket), k);
	}
}

int64_t mp_weighted_median(struct mp_weighted *v, size_t n)
{
	uint64_t all = 0, before = 0;
	size_t lo = 0, hi = n;

	for (size_t i = 0; i < n; i++)
		all += v[i].weight;
	/* As mp_rank_select(), but what decides is the weight of the parts. All that is before lo weighs
	 * `before`. */
	while (lo < hi) {
		int64_t pivot = v[any_of(lo, hi)].value;
		size_t below = lo, at = lo, above = hi;
		uint64_t lighter = 0, equal = 0;

		while (at < above) {
			struct mp_weighted t = v[at];

			if (t.value < pivot) {
				lighter += t.weight;
				v[at++] = v[below];
				v[below++] = t;
			} else if (t.value > pivot) {
				v[at] = v[--above];
				v[above] = t;
			} else {
				equal += t.weight;
				at++;
			}
		}
		if (below > lo && before + lighter >= all / 2 + all % 2) {
			hi = below;
		} else if (before + lighter + equal >= all / 2 + all % 2) {
			return pivot;
		} else {
			before += lighter + equal;
			lo = above;
		}
	}
	return 0;
}
