/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "analysis/days/private.h"

#define DAYS_NAMED    3 /* of several, in a note */
#define FIGURES_NAMED 4 /* of one card, in a sentence */

/* A line that is put together; what has no room is cut. */
struct line {
	char text[600];
	size_t n;
};

static void add(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *l, const char *fmt, ...)
{
	size_t room = sizeof(l->text) - l->n;
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(l->text + l->n, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->n += (size_t)n < room ? (size_t)n : room - 1;
}

void days_figure(enum figure f, double value, char *out)
{
	enum mp_unit unit = mp_cell_unit(figure_kinds[f].name);

	if (!isfinite(value))
		strcpy(out, "-");
	else if (value == floor(value) && fabs(value) < 9e15)
		mp_cell_int(unit, (int64_t)value, out);
	else
		mp_cell_real(unit, value, out);
}

/* ---- Sentences ---- */

/* open_burst p99 grows 3.1 % a day (2.2 to 4.0), from 38.1 us to 52.7 us over 12 days */
static void say_trend(const struct told_trend *t, struct line *l)
{
	double sign = t->tau < 0 ? -100 : 100, lo = sign < 0 ? t->hi : t->lo, hi = sign < 0 ? t->lo : t->hi;
	char first[MP_CELL_NUMBER], last[MP_CELL_NUMBER];

	days_figure(t->figure, t->first, first);
	days_figure(t->figure, t->last, last);
	add(l, "%s %s %s", t->of->label, figure_kinds[t->figure].words, sign < 0 ? "falls" : "grows");
	if (!isnan(t->slope))
		add(l, " %.1f %%%s a day (%.1f to %.1f),", sign * t->slope,
		    t->is_share ? "" : " of its median", sign * lo, sign * hi);
	add(l, " from %s to %s over %zu days", first, last, t->n);
}

static void add_outlier(const struct told_outlier *o, struct line *l)
{
	char value[MP_CELL_NUMBER], expected[MP_CELL_NUMBER];
	double factor = o->of->value[o->figure] / o->expected;

	days_figure(o->figure, o->of->value[o->figure], value);
	days_figure(o->figure, o->expected, expected);
	add(l, "%s %s in place of %s", figure_kinds[o->figure].words, value, expected);
	if (factor >= 1.95 && factor < 1e6)
		add(l, " (%.1f times)", factor);
}

/* 2026-11-23: open_burst p99 81.2 us in place of 38.1 us (2.1 times), p99.9 190 us in place of 97.0 us: all
 * that are told of one card, the farthest first; nothing if an earlier one has told them. */
static bool say_card(const struct days *d, size_t first, struct line *l)
{
	const struct card *c = d->outlier[first].of;
	size_t told = 0, more = 0;

	for (size_t i = 0; i < first; i++)
		if (d->outlier[i].of == c)
			return false;
	add(l, "%s: %s ", d->day[c->day].name, c->label);
	for (size_t i = first; i < d->n_outliers; i++) {
		if (d->outlier[i].of != c)
			continue;
		if (told == FIGURES_NAMED) {
			more++;
			continue;
		}
		add(l, "%s", told++ ? ", " : "");
		add_outlier(&d->outlier[i], l);
	}
	if (more)
		add(l, "; and %zu figure%s more", more, more > 1 ? "s" : "");
	return true;
}

static void say_nothing(const struct days *d, struct line *l)
{
	if (d->n < MP_DAYS_LEAST)
		add(l, "%zu days are too few to tell what stands out: it takes %d", d->n, MP_DAYS_LEAST);
	else if (!d->tested_values)
		add(l, "no phase has figures on %d days: too few to tell what stands out", MP_DAYS_LEAST);
	else
		add(l,
		    "nothing stands out: of %zu figures over the days none grows or falls, and of %zu of "
		    "single "
		    "days none lies beyond the others",
		    d->tested_trends, d->tested_values);
}

int days_say(const struct days *d, days_take_line *take, void *ctx)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < d->n_trends; i++) {
		struct line l = {0};

		say_trend(&d->trend[i], &l);
		rc = take(ctx, l.text);
	}
	for (size_t i = 0; !rc && i < d->n_outliers; i++) {
		struct line l = {0};

		if (say_card(d, i, &l))
			rc = take(ctx, l.text);
	}
	if (!rc && !d->n_trends && !d->n_outliers) {
		struct line l = {0};

		say_nothing(d, &l);
		rc = take(ctx, l.text);
	}
	return rc;
}

/* ---- Notes ---- */

