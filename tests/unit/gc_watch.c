/* SPDX-License-Identifier: MIT */
/* What is stored between collections: gauges, settings and predictions, of a runtime that this process plays.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sampler/gc/watch.h"

#define MS INT64_C(1000000)

/* Read by their addresses, as those of a runtime in another process. */
static volatile uint64_t live, goal, runway, marked;
static volatile int32_t percent = -7;
static const char version[] = "rt1.19.8";

static char dir[] = "/tmp/mpsample-gc-watch-XXXXXX";
static char path[64];
static struct mp_err err;
static struct mp_session *session;
static struct mp_target target;
static struct mp_gc_set set;
static struct mp_gc_runtime runtime;
static struct mp_gc_watch *w;

static struct mp_gc_gauge gauge(const char *name, volatile void *at, int bytes)
{
	struct mp_gc_gauge g = {
	    .value = {.from = MP_FETCH_CONSTANT, .n_reads = 1, .constant = (uintptr_t)at}};

	g.value.bytes[0] = (unsigned char)bytes;
	snprintf(g.name, sizeof(g.name), "%s", name);
	return g;
}

static void begin(const char *law)
{
	char text[512];

	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.db", dir);
	cr_assert_eq(mp_session_create(path, false, &session, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(session, &err), 0, "%s", err.text);
	snprintf(text, sizeof(text),
	    "[profile]\nname = rt\nmodules = rt.so\n[variant v]\nbegin = entry:f\n[law]\n%s", law);
	cr_assert_eq(mp_gc_profile_parse("x.ini", text, &runtime.profile, &err), 0, "%s", err.text);
	target = (struct mp_target){.pid = getpid()};
	set = (struct mp_gc_set){.runtimes = &runtime, .n_runtimes = 1};
	w = mp_gc_watch_new(&target, &set, session, false);
	cr_assert(w);
}

static void end(void)
{
	char command[64];

	mp_gc_watch_free(w);
	mp_gc_profile_free(&runtime.profile);
	cr_assert_eq(mp_session_close(session, &err), 0, "%s", err.text);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(gc_watch, .fini = end, .timeout = 60);

static double one(const char *sql)
{
	sqlite3_stmt *st = NULL;

	cr_assert_eq(sqlite3_prepare_v2(mp_session_db(session), sql, -1, &st, NULL), SQLITE_OK, "%s",
	    sqlite3_errmsg(mp_session_db(session)));
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW, "%s", sql);
	double value = sqlite3_column_double(st, 0);
	sqlite3_finalize(st);
	return value;
}

static void step(int64_t t_ns, uint64_t allocated)
{
	const uint64_t all[MP_GC_RUNTIMES_MAX] = {allocated};

	cr_assert_eq(mp_gc_watch_step(w, t_ns, all, &err), 0, "%s", err.text);
}

/* A collection ended: the watch hears of it, and the session has it. */
static void collect(int64_t t_ns, const char *kind, uint64_t allocated, int64_t eden)
{
	struct mp_gc_pool pools[] = {{"The Eden", 1, 0, eden, -1}, {"Old", 1, 1, 7, -1}};
	const struct mp_gc_row row = {.t_ns = t_ns,
	    .dur_ns = 1 * MS,
	    .ttsp_ns = -1,
	    .stopped_ns = -1,
	    .is_pause = true,
	    .runtime = "rt",
	    .kind = kind,
	    .bytes_since_last = -1,
	    .source = "probes"};
	const struct mp_gc_collected c = {.row = &row, .allocated = allocated, .pools = pools, .n_pools = 2};
	int64_t id;

	cr_assert_eq(mp_append_gc(session, &row, &id, &err), 0);
	mp_gc_watch_collected(w, &c);
}

/* 100 bytes a millisecond into an eden of 150,000 bytes: a collection every 1.5 s, of which the watch hears
 * at the look after it. */
Test(gc_watch, eden_that_fills)
{
	int64_t t = 1000 * MS, last = t;

	begin("kind = young mixed\nfilled = allocated\nlimit = pool:*Eden*\n");
	runtime.counts_allocated = true;
	for (int i = 0; i < 600; i++) {
		t += 100 * MS;
		if (t - last >= 1500 * MS) {
			last += 1500 * MS;
			collect(last, i % 4 ? "young" : "mixed", (uint64_t)(last / MS * 100), 150000);
		}
		if (i == 300)
			collect(t, "full", (uint64_t)(t / MS * 100), 150000); /* it is not of the law */
		step(t, (uint64_t)(t / MS * 100));
	}
	cr_expect_gt(one("SELECT count(*) FROM v_gc_prediction WHERE actual_ns IS NOT NULL"), 400);
	cr_expect_lt(one("SELECT max(abs(error)) FROM v_gc_prediction WHERE made_ns > 10e9 AND actual_ns - "
			 "made_ns > 2e8"),
	    0.05);
	cr_expect_gt(one("SELECT avg(actual_ns BETWEEN lo_ns AND hi_ns) FROM v_gc_prediction"), 0.8);
	cr_expect_eq(one("SELECT count(*) FROM gc_prediction WHERE kind NOT IN ('young', 'mixed', 'young "
			 "mixed', 'mixed young')"),
	    0);
	cr_expect_eq(one("SELECT count(*) FROM v_pressure WHERE name = 'rt.allocated_bytes'"), 600);
}

/* As Go does it: what is live grows to the goal less a runway, within limits; gauges are read from memory. */
Test(gc_watch, trigger_by_gauges)
{
	int64_t t = 1000 * MS;

	begin("kind = sweep\nfilled = live\nlimit = goal - runway\nwithin = marked 0.7 0.95\n");
	runtime.gauges[0] = gauge("live", &live, 8);
	runtime.gauges[1] = gauge("goal", &goal, 8);
	runtime.gauges[2] = gauge("runway", &runway, 8);
	runtime.gauges[3] = gauge("marked", &marked, 8);
	runtime.gauges[4] = gauge("percent", &percent, -4);
	runtime.gauges[4].is_setting = true;
	runtime.gauges[5] = gauge("version", (volatile void *)(uintptr_t)version, 8);
	runtime.gauges[5].value.n_reads = 0;
	runtime.gauges[5].is_setting = runtime.gauges[5].is_text = true;
	runtime.gauges[5].text_bytes =
	    (struct mp_fetch){.from = MP_FETCH_CONSTANT, .constant = sizeof(version) - 1};
	runtime.n_gauges = 6;
	goal = 2000;
	marked = 1000;
	live = 1000;
	for (int i = 0; i < 900; i++) {
		/* Each cycle another runway: the trigger is at 1700, 1800, 1950 (for 1970) and 1700 (for
		 * 1500). */
		static const uint64_t runways[] = {300, 200, 30, 500}, triggers[] = {1700, 1800, 1950, 1700};
		static int cycle;
		runway = runways[cycle % 4];
		live += 50;
		t += 100 * MS;
		if (live > triggers[cycle % 4]) {
			collect(t - 50 * MS, "sweep", 0, 0);
			live = 1025;
			cycle++;
		}
		step(t, 0);
	}
	cr_expect_gt(one("SELECT count(*) FROM v_gc_prediction WHERE actual_ns IS NOT NULL"), 500);
	cr_expect_lt(one("SELECT avg(abs(error)) FROM v_gc_prediction WHERE made_ns > 20e9 AND"
			 " abs(made_ns - (since_ns + actual_ns) / 2) < 1e8"),
	    0.10);
	cr_expect_eq(one("SELECT count(*) FROM v_gc_setting WHERE runtime = 'rt' AND (name, value) IN"
			 " (VALUES ('percent', '-7'), ('version', 'rt1.19.8'))"),
	    2);
	cr_expect_eq(one("SELECT max(value) FROM v_pressure WHERE name = 'rt.goal'"), 2000);
	cr_expect_eq(one("SELECT count(*) FROM v_pressure WHERE name IN ('rt.percent', 'rt.version')"), 0);
}

/* What cannot be read is not told, and where nothing but collections is known they are predicted by their
 * distances. */
Test(gc_watch, nothing_but_collections)
{
	int64_t t = 1000 * MS;

	begin("kind = gen2\nfilled = live\n");
	runtime.gauges[0] = gauge("live", NULL, 8);
	runtime.n_gauges = 1;
	for (int i = 0; i < 400; i++) {
		t += 100 * MS;
		if (i % 20 == 0)
			collect(t - 30 * MS, "gen2", 0, 0);
		step(t, 0);
	}
	cr_expect_lt(one("SELECT max(abs(error)) FROM v_gc_prediction WHERE made_ns > 20e9 AND actual_ns - "
			 "made_ns > 5e8"),
	    0.05);
	cr_expect_eq(one("SELECT count(*) FROM v_pressure"), 0);
	/* Sixteen of a cycle of 2 s, not all twenty. */
	cr_expect_leq(
	    one("SELECT max(n) FROM (SELECT count(*) AS n FROM v_gc_prediction GROUP BY since_ns)"), 17);
}

/* Cycles that are shorter than two looks are not predicted. */
Test(gc_watch, too_fast)
{
	int64_t t = 1000 * MS;

	begin("kind = young\nfilled = allocated\nlimit = pool:*Eden*\n");
	runtime.counts_allocated = true;
	for (int i = 0; i < 300; i++) {
		t += 100 * MS;
		collect(t - 60 * MS, "young", (uint64_t)(2 * i), 100);
		collect(t - 10 * MS, "young", (uint64_t)(2 * i + 1), 100);
		step(t, (uint64_t)(2 * i + 1));
	}
	cr_expect_eq(one("SELECT count(*) FROM gc_prediction"), 0);
}
