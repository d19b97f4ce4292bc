/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PHASES_ZONE_H
#define MP_SAMPLER_PHASES_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "store/err.h"

/*
 * The offsets of a time zone from UTC, read whole from the system's zone files by the C library. Seconds
 * since 1970 throughout; wall times are seconds, too, as if the zone were UTC. Immutable once loaded.
 */
struct mp_zone;

#define MP_ZONE_FIRST_S 0LL
#define MP_ZONE_LAST_S  4291747200LL /* 2106-01-01: zone files' rules hold on, laws do not */

/* `name` as of the IANA: "America/New_York". -EINVAL, -ENOENT with the reason. Sets TZ for a moment: to be
 * called while there is no other thread. */
int mp_zone_load(const char *name, struct mp_zone **out, struct mp_err *err);
void mp_zone_free(struct mp_zone *z);

/* Seconds east of UTC at an instant. */
int32_t mp_zone_offset(const struct mp_zone *z, int64_t utc_s);

/* The instant of a wall time, by PEP 495 with fold=0: see calendar.h. */
int64_t mp_zone_utc(const struct mp_zone *z, int64_t wall_s);

#endif
