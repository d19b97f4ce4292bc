/* SPDX-License-Identifier: MIT */
#include "sampler/gc/profile.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/profile.h"
#include "store/embed.h"

static const char *const roles[MP_GC_ROLES] = {
    [MP_GC_STOP] = "stop",
    [MP_GC_STOPPED] = "stopped",
    [MP_GC_RESUME] = "resume",
    [MP_GC_BEGIN] = "begin",
    [MP_GC_END] = "end",
    [MP_GC_IS] = "is",
    [MP_GC_TELL] = "tell",
    [MP_GC_BEFORE] = "before",
    [MP_GC_AFTER] = "after",
    [MP_GC_MEMORY] = "memory",
    [MP_GC_CYCLE_BEGIN] = "cycle_begin",
    [MP_GC_CYCLE_END] = "cycle_end",
    [MP_GC_ALLOCATED] = "allocated",
};

struct parsing {
	struct mp_gc_profile *out;
	char error[160];
	bool out_of_memory;
};

static int wrong(struct parsing *p, const char *what, const char *name)
{
	if (!p->error[0])
		snprintf(p->error, sizeof(p->error), "%s '%s'", what, name);
	return 0;
}

static int no_memory(struct parsing *p)
{
	p->out_of_memory = true;
	return 0;
}

/* Takes a text over; one that is there goes on. */
static int set_text(struct parsing *p, char **to, const char *value)
{
	char *longer = NULL;

	if (asprintf(&longer, "%s%s%s", *to ? *to : "", *to ? " " : "", value) < 0)
		return no_memory(p);
	free(*to);
	*to = longer;
	return 1;
}

/* One more element, zeroed, or NULL. */
static void *more(void *array, size_t *n, size_t bytes)
{
	char *all = reallocarray(*(void **)array, *n + 1, bytes);

	if (!all)
		return NULL;
	*(void **)array = all;
	memset(all + *n * bytes, 0, bytes);
	return all + (*n)++ * bytes;
}

/* ---- Sections ---- */

static int take_profile(struct parsing *p, const char *name, const char *value)
{
	struct mp_gc_profile *o = p->out;
	const struct {
		const char *key;
		char **text;
	} keys[] = {{"name", &o->name}, {"about", &o->about}, {"modules", &o->modules},
	    {"symbols", &o->symbols}, {"known", &o->known}, {"default", &o->default_kind},
	    {"not_heap", &o->not_heap}};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (!strcmp(keys[i].key, name))
			return set_text(p, keys[i].text, value);
	return wrong(p, "unknown key", name);
}

static int role_of(const char *name)
{
	for (int i = 0; i < MP_GC_ROLES; i++)
		if (!strcmp(roles[i], name))
			return i;
	return -1;
}

static bool add_optional(void *ctx, const char *word)
{
	struct mp_gc_variant *v = ctx;
	int role = role_of(word);

	v->optional |= role < 0 ? 0 : 1u << role;
	return role < 0;
}

static bool is_open(const char *text)
{
	int depth = 0;

	for (; *text; text++)
		depth += (*text == '(') - (*text == ')');
	return depth > 0;
}

static int take_variant(struct parsing *p, const char *section, const char *name, const char *value)
{
	struct mp_gc_profile *o = p->out;
	struct mp_gc_variant *v = o->n_variants ? &o->variants[o->n_variants - 1] : NULL;
	int role = role_of(name);

	if (!v || strcmp(v->name, section)) {
		v = more(&o->variants, &o->n_variants, sizeof(*v));
		if (!v || !(v->name = strdup(section)))
			return no_memory(p);
	}
	if (!strcmp(name, "optional"))
		return mp_profile_each_word(value, add_optional, v) ? wrong(p, "unknown role in", value) : 1;
	if (role < 0)
		return wrong(p, "unknown key", name);
	/* inih hands an indented line on as one more value of the key. */
	if (v->n && v->entries[v->n - 1].role == (unsigned int)role && is_open(v->entries[v->n - 1].where))
		return set_text(p, &v->entries[v->n - 1].where, value);
	struct mp_gc_entry *e = more(&v->entries, &v->n, sizeof(*e));
	if (!e)
		return no_memory(p);
	e->role = (enum mp_gc_role)role;
	return set_text(p, &e->where, value);
}

static int take_word(struct parsing *p, struct mp_gc_words *words, const char *name, const char *value)
{
	struct mp_gc_word *w = more(&words->all, &words->n, sizeof(*w));

	return w && (w->key = strdup(name)) ? set_text(p, &w->name, value) : no_memory(p);
}

static int take_gauge(
    struct parsing *p, bool is_setting, const char *section, const char *name, const char *value)
{
	struct mp_gc_profile *o = p->out;
	struct mp_gc_gauge_text *g = o->n_gauges ? &o->gauges[o->n_gauges - 1] : NULL;

