/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_DAYS_DAYS_H
#define MP_ANALYSIS_DAYS_DAYS_H

#include "analysis/report.h"

/*
 * Many days: the phases of several recordings of the same program side by side, and which figures of them
 * rise or fall from day to day, and which day lies beyond the others.
 *
 * Each session is opened for reading, in turn, its cards are taken (analysis/session/session.h), and it is
 * closed again: what stays in memory are figures. A day is named by the date on which its recording began, in
 * UTC, or by its file where two began on the same date; days are in the order in which they began.
 *
 * Tables: `days`, a card a row; `trend`; `outliers`; `sentences`, the last two in words, and so are `notes`,
 * which tell what speaks against a comparison.
 *
 *   trend      by phase and figure, where a day is a weekday, Monday to Friday, if no recording began on
 *              another; else each day of the calendar: Kendall's test, and the slope of Theil and Sen with
 *              its interval of 95 % (analysis/stats/trend.h). A change below MP_DAYS_LEAST_SHARE from the
 *              first day to the last is none.
 *   outliers   by day, phase and figure, against the other days, or against the trend where one is told
 *              (analysis/stats/outlier.h)
 *
 * Figures above 0 are compared by their logarithms: a trend is a growth by so many percent a day. Both are
 * told where they are beyond chance: over all rows of both tables, equal days show one with a probability of
 * MP_DAYS_LEVEL or less, half of it for each table, corrected by Holm's method within it. That takes days to
 * be independent of one another but for the trend. The longest call is for information, and so is a
 * percentile beyond which fewer than MP_DAYS_LEAST_BEYOND calls lie. A spread of days is not taken to be less
 * than MP_DAYS_LEAST_SHARE, nor than that of what is counted.
 */
#define MP_DAYS_MOST         366
#define MP_DAYS_LEAST        5 /* days; of fewer neither trend nor outliers are told */
#define MP_DAYS_LEVEL        0.01
#define MP_DAYS_LEAST_SHARE  0.01
#define MP_DAYS_LEAST_BEYOND 30

struct mp_days_options {
	const char *const *path; /* of the sessions */
	size_t n;
	/* table, phase (its name, each time that it came; NAME#2: the second time) and limit: as for a report
	 * of one session. All else unset. */
	const struct mp_report_filter *filter;
	enum mp_format format;
};

/* What can be told of the options without a session. -EINVAL. */
int mp_days_check(const struct mp_days_options *o, struct mp_err *err);

/*
 * Writes the report. -EINVAL, with nothing written, for a recording that is given twice, one that does not
 * tell when it was made, and a phase that no day has; those of mp_session_open(); -EIO, -ENOMEM, -EPIPE.
 */
int mp_days_run(const struct mp_days_options *o, FILE *out, struct mp_err *err);

/* The tables behind the first, "trend, outliers, ...": for a message. */
const char *mp_days_further_tables(void);

#endif
