/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_CMD_REPORT_H
#define MP_ANALYSIS_CMD_REPORT_H

/*
 * `mpsample report NAME SESSION [options]`: one report over a session; `report session` also over several, of
 * a day each. argv[0] is "report". Prints to stdout,
 * and one line to stderr if it fails. Returns the exit status: 0 done, 1 failed, 2 usage.
 */
int mp_cmd_report(int argc, char **argv);

#endif
