/* SPDX-License-Identifier: MIT */
#include "sampler/gc/points.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/functions/expression.h"
#include "sampler/functions/lookup.h"
#include "sampler/functions/place.h"
#include "sampler/gc/gauge.h"
#include "sampler/insn.h"
#include "sampler/profile.h"

/* The values in a point's brackets; the first are enum mp_gc_value. */
enum value { POOL = MP_GC_VALUES, CLASS, OBJECT, VALUES };

static const char *const value_names[VALUES + 1] = {[MP_GC_KIND] = "kind",
    [MP_GC_CAUSE] = "cause",
    [MP_GC_USED] = "used",
    [MP_GC_COMMITTED] = "committed",
    [MP_GC_MAX] = "max",
    [MP_GC_BYTES] = "bytes",
    [MP_GC_TIME] = "time",
    [POOL] = "pool",
    [CLASS] = "class",
    [OBJECT] = "object"};

_Static_assert(VALUES <= MP_FUNCTION_VALUES_MAX, "a text has room for all");

enum how { BY_ENTRY, BY_RETURN, BY_END, BY_CALLEE, BY_CALLEE_END, BY_USDT };

/* Resolves one variant in one module. */
struct resolver {
	const struct mp_target *target;
	struct mp_function_lookup lookup;
	struct mp_function_where where; /* the module */
	bool *chosen;
	struct mp_gc_set *out;
	size_t runtime;

	const struct mp_gc_entry *entry;
	enum how how;
	struct mp_function_text text;
	const struct mp_function_table *table;
	const char *usdt_args;
	struct mp_err *err;
};

static int out_of_memory(struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "out of memory");
}

/* ---- Values ---- */

static int usdt_argument(void *ctx, unsigned int number, struct mp_fetch *out, struct mp_err *err)
{
	const struct resolver *r = ctx;
	return mp_expression_usdt_argument(r->usdt_args, number, out, err);
}

static int variable(void *ctx, const char *name, uint64_t *address, struct mp_err *err)
{
	struct resolver *r = ctx;
	return mp_function_find_variable(&r->lookup, r->table, name, address, err);
}

static bool is_by_end(const struct resolver *r)
{
	return r->how == BY_END || r->how == BY_CALLEE_END;
}

static bool is_by_callee(const struct resolver *r)
{
	return r->how == BY_CALLEE || r->how == BY_CALLEE_END;
}

static int parse_number(struct resolver *r, const char *text, struct mp_fetch *out)
{
	const struct mp_expression_names names = {.has_return = r->how == BY_RETURN || is_by_end(r),
	    .argument = r->how == BY_USDT ? usdt_argument : NULL,
	    .variable = variable,
	    .ctx = r};

	return mp_expression_parse(text, &names, out, r->err);
}

/* The ':' between address and length; not those of names with "::". */
static char *length_of(char *text)
{
	for (char *p = text; (p = strchr(p, ':')); p += 2)
		if (p[1] != ':')
			return p;
	return NULL;
}

static int parse_text(struct resolver *r, enum mp_gc_text which, const char *text, struct mp_gc_point *out)
{
	char address[MP_FUNCTION_TEXT_MAX];
	size_t n = strlen(text);

	if (*text == '"') {
		snprintf(out->constant[which], sizeof(out->constant[which]), "%.*s", (int)(n > 2 ? n - 2 : 0),
		    text + 1);
		return 0;
	}
	snprintf(address, sizeof(address), "%s", text + strlen("str@"));
	char *length = length_of(address);
	if (length)
		*length++ = 0;
	out->read = which;
	int ret = parse_number(r, address, &out->text);
	return ret || !length ? ret : parse_number(r, length, &out->text_bytes);
}

static struct mp_fetch *number_of(struct mp_gc_point *p, int value)
{
	return value == CLASS ? &p->klass : value == OBJECT ? &p->object : &p->values[value];
}

