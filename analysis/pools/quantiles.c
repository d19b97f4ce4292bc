/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/each_row.h"
#include "analysis/pools/private.h"
#include "store/histogram.h"

enum { GET, PUT, HOLD, KINDS };
static const char *const kinds[KINDS] = {"get", "put", "hold"};

struct counts {
	int64_t n[KINDS][MP_HIST_BUCKETS];
};

static int take(void *ctx, sqlite3_value **row)
{
	struct counts *c = ctx;
	const char *what = (const char *)sqlite3_value_text(row[0]);
	int64_t bucket = sqlite3_value_int64(row[1]), n = sqlite3_value_int64(row[2]);

	for (int i = 0; i < KINDS && what && bucket >= 0 && bucket < MP_HIST_BUCKETS && n > 0; i++)
		if (!strcmp(what, kinds[i]) && __builtin_add_overflow(c->n[i][bucket], n, &c->n[i][bucket]))
			c->n[i][bucket] = INT64_MAX;
	return 0;
}

/* The middle of the bucket that the rank is in. */
static int64_t at_share(const int64_t *n, double total, double share)
{
	double upto = 0;
	unsigned int bucket = 0, last = 0;

	for (; bucket < MP_HIST_BUCKETS; bucket++) {
		if (!n[bucket])
			continue;
		upto += (double)n[bucket];
		last = bucket;
		if (upto >= share * total)
			break;
	}
	return (int64_t)((mp_hist_lo_ns(last) + mp_hist_hi_ns(last)) / 2);
}

static int put(
    struct mp_session *s, int64_t pool_id, const struct counts *c, sqlite3_stmt *insert, struct mp_err *err)
{
	int rc = 0;

	for (int i = 0; !rc && i < KINDS; i++) {
		double total = 0;

		for (int k = 0; k < MP_HIST_BUCKETS; k++)
			total += (double)c->n[i][k];
		if (total == 0)
			continue;
		sqlite3_bind_int64(insert, 1, pool_id);
		sqlite3_bind_text(insert, 2, kinds[i], -1, SQLITE_STATIC);
		sqlite3_bind_double(insert, 3, total);
		sqlite3_bind_int64(insert, 4, at_share(c->n[i], total, 0.5));
		sqlite3_bind_int64(insert, 5, at_share(c->n[i], total, 0.99));
		if (sqlite3_step(insert) != SQLITE_DONE)
			rc = mp_err_set(err, EIO, "cannot analyse %s: %s", mp_session_path(s),
			    sqlite3_errmsg(mp_session_db(s)));
		sqlite3_reset(insert);
	}
	return rc;
}

int pool_quantiles_put(struct mp_session *s, int64_t pool_id, const struct mp_report_scope *scope,
    sqlite3_stmt *insert, struct mp_err *err)
{
	/* The third parameter is free here: it says which pool. */
	const struct mp_report_scope of_pool = {
	    .from_ns = scope->slots_ns, .to_ns = scope->to_ns, .tid = pool_id};
	struct counts *c = calloc(1, sizeof(*c));

	if (!c)
		return mp_err_set(err, ENOMEM, "out of memory");
	/* There are many: GROUP BY would sort them all. */
	int rc = mp_each_row(s,
	    "SELECT 1 FROM pool_latency WHERE pool_id = ?3 AND slot_ns >= ?1 AND slot_ns < ?2"
	    " AND mp_take(?4, what, bucket, count)",
	    &of_pool, take, c, err);
	if (!rc)
		rc = put(s, pool_id, c, insert, err);
	free(c);
	return rc;
}
