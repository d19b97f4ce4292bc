/* SPDX-License-Identifier: MIT */
/* Goes through files and profiles of pools, section by section: mp_pool_resolve() of function.h. */
#include "sampler/pools/resolve.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int out_of_memory(struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "out of memory");
}

void resolver_note(struct resolver *r, const char *fmt, ...)
{
	size_t n = strlen(r->out->notes);
	struct mp_err line; /* which makes one line of it */
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	mp_err_set(&line, EINVAL, "%s", text);
	/* Lines are there as a whole, or not at all. */
	if (n + strlen(line.text) + 2 < sizeof(r->out->notes))
		snprintf(r->out->notes + n, sizeof(r->out->notes) - n, "%s%s", n ? "\n" : "", line.text);
}

/* ---- Sections ---- */

static int yes_or_no(
    const struct section *s, enum mp_pool_key key, const char *yes, const char *no, bool *out)
{
	const struct mp_pool_entry *e = mp_pool_section_get(s->text, key);

	if (!e)
		return 0;
	*out = !strcmp(e->value, yes);
	if (*out || !strcmp(e->value, no))
		return 0;
	return mp_pool_error(s->r->err, &e->place, EINVAL, "%s = %s: there are %s and %s",
	    mp_pool_key_name(key), e->value, yes, no);
}

/* Keys that say one thing. */
static int check_once(const struct section *s)
{
	for (size_t i = 0; i < s->text->n; i++) {
		const struct mp_pool_entry *e = &s->text->entries[i],
					   *first = mp_pool_section_get(s->text, e->key);
		if (e->key > MP_POOL_KEY_MODULE && first != e)
			return mp_pool_error(s->r->err, &e->place, EINVAL,
			    "%s is given twice: the first is in line %d", mp_pool_key_name(e->key),
			    first->place.line);
	}
	return 0;
}

static int size_step(const struct section *s, unsigned int *out)
{
	const struct mp_pool_entry *e = mp_pool_section_get(s->text, MP_POOL_KEY_SIZE_STEP);
	char *end;

	if (!e)
		return 0;
	errno = 0;
	unsigned long n = strtoul(e->value, &end, 0);
	if (e->value[0] < '0' || e->value[0] > '9' || *end)
		return mp_pool_error(s->r->err, &e->place, EINVAL, "size_step = %s is no number", e->value);
	if (errno || n < 1 || n > 1u << 20)
		return mp_pool_error(s->r->err, &e->place, ERANGE,
		    "number out of range: size_step is 1 to 1048576 bytes, not %s", e->value);
	if (!s->by_size)
		return mp_pool_error(s->r->err, &e->place, EINVAL,
		    "size_step is of pools that are told apart by size: write instances = size");
	*out = (unsigned int)n;
	return 0;
}

static int read_settings(struct section *s, struct mp_pool_kind *kind)
{
	bool ignored_null = false, never = false;
	const struct mp_pool_entry *instances = mp_pool_section_get(s->text, MP_POOL_KEY_INSTANCES);
	int ret = check_once(s);

	s->wants_latency = true;
	s->capacity = mp_pool_section_get(s->text, MP_POOL_KEY_CAPACITY);
	s->object_bytes = mp_pool_section_get(s->text, MP_POOL_KEY_OBJECT_BYTES);
	s->name = mp_pool_section_get(s->text, MP_POOL_KEY_NAME);
	if (!ret && instances && strcmp(instances->value, "size"))
		ret = mp_pool_error(s->r->err, &instances->place, EINVAL,
		    "instances = %s: pools are told apart by pool=, or by instances = size",
		    instances->value);
	s->by_size = kind->by_size = instances;
	if (!ret)
		ret = size_step(s, &kind->size_step);
	if (!ret)
		ret = yes_or_no(s, MP_POOL_KEY_CLEAR_IS_RETURN, "yes", "no", &kind->returns_on_clear);
	if (!ret)
		ret = yes_or_no(s, MP_POOL_KEY_LATENCY, "yes", "no", &s->wants_latency);
	if (!ret)
		ret = yes_or_no(s, MP_POOL_KEY_NULL, "ignore", "empty", &ignored_null);
	if (!ret)
		ret = yes_or_no(s, MP_POOL_KEY_EXCEPTIONS, "never", "possible", &never);
	s->null_is_empty = !ignored_null;
	s->exceptions_never = never;
	return ret;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* "a, b, c and 12 more" */
static void list_modules(const struct mp_target *t, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_modules; i++) {
		n +=
		    (size_t)snprintf(out + n, size - n, "%s%s", i ? ", " : "", file_name(t->modules[i].path));
		if (i + 1 < t->n_modules && (i == 7 || n + 100 > size)) {
			snprintf(out + n, size - n, " and %zu more", t->n_modules - i - 1);
			return;
		}
	}
}

