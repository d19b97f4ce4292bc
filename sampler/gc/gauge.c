/* SPDX-License-Identifier: MIT */
#include "sampler/gc/gauge.h"

#include <string.h>

#include "sampler/functions/read.h"

bool mp_gc_read_text(const struct mp_target *t, const struct mp_fetch *address, const struct mp_fetch *length,
    char out[static MP_GC_TEXT_BYTES])
{
	uint64_t at, n = MP_GC_TEXT_BYTES - 1;

	memset(out, 0, MP_GC_TEXT_BYTES);
	if (!mp_fetch_read(t, address, &at) ||
	    (length->from != MP_FETCH_NOTHING && !mp_fetch_read(t, length, &n)))
		return false;
	if (n > MP_GC_TEXT_BYTES - 1)
		n = MP_GC_TEXT_BYTES - 1;
	return !mp_target_read(t, at, out, n);
}
