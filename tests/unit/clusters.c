/* SPDX-License-Identifier: MIT */
#include "analysis/patterns/clusters.h"

#include <criterion/criterion.h>

#include "tests/unit/arrivals.h"

#define MOST 32

static struct mp_cluster cluster[MOST];

TestSuite(clusters, .timeout = 300);

static int find(double length_s)
{
	sort_arrivals();
	return mp_clusters_find(arrival, arrivals, 0, (int64_t)(length_s * 1e9), cluster, MOST);
}

static void add_burst(double t_s, int n, double burst_s, double length_s)
{
	for (int i = 0; i < n; i++)
		add_arrival(t_s + burst_s * i / n, length_s);
}

Test(clusters, nothing_in_200_of_200_poisson_sets)
{
	for (uint64_t seed = 0; seed < 200; seed++) {
		begin(seed);
		add_poisson(60, pow(10, 3 * uniform()));
		cr_assert_eq(find(60), 0, "set %d: %zu at %g s", (int)seed, cluster[0].n,
		    (double)cluster[0].t_ns * 1e-9);
	}
}

/* Neither a busy open, nor its edge, nor a swell is a burst. */
Test(clusters, nothing_in_200_of_200_sets_whose_rate_changes)
{
	for (uint64_t seed = 0; seed < 200; seed++) {
		begin(1000 + seed);
		add_varying(100, pow(10, 0.5 + 2 * uniform()));
		cr_assert_eq(find(100), 0, "set %d: %zu at %g s", (int)seed, cluster[0].n,
		    (double)cluster[0].t_ns * 1e-9);
	}
}

/* Bursts of all lengths, among as many events that come at random. */
Test(clusters, bursts_are_found_where_they_are)
{
	static const struct {
		double t_s, burst_s;
		int n;
	} known[] = {{3, 50e-6, 12}, {17, 0.002, 25}, {31.5, 0.05, 40}, {48, 0.9, 90}};

	for (uint64_t seed = 0; seed < 20; seed++) {
		begin(2000 + seed);
		add_poisson(60, 5);
		for (size_t k = 0; k < 4; k++)
			add_burst(known[k].t_s, known[k].n, known[k].burst_s, 60);
		cr_assert_eq(find(60), 4, "set %d", (int)seed);
		for (int i = 0; i < 4; i++) {
			size_t k = 0;

			while (k < 4 && fabs((double)cluster[i].t_ns * 1e-9 - known[k].t_s) > 0.5)
				k++;
			cr_assert_lt(k, 4, "at %g s", (double)cluster[i].t_ns * 1e-9);
			cr_assert_geq((double)cluster[i].n, 0.8 * known[k].n, "at %g s: %zu", known[k].t_s,
			    cluster[i].n);
			cr_assert_leq((double)cluster[i].n, known[k].n + 10);
			cr_assert_lt(cluster[i].p_value, MP_CLUSTER_ALPHA);
		}
	}
}

/* What is reported, counted again without the scan; and no window that is surer was passed by. */
Test(clusters, agree_with_all_windows)
{
	double span = 20e9, densest = 0;

	begin(31);
	add_poisson(20, 10);
	add_bursts(20, 0.5, 20, 0.01);
	int n = find(20);
	cr_assert_gt(n, 2);
	for (int i = 0; i < n; i++) {
		size_t within = 0;

		for (size_t k = 0; k < arrivals; k++)
			within += arrival[k] >= cluster[i].t_ns && arrival[k] <= cluster[i].end_ns;
		cr_assert_eq(within, cluster[i].n);
		cr_assert_eq(arrival[cluster[i].first], cluster[i].t_ns);
		cr_assert_gt((double)cluster[i].n, cluster[i].expected);
		for (int k = 0; k < i; k++)
			cr_assert(cluster[i].end_ns < cluster[k].t_ns || cluster[k].end_ns < cluster[i].t_ns,
			    "no two overlap");
	}
	/* Of all windows as wide as the widest reported, the fullest is in one of the clusters. */
	size_t fullest = 0;
	for (size_t i = 0; i < arrivals; i++) {
		size_t k = i;

		while (k < arrivals && arrival[k] - arrival[i] < 6400000)
			k++;
		if ((double)(k - i) > densest) {
			densest = (double)(k - i);
			fullest = i;
		}
	}
	bool in_one = false;
	for (int i = 0; i < n; i++)
		in_one =
		    in_one || (fullest + 2 >= cluster[i].first && fullest <= cluster[i].first + cluster[i].n);
	cr_assert(in_one, "%g events at %g s of %g", densest, (double)arrival[fullest] * 1e-9, span);
}

Test(clusters, of_too_little_nothing_is_said)
{
	begin(41);
	add_burst(1, 4, 1e-5, 10);
	cr_assert_eq(find(10), 0, "four are no burst");
	cr_assert_eq(mp_clusters_find(arrival, arrivals, 0, 0, cluster, MOST), 0);
	cr_assert_eq(mp_clusters_find(arrival, 0, 0, SECOND, cluster, MOST), 0);
}
