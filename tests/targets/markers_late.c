/* SPDX-License-Identifier: MIT */
/* markers_late: a module with markers of its own, for `markers --load`. Truth: each call passes 3 marks
 * `late`. */
#include <mpsample.h>

void late_markers(void);

void late_markers(void)
{
	for (int i = 0; i < 3; i++)
		MPSAMPLE_MARK("late", i);
}
