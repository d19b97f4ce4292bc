/* SPDX-License-Identifier: MIT */
#include "sampler/phases/calendar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sampler/phases/calendar_private.h"
#include "sampler/text_file.h"
#include "store/embed.h"

#define NS_PER_S  1000000000LL
#define NS_PER_MS 1000000LL

void mp_phase_calendar_free(struct mp_phase_calendar *c)
{
	if (!c)
		return;
	mp_zone_free(c->zone);
	free(c->about);
	free(c->holidays.day);
	free(c->half_days.day);
	free(c->entries);
	free(c);
}

/* ---- Files ---- */

static int read_text(const char *path, char **out, struct mp_err *err)
{
	int fd = mp_text_file_open(path);
	const char *why;

	if (fd < 0)
		return mp_err_set(err, errno,
		    "cannot read %.200s: %s; built-in calendars are listed by mpsample list profiles", path,
		    strerror(errno));
	int code = mp_text_file_read(fd, out, &why);
	close(fd);
	return code ? mp_err_set(err, EINVAL, "cannot read %.200s: %s", path, why) : 0;
}

static const char builtin_prefix[] = "sampler/profiles/phases-";

const char *mp_phase_calendar_builtin(size_t i)
{
	static char name[64];

	for (const struct mp_embedded *f = mp_embedded_files; f->path; f++) {
		if (strncmp(f->path, builtin_prefix, sizeof(builtin_prefix) - 1) || i--)
			continue;
		const char *from = f->path + sizeof(builtin_prefix) - 1;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(from, "."), from);
		return name;
	}
	return NULL;
}

int mp_phase_calendar_load(const char *name, struct mp_phase_calendar **out, struct mp_err *err)
{
	char path[128], *text = NULL;

	snprintf(path, sizeof(path), "%s%.64s.ini", builtin_prefix, name);
	const char *builtin = strchr(name, '/') ? NULL : mp_embedded_text(path);
	if (builtin)
		return mp_phase_calendar_parse(path, builtin, out, err);
	int rc = read_text(name, &text, err);
	if (!rc)
		rc = mp_phase_calendar_parse(name, text, out, err);
	free(text);
	return rc;
}

/* ---- Days and instants ---- */

static int64_t wall_to_ns(const struct mp_phase_calendar *c, int32_t day, int64_t ms)
{
	int64_t wall_ms = day * DAY_MS + ms, wall_s = wall_ms / 1000;

	return mp_zone_utc(c->zone, wall_s) * NS_PER_S + (wall_ms - wall_s * 1000) * NS_PER_MS;
}

void mp_phase_calendar_describe(const struct mp_phase_calendar *c, struct mp_phase_calendar_about *out)
{
	size_t n = 0;

	*out = (struct mp_phase_calendar_about){.about = c->about ? c->about : "", .zone = c->zone_name};
	for (size_t i = 0; i < c->n && n < sizeof(out->phases); i++)
		if (c->entries[i].is_phase)
			n += (size_t)snprintf(out->phases + n, sizeof(out->phases) - n, "%s%s", n ? ", " : "",
			    c->entries[i].name);
	if (c->covers_to) {
		out->covers_from_ns = wall_to_ns(c, c->covers_from, 0);
		out->covers_to_ns = wall_to_ns(c, c->covers_to + 1, 0);
	}
}

int mp_phase_calendar_date(const struct mp_phase_calendar *c, const char *what, const char *date,
    int64_t *out_ns, struct mp_err *err)
{
	int32_t day;

	if (!calendar_date(date, &day))
		return mp_err_set(
		    err, EINVAL, "%s: '%.40s' is no day from 1970 to 2105, such as 2026-01-01", what, date);
	*out_ns = wall_to_ns(c, day, 0);
	return 0;
}

