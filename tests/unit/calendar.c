/* SPDX-License-Identifier: MIT */
/* Trading calendars, and when their phases come on a clock of which wall time is set and slewed. Whole years
 * against Python's zoneinfo: tests/run/t_calendar.sh. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sampler/phases/calendar.h"
#include "sampler/phases/schedule.h"
#include "sampler/phases/zone.h"

#define S      1000000000LL
#define HOUR_S 3600LL

static struct mp_err err;

static struct mp_phase_calendar *parse(const char *text)
{
	struct mp_phase_calendar *c = NULL;

	cr_assert_eq(mp_phase_calendar_parse("test.ini", text, &c, &err), 0, "%s", err.text);
	return c;
}

/* "2026-03-08 09:30:00" as if it were UTC, in s. */
static int64_t utc_s(const char *text)
{
	struct tm tm = {0};

	cr_assert_not_null(strptime(text, "%Y-%m-%d %H:%M:%S", &tm), "%s", text);
	return timegm(&tm);
}

/* All windows of some time, a line each, as their zone writes them. */
static const char *windows(const struct mp_phase_calendar *c, const char *from, const char *to)
{
	static char text[4096];
	struct mp_phase_window *w;
	size_t n, at = 0;

	cr_assert_eq(
	    mp_phase_calendar_windows(c, utc_s(from) * S, utc_s(to) * S, &w, &n, &err), 0, "%s", err.text);
	text[0] = 0;
	for (size_t i = 0; i < n && at < sizeof(text); i++) {
		char start[40], end[40];
		mp_phase_calendar_format(c, w[i].start_ns, start, sizeof(start));
		mp_phase_calendar_format(c, w[i].end_ns, end, sizeof(end));
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s %s - %s\n", w[i].phase, start, end);
	}
	free(w);
	return text;
}

/* ---- Zones ---- */

static struct mp_zone *zone(const char *name)
{
	struct mp_zone *z = NULL;

	cr_assert_eq(mp_zone_load(name, &z, &err), 0, "%s", err.text);
	return z;
}

/* New York: 2026-03-08 02:00 is 03:00; 2026-11-01 02:00 is 01:00 again. By PEP 495, fold=0. */
Test(zone, a_time_that_is_left_out_and_one_that_comes_twice)
{
	static const struct {
		const char *wall;
		int hours; /* to be added for UTC */
	} cases[] = {{"2026-03-08 01:59:59", 5}, {"2026-03-08 02:00:00", 5}, {"2026-03-08 02:30:00", 5},
	    {"2026-03-08 02:59:59", 5}, {"2026-03-08 03:00:00", 4}, {"2026-03-08 09:30:00", 4},
	    {"2026-11-01 00:59:59", 4}, {"2026-11-01 01:00:00", 4}, {"2026-11-01 01:59:59", 4},
	    {"2026-11-01 02:00:00", 5}, {"2026-11-01 09:30:00", 5}, {"2100-07-01 09:30:00", 4}};
	struct mp_zone *z = zone("America/New_York");

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		cr_assert_eq(mp_zone_utc(z, utc_s(cases[i].wall)) - utc_s(cases[i].wall),
		    cases[i].hours * HOUR_S, "%s", cases[i].wall);
	mp_zone_free(z);
}

/* A day that was not: Samoa went over the date line after 2011-12-29. And half an hour: Lord Howe. */
Test(zone, unusual_ones)
{
	struct mp_zone *z = zone("Pacific/Apia");

	cr_assert_eq(mp_zone_offset(z, utc_s("2011-12-30 09:59:59")), -10 * HOUR_S);
	cr_assert_eq(mp_zone_offset(z, utc_s("2011-12-30 10:00:00")), 14 * HOUR_S);
	mp_zone_free(z);
	z = zone("Australia/Lord_Howe");
	cr_assert_eq(mp_zone_offset(z, utc_s("2026-01-15 00:00:00")), 11 * HOUR_S);
	cr_assert_eq(mp_zone_offset(z, utc_s("2026-07-15 00:00:00")), 10 * HOUR_S + HOUR_S / 2);
	mp_zone_free(z);
}

