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
	size_t span; /* index of the function that is meant; SIZE_MAX: none */
};

/* What is looked for, and what of it was found. */
struct search {
	const struct mp_target *target;
	const char *const *globs;
	size_t n_globs;
	bool *matched; /* by glob */
	bool has_unwinder;
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

static bool matches(struct search *s, const char *raw, const char *name)
{
	bool any = false;

	for (size_t i = 0; i < s->n_globs; i++) {
		if (fnmatch(s->globs[i], name, 0) && fnmatch(s->globs[i], raw, 0))
			continue;
		s->matched[i] = any = true;
	}
	return any;
}

/* Parts of a function that the compiler has moved away, and clones, have the function's name and a suffix. */
static bool is_part(const char *raw)
{
	return strstr(raw, ".cold") != NULL;
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
	struct symbol symbol = {.vaddr = sym->vaddr, .size = sym->size, .span = SIZE_MAX};

	s->functions_seen++;
	if (!strcmp(sym->name, "_Unwind_RaiseException"))
		s->has_unwinder = true;
	mp_demangle(sym->name, false, name);
	if (sym->size && !is_part(sym->name) && matches(s, sym->name, name) && !is_known(s, sym->vaddr))
		symbol.span = add_function(s, name);
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

static bool is_function_start(const struct search *s, uint64_t vaddr)
{
	const struct symbol key = {.vaddr = vaddr};

	return bsearch(&key, s->symbols, s->n_symbols, sizeof(key), by_address) != NULL;
}

struct ends {
	struct search *s;
	struct mp_span_function *f;
	uint64_t vaddr, size;
	bool too_many;
};

/* A jump to the beginning of another function ends this one. One into the midst leads to a part of it that
 * was moved away, which comes back. */
static int take_end(void *ctx, size_t at, bool is_jump, uint64_t to)
{
	struct ends *e = ctx;
	uint64_t offset;

	if (is_jump && ((to >= e->vaddr && to < e->vaddr + e->size) || !is_function_start(e->s, to)))
		return 0;
	if (e->f->n_ends == MP_SPAN_ENDS_MAX || !mp_elf_vaddr_to_offset(e->s->elf, e->vaddr + at, &offset)) {
		e->too_many = true;
		return 1;
	}
	e->f->ends[e->f->n_ends++] = offset;
	return 0;
}

static int cannot_follow(const struct search *s, const struct mp_span_function *f, const char *why)
{
	return mp_err_set(
	    s->err, ENOTSUP, "--spans: %s in %s cannot be followed: %s", f->name, f->module, why);
}

static int find_ends(struct search *s, struct mp_span_function *f, const struct symbol *symbol,
    const unsigned char *code, size_t n)
{
	struct ends e = {.s = s, .f = f, .vaddr = symbol->vaddr, .size = symbol->size};

	if (mp_insn_each_end(code, n, symbol->vaddr, take_end, &e) < 0)
		return cannot_follow(s, f,
		    "its code cannot be decoded, and the process has an unwinder of exceptions, "
		    "which return probes would break");
	if (e.too_many)
		return cannot_follow(s, f, "it has too many ends");
	return f->n_ends ? 0 : cannot_follow(s, f, "it never returns");
}

static int place(struct search *s, const struct symbol *symbol)
{
	struct mp_span_function *f = &s->out->functions[symbol->span];
	unsigned char *code = malloc(symbol->size < MAX_FUNCTION_BYTES ? symbol->size : MAX_FUNCTION_BYTES);
	int ret = code ? 0 : mp_err_set(s->err, ENOMEM, "out of memory");
	uint64_t offset;
	size_t n = 0;

	if (!ret &&
	    (symbol->size > MAX_FUNCTION_BYTES || !mp_elf_vaddr_to_offset(s->elf, symbol->vaddr, &offset) ||
		(n = mp_elf_read(s->elf, offset, code, symbol->size)) != symbol->size))
		ret = cannot_follow(s, f, "its code is not in the file");
	if (!ret) {
		f->entry = offset + mp_insn_placement(code, n, 0, false);
		if (s->has_unwinder)
			ret = find_ends(s, f, symbol, code, n);
	}
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

static int search_module(struct search *s, const struct mp_module *m)
{
	struct mp_elf *elf = open_module(m);
	size_t before = s->out->n;
	int ret = 0;

	if (!elf)
		return 0;
	s->module = m;
	s->elf = elf;
	s->n_symbols = 0;
	mp_elf_each_function(elf, take_symbol, s);
	if (s->n_symbols)
		qsort(s->symbols, s->n_symbols, sizeof(*s->symbols), by_address);
	if (s->out->n > before && mp_section_exists(elf, ".gopclntab"))
		ret = cannot_follow(s, &s->out->functions[before], "it is Go's, whose stacks move");
	for (size_t i = 0; !ret && i < s->n_symbols; i++)
		if (s->symbols[i].span != SIZE_MAX)
			ret = place(s, &s->symbols[i]);
	mp_elf_close(elf);
	return ret;
}

/* libgcc's or LLVM's unwinder as a library; in a static program its function is found among the symbols. */
static bool maps_unwinder(const struct mp_target *t)
{
	for (size_t i = 0; i < t->n_modules; i++)
		if (strstr(t->modules[i].path, "/libgcc_s.so") ||
		    strstr(t->modules[i].path, "/libunwind.so") ||
		    strstr(t->modules[i].path, "/libc++abi.so"))
			return true;
	return false;
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
		if (!s->matched[i])
			return no_match(s, s->globs[i]);
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
	    .matched = calloc(n_globs + 1, sizeof(bool))};
	int ret = 0;

	*out = (struct mp_span_set){0};
	s.has_unwinder = maps_unwinder(t);
	s.out_of_memory = !s.matched;
	for (size_t i = 0; !ret && i < t->n_modules && !s.out_of_memory; i++)
		if (!t->modules[i].is_loader)
			ret = search_module(&s, &t->modules[i]);
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
