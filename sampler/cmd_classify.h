/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_CMD_CLASSIFY_H
#define MP_SAMPLER_CMD_CLASSIFY_H

/* mpsample classify SESSION --components FILE. Returns an exit status. */
int mp_cmd_classify(int argc, char **argv);

#endif
