/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_REPORT_COMMAND_H
#define MP_ANALYSIS_REPORT_COMMAND_H

#include "analysis/report.h"

/*
 * What the commands that write a report share: the options for a part of a recording and for a format, and
 * the run from the session's file to the exit status. For cmd_*.c only: it prints to stderr.
 */
struct mp_report_arguments {
	const struct mp_report *report;
	const char *path; /* of the session */
	struct mp_report_filter filter;
	enum mp_format format;
};

/* Nothing asked for: all of the time, all threads, as a table. */
#define MP_REPORT_ARGUMENTS_INIT                                                                             \
	{                                                                                                    \
		.filter = {.from_ns = -1, .to_ns = -1, .limit = -1 }                                         \
	}

/* For getopt_long(), with a short option string of ":h"; then mp_report_option() knows what they mean. */
#define MP_REPORT_OPTIONS                                                                                    \
	{"format", required_argument, NULL, 'f'}, {"from", required_argument, NULL, 'F'},                    \
	    {"to", required_argument, NULL, 'T'}, {"phase", required_argument, NULL, 'p'},                   \
	    {"thread", required_argument, NULL, 't'},                                                        \
	{                                                                                                    \
		"help", no_argument, NULL, 'h'                                                               \
	}

/* Their lines of a usage text; the command says itself of what --thread is. */
#define MP_REPORT_OPTIONS_USAGE                                                                              \
	"  --format table|json|csv   table: aligned, in readable units (the default)\n"                      \
	"  --from T, --to T          only this part, in seconds since the start of the recording: 2.5\n"     \
	"  --phase NAME              only this phase of the trading session; NAME#2: the second time that "  \
	"it "                                                                                                \
	"came\n"

/*
 * Takes an option of MP_REPORT_OPTIONS. 0; 1 for --help; -EINVAL with a text, also for '?' and ':', which
 * getopt_long() returns for an option that does not exist or has no value: `given` is argv[optind - 1].
 */
int mp_report_option(
    int opt, const char *value, const char *given, struct mp_report_arguments *a, struct mp_err *err);

/* A whole number, `least` or more. -EINVAL with a text that names `option`. */
int mp_report_parse_count(
    const char *option, const char *text, int64_t least, int64_t *n, struct mp_err *err);

/* Seconds, to ns. -EINVAL with a text that names `option`. */
int mp_report_parse_seconds(const char *option, const char *text, int64_t *ns, struct mp_err *err);

/* Opens the session and writes the report to stdout. Returns the exit status; an error was printed. A reader
 * that has seen enough (`| head`) is none. `written` tells whether all of it was. */
int mp_report_command(struct mp_report_arguments *a, bool *written);

#endif
