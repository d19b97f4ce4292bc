/* SPDX-License-Identifier: MIT */
#include "symbolize/dwarf/private.h"

#include <stdlib.h>

/* The largest unit that is read, in one piece: link-time optimization makes units of some 50 MB. */
#define UNIT_BYTES_MAX (128u << 20)

/* Entries nest as blocks and inlined functions do: some dozens deep. */
#define DEPTH_MAX 1024

/* Of one unit: a browser's units have some 20,000, link-time optimization's some 100,000. */
#define FUNCTIONS_MAX (2u << 20)

struct walk {
	const struct dwarf_cu *cu;
	const struct dwarf_abbrevs *abbrevs;
	const unsigned char *bytes; /* of the unit */
	struct dwarf_cursor c;
	struct dwarf_functions *functions;
	struct dwarf_ranges ranges;
	struct dwarf_origins origins;
	uint32_t depth;
	struct level {
		uint32_t inside; /* the function that entries there are in */
		uint32_t scope;  /* what their names are within; SCOPE_UNKNOWN: nobody has asked */
		uint32_t entry;  /* of the scope that is there, from the unit's beginning; 0: it is none */
	} level[DEPTH_MAX];      /* by depth */
	bool has_scopes;
};

#define SCOPE_UNKNOWN (DWARF_NOBODY - 1)

/* What the entry of a function says. */
struct entry {
	uint64_t name, linkage; /* dwarf_ref */
	uint64_t origin;
	uint64_t sibling; /* from the unit's beginning; 0: none */
	uint64_t low, high, ranges, entry_pc;
	uint32_t call_file, call_line;
	bool has_low, has_high, has_ranges, high_is_size, has_entry;
};

static uint32_t small(const struct dwarf_value *v)
{
	return mp_dwarf_form_is_constant(v->form) && v->u < INT32_MAX ? (uint32_t)v->u : 0;
}

static void take_value(
    const struct walk *w, enum dwarf_want want, const struct dwarf_value *v, struct entry *e)
{
	switch (want) {
	case DWARF_SIBLING:
		e->sibling = v->u;
		break;
	case DWARF_NAME:
		e->name = mp_dwarf_value_string(v, w->bytes, w->cu->offset);
		break;
	case DWARF_LINKAGE_NAME:
		e->linkage = mp_dwarf_value_string(v, w->bytes, w->cu->offset);
		break;
	case DWARF_ORIGIN:
	case DWARF_SPECIFICATION:
		e->origin = mp_dwarf_value_entry(w->cu, v);
		break;
	case DWARF_LOW_PC:
		e->has_low = mp_dwarf_value_address(w->cu, v, &e->low);
		break;
	case DWARF_HIGH_PC:
		e->high_is_size = mp_dwarf_form_is_constant(v->form);
		e->high = v->u;
		e->has_high = e->high_is_size || mp_dwarf_value_address(w->cu, v, &e->high);
		break;
	case DWARF_RANGES_AT:
		e->has_ranges = mp_dwarf_value_ranges(w->cu, v, &e->ranges);
		break;
	case DWARF_ENTRY_PC:
		/* As a constant it counts from the lowest address: no entry point needs that. */
		e->has_entry = mp_dwarf_value_address(w->cu, v, &e->entry_pc);
		break;
	case DWARF_CALL_FILE:
		e->call_file = small(v);
		break;
	case DWARF_CALL_LINE:
		e->call_line = small(v);
		break;
	default:
		break;
	}
}

static void read_entry(struct walk *w, const struct dwarf_abbrev *a, struct entry *e)
{
	const struct dwarf_step *s = &w->abbrevs->steps[a->first_step];

	*e = (struct entry){0};
	for (size_t i = 0; i < a->n_steps && !w->c.bad; i++, s++) {
		if (s->want == DWARF_SKIP && s->size != DWARF_VARIABLE) {
			dwarf_skip(&w->c, s->size);
		} else if (s->want == DWARF_SKIP) {
			mp_dwarf_skip_form(&w->c, w->cu, s->form);
		} else {
			struct dwarf_value v = dwarf_value(&w->c, w->cu, s);
			take_value(w, (enum dwarf_want)s->want, &v, e);
		}
	}
}

