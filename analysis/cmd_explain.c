/* SPDX-License-Identifier: MIT */
#include "analysis/cmd_explain.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "analysis/explain/explain.h"
#include "analysis/report_command.h"

static const char usage[] =
    "usage: mpsample explain SESSION [options]\n"
    "\n"
    "Divides the time of each slow call among its causes: page faults, system calls, locks, other threads on "
    "its CPU,\n"
    "interrupts and more (v_cause says what each one is), and `unexplained`, what none of them covers. "
    "Below, over all slow\n"
    "calls: which causes make up most of their time, at which sites, and what can be done.\n"
    "\n"
    "  --top N                   the N slowest calls (20)\n"
    "  --call ID                 all that is known of one call: its stack, what the kernel did, its "
    "neighbours\n"
    "  --op OP                   only this operation: malloc, free, ...\n"
    "  --thread TID              only this thread\n" MP_REPORT_OPTIONS_USAGE "\n"
    "JSON has the calls as \"rows\", each with its \"causes\", and the \"ranking\"; CSV a row for each call "
    "and cause.\n";

/* Shown one by one: more is a matter for v_cause. */
#define TOP_MAX 100000

static int parse_session(
    int argc, char **argv, int opt_range, struct mp_report_arguments *a, struct mp_err *err)
{
	if (argc - optind != 1)
		return mp_err_set(err, EINVAL, "%s",
		    argc == optind ? "of which session? Give its file"
				   : "too many arguments: one session at a time");
	a->path = argv[optind];
	a->report = a->filter.call_id ? &mp_report_explain_call : &mp_report_explain;
	if (a->filter.call_id && opt_range)
		return mp_err_set(err, EINVAL,
		    "--call is one call: --top, --from, --to, --thread and --op "
		    "choose others");
	return 0;
}

/* 0; 1 for --help; -EINVAL with a text. */
static int parse(int argc, char **argv, struct mp_report_arguments *a, struct mp_err *err)
{
	static const struct option options[] = {MP_REPORT_OPTIONS, {"top", required_argument, NULL, 'n'},
	    {"call", required_argument, NULL, 'c'}, {"op", required_argument, NULL, 'o'}, {0}};
	int opt, rc = 0, range = 0;

	optind = 0;
	while (!rc && (opt = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		range |= opt != 'c' && opt != 'f';
		if (opt == 'n')
			rc = mp_report_parse_count("--top", optarg, 1, &a->filter.limit, err);
		else if (opt == 'c')
			rc = mp_report_parse_count("--call", optarg, 1, &a->filter.call_id, err);
		else if (opt == 'o')
			a->filter.op = optarg;
		else
			rc = mp_report_option(opt, optarg, argv[optind - 1], a, err);
	}
	if (rc)
		return rc;
	if (a->filter.limit > TOP_MAX)
		return mp_err_set(
		    err, EINVAL, "--top: at most %d; all calls are in v_outlier and v_cause", TOP_MAX);
	return parse_session(argc, argv, range, a, err);
}

int mp_cmd_explain(int argc, char **argv)
{
	struct mp_report_arguments a = MP_REPORT_ARGUMENTS_INIT;
	struct mp_err err = {0};
	bool written;
	int rc = parse(argc, argv, &a, &err);

	if (rc > 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (rc) {
		fprintf(stderr, "mpsample: explain: %s; see mpsample explain --help\n", err.text);
		return 2;
	}
	return mp_report_command(&a, &written);
}
