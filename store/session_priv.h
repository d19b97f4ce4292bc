/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_SESSION_PRIV_H
#define MP_STORE_SESSION_PRIV_H

#include "store/session.h"

#include <sqlite3.h>

#include "store/append.h"

/* What session.c and the append*.c share, and nobody else includes. */

#define MP_SESSION_FIRST_OF_POOLS      44 /* statements before it are append.c's, then append_pool.c's, */
#define MP_SESSION_FIRST_OF_GC         52 /* append_gc.c's, */
#define MP_SESSION_FIRST_OF_COMPONENTS 60 /* append_component.c's, */
#define MP_SESSION_FIRST_OF_BLOCKS     64 /* and append_block.c's */
#define MP_SESSION_STATEMENTS          68
#define MP_SESSION_CALLS               64 /* rows of `call` that are written by one statement */

struct mp_retention;

struct mp_session {
	sqlite3 *db;
	char *path; /* as the user gave it */
	char *temp; /* where it is until published; NULL afterwards */
	bool force;
	bool recording;                                 /* published or opened to be edited: written to */
	sqlite3_stmt *statement[MP_SESSION_STATEMENTS]; /* prepared on first use */
	/* Calls that wait to be written together; they have the numbers from next_call_id on. */
	struct mp_call calls[MP_SESSION_CALLS];
	unsigned int n_calls;
	int64_t next_call_id; /* 0: to be asked */
	bool commits_by_time;
	unsigned int appended; /* rows since the last look at the time */
	int64_t committed_ns;
	struct mp_retention *retention; /* NULL: no limit */
};

/* append.c: writes the calls that wait. */
int mp_session_flush(struct mp_session *s, struct mp_err *err);

/* session.c: before rows that a burst may bring many of. Of a live session now and then commits, and thins.
 */
int mp_session_breathe(struct mp_session *s, struct mp_err *err);

/*
 * Says what SQLite's last failure on this session means to the user; `doing` completes "cannot ... PATH".
 * -ENOSPC for a full disk, quota or file size limit; -EIO, -EBUSY, -ENOMEM.
 */
int mp_session_fail(struct mp_session *s, const char *doing, struct mp_err *err);

#endif
