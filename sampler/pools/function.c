/* SPDX-License-Identifier: MIT */
/* Finds the functions that a section of a file names, and what their text says of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/functions/expression.h"
#include "sampler/functions/place.h"
#include "sampler/functions/text.h"
#include "sampler/grow.h"
#include "sampler/pools/resolve.h"
#include "symbolize/demangle/demangle.h"

#define USDT_ARGUMENTS_MAX 12

/* What the text of a function says of it. */
enum value {
	POOL,
	PTR,
	COUNT, /* objects at once, that are not told one by one */
	NEXT,  /* where in each object of a chain the next one's address is: all of them are put */
	SIZE,
	CAPACITY,
	OBJECT_BYTES,
	NAME,
	FAILURE, /* no expression: a word of enum mp_function_failure */
	VALUES,
};

static const char *const value_names[VALUES + 1] = {[POOL] = "pool",
    [PTR] = "ptr",
    [COUNT] = "count",
    [NEXT] = "next",
    [SIZE] = "size",
    [CAPACITY] = "capacity",
    [OBJECT_BYTES] = "object_bytes",
    [NAME] = "name",
    [FAILURE] = "failure"};

_Static_assert(VALUES <= MP_FUNCTION_VALUES_MAX, "a text has room for all");

static const unsigned int kinds[MP_POOL_KEY_FUNCTIONS] = {
    [MP_POOL_KEY_GET] = MPSAMPLE_KIND_POOL_GET,
    [MP_POOL_KEY_PUT] = MPSAMPLE_KIND_POOL_PUT,
    [MP_POOL_KEY_CREATE] = MPSAMPLE_KIND_POOL_CREATE,
    [MP_POOL_KEY_DESTROY] = MPSAMPLE_KIND_POOL_DESTROY,
    [MP_POOL_KEY_CLEAR] = MPSAMPLE_KIND_POOL_CLEAR,
    [MP_POOL_KEY_EMPTY] = MPSAMPLE_KIND_POOL_EMPTY,
};

/* One of its functions. */
struct function {
	struct section *s;
	const struct mp_pool_entry *entry;
	struct mp_function_text text;
	struct mp_function_table const *table; /* where it was found */
	const char *usdt_args;                 /* of a USDT probe */
};

static int out_of_memory(struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "out of memory");
}

/* Puts the place of the entry before an error that was met with there. */
static int at(struct section *s, const struct mp_pool_entry *e, int code, const struct mp_err *why)
{
	if (code == -ENOMEM)
		return out_of_memory(s->r->err);
	return mp_pool_error(s->r->err, &e->place, -code, "%s", why->text);
}

/* ---- Values ---- */

static int usdt_argument(void *ctx, unsigned int number, struct mp_fetch *out, struct mp_err *err)
{
	const struct function *f = ctx;

	/* Before the probe has been found: systemtap's sdt.h has macros for so many. */
	if (!f->usdt_args && number < USDT_ARGUMENTS_MAX) {
		*out = (struct mp_fetch){.from = MP_FETCH_REGISTER};
		return 0;
	}
	return mp_expression_usdt_argument(f->usdt_args ? f->usdt_args : "", number, out, err);
}

static int variable(void *ctx, const char *name, uint64_t *address, struct mp_err *err)
{
	const struct function *f = ctx;

	return mp_function_find_variable(&f->s->r->lookup, f->table, name, address, err);
}

static bool is_mapped(void *ctx, uint64_t address, size_t n)
{
	const struct function *f = ctx;
	const struct mp_mapping *m = mp_mappings_find(&f->s->r->target->maps, address);

	return m && n <= m->end - address;
}

/* "str@EXPRESSION": where a text is. */
static int text_address(const char *text, const char **out, struct mp_err *err)
{
	size_t n = strspn(text, " \t");

	if (strncmp(text + n, "str", 3))
		return mp_err_set(err, EINVAL, "'%s': a name is text in memory: write name=str@...", text);
	n += 3 + strspn(text + n + 3, " \t");
	if (text[n] != '@')
		return mp_err_set(err, EINVAL, "'%s': expected '@' behind str", text);
	*out = text + n + 1;
	return 0;
}

