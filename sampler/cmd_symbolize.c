/* SPDX-License-Identifier: MIT */
#include "sampler/cmd_symbolize.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sampler/components/classify.h"
#include "sampler/files.h"
#include "sampler/naming.h"
#include "sampler/profile.h"
#include "symbolize/debuginfod.h"

#define USAGE                                                                                                \
	"usage: mpsample symbolize SESSION [--debug-dir DIR]... [--long-names]\n"                            \
	"\n"                                                                                                 \
	"Names the addresses of a session anew, also on another machine than the one it was recorded on: "   \
	"files are "                                                                                         \
	"found\n"                                                                                            \
	"by their build-ids. A name from a better source (debug information, symbol table, exported "        \
	"symbols) "                                                                                          \
	"replaces an\n"                                                                                      \
	"older one; nothing is made worse.\n"                                                                \
	"\n"                                                                                                 \
	"      --debug-dir DIR   look here first: for DIR/.build-id/xx/yyyy[.debug], "                       \
	"DIR/path/of/the/program and "                                                                       \
	"DIR/program;\n"                                                                                     \
	"                        may be given several times. Then in /usr/lib/debug, and where "             \
	"DEBUGINFOD_URLS is "                                                                                \
	"set and\n"                                                                                          \
	"                        libdebuginfod is installed, on those servers\n"                             \
	"      --long-names      template arguments whole\n"                                                 \
	"  -h, --help\n"

struct options {
	const char *session;
	struct mp_debug_dirs debug_dirs;
	bool long_names;
};

/* Ids above this are not of a session that a recorder wrote. */
#define MODULE_ID_MAX (1 << 20)

/* The mappings of the session, told to the symbolizer; numbers[module_id] is its number there. */
static int add_modules(
    struct mp_session *session, struct mp_symbolizer *symbolizer, uint32_t *numbers, struct mp_err *err)
{
	static const char sql[] = "SELECT module_id, start_addr, end_addr, file_offset, path, t_ns, "
				  "build_id, bias FROM module ORDER BY module_id";
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(mp_session_db(session), sql, -1, &st, NULL);

	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		int64_t id = sqlite3_column_int64(st, 0);
		struct mp_map map = {.start = (uint64_t)sqlite3_column_int64(st, 1),
		    .end = (uint64_t)sqlite3_column_int64(st, 2),
		    .file_offset = (uint64_t)sqlite3_column_int64(st, 3),
		    .path = (const char *)sqlite3_column_text(st, 4),
		    .t_ns = sqlite3_column_int64(st, 5),
		    .build_id = (const char *)sqlite3_column_text(st, 6),
		    .bias_known = sqlite3_column_type(st, 7) == SQLITE_INTEGER,
		    .bias = (uint64_t)sqlite3_column_int64(st, 7)};

		/* Without a build-id nothing says that a file here is the one that was mapped there. */
		map.is_gone = !map.build_id;
		if (id > 0 && id < MODULE_ID_MAX)
			numbers[id] = mp_symbolizer_add_map(symbolizer, &map);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0
				 : mp_err_set(err, EIO, "cannot read the modules of %s: %s",
				       mp_session_path(session), sqlite3_errmsg(mp_session_db(session)));
}

static bool show_fetch(void *ctx, long done, long total)
{
	(void)ctx;
	(void)total;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rmpsample: fetching debug information: %ld ", done);
	return true;
}

/* The files that most addresses without a good name are in, and why. */
static void tell_missing(struct mp_session *session)
{
	static const char sql[] =
	    "SELECT count(*), path, coalesce(max(note), 'no name is known for this code')"
	    " FROM frame JOIN module ON module.module_id = frame.module_id"
	    " WHERE frame.quality < ? GROUP BY path ORDER BY 1 DESC, 2 LIMIT 3";
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(mp_session_db(session), sql, -1, &st, NULL) == SQLITE_OK)
		sqlite3_bind_int(st, 1, MP_SYMBOL_DEBUGDATA);
	while (st && sqlite3_step(st) == SQLITE_ROW)
		printf("  %lld in %s: %s\n", (long long)sqlite3_column_int64(st, 0),
		    sqlite3_column_text(st, 1), sqlite3_column_text(st, 2));
	sqlite3_finalize(st);
}