Test(zone, the_environment_stays_as_it_was)
{
	const char *const before[] = {"Asia/Tokyo", NULL};

	for (size_t i = 0; i < 2; i++) {
		if (before[i])
			setenv("TZ", before[i], 1);
		else
			unsetenv("TZ");
		tzset();
		time_t t = 0;
		long offset = localtime(&t)->tm_gmtoff;
		mp_zone_free(zone("America/New_York"));
		cr_assert_eq(localtime(&t)->tm_gmtoff, offset);
		cr_assert(before[i] ? getenv("TZ") && !strcmp(getenv("TZ"), before[i]) : !getenv("TZ"));
	}
}

Test(zone, what_is_none_is_refused)
{
	static const char *const names[] = {"", "Europe/Atlantis", "../../etc/passwd", "/etc/localtime",
	    "Europe/../Europe/Berlin", "Europe", "zone.tab", "EST5EDT,M3.2.0,M11.1.0", ":UTC", "UTC\n"};
	struct mp_zone *z = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		err.text[0] = 0;
		cr_assert_lt(mp_zone_load(names[i], &z, &err), 0, "%s", names[i]);
		cr_assert_null(z);
		cr_assert(err.text[0] && !strchr(err.text, '\n'), "%s", err.text);
	}
}

/* ---- Calendars ---- */

static const char exchange[] = "[calendar]\n"
			       "zone = America/New_York\n"
			       "holidays = 2026-07-03\n"
			       "  2026-12-25 ; a comment\n"
			       "half_days = 2026-12-24\n"
			       "[phase core]\n"
			       "from = open\n"
			       "to = close\n"
			       "[time open]\n"
			       "at = 09:30\n"
			       "[time close]\n"
			       "at = 16:00\n"
			       "half_day = 13:00\n"
			       "[phase burst]\n"
			       "from = core\n"
			       "to = core+00:00:02.500\n"
			       "[phase last]\n"
			       "from = core.end-00:10\n"
			       "to = core.end\n"
			       "half_day = none\n";

Test(calendar, names_offsets_and_half_days)
{
	struct mp_phase_calendar *c = parse(exchange);

	cr_assert_str_eq(windows(c, "2026-12-23 00:00:00", "2026-12-28 00:00:00"),
	    "core 2026-12-23 09:30:00.000 -0500 - 2026-12-23 16:00:00.000 -0500\n"
	    "burst 2026-12-23 09:30:00.000 -0500 - 2026-12-23 09:30:02.500 -0500\n"
	    "last 2026-12-23 15:50:00.000 -0500 - 2026-12-23 16:00:00.000 -0500\n"
	    "core 2026-12-24 09:30:00.000 -0500 - 2026-12-24 13:00:00.000 -0500\n"
	    "burst 2026-12-24 09:30:00.000 -0500 - 2026-12-24 09:30:02.500 -0500\n");
	mp_phase_calendar_free(c);
}

Test(calendar, only_what_has_a_part_in_the_time_asked_for)
{
	struct mp_phase_calendar *c = parse("[calendar]\nzone = UTC\n[phase a]\nfrom = 09:00\nto = 10:00\n");

	cr_assert_str_eq(windows(c, "2026-11-23 10:00:00", "2026-11-24 09:00:00"), "");
	cr_assert_str_eq(windows(c, "2026-11-23 09:59:59", "2026-11-23 10:00:00"),
	    "a 2026-11-23 09:00:00.000 +0000 - 2026-11-23 10:00:00.000 +0000\n");
	cr_assert_str_eq(windows(c, "2026-11-23 08:00:00", "2026-11-23 09:00:01"),
	    "a 2026-11-23 09:00:00.000 +0000 - 2026-11-23 10:00:00.000 +0000\n");
	mp_phase_calendar_free(c);
}

