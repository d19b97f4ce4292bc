/* SPDX-License-Identifier: MIT */
#include "analysis/patterns/rhythm.h"

#include <criterion/criterion.h>
#include <string.h>

#include "analysis/patterns/spectrum.h"
#include "analysis/stats/tail.h"
#include "tests/unit/arrivals.h"

#define MOST 8

static struct mp_rhythm rhythm[MOST];
static uint8_t owner[ARRIVALS_MOST];

TestSuite(rhythm, .timeout = 300);

static int find(double length_s)
{
	sort_arrivals();
	memset(owner, 0, sizeof(owner));
	return mp_rhythm_find(arrival, arrivals, 0, (int64_t)(length_s * 1e9), 1, owner, rhythm, 0, MOST);
}

Test(rhythm, nothing_in_200_of_200_poisson_sets)
{
	for (uint64_t seed = 0; seed < 200; seed++) {
		double length_s = 5 * pow(10, uniform());

		begin(seed);
		add_poisson(length_s, pow(10, 1 + 1.7 * uniform()));
		cr_assert_eq(find(length_s), 0, "set %d: %g ms", (int)seed, rhythm[0].period_ns / 1e6);
	}
}

Test(rhythm, nothing_in_200_of_200_sets_whose_rate_changes)
{
	for (uint64_t seed = 0; seed < 200; seed++) {
		begin(1000 + seed);
		add_varying(30, pow(10, 1 + 1.5 * uniform()));
		cr_assert_eq(find(30), 0, "set %d: %g ms", (int)seed, rhythm[0].period_ns / 1e6);
	}
}

/* Bursts of 100 us to 1 s, half of them on top of a changing rate. */
Test(rhythm, nothing_in_200_of_200_sets_of_bursts)
{
	for (uint64_t seed = 0; seed < 200; seed++) {
		begin(2000 + seed);
		add_bursts(30, pow(10, 0.3 + uniform()), 20, pow(10, -4 + 4 * uniform()));
		if (seed % 2)
			add_varying(30, 20);
		cr_assert_eq(find(30), 0, "set %d: %g ms", (int)seed, rhythm[0].period_ns / 1e6);
	}
}

/* Frequencies of Poisson arrivals have small p-values as often as these say, or less, but not much less. */
Test(rhythm, p_values_of_noise_are_what_they_say)
{
	double below = 0, all = 0;

	for (uint64_t seed = 0; seed < 30; seed++) {
		struct mp_spectrum sp;

		begin(3000 + seed);
		add_poisson(40, 200);
		sort_arrivals();
		cr_assert_eq(mp_spectrum_make(arrival, arrivals, 0, 40 * SECOND, 125000, 1 << 20, &sp), 0);
		cr_assert_gt(sp.parts, 1);
		for (size_t i = sp.lo; i < sp.hi; i++, all++)
			below += sp.log_p[i - sp.lo] < log(1e-3);
		mp_spectrum_clear(&sp);
	}
	cr_assert_lt(below / all, 1e-3, "%g", below / all);
	cr_assert_gt(below / all, 1e-5, "%g", below / all);
}

/* The spectrum against sums over the events, frequency by frequency. */
Test(rhythm, the_strongest_line_is_that_of_a_direct_periodogram)
{
	struct mp_spectrum sp;
	double most = 0, least = 0;
	size_t direct = 0, line = 0;

	begin(11);
	add_beats(4, 0.0073, 0.02, 0.2, 0);
	add_poisson(4, 100);
	sort_arrivals();
	cr_assert_eq(mp_spectrum_make(arrival, arrivals, 0, 4 * SECOND, 125000, 1 << 20, &sp), 0);
	cr_assert_eq(sp.parts, 1);
	for (size_t k = sp.lo; k < sp.hi; k++) {
		double re = 0, im = 0;

		for (size_t i = 0; i < arrivals; i++) {
			double t = (double)arrival[i] * 1e-9,
			       angle = 2 * M_PI * mp_spectrum_hz(&sp, (double)k) * t;
			double window = 0.5 - 0.5 * cos(2 * M_PI * t * mp_spectrum_hz(&sp, 1));

			re += window * cos(angle);
			im += window * sin(angle);
		}
		if (re * re + im * im > most) {
			most = re * re + im * im;
			direct = k;
		}
		if (sp.log_p[k - sp.lo] < least) {
			least = sp.log_p[k - sp.lo];
			line = k;
		}
	}
	cr_assert_eq(line, direct);
	mp_spectrum_clear(&sp);
}

