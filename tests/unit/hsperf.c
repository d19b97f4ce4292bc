/* SPDX-License-Identifier: MIT */
/* What HotSpot tells in its hsperfdata file, and what no such file may bring about. */
#include "sampler/pressure/hsperf.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sampler/pressure/hotspot_rows.h"
#include "tests/unit/hsperf_image.h"

static struct hsperf_image f;
static struct mp_hsperf h;
static struct mp_err err;

TestSuite(hsperf, .timeout = 60);

/* The file at the very end of what may be read, so that each byte beyond it faults. */
static int parse_at_edge(const char *bytes, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (n + page - 1) / page * page + page;
	char *map = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(map, MAP_FAILED);
	char *at = map + room - page - n;
	memcpy(at, bytes, n);
	cr_assert_eq(mprotect(map + room - page, page, PROT_NONE), 0);
	int ret = mp_hsperf_parse(at, n, &h);
	/* What it told has to be within it. */
	for (int i = 0; i < MP_HSPERF_COLLECTORS; i++)
		if (h.collectors[i].name)
			cr_assert(h.collectors[i].name >= at &&
				  h.collectors[i].name + strlen(h.collectors[i].name) < at + n);
	if (h.vm_args)
		cr_assert(h.vm_args >= at && h.vm_args + strlen(h.vm_args) < at + n);
	h.vm_args = h.vm_version = NULL;
	munmap(map, room);
	return ret;
}

Test(hsperf, figures_and_texts)
{
	hsperf_g1(&f);
	cr_assert_eq(mp_hsperf_parse(f.bytes, f.n, &h), 0);
	cr_assert_eq(h.frequency, 2000000000);
	cr_assert_eq(h.safepoints, 20);
	cr_assert_eq(h.safepoint_ticks, 3000);
	cr_assert_eq(h.safepoint_sync_ticks, 500);
	cr_assert_str_eq(h.collectors[0].name, "G1 young collection pauses");
	cr_assert_eq(h.collectors[0].invocations, 19);
	cr_assert_eq(h.collectors[0].ticks, 2800);
	cr_assert_null(h.collectors[1].name);
	cr_assert_eq(h.collectors[1].invocations, -1);
	cr_assert_eq(h.generations[0].spaces[2].used_bytes, 2 << 20);
	cr_assert_eq(h.metaspace_used_bytes, 78512);
	cr_assert_eq(h.metaspace_capacity_bytes, -1);
	cr_assert_str_eq(h.vm_args, "-Xms64m -Xmx256m");
	cr_assert_str_eq(h.vm_version, "17.0.15+6");
	/* Of G1 either generation may become all of the heap. */
	cr_assert_eq(mp_hsperf_max_heap(&h), 256 << 20);
	cr_assert_eq(mp_hsperf_initial_heap(&h), 64 << 20);
	h.collectors[0].name = "Serial young collection pauses";
	cr_assert_eq(mp_hsperf_max_heap(&h), 512 << 20);
	h.generations[0].spaces[0].init_bytes = 0;
	cr_assert_eq(mp_hsperf_initial_heap(&h), -1);
}

Test(hsperf, other_files_are_refused)
{
	static const struct {
		size_t at;
		char value;
		int error;
	} cases[] = {{0, 0, -EPROTO}, {4, 2, -EPROTO}, {5, 1, -EPROTO}, {7, 0, -EAGAIN}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		hsperf_g1(&f);
		f.bytes[cases[i].at] = cases[i].value;
		cr_assert_eq(mp_hsperf_parse(f.bytes, f.n, &h), cases[i].error, "case %zu", i);
	}
	cr_assert_eq(mp_hsperf_parse("", 0, &h), -EPROTO);
}

/* Each number of the beginning and of an entry, as wrong as it can be: what lies before it is still told. */
Test(hsperf, numbers_that_lead_elsewhere)
{
	static const int32_t odd[] = {
	    INT32_MIN, -1, 0, 1, 19, 20, 21, 47, 100, 5000, 65536, INT32_MAX - 7, INT32_MAX};

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		for (size_t at = 8; at < 32; at += 4) {
			hsperf_g1(&f);
			hsperf_put32(&f, at, odd[i]);
			parse_at_edge(f.bytes, f.n);
		}
		for (size_t at = 0; at < 20; at += 4) {
			hsperf_begin(&f);
			hsperf_long(&f, "sun.rt.safepoints", 20);
			size_t entry = hsperf_text(&f, "java.rt.vmArgs", "-Xmx1g");
			hsperf_put32(&f, entry + at, odd[i]);
			cr_assert_eq(parse_at_edge(f.bytes, f.n), 0);
			cr_assert_eq(h.safepoints, 20);
		}
	}
}

Test(hsperf, a_file_that_is_cut_short)
{
	hsperf_g1(&f);
	for (size_t n = 0; n < f.n; n++)
		cr_assert_eq(parse_at_edge(f.bytes, n), n < 32 ? -EPROTO : 0);
}