static bool module_matches(const char *glob, const char *path)
{
	return !fnmatch(glob, strchr(glob, '/') ? path : file_name(path), 0);
}

static int choose_modules(struct section *s)
{
	const struct mp_target *t = s->r->target;
	char list[400];

	for (size_t i = 0; i < s->text->n; i++) {
		const struct mp_pool_entry *e = &s->text->entries[i];
		bool is_first = !s->where.chosen, any = false;
		if (e->key != MP_POOL_KEY_MODULE)
			continue;
		if (is_first)
			memset(s->r->chosen, 0, t->n_modules * sizeof(*s->r->chosen));
		s->where.chosen = s->r->chosen;
		for (size_t k = 0; k < t->n_modules; k++)
			if (module_matches(e->value, t->modules[k].path))
				any = s->r->chosen[k] = true;
		if (!any && !s->profile) {
			list_modules(t, list, sizeof(list));
			return mp_pool_error(s->r->err, &e->place, ENOENT,
			    "no module of process %d (%s) is called '%s': there are %s", t->pid, t->comm,
			    e->value, list);
		}
		size_t n = strlen(s->where.text);
		snprintf(s->where.text + n, sizeof(s->where.text) - n, "%s%s", n ? ", " : "", e->value);
	}
	if (s->where.chosen)
		return 0;
	if (s->profile) {
		s->where = (struct mp_function_where){.chosen = s->profile->chosen};
		snprintf(s->where.text, sizeof(s->where.text), "%s", s->profile->where);
		return 0;
	}
	snprintf(s->where.text, sizeof(s->where.text), "process %d (%s)", t->pid, t->comm);
	return 0;
}

/* `usdt = mpsample:pool` only says that the program has markers, which are found without. */
static int check_markers(const struct section *s, bool *is_markers)
{
	const struct mp_pool_entry *e = mp_pool_section_get(s->text, MP_POOL_KEY_USDT);

	*is_markers = e;
	if (!e)
		return 0;
	if (strcmp(e->value, "mpsample:pool"))
		return mp_pool_error(s->r->err, &e->place, EINVAL,
		    "usdt = %s: there is mpsample:pool, the markers of <mpsample.h>; other probes are "
		    "written "
		    "get = usdt:PROVIDER:NAME(...)",
		    e->value);
	for (size_t i = 0; i < s->text->n; i++)
		if (s->text->entries[i].key != MP_POOL_KEY_USDT)
			return mp_pool_error(s->r->err, &s->text->entries[i].place, EINVAL,
			    "%s beside usdt = mpsample:pool: markers say themselves what they mean",
			    mp_pool_key_name(s->text->entries[i].key));
	return 0;
}

/* All functions are read before any is looked for: what is wrong with the text is told first. */
static int check_functions(struct section *s)
{
	bool has_get = false;

	for (size_t i = 0; i < s->text->n; i++) {
		const struct mp_pool_entry *e = &s->text->entries[i];
		if (e->key >= MP_POOL_KEY_FUNCTIONS)
			continue;
		has_get |= e->key == MP_POOL_KEY_GET;
		int ret = section_check_function(s, e);
		if (ret)
			return ret;
	}
	if (!has_get && !s->profile)
		return mp_pool_error(s->r->err, &s->text->place, EINVAL,
		    "[pool %s] has no get: write get = FUNCTION(pool=..., ptr=...)", s->text->name);
	if (s->with_pool && s->without_pool && !s->by_size)
		return mp_pool_error(s->r->err, &s->without->place, EINVAL,
		    "%s without pool=, which other functions of [pool %s] have",
		    mp_pool_key_name(s->without->key), s->text->name);
	if (s->with_ptr && s->with_count)
		return mp_pool_error(s->r->err, &s->with_count->place, EINVAL,
		    "count= in %s, and ptr= in line %d: objects are told one by one, or only how many they "
		    "are; for "
		    "one at a time write count=1",
		    mp_pool_key_name(s->with_count->key), s->with_ptr->place.line);
	if (s->with_pool && s->count_alone && !s->by_size)
		return mp_pool_error(s->r->err, &s->count_alone->place, EINVAL,
		    "%s with count= without pool=: there is no object that says which pool it is of",
		    mp_pool_key_name(s->count_alone->key));
	return 0;
}

static int add_kind(struct section *s, const struct mp_pool_kind *kind)
{
	struct mp_pool_set *out = s->r->out;
	struct mp_pool_kind *more = reallocarray(out->kinds, out->n_kinds + 1, sizeof(*more));

	if (!more)
		return out_of_memory(s->r->err);
	out->kinds = more;
	s->kind = out->n_kinds;
	more[out->n_kinds++] = *kind;
	return 0;
}

