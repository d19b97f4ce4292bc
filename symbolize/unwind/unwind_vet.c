/* SPDX-License-Identifier: MIT */
#include "symbolize/unwind/unwind_private.h"

#include <libdwarf/dwarf.h>

/*
 * libunwind executes what a hostile file says: DW_OP_div divides the least integer by -1 (SIGFPE), DW_OP_skip
 * jumps back for ever. What compilers, linkers and people write into unwind tables needs neither: sums,
 * reads, comparisons. An expression of other operations is not handed on. Neither is a register
 * that there is not: libunwind takes DW_CFA_register's for an index without a look at it.
 */

#ifdef __aarch64__
#define SAVED_REG_MAX 95 /* with the vector registers */
#define VALUE_REG_MAX 31
#else
#define SAVED_REG_MAX 16
#define VALUE_REG_MAX 16
#endif

/* Compilers nest DW_CFA_remember_state twice at most. */
#define REMEMBERED_MAX 16

#define INSTRUCTIONS_MAX 10000
#define OPERATIONS_MAX   64 /* also fewer than libunwind's stack holds */

struct bytes {
	const uint8_t *at, *end;
	bool bad;
};

static void skip(struct bytes *b, uint64_t n)
{
	if (n > (uint64_t)(b->end - b->at))
		b->bad = true;
	else
		b->at += n;
}

static uint64_t leb(struct bytes *b)
{
	uint64_t value = 0;

	for (unsigned shift = 0; b->at < b->end && shift < 63; shift += 7) {
		uint8_t byte = *b->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	b->bad = true;
	return 0;
}

static uint8_t byte(struct bytes *b)
{
	if (b->at < b->end)
		return *b->at++;
	b->bad = true;
	return 0;
}

static bool operation_is_plain(uint8_t op)
{
	return op == DW_OP_deref || op == DW_OP_dup || op == DW_OP_drop || op == DW_OP_over ||
	       op == DW_OP_swap || op == DW_OP_rot || op == DW_OP_abs || op == DW_OP_and ||
	       op == DW_OP_minus || op == DW_OP_mul || op == DW_OP_neg || op == DW_OP_not || op == DW_OP_or ||
	       op == DW_OP_plus || op == DW_OP_xor || op == DW_OP_nop || op == DW_OP_shl || op == DW_OP_shr ||
	       op == DW_OP_shra || (op >= DW_OP_eq && op <= DW_OP_ne) ||
	       (op >= DW_OP_lit0 && op <= DW_OP_lit31);
}

static bool operation_good(uint8_t op, struct bytes *b)
{
	if (operation_is_plain(op))
		return true;
	if (op >= DW_OP_breg0 && op <= DW_OP_breg31) {
		leb(b);
		return op - DW_OP_breg0 <= VALUE_REG_MAX;
	}
	switch (op) {
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_pick:
		skip(b, 1);
		return true;
	case DW_OP_deref_size:
		return byte(b) <= 8;
	case DW_OP_const2u:
	case DW_OP_const2s:
		skip(b, 2);
		return true;
	case DW_OP_const4u:
	case DW_OP_const4s:
		skip(b, 4);
		return true;
	case DW_OP_const8u:
	case DW_OP_const8s:
	case DW_OP_addr:
		skip(b, 8);
		return true;
	case DW_OP_constu:
	case DW_OP_consts:
	case DW_OP_plus_uconst:
		leb(b);
		return true;
	default:
		return false;
	}
}

static bool block_good(struct bytes *b)
{
	uint64_t n = leb(b);
	struct bytes inner = {b->at, b->at, false};

	skip(b, n);
	if (b->bad)
		return false;
	inner.end = b->at;
	for (int i = 0; inner.at < inner.end; i++)
		if (i == OPERATIONS_MAX || !operation_good(*inner.at++, &inner) || inner.bad)
			return false;
	return true;
}

/* The operands of `op`, whose upper two bits are not set, but for those that keep a state. */
static bool operands_good(uint8_t op, struct bytes *b)
{
	uint64_t reg;

	switch (op) {
	case DW_CFA_nop:
	case DW_CFA_GNU_window_save:
		return true;
	case DW_CFA_advance_loc1:
		skip(b, 1);
		return true;
	case DW_CFA_advance_loc2:
		skip(b, 2);
		return true;
	case DW_CFA_advance_loc4:
		skip(b, 4);
		return true;
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
	case DW_CFA_GNU_args_size:
		leb(b);
		return true;
	case DW_CFA_restore_extended:
	case DW_CFA_undefined:
	case DW_CFA_same_value:
		return leb(b) <= SAVED_REG_MAX;
	case DW_CFA_def_cfa_register:
		return leb(b) <= VALUE_REG_MAX;
	case DW_CFA_offset_extended:
	case DW_CFA_offset_extended_sf:
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
	case DW_CFA_GNU_negative_offset_extended:
		reg = leb(b);
		leb(b);
		return reg <= SAVED_REG_MAX;
	case DW_CFA_def_cfa:
	case DW_CFA_def_cfa_sf:
		reg = leb(b);
		leb(b);
		return reg <= VALUE_REG_MAX;
	case DW_CFA_register:
		reg = leb(b);
		return leb(b) <= VALUE_REG_MAX && reg <= SAVED_REG_MAX;
	case DW_CFA_def_cfa_expression:
		return block_good(b);
	case DW_CFA_expression:
	case DW_CFA_val_expression:
		return leb(b) <= SAVED_REG_MAX && block_good(b);
	default:
		return false;
	}
}

bool mp_unwind_vet(const uint8_t *program, size_t n, bool is_cie)
{
	struct bytes b = {program, program + n, false};
	int remembered = 0;

	for (int i = 0; b.at < b.end; i++) {
		uint8_t op = *b.at++;

		if (i == INSTRUCTIONS_MAX)
			return false;
		/* A CIE comes before there is anything to go back to. */
		if (is_cie && ((op & 0xc0) == DW_CFA_restore || op == DW_CFA_restore_extended ||
				  op == DW_CFA_remember_state || op == DW_CFA_restore_state))
			return false;
		if (((op & 0xc0) == DW_CFA_offset || (op & 0xc0) == DW_CFA_restore) &&
		    (op & 0x3f) > SAVED_REG_MAX)
			return false;
		if ((op & 0xc0) == DW_CFA_offset)
			leb(&b);
		else if (op == DW_CFA_remember_state)
			remembered++;
		else if (op == DW_CFA_restore_state)
			remembered--;
		else if (!(op & 0xc0) && !operands_good(op, &b))
			return false;
		if (b.bad || remembered < 0 || remembered > REMEMBERED_MAX)
			return false;
	}
	return true;
}
