/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_GC_GAUGE_H
#define MP_SAMPLER_GC_GAUGE_H

#include <stdbool.h>
#include <stdint.h>

#include "sampler/functions/fetch.h"
#include "sampler/target.h"

#define MP_GC_TEXT_BYTES 48

/* False where it cannot be read. The text at an address, of so many bytes, or (length from MP_FETCH_NOTHING)
 * up to a zero: cut to what there is room for. */
bool mp_gc_read_text(const struct mp_target *t, const struct mp_fetch *address, const struct mp_fetch *length,
    char out[static MP_GC_TEXT_BYTES]);

#endif
