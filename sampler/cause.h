/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_CAUSE_H
#define MP_SAMPLER_CAUSE_H

#include <stdint.h>

#include "sampler/uprobe/shared.h"
#include "store/session.h"

/*
 * Why a call took as long as it did: its duration, divided into rows of `cause` that add up to it
 * (sql/views/v_cause.sql). All functions are pure but for what they write to the session; one thread.
 */

/* As in v_cause, v_kernel_event and v_counter: "minor_fault", "off_cpu", "syscall". */
const char *mp_kernel_kind_name(enum mp_kernel_kind kind);

#define MP_CAUSE_KIND_BYTES 48

/* The same with the name of the system call: "syscall:munmap"; of one that has none here, "syscall:999". */
const char *mp_cause_kind(enum mp_kernel_kind kind, unsigned int nr, char out[static MP_CAUSE_KIND_BYTES]);

struct mp_cause_account {
	int64_t call_id, dur_ns;
	const struct mp_causes *causes; /* what the kernel did meanwhile; NULL: nothing */
	int64_t
	    hiccup_ns; /* so long was the machine stalled meanwhile: counts where nothing else explains it */
};

/* Writes the rows; none where nothing is known, which the view then says. Where parts are more than the
 * whole, by what the probes themselves take, the largest is cut. */
int mp_cause_write(struct mp_session *s, const struct mp_cause_account *a, struct mp_err *err);

#endif
