/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/perf/spe.h"

/* What the CPU wrote into the aux area of ARM SPE, whole and in two pieces: the samples are the same. The
 * first byte says where it is cut, and whose sources of data it has. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct mp_spe_sample *s)
{
	if (s->access.level >= MP_LEVELS || s->access.tlb < -1 || s->access.tlb > 2 ||
	    s->access.is_write < -1 || s->access.is_write > 1 || s->latency < -1 || s->latency > UINT16_MAX)
		abort();
	if ((s->has_addr && (s->addr >> 56) != 0 && (s->addr >> 55) != 0x1ff) || (!s->has_addr && s->addr) ||
	    (!s->has_ip && s->ip))
		abort();
}

/* The number of samples, and how far they go. */
static size_t read_all(const uint8_t *bytes, size_t n, bool is_neoverse, size_t *used)
{
	/* A copy of its own: what is read behind it is seen. */
	uint8_t *copy = malloc(n ? n : 1);
	struct mp_spe s;
	struct mp_spe_sample sample;
	size_t samples = 0;

	if (!copy)
		abort();
	if (n)
		memcpy(copy, bytes, n);
	mp_spe_begin(&s, copy, n, is_neoverse);
	while (mp_spe_next(&s, &sample)) {
		check(&sample);
		samples++;
	}
	if (s.at < copy || s.at > s.end || s.bad_bytes > n)
		abort();
	*used = (size_t)(s.at - copy);
	free(copy);
	return samples;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t used, whole_used;

	if (!size)
		return 0;
	bool is_neoverse = data[0] & 1;
	size_t cut = data[0] >> 1;
	data++;
	size--;
	cut = cut < size ? cut : size;
	size_t whole = read_all(data, size, is_neoverse, &whole_used);
	size_t first = read_all(data, cut, is_neoverse, &used);
	if (first + read_all(data + used, size - used, is_neoverse, &used) != whole)
		abort();
	return 0;
}
