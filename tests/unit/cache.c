/* SPDX-License-Identifier: MIT */
#include "analysis/cache/cache.h"

#include <math.h>

#include "analysis/explain/explain.h"
#include "store/embed.h"
#include "tests/unit/explain_fixture.h"

TestSuite(cache, .fini = teardown, .timeout = 120);

/* Stacks: of allocations, named by their site, and of code, named by its only frame. */
enum { INSERT = 11, FIND, STATS, ON_PACKET = 21, RISK_SWEEP };
enum { LOADS = 1, STORES, MISSES, FAULTS };

#define HEAP   0x7f0000000000ULL
#define SECOND 1000000000LL

static const struct {
	int64_t stack_id;
	const char *name;
} places[] = {{INSERT, "OrderBook::insert"}, {FIND, "Position::find"}, {STATS, "Stats::create"},
    {ON_PACKET, "on_packet"}, {RISK_SWEEP, "risk_sweep"}};

static void begin(void)
{
	create();
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		int64_t id = places[i].stack_id;
		struct mp_stack_row stack = {id, &id, 1, 3, 0};
		struct mp_function_name function = {places[i].name, "engine.cc", 10};
		struct mp_frame_names names = {"/opt/engine", 16, &function, 1, 6};

		cr_assert_eq(mp_append_frame(s, id, 0x1000 + (uint64_t)id, 0, START_NS, &err), 0);
		cr_assert_eq(mp_append_stack(s, &stack, &err), 0);
		cr_assert_eq(mp_update_frame(s, id, &names, &err), 0);
		cr_assert_eq(mp_update_site(s, id, places[i].name, &err), 0);
	}
	cr_assert_eq(mp_append_thread(s, 100, "me-engine", START_NS, NULL, &err), 0);
	cr_assert_eq(mp_append_thread(s, 101, "me-risk", START_NS, NULL, &err), 0);
	cr_assert_eq(mp_append_thread(s, 102, "me-logger", START_NS, NULL, &err), 0);
}

static void add_event(int64_t id, const char *name, enum mp_sample_quality quality, bool is_sampled)
{
	struct mp_event_row row = {id, name, "skx::SOMETHING", NULL, is_sampled, quality};

	cr_assert_eq(mp_append_event(s, &row, &err), 0, "%s", err.text);
}

static void add_loads(void)
{
	add_event(LOADS, "mem-loads", MP_SAMPLE_PEBS, true);
}

/* At HEAP + 4096 x its number. */
static void add_object(int64_t id, uint64_t size, int64_t stack_id)
{
	struct mp_object_row row = {id, HEAP + (uint64_t)id * 4096, size, START_NS, 100, stack_id};

	cr_assert_eq(mp_append_object(s, &row, &err), 0, "%s", err.text);
}

/* A load of 100 cycles from L3 by the first thread, in no object: what a test changes. */
static struct mp_sample_row a_load(void)
{
	return (struct mp_sample_row){.t_ns = START_NS + SECOND / 2,
	    .tid = 100,
	    .cpu = 1,
	    .event_id = LOADS,
	    .ip = 0x1000,
	    .has_addr = true,
	    .addr = 0x7ffc00000000,
	    .period = 1000,
	    .weight = 100,
	    .level = MP_LEVEL_L3,
	    .tlb = 1,
	    .is_write = 0,
	    .quality = MP_SAMPLE_PEBS,
	    .place = MP_PLACE_STACK,
	    .offset = -1,
	    .stack_id = ON_PACKET};
}

static struct mp_sample_row in_object(int64_t id, int64_t offset)
{
	struct mp_sample_row row = a_load();

	row.place = MP_PLACE_OBJECT;
	row.object_id = id;
	row.offset = offset;
	row.addr = HEAP + (uint64_t)id * 4096 + (uint64_t)offset;
	return row;
}

static void add(struct mp_sample_row row)
{
	cr_assert_eq(mp_append_sample(s, &row, NULL, &err), 0, "%s", err.text);
}

static void add_many(struct mp_sample_row row, int n)
{
	for (int i = 0; i < n; i++)
		add(row);
}

static char *report(struct mp_report_filter filter, enum mp_format format)
{
	char *text;

	cr_assert_eq(run(mp_report_find("cache", &err), filter, format, &text), 0, "%s", err.text);
	return text;
}

/* Asserts that a query over the document, whose ?1 it is, gives this number. */
static void is(const char *text, const char *sql, double value)
{
	double have = ask(text, sql);

	cr_assert(fabs(have - value) < 1e-9 + fabs(value) * 1e-9, "%s: %.12g, not %.12g: %s", sql, have,
	    value, text);
}

/* Of the only row with these values, as SQL conditions. */
static void row_is(const char *text, const char *table, const char *where, const char *column, double value)
{
	char sql[400];

	snprintf(
	    sql, sizeof(sql), "SELECT count(*) FROM json_each(?1, '$.tables.%s') WHERE %s", table, where);
	is(text, sql, 1);
	snprintf(sql, sizeof(sql), "SELECT value ->> '%s' FROM json_each(?1, '$.tables.%s') WHERE %s", column,
	    table, where);
	is(text, sql, value);
}

static bool has(const char *text, const char *sql)
{
	return ask(text, sql) == 1;
}

/* The weights of shared/perfdata's recording with weight_struct: `perf mem report`
 * says 42.26 29.39 23.88 4.46. */
static const struct {
	int64_t weight;
	enum mp_sample_level level;
	int tlb;
} real[] = {{225, MP_LEVEL_LFB, 1}, {96, MP_LEVEL_LFB, 1}, {71, MP_LEVEL_L1, 1}, {70, MP_LEVEL_LFB, 1},
    {92, MP_LEVEL_L1, 1}, {77, MP_LEVEL_L2, 1}, {240, MP_LEVEL_L3, 2}, {70, MP_LEVEL_L3, 1},
    {117, MP_LEVEL_L3, 1}, {81, MP_LEVEL_L1, 1}, {80, MP_LEVEL_L3, 1}, {89, MP_LEVEL_LFB, 1},
    {249, MP_LEVEL_LFB, 1}, {168, MP_LEVEL_L1, 1}};

