/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_SESSION_H
#define MP_STORE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "store/err.h"

struct sqlite3;

/*
 * A session: one recording in one SQLite database (sql/schema.sql, sql/views/). A session has one thread at
 * a time. While it is recorded it is in WAL mode, and anybody may read it; so it stays if the recorder is
 * killed. A finished session is one file, readable from anywhere, read-only media included.
 *
 * All functions return 0 or -errno. A full disk, quota or file size limit (with SIGXFSZ ignored) is -ENOSPC:
 * the open transaction is lost, what was committed stays readable.
 */
struct mp_session;

#define MP_SCHEMA_VERSION 8
#define MP_SCHEMA_OLDEST  4          /* that is read, too */
#define MP_APPLICATION_ID 0x6d707331 /* "mps1": tells a session from other SQLite files */

/*
 * Creates a session for recording. `path` must not exist unless `force`; then the old file stays as it is
 * until mp_session_publish(). Until then the new one has a temporary name beside it, which
 * mp_session_close() removes: a recording that fails to start leaves nothing behind and destroys nothing.
 * -EEXIST, also with `force` for what is not a regular file; -EBUSY for a session that is open elsewhere,
 * with `force`; -ENOENT, -ENOTDIR, -EACCES, -EROFS for its directory.
 */
int mp_session_create(const char *path, bool force, struct mp_session **out, struct mp_err *err);

/*
 * Gives a created session its name and begins the first transaction. -EEXIST if the name was taken meanwhile;
 * -ENOTEMPTY if the log of a deleted session is left beside it. After a failure only mp_session_close() is
 * allowed.
 */
int mp_session_publish(struct mp_session *s, struct mp_err *err);

/*
 * Rows come from now on as they happen, and without end: what mp_append_ functions take in is committed every
 * second also if nobody calls mp_session_commit(), and the file, its log included, is kept within `max_bytes`
 * (store/retention.h); 0: no limit.
 */
int mp_session_live(struct mp_session *s, uint64_t max_bytes, struct mp_err *err);

/*
 * Opens an existing session, read-only, and checks that it is one (-EINVAL) and has a schema this version
 * reads
 * (-EPROTO). Also while it is recorded, and one whose recorder was killed: -EACCES if that needs a copy
 * elsewhere.
 */
int mp_session_open(const char *path, struct mp_session **out, struct mp_err *err);

/*
 * Opens a finished session to add to it, and begins a transaction, which mp_session_close() commits. -EBUSY
 * while it is recorded or edited by somebody else, -EACCES, -EROFS, -EPROTO for any other schema than this
 * version's; else as mp_session_open().
 */
int mp_session_edit(const char *path, struct mp_session **out, struct mp_err *err);

/* Forgets what was changed since mp_session_edit(). */
void mp_session_rollback(struct mp_session *s);

/* The database, for queries. Owned by the session. */
struct sqlite3 *mp_session_db(struct mp_session *s);

/* From now on this version's view stands in the place of the file's, for this session. `path` is that of its
 * embedded file. Not while PRAGMA query_only is on. */
int mp_session_use_view(struct mp_session *s, const char *path, struct mp_err *err);

/* The path as the user gave it. Owned by the session. */
const char *mp_session_path(const struct mp_session *s);

/* Sets a key of table `session`. */
int mp_session_set(struct mp_session *s, struct mp_err *err, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Makes all rows so far visible to readers and safe from the recorder's death, and goes on. */
int mp_session_commit(struct mp_session *s, struct mp_err *err);

/*
 * Commits and closes; waits up to 2 s for readers, so as to leave one file. If they stay, the log does too,
 * until the last of them closes. Frees `s` in any case. NULL is allowed.
 */
int mp_session_close(struct mp_session *s, struct mp_err *err);

#endif
