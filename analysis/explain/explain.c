/* SPDX-License-Identifier: MIT */
#include "analysis/explain/explain.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

#include "analysis/beside.h"
#include "analysis/cache/cache.h"
#include "analysis/explain/why.h"
#include "analysis/gc/gc.h"
#include "analysis/pools/pools.h"
#include "analysis/session/session.h"
#include "store/embed.h"

#define RULES        "sql/advice/"
#define RULE_COLUMNS 7

static int fill_explain(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);
static int fill_call(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

const struct mp_report mp_report_explain = {
    .name = "explain",
    .purpose = "why the slowest calls were slow, and what makes slow calls slow at all",
    .limit = 20,
    .is_of_rows = true,
    .fill = fill_explain,
    .flat = true,
    .lines = "sql/explain/accounts.sql",
    .csv = "sql/explain/parts.sql",
    .json_column = "causes",
    .section = {{"rows", "Slowest calls, and why", "sql/explain/rows.sql", NULL, false},
	{"kinds", "All slow calls, by cause", "sql/explain/kinds.sql", NULL, false},
	{"ranking", "By cause and site", "sql/explain/ranking.sql",
	    "(share: of the time of all slow calls; tail_share: of that of calls at or above the p99.9 of "
	    "their "
	    "operation; figures: report advice)",
	    false}},
};

const struct mp_report mp_report_explain_call = {
    .name = "explain",
    .purpose = "all that is known of one call",
    .is_of_rows = true,
    .fill = fill_call,
    .flat = true,
    .lines = "sql/explain/accounts.sql",
    .csv = "sql/explain/parts.sql",
    .json_column = "causes",
    .section = {{"rows", "The call", "sql/explain/rows.sql", NULL, false},
	{"parts", "Its time", "sql/explain/parts_of_call.sql", NULL, false},
	{"stack", "Its stack", "sql/explain/stack.sql", NULL, false},
	{"events", "Kernel events of its thread meanwhile", "sql/explain/events.sql",
	    "(rows are a choice where events are many: causes count them all)", false},
	{"neighbours", "Other slow calls within 1 ms", "sql/explain/neighbours.sql", NULL, false}},
};

static int fail(struct mp_session *s, const char *path, struct mp_err *err)
{
	return mp_err_set(
	    err, EIO, "cannot read %s: %s: %s", mp_session_path(s), path, sqlite3_errmsg(mp_session_db(s)));
}

/* A file of one statement that fills a table. */
static int run(
    struct mp_session *s, const char *path, const struct mp_report_scope *scope, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = mp_report_prepare(s, path, scope, &stmt, err);

	if (!rc && sqlite3_step(stmt) != SQLITE_DONE)
		rc = fail(s, path, err);
	sqlite3_finalize(stmt);
	return rc;
}

/* The rows of a rule, with the rule's name before them. */
static int run_rule(struct mp_session *s, const char *path, const struct mp_report_scope *scope,
    sqlite3_stmt *insert, struct mp_err *err)
{
	const char *name = path + strlen(RULES);
	sqlite3_stmt *stmt = NULL;
	int step = SQLITE_DONE;
	int rc = mp_report_prepare(s, path, scope, &stmt, err);

	while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		sqlite3_bind_text(insert, 1, name, (int)(strlen(name) - strlen(".sql")), SQLITE_STATIC);
		for (int i = 0; i < sqlite3_column_count(stmt) && i < RULE_COLUMNS; i++)
			sqlite3_bind_value(insert, 2 + i, sqlite3_column_value(stmt, i));
		if (sqlite3_step(insert) != SQLITE_DONE)
			rc = fail(s, path, err);
		sqlite3_reset(insert);
		sqlite3_clear_bindings(insert);
	}
	if (!rc && step != SQLITE_DONE)
		rc = fail(s, path, err);
	sqlite3_finalize(stmt);
	return rc;
}

static int run_rules(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	sqlite3_stmt *insert = NULL;
	int rc = 0;

	if (sqlite3_prepare_v2(mp_session_db(s), "INSERT INTO why_advice VALUES (?,?,?,?,?,?,?,?)", -1,
		&insert, NULL) != SQLITE_OK)
		rc = fail(s, RULES, err);
	for (const struct mp_embedded *f = mp_embedded_files; !rc && f->path; f++)
		if (!strncmp(f->path, RULES, strlen(RULES)))
			rc = run_rule(s, f->path, scope, insert, err);
	sqlite3_finalize(insert);
	return rc;
}

