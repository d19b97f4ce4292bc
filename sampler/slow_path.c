/* SPDX-License-Identifier: MIT */
#include "sampler/slow_path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sampler/insn.h"
#include "sampler/profile.h"
#include "store/op.h"

#define FUNCTION_BYTES_MAX 8192

/* The size of a function that no symbol tells is found by its call frame information, in steps. */
#define STEP_BYTES 4

/* A product (calloc's) is handed on as such, if at all; realloc's block may be any. */
static unsigned int size_arg(unsigned int op)
{
	return op == MP_OP_CALLOC || op == MP_OP_REALLOCARRAY ? 0 : mp_op_args(op).size;
}

static unsigned int ptr_arg(unsigned int op)
{
	return mp_op_ignores_null(op) ? mp_op_args(op).ptr : 0;
}

struct walk {
	struct mp_slow_path *s;
	const struct mp_slow_file *file;
	const struct mp_slow_caller *caller;
	bool by_jump; /* the caller itself may have been reached by a jump, for its operation */
	size_t found;
};

/* ---- Names ---- */

struct named {
	const char *name;
	uint64_t vaddr; /* one of the two is looked for */
	uint64_t size;
	bool is_found;
};

static int by_name(void *ctx, const struct mp_elf_sym *sym)
{
	struct named *n = ctx;

	if (strcmp(sym->name, n->name))
		return 0;
	n->vaddr = sym->vaddr;
	return n->is_found = true;
}

static int by_address(void *ctx, const struct mp_elf_sym *sym)
{
	struct named *n = ctx;

	if (sym->vaddr != n->vaddr)
		return 0;
	n->name = sym->name;
	n->size = sym->size;
	return n->is_found = true;
}

/* ---- Functions ---- */

/* The return address lies on top of the stack. */
static bool is_entered_here(const struct mp_cfi *cfi, uint64_t vaddr)
{
	const struct mp_cfi_row *row = mp_cfi_find(cfi, vaddr);

#ifdef __x86_64__
	return row && row->rule == MP_CFI_SP && row->cfa_offset == 8 && row->ra == -8;
#else
	return row && row->rule == MP_CFI_SP && !row->cfa_offset && row->ra == MP_CFI_SAME;
#endif
}

/* What a call of `to` runs: through a stub (PLT entry), the file's own definition of what that is bound to.
 * 0: code of another file, which is no slow path of this one. */
static uint64_t behind_stub(const struct mp_slow_file *file, uint64_t to)
{
	unsigned char stub[32];
	uint64_t offset;

	if (!mp_elf_vaddr_to_offset(file->elf, to, &offset))
		return 0;
	size_t n = mp_elf_read(file->elf, offset, stub, sizeof(stub));
	uint64_t slot = mp_insn_stub_slot(stub, n, to);
	if (!slot)
		return to;
	struct named n_ = {.name = mp_elf_slot_symbol(file->elf, slot)};
	return n_.name && mp_elf_each_function(file->elf, by_name, &n_) ? n_.vaddr : 0;
}

static struct mp_slow_function *function_at(
    struct mp_slow_path *s, const struct mp_slow_file *file, uint64_t vaddr)
{
	struct named named = {.vaddr = vaddr};

	for (size_t i = 0; i < s->n; i++)
		if (s->functions[i].vaddr == vaddr)
			return &s->functions[i];
	if (s->n == MP_SLOW_FUNCTIONS_MAX) {
		s->is_cut = true;
		return NULL;
	}
	struct mp_slow_function *f = &s->functions[s->n++];
	*f = (struct mp_slow_function){.vaddr = vaddr, .op_by_jump = -1};
	if (mp_elf_each_function(file->elf, by_address, &named))
		snprintf(f->name, sizeof(f->name), "%s", named.name);
	return f;
}

static int take_exit(void *ctx, const struct mp_insn_exit *exit)
{
	struct walk *w = ctx;
	unsigned int op = w->caller->op;
	uint64_t to = behind_stub(w->file, exit->to);

	if (!to || !is_entered_here(w->file->cfi, to) || w->file->is_entry(w->file->ctx, to))
		return 0;
	struct mp_slow_function *f = function_at(w->s, w->file, to);
	if (!f)
		return 1;
	w->found++;
	f->ops |= 1u << op;
	if (exit->is_jump && w->by_jump && (f->op_by_jump < 0 || f->op_by_jump > (int)op))
		f->op_by_jump = (int)op;
	for (unsigned int i = 0; i < MP_INSN_ARGS; i++) {
		unsigned int own = exit->hands_on[i] ? MP_ARG(exit->hands_on[i]) : 0;
		if (own && own == size_arg(op))
			f->size_arg = i + 1;
		if (own && own == ptr_arg(op))
			f->ptr_arg = i + 1;
	}
	return 0;
}

static int walk(struct mp_slow_path *s, const struct mp_slow_file *file, const struct mp_slow_caller *caller,
    bool by_jump)
{
	unsigned char code[FUNCTION_BYTES_MAX];
	struct walk w = {.s = s, .file = file, .caller = caller, .by_jump = by_jump};
	uint64_t offset;

	if (s->n_callers == MP_SLOW_CALLERS_MAX ||
	    !mp_elf_vaddr_to_offset(file->elf, caller->vaddr, &offset)) {
		s->is_cut = true;
		return -ENOENT;
	}
	size_t n =
	    mp_elf_read(file->elf, offset, code, caller->size < sizeof(code) ? caller->size : sizeof(code));
	if (mp_insn_each_exit(code, n, caller->vaddr, take_exit, &w) < 0)
		return -ENOMEM;
	if (!w.found)
		return -ENOENT;
	s->callers[s->n_callers++] = *caller;
	return 0;
}

int mp_slow_path_add(
    struct mp_slow_path *s, const struct mp_slow_file *file, const struct mp_slow_caller *caller)
{
	return walk(s, file, caller, true);
}

/* Up to where the code behind `vaddr` is described without a gap. */
static uint64_t size_by_cfi(const struct mp_slow_file *file, uint64_t vaddr)
{
	uint64_t end = mp_elf_code_end(file->elf, vaddr), at = vaddr;

	while (at < end && at - vaddr < FUNCTION_BYTES_MAX) {
		const struct mp_cfi_row *row = mp_cfi_find(file->cfi, at);
		if (!row || row->rule == MP_CFI_NONE)
			break;
		at += STEP_BYTES;
	}
	return at - vaddr;
}

int mp_slow_path_deeper(struct mp_slow_path *s, const struct mp_slow_file *file, size_t i, unsigned int op)
{
	const struct mp_slow_function f = s->functions[i];
	struct named named = {.vaddr = f.vaddr};

	s->functions[i] = s->functions[--s->n];
	if (!mp_elf_each_function(file->elf, by_address, &named) || !named.size)
		named.size = size_by_cfi(file, f.vaddr);
	const struct mp_slow_caller caller = {f.vaddr, named.size, op};
	return walk(s, file, &caller, f.op_by_jump == (int)op);
}