/* Skips the attributes of an entry that says nothing itself; returns where its sibling is, or 0. */
static uint64_t skip_entry(struct walk *w, const struct dwarf_abbrev *a)
{
	struct dwarf_value v = {0};

	if (a->size != DWARF_VARIABLE) {
		struct dwarf_cursor c = w->c;

		dwarf_skip(&w->c, a->size);
		if (a->sibling_at < 0 || w->c.bad)
			return 0;
		c.p += a->sibling_at;
		return dwarf_fixed(&c, 4);
	}
	const struct dwarf_step *s = &w->abbrevs->steps[a->first_step];
	for (size_t i = 0; i < a->n_steps && !w->c.bad; i++, s++) {
		if (s->want == DWARF_SIBLING)
			v = dwarf_value(&w->c, w->cu, s);
		else if (s->size != DWARF_VARIABLE)
			dwarf_skip(&w->c, s->size);
		else
			mp_dwarf_skip_form(&w->c, w->cu, s->form);
	}
	return v.u;
}

/* Goes to an entry's sibling in place of its children. Only forwards: the file may say anything. */
static bool jump(struct walk *w, uint64_t sibling)
{
	const unsigned char *end = w->c.end;

	if (sibling >= (uint64_t)(end - w->bytes) || w->bytes + sibling < w->c.p)
		return false;
	w->c.p = w->bytes + sibling;
	return true;
}

/* `entry`: what is descended into, from the unit's beginning, if names are within it; else 0. */
static bool descend(struct walk *w, uint32_t inside, uint32_t entry)
{
	if (w->depth + 1 >= DEPTH_MAX) {
		mp_dwarf_damaged(w->cu->file->dwarf,
		    "entries of the unit at %#llx of .debug_info nest too deep",
		    (unsigned long long)w->cu->offset);
		return false;
	}
	uint32_t scope = entry ? SCOPE_UNKNOWN : w->level[w->depth].scope;
	w->level[++w->depth] = (struct level){inside, scope, entry};
	return true;
}

/* Appends the ranges of a function; returns whether it has code in this program. */
static bool add_ranges(struct walk *w, struct entry *e, uint32_t number)
{
	struct mp_dwarf *d = w->cu->file->dwarf;
	size_t before = w->ranges.n;
	uint64_t first = e->low;

	if (e->has_ranges)
		mp_dwarf_ranges_list(w->cu, e->ranges, &w->ranges, number, &first);
	else if (e->has_low && e->has_high)
		mp_dwarf_ranges_add(
		    d, &w->ranges, before, e->low, e->high_is_size ? e->low + e->high : e->high, number);
	if (!e->has_entry)
		e->entry_pc = e->has_low ? e->low : first;
	return w->ranges.n > before;
}

/* `at`: its own offset. */
static uint32_t name_of(struct walk *w, const struct entry *e, uint64_t at)
{
	if (e->linkage)
		return mp_dwarf_add_name(w->functions, e->linkage, 0);
	if (e->origin) {
		uint32_t name =
		    mp_dwarf_origin_name(&w->origins, w->functions, w->cu, w->abbrevs, w->bytes, e->origin);
		if (name != DWARF_NOBODY)
			return name;
	}
	return mp_dwarf_add_name(w->functions, e->name, at);
}

/* Returns its number, or DWARF_NOBODY when there is no room. */
static uint32_t add_function(struct walk *w, const struct entry *e, uint64_t at, uint32_t caller)
{
	struct dwarf_functions *f = w->functions;

	if (f->n == f->room) {
		size_t room = f->room ? 2 * f->room : 256;
		struct dwarf_function *v = room <= FUNCTIONS_MAX ? realloc(f->v, room * sizeof(*v)) : NULL;

		if (!v)
			return DWARF_NOBODY;
		f->v = v;
		f->room = room;
	}
	f->v[f->n] = (struct dwarf_function){
	    .start = e->entry_pc,
	    .caller = caller,
	    .name = name_of(w, e, at),
	    .call_file = e->call_file,
	    .call_line = e->call_line,
	};
	return (uint32_t)f->n++;
}