	/* A second `value` begins a gauge of the same name, for another version. */
	if (!g || strcmp(g->name, section) || (!strcmp(name, "value") && g->value)) {
		g = more(&o->gauges, &o->n_gauges, sizeof(*g));
		if (!g || !(g->name = strdup(section)))
			return no_memory(p);
		g->is_setting = is_setting;
	}
	if (!strcmp(name, "value"))
		return set_text(p, &g->value, value);
	if (!strcmp(name, "version"))
		return set_text(p, &g->version, value);
	return !strcmp(name, "is") ? set_text(p, &g->is, value) : wrong(p, "unknown key", name);
}

static int take_law(struct parsing *p, const char *name, const char *value)
{
	struct mp_gc_profile *o = p->out;

	if (!strcmp(name, "kind"))
		return set_text(p, &o->law_kind, value);
	if (!strcmp(name, "filled"))
		return set_text(p, &o->law_filled, value);
	if (!strcmp(name, "within"))
		return set_text(p, &o->law_within, value);
	return !strcmp(name, "limit") ? set_text(p, &o->law_limit, value) : wrong(p, "unknown key", name);
}

static int take_classes(struct parsing *p, const char *name, const char *value)
{
	if (strcmp(name, "names") != 0)
		return wrong(p, "unknown key", name);
	return strcmp(value, MP_GC_CLASSES_HOTSPOT) ? wrong(p, "unknown names of classes", value)
						    : set_text(p, &p->out->class_names, value);
}

static const char *behind(const char *section, const char *word)
{
	size_t n = strlen(word);

	return !strncmp(section, word, n) && section[n] == ' ' ? section + n + 1 : NULL;
}

/* inih's callback: 0 is an error of the line. */
static int take_key(void *user, const char *section, const char *name, const char *value)
{
	struct parsing *p = user;
	const char *of;

	if (p->error[0] || p->out_of_memory)
		return 0;
	if (!strcmp(section, "profile"))
		return take_profile(p, name, value);
	if ((of = behind(section, "variant")))
		return take_variant(p, of, name, value);
	if (!strcmp(section, "kinds"))
		return take_word(p, &p->out->kinds, name, value);
	if (!strcmp(section, "causes"))
		return take_word(p, &p->out->causes, name, value);
	if (!strcmp(section, "classes"))
		return take_classes(p, name, value);
	if ((of = behind(section, "gauge")) || (of = behind(section, "setting")))
		return take_gauge(p, section[0] == 's', of, name, value);
	return !strcmp(section, "law") ? take_law(p, name, value) : wrong(p, "unknown section", section);
}

int mp_gc_profile_parse(const char *file, const char *text, struct mp_gc_profile *out, struct mp_err *err)
{
	struct parsing p = {.out = out};

	*out = (struct mp_gc_profile){.file = file};
	int line = ini_parse_string(text, take_key, &p), ret = 0;
	if (p.out_of_memory)
		ret = mp_err_set(err, ENOMEM, "out of memory");
	else if (line)
		ret =
		    mp_err_set(err, EINVAL, "%s:%d: %s", file, line, p.error[0] ? p.error : "no KEY = VALUE");
	else if (!out->name || (!out->modules && !out->symbols) || !out->n_variants)
		ret = mp_err_set(
		    err, EINVAL, "%s: a profile has a name, modules or symbols, and a variant", file);
	if (ret)
		mp_gc_profile_free(out);
	return ret;
}

int mp_gc_profile_load(size_t i, struct mp_gc_profile *out, struct mp_err *err)
{
	static const char prefix[] = "sampler/profiles/gc-";

	*out = (struct mp_gc_profile){0};
	for (const struct mp_embedded *f = mp_embedded_files; f->path; f++)
		if (!strncmp(f->path, prefix, sizeof(prefix) - 1) && !i--)
			return mp_gc_profile_parse(f->path, f->text, out, err);
	return -ENOENT;
}

static void free_words(struct mp_gc_words *w)
{
	for (size_t i = 0; i < w->n; i++) {
		free(w->all[i].key);
		free(w->all[i].name);
	}
	free(w->all);
}

void mp_gc_profile_free(struct mp_gc_profile *p)
{
	for (size_t i = 0; i < p->n_variants; i++) {
		for (size_t k = 0; k < p->variants[i].n; k++)
			free(p->variants[i].entries[k].where);
		free(p->variants[i].entries);
		free(p->variants[i].name);
	}
	for (size_t i = 0; i < p->n_gauges; i++) {
		free(p->gauges[i].name);
		free(p->gauges[i].value);
		free(p->gauges[i].version);
		free(p->gauges[i].is);
	}
	free_words(&p->kinds);
	free_words(&p->causes);
	char *const texts[] = {p->name, p->about, p->modules, p->symbols, p->known, p->default_kind,
	    p->not_heap, p->class_names, p->law_kind, p->law_filled, p->law_limit, p->law_within};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		free(texts[i]);
	free(p->variants);
	free(p->gauges);
	*p = (struct mp_gc_profile){0};
}

const char *mp_gc_word(const struct mp_gc_words *w, const char *key)
{
	for (size_t i = 0; i < w->n; i++)
		if (!strcmp(w->all[i].key, key))
			return w->all[i].name;
	return NULL;
}
