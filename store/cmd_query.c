/* SPDX-License-Identifier: MIT */
#include "store/cmd_query.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/embed.h"
#include "store/emit.h"
#include "store/session.h"

static const char usage[] =
    "usage: mpsample query SESSION [SQL | -] [--format table|json|csv]\n"
    "\n"
    "Runs SQL over a session, read-only; `-` reads it from standard input. Without SQL it lists the views,\n"
    "their columns and an example of each. Several statements are separated by semicolons.\n"
    "\n"
    "  --format table   aligned, times and sizes in readable units (the default)\n"
    "  --format json    {\"rows\":[...]}; a second statement's are in \"rows2\", and so on\n"
    "  --format csv     RFC 4180; tables of several statements are separated by an empty line\n";

/* What the authorizer found, for the message: SQLite itself only says "not authorized". */
struct refusal {
	const char *what;
	char name[64];
};

/* Pragmas that only read; those with an argument here name a table or an index with it. */
static bool pragma_reads(const char *name, const char *arg)
{
	static const char *const plain[] = {"application_id", "collation_list", "compile_options",
	    "database_list", "encoding", "freelist_count", "function_list", "journal_mode", "module_list",
	    "page_count", "page_size", "pragma_list", "query_only", "schema_version", "user_version"};
	static const char *const with_name[] = {"foreign_key_list", "index_info", "index_list", "index_xinfo",
	    "integrity_check", "quick_check", "table_info", "table_list", "table_xinfo"};

	for (size_t i = 0; !arg && i < sizeof(plain) / sizeof(*plain); i++)
		if (!strcasecmp(name, plain[i]))
			return true;
	for (size_t i = 0; i < sizeof(with_name) / sizeof(*with_name); i++)
		if (!strcasecmp(name, with_name[i]))
			return true;
	return false;
}

/* What may not be named is refused: new kinds of actions too. */
static int authorize(void *arg, int action, const char *a, const char *b, const char *db, const char *trigger)
{
	struct refusal *refusal = arg;

	(void)db;
	(void)trigger;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		if (b && strcasecmp(b, "load_extension") && strcasecmp(b, "fts3_tokenizer"))
			return SQLITE_OK;
		refusal->what = "the function";
		a = b;
		break;
	case SQLITE_PRAGMA:
		if (a && pragma_reads(a, b))
			return SQLITE_OK;
		refusal->what = "PRAGMA";
		break;
	case SQLITE_ATTACH:
		refusal->what = "ATTACH";
		break;
	case SQLITE_DETACH:
		refusal->what = "DETACH";
		break;
	case SQLITE_TRANSACTION:
	case SQLITE_SAVEPOINT:
		refusal->what = "a transaction";
		a = NULL;
		break;
	case SQLITE_UPDATE:
		/* Asked for whenever a table-valued function, such as json_each(), is named: nothing is
		 * written. */
		if (a && !strcmp(a, "sqlite_master"))
			return SQLITE_OK;
		/* fall through */
	case SQLITE_INSERT:
	case SQLITE_DELETE:
		/* Of CREATE and DROP, SQLite asks for their rows in the schema table first. */
		refusal->what = a && !strncmp(a, "sqlite_", 7) ? "changing the schema" : "writing to";
		if (a && !strncmp(a, "sqlite_", 7))
			a = NULL;
		break;
	default:
		refusal->what = "changing the schema";
		a = NULL;
		break;
	}
	snprintf(refusal->name, sizeof(refusal->name), "%s", a ? a : "");
	return SQLITE_DENY;
}

static int prepare(sqlite3 *db, const char *sql, struct refusal *refusal, sqlite3_stmt **stmt,
    const char **tail, struct mp_err *err)
{
	int rc = sqlite3_prepare_v2(db, sql, -1, stmt, tail);

	/* VACUUM asks no authorizer. */
	if (rc == SQLITE_OK && *stmt && !sqlite3_stmt_readonly(*stmt))
		refusal->what = "writing";
	else if (rc == SQLITE_OK)
		return 0;
	if (refusal->what)
		return mp_err_set(err, EPERM,
		    "a session is read-only here: %s%s%s is refused: work on a copy with the sqlite3 shell",
		    refusal->what, *refusal->name ? " " : "", refusal->name);
	return mp_err_set(err, EINVAL, "cannot run the SQL: %s", sqlite3_errmsg(db));
}

/* Runs all statements of `sql`; those without columns give no table. */
static int run_sql(sqlite3 *db, const char *sql, struct mp_emit *e, struct mp_err *err)
{
	struct refusal refusal = {0};
	char name[32] = "rows";
	int tables = 0, rc = 0;

	sqlite3_set_authorizer(db, authorize, &refusal);
	while (!rc && *sql) {
		sqlite3_stmt *stmt = NULL;

		rc = prepare(db, sql, &refusal, &stmt, &sql, err);
		if (!rc && stmt && sqlite3_column_count(stmt)) {
			if (++tables > 1)
				snprintf(name, sizeof(name), "rows%d", tables);
			rc = mp_emit_rows(e, name, NULL, stmt, err);
		}
		sqlite3_finalize(stmt);
	}
	if (!rc && !tables)
		rc = mp_err_set(err, EINVAL, "the SQL holds no statement that gives rows: give a SELECT");
	return rc;
}

