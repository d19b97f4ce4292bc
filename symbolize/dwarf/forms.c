/* SPDX-License-Identifier: MIT */
#include "symbolize/dwarf/private.h"

enum layout { NO_FORM, FIXED, ADDRESS, OFFSET, REF_ADDR, LEB, SLEB, STRING, BLOCK, BLOCK_LEB, INDIRECT };

/* How a form's bytes look: `n` is the size of FIXED, or of the length of a BLOCK. */
static const struct form {
	uint8_t layout, n;
} forms[] = {
    [DW_FORM_addr] = {ADDRESS, 0},
    [DW_FORM_block2] = {BLOCK, 2},
    [DW_FORM_block4] = {BLOCK, 4},
    [DW_FORM_data2] = {FIXED, 2},
    [DW_FORM_data4] = {FIXED, 4},
    [DW_FORM_data8] = {FIXED, 8},
    [DW_FORM_string] = {STRING, 0},
    [DW_FORM_block] = {BLOCK_LEB, 0},
    [DW_FORM_block1] = {BLOCK, 1},
    [DW_FORM_data1] = {FIXED, 1},
    [DW_FORM_flag] = {FIXED, 1},
    [DW_FORM_sdata] = {SLEB, 0},
    [DW_FORM_strp] = {OFFSET, 0},
    [DW_FORM_udata] = {LEB, 0},
    [DW_FORM_ref_addr] = {REF_ADDR, 0},
    [DW_FORM_ref1] = {FIXED, 1},
    [DW_FORM_ref2] = {FIXED, 2},
    [DW_FORM_ref4] = {FIXED, 4},
    [DW_FORM_ref8] = {FIXED, 8},
    [DW_FORM_ref_udata] = {LEB, 0},
    [DW_FORM_indirect] = {INDIRECT, 0},
    [DW_FORM_sec_offset] = {OFFSET, 0},
    [DW_FORM_exprloc] = {BLOCK_LEB, 0},
    [DW_FORM_flag_present] = {FIXED, 0},
    [DW_FORM_strx] = {LEB, 0},
    [DW_FORM_addrx] = {LEB, 0},
    [DW_FORM_ref_sup4] = {FIXED, 4},
    [DW_FORM_strp_sup] = {OFFSET, 0},
    [DW_FORM_data16] = {FIXED, 16},
    [DW_FORM_line_strp] = {OFFSET, 0},
    [DW_FORM_ref_sig8] = {FIXED, 8},
    [DW_FORM_implicit_const] = {FIXED, 0},
    [DW_FORM_loclistx] = {LEB, 0},
    [DW_FORM_rnglistx] = {LEB, 0},
    [DW_FORM_ref_sup8] = {FIXED, 8},
    [DW_FORM_strx1] = {FIXED, 1},
    [DW_FORM_strx2] = {FIXED, 2},
    [DW_FORM_strx3] = {FIXED, 3},
    [DW_FORM_strx4] = {FIXED, 4},
    [DW_FORM_addrx1] = {FIXED, 1},
    [DW_FORM_addrx2] = {FIXED, 2},
    [DW_FORM_addrx3] = {FIXED, 3},
    [DW_FORM_addrx4] = {FIXED, 4},
    [DWARF_FORM_ref_sup] = {OFFSET, 0},
};

static struct form form_of(unsigned form)
{
	return form < sizeof(forms) / sizeof(*forms) ? forms[form] : (struct form){NO_FORM, 0};
}

bool mp_dwarf_form_size(unsigned form, const struct dwarf_cu *cu, uint32_t *size)
{
	struct form f = form_of(form);

	switch (f.layout) {
	case NO_FORM:
		return false;
	case FIXED:
		*size = f.n;
		return true;
	case ADDRESS:
		*size = cu->address_size;
		return true;
	case OFFSET:
		*size = cu->offset_size;
		return true;
	case REF_ADDR: /* DWARF 2 had it as an address */
		*size = cu->version == 2 ? cu->address_size : cu->offset_size;
		return true;
	}
	*size = DWARF_VARIABLE;
	return true;
}

static const unsigned char *skip_string(struct dwarf_cursor *c)
{
	const unsigned char *start = c->p, *nul = memchr(c->p, 0, dwarf_left(c));

	if (!nul) {
		c->bad = true;
		c->p = c->end;
		return start;
	}
	c->p = nul + 1;
	return start;
}

/* The form within DW_FORM_indirect: none that is indirect again, or has its value in the abbreviation. */
static unsigned indirect_form(struct dwarf_cursor *c)
{
	uint64_t form = dwarf_uleb(c);

	if (form == DW_FORM_GNU_ref_alt)
		form = DWARF_FORM_ref_sup;
	if (form == DW_FORM_GNU_strp_alt)
		form = DW_FORM_strp_sup;
	if (form == DW_FORM_GNU_addr_index)
		form = DW_FORM_addrx;
	if (form == DW_FORM_GNU_str_index)
		form = DW_FORM_strx;
	if (form == DW_FORM_indirect || form == DW_FORM_implicit_const || form > DWARF_FORM_ref_sup)
		c->bad = true;
	return (unsigned)form;
}

