/* SPDX-License-Identifier: MIT */
#include "store/session.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/append.h"
#include "store/histogram.h"
#include "store/op.h"

static char dir[] = "/tmp/mp-session-XXXXXX";
static char path[128];
static struct mp_err err;

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.mps", dir);
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "chmod -R u+w %s; rm -rf %s", dir, dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(session, .init = setup, .fini = teardown, .timeout = 60);

static int files_in_dir(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	for (struct dirent *e; (e = readdir(d));)
		n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	closedir(d);
	return n;
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	cr_assert(f);
	fputs(text, f);
	fclose(f);
}

/* The first column of the first row, by a plain SQLite connection that knows nothing of sessions. */
static long long plain(const char *name, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;

	cr_assert_eq(sqlite3_open_v2(name, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW, "%s", sqlite3_errmsg(db));
	long long value = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return value;
}

static struct mp_session *create(bool force)
{
	struct mp_session *s = NULL;

	cr_assert_eq(mp_session_create(path, force, &s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(s, &err), 0, "%s", err.text);
	return s;
}

static void make(const char *key)
{
	struct mp_session *s = create(false);

	cr_assert_eq(mp_session_set(s, &err, key, "%d", 42), 0);
	cr_assert_eq(mp_session_close(s, &err), 0, "%s", err.text);
}

static void refused(int want, const char *words)
{
	struct mp_session *s = NULL;
	int rc = mp_session_create(path, false, &s, &err);

	cr_assert_eq(rc, want, "%d: %s", rc, err.text);
	cr_assert_null(s);
	cr_assert(strstr(err.text, words), "%s", err.text);
	cr_assert(strstr(err.text, path), "%s", err.text);
}

static void cannot_open(int want, const char *words)
{
	struct mp_session *s = NULL;
	int rc = mp_session_open(path, &s, &err);

	cr_assert_eq(rc, want, "%d: %s", rc, err.text);
	cr_assert_null(s);
	cr_assert(strstr(err.text, words), "%s", err.text);
}

Test(session, a_finished_session_is_one_file)
{
	make("pid");
	cr_assert_eq(files_in_dir(), 1);
	cr_assert_eq(plain(path, "SELECT value FROM v_session WHERE key = 'pid'"), 42);
	cr_assert_eq(plain(path, "PRAGMA application_id"), MP_APPLICATION_ID);
	cr_assert_eq(plain(path, "PRAGMA user_version"), MP_SCHEMA_VERSION);
	cr_assert_eq(plain(path, "PRAGMA page_size"), 16384);
	cr_assert_eq(
	    plain(path, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'delete'"), 1);
}

Test(session, constants_are_in_it)
{
	make("pid");
	cr_assert_eq(plain(path, "SELECT count(*) FROM bucket"), MP_HIST_BUCKETS);
	cr_assert_eq(plain(path, "SELECT max(hi_ns) FROM bucket"), (long long)MP_HIST_MAX_NS);
	cr_assert_eq(plain(path, "SELECT count(*) FROM size_class"), MP_SIZE_CLASSES);
	cr_assert_eq(plain(path, "SELECT max(hi_bytes) FROM size_class"), INT64_MAX);
	cr_assert_eq(plain(path, "SELECT op_id FROM op WHERE name = 'free'"), MP_OP_FREE);
	cr_assert_eq(
	    plain(path, "SELECT op_id FROM op WHERE name = 'malloc_slow'"), MP_OP_SLOW + MP_OP_MALLOC);
	cr_assert_eq(plain(path, "SELECT count(*) FROM op"), MP_OP_ROWS);
}

Test(session, an_unpublished_one_leaves_nothing)
{
	struct mp_session *s = NULL;

	cr_assert_eq(mp_session_create(path, false, &s, &err), 0);
	cr_assert_eq(mp_session_set(s, &err, "pid", "1"), 0);
	cr_assert_eq(files_in_dir(), 1);
	cr_assert_neq(access(path, F_OK), 0);
	cr_assert_eq(mp_session_close(s, &err), 0);
	cr_assert_eq(files_in_dir(), 0);
}

Test(session, an_existing_file_needs_force)
{
	make("old");
	refused(-EEXIST, "add --force");

	struct mp_session *s = NULL;
	cr_assert_eq(mp_session_create(path, true, &s, &err), 0);
	cr_assert_eq(
	    plain(path, "SELECT count(*) FROM session WHERE key = 'old'"), 1, "untouched until published");
	cr_assert_eq(mp_session_publish(s, &err), 0);
	cr_assert_eq(mp_session_close(s, &err), 0);
	cr_assert_eq(plain(path, "SELECT count(*) FROM session"), 0);
	cr_assert_eq(files_in_dir(), 1);
}

Test(session, a_file_that_appears_meanwhile_is_not_overwritten)
{
	struct mp_session *s = NULL;

	cr_assert_eq(mp_session_create(path, false, &s, &err), 0);
	write_file(path, "precious");
	cr_assert_eq(mp_session_publish(s, &err), -EEXIST);
	cr_assert(strstr(err.text, "add --force"));
	cr_assert_eq(mp_session_close(s, &err), 0);
	cr_assert_eq(files_in_dir(), 1);
}

Test(session, force_replaces_regular_files_only)
{
	struct mp_session *s = NULL;

	cr_assert_eq(mkdir(path, 0755), 0);
	cr_assert_eq(mp_session_create(path, true, &s, &err), -EEXIST);
	cr_assert(strstr(err.text, "a directory"), "%s", err.text);
	rmdir(path);
	cr_assert_eq(mkfifo(path, 0644), 0);
	cr_assert_eq(mp_session_create(path, true, &s, &err), -EEXIST);
	cr_assert(strstr(err.text, "a pipe"), "%s", err.text);
	unlink(path);
	cr_assert_eq(symlink("/etc/passwd", path), 0);
	cr_assert_eq(mp_session_create(path, true, &s, &err), -EEXIST);
	cr_assert(strstr(err.text, "a symbolic link"), "%s", err.text);
}

Test(session, directories_are_checked_first)
{
	snprintf(path, sizeof(path), "%s/none/s.mps", dir);
	refused(-ENOENT, "there is no directory");
	snprintf(path, sizeof(path), "%s/file/s.mps", dir);
	char file[128];
	snprintf(file, sizeof(file), "%s/file", dir);
	write_file(file, "");
	refused(-ENOTDIR, "is not a directory");
	snprintf(path, sizeof(path), "%s", "");
	refused(-EINVAL, "empty");
}

/* Runs `check` as another user, who may not write into the directory. Root only: others are that user
 * already. */
static void as_nobody(void (*check)(void))
{
	cr_assert_eq(chmod(dir, 0555), 0);
	fflush(NULL);
	pid_t pid = fork();
	if (!pid) {
		if (!geteuid() && (setgid(65534) || setuid(65534)))
			_exit(2);
		check();
		_exit(0);
	}
	int status = 0;
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
}

static void check_unwritable(void)
{
	struct mp_session *s = NULL;

	if (mp_session_create(path, false, &s, &err) != -EACCES || !strstr(err.text, "not writable"))
		_exit(1);
}

Test(session, an_unwritable_directory_is_named)
{
	as_nobody(check_unwritable);
}

/* A writer that commits `n` marks, one a transaction, adds one more without a commit, and is killed. */
static void killed_writer(int n)
{
	int pipes[2];
	char byte;

	cr_assert_eq(pipe(pipes), 0);
	pid_t pid = fork();
	if (!pid) {
		struct mp_session *s = NULL;

		if (mp_session_create(path, false, &s, &err) || mp_session_publish(s, &err))
			_exit(1);
		for (int i = 0; i < n; i++)
			if (mp_append_mark(s, i, 0, "mark", NULL, &err) || mp_session_commit(s, &err))
				_exit(1);
		mp_append_mark(s, n, 0, "not committed", NULL, &err);
		if (write(pipes[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	cr_assert_eq(read(pipes[0], &byte, 1), 1);
	cr_assert_eq(plain(path, "SELECT count(*) FROM v_mark"), n, "while it is recorded");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(pipes[0]);
	close(pipes[1]);
}

static long long open_and_count(void)
{
	struct mp_session *s = NULL;
	sqlite3_stmt *st = NULL;

	if (mp_session_open(path, &s, &err))
		return -1;
	sqlite3_prepare_v2(mp_session_db(s), "SELECT count(*) FROM v_mark", -1, &st, NULL);
	long long n = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : -2;
	sqlite3_finalize(st);
	mp_session_close(s, NULL);
	return n;
}

Test(session, a_killed_recorder_loses_what_it_had_not_committed)
{
	killed_writer(7);
	cr_assert_eq(open_and_count(), 7, "%s", err.text);
	cr_assert_eq(plain(path, "SELECT count(*) FROM v_mark"), 7);
	cr_assert_eq(
	    plain(path, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
}

static void check_killed_is_readable(void)
{
	if (open_and_count() != 7)
		_exit(1);
}

Test(session, a_killed_recorders_session_opens_in_an_unwritable_directory)
{
	killed_writer(7);
	as_nobody(check_killed_is_readable);
}

static void check_log_needs_a_copy(void)
{
	struct mp_session *s = NULL;

	if (mp_session_open(path, &s, &err) != -EACCES || !strstr(err.text, "copy both files"))
		_exit(1);
}

Test(session, a_log_that_cannot_be_read_is_not_ignored)
{
	char shm[160];

	killed_writer(7);
	snprintf(shm, sizeof(shm), "%s-shm", path);
	unlink(shm);
	as_nobody(check_log_needs_a_copy);
}

Test(session, wal_mode_without_a_log_opens_in_an_unwritable_directory)
{
	killed_writer(7);
	/* A plain connection takes the log in, and leaves the file in WAL mode. */
	plain(path, "PRAGMA wal_checkpoint(TRUNCATE)");
	plain(path, "SELECT count(*) FROM v_mark");
	cr_assert_eq(files_in_dir(), 1);
	as_nobody(check_killed_is_readable);
}

Test(session, an_old_log_is_not_replayed_into_the_new_database)
{
	killed_writer(7);
	cr_assert_eq(files_in_dir(), 3);
	struct mp_session *s = create(true);
	cr_assert_eq(mp_append_mark(s, 1, 0, "new", NULL, &err), 0);
	cr_assert_eq(mp_session_close(s, &err), 0, "%s", err.text);
	cr_assert_eq(files_in_dir(), 1);
	cr_assert_eq(plain(path, "SELECT count(*) FROM v_mark"), 1);
}

Test(session, a_forgotten_log_needs_force)
{
	struct mp_session *s = NULL;

	killed_writer(7);
	unlink(path);
	cr_assert_eq(mp_session_create(path, false, &s, &err), 0);
	cr_assert_eq(mp_session_publish(s, &err), -ENOTEMPTY);
	cr_assert(strstr(err.text, "-wal"), "%s", err.text);
	mp_session_close(s, NULL);
	cr_assert_eq(mp_session_close(create(true), &err), 0);
	cr_assert_eq(plain(path, "SELECT count(*) FROM v_mark"), 0);
}

Test(session, a_session_being_recorded_is_not_replaced)
{
	int pipes[2];
	char byte;
	struct mp_session *s = NULL;

	cr_assert_eq(pipe(pipes), 0);
	pid_t pid = fork();
	if (!pid) {
		create(false);
		if (write(pipes[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	cr_assert_eq(read(pipes[0], &byte, 1), 1);
	cr_assert_eq(mp_session_create(path, true, &s, &err), -EBUSY);
	cr_assert(strstr(err.text, "has it open"), "%s", err.text);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	cr_assert_eq(mp_session_close(create(true), &err), 0);
}

Test(session, closing_bears_a_reader)
{
	struct mp_session *s = create(false);
	sqlite3 *reader = NULL;

	cr_assert_eq(mp_append_mark(s, 1, 0, "a", NULL, &err), 0);
	cr_assert_eq(mp_session_commit(s, &err), 0);
	cr_assert_eq(sqlite3_open(path, &reader), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(reader, "BEGIN; SELECT * FROM v_mark", NULL, NULL, NULL), SQLITE_OK);
	cr_assert_eq(mp_append_mark(s, 2, 0, "b", NULL, &err), 0);
	cr_assert_eq(mp_session_close(s, &err), 0, "%s", err.text);
	sqlite3_close(reader);
	cr_assert_eq(open_and_count(), 2);
}

Test(session, what_is_not_a_session_is_told_apart)
{
	cannot_open(-ENOENT, "No such file");
	write_file(path, "");
	cannot_open(-EINVAL, "it is empty");
	write_file(path,
	    "this is a text file, and one that is longer than the header of a database, to be sure of it");
	cannot_open(-EINVAL, "not a SQLite database");
	unlink(path);
	write_file(path, "");
	sqlite3 *db = NULL;
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, "CREATE TABLE t(a)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	cannot_open(-EINVAL, "of another program");
	snprintf(path, sizeof(path), "%s", dir);
	cannot_open(-EINVAL, "not a regular file");
}

#define STR_(x) #x
#define STR(x)  STR_(x)

Test(session, other_schemas_are_told_apart)
{
	sqlite3 *db = NULL;

	make("pid");
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, "PRAGMA user_version=9", NULL, NULL, NULL), SQLITE_OK);
	cannot_open(-EPROTO, "was made by a newer mpsample: schema 9, this one reads up to " STR(
				 MP_SCHEMA_VERSION) ": use that version");
	cr_assert_eq(sqlite3_exec(db, "PRAGMA user_version=0", NULL, NULL, NULL), SQLITE_OK);
	cannot_open(-EPROTO, "older mpsample");
	sqlite3_close(db);
}

Test(session, odd_names_are_files)
{
	static const char *const names[] = {"file:a?mode=memory", ":memory:", "50%#x", "a b"};
	struct mp_session *s = NULL;

	cr_assert_eq(chdir(dir), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		cr_assert_eq(mp_session_create(names[i], false, &s, &err), 0, "%s", err.text);
		cr_assert_eq(mp_session_publish(s, &err), 0, "%s", err.text);
		cr_assert_eq(mp_session_close(s, &err), 0);
		cr_assert_eq(access(names[i], F_OK), 0, "%s", names[i]);
		cr_assert_eq(mp_session_open(names[i], &s, &err), 0, "%s", err.text);
		mp_session_close(s, NULL);
	}
	cr_assert_eq(files_in_dir(), 4);
}

Test(session, an_opened_session_cannot_be_written)
{
	struct mp_session *s = NULL;

	make("pid");
	cr_assert_eq(mp_session_open(path, &s, &err), 0);
	cr_assert_neq(sqlite3_exec(mp_session_db(s), "DELETE FROM session", NULL, NULL, NULL), SQLITE_OK);
	cr_assert_neq(sqlite3_exec(mp_session_db(s), "CREATE TEMP TABLE t(a)", NULL, NULL, NULL), SQLITE_OK);
	mp_session_close(s, NULL);
}

Test(session, a_full_disk_is_told_and_keeps_what_was_committed)
{
	struct mp_session *s = create(false);
	int rc = 0, commits = 0;

	cr_assert_eq(sqlite3_exec(mp_session_db(s), "PRAGMA max_page_count=80", NULL, NULL, NULL), SQLITE_OK);
	while (!rc && commits < 1000) {
		for (int i = 0; !rc && i < 100; i++)
			rc = mp_append_mark(
			    s, commits, 1, "a mark with a text of some length", "and a detail", &err);
		if (!rc && !(rc = mp_session_commit(s, &err)))
			commits++;
	}
	cr_assert_eq(rc, -ENOSPC);
	cr_assert(strstr(err.text, "the disk is full"), "%s", err.text);
	cr_assert_gt(commits, 10);
	mp_session_close(s, &err);
	cr_assert_eq(plain(path, "SELECT count(*) FROM v_mark"), commits * 100);
	cr_assert_eq(open_and_count(), commits * 100);
}

Test(session, every_kind_of_row_comes_back)
{
	struct mp_session *s = create(false);
	int64_t thread = 0, frames[] = {11, 12};
	struct mp_module_row module = {.module_id = 1,
	    .path = "/bin/engine",
	    .start = 0x1000,
	    .end = 0x2000,
	    .file_offset = 0x100,
	    .t_ns = 5};
	struct mp_probe_row probe = {MP_OP_FREE, "free", "/lib/libc.so.6", "glibc", 0x123, 3};
	struct mp_latency_sum sum = {.calls = 2, .bytes = UINT64_MAX, .sum_ns = 10, .max_ns = 7};
	struct mp_call call = {.t_ns = 1,
	    .tid = 2,
	    .op = MP_OP_MALLOC,
	    .kept = MP_KEPT_SAMPLE,
	    .weight = 64,
	    .size_bytes = UINT64_MAX,
	    .addr = 0xffffffffff600000,
	    .dur_ns = 9};
	struct mp_kernel_event event = {1, 2, "migration", -1, 0, 0}, fault = {1, 2, "minor_fault", 3, 0, 0};
	struct mp_function_name functions[] = {{"insert", "book.h", 5}, {"main", "engine.c", 77}};
	struct mp_frame_names names = {"/bin/engine", 4, functions + 1, 1, 4},
			      inlined = {"/bin/engine", 4, functions, 2, 6};
	struct mp_stack_row stack = {1, frames, 2, 3, 1}, empty = {2, NULL, 0, 0, 0};

	cr_assert_eq(mp_append_clock(s, 1, 2, &err), 0);
	cr_assert_eq(mp_append_thread(s, 2, "engine", 1, &thread, &err), 0);
	cr_assert_eq(mp_update_thread(s, thread, NULL, 99, &err), 0);
	cr_assert_eq(mp_append_module(s, &module, &err), 0);
	cr_assert_eq(mp_append_probe(s, &probe, &err), 0);
	cr_assert_eq(mp_append_frame(s, 11, 0x1010, 1, 5, &err), 0);
	cr_assert_eq(mp_append_frame(s, 12, 0x9999, 0, 5, &err), 0);
	cr_assert_eq(mp_append_stack(s, &stack, &err), 0);
	cr_assert_eq(mp_append_stack(s, &empty, &err), 0);
	const struct mp_overhead_row overhead = {.plane = "uprobe", .events = 10, .cost_ns = 1000};
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(mp_append_latency(s, 0, MP_OP_MALLOC, 1, 5, 1, &err), 0);
		cr_assert_eq(mp_append_latency_sum(s, 0, MP_OP_MALLOC, 1, &sum, &err), 0, "%s", err.text);
		cr_assert_eq(mp_append_counter(s, 0, "minor_fault", 3, &err), 0);
		cr_assert_eq(mp_append_overhead(s, &overhead, &err), 0);
	}
	cr_assert_eq(mp_append_call(s, &call, NULL, &err), 0);
	call.stack_id = 1;
	cr_assert_eq(mp_append_call(s, &call, NULL, &err), 0);
	cr_assert_eq(mp_append_kernel_event(s, &event, &err), 0);
	cr_assert_eq(mp_append_kernel_event(s, &fault, &err), 0);
	cr_assert_eq(mp_append_loss(s, 1, "ring", "rows", 5, &err), 0);
	cr_assert_eq(mp_session_commit(s, &err), 0);

	cr_assert_eq(plain(path, "SELECT end_ns FROM v_thread WHERE comm = 'engine'"), 99);
	cr_assert_eq(plain(path, "SELECT count(*) FROM v_module WHERE build_id IS NULL"), 1);
	cr_assert_eq(plain(path, "SELECT skipped_bytes FROM v_probe WHERE op = 'free'"), 3);
	cr_assert_eq(plain(path, "SELECT calls FROM v_latency WHERE lo_ns = 5 AND size_hi_bytes = 32"), 2);
	cr_assert_eq(plain(path, "SELECT bytes FROM latency_sum"), INT64_MAX);
	cr_assert_eq(plain(path, "SELECT value FROM v_counter"), 6);
	cr_assert_eq(plain(path, "SELECT cost_ns FROM v_overhead"), 2000);
	cr_assert_eq(
	    plain(path,
		"SELECT count(*) FROM v_call WHERE kept = 'sample' AND size_bytes = 0x7fffffffffffffff"),
	    2);
	cr_assert_eq(
	    plain(path, "SELECT count(*) FROM v_call WHERE stack_id IS NULL AND site = '[no stack]'"), 1);
	cr_assert_eq(
	    plain(path, "SELECT count(*) FROM v_call WHERE site = 'engine+0x110'"), 1, "not symbolized yet");
	cr_assert_eq(plain(path, "SELECT count(*) FROM v_stack WHERE depth = 1 AND name = '0x9999'"), 1);
	cr_assert_eq(plain(path, "SELECT count(*) FROM v_kernel_event WHERE dur_ns IS NULL AND addr = 0"), 1);
	cr_assert_eq(plain(path, "SELECT count(*) FROM v_kernel_event WHERE dur_ns = 3 AND addr IS NULL"), 1);
	cr_assert_eq(plain(path, "SELECT lost FROM v_loss WHERE what = 'rows'"), 5);

	cr_assert_eq(mp_update_frame(s, 11, &names, &err), 0);
	cr_assert_eq(mp_session_commit(s, &err), 0);
	cr_assert_eq(plain(path, "SELECT count(*) FROM v_call WHERE site = 'main'"), 1);
	cr_assert_eq(mp_update_site(s, 1, "Engine::run", &err), 0);
	cr_assert_eq(mp_session_close(s, &err), 0);
	cr_assert_eq(plain(path, "SELECT count(*) FROM v_call WHERE site = 'Engine::run'"), 1);
	cr_assert_eq(plain(path, "SELECT line FROM v_stack WHERE function = 'main' AND stack_id = 1"), 77);

	/* Better names later: an inlined function is a row of its own, and what lies outside moves down. */
	cr_assert_eq(mp_session_edit(path, &s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_update_frame(s, 11, &inlined, &err), 0);
	cr_assert_eq(mp_update_stack_frame(s, 1, 1, 2, &err), 0);
	cr_assert_eq(mp_session_close(s, &err), 0);
	cr_assert_eq(plain(path, "SELECT group_concat(depth || name || inlined) = '0insert1,1main0,20x99990'"
				 " FROM (SELECT * FROM v_stack WHERE stack_id = 1 ORDER BY depth)"),
	    1);
	cr_assert_eq(plain(path, "SELECT count(*) FROM v_stack WHERE unwound = 'cfi' AND ended = 'cut'"), 3);
	cr_assert_eq(mp_session_edit(path, &s, &err), 0);
	cr_assert_eq(mp_update_frame(s, 11, &names, &err), 0);
	mp_session_rollback(s);
	cr_assert_eq(mp_session_close(s, &err), 0);
	cr_assert_eq(plain(path, "SELECT count(*) FROM v_stack WHERE inlined"), 1, "taken back");
}
