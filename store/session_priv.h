/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_SESSION_PRIV_H
#define MP_STORE_SESSION_PRIV_H

#include "store/session.h"

#include <sqlite3.h>

/* What session.c and append.c share, and nobody else includes. */

#define MP_SESSION_STATEMENTS 40

struct mp_session {
	sqlite3 *db;
	char *path; /* as the user gave it */
	char *temp; /* where it is until published; NULL afterwards */
	bool force;
	bool recording;                                 /* published or opened to be edited: written to */
	sqlite3_stmt *statement[MP_SESSION_STATEMENTS]; /* append.c's, prepared on first use */
};

/*
 * Says what SQLite's last failure on this session means to the user; `doing` completes "cannot ... PATH".
 * -ENOSPC for a full disk, quota or file size limit; -EIO, -EBUSY, -ENOMEM.
 */
int mp_session_fail(struct mp_session *s, const char *doing, struct mp_err *err);

#endif