static int parse_value(
    const struct function *f, enum value v, const char *text, struct mp_fetch *out, struct mp_err *err)
{
	const struct mp_expression_names names = {.has_return = !f->text.is_usdt,
	    .argument = f->text.is_usdt ? usdt_argument : NULL,
	    .variable = f->table ? variable : NULL,
	    .is_mapped = f->table ? is_mapped : NULL,
	    .ctx = (void *)(uintptr_t)f};
	int ret = v == NAME ? text_address(text, &text, err) : 0;

	return ret ? ret : mp_expression_parse(text, &names, out, err);
}

/* MP_FUNCTION_FAILURE_NONE is an error, which has been told. */
static enum mp_function_failure failure_of(const struct function *f, const char *text)
{
	static const char *const words[MP_FUNCTION_FAILURES] = {
	    [MP_FUNCTION_FAILURE_NONZERO] = "nonzero",
	    [MP_FUNCTION_FAILURE_NEGATIVE] = "negative",
	    [MP_FUNCTION_FAILURE_NULL] = "null",
	    [MP_FUNCTION_FAILURE_FALSE] = "false",
	};
	struct mp_err *err = f->s->r->err;

	for (int i = MP_FUNCTION_FAILURE_NONE + 1; i < MP_FUNCTION_FAILURES; i++) {
		if (strcmp(words[i], text))
			continue;
		if (!f->text.is_usdt)
			return (enum mp_function_failure)i;
		mp_pool_error(err, &f->entry->place, EINVAL,
		    "failure=%s: a USDT probe is a place in the code, which returns nothing", text);
		return MP_FUNCTION_FAILURE_NONE;
	}
	mp_pool_error(err, &f->entry->place, EINVAL,
	    "failure=%s: what the function returns when it fails is nonzero (an int), negative (an int), "
	    "null (a pointer) or false (a bool)",
	    text);
	return MP_FUNCTION_FAILURE_NONE;
}

static int parse_values(const struct function *f, struct mp_pool_function *out)
{
	struct mp_fetch *const fetches[VALUES] = {
	    [POOL] = &out->pool,
	    [PTR] = &out->ptr,
	    [COUNT] = &out->ptr,
	    [SIZE] = &out->size,
	    [CAPACITY] = &out->capacity,
	    [OBJECT_BYTES] = &out->object_bytes,
	    [NAME] = &out->text,
	    [NEXT] = &out->next,
	};
	struct section *s = f->s;
	struct mp_err why = {0};

	out->counts = f->text.values[COUNT][0];
	for (int v = 0; v < VALUES; v++) {
		const struct mp_pool_entry *e = v == CAPACITY       ? s->capacity
						: v == OBJECT_BYTES ? s->object_bytes
						: v == NAME         ? s->name
								    : NULL;
		const char *text = f->text.values[v];
		if (*text)
			e = f->entry;
		else if (e && f->entry->key != MP_POOL_KEY_DESTROY && f->entry->key != MP_POOL_KEY_CLEAR)
			text = e->value;
		else if (v == POOL && s->by_size)
			text = f->text.values[SIZE], e = f->entry;
		if (!*text)
			continue;
		if (v == FAILURE && (out->failure = failure_of(f, text)))
			continue;
		if (v == FAILURE)
			return -EINVAL;
		int ret = parse_value(f, (enum value)v, text, fetches[v], &why);
		if (ret)
			return at(s, e, ret, &why);
	}
	return 0;
}

