/* SPDX-License-Identifier: MIT */
#include "analysis/explain/explain.h"

#include "store/embed.h"
#include "tests/unit/explain_fixture.h"

TestSuite(advice, .fini = teardown, .timeout = 300);

/* What each rule is to speak of: a cause that takes most of the time of ten calls. */
static const struct {
	const char *rule, *kind, *detail;
} fires[] = {
    {"minor_fault", "minor_fault", NULL},
    {"major_fault", "major_fault", NULL},
    {"thp", "thp", NULL},
    {"unmap", "syscall:munmap", NULL},
    {"unmap", "syscall:madvise", NULL},
    {"grow", "syscall:mmap", NULL},
    {"grow", "syscall:brk", NULL},
    {"grow_arena", "syscall:mprotect", NULL},
    {"lock", "lock", NULL},
    {"lock", "syscall:futex", NULL},
    {"off_cpu_own", "off_cpu", "ran: me/risk/101"},
    {"off_cpu_kworker", "off_cpu", "ran: kworker/1:2/61"},
    {"off_cpu_ksoftirqd", "off_cpu", "ran: ksoftirqd/1/22"},
    {"off_cpu_recorder", "off_cpu", "ran: the recorder/812"},
    {"off_cpu_other", "off_cpu", "ran: a/b/777"},
    {"migration", "migration", NULL},
    {"irq_timer", "irq", "local_timer cpu 1"},
    {"irq_device", "irq", "irq 24 cpu 1"},
    {"softirq_net", "softirq", "net_rx"},
    {"softirq_other", "softirq", "rcu"},
    {"mmap_lock", "mmap_lock", NULL},
    {"stopped", "stopped", NULL},
    {"hiccup", "hiccup", NULL},
    {"unexplained", "unexplained", NULL},
    {NULL, "off_cpu", "ran: swapper/1/0"}, /* nobody: no rule */
    {NULL, "syscall:getpid", NULL},
};
#define FIRES (sizeof(fires) / sizeof(*fires))

/* Ten calls, each of another size, of which `percent` is by that cause and the rest by one without a rule. */
static void make_for(size_t i, int percent, const char *module)
{
	create();
	append_stacks();
	cr_assert_eq(mp_append_thread(s, 100, "me-engine", START_NS, NULL, &err), 0);
	cr_assert_eq(mp_append_thread(s, 101, "me/risk", START_NS, NULL, &err), 0);
	if (module) {
		struct mp_module_row row = {.module_id = 1, .path = module};

		cr_assert_eq(mp_append_module(s, &row, &err), 0);
	}
	for (int k = 0; k < 10; k++) {
		int64_t id = append_outlier(1000000, 100 + k, 1);

		if (strcmp(fires[i].kind, "unexplained"))
			append_cause(id, fires[i].kind, percent * 10000, 2, fires[i].detail);
		append_cause(id, "syscall:getppid", (100 - percent) * 10000, 1, NULL);
	}
	reopen();
}

