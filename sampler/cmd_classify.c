/* SPDX-License-Identifier: MIT */
#include "sampler/cmd_classify.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>

#include "sampler/components/classify.h"

#define USAGE                                                                                                \
	"usage: mpsample classify SESSION --components FILE\n"                                               \
	"\n"                                                                                                 \
	"Says anew which part of the program the allocations of a session belong to, by the rules in "       \
	"FILE:\n"                                                                                            \
	"\n"                                                                                                 \
	"  [component order_book]\n"                                                                         \
	"  function = OrderBook::* book_*   ; globs; module, file (of the source) and thread likewise\n"     \
	"  size     = 64-4K                 ; bytes asked for\n"                                             \
	"\n"                                                                                                 \
	"All that a rule says has to be true. A stack is looked at from its innermost function outwards: "   \
	"the\n"                                                                                              \
	"first rule that is true of one decides. Several rules of a component: [component NAME 2] and so "   \
	"on.\n"                                                                                              \
	"\n"                                                                                                 \
	"      --components FILE   the rules; they take the place of those that the session had\n"           \
	"  -h, --help\n"

/* What has come of it: the share of the bytes that were asked for. A component that nothing is of may be a
 * glob that was mistyped. */
static void tell(struct mp_session *s, const char *name, const struct mp_component_rules *rules)
{
	static const char unused[] =
	    "SELECT group_concat(name, ', ') FROM (SELECT name FROM component"
	    " WHERE name NOT IN (SELECT component FROM v_component) AND component_id <> 0"
	    " ORDER BY component_id)";
	static const char sql[] =
	    "WITH c AS (SELECT component, total(bytes) AS bytes, total(calls) AS calls FROM v_component "
	    "GROUP BY 1)"
	    " SELECT component, 100 * bytes / max(1, (SELECT total(bytes) FROM c)),"
	    " 100 * calls / max(1, (SELECT total(calls) FROM c)) FROM c ORDER BY bytes DESC, 1";
	sqlite3_stmt *st = NULL;

	printf("%s: %zu rules\n", name, rules->n);
	if (sqlite3_prepare_v2(mp_session_db(s), sql, -1, &st, NULL) == SQLITE_OK)
		while (sqlite3_step(st) == SQLITE_ROW)
			printf("  %5.1f %% of the bytes, %5.1f %% of the calls: %s\n",
			    sqlite3_column_double(st, 1), sqlite3_column_double(st, 2),
			    (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	st = NULL;
	if (sqlite3_prepare_v2(mp_session_db(s), unused, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
		printf("  no call that was kept is of: %s\n", (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
}

static int classify(const char *name, const struct mp_component_rules *rules, struct mp_err *err)
{
	struct mp_session *session;
	int ret = mp_session_edit(name, &session, err);

	if (ret)
		return ret;
	ret = mp_components_classify(session, rules, err);
	if (ret)
		mp_session_rollback(session); /* all or nothing */
	else
		tell(session, name, rules);
	int closed = mp_session_close(session, ret ? NULL : err);
	return ret ? ret : closed;
}

static int bad_usage(const char *what, const char *word)
{
	fprintf(stderr, "mpsample: %s%s; see mpsample classify --help\n", what, word);
	return 2;
}

int mp_cmd_classify(int argc, char **argv)
{
	static const struct option long_options[] = {{"components", required_argument, NULL, 'c'},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	struct mp_component_rules rules;
	const char *file = NULL;
	struct mp_err err;
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(USAGE, stdout);
			return 0;
		}
		if (opt == '?' || opt == ':')
			return bad_usage(
			    opt == ':' ? "this option wants a value: " : "no option of classify: ",
			    argv[optind - 1]);
		file = optarg;
	}
	if (optind == argc)
		return bad_usage("classify which session? Give its file", "");
	if (optind + 1 < argc)
		return bad_usage("one session at a time, not also ", argv[optind + 1]);
	if (!file)
		return bad_usage("by which rules? Give --components FILE", "");
	int ret = mp_component_rules_read(file, &rules, &err);
	if (!ret && !rules.n) {
		ret = mp_err_set(&err, EINVAL,
		    "%s: no [component NAME] in it, and gauges are read while recording: the session stays "
		    "as it is",
		    file);
		mp_component_rules_free(&rules);
	} else if (!ret) {
		ret = classify(argv[optind], &rules, &err);
		mp_component_rules_free(&rules);
	}
	if (ret)
		fprintf(stderr, "mpsample: %s\n", err.text);
	return ret ? 1 : 0;
}
