/* SPDX-License-Identifier: MIT */
/* Collections from what points tell: as runtimes tell it, in other orders, and more than there is room for.
 */
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sampler/gc/collector.h"

#define UNTOLD                                                                                               \
	{                                                                                                    \
		UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX           \
	}

/* A runtime with a point for each role. */
static const char profile[] =
    "[profile]\nname = rt\nmodules = rt.so\ndefault = young\nnot_heap = Code*\n"
    "[variant v]\nbegin = entry:f\n[kinds]\n1 = full\nVmYoung = young\n[causes]\nNo GC = -\n";

struct fixture {
	struct mp_session *session;
	struct mp_gc *gc;
	struct mp_gc_set set;
	struct mp_gc_runtime runtime;
	struct mp_gc_point points[MP_GC_ROLES + 1];
	char dir[32], path[64];
};

/* The point behind those of the roles tells kinds in words, as `tell` does causes. */
#define TELL_KIND MP_GC_ROLES

static void open_fixture(struct fixture *f)
{
	const struct mp_gc_listener nobody = {0};
	struct mp_err err = {0};

	memset(f, 0, sizeof(*f));
	strcpy(f->dir, "/tmp/mpsample-gc-XXXXXX");
	cr_assert(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/gc.db", f->dir);
	cr_assert_eq(mp_gc_profile_parse("x.ini", profile, &f->runtime.profile, &err), 0, "%s", err.text);
	for (unsigned int i = 0; i <= MP_GC_ROLES; i++) {
		f->points[i].role = i == TELL_KIND ? MP_GC_TELL : (enum mp_gc_role)i;
		f->points[i].text.from = MP_FETCH_ARG;
		f->points[i].read = i == TELL_KIND    ? MP_GC_TEXT_KIND
				    : i == MP_GC_TELL ? MP_GC_TEXT_CAUSE
						      : MP_GC_TEXT_POOL;
	}
	memcpy(f->points[MP_GC_IS].constant[MP_GC_TEXT_KIND], "mark", 5);
	f->set = (struct mp_gc_set){
	    .runtimes = &f->runtime, .n_runtimes = 1, .points = f->points, .n = MP_GC_ROLES + 1};
	cr_assert_eq(mp_session_create(f->path, true, &f->session, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(f->session, &err), 0, "%s", err.text);
	f->gc = mp_gc_new(f->session);
	mp_gc_follow(f->gc, &f->set, &nobody);
}

static void tell_from(struct fixture *f, int tid, unsigned int point, int64_t t_ns, const char *text)
{
	struct mp_gc_event e = {.tid = tid, .point = point, .t_ns = t_ns, .values = UNTOLD};

	snprintf(e.text, sizeof(e.text), "%s", text);
	mp_gc_take(f->gc, &e);
}

static void tell(struct fixture *f, unsigned int point, int64_t t_ns, const char *text)
{
	tell_from(f, 7, point, t_ns, text);
}

static void tell_memory(
    struct fixture *f, enum mp_gc_role role, int64_t t_ns, const char *pool, uint64_t used)
{
	struct mp_gc_event e = {.tid = 7, .point = role, .t_ns = t_ns, .values = UNTOLD};

	snprintf(e.text, sizeof(e.text), "%s", pool);
	e.values[MP_GC_USED] = used;
	e.values[MP_GC_COMMITTED] = 1000;
	mp_gc_take(f->gc, &e);
}

/* Ends it, and compares all that SQL says of it, rows with ';' between them. */
static void expect(struct fixture *f, const char *sql, const char *wanted)
{
	struct mp_err err = {0};
	sqlite3 *db;
	sqlite3_stmt *st;
	char got[1024] = "";

	cr_assert_eq(mp_gc_end(f->gc, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_commit(f->session, &err), 0, "%s", err.text);
	cr_assert_eq(sqlite3_open(f->path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	while (sqlite3_step(st) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(st); i++) {
			const char *text = (const char *)sqlite3_column_text(st, i);
			size_t n = strlen(got);
			snprintf(got + n, sizeof(got) - n, "%s%s", text ? text : "-",
			    i + 1 < sqlite3_column_count(st) ? "|" : ";");
		}
	sqlite3_finalize(st);
	sqlite3_close(db);
	cr_expect_str_eq(got, wanted);
}

static void close_fixture(struct fixture *f)
{
	struct mp_err err;

	mp_gc_free(f->gc);
	mp_session_close(f->session, &err);
	mp_gc_profile_free(&f->runtime.profile);
	cr_assert_eq(unlink(f->path), 0);
	cr_assert_eq(rmdir(f->dir), 0);
}

static const char rows[] = "SELECT t_ns, dur_ns, ttsp_ns, stopped_ns, is_pause, kind, cause, tid, "
			   "bytes_since_last FROM v_gc ORDER BY t_ns";

/* As HotSpot does it, with a pause that is none of a collection before it. */
Test(gc_collector, in_a_safepoint)
{
	struct fixture f;

	open_fixture(&f);
	tell(&f, MP_GC_STOP, 100, "");
	tell(&f, MP_GC_STOPPED, 110, "");
	tell(&f, TELL_KIND, 120, "Other");
	tell(&f, MP_GC_RESUME, 130, "");
	tell(&f, MP_GC_STOP, 1000, "");
	tell(&f, MP_GC_STOPPED, 1050, "");
	tell(&f, TELL_KIND, 1060, "VmYoung");
	tell(&f, MP_GC_TELL, 1070, "No GC");
	tell(&f, MP_GC_TELL, 1080, "Evacuation");
	tell(&f, MP_GC_BEGIN, 1100, "");
	tell_memory(&f, MP_GC_BEFORE, 1110, "Eden", 500);
	tell_memory(&f, MP_GC_BEFORE, 1111, "Old", 300);
	tell_memory(&f, MP_GC_BEFORE, 1112, "CodeHeap", 77);
	tell_memory(&f, MP_GC_AFTER, 1210, "Eden", 0);
	tell_memory(&f, MP_GC_AFTER, 1211, "Old", 400);
	tell_memory(&f, MP_GC_AFTER, 1212, "CodeHeap", 77);
	tell(&f, MP_GC_TELL, 1290, "No GC");
	tell(&f, MP_GC_END, 1300, "");
	tell(&f, MP_GC_RESUME, 1350, "");
	expect(&f, rows, "1100|200|50|350|1|young|Evacuation|7|-;");
	expect(&f,
	    "SELECT pool, used_before_bytes, used_after_bytes, committed_bytes FROM v_gc_pool ORDER BY pool",
	    "CodeHeap|77|77|1000;Eden|500|0|1000;Old|300|400|1000;heap|800|400|2000;");
	close_fixture(&f);
}

/* Two while the threads stand still once: their parts of that add up to it. */
Test(gc_collector, two_in_a_safepoint)
{
	struct fixture f;
	struct mp_gc_event full = {.tid = 7, .point = MP_GC_BEGIN, .t_ns = 1200, .values = UNTOLD};

	open_fixture(&f);
	tell(&f, MP_GC_STOP, 1000, "");
	tell(&f, MP_GC_STOPPED, 1010, "");
	tell(&f, TELL_KIND, 1020, "VmYoung");
	tell(&f, MP_GC_BEGIN, 1030, "");
	tell(&f, MP_GC_END, 1100, "");
	full.values[MP_GC_KIND] = 1;
	mp_gc_take(f.gc, &full);
	tell(&f, MP_GC_END, 1500, "");
	tell(&f, MP_GC_RESUME, 1600, "");
	expect(&f, rows, "1030|70|10|100|1|young|-|7|-;1200|300|-|500|1|full|-|7|-;");
	close_fixture(&f);
}

/* As Boehm's does it: what waits for the threads is called when they are stopped, and when they go on; one
 * that does not wait for them is no longer than its work. */
Test(gc_collector, waits_for_the_threads)
{
	struct fixture f;

	open_fixture(&f);
	f.runtime.tells_stopped = true;
	tell(&f, MP_GC_STOP, 100, "");
	tell(&f, MP_GC_RESUME, 140, "");
	tell(&f, MP_GC_STOPPED, 150, "");
	tell(&f, MP_GC_BEGIN, 151, "");
	tell(&f, MP_GC_END, 351, "");
	tell(&f, MP_GC_RESUME, 400, "");
	tell(&f, MP_GC_STOP, 1000, "");
	tell(&f, MP_GC_STOPPED, 1020, "");
	tell(&f, MP_GC_BEGIN, 1021, "");
	tell(&f, MP_GC_END, 1321, "");
	expect(&f, rows, "151|200|50|300|1|young|-|7|-;1021|300|-|-|1|young|-|7|-;");
	close_fixture(&f);
}

/* As Go does it: the world is stopped for many reasons. */
Test(gc_collector, what_is_one)
{
	struct fixture f;

	open_fixture(&f);
	tell(&f, MP_GC_STOP, 100, "");
	tell(&f, MP_GC_RESUME, 200, "");
	tell(&f, MP_GC_STOP, 300, "");
	tell_from(&f, 8, MP_GC_IS, 310, "");
	tell(&f, MP_GC_CYCLE_BEGIN, 320, "");
	tell(&f, MP_GC_RESUME, 400, "");
	tell_from(&f, 9, MP_GC_CYCLE_END, 900, "");
	expect(&f, rows, "300|100|-|100|1|mark|-|7|-;320|580|-|-|0|cycle|-|7|-;");
	close_fixture(&f);
}

/* As CPython and V8 do it: each thread for itself; and the heap is told as a whole. */
Test(gc_collector, by_thread)
{
	struct fixture f;

	open_fixture(&f);
	tell_from(&f, 1, MP_GC_BEGIN, 100, "");
	tell_from(&f, 2, MP_GC_BEGIN, 110, "");
	tell_from(&f, 1, MP_GC_BEGIN, 120, "");
	tell_from(&f, 2, MP_GC_END, 150, "");
	tell_from(&f, 1, MP_GC_END, 190, "");
	tell_from(&f, 3, MP_GC_END, 200, "");
	tell_from(&f, 4, MP_GC_BEGIN, 300, "");
	expect(&f, rows, "100|90|-|-|1|young|-|1|-;110|40|-|-|1|young|-|2|-;");
	close_fixture(&f);
}

Test(gc_collector, memory_in_use)
{
	struct fixture f;

	open_fixture(&f);
	for (int i = 0; i < 2; i++) {
		tell(&f, MP_GC_BEGIN, 100 + 1000 * i, "");
		tell_memory(&f, MP_GC_MEMORY, 110 + 1000 * i, "heap", 900);
		tell_memory(&f, MP_GC_MEMORY, 140 + 1000 * i, "heap", 200);
		tell(&f, MP_GC_END, 150 + 1000 * i, "");
	}
	tell_memory(&f, MP_GC_MEMORY, 1200, "heap", 1);
	expect(&f, rows, "100|50|-|-|1|young|-|7|-;1100|50|-|-|1|young|-|7|700;");
	close_fixture(&f);
}

/* Memory that is told of outside of a pause is of a cycle beside the program. */
Test(gc_collector, beside_the_program)
{
	struct fixture f;

	open_fixture(&f);
	for (int i = 0; i < 2; i++) {
		tell_memory(&f, MP_GC_BEFORE, 100 + 1000 * i, "Z", 900);
		tell_memory(&f, MP_GC_AFTER, 700 + 1000 * i, "Z", 200);
	}
	tell_memory(&f, MP_GC_BEFORE, 5000, "Z", 900);
	expect(&f, rows, "100|600|-|-|0|cycle|-|7|-;1100|600|-|-|0|cycle|-|7|-;");
	close_fixture(&f);
}

/* Points tell in any order, and a runtime's own time counts where it can be one. */
Test(gc_collector, order_of_time)
{
	struct fixture f;
	struct mp_gc_event end = {.tid = 7, .point = MP_GC_END, .t_ns = 2000, .values = UNTOLD};

	open_fixture(&f);
	end.values[MP_GC_TIME] = 1500;
	mp_gc_take(f.gc, &end);
	tell(&f, MP_GC_BEGIN, 1000, "");
	end.t_ns = 9000;
	end.values[MP_GC_TIME] = 9001; /* it cannot be later than it was told */
	mp_gc_take(f.gc, &end);
	tell(&f, MP_GC_BEGIN, 8000, "");
	expect(&f, rows, "1000|500|-|-|1|young|-|7|-;8000|1000|-|-|1|young|-|7|-;");
	close_fixture(&f);
}

/* What says that something ended may be lost: then what comes next is not measured from there. */
Test(gc_collector, ends_that_are_lost)
{
	const int64_t minutes = INT64_C(120000000000);
	struct fixture f;

	open_fixture(&f);
	tell(&f, MP_GC_STOP, 100, "");
	tell(&f, MP_GC_BEGIN, 110, "");
	tell(&f, MP_GC_END, 150, "");
	tell(&f, MP_GC_STOP, 1000, "");
	tell(&f, MP_GC_BEGIN, 1010, "");
	tell(&f, MP_GC_END, 1040, "");
	tell(&f, MP_GC_RESUME, 1050, "");
	tell(&f, MP_GC_BEGIN, 2000, "");
	tell(&f, MP_GC_BEGIN, minutes, "");
	tell(&f, MP_GC_END, minutes + 30, "");
	/* The recording ends before the threads are let go. */
	tell(&f, MP_GC_STOP, minutes + 40, "");
	tell(&f, MP_GC_BEGIN, minutes + 50, "");
	tell(&f, MP_GC_END, minutes + 60, "");
	expect(&f, rows,
	    "110|40|-|-|1|young|-|7|-;1010|30|-|50|1|young|-|7|-;120000000000|30|-|-|1|young|-|7|-;"
	    "120000000050|10|-|-|1|young|-|7|-;");
	close_fixture(&f);
}

Test(gc_collector, texts_are_printable)
{
	struct fixture f;

	open_fixture(&f);
	tell(&f, TELL_KIND, 90, "a\033[2Jb\n\177");
	tell(&f, MP_GC_BEGIN, 100, "");
	tell(&f, MP_GC_END, 200, "");
	expect(&f, rows, "100|100|-|-|1|a?[2Jb??|-|7|-;");
	close_fixture(&f);
}

/* What goes beyond a limit is counted. */
Test(gc_collector, limits)
{
	struct fixture f;
	uint64_t lost[4] = {0};
	char pool[16];

	open_fixture(&f);
	for (int i = 0; i < 40; i++)
		tell_from(&f, 100 + i, MP_GC_BEGIN, 100 + i, "");
	tell_from(&f, 100, MP_GC_END, 200, "");
	tell(&f, MP_GC_BEGIN, 300, "");
	for (uint64_t i = 0; i < MP_GC_POOLS_MAX + 3; i++) {
		snprintf(pool, sizeof(pool), "p%d", (int)i);
		tell_memory(&f, MP_GC_BEFORE, 310, pool, i);
	}
	tell(&f, MP_GC_END, 400, "");
	for (int i = 0; i < 70000; i++)
		tell(&f, MP_GC_TELL, 500, "x");
	expect(&f, "SELECT count(*), (SELECT count(*) FROM v_gc_pool) FROM v_gc", "2|16;");
	for (size_t i = 0; mp_gc_lost_by(f.gc, i, &lost[i]); i++)
		;
	cr_expect_gt(lost[0], 4000, "events");
	cr_expect_eq(lost[1], 8, "threads");
	cr_expect_eq(lost[2], 3, "pools");
	mp_gc_lost_by(f.gc, 0, &lost[0]);
	cr_expect_eq(lost[0], 0, "told once");
	close_fixture(&f);
}