static int name_session(struct mp_session *session, const struct options *o, struct mp_err *err)
{
	const struct mp_debuginfod_options fetch = {show_fetch, NULL};
	struct mp_symbolize_options options = {
	    .debug_dirs = o->debug_dirs.dir, .n_debug_dirs = o->debug_dirs.n, .long_names = o->long_names};
	struct mp_naming_totals totals = {0};
	struct mp_profiles profiles;
	int ret = mp_profiles_load(&profiles, err);

	if (ret)
		return ret;
	if (mp_debuginfod_new(&fetch, &options.debuginfod, NULL))
		options.debuginfod = NULL;
	uint32_t *numbers = calloc(MODULE_ID_MAX, sizeof(*numbers));
	struct mp_symbolizer *symbolizer = mp_symbolizer_new(0, &options);
	if (!numbers || !symbolizer)
		ret = mp_err_set(err, ENOMEM, "out of memory");
	if (!ret)
		ret = add_modules(session, symbolizer, numbers, err);
	if (!ret) {
		const struct mp_naming naming = {.session = session,
		    .symbolizer = symbolizer,
		    .numbers = numbers,
		    .n_numbers = MODULE_ID_MAX,
		    .is_wrapper = mp_profile_is_wrapper,
		    .ctx = &profiles};
		ret = mp_naming_run(&naming, &totals, err);
		if (!ret)
			ret = mp_components_again(session, err);
	}
	if (!ret) {
		printf("%s: %" PRIu64 " of %" PRIu64 " addresses have a function, %" PRIu64
		       " a line; %" PRIu64 " have a better name than before\n",
		    o->session, totals.named, totals.frames, totals.with_lines, totals.better);
		tell_missing(session);
	}
	mp_symbolizer_free(symbolizer);
	mp_debuginfod_free(options.debuginfod);
	mp_profiles_free(&profiles);
	free(numbers);
	return ret;
}

static int symbolize(const struct options *o, struct mp_err *err)
{
	struct mp_session *session;
	int ret = mp_session_edit(o->session, &session, err);

	if (ret)
		return ret;
	mp_raise_file_limit();
	ret = name_session(session, o, err);
	if (ret)
		mp_session_rollback(session); /* all or nothing */
	int closed = mp_session_close(session, ret ? NULL : err);
	return ret ? ret : closed;
}

static int bad_usage(const char *what, const char *word)
{
	fprintf(stderr, "mpsample: %s%s; see mpsample symbolize --help\n", what, word);
	return 2;
}

static int take_debug_dir(struct options *o, const char *dir)
{
	struct mp_err err;

	if (!mp_debug_dirs_add(&o->debug_dirs, dir, &err))
		return 0;
	fprintf(stderr, "mpsample: %s\n", err.text);
	return 2;
}

int mp_cmd_symbolize(int argc, char **argv)
{
	static const struct option long_options[] = {{"debug-dir", required_argument, NULL, 'd'},
	    {"long-names", no_argument, NULL, 'l'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	struct options o = {0};
	struct mp_err err;
	int opt, ret;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(USAGE, stdout);
			return 0;
		}
		if (opt == '?' || opt == ':')
			return bad_usage(
			    opt == ':' ? "this option wants a value: " : "no option of symbolize: ",
			    argv[optind - 1]);
		if (opt == 'l')
			o.long_names = true;
		else if ((ret = take_debug_dir(&o, optarg)))
			return ret;
	}
	if (optind == argc)
		return bad_usage("symbolize which session? Give its file", "");
	if (optind + 1 < argc)
		return bad_usage("one session at a time, not also ", argv[optind + 1]);
	o.session = argv[optind];
	if (!symbolize(&o, &err))
		return 0;
	fprintf(stderr, "mpsample: %s\n", err.text);
	return 1;
}
