/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_DOCTOR_CHECK_H
#define MP_SAMPLER_DOCTOR_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/doctor/facts.h"
#include "sampler/gc/points.h"
#include "sampler/probe.h"
#include "sampler/target.h"
#include "sampler/uprobe/uprobe.h"

/*
 * The checks of `mpsample doctor`: tables of names and functions. A check tries one prerequisite for real
 * where that is possible, leaves nothing behind, and puts what it found into a finding. Checks run in the
 * order of the tables, since later ones use what earlier ones found. One thread.
 */
enum mp_check_state {
	MP_CHECK_WORKS,
	MP_CHECK_LIMITED, /* recordings are possible, but poorer or not of every process */
	MP_CHECK_MISSING,
};

struct mp_finding {
	enum mp_check_state state;
	char detail[640];
	char fix[MP_FACTS_FIX]; /* empty where it works */
	bool can_fix;           /* `fix` is a command or a step; else it says why there is nothing to do */
};

/* What is known so far. */
struct mp_doctor {
	struct mp_facts facts;
	bool backend_works[MP_BACKEND_TRACEFS + 1];
	struct mp_floor floor[MP_BACKEND_TRACEFS + 1];
	bool has_library;     /* libmpsample.so is here: what carries it needs no privilege to be recorded */
	bool has_counters;    /* hardware counts something */
	bool watches_threads; /* perf events of a whole CPU, which every recording needs */
	char backend_error[640]; /* why the first backend that ought to work does not */
	int backend_code;
	char watch_error[640];
	struct mp_doctor_target *target; /* NULL without -p */
};

struct mp_check {
	const char *name;
	void (*run)(struct mp_doctor *d, const void *arg, struct mp_finding *out);
	const void *arg;
};

/* Each ends with a NULL name. */
extern const struct mp_check mp_checks_kernel[];   /* kernel.c: what the kernel offers to us */
extern const struct mp_check mp_checks_rights[];   /* rights.c: capabilities, limits, policies */
extern const struct mp_check mp_checks_machine[];  /* machine.c: clocks */
extern const struct mp_check mp_checks_counters[]; /* counters.c: the PMU, and what events come to */
extern const struct mp_check mp_checks_preload[];  /* preload.c: libmpsample.so */

/* The backend that a recording would take, MP_BACKEND_AUTO when there is none. */
enum mp_backend mp_doctor_backend(const struct mp_doctor *d);

/* Sets state and detail; then what to do about it, or why nothing can be done. */
void mp_finding_set(struct mp_finding *out, enum mp_check_state state, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void mp_finding_fix(struct mp_finding *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void mp_finding_no_fix(struct mp_finding *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* From an error text, which says what failed before its first "; " and what to do behind it. */
void mp_finding_error(struct mp_finding *out, enum mp_check_state state, const char *text);

/* The process of -p. */
struct mp_doctor_target {
	pid_t pid;
	struct mp_target process; /* valid when `open_error` is empty */
	char open_error[640];     /* no permission: all else is an error of mp_doctor_target_open() */
	struct mp_profiles profiles;
	struct mp_probe_set probes;
	struct mp_gc_set collectors;
	char resolve_error[640];
	int resolve_code;
	unsigned int threads;
	size_t unreadable;    /* modules whose file cannot be opened */
	bool carries_library; /* and its malloc is the library's: recorded by it */
	bool guesses;         /* the order in which the loader looks names up is not known */
};

/* Opens a process and finds its probes. Fails for what can never be recorded (no such process, a kernel
 * thread, a zombie, a 32-bit program); what only rights stand against becomes a finding. */
int mp_doctor_target_open(pid_t pid, struct mp_doctor_target *out, struct mp_err *err);
void mp_doctor_target_close(struct mp_doctor_target *t);

/* The checks on it: one that may not be opened has nothing more to tell. */
const struct mp_check *mp_doctor_target_checks(const struct mp_doctor_target *t);

void mp_doctor_check_target_library(struct mp_doctor *d, const void *arg, struct mp_finding *out);

/* Why it cannot be recorded, NULL if it can. */
const char *mp_doctor_target_obstacle(const struct mp_doctor_target *t);

#endif
