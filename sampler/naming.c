/* SPDX-License-Identifier: MIT */
#include "sampler/naming.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/append.h"

static int fail_db(const struct mp_naming *n, struct mp_err *err)
{
	return mp_err_set(err, EIO, "cannot name the frames of %s: %s", mp_session_path(n->session),
	    sqlite3_errmsg(mp_session_db(n->session)));
}

static int prepare(const struct mp_naming *n, const char *sql, sqlite3_stmt **out, struct mp_err *err)
{
	return sqlite3_prepare_v2(mp_session_db(n->session), sql, -1, out, NULL) == SQLITE_OK
		   ? 0
		   : fail_db(n, err);
}

/* 1: a row, 0: no more, or -errno. */
static int step(const struct mp_naming *n, sqlite3_stmt *st, struct mp_err *err)
{
	int rc = sqlite3_step(st);

	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : fail_db(n, err);
}

static const char *text(sqlite3_stmt *st, int column)
{
	return (const char *)sqlite3_column_text(st, column);
}

static uint32_t number_of(const struct mp_naming *n, int64_t module_id)
{
	if (!n->numbers)
		return (uint32_t)module_id;
	return module_id > 0 && (uint64_t)module_id < n->n_numbers ? n->numbers[module_id] : 0;
}

/* ---- Frames ---- */

struct frame_row {
	int64_t frame_id, module_id, t_ns;
	uint64_t addr;
	int quality;
	bool is_placed; /* its module and offset are told */
};

static int update(
    const struct mp_naming *n, const struct frame_row *f, const struct mp_name *name, struct mp_err *err)
{
	struct mp_function_name functions[MP_INLINED_MAX];

	for (size_t i = 0; i < name->n; i++)
		functions[i] = (struct mp_function_name){
		    name->function[i].function, name->function[i].file, name->function[i].line};
	struct mp_frame_names row = {.module = name->module,
	    .offset = name->offset + 1,
	    .functions = functions,
	    .n = name->n,
	    .quality = (int)name->quality};
	return mp_update_frame(n->session, f->frame_id, &row, err);
}

/* A frame holds a return address: the call before it may be the last instruction of its function. */
static int name_frame(
    const struct mp_naming *n, const struct frame_row *f, struct mp_naming_totals *totals, struct mp_err *err)
{
	struct mp_name name;
	struct mp_module_info info;
	uint32_t number = number_of(n, f->module_id);

	if (n->jit_only && mp_symbolizer_module(n->symbolizer, number, &info) && info.bias_known)
		return 0;
	mp_symbolizer_name(n->symbolizer, number, f->addr - 1, f->t_ns, &name);
	/* Never worse; an equal one may be of another length (--long-names). */
	if ((int)name.quality < f->quality || (name.quality == MP_SYMBOL_NONE && f->is_placed))
		return 0;
	totals->better += (int)name.quality > f->quality;
	return update(n, f, &name, err);
}

/* By address: neighbours have their names in the same part of the same file. */
static int name_frames(const struct mp_naming *n, struct mp_naming_totals *totals, struct mp_err *err)
{
	static const char sql[] = "SELECT frame_id, coalesce(module_id, 0), coalesce(t_ns, 0), addr, quality,"
				  " module IS NOT NULL FROM frame"
				  " ORDER BY module_id, addr";
	sqlite3_stmt *st = NULL;
	int ret = prepare(n, sql, &st, err);

	while (!ret && (ret = step(n, st, err)) > 0) {
		struct frame_row f = {.frame_id = sqlite3_column_int64(st, 0),
		    .module_id = sqlite3_column_int64(st, 1),
		    .t_ns = sqlite3_column_int64(st, 2),
		    .addr = (uint64_t)sqlite3_column_int64(st, 3),
		    .quality = sqlite3_column_int(st, 4),
		    .is_placed = sqlite3_column_int(st, 5)};
		ret = name_frame(n, &f, totals, err);
	}
	sqlite3_finalize(st);
	return ret;
}

