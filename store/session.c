/* SPDX-License-Identifier: MIT */
#include "store/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/embed.h"
#include "store/histogram.h"
#include "store/op.h"
#include "store/place.h"
#include "store/retention_priv.h"
#include "store/session_priv.h"

#define STR_(x) #x
#define STR(x)  STR_(x)

/* A reader may hold the write-ahead log for a moment; longer than this the recorder does not wait for it. */
#define BUSY_TIMEOUT_MS 2000

int mp_session_fail(struct mp_session *s, const char *doing, struct mp_err *err)
{
	int code = s->db ? sqlite3_errcode(s->db) & 0xff : SQLITE_NOMEM;
	int saved = errno, sys = s->db ? sqlite3_system_errno(s->db) : 0;
	bool shm = s->db && sqlite3_extended_errcode(s->db) == SQLITE_IOERR_SHMSIZE;

	/* For a failed write of the log SQLite keeps no errno: then the last one is it. */
	if (code == SQLITE_IOERR && !sys)
		sys = saved;
	if (code == SQLITE_FULL || (code == SQLITE_IOERR && (shm || sys == ENOSPC || sys == EDQUOT)))
		return mp_err_set(err, ENOSPC,
		    "cannot %s %s: the disk is full: free some space; what was committed stays readable",
		    doing, s->path);
	if (code == SQLITE_IOERR && sys == EFBIG)
		return mp_err_set(err, ENOSPC,
		    "cannot %s %s: the file size limit is reached: raise it (ulimit -f); what was committed "
		    "stays "
		    "readable",
		    doing, s->path);
	if (code == SQLITE_NOMEM)
		return mp_err_set(err, ENOMEM, "cannot %s %s: out of memory", doing, s->path);
	if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
		return mp_err_set(err, EBUSY,
		    "cannot %s %s: another process holds the database locked: end its transaction", doing,
		    s->path);
	return mp_err_set(err, EIO, "cannot %s %s: %s%s%s", doing, s->path, sqlite3_errmsg(s->db),
	    sys ? ": " : "", sys ? strerror(sys) : "");
}

static int exec(struct mp_session *s, const char *sql, const char *doing, struct mp_err *err)
{
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return mp_session_fail(s, doing, err);
}

/* A name that SQLite takes for a file in any case: not "file:..." for a URI, nor ":memory:". */
static char *sqlite_name(const char *path)
{
	char *name;

	return asprintf(&name, "%s%s", *path == '/' ? "" : "./", path) < 0 ? NULL : name;
}

