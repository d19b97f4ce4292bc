/* SPDX-License-Identifier: MIT */
#include "sampler/span.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sampler/grow.h"
#include "sampler/insn.h"
#include "symbolize/demangle/demangle.h"
#include "symbolize/elf/elf.h"
#include "symbolize/elf/section.h"

#define MAX_FUNCTION_BYTES (1u << 20) /* of code that is decoded */

struct symbol {
	uint64_t vaddr, size;
	size_t span;   /* index of the function that is meant; SIZE_MAX: none */
	bool is_part;  /* of a function, moved away from it */
	bool is_named; /* by a glob without wildcards */
};

/* What is looked for, and what of it was found. */
struct search {
	const struct mp_target *target;
	const char *const *globs;
	size_t n_globs;
	enum where { NOWHERE, IN_PROGRAM, IN_LIBRARY } * matched; /* by glob */
	bool in_libraries;                                        /* the program has been searched */
	size_t functions_seen, too_many;
	struct mp_span_set *out;
	size_t room;
	bool out_of_memory;

	/* The module that is searched: its function symbols, by address once they are all there. */
	const struct mp_module *module;
	const struct mp_elf *elf;
	struct symbol *symbols;
	size_t n_symbols, symbols_room;
	int failed;
	struct mp_err *err;
};

/* ---- Which functions ---- */

enum match { NO_MATCH, WILDCARD, NAMED };

/* What the program itself has is not looked for in libraries. */
static enum match matches(struct search *s, const char *raw, const char *name)
{
	enum match best = NO_MATCH;

	for (size_t i = 0; i < s->n_globs; i++) {
		bool is_wild = s->globs[i][strcspn(s->globs[i], "*?[")];
		if ((s->in_libraries && s->matched[i] == IN_PROGRAM) ||
		    (fnmatch(s->globs[i], name, 0) && fnmatch(s->globs[i], raw, 0)))
			continue;
		s->matched[i] = s->in_libraries ? IN_LIBRARY : IN_PROGRAM;
		best = is_wild && best != NAMED ? WILDCARD : NAMED;
	}
	return best;
}

/* Parts of a function that the compiler has moved away have the function's name and a suffix (GCC, LLVM). */
static bool is_part(const char *raw)
{
	return strstr(raw, ".cold") || strstr(raw, ".part.");
}

static size_t add_function(struct search *s, const char *name)
{
	struct mp_span_set *out = s->out;

	if (out->n == MP_SPANS_MAX) {
		s->too_many++;
		return SIZE_MAX;
	}
	if (!mp_grow((void **)&out->functions, &s->room, out->n + 1, sizeof(*out->functions))) {
		s->out_of_memory = true;
		return SIZE_MAX;
	}
	struct mp_span_function *f = &out->functions[out->n];
	*f = (struct mp_span_function){0};
	snprintf(f->name, sizeof(f->name), "%.*s", (int)sizeof(f->name) - 1, name);
	snprintf(f->module, sizeof(f->module), "%s", s->module->path);
	snprintf(f->open_path, sizeof(f->open_path), "%s", s->module->open_path);
	return out->n++;
}

/* A function is in two tables, and may have several names: the symbols of one address are one. */
static bool is_known(const struct search *s, uint64_t vaddr)
{
	for (size_t i = 0; i < s->n_symbols; i++)
		if (s->symbols[i].span != SIZE_MAX && s->symbols[i].vaddr == vaddr)
			return true;
	return false;
}

static int take_symbol(void *ctx, const struct mp_elf_sym *sym)
{
	struct search *s = ctx;
	char name[MP_DEMANGLED_MAX];
	struct symbol symbol = {
	    .vaddr = sym->vaddr, .size = sym->size, .span = SIZE_MAX, .is_part = is_part(sym->name)};

	s->functions_seen++;
	mp_demangle(sym->name, false, name);
	enum match match = sym->size && !symbol.is_part ? matches(s, sym->name, name) : NO_MATCH;
	if (match && !is_known(s, sym->vaddr))
		symbol.span = add_function(s, name);
	symbol.is_named = match == NAMED;
	if (!mp_grow((void **)&s->symbols, &s->symbols_room, s->n_symbols + 1, sizeof(symbol)))
		s->out_of_memory = true;
	else
		s->symbols[s->n_symbols++] = symbol;
	return s->out_of_memory;
}

/* ---- Where they end ---- */

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

