/* SPDX-License-Identifier: MIT */
#include "sampler/cmd_import.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sampler/files.h"
#include "sampler/import/gc_import.h"
#include "sampler/import/import.h"
#include "symbolize/debuginfod.h"

static const char usage[] =
    "usage: mpsample import FILE -o SESSION [OPTION]...\n"
    "\n"
    "Makes a session of a recording of perf (perf.data; - for perf record -o - in a pipe), of this machine "
    "or\n"
    "another one: its samples are rows of v_sample. Or of a log of HotSpot's collectors (java\n"
    "-Xlog:gc*,safepoint:file=gc.log): its pauses are rows of v_gc. Times are those of the recording.\n"
    "\n"
    "  -o, --output FILE        the session\n"
    "      --force              replace FILE\n"
    "      --symbolize WHEN     now (default): names by the files of this machine that have the recorded\n"
    "                           build-ids; later: addresses only, mpsample symbolize names them\n"
    "      --debug-dir DIR      look here first, as mpsample symbolize does; may be given several times\n"
    "      --long-names         template arguments whole\n"
    "  -h, --help\n";

enum { OPT_FORCE = 256, OPT_SYMBOLIZE, OPT_DEBUG_DIR, OPT_LONG_NAMES };

struct options {
	struct mp_import_options import;
	struct mp_debug_dirs debug_dirs;
	bool help;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* Stopped, it leaves nothing behind. */
static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGXFSZ, &sa, NULL); /* then a full quota is an error that is told */
}

static void show_progress(int percent)
{
	fprintf(stderr, "\rmpsample: importing: %d %% ", percent);
}

static bool show_fetch(void *ctx, long done, long total)
{
	(void)ctx;
	(void)total;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rmpsample: fetching debug information: %ld ", done);
	return !stop;
}

static void tell(const struct options *o, const struct mp_import_totals *t)
{
	const struct mp_perf_data_totals *d = &t->data;

	fprintf(stderr, "%smpsample: imported %" PRIu64 " samples of %zu event%s from %s",
	    isatty(STDERR_FILENO) ? "\r" : "", t->samples, t->events, t->events == 1 ? "" : "s",
	    o->import.input);
	if (t->lost)
		fprintf(
		    stderr, "; LOST %" PRIu64 " events (mpsample report loss %s)", t->lost, o->import.output);
	else
		fprintf(stderr, ", nothing lost");
	if (d->unknown)
		fprintf(stderr, "; %" PRIu64 " records of unknown kinds", d->unknown);
	if (d->late)
		fprintf(stderr, "; %" PRIu64 " records out of order", d->late);
	fprintf(stderr, "\n");
	if (d->is_cut)
		fprintf(stderr, "mpsample: %s is NOT whole: %s; what is there was imported\n",
		    o->import.input, d->why);
	if (o->import.symbolize_later)
		fprintf(stderr, "mpsample: functions have no names yet: mpsample symbolize %s\n",
		    o->import.output);
}

static void tell_gc(const struct options *o, const struct mp_gc_log_totals *t)
{
	fprintf(stderr,
	    "%smpsample: imported %" PRIu64 " pauses and %" PRIu64
	    " concurrent collections from %s; of %" PRIu64 " lines %" PRIu64
	    " tell nothing that is kept, %" PRIu64 " were not understood",
	    isatty(STDERR_FILENO) ? "\r" : "", t->pauses, t->beside, o->import.input, t->lines, t->other,
	    t->unknown);
	if (t->no_time)
		fprintf(stderr, "; %" PRIu64 " collections without a time are LEFT OUT", t->no_time);
	fprintf(stderr, "; mpsample report gc %s\n", o->import.output);
}

static int run_gc(struct options *o)
{
	struct mp_gc_log_totals totals;
	struct mp_err err;
	int ret = mp_gc_import(&o->import, &totals, &err);

	if (!ret)
		tell_gc(o, &totals);
	else
		fprintf(stderr, "mpsample: %s\n", err.text);
	return ret ? 1 : 0;
}