Test(cache, levels_are_those_of_perf_mem_report)
{
	begin();
	add_loads();
	for (size_t i = 0; i < sizeof(real) / sizeof(*real); i++) {
		struct mp_sample_row row = a_load();

		row.weight = real[i].weight;
		row.level = real[i].level;
		row.tlb = real[i].tlb;
		row.period = 10009;
		add(row);
	}
	reopen();
	char *text = report(everything, MP_FORMAT_JSON);
	cr_assert(
	    has(text,
		"SELECT group_concat(value ->> 'level') = 'LFB,L3,L1,L2' AND sum(value ->> 'weight') = 1725"
		" AND sum(value ->> 'samples') = 14 AND group_concat(round(100 * (value ->> 'share'), 2))"
		" = '42.26,29.39,23.88,4.46' FROM json_each(?1, '$.tables.levels')"),
	    "%s", text);
	row_is(text, "levels", "value ->> 'level' = 'L3'", "walk_share", 240.0 / 507);
	row_is(text, "levels", "value ->> 'level' = 'LFB'", "events", 5 * 10009);
	cr_assert(has(text, "SELECT group_concat(key) = 'event,level,samples,weight,share,events,walk_share'"
			    " FROM json_each(?1, '$.tables.levels[0]')"),
	    "%s", text);
	free(text);
}

static void add_places(void)
{
	begin();
	add_loads();
	add_object(1, 64, INSERT);
	add_object(2, 64, 0);
	for (int place = 0; place < MP_PLACES; place++) {
		struct mp_sample_row row = a_load();

		row.place = (enum mp_sample_place)place;
		row.addr = 0x10000 + (uint64_t)place * 4096;
		row.weight = 10 * (place + 1);
		if (place == MP_PLACE_OBJECT)
			row.object_id = 1;
		add(row);
	}
	add(in_object(2, 0));
	struct mp_sample_row none = a_load();
	none.has_addr = false;
	none.level = MP_LEVEL_NONE;
	add(none);
	none.stack_id = 0;
	none.tid = 4711;
	add(none);
	reopen();
}

Test(cache, all_places_add_up)
{
	add_places();
	char *text = report(everything, MP_FORMAT_JSON);
	double whole = 10 + 20 + 30 + 40 + 50 + 60 + 70 + 80 + 300;

	is(text, "SELECT sum(value ->> 'share') FROM json_each(?1, '$.tables.sites')", 1);
	is(text, "SELECT sum(value ->> 'share') FROM json_each(?1, '$.tables.levels')", 1);
	is(text, "SELECT sum(value ->> 'share') FROM json_each(?1, '$.tables.code')", 1);
	is(text, "SELECT sum(value ->> 'share') FROM json_each(?1, '$.tables.threads')", 1);
	is(text, "SELECT sum(value ->> 'samples') FROM json_each(?1, '$.tables.sites')", 11);
	cr_assert(
	    has(text,
		"SELECT group_concat(value ->> 'site', ' ') = '[no address] [no stack] [untracked] [older] "
		"[file]"
		" [data] [stack] [pool] OrderBook::insert [unknown]' FROM json_each(?1, '$.tables.sites')"),
	    "%s", text);
	cr_assert(
	    has(text,
		"SELECT group_concat(value ->> 'place', ' ') = 'no address object untracked older file data"
		" stack pool object unknown' FROM json_each(?1, '$.tables.sites')"),
	    "%s", text);
	row_is(text, "sites", "value ->> 'site' = '[untracked]'", "share", 80 / whole);
	row_is(text, "sites", "value ->> 'site' = '[no address]'", "share", 200 / whole);
	row_is(text, "levels", "value ->> 'level' = 'not told'", "samples", 2);
	row_is(text, "code", "value ->> 'code' IS NULL", "samples", 1);
	row_is(text, "code", "value ->> 'code' = 'on_packet'", "level_share", (whole - 200) / (whole - 100));
	row_is(text, "threads", "value ->> 'tid' = 4711", "share", 100 / whole);

	is(text, "SELECT ?1 ->> '$.coverage.samples'", 11);
	is(text, "SELECT ?1 ->> '$.coverage.addr_samples'", 9);
	is(text, "SELECT ?1 ->> '$.coverage.unmatched_samples'", 3);
	is(text, "SELECT ?1 ->> '$.coverage.unmatched_share'", 3 / 9.0);
	is(text, "SELECT ?1 ->> '$.coverage.older_samples'", 1);
	is(text, "SELECT ?1 ->> '$.coverage.samples_lost'", 0);
	is(text, "SELECT ?1 ->> '$.coverage.events[0].unmatched_share'", 3 / 9.0);
	free(text);
	text = report(everything, MP_FORMAT_TABLE);
	cr_assert(
	    strstr(text,
		"\n3 of 9 samples with an address (33.3 %) are in nothing that is known, 1 of them where"
		" nothing was allocated since the recording began: older allocations, or a heap of a "
		"runtime's own\n"),
	    "%s", text);
	cr_assert(
	    strstr(text,
		"\nsamples: 11, none lost; 9 with an address, of which 3 (33.3 %) are in nothing that is"
		" known\n"),
	    "%s", text);
	free(text);
}

Test(cache, the_document_has_what_it_promises)
{
	add_places();
	char *text = report(everything, MP_FORMAT_JSON);

	cr_assert(has(text, "SELECT group_concat(key) = 'report,session,tables,coverage' FROM json_each(?1)"),
	    "%s", text);
	cr_assert(has(text, "SELECT group_concat(key) = "
			    "'sites,offsets,sharing,levels,code,threads,phases,events,sentences'"
			    " FROM json_each(?1, '$.tables')"),
	    "%s", text);
	cr_assert(
	    has(text,
		"SELECT group_concat(key) = 'event,site,level,samples,events,share,p50_weight,p99_weight,"
		"walk_share,objects,lines,bytes,place' FROM json_each(?1, '$.tables.sites[0]')"),
	    "%s", text);
	cr_assert(
	    has(text,
		"SELECT group_concat(key) LIKE "
		"'%,to_ns,stacks_lost,markers_lost,samples,addr_samples,unmatched_samples,unmatched_share,"
		"older_samples,samples_lost,events' FROM json_each(?1, '$.coverage')"),
	    "%s", text);
	cr_assert(
	    has(text,
		"SELECT group_concat(key) = 'event,chosen,quality,means,samples,addr_samples,weight_samples,"
		"unmatched_samples,unmatched_share,events,running_share,note'"
		" FROM json_each(?1, '$.coverage.events[0]')"),
	    "%s", text);
	cr_assert(has(text, "SELECT ?1 ->> '$.coverage.events[0].quality' = 'pebs'"), "%s", text);
	free(text);
	text = report(everything, MP_FORMAT_CSV);
	cr_assert(!strncmp(text, "event,site,level,samples,", 25), "%s", text);
	free(text);
}

