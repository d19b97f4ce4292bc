/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "sampler/uprobe/governor.h"

#define S       1000000000LL
#define COST_NS 1000 /* of a call that is probed */

/* A target that makes calls, one in a hundred of which is slow, on one CPU: what is probed makes it slower.
 */
struct target {
	struct mp_governor g;
	int64_t now_ns;
	double calls_per_s, slow_part;
	double cost_ns, slow_cost_ns;
	double other_cost; /* as a share of a core */
	int64_t open_ns, opens;
	bool was_open;
};

static void start(struct target *t, enum mp_probe_mode mode, double budget, bool has_slow, bool wants_window)
{
	const struct mp_governor_options o = {
	    .mode = mode, .budget = budget, .has_slow = has_slow, .wants_window = wants_window, .seed = 7};

	*t = (struct target){.slow_part = 0.01};
	mp_governor_start(&t->g, &o);
	mp_governor_begin(&t->g, 0, 0, 0, 0);
}

/* The caller needs some time: 20 ms to put probes in, 5 to take them out. */
static void step(struct target *t)
{
	const struct mp_governor_state *state = &t->g.state;
	int64_t dt = mp_governor_pause_ns(&t->g) +
		     (state->window != t->was_open ? state->window ? 20000000 : 5000000 : 0);
	bool is_open = state->window;
	double plain_ns = 1e9 / t->calls_per_s, calls = (double)dt / (plain_ns + (is_open ? COST_NS : 0));

	t->opens += is_open && !t->was_open;
	t->was_open = is_open;
	t->open_ns += is_open ? dt : 0;
	t->now_ns += dt;
	if (is_open)
		t->cost_ns += calls * COST_NS;
	else if (state->slow)
		t->slow_cost_ns += calls * t->slow_part * COST_NS;
	mp_governor_step(&t->g, t->now_ns, (uint64_t)t->cost_ns, (uint64_t)t->slow_cost_ns,
	    (uint64_t)(t->other_cost * (double)t->now_ns));
	if (t->g.state.slow_is_dear)
		t->slow_part /= 10; /* the caller has dropped the dearest */
}

static void run(struct target *t, double calls_per_s, int64_t ns)
{
	t->calls_per_s = calls_per_s;
	for (int64_t until = t->now_ns + ns; t->now_ns < until;)
		step(t);
}

static double spent(const struct target *t)
{
	return t->cost_ns + t->slow_cost_ns;
}

Test(governor, watches_every_call_that_fits)
{
	struct target t;

	start(&t, MP_PROBE_AUTO, 0.02, true, false);
	run(&t, 10000, 100 * S);
	cr_assert(t.g.state.window);
	cr_assert_eq(t.opens, 1);
	cr_assert_eq(t.open_ns, t.now_ns);
}

Test(governor, keeps_the_budget_at_any_rate)
{
	static const double rates[] = {1e3, 1e4, 2e4, 5e4, 1e5, 1e6, 5e6, 5e7};
	static const double budgets[] = {0.005, 0.02, 0.1};

	for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
		for (size_t k = 0; k < sizeof(budgets) / sizeof(*budgets); k++) {
			struct target t;
			start(&t, MP_PROBE_AUTO, budgets[k], true, false);
			run(&t, rates[i], 60 * S);
			cr_assert_leq(spent(&t), budgets[k] * (double)(t.now_ns + S / 2),
			    "%g calls/s, budget %g: %g", rates[i], budgets[k], spent(&t) / (double)t.now_ns);
			cr_assert_gt(t.opens, 0);
			/* What fits is used, but for the margin. */
			double all = 1 / (1 + 1e9 / rates[i] / COST_NS);
			cr_assert_geq(spent(&t),
			    0.5 * (all < budgets[k] ? all : budgets[k]) * (double)t.now_ns,
			    "%g calls/s, budget %g: %g", rates[i], budgets[k], spent(&t) / (double)t.now_ns);
		}
	}
}

