/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_GROW_H
#define MP_SAMPLER_GROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* Makes room for `wanted` elements of `size` bytes in an array that grows by doubling; false without memory:
 * then it is as it was. */
static inline bool mp_grow(void **array, size_t *room, size_t wanted, size_t size)
{
	if (wanted <= *room)
		return true;
	size_t more = *room ? *room * 2 : 256;
	while (more < wanted)
		more *= 2;
	void *bigger = reallocarray(*array, more, size);
	if (!bigger)
		return false;
	*array = bigger;
	*room = more;
	return true;
}

#endif