Test(cache, periods_weigh)
{
	begin();
	add_loads();
	for (int i = 1; i <= 100; i++) {
		struct mp_sample_row row = a_load();

		row.weight = i;
		row.period = i <= 10 ? 1000 : 10; /* 10,000 and 900 */
		add(row);
	}
	reopen();
	char *text = report(everything, MP_FORMAT_JSON);
	row_is(text, "sites", "1", "events", 10900);
	row_is(text, "sites", "1", "p50_weight", 6);
	/* 10,791 of 10,900: 79.1 of the 90 that count 10 each. */
	row_is(text, "sites", "1", "p99_weight", 90);
	row_is(text, "levels", "1", "weight", 5050);
	free(text);
}

Test(cache, of_an_event_without_latencies_the_periods_count)
{
	begin();
	add_event(STORES, "mem-stores", MP_SAMPLE_DATA, true);
	for (int i = 0; i < 4; i++) {
		struct mp_sample_row row = a_load();

		row.event_id = STORES;
		row.quality = MP_SAMPLE_DATA;
		row.weight = -1;
		row.is_write = 1;
		row.period = i ? 100 : 700;
		row.level = i ? MP_LEVEL_NONE : MP_LEVEL_L1;
		add(row);
	}
	reopen();
	char *text = report(everything, MP_FORMAT_JSON);
	row_is(text, "levels", "value ->> 'level' = 'L1'", "share", 0.7);
	cr_assert(has(text,
	    "SELECT count(*) = 2 FROM json_each(?1, '$.tables.levels') WHERE value ->> 'weight' IS NULL"));
	cr_assert(has(text,
	    "SELECT count(*) = 2 FROM json_each(?1, '$.tables.sites') WHERE value ->> 'p50_weight' IS NULL"));
	free(text);
}

Test(cache, a_missing_latency_is_none)
{
	begin();
	add_loads();
	struct mp_sample_row row = a_load();
	add(row);
	row.weight = -1;
	row.level = MP_LEVEL_L2;
	add_many(row, 3);
	reopen();
	char *text = report(everything, MP_FORMAT_JSON);
	row_is(text, "levels", "value ->> 'level' = 'L2'", "samples", 3);
	row_is(text, "levels", "value ->> 'level' = 'L2'", "share", 0);
	row_is(text, "levels", "value ->> 'level' = 'L3'", "share", 1);
	is(text, "SELECT ?1 ->> '$.coverage.events[0].weight_samples'", 1);
	free(text);
}

/* Two objects of a site and one of another: 60 % and 30 % of the latency, the rest on the stack. */
static void add_book(void)
{
	begin();
	add_loads();
	add_object(1, 128, INSERT);
	add_object(2, 256, INSERT);
	add_object(3, 64, FIND);
	struct mp_sample_row row = in_object(1, 8);
	row.level = MP_LEVEL_LOCAL_DRAM;
	add_many(row, 4);
	row = in_object(2, 8);
	row.level = MP_LEVEL_REMOTE_DRAM;
	row.stack_id = RISK_SWEEP;
	row.tid = 101;
	add(row);
	row.offset = 64;
	row.addr += 56;
	add(row);
	add_many(in_object(3, 0), 3);
	add(a_load());
	for (uint64_t i = 1; i < 7; i++) {
		row = a_load();
		row.weight = 0;
		row.addr += 64 * i;
		add(row);
	}
	reopen();
}

Test(cache, sites_have_their_objects_and_lines)
{
	add_book();
	char *text = report(everything, MP_FORMAT_JSON);
	const char *near = "value ->> 'site' = 'OrderBook::insert' AND value ->> 'level' = 'local DRAM'";
	const char *far = "value ->> 'site' = 'OrderBook::insert' AND value ->> 'level' = 'remote DRAM'";

	row_is(text, "sites", near, "share", 0.4);
	row_is(text, "sites", near, "objects", 1);
	row_is(text, "sites", near, "lines", 1);
	row_is(text, "sites", near, "bytes", 128);
	row_is(text, "sites", far, "share", 0.2);
	row_is(text, "sites", far, "objects", 1);
	row_is(text, "sites", far, "lines", 2);
	row_is(text, "sites", far, "bytes", 256);
	row_is(text, "sites", "value ->> 'site' = '[stack]'", "lines", 7);
	free(text);
	text = report(everything, MP_FORMAT_TABLE);
	/* 3 lines of 11. */
	cr_assert(
	    strstr(text, "\n1 site, 27.3 % of the lines, makes 60.0 % of the load latency: OrderBook::insert"
			 " (60.0 %)\n"),
	    "%s", text);
	cr_assert(strstr(text,
		      "\nof the load latency, by level: L3 40.0 %, local DRAM 40.0 %, remote DRAM 20.0 %\n"),
	    "%s", text);
	free(text);
}

Test(cache, sites_are_named_until_they_make_most)
{
	begin();
	add_loads();
	add_object(1, 64, INSERT);
	add_object(2, 64, FIND);
	add_object(3, 64, STATS);
	add_many(in_object(1, 0), 45);
	add_many(in_object(2, 0), 30);
	add_many(in_object(3, 0), 25);
	reopen();
	char *text = report(everything, MP_FORMAT_TABLE);
	cr_assert(
	    strstr(text,
		"\n2 sites, 66.7 % of the lines, make 75.0 % of the load latency: OrderBook::insert (45.0 %),"
		" Position::find (30.0 %)\n"),
	    "%s", text);
	free(text);
	teardown();
	begin();
	add_loads();
	add_object(1, 64, INSERT);
	add_many(in_object(1, 0), 4);
	add_many(a_load(), 96);
	reopen();
	text = report(everything, MP_FORMAT_TABLE);
	cr_assert(strstr(text,
		      "\nno site stands out: of the load latency, OrderBook::insert has the most, 4.0 %\n"),
	    "%s", text);
	free(text);
}

