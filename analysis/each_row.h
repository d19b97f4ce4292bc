/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_EACH_ROW_H
#define MP_ANALYSIS_EACH_ROW_H

#include <sqlite3.h>

#include "analysis/report.h"

/*
 * Hands each row of a query to a function, which ends all with what is not 0. The query asks mp_take(?4,
 * COLUMN, ...) in its WHERE, and so gives no row itself: there are millions, and to be handed the columns
 * takes two thirds of the time that stepping and asking for each of them does. Other conditions stand in a
 * CASE around it, for SQLite chooses in which order it looks at them.
 *
 * The query's other parameters: ?1 scope->from_ns, ?2 to_ns, ?3 tid. Returns what `take` did if that is not
 * 0; else 0, or -EIO with SQLite's words.
 */
typedef int mp_take_row(void *ctx, sqlite3_value **row);

int mp_each_row(struct mp_session *s, const char *sql, const struct mp_report_scope *scope, mp_take_row *take,
    void *ctx, struct mp_err *err);

#endif