/* Which object it is, or how many. */
static int check_object(const struct function *f)
{
	struct section *s = f->s;
	enum mp_pool_key key = f->entry->key;
	bool has_objects = key == MP_POOL_KEY_GET || key == MP_POOL_KEY_PUT;
	bool says_which = f->text.values[PTR][0];
	bool says_count = f->text.values[COUNT][0];
	bool says_next = f->text.values[NEXT][0];

	if (says_count && !has_objects)
		return mp_pool_error(s->r->err, &f->entry->place, EINVAL,
		    "%s with count=: only get and put have it", mp_pool_key_name(key));
	if (says_next && (key != MP_POOL_KEY_PUT || !says_which))
		return mp_pool_error(s->r->err, &f->entry->place, EINVAL,
		    "next= is of put, beside ptr=, which then begins a chain of objects");
	if (says_next && f->text.values[FAILURE][0])
		return mp_pool_error(s->r->err, &f->entry->place, EINVAL,
		    "failure= beside next=: a chain has to be read before it is put back");
	if (says_count && says_which)
		return mp_pool_error(s->r->err, &f->entry->place, EINVAL,
		    "count= beside ptr=: objects are told one by one, or only how many they are");
	if (says_count && !s->by_size && f->text.values[SIZE][0])
		return mp_pool_error(s->r->err, &f->entry->place, EINVAL,
		    "size= beside count=: whose bytes come back cannot be told; write object_bytes=");
	if (has_objects && !says_which && !says_count)
		return mp_pool_error(s->r->err, &f->entry->place, EINVAL,
		    "%s without ptr=: which object, as in %s, or count=: how many", mp_pool_key_name(key),
		    key == MP_POOL_KEY_GET ? "ptr=ret" : "ptr=arg1");
	if (says_which)
		s->with_ptr = f->entry;
	if (says_count)
		s->with_count = f->entry;
	if (says_count && !f->text.values[POOL][0])
		s->count_alone = f->entry;
	return 0;
}

/* What each function has to say, before it is looked for. */
static int check_text(struct function *f)
{
	struct section *s = f->s;
	enum mp_pool_key key = f->entry->key;
	bool says_pool = f->text.values[POOL][0];
	struct mp_pool_function ignored = {0};
	int ret = check_object(f);

	if (ret)
		return ret;
	if (s->by_size && says_pool)
		return mp_pool_error(s->r->err, &f->entry->place, EINVAL,
		    "pool= beside instances = size: pools are told apart by the one or the other");
	if (s->by_size && (key == MP_POOL_KEY_GET || key == MP_POOL_KEY_PUT) && !f->text.values[SIZE][0])
		return mp_pool_error(s->r->err, &f->entry->place, EINVAL,
		    "%s without size=, by which the pools are told apart (instances = size)",
		    mp_pool_key_name(key));
	s->with_pool += says_pool;
	/* What is put back knows itself where it came from. */
	if (!says_pool && key != MP_POOL_KEY_PUT) {
		s->without_pool++;
		s->without = f->entry;
	}
	return parse_values(f, &ignored);
}

int section_check_function(struct section *s, const struct mp_pool_entry *e)
{
	struct function f = {.s = s, .entry = e};
	struct mp_err why = {0};
	int ret = mp_function_text_parse(e->value, value_names, &f.text, &why);

	return ret ? at(s, e, ret, &why) : check_text(&f);
}

/* ---- Functions ---- */

static bool reads_memory(const struct mp_fetch *f)
{
	return f->n_reads || f->from == MP_FETCH_RETURNED;
}

/* Is there a value that is there at the return only? */
static bool has_returned_value(const struct mp_pool_function *f)
{
	const struct mp_fetch *all[] = {
	    &f->pool, &f->ptr, &f->size, &f->capacity, &f->object_bytes, &f->text, &f->next};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i]->from == MP_FETCH_RETURNED)
			return true;
	if (f->failure)
		return true;
	if (f->kind == MPSAMPLE_KIND_POOL_CREATE)
		return reads_memory(&f->pool) || reads_memory(&f->size) || reads_memory(&f->capacity) ||
		       reads_memory(&f->object_bytes) || f->text.from != MP_FETCH_NOTHING;
	return f->kind == MPSAMPLE_KIND_POOL_GET && reads_memory(&f->ptr);
}

static bool uses_ret(const struct mp_pool_function *f)
{
	return f->failure || f->pool.from == MP_FETCH_RETURNED || f->ptr.from == MP_FETCH_RETURNED ||
	       f->size.from == MP_FETCH_RETURNED || f->capacity.from == MP_FETCH_RETURNED ||
	       f->object_bytes.from == MP_FETCH_RETURNED || f->text.from == MP_FETCH_RETURNED ||
	       f->next.from == MP_FETCH_RETURNED;
}

