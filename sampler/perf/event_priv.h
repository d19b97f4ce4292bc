/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_EVENT_PRIV_H
#define MP_SAMPLER_PERF_EVENT_PRIV_H

#include <sys/types.h>

#include "sampler/perf/event.h"

/* What event*.c share. */

/* The machine that events are resolved for: this one, or one made up for a test. */
struct mp_event_machine {
	const char *devices;  /* "/sys/bus/event_source/devices" */
	const char *core_pmu; /* libpfm4's name of the CPU's PMU; NULL: as libpfm4 finds it */
	/* As mp_perf_open(); what it returns is closed. */
	int (*open)(void *ctx, struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd);
	void *ctx;
};

const struct mp_event_machine *mp_event_this_machine(void);

int mp_event_resolve_on(
    const struct mp_event_machine *m, const char *text, struct mp_event *out, struct mp_err *err);

/* event_name.c: a name parted into what libpfm4 reads and what stands behind it. */
struct mp_event_words {
	char text[MP_EVENT_NAME_BYTES]; /* the name as it was given */
	char base[MP_EVENT_NAME_BYTES]; /* without the modifiers below */
	bool user, kernel, hypervisor;  /* all false: not said */
	int precise;                    /* -1: not said */
	uint64_t period, freq;          /* 0: not said */
	uint32_t ldlat;                 /* 0: not said */
};
int mp_event_words_parse(const char *text, struct mp_event_words *out, struct mp_err *err);

/* exclude_*, period and frequency, as the words say. */
void mp_event_words_apply(const struct mp_event_words *w, struct mp_event *out);

/* rNNN and mem:..., which need no table. -ENOENT: it is neither. */
int mp_event_plain(const struct mp_event_words *w, struct mp_event *out, struct mp_err *err);

/* event_pfm.c: libpfm4. Encodes `base`, PMU or not PMU; -EINVAL with a line where it knows no such event. */
struct mp_event_origin {
	const char *pmu; /* libpfm4's, static */
	bool is_present; /* this machine has that PMU */
	bool is_uncore;  /* counts for a socket */
	bool is_core;    /* of the CPU's own, not one of the kernel's generic events */
	bool has_ldlat;
};
int mp_event_pfm_encode(
    const struct mp_event_words *w, struct mp_event *out, struct mp_event_origin *origin, struct mp_err *err);

/* Calls with the name of each of the CPU's own PMUs until one returns true. */
bool mp_event_each_core_pmu(
    const struct mp_event_machine *m, bool (*fn)(void *ctx, const char *pmu), void *ctx);

/* event_suggest.c: "a, b, c": the nearest three to a name that nothing knows. */
void mp_event_suggest(const char *name, char *out, size_t size);
/* The attributes of libpfm4's event nearest to the one of `base` that it does not have, which is put into
 * `bad`; false: all are known. */
bool mp_event_suggest_attribute(const char *base, char *bad, size_t bad_size, char *out, size_t size);

/* event_sysfs.c: a PMU's folder. */
bool mp_event_sysfs_has(const struct mp_event_machine *m, const char *pmu, const char *file);
int mp_event_sysfs_number(const struct mp_event_machine *m, const char *pmu, const char *file, uint32_t *out);
/* Puts a value into the bits of attr->config* that format/NAME tells. -ENOENT: no such field; -ERANGE: the
 * value has more bits. */
int mp_event_sysfs_put(const struct mp_event_machine *m, const char *pmu, const char *field, uint64_t value,
    struct perf_event_attr *attr);
/* type, and the terms of events/NAME ("event=0xcd,umask=0x1,ldlat=3"). */
int mp_event_sysfs_event(
    const struct mp_event_machine *m, const char *pmu, const char *event, struct perf_event_attr *attr);

/* Intel's folder: of hybrid CPUs the performance cores'; the efficient ones are passed over. */
const char *mp_event_sysfs_intel(const struct mp_event_machine *m);
/* Since Sapphire Rapids load latency is measured only in a group that mem-loads-aux leads. */
int mp_event_sysfs_leader(const struct mp_event_machine *m, struct mp_event *e);

/* event.c: opens as it would be opened, on the calling thread, and closes again. 0 or -errno. */
int mp_event_try(const struct mp_event_machine *m, const struct mp_event *e);
/* Tries precise_ip from 3 down (where the name says one: that one) and both kinds of weight. */
int mp_event_try_precise(
    const struct mp_event_machine *m, const struct mp_event_words *w, struct mp_event *e);
const char *mp_event_reason(int code);
/* Puts it behind `chosen`, where there is one. */
void mp_event_tell_precise(struct mp_event *e);

bool mp_event_machine_has_precise(const struct mp_event_machine *m);

/* event_ladder.c */
bool mp_event_is_alias(const struct mp_event_words *w);
bool mp_event_is_ours_alone(const struct mp_event_words *w); /* and no name of perf's */
int mp_event_alias_resolve(const struct mp_event_machine *m, const struct mp_event_words *w,
    struct mp_event *out, struct mp_err *err);

#endif
