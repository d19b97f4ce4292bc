/* SPDX-License-Identifier: MIT */
#include "sampler/functions/lookup.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/insn.h"
#include "store/nearest.h"
#include "symbolize/demangle/demangle.h"

#define NAMES_OFFERED_MAX (1u << 20) /* that are compared for a suggestion */

int mp_function_lookup_open(const struct mp_target *t, struct mp_function_lookup *out, struct mp_err *err)
{
	*out = (struct mp_function_lookup){
	    .target = t, .modules = calloc(t->n_modules + 1, sizeof(*out->modules))};
	return out->modules ? 0 : mp_err_set(err, ENOMEM, "out of memory");
}

void mp_function_lookup_close(struct mp_function_lookup *l)
{
	for (size_t i = 0; l->modules && i < l->target->n_modules; i++)
		mp_function_table_close(&l->modules[i].table);
	for (size_t i = 0; i < l->n_unnamed; i++)
		free(l->unnamed[i]);
	free(l->modules);
	*l = (struct mp_function_lookup){0};
}

const struct mp_function_table *mp_function_lookup_table(struct mp_function_lookup *l, size_t i)
{
	struct mp_function_module *m = &l->modules[i];

	if (m->state == UNOPENED)
		m->state = mp_function_table_open(&l->target->modules[i], &m->table) ? UNREADABLE : OPEN;
	return m->state == OPEN ? &m->table : NULL;
}

static bool is_searched(
    const struct mp_function_lookup *l, const struct mp_function_where *w, size_t i, bool libraries)
{
	const struct mp_module *m = &l->target->modules[i];

	if (m->is_loader)
		return false;
	return w->chosen ? w->chosen[i] && !libraries : m->is_exe == !libraries;
}

/* ---- Functions ---- */

struct finding {
	struct mp_function_lookup *lookup;
	const struct mp_function_text *text;
	char plain[256]; /* a word that the symbol of what is looked for has in it; empty: none is known */
	bool is_glob;
	struct mp_function_found *out;
	size_t n, seen;
	bool is_exact;                  /* those in `out` are called so, letter by letter */
	char changed[MP_DEMANGLED_MAX]; /* a clone that is called so, with other arguments; or empty */
};

/* Names that C++ mangles to abbreviations, as constructors of theirs are called. */
static bool is_abbreviated(const char *word)
{
	static const char *const words[] = {
	    "allocator", "basic_string", "string", "istream", "ostream", "iostream"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(word, words[i]))
			return true;
	return false;
}

/* Mangled or not, a symbol has the last word of the name in it: most are told apart without demangling. */
static void find_plain(struct finding *f)
{
	const char *name = f->text->name, *last = name;

	for (const char *p = name; (p = strstr(p, "::")); p += 2)
		last = p + 2;
	last += *last == '~';
	size_t n = strlen(last);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)last[i]) && last[i] != '_')
			return;
	if (n >= sizeof(f->plain) || !strncmp(last, "operator", 8) || is_abbreviated(last))
		return;
	memcpy(f->plain, last, n + 1);
}

/* Clones without some arguments, or with constants for some. */
static bool has_other_arguments(const char *raw)
{
	return strstr(raw, ".isra.") || strstr(raw, ".constprop.");
}

enum match { NO_MATCH, GLOB, EXACT };

static enum match compare(const struct finding *f, const char *name)
{
	if (!strcmp(f->text->name, name))
		return EXACT;
	return f->is_glob && !fnmatch(f->text->name, name, 0) ? GLOB : NO_MATCH;
}

static enum match matches(const struct finding *f, const char *raw)
{
	char name[MP_DEMANGLED_MAX];

	if (f->plain[0] && !strstr(raw, f->plain))
		return NO_MATCH;
	enum match best = compare(f, raw), match;
	if (best == EXACT)
		return best;
	mp_demangle(raw, true, name);
	if ((match = compare(f, name)) > best)
		best = match;
	mp_shorten_templates(name);
	match = compare(f, name);
	return match > best ? match : best;
}

