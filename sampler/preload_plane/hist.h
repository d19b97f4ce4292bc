/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRELOAD_PLANE_PLANE_HIST_H
#define MP_SAMPLER_PRELOAD_PLANE_PLANE_HIST_H

#include <stdbool.h>
#include <stdint.h>

#include "sampler/preload/shared.h"
#include "sampler/uprobe/shared.h"

/*
 * Reads the histogram of one slot, which its thread goes on counting into, and adds what is new to the
 * recorder's own blocks (two banks of one shard, as sampler/latency.h reads them). What the slot says is
 * bounded, never believed: a hostile one can only miscount itself. One thread.
 */
struct mp_slot_seen {
	uint64_t calls;
	uint64_t bytes[MP_SLOT_BLOCKS], sum_ns[MP_SLOT_BLOCKS];
	uint32_t line[MP_SLOT_LINES][MP_HIST_LINE];
};

/*
 * Adds the difference since the last call to `blocks` (MP_HIST_BLOCKS of them, for each bank); NULL: only
 * remembers, as where a recording begins. With `final` also a call of which only a part is there yet.
 * `period` is what the region has now: the longest duration counts only when it is of it or the one before,
 * and then within the bucket that it must lie in.
 */
void mp_preload_hist_take(const struct mp_slot *slot, struct mp_slot_seen *seen, struct mp_hist *blocks,
    uint32_t period, bool final);

#endif
