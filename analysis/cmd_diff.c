/* SPDX-License-Identifier: MIT */
#include "analysis/cmd_diff.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "analysis/diff/diff.h"
#include "analysis/report_command.h"

static const char usage[] =
    "usage: mpsample diff A B [options]\n"
    "       mpsample diff SESSION --phase-a P --phase-b Q [options]\n"
    "\n"
    "What changed from A to B: rates, quantiles of latency, sites, causes, pools, collections, spans, "
    "counters.\n"
    "A second is one observation, and seconds that go together count as fewer: what is told as more or less "
    "is\n"
    "beyond chance, over all rows together at a level of 1 %. Two recordings of 12 seconds are the least, of "
    "a\n"
    "minute good.\n"
    "\n"
    "  --format table|json|csv   table: aligned, in readable units, and of most tables only what changed "
    "(the default)\n"
    "  --table NAME              all rows of one table; CSV has the first otherwise\n"
    "  --limit N                 rows of a table; 0: all\n"
    "  --phase P                 only this phase of both; NAME#2: the second time that it came\n"
    "  --phase-a P, --phase-b Q  only this phase of A, of B\n"
    "  --fail-if 'EXPR'          exit status 3 if a row meets it and differs beyond chance; may be "
    "repeated:\n"
    "                            [TABLE.|OP.]FIGURE [of NAME] (>|<) (+|-)N[%]\n"
    "                            'p99_ns > +10%', 'malloc.p99_ns > +5%', 'bytes_per_s of on_packet/malloc > "
    "+1000'\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 usage, 3 a --fail-if was met, 4 none was, but too little is known to "
    "tell of one\n"
    "(a line on stderr for each).\n"
    "tables: ";

#define CONDITIONS_MAX 64
#define EXIT_USAGE     2
#define EXIT_FAILED_IF 3
#define EXIT_UNTOLD    4

struct arguments {
	struct mp_diff_options o;
	struct mp_diff_condition condition[CONDITIONS_MAX];
};

static int add_condition(struct arguments *a, const char *text, struct mp_err *err)
{
	if (a->o.n_conditions == CONDITIONS_MAX)
		return mp_err_set(err, EINVAL, "--fail-if: %d are the most", CONDITIONS_MAX);
	return mp_diff_condition_parse(text, &a->condition[a->o.n_conditions++], err);
}

static int take_option(int opt, const char *given, struct arguments *a, struct mp_err *err)
{
	switch (opt) {
	case 'h':
		return 1;
	case 'f':
		return mp_format_parse(optarg, &a->o.format, err);
	case 'b':
		a->o.table = optarg;
		return 0;
	case 'l':
		return mp_report_parse_count("--limit", optarg, 0, &a->o.limit, err);
	case 'p':
		a->o.phase[0] = a->o.phase[1] = optarg;
		return 0;
	case 'A':
		a->o.phase[0] = optarg;
		return 0;
	case 'B':
		a->o.phase[1] = optarg;
		return 0;
	case 'F':
		return add_condition(a, optarg, err);
	default:
		return mp_err_set(err, EINVAL, "%s%s",
		    opt == ':' ? "this option needs a value: " : "there is no option ", given);
	}
}

static int take_paths(int argc, char **argv, struct mp_diff_options *o, struct mp_err *err)
{
	int n = argc - optind;

	if (n == 1 && !(o->phase[0] && o->phase[1] && o->phase[0] != o->phase[1]))
		return mp_err_set(
		    err, EINVAL, "compare it with what? Give a second session, or --phase-a and --phase-b");
	if (n != 1 && n != 2)
		return mp_err_set(err, EINVAL, "%s",
		    n ? "too many arguments: two sessions" : "which sessions? Give two files");
	o->path[0] = argv[optind];
	o->path[1] = n == 2 ? argv[optind + 1] : NULL;
	return 0;
}

/* 0; 1 for --help; -EINVAL with a text. */
static int parse(int argc, char **argv, struct arguments *a, struct mp_err *err)
{
	static const struct option options[] = {{"format", required_argument, NULL, 'f'},
	    {"table", required_argument, NULL, 'b'}, {"limit", required_argument, NULL, 'l'},
	    {"phase", required_argument, NULL, 'p'}, {"phase-a", required_argument, NULL, 'A'},
	    {"phase-b", required_argument, NULL, 'B'}, {"fail-if", required_argument, NULL, 'F'},
	    {"help", no_argument, NULL, 'h'}, {0}};
	int opt, rc = 0;

	optind = 0;
	while (!rc && (opt = getopt_long(argc, argv, ":h", options, NULL)) != -1)
		rc = take_option(opt, argv[optind - 1], a, err);
	a->o.condition = a->condition;
	if (!rc)
		rc = take_paths(argc, argv, &a->o, err);
	return rc ? rc : mp_diff_check(&a->o, err);
}

/* A condition that the sessions have nothing of is a matter of how it was asked. */
static int run(const struct mp_diff_options *o)
{
	struct mp_err err = {0};
	struct mp_diff_failures failures;

	/* The write fails with EPIPE instead. */
	signal(SIGPIPE, SIG_IGN);
	int rc = mp_diff_run(o, stdout, stderr, &failures, &err);
	if (rc && rc != -EPIPE) {
		fprintf(stderr, "mpsample: %s\n", err.text);
		return rc == -ENODATA ? EXIT_USAGE : EXIT_FAILURE;
	}
	return failures.met ? EXIT_FAILED_IF : failures.untold ? EXIT_UNTOLD : 0;
}

int mp_cmd_diff(int argc, char **argv)
{
	static struct arguments a = {.o = {.limit = -1}};
	struct mp_err err = {0};
	char tables[256];
	int rc = parse(argc, argv, &a, &err);

	if (rc > 0) {
		mp_diff_table_names(tables, sizeof(tables));
		printf("%s%s\n", usage, tables);
		return 0;
	}
	if (rc) {
		fprintf(stderr, "mpsample: diff: %s; see mpsample diff --help\n", err.text);
		return EXIT_USAGE;
	}
	return run(&a.o);
}