/* Of the names of one address the first is enough. */
static bool is_known(const struct finding *f, const struct mp_function_table *t, uint64_t vaddr)
{
	for (size_t i = f->n; i--;)
		if (f->out[i].table == t && f->out[i].function->vaddr == vaddr)
			return true;
	return false;
}

static void search_table(struct finding *f, const struct mp_function_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct mp_function_symbol *s = &t->all[i];
		f->seen++;
		if (!s->size || s->is_part)
			continue;
		enum match match = matches(f, s->name);
		if (match == NO_MATCH || (match == GLOB && f->is_exact))
			continue;
		/* But who names the copy itself knows where they are. */
		if (has_other_arguments(s->name) && !has_other_arguments(f->text->name)) {
			mp_demangle(s->name, false, f->changed);
			continue;
		}
		if (match == EXACT && !f->is_exact) {
			f->is_exact = true;
			f->n = 0;
		}
		if (f->n < MP_FUNCTION_FOUND_MAX && !is_known(f, t, s->vaddr))
			f->out[f->n++] = (struct mp_function_found){t, s};
	}
}

static void parameters_of(const struct mp_function_found *f, char out[static MP_DEMANGLED_MAX])
{
	mp_demangle_parameters(f->function->name, out);
}

/* "f(int), f(long) and 2 more" */
static void tell_overloads(const struct finding *f, char *out, size_t size)
{
	char name[MP_DEMANGLED_MAX], parameters[MP_DEMANGLED_MAX];
	size_t at = 0;

	out[0] = 0;
	for (size_t i = 0; i < f->n; i++) {
		mp_demangle(f->out[i].function->name, false, name);
		parameters_of(&f->out[i], parameters);
		int n = snprintf(NULL, 0, ", %s%s", name, parameters);
		if (at && at + (size_t)n + 16 >= size) {
			snprintf(out + at, size - at, " and %zu more", f->n - i);
			return;
		}
		snprintf(out + at, size - at, "%s%s%s", i ? ", " : "", name, parameters);
		at = strlen(out);
	}
}

static int choose_by_parameters(struct finding *f, struct mp_err *err)
{
	char found[MP_DEMANGLED_MAX], list[320];
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++) {
		parameters_of(&f->out[i], found);
		if (!found[0] || mp_function_same_parameters(f->text->parameters, found))
			n++;
	}
	if (!n) {
		tell_overloads(f, list, sizeof(list));
		return mp_err_set(err, ENOENT, "no %s has parameters %s: there %s %s", f->text->name,
		    f->text->parameters, f->n == 1 ? "is" : "are", list);
	}
	n = 0;
	for (size_t i = 0; i < f->n; i++) {
		parameters_of(&f->out[i], found);
		if (!found[0] || mp_function_same_parameters(f->text->parameters, found))
			f->out[n++] = f->out[i];
	}
	f->n = n;
	return 0;
}

static int check_overloads(const struct finding *f, struct mp_err *err)
{
	char first[MP_DEMANGLED_MAX], other[MP_DEMANGLED_MAX], list[320];

	parameters_of(&f->out[0], first);
	for (size_t i = 1; i < f->n; i++) {
		parameters_of(&f->out[i], other);
		if (!strcmp(first, other))
			continue;
		tell_overloads(f, list, sizeof(list));
		return mp_err_set(err, EINVAL,
		    "ambiguous: %s is overloaded: %s; write which, as in %s%s(...)", f->text->name, list,
		    f->text->name, first);
	}
	return 0;
}

/* What is not of an inline function or a template is in several libraries by chance. */
static int check_modules(const struct finding *f, const struct mp_function_where *w, struct mp_err *err)
{
	for (size_t i = 1; !w->chosen && i < f->n; i++)
		if (f->out[i].table != f->out[0].table && !f->out[i].function->is_weak)
			return mp_err_set(err, EINVAL,
			    "ambiguous: %s is in %s and in %s; write which, as module = ...", f->text->name,
			    f->out[0].table->module->path, f->out[i].table->module->path);
	return 0;
}