Test(governor, a_jump_of_the_rate_is_paid_within_two_seconds)
{
	struct target t;

	start(&t, MP_PROBE_AUTO, 0.02, true, false);
	run(&t, 5000, 10 * S);
	cr_assert(t.g.state.window);
	double before = spent(&t);
	run(&t, 5e6, 2 * S);
	cr_assert_leq(spent(&t) - before, 0.02 * 3 * S, "%g", spent(&t) - before);
	for (int i = 0; i < 20; i++) {
		before = spent(&t);
		run(&t, 5e6, 2 * S);
		cr_assert_leq(spent(&t) - before, 0.02 * 3 * S, "%g in 2 s", spent(&t) - before);
	}
	run(&t, 5000, 10 * S);
	cr_assert(t.g.state.window, "and every call is watched again");
}

Test(governor, windows_come_at_random_phase)
{
	struct target t;
	int64_t last = 0, shortest = 100 * S, longest = 0;

	start(&t, MP_PROBE_AUTO, 0.02, false, false);
	t.calls_per_s = 1e6;
	for (int opens = 0; opens < 50;) {
		bool was_open = t.g.state.window;
		step(&t);
		if (was_open || !t.g.state.window)
			continue;
		int64_t gap = t.now_ns - last;
		if (opens++ > 1) {
			shortest = gap < shortest ? gap : shortest;
			longest = gap > longest ? gap : longest;
		}
		last = t.now_ns;
	}
	cr_assert_gt(longest, 3 * shortest / 2, "%lld to %lld", (long long)shortest, (long long)longest);
}

Test(governor, watches_slow_paths_while_not_every_call_is)
{
	struct target t;

	start(&t, MP_PROBE_AUTO, 0.02, true, false);
	run(&t, 1e6, 10 * S);
	cr_assert(t.g.state.slow);
	cr_assert_gt(t.slow_cost_ns, 0);
	run(&t, 1e3, 20 * S);
	cr_assert_not(t.g.state.slow, "they are seen as all calls are");
}

Test(governor, slow_paths_have_their_share)
{
	struct target t;

	start(&t, MP_PROBE_AUTO, 0.02, true, false);
	t.slow_part = 1;
	run(&t, 1e6, 60 * S);
	cr_assert_lt(t.slow_part, 0.02, "the dearest were dropped");
	cr_assert_leq(t.slow_cost_ns / (double)t.now_ns, 0.02);
	cr_assert(t.g.state.slow);
}

Test(governor, slow_mode_has_windows_only_for_what_has_no_slow_path)
{
	struct target t;

	start(&t, MP_PROBE_SLOW, 0.02, true, false);
	run(&t, 1e6, 10 * S);
	cr_assert(t.g.state.slow && !t.g.state.window);
	cr_assert_eq(t.opens, 0);
	mp_governor_rethink(&t.g, true, true);
	run(&t, 1e6, 10 * S);
	cr_assert_gt(t.opens, 1);
	cr_assert_lt(t.open_ns, t.now_ns / 4);
}

Test(governor, burst_mode_has_windows_at_any_rate)
{
	struct target t;

	start(&t, MP_PROBE_BURST, 0.02, true, true);
	run(&t, 1000, 60 * S);
	cr_assert_gt(t.opens, 20);
	cr_assert_lt(t.open_ns, t.now_ns / 2);
	cr_assert_eq(t.slow_cost_ns, 0);
}

Test(governor, all_mode_is_left_alone)
{
	struct target t;

	start(&t, MP_PROBE_ALL, 0.02, true, false);
	run(&t, 5e6, 10 * S);
	cr_assert_eq(t.open_ns, t.now_ns);
}

Test(governor, what_else_is_spent_is_in_the_budget)
{
	struct target t;

	start(&t, MP_PROBE_AUTO, 0.02, false, false);
	t.other_cost = 0.01;
	run(&t, 1e6, 60 * S);
	cr_assert_leq(spent(&t), 0.01 * (double)(t.now_ns + 2 * S), "%g", spent(&t) / (double)t.now_ns);
	start(&t, MP_PROBE_AUTO, 0.02, false, false);
	t.other_cost = 0.1;
	run(&t, 1e6, 60 * S);
	cr_assert_leq(spent(&t), 0.006 * (double)(t.now_ns + 4 * S), "%g", spent(&t) / (double)t.now_ns);
	cr_assert_gt(t.opens, 5, "something is left for calls");
}