Test(cache, parts_of_a_recording_and_limits)
{
	add_book();
	struct mp_report_filter filter = everything;
	filter.tid = 101;
	char *text = report(filter, MP_FORMAT_JSON);
	is(text, "SELECT ?1 ->> '$.coverage.samples'", 2);
	row_is(text, "sites", "1", "share", 1);
	free(text);
	filter = everything;
	filter.from_ns = SECOND;
	text = report(filter, MP_FORMAT_TABLE);
	cr_assert(
	    strstr(text,
		"\nno samples in this part of the recording: leave out --from, --to, --phase or --thread\n"),
	    "%s", text);
	free(text);
	filter = everything;
	filter.limit = 1;
	text = report(filter, MP_FORMAT_JSON);
	is(text, "SELECT json_array_length(?1, '$.tables.sites')", 1);
	is(text, "SELECT json_array_length(?1, '$.tables.code')", 1);
	free(text);
}

/* Of an event further down the first rows are enough, and they are not left out for those of the first. */
Test(cache, people_see_the_first_rows_of_each_event)
{
	begin();
	add_loads();
	add_event(STORES, "mem-stores", MP_SAMPLE_DATA, true);
	for (int i = 0; i < 30; i++) {
		struct mp_sample_row row = a_load();

		row.tid = 1000 + i;
		row.weight = 100 + i;
		add(row);
		row.event_id = STORES;
		row.weight = -1;
		row.period = 100 + (uint64_t)i;
		add(row);
	}
	reopen();
	char *text = report(everything, MP_FORMAT_TABLE);
	cr_assert(strstr(text, "mem-loads   1024 ") && !strstr(text, "mem-loads   1023 "), "%s", text);
	cr_assert(strstr(text, "mem-stores  1028 ") && !strstr(text, "mem-stores  1027 "), "%s", text);
	free(text);
	text = report(everything, MP_FORMAT_JSON);
	is(text, "SELECT json_array_length(?1, '$.tables.threads')", 60);
	free(text);
}

Test(cache, a_thread_that_only_samples_know_can_be_asked_for)
{
	begin();
	add_loads();
	struct mp_sample_row row = a_load();
	row.tid = 777;
	add(row);
	reopen();
	struct mp_report_filter filter = everything;
	filter.tid = 777;
	char *text = report(filter, MP_FORMAT_JSON);
	is(text, "SELECT ?1 ->> '$.coverage.samples'", 1);
	free(text);
}

Test(cache, hot_offsets_stand_out)
{
	begin();
	add_loads();
	add_object(1, 128, INSERT);
	add_object(2, 64, FIND);
	add_object(3, 100000, STATS);
	struct mp_sample_row row = in_object(1, 40);
	row.stack_id = RISK_SWEEP;
	add_many(row, 6);
	row = in_object(1, 44);
	add_many(row, 4);
	for (int64_t offset = 0; offset < 40; offset += 8)
		add_many(in_object(1, offset), 2);
	for (int64_t offset = 0; offset < 64; offset += 8)
		add_many(in_object(2, offset), 10);
	add_many(in_object(3, 96), 50);
	reopen();
	char *text = report(everything, MP_FORMAT_JSON);
	row_is(text, "offsets", "1", "offset", 40);
	row_is(text, "offsets", "1", "samples", 10);
	row_is(text, "offsets", "1", "share", 0.5);
	row_is(text, "offsets", "1", "event_share", 10.0 / 150);
	row_is(text, "offsets", "1", "object_bytes", 128);
	cr_assert(has(text, "SELECT ?1 ->> '$.tables.offsets[0].code' = 'risk_sweep'"), "%s", text);
	cr_assert(has(text, "SELECT ?1 ->> '$.tables.offsets[0].site' = 'OrderBook::insert'"), "%s", text);
	free(text);
}

/* A write, as mem-stores tells them. */
static struct mp_sample_row a_store(int64_t tid, int64_t object, int64_t offset)
{
	struct mp_sample_row row = in_object(object, offset);

	row.event_id = STORES;
	row.quality = MP_SAMPLE_DATA;
	row.tid = tid;
	row.is_write = 1;
	row.weight = -1;
	row.level = MP_LEVEL_NONE;
	return row;
}

static struct mp_sample_row load_by(int64_t tid, int64_t object, int64_t offset)
{
	struct mp_sample_row row = in_object(object, offset);

	row.tid = tid;
	row.level = MP_LEVEL_OTHER_CACHE;
	return row;
}

static void begin_sharing(void)
{
	begin();
	add_loads();
	add_event(STORES, "mem-stores", MP_SAMPLE_DATA, true);
	for (int64_t i = 1; i < 9; i++)
		add_object(i, 128, i < 5 ? STATS : INSERT);
}

static void shares(const char *text, int64_t object, const char *kind)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM json_each(?1, '$.tables.sharing') WHERE value ->> 'sharing' = '%s'"
	    " AND value ->> 'line_addr' = %lld",
	    kind, (long long)(HEAP + (uint64_t)object * 4096));
	is(text, sql, 1);
}

Test(cache, false_and_true_sharing_are_told_apart)
{
	begin_sharing();
	/* 1: each its own; 2: the same; 3: two meet, a third has its own; 4: only reads; 5: one thread; 6:
	 * two lines. */
	add_many(a_store(100, 1, 0), 3);
	add_many(load_by(101, 1, 8), 2);
	add_many(a_store(100, 2, 16), 3);
	add_many(load_by(101, 2, 16), 2);
	add(a_store(100, 3, 0));
	add(load_by(101, 3, 0));
	add(a_store(102, 3, 24));
	add(load_by(100, 4, 0));
	add(load_by(101, 4, 8));
	add(a_store(100, 5, 0));
	add(load_by(100, 5, 8));
	add(a_store(100, 6, 0));
	add(load_by(101, 6, 64));
	reopen();
	char *text = report(everything, MP_FORMAT_JSON);
	is(text, "SELECT json_array_length(?1, '$.tables.sharing')", 3);
	shares(text, 1, "false");
	shares(text, 2, "true");
	shares(text, 3, "both");
	cr_assert(
	    has(text, "SELECT value ->> 'threads' = 'me-engine/100 (w), me-risk/101' AND value ->> 'offsets' "
		      "= '0 (w), 8'"
		      " AND value ->> 'site' = 'Stats::create' AND value ->> 'samples' = 5"
		      " AND abs(value ->> 'share' - 2.0 / 9) < 1e-9 AND value ->> 'other_cache_share' = 0.4"
		      " FROM json_each(?1, '$.tables.sharing') WHERE value ->> 'sharing' = 'false'"),
	    "%s", text);
	cr_assert(has(text, "SELECT group_concat(value ->> 'sharing') = 'false,both,true' FROM json_each(?1,"
			    " '$.tables.sharing')"),
	    "%s", text);
	free(text);
	text = report(everything, MP_FORMAT_TABLE);
	cr_assert(
	    strstr(text, "\n2 lines of 64 bytes are shared falsely between threads, most at Stats::create\n"),
	    "%s", text);
	free(text);
}