/* ---- Variants of one function ---- */

struct passing {
	const struct finding *finding;
	size_t self;
	bool passes_on;
};

static int take_call(void *ctx, const struct mp_insn_call *call)
{
	struct passing *p = ctx;
	const struct finding *f = p->finding;
	const struct mp_function_found *self = &f->out[p->self];
	const char *stub = call->to ? mp_elf_slot_symbol(self->table->elf, call->to) : NULL;

	for (size_t i = 0; i < f->n; i++) {
		const struct mp_function_found *other = &f->out[i];
		if (i == p->self || other->table != self->table)
			continue;
		p->passes_on |=
		    other->function->vaddr == call->to || (stub && !strcmp(stub, other->function->name));
	}
	return 0;
}

/* A destructor that frees the object, too, runs the other one; a constructor of a whole object may run that
 * of a base. Each would be counted twice. */
static void drop_passing_on(struct finding *f)
{
	bool drop[MP_FUNCTION_FOUND_MAX] = {false};
	size_t kept = 0;

	for (size_t i = 0; i < f->n && f->n > 1; i++) {
		struct passing p = {.finding = f, .self = i};
		uint64_t offset;
		unsigned char *code = mp_function_code(f->out[i].table, f->out[i].function, &offset);
		if (code)
			mp_insn_each_call(
			    code, f->out[i].function->size, f->out[i].function->vaddr, take_call, &p);
		free(code);
		drop[i] = p.passes_on;
	}
	for (size_t i = 0; i < f->n; i++)
		if (!drop[i])
			f->out[kept++] = f->out[i];
	/* Two that run each other: neither is the inner one. */
	f->n = kept ? kept : f->n;
}

/* ---- What is not there ---- */

struct offering {
	struct mp_nearest nearest;
	size_t n;
};

static void offer(struct offering *o, const char *raw)
{
	char name[MP_DEMANGLED_MAX];

	if (o->n++ >= NAMES_OFFERED_MAX)
		return;
	mp_demangle(raw, false, name);
	mp_nearest_offer(&o->nearest, name);
}

static int no_function(struct finding *f, const struct mp_function_where *w, struct mp_err *err)
{
	struct offering o = {.nearest.wanted = f->text->name};
	struct mp_function_lookup *l = f->lookup;
	char hint[400];

	if (f->changed[0])
		return mp_err_set(err, ENOTSUP,
		    "of %s in %s there is only a copy whose arguments the compiler has changed: its values "
		    "are not "
		    "where they should be",
		    f->text->name, w->text);
	for (size_t i = 0; i < l->target->n_modules; i++)
		for (size_t k = 0; l->modules[i].state == OPEN && k < l->modules[i].table.n; k++)
			if (is_searched(l, w, i, false) || is_searched(l, w, i, true))
				offer(&o, l->modules[i].table.all[k].name);
	mp_nearest_tell(&o.nearest, hint, sizeof(hint));
	return mp_err_set(err, ENOENT,
	    "unknown function: no '%s' among the %zu functions in the symbol tables of %s%s", f->text->name,
	    f->seen, w->text, hint);
}

/* ---- USDT probes ---- */

struct probing {
	const struct mp_function_table *table;
	const struct mp_function_text *text;
	struct mp_usdt_place *all;
	size_t n;
	bool out_of_memory;
	struct mp_nearest nearest;
};

