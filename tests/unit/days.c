/* SPDX-License-Identifier: MIT */
/*
 * What is told of many days: of figures that are drawn, as sessions would have them. Equal days show nothing,
 * as often as the level allows; what is planted is found, and nothing beside it.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/days/private.h"

TestSuite(days, .timeout = 120);

#define PHASES 3
#define DAYS   12
#define MONDAY 20759 /* 2026-11-02 */

static const struct mp_report_filter filter = {.from_ns = -1, .to_ns = -1, .limit = -1};
static const struct mp_days_options options = {.n = DAYS, .filter = &filter};
static struct days d;

static double normal(void)
{
	return sqrt(-2 * log(1 - drand48())) * cos(2 * M_PI * drand48());
}

/* 3 phases on 12 weekdays; each figure around its own level, with 2 percent of noise. */
static void draw(long seed)
{
	srand48(seed);
	memset(&d, 0, sizeof(d));
	d.o = &options;
	d.is_weekdays = true;
	d.card = calloc(PHASES * DAYS, sizeof(*d.card));
	d.group = calloc(PHASES, sizeof(*d.group));
	for (; d.n < DAYS; d.n++)
		d.day[d.n] = (struct day){.path = "a.db",
		    .name = strdup("day"),
		    .date = MONDAY + (int64_t)(d.n + 2 * (d.n / 5)),
		    .finished = true,
		    .has_phases = true};
	for (size_t g = 0; g < PHASES; g++) {
		d.group[d.n_groups++] = (struct group){g * DAYS, (g + 1) * DAYS};
		for (size_t i = 0; i < DAYS; i++) {
			struct card *c = &d.card[d.n_cards++];

			*c = (struct card){.day = i, .place = (int64_t)g, .nth = 1};
			snprintf(c->label, sizeof(c->label), "phase_%zu", g);
			for (int f = 0; f < FIGURES; f++)
				c->value[f] = 1000 * (f + 1) * exp(0.02 * normal());
		}
	}
}

static void judge(void)
{
	struct mp_err err;

	free(d.trend);
	free(d.outlier);
	d.trend = NULL;
	d.outlier = NULL;
	d.n_trends = d.n_outliers = 0;
	cr_assert_eq(days_judge(&d, &err), 0);
}

static void clear(void)
{
	for (size_t i = 0; i < d.n; i++)
		free(d.day[i].name);
	free(d.card);
	free(d.group);
	free(d.trend);
	free(d.outlier);
}

/* At a level of 1 %, of 400 sets of equal days 4 show something, with 99.9 % confidence 11 at most. */
Test(days, false_alarms)
{
	int told = 0;

	for (long seed = 1; seed <= 400; seed++) {
		draw(seed);
		judge();
		told += d.n_trends + d.n_outliers > 0;
		cr_assert_eq(d.tested_trends, PHASES * FIGURES);
		cr_assert_eq(d.tested_values, PHASES * FIGURES * DAYS);
		clear();
	}
	cr_assert_leq(told, 11, "%d of 400", told);
}

/* 3 % a day is found in 20 of 20, as nothing else is; its interval of 95 % holds it in 17 at least, with 99.7
 * % confidence. */
Test(days, growth)
{
	int held = 0;

	for (long seed = 1; seed <= 20; seed++) {
		draw(seed);
		for (size_t i = 0; i < DAYS; i++)
			d.card[DAYS + i].value[P99_NS] *= pow(1.03, (double)i);
		judge();
		cr_assert_eq(d.n_trends, 1, "seed %ld: %zu", seed, d.n_trends);
		cr_assert_eq(d.n_outliers, 0, "seed %ld", seed);
		cr_assert_eq(d.trend[0].figure, P99_NS);
		cr_assert_str_eq(d.trend[0].of->label, "phase_1");
		cr_assert_float_eq(d.trend[0].slope, 0.03, 0.01);
		cr_assert_float_eq(
		    d.trend[0].last / d.trend[0].first, pow(1 + d.trend[0].slope, DAYS - 1), 1e-9);
		held += d.trend[0].lo <= 0.03 && d.trend[0].hi >= 0.03;
		clear();
	}
	cr_assert_geq(held, 17, "%d of 20", held);
}

/* A day beyond the others is told, also where the figure grows, and as nothing else. */
Test(days, outlier)
{
	for (int grows = 0; grows < 2; grows++)
		for (long seed = 1; seed <= 20; seed++) {
			draw(seed);
			for (size_t i = 0; grows && i < DAYS; i++)
				d.card[i].value[P50_NS] *= pow(1.05, (double)i);
			d.card[7].value[P50_NS] *= 1.6;
			judge();
			cr_assert_eq(d.n_outliers, 1, "seed %ld: %zu", seed, d.n_outliers);
			cr_assert_eq(d.outlier[0].of->day, 7);
			cr_assert_eq(d.outlier[0].figure, P50_NS);
			cr_assert_float_eq(d.card[7].value[P50_NS] / d.outlier[0].expected, 1.6, 0.13);
			cr_assert_eq(d.n_trends, (size_t)grows);
			clear();
		}
}

