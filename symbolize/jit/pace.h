/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_JIT_PACE_H
#define MP_SYMBOLIZE_JIT_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Keeps work that is done again and again to once a second, and to a twentieth of the time. All zero: may
 * begin at once. One thread. */
struct mp_pace {
	int64_t began_ns, next_ns;
};

/* Whether it is time: then do the work, and say so. */
bool mp_pace_begin(struct mp_pace *p);
void mp_pace_end(struct mp_pace *p);

#endif