/* Also where no objects are; the address is one of the upper half. */
Test(cache, data_of_modules_is_shared_too)
{
	begin_sharing();
	struct mp_sample_row row = a_store(100, 1, 0);
	row.object_id = 0;
	row.place = MP_PLACE_DATA;
	row.addr = 0xffff888000001040;
	add(row);
	row.tid = 101;
	row.addr += 24;
	add(row);
	/* What is shared on a stack or in a file is not of interest. */
	row.place = MP_PLACE_STACK;
	row.addr = 0x7ffc00000000;
	add(row);
	row.tid = 100;
	row.addr += 8;
	add(row);
	reopen();
	char *text = report(everything, MP_FORMAT_JSON);
	cr_assert(has(text, "SELECT json_array_length(?1, '$.tables.sharing') = 1"
			    " AND ?1 ->> '$.tables.sharing[0].site' = '[data]'"
			    " AND ?1 ->> '$.tables.sharing[0].line_addr' = 0xffff888000001040"
			    " AND ?1 ->> '$.tables.sharing[0].offsets' = '0 (w), 24 (w)'"
			    " AND ?1 ->> '$.tables.sharing[0].sharing' = 'false'"),
	    "%s", text);
	free(text);
	text = report(everything, MP_FORMAT_TABLE);
	cr_assert(strstr(text, "0xffff888000001040  false"), "%s", text);
	free(text);
}

Test(cache, objects_one_after_the_other_are_not_shared)
{
	begin_sharing();
	cr_assert_eq(mp_update_object_death(s, 1, START_NS + SECOND, &err), 0);
	/* Two small ones of two threads on one line, and one where object 1 was. */
	struct mp_object_row after = {20, HEAP + 4096, 128, START_NS + 2 * SECOND, 101, FIND};
	struct mp_object_row beside = {21, HEAP + 2 * 4096 + 32, 32, START_NS, 101, FIND};
	cr_assert_eq(mp_append_object(s, &after, &err), 0);
	cr_assert_eq(mp_append_object(s, &beside, &err), 0);
	struct mp_sample_row row = load_by(101, 1, 8);
	add_many(a_store(100, 1, 0), 3);
	row.object_id = 20;
	add_many(row, 3);
	add_many(a_store(100, 2, 0), 3);
	row = load_by(101, 2, 40);
	row.object_id = 21;
	row.offset = 8;
	add_many(row, 2);
	reopen();
	char *text = report(everything, MP_FORMAT_JSON);
	is(text, "SELECT json_array_length(?1, '$.tables.sharing')", 1);
	shares(text, 2, "false");
	cr_assert(has(text, "SELECT ?1 ->> '$.tables.sharing[0].offsets' = '0 (w), 8'"), "%s", text);
	/* Each has the line. */
	row_is(text, "sites", "value ->> 'event' = 'mem-loads'", "lines", 2);
	is(text, "SELECT sum(value ->> 'lines') FROM json_each(?1, '$.tables.sites')", 4);
	free(text);
}

Test(cache, phases_and_threads)
{
	int64_t open, halt;

	begin();
	add_loads();
	cr_assert_eq(mp_append_phase(s, "open", START_NS + SECOND, "marker", &open, &err), 0);
	cr_assert_eq(mp_update_phase(s, open, START_NS + 2 * SECOND, &err), 0);
	cr_assert_eq(mp_append_phase(s, "halt", START_NS + 2 * SECOND, "marker", &halt, &err), 0);
	for (int i = 0; i < 10; i++) {
		struct mp_sample_row row = a_load();

		row.t_ns = START_NS + i * SECOND * 3 / 10; /* 4 before, 3 in open, 3 in halt */
		row.tid = i < 7 ? 100 : 101;
		row.level = i == 5 ? MP_LEVEL_LOCAL_DRAM : MP_LEVEL_L2;
		add(row);
	}
	reopen();
	char *text = report(everything, MP_FORMAT_JSON);
	cr_assert(
	    has(text,
		"SELECT group_concat(coalesce(value ->> 'phase', '-') || ' ' || (value ->> 'samples')) ="
		" '- 4,open 3,halt 3' FROM json_each(?1, '$.tables.phases')"),
	    "%s", text);
	row_is(text, "phases", "value ->> 'phase' = 'open'", "dram_share", 1 / 3.0);
	row_is(text, "threads", "value ->> 'thread' = 'me-engine'", "share", 0.7);
	row_is(text, "threads", "value ->> 'thread' = 'me-risk'", "dram_share", 0);
	free(text);
	struct mp_report_filter filter = everything;
	filter.phase = "open";
	text = report(filter, MP_FORMAT_JSON);
	is(text, "SELECT ?1 ->> '$.coverage.samples'", 3);
	free(text);
}

Test(cache, without_addresses_there_is_code_and_a_reason)
{
	begin();
	add_event(MISSES, "cache-misses", MP_SAMPLE_COUNTER, true);
	for (int i = 0; i < 10; i++) {
		struct mp_sample_row row = a_load();

		row.event_id = MISSES;
		row.quality = MP_SAMPLE_COUNTER;
		row.has_addr = false;
		row.weight = -1;
		row.level = MP_LEVEL_NONE;
		row.stack_id = i < 8 ? ON_PACKET : RISK_SWEEP;
		add(row);
	}
	reopen();
	char *text = report(everything, MP_FORMAT_TABLE);
	cr_assert(
	    strstr(text, "\nwhich data missed is not known: no sample has an address (cache-misses: counter);"
			 " -e mem-loads has it, where mpsample doctor shows a rung with addresses\n"),
	    "%s", text);
	cr_assert(strstr(text, "\nWhich code\n") && strstr(text, "cache-misses  on_packet "), "%s", text);
	cr_assert(strstr(text, "\nsamples: 10, none lost; none with an address\n"), "%s", text);
	cr_assert_null(strstr(text, "Where the data was allocated"), "%s", text);
	cr_assert_null(strstr(text, "From where the data came"), "%s", text);
	cr_assert(strstr(text, "a counter overflowed: the code is near"), "%s", text);
	free(text);
	text = report(everything, MP_FORMAT_JSON);
	row_is(text, "sites", "value ->> 'site' = '[no address]'", "share", 1);
	row_is(text, "code", "value ->> 'code' = 'on_packet'", "share", 0.8);
	cr_assert(has(text, "SELECT ?1 ->> '$.coverage.unmatched_share' IS NULL"), "%s", text);
	free(text);
}

