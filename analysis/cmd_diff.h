/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_CMD_DIFF_H
#define MP_ANALYSIS_CMD_DIFF_H

/* mpsample diff: what changed between two recordings, or two phases. Returns the exit status. */
int mp_cmd_diff(int argc, char **argv);

#endif