static int open_for_writing(struct mp_session *s, const char *path, struct mp_err *err)
{
	char *name = sqlite_name(path);

	if (!name)
		return mp_err_set(err, ENOMEM, "cannot create %s: out of memory", s->path);
	/* Not SQLITE_OPEN_CREATE: the file is there. NOMUTEX: a session has one thread at a time. */
	int rc = sqlite3_open_v2(name, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	free(name);
	if (rc != SQLITE_OK)
		return mp_session_fail(s, "create", err);
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
	return exec(s, "PRAGMA synchronous=OFF; PRAGMA cache_size=-16384", "create", err);
}

/* The tables that explain op, size class and bucket numbers, for readers that have only SQL. */
static int insert_constants(struct mp_session *s, struct mp_err *err)
{
	static const char *const op_name[] = {
#define OP_NAME(NAME, name, size, ptr) name,
	    MP_OPS(OP_NAME)
#undef OP_NAME
	};
	sqlite3_stmt *op = NULL, *size = NULL, *bucket = NULL;
	char name[32];
	int rc = 0;

	if (sqlite3_prepare_v2(s->db, "INSERT INTO op VALUES (?,?)", -1, &op, NULL) ||
	    sqlite3_prepare_v2(s->db, "INSERT INTO size_class VALUES (?,?,?)", -1, &size, NULL) ||
	    sqlite3_prepare_v2(s->db, "INSERT INTO bucket VALUES (?,?,?)", -1, &bucket, NULL))
		goto fail;
	for (unsigned int row = 0; row < MP_OP_ROWS; row++) {
		unsigned int id = mp_op_of_row(row);
		snprintf(
		    name, sizeof(name), "%s%s", op_name[mp_op_base(id)], mp_op_is_slow(id) ? "_slow" : "");
		sqlite3_bind_int64(op, 1, id);
		sqlite3_bind_text(op, 2, name, -1, SQLITE_TRANSIENT);
		if (sqlite3_step(op) != SQLITE_DONE || sqlite3_reset(op))
			goto fail;
	}
	for (unsigned int i = 0; i < MP_SIZE_CLASSES; i++) {
		sqlite3_bind_int64(size, 1, i);
		sqlite3_bind_int64(size, 2, (sqlite3_int64)mp_size_class_lo(i));
		sqlite3_bind_int64(size, 3, (sqlite3_int64)mp_size_class_hi(i));
		if (sqlite3_step(size) != SQLITE_DONE || sqlite3_reset(size))
			goto fail;
	}
	for (unsigned int i = 0; i < MP_HIST_BUCKETS; i++) {
		sqlite3_bind_int64(bucket, 1, i);
		sqlite3_bind_int64(bucket, 2, (sqlite3_int64)mp_hist_lo_ns(i));
		sqlite3_bind_int64(bucket, 3, (sqlite3_int64)mp_hist_hi_ns(i));
		if (sqlite3_step(bucket) != SQLITE_DONE || sqlite3_reset(bucket))
			goto fail;
	}
	goto out;
fail:
	rc = mp_session_fail(s, "create", err);
out:
	sqlite3_finalize(op);
	sqlite3_finalize(size);
	sqlite3_finalize(bucket);
	return rc;
}

static int create_schema(struct mp_session *s, struct mp_err *err)
{
	/* The journal in memory: a temporary file that is not finished is thrown away, not rolled back. */
	int rc = exec(s,
	    "PRAGMA page_size=16384; PRAGMA journal_mode=MEMORY;"
	    "PRAGMA application_id=" STR(MP_APPLICATION_ID) "; PRAGMA user_version=" STR(
		MP_SCHEMA_VERSION) ";"
				   "BEGIN IMMEDIATE",
	    "create", err);

	if (!rc)
		rc = exec(s, mp_embedded_text("sql/schema.sql"), "create", err);
	for (const struct mp_embedded *f = mp_embedded_files; !rc && f->path; f++)
		if (!strncmp(f->path, "sql/views/", 10))
			rc = exec(s, f->text, "create", err);
	return rc ? rc : insert_constants(s, err);
}

static struct mp_session *session_new(const char *path)
{
	struct mp_session *s = calloc(1, sizeof(*s));

	if (s && !(s->path = strdup(path))) {
		free(s);
		s = NULL;
	}
	return s;
}

static void close_db(struct mp_session *s)
{
	mp_retention_free(s->retention);
	s->retention = NULL;
	for (int i = 0; i < MP_SESSION_STATEMENTS; i++) {
		sqlite3_finalize(s->statement[i]);
		s->statement[i] = NULL;
	}
	sqlite3_close_v2(s->db);
	s->db = NULL;
}

static void session_free(struct mp_session *s)
{
	close_db(s);
	if (s->temp)
		unlink(s->temp);
	free(s->temp);
	free(s->path);
	free(s);
}

int mp_session_create(const char *path, bool force, struct mp_session **out, struct mp_err *err)
{
	*out = NULL;
	int rc = mp_place_check(path, force, err);
	if (rc)
		return rc;

	struct mp_session *s = session_new(path);
	if (!s)
		return mp_err_set(err, ENOMEM, "cannot create %s: out of memory", path);
	s->force = force;
	rc = mp_place_temp(path, &s->temp, err);
	if (!rc)
		rc = open_for_writing(s, s->temp, err);
	if (!rc)
		rc = create_schema(s, err);
	if (rc)
		session_free(s);
	else
		*out = s;
	return rc;
}

int mp_session_publish(struct mp_session *s, struct mp_err *err)
{
	int rc = exec(s, "COMMIT", "create", err);

	if (rc)
		return rc;
	/* Closed for the rename: SQLite knows its log by the name of the database. */
	close_db(s);
	rc = mp_place_publish(s->temp, s->path, s->force, err);
	if (rc)
		return rc;
	free(s->temp);
	s->temp = NULL;
	rc = open_for_writing(s, s->path, err);
	if (!rc)
		rc = exec(s, "PRAGMA journal_mode=WAL; BEGIN IMMEDIATE", "create", err);
	s->recording = !rc;
	return rc;
}

/* The first value of a statement's first row, such as a pragma's. */
static int query_int(sqlite3 *db, const char *sql, int *value)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*value = sqlite3_column_int(st, 0);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(st);
	return rc & 0xff;
}