/* Clocks go forward on Sunday 2026-03-08 at 02:00. */
Test(calendar, across_midnight_and_a_change_of_clocks)
{
	struct mp_phase_calendar *c = parse("[calendar]\n"
					    "zone = America/Chicago\n"
					    "weekdays = fri-sun\n"
					    "[phase night]\n"
					    "from = 17:00\n"
					    "to = 16:00\n"
					    "weekdays = sat\n"
					    "[phase gap]\n"
					    "from = 01:30\n"
					    "to = gap+01:00\n"
					    "[phase in_gap]\n"
					    "from = 02:15\n"
					    "to = 02:45\n"
					    "[phase later]\n"
					    "from = 16:30+1d\n"
					    "to = later+00:10\n");

	cr_assert_str_eq(windows(c, "2026-03-08 00:00:00", "2026-03-09 05:00:00"),
	    "night 2026-03-07 17:00:00.000 -0600 - 2026-03-08 16:00:00.000 -0500\n"
	    "gap 2026-03-08 01:30:00.000 -0600 - 2026-03-08 03:30:00.000 -0500\n"
	    "in_gap 2026-03-08 03:15:00.000 -0500 - 2026-03-08 03:45:00.000 -0500\n"
	    "later 2026-03-08 16:30:00.000 -0500 - 2026-03-08 16:40:00.000 -0500\n");
	/* The longest day: 25 hours. */
	cr_assert_str_eq(windows(c, "2026-11-01 22:00:00", "2026-11-01 22:00:01"), "");
	cr_assert_str_eq(windows(c, "2026-11-01 00:00:00", "2026-11-01 06:00:00"),
	    "night 2026-10-31 17:00:00.000 -0500 - 2026-11-01 16:00:00.000 -0600\n");
	mp_phase_calendar_free(c);
}

/* From 02:30, which is 03:30, to 03:15: nothing is left. */
Test(calendar, a_phase_that_a_change_of_clocks_leaves_nothing_of)
{
	struct mp_phase_calendar *c = parse(
	    "[calendar]\nzone = America/New_York\nweekdays = sun\n[phase a]\nfrom = 02:30\nto = 03:15\n");

	cr_assert_str_eq(windows(c, "2026-03-08 00:00:00", "2026-03-09 00:00:00"), "");
	cr_assert_neq(windows(c, "2026-03-15 00:00:00", "2026-03-16 00:00:00")[0], 0);
	mp_phase_calendar_free(c);
}

Test(calendar, weekdays_may_pass_the_end_of_the_week)
{
	struct mp_phase_calendar *c =
	    parse("[calendar]\nzone = UTC\nweekdays = fri-sun, tue\n[phase a]\nfrom = 00:00\nto = 24:00\n");

	/* 2026-11-23 is a Monday. */
	cr_assert_str_eq(windows(c, "2026-11-23 00:00:00", "2026-11-30 00:00:00"),
	    "a 2026-11-24 00:00:00.000 +0000 - 2026-11-25 00:00:00.000 +0000\n"
	    "a 2026-11-27 00:00:00.000 +0000 - 2026-11-28 00:00:00.000 +0000\n"
	    "a 2026-11-28 00:00:00.000 +0000 - 2026-11-29 00:00:00.000 +0000\n"
	    "a 2026-11-29 00:00:00.000 +0000 - 2026-11-30 00:00:00.000 +0000\n");
	mp_phase_calendar_free(c);
}

/* All built-in ones can be read, and each of the days that they name is a weekday. */
Test(calendar, built_in_ones)
{
	size_t n = 0;

	for (const char *name; (name = mp_phase_calendar_builtin(n)); n++) {
		struct mp_phase_calendar *c;
		struct mp_phase_calendar_about about;
		cr_assert_eq(mp_phase_calendar_load(name, &c, &err), 0, "%s", err.text);
		mp_phase_calendar_describe(c, &about);
		cr_assert(about.phases[0] && about.zone[0] && about.about[0], "%s", name);
		cr_assert_lt(about.covers_from_ns, about.covers_to_ns, "%s", name);
		mp_phase_calendar_free(c);
	}
	cr_assert_eq(n, 5);
}

/* ---- Schedules ---- */

/* What has been told, as "+core -core ". */
static char told[512];

static int tell(void *ctx, const struct mp_phase_window *w, struct mp_err *e)
{
	size_t n = strlen(told);

	(void)e;
	snprintf(told + n, sizeof(told) - n, "%s%s ", (const char *)ctx, w->phase);
	return 0;
}

