/* SPDX-License-Identifier: MIT */
#include "symbolize/unwind/cfi_private.h"

#include <elf.h>
#include <libdwarf/dwarf.h>
#include <string.h>

/*
 * The instructions of DWARF's call frame information (DWARF 5, 6.4.2), executed once per function for all its
 * rows: libdwarf's own interpreter begins anew for each row asked for.
 *
 * Of all registers, what matters to a flat table is followed: the CFA, the return address, the frame pointer,
 * and whether the stack pointer is what it always is, the CFA.
 */

/* Compilers nest DW_CFA_remember_state twice at most. */
#define REMEMBERED_MAX 16

struct rule {
	enum { SAME, UNDEFINED, AT_CFA, AT_FP, OTHER } kind;
	int64_t offset; /* AT_CFA: saved at CFA + offset; AT_FP: at frame pointer + offset */
};

struct state {
	enum { CFA_REGISTER, CFA_DEREF, CFA_PLT, CFA_OTHER } cfa;
	uint64_t cfa_reg;
	int64_t cfa_offset; /* CFA_PLT: from which byte of its 16 on an entry has pushed its number */
	struct rule ra, fp, sp;
};

struct bytes {
	const uint8_t *at, *end;
	bool bad; /* read past the end */
};

struct machine {
	const struct cfi_cie *cie;
	uint64_t fp_reg, sp_reg, ra_reg;
	struct state now, initial, remembered[REMEMBERED_MAX];
	size_t n_remembered;
	bool in_cie; /* no rows are made */
	uint64_t loc, end;
	struct cfi_rows *rows;
	int rc;
};

static uint64_t read_fixed(struct bytes *b, size_t n)
{
	uint64_t value = 0;

	if ((size_t)(b->end - b->at) < n) {
		b->bad = true;
		return 0;
	}
	memcpy(&value, b->at, n); /* the machine's own byte order: mp_elf_open() takes no other */
	b->at += n;
	return value;
}

static uint64_t read_leb(struct bytes *b, bool is_signed)
{
	uint64_t value = 0;
	unsigned shift = 0;

	while (b->at < b->end) {
		uint8_t byte = *b->at++;

		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
		if (byte & 0x80)
			continue;
		if (is_signed && (byte & 0x40) && shift < 64)
			value |= ~UINT64_C(0) << shift;
		return value;
	}
	b->bad = true;
	return 0;
}

static uint64_t uleb(struct bytes *b)
{
	return read_leb(b, false);
}

static int64_t sleb(struct bytes *b)
{
	return (int64_t)read_leb(b, true);
}

static struct bytes block(struct bytes *b)
{
	uint64_t n = uleb(b);
	struct bytes inner = {b->at, b->at, true};

	if (b->bad || n > (uint64_t)(b->end - b->at)) {
		b->bad = true;
		return inner;
	}
	b->at += n;
	return (struct bytes){inner.at, b->at, false};
}

/* ---- From a state to a row ---- */

static bool in_row(int64_t offset)
{
	return offset > INT16_MIN && offset <= INT16_MAX;
}

static int64_t scaled(int64_t value, int64_t by)
{
	int64_t result;

	return __builtin_mul_overflow(value, by, &result) ? INT64_MIN : result;
}

/* MP_CFI_COMPLEX when the CFA is not one of the flat forms. */
static enum mp_cfi_rule cfa_rule(const struct machine *m)
{
	const struct state *s = &m->now;

	if (s->cfa_offset < -(1 << 27) || s->cfa_offset >= 1 << 27)
		return MP_CFI_COMPLEX;
	if (s->cfa == CFA_PLT)
		return MP_CFI_PLT;
	if (s->cfa == CFA_DEREF && s->cfa_reg == m->fp_reg)
		return MP_CFI_FP_DEREF;
	if (s->cfa == CFA_REGISTER && s->cfa_reg == m->sp_reg)
		return MP_CFI_SP;
	if (s->cfa == CFA_REGISTER && s->cfa_reg == m->fp_reg)
		return MP_CFI_FP;
	return MP_CFI_COMPLEX;
}

