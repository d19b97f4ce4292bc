/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_CMD_DOCTOR_H
#define MP_SAMPLER_CMD_DOCTOR_H

/* `mpsample doctor`: argv[0] is the command's name. Returns the exit status: 0 a recording is possible, 1 it
 * is not, 2 usage. */
int mp_cmd_doctor(int argc, char **argv);

#endif
