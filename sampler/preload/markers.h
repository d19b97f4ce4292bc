/* SPDX-License-Identifier: MIT */
#ifndef MP_PRELOAD_MARKERS_H
#define MP_PRELOAD_MARKERS_H

/* From now on markers (mpsample.h) look at the mode of the process's region. After it is made, also in a
 * child. */
void mp_markers_listen(void);

/* Before the region of a parent goes: no marker looks at it any more. */
void mp_markers_ignore(void);

#endif
