/* SPDX-License-Identifier: MIT */
#include "symbolize/jit/names.h"

#include <stdlib.h>

#define BLOCK_BYTES_MIN 65536u
#define BLOCK_BYTES_MAX (256u << 20)

static bool make_room(struct mp_names *names, size_t n)
{
	if (names->size + n <= names->room)
		return true;
	size_t room = names->room ? 2 * names->room : BLOCK_BYTES_MIN;
	char *bytes = room <= BLOCK_BYTES_MAX ? realloc(names->bytes, room) : NULL;
	if (!bytes)
		return false;
	names->bytes = bytes;
	names->room = room;
	return true;
}

bool mp_names_add(struct mp_names *names, const char *name, size_t n, uint32_t *at)
{
	if (n > MP_NAME_BYTES_MAX)
		n = MP_NAME_BYTES_MAX;
	if (!make_room(names, n + 1))
		return false;
	*at = (uint32_t)names->size;
	char *out = names->bytes + names->size;
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)name[i] < 0x20 || name[i] == 0x7f ? '?' : name[i];
	out[n] = '\0';
	names->size += n + 1;
	return true;
}

void mp_names_free(struct mp_names *names)
{
	free(names->bytes);
	*names = (struct mp_names){.size = 0};
}