static int note_modules(const struct mp_naming *n, struct mp_err *err)
{
	struct mp_module_info info;
	sqlite3_stmt *st = NULL;
	int ret = prepare(n, "SELECT module_id FROM module ORDER BY +module_id", &st, err);

	while (!ret && (ret = step(n, st, err)) > 0) {
		int64_t module_id = sqlite3_column_int64(st, 0);
		bool known = mp_symbolizer_module(n->symbolizer, number_of(n, module_id), &info);
		ret = known && info.note ? mp_update_module_note(n->session, module_id, info.note, err) : 0;
	}
	sqlite3_finalize(st);
	return ret;
}

/* ---- Sites ---- */

/* What a frame says about the site of the stacks that it is in. */
struct site {
	char *name;       /* its first function that is no wrapper; else its own */
	bool skip;        /* all its functions are wrappers */
	bool no_code;     /* in no mapping: what follows a frame that was not understood */
	uint32_t inlined; /* functions besides its own */
};

struct sites {
	struct site *of; /* by frame_id */
	size_t n;
};

static void free_sites(struct sites *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->of[i].name);
	free(s->of);
}

/* As v_stack shows a function: where it has no name, by the place of its code in the file. */
static char *shown_name(const char *function, const char *module, int64_t offset)
{
	const char *slash = module ? strrchr(module, '/') : NULL;
	char *text = NULL;

	if (function)
		return strdup(function);
	if (asprintf(&text, "%s%s0x%llx", module ? (slash ? slash + 1 : module) : "", module ? "+" : "",
		(unsigned long long)offset) < 0)
		return NULL;
	return text;
}

/* A row a function, innermost first: frame_id, level, function, module, offset. */
static int take_function(const struct mp_naming *n, struct sites *s, sqlite3_stmt *st, struct mp_err *err)
{
	uint64_t id = (uint64_t)sqlite3_column_int64(st, 0);
	const char *function = text(st, 2), *module = text(st, 3);

	if (id >= s->n)
		return 0;
	struct site *site = &s->of[id];
	site->inlined += sqlite3_column_int(st, 1) > 0;
	if (site->name && !site->skip)
		return 0; /* a function within this one is the site */
	char *name = shown_name(function, module, sqlite3_column_int64(st, 4));
	if (!name)
		return mp_err_set(err, ENOMEM, "out of memory");
	free(site->name);
	site->name = name;
	site->skip = n->is_wrapper(n->ctx, function, module);
	site->no_code = !module;
	return 0;
}

static int find_frame_sites(const struct mp_naming *n, struct sites *s, struct mp_err *err)
{
	/* Tables only, also where a view has the same: the session may come from anybody. */
	static const char sql[] =
	    "SELECT frame.frame_id, coalesce(level, 0),"
	    " CASE WHEN level IS NULL THEN frame.function ELSE frame_inline.function END,"
	    " coalesce(frame.module, module.path),"
	    " coalesce(frame.offset, addr - bias, addr - start_addr + file_offset, addr)"
	    " FROM frame LEFT JOIN frame_inline ON frame_inline.frame_id = frame.frame_id"
	    " LEFT JOIN module ON module.module_id = frame.module_id"
	    " ORDER BY frame.frame_id, level";
	sqlite3_stmt *st = NULL;
	int ret = prepare(n, sql, &st, err);

	while (!ret && (ret = step(n, st, err)) > 0)
		ret = take_function(n, s, st, err);
	sqlite3_finalize(st);
	return ret;
}

/* The stack that is read, and what its frames so far say. */
struct stack_site {
	int64_t stack_id, inlined;
	const struct site *innermost, *last_wrapper, *site;
};

static void look_at_frame(struct stack_site *at, const struct site *frame)
{
	at->inlined += frame->inlined;
	if (!at->innermost)
		at->innermost = frame;
	if (at->site)
		return;
	if (frame->skip)
		at->last_wrapper = frame;
	else
		at->site = frame;
}

