/* SPDX-License-Identifier: MIT */
/* Pools made into rows: what events of several buffers say of them, slot by slot, and what a hostile target
 * may not do. */
#include "sampler/pools/pools.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/mp-pools-XXXXXX";
static char path[128];
static struct mp_err err;
static struct mp_session *session;
static struct mp_stack_table *stacks;
static struct mp_pools *p;

enum { MARKERS, ARENA, SIZED, SINGLE, PLAIN, GROUPS };

static const struct mp_pool_kind kinds[] = {
    [ARENA - 1] = {.name = "arena", .source = "pmr", .returns_on_clear = true},
    [SIZED - 1] = {.name = "slice", .source = "glib", .by_size = true, .size_step = 16},
    [SINGLE - 1] = {.name = "single", .source = "my.ini", .is_one = true},
    [PLAIN - 1] = {.name = "plain", .source = "my.ini"},
};

/* All addresses are in one mapping. */
static uint32_t find(void *ctx, uint64_t addr, int64_t t_ns)
{
	(void)ctx, (void)addr, (void)t_ns;
	return 1;
}

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.mps", dir);
	cr_assert_eq(mp_session_create(path, false, &session, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(session, &err), 0, "%s", err.text);
	stacks = mp_stack_table_new_of(session, find, NULL);
	p = mp_pools_new(session, stacks);
	cr_assert(p);
	cr_assert_eq(mp_pools_kinds(p, kinds, GROUPS - 1), 0);
}