static int parse_values(struct resolver *r, struct mp_gc_point *out)
{
	int ret = 0;

	for (int v = 0; !ret && v < VALUES; v++) {
		const char *text = r->text.values[v];
		enum mp_gc_text which = v == POOL          ? MP_GC_TEXT_POOL
					: v == MP_GC_CAUSE ? MP_GC_TEXT_CAUSE
							   : MP_GC_TEXT_KIND;
		bool is_text = *text == '"' || !strncmp(text, "str@", 4);
		if (!*text)
			continue;
		if (v == POOL && !is_text)
			ret = mp_err_set(r->err, EINVAL, "pool=%s is no text", text);
		else if (v > POOL && is_text)
			ret = mp_err_set(r->err, EINVAL, "%s=%s is no number", value_names[v], text);
		else
			ret = is_text ? parse_text(r, which, text, out)
				      : parse_number(r, text, number_of(out, v));
	}
	return ret;
}

static unsigned int needs(const struct mp_gc_point *p)
{
	unsigned int args = mp_expression_needs(&p->text) | mp_expression_needs(&p->text_bytes) |
			    mp_expression_needs(&p->klass) | mp_expression_needs(&p->object);

	for (int v = 0; v < MP_GC_VALUES; v++)
		args |= mp_expression_needs(&p->values[v]);
	return args;
}

/* ---- Places ---- */

static int add(struct resolver *r, const struct mp_gc_point *p)
{
	struct mp_gc_set *s = r->out;

	if (s->n == MP_GC_POINTS_MAX)
		return mp_err_set(r->err, E2BIG, "more than %d points", MP_GC_POINTS_MAX);
	struct mp_gc_point *more = reallocarray(s->points, s->n + 1, sizeof(*more));
	if (!more)
		return out_of_memory(r->err);
	s->points = more;
	more[s->n++] = *p;
	return 0;
}

static struct mp_gc_point begin_point(const struct resolver *r)
{
	struct mp_gc_point p = {.role = r->entry->role, .runtime = r->runtime};
	const char *where = r->entry->where;

	snprintf(p.name, sizeof(p.name), "%.*s", (int)strcspn(where, "("), where);
	snprintf(p.module, sizeof(p.module), "%s", r->table->module->path);
	snprintf(p.open_path, sizeof(p.open_path), "%s", r->table->module->open_path);
	return p;
}

static int take_usdt(struct resolver *r)
{
	struct mp_usdt_place *places;
	size_t n;
	int ret = mp_function_find_probes(&r->lookup, &r->where, &r->text, &places, &n, r->err);

	if (ret)
		return ret;
	for (size_t i = 0; !ret && i < n; i++) {
		r->table = places[i].table;
		r->usdt_args = places[i].args;
		struct mp_gc_point p = begin_point(r);
		p.offset = places[i].entry;
		p.semaphore = places[i].semaphore;
		ret = parse_values(r, &p);
		if (!ret)
			ret = add(r, &p);
	}
	free(places);
	return ret;
}

static int no_place(struct resolver *r, const struct mp_gc_point *p, const char *why)
{
	return mp_err_set(r->err, ENOTSUP, "%s cannot be probed: %s", p->name, why);
}

static int place_ends(struct resolver *r, const struct mp_function_symbol *f, struct mp_gc_point *p)
{
	struct mp_function_place place = {0};
	const char *why = NULL;
	int ret = mp_function_place_ends(r->table, f, true, &place, &why) ? no_place(r, p, why) : 0;

	for (size_t i = 0; !ret && i < place.n_ends; i++) {
		p->offset = place.ends[i];
		p->is_stepped = true; /* a `ret`, nearly always */
		ret = add(r, p);
	}
	return ret;
}

static int take_place(struct resolver *r, const struct mp_function_symbol *f)
{
	struct mp_gc_point p = begin_point(r);
	struct mp_function_place place;
	const char *why = NULL;
	int ret = parse_values(r, &p);

	if (ret)
		return ret;
	if (is_by_end(r))
		return place_ends(r, f, &p);
	if (r->how == BY_RETURN && r->table->is_go)
		return no_place(r, &p, "a return probe would end a program of Go");
	if (mp_function_place_point(r->table, f, needs(&p), &place, &why))
		return no_place(r, &p, why);
	p.by_return_probe = r->how == BY_RETURN;
	p.offset = place.entry;
	p.skipped_bytes = place.skipped_bytes;
	p.is_stepped = place.is_stepped;
	return add(r, &p);
}

