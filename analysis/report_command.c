/* SPDX-License-Identifier: MIT */
#include "analysis/report_command.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

/* Seconds to ns, digit by digit: exact, and the same in every locale. */
int mp_report_parse_seconds(const char *option, const char *text, int64_t *ns, struct mp_err *err)
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
		return mp_err_set(err, EINVAL, "%s %s: give seconds, such as 2.5", option, text);
	*ns = value;
	return 0;
}

int mp_report_parse_count(const char *option, const char *text, int64_t least, int64_t *n, struct mp_err *err)
{
	char *end;

	errno = 0;
	*n = strtoll(text, &end, 10);
	if (errno || end == text || *end || *n < least)
		return mp_err_set(
		    err, EINVAL, "%s %s: give a whole number, %" PRId64 " or more", option, text, least);
	return 0;
}

int mp_report_option(
    int opt, const char *value, const char *given, struct mp_report_arguments *a, struct mp_err *err)
{
	switch (opt) {
	case 'h':
		return 1;
	case 'f':
		return mp_format_parse(value, &a->format, err);
	case 'F':
		return mp_report_parse_seconds("--from", value, &a->filter.from_ns, err);
	case 'T':
		return mp_report_parse_seconds("--to", value, &a->filter.to_ns, err);
	case 'p':
		a->filter.phase = value;
		return 0;
	case 't':
		return mp_report_parse_count("--thread", value, 1, &a->filter.tid, err);
	default:
		return mp_err_set(err, EINVAL, "%s%s",
		    opt == ':' ? "this option needs a value: " : "there is no option ", given);
	}
}

int mp_report_command(struct mp_report_arguments *a, bool *written)
{
	struct mp_session *s = NULL;
	struct mp_err err = {0};

	/* The write fails with EPIPE instead. */
	signal(SIGPIPE, SIG_IGN);
	int rc = mp_session_open(a->path, &s, &err);
	if (!rc)
		rc = mp_report_run(s, a->report, &a->filter, stdout, a->format, &err);
	mp_session_close(s, NULL);
	*written = !rc;
	if (!rc || rc == -EPIPE)
		return 0;
	fprintf(stderr, "mpsample: %s\n", err.text);
	return 1;
}
