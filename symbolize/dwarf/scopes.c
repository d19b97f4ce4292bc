/* SPDX-License-Identifier: MIT */
#include "symbolize/dwarf/private.h"

#include <stdlib.h>

#include "symbolize/demangle/demangle.h"

/*
 * What a function without a linkage name is called in full. Compilers leave linkage names out where no linker
 * needs one: for functions in anonymous namespaces, of types local to a function, for lambdas. "operator()"
 * or "push_back" alone tells a reader nothing.
 */

/* Scopes around a function; names are cut on the outside beyond so many, or so many bytes. */
#define NESTED_MAX 32
#define BYTES_MAX  4096

#define SCOPES_MAX (1u << 20)

static void *grown(void *v, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return v;
	size_t more = *room ? 2 * *room : 64;
	void *bigger = more <= SCOPES_MAX ? reallocarray(v, more, size) : NULL;

	if (bigger)
		*room = more;
	return bigger;
}

uint32_t mp_dwarf_add_scope(struct dwarf_functions *f, const struct dwarf_scope *scope)
{
	struct dwarf_scope *v = grown(f->scopes, f->n_scopes, &f->scopes_room, sizeof(*v));

	if (!v)
		return DWARF_NOBODY;
	f->scopes = v;
	v[f->n_scopes] = *scope;
	return (uint32_t)f->n_scopes++;
}

void mp_dwarf_add_placed(struct dwarf_functions *f, uint64_t entry, uint32_t scope)
{
	struct dwarf_placed *v = grown(f->placed, f->n_placed, &f->placed_room, sizeof(*v));

	if (!v)
		return;
	f->placed = v;
	v[f->n_placed++] = (struct dwarf_placed){entry, scope};
}

bool mp_dwarf_language_has_scopes(uint64_t language)
{
	switch (language) {
	case DW_LANG_C89:
	case DW_LANG_C:
	case DW_LANG_C99:
	case DW_LANG_C11:
	case DW_LANG_C17:
	case DW_LANG_Mips_Assembler:
		return false;
	}
	return true;
}

static uint32_t scope_of(const struct dwarf_functions *f, uint64_t entry)
{
	size_t low = 0, high = f->n_placed;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (f->placed[mid].entry < entry)
			low = mid + 1;
		else
			high = mid;
	}
	return low < f->n_placed && f->placed[low].entry == entry ? f->placed[low].scope : DWARF_NOBODY;
}

/* A text that grows towards its front. */
struct front {
	char bytes[BYTES_MAX];
	size_t at;
};

static bool prepend(struct front *t, const char *s, const char *behind)
{
	size_t n = strlen(s), m = strlen(behind);

	if (n + m > t->at)
		return false;
	t->at -= m;
	memcpy(t->bytes + t->at, behind, m);
	t->at -= n;
	memcpy(t->bytes + t->at, s, n);
	return true;
}

/* What a scope without a name is shown as. A type whose function is called by () is a lambda's. */
static const char *unnamed(const struct dwarf_scope *s, const struct front *t)
{
	static const char call[] = "operator()";

	if (s->is_namespace)
		return "(anonymous namespace)";
	return BYTES_MAX - t->at == strlen(call) && !memcmp(t->bytes + t->at, call, strlen(call))
		   ? "{lambda}"
		   : "(anonymous)";
}

/*
 * Puts the name of a scope in front. Returns the next scope outwards. A function's entry may say where its
 * name and place are; with a linkage name, that is all there is outside.
 */
static uint32_t prepend_scope(
    struct front *t, const struct dwarf_cu *cu, const struct dwarf_functions *f, const struct dwarf_scope *s)
{
	char whole[MP_DEMANGLED_MAX];
	uint64_t entry = 0;
	char *name = s->name ? mp_dwarf_text(cu, s->name, &entry) : NULL;
	const char *shown = name && name[0] ? name : unnamed(s, t);
	uint32_t next = s->parent;

	mp_demangle(shown, true, whole);
	bool is_linkage = strcmp(shown, whole) != 0;
	if (!prepend(t, is_linkage ? whole : shown, "::") || is_linkage)
		next = DWARF_NOBODY;
	else if (entry && next == DWARF_NOBODY)
		next = scope_of(f, entry);
	free(name);
	return next;
}

char *mp_dwarf_qualified(
    const struct dwarf_cu *cu, const struct dwarf_functions *f, uint64_t entry, const char *name)
{
	uint32_t scope = scope_of(f, entry);
	struct front t = {.at = BYTES_MAX};

	if (scope == DWARF_NOBODY || !prepend(&t, name, ""))
		return NULL;
	for (int i = 0; i < NESTED_MAX && scope != DWARF_NOBODY; i++)
		scope = prepend_scope(&t, cu, f, &f->scopes[scope]);
	return strndup(t.bytes + t.at, BYTES_MAX - t.at);
}