/* Sets row->ra and row->fp; false when they do not fit. */
static bool saved_in_row(const struct machine *m, struct mp_cfi_row *row)
{
	const struct state *s = &m->now;
	int64_t fp = MP_CFI_SAME;

	/* A return address in its register is arm64's; on x86-64 it is always in memory. */
	if (s->ra.kind == SAME && m->cie->machine == EM_AARCH64)
		row->ra = MP_CFI_SAME;
	else if (s->ra.kind == AT_CFA && in_row(s->ra.offset))
		row->ra = (int16_t)s->ra.offset;
	else
		return false;

	if (s->fp.kind == AT_CFA && row->rule != MP_CFI_FP_DEREF)
		fp = s->fp.offset;
	else if (s->fp.kind == AT_FP && row->rule == MP_CFI_FP_DEREF)
		fp = s->fp.offset;
	else if (s->fp.kind == AT_FP && row->rule == MP_CFI_FP)
		fp = s->fp.offset - s->cfa_offset;
	else if (s->fp.kind != SAME && s->fp.kind != UNDEFINED)
		return false;
	if (fp != MP_CFI_SAME && !in_row(fp))
		return false;
	row->fp = (int16_t)fp;
	return true;
}

static struct mp_cfi_row row_of(const struct machine *m)
{
	struct mp_cfi_row row = {.addr = (uint32_t)m->loc, .ra = MP_CFI_SAME, .fp = MP_CFI_SAME};
	struct mp_cfi_row complex = row;

	complex.rule = MP_CFI_COMPLEX;
	if (m->cie->is_signal) {
		row.rule = MP_CFI_SIGNAL;
		return row;
	}
	if (m->cie->ra_reg != m->ra_reg)
		return complex;
	if (m->now.ra.kind == UNDEFINED) {
		row.rule = MP_CFI_OUTERMOST;
		return row;
	}
	row.rule = cfa_rule(m);
	if (row.rule == MP_CFI_COMPLEX || m->now.sp.kind != SAME || !saved_in_row(m, &row))
		return complex;
	row.cfa_offset = (int32_t)m->now.cfa_offset;
	return row;
}

static void add_row(struct machine *m)
{
	struct mp_cfi_row row = row_of(m);

	if (m->rc == 0)
		m->rc = mp_cfi_rows_add(m->rows, &row);
}

/* ---- Instructions ---- */

/* The code from here to `to` has the rules collected so far. False at the function's end. */
static bool advance_to(struct machine *m, uint64_t to)
{
	if (m->in_cie || to <= m->loc)
		return to == m->loc || m->in_cie;
	add_row(m);
	if (m->rc < 0 || to >= m->end) {
		m->loc = m->end;
		return false;
	}
	m->loc = to;
	return true;
}

static bool advance(struct machine *m, uint64_t delta)
{
	uint64_t bytes;

	if (__builtin_mul_overflow(delta, m->cie->code_align, &bytes) || bytes > UINT32_MAX)
		return advance_to(m, m->end);
	return advance_to(m, m->loc + bytes);
}

static struct rule *rule_of(struct machine *m, struct state *s, uint64_t reg)
{
	return reg == m->ra_reg ? &s->ra : reg == m->fp_reg ? &s->fp : reg == m->sp_reg ? &s->sp : NULL;
}

static void set_rule(struct machine *m, uint64_t reg, struct rule rule)
{
	struct rule *to = rule_of(m, &m->now, reg);

	if (to)
		*to = rule;
}

static void set_saved(struct machine *m, uint64_t reg, int64_t factored)
{
	int64_t offset = scaled(factored, m->cie->data_align);

	set_rule(m, reg, offset == INT64_MIN ? (struct rule){OTHER, 0} : (struct rule){AT_CFA, offset});
}

static void restore_rule(struct machine *m, uint64_t reg)
{
	struct rule *from = rule_of(m, &m->initial, reg);

	if (from)
		set_rule(m, reg, *from);
}