Test(cache, without_samples_one_line_says_what_to_do)
{
	begin();
	reopen();
	char *text = report(everything, MP_FORMAT_TABLE);
	const char *line =
	    "\n\nno samples: record with -e mem-loads, or import a perf.data file; mpsample doctor tells"
	    " what this machine can sample\n\ncoverage: ";
	cr_assert(strstr(text, line), "%s", text);
	free(text);
	text = report(everything, MP_FORMAT_JSON);
	is(text, "SELECT json_array_length(?1, '$.tables.sites')", 0);
	is(text, "SELECT json_array_length(?1, '$.coverage.events')", 0);
	is(text, "SELECT ?1 ->> '$.coverage.samples'", 0);
	free(text);
}

Test(cache, what_is_multiplexed_and_lost_is_said)
{
	begin();
	add_loads();
	add_event(MISSES, "cache-misses", MP_SAMPLE_COUNTER, false);
	add_many(a_load(), 3);
	for (int i = 0; i < 2; i++) {
		struct mp_thread_counter loads = {100, LOADS, 500, SECOND, SECOND};
		struct mp_thread_counter misses = {100 + i, MISSES, 4000, SECOND, SECOND / 4};

		cr_assert_eq(mp_append_thread_counter(s, START_NS + i * SECOND, &loads, &err), 0);
		cr_assert_eq(mp_append_thread_counter(s, START_NS + i * SECOND, &misses, &err), 0);
	}
	cr_assert_eq(mp_append_loss(s, START_NS + SECOND, "sample ring", "events", 5, &err), 0);
	cr_assert_eq(mp_append_loss(s, START_NS + SECOND, "perf record: ring full", "events", 2, &err), 0);
	cr_assert_eq(mp_append_loss(s, START_NS + SECOND, "ring", "rows", 9, &err), 0);
	reopen();
	char *text = report(everything, MP_FORMAT_JSON);
	row_is(text, "events", "value ->> 'event' = 'cache-misses'", "running_share", 0.25);
	row_is(text, "events", "value ->> 'event' = 'cache-misses'", "events", 8000);
	row_is(text, "events", "value ->> 'event' = 'cache-misses'", "samples", 0);
	row_is(text, "events", "value ->> 'event' = 'mem-loads'", "running_share", 1);
	is(text, "SELECT ?1 ->> '$.coverage.samples_lost'", 7);
	is(text, "SELECT ?1 ->> '$.coverage.events[1].running_share'", 0.25);
	free(text);
	text = report(everything, MP_FORMAT_TABLE);
	cr_assert(strstr(text, "\nsamples: 3, 7 LOST (70 %); "), "%s", text);
	cr_assert(strstr(text, "counted, not sampled"), "%s", text);
	free(text);
}

Test(cache, the_summary_has_a_line_for_it)
{
	begin();
	add_loads();
	add_event(5, "cycles:u", MP_SAMPLE_COUNTER, false);
	add_event(6, "skx::INSTRUCTIONS:u", MP_SAMPLE_COUNTER, false);
	add_event(7, "branch-misses", MP_SAMPLE_COUNTER, false);
	add_many(a_load(), 1234);
	for (int i = 0; i < 2; i++) {
		int64_t half = i ? SECOND : SECOND / 2;
		struct mp_thread_counter c[] = {{100 + i, 5, 1000, SECOND, half},
		    {100 + i, 6, 1500, SECOND, half}, {100 + i, 7, 617, SECOND, SECOND}};

		for (int k = 0; k < 3; k++)
			cr_assert_eq(mp_append_thread_counter(s, START_NS, &c[k], &err), 0);
	}
	/* Where only one of the two was counted, it says nothing. */
	struct mp_thread_counter lone = {102, 5, 1000000, SECOND, SECOND};
	cr_assert_eq(mp_append_thread_counter(s, START_NS, &lone, &err), 0);
	reopen();
	char *text;
	cr_assert_eq(
	    run(mp_report_find("summary", &err), everything, MP_FORMAT_TABLE, &text), 0, "%s", err.text);
	cr_assert(
	    strstr(text, "\ncounters: 1.50 instructions a cycle (counted 75 % of the time, scaled)\n"
			 "counters: 1,234 branch-misses\n"
			 "samples: 1,234 of mem-loads; which data missed the cache: mpsample report cache\n"),
	    "%s", text);
	free(text);
}

Test(cache, numbers_of_any_size_do_no_harm)
{
	begin();
	add_loads();
	add_object(1, UINT64_MAX, INSERT);
	add_object(INT64_MAX, 1, FIND);
	struct mp_sample_row row = in_object(1, INT64_MAX);
	row.period = UINT64_MAX;
	row.weight = INT64_MAX;
	row.t_ns = INT64_MAX - 1; /* the end of all is exclusive */
	row.tid = INT64_MIN;
	add_many(row, 3);
	row.t_ns = INT64_MIN;
	row.object_id = 12345; /* there is none */
	add(row);
	row.level = (enum mp_sample_level)99;
	row.place = (enum mp_sample_place)1000;
	row.quality = (enum mp_sample_quality) - 3;
	row.tlb = 17;
	row.object_id = 0;
	add(row);
	row.event_id = 99; /* likewise: no sample of v_sample */
	add(row);
	cr_assert_eq(mp_append_phase(s, "p", INT64_MIN, "x", &row.tid, &err), 0);
	reopen();
	char *text = report(everything, MP_FORMAT_JSON);
	is(text, "SELECT sum(value ->> 'samples') FROM json_each(?1, '$.tables.sites')",
	    ask(NULL, "SELECT count(*) FROM v_sample"));
	is(text, "SELECT sum(value ->> 'share') > 0.9 FROM json_each(?1, '$.tables.sites')", 1);
	free(text);
	text = report(everything, MP_FORMAT_TABLE);
	free(text);
}

