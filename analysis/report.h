/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_REPORT_H
#define MP_ANALYSIS_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "analysis/impact.h"
#include "store/emit.h"
#include "store/session.h"

/*
 * The reports. Each is a row of one table: a name, what it is for, and its sections, of which each is a file
 * of SQL under sql/reports/. A report of one section has "rows" in JSON, one of several
 * "tables":{name:[rows]}.
 */
#define MP_REPORT_SECTIONS 12

struct mp_report_section {
	const char *name;  /* in JSON, and for --table */
	const char *title; /* above the table */
	const char *sql;   /* path of the embedded file */
	const char *note;  /* below the table: how to read it; or NULL */
	bool data_only;    /* too long for people: not in the table format unless asked for by name */
	/* Empty, and so not in the table format, unless the user gave this. */
	enum { MP_NEEDS_NOTHING, MP_NEEDS_COST, MP_NEEDS_INTERVAL } needs;
};

/* What a report is of. Session clock; from_ns and to_ns are the smallest and largest integer when not asked
 * for. */
struct mp_report_scope {
	int64_t start_ns, end_ns; /* of the recording */
	int64_t from_ns, to_ns;   /* the end exclusive */
	int64_t covered_ns;       /* of the recording, between them */
	int64_t tid;              /* 0: all threads */
	int64_t limit;            /* rows; 0: all */
	bool finished;
	struct mp_impact_options impact;
};

struct mp_report {
	const char *name;
	const char *purpose; /* one line */
	bool histogram;      /* from the histograms: of all threads together, and by whole seconds */
	bool is_of_rows;     /* sums over kept rows: too low where rows were lost */
	bool is_of_spans;    /* takes struct mp_impact_options */
	int64_t limit;       /* rows unless the user says otherwise; 0: all */
	/* What SQL cannot do: puts its results into temporary tables, which the sections read. NULL: nothing.
	 */
	int (*fill)(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);
	struct mp_report_section section[MP_REPORT_SECTIONS + 1];
};

/* The last has a NULL name. */
extern const struct mp_report mp_reports[];

/* The report of that name, or NULL with a text that suggests the nearest ones. */
const struct mp_report *mp_report_find(const char *name, struct mp_err *err);

/* -EINVAL for options for spans to a report that is not of them. */
int mp_report_check_impact(
    const struct mp_report *report, const struct mp_impact_options *o, struct mp_err *err);

struct mp_report_filter {
	const char *table; /* only this section; NULL: all, but CSV, which holds one table, has the first */
	int64_t tid;       /* 0: all threads */
	int64_t from_ns;   /* since the start of the recording; < 0: its start */
	int64_t to_ns;     /* exclusive; < 0: its end */
	int64_t limit;     /* rows; 0: all; < 0: the report's own */
	struct mp_impact_options impact;
};

/*
 * Writes a report. Reports from histograms round from_ns and to_ns outwards to whole seconds; `filter` holds
 * on return what was used. -EINVAL, with nothing written, for a filter that the data cannot answer: a thread
 * of a histogram, a thread that was not there, a time after the end, an unknown table, options for spans to a
 * report that is not of them. -EPIPE, -EIO as mp_emit_rows().
 */
int mp_report_run(struct mp_session *s, const struct mp_report *report, struct mp_report_filter *filter,
    FILE *out, enum mp_format format, struct mp_err *err);

#endif