static int tell_end(void *ctx, const struct mp_phase_window *w, struct mp_err *e)
{
	(void)ctx;
	return tell("-", w, e);
}

static int tell_begin(void *ctx, const struct mp_phase_window *w, struct mp_err *e)
{
	(void)ctx;
	return tell("+", w, e);
}

static const struct mp_phase_listener listener = {.end = tell_end, .begin = tell_begin};

static struct mp_phase_calendar *calendar;
static struct mp_phase_schedule *schedule;
static int64_t offset_ns; /* wall time less session clock */

/* A session clock that begins at 1000 s. */
static int64_t mono(const char *real)
{
	return utc_s(real) * S - offset_ns;
}

static void begin(const char *real)
{
	calendar = parse("[calendar]\nzone = UTC\n"
			 "[phase core]\nfrom = 09:30\nto = 16:00\n"
			 "[phase burst]\nfrom = 09:30\nto = 09:35\n"
			 "[phase evening]\nfrom = 16:00\nto = 20:00\n");
	schedule = mp_phase_schedule_new(calendar);
	offset_ns = utc_s(real) * S - 1000 * S;
	told[0] = 0;
	cr_assert_eq(mp_phase_schedule_begin(schedule, utc_s(real) * S, &listener, &err), 0, "%s", err.text);
}

static void end(void)
{
	mp_phase_schedule_free(schedule);
	mp_phase_calendar_free(calendar);
}

static struct mp_phase_bound next(int64_t mono_ns)
{
	struct mp_phase_bound b;

	cr_assert_eq(
	    mp_phase_schedule_next(schedule, mono_ns, mono_ns + offset_ns, &b, &err), 0, "%s", err.text);
	return b;
}

/* Passes what comes next by a clock that is right, and says what that was. */
static const char *pass(struct mp_phase_bound b)
{
	told[0] = 0;
	cr_assert_eq(mp_phase_schedule_pass(schedule, &b, &listener, &err), 0, "%s", err.text);
	return told;
}

Test(schedule, bounds_come_one_after_the_other)
{
	begin("2026-11-23 09:00:00");
	cr_assert_str_eq(told, "");
	int64_t now = 1000 * S;
	struct mp_phase_bound b = next(now);
	cr_assert_eq(b.mono_ns, mono("2026-11-23 09:30:00"));
	cr_assert_str_eq(pass(b), "+core +burst ");
	b = next(b.mono_ns);
	cr_assert_eq(b.mono_ns, mono("2026-11-23 09:35:00"));
	cr_assert_str_eq(pass(b), "-burst ");
	b = next(b.mono_ns);
	cr_assert_eq(b.mono_ns, mono("2026-11-23 16:00:00"));
	cr_assert_str_eq(pass(b), "-core +evening ");
	b = next(b.mono_ns);
	cr_assert_str_eq(pass(b), "-evening ");
	b = next(b.mono_ns);
	cr_assert_eq(b.mono_ns, mono("2026-11-24 09:30:00"));
	end();
}

Test(schedule, what_is_on_at_the_begin)
{
	begin("2026-11-23 09:31:00");
	cr_assert_str_eq(told, "+core +burst ");
	end();
	begin("2026-11-23 16:00:00");
	cr_assert_str_eq(told, "+evening ", "at the very instant");
	end();
}

Test(schedule, a_weekend_and_a_week_of_it)
{
	begin("2026-11-20 21:00:00"); /* a Friday */
	cr_assert_eq(next(1000 * S).mono_ns, INT64_MAX, "nothing within a day");
	cr_assert_eq(next(mono("2026-11-22 23:00:00")).mono_ns, mono("2026-11-23 09:30:00"));
	for (int i = 0; i < 5; i++) {
		char text[32];
		for (int k = 0; k < 4; k++) {
			snprintf(text, sizeof(text), "2026-11-%d 09:29:59", 23 + i);
			struct mp_phase_bound b = next(mono(text));
			pass(b);
		}
		cr_assert_str_eq(told, "-evening ", "day %d", i);
	}
	end();
}

