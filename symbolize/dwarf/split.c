/* SPDX-License-Identifier: MIT */
#include "symbolize/dwarf/private.h"

#include <stdlib.h>

/* A row of a .dwp's index has a handful of columns. */
#define COLUMNS_MAX 16

/* Where the parts of one unit are in a .dwp. */
struct parts {
	uint64_t info, info_size, abbrev, str_offsets, rnglists;
};

/* The tables of a .dwp's index of units (DWARF 5, section 7.3.5): slots of signatures, slots of row numbers,
 * the columns' names, then rows of offsets and rows of sizes. */
struct cu_index {
	uint32_t version, n_columns, n_units, n_slots;
	uint64_t signatures, rows, columns, offsets, sizes; /* offsets in the section */
};

static bool read_index(struct dwarf_file *dwp, struct cu_index *x)
{
	struct dwarf_cursor c = mp_dwarf_peek(dwp, DWARF_CU_INDEX, 0, 16);

	x->version = (uint32_t)dwarf_fixed(&c, 4) & 0xffff; /* 16 bits and padding in version 5 */
	x->n_columns = (uint32_t)dwarf_fixed(&c, 4);
	x->n_units = (uint32_t)dwarf_fixed(&c, 4);
	x->n_slots = (uint32_t)dwarf_fixed(&c, 4);
	if (c.bad || (x->version != 2 && x->version != 5) || x->n_columns > COLUMNS_MAX)
		return false;
	x->signatures = 16;
	x->rows = x->signatures + 8 * (uint64_t)x->n_slots;
	x->columns = x->rows + 4 * (uint64_t)x->n_slots;
	x->offsets = x->columns + 4 * (uint64_t)x->n_columns;
	x->sizes = x->offsets + 4 * (uint64_t)x->n_columns * x->n_units;
	return x->n_slots && !(x->n_slots & (x->n_slots - 1));
}

static uint64_t number_at(struct dwarf_file *dwp, uint64_t at, unsigned size)
{
	struct dwarf_cursor c = mp_dwarf_peek(dwp, DWARF_CU_INDEX, at, size);

	return dwarf_fixed(&c, size);
}

/* The row of a signature, from 1; 0: none. */
static uint32_t find_row(struct dwarf_file *dwp, const struct cu_index *x, uint64_t signature)
{
	uint32_t mask = x->n_slots - 1, slot = (uint32_t)signature & mask;
	uint32_t step = ((uint32_t)(signature >> 32) & mask) | 1;

	for (uint32_t tries = 0; tries < x->n_slots; tries++, slot = (slot + step) & mask) {
		uint32_t row = (uint32_t)number_at(dwp, x->rows + 4 * (uint64_t)slot, 4);

		if (!row || row > x->n_units)
			return 0;
		if (number_at(dwp, x->signatures + 8 * (uint64_t)slot, 8) == signature)
			return row;
	}
	return 0;
}

static bool find_parts(struct dwarf_file *dwp, uint64_t signature, struct parts *out)
{
	struct cu_index x;

	*out = (struct parts){0};
	if (!read_index(dwp, &x))
		return false;
	uint32_t row = find_row(dwp, &x, signature);
	if (!row)
		return false;
	for (uint32_t i = 0; i < x.n_columns; i++) {
		uint64_t cell = 4 * ((uint64_t)(row - 1) * x.n_columns + i);
		uint64_t offset = number_at(dwp, x.offsets + cell, 4);

		switch (number_at(dwp, x.columns + 4 * (uint64_t)i, 4)) {
		case DW_SECT_INFO:
			out->info = offset;
			out->info_size = number_at(dwp, x.sizes + cell, 4);
			break;
		case DW_SECT_ABBREV:
			out->abbrev = offset;
			break;
		case DW_SECT_STR_OFFSETS:
			out->str_offsets = offset;
			break;
		case DW_SECT_RNGLISTS:
			out->rnglists = x.version == 5 ? offset : 0;
			break;
		}
	}
	return out->info_size > 0;
}

/* Reads the unit at an offset of a split file; whether it is the skeleton's. */
static bool read_split_unit(struct dwarf_file *f, uint64_t offset, const struct parts *parts,
    const struct dwarf_cu *skeleton, struct dwarf_cu *cu)
{
	if (!mp_dwarf_header(f, offset, cu) || cu->type == DW_UT_split_type || cu->type == DW_UT_type)
		return false;
	cu->abbrev_offset += parts->abbrev;
	if (!mp_dwarf_root(cu, skeleton) || cu->root_tag != DW_TAG_compile_unit)
		return false;
	cu->str_offsets_base += parts->str_offsets;
	cu->rnglists_base += parts->rnglists;
	return !skeleton->has_dwo_id || !cu->has_dwo_id || cu->dwo_id == skeleton->dwo_id;
}

static struct dwarf_file *dwp_of(struct mp_dwarf *d)
{
	if (!d->dwp_tried) {
		d->dwp_tried = true;
		struct mp_elf *e = d->files.dwp ? d->files.dwp(d->files.ctx) : NULL;
		if (e) {
			mp_dwarf_file_init(&d->dwp, d, e, true);
			d->dwp.owned = e;
			d->has_dwp = true;
		}
	}
	return d->has_dwp ? &d->dwp : NULL;
}

static struct dwarf_file *open_dwo(struct mp_dwarf *d, const struct dwarf_cu *skeleton)
{
	char *name = d->files.dwo ? mp_dwarf_text(skeleton, skeleton->dwo_name, NULL) : NULL;
	char *dir = name ? mp_dwarf_text(skeleton, skeleton->comp_dir, NULL) : NULL;
	struct mp_elf *e = name ? d->files.dwo(d->files.ctx, name, dir ? dir : "") : NULL;
	struct dwarf_file *f = e ? calloc(1, sizeof(*f)) : NULL;

	free(name);
	free(dir);
	if (!f) {
		mp_elf_close(e);
		return NULL;
	}
	mp_dwarf_file_init(f, d, e, true);
	f->owned = e;
	return f;
}

bool mp_dwarf_split(
    struct mp_dwarf *d, const struct dwarf_cu *skeleton, struct dwarf_cu *cu, struct dwarf_file **file)
{
	struct dwarf_file *dwp = dwp_of(d);
	struct parts parts;

	*file = NULL;
	if (dwp && skeleton->has_dwo_id && find_parts(dwp, skeleton->dwo_id, &parts) &&
	    read_split_unit(dwp, parts.info, &parts, skeleton, cu))
		return true;

	struct dwarf_file *f = open_dwo(d, skeleton);
	if (!f)
		return false;
	parts = (struct parts){0};
	mp_dwarf_units(f);
	for (size_t i = 0; i < f->n_units; i++) {
		if (read_split_unit(f, f->units[i].offset, &parts, skeleton, cu)) {
			*file = f;
			return true;
		}
	}
	mp_dwarf_damaged(d, "the .dwo file of the unit at %#llx of .debug_info is of another build",
	    (unsigned long long)skeleton->offset);
	mp_dwarf_file_fini(f);
	free(f);
	return false;
}