/* What is counted varies by itself: where others have no pauses, one or two on a day are chance, and many are
 * not. */
Test(days, rare_counts)
{
	static const double pauses[] = {2, 400};

	for (int many = 0; many < 2; many++) {
		draw(3);
		for (size_t i = 0; i < DAYS; i++) {
			double n = i == 5 ? pauses[many] : 0;

			d.card[i].value[GC_PAUSES_PER_S] = n / 60;
			d.card[i].error[GC_PAUSES_PER_S] = sqrt(n + 1) / 60;
		}
		judge();
		cr_assert_eq(d.n_outliers, (size_t)many);
		cr_assert(!many || (d.outlier[0].expected == 0 && d.outlier[0].of->day == 5));
		clear();
	}
}

/* What too little is known of, and what too few days have, is not tested. */
Test(days, not_tested)
{
	draw(4);
	for (size_t i = 0; i < DAYS; i++) {
		d.card[i].value[LIVE_BYTES] = i < 8 ? NAN : 100 + (double)(i * i);
		d.card[i].error[P999_NS] = INFINITY;
	}
	judge();
	cr_assert_eq(d.tested_trends, PHASES * FIGURES - 2);
	cr_assert_eq(d.tested_values, (PHASES * FIGURES - 2) * DAYS);
	clear();
}

/* Weekdays follow one another; a Sunday makes it the calendar. */
Test(days, numbers)
{
	d.is_weekdays = true;
	cr_assert_eq(days_number(&d, MONDAY + 7) - days_number(&d, MONDAY + 4), 1);
	cr_assert_eq(days_number(&d, MONDAY + 4) - days_number(&d, MONDAY), 4);
	d.is_weekdays = false;
	cr_assert_eq(days_number(&d, MONDAY + 7) - days_number(&d, MONDAY + 4), 3);
}

static char said[4096];

static int take(void *ctx, const char *line)
{
	size_t n = strlen(said);

	(void)ctx;
	snprintf(said + n, sizeof(said) - n, "%s\n", line);
	return 0;
}

Test(days, sentences)
{
	draw(5);
	judge();
	cr_assert_eq(days_say(&d, take, NULL), 0);
	cr_assert_str_eq(said,
	    "nothing stands out: of 39 figures over the days none grows or falls, and of 468 of "
	    "single days none lies beyond the others\n");
	for (size_t i = 0; i < DAYS; i++) {
		for (int f = 0; f < FIGURES; f++)
			d.card[i].value[f] = 1000;
		d.card[i].value[P99_NS] = 1000 * pow(1.03, (double)i);
		d.card[i].value[LIVE_BYTES] = 1048576 * pow(0.9, (double)i);
	}
	d.card[4].value[P50_NS] = 3000;
	d.card[4].value[DUR_NS] = 500;
	*said = '\0';
	judge();
	cr_assert_eq(days_say(&d, take, NULL), 0);
	cr_assert_str_eq(said,
	    "phase_0 p99 grows 3.0 % a day (3.0 to 3.0), from 1.00 us to 1.38 us over 12 days\n"
	    "phase_0 memory alive at its end falls 10.0 % a day (10.0 to 10.0), from 1.00 MiB to 321 KiB "
	    "over 12 "
	    "days\n"
	    "day: phase_0 p50 3.00 us in place of 1.00 us (3.0 times), duration 500 ns in place of 1.00 "
	    "us\n");
	clear();
}

Test(days, notes)
{
	draw(6);
	*said = '\0';
	cr_assert_eq(days_note(&d, take, NULL), 0);
	cr_assert_str_eq(said, "");
	strcpy(d.day[2].said[PROBE], "slow");
	d.day[3].finished = false;
	d.day[4].lost = 1234;
	d.day[6].shares_date = true;
	for (size_t i = 5; i < 10; i++)
		strcpy(d.day[i].said[HOST], "other");
	d.group[0].to--;
	cr_assert_eq(days_note(&d, take, NULL), 0);
	cr_assert_str_eq(said,
	    "host is not known, but not on day (other), day (other), day (other) and 2 more\n"
	    "probe is not known, but not on day (slow)\n"
	    "the recorder did not finish: day\n"
	    "calls were lost: day (1,234)\n"
	    "of one date, and each counts as a day of its own: day\n"
	    "phase_0 is not on day\n");
	clear();
}