/* A step while a bound lies ahead moves it on the session clock. */
Test(schedule, steps_move_what_lies_ahead)
{
	begin("2026-11-23 09:00:00");
	cr_assert_eq(next(1001 * S).mono_ns, 1000 * S + 1800 * S);
	offset_ns += 600 * S; /* set forward by ten minutes */
	cr_assert_eq(next(1002 * S).mono_ns, 1000 * S + 1200 * S);
	offset_ns -= 900 * S;
	cr_assert_eq(next(1003 * S).mono_ns, 1000 * S + 2100 * S);
	offset_ns += 1500; /* slewed */
	cr_assert_eq(next(1004 * S).mono_ns, 1000 * S + 2100 * S - 1500);
	end();
}

Test(schedule, set_back_across_a_bound_it_does_not_come_again)
{
	begin("2026-11-23 09:29:00");
	struct mp_phase_bound b = next(1000 * S);
	cr_assert_str_eq(pass(b), "+core +burst ");
	int64_t now = b.mono_ns + 10 * S;
	offset_ns -= 60 * S; /* 09:29:10 again */
	b = next(now);
	cr_assert_eq(b.mono_ns, mono("2026-11-23 09:35:00"), "a minute later than it would have been");
	cr_assert_str_eq(pass(b), "-burst ");
	offset_ns -= 3600 * S; /* before all of it */
	b = next(b.mono_ns + S);
	cr_assert_eq(b.mono_ns, mono("2026-11-23 16:00:00"));
	cr_assert_str_eq(pass(b), "-core +evening ");
	end();
}

Test(schedule, set_forward_across_bounds_they_come_at_once)
{
	begin("2026-11-23 09:00:00");
	offset_ns += 3600 * S; /* 10:00: the burst is over */
	struct mp_phase_bound b = next(1001 * S);
	cr_assert_eq(b.mono_ns, 1001 * S + MP_PHASE_LEAD_NS, "when it is noticed");
	cr_assert_str_eq(pass(b), "+core ", "the burst has not been");
	b = next(b.mono_ns);
	cr_assert_eq(b.mono_ns, mono("2026-11-23 16:00:00"));
	offset_ns += 7 * 24 * 3600 * S;
	b = next(1003 * S);
	cr_assert_eq(b.mono_ns, 1003 * S + MP_PHASE_LEAD_NS);
	cr_assert_str_eq(pass(b), "-core +core ", "that of another day is another one");
	end();
}

/* The recorder was late: as soon as planes can know. */
Test(schedule, what_is_due_comes_soon)
{
	begin("2026-11-23 09:00:00");
	int64_t now = mono("2026-11-23 09:30:00") - MP_PHASE_LEAD_NS / 2;
	struct mp_phase_bound b = next(now);
	cr_assert_eq(b.mono_ns, now + MP_PHASE_LEAD_NS);
	cr_assert_str_eq(pass(b), "+core +burst ");
	end();
}

/* Random steps and slews: phases begin and end in turn, each once, and never while wall time is before them
 * and never was behind. */
Test(schedule, whatever_the_clock_does)
{
	uint64_t random = 88172645463325252ULL;

	begin("2026-11-23 09:00:00");
	int64_t now = 1000 * S, most_ns = now + offset_ns;
	for (int i = 0; i < 20000; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		now += (int64_t)(random % (60 * S));
		if (random % 97 == 0)
			offset_ns += ((int64_t)(random >> 20) % 7200 - 3600) * S;
		if (now + offset_ns > most_ns)
			most_ns = now + offset_ns;
		struct mp_phase_bound b = next(now);
		if (b.mono_ns == INT64_MAX || b.mono_ns > now + 60 * S)
			continue;
		cr_assert_geq(b.mono_ns, now + MP_PHASE_LEAD_NS);
		now = b.mono_ns;
		if (now + offset_ns > most_ns)
			most_ns = now + offset_ns;
		cr_assert_leq(b.real_ns, most_ns);
		pass(b);
		for (const char *at = told; *at; at = strchr(at, ' ') + 1) {
			static int is_core;
			if (!strncmp(at, "+core", 5))
				cr_assert_eq(is_core++, 0, "%d: %s", i, told);
			if (!strncmp(at, "-core", 5))
				cr_assert_eq(--is_core, 0, "%d: %s", i, told);
		}
	}
	end();
}