static int take_probe(void *ctx, const struct mp_elf_usdt *usdt)
{
	struct probing *p = ctx;
	const struct mp_elf *elf = p->table->elf;
	char name[MP_FUNCTION_TEXT_MAX];
	unsigned char code[4] = {0};
	struct mp_usdt_place probe = {.table = p->table};

	snprintf(name, sizeof(name), "%s:%s", usdt->provider, usdt->name);
	mp_nearest_offer(&p->nearest, name);
	if (strcmp(name, p->text->name) || !mp_elf_code_end(elf, usdt->vaddr) ||
	    !mp_elf_vaddr_to_offset(elf, usdt->vaddr, &probe.entry) ||
	    !mp_insn_is_nop(code, mp_elf_read(elf, probe.entry, code, sizeof(code))) ||
	    strlen(usdt->args) >= sizeof(probe.args))
		return 0;
	if (usdt->semaphore && !mp_elf_vaddr_to_offset(elf, usdt->semaphore, &probe.semaphore))
		return 0;
	for (size_t i = 0; i < p->n; i++)
		if (p->all[i].table == p->table && p->all[i].entry == probe.entry)
			return 0;
	strcpy(probe.args, usdt->args);
	struct mp_usdt_place *more =
	    p->n < MP_FUNCTION_FOUND_MAX ? reallocarray(p->all, p->n + 1, sizeof(*more)) : NULL;
	if (!more)
		return p->out_of_memory = p->n < MP_FUNCTION_FOUND_MAX;
	p->all = more;
	more[p->n++] = probe;
	return 0;
}

int mp_function_find_probes(struct mp_function_lookup *l, const struct mp_function_where *where,
    const struct mp_function_text *text, struct mp_usdt_place **out, size_t *n, struct mp_err *err)
{
	struct probing p = {.text = text, .nearest.wanted = text->name};
	char hint[400];

	for (int libraries = 0; libraries < 2 && !p.n && !p.out_of_memory; libraries++)
		for (size_t i = 0; i < l->target->n_modules; i++) {
			p.table = is_searched(l, where, i, libraries) ? mp_function_lookup_table(l, i) : NULL;
			if (p.table && mp_elf_each_usdt(p.table->elf, take_probe, &p) == -ENOMEM)
				p.out_of_memory = true;
		}
	*out = p.all;
	*n = p.n;
	if (p.n && !p.out_of_memory)
		return 0;
	free(p.all);
	*out = NULL;
	if (p.out_of_memory)
		return mp_err_set(err, ENOMEM, "out of memory");
	mp_nearest_tell(&p.nearest, hint, sizeof(hint));
	return mp_err_set(
	    err, ENOENT, "unknown function: no USDT probe '%s' in %s%s", text->name, where->text, hint);
}

/* ---- Variables ---- */

struct variable {
	const char *name;
	bool found, is_exported;
	uint64_t vaddr;
	struct offering offered;
};

static int take_variable(void *ctx, const struct mp_elf_sym *sym)
{
	struct variable *v = ctx;
	char name[MP_DEMANGLED_MAX];

	mp_demangle(sym->name, true, name);
	if (strcmp(sym->name, v->name) && strcmp(name, v->name))
		return 0;
	v->vaddr = sym->vaddr;
	v->is_exported |= sym->exported;
	v->found = true;
	return sym->exported; /* one that is in two tables comes twice */
}

static int take_exported(void *ctx, const struct mp_elf_sym *sym)
{
	struct variable *v = ctx;

	if (!sym->exported || strcmp(sym->name, v->name))
		return 0;
	v->vaddr = sym->vaddr;
	return v->found = true;
}

/* The program's variable of this name, which the dynamic linker binds a library's users, and itself, to: a
 * program that is linked to a library's variable has a copy of it (R_X86_64_COPY, R_AARCH64_COPY). */
static bool find_in_program(struct mp_function_lookup *l, const char *name, uint64_t *address)
{
	struct variable v = {.name = name};

	for (size_t i = 0; i < l->target->n_modules; i++) {
		const struct mp_function_table *t =
		    l->target->modules[i].is_exe ? mp_function_lookup_table(l, i) : NULL;
		if (!t)
			continue;
		mp_elf_each_variable(t->elf, take_exported, &v);
		*address = t->module->base + v.vaddr;
		return v.found;
	}
	return false;
}

static int offer_variable(void *ctx, const struct mp_elf_sym *sym)
{
	offer(ctx, sym->name);
	return 0;
}