/* Opens read-only and reads the file's header, since SQLite looks at a file only when it has to. */
static int open_for_reading(struct mp_session *s, const char *name, int flags, int *application_id)
{
	sqlite3_close_v2(s->db);
	s->db = NULL;
	int rc = sqlite3_open_v2(name, &s->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | flags, NULL);
	if (rc != SQLITE_OK)
		return rc & 0xff;
	sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
	return query_int(s->db, "PRAGMA application_id", application_id);
}

static bool wal_has_content(const char *path)
{
	char *wal;
	struct stat st;

	if (asprintf(&wal, "%s-wal", path) < 0)
		return true;
	bool content = !stat(wal, &st) ? st.st_size > 0 : errno != ENOENT;
	free(wal);
	return content;
}

/* "file:PATH?immutable=1", with what has a meaning in a URI escaped. */
static char *immutable_uri(const char *name)
{
	char *uri = malloc(3 * strlen(name) + sizeof("file:?immutable=1")), *to = uri;

	if (!uri)
		return NULL;
	to = stpcpy(to, "file:");
	for (; *name; name++) {
		if (strchr("%?#", *name))
			to += sprintf(to, "%%%02X", (unsigned char)*name);
		else
			*to++ = *name;
	}
	strcpy(to, "?immutable=1");
	return uri;
}

/*
 * A session whose recorder was killed is in WAL mode, which readers too can open only where they may create a
 * file or find one. With an empty log there is nothing to read but the file itself, and "immutable" reads
 * just that.
 */
static int open_any(struct mp_session *s, int *application_id)
{
	char *name = sqlite_name(s->path);
	int rc = name ? open_for_reading(s, name, 0, application_id) : SQLITE_NOMEM;

	if ((rc == SQLITE_CANTOPEN || rc == SQLITE_READONLY) && !wal_has_content(s->path)) {
		char *uri = immutable_uri(name);

		rc = uri ? open_for_reading(s, uri, SQLITE_OPEN_URI, application_id) : SQLITE_NOMEM;
		free(uri);
	}
	free(name);
	return rc;
}

static int check_file(const char *path, struct mp_err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return mp_err_set(err, errno, "cannot open session %s: %s%s", path, strerror(errno),
		    errno == ENOENT ? ": check the name" : "");
	if (!S_ISREG(st.st_mode))
		return mp_err_set(err, EINVAL, "cannot open session %s: it is not a regular file", path);
	if (!st.st_size)
		return mp_err_set(err, EINVAL, "%s is not a session: it is empty", path);
	if (access(path, R_OK) < 0)
		return mp_err_set(err, errno,
		    "cannot open session %s: %s: ask its owner, or run as that user", path, strerror(errno));
	return 0;
}

/* Tells a session from everything else, in words that say what it is instead. */
static int check_session(struct mp_session *s, int rc, int application_id, struct mp_err *err)
{
	int version = 0;

	if (rc == SQLITE_OK)
		rc = query_int(s->db, "PRAGMA user_version", &version);
	if (rc == SQLITE_NOTADB)
		return mp_err_set(err, EINVAL, "%s is not a session: it is not a SQLite database", s->path);
	if ((rc == SQLITE_CANTOPEN || rc == SQLITE_READONLY) && wal_has_content(s->path))
		return mp_err_set(err, EACCES,
		    "cannot open session %s: its recorder did not finish, and the rest in %s-wal can only be "
		    "read where "
		    "files may be created: copy both files to a writable directory",
		    s->path, s->path);
	if (rc != SQLITE_OK)
		return mp_session_fail(s, "open session", err);
	if (application_id != MP_APPLICATION_ID)
		return mp_err_set(
		    err, EINVAL, "%s is not a session: it is a SQLite database of another program", s->path);
	if (version > MP_SCHEMA_VERSION)
		return mp_err_set(err, EPROTO,
		    "%s was made by a newer mpsample: schema %d, this one reads up to %d: use that version",
		    s->path, version, MP_SCHEMA_VERSION);
	if (version < MP_SCHEMA_OLDEST)
		return mp_err_set(err, EPROTO,
		    "%s was made by an older mpsample: schema %d, this one reads %d to %d: use that version",
		    s->path, version, MP_SCHEMA_OLDEST, MP_SCHEMA_VERSION);
	return 0;
}

