/* SPDX-License-Identifier: MIT */
#ifndef MP_TESTS_UNIT_GC_REPORT_FIXTURE_H
#define MP_TESTS_UNIT_GC_REPORT_FIXTURE_H

#include <math.h>
#include <string.h>

#include "store/append_gc.h"
#include "tests/unit/explain_fixture.h"

/* Sessions of collections that are written here, and what is asked of them. */
#define SECONDS 120
#define MS      1000000LL
#define MB      1000000LL

static inline int64_t at(double t_s)
{
	return START_NS + (int64_t)(t_s * 1e9);
}

static inline void begin(void)
{
	create();
	mp_session_set(s, &err, "end_ns", "%lld", START_NS + SECONDS * 1000 * MS);
}

static inline int64_t append(const struct mp_gc_row *row)
{
	int64_t id;

	cr_assert_eq(mp_append_gc(s, row, &id, &err), 0, "%s", err.text);
	return id;
}

static inline struct mp_gc_row pause_of(
    const char *runtime, const char *kind, const char *cause, double t_s, double ms)
{
	return (struct mp_gc_row){.t_ns = at(t_s),
	    .dur_ns = (int64_t)(ms * MS),
	    .ttsp_ns = -1,
	    .stopped_ns = -1,
	    .is_pause = true,
	    .runtime = runtime,
	    .kind = kind,
	    .cause = cause,
	    .bytes_since_last = -1,
	    .source = "probes"};
}

static inline void append_pool(
    int64_t id, const char *name, int64_t before, int64_t after, int64_t committed, int64_t max)
{
	struct mp_gc_pool_row row = {name, before, after, committed, max};

	cr_assert_eq(mp_append_gc_pool(s, id, &row, &err), 0, "%s", err.text);
}

static inline void set(const char *runtime, const char *name, const char *value)
{
	cr_assert_eq(mp_append_gc_setting(s, runtime, name, value, &err), 0, "%s", err.text);
}

static inline void press(double t_s, const char *name, double value)
{
	cr_assert_eq(mp_append_pressure(s, at(t_s), name, value, &err), 0, "%s", err.text);
}

/* What a JVM is like. */
struct jvm {
	const char *collector, *version;
	double every_s, young_ms; /* young pauses */
	int64_t live, max, committed, eden;
	bool grows; /* what is committed, at each collection */
	const char *cause;
};

/* With nothing to complain of: a short young pause each 2 s, in a heap with room. */
static const struct jvm calm = {.collector = "G1",
    .version = "17.0.1",
    .every_s = 2,
    .young_ms = 2,
    .live = 200 * MB,
    .max = 2000 * MB,
    .committed = 2000 * MB,
    .eden = 500 * MB,
    .cause = "G1 Evacuation Pause"};

static inline void append_jvm(const struct jvm *j)
{
	char max[24];

	snprintf(max, sizeof(max), "%lld", (long long)j->max);
	set("hotspot", "collector", j->collector);
	set("hotspot", "version", j->version);
	set("hotspot", "max_heap_bytes", max);
	for (int i = 0; 1 + i * j->every_s < SECONDS - 1; i++) {
		struct mp_gc_row row =
		    pause_of("hotspot", "young", j->cause, 1 + i * j->every_s, j->young_ms);

		row.bytes_since_last = j->eden;
		int64_t id = append(&row);
		append_pool(id, "heap", j->live + j->eden, j->live,
		    j->committed - (j->grows ? (40 - i) * MB : 0), j->max);
		append_pool(id, "G1 Eden Space", j->eden, 0, j->eden, -1);
		append_pool(id, "G1 Old Gen", j->live, j->live, -1, -1);
	}
}

static inline void give(
    int64_t slot_ns, const char *name, int64_t object_bytes, int64_t events, int64_t bytes)
{
	const struct mp_gc_class_row row = {slot_ns, "hotspot", name, object_bytes, events, bytes};

	cr_assert_eq(mp_append_gc_class(s, &row, &err), 0, "%s", err.text);
}

static inline void give_slot(int i)
{
	cr_assert_eq(mp_append_slot(s, at(i), 1000 * MS, &err), 0, "%s", err.text);
	give(at(i), "Order", 0, 60, 60 * MB);
	give(at(i), "Quote", 0, 20, 20 * MB);
	give(at(i), "byte[]", 0, 10, 10 * MB);
	give(at(i), "byte[]", 1 << 19, 10, 10 * MB);
}

static inline char *report(enum mp_format format, const char *name)
{
	char *text;

	cr_assert_eq(run(mp_report_find(name, &err), everything, format, &text), 0, "%s", err.text);
	return text;
}

/* The rules that speak in report gc, in order, each of which report advice and v_gc_advice have too. */
static inline void expect_rules(const char *want)
{
	reopen();
	char *text = report(MP_FORMAT_JSON, "gc"), *advice = report(MP_FORMAT_JSON, "advice");
	sqlite3_stmt *st =
	    query("SELECT coalesce(group_concat(rule, ' '), '') FROM (SELECT value ->> 'rule' AS rule FROM"
		  " json_each(?, '$.tables.advice') ORDER BY rule)",
		text);

	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	cr_expect_str_eq((const char *)sqlite3_column_text(st, 0), want, "%s", text);
	sqlite3_finalize(st);
	st = query("SELECT coalesce(group_concat(substr(rule, 4), ' '), '') FROM (SELECT value ->> 'rule' AS "
		   "rule FROM"
		   " json_each(?, '$.rows') WHERE rule LIKE 'gc\\_%' ESCAPE '\\' ORDER BY rule)",
	    advice);
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	cr_expect_str_eq((const char *)sqlite3_column_text(st, 0), want, "%s", advice);
	sqlite3_finalize(st);
	free(text);
	free(advice);
}

/* That the setting of a rule begins so. And the query of each finding gives rows. */
static inline void expect_setting(const char *rule, const char *want)
{
	sqlite3_stmt *st = query("SELECT setting, query FROM v_gc_advice WHERE rule = ?", rule);

	cr_assert_eq(sqlite3_step(st), SQLITE_ROW, "%s", rule);
	const char *setting = (const char *)sqlite3_column_text(st, 0);
	cr_expect(!strncmp(setting, want, strlen(want)), "%s: %s", rule, setting);
	sqlite3_stmt *evidence = query((const char *)sqlite3_column_text(st, 1), NULL);
	cr_expect_eq(sqlite3_step(evidence), SQLITE_ROW, "%s", rule);
	sqlite3_finalize(evidence);
	sqlite3_finalize(st);
}

/* What it foretells, within 2 %. */
static inline void expect_figures(const char *rule, const char *measure, double before, double predicted)
{
	sqlite3_stmt *st = query("SELECT measure, before, predicted FROM v_gc_advice WHERE rule = ?", rule);

	cr_assert_eq(sqlite3_step(st), SQLITE_ROW, "%s", rule);
	cr_expect_str_eq((const char *)sqlite3_column_text(st, 0), measure);
	cr_expect_float_eq(sqlite3_column_double(st, 1), before, 0.02 * before, "%s: %g, not %g", rule,
	    sqlite3_column_double(st, 1), before);
	cr_expect_float_eq(sqlite3_column_double(st, 2), predicted, 0.02 * predicted, "%s: %g, not %g", rule,
	    sqlite3_column_double(st, 2), predicted);
	sqlite3_finalize(st);
}

#endif
