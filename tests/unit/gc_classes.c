/* SPDX-License-Identifier: MIT */
/* Sums of classes that become rows, of a JVM that this process plays. */
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sampler/gc/classes.h"
#include "store/append_gc.h"

/* As vmStructs.hpp has an entry. */
struct entry {
	const char *type, *field, *of;
	int32_t is_static;
	uint64_t offset;
	void *address;
};

struct symbol {
	uint32_t hash;
	uint16_t bytes;
	char body[42];
};

struct klass {
	uint64_t super;
	struct symbol *name;
};

static struct entry entries[] = {{"Klass", "_name", "Symbol*", 0, offsetof(struct klass, name), NULL},
    {"Symbol", "_length", "u2", 0, offsetof(struct symbol, bytes), NULL},
    {"Symbol", "_body[0]", "u1", 0, offsetof(struct symbol, body), NULL}, {0}};
static struct entry *volatile table = entries;
static volatile uint64_t stride = sizeof(struct entry), type_name = offsetof(struct entry, type),
			 field_name = offsetof(struct entry, field), offset = offsetof(struct entry, offset);

#define CLASSES 100

static struct symbol symbols[CLASSES];
static struct klass classes[CLASSES];

static char dir[] = "/tmp/mpsample-gc-classes-XXXXXX";
static struct mp_err err;
static struct mp_session *session;
static struct mp_target target;
static struct mp_gc_runtime runtime;
static struct mp_gc_set set;
static struct mp_gc_classes *c;

static void begin(void)
{
	char path[64];

	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.db", dir);
	cr_assert_eq(mp_session_create(path, false, &session, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(session, &err), 0, "%s", err.text);
	for (int i = 0; i < CLASSES; i++) {
		symbols[i].bytes =
		    (uint16_t)snprintf(symbols[i].body, sizeof(symbols[i].body), "a/Class%d", i);
		classes[i].name = &symbols[i];
	}
	target = (struct mp_target){.pid = getpid()};
	runtime.profile.name = (char *)"hotspot";
	runtime.hotspot = (struct mp_hotspot_symbols){.table = (uintptr_t)&table,
	    .stride = (uintptr_t)&stride,
	    .type_name = (uintptr_t)&type_name,
	    .field_name = (uintptr_t)&field_name,
	    .offset = (uintptr_t)&offset};
	set = (struct mp_gc_set){.runtimes = &runtime, .n_runtimes = 1};
	c = mp_gc_classes_new(&target, &set);
	cr_assert(c);
}

static void end(void)
{
	char command[64];

	mp_gc_classes_free(c);
	cr_assert_eq(mp_session_close(session, &err), 0, "%s", err.text);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(gc_classes, .init = begin, .fini = end, .timeout = 60);

static void take(const void *klass, uint64_t object_bytes, uint64_t events, uint64_t bytes)
{
	const struct mp_gc_given g = {0, (uintptr_t)klass, object_bytes, events, bytes};

	mp_gc_classes_take(c, &g);
}

static void store(int64_t slot_ns)
{
	cr_assert_eq(mp_gc_classes_store(c, session, slot_ns, &err), 0, "%s", err.text);
}

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

Test(gc_classes, rows)
{
	take(&classes[1], 0, 3, 300);
	take(&classes[1], 1 << 19, 1, 786448);
	take(&classes[2], 0, 5, 500);
	store(1000);
	take(&classes[1], 0, 7, 700);
	store(2000);
	store(3000);
	cr_assert_eq(one("SELECT count(*) FROM v_gc_class"), 4);
	cr_assert_eq(
	    one("SELECT sum(bytes) FROM v_gc_class WHERE class = 'a.Class1' AND object_bytes IS NULL"), 1000);
	cr_assert_eq(
	    one("SELECT bytes FROM v_gc_class WHERE class = 'a.Class1' AND object_bytes = 524288"), 786448);
	cr_assert_eq(one("SELECT events FROM v_gc_class WHERE class = 'a.Class2' AND slot_ns = 1000"), 5);
}

/* Loaded by two loaders, they have one name. */
Test(gc_classes, same_name)
{
	classes[2].name = &symbols[1];
	take(&classes[1], 0, 3, 300);
	take(&classes[2], 0, 5, 500);
	store(1000);
	cr_assert_eq(one("SELECT bytes FROM v_gc_class WHERE class = 'a.Class1'"), 800);
}

Test(gc_classes, unloaded)
{
	take(&classes[1], 0, 3, 300);
	store(1000);
	classes[1].name = NULL;
	take(&classes[1], 0, 4, 400);
	take((void *)8, 0, 1, 50);
	store(2000);
	cr_assert_eq(one("SELECT sum(bytes) FROM v_gc_class WHERE class = 'a.Class1'"), 700,
	    "it is known by that name");
	cr_assert_eq(one("SELECT sum(bytes) FROM v_gc_class WHERE class = '(unknown)'"), 50);
}

Test(gc_classes, many)
{
	for (int i = 0; i < CLASSES; i++)
		take(&classes[i], 0, 1, 1000 - (uint64_t)i);
	store(1000);
	cr_assert_eq(one("SELECT count(*) FROM v_gc_class"), MP_GC_CLASSES_NAMED + 1);
	cr_assert_eq(one("SELECT min(bytes) FROM v_gc_class"), 1000 - MP_GC_CLASSES_NAMED + 1);
	cr_assert_eq(
	    one("SELECT events FROM v_gc_class WHERE class = '(other)'"), CLASSES - MP_GC_CLASSES_NAMED);
	cr_assert_eq(one("SELECT sum(bytes) FROM v_gc_class"), 100 * 1000 - 99 * 50);
}

/* Of a runtime that starts the table comes later. */
Test(gc_classes, table_that_comes_later)
{
	table = NULL;
	take(&classes[1], 0, 3, 300);
	store(1000);
	table = entries;
	take(&classes[1], 0, 4, 400);
	store(2000);
	cr_assert_eq(one("SELECT sum(bytes) FROM v_gc_class WHERE class = '(unknown)'"), 300);
	cr_assert_eq(one("SELECT sum(bytes) FROM v_gc_class WHERE class = 'a.Class1'"), 400);
}

Test(gc_classes, absurd)
{
	const struct mp_gc_given of_none = {.runtime = 7, .klass = 8, .events = 1, .bytes = 1};

	mp_gc_classes_take(c, &of_none);
	for (uint64_t i = 0; i < MP_GC_GIVEN_MAX + 10; i++)
		take((void *)(uintptr_t)(i * 8), UINT64_MAX - i, UINT64_MAX, UINT64_MAX);
	store(INT64_MIN);
	cr_assert_eq(one("SELECT max(bytes) = 9223372036854775807 FROM v_gc_class"), 1);
	cr_assert_eq(one("SELECT count(*) FROM v_gc_class WHERE class NOT LIKE '(%'"), 0);
}