/* The text of a view's file, in which its first comment says what it is for, and another gives an example. */
static void view_text(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const char *view = (const char *)sqlite3_value_text(argv[0]);
	char path[128];

	(void)argc;
	snprintf(path, sizeof(path), "sql/views/%s.sql", view ? view : "");
	sqlite3_result_text(ctx, mp_embedded_text(path), -1, SQLITE_STATIC);
}

/* Every file opens with the licence's line, its purpose stands in the next, its example in one that says so.
 */
static const char views_sql[] =
    "WITH view AS ("
    "  SELECT name, view_text(name) || char(10) AS text,"
    "         (SELECT group_concat(name, ', ') FROM pragma_table_info(sqlite_master.name)) AS columns"
    "  FROM sqlite_master WHERE type = 'view' AND name LIKE 'v\\_%' ESCAPE '\\'"
    "), comment AS ("
    "  SELECT *, substr(text, instr(text, char(10)) + 4) AS purpose,"
    "         substr(text, instr(text, '-- Example: ') + 12) AS example FROM view"
    ") SELECT name AS view, columns, substr(purpose, 1, instr(purpose, char(10)) - 1) AS purpose,"
    "         substr(example, 1, instr(example, char(10)) - 1) AS example FROM comment ORDER BY name";

static const char *text_or_empty(sqlite3_stmt *stmt, int col)
{
	const char *text = (const char *)sqlite3_column_text(stmt, col);

	return text ? text : "";
}

static int list_views(sqlite3 *db, enum mp_format format, struct mp_emit *e, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = 0, step = SQLITE_DONE;

	sqlite3_create_function(
	    db, "view_text", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, view_text, NULL, NULL);
	if (sqlite3_prepare_v2(db, views_sql, -1, &stmt, NULL) != SQLITE_OK)
		return mp_err_set(err, EIO, "cannot list the views: %s", sqlite3_errmsg(db));
	if (format != MP_FORMAT_TABLE)
		rc = mp_emit_rows(e, "rows", NULL, stmt, err);
	else
		while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
			mp_emit_note(e, "%s (%s)", text_or_empty(stmt, 0), text_or_empty(stmt, 1));
			mp_emit_note(e, "    %s", text_or_empty(stmt, 2));
			mp_emit_note(e, "    %s;", text_or_empty(stmt, 3));
		}
	if (step != SQLITE_DONE)
		rc = mp_err_set(err, EIO, "cannot list the views: %s", sqlite3_errmsg(db));
	sqlite3_finalize(stmt);
	return rc;
}

static int read_stdin(char **text, struct mp_err *err)
{
	size_t size = 0;

	*text = NULL;
	errno = 0;
	if (getdelim(text, &size, '\0', stdin) >= 0)
		return 0;
	if (ferror(stdin))
		return mp_err_set(err, EIO, "cannot read SQL from standard input: %s", strerror(errno));
	return mp_err_set(err, EINVAL, "there is no SQL on standard input");
}

static int query(const char *path, const char *sql, enum mp_format format, struct mp_err *err)
{
	struct mp_session *s = NULL;
	struct mp_emit *e = NULL;
	char *text = NULL;
	int rc = 0;

	if (sql && !strcmp(sql, "-")) {
		rc = read_stdin(&text, err);
		sql = text;
	}
	if (!rc)
		rc = mp_session_open(path, &s, err);
	if (rc)
		goto out;
	if (!(e = mp_emit_new(stdout, format))) {
		rc = mp_err_set(err, ENOMEM, "out of memory");
		goto out;
	}
	mp_emit_begin(e, NULL);
	rc = sql ? run_sql(mp_session_db(s), sql, e, err) : list_views(mp_session_db(s), format, e, err);
	int end = mp_emit_end(e, rc ? NULL : err);
	if (!rc)
		rc = end;
out:
	mp_session_close(s, NULL);
	free(text);
	return rc;
}

static int bad_usage(const char *why, const char *what)
{
	fprintf(stderr, "mpsample: query: %s%s; see mpsample query --help\n", why, what);
	return 2;
}

int mp_cmd_query(int argc, char **argv)
{
	static const struct option options[] = {
	    {"format", required_argument, NULL, 'f'}, {"help", no_argument, NULL, 'h'}, {0}};
	enum mp_format format = MP_FORMAT_TABLE;
	struct mp_err err = {0};
	int opt;

	optind = 0;
	while ((opt = getopt_long(argc, argv, ":hf:", options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (opt != 'f')
			return bad_usage(opt == ':' ? "this option needs a value: " : "there is no option ",
			    argv[optind - 1]);
		if (mp_format_parse(optarg, &format, &err))
			return bad_usage(err.text, "");
	}
	argc -= optind;
	argv += optind;
	if (argc < 1)
		return bad_usage("which session? Give its file", "");
	if (argc > 2)
		return bad_usage("too many arguments: quote the SQL: ", argv[2]);

	/* A reader that has seen enough (`| head`) is not a failure: the write fails with EPIPE instead. */
	signal(SIGPIPE, SIG_IGN);
	int rc = query(argv[0], argc > 1 ? argv[1] : NULL, format, &err);
	if (!rc || rc == -EPIPE)
		return 0;
	fprintf(stderr, "mpsample: %s\n", err.text);
	return 1;
}
