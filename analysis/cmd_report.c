/* SPDX-License-Identifier: MIT */
#include "analysis/cmd_report.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "analysis/days/days.h"
#include "analysis/impact/cost.h"
#include "analysis/report_command.h"

static const char usage[] =
    "usage: mpsample report NAME SESSION [options]\n"
    "       mpsample report session DAY1 DAY2 ... [--phase NAME] [--table NAME] [--limit N] [--format ...]\n"
    "\n" MP_REPORT_OPTIONS_USAGE
    "  --thread TID              only this thread (outliers, sites, impact, cache, advice)\n"
    "  --limit N                 rows; 0: all\n"
    "  --table NAME              one table of a report that has several; CSV has the first otherwise\n"
    "  --cost-per-us X|FILE.csv  impact: what each microsecond of lateness costs; or a curve, lines of\n"
    "                            lateness_us,cost\n"
    "  --interval SPAN=US        impact: spans of this name were to begin every US microseconds; may be "
    "repeated\n"
    "  --pool NAME               pools: all that is known of this one; NAME may have * ? []\n"
    "  --risk P                  pools: the probability of running dry in a session that is accepted: 1e-3\n"
    "  --horizon SECONDS         pools: how far to look ahead; otherwise as long as what is looked at\n"
    "\n"
    "reports:\n";

static void print_usage(FILE *out)
{
	fputs(usage, out);
	for (const struct mp_report *r = mp_reports; r->name; r++)
		fprintf(out, "  %-10s %s\n", r->name, r->purpose);
}

/* The last one counts. */
static int take_cost(struct mp_report_arguments *a, struct mp_err *err)
{
	mp_cost_free(a->filter.impact.cost);
	a->filter.impact.cost = NULL;
	return mp_cost_parse(optarg, &a->filter.impact.cost, err);
}

static int take_horizon(struct mp_report_arguments *a, struct mp_err *err)
{
	int64_t *ns = &a->filter.pools.horizon_ns;
	int rc = mp_report_parse_seconds("--horizon", optarg, ns, err);

	return rc || *ns > 0 ? rc : mp_err_set(err, EINVAL, "--horizon %s: give more than 0 seconds", optarg);
}

static struct mp_days_options days_of(const struct mp_report_arguments *a, int argc, char **argv)
{
	/* Behind the report's name. */
	return (struct mp_days_options){.path = (const char *const *)argv + optind + 1,
	    .n = (size_t)(argc - optind - 1),
	    .filter = &a->filter,
	    .format = a->format};
}

/* The sessions that stand behind the report's name: one, or several days. */
static int take_sessions(int argc, char **argv, struct mp_report_arguments *a, struct mp_err *err)
{
	int n = argc - optind - 1;

	if (n < 1)
		return mp_err_set(err, EINVAL, "of which session? Give its file");
	if (n > 1 && !a->report->is_of_days)
		return mp_err_set(err, EINVAL, "too many arguments: one session at a time");
	a->path = argv[optind + 1];
	if (n == 1)
		return 0;
	struct mp_days_options days = days_of(a, argc, argv);
	return mp_days_check(&days, err);
}

