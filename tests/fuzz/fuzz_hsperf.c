/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/pressure/hsperf.h"

/* A file of hsperfdata that the target has written as it likes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t read_text(const char *text)
{
	return text ? strlen(text) : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mp_hsperf h;
	size_t length = 0;

	mp_hsperf_parse(data, size, &h);
	for (int i = 0; i < MP_HSPERF_COLLECTORS; i++)
		length += read_text(h.collectors[i].name);
	for (int g = 0; g < MP_HSPERF_GENERATIONS; g++)
		for (int k = 0; k < MP_HSPERF_SPACES; k++)
			length += read_text(h.generations[g].spaces[k].name);
	length += read_text(h.vm_version) + read_text(h.vm_args);
	if (length > size * (MP_HSPERF_COLLECTORS + MP_HSPERF_GENERATIONS * MP_HSPERF_SPACES + 2))
		abort();
	mp_hsperf_max_heap(&h);
	mp_hsperf_initial_heap(&h);
	return 0;
}