/* Reads the entry of a scope again, for its name. */
static uint32_t add_scope(struct walk *w, uint32_t entry, uint32_t parent)
{
	struct dwarf_cursor here = w->c;
	struct entry e;

	w->c.p = w->bytes + entry;
	const struct dwarf_abbrev *a = dwarf_abbrev_find(w->abbrevs, dwarf_uleb(&w->c));
	if (a)
		read_entry(w, a, &e);
	w->c = here;
	if (!a)
		return DWARF_NOBODY;
	struct dwarf_scope scope = {.name = e.linkage ? e.linkage
					    : e.name  ? e.name
						      : e.origin,
	    .parent = parent,
	    .is_namespace = a->tag == DW_TAG_namespace};
	return mp_dwarf_add_scope(w->functions, &scope);
}

/* The scope that entries at this depth are in: each is made once, when it is first needed. */
static uint32_t scope_here(struct walk *w)
{
	uint32_t known = w->depth;

	while (w->level[known].scope == SCOPE_UNKNOWN)
		known--;
	for (; known < w->depth; known++) {
		struct level *l = &w->level[known + 1];

		if (l->scope == SCOPE_UNKNOWN)
			l->scope =
			    l->entry ? add_scope(w, l->entry, w->level[known].scope) : w->level[known].scope;
	}
	return w->level[w->depth].scope;
}

/* A function, or one that was inlined. False ends the walk. */
static bool visit_function(struct walk *w, const struct dwarf_abbrev *a, uint32_t at)
{
	bool is_inlined = a->class == DWARF_INLINED;
	uint32_t inside = w->level[w->depth].inside, scope = is_inlined ? 0 : at;
	struct entry e;

	read_entry(w, a, &e);
	if (w->c.bad)
		return false;
	if (w->has_scopes && e.name && !e.linkage) {
		uint32_t within = scope_here(w);

		if (within != DWARF_NOBODY)
			mp_dwarf_add_placed(w->functions, w->cu->offset + at, within);
	}

	bool has_code = add_ranges(w, &e, (uint32_t)w->functions->n);
	/* A declaration, an abstract one, or one that the linker has removed. Its entries are gone through
	 * all the same: the lambdas in it are within its types, and have code of their own. An inlined one
	 * may have lost all its code but that of others inlined into it. */
	if (!has_code && !(is_inlined && a->has_children && inside != DWARF_NOBODY))
		return !a->has_children || descend(w, inside, scope);
	uint32_t number = add_function(w, &e, w->cu->offset + at, is_inlined ? inside : DWARF_NOBODY);
	if (number == DWARF_NOBODY) {
		mp_dwarf_damaged(w->cu->file->dwarf,
		    "the unit at %#llx of .debug_info has too many functions, or there is no memory for them",
		    (unsigned long long)w->cu->offset);
		return false;
	}
	return !a->has_children || descend(w, number, scope);
}

static bool has(const struct dwarf_abbrev *a, enum dwarf_want want)
{
	return a->wants >> want & 1;
}

/* Half of all functions are declarations in types, of which nobody wants to know anything. */
static bool is_declaration(const struct walk *w, const struct dwarf_abbrev *a)
{
	bool has_code = has(a, DWARF_LOW_PC) || has(a, DWARF_RANGES_AT);
	bool has_place = w->has_scopes && has(a, DWARF_NAME) && !has(a, DWARF_LINKAGE_NAME);

	return a->class == DWARF_FUNCTION && !has_code && !has_place;
}