static char *rules(void)
{
	char *text = document(mp_report_find("advice", &err), everything);
	sqlite3_stmt *st =
	    query("SELECT coalesce(group_concat(value ->> 'rule'), '') FROM json_each(?, '$.rows')", text);

	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	char *found = strdup((const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	free(text);
	return found;
}

Test(advice, each_rule_speaks_of_its_cause_and_of_no_other)
{
	for (size_t i = 0; i < FIRES; i++) {
		make_for(i, 90, NULL);
		char *found = rules();
		cr_assert_str_eq(found, fires[i].rule ? fires[i].rule : "", "%s %s", fires[i].kind,
		    fires[i].detail ? fires[i].detail : "");
		free(found);
		if (fires[i].rule) {
			char *text = document(&mp_report_explain, everything);
			sqlite3_stmt *st = query("SELECT value ->> 'advice' FROM json_each(?, '$.ranking')"
						 " WHERE value ->> 'kind' <> 'syscall:getppid'",
			    text);
			cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
			cr_assert_eq(
			    sqlite3_column_type(st, 0), SQLITE_TEXT, "the ranking has the advice: %s", text);
			sqlite3_finalize(st);
			free(text);
		}
		if (i + 1 < FIRES)
			teardown();
	}
}

Test(advice, each_rule_is_silent_about_little)
{
	for (size_t i = 0; i < FIRES; i++) {
		/* Of these one is one too many. */
		bool any = !strcmp(fires[i].kind, "major_fault") || !strcmp(fires[i].kind, "stopped");

		make_for(i, any ? 0 : !strcmp(fires[i].kind, "unexplained") ? 20 : 0, NULL);
		char *found = rules();
		cr_assert_str_empty(found, "%s", fires[i].kind);
		free(found);
		teardown();
		if (any || !strcmp(fires[i].kind, "migration") || !strcmp(fires[i].kind, "unexplained"))
			continue;
		make_for(i, 2, NULL);
		found = rules();
		cr_assert_str_empty(found, "2 %% %s", fires[i].kind);
		free(found);
		teardown();
	}
	create();
}

Test(advice, advice_fits_the_allocator_and_the_table)
{
	static const struct {
		const char *module, *word;
	} allocators[] = {{"/usr/lib/x86_64-linux-gnu/libc.so.6", "M_TRIM_THRESHOLD, -1"},
	    {"/usr/lib/libjemalloc.so.2", "muzzy_decay_ms:-1"},
	    {"/usr/lib/libtcmalloc.so.4", "TCMALLOC_RELEASE_RATE=0"},
	    {"/usr/lib/libmimalloc.so.2", "MIMALLOC_PURGE_DELAY=-1"}, {NULL, "(jemalloc)"}};

	for (size_t a = 0; a < 5; a++)
		for (size_t i = 0; i < FIRES; i++) {
			make_for(i, 90, allocators[a].module);
			char *text = document(mp_report_find("advice", &err), everything);
			cr_assert_eq(
			    ask(text,
				"SELECT count(*) FROM json_each(?, '$.rows') WHERE length(value ->> "
				"'advice') > 160"
				" OR value ->> 'evidence' IS NULL OR value ->> 'finding' IS NULL"
				" OR value ->> 'advice' IS NULL OR (value ->> 'weight_ns') IS NOT 9000000"
				" AND (value ->> 'weight_ns') IS NOT 1000000"),
			    0, "%s", text);
			if (!strcmp(fires[i].kind, "syscall:munmap"))
				cr_assert(strstr(text, allocators[a].word), "%s", text);
			free(text);
			teardown();
		}
	create();
}

Test(advice, every_rule_is_tried)
{
	create();
	for (const struct mp_embedded *f = mp_embedded_files; f->path; f++) {
		/* Those of samples: tests/unit/cache.c; of pools: tests/unit/pool_report.c; of collections:
		 * tests/unit/gc_report.c; of phases: tests/unit/session_report.c. */
		bool found =
		    strncmp(f->path, "sql/advice/", 11) || !strcmp(f->path, "sql/advice/pool.sql") ||
		    !strncmp(f->path, "sql/advice/cache_", 17) || !strncmp(f->path, "sql/advice/gc_", 14) ||
		    !strncmp(f->path, "sql/advice/session_", 19) || !strncmp(f->path, "sql/advice/pool_", 16);

		for (size_t i = 0; !found && i < FIRES; i++)
			found = fires[i].rule &&
				!strncmp(f->path + 11, fires[i].rule, strlen(fires[i].rule)) &&
				!strcmp(f->path + 11 + strlen(fires[i].rule), ".sql");
		cr_assert(found, "%s", f->path);
	}
}

/* Twenty calls of a site with two stacks. */
static bool is_pooled(int sizes, const char *kind)
{
	create();
	append_stacks();
	for (int k = 0; k < 20; k++) {
		int64_t id = append_outlier(1000000, 40 + k % sizes, k % 2 ? 1 : 4); /* both are site B */

		append_cause(id, kind, 1000000, 1, NULL);
	}
	reopen();
	char *text = document(mp_report_find("advice", &err), everything);
	double n = ask(text, "SELECT count(*) FROM json_each(?, '$.rows') WHERE value ->> 'rule' = 'pool'");
	if (n)
		cr_assert(strstr(text,
			      "\"site\":\"site B\",\"evidence\":\"20 calls beyond p99.9, 100.0 % of the tail"
			      " by what a pool avoids; about 20 calls, 5.0 a second, of 40 bytes\""),
		    "%s", text);
	free(text);
	teardown();
	return n > 0;
}

Test(advice, a_site_of_few_sizes_is_to_be_pooled_where_that_helps)
{
	cr_assert(is_pooled(1, "lock"));
	cr_assert_not(is_pooled(5, "lock"));
	cr_assert_not(is_pooled(1, "stopped"));
	create();
}

Test(advice, a_recording_that_saw_nothing_is_to_be_repeated)
{
	for (int blind = 0; blind < 2; blind++) {
		create();
		for (int k = 0; k < 10; k++) {
			int64_t id = append_outlier(1000000, 100 + k, 0);

			if (!blind)
				append_cause(id, "lock", 500000, 1, NULL);
		}
		reopen();
		char *text = document(mp_report_find("advice", &err), everything);
		cr_assert_eq(strstr(text, "mpsample doctor tells") != NULL, blind, "%s", text);
		cr_assert_eq(strstr(text, "record --causes all") != NULL, !blind, "%s", text);
		free(text);
		teardown();
	}
	create();
}

Test(advice, an_empty_session_needs_none)
{
	create();
	reopen();
	char *found = rules();
	cr_assert_str_empty(found);
	free(found);
}
