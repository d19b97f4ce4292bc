/* SPDX-License-Identifier: MIT */
#include "analysis/phase.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int prepare(struct mp_session *s, const char *sql, sqlite3_stmt **stmt, struct mp_err *err)
{
	if (sqlite3_prepare_v2(mp_session_db(s), sql, -1, stmt, NULL) == SQLITE_OK)
		return 0;
	return mp_err_set(
	    err, EIO, "cannot read %s: %s", mp_session_path(s), sqlite3_errmsg(mp_session_db(s)));
}

/* How often the phase of this very name came; of the time asked for (1 is the first), when it was. */
static int look_up(struct mp_session *s, const char *name, int64_t time, int64_t *times, int64_t *start_ns,
    int64_t *end_ns, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = prepare(s,
	    "SELECT count(*) OVER (), start_ns, end_ns FROM phase WHERE name = ?1"
	    " ORDER BY start_ns, phase_id LIMIT 1 OFFSET ?2 - 1",
	    &stmt, err);

	*times = 0;
	if (rc)
		goto out;
	sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, time);
	int step = sqlite3_step(stmt);
	if (step == SQLITE_ROW) {
		*times = sqlite3_column_int64(stmt, 0);
		*start_ns = sqlite3_column_int64(stmt, 1);
		*end_ns =
		    sqlite3_column_type(stmt, 2) == SQLITE_NULL ? INT64_MAX : sqlite3_column_int64(stmt, 2);
	} else if (step != SQLITE_DONE) {
		rc = mp_err_set(
		    err, EIO, "cannot read %s: %s", mp_session_path(s), sqlite3_errmsg(mp_session_db(s)));
	}
out:
	sqlite3_finalize(stmt);
	return rc;
}

/* "open, continuous, halt": in the order in which they first came, as many as one line holds. */
static int say_unknown(struct mp_session *s, const char *name, struct mp_err *err)
{
	char all[256] = "";
	size_t n = 0;
	sqlite3_stmt *stmt = NULL;
	int rc = prepare(
	    s, "SELECT coalesce(name, '') FROM phase GROUP BY name ORDER BY min(start_ns)", &stmt, err);

	while (!rc && n < sizeof(all) - 80 && sqlite3_step(stmt) == SQLITE_ROW)
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%.47s", n ? ", " : "",
		    (const char *)sqlite3_column_text(stmt, 0));
	if (!rc && n >= sizeof(all) - 80 && sqlite3_step(stmt) == SQLITE_ROW)
		snprintf(all + n, sizeof(all) - n, ", ...");
	sqlite3_finalize(stmt);
	if (rc)
		return rc;
	if (!n)
		return mp_err_set(err, EINVAL,
		    "there is no phase %.80s in %s: it has none; they come by MPSAMPLE_PHASE in "
		    "the program, mpsample mark, or record --phases",
		    name, mp_session_path(s));
	return mp_err_set(
	    err, EINVAL, "there is no phase %.80s in %s: it has %s", name, mp_session_path(s), all);
}

int mp_phase_find(
    struct mp_session *s, const char *name, int64_t *start_ns, int64_t *end_ns, struct mp_err *err)
{
	const char *hash = strrchr(name, '#');
	int64_t times;
	int rc = look_up(s, name, 1, &times, start_ns, end_ns, err);

	if (rc || times == 1)
		return rc;
	if (times)
		return mp_err_set(err, EINVAL,
		    "phase %.80s came %" PRId64 " times: tell which, from %.80s#1 to %.80s#%" PRId64, name,
		    times, name, name, times);

	/* A name may hold a # itself: this is none. */
	char *end, *alone = hash ? strndup(name, (size_t)(hash - name)) : NULL;
	if (hash && !alone)
		return mp_err_set(err, ENOMEM, "out of memory");
	int64_t time = hash ? strtoll(hash + 1, &end, 10) : 0;
	if (time > 0 && end != hash + 1 && !*end)
		rc = look_up(s, alone, time, &times, start_ns, end_ns, err);
	free(alone);
	return rc || times ? rc : say_unknown(s, name, err);
}

/* ---- The innermost ---- */

static int by_start(const void *a, const void *b)
{
	const struct mp_phase_part *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return (x->end_ns < y->end_ns) - (x->end_ns > y->end_ns);
}

/* Those that are on, the innermost on top: what the top covers between *t_ns and `to_ns` is a part, and so on
 * below it, as those on top end. */
static size_t unwind(const struct mp_phase_part *in, size_t *on, size_t *n_on, int64_t *t_ns, int64_t to_ns,
    struct mp_phase_part *out)
{
	size_t n = 0;

	while (*n_on) {
		const struct mp_phase_part *top = &in[on[*n_on - 1]];
		int64_t end_ns = top->end_ns < to_ns ? top->end_ns : to_ns;

		if (end_ns > *t_ns) {
			out[n++] = (struct mp_phase_part){*t_ns, end_ns, top->id};
			*t_ns = end_ns;
		}
		if (top->end_ns > to_ns)
			break;
		--*n_on;
	}
	return n;
}

ptrdiff_t mp_phase_innermost(struct mp_phase_part *in, size_t n, struct mp_phase_part *out)
{
	size_t *on = calloc(n + 1, sizeof(*on)), n_on = 0, parts = 0;
	int64_t t_ns = INT64_MIN;

	if (!on)
		return -ENOMEM;
	if (n)
		qsort(in, n, sizeof(*in), by_start);
	for (size_t i = 0; i < n; i++) {
		if (in[i].end_ns <= in[i].start_ns)
			continue;
		parts += unwind(in, on, &n_on, &t_ns, in[i].start_ns, out + parts);
		t_ns = in[i].start_ns;
		on[n_on++] = i;
	}
	parts += unwind(in, on, &n_on, &t_ns, INT64_MAX, out + parts);
	free(on);
	return (ptrdiff_t)parts;
}
