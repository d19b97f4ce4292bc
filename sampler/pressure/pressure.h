/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRESSURE_PRESSURE_H
#define MP_SAMPLER_PRESSURE_PRESSURE_H

#include <stdint.h>
#include <sys/types.h>

#include "store/session.h"

/*
 * Pressure on memory and CPU, beside a process and in its JVM: figures of /proc, of its control group and of
 * hsperfdata, into the table `pressure` (sql/views/v_pressure.sql has their names and units).
 *
 * Nothing that is read takes the process's mmap_lock (never smaps, maps or numa_maps), and it is not stopped.
 * Files stay open and are read anew. One that is not there, or goes away, is told nothing of, without a word:
 * the process has ended, the kernel has no PSI, the rights do not suffice. Counters are told from the first
 * step on.
 *
 * Life: new -> step ... -> free. One thread.
 */
struct mp_pressure;

/* NULL without memory. */
struct mp_pressure *mp_pressure_new(pid_t pid);
void mp_pressure_free(struct mp_pressure *p);

/* Looks at what is due: some 100 us. To be called once a second: what changes fast is due each time, the rest
 * each fourth. Failures are of the session. */
int mp_pressure_step(struct mp_pressure *p, struct mp_session *session, int64_t now_ns, struct mp_err *err);

#endif
