/* SPDX-License-Identifier: MIT */
#include "symbolize/dwarf/private.h"

#include <stdlib.h>

/* A compiler's table has some hundred, link-time optimization's or dwz's some ten thousand. */
#define ABBREVS_MAX (1u << 18)
#define STEPS_MAX   (1u << 20)

/* All cached tables together. */
#define CACHED_BYTES_MAX (32u << 20)

/* Bytes of one table that are read; and how far an index looks for the abbreviation of a root entry. */
#define TABLE_BYTES_MAX  (16u << 20)
#define SINGLE_BYTES_MAX 65536

static enum dwarf_class class_of(unsigned tag)
{
	switch (tag) {
	case DW_TAG_subprogram:
	case DW_TAG_entry_point:
		return DWARF_FUNCTION;
	case DW_TAG_inlined_subroutine:
		return DWARF_INLINED;
	case DW_TAG_compile_unit:
	case DW_TAG_partial_unit:
	case DW_TAG_skeleton_unit:
	case DW_TAG_type_unit:
		return DWARF_ROOT;
	case DW_TAG_subroutine_type:
	case DW_TAG_formal_parameter:
	case DW_TAG_call_site:
	case DW_TAG_GNU_call_site:
		return DWARF_PRUNE;
	case DW_TAG_namespace:
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
	case DW_TAG_module:
		return DWARF_SCOPE;
	}
	return DWARF_ENTER;
}

static enum dwarf_want wanted_in_root(uint64_t at)
{
	switch (at) {
	case DW_AT_low_pc:
		return DWARF_LOW_PC;
	case DW_AT_high_pc:
		return DWARF_HIGH_PC;
	case DW_AT_ranges:
		return DWARF_RANGES_AT;
	case DW_AT_comp_dir:
		return DWARF_COMP_DIR;
	case DW_AT_stmt_list:
		return DWARF_STMT_LIST;
	case DW_AT_language:
		return DWARF_LANGUAGE;
	case DW_AT_str_offsets_base:
		return DWARF_STR_OFFSETS_BASE;
	case DW_AT_addr_base:
	case DW_AT_GNU_addr_base:
		return DWARF_ADDR_BASE;
	case DW_AT_rnglists_base:
		return DWARF_RNGLISTS_BASE;
	case DW_AT_GNU_ranges_base:
		return DWARF_RANGES_BASE;
	case DW_AT_dwo_name:
	case DW_AT_GNU_dwo_name:
		return DWARF_DWO_NAME;
	case DW_AT_GNU_dwo_id:
		return DWARF_DWO_ID;
	}
	return DWARF_SKIP;
}

static enum dwarf_want wanted_in_function(uint64_t at)
{
	switch (at) {
	case DW_AT_name:
		return DWARF_NAME;
	case DW_AT_linkage_name:
	case DW_AT_MIPS_linkage_name:
		return DWARF_LINKAGE_NAME;
	case DW_AT_abstract_origin:
		return DWARF_ORIGIN;
	case DW_AT_specification:
		return DWARF_SPECIFICATION;
	case DW_AT_low_pc:
		return DWARF_LOW_PC;
	case DW_AT_high_pc:
		return DWARF_HIGH_PC;
	case DW_AT_ranges:
		return DWARF_RANGES_AT;
	case DW_AT_entry_pc:
		return DWARF_ENTRY_PC;
	case DW_AT_call_file:
		return DWARF_CALL_FILE;
	case DW_AT_call_line:
		return DWARF_CALL_LINE;
	}
	return DWARF_SKIP;
}

static enum dwarf_want wanted(enum dwarf_class class, uint64_t at)
{
	if (at == DW_AT_sibling)
		return DWARF_SIBLING;
	if (class == DWARF_ROOT)
		return wanted_in_root(at);
	if (class == DWARF_FUNCTION || class == DWARF_INLINED)
		return wanted_in_function(at);
	return class == DWARF_SCOPE && at == DW_AT_name ? DWARF_NAME : DWARF_SKIP;
}

/* GNU's numbers for what the standard has taken up since, under the standard's; 0: not a form. */
static unsigned small_form(uint64_t form)
{
	switch (form) {
	case DW_FORM_GNU_addr_index:
		return DW_FORM_addrx;
	case DW_FORM_GNU_str_index:
		return DW_FORM_strx;
	case DW_FORM_GNU_ref_alt:
		return DWARF_FORM_ref_sup;
	case DW_FORM_GNU_strp_alt:
		return DW_FORM_strp_sup;
	}
	return form <= DW_FORM_addrx4 ? (unsigned)form : 0;
}

static bool add_step(struct dwarf_abbrevs *t, struct dwarf_step step)
{
	if (t->n_steps == t->steps_room) {
		size_t room = t->steps_room ? 2 * t->steps_room : 64;
		struct dwarf_step *v = room <= STEPS_MAX ? realloc(t->steps, room * sizeof(*v)) : NULL;

		if (!v)
			return false;
		t->steps = v;
		t->steps_room = room;
	}
	t->steps[t->n_steps++] = step;
	return true;
}

