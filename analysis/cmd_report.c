/* SPDX-License-Identifier: MIT */
#include "analysis/cmd_report.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/cost.h"
#include "analysis/report.h"

static const char usage[] =
    "usage: mpsample report NAME SESSION [options]\n"
    "\n"
    "  --format table|json|csv   table: aligned, in readable units (the default)\n"
    "  --from T, --to T          only this part, in seconds since the start of the recording: 2.5\n"
    "  --thread TID              only this thread (outliers, sites, impact)\n"
    "  --limit N                 rows; 0: all\n"
    "  --table NAME              one table of a report that has several; CSV has the first otherwise\n"
    "  --cost-per-us X|FILE.csv  impact: what each microsecond of lateness costs; or a curve, lines of\n"
    "                            lateness_us,cost\n"
    "  --interval SPAN=US        impact: spans of this name were to begin every US microseconds; may be "
    "repeated\n"
    "\n"
    "reports:\n";

struct arguments {
	const struct mp_report *report;
	const char *path;
	struct mp_report_filter filter;
	enum mp_format format;
};

static void print_usage(FILE *out)
{
	fputs(usage, out);
	for (const struct mp_report *r = mp_reports; r->name; r++)
		fprintf(out, "  %-10s %s\n", r->name, r->purpose);
}

/* Seconds to ns, digit by digit: exact, and the same in every locale. */
static int parse_seconds(const char *option, const char *text, int64_t *ns, struct mp_err *err)
{
	int64_t value = 0, unit = 1000000000;
	const char *c = text;

	for (; *c >= '0' && *c <= '9' && value < 1000000000; c++)
		value = value * 10 + (*c - '0');
	value *= unit;
	if (c != text && *c == '.')
		for (c++; *c >= '0' && *c <= '9'; c++)
			value += (*c - '0') * (unit /= 10);
	if (c == text || *c)
		return mp_err_set(err, EINVAL,
		    "%s %s: give seconds since the start of the recording, such as 2.5", option, text);
	*ns = value;
	return 0;
}

static int parse_count(const char *option, const char *text, int64_t least, int64_t *n, struct mp_err *err)
{
	char *end;

	errno = 0;
	*n = strtoll(text, &end, 10);
	if (errno || end == text || *end || *n < least)
		return mp_err_set(
		    err, EINVAL, "%s %s: give a whole number, %" PRId64 " or more", option, text, least);
	return 0;
}

static int parse_option(int opt, struct arguments *a, struct mp_err *err)
{
	switch (opt) {
	case 'f':
		return mp_format_parse(optarg, &a->format, err);
	case 'F':
		return parse_seconds("--from", optarg, &a->filter.from_ns, err);
	case 'T':
		return parse_seconds("--to", optarg, &a->filter.to_ns, err);
	case 't':
		return parse_count("--thread", optarg, 1, &a->filter.tid, err);
	case 'l':
		return parse_count("--limit", optarg, 0, &a->filter.limit, err);
	case 'c':
		mp_cost_free(a->filter.impact.cost);
		return mp_cost_parse(optarg, &a->filter.impact.cost, err);
	case 'i':
		return mp_impact_add_interval(&a->filter.impact, optarg, err);
	default:
		a->filter.table = optarg;
		return 0;
	}
}

/* 0; 1 for --help; -EINVAL with a text. */
static int parse(int argc, char **argv, struct arguments *a, struct mp_err *err)
{
	static const struct option options[] = {{"format", required_argument, NULL, 'f'},
	    {"from", required_argument, NULL, 'F'}, {"to", required_argument, NULL, 'T'},
	    {"thread", required_argument, NULL, 't'}, {"limit", required_argument, NULL, 'l'},
	    {"table", required_argument, NULL, 'b'}, {"cost-per-us", required_argument, NULL, 'c'},
	    {"interval", required_argument, NULL, 'i'}, {"help", no_argument, NULL, 'h'}, {0}};
	int opt;

	optind = 0;
	while ((opt = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (opt == 'h')
			return 1;
		if (opt == '?' || opt == ':')
			return mp_err_set(err, EINVAL, "%s%s",
			    opt == '?' ? "there is no option " : "this option needs a value: ",
			    argv[optind - 1]);
		if (parse_option(opt, a, err))
			return -EINVAL;
	}
	if (argc == optind)
		return mp_err_set(err, EINVAL, "which report, of which session?");
	if (!(a->report = mp_report_find(argv[optind], err)))
		return -EINVAL;
	if (argc - optind != 2)
		return mp_err_set(err, EINVAL, "%s",
		    argc - optind < 2 ? "of which session? Give its file"
				      : "too many arguments: one session at a time");
	a->path = argv[optind + 1];
	return mp_report_check_impact(a->report, &a->filter.impact, err);
}

/* CSV holds one table and no words: what is not in it is said here. */
static void say_what_csv_leaves_out(const struct arguments *a)
{
	const struct mp_report_section *c = a->report->section;

	if (a->format != MP_FORMAT_CSV || a->filter.table || !c[1].name)
		return;
	fprintf(stderr, "mpsample: %s as CSV is its first table, %s; for the others, --table",
	    a->report->name, c->name);
	for (c++; c->name; c++)
		fprintf(stderr, " %s%s", c->name, c[1].name ? "," : "\n");
}

static void say_rounded(const struct arguments *a, const struct mp_report_filter *asked)
{
	if (a->format == MP_FORMAT_TABLE || !a->report->histogram ||
	    (a->filter.from_ns == asked->from_ns && a->filter.to_ns == asked->to_ns))
		return;
	fprintf(stderr, "mpsample: %s counts by the second: --from and --to are rounded outwards",
	    a->report->name);
	if (a->filter.from_ns >= 0)
		fprintf(stderr, ", from %g s", (double)a->filter.from_ns / 1e9);
	if (a->filter.to_ns >= 0)
		fprintf(stderr, ", to %g s", (double)a->filter.to_ns / 1e9);
	fputc('\n', stderr);
}

static int run(struct arguments *a)
{
	struct mp_report_filter asked = a->filter;
	struct mp_session *s = NULL;
	struct mp_err err = {0};

	/* A reader that has seen enough (`| head`) is not a failure: the write fails with EPIPE instead. */
	signal(SIGPIPE, SIG_IGN);
	int rc = mp_session_open(a->path, &s, &err);
	if (!rc)
		rc = mp_report_run(s, a->report, &a->filter, stdout, a->format, &err);
	mp_session_close(s, NULL);
	if (rc && rc != -EPIPE) {
		fprintf(stderr, "mpsample: %s\n", err.text);
		return 1;
	}
	if (!rc) {
		say_what_csv_leaves_out(a);
		say_rounded(a, &asked);
	}
	return 0;
}

int mp_cmd_report(int argc, char **argv)
{
	struct arguments a = {.filter = {.from_ns = -1, .to_ns = -1, .limit = -1}};
	struct mp_err err = {0};
	int status = 0, rc = parse(argc, argv, &a, &err);

	if (rc > 0) {
		print_usage(stdout);
	} else if (rc) {
		fprintf(stderr, "mpsample: report: %s; see mpsample report --help\n", err.text);
		status = 2;
	} else {
		status = run(&a);
	}
	mp_cost_free(a.filter.impact.cost);
	return status;
}