int mp_function_find_variable(struct mp_function_lookup *l, const struct mp_function_table *table,
    const char *name, uint64_t *address, struct mp_err *err)
{
	struct variable v = {.name = name, .offered.nearest.wanted = name};
	char hint[400];

	mp_elf_each_variable(table->elf, take_variable, &v);
	if (v.is_exported && !table->module->is_exe && find_in_program(l, name, address))
		return 0;
	if (v.found) {
		*address = table->module->base + v.vaddr;
		return 0;
	}
	mp_elf_each_variable(table->elf, offer_variable, &v.offered);
	mp_nearest_tell(&v.offered.nearest, hint, sizeof(hint));
	return mp_err_set(err, ENOENT, "no variable '%s' in %s%s", name, table->module->path, hint);
}

/* ---- Virtual functions ---- */

/* In front of the functions a table has two words: where the object begins, and its type (Itanium C++ ABI,
 * 2.5.2). */
#define TABLE_HEAD_BYTES 16

static const struct mp_function_table *table_at(struct mp_function_lookup *l, uint64_t address)
{
	const struct mp_mapping *m = mp_mappings_find(&l->target->maps, address);
	const struct mp_module *module =
	    m && m->is_exec ? mp_target_module_of(l->target, m->inode, m->dev_major, m->dev_minor) : NULL;

	return module ? mp_function_lookup_table(l, (size_t)(module - l->target->modules)) : NULL;
}

/* The function that begins at an address, which only memory of the target tells. `what` leads there, a name
 * for one that has none. */
static int function_at(struct mp_function_lookup *l, const char *what, uint64_t address,
    struct mp_function_found *out, struct mp_err *err)
{
	const struct mp_function_table *t = table_at(l, address);
	uint64_t vaddr = t ? address - t->module->base : 0;
	const struct mp_function_symbol *named = t ? mp_function_at(t, vaddr) : NULL;
	uint64_t begin = 0, bytes = 0;

	*out = (struct mp_function_found){t, named};
	if (named && named->vaddr == vaddr)
		return 0;
	if (!t || !mp_function_extent(t->elf, vaddr, &begin, &bytes) || begin != vaddr)
		return mp_err_set(err, ENOENT,
		    "unknown function: %s leads to 0x%llx, where no function begins", what,
		    (unsigned long long)address);
	if (l->n_unnamed == MP_FUNCTION_UNNAMED_MAX)
		return mp_err_set(
		    err, E2BIG, "more than %d functions without a name", MP_FUNCTION_UNNAMED_MAX);
	struct mp_function_symbol *f = malloc(sizeof(*f) + strlen(what) + 1);
	if (!f)
		return mp_err_set(err, ENOMEM, "out of memory");
	*f =
	    (struct mp_function_symbol){.name = strcpy((char *)(f + 1), what), .vaddr = vaddr, .size = bytes};
	out->function = l->unnamed[l->n_unnamed++] = f;
	return 0;
}

/* Adds the function whose address is at `at` in the target, if it is not there yet; a pointer that is NULL is
 * to none. */
static int take_pointer(struct mp_function_lookup *l, uint64_t at, const char *what,
    struct mp_function_found *out, size_t *n, struct mp_err *err)
{
	struct mp_function_found found;
	uint64_t address;
	int ret = mp_target_read(l->target, at, &address, sizeof(address));

	if (ret)
		return mp_err_set(
		    err, -ret, "cannot read %s at 0x%llx: %s", what, (unsigned long long)at, strerror(-ret));
	if (!address || *n == MP_FUNCTION_FOUND_MAX)
		return 0;
	ret = function_at(l, what, address, &found, err);
	for (size_t i = 0; !ret && i < *n; i++)
		if (out[i].table == found.table && out[i].function->vaddr == found.function->vaddr)
			return 0;
	if (!ret)
		out[(*n)++] = found;
	return ret;
}

