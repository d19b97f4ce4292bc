/* SPDX-License-Identifier: MIT */
#include "sampler/functions/read.h"

#include <stdlib.h>

/* The lower `bytes` of a value, as two's complement when that is negative. */
static uint64_t cut(uint64_t value, int bytes)
{
	unsigned int shift = 64 - 8 * (unsigned int)abs(bytes);

	if (!bytes || !shift)
		return value;
	return bytes < 0 ? (uint64_t)((int64_t)(value << shift) >> shift) : value << shift >> shift;
}

bool mp_fetch_read(const struct mp_target *t, const struct mp_fetch *f, uint64_t *out)
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