/* 2026-11-12, 2026-11-13 and 4 more; `say`, if any, adds to each. */
static void add_days(const struct days *d, const bool *is_of, struct line *l,
    void (*say)(struct line *l, const struct day *day, int key), int key)
{
	size_t n = 0, all = 0;

	for (size_t i = 0; i < d->n; i++)
		all += is_of[i];
	if (all == d->n && !say) {
		add(l, "all of them");
		return;
	}
	for (size_t i = 0; i < d->n; i++) {
		if (!is_of[i] || n++ >= DAYS_NAMED)
			continue;
		add(l, "%s%s", n > 1 ? ", " : "", d->day[i].name);
		if (say)
			say(l, &d->day[i], key);
	}
	if (n > DAYS_NAMED)
		add(l, " and %zu more", n - DAYS_NAMED);
}

static void say_value(struct line *l, const struct day *day, int key)
{
	add(l, " (%s)", *day->said[key] ? day->said[key] : "not known");
}

static void say_lost(struct line *l, const struct day *day, int key)
{
	char number[MP_CELL_NUMBER];

	(void)key;
	mp_cell_int(MP_UNIT_COUNT, day->lost, number);
	add(l, " (%s)", number);
}

/* What most days say. */
static const char *usual(const struct days *d, int key)
{
	const char *best = d->day[0].said[key];
	size_t most = 0;

	for (size_t i = 0; i < d->n; i++) {
		size_t n = 0;

		for (size_t k = 0; k < d->n; k++)
			n += !strcmp(d->day[i].said[key], d->day[k].said[key]);
		if (n > most) {
			most = n;
			best = d->day[i].said[key];
		}
	}
	return best;
}

static void note_key(const struct days *d, int key, struct line *l)
{
	const char *most = usual(d, key);
	bool other[MP_DAYS_MOST];
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += other[i] = strcmp(d->day[i].said[key], most) != 0;
	if (!n)
		return;
	add(l, "%s is %s, but not on ", key_names[key], *most ? most : "not known");
	add_days(d, other, l, say_value, key);
}

static void note_days(const struct days *d, const char *what, bool (*is_so)(const struct day *day),
    void (*say)(struct line *l, const struct day *day, int key), struct line *l)
{
	bool so[MP_DAYS_MOST];
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += so[i] = is_so(&d->day[i]);
	if (!n)
		return;
	add(l, "%s: ", what);
	add_days(d, so, l, say, 0);
}

static bool is_unfinished(const struct day *day)
{
	return !day->finished;
}

static bool has_lost(const struct day *day)
{
	return day->lost > 0;
}

static bool has_no_phases(const struct day *day)
{
	return !day->has_phases;
}

static bool shares_date(const struct day *day)
{
	return day->shares_date;
}

/* Of a phase that most days have, those that have it not; but for days without any. */
static void note_missing(const struct days *d, const struct group *g, struct line *l)
{
	bool missing[MP_DAYS_MOST];
	size_t n = 0, of = 0;

	for (size_t i = 0; i < d->n; i++)
		of += missing[i] = d->day[i].has_phases;
	for (size_t i = g->from; i < g->to; i++)
		missing[d->card[i].day] = false;
	for (size_t i = 0; i < d->n; i++)
		n += missing[i];
	if (!n || 2 * n >= of)
		return;
	add(l, "%s is not on ", d->card[g->from].label);
	add_days(d, missing, l, NULL, 0);
}

static int hand_on(struct line *l, days_take_line *take, void *ctx)
{
	return l->n ? take(ctx, l->text) : 0;
}

int days_note(const struct days *d, days_take_line *take, void *ctx)
{
	static const struct {
		const char *what;
		bool (*is_so)(const struct day *day);
		void (*say)(struct line *l, const struct day *day, int key);
	} of_days[] = {{"the recorder did not finish", is_unfinished, NULL},
	    {"calls were lost", has_lost, say_lost},
	    {"no phases were told, so that only the whole recording is compared", has_no_phases, NULL},
	    {"of one date, and each counts as a day of its own", shares_date, NULL}};
	int rc = 0;

	for (int k = 0; !rc && k < KEYS; k++) {
		struct line l = {0};

		note_key(d, k, &l);
		rc = hand_on(&l, take, ctx);
	}
	for (size_t i = 0; !rc && i < sizeof(of_days) / sizeof(*of_days); i++) {
		struct line l = {0};

		note_days(d, of_days[i].what, of_days[i].is_so, of_days[i].say, &l);
		rc = hand_on(&l, take, ctx);
	}
	for (size_t g = 0; !rc && g < d->n_groups; g++) {
		struct line l = {0};

		note_missing(d, &d->group[g], &l);
		rc = hand_on(&l, take, ctx);
	}
	return rc;
}
