/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_RECORDER_PHASES_H
#define MP_SAMPLER_RECORDER_PHASES_H

#include "sampler/recorder/private.h"

/*
 * The recorder's part in phases of the trading session: those of a calendar (--phases), and those, and marks,
 * that come by `mpsample mark`. Where such a phase begins or ends, a slot ends, at that very instant of the
 * session clock: planes are told it beforehand, and count calls that begin behind it apart. A mark's phase
 * begins MP_PHASE_LEAD_NS after it came, for that. Phases that markers of the target tell do not end slots:
 * their times are known afterwards only.
 */

/* Reads the calendar. Before there is another thread: see calendar.h. */
int mp_recorder_open_phases(struct mp_recorder *r, struct mp_err *err);

/* The recording has begun; planes count. A mark cannot be taken: told on stderr, and no failure. */
int mp_recorder_begin_phases(struct mp_recorder *r, struct mp_err *err);
void mp_recorder_close_phases(struct mp_recorder *r);

/* Marks come here; -1: none. Takes what waits. */
int mp_recorder_marks_fd(const struct mp_recorder *r);
int mp_recorder_read_marks(struct mp_recorder *r, struct mp_err *err);

/* At each tick: looks at the clocks, and tells the planes what comes soon. */
int mp_recorder_tick_phases(struct mp_recorder *r, struct mp_err *err);

/* When mp_recorder_pass_bound() is due, just behind the instant; INT64_MAX: nothing comes soon. Rings are to
 * be drained before. Slots are not to be ended otherwise shortly before: mp_recorder_is_bound_near(). */
int64_t mp_recorder_bound_due_ns(const struct mp_recorder *r);
bool mp_recorder_is_bound_near(const struct mp_recorder *r, int64_t now);
int mp_recorder_pass_bound(struct mp_recorder *r, struct mp_err *err);

/* No more marks; what is about to come is waited for, or taken back. While planes count. */
bool mp_recorder_awaits_bound(struct mp_recorder *r, struct mp_err *err);

/* What is on ends with the recording. */
int mp_recorder_end_phases(struct mp_recorder *r, int64_t now, struct mp_err *err);

#endif
