/* SPDX-License-Identifier: MIT */
/* Names of classes of HotSpot, from memory that is made up here: as a JVM has it, and as none would. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "sampler/gc/hotspot.h"

/* The memory of the target: addresses from BASE on. What is read beyond it, or lies across its end, is not
 * there. */
#define BASE   UINT64_C(0x7f0000000000)
#define BYTES  65536
#define STRIDE 48

static unsigned char memory[BYTES];
static size_t used;
static unsigned int reads;
static struct mp_hotspot_symbols symbols;

static int read_memory(void *ctx, uint64_t at, void *buf, size_t n)
{
	(void)ctx;
	reads++;
	if (at < BASE || at - BASE > BYTES || n > BYTES - (at - BASE))
		return -1;
	memcpy(buf, memory + (at - BASE), n);
	return 0;
}

static const struct mp_gc_memory m = {.read = read_memory};

static uint64_t put(const void *what, size_t n)
{
	uint64_t at = BASE + used;

	cr_assert_leq(used + n, BYTES);
	memcpy(memory + used, what, n);
	used += (n + 7) & ~(size_t)7;
	return at;
}

static uint64_t put_u64(uint64_t value)
{
	return put(&value, sizeof(value));
}

static void set_u64(uint64_t at, uint64_t value)
{
	memcpy(memory + (at - BASE), &value, sizeof(value));
}

static uint64_t put_text(const char *text)
{
	return put(text, strlen(text) + 1);
}

struct entry {
	const char *type, *field;
	uint64_t offset;
};

static uint64_t table_at; /* of its entries */

/* As vmStructs.hpp has an entry: names of type, field and the field's type, whether it is static, offset,
 * address. */
static void put_table(const struct entry *all, size_t n)
{
	unsigned char entries[32 * STRIDE] = {0};

	memset(memory, 0, sizeof(memory));
	used = 8;
	for (size_t i = 0; i < n; i++) {
		uint64_t type = put_text(all[i].type), field = put_text(all[i].field);

		memcpy(entries + i * STRIDE, &type, 8);
		memcpy(entries + i * STRIDE + 8, &field, 8);
		memcpy(entries + i * STRIDE + 32, &all[i].offset, 8);
	}
	table_at = put(entries, (n + 1) * STRIDE);
	symbols = (struct mp_hotspot_symbols){.table = put_u64(table_at),
	    .stride = put_u64(STRIDE),
	    .type_name = put_u64(0),
	    .field_name = put_u64(8),
	    .offset = put_u64(32)};
}

static const struct entry as_17[] = {{"Klass", "_super", 56}, {"Klass", "_name", 24},
    {"Klasses", "_name", 99}, {"Symbol", "_hash_and_refcount", 0}, {"Symbol", "_length", 4},
    {"Symbol", "_body", 6}};

static uint64_t put_symbol(const char *name, uint16_t bytes, size_t there)
{
	unsigned char symbol[2048] = {0};

	memcpy(symbol + 4, &bytes, 2);
	memcpy(symbol + 6, name, there);
	return put(symbol, 6 + there);
}

static uint64_t put_class(uint64_t symbol)
{
	unsigned char klass[64] = {0};

	memcpy(klass + 24, &symbol, 8);
	return put(klass, sizeof(klass));
}

static uint64_t put_named(const char *name)
{
	return put_class(put_symbol(name, (uint16_t)strlen(name), strlen(name)));
}

static struct mp_hotspot_layout layout(void)
{
	struct mp_hotspot_layout l;

	put_table(as_17, sizeof(as_17) / sizeof(*as_17));
	cr_assert(mp_hotspot_read_layout(&m, &symbols, &l));
	return l;
}

TestSuite(gc_hotspot, .timeout = 60);

Test(gc_hotspot, layout_of_a_jvm)
{
	struct mp_hotspot_layout l = layout();

	cr_assert_eq(l.name, 24);
	cr_assert_eq(l.length, 4);
	cr_assert_eq(l.body, 6);
}

static void expect_readable(const char *name, const char *want)
{
	char out[MP_GC_CLASS_NAME_BYTES];

	mp_hotspot_readable(name, strlen(name), out);
	cr_expect_str_eq(out, want);
}

Test(gc_hotspot, readable)
{
	expect_readable("java/lang/String", "java.lang.String");
	expect_readable("Order", "Order");
	expect_readable("GcClasses$Order", "GcClasses$Order");
	expect_readable("[B", "byte[]");
	expect_readable("[[J", "long[][]");
	expect_readable("[Z", "boolean[]");
	expect_readable("[Ljava/lang/Object;", "java.lang.Object[]");
	expect_readable("[[LOrder;", "Order[][]");
	expect_readable("Load$$Lambda$14/0x0000000800c03000", "Load$$Lambda$14");
	expect_readable("[LLoad$$Lambda+0x00007f2a4c001000;", "Load$$Lambda[]");
	/* None of these is a name of a class. */
	expect_readable("", "");
	expect_readable("[", "[]");
	expect_readable("[Q", "Q[]");
	expect_readable("[L;", "L;[]");
	expect_readable("B", "B");
	expect_readable("a\nb\033c\177", "a?b?c?");
}