struct calls {
	unsigned int wanted, seen;
	uint64_t to;
};

static int take_call(void *ctx, const struct mp_insn_call *call)
{
	struct calls *c = ctx;

	if (!call->to || c->seen++ != c->wanted)
		return 0;
	c->to = call->to;
	return 1;
}

/* The N-th function that another one calls, which need not have a name. */
static int find_callee(struct resolver *r, const struct mp_function_symbol *caller, unsigned int n,
    struct mp_function_symbol *out)
{
	struct calls calls = {.wanted = n};
	uint64_t offset, begin, bytes;
	unsigned char *code = mp_function_code(r->table, caller, &offset);

	if (code)
		mp_insn_each_call(code, caller->size, caller->vaddr, take_call, &calls);
	free(code);
	const struct mp_function_symbol *named = calls.to ? mp_function_at(r->table, calls.to) : NULL;
	if (named) {
		*out = *named;
		return 0;
	}
	if (!calls.to || !mp_function_extent(r->table->elf, calls.to, &begin, &bytes) || begin != calls.to)
		return mp_err_set(
		    r->err, ENOENT, "%s calls no function number %u that can be told", caller->name, n);
	*out = (struct mp_function_symbol){.name = caller->name, .vaddr = begin, .size = bytes};
	return 0;
}

static int take_functions(struct resolver *r, unsigned int callee)
{
	struct mp_function_found found[MP_FUNCTION_FOUND_MAX];
	size_t n;
	int ret = mp_function_find(&r->lookup, &r->where, &r->text, found, &n, r->err);

	for (size_t i = 0; !ret && i < n; i++) {
		struct mp_function_symbol f = *found[i].function;
		r->table = found[i].table;
		if (is_by_callee(r))
			ret = find_callee(r, found[i].function, callee, &f);
		if (!ret)
			ret = take_place(r, &f);
	}
	return ret;
}

/* "FUNCTION:N(...)": the number comes out of the text. */
static int take_number(char *where, unsigned int *out, struct mp_err *err)
{
	char *end = strchr(where, '('), *colon = end ? end : where + strlen(where);

	while (colon > where && *colon != ':')
		colon--;
	if (colon == where || strspn(colon + 1, "0123456789") != strcspn(colon + 1, "("))
		return mp_err_set(err, EINVAL, "'%s': expected FUNCTION:NUMBER", where);
	*out = (unsigned int)strtoul(colon + 1, NULL, 10);
	memmove(colon, end ? end : colon + strlen(colon), strlen(end ? end : "") + 1);
	return 0;
}

static int resolve_entry(struct resolver *r, const struct mp_gc_entry *e)
{
	static const struct {
		const char *word;
		enum how how;
	} ways[] = {{"entry:", BY_ENTRY}, {"return:", BY_RETURN}, {"end:", BY_END}, {"callee:", BY_CALLEE},
	    {"callee_end:", BY_CALLEE_END}, {"usdt:", BY_USDT}};
	char text[MP_FUNCTION_TEXT_MAX];
	unsigned int callee = 0;

	r->entry = e;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		size_t n = strlen(ways[i].word);
		if (strncmp(e->where, ways[i].word, n))
			continue;
		r->how = ways[i].how;
		snprintf(text, sizeof(text), "%s", e->where + (r->how == BY_USDT ? 0 : n));
		int ret = is_by_callee(r) ? take_number(text, &callee, r->err) : 0;
		if (!ret)
			ret = mp_function_text_parse(text, value_names, &r->text, r->err);
		if (ret)
			return ret;
		return r->how == BY_USDT ? take_usdt(r) : take_functions(r, callee);
	}
	return mp_err_set(r->err, EINVAL,
	    "'%s': there are entry:, return:, end:, callee:, callee_end: and usdt:", e->where);
}

/* ---- Variants ---- */