void mp_phase_calendar_format(const struct mp_phase_calendar *c, int64_t real_ns, char *out, size_t size)
{
	int64_t utc_s = real_ns / NS_PER_S;
	int32_t offset_s = mp_zone_offset(c->zone, utc_s), minutes = abs(offset_s) / 60;
	time_t wall_s = (time_t)(utc_s + offset_s);
	struct tm tm;
	char text[32];

	gmtime_r(&wall_s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(out, size, "%s.%03d %c%02d%02d", text, (int)(real_ns % NS_PER_S / NS_PER_MS),
	    offset_s < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

/* ---- Windows ---- */

struct windows {
	struct mp_phase_window *w;
	size_t n, room;
};

static bool add_window(struct windows *all, const struct mp_phase_window *w)
{
	if (all->n == all->room) {
		size_t room = all->room ? all->room * 2 : 64;
		struct mp_phase_window *bigger = reallocarray(all->w, room, sizeof(*bigger));
		if (!bigger)
			return false;
		all->w = bigger;
		all->room = room;
	}
	all->w[all->n++] = *w;
	return true;
}

static int by_day(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
	return (x > y) - (x < y);
}

static bool has_day(const struct days *d, int32_t day)
{
	return d->n && bsearch(&day, d->day, d->n, sizeof(day), by_day);
}

/* 0 is Sunday: 1970 began with a Thursday. */
static unsigned int weekday_of(int32_t day)
{
	return (unsigned int)((day + 4) % 7 + 7) % 7;
}

static bool happens(const struct mp_phase_calendar *c, const struct entry *e, int32_t day, bool is_half)
{
	unsigned int weekdays = e->weekdays ? e->weekdays : c->weekdays;

	return e->is_phase && (weekdays >> weekday_of(day) & 1) && !(is_half && e->not_on_half_days);
}

/* The phases that begin on a day, as far as they have a part in the time asked for. */
static bool add_day(
    const struct mp_phase_calendar *c, int32_t day, int64_t from_ns, int64_t to_ns, struct windows *all)
{
	bool is_half = has_day(&c->half_days, day), ok = true;

	if (has_day(&c->holidays, day))
		return true;
	for (size_t i = 0; ok && i < c->n; i++) {
		const struct entry *e = &c->entries[i];
		if (!happens(c, e, day, is_half))
			continue;
		const struct mp_phase_window w = {.phase = e->name,
		    .start_ns = wall_to_ns(c, day, e->ms[is_half][EDGE_START]),
		    .end_ns = wall_to_ns(c, day, e->ms[is_half][EDGE_END])};
		if (w.start_ns < w.end_ns && w.start_ns < to_ns && w.end_ns > from_ns)
			ok = add_window(all, &w);
	}
	return ok;
}

static int by_start(const void *a, const void *b)
{
	const struct mp_phase_window *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	if (x->end_ns != y->end_ns)
		return x->end_ns > y->end_ns ? -1 : 1;
	return strcmp(x->phase, y->phase);
}

int mp_phase_calendar_windows(const struct mp_phase_calendar *c, int64_t from_ns, int64_t to_ns,
    struct mp_phase_window **out, size_t *n, struct mp_err *err)
{
	struct windows all = {0};
	const int64_t margin_days = OFFSET_DAYS_MAX + 2;
	int64_t first = from_ns / NS_PER_S / DAY_S - margin_days,
		last = to_ns / NS_PER_S / DAY_S + margin_days;
	bool ok = true;

	if (from_ns < 0 || to_ns / NS_PER_S > MP_ZONE_LAST_S)
		return mp_err_set(err, ERANGE, "calendars are known from 1970 to 2105");
	for (int64_t day = first; ok && day <= last; day++)
		ok = add_day(c, (int32_t)day, from_ns, to_ns, &all);
	if (!ok) {
		free(all.w);
		return mp_err_set(err, ENOMEM, "out of memory");
	}
	if (all.n)
		qsort(all.w, all.n, sizeof(*all.w), by_start);
	*out = all.w;
	*n = all.n;
	return 0;
}
