/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/import/gc_line.h"
#include "sampler/import/gc_log.h"

TestSuite(gc_log, .timeout = 60);

static struct mp_gc_line line;

static void parse(const char *text)
{
	mp_gc_line_parse(text, strlen(text), &line);
}

/* ---- Decorations ---- */

Test(gc_log, times)
{
	parse("[1.250s][info][gc] Using G1");
	cr_assert_eq(line.uptime_ns, 1250000000);
	cr_assert_eq(line.real_ns, -1);
	parse("[1,250s] Using G1");
	cr_assert_eq(line.uptime_ns, 1250000000);
	parse("[1250ms][gc] Using G1");
	cr_assert_eq(line.uptime_ns, 1250000000);
	parse("[1250000007ns][gc] Using G1");
	cr_assert_eq(line.uptime_ns, 1250000007);
	parse("[1970-01-02T01:00:01.500+0100][gc] Using G1");
	cr_assert_eq(line.real_ns, 86401500000000);
	cr_assert_eq(line.uptime_ns, -1);
	parse("[2000-02-29T23:30:00.000-0130][0.5s][gc] Using G1"); /* date -u -d ... +%s */
	cr_assert_eq(line.real_ns, 951872400000000000);
	cr_assert_eq(line.uptime_ns, 500000000);
	parse("[1790000000123ms][gc] Using G1");
	cr_assert_eq(line.real_ns, 1790000000123000000);
}

Test(gc_log, no_log)
{
	static const char *const texts[] = {"", "GC(0) Pause Young 1M->0M(2M) 1.000ms", "PERFILE2", "[", "[]",
	    "[[[[", "[1.0s] hello", "{\"a\": [1]}"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		parse(texts[i]);
		cr_expect_eq(line.kind, MP_GC_LINE_NONE, "%s", texts[i]);
		cr_expect_not(mp_gc_log_is_one(texts[i], strlen(texts[i])), "%s", texts[i]);
	}
}

/* ---- Collections ---- */

static const struct {
	const char *text;
	enum mp_gc_line_kind kind;
	const char *name, *cause;
	int64_t dur_ns, before, after, committed;
} collections[] = {
    {"Pause Young (Normal) (G1 Evacuation Pause) 10M->1M(34M) 2.525ms", MP_GC_LINE_PAUSE, "young",
	"G1 Evacuation Pause", 2525000, 10 << 20, 1 << 20, 34 << 20},
    {"Pause Young (Normal) (G1 Evacuation Pause)", MP_GC_LINE_BEGIN, "young", "G1 Evacuation Pause", -1, 0, 0,
	0},
    {"Pause Young (Prepare Mixed) (G1 Evacuation Pause) 1K->1K(2K) 1.000ms", MP_GC_LINE_PAUSE, "young",
	"G1 Evacuation Pause", 1000000, 1024, 1024, 2048},
    {"Pause Young (Mixed) (G1 Evacuation Pause) 1K->1K(2K) 1.000ms", MP_GC_LINE_PAUSE, "mixed",
	"G1 Evacuation Pause", 1000000, 1024, 1024, 2048},
    {"Pause Young (Concurrent Start) (G1 Humongous Allocation) 65M->53M(110M) 1.879ms", MP_GC_LINE_PAUSE,
	"concurrent-start", "G1 Humongous Allocation", 1879000, 65 << 20, 53 << 20, 110 << 20},
    {"Pause Young (Normal) (G1 Evacuation Pause) (Evacuation Failure: Allocation) 1M->1M(2M) 9.000ms",
	MP_GC_LINE_PAUSE, "young", "G1 Evacuation Pause", 9000000, 1 << 20, 1 << 20, 2 << 20},
    {"Pause Full (System.gc()) 55M->16M(60M) 8.111ms", MP_GC_LINE_PAUSE, "full", "System.gc()", 8111000,
	55 << 20, 16 << 20, 60 << 20},
    {"Pause Remark 64M->64M(118M) 0.615ms", MP_GC_LINE_PAUSE, "remark", "", 615000, 64 << 20, 64 << 20,
	118 << 20},
    {"Pause Init Mark (unload classes) 0.078ms", MP_GC_LINE_PAUSE, "init-mark", "", 78000, 0, 0, 0},
    {"Pause Degenerated GC (Outside of Cycle) 80M->60M(128M) 4.000ms", MP_GC_LINE_PAUSE, "degenerated-gc",
	"Outside of Cycle", 4000000, 80 << 20, 60 << 20, 128 << 20},
    {"Y: Pause Mark Start (Major) 0.013ms", MP_GC_LINE_PAUSE, "young-mark-start", "Major", 13000, 0, 0, 0},
    {"y: Pause Mark End 0.017ms", MP_GC_LINE_PAUSE, "young-mark-end", "", 17000, 0, 0, 0},
    {"O: Pause Relocate Start 0.009ms", MP_GC_LINE_PAUSE, "old-relocate-start", "", 9000, 0, 0, 0},
    {"Concurrent Mark Cycle 15.801ms", MP_GC_LINE_BESIDE, "concurrent-mark-cycle", "", 15801000, 0, 0, 0},
    {"Concurrent cleanup 47M->16M(47M) 0.028ms", MP_GC_LINE_BESIDE, "concurrent-cleanup", "", 28000, 47 << 20,
	16 << 20, 47 << 20},
    {"Garbage Collection (Warmup) 70M(55%)->30M(23%)", MP_GC_LINE_CYCLE, "cycle", "Warmup", -1, 70 << 20,
	30 << 20, -1},
    {"Minor Collection (Allocation Rate) 72M(56%)->71M(56%) 0.003s", MP_GC_LINE_CYCLE, "minor",
	"Allocation Rate", 3000000, 72 << 20, 71 << 20, -1},
    {"Major Collection (Warmup)", MP_GC_LINE_BEGIN, "major", "Warmup", -1, 0, 0, 0},
    {"Phase 1: Mark live objects 0.992ms", MP_GC_LINE_PHASE, "Phase 1: Mark live objects", "", 992000, 0, 0,
	0},
};

