/* SPDX-License-Identifier: MIT */
#include "symbolize/dwarf/private.h"

#include <stdlib.h>

/* An inlined function's entry points to the abstract one, that to its declaration, and that seldom further.
 */
#define CHAIN_MAX 16

/* Bytes of an entry in another unit that are looked at. */
#define ENTRY_BYTES_MAX 8192

#define NAMES_MAX (2u << 20)

/* What one entry says about a function's name. */
struct named {
	uint64_t linkage, name; /* dwarf_ref of strings; 0: not said */
	uint64_t next;          /* dwarf_ref of the entry that says more */
};

/* Reads the entry that `c` is at; `bytes` is where the file offset `at` of .debug_info is. */
static bool read_named(struct dwarf_cursor *c, const struct dwarf_cu *cu, const struct dwarf_abbrevs *abbrevs,
    const unsigned char *bytes, uint64_t at, struct named *out)
{
	uint64_t code = dwarf_uleb(c);
	const struct dwarf_abbrev *a = code ? dwarf_abbrev_find(abbrevs, code) : NULL;

	*out = (struct named){0};
	if (!a || a->class != DWARF_FUNCTION)
		return false;
	for (size_t i = 0; i < a->n_steps && !c->bad; i++) {
		const struct dwarf_step *s = &abbrevs->steps[a->first_step + i];
		struct dwarf_value v;

		switch (s->want) {
		case DWARF_LINKAGE_NAME:
			v = dwarf_value(c, cu, s);
			out->linkage = mp_dwarf_value_string(&v, bytes, at);
			return true; /* nothing is better */
		case DWARF_NAME:
			v = dwarf_value(c, cu, s);
			out->name = mp_dwarf_value_string(&v, bytes, at);
			break;
		case DWARF_ORIGIN:
		case DWARF_SPECIFICATION:
			v = dwarf_value(c, cu, s);
			out->next = mp_dwarf_value_entry(cu, &v);
			break;
		default:
			if (s->size != DWARF_VARIABLE)
				dwarf_skip(c, s->size);
			else
				mp_dwarf_skip_form(c, cu, s->form);
		}
	}
	return !c->bad;
}

void mp_dwarf_name_drop(struct dwarf_name *name)
{
	free(name->text);
	free(name->qualified);
	name->text = name->qualified = NULL;
}

uint32_t mp_dwarf_add_name(struct dwarf_functions *functions, uint64_t ref, uint64_t entry)
{
	if (!ref)
		return DWARF_NOBODY;
	if (functions->n_names == functions->names_room) {
		size_t room = functions->names_room ? 2 * functions->names_room : 256;
		struct dwarf_name *v =
		    room <= NAMES_MAX ? realloc(functions->names, room * sizeof(*v)) : NULL;

		if (!v)
			return DWARF_NOBODY;
		functions->names = v;
		functions->names_room = room;
	}
	functions->names[functions->n_names] = (struct dwarf_name){.ref = ref, .entry = entry};
	return (uint32_t)functions->n_names++;
}

/* ---- Within a unit, when it is read ---- */

static size_t hash(uint64_t key, size_t room)
{
	return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (room - 1);
}

static bool grow(struct dwarf_origins *o)
{
	size_t room = o->room ? 2 * o->room : 1024;
	struct dwarf_origins bigger = {
	    calloc(room, sizeof(*o->key)), calloc(room, sizeof(*o->name)), o->n, room};

	if (!bigger.key || !bigger.name) {
		free(bigger.key);
		free(bigger.name);
		return false;
	}
	for (size_t i = 0; i < o->room; i++) {
		if (!o->key[i])
			continue;
		size_t j = hash(o->key[i], room);
		while (bigger.key[j])
			j = (j + 1) & (room - 1);
		bigger.key[j] = o->key[i];
		bigger.name[j] = o->name[i];
	}
	free(o->key);
	free(o->name);
	*o = bigger;
	return true;
}

/* The string, or the entry outside of the unit, that the chain of entries from `origin` on ends at. *entry:
 * the one that has it, if it is no linkage name. */
static uint64_t follow(const struct dwarf_cu *cu, const struct dwarf_abbrevs *abbrevs,
    const unsigned char *bytes, uint64_t origin, uint64_t *entry)
{
	uint64_t name = 0;

	*entry = 0;

	for (int hops = 0; origin && hops < CHAIN_MAX; hops++) {
		uint64_t at = dwarf_ref_offset(origin);
		struct named named;

		if (dwarf_ref_kind(origin) != DWARF_REF_DIE || at < cu->first || at >= cu->end)
			return origin;
		struct dwarf_cursor c = {bytes + (at - cu->offset), bytes + (cu->end - cu->offset), false};
		if (!read_named(&c, cu, abbrevs, bytes, cu->offset, &named))
			return name;
		if (named.linkage) {
			*entry = 0;
			return named.linkage;
		}
		if (!name && named.name) {
			name = named.name;
			*entry = at;
		}
		origin = named.next;
	}
	return name;
}

