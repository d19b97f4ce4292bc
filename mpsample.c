/* SPDX-License-Identifier: MIT */
/* The front door: the table of commands, nothing else. */
#include <stdio.h>
#include <string.h>

#include "analysis/cmd_diff.h"
#include "analysis/cmd_explain.h"
#include "analysis/cmd_report.h"
#include "sampler/cmd_classify.h"
#include "sampler/cmd_doctor.h"
#include "sampler/cmd_import.h"
#include "sampler/cmd_list.h"
#include "sampler/cmd_mark.h"
#include "sampler/cmd_record.h"
#include "sampler/cmd_symbolize.h"
#include "store/cmd_query.h"

static const struct command {
	const char *name, *purpose;
	int (*run)(int argc, char **argv);
} commands[] = {
    {"record", "record a live process, or a command from its start", mp_cmd_record},
    {"report", "what a recording says: summary, jitter, sites, heap, pools, gc, session, advice, ...",
	mp_cmd_report},
    {"explain", "why the slowest calls were slow, and what to change", mp_cmd_explain},
    {"diff", "what changed between two recordings, or two phases of one, beyond chance", mp_cmd_diff},
    {"query", "ask a recording in SQL, read-only", mp_cmd_query},
    {"symbolize", "name the functions of a recording later, or elsewhere, or better", mp_cmd_symbolize},
    {"classify", "say which part of the program allocations belong to, by rules", mp_cmd_classify},
    {"import", "make a session of a recording of perf, from any machine", mp_cmd_import},
    {"mark", "note in a recording that something happens now, or a phase begins", mp_cmd_mark},
    {"list", "what there is: events, profiles, reports, phases of a calendar", mp_cmd_list},
    {"doctor", "what works here, what does not, and the command that fixes it", mp_cmd_doctor},
};

static const size_t n_commands = sizeof(commands) / sizeof(*commands);

static void usage(FILE *out)
{
	fprintf(out, "mpsample " MP_VERSION
		     ": a memory profiler for low-latency processes\n\nusage: mpsample COMMAND ...\n\n");
	for (size_t i = 0; i < n_commands; i++)
		fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].purpose);
	fprintf(out, "\nmpsample COMMAND --help tells more.\n");
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	for (size_t i = 0; i < n_commands; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("mpsample " MP_VERSION);
		return 0;
	}
	fprintf(stderr, "mpsample: no command '%s'; mpsample --help lists them\n", argv[1]);
	return 2;
}
