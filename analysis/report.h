/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_REPORT_H
#define MP_ANALYSIS_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "analysis/impact/impact.h"
#include "analysis/pools/pools.h"
#include "store/emit.h"
#include "store/session.h"

struct sqlite3_stmt;

/*
 * The reports. Each is a row of one table: a name, what it is for, and its sections, of which each is a file
 * of SQL under sql/reports/. A report of one section has "rows" in JSON, one of several
 * "tables":{name:[rows]}.
 */
#define MP_REPORT_SECTIONS 16

struct mp_report_section {
	const char *name;  /* in JSON, and for --table */
	const char *title; /* above the table */
	const char *sql;   /* path of the embedded file */
	const char *note;  /* below the table: how to read it; or NULL */
	bool data_only;    /* too long for people: not in the table format unless asked for by name */
	bool is_optional;  /* not in the table format where it has no rows, unless asked for by name */
	const char *none;  /* said in place of a table without rows; or NULL */
	/* Empty, and so not in the table format, unless the user gave this. */
	enum { MP_NEEDS_NOTHING, MP_NEEDS_COST, MP_NEEDS_INTERVAL } needs;
};

/* What a report is of. Session clock; from_ns and to_ns are the smallest and largest integer when not asked
 * for. */
struct mp_report_scope {
	int64_t start_ns, end_ns; /* of the recording */
	int64_t from_ns, to_ns;   /* the end exclusive */
	int64_t covered_ns;       /* of the recording, between them */
	int64_t slots_ns;         /* start of the first slot that from_ns to to_ns touch */
	int64_t lost_ns;          /* exclusive: what ended by then may have happened before to_ns */
	int64_t tid;              /* 0: all threads */
	int64_t limit;            /* rows; 0: all */
	const char *op;           /* NULL: all operations */
	int64_t call_id;          /* 0: no call in particular */
	bool finished;
	bool is_brief; /* for people, beside other tables: sections may leave out what matters least (:brief)
			*/
	bool people;   /* the table format: what is said in full to programs may be said shorter */
	struct mp_impact_options impact;
	struct mp_pool_options pools;
};

struct mp_report {
	const char *name;
	const char *purpose; /* one line */
	bool histogram;      /* from the histograms: of all threads together, and by whole seconds */
	bool is_of_rows;     /* sums over kept rows: too low where rows were lost */
	bool is_of_spans;    /* takes struct mp_impact_options */
	bool is_of_pools;    /* takes struct mp_pool_options */
	int64_t limit;       /* rows unless the user says otherwise; 0: all */
	/* What SQL cannot do: puts its results into temporary tables, which the sections read. NULL: nothing.
	 */
	int (*fill)(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);
	struct mp_report_section section[MP_REPORT_SECTIONS + 1];
	/* Other queries for the first section where a table of columns is not its form: lines of text, one a
	 * row, for people; rows without JSON in them for CSV. NULL: as in `section`. */
	const char *lines, *csv;
	const char *json_column; /* of the first section, see mp_emit_json_column(); or NULL */
	/* For people: queries whose first column is a line of text, above and below the tables; or NULL. */
	const char *before, *after;
	/* Further columns of the coverage object, in the order of sql/reports/cache_coverage.sql; or NULL. */
	const char *coverage;
	bool flat;          /* in JSON, sections are members of the document itself */
	bool is_of_days;    /* takes several sessions, too: analysis/days/days.h */
	bool is_rows_first; /* in JSON, the first section is one, "rows", and the others are in "tables" */
};

/* reports.c; the last has a NULL name. */
extern const struct mp_report mp_reports[];

/* The report of that name, or NULL with a text that suggests the nearest ones. */
const struct mp_report *mp_report_find(const char *name, struct mp_err *err);

/* -EINVAL for options for spans, or pools, to a report that is not of them. */
int mp_report_check_impact(
    const struct mp_report *report, const struct mp_impact_options *o, struct mp_err *err);
int mp_report_check_pools(
    const struct mp_report *report, const struct mp_pool_options *o, struct mp_err *err);

struct mp_report_filter {
	const char *table; /* only this section; NULL: all, but CSV, which holds one table, has the first */
	bool is_rounded;   /* set: the time asked for was not whole slots, and was rounded outwards to them */
	const char *phase; /* only this phase, as mp_phase_find(); not with from_ns or to_ns. NULL: all */
	int64_t tid;       /* 0: all threads */
	int64_t from_ns;   /* since the start of the recording; < 0: its start */
	int64_t to_ns;     /* exclusive; < 0: its end */
	int64_t limit;     /* rows; 0: all; < 0: the report's own */
	const char *op;    /* name of an operation; NULL: all */
	int64_t call_id;   /* for the report of one call; 0: none */
	struct mp_impact_options impact;
	struct mp_pool_options pools;
};

/*
 * Writes a report. Reports from histograms round from_ns and to_ns outwards to whole seconds; `filter` holds
 * on return what was used. -EINVAL, with nothing written, for a filter that the data cannot answer: a thread
 * of a histogram, a thread or phase that was not there, a time after the end, an unknown table, options for
 * spans or pools to a report that is not of them. -EPIPE, -EIO as mp_emit_rows().
 */
int mp_report_run(struct mp_session *s, const struct mp_report *report, struct mp_report_filter *filter,
    FILE *out, enum mp_format format, struct mp_err *err);

/* The scope of the whole recording, for a fill() that is called by itself. -EIO. */
int mp_report_scope_of_all(struct mp_session *s, struct mp_report_scope *out, struct mp_err *err);

/*
 * For fill(): prepares a statement of an embedded file of SQL, with the parameters that such files use bound:
 * :start_ns :from_ns :to_ns :covered_ns :slots_ns :lost_ns :tid :op :call_id (NULL when not asked for) :limit
 * :people. -EIO.
 */
int mp_report_prepare(struct mp_session *s, const char *path, const struct mp_report_scope *scope,
    struct sqlite3_stmt **stmt, struct mp_err *err);

#endif
