/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_HICCUP_H
#define MP_SAMPLER_HICCUP_H

#include <stdint.h>

#include "sampler/pipeline.h"

/*
 * Stalls of the machine itself (a hypervisor that runs others, SMIs, a suspend): a thread of the recorder
 * sleeps for a millisecond at a time, or for longer where to wake up is so dear that it would take more than
 * 0.2 % of a core, and notes when it wakes up late, as jHiccup does (https://github.com/giltene/jHiccup).
 * What it waited for a CPU, because other threads ran, is taken off: that is no stall. It sees stalls of the
 * CPU that it is on, and of all together.
 *
 * Life: start -> drain ... -> stop. The thread is the module's own; all functions are for one other.
 */
struct mp_hiccup;

#define MP_HICCUP_NS 100000 /* shorter ones are not noted */

/* NULL: there is no memory, or no thread to be had. Then stalls are not seen. */
struct mp_hiccup *mp_hiccup_start(void);

/* Hands on what was noted since the last time, and counts what was too much to be noted as lost. */
void mp_hiccup_drain(struct mp_hiccup *h, struct mp_pipeline *p, int64_t now_ns);

/* NULL is allowed. */
void mp_hiccup_stop(struct mp_hiccup *h);

#endif