Test(gc_log, collections)
{
	for (size_t i = 0; i < sizeof(collections) / sizeof(*collections); i++) {
		char text[256];

		snprintf(text, sizeof(text), "[0.055s][info][gc          ] GC(12) %s", collections[i].text);
		parse(text);
		cr_expect_eq(line.kind, collections[i].kind, "%s: %d", text, line.kind);
		cr_expect_eq(line.gc, 12);
		cr_expect_str_eq(line.name, collections[i].name);
		cr_expect_str_eq(line.cause, collections[i].cause, "%s: %s", text, line.cause);
		cr_expect_eq(line.dur_ns, collections[i].dur_ns, "%s", text);
		cr_expect_eq(line.pools, collections[i].before != 0, "%s", text);
		if (!line.pools)
			continue;
		cr_expect_eq(line.pool[0].before, collections[i].before, "%s", text);
		cr_expect_eq(line.pool[0].after, collections[i].after, "%s", text);
		cr_expect_eq(line.pool[0].committed, collections[i].committed, "%s", text);
	}
}

Test(gc_log, numbers_out_of_range)
{
	parse("[1s][gc] GC(99999999999999999999) Pause Young (A) 1M->1M(1M) 1.0ms");
	cr_assert_neq(line.kind, MP_GC_LINE_PAUSE);
	parse("[1s][gc] GC(1) Pause Young (A) 99999999999999999T->1M(1M) 1.0ms");
	cr_assert_eq(line.kind, MP_GC_LINE_PAUSE);
	cr_assert_eq(line.pools, 0);
	parse("[1s][gc] GC(1) Pause Young (A) 1M->1M(1M) 999999999999999999ms");
	cr_assert_neq(line.kind, MP_GC_LINE_PAUSE);
}

