/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRESSURE_TEXT_H
#define MP_SAMPLER_PRESSURE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The kernel's small text files: read anew from a descriptor that stays open, and taken apart. Any thread. */

/* The file from its beginning, as far as it fits, with a 0 behind it. Its length, or < 0: it cannot be read
 * (any more). */
ssize_t mp_text_read(int fd, char *buf, size_t size);

/* /proc/PID/stat (proc(5)); false where it is not one. */
struct mp_proc_stat {
	uint64_t minor_faults, major_faults;
	uint64_t user_ticks, system_ticks; /* of sysconf(_SC_CLK_TCK) a second */
	uint64_t start_ticks;              /* since the machine was started */
};
bool mp_text_stat(const char *text, struct mp_proc_stat *out);

/* The number behind `key` where that begins a line and ends with a space, a tab or a colon: as in
 * /proc/vmstat, /proc/PID/status and memory.events. False where there is none. */
bool mp_text_value(const char *text, const char *key, uint64_t *out);

/* The stalled time of a line of a PSI file (Documentation/accounting/psi.rst), in us: `line` is "some" or
 * "full". False where there is none. */
bool mp_text_psi(const char *text, const char *line, uint64_t *total_us);

#endif
