/* SPDX-License-Identifier: MIT */
#include "tests/unit/gc_report_fixture.h"

/* What report `gc` and the rules say of classes of objects, of what survives, and of what is promoted. */
TestSuite(gc_report_classes, .fini = teardown, .timeout = 120);

Test(gc_report_classes, humongous_classes, .description = "those that are half a region and more are named")
{
	struct jvm j = calm;

	begin();
	j.cause = "G1 Humongous Allocation";
	append_jvm(&j);
	for (int i = 0; i < SECONDS; i++)
		give_slot(i);
	give(at(1), "Small[]", 1 << 18, 1000, 1000 * MB);
	expect_rules("humongous");
	expect_setting("humongous", "-XX:G1HeapRegionSize=4m; or a pool of byte[], or smaller ones");
	cr_expect_eq(
	    ask("", "SELECT instr(evidence, 'MB/s in 1200 objects') > 0 AND instr(evidence, 'Small') = 0"
		    " FROM v_gc_advice"),
	    1);
}

/* Of what fills eden, which a large array does not, two thirds are orders. */
Test(gc_report_classes, top_class)
{
	struct jvm j = calm;

	begin();
	j.every_s = 0.5;
	j.eden = 20 * MB;
	append_jvm(&j);
	for (int i = 0; i < SECONDS; i++)
		give_slot(i);
	expect_rules("top_class young_size");
	expect_setting("top_class", "half as many new Order:");
	expect_figures("top_class", "young_per_minute", 120, 80);
}

/* Nothing can be said of the largest part where its classes are not known. */
Test(gc_report_classes, top_class_without_a_name)
{
	struct jvm j = calm;

	begin();
	j.every_s = 0.5;
	j.eden = 20 * MB;
	append_jvm(&j);
	give(at(1), "(other)", 0, 100, 100 * MB);
	give(at(1), "(unknown)", 0, 100, 100 * MB);
	give(at(1), "Order", 0, 50, 50 * MB);
	expect_rules("young_size");
}

Test(gc_report_classes, classes)
{
	begin();
	append_jvm(&calm);
	/* Counting ends before the recording does. */
	for (int i = 0; i < SECONDS / 2; i++)
		give_slot(i);
	reopen();
	char *text = report(MP_FORMAT_JSON, "gc");
	cr_assert_eq(ask(text, "SELECT json_array_length(?, '$.tables.classes')"), 3);
	cr_assert_eq(ask(text, "SELECT json_extract(?, '$.tables.classes[0].class') = 'Order'"), 1);
	cr_assert_float_eq(ask(text, "SELECT json_extract(?, '$.tables.classes[0].share')"), 0.6, 1e-9);
	cr_assert_eq(ask(text, "SELECT json_extract(?, '$.tables.classes[0].bytes_per_s')"), 60 * MB);
	/* 3600 of 5400 buffers: 2/3 of 90 %, and 1.96 standard deviations of that. */
	double half = 0.9 * 1.96 * sqrt(2.0 / 9 / 5400);
	cr_assert_float_eq(
	    ask(text, "SELECT json_extract(?, '$.tables.classes[0].hi_share')"), 0.6 + half, half / 50);
	cr_assert_float_eq(
	    ask(text, "SELECT json_extract(?, '$.tables.classes[0].lo_share')"), 0.6 - half, half / 50);
	cr_assert_eq(
	    ask(text, "SELECT json_extract(?, '$.tables.classes[2].large_objects')"), 10 * SECONDS / 2);
	cr_assert_eq(ask(text, "SELECT json_extract(?, '$.tables.classes[2].large_bytes_per_s')"), 10 * MB);
	cr_assert_eq(ask(text, "SELECT json_extract(?, '$.tables.classes[2].largest_bytes')"), 1 << 19);
	cr_assert_eq(ask(text, "SELECT json_array_length(?, '$.tables.bursts')"), 0);
	free(text);
}

/* Young pauses, two a second, that leave so much alive and move so much to the old generation. */
static void collect_young(double t_s, int64_t survivors, int64_t promoted)
{
	struct mp_gc_row row = pause_of("hotspot", "young", "x", t_s, 2);

	row.bytes_since_last = 50 * MB;
	int64_t id = append(&row);
	append_pool(id, "PS Eden Space", 50 * MB, 0, 50 * MB, -1);
	append_pool(id, "PS Survivor Space", 10 * MB, survivors, 10 * MB, -1);
	append_pool(id, "PS Old Gen", 100 * MB, 100 * MB + promoted, 500 * MB, 500 * MB);
}

Test(gc_report_classes, survival)
{
	begin();
	for (int i = 0; i < 99; i++)
		collect_young(1 + i, 3 * MB, 3 * MB);
	collect_young(100, 30 * MB, 12 * MB);
	struct mp_gc_row full = pause_of("hotspot", "full", "x", 101, 2);
	append_pool(append(&full), "PS Eden Space", 50 * MB, 0, 50 * MB, -1);
	reopen();
	char *text = report(MP_FORMAT_JSON, "gc");
	cr_assert_eq(ask(text, "SELECT json_extract(?, '$.tables.survival[0].collections')"), 100);
	cr_assert_eq(ask(text, "SELECT json_extract(?, '$.tables.survival[0].young_p50_bytes')"), 60 * MB);
	cr_assert_float_eq(
	    ask(text, "SELECT json_extract(?, '$.tables.survival[0].survived_p50_share')"), 0.1, 1e-9);
	cr_assert_float_eq(
	    ask(text, "SELECT json_extract(?, '$.tables.survival[0].survived_max_share')"), 0.7, 1e-9);
	cr_assert_eq(ask(text, "SELECT json_extract(?, '$.tables.survival[0].promoted_p50_bytes')"), 3 * MB);
	cr_assert_float_eq(ask(text, "SELECT json_extract(?, '$.tables.survival[0].promoted_share')"),
	    (99 * 3 + 12) / 6000.0, 1e-9);
	free(text);
}

