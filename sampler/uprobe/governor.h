/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_UPROBE_GOVERNOR_H
#define MP_SAMPLER_UPROBE_GOVERNOR_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Keeps what probes cost the target within a budget, by deciding when they are in. Pure: it is told the time
 * and what was spent so far (hits times calibrated cost), and says what should be; the caller does it.
 *
 * The budget is a token bucket: time fills it, hits empty it, and it holds at most what half a second brings.
 * While the window is open every call is probed. It closes when the bucket is empty, and opens again when
 * there is an allowance for it, of random size, so that what is periodic in the target is not always met in
 * the same phase. From that alone follow all modes: where the target's calls cost less than the budget, the
 * window never closes; where they cost fifty times as much, it is open one fiftieth of the time. Over any
 * time T the cost is at most 0.8 x budget x (T + 0.5 s), which is the budget over two seconds, and what the
 * caller needs to take probes out.
 *
 * Slow paths (sampler/slow_path.h) are watched beside it as long as they take no more than their share of the
 * budget.
 */
enum mp_probe_mode {
	MP_PROBE_AUTO,  /* every call as long as that fits, else windows, with the slow paths all the time */
	MP_PROBE_ALL,   /* every call, whatever it costs */
	MP_PROBE_SLOW,  /* the slow paths, whatever they cost; windows only for what has none */
	MP_PROBE_BURST, /* windows only */
};

struct mp_governor_options {
	enum mp_probe_mode mode;
	double budget;     /* the share of one core */
	bool has_slow;     /* there are slow paths to watch */
	bool wants_window; /* there is something to see in windows: of MP_PROBE_SLOW what has no slow path */
	uint64_t seed;     /* of the random phase */
};

/* What should be in. */
struct mp_governor_state {
	bool window, slow;
	bool slow_is_dear; /* the slow paths take more than their share: there should be fewer of them. Until
			      the next step */
};

struct mp_governor {
	struct mp_governor_options o;
	struct mp_governor_state state;
	uint64_t random;
	int64_t at_ns;
	uint64_t window_cost_ns, slow_cost_ns, other_cost_ns; /* as told last */
	double balance_ns, allowance_ns;
	int64_t window_ns; /* since when it is open, or closed */
	double slow_share; /* recent cost of the slow paths, as a share of a core */
};

void mp_governor_start(struct mp_governor *g, const struct mp_governor_options *o);

/* What was spent before `now_ns` is nothing that counts. */
void mp_governor_begin(struct mp_governor *g, int64_t now_ns, uint64_t window_cost_ns, uint64_t slow_cost_ns,
    uint64_t other_cost_ns);

/*
 * Time went on to `now_ns`, and the target has spent so much in all, in ns of CPU time: in the functions of
 * windows, on slow paths, and in whatever else there is, which is paid for, up to three
 * quarters of the budget, and not governed.
 */
const struct mp_governor_state *mp_governor_step(struct mp_governor *g, int64_t now_ns,
    uint64_t window_cost_ns, uint64_t slow_cost_ns, uint64_t other_cost_ns);

/* How long the caller may wait until the next step. */
int64_t mp_governor_pause_ns(const struct mp_governor *g);

/* The window could not be opened after all: it is tried again when there would be one anyway. */
void mp_governor_refused(struct mp_governor *g, int64_t now_ns);

/* What there is to watch has changed: slow paths were dropped, or nothing is left for windows. */
void mp_governor_rethink(struct mp_governor *g, bool has_slow, bool wants_window);

#endif