static int run_perf(struct options *o)
{
	const struct mp_debuginfod_options fetch = {show_fetch, NULL};
	struct mp_import_totals totals;
	struct mp_err err;

	o->import.symbolize.debug_dirs = o->debug_dirs.dir;
	o->import.symbolize.n_debug_dirs = o->debug_dirs.n;
	mp_raise_file_limit();
	if (o->import.symbolize_later || mp_debuginfod_new(&fetch, &o->import.symbolize.debuginfod, NULL))
		o->import.symbolize.debuginfod = NULL;
	int ret = mp_import(&o->import, &totals, &err);
	mp_debuginfod_free(o->import.symbolize.debuginfod);
	if (!ret) {
		tell(o, &totals);
		return 0;
	}
	fprintf(stderr, "mpsample: %s\n", err.text);
	return 1;
}

static int run(struct options *o)
{
	o->import.progress = isatty(STDERR_FILENO) ? show_progress : NULL;
	o->import.stop = &stop;
	catch_signals();
	return mp_gc_import_knows(o->import.input) ? run_gc(o) : run_perf(o);
}

/* ---- Options ---- */

static int bad_usage(const char *what, const char *word)
{
	fprintf(stderr, "mpsample: %s%s; see mpsample import --help\n", what, word);
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

static int take_option(struct options *o, int opt)
{
	switch (opt) {
	case 'h':
		o->help = true;
		return 0;
	case 'o':
		o->import.output = optarg;
		return 0;
	case OPT_FORCE:
		o->import.force = true;
		return 0;
	case OPT_LONG_NAMES:
		o->import.symbolize.long_names = true;
		return 0;
	case OPT_DEBUG_DIR:
		return take_debug_dir(o, optarg);
	case OPT_SYMBOLIZE:
		if (strcmp(optarg, "now") && strcmp(optarg, "later"))
			return bad_usage("--symbolize is now or later, not ", optarg);
		o->import.symbolize_later = !strcmp(optarg, "later");
		return 0;
	}
	return 2;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option long_options[] = {{"output", required_argument, NULL, 'o'},
	    {"force", no_argument, NULL, OPT_FORCE}, {"symbolize", required_argument, NULL, OPT_SYMBOLIZE},
	    {"debug-dir", required_argument, NULL, OPT_DEBUG_DIR},
	    {"long-names", no_argument, NULL, OPT_LONG_NAMES}, {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0}};
	int opt, ret = 0;

	opterr = 0;
	while (!ret && !o->help && (opt = getopt_long(argc, argv, ":ho:", long_options, NULL)) != -1) {
		if (opt == '?' || opt == ':')
			return bad_usage(opt == ':' ? "this option wants a value: " : "no option of import: ",
			    argv[optind - 1]);
		ret = take_option(o, opt);
	}
	if (ret || o->help)
		return ret;
	if (optind == argc)
		return bad_usage("import which recording? Give its file, such as perf.data", "");
	if (optind + 1 < argc)
		return bad_usage("one recording at a time, not also ", argv[optind + 1]);
	if (!o->import.output)
		return bad_usage("import to where? Give the session's file: -o FILE", "");
	o->import.input = argv[optind];
	return 0;
}

static char *join(int argc, char **argv)
{
	size_t n = 1;

	for (int i = 0; i < argc; i++)
		n += strlen(argv[i]) + 1;
	char *text = calloc(n, 1), *at = text;
	for (int i = 1; text && i < argc; i++)
		at += sprintf(at, "%s%s", i > 1 ? " " : "", argv[i]);
	return text;
}

int mp_cmd_import(int argc, char **argv)
{
	struct options o = {.import = {.input = NULL}};
	char *text = join(argc, argv); /* before getopt moves them */
	int ret = parse(argc, argv, &o);

	if (!ret && o.help)
		fputs(usage, stdout);
	o.import.options_text = text;
	if (!ret && !o.help)
		ret = run(&o);
	free(text);
	return ret;
}
