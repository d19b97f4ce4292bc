/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/demangle/demangle.h"

/* The input as the name of a symbol, short and long; and as a demangled name to be shortened. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *shown, size_t room)
{
	if (strlen(shown) >= room)
		abort();
	for (; *shown; shown++)
		if ((unsigned char)*shown < 0x20 || *shown == 0x7f)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char shown[MP_DEMANGLED_MAX];
	char *raw = malloc(size + 1);

	if (!raw)
		return 0;
	memcpy(raw, data, size);
	raw[size] = '\0';
	mp_demangle(raw, false, shown);
	check(shown, MP_SHORT_NAME_MAX);
	mp_demangle(raw, true, shown);
	check(shown, MP_DEMANGLED_MAX);
	size_t before = strlen(raw);
	mp_shorten_templates(raw);
	if (strlen(raw) > before)
		abort();
	free(raw);
	return 0;
}
