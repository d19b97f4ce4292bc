/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_RETENTION_H
#define MP_STORE_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "store/append.h"

/*
 * A session that is kept within a size (mp_session_live()), and recorded into without end. When it is nearly
 * full,
 *
 *   samples      are thinned evenly over all of the recording: of each two neighbours of an operation one
 * goes, and the other stands for both. The chance to stay is that of its weight: sums of weights stay the
 * same, and weighted sums of anything else unbiased. Later ones are let in at the same rate every call
 * (--full) is at first told apart: above the p99.9 of its operation an outlier, else a sample outliers stay
 * as they are until they are most of what is kept; then the faster half of them become samples the rest
 * kernel events, spans, marks: each has the same chance to stay. Samples of perf events: likewise, and those
 * that stay stand for more periods slots        of about a second become slots of 10 s, 1 min, 10 min, 1 h,
 * the oldest first: sums stay exact; of pressure the last, the least and the greatest of each stay
 *
 * in steps of some hundred rows between two appended ones, so that no writer waits for long. What went is
 * counted in table `thinned`. If all that does not help, as when stacks and names alone fill the file,
 * further rows are refused and counted as lost (mp_retention_refused()). All on the session's thread.
 */

/* The smallest size: tables, log and names need a part of it. */
#define MP_RETENTION_MIN_BYTES (16ULL << 20)

/* A whole number of bytes, or with K, M, G, T behind it of 2^10, 2^20 ...; 0, or -EINVAL with a text that
 * begins with `option`. */
int mp_retention_parse(const char *option, const char *text, uint64_t *bytes, struct mp_err *err);

/*
 * To be asked about a call before anything else is done for it: false where it makes room for its like.
 * Changes what it is kept as, and for how many calls it stands, by what has been thinned so far. Without a
 * limit true.
 */
bool mp_retention_keeps_call(struct mp_session *s, struct mp_call *c);

/* Whether a new stack would find room. Without a limit true. */
bool mp_retention_keeps_stacks(const struct mp_session *s);

/* All has been appended: thins what is still too much, and writes what has been thinned. mp_session_close()
 * does so, too. */
int mp_retention_settle(struct mp_session *s, struct mp_err *err);

/* Since the session is live. */
struct mp_retention_totals {
	uint64_t max_bytes;     /* 0: no limit */
	uint64_t calls;         /* rows of `call` that are not there any more, or were not let in */
	uint64_t calls_removed; /* of them, those that had been there */
	uint64_t others;        /* rows of other tables; of slots, those that became a part of longer ones */
	uint64_t longest_step_ns; /* CPU time */
};
void mp_retention_totals(const struct mp_session *s, struct mp_retention_totals *out);

/* Rows that were refused since it was last asked: calls, and others. */
struct mp_retention_refused {
	uint64_t rows, events;
};
struct mp_retention_refused mp_retention_refused(struct mp_session *s);

#endif