static void teardown(void)
{
	char command[128];

	mp_pools_free(p);
	mp_stack_table_free(stacks);
	cr_assert_eq(mp_session_close(session, &err), 0, "%s", err.text);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(pools, .init = setup, .fini = teardown, .timeout = 300);

#define CREATE  MPSAMPLE_KIND_POOL_CREATE
#define GET     MPSAMPLE_KIND_POOL_GET
#define PUT     MPSAMPLE_KIND_POOL_PUT
#define EMPTY   MPSAMPLE_KIND_POOL_EMPTY
#define DESTROY MPSAMPLE_KIND_POOL_DESTROY
#define CLEAR   MPSAMPLE_KIND_POOL_CLEAR

static struct mp_pool_event event_of(
    unsigned int group, int64_t t_ns, unsigned int kind, uint64_t pool, uint64_t ptr)
{
	return (struct mp_pool_event){.tid = 1,
	    .kind = kind,
	    .group = group,
	    .t_ns = t_ns,
	    .dur_ns = -1,
	    .pool = pool,
	    .ptr = ptr,
	    .capacity = -1,
	    .object_bytes = -1};
}

static void take_of(unsigned int group, int64_t t_ns, unsigned int kind, uint64_t pool, uint64_t ptr)
{
	const struct mp_pool_event e = event_of(group, t_ns, kind, pool, ptr);

	mp_pools_take(p, &e);
}

static void take(int64_t t_ns, unsigned int kind, uint64_t pool, uint64_t ptr)
{
	take_of(MARKERS, t_ns, kind, pool, ptr);
}

static void take_from(int64_t t_ns, unsigned int kind, uint64_t ptr, pid_t tid, uint64_t ip)
{
	const uint64_t chain[] = {ip, 0x7700, 0x8800};
	struct mp_pool_event e = event_of(MARKERS, t_ns, kind, 0xa0, ptr);

	e.tid = tid;
	e.ip = ip;
	e.chain = chain;
	e.n_chain = 3;
	mp_pools_take(p, &e);
}

static void create(int64_t t_ns, uint64_t pool, const char *name, int64_t object_bytes, int64_t capacity)
{
	struct mp_pool_event e = event_of(MARKERS, t_ns, CREATE, pool, 0);

	e.name = name;
	e.object_bytes = object_bytes;
	e.capacity = capacity;
	mp_pools_take(p, &e);
}

static void commit(int64_t t_ns)
{
	cr_assert_eq(mp_pools_commit(p, t_ns, t_ns, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_commit(session, &err), 0, "%s", err.text);
}

static void end(void)
{
	cr_assert_eq(mp_pools_end(p, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_commit(session, &err), 0, "%s", err.text);
}

/* All rows of a query, columns and rows separated by | and a newline. */
static const char *ask(const char *sql)
{
	static char text[4096];
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	size_t n = 0;

	cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	text[0] = 0;
	while (sqlite3_step(st) == SQLITE_ROW && n < sizeof(text)) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", n ? "\n" : "");
		for (int i = 0; i < sqlite3_column_count(st) && n < sizeof(text); i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? "|" : "",
			    sqlite3_column_text(st, i) ? (const char *)sqlite3_column_text(st, i) : "-");
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
	return text;
}

#define EXPECT(sql, expected)                                                                                \
	do {                                                                                                 \
		const char *is_ = ask(sql);                                                                  \
		cr_expect_str_eq(is_, expected, "%s: is '%s', should be '%s'", sql, is_, expected);          \
	} while (0)

static uint64_t totals[16];

/* What `limit` has left out since it was last asked here. */
static uint64_t lost(const char *limit)
{
	const char *name;
	uint64_t n, found = UINT64_MAX;

	for (size_t i = 0; (name = mp_pools_lost_by(p, i, &n)); i++) {
		totals[i] += n;
		if (strcmp(name, limit))
			continue;
		found = totals[i];
		totals[i] = 0;
	}
	cr_assert_neq(found, UINT64_MAX, "no limit '%s'", limit);
	return found;
}

/* What was left out, but for what lost() told. */
static uint64_t all_lost(void)
{
	uint64_t n, sum = 0;

	for (size_t i = 0; mp_pools_lost_by(p, i, &n); i++)
		sum += totals[i] += n;
	memset(totals, 0, sizeof(totals));
	return sum;
}

#define USE                                                                                                  \
	"SELECT name, slot_ns, in_use_min, in_use_max, in_use_last, gets, puts, failures"                    \
	" FROM v_pool_use JOIN v_pool USING (pool_id) ORDER BY slot_ns, pool_id"
#define SUM                                                                                                  \
	"SELECT gets, puts, in_use, in_use_max, double_puts, foreign_puts, older_puts FROM v_pool_sum "      \
	"ORDER BY pool_id"
#define EVENTS                                                                                               \
	"SELECT pool_id, t_ns, kind, addr, n FROM v_pool_event WHERE kind <> 'high_water' ORDER BY t_ns"

/* ---- Slots ---- */

Test(pools, they_are_counted_by_slot)
{
	commit(1000);
	create(1001, 0xa0, "orders", 64, 128);
	for (uint64_t i = 0; i < 5; i++)
		take(1010 + (int64_t)i, GET, 0xa0, 0x100 + i);
	take(1020, PUT, 0xa0, 0x100);
	commit(2000);
	take(2010, PUT, 0xa0, 0x101);
	take(2020, EMPTY, 0xa0, 0);
	commit(3000);
	commit(4000); /* nothing happened: no row */
	take(4010, GET, 0xa0, 0x100);
	commit(5000);
	end();
	EXPECT("SELECT name, address, capacity, object_bytes, created_ns, destroyed_ns, source FROM v_pool",
	    "orders|160|128|64|1001|-|markers");
	EXPECT(USE, "orders|1000|0|5|4|5|1|0\norders|2000|3|4|3|0|1|1\norders|4000|3|4|4|1|0|0");
	EXPECT(
	    "SELECT t_ns, tid, kind, addr, n FROM v_pool_event", "1014|1|high_water|-|5\n2020|1|empty|-|125");
	EXPECT(SUM, "6|2|4|5|0|0|0");
	EXPECT("SELECT slot_ns, what, lo_ns, count FROM v_pool_latency ORDER BY slot_ns, lo_ns",
	    "1000|hold|10|1\n2000|hold|992|1");
	cr_expect_eq(all_lost(), 0);
}

Test(pools, events_of_several_buffers_are_put_in_order)
{
	commit(100);
	take(250, PUT, 0xa0, 1); /* read first, happened last */
	take(150, GET, 0xa0, 1);
	create(110, 0xa0, "a", -1, -1);
	commit(200);
	EXPECT("SELECT count(*) FROM v_pool", "0"); /* older ones may be in a buffer still */
	take(120, GET, 0xa0, 2);
	commit(300);
	EXPECT(USE, "a|100|0|2|2|2|0|0");
	commit(400);
	end();
	EXPECT(USE, "a|100|0|2|2|2|0|0\na|200|1|2|1|0|1|0");
	EXPECT(SUM, "2|1|1|2|0|0|0");
	EXPECT(EVENTS, "");
}

Test(pools, what_is_older_than_the_first_slot_is_a_part_of_it)
{
	take(-5, CREATE, 0xa0, 0);
	take(990, GET, 0xa0, 1);
	commit(1000);
	take(1500, GET, 0xa0, 2);
	commit(2000);
	commit(3000);
	end();
	EXPECT("SELECT slot_ns, in_use_min, in_use_max, in_use_last, gets FROM v_pool_use", "1000|0|2|2|2");
	EXPECT("SELECT created_ns FROM v_pool", "-");
}

/* ---- Pools come and go ---- */

Test(pools, one_that_was_there_before)
{
	commit(1000);
	take(1010, PUT, 0xb0, 1);
	take(1020, PUT, 0xb0, 2);
	take(1025, PUT, 0xb0, 2);
	take(1030, GET, 0xb0, 1);
	take(1040, EMPTY, 0xb0, 0);
	commit(2000);
	end();
	EXPECT("SELECT name, capacity, object_bytes, created_ns FROM v_pool", "pool 0xb0|-|-|-");
	EXPECT(USE, "pool 0xb0|1000|-2|0|-1|1|3|1");
	EXPECT(SUM, "1|3|-1|0|1|0|2");
	EXPECT(EVENTS, "1|1025|double_put|2|-\n1|1040|empty|-|-");
}

/* Of which nobody knows what else is out: a failure is not called hidden. */
Test(pools, the_room_of_one_that_was_there_before)
{
	struct mp_pool_event e = event_of(PLAIN, 10, GET, 0xb0, 1);

	commit(0);
	e.capacity = 100;
	mp_pools_take(p, &e);
	take_of(PLAIN, 20, EMPTY, 0xb0, 0);
	end();
	EXPECT("SELECT capacity, failures, hidden_failures FROM v_pool JOIN v_pool_sum USING (pool_id)",
	    "100|1|0");
}

Test(pools, one_that_is_created_again_is_another)
{
	commit(1000);
	create(1001, 0xa0, "orders", 64, 128);
	take(1010, GET, 0xa0, 1);
	create(1020, 0xa0, "orders", 32, 16);
	take(1030, GET, 0xa0, 2);
	take(1040, PUT, 0xa0, 2);
	take(1050, PUT, 0xa0, 1); /* of the one before */
	end();
	EXPECT(
	    "SELECT pool_id, capacity, created_ns, destroyed_ns FROM v_pool", "1|128|1001|1020\n2|16|1020|-");
	EXPECT(SUM, "1|0|1|1|0|0|0\n1|2|0|1|0|1|0");
	EXPECT(EVENTS, "2|1050|foreign_put|1|-"); /* what became of the first one's objects nothing tells */
}

Test(pools, one_that_is_destroyed)
{
	commit(1000);
	create(1001, 0xa0, "orders", 64, 128);
	take(1010, GET, 0xa0, 1);
	take(1011, GET, 0xa0, 2);
	take(1012, PUT, 0xa0, 1);
	take(1020, DESTROY, 0xa0, 0);
	take(1021, DESTROY, 0xa0, 0); /* again: there is none */
	take(1030, GET, 0xa0, 3);     /* one of which no create was seen */
	end();
	EXPECT("SELECT pool_id, created_ns, destroyed_ns FROM v_pool", "1|1001|1020\n2|-|-");
	EXPECT(EVENTS, "1|1020|not_returned|-|1");
	EXPECT(SUM, "2|1|1|2|0|0|0\n1|0|1|1|0|0|0");
	EXPECT("SELECT lines, lines_least, pages_least FROM v_pool_sum", "2|2|1\n-|-|-");
}

Test(pools, an_arena_that_goes_takes_all_with_it)
{
	commit(0);
	take_of(ARENA, 1, CREATE, 0xc0, 0);
	take_of(ARENA, 2, GET, 0xc0, 1);
	take_of(ARENA, 3, GET, 0xc0, 2);
	take_of(ARENA, 10, CLEAR, 0xc0, 0);
	take_of(ARENA, 20, GET, 0xc0, 1);
	take_of(ARENA, 30, DESTROY, 0xc0, 0);
	end();
	EXPECT(EVENTS, "");
	EXPECT(SUM, "3|0|0|2|0|0|0");
	EXPECT("SELECT sum(count), sum(lo_ns * count) FROM v_pool_latency WHERE what = 'hold'", "3|25");
	EXPECT("SELECT name, source, destroyed_ns FROM v_pool", "arena|pmr|30");
	EXPECT("SELECT sum(reuses), max(in_use_min) FROM v_pool_sum JOIN v_pool_use", "1|0");
}

/* Programs clear pools that they never used: there is nothing to tell, and no room is taken. */
Test(pools, the_end_of_what_is_not_known)
{
	commit(0);
	for (uint64_t i = 1; i <= 5000; i++) {
		take(1, DESTROY, i * 16, 0);
		take_of(ARENA, 2, CLEAR, i * 16, 0);
	}
	create(3, 0xffff0, "orders", 8, 8);
	take_of(ARENA, 4, GET, 0xffff0, 1);
	end();
	EXPECT("SELECT name, address FROM v_pool ORDER BY pool_id", "orders|1048560\narena|1048560");
	cr_expect_eq(all_lost(), 0);
}

Test(pools, one_address_in_two_groups_is_two_pools)
{
	commit(0);
	create(1, 0xa0, "marked", -1, -1);
	take_of(PLAIN, 2, CREATE, 0xa0, 0);
	take(3, GET, 0xa0, 1);
	take_of(PLAIN, 3, GET, 0xa0, 1);
	take_of(PLAIN, 4, PUT, 0xa0, 1);
	take_of(GROUPS, 4, PUT, 0xa0, 1); /* of no group */
	take_of(PLAIN, 5, GET, 0, 1);     /* of no pool */
	take_of(PLAIN, 6, 99, 0xa0, 1);
	take_of(PLAIN, 6, MPSAMPLE_KIND_MARK, 0xa0, 1);
	end();
	EXPECT("SELECT name, source, in_use FROM v_pool JOIN v_pool_sum USING (pool_id) ORDER BY pool_id",
	    "marked|markers|1\nplain|my.ini|0");
}

/* ---- By what they are told apart ---- */

Test(pools, by_the_size_of_their_objects)
{
	commit(0);
	take_of(SIZED, 1, GET, 1, 0x10);
	take_of(SIZED, 2, GET, 16, 0x20);
	take_of(SIZED, 3, GET, 17, 0x30);
	take_of(SIZED, 4, PUT, 2, 0x20); /* the size that is told at the put need only be of the same class */
	take_of(SIZED, 5, GET, 0, 0x40);
	take_of(SIZED, 6, GET, UINT64_MAX - 1, 0x50); /* cannot be rounded */
	end();
	EXPECT("SELECT name, address, object_bytes FROM v_pool ORDER BY pool_id",
	    "slice 16|-|16\nslice 32|-|32\nslice 0|-|0\nslice 18446744073709551614|-|-");
	EXPECT("SELECT gets, puts, in_use, older_puts FROM v_pool_sum ORDER BY pool_id",
	    "2|1|1|0\n1|0|1|0\n1|0|1|0\n1|0|1|0");
}

Test(pools, by_the_object)
{
	commit(0);
	take_of(PLAIN, 1, GET, 0xa0, 1);
	take_of(PLAIN, 2, GET, 0xb0, 2);
	take_of(ARENA, 2, GET, 0xc0, 3);
	take_of(PLAIN, 3, PUT, MP_POOL_BY_OBJECT, 2);
	take_of(PLAIN, 4, PUT, MP_POOL_BY_OBJECT, 9); /* taken before the recording */
	take_of(PLAIN, 5, PUT, MP_POOL_BY_OBJECT, 3); /* of another group */
	end();
	EXPECT(
	    "SELECT name, address, puts, in_use FROM v_pool JOIN v_pool_sum USING (pool_id) ORDER BY pool_id",
	    "plain|160|0|1\nplain|176|1|0\narena|192|0|1");
	EXPECT(EVENTS, "");
}

/* A marker may say that a pool is where that means something else: nothing comes of it, nothing is left. */
Test(pools, a_pool_that_is_called_as_if_by_object)
{
	commit(0);
	create(1, MP_POOL_BY_OBJECT, "hostile", 1, 1);
	take(2, GET, MP_POOL_BY_OBJECT, 5);
	take(3, EMPTY, MP_POOL_BY_OBJECT, 0);
	take(4, DESTROY, MP_POOL_BY_OBJECT, 0);
	take(5, CLEAR, MP_POOL_BY_OBJECT, 0);
	end();
	EXPECT("SELECT count(*) FROM v_pool", "0");
}

Test(pools, one_alone)
{
	commit(0);
	take_of(SINGLE, 1, GET, 0x1234, 1);
	take_of(SINGLE, 2, GET, 0, 2);
	take_of(SINGLE, 3, PUT, MP_POOL_BY_OBJECT, 1);
	mp_pools_lost(
	    p, &(struct mp_pool_lost){.t_ns = 4, .group = SINGLE, .pool = 0x99, .gets = 3, .puts = 1});
	end();
	EXPECT("SELECT name, address, gets, puts, in_use, lost FROM v_pool JOIN v_pool_sum USING (pool_id)",
	    "single|-|5|2|3|4");
}

Test(pools, a_put_of_what_another_pool_gave_out)
{
	commit(0);
	take_of(PLAIN, 1, GET, 0xa0, 1); /* neither was seen to be created */
	take_of(PLAIN, 2, GET, 0xb0, 2);
	take_of(PLAIN, 3, PUT, 0xb0, 1);
	take_of(PLAIN, 4, PUT, 0xb0, 3); /* this one is of nobody: older */
	take_of(PLAIN, 5, PUT, 0xb0, 0); /* nothing, as free(NULL) */
	end();
	EXPECT(SUM, "1|0|1|1|0|0|0\n1|2|0|1|0|1|1");
	EXPECT(EVENTS, "2|3|foreign_put|1|-");
}

/* ---- What they have room for ---- */

Test(pools, one_that_grows)
{
	struct mp_pool_event e = event_of(PLAIN, 10, CREATE, 0xa0, 0);

	commit(0);
	e.capacity = 4;
	mp_pools_take(p, &e);
	e = event_of(PLAIN, 20, GET, 0xa0, 1);
	e.capacity = 8;
	mp_pools_take(p, &e);
	e.t_ns = 30; /* as it was */
	e.ptr = 2;
	mp_pools_take(p, &e);
	e.t_ns = 40; /* less: known, and no event */
	e.ptr = 3;
	e.capacity = 6;
	e.object_bytes = 48;
	mp_pools_take(p, &e);
	e.t_ns = 50; /* an object has the size that it has */
	e.ptr = 0;
	e.object_bytes = 50;
	mp_pools_take(p, &e);
	end();
	EXPECT("SELECT capacity, object_bytes FROM v_pool", "6|48");
	EXPECT(EVENTS, "1|20|grown|1|8\n1|50|empty|-|3");
	EXPECT("SELECT gets, failures, hidden_failures, hidden_max FROM v_pool_sum", "3|1|1|3");
}

Test(pools, sizes_beyond_belief)
{
	commit(0);
	create(1, 0xa0, "a", INT64_MAX, INT64_MAX);
	for (uint64_t i = 1; i < 4; i++) {
		struct mp_pool_event e = event_of(MARKERS, 2, GET, 0xa0, i);
		e.bytes = UINT64_MAX / i;
		e.dur_ns = INT64_MAX;
		mp_pools_take(p, &e);
	}
	take(3, EMPTY, 0xa0, 0);
	take(INT64_MIN, GET, 0xa0, 9);
	take(INT64_MAX - 1, PUT, 0xa0, 9);
	create(4, 0xb0, "b", INT64_MAX / 4, INT64_MAX / 4);
	take(5, GET, 0xb0, UINT64_MAX);
	take(6, EMPTY, 0xb0, 0);
	for (int i = 0; i < 5; i++) {
		mp_pools_lost(p, &(struct mp_pool_lost){7, MARKERS, 0xb0, UINT64_MAX, 0});
		mp_pools_lost(p, &(struct mp_pool_lost){8, MARKERS, 0xb0, 0, INT64_MAX});
	}
	end();
	EXPECT("SELECT capacity, object_bytes FROM v_pool WHERE name = 'a'", "-|-");
	EXPECT("SELECT min(in_use_bytes_max) >= 0, min(requested_bytes) >= 0 FROM v_pool_sum", "1|1");
	EXPECT(
	    "SELECT in_use, in_use_max, lines FROM v_pool_sum JOIN v_pool USING (pool_id) WHERE name = 'b'",
	    "1|21474836481|-");
}

/* ---- Names ---- */

Test(pools, hostile_names)
{
	char unterminated[48];

	memset(unterminated, 'x', sizeof(unterminated)); /* what is behind it is not looked at */
	commit(0);
	create(1, 0x10, unterminated, -1, -1);
	create(2, 0x20, "", -1, -1);
	create(3, 0x30, NULL, -1, -1);
	create(4, 0x40, "'); DROP TABLE pool; --%s%n", -1, -1);
	create(5, 0x50, "\xff\xfe\x01", -1, -1);
	take_of(PLAIN, 6, CREATE, 0x60, 0);
	end();
	EXPECT("SELECT group_concat(name, ',') FROM (SELECT name FROM v_pool WHERE address <> 80 ORDER BY "
	       "pool_id)",
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx,pool 0x20,pool 0x30,'); DROP TABLE pool; "
	    "--%s%n,plain");
	EXPECT("SELECT hex(name) FROM v_pool WHERE address = 80", "FFFE01");
}

/* ---- Places ---- */

Test(pools, who_holds_what)
{
	commit(0);
	create(1, 0xa0, "orders", 64, 3);
	take_from(10, GET, 1, 5, 0x1111);
	take_from(20, GET, 2, 5, 0x1111);
	take_from(30, GET, 3, 6, 0x2222);
	take_from(40, EMPTY, 0, 7, 0x3333);
	take_from(50, PUT, 1, 6, 0x4444);
	commit(100);
	commit(200);
	EXPECT("SELECT t_ns, tid, kind, stack_id FROM pool_event ORDER BY t_ns",
	    "30|6|high_water|2\n40|7|empty|3");
	EXPECT("SELECT addr FROM frame JOIN stack_frame USING (frame_id) WHERE stack_id = 2 AND depth = 0",
	    "8738");
	end();
	EXPECT("SELECT ip, stack_id, gets, holds, hold_sum_ns, hold_max_ns, hold_p50_ns, hold_p99_ns, "
	       "at_high_water, held,"
	       " oldest_ns FROM v_pool_site ORDER BY ip",
	    "4369|1|2|1|40|40|40|40|2|1|20\n8738|2|1|0|0|0|-|-|1|1|30");
	EXPECT("SELECT in_use_max_t_ns, in_use_max_tid, in_use_max_stack_id, cross_puts, threads FROM "
	       "v_pool_sum",
	    "30|6|2|1|2");
}

/* A stack waits until all mappings of its time are known, and rows with it; at the end it is the place alone.
 */
Test(pools, stacks_that_are_not_known_yet)
{
	commit(0);
	create(1, 0xa0, "orders", -1, 1);
	take_from(10, EMPTY, 0, 7, 0x1111);
	cr_assert_eq(mp_pools_commit(p, 100, 5, &err), 0);
	cr_assert_eq(mp_pools_commit(p, 200, 5, &err), 0);
	cr_assert_eq(mp_session_commit(session, &err), 0);
	EXPECT("SELECT count(*) FROM v_pool_event", "0");
	cr_assert_eq(mp_pools_commit(p, 300, 250, &err), 0);
	cr_assert_eq(mp_session_commit(session, &err), 0);
	EXPECT("SELECT kind, stack_id FROM v_pool_event", "empty|1");
	struct mp_pool_event e = event_of(MARKERS, 260, EMPTY, 0xa0, 0);
	e.ip = 0x2222; /* and no stack */
	mp_pools_take(p, &e);
	end();
	EXPECT("SELECT t_ns, stack_id FROM v_pool_event", "10|1\n260|2");
	EXPECT("SELECT count(*) FROM stack WHERE stack_id = 2", "1");
}

/* ---- What was lost ---- */

Test(pools, lost_gets_and_puts_are_no_findings)
{
	commit(0);
	create(1, 0xa0, "orders", -1, -1);
	create(1, 0xb0, "others", -1, -1);
	take(10, GET, 0xa0, 1);
	take(20, GET, 0xa0, 1);
	take(30, PUT, 0xa0, 7);
	take(40, PUT, 0xb0, 7);             /* of this one nothing was lost */
	create(60, 0xa0, "orders", -1, -1); /* of this one neither: it came later */
	take(70, PUT, 0xa0, 8);
	mp_pools_lost(
	    p, &(struct mp_pool_lost){.t_ns = 50, .group = MARKERS, .pool = 0xa0, .gets = 4, .puts = 3});
	mp_pools_lost(p, &(struct mp_pool_lost){.t_ns = 50, .group = GROUPS, .pool = 0xa0, .gets = 4});
	end();
	EXPECT(EVENTS, "2|40|foreign_put|7|-\n3|70|foreign_put|8|-");
	EXPECT("SELECT gets, puts, in_use, lost FROM v_pool_sum", "6|4|2|7\n0|1|0|0\n0|1|0|0");
}

Test(pools, lost_of_a_pool_that_is_told_by_its_objects)
{
	commit(0);
	take_of(PLAIN, 1, CREATE, 0xa0, 0);
	take_of(PLAIN, 1, GET, 0xa0, 4);
	take_of(PLAIN, 2, GET, 0xa0, 5);
	commit(100);
	commit(200);
	mp_pools_lost(p, &(struct mp_pool_lost){
			     .t_ns = 150, .group = PLAIN, .pool = MP_POOL_BY_OBJECT, .gets = 5, .puts = 2});
	take_of(PLAIN, 160, GET, 0xa0, 4); /* its put may have been lost */
	end();
	EXPECT(EVENTS, "");
	EXPECT("SELECT lost FROM v_pool_sum", "0");
	cr_expect_eq(lost("puts into pools that only their objects tell, lost"), 7);
	cr_expect_eq(all_lost(), 0);
}

/* ---- Many at once ---- */

static void take_many(unsigned int group, int64_t t_ns, unsigned int kind, uint64_t pool, uint64_t count)
{
	struct mp_pool_event e = event_of(group, t_ns, kind, pool, count);

	e.counts = true;
	e.capacity = kind == CREATE ? 100 : -1;
	mp_pools_take(p, &e);
}

Test(pools, many_objects_at_once)
{
	commit(0);
	take_many(PLAIN, 1, CREATE, 0xa0, 0);
	take_many(PLAIN, 2, PUT, 0xa0, 100); /* its stock */
	take_many(PLAIN, 3, GET, 0xa0, 60);
	take_many(PLAIN, 4, GET, 0xa0, 30);
	take_many(PLAIN, 5, EMPTY, 0xa0, 20); /* there are 10 */
	take_many(PLAIN, 6, EMPTY, 0xa0, 10); /* there should have been */
	take_many(PLAIN, 7, PUT, 0xa0, 80);
	take_many(PLAIN, 8, PUT, 0xa0, 11);
	take_many(PLAIN, 9, GET, 0xa0, 4);
	end();
	EXPECT(SUM, "94|91|4|90|-|1|0");
	EXPECT("SELECT failures, hidden_failures, hidden_max FROM v_pool_sum", "2|1|10");
	EXPECT(EVENTS, "1|5|empty|-|10\n1|6|empty|-|10\n1|8|foreign_put|-|1");
	cr_expect_eq(all_lost(), 0);
}

Test(pools, more_at_once_than_can_be)
{
	commit(0);
	take_many(PLAIN, 1, GET, 0xa0, UINT64_MAX);
	take_many(PLAIN, 2, GET, 0xa0, 1ull << 32);
	take_many(PLAIN, 3, GET, 0xa0, (1ull << 32) + 1);
	end();
	EXPECT(SUM, "4294967296|0|4294967296|4294967296|-|0|0");
	cr_expect_eq(lost("gets and puts of more objects than can be"), 2);
}

Test(pools, many_of_the_rest_of_a_group)
{
	commit(0);
	for (uint64_t i = 1; i <= 1025; i++)
		take_many(PLAIN, (int64_t)i, CREATE, i * 16, 0);
	take_many(PLAIN, 2000, PUT, 1025 * 16, 100); /* its stock */
	take_many(PLAIN, 2001, GET, 1025 * 16, 30);
	take_many(PLAIN, 2002, PUT, 1025 * 16, 10);
	take_many(PLAIN, 2003, DESTROY, 1025 * 16, 0);
	take_many(PLAIN, 2004, GET, 1026 * 16, 3);
	end();
	EXPECT(
	    "SELECT gets, puts, in_use, in_use_max, foreign_puts FROM v_pool_sum JOIN v_pool USING (pool_id)"
	    " WHERE name = 'plain (others)'",
	    "33|10|3|30|0");
}

/* ---- More than are told apart ---- */

Test(pools, the_rest_of_a_group)
{
	enum { N = 1024 + 50 };

	commit(0);
	for (uint64_t i = 1; i <= N; i++) {
		struct mp_pool_event e = event_of(ARENA, (int64_t)i, GET, i * 16, i * 64);
		e.bytes = 100;
		mp_pools_take(p, &e);
	}
	take_of(PLAIN, 2000, GET, 0xa0, 1);  /* another group has room */
	take_of(ARENA, 2001, GET, 16, 0x99); /* is known */
	take_of(ARENA, 2002, PUT, N * 16, N * 64);
	take_of(ARENA, 2003, DESTROY, (N - 1) * 16, 0);
	take_of(ARENA, 2004, DESTROY, (N - 1) * 16, 0); /* nothing of it is out now */
	take_of(ARENA, 2005, CLEAR, 0x777770, 0);       /* is not known */
	take_of(ARENA, 2006, GET, (N - 2) * 16, 0);     /* fails */
	take_of(ARENA, 2007, EMPTY, (N - 2) * 16, 0);
	take_of(ARENA, 2008, CREATE, (N - 2) * 16, 0); /* of its 1 object nothing tells: it is gone */
	mp_pools_lost(p, &(struct mp_pool_lost){2009, ARENA, (N - 3) * 16, 2, 1});
	end();
	EXPECT("SELECT source, count(*) FROM v_pool GROUP BY source", "my.ini|1\npmr|1025");
	EXPECT("SELECT address, capacity, object_bytes, created_ns, gets, puts, failures, in_use, "
	       "in_use_max, double_puts,"
	       " foreign_puts, older_puts, lost, objects, lines, in_use_bytes_max"
	       " FROM v_pool JOIN v_pool_sum USING (pool_id) WHERE name = 'arena (others)'",
	    "-|-|-|-|52|2|2|48|50|-|0|0|3|-|-|5000");
	EXPECT("SELECT gets FROM v_pool_sum WHERE pool_id = 1", "2");
	EXPECT(EVENTS, "");
	cr_expect_eq(all_lost(), 0);
}

/* Also one that had a row: after it was destroyed and is created again there is none left for it. */
Test(pools, one_that_joins_the_rest)
{
	commit(0);
	for (uint64_t i = 1; i <= 1024; i++)
		create((int64_t)i, i * 16, "a", -1, -1);
	take(2000, GET, 16, 1);
	create(2001, 16, "again", -1, -1);
	take(2002, GET, 16, 2);
	take(2003, PUT, 16, 2);
	take(2004, PUT, 16, 3);
	take(2005, DESTROY, 16, 0);
	end();
	EXPECT("SELECT name, gets, puts, in_use, in_use_max, destroyed_ns FROM v_pool JOIN v_pool_sum USING "
	       "(pool_id)"
	       " WHERE gets",
	    "a|1|0|1|1|2001\npool (others)|1|2|0|1|-");
	EXPECT("SELECT in_use_min FROM v_pool_use JOIN v_pool USING (pool_id) WHERE name = 'pool (others)'",
	    "-1");
}

/* ---- Limits ---- */

Test(pools, too_many_waiting)
{
	enum { N = (2 << 20) + 3 };

	commit(0);
	create(1, 0xa0, "a", 1, 1);
	for (int64_t i = 1; i < N; i++) /* in the worst order */
		take(2 * N - i, i % 2 ? PUT : GET, 0xa0, (uint64_t)(i + 1) / 2);
	create(3 * N, 0xb0, "b", 1, 1);
	mp_pools_lost(p, &(struct mp_pool_lost){3 * N, MARKERS, 0xa0, 1, 1});
	commit(100);
	commit(200);
	end();
	cr_expect_eq(lost("pool events waiting, of too many"), 3 + 2);
	cr_expect_eq(lost("pool events waiting, of too many"), 0);
	EXPECT("SELECT sum(gets) + sum(puts) FROM v_pool_use", "2097151");
}

Test(pools, too_many_rows)
{
	commit(0);
	create(1, 0xa0, "a", -1, 0);
	for (int64_t i = 0; i < 20000 + 9; i++)
		take(2 + i, EMPTY, 0xa0, 0);
	commit(30000);
	commit(60000);
	cr_expect_eq(lost("rows of pools, of too many"), 9);
	take(30001, EMPTY, 0xa0, 0);
	end();
	EXPECT("SELECT count(*) FROM v_pool_event", "20001");
	EXPECT("SELECT failures FROM v_pool_sum", "20010");
	cr_expect_eq(all_lost(), 0);
}

Test(pools, too_many_places_and_threads)
{
	enum { N = 57344 + 11, PLACES = 7168 };

	commit(0);
	take(1, CREATE, 0xa0, 0);
	for (int64_t i = 0; i < N; i++)
		take_from(2 + i, GET, 1 + (uint64_t)i, (pid_t)i + 1, 0x100000 + (uint64_t)i * 4);
	commit(100000);
	commit(200000);
	cr_expect_eq(lost("threads that use pools, of too many"), 11);
	cr_expect_eq(lost("places that use pools, of too many"), N - PLACES);
	take_from(100001, GET, N + 1, 1, 0x100000); /* are known */
	end();
	cr_expect_eq(all_lost(), 0);
	EXPECT("SELECT threads, in_use, objects FROM v_pool_sum", "57344|57356|57356");
	EXPECT("SELECT count(*), sum(gets) FROM v_pool_site", "7168|7169");
}

Test(pools, too_many_places)
{
	commit(0);
	take(1, CREATE, 0xa0, 0);
	for (int64_t i = 0; i < 65536 + 13; i++) {
		struct mp_pool_event e = event_of(MARKERS, 2 + i, PUT, 0xa0, 1);
		e.ip = 0x1000 + (uint64_t)i;
		mp_pools_take(p, &e);
	}
	cr_expect_eq(lost("places that use pools, of too many"), 13);
	cr_expect_eq(all_lost(), 0);
}

Test(pools, too_many_pools)
{
	enum { N = (1 << 20) + 1024 + 17 };

	commit(0);
	for (uint64_t i = 1; i <= N; i++)
		take((int64_t)i, GET, i * 16, i);
	take(N + 1, GET, 16, 5); /* are known */
	take(N + 2, GET, 2000 * 16, 5);
	take(N + 3, DESTROY, (N + 5) * 16, 0); /* is not, and need not be */
	end();
	cr_expect_eq(lost("pools, of too many"), 17);
	cr_expect_eq(all_lost(), 0);
	EXPECT("SELECT count(*), sum(gets) FROM v_pool_sum", "1025|1049602");
}

Test(pools, too_many_objects)
{
	enum { MAX = 1 << 22, EACH = 1 << 19 };
	int64_t t_ns = 10;

	commit(0);
	take(1, CREATE, 0xa0, 0);
	for (int round = 0; round < MAX / EACH; round++) {
		for (int i = 0; i < EACH; i++, t_ns++)
			take(t_ns, GET, 0xa0, (uint64_t)t_ns * 64);
		commit(t_ns);
	}
	for (int i = 0; i < 19; i++, t_ns++)
		take(t_ns, GET, 0xa0, (uint64_t)t_ns * 64);
	take(t_ns, PUT, 0xa0, (uint64_t)(t_ns - 1) * 64);
	end();
	cr_expect_eq(lost("objects of pools, of too many"), 19);
	cr_expect_eq(all_lost(), 0);
	EXPECT(
	    "SELECT objects, in_use, in_use_max, foreign_puts FROM v_pool_sum", "4194304|4194322|4194323|0");
}

static long rss_kib(void)
{
	long size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	cr_assert(f && fscanf(f, "%ld %ld", &size, &pages) == 2);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static uint64_t random_word(void)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

static const int64_t sizes[] = {-1, -1, -1, 0, 1, 64, 4096, INT64_MAX, INT64_MIN, INT64_MAX / 4};

static void take_random(int64_t slot_ns)
{
	const uint64_t chain[] = {random_word(), random_word()};
	uint64_t r = random_word();
	struct mp_pool_event e = event_of(r % (GROUPS + 1), slot_ns + (int64_t)(r >> 40) % 2000,
	    (unsigned int)(r >> 8) % 16, random_word(), random_word());

	if (r >> 16 & 1)
		e.pool %= 5000;
	if (r >> 17 & 1)
		e.ptr %= 100000;
	if (r >> 18 & 1)
		e.t_ns = (int64_t)random_word();
	e.tid = (pid_t)random_word();
	e.bytes = r >> 19 & 1 ? random_word() : 0;
	e.dur_ns = r >> 20 & 1 ? (int64_t)random_word() : -1;
	e.capacity = sizes[random_word() % 10];
	e.object_bytes = sizes[random_word() % 10];
	e.ip = r >> 21 & 1 ? random_word() : random_word() % 1000;
	e.name = r >> 22 & 1 ? "name" : NULL;
	e.chain = chain;
	e.n_chain = r >> 23 & 1 ? 2 : 0;
	e.counts = r >> 24 & 1;
	mp_pools_take(p, &e);
	if (r % 512 == 0)
		mp_pools_lost(
		    p, &(struct mp_pool_lost){e.t_ns, e.group, e.pool, random_word(), random_word()});
}

/* Whatever a target says: memory stays below what the limits add up to, what is left out is counted, and no
 * figure is one that cannot be. */
Test(pools, a_hostile_flood)
{
	enum { SLOTS = 8, EACH = 400000 };
	long before = rss_kib();

	for (int slot = 0; slot < SLOTS; slot++) {
		commit(slot * 1000);
		for (int i = 0; i < EACH; i++)
			take_random(slot * 1000);
	}
	end();
	cr_expect_lt(rss_kib() - before, 2L << 20);
	cr_expect_gt(all_lost(), 0);
	EXPECT("SELECT count(*) <= 1025 * 5 FROM v_pool", "1");
	EXPECT(
	    "SELECT count(*) FROM pool_sum WHERE min(gets, puts, failures, lost, double_puts, foreign_puts, "
	    "older_puts,"
	    " cross_puts, hidden_failures, hidden_max, threads, reuses, lifo_reuses, fifo_reuses, objects, "
	    "in_use_max,"
	    " coalesce(in_use_bytes_max, 0), coalesce(requested_bytes, 0), coalesce(reuse_depth_p50, 0),"
	    " coalesce(lines, 0), coalesce(lines_least, 0), coalesce(pages, 0), coalesce(pages_least, 0)) < 0"
	    " OR in_use_max < in_use OR lifo_reuses > reuses OR hidden_failures > failures OR pages > lines",
	    "0");
	EXPECT(
	    "SELECT count(*) FROM pool_use WHERE min(gets, puts, failures, coalesce(in_use_bytes_max, 0)) < 0"
	    " OR in_use_min > in_use_max OR in_use_last NOT BETWEEN in_use_min AND in_use_max",
	    "0");
	EXPECT("SELECT count(*) FROM pool_site WHERE min(gets, holds, hold_sum_ns, hold_max_ns, "
	       "at_high_water, held) < 0"
	       " OR held > gets OR holds > gets",
	    "0");
	EXPECT("SELECT count(*) FROM pool_latency WHERE count <= 0", "0");
	EXPECT("SELECT count(*) FROM pool_event WHERE n < 0", "0");
}

/* ---- A model ---- */

/* A whole pool, three threads, slots: sums and slots say what was handed in. */
Test(pools, a_random_course)
{
	enum { N = 50 };
	bool out[N] = {false}, known[N] = {false};
	long in_use = 0, high = 0, low = 0, gets = 0, puts = 0, twice = 0, foreign = 0;

	commit(0);
	take(0, CREATE, 0xa0, 0);
	for (int64_t t = 1; t < 20000; t++) {
		uint64_t i = random_word() % N;
		bool is_get = random_word() % 2;
		take(t, is_get ? GET : PUT, 0xa0, 0x1000 + i);
		gets += is_get;
		puts += !is_get;
		foreign += !is_get && !known[i];
		twice += !is_get && known[i] && !out[i];
		in_use += is_get && !out[i] ? 1 : !is_get && out[i] ? -1 : 0;
		out[i] = is_get;
		known[i] |= is_get;
		high = in_use > high ? in_use : high;
		if (t % 1000 == 999)
			commit(t + 1);
	}
	commit(21000);
	end();
	char expected[256];
	snprintf(expected, sizeof(expected), "%ld|%ld|%ld|%ld|%ld|%ld|0", gets, puts, in_use, high, twice,
	    foreign);
	EXPECT(SUM, expected);
	snprintf(expected, sizeof(expected), "20|%ld|%ld|%ld|%ld", gets, puts, high, low);
	EXPECT("SELECT count(*), sum(gets), sum(puts), max(in_use_max), min(in_use_min) FROM v_pool_use",
	    expected);
	EXPECT("SELECT count(*) FROM (SELECT in_use_last, lead(in_use_min) OVER w AS low, lead(in_use_max) "
	       "OVER w AS high"
	       " FROM v_pool_use WINDOW w AS (ORDER BY slot_ns)) WHERE in_use_last NOT BETWEEN low AND high",
	    "0");
	EXPECT("SELECT count(*) FROM v_pool_event WHERE kind IN ('double_put', 'foreign_put')"
	       " GROUP BY kind HAVING count(*) <> (SELECT CASE kind WHEN 'double_put' THEN double_puts ELSE "
	       "foreign_puts END"
	       " FROM v_pool_sum)",
	    "");
}
