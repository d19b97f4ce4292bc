/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_CMD_IMPORT_H
#define MP_SAMPLER_CMD_IMPORT_H

/* `mpsample import`: argv[0] is the command's name. Returns the exit status: 0 done, 1 failed, 2 usage. */
int mp_cmd_import(int argc, char **argv);

#endif