Test(gc_log, pools)
{
	parse("[0.058s][gc,heap] GC(0) PSYoungGen: 8704K(9728K)->1008K(9728K) Eden: 8704K(8704K)->0K(8704K) "
	      "From: 0K(1024K)->1008K(1024K)");
	cr_assert_eq(line.kind, MP_GC_LINE_POOLS);
	cr_assert_eq(line.pools, 2);
	cr_assert_str_eq(line.pool[0].name, "PS Eden Space");
	cr_assert_eq(line.pool[0].before, 8704 << 10);
	cr_assert_eq(line.pool[0].after, 0);
	cr_assert_str_eq(line.pool[1].name, "PS Survivor Space");
	cr_assert_eq(line.pool[1].after, 1008 << 10);
	parse("[0.1s][gc,heap] GC(0) Tenured: 21134K->17269K(28784K)"); /* JDK 11 */
	cr_assert_eq(line.pools, 1);
	cr_assert_eq(line.pool[0].committed, 28784 << 10);
	parse("[0.1s][gc,heap] GC(0) Eden regions: 6->0(10)");
	cr_assert_eq(line.kind, MP_GC_LINE_REGIONS);
	cr_assert_eq(line.pool[0].before, 6);
	cr_assert_eq(line.pool[0].committed, 10);
	parse(
	    "[0.1s][gc,heap] GC(0) Y:  Capacity:       70M (55%)  78M (61%)  84M (66%)  88M (69%) 88M (69%)");
	cr_assert_eq(line.kind, MP_GC_LINE_CAPACITY);
	cr_assert_eq(line.pool[0].committed, 88 << 20);
}

Test(gc_log, safepoints)
{
	parse(
	    "[0.05s][info][safepoint   ] Safepoint \"G1CollectForAllocation\", Time since last: 26305504 ns, "
	    "Reaching safepoint: 4599 ns, Cleanup: 6231 ns, At safepoint: 2605838 ns, Total: 2616668 ns");
	cr_assert_eq(line.kind, MP_GC_LINE_SAFEPOINT);
	cr_assert_eq(line.ttsp_ns, 4599);
	cr_assert_eq(line.dur_ns, 2616668);
	parse("[0.05s][info][safepoint   ] Total time for which application threads were stopped: 0.0023000 "
	      "seconds, Stopping threads took: 0.0000100 seconds");
	cr_assert_eq(line.kind, MP_GC_LINE_SAFEPOINT);
	cr_assert_eq(line.ttsp_ns, 10000);
	cr_assert_eq(line.dur_ns, 2300000);
}

/* ---- A whole log ---- */

struct seen {
	int n;
	struct mp_gc_row row[8];
	char kind[8][32];
	struct mp_gc_log_collection last;
	int64_t clock_ns, real_ns;
	char settings[256];
};

static int take_collection(void *ctx, const struct mp_gc_log_collection *c, struct mp_err *err)
{
	struct seen *s = ctx;

	(void)err;
	cr_assert_lt(s->n, 8);
	s->row[s->n] = c->row;
	snprintf(s->kind[s->n++], 32, "%s", c->row.kind);
	s->last = *c;
	return 0;
}

static int take_setting(void *ctx, const char *name, const char *value, struct mp_err *err)
{
	struct seen *s = ctx;
	size_t n = strlen(s->settings);

	(void)err;
	snprintf(s->settings + n, sizeof(s->settings) - n, "%s=%s;", name, value);
	return 0;
}

static int take_mark(void *ctx, int64_t t_ns, const char *name, const char *detail, struct mp_err *err)
{
	(void)ctx;
	(void)t_ns;
	(void)name;
	(void)detail;
	(void)err;
	return 0;
}

static int take_clock(void *ctx, int64_t t_ns, int64_t real_ns, struct mp_err *err)
{
	struct seen *s = ctx;

	(void)err;
	s->clock_ns = t_ns;
	s->real_ns = real_ns;
	return 0;
}

static struct mp_gc_log_totals read_log(const char *text, size_t piece, struct seen *s)
{
	const struct mp_gc_log_sink sink = {take_collection, take_setting, take_mark, take_clock, s};
	struct mp_gc_log *g = mp_gc_log_new(&sink);
	size_t n = strlen(text);

	*s = (struct seen){.clock_ns = -1};
	for (size_t at = 0; at < n; at += piece)
		cr_assert_eq(mp_gc_log_feed(g, text + at, n - at < piece ? n - at : piece, NULL), 0);
	cr_assert_eq(mp_gc_log_end(g, NULL), 0);
	struct mp_gc_log_totals t = *mp_gc_log_totals(g);
	mp_gc_log_free(g);
	return t;
}

