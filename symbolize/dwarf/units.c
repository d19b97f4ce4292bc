/* SPDX-License-Identifier: MIT */
#include "symbolize/dwarf/private.h"

#include <stdlib.h>

/* The largest program around, a browser, has 40,000 units; dwz makes some 100,000 partial ones of a
 * distribution's. */
#define UNITS_MAX (1u << 20)

/* A root entry has some strings, one of them the compiler's command line. */
#define ROOT_BYTES_MAX 4096

/* The part of a header that depends on its version. */
static void header_rest(struct dwarf_cursor *c, struct dwarf_cu *cu)
{
	if (cu->version < 5) {
		cu->abbrev_offset = dwarf_fixed(c, cu->offset_size);
		cu->address_size = (uint8_t)dwarf_fixed(c, 1);
		cu->type = DW_UT_compile; /* or partial: its root entry tells */
		return;
	}
	cu->type = (uint8_t)dwarf_fixed(c, 1);
	cu->address_size = (uint8_t)dwarf_fixed(c, 1);
	cu->abbrev_offset = dwarf_fixed(c, cu->offset_size);
	if (cu->type == DW_UT_skeleton || cu->type == DW_UT_split_compile) {
		cu->dwo_id = dwarf_fixed(c, 8);
		cu->has_dwo_id = true;
	}
	if (cu->type == DW_UT_type || cu->type == DW_UT_split_type)
		dwarf_skip(c, 8 + cu->offset_size);
}

bool mp_dwarf_header(struct dwarf_file *f, uint64_t offset, struct dwarf_cu *cu)
{
	struct dwarf_cursor c = mp_dwarf_peek(f, DWARF_INFO, offset, 64);
	uint64_t size = f->section[DWARF_INFO].size;
	const unsigned char *start = c.p;

	*cu = (struct dwarf_cu){.file = f, .main = f, .offset = offset};
	uint64_t length = dwarf_length(&c, &cu->offset_size);
	uint64_t body = offset + (uint64_t)(c.p - start);
	if (c.bad || !length)
		return false;
	cu->end = length < size - body ? body + length : size;
	cu->version = (uint8_t)dwarf_fixed(&c, 2);
	header_rest(&c, cu);
	cu->first = offset + (uint64_t)(c.p - start);
	return !c.bad && cu->first <= cu->end;
}

static bool header_known(const struct dwarf_cu *cu)
{
	bool size_known = cu->address_size == 8 || cu->address_size == 4 || cu->address_size == 2;

	return cu->version >= 2 && cu->version <= 5 && size_known;
}

/* A root entry's attributes have to be read before the first can be understood: an address may be an index
 * into a table that the next one gives. */
struct root {
	struct dwarf_value value[DWARF_WANTS];
	bool has[DWARF_WANTS];
};

static void set_bases(struct dwarf_cu *cu, const struct root *r)
{
	uint64_t header = cu->offset_size == 8 ? 16 : 8;

	/* In a split unit the tables are the file's only ones; callers with a .dwp add where they begin. */
	if (cu->is_split) {
		cu->str_offsets_base = cu->version >= 5 ? header : 0;
		cu->rnglists_base = header + 4;
	}
	if (r->has[DWARF_STR_OFFSETS_BASE])
		cu->str_offsets_base = r->value[DWARF_STR_OFFSETS_BASE].u;
	if (r->has[DWARF_RNGLISTS_BASE])
		cu->rnglists_base = r->value[DWARF_RNGLISTS_BASE].u;
	if (r->has[DWARF_RANGES_BASE])
		cu->ranges_base = r->value[DWARF_RANGES_BASE].u;
	if (r->has[DWARF_ADDR_BASE])
		cu->addr_base = r->value[DWARF_ADDR_BASE].u;
}

static void set_code(struct dwarf_cu *cu, const struct root *r)
{
	const struct dwarf_value *high = &r->value[DWARF_HIGH_PC];

	if (r->has[DWARF_LOW_PC])
		cu->has_low_pc = mp_dwarf_value_address(cu, &r->value[DWARF_LOW_PC], &cu->low_pc);
	if (r->has[DWARF_HIGH_PC] && cu->has_low_pc) {
		if (mp_dwarf_form_is_constant(high->form))
			cu->high_pc = cu->low_pc + high->u;
		else
			mp_dwarf_value_address(cu, high, &cu->high_pc);
	}
	if (r->has[DWARF_RANGES_AT])
		cu->has_ranges = mp_dwarf_value_ranges(cu, &r->value[DWARF_RANGES_AT], &cu->ranges);
}