static unsigned int needs(const struct mp_pool_function *f)
{
	return mp_expression_needs(&f->pool) | mp_expression_needs(&f->ptr) | mp_expression_needs(&f->size) |
	       mp_expression_needs(&f->capacity) | mp_expression_needs(&f->object_bytes) |
	       mp_expression_needs(&f->text) | mp_expression_needs(&f->next);
}

static int cannot_follow(const struct function *f, const struct mp_pool_function *out, const char *why)
{
	return mp_pool_error(f->s->r->err, &f->entry->place, ENOTSUP, "%s in %s cannot be followed: %s",
	    out->name, out->module, why);
}

/*
 * How the return is seen. A function that goes on as one of another module (a tail jump) has not returned
 * there: its time is over then all the same, but what it returns is not known yet.
 */
static int place_return(const struct function *f, const struct mp_function_symbol *symbol,
    struct mp_function_place *place, struct mp_pool_function *out)
{
	const char *why = NULL;
	bool is_needed = has_returned_value(out), is_chain = out->next.from != MP_FETCH_NOTHING;

	if (is_chain && is_needed)
		return cannot_follow(
		    f, out, "a chain has to be read before it is put back, not at the return");

	out->wants_return =
	    is_needed || (f->s->wants_latency && !is_chain &&
			     (out->kind == MPSAMPLE_KIND_POOL_GET || out->kind == MPSAMPLE_KIND_POOL_PUT));
	if (!out->wants_return)
		return 0;
	out->by_return_probe = f->s->exceptions_never || mp_function_is_closed(f->table, symbol);
	if (out->by_return_probe)
		return 0;
	int ret = mp_function_place_ends(f->table, symbol, true, place, &why);
	if (!ret && place->ends_in_jump && is_needed)
		why = uses_ret(out)
			  ? "it ends in a jump to another function, which returns the value in its place; "
			    "name that one, or write exceptions = never if no exception leaves it"
			  : "it ends in a jump to another function, which may not have done its work yet; "
			    "write exceptions = never if no exception leaves it";
	if (why && is_needed)
		return cannot_follow(f, out, why);
	if (why) {
		resolver_note(
		    f->s->r, "%s in %s: how long it takes is not recorded: %s", out->name, out->module, why);
		out->wants_return = false;
		return 0;
	}
	memcpy(out->ends, place->ends, sizeof(out->ends));
	out->n_ends = place->n_ends;
	return 0;
}

/* A function may be found by several of a section's names. */
static bool is_known(const struct section *s, const struct mp_pool_function *f)
{
	for (size_t i = 0; i < s->r->out->n; i++) {
		const struct mp_pool_function *o = &s->r->out->functions[i];
		/* Of a profile, what the user or another one has named already. */
		if (o->entry == f->entry && !strcmp(o->open_path, f->open_path) &&
		    (s->profile || (o->pool_kind == f->pool_kind && o->kind == f->kind)))
			return true;
	}
	return false;
}

/* Another section that waits for the return of the same call: by the stack pointer both are one. */
static const struct mp_pool_function *rival_of(const struct section *s, const struct mp_pool_function *f)
{
	for (size_t i = 0; i < s->r->out->n; i++) {
		const struct mp_pool_function *o = &s->r->out->functions[i];
		if (o->entry == f->entry && !strcmp(o->open_path, f->open_path) && o->wants_return &&
		    f->wants_return)
			return o;
	}
	return NULL;
}

static int add(struct section *s, const struct mp_pool_entry *e, const struct mp_pool_function *f)
{
	struct resolver *r = s->r;
	const struct mp_pool_function *rival;

	if (is_known(s, f))
		return 0;
	rival = rival_of(s, f);
	if (rival)
		return mp_pool_error(r->err, &e->place, EINVAL,
		    "%s is a function of [pool %s] already: of one call, one section only can see the "
		    "return; "
		    "write latency = no in one of them, if nothing that it returns is asked for",
		    f->name, r->out->kinds[rival->pool_kind].name);
	if (r->out->n == MP_POOL_FUNCTIONS_MAX)
		return mp_pool_error(r->err, &e->place, E2BIG,
		    "too many functions: %s is one more than the %d that can be followed; name fewer",
		    f->name, MP_POOL_FUNCTIONS_MAX);
	if (!mp_grow((void **)&r->out->functions, &r->room, r->out->n + 1, sizeof(*f)))
		return out_of_memory(r->err);
	r->out->functions[r->out->n++] = *f;
	return 0;
}