Test(gc_hotspot, long_names_are_cut)
{
	char name[400], out[MP_GC_CLASS_NAME_BYTES];

	memset(name, 'x', sizeof(name));
	mp_hotspot_readable(name, sizeof(name), out);
	cr_assert_eq(strlen(out), sizeof(out) - 1);
	memset(name, '[', sizeof(name));
	mp_hotspot_readable(name, sizeof(name), out);
	cr_assert_lt(strlen(out), sizeof(out));
	name[2] = 'L';
	memset(name + 3, 'y', sizeof(name) - 3);
	name[sizeof(name) - 1] = ';';
	mp_hotspot_readable(name, sizeof(name), out);
	cr_assert_lt(strlen(out), sizeof(out));
	cr_assert_str_eq(out + strlen(out) - 5, "y[][]");
}

Test(gc_hotspot, names)
{
	struct mp_hotspot_layout l = layout();
	char out[MP_GC_CLASS_NAME_BYTES];

	cr_assert(mp_hotspot_class_name(&m, &l, put_named("java/util/HashMap$Node"), out));
	cr_assert_str_eq(out, "java.util.HashMap$Node");
	cr_assert(mp_hotspot_class_name(&m, &l, put_named("[I"), out));
	cr_assert_str_eq(out, "int[]");
}

static void expect_no_name(const struct mp_hotspot_layout *l, uint64_t klass)
{
	char out[MP_GC_CLASS_NAME_BYTES] = "before";

	cr_expect(!mp_hotspot_class_name(&m, l, klass, out), "%#llx", (unsigned long long)klass);
	cr_expect_str_empty(out);
}

Test(gc_hotspot, classes_that_are_none)
{
	struct mp_hotspot_layout l = layout();
	static const uint64_t nowhere[] = {
	    0, 1, 8, BASE - 1, BASE + BYTES, UINT64_MAX, UINT64_MAX - 23, 1ULL << 63};

	for (size_t i = 0; i < sizeof(nowhere) / sizeof(*nowhere); i++) {
		expect_no_name(&l, nowhere[i]);
		expect_no_name(&l, put_class(nowhere[i]));
	}
	expect_no_name(&l, put_class(put_symbol("", 0, 0)));
	/* It leads to itself: what stands there is no name, and there is nothing to follow on. */
	uint64_t self = put_class(0);
	set_u64(self + 24, self);
	set_u64(self, 0);
	expect_no_name(&l, self);
	/* Longer than the memory that is there. */
	uint16_t longest = UINT16_MAX;
	memcpy(memory + BYTES - 6, &longest, 2);
	expect_no_name(&l, put_class(BASE + BYTES - 10));
}

Test(gc_hotspot, longest_name)
{
	struct mp_hotspot_layout l = layout();
	char out[MP_GC_CLASS_NAME_BYTES];

	/* As long as a length can be: so much of it as has room. */
	cr_assert(mp_hotspot_class_name(&m, &l, put_class(put_symbol("abc", UINT16_MAX, 3)), out));
	cr_assert_eq(strlen(out), sizeof(out) - 1);
	cr_assert(!strncmp(out, "abc???", 6));
}

static bool has_layout(void)
{
	struct mp_hotspot_layout l;

	reads = 0;
	bool has = mp_hotspot_read_layout(&m, &symbols, &l);
	cr_expect_lt(reads, 100000, "there is an end to it");
	return has;
}

Test(gc_hotspot, tables_that_are_none)
{
	static const uint64_t odd[] = {0, 1, 7, 41, 257, UINT64_MAX, UINT64_MAX - 7, BASE + BYTES - 4};

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		uint64_t *const at[] = {&symbols.table, &symbols.stride, &symbols.type_name,
		    &symbols.field_name, &symbols.offset};
		for (size_t k = 0; k < sizeof(at) / sizeof(*at); k++) {
			/* What is said there, and where that is said. */
			layout();
			set_u64(*at[k], odd[i]);
			cr_expect(!has_layout() || (k > 1 && odd[i] <= STRIDE), "%zu %zu", i, k);
			layout();
			*at[k] = odd[i];
			cr_expect(!has_layout(), "%zu %zu", i, k);
		}
	}
}

Test(gc_hotspot, tables_that_lack_something)
{
	struct entry some[6];

	for (size_t without = 1; without < 6; without++) {
		memcpy(some, as_17, sizeof(some));
		some[without].field = "_other";
		put_table(some, 6);
		cr_expect_eq(has_layout(), without == 2 || without == 3, "%zu", without);
		/* So far behind its begin no object has it. */
		memcpy(some, as_17, sizeof(some));
		some[without].offset = UINT64_MAX - 8;
		put_table(some, 6);
		cr_expect_eq(has_layout(), without == 2 || without == 3, "%zu", without);
	}
	put_table(as_17, 0);
	cr_expect(!has_layout());
}

/* Its entries go on to the end of memory: names that lead back into it, and no last one. */
Test(gc_hotspot, table_without_end)
{
	layout();
	for (size_t at = used; at + 8 <= BYTES; at += 8)
		set_u64(BASE + at, BASE + at);
	set_u64(symbols.table, BASE + used);
	cr_expect(!has_layout());
	set_u64(symbols.stride, 24);
	set_u64(symbols.offset, 16);
	cr_expect(!has_layout());
}
