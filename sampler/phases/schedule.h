/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PHASES_SCHEDULE_H
#define MP_SAMPLER_PHASES_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "sampler/phases/calendar.h"

/*
 * When a calendar's phases begin and end on the session clock, while wall time may be slewed and stepped. It
 * knows no clock: it is given pairs of both. One thread.
 *
 * Bounds are passed in the order of wall time, each once. What lies ahead comes when wall time gets there,
 * whatever that is set to meanwhile. Set forward across bounds, they are all passed at once, and a phase of
 * which nothing is left does not happen; set back across bounds that have passed, these do not come again: a
 * phase that is on stays on, and one that is over does not return.
 */
struct mp_phase_schedule;

/* A bound is told this long before it comes, at least: planes have to know it before the first call behind
 * it. */
#define MP_PHASE_LEAD_NS 2000000LL

/* The calendar stays the caller's. NULL: out of memory. */
struct mp_phase_schedule *mp_phase_schedule_new(const struct mp_phase_calendar *c);
void mp_phase_schedule_free(struct mp_phase_schedule *s);

/* Told of each phase that ends or begins at what is being passed: all ends before the first begin. `phase` is
 * the calendar's. Not 0: it failed, and nothing more is told. */
struct mp_phase_listener {
	int (*end)(void *ctx, const struct mp_phase_window *w, struct mp_err *err);
	int (*begin)(void *ctx, const struct mp_phase_window *w, struct mp_err *err);
	void *ctx;
};

/* The recording begins at a wall time: phases that are on then begin with it. */
int mp_phase_schedule_begin(
    struct mp_phase_schedule *s, int64_t real_ns, const struct mp_phase_listener *l, struct mp_err *err);

/*
 * The next bound, by both clocks now: when it comes on the session clock, MP_PHASE_LEAD_NS from now at the
 * earliest, and the wall time that is passed with it. INT64_MAX: none within a day. To be asked again as time
 * goes on, at least once a second, until the answer has come.
 */
struct mp_phase_bound {
	int64_t mono_ns, real_ns;
};
int mp_phase_schedule_next(struct mp_phase_schedule *s, int64_t mono_ns, int64_t real_ns,
    struct mp_phase_bound *out, struct mp_err *err);

/* What mp_phase_schedule_next() told has come. */
int mp_phase_schedule_pass(struct mp_phase_schedule *s, const struct mp_phase_bound *b,
    const struct mp_phase_listener *l, struct mp_err *err);

#endif
