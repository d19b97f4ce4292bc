/* SPDX-License-Identifier: MIT */
#include "analysis/days/days.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "analysis/days/private.h"

int days_no_memory(struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "cannot compare days: out of memory");
}

/* ---- Which days ---- */

static int by_begin(const void *a, const void *b)
{
	const struct day *x = a, *y = b;

	if (x->start_real_ns != y->start_real_ns)
		return x->start_real_ns < y->start_real_ns ? -1 : 1;
	return strcmp(x->path, y->path);
}

/* A copy of a file is the same recording, too. Two of the same begin stand next to each other. */
static int refuse_twice(const struct days *d, struct mp_err *err)
{
	for (size_t i = 0; i < d->n; i++)
		for (size_t k = i + 1; k < d->n && d->day[k].start_real_ns == d->day[i].start_real_ns; k++) {
			const struct day *a = &d->day[i], *b = &d->day[k];

			if (!strcmp(a->path, b->path))
				return mp_err_set(
				    err, EINVAL, "%s is given twice: give each day once", a->path);
			if (a->start_ns == b->start_ns && a->end_ns == b->end_ns && a->pid == b->pid)
				return mp_err_set(err, EINVAL,
				    "%s and %s are the same recording: give each day once", a->path, b->path);
		}
	return 0;
}

static const char *file_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* By the date; by the file's name, where days share a date; by its path, where files share a name. */
static const char *choose_name(struct days *d, size_t i, char *date, size_t size)
{
	time_t at = (time_t)(d->day[i].start_real_ns / 1000000000);
	const char *file = file_of(d->day[i].path);
	struct tm tm;

	for (size_t k = 0; k < d->n; k++)
		d->day[i].shares_date |= k != i && d->day[k].date == d->day[i].date;
	if (!d->day[i].shares_date && gmtime_r(&at, &tm) && strftime(date, size, "%Y-%m-%d", &tm))
		return date;
	for (size_t k = 0; k < d->n; k++)
		if (k != i && !strcmp(file_of(d->day[k].path), file))
			return d->day[i].path;
	return file;
}

static int name_days(struct days *d, struct mp_err *err)
{
	char date[40];

	d->is_weekdays = true;
	for (size_t i = 0; i < d->n; i++) {
		d->is_weekdays &= (d->day[i].date + 3) % 7 < 5;
		d->day[i].name = strdup(choose_name(d, i, date, sizeof(date)));
		if (!d->day[i].name)
			return days_no_memory(err);
	}
	return 0;
}

/* From the order in which the files were given to that in which they were recorded. */
static int order_days(struct days *d, struct mp_err *err)
{
	size_t to[MP_DAYS_MOST];

	for (size_t i = 0; i < d->n; i++)
		to[i] = 0;
	struct day *sorted = malloc(d->n * sizeof(*sorted));
	if (!sorted)
		return days_no_memory(err);
	memcpy(sorted, d->day, d->n * sizeof(*sorted));
	qsort(sorted, d->n, sizeof(*sorted), by_begin);
	for (size_t i = 0; i < d->n; i++)
		for (size_t k = 0; k < d->n; k++)
			if (sorted[k].path == d->day[i].path)
				to[i] = k;
	memcpy(d->day, sorted, d->n * sizeof(*sorted));
	free(sorted);
	for (size_t i = 0; i < d->n_cards; i++)
		d->card[i].day = to[d->card[i].day];
	int rc = refuse_twice(d, err);
	return rc ? rc : name_days(d, err);
}

/* ---- Which phases ---- */

static int by_phase(const void *a, const void *b)
{
	const struct card *x = a, *y = b;
	int order = (x->nth != 0) - (y->nth != 0);

	if (!order)
		order = strcmp(x->name, y->name);
	if (!order && x->nth != y->nth)
		order = x->nth < y->nth ? -1 : 1;
	if (!order && x->day != y->day)
		order = x->day < y->day ? -1 : 1;
	return order ? order : (x->place > y->place) - (x->place < y->place);
}

