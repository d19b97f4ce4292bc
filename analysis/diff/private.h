/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_DIFF_PRIVATE_H
#define MP_ANALYSIS_DIFF_PRIVATE_H

#include "analysis/diff/diff.h"
#include "analysis/report.h"
#include "analysis/stats/tally.h"
#include "store/cell.h"

/* What the files of this folder share, and nobody else includes. */

/* ---- side.c: one of the two recordings, or its phase ---- */

/* A long recording is divided into this many units of several slots each, at most about twice as many. */
#define MP_DIFF_UNITS 240

/* Slots that follow one another: what is one observation. */
struct mp_diff_unit {
	int64_t start_ns, end_ns;
	double dur_s;     /* of its slots */
	double watched_s; /* of that, calls were counted; and slow paths */
	double slow_s;
};

struct mp_diff_side {
	struct mp_session *session;
	const char *phase; /* NULL: all */
	struct mp_report_scope scope;
	struct mp_diff_unit *unit;
	size_t n;
	double dur_s; /* of all units */
};

/* Opens the session and finds its units: the slots that lie in the phase as a whole. A side that failed is
 * closed likewise. The session is read as it is now, also while it is recorded. */
int mp_diff_side_open(struct mp_diff_side *side, const char *path, const char *phase, struct mp_err *err);
void mp_diff_side_close(struct mp_diff_side *side);

/* The unit that holds t_ns, or -1. */
int64_t mp_diff_side_unit(const struct mp_diff_side *side, int64_t t_ns);

/* The row of sql/diff/side.sql, on which the statement stands; it is the caller's. `path` is not copied. And
 * its columns by name: a text that is not known is empty. */
int mp_diff_side_describe(
    struct mp_diff_side *side, const char *path, struct sqlite3_stmt **stmt, struct mp_err *err);
const char *mp_diff_text(struct sqlite3_stmt *stmt, const char *name);
int64_t mp_diff_integer(struct sqlite3_stmt *stmt, const char *name);

/* ---- tables.c: what is compared ---- */

#define MP_DIFF_VALUES  3 /* sums that a row of the data adds to */
#define MP_DIFF_METRICS 8

struct mp_diff_metric {
	const char *name; /* NULL: no more */
	enum mp_unit unit;
	enum {
		MP_DIFF_RATE,     /* sum by time */
		MP_DIFF_SHARE,    /* sum by the sum over all items */
		MP_DIFF_MEAN,     /* sum by rows of the data */
		MP_DIFF_QUANTILE, /* of the durations */
		MP_DIFF_MOST,     /* the largest: for information, not tested */
	} kind;
	int value;     /* which of the sums */
	uint32_t tail; /* of a quantile: enum mp_tail */
};

struct mp_diff_table {
	const char *name, *title;
	const char *items; /* sql/diff/ITEMS: key, name, op, whether its calls are of slow paths */
	const char *rows;  /* sql/diff/ROWS: see items.c */
	bool is_main;      /* half of the level is for it */
	bool is_watched;   /* counted only while calls were watched */
	bool is_amount[MP_DIFF_VALUES]; /* a sum of sizes or durations, not of ones */
	struct mp_diff_metric metric[MP_DIFF_METRICS + 1];
};

/* The last has a NULL name. */
extern const struct mp_diff_table mp_diff_tables[];

/* ---- items.c: what a table is of, by unit ---- */

/* What the most important ones come to; the others of a table are not compared. */
#define MP_DIFF_ITEMS 400

/* Where a quantile of both sides together lies. */
struct mp_diff_place {
	uint32_t bucket;
	double part; /* of the bucket's calls, up to here */
	double ns;
};

struct mp_diff_counts {
	struct mp_tally tally;
	double *value[MP_DIFF_VALUES]; /* by unit */
	double squares[MP_DIFF_VALUES];
	double *rows;
	double *beyond[MP_DIFF_METRICS],
	    *all;                    /* by unit, of the durations: beyond a metric's place, and all */
	double beyond_squares, most; /* squares of the weights of durations */
};

struct mp_diff_item {
	char *name, *op; /* op NULL: none */
	bool is_slow;
	struct mp_diff_counts side[2];
	struct mp_diff_place place[MP_DIFF_METRICS];
};

struct mp_diff_items {
	struct mp_diff_item *item;
	size_t n, room;
	bool is_cut; /* there were more */
};

int mp_diff_items_read(const struct mp_diff_table *t, struct mp_diff_side side[2], struct mp_diff_items *out,
    struct mp_err *err);
void mp_diff_items_free(struct mp_diff_items *items);

/* The duration that `share` of the tally's calls do not exceed, within its bucket by interpolation. `share`
 * is cut to 0 and 1. NAN: no calls. */
double mp_diff_quantile(const struct mp_tally *t, double share);

/* Where half of that share of the one and half of that of the other come to `share`. */
struct mp_diff_place mp_diff_place(const struct mp_tally *a, const struct mp_tally *b, double share);

/* ---- course.c ---- */

/*
 * Whether both sides go through one course, such as the same trading day, or the same load: as many units
 * (but for a fiftieth), of which the rates of all calls together rise and fall at the same time, in rank, by
 * MP_DIFF_RHO, which is not by chance (1 in 1000, autocorrelation taken into account). `items` are those of
 * the first table. 0 or -ENOMEM.
 */
#define MP_DIFF_RHO 0.7

int mp_diff_course(
    const struct mp_diff_items *items, const struct mp_diff_side side[2], double *rho, bool *is_paired);

/* ---- compare.c ---- */

struct mp_diff_row {
	const struct mp_diff_table *table;
	const struct mp_diff_metric *metric;
	char *name, *op; /* op NULL: none. Of the row */
	double a, b;     /* NAN: not known */
	double lo, hi;   /* of the change; NAN: not known */
	double
	    log_p; /* of the row's test; after mp_diff_judge() corrected, to be compared with MP_DIFF_LEVEL */
	bool is_tested;
	const char *verdict; /* NULL: for information */
};

struct mp_diff_rows {
	struct mp_diff_row *row;
	size_t n;
	bool is_paired;  /* both sides follow one course: unit i of the one was compared with unit i of the
			    other */
	double rho;      /* how well their call rates go together; NAN: not known */
	bool is_cut[16]; /* by table: not all items were compared */
};

/* Compares all of all tables. */
int mp_diff_compare(struct mp_diff_side side[2], struct mp_diff_rows *out, struct mp_err *err);
void mp_diff_rows_free(struct mp_diff_rows *rows);

/* ---- notes.c: why a comparison may not be fair ---- */

struct mp_diff_note {
	char text[320];
};

struct mp_diff_notes {
	struct mp_diff_note note[32];
	size_t n;
};

void mp_diff_notes_find(struct sqlite3_stmt *a, struct sqlite3_stmt *b, const struct mp_diff_side side[2],
    const struct mp_diff_rows *rows, struct mp_diff_notes *out);

/* ---- write.c ---- */

int mp_diff_write(const struct mp_diff_options *o, struct mp_diff_side side[2],
    const struct mp_diff_rows *rows, FILE *out, struct mp_err *err);

/* A figure, and a change of it, for people; MP_CELL_NUMBER bytes. */
void mp_diff_figure(const struct mp_diff_row *row, double value, char *out);
void mp_diff_change(const struct mp_diff_row *row, double change, char *out);

#endif