uint32_t mp_dwarf_origin_name(struct dwarf_origins *o, struct dwarf_functions *functions,
    const struct dwarf_cu *cu, const struct dwarf_abbrevs *abbrevs, const unsigned char *bytes,
    uint64_t origin)
{
	if (2 * (o->n + 1) > o->room && !grow(o))
		return DWARF_NOBODY;

	size_t i = hash(origin, o->room);
	while (o->key[i] && o->key[i] != origin)
		i = (i + 1) & (o->room - 1);
	if (!o->key[i]) {
		uint64_t entry, ref = follow(cu, abbrevs, bytes, origin, &entry);

		o->key[i] = origin;
		o->name[i] = mp_dwarf_add_name(functions, ref, entry);
		o->n++;
	}
	return o->name[i];
}

/* ---- Elsewhere, when it is asked for ---- */

static char *string_text(const struct dwarf_cu *cu, uint64_t ref)
{
	uint64_t at = dwarf_ref_offset(ref);

	switch (dwarf_ref_kind(ref)) {
	case DWARF_REF_STR:
		return mp_dwarf_string(cu->file, DWARF_STR, at);
	case DWARF_REF_LINE_STR:
		return mp_dwarf_string(cu->main, DWARF_LINE_STR, at);
	case DWARF_REF_INFO:
		return mp_dwarf_string(cu->file, DWARF_INFO, at);
	case DWARF_REF_LINE:
		return mp_dwarf_string(cu->main, DWARF_LINE, at);
	case DWARF_REF_ALT_STR:
		return cu->alt ? mp_dwarf_string(cu->alt, DWARF_STR, at) : NULL;
	case DWARF_REF_STRX: {
		if (at > cu->file->section[DWARF_STR_OFFSETS].size / cu->offset_size)
			return NULL;
		struct dwarf_cursor c = mp_dwarf_peek(cu->file, DWARF_STR_OFFSETS,
		    cu->str_offsets_base + at * cu->offset_size, cu->offset_size);
		uint64_t offset = dwarf_fixed(&c, cu->offset_size);
		return c.bad ? NULL : mp_dwarf_string(cu->file, DWARF_STR, offset);
	}
	case DWARF_REF_NONE:
	case DWARF_REF_DIE:
	case DWARF_REF_ALT_DIE:
		break;
	}
	return NULL;
}

/* Reads an entry anywhere. *cu becomes the unit that it is in. */
static bool read_named_at(uint64_t ref, struct dwarf_cu *cu, struct named *out)
{
	struct dwarf_file *f = dwarf_ref_kind(ref) == DWARF_REF_ALT_DIE ? cu->alt : cu->file;
	struct dwarf_file *alt = cu->alt;
	uint64_t at = dwarf_ref_offset(ref);
	struct dwarf_unit *u = f ? mp_dwarf_unit_at(f, at) : NULL;

	if (!u || !mp_dwarf_header(f, u->offset, cu) || at < cu->first || at >= cu->end ||
	    !mp_dwarf_root(cu, NULL))
		return false;
	cu->alt = f == alt ? NULL : alt; /* a supplementary file has none itself */

	const struct dwarf_abbrevs *abbrevs = mp_dwarf_abbrevs(cu);
	if (!abbrevs)
		return false;
	size_t want = cu->end - at < ENTRY_BYTES_MAX ? (size_t)(cu->end - at) : ENTRY_BYTES_MAX;
	struct dwarf_cursor c = mp_dwarf_peek(f, DWARF_INFO, at, want);
	return read_named(&c, cu, abbrevs, c.p, at, out);
}

char *mp_dwarf_text(const struct dwarf_cu *cu, uint64_t ref, uint64_t *entry)
{
	struct dwarf_cu at = *cu, name_at = *cu;
	uint64_t name = 0, ignored = 0;

	entry = entry ? entry : &ignored;
	*entry = 0;

	for (int hops = 0; hops < CHAIN_MAX; hops++) {
		enum dwarf_ref_kind kind = dwarf_ref_kind(ref);
		struct named named;

		if (kind != DWARF_REF_DIE && kind != DWARF_REF_ALT_DIE)
			break;
		if (!read_named_at(ref, &at, &named))
			return name ? string_text(&name_at, name) : NULL;
		if (named.linkage)
			return string_text(&at, named.linkage);
		if (named.name && !name) {
			name = named.name;
			name_at = at;
			*entry = dwarf_ref_offset(ref);
		}
		ref = named.next;
	}
	return name ? string_text(&name_at, name) : string_text(&at, ref);
}