static bool is_same_name(const struct card *a, const struct card *b)
{
	return (a->nth != 0) == (b->nth != 0) && !strcmp(a->name, b->name);
}

/* NAME#2 where any day has several of the name. */
static void label_cards(struct days *d)
{
	for (size_t i = 0, end; i < d->n_cards; i = end) {
		bool is_many = false;

		for (end = i; end < d->n_cards && is_same_name(&d->card[i], &d->card[end]); end++)
			is_many |= d->card[end].nth > 1;
		for (size_t k = i; k < end; k++) {
			struct card *c = &d->card[k];

			if (is_many)
				snprintf(c->label, sizeof(c->label), "%s#%" PRId64, c->name, c->nth);
			else
				snprintf(c->label, sizeof(c->label), "%s", c->name);
		}
	}
}

static int say_unknown(const struct days *d, const char *name, struct mp_err *err)
{
	char all[256] = "";

	for (size_t i = 0; i < d->n_cards; i++) {
		size_t n = strlen(all);

		if (d->card[i].nth && !is_same_name(&d->card[i], &d->card[i - 1]) && n < sizeof(all) - 1)
			snprintf(all + n, sizeof(all) - n, "%s%s", n ? ", " : "", d->card[i].name);
	}
	if (!*all)
		return mp_err_set(err, EINVAL,
		    "there is no phase %.80s on any of the days: they have none; they come by MPSAMPLE_PHASE "
		    "in "
		    "the program, mpsample mark, or record --phases",
		    name);
	return mp_err_set(err, EINVAL, "there is no phase %.80s on any of the days: they have %s", name, all);
}

/* Only what was asked for stays. */
static int choose_phase(struct days *d, const char *name, struct mp_err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_cards; i++)
		n += d->card[i].nth && (!strcmp(d->card[i].name, name) || !strcmp(d->card[i].label, name));
	if (!n)
		return say_unknown(d, name, err);
	n = 0;
	for (size_t i = 0; i < d->n_cards; i++)
		if (d->card[i].nth && (!strcmp(d->card[i].name, name) || !strcmp(d->card[i].label, name)))
			d->card[n++] = d->card[i];
	d->n_cards = n;
	return 0;
}

static int group_cards(struct days *d, struct mp_err *err)
{
	d->group = calloc(d->n_cards + 1, sizeof(*d->group));
	if (!d->group)
		return days_no_memory(err);
	for (size_t i = 0, end; i < d->n_cards; i = end) {
		for (end = i; end < d->n_cards && is_same_name(&d->card[i], &d->card[end]) &&
			      d->card[end].nth == d->card[i].nth;)
			end++;
		d->group[d->n_groups++] = (struct group){i, end};
	}
	return 0;
}

static int order_cards(struct days *d, struct mp_err *err)
{
	const char *phase = d->o->filter->phase;
	int rc = 0;

	if (d->n_cards)
		qsort(d->card, d->n_cards, sizeof(*d->card), by_phase);
	label_cards(d);
	if (phase)
		rc = choose_phase(d, phase, err);
	return rc ? rc : group_cards(d, err);
}

/* ---- All of it ---- */

static void free_days(struct days *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->day[i].name);
	free(d->card);
	free(d->group);
	free(d->trend);
	free(d->outlier);
	free(d);
}

int mp_days_run(const struct mp_days_options *o, FILE *out, struct mp_err *err)
{
	int rc = mp_days_check(o, err);

	if (rc)
		return rc;
	struct days *d = calloc(1, sizeof(*d));
	if (!d)
		return days_no_memory(err);
	d->o = o;
	for (; !rc && d->n < o->n; d->n++) {
		d->day[d->n].path = o->path[d->n];
		rc = days_take(d, d->n, err);
	}
	if (!rc)
		rc = order_days(d, err);
	if (!rc)
		rc = order_cards(d, err);
	if (!rc)
		rc = days_judge(d, err);
	if (!rc)
		rc = days_write(d, out, err);
	free_days(d);
	return rc;
}