/* What README shows: orders that lie apart, a small table, and counters of two threads side by side. */
static void make_example(void)
{
	int64_t phase;

	begin();
	add_loads();
	add_event(STORES, "mem-stores", MP_SAMPLE_DATA, true);
	cr_assert_eq(mp_append_phase(s, "open", START_NS + SECOND, "marker", &phase, &err), 0);
	for (int64_t id = 1; id <= 40; id++) {
		struct mp_sample_row row = in_object(id, 40);

		add_object(id, 64, INSERT);
		row.t_ns = START_NS + (id > 4) * SECOND;
		row.weight = 300 + 4 * id;
		row.level = MP_LEVEL_LOCAL_DRAM;
		row.tlb = id % 4 ? 1 : 2;
		add(row);
	}
	add_object(41, 4096, FIND);
	for (int64_t i = 0; i < 60; i++) {
		struct mp_sample_row row = in_object(41, i * 64);

		row.weight = 40 + i % 8;
		row.stack_id = RISK_SWEEP;
		row.tid = 101;
		add(row);
	}
	add_object(42, 128, STATS);
	for (int64_t i = 0; i < 20; i++) {
		struct mp_sample_row row = load_by(101, 42, 8);

		row.weight = 150;
		row.stack_id = RISK_SWEEP;
		add(row);
		add(a_store(100, 42, 0));
	}
	struct mp_sample_row row = a_load();
	row.weight = 5;
	row.level = MP_LEVEL_L1;
	for (int i = 0; i < 30; i++) {
		row.addr += 64;
		add(row);
	}
	row.place = MP_PLACE_UNTRACKED;
	row.tlb = -1;
	add(row);
	reopen();
}

Test(cache, the_table_can_be_read)
{
	make_example();
	char *text = report(everything, MP_FORMAT_TABLE);
	cr_assert_str_eq(text,
	    "session: ./engine (pid 4242), 4.00 s; planes ? (?), probe ?; ended: stopped\n"
	    "\n"
	    "1 site, 30.3 % of the lines, makes 72.6 % of the load latency: OrderBook::insert (72.6 %)\n"
	    "of the load latency, by level: local DRAM 72.6 %, other cache 14.3 %, L3 12.4 %; 18.4 % with a "
	    "walk "
	    "of the page tables\n"
	    "1 line of 64 bytes is shared falsely between threads: Stats::create\n"
	    "\n"
	    "Where the data was allocated, and from where it came\n"
	    "event       site               level        samples  events    share  p50_weight  p99_weight  "
	    "walk_share  objects  lines     bytes  place\n"
	    "mem-loads   OrderBook::insert  local DRAM        40  40,000   72.6 %         381         461    "
	    "  25.4 %       40     40  2.50 KiB  object\n"
	    "mem-loads   Stats::create      other cache       20  20,000   14.3 %         150         150    "
	    "   0.0 %        1      1     128 B  object\n"
	    "mem-loads   Position::find     L3                60  60,000   12.4 %          43          47    "
	    "   0.0 %        1     60  4.00 KiB  object\n"
	    "mem-loads   [stack]            L1                30  30,000    0.7 %           5           5    "
	    "   0.0 %        0     30       0 B  stack\n"
	    "mem-loads   [untracked]        L1                 1   1,000    0.0 %           5           5    "
	    "       -        0      1       0 B  untracked\n"
	    "mem-stores  Stats::create      not told          20  20,000  100.0 %           -           -    "
	    "   0.0 %        1      1     128 B  object\n"
	    "(share: of the latency of all samples, each times its period; of an event without latencies, of "
	    "the periods. weight: cycles. All rows: --limit 0)\n"
	    "\n"
	    "Hot offsets in these objects\n"
	    "event       site               offset  samples    share  event_share  object  code\n"
	    "mem-loads   OrderBook::insert      40       40  100.0 %       72.6 %    64 B  on_packet\n"
	    "mem-loads   Stats::create           8       20  100.0 %       14.3 %   128 B  risk_sweep\n"
	    "mem-stores  Stats::create           0       20  100.0 %      100.0 %   128 B  on_packet\n"
	    "(share: of the site's latency)\n"
	    "\n"
	    "Lines that threads share, and write\n"
	    "     line_addr  sharing  site           threads                         offsets   samples   "
	    "share  other_cache_share\n"
	    "0x7f000002a000  false    Stats::create  me-engine/100 (w), me-risk/101  0 (w), 8       40  14.3 "
	    "%             50.0 %\n"
	    "(false: the threads meet at no byte of the line, true: they do; (w): written)\n"
	    "\n"
	    "From where the data came\n"
	    "event       level        samples  weight    share  events  walk_share\n"
	    "mem-loads   local DRAM        40  15,280   72.6 %  40,000      25.4 %\n"
	    "mem-loads   other cache       20   3,000   14.3 %  20,000       0.0 %\n"
	    "mem-loads   L3                60   2,602   12.4 %  60,000       0.0 %\n"
	    "mem-loads   L1                31     155    0.7 %  31,000       0.0 %\n"
	    "mem-stores  not told          20       -  100.0 %  20,000       0.0 %\n"
	    "\n"
	    "Which code\n"
	    "event       code        samples  events    share  level        level_share\n"
	    "mem-loads   on_packet        71  71,000   73.4 %  local DRAM        99.0 %\n"
	    "mem-loads   risk_sweep       80  80,000   26.6 %  other cache       53.6 %\n"
	    "mem-stores  on_packet        20  20,000  100.0 %  -                      -\n"
	    "\n"
	    "Which threads\n"
	    "event       tid  thread     samples  events    share  dram_share\n"
	    "mem-loads   100  me-engine       71  71,000   73.4 %      99.0 %\n"
	    "mem-loads   101  me-risk         80  80,000   26.6 %       0.0 %\n"
	    "mem-stores  100  me-engine       20  20,000  100.0 %           -\n"
	    "\n"
	    "By phase\n"
	    "event       phase  samples   events    share  dram_share\n"
	    "mem-loads   -          115  115,000   33.3 %      17.7 %\n"
	    "mem-loads   open        36   36,000   66.7 %     100.0 %\n"
	    "mem-stores  -           20   20,000  100.0 %           -\n"
	    "(the other tables of one phase: --phase NAME)\n"
	    "\n"
	    "What this stands on\n"
	    "event       chosen          quality  samples  addr_samples  unmatched_share   events  "
	    "running_share  means                                             note\n"
	    "mem-loads   skx::SOMETHING  pebs         151           151            0.7 %  151,000            "
	    "  -  Intel PEBS: address, latency and source of each sampled access     -\n"
	    "mem-stores  skx::SOMETHING  data          20            20            0.0 %   20,000            "
	    "  -  with the data's address, not how long it took        -\n"
	    "\n"
	    "coverage: 0 calls counted, none lost; 0 rows kept, none lost; duty not known; floor not known\n"
	    "samples: 171, none lost; 171 with an address, of which 1 (0.6 %) are in nothing that is known\n",
	    "%s", text);
	free(text);
}