static const char g1[] =
    "[1970-01-01T00:00:10.000+0000][0.100s][info][gc] Using G1\n"
    "[1970-01-01T00:00:10.001+0000][0.101s][info][gc,init] Heap Region Size: 1M\n"
    "[1970-01-01T00:00:10.001+0000][0.101s][info][gc,init] Heap Max Capacity: 128M\n"
    "[1970-01-01T00:00:11.000+0000][1.100s][info][gc,phases] GC(0)   Pre Evacuate Collection Set: 1.0ms\n"
    "[1970-01-01T00:00:11.000+0000][1.100s][info][gc,phases] GC(0)   Evacuate Collection Set: 2.0ms\n"
    "[1970-01-01T00:00:11.000+0000][1.100s][info][gc,heap] GC(0) Old regions: 1->2\n"
    "[1970-01-01T00:00:11.000+0000][1.100s][info][gc,heap] GC(0) Humongous regions: 4->1\n"
    "[1970-01-01T00:00:11.000+0000][1.100s][info][gc] GC(0) Pause Young (Normal) (G1 Evacuation Pause) "
    "10M->3M(34M) 4.000ms\n"
    "[1970-01-01T00:00:11.000+0000][1.100s][info][safepoint] Safepoint \"G1\", Time since last: 1 ns, "
    "Reaching safepoint: 5000 ns, At safepoint: 4100000 ns, Total: 4110000 ns\n"
    "[1970-01-01T00:00:12.000+0000][2.100s][info][gc] GC(1) Pause Young (Normal) (G1 Evacuation Pause) "
    "20M->4M(34M) 1.000ms\n"
    "[1970-01-01T00:00:12.003+0000][2.103s][info][gc] GC(2) Pause Full (G1 Compaction Pause) 4M->4M(34M) "
    "3.000ms\n"
    "[1970-01-01T00:00:12.003+0000][2.103s][info][safepoint] Safepoint \"G1\", Time since last: 1 ns, "
    "Reaching safepoint: 7000 ns, At safepoint: 4100000 ns, Total: 4107000 ns\n"
    "[1970-01-01T00:00:12.003+0000][2.103s][info][gc] GC(3) Pause Young (Nor";

Test(gc_log, whole, .description = "in pieces of any length")
{
	static const size_t pieces[] = {1, 7, 100, sizeof(g1)};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct seen s;
		struct mp_gc_log_totals t = read_log(g1, pieces[i], &s);

		cr_assert_eq(t.pauses, 3);
		cr_assert_eq(t.unknown, 0);
		cr_assert_eq(t.first_ns, 100000000);
		cr_assert_eq(t.last_ns, 2103000000);
		cr_assert_eq(s.clock_ns, 100000000);
		cr_assert_eq(s.real_ns, 10000000000);
		cr_assert_str_eq(s.settings, "collector=G1;region_bytes=1048576;max_heap_bytes=134217728;");
		cr_assert_eq(s.row[0].t_ns, 1096000000);
		cr_assert_eq(s.row[0].ttsp_ns, 5000);
		cr_assert_eq(s.row[0].stopped_ns, 4110000);
		cr_assert_eq(s.row[0].bytes_since_last, -1);
		/* Two pauses at one safepoint: the way to it is the first one's, what came behind the last
		 * one's. */
		cr_assert_eq(s.row[1].ttsp_ns, 7000);
		cr_assert_eq(s.row[1].stopped_ns, 1007000);
		cr_assert_eq(s.row[1].bytes_since_last, 17 << 20);
		cr_assert_eq(s.row[2].stopped_ns, 3100000);
		cr_assert_eq(s.row[2].bytes_since_last, 0);
		cr_assert_str_eq(s.kind[2], "full");
	}
}

