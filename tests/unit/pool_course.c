/* SPDX-License-Identifier: MIT */
#include "analysis/forecast/course.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/forecast/calendar.h"
#include "analysis/forecast/pattern.h"

#define S INT64_C(1000000000)

/* A slot of a second: min, max, last. */
#define SLOT(t, lo, hi, end)                                                                                 \
	{                                                                                                    \
		.t_ns = (t)*S, .dur_ns = S, .in_use_min = lo, .in_use_max = hi, .in_use_last = end           \
	}

static struct mp_pool_windows w;

Test(pool_course, what_no_recording_says_is_refused)
{
	struct mp_pool_slot slot[] = {SLOT(0, 1, 3, 2), SLOT(1, 0, 5, 5)};
	struct mp_pool_phase phase[] = {{0, S, 1}, {S, INT64_MAX, 0}};
	struct mp_pool_course c = {slot, 2, 0, 10 * S, 5, phase, 2};
	const struct mp_pool_slot good = slot[1];

	cr_assert_eq(mp_pool_course_check(&c), 0);
	slot[1].in_use_last = 6;
	cr_assert_eq(mp_pool_course_check(&c), -EINVAL);
	slot[1] = good;
	slot[1].in_use_min = -1;
	cr_assert_eq(mp_pool_course_check(&c), -EINVAL);
	slot[1] = good;
	slot[1].failures = INT64_MAX;
	cr_assert_eq(mp_pool_course_check(&c), -EINVAL);
	slot[1] = good;
	slot[1].t_ns--;
	cr_assert_eq(mp_pool_course_check(&c), -EINVAL);
	slot[1] = good;
	slot[1].t_ns = INT64_MAX;
	cr_assert_eq(mp_pool_course_check(&c), -EINVAL);
	slot[1] = good;
	slot[0].dur_ns = 0;
	cr_assert_eq(mp_pool_course_check(&c), -EINVAL);
	slot[0].dur_ns = S;
	phase[1].start_ns = S - 1;
	cr_assert_eq(mp_pool_course_check(&c), -EINVAL);
	phase[1] = (struct mp_pool_phase){S, INT64_MAX, -1};
	cr_assert_eq(mp_pool_course_check(&c), -EINVAL);
	phase[1].id = 0;
	c.to_ns = 0;
	cr_assert_eq(mp_pool_course_check(&c), -EINVAL);
	c.from_ns = INT64_MIN;
	c.to_ns = INT64_MAX;
	cr_assert_eq(mp_pool_course_check(&c), -EINVAL);
}

/* Nothing is recorded of seconds 2 to 5: 4 were in use all the time. */
Test(pool_course, slots_that_are_missing_are_as_the_one_before_ended)
{
	struct mp_pool_slot slot[] = {SLOT(0, 1, 3, 2), SLOT(1, 2, 9, 4), SLOT(6, 0, 6, 1)};
	struct mp_pool_course c = {.slot = slot, .slots = 3, .to_ns = 9 * S};
	const double max[] = {3, 9, 4, 4, 4, 4, 6, 1, 1}, min[] = {1, 2, 4, 4, 4, 4, 0, 1, 1};

	cr_assert_eq(mp_pool_windows_make(&c, S, &w), 0);
	cr_assert_eq(w.n, 9);
	for (int i = 0; i < 9; i++) {
		cr_assert_eq(w.window[i].max, max[i], "%d: %g", i, w.window[i].max);
		cr_assert_eq(w.window[i].min, min[i], "%d: %g", i, w.window[i].min);
	}
	mp_pool_windows_clear(&w);

	/* Windows end at the end: the first second belongs to none. */
	cr_assert_eq(mp_pool_windows_make(&c, 4 * S, &w), 0);
	cr_assert_eq(w.n, 2);
	cr_assert_eq(w.from_ns, S);
	cr_assert_eq(w.window[0].max, 9);
	cr_assert_eq(w.window[0].min, 2);
	cr_assert_eq(w.window[0].last, 4);
	cr_assert_eq(w.window[1].max, 6);
	cr_assert_eq(w.window[1].min, 0);
	cr_assert_eq(w.window[1].last, 1);
	mp_pool_windows_clear(&w);
}