int mp_session_use_view(struct mp_session *s, const char *path, struct mp_err *err)
{
	static const char create[] = "\nCREATE VIEW ";
	const char *text = strstr(mp_embedded_text(path), create);
	if (!text)
		return 0;
	char *sql = sqlite3_mprintf("CREATE TEMP VIEW IF NOT EXISTS %s", text + strlen(create));
	int rc = sql ? exec(s, sql, "open session", err) : mp_err_set(err, ENOMEM, "out of memory");
	sqlite3_free(sql);
	return rc;
}

/* What later versions have added is empty in older files: readers need not know the difference. By the
 * version that added it. */
static const struct {
	int version;
	const char *sql;
} added[] = {
    {5, "CREATE TEMP TABLE slot (slot_ns INTEGER PRIMARY KEY, dur_ns INTEGER NOT NULL);"
	"CREATE TEMP TABLE thinned (name TEXT PRIMARY KEY, rows INTEGER NOT NULL);"
	"CREATE TEMP VIEW overhead AS SELECT slot_ns, plane, events, cost_ns, NULL AS mode, NULL AS "
	"watched_ns,"
	" NULL AS windows, NULL AS window_cost_ns, NULL AS cpu_ns, NULL AS watched_cpu_ns, NULL AS spans,"
	" NULL AS watched_spans FROM main.overhead"},
    {6, "CREATE TEMP VIEW pool AS SELECT *, NULL AS destroyed_ns, 'markers' AS source FROM main.pool;"
	"CREATE TEMP VIEW pool_use AS SELECT *, NULL AS in_use_last, NULL AS in_use_bytes_max FROM "
	"main.pool_use;"
	"CREATE TEMP VIEW pool_event AS SELECT *, NULL AS n FROM main.pool_event;"
	"CREATE TEMP TABLE pool_latency (pool_id, slot_ns, what, bucket, count);"
	"CREATE TEMP TABLE pool_sum (pool_id, gets, puts, failures, in_use, in_use_max, in_use_max_t_ns,"
	" in_use_max_tid, in_use_max_stack_id, in_use_bytes_max, requested_bytes, lost, double_puts, "
	"foreign_puts,"
	" older_puts, cross_puts, hidden_failures, hidden_max, threads, reuses, lifo_reuses, fifo_reuses,"
	" reuse_depth_p50, objects, lines, lines_least, pages, pages_least);"
	"CREATE TEMP TABLE pool_site (pool_id, ip, stack_id, gets, holds, hold_sum_ns, hold_max_ns, "
	"hold_p50_ns,"
	" hold_p99_ns, at_high_water, held, oldest_ns);"
	"CREATE TEMP TABLE pool_heap (pool_id, t_ns, total_bytes, used_bytes, free_bytes, largest_free_bytes,"
	" unfit_bytes, free_pieces, requested_bytes)"},
    {7, "CREATE TEMP VIEW gc AS SELECT *, NULL AS stopped_ns, 1 AS is_pause, 'probes' AS source FROM main.gc;"
	"CREATE TEMP TABLE gc_phase (gc_id, name, t_ns, dur_ns);"
	"CREATE TEMP TABLE gc_prediction (made_ns, runtime, kind, due_ns, lo_ns, hi_ns, coverage);"
	"CREATE TEMP TABLE gc_setting (runtime, name, value)"},
    {8, "CREATE TEMP TABLE component_rule (rule_id INTEGER PRIMARY KEY, component_id, min_bytes, max_bytes,"
	" is_of_threads);"
	"CREATE TEMP TABLE component_thread (rule_id, tid);"
	"CREATE TEMP TABLE component_stack (stack_id, rank, rule_id);"
	"CREATE TEMP TABLE component_scope (scope_id INTEGER PRIMARY KEY, name, component_id);"
	"CREATE TEMP TABLE call_scope (call_id INTEGER PRIMARY KEY, component_id)"},
    {8, "CREATE TEMP TABLE gc_class_name (class_id INTEGER PRIMARY KEY, runtime, name);"
	"CREATE TEMP TABLE gc_class (slot_ns, class_id, object_bytes, events, bytes)"},
    {8, "CREATE TEMP TABLE block (block_id INTEGER PRIMARY KEY, addr, size_bytes, op_id, tid, stack_id, "
	"born_ns,"
	" died_ns, ended, free_tid, weight, scope_id)"},
};