static int take_virtual(struct mp_function_lookup *l, const struct mp_function_table *t,
    const struct mp_function_text *text, struct mp_function_found *out, size_t *n, struct mp_err *err)
{
	char name[MP_FUNCTION_TEXT_MAX + 64];
	uint64_t table;

	snprintf(name, sizeof(name), "vtable for %s", text->name);
	if (mp_function_find_variable(l, t, name, &table, err))
		return 0;
	snprintf(name, sizeof(name), "virtual:%s:%u", text->name, text->slot);
	return take_pointer(l, table + TABLE_HEAD_BYTES + 8 * (uint64_t)text->slot, name, out, n, err);
}

static int take_pointers(struct mp_function_lookup *l, const struct mp_function_table *t,
    const struct mp_function_text *text, struct mp_function_found *out, size_t *n, struct mp_err *err)
{
	char name[MP_FUNCTION_TEXT_MAX + 64];
	uint64_t variable;
	int ret = 0;

	if (mp_function_find_variable(l, t, text->name, &variable, err))
		return 0;
	for (unsigned int i = 0; !ret && i < text->slots; i++) {
		uint64_t offset = text->offset + (uint64_t)i * text->step;
		snprintf(name, sizeof(name), "pointer:%s+%" PRIu64, text->name, offset);
		ret = take_pointer(l, variable + offset, name, out, n, err);
	}
	return ret || *n ? ret
			 : mp_err_set(err, ENOENT,
			       "unknown function: pointer:%s leads to none: it is NULL so far", text->name);
}

/* Those that have no name here, but a place in memory that leads to them. */
static int find_by_memory(struct mp_function_lookup *l, const struct mp_function_where *where,
    const struct mp_function_text *text, struct mp_function_found *out, size_t *n, struct mp_err *err)
{
	int ret = 0;

	*n = 0;
	for (int libraries = 0; libraries < 2 && !*n; libraries++)
		for (size_t i = 0; !ret && i < l->target->n_modules; i++) {
			const struct mp_function_table *t =
			    is_searched(l, where, i, libraries) ? mp_function_lookup_table(l, i) : NULL;
			if (t)
				ret = text->is_virtual ? take_virtual(l, t, text, out, n, err)
						       : take_pointers(l, t, text, out, n, err);
		}
	if (ret || *n)
		return ret;
	return mp_err_set(err, ENOENT,
	    text->is_virtual ? "unknown function: no class '%s' with a virtual table in %s"
			     : "unknown function: no variable '%s' in %s",
	    text->name, where->text);
}

/* ---- All of them ---- */

int mp_function_find(struct mp_function_lookup *l, const struct mp_function_where *where,
    const struct mp_function_text *text, struct mp_function_found out[static MP_FUNCTION_FOUND_MAX],
    size_t *n, struct mp_err *err)
{
	struct finding f = {.lookup = l, .text = text, .out = out, .is_glob = strpbrk(text->name, "*?[")};
	int ret = 0;

	if (text->is_virtual || text->is_pointer)
		return find_by_memory(l, where, text, out, n, err);
	find_plain(&f);
	for (int libraries = 0; libraries < 2 && !f.n; libraries++)
		for (size_t i = 0; i < l->target->n_modules; i++) {
			const struct mp_function_table *t =
			    is_searched(l, where, i, libraries) ? mp_function_lookup_table(l, i) : NULL;
			if (t)
				search_table(&f, t);
		}
	if (!f.n)
		return no_function(&f, where, err);
	if (f.n == MP_FUNCTION_FOUND_MAX)
		return mp_err_set(err, E2BIG, "'%s' matches too many functions: more than %d", text->name,
		    MP_FUNCTION_FOUND_MAX - 1);
	if (text->parameters[0])
		ret = choose_by_parameters(&f, err);
	else if (f.is_exact)
		ret = check_overloads(&f, err);
	if (!ret && f.is_exact)
		ret = check_modules(&f, where, err);
	if (ret)
		return ret;
	if (f.is_exact)
		drop_passing_on(&f);
	*n = f.n;
	return 0;
}