static int resolve_variant(struct resolver *r, const struct mp_gc_variant *v)
{
	size_t before = r->out->n;
	struct mp_gc_runtime *rt = &r->out->runtimes[r->runtime];

	rt->counts_allocated = rt->tells_stopped = false;
	for (size_t i = 0; i < v->n; i++) {
		bool is_optional = v->optional & 1u << v->entries[i].role;
		size_t n = r->out->n;
		int ret = resolve_entry(r, &v->entries[i]);
		if (!ret) {
			rt->counts_allocated |= v->entries[i].role == MP_GC_ALLOCATED;
			rt->tells_stopped |= v->entries[i].role == MP_GC_STOPPED;
		}
		if (ret && (ret == -ENOMEM || !is_optional)) {
			r->out->n = before;
			return ret;
		}
		if (ret)
			r->out->n = n;
	}
	return 0;
}

static void note(struct mp_gc_set *s, const struct mp_gc_profile *p, const char *module, const char *why)
{
	size_t n = strlen(s->notes);

	if (n + 300 < sizeof(s->notes))
		snprintf(s->notes + n, sizeof(s->notes) - n,
		    "%scollections of %s in %.100s are not recorded: %.160s", n ? "\n" : "", p->name, module,
		    why);
}

/* ---- Gauges ---- */

static bool is_version(struct resolver *r, const struct mp_gc_gauge_text *t)
{
	struct mp_gc_point version = {0};
	char is[MP_GC_NAME_BYTES];

	return !t->version || (!parse_text(r, MP_GC_TEXT_KIND, t->version, &version) &&
				  mp_gc_read_text(r->target, &version.text, &version.text_bytes, is) &&
				  mp_profile_glob(t->is, is));
}

static bool parse_gauge(struct resolver *r, const struct mp_gc_gauge_text *t, struct mp_gc_gauge *out)
{
	struct mp_gc_point p = {0};

	*out = (struct mp_gc_gauge){
	    .is_setting = t->is_setting, .is_text = t->value && !strncmp(t->value, "str@", 4)};
	snprintf(out->name, sizeof(out->name), "%s", t->name);
	if (!t->value || (out->is_text ? parse_text(r, MP_GC_TEXT_KIND, t->value, &p)
				       : parse_number(r, t->value, &p.text)))
		return false;
	out->value = p.text;
	out->text_bytes = p.text_bytes;
	return out->value.from == MP_FETCH_CONSTANT;
}

static void resolve_gauges(struct resolver *r)
{
	struct mp_gc_runtime *rt = &r->out->runtimes[r->runtime];
	struct mp_err ignored, *err = r->err;

	r->err = &ignored;
	r->how = BY_ENTRY;
	for (size_t i = 0; i < rt->profile.n_gauges && rt->n_gauges < MP_GC_GAUGES_MAX; i++)
		rt->n_gauges += is_version(r, &rt->profile.gauges[i]) &&
				parse_gauge(r, &rt->profile.gauges[i], &rt->gauges[rt->n_gauges]);
	r->err = err;
}

/* ---- Classes ---- */

static bool find_hotspot(struct resolver *r, struct mp_hotspot_symbols *out)
{
	const struct {
		const char *name;
		uint64_t *address;
	} all[] = {{"gHotSpotVMStructs", &out->table}, {"gHotSpotVMStructEntryArrayStride", &out->stride},
	    {"gHotSpotVMStructEntryTypeNameOffset", &out->type_name},
	    {"gHotSpotVMStructEntryFieldNameOffset", &out->field_name},
	    {"gHotSpotVMStructEntryOffsetOffset", &out->offset}};
	struct mp_err ignored;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (mp_function_find_variable(&r->lookup, r->table, all[i].name, all[i].address, &ignored))
			return false;
	return true;
}

/* What memory is given out for is only counted where it can be named. */
static void resolve_classes(struct resolver *r)
{
	struct mp_gc_runtime *rt = &r->out->runtimes[r->runtime];

	rt->has_classes = rt->profile.class_names && find_hotspot(r, &rt->hotspot);
	for (size_t i = 0; !rt->has_classes && i < r->out->n; i++)
		if (r->out->points[i].runtime == r->runtime)
			r->out->points[i].klass = (struct mp_fetch){0};
}

/* ---- Runtimes ---- */

struct defining {
	const struct mp_function_table *table;
};

static bool defines(void *ctx, const char *symbol)
{
	const struct defining *d = ctx;

	for (size_t i = 0; i < d->table->n; i++)
		if (!strcmp(d->table->all[i].name, symbol))
			return true;
	return false;
}