/* What the rules say to the sums. */
static int judge(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	static const char *const steps[] = {"sql/explain/fill_site.sql", "sql/explain/fill_kind.sql",
	    "sql/explain/fill_allocator.sql", "sql/explain/fill_runner.sql"};
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(steps) / sizeof(*steps); i++)
		rc = run(s, steps[i], scope, err);
	return rc ? rc : run_rules(s, scope, err);
}

static int check_op(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	char all[256] = "";
	bool found = !scope->op;

	if (sqlite3_prepare_v2(mp_session_db(s), "SELECT name FROM op ORDER BY op_id", -1, &stmt, NULL) !=
	    SQLITE_OK)
		return fail(s, "op", err);
	while (!found && sqlite3_step(stmt) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);
		size_t n = strlen(all);

		found = name && !strcmp(name, scope->op);
		snprintf(all + n, sizeof(all) - n, "%s%s", n ? ", " : "", name ? name : "");
	}
	sqlite3_finalize(stmt);
	if (found)
		return 0;
	return mp_err_set(err, EINVAL, "there is no operation %s: there are %s", scope->op, all);
}

static int fill_why(struct mp_session *s, const struct mp_report_scope *scope, size_t top, struct mp_err *err)
{
	int rc = mp_why_begin(s, err);

	if (!rc)
		rc = mp_why_find_tail(s, scope, err);
	return rc ? rc : mp_why_sum(s, scope, top, err);
}

static int fill_why_of_all(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	return fill_why(s, scope, 0, err);
}

static int fill_cache_and_phases(
    struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	int rc = mp_why_resume(s, err);

	if (!rc)
		rc = mp_cache_begin(s, err);
	if (!rc)
		rc = mp_cache_sum(s, scope, err);
	if (!rc)
		rc = mp_session_advice_begin(s, err);
	return rc ? rc : mp_session_advice_judge(s, scope, err);
}

/* Calls and samples know nothing of each other, and reading either takes about as long. */
int mp_advice_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	int rc = mp_fill_beside(s, scope, fill_why_of_all, fill_cache_and_phases, err);

	if (!rc)
		rc = mp_why_resume(s, err);
	if (!rc)
		rc = mp_pools_begin(s, err);
	if (!rc)
		rc = mp_pools_judge(s, scope, err);
	if (!rc)
		rc = mp_gc_begin(s, err);
	if (!rc)
		rc = mp_gc_judge(s, scope, err);
	if (!rc)
		rc = judge(s, scope, err);
	if (!rc)
		rc = mp_why_divide(s, err);
	mp_why_end(s);
	return rc;
}

/* Without samples, pools, collections and phases their rules find nothing: slow calls, which explain is of,
 * are not what these speak of. */
static int fill(struct mp_session *s, const struct mp_report_scope *scope, size_t top, struct mp_err *err)
{
	int rc = fill_why(s, scope, top, err);

	if (!rc)
		rc = mp_cache_begin(s, err);
	if (!rc)
		rc = mp_pools_begin(s, err);
	if (!rc)
		rc = mp_gc_begin(s, err);
	if (!rc)
		rc = mp_session_advice_begin(s, err);
	if (!rc)
		rc = judge(s, scope, err);
	if (!rc)
		rc = mp_why_divide(s, err);
	mp_why_end(s);
	return rc;
}

static int fill_explain(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	int rc = check_op(s, scope, err);

	return rc ? rc : fill(s, scope, (size_t)scope->limit, err);
}

static int fill_call(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	int rc = mp_why_begin(s, err);

	if (!rc)
		rc = run(s, "sql/explain/fill_call.sql", scope, err);
	if (!rc && !sqlite3_changes(mp_session_db(s)))
		rc = mp_err_set(err, EINVAL,
		    "call %" PRId64
		    " is not in %s: only slow calls and samples are kept; mpsample explain %s "
		    "shows the slowest",
		    scope->call_id, mp_session_path(s), mp_session_path(s));
	if (!rc)
		rc = mp_why_divide(s, err);
	mp_why_end(s);
	return rc;
}
