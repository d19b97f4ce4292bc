/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_CELL_H
#define MP_STORE_CELL_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * One value of the emitter's output. All functions are pure but for what they write to; any thread.
 *
 * A column's name says its unit, and a table shows the value so:
 *
 *   t_ns slot_ns start_ns end_ns mono_ns real_ns *_t_ns   a point in time, in seconds: 12.345678
 *   other *_ns             a duration, three digits: 462 ns, 41.3 us, 1.20 ms, 36.0 s
 *   bytes *_bytes          64 B, 4.00 KiB, 1.50 MiB: powers of 1024
 *   share *_share          a fraction, in percent: 12.3 %
 *   addr ip *_addr         hex
 *   calls rows lost events spans cost value samples objects lines weight *_calls *_spans *_samples *_per_s
 *                                                         thousands apart: 1,000,003
 */
enum mp_unit {
	MP_UNIT_NONE,
	MP_UNIT_TIME,
	MP_UNIT_DURATION,
	MP_UNIT_BYTES,
	MP_UNIT_SHARE,
	MP_UNIT_ADDR,
	MP_UNIT_COUNT,
};

#define MP_CELL_NUMBER 48 /* room for any number in any unit */

enum mp_unit mp_cell_unit(const char *column);

/* The title of a column in a table: the name without a unit that the cells say themselves (t_ns: "t_s"). */
void mp_cell_title(const char *column, char *out, size_t size);

/* A number for people. `out` has MP_CELL_NUMBER bytes. */
void mp_cell_int(enum mp_unit unit, int64_t v, char *out);
void mp_cell_real(enum mp_unit unit, double v, char *out);

/* The shortest text that reads back as the same double: "0.1". Infinities and NaN: "null". */
void mp_cell_exact(double v, char *out);

/*
 * Text that a target may control, `n` bytes, which may hold zeros and broken UTF-8. The terminal gets no
 * control character and nothing that reorders or hides text: those, and broken bytes, appear as \n, \x1b,
 * \u202e. JSON gets a quoted string, with U+FFFD for broken bytes. CSV gets U+FFFD for broken bytes and for
 * the control characters that RFC 4180 has no room for.
 */
void mp_cell_write_plain(FILE *out, const char *text, size_t n);
void mp_cell_write_json(FILE *out, const char *text, size_t n);
/* JSON that is valid but for what a target's names put into its strings: broken bytes become U+FFFD, what
 * deceives \uXXXX. */
void mp_cell_write_json_value(FILE *out, const char *json, size_t n);
void mp_cell_write_csv(FILE *out, const char *text, size_t n);

#endif
