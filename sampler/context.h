/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_CONTEXT_H
#define MP_SAMPLER_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sampler/uprobe/shared.h"

/*
 * What the kernel did to the target's threads in the last seconds, to be joined in time with calls and spans
 * that only the recorder knows of: those that the preload library and the rings of `tracefs` tell. Probes
 * with BPF need none of it: there the kernel adds up while a call is under way.
 *
 * Kernel and program never run at the same time in a thread: an interval lies inside a call or outside, and
 * what ends before a call returns is handed on before the call is. One thread. Memory is bounded: what is
 * older than MP_CONTEXT_NS, and the oldest of more than MP_CONTEXT_MAX intervals, is forgotten.
 */
struct mp_context;

#define MP_CONTEXT_NS  30000000000LL
#define MP_CONTEXT_MAX 500000 /* of 64 bytes */

/* As a row of kernel_event it is what it looks like from outside, as a cause it may be a part of that. */
struct mp_kernel_interval {
	pid_t tid;
	enum mp_kernel_kind kind;
	bool is_row, is_cause;
	enum mp_kernel_kind cause;
	int64_t t_ns, dur_ns; /* < 0: not known */
	int64_t self_ns;      /* of the cause, without what interrupted it */
	uint64_t addr, ip;    /* 0: none */
	unsigned int what;    /* the system call, the interrupt, the thread that ran instead */
	unsigned int cpu;     /* of an interrupt */
	char ran[MP_COMM_BYTES];
};

struct mp_context *mp_context_new(void); /* NULL without memory */
void mp_context_free(struct mp_context *c);

/* Adds an interval that is over. Those of a thread have to come in the order in which they end. */
void mp_context_add(struct mp_context *c, const struct mp_kernel_interval *k);

/* Takes note of a stall of the machine, as a thread of the recorder saw it: in the order of time. */
void mp_context_add_hiccup(struct mp_context *c, int64_t t_ns, int64_t dur_ns);

/* What happened to a thread between two times. False: nothing, and `out` is as it was. */
bool mp_context_causes(
    struct mp_context *c, pid_t tid, int64_t from_ns, int64_t to_ns, struct mp_causes *out);

/* How long the machine was stalled between two times. */
int64_t mp_context_hiccup_ns(const struct mp_context *c, int64_t from_ns, int64_t to_ns);

/* How long a thread was in page faults, and off the CPU, between two times. False: that is forgotten. */
bool mp_context_sums(
    struct mp_context *c, pid_t tid, int64_t from_ns, int64_t to_ns, int64_t *fault_ns, int64_t *off_cpu_ns);

/* Forgets what is too old at `now_ns`. */
void mp_context_forget(struct mp_context *c, int64_t now_ns);

#endif
