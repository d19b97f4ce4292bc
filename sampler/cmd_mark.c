/* SPDX-License-Identifier: MIT */
#include "sampler/cmd_mark.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "sampler/phases/mark_socket.h"

static const char usage[] = "usage: mpsample mark PID NAME [--phase | --detail TEXT]\n"
			    "\n"
			    "Notes in the recording of process PID that something happens now: a row of "
			    "v_mark. As root, or the user\n"
			    "who records; the process itself is not touched. Fails when nobody records it.\n"
			    "\n"
			    "      --phase        a phase of the trading session begins, and the last one "
			    "that was told so ends: rows\n"
			    "                     of v_phase; report --phase NAME is of its calls exactly\n"
			    "      --detail TEXT  goes into v_mark.detail\n"
			    "  -h, --help\n";

static int bad_usage(const char *what, const char *word)
{
	fprintf(stderr, "mpsample: %s%s; see mpsample mark --help\n", what, word);
	return 2;
}

static pid_t parse_pid(const char *text)
{
	char *end;

	errno = 0;
	long pid = strtol(text, &end, 10);
	return errno || end == text || *end || pid < 1 || pid > INT_MAX ? 0 : (pid_t)pid;
}

int mp_cmd_mark(int argc, char **argv)
{
	static const struct option options[] = {{"phase", no_argument, NULL, 'p'},
	    {"detail", required_argument, NULL, 'd'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *detail = "";
	bool is_phase = false;
	struct mp_err err;
	struct mp_mark m;
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (opt) {
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'p':
			is_phase = true;
			break;
		case 'd':
			detail = optarg;
			break;
		default:
			return bad_usage(opt == ':' ? "this option wants a value: " : "no option of mark: ",
			    argv[optind - 1]);
		}
	}
	if (argc - optind != 2)
		return bad_usage("give the PID of a process, and a name", "");
	pid_t pid = parse_pid(argv[optind]);
	if (!pid)
		return bad_usage("no PID: ", argv[optind]);
	if (is_phase && *detail)
		return bad_usage("--detail is of a mark: a phase has none", "");
	if (mp_mark_set(&m, is_phase, argv[optind + 1], detail, &err))
		return bad_usage(err.text, "");
	if (!mp_mark_send(pid, &m, &err))
		return 0;
	fprintf(stderr, "mpsample: %s\n", err.text);
	return 1;
}
