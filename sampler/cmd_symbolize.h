/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_CMD_SYMBOLIZE_H
#define MP_SAMPLER_CMD_SYMBOLIZE_H

/* `mpsample symbolize SESSION [--debug-dir DIR]... [--long-names]`: names added later. Returns the exit
 * status: 0 done, 1 failed, 2 usage. */
int mp_cmd_symbolize(int argc, char **argv);

#endif