void mp_dwarf_skip_form(struct dwarf_cursor *c, const struct dwarf_cu *cu, unsigned form)
{
	if (form == DW_FORM_indirect) {
		form = indirect_form(c);
		if (c->bad)
			return;
	}

	struct form f = form_of(form);
	uint32_t size;
	switch (f.layout) {
	case LEB:
	case SLEB:
		dwarf_uleb(c);
		return;
	case STRING:
		skip_string(c);
		return;
	case BLOCK:
		dwarf_skip(c, dwarf_fixed(c, f.n));
		return;
	case BLOCK_LEB:
		dwarf_skip(c, dwarf_uleb(c));
		return;
	}
	if (mp_dwarf_form_size(form, cu, &size) && size != DWARF_VARIABLE)
		dwarf_skip(c, size);
	else
		c->bad = true;
}

struct dwarf_value mp_dwarf_value(
    struct dwarf_cursor *c, const struct dwarf_cu *cu, const struct dwarf_step *step)
{
	unsigned form = step->form;
	struct dwarf_value v = {0};
	uint32_t size;

	if (form == DW_FORM_implicit_const)
		return (struct dwarf_value){.form = DW_FORM_implicit_const, .u = (uint64_t)step->value};
	if (form == DW_FORM_indirect)
		form = indirect_form(c);
	v.form = (uint8_t)form;

	struct form f = form_of(form);
	switch (f.layout) {
	case LEB:
		v.u = dwarf_uleb(c);
		return v;
	case SLEB:
		v.u = (uint64_t)dwarf_sleb(c);
		return v;
	case STRING:
		v.p = skip_string(c);
		return v;
	}
	if (mp_dwarf_form_size(form, cu, &size) && size <= 8)
		v.u = dwarf_fixed(c, size);
	else
		mp_dwarf_skip_form(c, cu, form);
	return v;
}

bool mp_dwarf_form_is_constant(unsigned form)
{
	switch (form) {
	case DW_FORM_data1:
	case DW_FORM_data2:
	case DW_FORM_data4:
	case DW_FORM_data8:
	case DW_FORM_sdata:
	case DW_FORM_udata:
	case DW_FORM_implicit_const:
		return true;
	}
	return false;
}

uint64_t mp_dwarf_value_string(const struct dwarf_value *v, const unsigned char *bytes, uint64_t bytes_at)
{
	switch (v->form) {
	case DW_FORM_string:
		return v->p ? dwarf_ref(DWARF_REF_INFO, bytes_at + (uint64_t)(v->p - bytes)) : 0;
	case DW_FORM_strp:
		return dwarf_ref(DWARF_REF_STR, v->u);
	case DW_FORM_line_strp:
		return dwarf_ref(DWARF_REF_LINE_STR, v->u);
	case DW_FORM_strp_sup:
		return dwarf_ref(DWARF_REF_ALT_STR, v->u);
	case DW_FORM_strx:
	case DW_FORM_strx1:
	case DW_FORM_strx2:
	case DW_FORM_strx3:
	case DW_FORM_strx4:
		return dwarf_ref(DWARF_REF_STRX, v->u);
	}
	return 0;
}

bool mp_dwarf_value_address(const struct dwarf_cu *cu, const struct dwarf_value *v, uint64_t *address)
{
	switch (v->form) {
	case DW_FORM_addr:
		*address = v->u;
		return true;
	case DW_FORM_addrx:
	case DW_FORM_addrx1:
	case DW_FORM_addrx2:
	case DW_FORM_addrx3:
	case DW_FORM_addrx4:
		if (v->u > cu->main->section[DWARF_ADDR].size / cu->address_size)
			return false;
		struct dwarf_cursor c = mp_dwarf_peek(
		    cu->main, DWARF_ADDR, cu->addr_base + v->u * cu->address_size, cu->address_size);
		*address = dwarf_fixed(&c, cu->address_size);
		return !c.bad;
	}
	return false;
}

bool mp_dwarf_value_ranges(const struct dwarf_cu *cu, const struct dwarf_value *v, uint64_t *offset)
{
	if (v->form != DW_FORM_rnglistx) {
		/* Before DWARF 5, a .dwo's lists are in the program's section, counted from a base. */
		*offset = v->u + (cu->version < 5 && cu->is_split ? cu->ranges_base : 0);
		return v->form == DW_FORM_sec_offset || v->form == DW_FORM_data4 || v->form == DW_FORM_data8;
	}

	/* An index into a table of offsets, which count from the table's own beginning. */
	struct dwarf_file *f = cu->is_split ? cu->file : cu->main;
	if (v->u > f->section[DWARF_RNGLISTS].size / cu->offset_size)
		return false;
	struct dwarf_cursor c =
	    mp_dwarf_peek(f, DWARF_RNGLISTS, cu->rnglists_base + v->u * cu->offset_size, cu->offset_size);
	*offset = cu->rnglists_base + dwarf_fixed(&c, cu->offset_size);
	return !c.bad;
}

uint64_t mp_dwarf_value_entry(const struct dwarf_cu *cu, const struct dwarf_value *v)
{
	switch (v->form) {
	case DW_FORM_ref1:
	case DW_FORM_ref2:
	case DW_FORM_ref4:
	case DW_FORM_ref8:
	case DW_FORM_ref_udata:
		return v->u < cu->end - cu->offset ? dwarf_ref(DWARF_REF_DIE, cu->offset + v->u) : 0;
	case DW_FORM_ref_addr:
		return dwarf_ref(DWARF_REF_DIE, v->u);
	case DW_FORM_ref_sup4:
	case DW_FORM_ref_sup8:
	case DWARF_FORM_ref_sup:
		return dwarf_ref(DWARF_REF_ALT_DIE, v->u);
	}
	return 0; /* DW_FORM_ref_sig8 is for types */
}
