/* SPDX-License-Identifier: MIT */
#include "sampler/span.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/functions/place.h"
#include "sampler/grow.h"
#include "symbolize/demangle/demangle.h"

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

static void leave_out(struct search *s, const char *name)
{
	size_t n = strlen(s->out->left_out);

	snprintf(s->out->left_out + n, sizeof(s->out->left_out) - n, "%s%.*s", n ? ", " : "",
	    MP_SPAN_NAME_MAX - 1, name);
}

static int place(const struct mp_function_table *t, const struct mp_function_symbol *f,
    struct mp_function_place *p, const char **why)
{
	int ret = mp_function_place_entry(t, f, 0, p, why);

	return ret ? ret : mp_function_place_ends(t, f, false, p, why);
}

static int add_function(
    struct search *s, const struct mp_module *m, const char *name, const struct mp_function_place *p)
{
	struct mp_span_set *out = s->out;

	if (!mp_grow((void **)&out->functions, &s->room, out->n + 1, sizeof(*out->functions)))
		return mp_err_set(s->err, ENOMEM, "out of memory");
	struct mp_span_function *f = &out->functions[out->n++];
	*f = (struct mp_span_function){.entry = p->entry,
	    .skipped_bytes = p->skipped_bytes,
	    .is_stepped = p->is_stepped,
	    .ends_in_jump = p->ends_in_jump,
	    .n_ends = p->n_ends};
	memcpy(f->ends, p->ends, sizeof(f->ends));
	snprintf(f->name, sizeof(f->name), "%.*s", (int)sizeof(f->name) - 1, name);
	snprintf(f->module, sizeof(f->module), "%s", m->path);
	snprintf(f->open_path, sizeof(f->open_path), "%s", m->open_path);
	return 0;
}

/* What a wildcard matched and cannot be followed is not asked for by name. */
static int take(struct search *s, const struct mp_function_table *t, const struct mp_function_symbol *f,
    const char *name, enum match match)
{
	struct mp_function_place p;
	const char *why = NULL;

	if (s->out->n == MP_SPANS_MAX) {
		s->too_many++;
		return 0;
	}
	if (!place(t, f, &p, &why))
		return add_function(s, t->module, name, &p);
	if (match == NAMED)
		return mp_err_set(s->err, ENOTSUP, "--spans: %.*s in %s cannot be followed: %s",
		    MP_SPAN_NAME_MAX - 1, name, t->module->path, why);
	leave_out(s, name);
	return 0;
}

static int search_module(struct search *s, const struct mp_module *m)
{
	struct mp_function_table t;
	char name[MP_DEMANGLED_MAX];
	const struct mp_function_symbol *taken = NULL;
	int ret = mp_function_table_open(m, &t);

	if (ret)
		return ret == -ENOMEM ? mp_err_set(s->err, ENOMEM, "out of memory") : 0;
	for (size_t i = 0; !ret && i < t.n; i++) {
		const struct mp_function_symbol *f = &t.all[i];
		s->functions_seen++;
		if (!f->size || f->is_part)
			continue;
		mp_demangle(f->name, false, name);
		enum match match = matches(s, f->name, name);
		/* A function is in two tables, and may have several names. */
		if (match == NO_MATCH || (taken && taken->vaddr == f->vaddr))
			continue;
		taken = f;
		ret = take(s, &t, f, name, match);
	}
	mp_function_table_close(&t);
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
	int ret = s.matched ? 0 : mp_err_set(err, ENOMEM, "out of memory");

	*out = (struct mp_span_set){0};
	for (int libraries = 0; !ret && libraries < 2; libraries++) {
		s.in_libraries = libraries;
		for (size_t i = 0; !ret && i < t->n_modules; i++)
			if (!t->modules[i].is_loader && t->modules[i].is_exe == !libraries)
				ret = search_module(&s, &t->modules[i]);
	}
	if (!ret)
		ret = check(&s);
	free(s.matched);
	if (ret)
		mp_span_set_free(out);
	return ret;
}

void mp_span_set_free(struct mp_span_set *set)
{
	free(set->functions);
	*set = (struct mp_span_set){0};
}