/* 0; 1 for --help; -EINVAL with a text. */
static int parse(int argc, char **argv, struct mp_report_arguments *a, struct mp_err *err)
{
	static const struct option options[] = {MP_REPORT_OPTIONS, {"limit", required_argument, NULL, 'l'},
	    {"table", required_argument, NULL, 'b'}, {"cost-per-us", required_argument, NULL, 'c'},
	    {"interval", required_argument, NULL, 'i'}, {"pool", required_argument, NULL, 'P'},
	    {"risk", required_argument, NULL, 'r'}, {"horizon", required_argument, NULL, 'H'}, {0}};
	int opt, rc = 0;

	optind = 0;
	while (!rc && (opt = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (opt == 'l')
			rc = mp_report_parse_count("--limit", optarg, 0, &a->filter.limit, err);
		else if (opt == 'b')
			a->filter.table = optarg;
		else if (opt == 'c')
			rc = take_cost(a, err);
		else if (opt == 'i')
			rc = mp_impact_add_interval(&a->filter.impact, optarg, err);
		else if (opt == 'P')
			a->filter.pools.pool = optarg;
		else if (opt == 'r')
			rc = mp_pool_parse_risk(optarg, &a->filter.pools.risk, err);
		else if (opt == 'H')
			rc = take_horizon(a, err);
		else
			rc = mp_report_option(opt, optarg, argv[optind - 1], a, err);
	}
	if (rc)
		return rc;
	if (argc == optind)
		return mp_err_set(err, EINVAL, "which report, of which session?");
	if (!(a->report = mp_report_find(argv[optind], err)))
		return -EINVAL;
	rc = take_sessions(argc, argv, a, err);
	if (!rc)
		rc = mp_report_check_impact(a->report, &a->filter.impact, err);
	if (!rc)
		rc = mp_report_check_pools(a->report, &a->filter.pools, err);
	if (!rc && a->filter.pools.pool)
		a->report = &mp_report_pool;
	return rc;
}

/* CSV holds one table and no words: what is not in it is said here. */
static void say_what_csv_leaves_out(const struct mp_report_arguments *a)
{
	const struct mp_report_section *c = a->report->section;

	if (a->format != MP_FORMAT_CSV || a->filter.table || !c[1].name)
		return;
	fprintf(stderr, "mpsample: %s as CSV is its first table, %s; for the others, --table",
	    a->report->name, c->name);
	for (c++; c->name; c++)
		fprintf(stderr, " %s%s", c->name, c[1].name ? "," : "\n");
}

static void say_rounded(const struct mp_report_arguments *a)
{
	if (a->format == MP_FORMAT_TABLE || !a->filter.is_rounded)
		return;
	fprintf(stderr, "mpsample: %s counts by the second: the time asked for is rounded outwards",
	    a->report->name);
	if (a->filter.from_ns >= 0)
		fprintf(stderr, ", from %g s", (double)a->filter.from_ns / 1e9);
	if (a->filter.to_ns >= 0)
		fprintf(stderr, ", to %g s", (double)a->filter.to_ns / 1e9);
	fputc('\n', stderr);
}

static int run(struct mp_report_arguments *a)
{
	bool written;
	int status = mp_report_command(a, &written);

	if (written) {
		say_what_csv_leaves_out(a);
		say_rounded(a);
	}
	return status;
}

static int run_days(const struct mp_report_arguments *a, int argc, char **argv)
{
	struct mp_days_options o = days_of(a, argc, argv);
	struct mp_err err = {0};

	/* The write fails with EPIPE instead. */
	signal(SIGPIPE, SIG_IGN);
	int rc = mp_days_run(&o, stdout, &err);
	if (rc && rc != -EPIPE) {
		fprintf(stderr, "mpsample: %s\n", err.text);
		return 1;
	}
	if (!rc && a->format == MP_FORMAT_CSV && !a->filter.table)
		fprintf(stderr,
		    "mpsample: session as CSV is its first table, days; for the others, --table %s\n",
		    mp_days_further_tables());
	return 0;
}

int mp_cmd_report(int argc, char **argv)
{
	struct mp_report_arguments a = MP_REPORT_ARGUMENTS_INIT;
	struct mp_err err = {0};
	int status = 0, rc = parse(argc, argv, &a, &err);

	if (rc > 0) {
		print_usage(stdout);
	} else if (rc) {
		fprintf(stderr, "mpsample: report: %s; see mpsample report --help\n", err.text);
		status = 2;
	} else {
		status = argc - optind > 2 ? run_days(&a, argc, argv) : run(&a);
	}
	mp_cost_free(a.filter.impact.cost);
	return status;
}
