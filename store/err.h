/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_ERR_H
#define MP_STORE_ERR_H

/*
 * One error, in words for the user. Functions that can fail return 0 or -errno and take a `struct mp_err *`
 * as their last argument; they set it exactly when they fail. Library code never prints and never exits:
 * the commands (cmd_*.c) print `text` behind "mpsample: ".
 *
 * A text says what failed, on what, why, and what to do, in one line.
 */
struct mp_err {
	char text[640];
};

/*
 * Formats the text and returns -code, so that a failing function can end in `return mp_err_set(...)`.
 * `code` is a positive errno value. Control characters, which a target's names may hold, become '?': the
 * text stays one line. `err` may be NULL. Any thread, on its own `err`.
 */
int mp_err_set(struct mp_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