/* A tenth of what is given out to Book is promoted a second later; Order is given what it likes. */
static void append_promotion(void)
{
	int64_t before = 0;

	srand48(11);
	for (int i = 0; i < SECONDS; i++) {
		int64_t book = (int64_t)(5 + 40 * drand48()) * MB,
			order = (int64_t)(50 + 100 * drand48()) * MB;

		cr_assert_eq(mp_append_slot(s, at(i), 1000 * MS, &err), 0, "%s", err.text);
		give(at(i), "Book", 0, 100, book);
		give(at(i), "Order", 0, 200, order);
		/* What moved since the collection before belongs to the time between them. */
		collect_young(i + 0.999999, 3 * MB, before / 10);
		before = book;
	}
}

Test(gc_report_classes, promotion_follows_a_class)
{
	begin();
	append_promotion();
	reopen();
	char *text = report(MP_FORMAT_JSON, "gc");
	static const char book[] =
	    "SELECT value ->> '%s' FROM json_each(?, '$.tables.classes') WHERE value ->> 'class' = '%s'";
	char sql[200];
	snprintf(sql, sizeof(sql), book, "lag_ns", "Book");
	cr_assert_eq(ask(text, sql), 1000 * MS);
	snprintf(sql, sizeof(sql), book, "rho", "Book");
	cr_assert_gt(ask(text, sql), 0.95);
	snprintf(sql, sizeof(sql), book, "promoted_per_byte", "Book");
	cr_assert_float_eq(ask(text, sql), 0.1, 0.005);
	snprintf(sql, sizeof(sql), book, "p_value", "Order");
	cr_assert_gt(ask(text, sql), 0.01);
	free(text);
	text = report(MP_FORMAT_TABLE, "gc");
	cr_assert(strstr(text, "promotion follows allocations of Book (rho "), "%s", text);
	cr_assert(strstr(text, ", 1.00 s later): each +10 MB/s of them goes with +"), "%s", text);
	cr_assert(!strstr(text, "promotion follows allocations of Order"), "%s", text);
	free(text);
}

/* Twelve seconds have three times as many pauses, move twice as much of what is given out, and give half of
 * it to Burst[]. */
static void append_bursts(void)
{
	for (int i = 0; i < SECONDS; i++) {
		bool is_burst = i % 10 == 5;
		int pauses = is_burst ? 6 : 2;

		cr_assert_eq(mp_append_slot(s, at(i), 1000 * MS, &err), 0, "%s", err.text);
		give(at(i), "Order", 0, 100, 50 * pauses * MB / (is_burst ? 2 : 1));
		if (is_burst)
			give(at(i), "Burst[]", 0, 100, 25 * pauses * MB);
		for (int k = 1; k <= pauses; k++)
			collect_young(i + (double)k / pauses - 1e-6, 3 * MB, is_burst ? 10 * MB : 1 * MB);
	}
}

Test(gc_report_classes, bursts)
{
	begin();
	append_bursts();
	reopen();
	char *text = report(MP_FORMAT_JSON, "gc");
	cr_assert_eq(ask(text, "SELECT json_extract(?, '$.tables.bursts[0].class') = 'Burst[]'"), 1);
	cr_assert_eq(ask(text, "SELECT json_extract(?, '$.tables.bursts[0].bursts')"), 12);
	cr_assert_float_eq(ask(text, "SELECT json_extract(?, '$.tables.bursts[0].burst_share')"), 0.5, 1e-9);
	cr_assert_float_eq(ask(text, "SELECT json_extract(?, '$.tables.bursts[0].else_share')"), 0, 1e-9);
	free(text);
	text = report(MP_FORMAT_TABLE, "gc");
	cr_assert(strstr(text, "in 12 of "), "%s", text);
	cr_assert(strstr(text, "Burst[] was 50.0 % of it then, else 0.0 %"), "%s", text);
	free(text);
}

/* A program may make classes without end, and sums that have none. */
Test(gc_report_classes, too_many_classes)
{
	char name[32];

	begin();
	append_jvm(&calm);
	for (int i = 0; i < MP_GC_CLASS_NAMES + 100; i++) {
		snprintf(name, sizeof(name), "Order$$Lambda$%d", i);
		give(at(1), name, 0, 1, 7);
	}
	give(at(1), "Order$$Lambda$1", 0, INT64_MAX, INT64_MAX);
	give(at(1), "Order$$Lambda$1", INT64_MAX, INT64_MAX, INT64_MAX);
	reopen();
	cr_assert_eq(ask("", "SELECT count(DISTINCT class) FROM v_gc_class"), MP_GC_CLASS_NAMES + 1);
	cr_assert_eq(ask("", "SELECT bytes FROM v_gc_class WHERE class = '(other)'"), 7 * 100);
	free(report(MP_FORMAT_JSON, "gc"));
	free(report(MP_FORMAT_TABLE, "gc"));
}
