/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRELOAD_PLANE_COST_H
#define MP_SAMPLER_PRELOAD_PLANE_COST_H

#include <stdint.h>

#include "sampler/preload_plane/clock.h"

/*
 * What recording a call costs on this machine, in ns: the library's own code with its two stamps, on memory
 * of ours, in a loop; the median of some rounds. 0 when there is no memory for it.
 */
uint64_t mp_preload_cost(const struct mp_preload_clock *c, uint64_t floor_ticks);

#endif
