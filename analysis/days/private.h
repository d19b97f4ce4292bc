/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_DAYS_PRIVATE_H
#define MP_ANALYSIS_DAYS_PRIVATE_H

/*
 * What the files of this folder share.
 *
 *   days.c    from the files to the output; which days there are
 *   take.c    the figures of one session
 *   judge.c   trends and outliers
 *   say.c     sentences and notes
 *   write.c   tables
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/days/days.h"
#include "analysis/stats/trend.h"
#include "store/cell.h"

#define NAME_SIZE  48 /* of a phase: names are cut by the recorder, too */
#define LABEL_SIZE (NAME_SIZE + 16)

/* The columns of sql/days/card.sql from the fifth on, in their order. */
enum figure {
	DUR_NS,
	ALLOCS_PER_S,
	BYTES_PER_S,
	P50_NS,
	P99_NS,
	P999_NS,
	MAX_NS,
	ALLOC_SHARE,
	LIVE_BYTES,
	FAULTS_PER_S,
	GC_PAUSES_PER_S,
	GC_SHARE,
	POOL_SHARE,
	FIGURES
};

struct figure_kind {
	const char *name, *words; /* the column; within a sentence */
	uint32_t tail;            /* of a percentile: enum mp_tail */
	bool is_tested;
};

extern const struct figure_kind figure_kinds[FIGURES];

/* How a session was recorded: what should be the same on all days. */
enum { HOST, KERNEL, CPU, VERSION, PLANES, BACKEND, PROBE, DUTY, KEYS };

extern const char *const key_names[KEYS];

struct day {
	const char *path;
	char *name;
	int64_t start_real_ns, date; /* date: days since 1970 */
	int64_t start_ns, end_ns, pid, lost;
	bool finished, has_phases;
	bool shares_date; /* with another one */
	char said[KEYS][64];
};

struct card {
	size_t day;
	int64_t place, nth; /* place: among the cards of its day; nth 0: the whole recording */
	char name[NAME_SIZE], label[LABEL_SIZE], pool[NAME_SIZE];
	double value[FIGURES]; /* NAN: not known */
	double error[FIGURES]; /* of what is counted: a spread that chance alone makes; 0: none is known;
				  INFINITY: too little is known to test it */
};

/* Where a phase, or one of its times, has its cards: cards[from] to cards[to - 1], in the order of days. */
struct group {
	size_t from, to;
};

struct told_trend {
	const struct card *of; /* any of its group's */
	enum figure figure;
	bool is_share; /* growth by a share; else slopes are shares of the median */
	size_t n;
	double tau, log_p, slope, lo, hi; /* shares a day; NAN: of a median of 0 */
	double first, last; /* what it says of the first and the last day that have the figure */
};

struct told_outlier {
	const struct card *of;
	enum figure figure;
	double expected, z, log_p;
};

struct days {
	const struct mp_days_options *o;
	struct day day[MP_DAYS_MOST];
	size_t n;
	bool is_weekdays;  /* no recording began on a Saturday or Sunday */
	struct card *card; /* by name, nth and day */
	size_t n_cards, room;
	struct group *group;
	size_t n_groups;
	struct told_trend *trend; /* the surest first; likewise below */
	struct told_outlier *outlier;
	size_t n_trends, n_outliers, tested_trends, tested_values;
};

int days_no_memory(struct mp_err *err);

/* Appends the cards of the session of d->day[i], and tells what it says of itself. */
int days_take(struct days *d, size_t i, struct mp_err *err);

/* Days since 1970 counted so that trends are told by them. */
double days_number(const struct days *d, int64_t date);

int days_judge(struct days *d, struct mp_err *err);

/* Hands each line to take(): sentences, what differs from the ordinary day; notes, what speaks against it. */
typedef int days_take_line(void *ctx, const char *line);
int days_say(const struct days *d, days_take_line *take, void *ctx);
int days_note(const struct days *d, days_take_line *take, void *ctx);

int days_write(const struct days *d, FILE *out, struct mp_err *err);

/* A figure for people; MP_CELL_NUMBER bytes. */
void days_figure(enum figure f, double value, char *out);

#endif
