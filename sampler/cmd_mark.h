/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_CMD_MARK_H
#define MP_SAMPLER_CMD_MARK_H

/* `mpsample mark`; argv[0] is "mark". Returns the exit status. */
int mp_cmd_mark(int argc, char **argv);

#endif
