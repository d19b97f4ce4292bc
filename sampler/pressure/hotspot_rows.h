/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRESSURE_HOTSPOT_ROWS_H
#define MP_SAMPLER_PRESSURE_HOTSPOT_ROWS_H

#include <stdbool.h>

#include "sampler/pressure/hsperf.h"
#include "sampler/pressure/series.h"

/* What a session is told of a JVM's hsperfdata. One thread. */

/* hotspot.NAME for each figure that is there (sql/views/v_pressure.sql). `all`: see mp_series_since(). */
void mp_hotspot_tell(const struct mp_hsperf *h, struct mp_series *s, bool all);

/* Rows of gc_setting for runtime 'hotspot': vm_version, vm_args, collector_N, max_heap_bytes,
 * initial_heap_bytes. */
int mp_hotspot_settings(const struct mp_hsperf *h, struct mp_session *session, struct mp_err *err);

#endif