/* One attribute of the abbreviation `a`, whose steps are the last of the table. */
static bool add_attribute(struct dwarf_abbrevs *t, struct dwarf_abbrev *a, const struct dwarf_cu *cu,
    uint64_t at, uint64_t raw_form, int64_t value, uint32_t *seen)
{
	unsigned form = small_form(raw_form);
	enum dwarf_want want = wanted((enum dwarf_class)a->class, at);
	size_t n = t->n_steps - a->first_step;
	struct dwarf_step *last = n ? &t->steps[t->n_steps - 1] : NULL;
	uint32_t size;

	if (!form || !mp_dwarf_form_size(form, cu, &size))
		return false;
	if (want != DWARF_SKIP && *seen & 1u << want)
		want = DWARF_SKIP; /* the first counts */
	*seen |= 1u << want;

	if (want == DWARF_SIBLING && a->size != DWARF_VARIABLE && form == DW_FORM_ref4 && a->size < INT32_MAX)
		a->sibling_at = (int32_t)a->size;
	if (size == DWARF_VARIABLE || a->size == DWARF_VARIABLE || size >= UINT32_MAX / 2 - a->size)
		a->size = DWARF_VARIABLE;
	else
		a->size += size;

	if (want == DWARF_SKIP && size == 0)
		return true;
	if (want == DWARF_SKIP && size != DWARF_VARIABLE && last && last->want == DWARF_SKIP &&
	    last->size < UINT32_MAX / 2) {
		last->size += size;
		return true;
	}
	return n < UINT16_MAX && add_step(t, (struct dwarf_step){(uint8_t)want, (uint8_t)form, size, value});
}

/* Reads one declaration. False at the table's end, or where it is damaged (then c->bad is set). With `keep`
 * false it is only passed over. */
static bool read_declaration(struct dwarf_abbrevs *t, struct dwarf_cursor *c, const struct dwarf_cu *cu,
    bool keep, struct dwarf_abbrev *a)
{
	uint32_t seen = 0;
	bool is_good = true;

	*a = (struct dwarf_abbrev){
	    .code = dwarf_uleb(c), .sibling_at = -1, .first_step = (uint32_t)t->n_steps};
	if (!a->code)
		return false;
	uint64_t tag = dwarf_uleb(c);
	a->tag = tag <= UINT16_MAX ? (uint16_t)tag : 0;
	a->class = class_of(a->tag);
	a->has_children = dwarf_fixed(c, 1) != 0;
	while (!c->bad) {
		uint64_t at = dwarf_uleb(c), form = dwarf_uleb(c);
		int64_t value = form == DW_FORM_implicit_const ? dwarf_sleb(c) : 0;

		if (!at && !form)
			break;
		if (keep && is_good)
			is_good = add_attribute(t, a, cu, at, form, value, &seen);
	}
	a->n_steps = (uint16_t)(t->n_steps - a->first_step);
	a->wants = seen;
	if (!is_good)
		c->bad = true; /* entries of this kind have a length that nobody knows */
	return !c->bad;
}

static bool add_abbrev(struct dwarf_abbrevs *t, const struct dwarf_abbrev *a)
{
	if (t->n == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		struct dwarf_abbrev *v = room <= ABBREVS_MAX ? realloc(t->v, room * sizeof(*v)) : NULL;

		if (!v)
			return false;
		t->v = v;
		t->room = room;
	}
	if (a->code != t->n + 1)
		t->is_dense = false;
	t->v[t->n++] = *a;
	return true;
}

static int compare_codes(const void *va, const void *vb)
{
	const struct dwarf_abbrev *a = va, *b = vb;

	return a->code < b->code ? -1 : a->code > b->code;
}

const struct dwarf_abbrev *mp_dwarf_abbrev_search(const struct dwarf_abbrevs *t, uint64_t code)
{
	struct dwarf_abbrev key = {.code = code};

	return t->n ? bsearch(&key, t->v, t->n, sizeof(*t->v), compare_codes) : NULL;
}

static void start_table(struct dwarf_abbrevs *t, const struct dwarf_cu *cu)
{
	t->n = t->n_steps = 0;
	t->is_dense = true;
	t->file = cu->file;
	t->offset = cu->abbrev_offset;
	t->version = cu->version;
	t->offset_size = cu->offset_size;
	t->address_size = cu->address_size;
}

/* False: `bytes` end within the table. What is damaged ends it. */
static bool parse_table(
    struct dwarf_abbrevs *t, const struct dwarf_cu *cu, const unsigned char *bytes, size_t n)
{
	struct dwarf_cursor c = {bytes, bytes + n, false};
	struct dwarf_abbrev a;