/* The part of a function, moved away from it, in which an address lies, or NULL. */
static const struct symbol *part_at(const struct search *s, uint64_t vaddr)
{
	size_t low = 0, high = s->n_symbols;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (s->symbols[middle].vaddr <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	const struct symbol *last = low ? &s->symbols[low - 1] : NULL;
	return last && last->is_part && vaddr - last->vaddr < last->size ? last : NULL;
}

#define MAX_PARTS 8

/* A function in its parts: the first is it itself, the others are those that it jumps to. */
struct ends {
	struct search *s;
	struct mp_span_function *f;
	const struct symbol *parts[MAX_PARTS];
	size_t n_parts;
	bool too_many;
};

static bool is_inside(const struct ends *e, uint64_t vaddr)
{
	for (size_t i = 0; i < e->n_parts; i++)
		if (vaddr - e->parts[i]->vaddr < e->parts[i]->size)
			return true;
	return false;
}

static void take_part(void *ctx, uint64_t to)
{
	struct ends *e = ctx;
	const struct symbol *part = is_inside(e, to) ? NULL : part_at(e->s, to);

	if (part && e->n_parts < MAX_PARTS)
		e->parts[e->n_parts++] = part;
	else if (part)
		e->too_many = true;
}

/* A jump to another function, which goes on in its place, ends this one. */
static int take_end(void *ctx, uint64_t vaddr, bool is_jump, uint64_t to)
{
	struct ends *e = ctx;
	uint64_t offset;

	if (is_jump && to && is_inside(e, to))
		return 0;
	if (e->f->n_ends == MP_SPAN_ENDS_MAX || !mp_elf_vaddr_to_offset(e->s->elf, vaddr, &offset)) {
		e->too_many = true;
		return 1;
	}
	e->f->ends_in_jump |= is_jump;
	e->f->ends[e->f->n_ends++] = offset;
	return 0;
}

static int cannot_follow(const struct search *s, const struct mp_span_function *f, const char *why)
{
	return mp_err_set(
	    s->err, ENOTSUP, "--spans: %s in %s cannot be followed: %s", f->name, f->module, why);
}

/* The code of a symbol, to be freed; NULL: it is not in the file, or there is no memory. */
static unsigned char *read_code(const struct search *s, const struct symbol *symbol, uint64_t *offset)
{
	if (symbol->size > MAX_FUNCTION_BYTES || !mp_elf_vaddr_to_offset(s->elf, symbol->vaddr, offset))
		return NULL;
	unsigned char *code = malloc(symbol->size);
	if (code && mp_elf_read(s->elf, *offset, code, symbol->size) != symbol->size) {
		free(code);
		code = NULL;
	}
	return code;
}

static int find_ends(
    struct search *s, struct mp_span_function *f, const struct symbol *symbol, const unsigned char *code)
{
	struct ends e = {.s = s, .f = f, .parts = {symbol}, .n_parts = 1};
	struct mp_insn_ends out = {.end = take_end, .leaves = take_part, .ctx = &e};
	int ret = mp_insn_each_end(code, symbol->size, symbol->vaddr, &out);

	for (size_t i = 1; ret >= 0 && i < e.n_parts; i++) {
		uint64_t offset;
		unsigned char *part = read_code(s, e.parts[i], &offset);
		ret = part ? mp_insn_each_end(part, e.parts[i]->size, e.parts[i]->vaddr, &out) : -EINVAL;
		free(part);
	}
	if (ret < 0)
		return cannot_follow(s, f, "its code cannot be told from data");
	if (e.too_many)
		return cannot_follow(s, f, "it has too many ends");
	return f->n_ends ? 0 : cannot_follow(s, f, "it never returns");
}

static int place(struct search *s, const struct symbol *symbol)
{
	struct mp_span_function *f = &s->out->functions[symbol->span];
	uint64_t offset;
	unsigned char *code = read_code(s, symbol, &offset);

	if (!code)
		return cannot_follow(s, f, "its code is not in the file");
	f->skipped_bytes = mp_insn_placement(code, symbol->size, 0, false);
	f->is_stepped = !mp_insn_is_emulated(code + f->skipped_bytes, symbol->size - f->skipped_bytes);
	f->entry = offset + f->skipped_bytes;
	int ret = find_ends(s, f, symbol, code);
	free(code);
	return ret;
}

/* ---- The modules ---- */

static struct mp_elf *open_module(const struct mp_module *m)
{
	struct mp_elf *elf = NULL;
	int fd = open(m->open_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || mp_elf_open(fd, m->path, &elf, NULL))
		elf = NULL;
	if (fd >= 0)
		close(fd);
	return elf;
}

static void leave_out(struct search *s, const struct mp_span_function *f)
{
	size_t n = strlen(s->out->left_out);

	snprintf(s->out->left_out + n, sizeof(s->out->left_out) - n, "%s%s", n ? ", " : "", f->name);
}

/* The build information is there in stripped programs, too, and the table in any that can run: in one of any
 * position under another name (cmd/link/internal/ld/data.go). */
static bool has_go(const struct mp_elf *elf)
{
	static const char *const sections[] = {
	    ".go.buildinfo", ".note.go.buildid", ".gopclntab", ".data.rel.ro.gopclntab"};

	for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++)
		if (mp_section_exists(elf, sections[i]))
			return true;
	return false;
}