Test(pool_course, windows_are_bounded)
{
	size_t n = 600000;
	struct mp_pool_slot *slot = calloc(n, sizeof(*slot));
	struct mp_pool_course c = {.slot = slot, .slots = n, .to_ns = (int64_t)n * S};

	for (size_t i = 0; i < n; i++)
		slot[i] = (struct mp_pool_slot)SLOT((int64_t)i, 0, (int64_t)i % 7, 0);
	cr_assert_eq(mp_pool_windows_make(&c, S, &w), 0);
	cr_assert_leq(w.n, MP_POOL_WINDOWS);
	cr_assert_geq(w.n, MP_POOL_WINDOWS - 100);
	for (size_t i = 0; i < w.n; i++)
		cr_assert_eq(w.window[i].max, 6);
	mp_pool_windows_clear(&w);

	/* A minute that was rolled up is not taken apart. */
	c.slots = 1;
	slot[0].dur_ns = 60 * S;
	c.to_ns = 600 * S;
	cr_assert_eq(mp_pool_windows_make(&c, S, &w), 0);
	cr_assert_eq(w.n, 10);
	mp_pool_windows_clear(&w);
	c.to_ns = 30 * S;
	cr_assert_eq(mp_pool_windows_make(&c, S, &w), -ENODATA);
	cr_assert_null(w.window);
	free(slot);
}

/* 10 objects are in use, and 1 a second is taken: each is held for 10 s. */
Test(pool_course, failures_tell_what_was_wanted)
{
	struct mp_pool_slot slot[40];
	struct mp_pool_course c = {.slot = slot, .slots = 40, .to_ns = 40 * S, .capacity = 10};

	for (int i = 0; i < 40; i++) {
		slot[i] = (struct mp_pool_slot)SLOT(i, 10, 10, 10);
		slot[i].gets = slot[i].puts = 1;
	}
	slot[20].failures = slot[21].failures = 5;
	cr_assert_eq(mp_pool_windows_make(&c, S, &w), 0);
	cr_assert_eq(w.window[19].wanted, 10);
	cr_assert_eq(w.window[20].wanted, 15);
	cr_assert_float_eq(w.window[21].wanted, 10 + 5 * exp(-0.1) + 5, 1e-9);
	cr_assert_eq(w.window[22].wanted, 10);
	cr_assert_eq(w.window[20].failures, 5);
	mp_pool_windows_clear(&w);
}

Test(pool_course, nothing_at_all)
{
	struct mp_pool_course c = {.to_ns = 10 * S};

	cr_assert_eq(mp_pool_windows_make(&c, S, &w), 0);
	cr_assert_eq(w.n, 10);
	cr_assert_eq(w.window[9].max, 0);
	mp_pool_windows_clear(&w);
	cr_assert_eq(mp_pool_windows_make(&c, 0, &w), -EINVAL);
}

/* Two days: an open of 10 s at 0 and 100, a close of 20 s at 50 and 150, the day being 100 s long. Now is
 * 165. */
static struct mp_pool_phase days[] = {
    {0, 10 * S, 7}, {50 * S, 70 * S, 3}, {100 * S, 110 * S, 7}, {150 * S, INT64_MAX, 3}};
static struct mp_pool_course two_days = {.to_ns = 165 * S, .phase = days, .phases = 4};

Test(pool_calendar, phases_are_expected_as_they_recurred)
{
	struct mp_calendar cal;
	struct mp_pool_phase p;
	int index;

	cr_assert_eq(mp_calendar_make(&two_days, &cal), 0);
	cr_assert_eq(cal.phases, 2);
	cr_assert_eq(cal.phase[0].id, 7);
	cr_assert_eq(cal.phase[0].occurrences, 2);
	cr_assert_eq(cal.phase[0].period_ns, 100 * S);
	cr_assert_eq(cal.phase[1].length_ns, 20 * S);

	p = mp_calendar_at(&cal, 105 * S, &index);
	cr_assert(p.id == 7 && index == 0 && p.start_ns == 100 * S && p.end_ns == 110 * S);
	p = mp_calendar_at(&cal, 120 * S, &index);
	cr_assert(p.id == -1 && index == -1 && p.start_ns == 110 * S && p.end_ns == 150 * S);
	p = mp_calendar_at(&cal, 166 * S, &index);
	cr_assert(p.id == 3 && p.end_ns == 170 * S);
	p = mp_calendar_at(&cal, 180 * S, NULL);
	cr_assert(p.id == -1 && p.start_ns == 170 * S && p.end_ns == 200 * S);
	p = mp_calendar_at(&cal, 201 * S, NULL);
	cr_assert(p.id == 7 && p.start_ns == 200 * S && p.end_ns == 210 * S);
	p = mp_calendar_at(&cal, 1055 * S, NULL);
	cr_assert(p.id == 3 && p.start_ns == 1050 * S);

	cr_assert(mp_calendar_next(&cal, 0, 165 * S, &p));
	cr_assert(p.start_ns == 200 * S && p.end_ns == 210 * S);
	cr_assert(mp_calendar_next(&cal, 1, 165 * S, &p));
	cr_assert(p.start_ns == 150 * S && p.end_ns == 170 * S);
	cr_assert(mp_calendar_next(&cal, 1, 170 * S, &p));
	cr_assert(p.start_ns == 250 * S && p.end_ns == 270 * S);
	mp_calendar_clear(&cal);
}