	start_table(t, cu);
	while (read_declaration(t, &c, cu, true, &a))
		if (!add_abbrev(t, &a))
			break;
	if (c.bad && c.p == c.end)
		return false;
	if (c.bad)
		mp_dwarf_damaged(cu->file->dwarf, "the abbreviations at %#llx of .debug_abbrev are damaged",
		    (unsigned long long)cu->abbrev_offset);
	if (!t->is_dense)
		qsort(t->v, t->n, sizeof(*t->v), compare_codes);
	return true;
}

/* Nobody says how long a table is: more is read until it ends. */
static bool read_table(struct dwarf_abbrevs *t, const struct dwarf_cu *cu)
{
	const struct mp_section *s = &cu->file->section[DWARF_ABBREV];
	unsigned char *bytes = NULL;
	bool done = false;

	for (size_t n = 16384; !done && n <= TABLE_BYTES_MAX; n *= 8) {
		unsigned char *grown = realloc(bytes, n);

		if (!grown)
			break;
		bytes = grown;
		size_t got = mp_section_read(s, cu->abbrev_offset, bytes, n);
		if (!mp_dwarf_spend(cu->file->dwarf, got / 2))
			break;
		done = got && parse_table(t, cu, bytes, got);
		if (got < n)
			break;
	}
	free(bytes);
	if (!done)
		mp_dwarf_damaged(cu->file->dwarf, "the abbreviations at %#llx of .debug_abbrev have no end",
		    (unsigned long long)cu->abbrev_offset);
	return done;
}

static bool is_table_of(const struct dwarf_abbrevs *t, const struct dwarf_cu *cu)
{
	return t->file == cu->file && t->offset == cu->abbrev_offset && t->version == cu->version &&
	       t->offset_size == cu->offset_size && t->address_size == cu->address_size;
}

static size_t table_bytes(const struct dwarf_abbrevs *t)
{
	return t->room * sizeof(*t->v) + t->steps_room * sizeof(*t->steps);
}

size_t mp_dwarf_abbrevs_bytes(const struct mp_dwarf *d)
{
	size_t bytes = table_bytes(&d->scratch);

	for (size_t i = 0; i < DWARF_ABBREVS_CACHED; i++)
		bytes += table_bytes(&d->abbrevs[i]);
	return bytes;
}

const struct dwarf_abbrevs *mp_dwarf_abbrevs(const struct dwarf_cu *cu)
{
	struct mp_dwarf *d = cu->file->dwarf;
	struct dwarf_abbrevs *oldest = &d->abbrevs[0];

	for (size_t i = 0; i < DWARF_ABBREVS_CACHED; i++) {
		struct dwarf_abbrevs *t = &d->abbrevs[i];

		if (is_table_of(t, cu)) {
			t->used = ++d->clock;
			return t;
		}
		if (t->used < oldest->used)
			oldest = t;
	}
	mp_dwarf_abbrevs_free(oldest);
	if (!read_table(oldest, cu)) {
		mp_dwarf_abbrevs_free(oldest);
		return NULL;
	}
	oldest->used = ++d->clock;
	/* Seldom: only link-time optimization makes tables of megabytes. */
	for (size_t i = 0; i < DWARF_ABBREVS_CACHED && mp_dwarf_abbrevs_bytes(d) > CACHED_BYTES_MAX; i++)
		if (&d->abbrevs[i] != oldest)
			mp_dwarf_abbrevs_free(&d->abbrevs[i]);
	return oldest;
}

const struct dwarf_abbrev *mp_dwarf_abbrev_single(
    struct dwarf_abbrevs *t, const struct dwarf_cu *cu, uint64_t code)
{
	struct dwarf_cursor c = mp_dwarf_peek(cu->file, DWARF_ABBREV, cu->abbrev_offset, 1024);
	const unsigned char *from = c.p;
	struct dwarf_abbrev a;

	start_table(t, cu);
	/* Nearly always the first one. */
	for (int tries = 0; tries < 2; tries++) {
		while (read_declaration(t, &c, cu, false, &a)) {
			if (a.code != code) {
				from = c.p;
				continue;
			}
			c.p = from;
			return read_declaration(t, &c, cu, true, &a) && add_abbrev(t, &a) ? &t->v[0] : NULL;
		}
		if (!c.bad || !mp_dwarf_spend(cu->file->dwarf, SINGLE_BYTES_MAX / 4))
			return NULL;
		c = mp_dwarf_peek(cu->file, DWARF_ABBREV, cu->abbrev_offset, SINGLE_BYTES_MAX);
		from = c.p;
	}
	return NULL;
}

void mp_dwarf_abbrevs_free(struct dwarf_abbrevs *t)
{
	free(t->v);
	free(t->steps);
	*t = (struct dwarf_abbrevs){0};
}

void mp_dwarf_abbrevs_forget(struct mp_dwarf *d, const struct dwarf_file *f)
{
	for (size_t i = 0; i < DWARF_ABBREVS_CACHED; i++)
		if (d->abbrevs[i].file == f)
			mp_dwarf_abbrevs_free(&d->abbrevs[i]);
}