/* What a wildcard matched and cannot be followed is not asked for by name. */
static int place_all(struct search *s, size_t before)
{
	struct mp_span_set *out = s->out;
	bool is_go = out->n > before && has_go(s->elf);
	bool *keep = calloc(out->n + 1, sizeof(*keep));
	size_t n = before;
	int ret = keep ? 0 : mp_err_set(s->err, ENOMEM, "out of memory");

	for (size_t i = 0; !ret && i < s->n_symbols; i++) {
		const struct symbol *symbol = &s->symbols[i];
		if (symbol->span == SIZE_MAX)
			continue;
		int placed =
		    is_go ? cannot_follow(s, &out->functions[symbol->span], "it is Go's, whose stacks move")
			  : place(s, symbol);
		keep[symbol->span] = !placed;
		if (placed && symbol->is_named)
			ret = placed;
	}
	for (size_t i = before; !ret && i < out->n; i++) {
		if (keep[i])
			out->functions[n++] = out->functions[i];
		else
			leave_out(s, &out->functions[i]);
	}
	if (!ret)
		out->n = n;
	free(keep);
	return ret;
}

static int search_module(struct search *s, const struct mp_module *m)
{
	struct mp_elf *elf = open_module(m);
	size_t before = s->out->n;

	if (!elf)
		return 0;
	s->module = m;
	s->elf = elf;
	s->n_symbols = 0;
	mp_elf_each_function(elf, take_symbol, s);
	if (s->n_symbols)
		qsort(s->symbols, s->n_symbols, sizeof(*s->symbols), by_address);
	int ret = s->too_many || s->out_of_memory ? 0 : place_all(s, before);
	mp_elf_close(elf);
	return ret;
}

static int no_match(const struct search *s, const char *glob)
{
	return mp_err_set(s->err, ENOENT,
	    "--spans: no function is called '%s' in process %d (%s): none of the %zu in the symbol tables of "
	    "its %zu "
	    "modules; names are as in v_stack, without parameters, with * and ?",
	    glob, s->target->pid, s->target->comm, s->functions_seen, s->target->n_modules);
}

static int check(const struct search *s)
{
	if (s->out_of_memory)
		return mp_err_set(s->err, ENOMEM, "out of memory");
	if (s->too_many)
		return mp_err_set(s->err, E2BIG,
		    "--spans: %zu functions are called so, %s in %s is the last of the %d that can be "
		    "followed: name fewer",
		    s->out->n + s->too_many, s->out->functions[MP_SPANS_MAX - 1].name,
		    s->out->functions[MP_SPANS_MAX - 1].module, MP_SPANS_MAX);
	for (size_t i = 0; i < s->n_globs; i++)
		if (s->matched[i] == NOWHERE)
			return no_match(s, s->globs[i]);
	if (!s->out->n)
		return mp_err_set(s->err, ENOTSUP,
		    "--spans: none of the functions that are called so can be followed: %s",
		    s->out->left_out);
	return 0;
}

int mp_span_resolve(const struct mp_target *t, const char *const *globs, size_t n_globs,
    struct mp_span_set *out, struct mp_err *err)
{
	struct search s = {.target = t,
	    .globs = globs,
	    .n_globs = n_globs,
	    .out = out,
	    .err = err,
	    .matched = calloc(n_globs + 1, sizeof(enum where))};
	int ret = 0;

	*out = (struct mp_span_set){0};
	s.out_of_memory = !s.matched;
	for (int libraries = 0; !ret && libraries < 2; libraries++) {
		s.in_libraries = libraries;
		for (size_t i = 0; !ret && i < t->n_modules && !s.out_of_memory; i++)
			if (!t->modules[i].is_loader && t->modules[i].is_exe == !libraries)
				ret = search_module(&s, &t->modules[i]);
	}
	if (!ret || s.too_many)
		ret = check(&s);
	free(s.matched);
	free(s.symbols);
	if (ret)
		mp_span_set_free(out);
	return ret;
}

void mp_span_set_free(struct mp_span_set *set)
{
	free(set->functions);
	*set = (struct mp_span_set){0};
}
