/* SPDX-License-Identifier: MIT */
#include "sampler/index.h"

#include <stdlib.h>

uint64_t mp_index_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static bool grow(struct mp_index *x)
{
	size_t room = x->room ? x->room * 2 : 1024;
	uint64_t *hash = calloc(room, sizeof(*hash));
	uint32_t *value = calloc(room, sizeof(*value));

	if (!hash || !value) {
		free(hash);
		free(value);
		return false;
	}
	for (size_t i = 0; i < x->room; i++) {
		if (!x->value[i])
			continue;
		size_t at = x->hash[i] & (room - 1);
		while (value[at])
			at = (at + 1) & (room - 1);
		hash[at] = x->hash[i];
		value[at] = x->value[i];
	}
	free(x->hash);
	free(x->value);
	x->hash = hash;
	x->value = value;
	x->room = room;
	return true;
}

uint32_t *mp_index_slot(struct mp_index *x, uint64_t hash,
    bool (*same)(const void *owner, uint32_t value, const void *what), const void *owner, const void *what)
{
	if (x->n * 4 >= x->room * 3 && !grow(x))
		return NULL;
	size_t at = hash & (x->room - 1);
	while (x->value[at] && !(x->hash[at] == hash && same(owner, x->value[at], what)))
		at = (at + 1) & (x->room - 1);
	x->hash[at] = hash;
	return &x->value[at];
}

void mp_index_free(struct mp_index *x)
{
	free(x->hash);
	free(x->value);
	*x = (struct mp_index){0};
}