/* `at`: of the entry, from the unit's beginning. */
static bool visit(struct walk *w, const struct dwarf_abbrev *a, uint32_t at)
{
	if ((a->class == DWARF_FUNCTION || a->class == DWARF_INLINED) && !is_declaration(w, a))
		return visit_function(w, a, at);

	uint64_t sibling = skip_entry(w, a);
	if (w->c.bad)
		return false;
	if (!a->has_children)
		return true;
	if (sibling && a->class == DWARF_PRUNE && jump(w, sibling))
		return true;
	bool is_scope = a->class == DWARF_SCOPE || a->class == DWARF_FUNCTION;
	return descend(w, w->level[w->depth].inside, is_scope ? at : 0);
}

static void walk_entries(struct walk *w)
{
	w->level[0] = (struct level){DWARF_NOBODY, DWARF_NOBODY, 0};
	while (w->c.p < w->c.end) {
		uint32_t at = (uint32_t)(w->c.p - w->bytes); /* units are no larger */
		uint64_t code = dwarf_uleb(&w->c);
		const struct dwarf_abbrev *a;

		if (code == 0) {
			if (w->depth <= 1)
				return;
			w->depth--;
			continue;
		}
		a = dwarf_abbrev_find(w->abbrevs, code);
		if (!a || w->c.bad || !visit(w, a, at)) {
			mp_dwarf_damaged(w->cu->file->dwarf, "the unit at %#llx of .debug_info is damaged",
			    (unsigned long long)w->cu->offset);
			return;
		}
		if (w->depth == 0)
			return; /* a root without children */
	}
}

static unsigned char *read_unit(const struct dwarf_cu *cu, size_t *n)
{
	uint64_t size = cu->end - cu->offset;
	unsigned char *bytes = size <= UNIT_BYTES_MAX ? malloc(size) : NULL;

	*n = bytes ? mp_section_read(&cu->file->section[DWARF_INFO], cu->offset, bytes, size) : 0;
	if (!bytes)
		mp_dwarf_damaged(cu->file->dwarf,
		    "the unit at %#llx of .debug_info is too large, or there is no memory for it",
		    (unsigned long long)cu->offset);
	return bytes;
}

/* The ranges of the unit's functions, which it goes through. */
static struct dwarf_ranges read_entries(
    const struct dwarf_cu *cu, struct dwarf_functions *functions, const unsigned char *bytes, size_t n)
{
	struct dwarf_cu shorter = *cu;
	struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		return (struct dwarf_ranges){0};
	shorter.end = cu->offset + n; /* the file may have been truncated */
	w->cu = &shorter;
	w->abbrevs = mp_dwarf_abbrevs(cu);
	w->bytes = bytes;
	w->c = (struct dwarf_cursor){bytes + (cu->first - cu->offset), bytes + n, false};
	w->functions = functions;
	w->has_scopes = mp_dwarf_language_has_scopes(cu->language);
	if (w->abbrevs)
		walk_entries(w);
	struct dwarf_ranges ranges = w->ranges;
	free(w->origins.key);
	free(w->origins.name);
	free(w);
	return ranges;
}

void mp_dwarf_read_functions(const struct dwarf_cu *cu, struct dwarf_functions *functions)
{
	struct dwarf_ranges ranges = {0};
	size_t n = 0;
	unsigned char *bytes = read_unit(cu, &n);

	if (bytes && n > cu->first - cu->offset)
		ranges = read_entries(cu, functions, bytes, n);
	free(bytes); /* before more is needed */
	if (!mp_dwarf_flatten(&ranges, &functions->flat))
		mp_dwarf_damaged(cu->file->dwarf, "no memory for its functions");
	free(ranges.v);
}

void mp_dwarf_functions_free(struct dwarf_functions *functions)
{
	for (size_t i = 0; i < functions->n_names; i++)
		mp_dwarf_name_drop(&functions->names[i]);
	free(functions->names);
	free(functions->scopes);
	free(functions->placed);
	free(functions->v);
	mp_dwarf_flat_free(&functions->flat);
	*functions = (struct dwarf_functions){0};
}
