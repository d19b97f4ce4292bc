/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_FUNCTIONS_READ_H
#define MP_SAMPLER_FUNCTIONS_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "sampler/functions/fetch.h"
#include "sampler/target.h"

/* A value in a target's memory, read from outside while it runs, by a fetch that begins with an address. The
 * target pays nothing. False: it cannot be read. */
bool mp_fetch_read(const struct mp_target *t, const struct mp_fetch *f, uint64_t *out);

#endif
