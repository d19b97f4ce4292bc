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

/* So many functions inside one another may be the fast path. */
#define DEPTH_MAX 2

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
	int depth;    /* 0: it is an entry point */
	bool has_fast_path, found_fast_path;
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

static bool is_function(const struct mp_slow_path *s, uint64_t vaddr)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->functions[i].vaddr == vaddr)
			return true;
	return false;
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
	f->size = named.size ? named.size : size_by_cfi(file, vaddr);
	return f;
}

static bool is_caller(const struct mp_slow_path *s, uint64_t vaddr)
{
	for (size_t i = 0; i < s->n_callers; i++)
		if (s->callers[i].vaddr == vaddr)
			return true;
	return false;
}

/* Another file's function: memset, pthread_mutex_lock. */
static bool is_elsewhere(void *ctx, uint64_t to)
{
	return !behind_stub(ctx, to);
}

struct code {
	unsigned char at[FUNCTION_BYTES_MAX];
	size_t n;
};

static bool read_code(const struct mp_slow_file *file, const struct mp_slow_caller *f, struct code *out)
{
	uint64_t offset;

	if (!mp_elf_vaddr_to_offset(file->elf, f->vaddr, &offset))
		return false;
	out->n =
	    mp_elf_read(file->elf, offset, out->at, f->size < sizeof(out->at) ? f->size : sizeof(out->at));
	return out->n;
}

static bool has_fast_path(const struct mp_slow_file *file, const struct mp_slow_caller *f, bool is_entry)
{
	struct code code;

	return read_code(file, f, &code) &&
	       mp_insn_returns_alone(code.at, code.n, f->vaddr, is_entry && mp_op_ignores_null(f->op),
		   is_elsewhere, (void *)file);
}

static struct mp_slow_caller as_caller(const struct mp_slow_file *file, uint64_t vaddr, unsigned int op)
{
	struct named named = {.vaddr = vaddr};

	if (!mp_elf_each_function(file->elf, by_address, &named) || !named.size)
		named.size = size_by_cfi(file, vaddr);
	return (struct mp_slow_caller){vaddr, named.size, op};
}

static bool add(struct mp_slow_path *s, const struct mp_slow_file *file, const struct mp_slow_caller *caller,
    bool by_jump, int depth);

/* The caller has no fast path of its own: where a function has one that it calls, that is it. */
static bool take_as_part(struct walk *w, uint64_t to, bool by_jump)
{
	const struct mp_slow_caller callee = as_caller(w->file, to, w->caller->op);

	return w->depth < DEPTH_MAX && has_fast_path(w->file, &callee, false) &&
	       add(w->s, w->file, &callee, by_jump, w->depth + 1);
}

static int take_exit(void *ctx, const struct mp_insn_exit *exit)
{
	struct walk *w = ctx;
	unsigned int op = w->caller->op;
	uint64_t to = behind_stub(w->file, exit->to);
	bool by_jump = exit->is_jump && w->by_jump;

	if (!to || !is_entered_here(w->file->cfi, to) || w->file->is_entry(w->file->ctx, to))
		return 0;
	if (is_caller(w->s, to))
		return 0; /* on the fast path of another */
	if (!w->has_fast_path && !is_function(w->s, to) && take_as_part(w, to, by_jump)) {
		w->found_fast_path = true;
		return 0;
	}
	struct mp_slow_function *f = function_at(w->s, w->file, to);
	if (!f)
		return 1;
	f->ops |= 1u << op;
	if (by_jump && (f->op_by_jump < 0 || f->op_by_jump > (int)op))
		f->op_by_jump = (int)op;
	for (unsigned int i = 0; i < MP_INSN_ARGS; i++) {
		unsigned int own = exit->hands_on[i] ? MP_ARG(exit->hands_on[i]) : 0;
		if (w->depth == 0 && own && own == size_arg(op))
			f->size_arg = i + 1;
		if (w->depth == 0 && own && own == ptr_arg(op))
			f->ptr_arg = i + 1;
	}
	return 0;
}

/* True: its fast path can be told. */
static bool add(struct mp_slow_path *s, const struct mp_slow_file *file, const struct mp_slow_caller *caller,
    bool by_jump, int depth)
{
	struct walk w = {.s = s, .file = file, .caller = caller, .by_jump = by_jump, .depth = depth};
	struct code code;

	if (is_caller(s, caller->vaddr))
		return true; /* of another operation, which has it first */
	if (s->n_callers == MP_SLOW_CALLERS_MAX || !read_code(file, caller, &code)) {
		s->is_cut = true;
		return false;
	}
	w.has_fast_path = depth || has_fast_path(file, caller, true);
	s->callers[s->n_callers++] = *caller;
	mp_insn_each_exit(code.at, code.n, caller->vaddr, take_exit, &w);
	return w.has_fast_path || w.found_fast_path;
}

static bool is_hot(unsigned int op)
{
	return op == MP_OP_MALLOC || op == MP_OP_FREE || op == MP_OP_NEW || op == MP_OP_DELETE;
}

void mp_slow_path_find(
    struct mp_slow_path *s, const struct mp_slow_file *file, const struct mp_slow_caller *entries, size_t n)
{
	/* What is on the fast path of those that are called all the time is no slow path of others, and what
	 * is off it is no fast path of others. */
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < n; i++)
			if (is_hot(entries[i].op) == !round && add(s, file, &entries[i], true, 0))
				s->ops |= 1u << entries[i].op;
}

int mp_slow_path_deeper(struct mp_slow_path *s, const struct mp_slow_file *file, size_t i, unsigned int op)
{
	const struct mp_slow_function f = s->functions[i];
	const struct mp_slow_caller caller = as_caller(file, f.vaddr, op);
	size_t before = s->n - 1;

	s->functions[i] = s->functions[--s->n];
	add(s, file, &caller, f.op_by_jump == (int)op, 1);
	return s->n > before ? 0 : -ENOENT;
}
