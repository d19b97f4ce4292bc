/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_PHASE_H
#define MP_ANALYSIS_PHASE_H

#include <stdint.h>

#include "store/session.h"

/*
 * When a phase of the trading session was (v_phase), by its name; of one that came several times, NAME#2 is
 * the second time. Session clock; `end_ns` is exclusive, INT64_MAX of the last one. -EINVAL, with the names
 * that there are, for one that is not known, and for one that came several times and is not told which; -EIO.
 */
int mp_phase_find(
    struct mp_session *s, const char *name, int64_t *start_ns, int64_t *end_ns, struct mp_err *err);

#endif