Test(gc_log, late_safepoints, .description = "the order tells whose a safepoint is, where its line came late")
{
	struct seen s;

	read_log(
	    "[0.100s][info][gc] GC(0) Pause Young (A) 1M->1M(2M) 4.000ms\n"
	    "[0.130s][info][safepoint] Safepoint \"A\", Time since last: 1 ns, Reaching safepoint: 5000 ns, "
	    "At safepoint: 4100000 ns, Total: 4110000 ns\n"
	    "[0.200s][info][gc] GC(1) Pause Young (A) 1M->1M(2M) 4.000ms\n"
	    "[0.300s][info][gc] GC(2) Pause Young (A) 1M->1M(2M) 3.000ms\n"
	    "[0.300s][info][safepoint] Safepoint \"A\", Time since last: 1 ns, Reaching safepoint: 5000 ns, "
	    "At safepoint: 3100000 ns, Total: 3110000 ns\n",
	    64, &s);
	cr_assert_eq(s.n, 3);
	cr_assert_eq(s.row[0].stopped_ns, 4110000);
	cr_assert_eq(s.row[1].stopped_ns, -1, "its own safepoint is missing");
	cr_assert_eq(s.row[2].stopped_ns, 3110000);
}

Test(gc_log, parts)
{
	struct seen s;
	char text[1200];

	/* Up to the first safepoint. */
	snprintf(text, sizeof(text), "%.*s", (int)(strstr(g1, "[1970-01-01T00:00:12.000") - g1), g1);
	read_log(text, 50, &s);
	cr_assert_eq(s.last.phases, 2);
	cr_assert_str_eq(s.last.phase[0].name, "Pre Evacuate Collection Set");
	cr_assert_eq(s.last.phase[0].t_ns, s.last.row.t_ns);
	cr_assert_eq(s.last.phase[1].t_ns, s.last.row.t_ns + 1000000);
	cr_assert_eq(s.last.pools, 2);
	cr_assert_str_eq(s.last.pool[0].name, "G1 Old Gen");
	cr_assert_eq(s.last.pool[0].before, 5 << 20);
	cr_assert_eq(s.last.pool[0].after, 3 << 20);
	cr_assert_str_eq(s.last.pool[1].name, "heap");
	cr_assert_eq(s.last.pool[1].max, 128 << 20);
}

Test(gc_log, only_time_of_day)
{
	struct seen s;

	read_log("[2026-11-26T10:00:00.000+0000] GC(0) Pause Young (A) 1M->1M(2M) 1.000ms\n"
		 "[2026-11-26T10:00:01.000+0000] GC(1) Pause Young (A) 1M->1M(2M) 1.000ms\n",
	    64, &s);
	cr_assert_eq(s.n, 2);
	cr_assert_eq(s.row[0].t_ns, 0); /* never below */
	cr_assert_eq(s.row[1].t_ns, 999000000);
	cr_assert_eq(s.real_ns, 1795687200000000000);
}

Test(gc_log, no_times)
{
	struct seen s;
	struct mp_gc_log_totals t = read_log("[info][gc] GC(0) Pause Young (A) 1M->1M(2M) 1.000ms\n", 64, &s);

	cr_assert_eq(s.n, 0);
	cr_assert_eq(t.no_time, 1);
}

Test(gc_log, several_runs, .description = "time goes on")
{
	struct seen s;

	read_log("[10.000s][gc] GC(0) Pause Young (A) 9M->8M(20M) 1.000ms\n"
		 "[0.500s][gc] GC(0) Pause Young (A) 9M->1M(20M) 1.000ms\n"
		 "[2.500s][gc] GC(1) Pause Young (A) 9M->1M(20M) 1.000ms\n",
	    64, &s);
	cr_assert_eq(s.n, 3);
	cr_assert_eq(s.row[1].t_ns, 9999000000);
	cr_assert_eq(s.row[1].bytes_since_last, -1);
	cr_assert_eq(s.row[2].t_ns, 11999000000);
	cr_assert_eq(s.row[2].bytes_since_last, 8 << 20);
}

Test(gc_log, long_lines)
{
	char *text = malloc(20000);
	struct seen s;

	memset(text, '[', 10000);
	strcpy(text + 10000, "\n[1.000s][gc] GC(0) Pause Young (A) 9M->8M(20M) 1.000ms\n");
	struct mp_gc_log_totals t = read_log(text, 333, &s);
	cr_assert_eq(t.unknown, 1);
	cr_assert_eq(t.pauses, 1);
	free(text);
}
