/* SPDX-License-Identifier: MIT */
#include "analysis/stats/tally.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const uint32_t mp_spread_tails[MP_SPREAD_QUANTILES] = {
    MP_TAIL_P50, MP_TAIL_P90, MP_TAIL_P99, MP_TAIL_P999, MP_TAIL_P9999, MP_TAIL_P99999};

/* Up to `calls`, but so that all together stay within MP_CALLS_MAX. */
static int64_t within(const struct mp_tally *t, int64_t calls)
{
	return calls < MP_CALLS_MAX - t->calls ? calls : MP_CALLS_MAX - t->calls;
}

int mp_tally_add(struct mp_tally *t, int64_t bucket, int64_t calls)
{
	if (bucket < 0 || bucket >= MP_HIST_BUCKETS || calls < 1)
		return 0;
	int64_t **page = &t->page[bucket / MP_TALLY_PAGE];
	if (!*page && !(*page = calloc(MP_TALLY_PAGE, sizeof(**page))))
		return -ENOMEM;
	calls = within(t, calls);
	(*page)[bucket % MP_TALLY_PAGE] += calls;
	t->calls += calls;
	return 0;
}

void mp_tally_add_exact(struct mp_tally *t, int64_t calls, double sum_ns, int64_t max_ns)
{
	if (calls < 1)
		return;
	t->exact_calls += calls < MP_CALLS_MAX - t->exact_calls ? calls : MP_CALLS_MAX - t->exact_calls;
	t->sum_ns += sum_ns;
	t->max_ns = max_ns > t->max_ns ? max_ns : t->max_ns;
}

int mp_tally_merge(struct mp_tally *t, const struct mp_tally *from)
{
	int rc = 0;

	for (uint32_t b = 0; !rc && b < MP_HIST_BUCKETS; b++) {
		if (!from->page[b / MP_TALLY_PAGE])
			b |= MP_TALLY_PAGE - 1;
		else
			rc = mp_tally_add(t, b, mp_tally_calls(from, b));
	}
	mp_tally_add_exact(t, from->exact_calls, from->sum_ns, from->max_ns);
	return rc;
}

uint32_t mp_tally_bucket(const struct mp_tally *t, int64_t rank)
{
	int64_t upto = 0;
	uint32_t last = 0;

	for (uint32_t b = 0; b < MP_HIST_BUCKETS; b++) {
		int64_t calls = mp_tally_calls(t, b);

		if (!calls)
			continue;
		last = b;
		if ((upto += calls) >= rank)
			break;
	}
	return last;
}

int64_t mp_tally_max_ns(const struct mp_tally *t)
{
	return t->exact_calls ? t->max_ns : (int64_t)mp_hist_hi_ns(mp_tally_bucket(t, t->calls));
}

struct mp_spread mp_tally_spread(const struct mp_tally *t)
{
	struct mp_spread s = {.calls = t->calls, .max_ns = mp_tally_max_ns(t)};
	struct mp_moments m = {0};
	int64_t upto = 0;
	int next = 0;

	for (uint32_t b = 0; b < MP_HIST_BUCKETS; b++) {
		int64_t calls = mp_tally_calls(t, b);

		if (!t->page[b / MP_TALLY_PAGE])
			b |= MP_TALLY_PAGE - 1;
		if (!calls)
			continue;
		int64_t middle = (int64_t)((mp_hist_lo_ns(b) + mp_hist_hi_ns(b)) / 2);

		middle = middle < s.max_ns ? middle : s.max_ns;
		mp_moments_add(&m, (double)middle, (double)calls);
		upto += calls;
		while (
		    next < MP_SPREAD_QUANTILES && upto >= mp_quantile_rank(t->calls, mp_spread_tails[next]))
			s.quantile_ns[next++] = middle;
	}
	s.mean_ns = t->exact_calls ? t->sum_ns / (double)t->exact_calls : m.mean;
	/* The square is around the mean of the middles: the exact one is at most 0.8 % elsewhere. */
	double apart = s.mean_ns - m.mean;
	s.stddev_ns = m.n > 0 ? sqrt(m.square / m.n + apart * apart) : 0;
	return s;
}

void mp_tally_clear(struct mp_tally *t)
{
	for (int i = 0; i < MP_TALLY_PAGES; i++)
		free(t->page[i]);
	memset(t, 0, sizeof(*t));
}