Test(hsperf, types_and_texts_that_do_not_fit)
{
	hsperf_begin(&f);
	hsperf_add(&f, "sun.rt.safepoints", 'J', 3, "12345678123456781234567", 24); /* more than one */
	size_t half = hsperf_long(&f, "sun.rt.safepointTime", 1);
	hsperf_put32(&f, half + 16, 52); /* of 56 bytes */
	hsperf_text(&f, "sun.os.hrt.frequency", "1000");
	hsperf_long(&f, "java.rt.vmArgs", 1);
	hsperf_add(&f, "sun.gc.collector.0.name", 'B', 8, "endless!", 8);
	hsperf_long(&f, "sun.gc.collector.8.invocations", 1);
	hsperf_long(&f, "sun.gc.collector.99999999999999999999.time", 1);
	hsperf_long(&f, "sun.gc.collector.-1.time", 1);
	hsperf_long(&f, "sun.gc.generation.4.space.0.used", 1);
	hsperf_long(&f, "sun.gc.generation.0.space.8.used", 1);
	cr_assert_eq(mp_hsperf_parse(f.bytes, f.n, &h), 0);
	cr_assert_eq(h.safepoints, -1);
	cr_assert_eq(h.safepoint_ticks, -1);
	cr_assert_eq(h.frequency, -1);
	cr_assert_null(h.vm_args);
	cr_assert_null(h.collectors[0].name);
	for (int i = 0; i < MP_HSPERF_COLLECTORS; i++)
		cr_assert(h.collectors[i].invocations == -1 && h.collectors[i].ticks == -1);
	for (int g = 0; g < MP_HSPERF_GENERATIONS; g++)
		for (int k = 0; k < MP_HSPERF_SPACES; k++)
			cr_assert_eq(h.generations[g].spaces[k].used_bytes, -1);
}

/* ---- Rows ---- */

static long long one(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;

	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW, "%s", sql);
	long long value = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return value;
}

Test(hsperf, rows_of_two_looks)
{
	char dir[] = "/tmp/mp-hsperf-XXXXXX", path[64], command[64];
	struct mp_series *s = mp_series_new();
	struct mp_session *session;

	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.db", dir);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(mp_session_create(path, false, &session, &err), 0, "%s", err.text);
	hsperf_g1(&f);
	cr_assert_eq(mp_hsperf_parse(f.bytes, f.n, &h), 0);
	for (int i = 1; i <= 2; i++) {
		mp_series_begin(s, session, i * INT64_C(1000000000));
		mp_hotspot_tell(&h, s, false);
		cr_assert_eq(mp_series_end(s, &err), 0, "%s", err.text);
		h.safepoints += 5;
		h.safepoint_ticks += 700; /* of half a ns */
		h.collectors[0].invocations += 4;
	}
	cr_assert_eq(mp_hotspot_settings(&h, session, &err), 0);

	sqlite3 *db = mp_session_db(session);
	cr_assert_eq(
	    one(db, "SELECT value FROM pressure WHERE name = 'hotspot.safepoints' AND t_ns = 2000000000"), 5);
	cr_assert_eq(one(db, "SELECT max(value) FROM pressure WHERE name = 'hotspot.safepoint_ns'"), 350);
	cr_assert_eq(
	    one(db, "SELECT max(value) FROM pressure WHERE name = 'hotspot.collector_0_collections'"), 4);
	cr_assert_eq(one(db, "SELECT value FROM pressure WHERE name = 'hotspot.eden_used_bytes'"), 30 << 20);
	cr_assert_eq(
	    one(db, "SELECT value FROM pressure WHERE name = 'hotspot.eden_capacity_bytes'"), 40 << 20);
	cr_assert_eq(
	    one(db, "SELECT value FROM pressure WHERE name = 'hotspot.survivor_used_bytes'"), 2 << 20);
	cr_assert_eq(one(db, "SELECT value FROM pressure WHERE name = 'hotspot.old_used_bytes'"), 1124352);
	cr_assert_eq(one(db, "SELECT count(*) FROM pressure WHERE t_ns = 2000000000"), 3, "what has changed");
	cr_assert_eq(
	    one(db, "SELECT count(*) FROM gc_setting WHERE runtime = 'hotspot' AND (name, value) IN (VALUES"
		    " ('max_heap_bytes', '268435456'), ('initial_heap_bytes', '67108864'),"
		    " ('version', '17.0.15+6'), ('collector', 'G1'), ('collector_0', 'G1 young collection "
		    "pauses'),"
		    " ('vm_args', '-Xms64m -Xmx256m'))"),
	    6);
	mp_series_free(s);
	cr_assert_eq(mp_session_close(session, &err), 0);
	cr_assert_eq(system(command), 0);
}
