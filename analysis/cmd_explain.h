/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_CMD_EXPLAIN_H
#define MP_ANALYSIS_CMD_EXPLAIN_H

/*
 * `mpsample explain SESSION [options]`: why slow calls were slow. argv[0] is "explain". Prints to stdout, and
 * one line to stderr if it fails. Returns the exit status: 0 done, 1 failed, 2 usage.
 */
int mp_cmd_explain(int argc, char **argv);

#endif