static int supplement(struct mp_session *s, struct mp_err *err)
{
	int version = 0;

	if (query_int(s->db, "PRAGMA user_version", &version) || version >= MP_SCHEMA_VERSION)
		return 0;
	int rc = exec(s, "PRAGMA temp_store=MEMORY", "open session", err);
	for (size_t i = 0; !rc && i < sizeof(added) / sizeof(*added); i++)
		if (version < added[i].version)
			rc = exec(s, added[i].sql, "open session", err);
	for (const struct mp_embedded *f = mp_embedded_files; !rc && f->path; f++)
		if (!strncmp(f->path, "sql/views/", strlen("sql/views/")))
			rc = mp_session_use_view(s, f->path, err);
	return rc;
}

int mp_session_open(const char *path, struct mp_session **out, struct mp_err *err)
{
	int application_id = 0;

	*out = NULL;
	int rc = check_file(path, err);
	if (rc)
		return rc;

	struct mp_session *s = session_new(path);
	if (!s)
		return mp_err_set(err, ENOMEM, "cannot open session %s: out of memory", path);
	rc = open_any(s, &application_id);
	rc = check_session(s, rc, application_id, err);
	if (!rc)
		rc = supplement(s, err);
	/* The file may come from anybody: its views get no functions with side effects, its b-trees no trust.
	 */
	if (!rc)
		rc = exec(s,
		    "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA query_only=ON;"
		    "PRAGMA cache_size=-65536",
		    "open session", err);
	if (!rc) {
		sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		*out = s;
	} else {
		session_free(s);
	}
	return rc;
}

/* What is written to has to be tables: a view of that name may be anything, also without end. */
static const char edited_tables[] =
    "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"
    " AND name IN ('call', 'frame', 'frame_inline', 'module', 'stack', 'stack_frame')";

/* The file may come from anybody: its triggers stay asleep, as its views get no functions in
 * mp_session_open(). */
static int open_for_editing(struct mp_session *s, struct mp_err *err)
{
	char *name = sqlite_name(s->path);

	sqlite3_close_v2(s->db);
	s->db = NULL;
	int rc = name ? sqlite3_open_v2(name, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)
		      : SQLITE_NOMEM;
	free(name);
	if (rc != SQLITE_OK)
		return mp_session_fail(s, "open session", err);
	sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	rc = sqlite3_exec(s->db, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; BEGIN IMMEDIATE",
		 NULL, NULL, NULL) &
	     0xff;
	if (rc == SQLITE_BUSY)
		return mp_err_set(err, EBUSY,
		    "cannot add to session %s: it is being recorded, or changed by another program: try "
		    "again "
		    "when that has ended",
		    s->path);
	return rc == SQLITE_OK ? 0 : mp_session_fail(s, "add to", err);
}

/* Looked at within the transaction: nobody changes it any more. */
static int check_editable(struct mp_session *s, struct mp_err *err)
{
	int application_id = 0, tables = 0;
	int rc = query_int(s->db, "PRAGMA application_id", &application_id);

	rc = check_session(s, rc, application_id, err);
	if (rc)
		return rc;
	if (query_int(s->db, edited_tables, &tables) || tables != 6)
		return mp_err_set(
		    err, EINVAL, "cannot add to %s: its tables are not those of a session", s->path);
	return 0;
}