static bool is_of(struct resolver *r, const struct mp_gc_profile *p, size_t module)
{
	const char *path = r->target->modules[module].path, *slash = strrchr(path, '/');

	if (p->modules && !mp_profile_glob(p->modules, slash ? slash + 1 : path))
		return false;
	if (!p->symbols)
		return true;
	const struct mp_function_table *t = mp_function_lookup_table(&r->lookup, module);
	return t && mp_profile_each_word(p->symbols, defines, &(struct defining){t});
}

/* Takes the profile over when one of its variants can be followed in the module. */
static int resolve_runtime(struct resolver *r, struct mp_gc_profile *p, size_t module)
{
	struct mp_gc_set *s = r->out;
	struct mp_gc_runtime *more = reallocarray(s->runtimes, s->n_runtimes + 1, sizeof(*more));
	struct mp_err why = {0}, ignored, *err = r->err;
	int ret = -ENOENT;

	if (!more)
		return out_of_memory(r->err);
	s->runtimes = more;
	r->runtime = s->n_runtimes;
	more[r->runtime] = (struct mp_gc_runtime){.profile = *p};
	snprintf(more[r->runtime].module, sizeof(more->module), "%s", r->target->modules[module].path);
	memset(r->chosen, 0, r->target->n_modules * sizeof(*r->chosen));
	r->chosen[module] = true;
	r->where = (struct mp_function_where){.chosen = r->chosen};
	snprintf(r->where.text, sizeof(r->where.text), "%.255s", more[r->runtime].module);
	r->table = mp_function_lookup_table(&r->lookup, module);
	r->err = &why;
	for (size_t i = 0; ret && ret != -ENOMEM && r->table && i < p->n_variants; i++) {
		ret = resolve_variant(r, &p->variants[i]);
		r->err = &ignored; /* the first is the one that is expected */
	}
	r->err = err;
	if (ret == -ENOMEM)
		return out_of_memory(err);
	if (ret) {
		note(s, p, more[r->runtime].module, why.text);
		return 0;
	}
	r->table = mp_function_lookup_table(&r->lookup, module);
	resolve_gauges(r);
	resolve_classes(r);
	s->n_runtimes++;
	*p = (struct mp_gc_profile){0};
	return 0;
}

static int resolve_profile(struct resolver *r, struct mp_gc_profile *p)
{
	int ret = 0;

	for (size_t i = 0; !ret && p->name && i < r->target->n_modules; i++)
		if (r->out->n_runtimes < MP_GC_RUNTIMES_MAX && is_of(r, p, i))
			ret = resolve_runtime(r, p, i);
	return ret;
}

static int by_file(const void *a, const void *b)
{
	const struct mp_gc_point *x = a, *y = b;
	int order = strcmp(x->open_path, y->open_path);

	if (order)
		return order;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

int mp_gc_resolve(const struct mp_target *t, struct mp_gc_set *out, struct mp_err *err)
{
	struct resolver r = {.target = t, .out = out, .err = err};
	struct mp_gc_profile p;

	*out = (struct mp_gc_set){0};
	r.chosen = calloc(t->n_modules + 1, sizeof(*r.chosen));
	int ret = r.chosen ? mp_function_lookup_open(t, &r.lookup, err) : out_of_memory(err);
	for (size_t i = 0; !ret && !(ret = mp_gc_profile_load(i, &p, err)); i++) {
		ret = resolve_profile(&r, &p);
		mp_gc_profile_free(&p);
	}
	if (r.lookup.modules)
		mp_function_lookup_close(&r.lookup);
	free(r.chosen);
	if (ret != -ENOENT)
		mp_gc_set_free(out);
	else if (out->n)
		qsort(out->points, out->n, sizeof(*out->points), by_file);
	return ret == -ENOENT ? 0 : ret;
}

void mp_gc_set_free(struct mp_gc_set *set)
{
	for (size_t i = 0; i < set->n_runtimes; i++)
		mp_gc_profile_free(&set->runtimes[i].profile);
	free(set->runtimes);
	free(set->points);
	*set = (struct mp_gc_set){0};
}