/* Wrappers all the way: the direct caller says more than nothing. No code behind a wrapper: the wrapper is
 * still true. */
static int end_stack(const struct mp_naming *n, const struct stack_site *at, struct mp_err *err)
{
	const struct site *site = at->site ? at->site : at->innermost;

	if (!site)
		return 0;
	if (site->no_code && at->last_wrapper)
		site = at->last_wrapper;
	return mp_update_site(n->session, at->stack_id, site->name, err);
}

/* A row a frame, innermost first: stack_id, depth, frame_id, shown. */
static int take_frame(const struct mp_naming *n, const struct sites *s, struct stack_site *at,
    sqlite3_stmt *st, struct mp_err *err)
{
	int64_t stack_id = sqlite3_column_int64(st, 0), depth = sqlite3_column_int64(st, 1);
	uint64_t frame_id = (uint64_t)sqlite3_column_int64(st, 2);
	int ret = 0;

	if (stack_id != at->stack_id) {
		ret = end_stack(n, at, err);
		*at = (struct stack_site){.stack_id = stack_id};
	}
	if (!ret && depth + at->inlined != sqlite3_column_int64(st, 3))
		ret = mp_update_stack_frame(n->session, stack_id, depth, depth + at->inlined, err);
	if (frame_id < s->n && s->of[frame_id].name)
		look_at_frame(at, &s->of[frame_id]);
	return ret;
}

static int find_sites(const struct mp_naming *n, const struct sites *s, struct mp_err *err)
{
	static const char sql[] = "SELECT stack_id, depth, frame_id, coalesce(shown, depth) FROM stack_frame "
				  "ORDER BY stack_id, depth";
	struct stack_site at = {0};
	sqlite3_stmt *st = NULL;
	int ret = prepare(n, sql, &st, err);

	while (!ret && (ret = step(n, st, err)) > 0)
		ret = take_frame(n, s, &at, st, err);
	sqlite3_finalize(st);
	return ret ? ret : end_stack(n, &at, err);
}

/* ---- All ---- */

static int count(
    const struct mp_naming *n, struct mp_naming_totals *totals, int64_t *max_id, struct mp_err *err)
{
	sqlite3_stmt *st = NULL;
	int ret = prepare(n,
	    "SELECT count(*), total(function IS NOT NULL), total(line IS NOT NULL), coalesce(max(frame_id), "
	    "0) FROM frame",
	    &st, err);

	if (!ret && (ret = step(n, st, err)) > 0) {
		totals->frames = (uint64_t)sqlite3_column_int64(st, 0);
		totals->named = (uint64_t)sqlite3_column_int64(st, 1);
		totals->with_lines = (uint64_t)sqlite3_column_int64(st, 2);
		*max_id = sqlite3_column_int64(st, 3);
		ret = 0;
	}
	sqlite3_finalize(st);
	return ret;
}

/* The largest id: sessions come from anybody. */
#define FRAME_ID_MAX (1 << 24)

int mp_naming_run(const struct mp_naming *n, struct mp_naming_totals *totals, struct mp_err *err)
{
	struct sites sites = {0};
	int64_t max_id = 0;

	*totals = (struct mp_naming_totals){0};
	mp_symbolizer_refresh(n->symbolizer);
	int ret = name_frames(n, totals, err);
	if (!ret)
		ret = note_modules(n, err);
	if (!ret)
		ret = count(n, totals, &max_id, err);
	if (ret)
		return ret;
	sites.n = (size_t)(max_id < FRAME_ID_MAX && max_id > 0 ? max_id : 0) + 1;
	sites.of = calloc(sites.n, sizeof(*sites.of));
	if (!sites.of)
		return mp_err_set(err, ENOMEM, "out of memory");
	ret = find_frame_sites(n, &sites, err);
	if (!ret)
		ret = find_sites(n, &sites, err);
	free_sites(&sites);
	return ret;
}
