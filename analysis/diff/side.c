/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/diff/private.h"
#include "analysis/phase.h"

/* What is lost is known some time after its slot has ended. */
#define LOSS_LATE_NS 500000000

static int cannot_read(const struct mp_diff_side *side, struct mp_err *err)
{
	return mp_err_set(err, EIO, "cannot read %s: %s", mp_session_path(side->session),
	    sqlite3_errmsg(mp_session_db(side->session)));
}

/* A session may come from anybody: its times are kept where they can be added and subtracted. */
static int64_t sane(int64_t t_ns)
{
	return t_ns < 0 ? 0 : t_ns > INT64_MAX / 4 ? INT64_MAX / 4 : t_ns;
}

static int find_time(struct mp_diff_side *side, struct mp_err *err)
{
	struct mp_report_scope *scope = &side->scope;
	sqlite3_stmt *stmt = NULL;
	int rc = 0;

	if (sqlite3_prepare_v2(mp_session_db(side->session),
		"SELECT start_ns, end_ns, finished FROM session_time", -1, &stmt, NULL) != SQLITE_OK ||
	    sqlite3_step(stmt) != SQLITE_ROW) {
		rc = cannot_read(side, err);
	} else {
		scope->start_ns = sane(sqlite3_column_int64(stmt, 0));
		scope->end_ns = sane(sqlite3_column_int64(stmt, 1));
		scope->finished = sqlite3_column_int(stmt, 2);
		scope->from_ns = 0;
		scope->to_ns = INT64_MAX / 2;
	}
	sqlite3_finalize(stmt);
	if (!rc && side->phase)
		rc = mp_phase_find(side->session, side->phase, &scope->from_ns, &scope->to_ns, err);
	scope->from_ns = sane(scope->from_ns);
	scope->to_ns = scope->to_ns > INT64_MAX / 2 ? INT64_MAX / 2 : scope->to_ns;
	return rc;
}

static int add_slot(struct mp_diff_side *side, size_t *room, const struct mp_diff_unit *slot)
{
	if (side->n == *room) {
		size_t more = *room ? 2 * *room : 256;
		struct mp_diff_unit *unit = realloc(side->unit, more * sizeof(*unit));

		if (!unit)
			return -ENOMEM;
		side->unit = unit;
		*room = more;
	}
	side->unit[side->n++] = *slot;
	side->dur_s += slot->dur_s;
	return 0;
}

static int read_slots(struct mp_diff_side *side, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	size_t room = 0;
	int step = SQLITE_DONE,
	    rc = mp_report_prepare(side->session, "sql/diff/slots.sql", &side->scope, &stmt, err);

	while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t start_ns = sqlite3_column_int64(stmt, 0);
		struct mp_diff_unit slot = {.start_ns = start_ns,
		    .end_ns = start_ns + sqlite3_column_int64(stmt, 1),
		    .dur_s = sqlite3_column_double(stmt, 1) / 1e9,
		    .watched_s = sqlite3_column_double(stmt, 2) / 1e9,
		    .slow_s = sqlite3_column_double(stmt, 3) / 1e9};

		if (add_slot(side, &room, &slot))
			rc = mp_err_set(err, ENOMEM, "out of memory");
	}
	sqlite3_finalize(stmt);
	return rc ? rc : step == SQLITE_DONE ? 0 : cannot_read(side, err);
}

/* Slots that follow one another become one unit, until it is as long as an even part of all. */
static void merge_slots(struct mp_diff_side *side)
{
	double least_s = side->dur_s / MP_DIFF_UNITS;
	size_t n = 0;

	for (size_t i = 0; i < side->n; i++) {
		const struct mp_diff_unit *slot = &side->unit[i];
		struct mp_diff_unit *last = n ? &side->unit[n - 1] : NULL;

		if (!last || last->dur_s + slot->dur_s / 2 > least_s) {
			side->unit[n++] = *slot;
			continue;
		}
		last->end_ns = slot->end_ns;
		last->dur_s += slot->dur_s;
		last->watched_s += slot->watched_s;
		last->slow_s += slot->slow_s;
	}
	side->n = n;
}

/* All figures are of the time of the units: then rates of rows and of histograms are of the same. */
static int settle(struct mp_diff_side *side, struct mp_err *err)
{
	struct mp_report_scope *scope = &side->scope;

	if (!side->n)
		return mp_err_set(err, EINVAL,
		    "%s%s%s holds no second as a whole: there is nothing to compare",
		    side->phase ? side->phase : "", side->phase ? " of " : "",
		    mp_session_path(side->session));
	scope->from_ns = scope->slots_ns = side->unit[0].start_ns;
	scope->to_ns = side->unit[side->n - 1].end_ns;
	scope->lost_ns = scope->to_ns + LOSS_LATE_NS;
	/* Slots of a file of anybody's may overlap. */
	scope->covered_ns = (int64_t)fmin(side->dur_s * 1e9, (double)(scope->to_ns - scope->from_ns));
	merge_slots(side);
	return 0;
}

int mp_diff_side_open(struct mp_diff_side *side, const char *path, const char *phase, struct mp_err *err)
{
	*side = (struct mp_diff_side){.phase = phase};
	int rc = mp_session_open(path, &side->session, err);

	/* Read several times: each time as it is now. */
	if (!rc && sqlite3_exec(mp_session_db(side->session), "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		rc = cannot_read(side, err);
	if (!rc)
		rc = find_time(side, err);
	if (!rc)
		rc = read_slots(side, err);
	return rc ? rc : settle(side, err);
}

void mp_diff_side_close(struct mp_diff_side *side)
{
	mp_session_close(side->session, NULL);
	free(side->unit);
	*side = (struct mp_diff_side){0};
}

int64_t mp_diff_side_unit(const struct mp_diff_side *side, int64_t t_ns)
{
	size_t lo = 0, hi = side->n;

	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;

		if (side->unit[middle].start_ns <= t_ns)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo && t_ns < side->unit[lo - 1].end_ns ? (int64_t)lo - 1 : -1;
}

int mp_diff_side_describe(
    struct mp_diff_side *side, const char *path, sqlite3_stmt **stmt, struct mp_err *err)
{
	int rc = mp_report_prepare(side->session, "sql/diff/side.sql", &side->scope, stmt, err);

	if (rc)
		return rc;
	sqlite3_bind_text(*stmt, sqlite3_bind_parameter_index(*stmt, ":file"), path, -1, SQLITE_STATIC);
	sqlite3_bind_text(
	    *stmt, sqlite3_bind_parameter_index(*stmt, ":phase"), side->phase, -1, SQLITE_STATIC);
	sqlite3_bind_int64(*stmt, sqlite3_bind_parameter_index(*stmt, ":seconds"), (int64_t)side->n);
	return sqlite3_step(*stmt) == SQLITE_ROW ? 0 : cannot_read(side, err);
}

static int column(sqlite3_stmt *stmt, const char *name)
{
	for (int i = 0; i < sqlite3_column_count(stmt); i++)
		if (!strcmp(sqlite3_column_name(stmt, i), name))
			return i;
	return -1;
}

const char *mp_diff_text(sqlite3_stmt *stmt, const char *name)
{
	const char *value = (const char *)sqlite3_column_text(stmt, column(stmt, name));

	return value ? value : "";
}

int64_t mp_diff_integer(sqlite3_stmt *stmt, const char *name)
{
	return sqlite3_column_int64(stmt, column(stmt, name));
}
