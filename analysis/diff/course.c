/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/diff/private.h"
#include "analysis/stats/correlation.h"

#define CHANCE 1e-3
#define LAGS   60

static double rate_of(const struct mp_diff_items *items, const struct mp_diff_unit *unit, int which, size_t i)
{
	double calls = 0;

	for (size_t k = 0; k < items->n; k++)
		if (!items->item[k].is_slow)
			calls += items->item[k].side[which].value[0][i];
	return unit->watched_s > 0 ? calls / unit->watched_s : NAN;
}

static bool are_alike(size_t a, size_t b)
{
	size_t most = a > b ? a : b, less = a > b ? b : a;

	return most - less <= 1 + most / 50;
}

/* room: rates, ranks and autocorrelations, 2 x (2 n + LAGS) */
static void correlate(const struct mp_diff_items *items, const struct mp_diff_side side[2], size_t n,
    double *room, struct mp_correlation *out)
{
	double *rate = room, *rank[2] = {room + n, room + 2 * n},
	       *own[2] = {room + 3 * n, room + 3 * n + LAGS};
	size_t lags = n / 4 < LAGS ? n / 4 : LAGS;

	out->rho = NAN;
	for (int s = 0; s < 2; s++) {
		for (size_t i = 0; i < n; i++)
			rate[i] = rate_of(items, &side[s].unit[i], s, i);
		if (mp_rank_of(rate, n, rank[s]))
			return;
		mp_autocorrelation(rank[s], n, lags, own[s]);
	}
	mp_correlate(rank[0], rank[1], n, 0, own[0], own[1], lags, out);
}

int mp_diff_course(
    const struct mp_diff_items *items, const struct mp_diff_side side[2], double *rho, bool *is_paired)
{
	size_t n = side[0].n < side[1].n ? side[0].n : side[1].n;
	struct mp_correlation c = {.rho = NAN};
	double *room = calloc(3 * n + 2 * LAGS, sizeof(*room));

	if (!room)
		return -ENOMEM;
	if (are_alike(side[0].n, side[1].n))
		correlate(items, side, n, room, &c);
	free(room);
	*rho = c.rho;
	*is_paired = c.rho >= MP_DIFF_RHO && c.log_p < log(CHANCE);
	return 0;
}
