/* SPDX-License-Identifier: MIT */
#include "symbolize/intern.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

/* Strings kept: a target that makes up new names all the time gets no further. */
#define INTERN_BYTES_MAX (512u << 20)

/* What a string takes besides its text: a node of the tree, and what malloc() adds to both. */
#define NODE_BYTES 64

struct mp_intern {
	void *tree; /* of tsearch(): balanced */
	size_t bytes;
};

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

struct mp_intern *mp_intern_new(void)
{
	return calloc(1, sizeof(struct mp_intern));
}

const char *mp_intern(struct mp_intern *set, const char *s)
{
	const char *const *found = tfind(s, &set->tree, compare);

	if (found)
		return *found;
	size_t bytes = strlen(s) + NODE_BYTES;
	if (bytes > INTERN_BYTES_MAX - set->bytes)
		return NULL;
	char *copy = strdup(s);
	if (copy && !tsearch(copy, &set->tree, compare)) {
		free(copy);
		return NULL;
	}
	if (copy)
		set->bytes += bytes;
	return copy;
}

void mp_intern_free(struct mp_intern *set)
{
	if (!set)
		return;
	tdestroy(set->tree, free);
	free(set);
}