struct known {
	double length_s, period_s, jitter, missing;
	int drifts;
};

/* Half of the events are noise. */
Test(rhythm, true_periods_are_found_within_one_percent)
{
	static const struct known known[] = {{5, 0.001, 0.03, 0.5, 0}, {20, 0.00137, 0.05, 0.8, 0},
	    {20, 0.01, 0, 0.1, 0}, {20, 0.01, 0.05, 0.3, 0}, {60, 0.01, 0.03, 0.5, 1},
	    {60, 0.0333, 0.03, 0.5, 0}, {60, 0.25, 0.02, 0.1, 0}, {120, 0.1, 0.04, 0.3, 0}, {600, 1, 0, 0, 0},
	    {600, 1, 0.03, 0.2, 0}, {3600, 10, 0.02, 0.1, 0}, {3600, 0.01, 0, 0.99, 0},
	    {36000, 60, 0.02, 0.1, 0}, {36000, 300, 0.02, 0, 0}, {36000, 0.02, 0.02, 0.95, 0}};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		const struct known *k = &known[i];

		begin(4000 + i);
		add_beats(k->length_s, k->period_s, k->jitter, k->missing, k->drifts);
		double beats = (double)arrivals;
		add_poisson(k->length_s, beats / k->length_s);
		int n = find(k->length_s);
		cr_assert_eq(n, 1, "%g s: %d found", k->period_s, n);
		cr_assert_float_eq(rhythm[0].period_ns, k->period_s * 1e9,
		    (k->drifts ? 0.01 : 0.001) * k->period_s * 1e9, "%g s: %.0f", k->period_s,
		    rhythm[0].period_ns);
		cr_assert_lt(rhythm[0].p_value, MP_RHYTHM_ALPHA);
		if (k->drifts)
			continue;
		cr_assert_float_eq(rhythm[0].events, beats, 0.15 * beats, "%g s: %g of %g", k->period_s,
		    rhythm[0].events, beats);
		cr_assert_geq(rhythm[0].phase_ns, 0, "it keeps its phase");
	}
}

/* The mean resultant length over a fine grid, computed directly. */
Test(rhythm, the_period_is_where_the_phases_agree_most)
{
	double most = 0, best = 0;

	begin(21);
	add_beats(10, 0.0417, 0.02, 0.2, 0);
	add_poisson(10, 20);
	cr_assert_eq(find(10), 1);
	for (double hz = 23.5; hz < 24.5; hz += 0.0005) {
		double re = 0, im = 0;

		for (size_t i = 0; i < arrivals; i++) {
			re += cos(2 * M_PI * hz * (double)arrival[i] * 1e-9);
			im += sin(2 * M_PI * hz * (double)arrival[i] * 1e-9);
		}
		if (hypot(re, im) > most) {
			most = hypot(re, im);
			best = hz;
		}
	}
	cr_assert_float_eq(1e9 / rhythm[0].period_ns, best, 0.003, "%g, %g", 1e9 / rhythm[0].period_ns, best);
}

Test(rhythm, several_periods_are_found_each_once)
{
	static const double period[] = {0.01, 0.0333, 1.1};

	for (uint64_t seed = 0; seed < 5; seed++) {
		bool seen[3] = {false};

		begin(5000 + seed);
		add_beats(300, period[0], 0.02, 0.9, 0);
		add_beats(300, period[1], 0.02, 0.6, 0);
		add_beats(300, period[2], 0.01, 0, 0);
		for (int burst = 0; burst < 2; burst++)
			add_beats(300, period[2], 0.01, 0, 0);
		int n = find(300);
		cr_assert_leq(n, 5);
		for (int i = 0; i < n; i++)
			for (int k = 0; k < 3; k++)
				if (fabs(rhythm[i].period_ns * 1e-9 / period[k] - 1) < 0.01) {
					cr_assert(!seen[k], "%g s twice", period[k]);
					seen[k] = true;
				}
		cr_assert(seen[0] && seen[1], "set %d", (int)seed);
	}
}