static int resolve_section(struct resolver *r, const struct mp_pool_section *text, const char *source,
    const struct mp_pool_profile *profile)
{
	struct section s = {.r = r, .text = text, .profile = profile, .source = source};
	struct mp_pool_kind kind = {0};
	bool is_markers;
	int ret = check_markers(&s, &is_markers);

	if (ret || is_markers)
		return ret;
	snprintf(kind.name, sizeof(kind.name), "%s", text->name);
	snprintf(kind.source, sizeof(kind.source), "%s", source);
	kind.is_builtin = profile != NULL;
	ret = read_settings(&s, &kind);
	if (!ret)
		ret = check_functions(&s);
	kind.is_one = !s.with_pool && !s.by_size;
	if (!ret)
		ret = choose_modules(&s);
	if (!ret)
		ret = add_kind(&s, &kind);
	for (size_t i = 0; !ret && i < text->n; i++)
		if (text->entries[i].key < MP_POOL_KEY_FUNCTIONS)
			ret = section_resolve_function(&s, &text->entries[i]);
	return ret;
}

/* ---- Files ---- */

static int resolve_file(struct resolver *r, const char *path)
{
	struct mp_pool_file file;
	int ret = mp_pool_file_read(path, &file, r->err);

	if (ret)
		return ret;
	for (size_t i = 0; !ret && i < file.n; i++)
		ret = resolve_section(r, &file.sections[i], path, NULL);
	mp_pool_file_free(&file);
	return ret;
}

/* A section of a profile that cannot be followed leaves nothing behind but a note. */
static int resolve_profile_section(
    struct resolver *r, const struct mp_pool_section *text, const struct mp_pool_profile *p)
{
	size_t n = r->out->n, n_kinds = r->out->n_kinds;
	bool waited = r->out->waits;
	struct mp_err why = {0}, *err = r->err;

	r->err = &why;
	int ret = resolve_section(r, text, p->name, p);
	r->err = err;
	if (ret == -ENOMEM)
		return out_of_memory(err);
	if (ret && waited == r->out->waits)
		resolver_note(r, "profile %s: %s: not recorded", p->name, why.text);
	if (ret)
		r->out->n = n;
	if (r->out->n == n)
		r->out->n_kinds = n_kinds;
	return 0;
}

static int resolve_profile(struct resolver *r, const struct mp_pool_profile *p)
{
	int ret = 0;

	if (p->unknown_version[0]) {
		resolver_note(r, "profile %s: %s is of a version that it does not know (%s): not recorded",
		    p->name, p->unknown_version, p->versions);
		return 0;
	}
	for (size_t i = 0; !ret && i < p->file.n; i++)
		if (p->file.sections[i].name)
			ret = resolve_profile_section(r, &p->file.sections[i], p);
	return ret;
}

static int resolve_profiles(struct resolver *r)
{
	int ret = 0;

	for (size_t i = 0; !ret; i++) {
		struct mp_pool_profile p;
		ret = mp_pool_profile_load(i, &p, r->err);
		if (ret)
			break;
		if (mp_pool_profile_match(&p, r->target, r->chosen + r->target->n_modules))
			ret = resolve_profile(r, &p);
		mp_pool_profile_free(&p);
	}
	return ret == -ENOENT ? 0 : ret;
}

static int by_file(const void *a, const void *b)
{
	const struct mp_pool_function *x = a, *y = b;
	int order = strcmp(x->open_path, y->open_path);

	if (order)
		return order;
	if (x->pool_kind != y->pool_kind)
		return x->pool_kind < y->pool_kind ? -1 : 1;
	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

int mp_pool_resolve(const struct mp_target *t, const char *file, struct mp_pool_set *out, struct mp_err *err)
{
	struct resolver r = {.target = t, .out = out, .err = err};

	*out = (struct mp_pool_set){0};
	r.chosen = calloc(2 * t->n_modules + 1, sizeof(*r.chosen));
	int ret = r.chosen ? mp_function_lookup_open(t, &r.lookup, err) : out_of_memory(err);
	if (!ret && file)
		ret = resolve_file(&r, file);
	if (!ret)
		ret = resolve_profiles(&r);
	if (r.lookup.modules)
		mp_function_lookup_close(&r.lookup);
	free(r.chosen);
	if (ret)
		mp_pool_set_free(out);
	else if (out->n)
		qsort(out->functions, out->n, sizeof(*out->functions), by_file);
	return ret;
}

void mp_pool_set_free(struct mp_pool_set *set)
{
	free(set->kinds);
	free(set->functions);
	*set = (struct mp_pool_set){0};
}