static struct mp_pool_function begin_function(const struct function *f)
{
	struct mp_pool_function out = {
	    .kind = kinds[f->entry->key], .pool_kind = f->s->kind, .is_usdt = f->text.is_usdt};

	snprintf(out.module, sizeof(out.module), "%s", f->table->module->path);
	snprintf(out.open_path, sizeof(out.open_path), "%s", f->table->module->open_path);
	return out;
}

/* What has been asked for may be 0; what was found is 0 only where there was nothing. */
static void settle_null(const struct function *f, struct mp_pool_function *out)
{
	out->fails_on_null = f->entry->key == MP_POOL_KEY_GET && f->s->null_is_empty &&
			     (!out->counts || reads_memory(&out->ptr));
}

static int take_function(struct function *f, const struct mp_function_found *found)
{
	struct mp_function_place place;
	char name[MP_DEMANGLED_MAX];
	const char *why = NULL;

	f->table = found->table;
	struct mp_pool_function out = begin_function(f);
	mp_demangle(found->function->name, false, name);
	snprintf(out.name, sizeof(out.name), "%.*s", (int)sizeof(out.name) - 1, name);
	int ret = parse_values(f, &out);
	if (ret)
		return ret;
	settle_null(f, &out);
	if (mp_function_place_entry(f->table, found->function, needs(&out), &place, &why))
		return cannot_follow(f, &out, why);
	out.entry = place.entry;
	out.skipped_bytes = place.skipped_bytes;
	out.is_stepped = place.is_stepped;
	ret = place_return(f, found->function, &place, &out);
	return ret ? ret : add(f->s, f->entry, &out);
}

static int take_probe(struct function *f, const struct mp_usdt_place *probe)
{
	f->table = probe->table;
	f->usdt_args = probe->args;
	struct mp_pool_function out = begin_function(f);
	snprintf(out.name, sizeof(out.name), "%.*s", (int)sizeof(out.name) - 1, f->text.name);
	out.entry = probe->entry;
	out.semaphore = probe->semaphore;
	int ret = parse_values(f, &out);
	settle_null(f, &out);
	return ret ? ret : add(f->s, f->entry, &out);
}

static int resolve_probes(struct function *f, struct mp_err *why)
{
	struct mp_usdt_place *probes;
	size_t n;
	int ret = mp_function_find_probes(&f->s->r->lookup, &f->s->where, &f->text, &probes, &n, why);

	if (ret)
		return at(f->s, f->entry, ret, why);
	for (size_t i = 0; !ret && i < n; i++)
		ret = take_probe(f, &probes[i]);
	free(probes);
	return ret;
}

int section_resolve_function(struct section *s, const struct mp_pool_entry *e)
{
	struct function f = {.s = s, .entry = e};
	struct mp_function_found found[MP_FUNCTION_FOUND_MAX];
	struct mp_err why = {0};
	size_t n = 0;
	int ret = mp_function_text_parse(e->value, value_names, &f.text, &why);

	if (ret)
		return at(s, e, ret, &why);
	if (f.text.is_usdt)
		return resolve_probes(&f, &why);
	ret = mp_function_find(&s->r->lookup, &s->where, &f.text, found, &n, &why);
	/* A profile is for several versions of a library: only gets and puts have to be there. */
	if (ret == -ENOENT && s->profile && e->key != MP_POOL_KEY_GET && e->key != MP_POOL_KEY_PUT)
		return 0;
	if (ret == -ENOENT && s->profile && !f.text.is_pointer)
		return mp_err_set(s->r->err, ENOENT, "%s is not in %s", f.text.name, s->where.text);
	if (ret == -ENOENT && s->profile) {
		s->r->out->waits = true;
		return mp_err_set(s->r->err, ENOENT, "%s", why.text);
	}
	if (ret)
		return at(s, e, ret, &why);
	for (size_t i = 0; !ret && i < n; i++)
		ret = take_function(&f, &found[i]);
	return ret;
}
