/* SPDX-License-Identifier: MIT */
#include "sampler/uprobe/governor.h"

#include <math.h>

#define NS_PER_S 1e9

/* Of the budget: calibrated costs are medians, and what a trap does to the target's caches is not in them. */
#define AIM 0.8

/* What the bucket holds is what comes in such a time: over two seconds AIM * (2 + BUCKET_S) is the budget. */
#define BUCKET_S 0.5

/* What is not governed here (spans that were asked for) may be dearer than all of it: that is its business,
 * and something is left for calls. */
#define OTHERS_MOST 0.75

/* The most of it that slow paths may take beside windows. */
#define SLOW_SHARE 0.6

/* A window's allowance, as parts of what the bucket holds: the lowest, and the span above it. */
#define ALLOWANCE_LEAST 0.4
#define ALLOWANCE_RANGE 0.6

/* Of MP_PROBE_BURST: a window is never longer, and the pause behind it never shorter. */
#define BURST_WINDOW_NS 100000000
#define BURST_PAUSE_NS  400000000

/* Such a part of the bucket is full while the target spends less than it may. */
#define CALM 0.9

/* How fast the recent cost of slow paths follows. */
#define SLOW_MEMORY_NS 5e8

/* Where every call has been watched for so long, that seems to be how it is: slow paths are in it. */
#define SLOW_REST_NS 2000000000

/* A step costs the recorder some microseconds: fewer while all is well. */
#define STEP_OPEN_NS   5000000
#define STEP_CALM_NS   20000000
#define STEP_CLOSED_NS 50000000

static double capacity_ns(const struct mp_governor *g)
{
	return g->o.budget * AIM * BUCKET_S * NS_PER_S;
}

/* xorshift64 (Marsaglia 2003), as a number from 0 to 1. */
static double draw(struct mp_governor *g)
{
	g->random ^= g->random << 13;
	g->random ^= g->random >> 7;
	g->random ^= g->random << 17;
	return (double)(g->random >> 11) / (double)(1ULL << 53);
}

static void set_window(struct mp_governor *g, bool open, int64_t now_ns)
{
	if (g->state.window == open)
		return;
	g->state.window = open;
	g->window_ns = now_ns;
	if (!open)
		g->allowance_ns = capacity_ns(g) * (ALLOWANCE_LEAST + ALLOWANCE_RANGE * draw(g));
}

void mp_governor_start(struct mp_governor *g, const struct mp_governor_options *o)
{
	*g = (struct mp_governor){.o = *o};
	g->random = o->seed ? o->seed : 1;
	g->balance_ns = capacity_ns(g);
	g->state.window = o->mode != MP_PROBE_SLOW || o->wants_window;
	g->state.slow = o->has_slow && o->mode == MP_PROBE_SLOW;
}

void mp_governor_begin(struct mp_governor *g, int64_t now_ns, uint64_t window_cost_ns, uint64_t slow_cost_ns,
    uint64_t other_cost_ns)
{
	g->at_ns = g->window_ns = now_ns;
	g->window_cost_ns = window_cost_ns;
	g->slow_cost_ns = slow_cost_ns;
	g->other_cost_ns = other_cost_ns;
}

static bool should_close(const struct mp_governor *g, int64_t now_ns)
{
	if (g->o.mode == MP_PROBE_SLOW && !g->o.wants_window)
		return true;
	return g->balance_ns <= 0 ||
	       (g->o.mode == MP_PROBE_BURST && now_ns - g->window_ns >= BURST_WINDOW_NS);
}

static bool should_open(const struct mp_governor *g, int64_t now_ns)
{
	if (g->o.mode == MP_PROBE_SLOW && !g->o.wants_window)
		return false;
	return g->balance_ns >= g->allowance_ns &&
	       (g->o.mode != MP_PROBE_BURST || now_ns - g->window_ns >= BURST_PAUSE_NS);
}

const struct mp_governor_state *mp_governor_step(struct mp_governor *g, int64_t now_ns,
    uint64_t window_cost_ns, uint64_t slow_cost_ns, uint64_t other_cost_ns)
{
	double dt = (double)(now_ns - g->at_ns);
	double slow_ns = (double)(slow_cost_ns - g->slow_cost_ns);
	double other_ns =
	    fmin((double)(other_cost_ns - g->other_cost_ns), OTHERS_MOST * dt * g->o.budget * AIM);
	double spent_ns = (double)(window_cost_ns - g->window_cost_ns) + slow_ns + other_ns;

	g->at_ns = now_ns;
	g->window_cost_ns = window_cost_ns;
	g->slow_cost_ns = slow_cost_ns;
	g->other_cost_ns = other_cost_ns;
	if (g->o.mode == MP_PROBE_ALL || dt <= 0)
		return &g->state;

	g->balance_ns = fmin(g->balance_ns + dt * g->o.budget * AIM, capacity_ns(g)) - spent_ns;
	g->slow_share += (slow_ns / dt - g->slow_share) * (1 - exp(-dt / SLOW_MEMORY_NS));
	g->state.slow_is_dear =
	    g->o.mode == MP_PROBE_AUTO && g->state.slow && g->slow_share > g->o.budget * AIM * SLOW_SHARE;
	if (g->state.slow_is_dear)
		g->slow_share = 0; /* judged anew when there are fewer */

	if (g->state.window ? should_close(g, now_ns) : should_open(g, now_ns))
		set_window(g, !g->state.window, now_ns);
	if (g->state.window && g->o.mode == MP_PROBE_AUTO && now_ns - g->window_ns >= SLOW_REST_NS)
		g->state.slow = false;
	/* They are needed from the moment that not every call is seen. */
	if (!g->state.window && g->o.has_slow && g->o.mode != MP_PROBE_BURST)
		g->state.slow = true;
	return &g->state;
}

void mp_governor_refused(struct mp_governor *g, int64_t now_ns)
{
	set_window(g, false, now_ns);
	g->balance_ns = 0;
}

int64_t mp_governor_pause_ns(const struct mp_governor *g)
{
	double missing_ns = g->allowance_ns - g->balance_ns, until_ns = missing_ns / (g->o.budget * AIM);

	if (g->state.window)
		return g->balance_ns > CALM * capacity_ns(g) ? STEP_CALM_NS : STEP_OPEN_NS;
	if (until_ns < STEP_OPEN_NS)
		return STEP_OPEN_NS;
	return until_ns < STEP_CLOSED_NS ? (int64_t)until_ns : STEP_CLOSED_NS;
}

void mp_governor_rethink(struct mp_governor *g, bool has_slow, bool wants_window)
{
	g->o.has_slow = has_slow;
	g->o.wants_window = wants_window;
	g->state.slow &= has_slow;
}