Test(rhythm, what_is_known_is_not_found_again)
{
	begin(61);
	add_beats(60, 0.02, 0.02, 0.2, 0);
	add_poisson(60, 30);
	cr_assert_eq(find(60), 1);
	memset(owner, 0, sizeof(owner));
	cr_assert_eq(mp_rhythm_find(arrival, arrivals, 0, 60 * SECOND, 1, owner, rhythm, 1, MOST), 1);
	cr_assert_eq(memchr(owner, 1, arrivals), NULL);
}

Test(rhythm, sharp_beats_are_told_by_their_fundamental)
{
	begin(31);
	add_beats(60, 0.4, 0, 0, 0);
	add_poisson(60, 1);
	cr_assert_eq(find(60), 1);
	cr_assert_float_eq(rhythm[0].period_ns, 0.4e9, 0.4e6, "%g", rhythm[0].period_ns);
}

Test(rhythm, members_are_the_events_at_the_beats)
{
	size_t members = 0, right = 0;

	begin(41);
	add_beats(20, 0.02, 0.01, 0, 0);
	double beats = (double)arrivals;
	add_poisson(20, 20);
	cr_assert_eq(find(20), 1);
	for (size_t i = 0; i < arrivals; i++) {
		double turns = ((double)arrival[i] - rhythm[0].phase_ns) / rhythm[0].period_ns;

		members += owner[i] == 1;
		right += owner[i] == 1 && fabs(turns - round(turns)) < 0.06;
	}
	cr_assert_eq(members, rhythm[0].members);
	cr_assert_eq(right, members);
	cr_assert_gt((double)members, 0.95 * beats);
}

Test(rhythm, a_burst_is_one_event)
{
	begin(51);
	for (double t = 0.1; t < 20; t += 0.1)
		for (int k = 0; k < 20; k++)
			add_arrival(t + k * 5e-6, 20);
	cr_assert_eq(find(20), 1);
	cr_assert_float_eq(rhythm[0].period_ns, 1e8, 1e5);
	cr_assert_eq(rhythm[0].members, arrivals, "all of each burst");
}

Test(rhythm, hostile_times_are_borne)
{
	static const int64_t wild[] = {INT64_MIN / 2, -5, 0, 0, 0, 7, INT64_MAX / 2};

	memcpy(arrival, wild, sizeof(wild));
	memset(owner, 0, sizeof(owner));
	cr_assert_eq(mp_rhythm_find(arrival, 7, INT64_MIN / 2, INT64_MAX / 2, 1, owner, rhythm, 0, MOST), 0);
	cr_assert_eq(mp_rhythm_find(arrival, 7, 0, 0, 1, owner, rhythm, 0, MOST), 0);
	cr_assert_eq(mp_rhythm_find(arrival, 0, 0, SECOND, 1, owner, rhythm, 0, MOST), 0);
	memset(arrival, 0, sizeof(arrival));
	cr_assert_eq(mp_rhythm_find(arrival, ARRIVALS_MOST, 0, SECOND, 1, owner, rhythm, 0, MOST), 0);
}

static double poisson_tail(int count, double mean)
{
	long double term = expl(-mean), sum = 0;

	for (int k = 0; k < 2000; k++) {
		sum += k >= count ? term : 0;
		term *= mean / (k + 1);
	}
	return (double)logl(sum);
}

static double fewer(int count, double mean)
{
	long double term = expl(-mean), sum = 0;

	for (int k = 0; k < count; k++) {
		sum += term;
		term *= mean / (k + 1);
	}
	return (double)logl(sum);
}

Test(tail, agrees_with_sums)
{
	for (int count = 2; count < 200; count += 7)
		for (double mean = 0.01; mean < count; mean *= 1.7) {
			cr_assert_float_eq(mp_tail_poisson(count, mean), poisson_tail(count, mean), 1e-9);
			/* The n-th arrival is later than x if fewer than n came before. */
			cr_assert_float_eq(mp_tail_erlang(count, 3 * count), fewer(count, 3 * count), 1e-9);
		}
	cr_assert_float_eq(mp_tail_normal(1.959964), log(0.05), 1e-5);
	cr_assert_float_eq(mp_tail_normal(30), -453.6281, 0.01);
	cr_assert_float_eq(mp_tail_bridge(1.358099), log(0.05), 1e-5);
	cr_assert_float_eq(mp_tail_bridge(1.949475), log(0.001), 1e-3);
	cr_assert_eq(mp_tail_poisson(3, NAN), 0);
	cr_assert_eq(mp_tail_erlang(3, -1), 0);
}