/* The rule of every PLT that GNU ld and gold make: 8(%rsp), or 16(%rsp) from where the entry pushes. */
static bool plt_expression(const struct bytes *b, int64_t *pushed_from)
{
	static const uint8_t head[] = {DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and},
			     tail[] = {DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus};
	const uint8_t *lit = b->at + sizeof(head);

	if (b->end - b->at != sizeof(head) + 1 + sizeof(tail) || memcmp(b->at, head, sizeof(head)) != 0 ||
	    memcmp(lit + 1, tail, sizeof(tail)) != 0 || *lit < DW_OP_lit0 || *lit > DW_OP_lit15)
		return false;
	*pushed_from = *lit - DW_OP_lit0;
	return true;
}

/* Whether it is DW_OP_breg of a register, with `tail` behind it if that is not 0. */
static bool register_expression(struct bytes b, uint64_t *reg, int64_t *offset, uint8_t tail)
{
	if (b.at == b.end || *b.at < DW_OP_breg0 || *b.at > DW_OP_breg31)
		return false;
	*reg = (uint64_t)(*b.at++ - DW_OP_breg0);
	*offset = sleb(&b);
	if (b.bad || *offset < INT32_MIN || *offset > INT32_MAX)
		return false;
	return tail ? b.end - b.at == 1 && *b.at == tail : b.at == b.end;
}

static void set_cfa_expression(struct machine *m, struct bytes b)
{
	struct state *s = &m->now;

	s->cfa = CFA_OTHER;
	if (m->cie->machine == EM_X86_64 && plt_expression(&b, &s->cfa_offset))
		s->cfa = CFA_PLT;
	else if (register_expression(b, &s->cfa_reg, &s->cfa_offset, DW_OP_deref))
		s->cfa = CFA_DEREF;
}

static void set_expression(struct machine *m, uint64_t reg, struct bytes b)
{
	struct rule rule = {OTHER, 0};
	uint64_t base;

	if (register_expression(b, &base, &rule.offset, 0) && base == m->fp_reg)
		rule.kind = AT_FP;
	set_rule(m, reg, rule);
}

static void set_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
	m->now.cfa = CFA_REGISTER;
	m->now.cfa_reg = reg;
	m->now.cfa_offset = offset;
}

/* The instructions with their first operand in the opcode. */
static bool short_instruction(struct machine *m, uint8_t op, struct bytes *b)
{
	uint8_t operand = op & 0x3f;

	switch (op & 0xc0) {
	case DW_CFA_advance_loc:
		return advance(m, operand);
	case DW_CFA_offset:
		set_saved(m, operand, (int64_t)uleb(b));
		return true;
	default: /* DW_CFA_restore */
		restore_rule(m, operand);
		return true;
	}
}

/* Those that say where the CFA is; false with *known false for others. */
static bool cfa_instruction(struct machine *m, uint8_t op, struct bytes *b)
{
	uint64_t reg;

	switch (op) {
	case DW_CFA_def_cfa:
		reg = uleb(b);
		set_cfa(m, reg, (int64_t)uleb(b));
		return true;
	case DW_CFA_def_cfa_sf:
		reg = uleb(b);
		set_cfa(m, reg, scaled(sleb(b), m->cie->data_align));
		return true;
	case DW_CFA_def_cfa_register:
		set_cfa(m, uleb(b), m->now.cfa_offset);
		return true;
	case DW_CFA_def_cfa_offset:
		m->now.cfa_offset = (int64_t)uleb(b);
		return true;
	case DW_CFA_def_cfa_offset_sf:
		m->now.cfa_offset = scaled(sleb(b), m->cie->data_align);
		return true;
	case DW_CFA_def_cfa_expression:
		set_cfa_expression(m, block(b));
		return true;
	default:
		return false;
	}
}

