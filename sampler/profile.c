/* SPDX-License-Identifier: MIT */
#include "sampler/profile.h"

#include <errno.h>
#include <fnmatch.h>
#include <ini.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/uprobe/shared.h"
#include "store/embed.h"

static const char *const op_names[] = {
#define OP_NAME(NAME, name, size, ptr) name,
    MP_OPS(OP_NAME)
#undef OP_NAME
};

const char *mp_op_name(unsigned int op)
{
	return op < MP_OP_COUNT ? op_names[op] : op == MP_OP_MARKER ? "marker" : "calibration";
}

struct mp_op_args mp_op_args(unsigned int op)
{
	static const struct mp_op_args args[] = {
#define OP_ARGS(NAME, name, size, ptr) {size, ptr},
	    MP_OPS(OP_ARGS)
#undef OP_ARGS
	};

	return op < MP_OP_COUNT ? args[op] : (struct mp_op_args){0};
}

bool mp_profile_each_word(const char *words, bool (*fn)(void *ctx, const char *word), void *ctx)
{
	char word[256];

	while (words && *words) {
		size_t n = strcspn(words, " \t");
		if (n && n < sizeof(word)) {
			memcpy(word, words, n);
			word[n] = 0;
			if (fn(ctx, word))
				return true;
		}
		words += n + strspn(words + n, " \t");
	}
	return false;
}

static bool glob_matches(void *name, const char *glob)
{
	return !fnmatch(glob, name, 0);
}

bool mp_profile_glob(const char *globs, const char *name)
{
	return mp_profile_each_word(globs, glob_matches, (void *)(uintptr_t)name);
}

bool mp_profile_is_wrapper(void *ctx, const char *function, const char *module)
{
	const struct mp_profiles *p = ctx;
	const char *slash = module ? strrchr(module, '/') : NULL;

	return (module && mp_profile_glob(p->wrapper_modules, slash ? slash + 1 : module)) ||
	       (function && mp_profile_glob(p->wrapper_functions, function));
}

struct loading {
	struct mp_profiles *profiles;
	struct mp_allocator *allocator; /* of the file being read */
	bool out_of_memory;
};

static char **allocator_list(struct mp_allocator *a, const char *name)
{
	return !strcmp(name, "modules")    ? &a->modules
	       : !strcmp(name, "symbols")  ? &a->symbols
	       : !strcmp(name, "prefixes") ? &a->prefixes
					   : NULL;
}

static char **family_list(struct mp_profiles *p, const char *name)
{
	for (unsigned int op = 0; op < MP_OP_COUNT; op++)
		if (!strcmp(name, op_names[op]))
			return &p->family[op];
	return NULL;
}

static char **wrapper_list(struct mp_profiles *p, const char *name)
{
	return !strcmp(name, "modules")     ? &p->wrapper_modules
	       : !strcmp(name, "functions") ? &p->wrapper_functions
					    : NULL;
}

static struct mp_allocator *add_allocator(struct loading *l)
{
	struct mp_profiles *p = l->profiles;
	struct mp_allocator *more = reallocarray(p->allocators, p->n_allocators + 1, sizeof(*more));

	if (!more)
		return NULL;
	p->allocators = more;
	more[p->n_allocators] = (struct mp_allocator){0};
	return &more[p->n_allocators++];
}

/* A list may go on over several indented lines: inih calls once for each. */
static bool append(char **list, const char *value)
{
	char *longer = NULL;

	if (asprintf(&longer, "%s%s%s", *list ? *list : "", *list ? " " : "", value) < 0)
		return false;
	free(*list);
	*list = longer;
	return true;
}

/* inih's callback: 0 is an error of the file. The files are ours: an unknown key is a bug, not a user's typo.
 */
static int take(void *user, const char *section, const char *name, const char *value)
{
	struct loading *l = user;
	char **list = NULL;

	if (!strcmp(section, "allocator")) {
		if (!l->allocator && !(l->allocator = add_allocator(l)))
			return 0;
		if (!strcmp(name, "name"))
			return snprintf(l->allocator->name, sizeof(l->allocator->name), "%s", value) > 0;
		if (!strcmp(name, "about"))
			return snprintf(l->allocator->about, sizeof(l->allocator->about), "%s", value) > 0;
		if (!strcmp(name, "covered"))
			return l->allocator->uncovered = !strcmp(value, "no");
		list = allocator_list(l->allocator, name);
	} else if (!strcmp(section, "family")) {
		list = family_list(l->profiles, name);
	} else if (!strcmp(section, "wrappers")) {
		list = wrapper_list(l->profiles, name);
	}
	return list && append(list, value);
}

struct text_reader {
	const char *rest;
};

static char *next_line(char *buf, int size, void *stream)
{
	struct text_reader *t = stream;
	size_t n = strcspn(t->rest, "\n");

	if (!*t->rest)
		return NULL;
	n += t->rest[n] == '\n';
	if (n >= (size_t)size)
		n = (size_t)size - 1;
	memcpy(buf, t->rest, n);
	buf[n] = 0;
	t->rest += n;
	return buf;
}

int mp_profiles_load(struct mp_profiles *out, struct mp_err *err)
{
	static const char folder[] = "sampler/profiles/", pools[] = "sampler/profiles/pool-",
			  gc[] = "sampler/profiles/gc-", phases[] = "sampler/profiles/phases-";

	*out = (struct mp_profiles){0};
	for (const struct mp_embedded *f = mp_embedded_files; f->path; f++) {
		if (strncmp(f->path, folder, sizeof(folder) - 1) ||
		    !strncmp(f->path, pools, sizeof(pools) - 1) || !strncmp(f->path, gc, sizeof(gc) - 1) ||
		    !strncmp(f->path, phases, sizeof(phases) - 1))
			continue;
		struct loading l = {.profiles = out};
		struct text_reader text = {f->text};
		int line = ini_parse_stream(next_line, &text, take, &l);
		if (line) {
			mp_profiles_free(out);
			return mp_err_set(err, EINVAL, "%s:%d: not understood", f->path, line);
		}
	}
	return 0;
}

void mp_profiles_free(struct mp_profiles *p)
{
	for (unsigned int op = 0; op < MP_OP_COUNT; op++)
		free(p->family[op]);
	for (size_t i = 0; i < p->n_allocators; i++) {
		free(p->allocators[i].modules);
		free(p->allocators[i].symbols);
		free(p->allocators[i].prefixes);
	}
	free(p->allocators);
	free(p->wrapper_functions);
	free(p->wrapper_modules);
	*p = (struct mp_profiles){0};
}