Test(pool_calendar, what_was_seen_once_is_not_expected_but_by_a_timetable)
{
	struct mp_pool_phase phase[] = {{0, 10 * S, 1}, {500 * S, 600 * S, 1}};
	struct mp_pool_course c = {.to_ns = 20 * S, .phase = phase, .phases = 1};
	struct mp_calendar cal;
	struct mp_pool_phase p;

	cr_assert_eq(mp_calendar_make(&c, &cal), 0);
	cr_assert_not(mp_calendar_next(&cal, 0, 20 * S, &p));
	p = mp_calendar_at(&cal, 300 * S, NULL);
	cr_assert(p.id == -1 && p.end_ns == INT64_MAX);
	mp_calendar_clear(&cal);

	c.phases = 2;
	cr_assert_eq(mp_calendar_make(&c, &cal), 0);
	cr_assert(mp_calendar_next(&cal, 0, 20 * S, &p));
	cr_assert_eq(p.start_ns, 500 * S);
	p = mp_calendar_at(&cal, 550 * S, NULL);
	cr_assert_eq(p.id, 1);
	mp_calendar_clear(&cal);
}

Test(pool_calendar, no_phases)
{
	struct mp_pool_course c = {.to_ns = 20 * S};
	struct mp_calendar cal;
	int index;

	cr_assert_eq(mp_calendar_make(&c, &cal), 0);
	struct mp_pool_phase p = mp_calendar_at(&cal, 5 * S, &index);
	cr_assert(p.id == -1 && index == -1 && p.start_ns == INT64_MIN && p.end_ns == INT64_MAX);
	mp_calendar_clear(&cal);
}

/* 40 more in the open than otherwise, and 30 more at the end of the course than at its start. */
Test(pool_pattern, a_trend_and_a_pattern_are_told_apart)
{
	enum { DAYS = 20, DAY_S = 100, N = DAYS * DAY_S };
	struct mp_pool_phase phase[DAYS];
	struct mp_pool_course c = {.to_ns = N * S, .phase = phase, .phases = DAYS};
	static struct mp_pattern_point point[N];
	struct mp_pattern p;
	int64_t until_ns;

	for (int i = 0; i < DAYS; i++)
		phase[i] = (struct mp_pool_phase){i * DAY_S * S, (i * DAY_S + 20) * S, 0};
	cr_assert_eq(mp_pattern_make(&c, &p), 0);
	cr_assert_eq(p.cells, MP_PATTERN_PARTS + 1);
	for (int i = 0; i < N; i++) {
		bool is_open = i % DAY_S < 20;
		double time = (i + 0.5) / N - 1, noise = i % 2 ? 3 : -3;

		point[i] = (struct mp_pattern_point){100 + 30 * time + (is_open ? 40 + 2 * noise : noise),
		    time, mp_pattern_cell_at(&p, i * S + S / 2, &until_ns)};
		cr_assert_eq(point[i].cell < MP_PATTERN_PARTS, is_open);
		cr_assert_gt(until_ns, i * S);
	}
	double trend = mp_pattern_trend(&p, point, N);
	cr_assert_float_eq(trend, 30, 0.5);
	mp_pattern_fit(&p, point, N, trend, 1);
	const struct mp_pattern_cell *closed = &p.cell[MP_PATTERN_PARTS];
	for (int i = 0; i < MP_PATTERN_PARTS; i++) {
		double offset = p.cell[i].offset - trend * p.cell[i].lag;

		cr_assert_float_eq(offset - (closed->offset - trend * closed->lag), 40, 2.5, "%g", offset);
		cr_assert_float_eq(p.cell[i].spread / closed->spread, 2, 0.3);
		cr_assert(p.cell[i].error > 0 && p.cell[i].error < 2);
	}
	mp_pattern_clear(&p);
}
