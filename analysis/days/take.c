/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/days/private.h"
#include "analysis/session/session.h"
#include "analysis/stats/stats.h"
#include "store/embed.h"

#define DAY_NS 86400000000000LL

const struct figure_kind figure_kinds[FIGURES] = {
    [DUR_NS] = {"dur_ns", "duration", 0, true},
    [ALLOCS_PER_S] = {"allocs_per_s", "rate of allocations", 0, true},
    [BYTES_PER_S] = {"bytes_per_s", "rate of allocated bytes", 0, true},
    [P50_NS] = {"p50_ns", "p50", MP_TAIL_P50, true},
    [P99_NS] = {"p99_ns", "p99", MP_TAIL_P99, true},
    [P999_NS] = {"p999_ns", "p99.9", MP_TAIL_P999, true},
    [MAX_NS] = {"max_ns", "longest call", 0, false},
    [ALLOC_SHARE] = {"alloc_share", "share of time in allocations", 0, true},
    [LIVE_BYTES] = {"live_bytes", "memory alive at its end", 0, true},
    [FAULTS_PER_S] = {"faults_per_s", "rate of page faults", 0, true},
    [GC_PAUSES_PER_S] = {"gc_pauses_per_s", "rate of GC pauses", 0, true},
    [GC_SHARE] = {"gc_share", "share of time in GC pauses", 0, true},
    [POOL_SHARE] = {"pool_share", "use of the fullest pool", 0, true},
};

const char *const key_names[KEYS] = {
    "host", "kernel", "cpu", "version", "planes", "backend", "probe", "duty"};

/* Columns of sql/days/card.sql around the figures. */
enum { PLACE, CARD_NAME, NTH, SOURCE, FIRST_FIGURE };
enum { ALLOCS = FIRST_FIGURE + FIGURES, FAULTS, PAUSES, POOL };

static int cannot_read(struct mp_session *s, struct mp_err *err)
{
	return mp_err_set(
	    err, EIO, "cannot read %s: %s", mp_session_path(s), sqlite3_errmsg(mp_session_db(s)));
}

static void copy(char *out, size_t size, const unsigned char *text)
{
	snprintf(out, size, "%s", text ? (const char *)text : "");
}

/* ---- Figures ---- */

/* A spread that chance alone makes of what is counted. Of a time in pauses, pauses count. */
static double error_of(const struct card *c, enum figure f, sqlite3_stmt *st)
{
	double dur_s = c->value[DUR_NS] / 1e9, pauses = sqlite3_column_double(st, PAUSES);

	switch (f) {
	case P50_NS:
	case P99_NS:
	case P999_NS:
		return mp_quantile_beyond(sqlite3_column_int64(st, ALLOCS), figure_kinds[f].tail) <
			       MP_DAYS_LEAST_BEYOND
			   ? INFINITY
			   : 0;
	case ALLOCS_PER_S:
		return c->value[f] / sqrt(fmax(sqlite3_column_double(st, ALLOCS), 1));
	case FAULTS_PER_S:
		return sqrt(fmax(sqlite3_column_double(st, FAULTS), 0) + 1) / dur_s;
	case GC_PAUSES_PER_S:
		return sqrt(pauses + 1) / dur_s;
	case GC_SHARE:
		return c->value[f] / sqrt(fmax(pauses, 1));
	default:
		return figure_kinds[f].is_tested ? 0 : INFINITY;
	}
}

static int take_card(struct days *d, size_t day, sqlite3_stmt *st)
{
	if (d->n_cards == d->room) {
		size_t room = d->room ? 2 * d->room : 256;
		struct card *more = reallocarray(d->card, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		d->card = more;
		d->room = room;
	}
	struct card *c = &d->card[d->n_cards++];
	*c = (struct card){
	    .day = day, .place = sqlite3_column_int64(st, PLACE), .nth = sqlite3_column_int64(st, NTH)};
	copy(c->name, sizeof(c->name), sqlite3_column_text(st, CARD_NAME));
	copy(c->pool, sizeof(c->pool), sqlite3_column_text(st, POOL));
	for (int f = 0; f < FIGURES; f++) {
		bool is_known = sqlite3_column_type(st, FIRST_FIGURE + f) != SQLITE_NULL;

		c->value[f] = is_known ? sqlite3_column_double(st, FIRST_FIGURE + f) : NAN;
	}
	for (int f = 0; f < FIGURES; f++)
		c->error[f] = error_of(c, f, st);
	return 0;
}

/* Phases that are found in the data are numbered as they come: the second of one day need not be that of
 * another. */
static int take_cards(
    struct days *d, size_t day, struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	sqlite3_stmt *st = NULL;
	int step = SQLITE_DONE, rc = mp_report_prepare(s, "sql/days/card.sql", scope, &st, err);

	while (!rc && (step = sqlite3_step(st)) == SQLITE_ROW) {
		const char *source = (const char *)sqlite3_column_text(st, SOURCE);

		if (source && !strcmp(source, "found"))
			continue;
		d->day[day].has_phases |= source != NULL;
		if (take_card(d, day, st))
			rc = days_no_memory(err);
	}
	if (!rc && step != SQLITE_DONE)
		rc = cannot_read(s, err);
	sqlite3_finalize(st);
	return rc;
}

/* ---- The session ---- */

/* A session may come from anybody: its times are kept where they can be added and subtracted. */
static int64_t sane(int64_t t_ns)
{
	return t_ns < 0 ? 0 : t_ns > INT64_MAX / 4 ? INT64_MAX / 4 : t_ns;
}

static int describe(
    struct day *day, struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = mp_report_prepare(s, "sql/days/session.sql", scope, &st, err);

	if (!rc && sqlite3_step(st) != SQLITE_ROW)
		rc = cannot_read(s, err);
	if (!rc && sqlite3_column_type(st, 0) == SQLITE_NULL)
		rc = mp_err_set(err, EINVAL,
		    "%s does not tell on which day it was recorded (it has no v_clock): it cannot be put "
		    "among others",
		    day->path);
	if (!rc) {
		day->start_ns = scope->start_ns;
		day->end_ns = scope->end_ns;
		day->start_real_ns = sane(sane(sqlite3_column_int64(st, 0)) + scope->start_ns);
		day->date = day->start_real_ns / DAY_NS;
		day->finished = sqlite3_column_int(st, 1);
		day->pid = sqlite3_column_int64(st, 2);
		day->lost = sqlite3_column_int64(st, 3);
		for (int k = 0; k < KEYS; k++)
			copy(day->said[k], sizeof(day->said[k]), sqlite3_column_text(st, 4 + k));
	}
	sqlite3_finalize(st);
	return rc;
}

int days_take(struct days *d, size_t i, struct mp_err *err)
{
	struct mp_report_scope scope;
	struct mp_session *s = NULL;
	int rc = mp_session_open(d->day[i].path, &s, err);

	if (!rc)
		rc = mp_report_scope_of_all(s, &scope, err);
	if (!rc)
		rc = describe(&d->day[i], s, &scope, err);
	if (!rc)
		rc = mp_session_cards_fill(s, &scope, err);
	if (!rc)
		rc = take_cards(d, i, s, &scope, err);
	mp_session_close(s, NULL);
	return rc;
}