int mp_session_edit(const char *path, struct mp_session **out, struct mp_err *err)
{
	struct mp_session *s;
	int rc = mp_session_open(path, &s, err);

	*out = NULL;
	if (rc)
		return rc;
	rc = access(path, W_OK) < 0
		 ? mp_err_set(err, errno, "cannot add to session %s: %s: copy it to where you may write",
		       path, strerror(errno))
		 : open_for_editing(s, err);
	if (!rc)
		rc = check_editable(s, err);
	if (rc) {
		session_free(s);
		return rc;
	}
	s->recording = true;
	*out = s;
	return 0;
}

void mp_session_rollback(struct mp_session *s)
{
	for (int i = 0; i < MP_SESSION_STATEMENTS; i++)
		sqlite3_reset(s->statement[i]);
	s->n_calls = 0;
	s->next_call_id = 0;
	sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

struct sqlite3 *mp_session_db(struct mp_session *s)
{
	mp_session_flush(s, NULL); /* if that fails, so does what comes next */
	return s->db;
}

const char *mp_session_path(const struct mp_session *s)
{
	return s->path;
}

int mp_session_set(struct mp_session *s, struct mp_err *err, const char *key, const char *fmt, ...)
{
	sqlite3_stmt *st = NULL;
	char *value;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&value, fmt, ap);
	va_end(ap);
	if (n < 0)
		return mp_err_set(err, ENOMEM, "cannot write %s: out of memory", s->path);

	int rc = sqlite3_prepare_v2(s->db, "INSERT OR REPLACE INTO session VALUES (?,?)", -1, &st, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
		sqlite3_bind_text(st, 2, value, n, SQLITE_STATIC);
		rc = sqlite3_step(st);
	}
	rc = rc == SQLITE_DONE ? 0 : mp_session_fail(s, "write", err);
	sqlite3_finalize(st);
	free(value);
	return rc;
}

/* SQLite itself rolls a transaction back when the disk is full: then there is nothing to commit any more. */
static int commit(struct mp_session *s, struct mp_err *err)
{
	int rc = mp_session_flush(s, err);

	if (rc)
		return rc;
	return sqlite3_get_autocommit(s->db) ? 0 : exec(s, "COMMIT", "write", err);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int mp_session_commit(struct mp_session *s, struct mp_err *err)
{
	int rc = commit(s, err);

	s->committed_ns = now_ns();
	return rc ? rc : exec(s, "BEGIN IMMEDIATE", "write", err);
}

/* A look at the clock costs as much as a part of a row. */
#define LOOK_EVERY 256

#define COMMIT_NS 900000000LL

int mp_session_breathe(struct mp_session *s, struct mp_err *err)
{
	if (!s->commits_by_time || ++s->appended < LOOK_EVERY)
		return 0;
	s->appended = 0;
	int rc = s->retention ? mp_retention_step(s, err) : 0;
	if (!rc && now_ns() - s->committed_ns >= COMMIT_NS)
		rc = mp_session_commit(s, err);
	return rc;
}

int mp_session_live(struct mp_session *s, uint64_t max_bytes, struct mp_err *err)
{
	s->commits_by_time = true;
	s->committed_ns = now_ns();
	return max_bytes ? mp_retention_new(s, max_bytes, err) : 0;
}

/*
 * Leaves WAL mode, so that the session is one file that can be copied and read from read-only media. While
 * somebody reads it, that is not possible: then it stays a database with a log, which is as good as it gets.
 */
static int leave_wal(struct mp_session *s, struct mp_err *err)
{
	int rc = sqlite3_exec(s->db, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) & 0xff;

	return rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED
		   ? 0
		   : mp_session_fail(s, "finish", err);
}

int mp_session_close(struct mp_session *s, struct mp_err *err)
{
	int rc = 0;

	if (!s)
		return 0;
	if (s->recording && s->db) {
		rc = s->retention ? mp_retention_settle(s, err) : 0;
		if (!rc)
			rc = commit(s, err);
		if (rc && !sqlite3_get_autocommit(s->db))
			sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
		for (int i = 0; i < MP_SESSION_STATEMENTS; i++)
			sqlite3_reset(s->statement[i]);
		int left = leave_wal(s, rc ? NULL : err);
		if (!rc)
			rc = left;
	}
	session_free(s);
	return rc;
}