static bool read_root(struct dwarf_cu *cu, struct root *r, struct dwarf_cursor *c)
{
	struct mp_dwarf *d = cu->file->dwarf;
	uint64_t code = dwarf_uleb(c);
	const struct dwarf_abbrev *a = code ? mp_dwarf_abbrev_single(&d->scratch, cu, code) : NULL;

	if (!a)
		return false;
	cu->root_tag = a->tag;
	for (size_t i = 0; i < a->n_steps && !c->bad; i++) {
		const struct dwarf_step *s = &d->scratch.steps[a->first_step + i];

		if (s->want == DWARF_SKIP && s->size != DWARF_VARIABLE) {
			dwarf_skip(c, s->size);
		} else if (s->want == DWARF_SKIP) {
			mp_dwarf_skip_form(c, cu, s->form);
		} else {
			r->value[s->want] = mp_dwarf_value(c, cu, s);
			r->has[s->want] = !c->bad;
		}
	}
	return true; /* a root entry that is cut may have said enough */
}

bool mp_dwarf_root(struct dwarf_cu *cu, const struct dwarf_cu *skeleton)
{
	struct root r = {0};
	size_t want = cu->end - cu->first < ROOT_BYTES_MAX ? (size_t)(cu->end - cu->first) : ROOT_BYTES_MAX;
	struct dwarf_cursor c = mp_dwarf_peek(cu->file, DWARF_INFO, cu->first, want);
	const unsigned char *start = c.p;

	if (!header_known(cu) || c.bad)
		return false;
	if (skeleton) {
		cu->is_split = true;
		cu->main = skeleton->main;
		cu->alt = skeleton->alt;
		cu->addr_base = skeleton->addr_base;
		cu->ranges_base = skeleton->ranges_base;
		cu->low_pc = skeleton->low_pc; /* that lists of ranges count from */
	}
	if (!read_root(cu, &r, &c))
		return false;
	set_bases(cu, &r);
	set_code(cu, &r);
	cu->has_lines = r.has[DWARF_STMT_LIST];
	cu->stmt_list = r.value[DWARF_STMT_LIST].u;
	cu->language = r.value[DWARF_LANGUAGE].u;
	if (r.has[DWARF_COMP_DIR])
		cu->comp_dir = mp_dwarf_value_string(&r.value[DWARF_COMP_DIR], start, cu->first);
	if (r.has[DWARF_DWO_NAME])
		cu->dwo_name = mp_dwarf_value_string(&r.value[DWARF_DWO_NAME], start, cu->first);
	if (r.has[DWARF_DWO_ID] && !cu->has_dwo_id) {
		cu->dwo_id = r.value[DWARF_DWO_ID].u;
		cu->has_dwo_id = true;
	}
	return true;
}

static bool add_unit(struct dwarf_file *f, size_t *room, uint64_t offset)
{
	if (f->n_units == *room) {
		size_t more = *room ? 2 * *room : 16;
		struct dwarf_unit *v = more <= UNITS_MAX ? realloc(f->units, more * sizeof(*v)) : NULL;

		if (!v)
			return false;
		f->units = v;
		*room = more;
	}
	f->units[f->n_units++] = (struct dwarf_unit){.offset = offset};
	return true;
}

void mp_dwarf_units(struct dwarf_file *f)
{
	uint64_t size = f->section[DWARF_INFO].size;
	struct dwarf_cu cu;
	size_t room = 0;

	if (f->units_tried)
		return;
	f->units_tried = true;
	for (uint64_t at = 0; at < size; at = cu.end) {
		if (!mp_dwarf_header(f, at, &cu) || cu.end <= at) {
			mp_dwarf_damaged(
			    f->dwarf, "the unit at %#llx of .debug_info is damaged", (unsigned long long)at);
			return;
		}
		if (!add_unit(f, &room, at)) {
			mp_dwarf_damaged(f->dwarf, "it has too many units, or there is no memory for them");
			return;
		}
	}
}

struct dwarf_unit *mp_dwarf_unit_at(struct dwarf_file *f, uint64_t offset)
{
	size_t low = 0, high;

	mp_dwarf_units(f);
	high = f->n_units;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (f->units[mid].offset <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? &f->units[low - 1] : NULL;
}