/* The rules: what each is to speak of, and the same a little less. */

static void tlb(bool enough)
{
	struct mp_sample_row row = a_load();

	row.tlb = 2;
	add_many(row, enough ? 20 : 5);
	row.tlb = 1;
	add_many(row, 80);
}

static void remote(bool enough)
{
	struct mp_sample_row row = in_object(1, 0);

	row.level = MP_LEVEL_REMOTE_DRAM;
	add_many(row, enough ? 10 : 3);
	add_many(a_load(), 90);
}

static void false_sharing(bool enough)
{
	add_many(a_store(100, 1, 0), 10);
	add_many(enough ? load_by(101, 1, 32) : load_by(101, 1, 0), 10);
	add_many(a_load(), 60);
}

static void fields(bool enough)
{
	add_many(in_object(1, 0), 20);
	add_many(in_object(1, enough ? 112 : 48), 20);
	for (int64_t offset = 0; offset < 128; offset += 8)
		add(in_object(1, offset));
}

static void chase(bool enough)
{
	for (int64_t id = 101; id <= 140; id++) {
		add_object(id, enough ? 48 : 512, INSERT);
		struct mp_sample_row row = in_object(id, 8);
		row.level = MP_LEVEL_LOCAL_DRAM;
		add(row);
	}
}

static void fault(bool enough)
{
	struct mp_sample_row row = in_object(1, 0);

	add_event(FAULTS, "page-faults", MP_SAMPLE_SOFTWARE, true);
	row.event_id = FAULTS;
	row.quality = MP_SAMPLE_SOFTWARE;
	row.weight = -1;
	row.level = MP_LEVEL_NONE;
	row.tlb = -1;
	row.is_write = -1;
	row.period = 1;
	row.t_ns = START_NS + (enough ? 2 : 0) * SECOND;
	add_many(row, 15);
}

static const struct {
	const char *rule;
	void (*make)(bool enough);
	const char *seen; /* of what speaks */
} rules[] = {
    {"cache_tlb", tlb, "20 of 100 samples of mem-loads, 20.0 % of the load latency; most at [stack], 20.0 %"},
    {"cache_remote", remote,
	"10 of 100 samples of mem-loads from remote DRAM, 10.0 % of the load latency; most at Stats::create, "
	"10.0 %"},
    {"cache_false_sharing", false_sharing,
	"1 line of 64 bytes: 20 samples, 10 of them from another cache, 14.3 % of the load latency; the "
	"first by"
	" me-engine/100 and me-risk/101"},
    {"cache_fields", fields,
	"objects of 128 bytes at Stats::create, 100.0 % of the load latency: 75 % of it at offsets 0 (38 %), "
	"112 (38 %), on 2"
	" lines"},
    {"cache_chase", chase,
	"40 samples of mem-loads from DRAM in objects of OrderBook::insert, 100.0 % of the load latency; 40 "
	"objects of 48"
	" bytes each on 40 lines were hit"},
    {"cache_fault", fault,
	"15 of 15 sampled page-faults are in objects of Stats::create, 15 of them a second or more after the "
	"start"},
};
#define RULES (sizeof(rules) / sizeof(*rules))

Test(cache, each_rule_speaks_of_its_case_and_of_no_other)
{
	for (size_t i = 0; i < RULES; i++)
		for (int enough = 0; enough < 2; enough++) {
			char sql[200];

			begin_sharing();
			rules[i].make(enough);
			reopen();
			char *text = document(mp_report_find("advice", &err), everything);
			is(text, "SELECT json_array_length(?1, '$.rows')", enough);
			snprintf(sql, sizeof(sql),
			    "SELECT count(*) FROM json_each(?1, '$.rows') WHERE value ->> 'rule' = '%s'",
			    rules[i].rule);
			is(text, sql, enough);
			cr_assert_eq(
			    strstr(text, rules[i].seen) != NULL, enough, "%s: %s", rules[i].rule, text);
			is(text,
			    "SELECT count(*) FROM json_each(?1, '$.rows') WHERE length(value ->> 'advice') > "
			    "160"
			    " OR value ->> 'site' IS NULL OR value ->> 'kind' <> 'cache' OR value ->> "
			    "'advice' IS NULL",
			    0);
			free(text);
			text = document(&mp_report_explain, everything);
			cr_assert_null(strstr(text, "hugetlb"), "slow calls are another matter");
			free(text);
			teardown();
		}
	create();
}

Test(cache, every_rule_of_the_cache_is_tried)
{
	create();
	for (const struct mp_embedded *f = mp_embedded_files; f->path; f++) {
		bool found = strncmp(f->path, "sql/advice/cache_", 17);

		for (size_t i = 0; !found && i < RULES; i++)
			found = !strncmp(f->path + 11, rules[i].rule, strlen(rules[i].rule)) &&
				!strcmp(f->path + 11 + strlen(rules[i].rule), ".sql");
		cr_assert(found, "%s", f->path);
	}
}

Test(cache, advice_about_samples_comes_after_that_about_time)
{
	char *text;

	begin_sharing();
	for (int k = 0; k < 10; k++)
		append_cause(append_outlier(1000000, 100 + k, INSERT), "minor_fault", 900000, 2, NULL);
	tlb(true);
	reopen();
	cr_assert_eq(
	    run(mp_report_find("advice", &err), everything, MP_FORMAT_TABLE, &text), 0, "%s", err.text);
	const char *first = strstr(text, "1. calls touch memory for the first time (minor_fault; 9.0 ms)");
	const char *second = strstr(text, "\n2. loads walk the page tables (cache at [stack])\n");
	cr_assert(first && second && first < second, "%s", text);
	free(text);
}