/* Those that say where a register is. */
static bool register_instruction(struct machine *m, uint8_t op, struct bytes *b)
{
	uint64_t reg = uleb(b);

	switch (op) {
	case DW_CFA_offset_extended:
		set_saved(m, reg, (int64_t)uleb(b));
		return true;
	case DW_CFA_offset_extended_sf:
		set_saved(m, reg, sleb(b));
		return true;
	case DW_CFA_GNU_negative_offset_extended:
		set_saved(m, reg, (int64_t)-uleb(b));
		return true;
	case DW_CFA_restore_extended:
		restore_rule(m, reg);
		return true;
	case DW_CFA_undefined:
		set_rule(m, reg, (struct rule){UNDEFINED, 0});
		return true;
	case DW_CFA_same_value:
		set_rule(m, reg, (struct rule){SAME, 0});
		return true;
	case DW_CFA_register:
	case DW_CFA_val_offset:
		uleb(b);
		set_rule(m, reg, (struct rule){OTHER, 0});
		return true;
	case DW_CFA_val_offset_sf:
		sleb(b);
		set_rule(m, reg, (struct rule){OTHER, 0});
		return true;
	case DW_CFA_expression:
		set_expression(m, reg, block(b));
		return true;
	case DW_CFA_val_expression:
		block(b);
		set_rule(m, reg, (struct rule){OTHER, 0});
		return true;
	default:
		return false;
	}
}

/* The rest; false at the function's end and for what is not known, such as DW_CFA_set_loc, which nobody
 * writes. */
static bool other_instruction(struct machine *m, uint8_t op, struct bytes *b)
{
	switch (op) {
	case DW_CFA_nop:
	case DW_CFA_GNU_window_save: /* on arm64: negate_ra_state; signatures are masked in unwinding */
		return true;
	case DW_CFA_advance_loc1:
		return advance(m, read_fixed(b, 1));
	case DW_CFA_advance_loc2:
		return advance(m, read_fixed(b, 2));
	case DW_CFA_advance_loc4:
		return advance(m, read_fixed(b, 4));
	case DW_CFA_remember_state:
		if (m->n_remembered == REMEMBERED_MAX)
			return false;
		m->remembered[m->n_remembered++] = m->now;
		return true;
	case DW_CFA_restore_state:
		if (!m->n_remembered)
			return false;
		m->now = m->remembered[--m->n_remembered];
		return true;
	case DW_CFA_GNU_args_size:
		uleb(b);
		return true;
	default:
		return false;
	}
}

static bool instruction(struct machine *m, struct bytes *b)
{
	uint8_t op = *b->at++;

	if (op & 0xc0)
		return short_instruction(m, op, b);
	if (op == DW_CFA_def_cfa_register || (op >= DW_CFA_def_cfa && op <= DW_CFA_def_cfa_expression) ||
	    op == DW_CFA_def_cfa_sf || op == DW_CFA_def_cfa_offset_sf)
		return cfa_instruction(m, op, b);
	if (op <= DW_CFA_advance_loc4 || op == DW_CFA_remember_state || op == DW_CFA_restore_state ||
	    op == DW_CFA_GNU_window_save || op == DW_CFA_GNU_args_size)
		return other_instruction(m, op, b);
	return register_instruction(m, op, b);
}

/* True when all was executed, or the function's end reached. */
static bool execute(struct machine *m, const uint8_t *program, size_t n)
{
	struct bytes b = {program, program + n, false};

	while (b.at < b.end && m->rc == 0)
		if (!instruction(m, &b) || b.bad)
			return !b.bad && !m->in_cie && m->loc == m->end;
	return true;
}

int mp_cfi_program_run(const struct cfi_cie *cie, const uint8_t *program, size_t n, uint32_t start,
    uint32_t end, struct cfi_rows *rows)
{
	bool arm = cie->machine == EM_AARCH64;
	struct machine m = {.cie = cie,
	    .fp_reg = arm ? 29 : 6,
	    .sp_reg = arm ? 31 : 7,
	    .ra_reg = arm ? 30 : 16,
	    .now = {.cfa = CFA_OTHER},
	    .in_cie = true,
	    .loc = start,
	    .end = end,
	    .rows = rows};

	bool good = execute(&m, cie->program, cie->n_program);
	m.in_cie = false;
	m.initial = m.now;
	m.n_remembered = 0;
	if (good)
		good = execute(&m, program, n);
	if (good && m.loc < m.end)
		add_row(&m);
	if (!good && m.rc == 0) {
		struct mp_cfi_row none = {.addr = (uint32_t)m.loc, .rule = MP_CFI_NONE};
		m.rc = mp_cfi_rows_add(rows, &none);
	}
	return m.rc;
}
