/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_SWITCHER_H
#define MP_SAMPLER_SWITCHER_H

#include "sampler/latency.h"
#include "sampler/slow_probes.h"
#include "sampler/uprobe/governor.h"
#include "sampler/uprobe/uprobe.h"

/*
 * Puts the probes of the family's functions in and takes them out, as the governor decides, and knows for how
 * long every call was watched. One thread; mp_switcher_step() may take some tens of milliseconds, when probes
 * go in.
 *
 * Slow functions that cost more than their share of the budget give way to what they call in turn.
 */
struct mp_switcher;

struct mp_switcher_options {
	struct mp_uprobe *uprobe;
	enum mp_probe_mode mode;
	double budget;
};

/* `family`: the functions that are to be probed, and whatever else, which is left alone; for the slow paths,
 * `target`, which is kept, as it was last read. Nothing is attached yet. -ENOMEM. */
int mp_switcher_new(const struct mp_switcher_options *o, const struct mp_target *target,
    const struct mp_probe_set *family, struct mp_switcher **out, struct mp_err *err);
void mp_switcher_free(struct mp_switcher *s);

/* Whether a probe is one that is switched. The others belong into the group that is always in. */
bool mp_switcher_is_switched(const struct mp_probe *p);

/* Puts in what the target pays for from the beginning; all are counted from mp_switcher_begin() on. */
int mp_switcher_attach(struct mp_switcher *s, const struct mp_probe_set *family, struct mp_err *err);
void mp_switcher_begin(
    struct mp_switcher *s, struct mp_latency *latency, int64_t now_ns, uint64_t other_cost_ns);

/* The family has grown by those from `from` on, which may be wanted at once. */
int mp_switcher_grow(struct mp_switcher *s, const struct mp_probe_set *family, size_t from,
    struct mp_latency *latency, struct mp_err *err);

/* A failure is one of putting probes in, and no reason to end: it is tried again. What the target spends
 * beside the switched probes, in ns of CPU time so far, is paid by the same budget. `latency` counts the
 * calls, and is polled where that is needed. */
int mp_switcher_step(struct mp_switcher *s, const struct mp_probe_set *family, struct mp_latency *latency,
    int64_t now_ns, uint64_t other_cost_ns, struct mp_err *err);
int64_t mp_switcher_pause_ns(const struct mp_switcher *s);

/* Every call is counted without a gap since then; < 0: not every call is. */
int64_t mp_switcher_since_ns(const struct mp_switcher *s);

/* Since the last call of this: what was watched, and what it cost. */
struct mp_switcher_slot {
	const char *mode;               /* all burst slow slow+burst */
	int64_t watched_ns;             /* so long was every call watched */
	unsigned int windows;           /* that began in it */
	uint64_t events;                /* hits of switched probes */
	uint64_t cost_ns;               /* their CPU time in the target, as calibrated */
	int64_t cpu_ns, watched_cpu_ns; /* CPU time of the target, with that of the probes: of all, and of
					   what was watched */
	uint64_t spans, watched_spans;  /* that ended, likewise: how fast it works without and with probes */
	uint64_t window_cost_ns;        /* of cost_ns, what came of watching every call */
};
void mp_switcher_take_slot(
    struct mp_switcher *s, struct mp_latency *latency, int64_t now_ns, struct mp_switcher_slot *out);

/* All in all. */
struct mp_switcher_totals {
	int64_t watched_ns;
	uint64_t windows;      /* how often watching began */
	unsigned int slow_ops; /* 1 << enum mp_op: whose slow paths were watched, at the end */
	size_t slow_functions;
	bool slow_began;
};
void mp_switcher_totals(const struct mp_switcher *s, int64_t now_ns, struct mp_switcher_totals *out);

/* 1 << enum mp_op: whose fast path cannot be told apart. */
unsigned int mp_switcher_not_told(const struct mp_switcher *s);

#endif
