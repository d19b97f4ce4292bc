/* SPDX-License-Identifier: MIT */
#include "sampler/gc/gauge.h"

#include <stdlib.h>
#include <string.h>

/* The lower `bytes` of a value, as two's complement when that is negative. */
static uint64_t cut(uint64_t value, int bytes)
{
	unsigned int shift = 64 - 8 * (unsigned int)abs(bytes);

	if (!bytes || !shift)
		return value;
	return bytes < 0 ? (uint64_t)((int64_t)(value << shift) >> shift) : value << shift >> shift;
}

bool mp_gc_read(const struct mp_target *t, const struct mp_fetch *f, uint64_t *out)
{
	uint64_t value = f->constant;

	if (f->from != MP_FETCH_CONSTANT)
		return false;
	for (unsigned int i = 0; i < f->n_reads; i++) {
		int bytes = (signed char)f->bytes[i];
		uint64_t raw = 0; /* little endian, as all that is supported */
		if (mp_target_read(t, value + (uint64_t)(int64_t)f->add[i], &raw, (size_t)abs(bytes)))
			return false;
		value = cut(raw, bytes);
	}
	*out = value + (uint64_t)(int64_t)f->add[f->n_reads];
	return true;
}

bool mp_gc_read_text(const struct mp_target *t, const struct mp_fetch *address, const struct mp_fetch *length,
    char out[static MP_GC_TEXT_BYTES])
{
	uint64_t at, n = MP_GC_TEXT_BYTES - 1;

	memset(out, 0, MP_GC_TEXT_BYTES);
	if (!mp_gc_read(t, address, &at) || (length->from != MP_FETCH_NOTHING && !mp_gc_read(t, length, &n)))
		return false;
	if (n > MP_GC_TEXT_BYTES - 1)
		n = MP_GC_TEXT_BYTES - 1;
	return !mp_target_read(t, at, out, n);
}
