/* SPDX-License-Identifier: MIT */
#include "analysis/patterns/texts.h"

#include <stdlib.h>
#include <string.h>

struct mp_texts {
	char **text; /* [0] is unused */
	uint32_t count, room, most;
	uint32_t *slot; /* a hash table of numbers, 0: free; a power of two, at most half full */
	uint32_t slots;
};

/* FNV-1a */
static uint32_t hash(const char *text, size_t n)
{
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)text[i]) * 16777619U;
	return h;
}

struct mp_texts *mp_texts_new(uint32_t most)
{
	struct mp_texts *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->most = most < 1U << 24 ? most : 1U << 24;
	n->count = 1;
	return n;
}

void mp_texts_free(struct mp_texts *n)
{
	if (!n)
		return;
	for (uint32_t i = 1; i < n->count; i++)
		free(n->text[i]);
	free(n->text);
	free(n->slot);
	free(n);
}

static uint32_t *find(const struct mp_texts *n, const char *text, size_t length)
{
	uint32_t i = hash(text, length) & (n->slots - 1);

	while (n->slot[i] && (strncmp(n->text[n->slot[i]], text, length) != 0 || n->text[n->slot[i]][length]))
		i = (i + 1) & (n->slots - 1);
	return &n->slot[i];
}

/* Room for one more. */
static int grow(struct mp_texts *n)
{
	uint32_t room = n->room ? n->room * 2 : 64;

	if (n->count < n->room)
		return 0;
	char **text = realloc(n->text, room * sizeof(*text));
	uint32_t *slot = calloc(room * 2, sizeof(*slot));
	if (text)
		n->text = text;
	if (!text || !slot) {
		free(slot);
		return -1;
	}
	free(n->slot);
	n->slot = slot;
	n->slots = room * 2;
	n->room = room;
	for (uint32_t i = 1; i < n->count; i++)
		*find(n, n->text[i], strlen(n->text[i])) = i;
	return 0;
}

uint32_t mp_texts_id(struct mp_texts *n, const char *text)
{
	size_t length = strnlen(text, MP_TEXTS_CUT);

	if (grow(n))
		return MP_TEXTS_OTHER;
	uint32_t *slot = find(n, text, length);
	if (!*slot && n->count < n->most) {
		n->text[n->count] = strndup(text, length);
		if (n->text[n->count])
			*slot = n->count++;
	}
	return *slot;
}

const char *mp_texts_text(const struct mp_texts *n, uint32_t id)
{
	return id && id < n->count ? n->text[id] : "(others)";
}

uint32_t mp_texts_count(const struct mp_texts *n)
{
	return n->count;
}
