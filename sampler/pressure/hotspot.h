/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRESSURE_HOTSPOT_H
#define MP_SAMPLER_PRESSURE_HOTSPOT_H

#include <sys/types.h>

#include "sampler/pressure/series.h"

/*
 * The hsperfdata file of a process that is a JVM, found as jps does: /tmp/hsperfdata_USER/PID, with the
 * target's /tmp and the PID that it has there. It is read, never mapped: the target may cut it short. None
 * (-XX:-UsePerfData, -XX:+PerfDisableSharedMem, no JVM): nothing is told. It is looked for at once and then
 * ever more seldom, for a process may become a JVM. One thread.
 */
struct mp_hotspot;

/* NULL without memory. */
struct mp_hotspot *mp_hotspot_new(pid_t pid);
void mp_hotspot_free(struct mp_hotspot *h);

/* Within a look (series.h). What is told once goes to the session at once. */
int mp_hotspot_step(struct mp_hotspot *h, struct mp_series *s, struct mp_session *session, int64_t now_ns,
    struct mp_err *err);

#endif
