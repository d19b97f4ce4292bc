/* SPDX-License-Identifier: MIT */
#include "analysis/latencies.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "analysis/each_row.h"
#include "store/histogram.h"
#include "store/op.h"

struct sums {
	int64_t calls[MP_OP_ROWS][MP_HIST_BUCKETS];
};

/* A session may say what it likes: operations and buckets that there are not are passed over. */
static int take(void *ctx, sqlite3_value **row)
{
	struct sums *sums = ctx;
	int64_t op = sqlite3_value_int64(row[0]), bucket = sqlite3_value_int64(row[1]);

	if (mp_op_is_known(op) && bucket >= 0 && bucket < MP_HIST_BUCKETS)
		sums->calls[mp_op_row((unsigned int)op)][bucket] += sqlite3_value_int64(row[2]);
	return 0;
}

static int write_sums(sqlite3 *db, const struct sums *sums)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db, "INSERT INTO temp.latency_sums VALUES (?, ?, ?)", -1, &st, NULL);

	for (unsigned int row = 0; rc == SQLITE_OK && row < MP_OP_ROWS; row++) {
		for (int bucket = 0; rc == SQLITE_OK && bucket < MP_HIST_BUCKETS; bucket++) {
			if (!sums->calls[row][bucket])
				continue;
			sqlite3_bind_int64(st, 1, mp_op_of_row(row));
			sqlite3_bind_int64(st, 2, bucket);
			sqlite3_bind_int64(st, 3, sums->calls[row][bucket]);
			sqlite3_step(st);
			rc = sqlite3_reset(st);
		}
	}
	sqlite3_finalize(st);
	return rc;
}

int mp_latencies_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	static const char table[] = "PRAGMA query_only=OFF; DROP TABLE IF EXISTS temp.latency_sums;"
				    "CREATE TEMP TABLE latency_sums(op_id, bucket, calls)";
	sqlite3 *db = mp_session_db(s);
	struct sums *sums = calloc(1, sizeof(*sums));

	if (!sums)
		return mp_err_set(err, ENOMEM, "cannot read %s: out of memory", mp_session_path(s));
	int ret = mp_each_row(s,
	    "SELECT 1 FROM main.latency WHERE slot_ns >= ?1 AND slot_ns < ?2 AND mp_take(?4, op_id, bucket, "
	    "calls)",
	    scope, take, sums, err);
	if (!ret && (sqlite3_exec(db, table, NULL, NULL, NULL) != SQLITE_OK || write_sums(db, sums)))
		ret = mp_err_set(err, EIO, "cannot read %s: %s", mp_session_path(s), sqlite3_errmsg(db));
	sqlite3_exec(db, "PRAGMA query_only=ON", NULL, NULL, NULL);
	free(sums);
	return ret;
}
