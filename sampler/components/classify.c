/* SPDX-License-Identifier: MIT */
#include "sampler/components/classify.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/profile.h"
#include "store/append_component.h"

#define FRAMES_MAX 512 /* of a stack, inlined ones included; what lies further out does not decide */

struct classifying {
	struct mp_session *session;
	const struct mp_component_rules *rules;
	size_t *candidate; /* room for one of each rule */
	/* Of the stack that is being read. */
	int64_t stack_id;
	struct mp_component_frame frame[FRAMES_MAX];
	size_t n;
	struct mp_err *err;
};

static int failed(struct classifying *c)
{
	return mp_err_set(c->err, EIO, "cannot read %s: %s", mp_session_path(c->session),
	    sqlite3_errmsg(mp_session_db(c->session)));
}

static int prepare(struct classifying *c, const char *sql, sqlite3_stmt **st)
{
	return sqlite3_prepare_v2(mp_session_db(c->session), sql, -1, st, NULL) == SQLITE_OK ? 0 : failed(c);
}

/* ---- Components and rules ---- */

/* The first rule of the same component, by which it is numbered from 1 on. */
static int64_t component_of(const struct mp_component_rules *rules, size_t rule)
{
	for (size_t i = 0; i < rule; i++)
		if (!strcmp(rules->all[i].name, rules->all[rule].name))
			return (int64_t)i + 1;
	return (int64_t)rule + 1;
}

/* A component of the name MP_COMPONENT_OTHER is what no rule decides, and what its rules do. */
static int64_t component_id(const struct mp_component_rules *rules, size_t rule)
{
	return strcmp(rules->all[rule].name, MP_COMPONENT_OTHER) ? component_of(rules, rule) : 0;
}

static int add_rules(struct classifying *c)
{
	const struct mp_component_rules *rules = c->rules;
	int ret = mp_append_component(c->session, 0, MP_COMPONENT_OTHER, c->err);

	for (size_t i = 0; !ret && i < rules->n; i++) {
		const struct mp_component_rule *r = &rules->all[i];
		const struct mp_component_rule_row row = {
		    (int64_t)i, component_id(rules, i), r->min_bytes, r->max_bytes, r->threads};

		if (row.component_id == (int64_t)i + 1)
			ret = mp_append_component(c->session, row.component_id, r->name, c->err);
		if (!ret)
			ret = mp_append_component_rule(c->session, &row, c->err);
	}
	return ret;
}

/* A thread that had several names is one of each. */
static int add_threads(struct classifying *c)
{
	sqlite3_stmt *st = NULL;
	int step = SQLITE_DONE, ret = prepare(c, "SELECT tid, comm FROM thread WHERE comm IS NOT NULL", &st);

	while (!ret && (step = sqlite3_step(st)) == SQLITE_ROW) {
		const char *comm = (const char *)sqlite3_column_text(st, 1);
		for (size_t i = 0; !ret && comm && i < c->rules->n; i++)
			if (c->rules->all[i].threads && mp_profile_glob(c->rules->all[i].threads, comm))
				ret = mp_append_component_thread(
				    c->session, (int64_t)i, sqlite3_column_int64(st, 0), c->err);
	}
	if (!ret && step != SQLITE_DONE)
		ret = failed(c);
	sqlite3_finalize(st);
	return ret;
}

/* ---- Stacks ---- */

static void forget_frames(struct classifying *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free((char *)c->frame[i].function);
		free((char *)c->frame[i].module);
		free((char *)c->frame[i].file);
	}
	c->n = 0;
}

/* The frames of a stack are all there. */
static int add_stack(struct classifying *c)
{
	size_t n = mp_component_candidates(c->rules, c->frame, c->n, c->candidate);
	int ret = 0;

	for (size_t i = 0; !ret && i < n; i++)
		ret = mp_append_component_stack(
		    c->session, c->stack_id, (int64_t)i, (int64_t)c->candidate[i], c->err);
	forget_frames(c);
	return ret;
}

static bool copy_text(sqlite3_stmt *st, int column, const char **out)
{
	const char *text = (const char *)sqlite3_column_text(st, column);

	*out = text ? strdup(text) : NULL;
	return !text || *out;
}

static int take_frame(struct classifying *c, sqlite3_stmt *st)
{
	struct mp_component_frame *f = &c->frame[c->n];

	if (c->n == FRAMES_MAX)
		return 0;
	bool all = copy_text(st, 1, &f->function);
	all &= copy_text(st, 2, &f->module);
	all &= copy_text(st, 3, &f->file);
	c->n++;
	return all ? 0 : mp_err_set(c->err, ENOMEM, "out of memory");
}

static int add_stacks(struct classifying *c)
{
	sqlite3_stmt *st = NULL;
	int step = SQLITE_DONE, ret = add_stack(c); /* 0, without frames */

	if (!ret)
		ret = prepare(
		    c, "SELECT stack_id, function, module, file FROM v_stack ORDER BY stack_id, depth", &st);
	while (!ret && (step = sqlite3_step(st)) == SQLITE_ROW) {
		int64_t stack_id = sqlite3_column_int64(st, 0);
		if (c->stack_id && stack_id != c->stack_id)
			ret = add_stack(c);
		c->stack_id = stack_id;
		if (!ret)
			ret = take_frame(c, st);
	}
	if (!ret && step != SQLITE_DONE)
		ret = failed(c);
	if (!ret && c->stack_id)
		ret = add_stack(c);
	sqlite3_finalize(st);
	forget_frames(c);
	return ret;
}

static int classify(struct mp_session *s, const struct mp_component_rules *rules, struct mp_err *err)
{
	struct classifying *c = calloc(1, sizeof(*c));
	size_t *candidate = calloc(rules->n, sizeof(*candidate));
	int ret = c && candidate ? mp_clear_components(s, err) : mp_err_set(err, ENOMEM, "out of memory");

	if (!ret) {
		*c = (struct classifying){.session = s, .rules = rules, .candidate = candidate, .err = err};
		ret = add_rules(c);
	}
	if (!ret)
		ret = mp_append_scoped_components(s, err);
	if (!ret)
		ret = add_threads(c);
	if (!ret)
		ret = add_stacks(c);
	free(candidate);
	free(c);
	return ret;
}

int mp_components_classify(struct mp_session *s, const struct mp_component_rules *rules, struct mp_err *err)
{
	int ret = classify(s, rules, err);

	return ret ? ret : mp_session_set(s, err, "components", "%s", rules->text);
}

int mp_components_again(struct mp_session *s, struct mp_err *err)
{
	struct classifying c = {.session = s, .err = err};
	struct mp_component_rules rules;
	sqlite3_stmt *st = NULL;
	int ret = prepare(&c, "SELECT value FROM session WHERE key = 'components'", &st);

	if (!ret && sqlite3_step(st) == SQLITE_ROW) {
		ret = mp_component_rules_parse(
		    "the session's components", (const char *)sqlite3_column_text(st, 0), &rules, err);
		if (!ret) {
			ret = classify(s, &rules, err);
			mp_component_rules_free(&rules);
		}
	}
	sqlite3_finalize(st);
	return ret;
}
