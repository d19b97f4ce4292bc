/* SPDX-License-Identifier: MIT */
/* The perf plane on the test's own process, with events that every machine has. */
#include <criterion/criterion.h>
#include <linux/hw_breakpoint.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sampler/perf/plane.h"
#include "sampler/perf/wants.h"

enum { PAGES = 50, PAGE_BYTES = 4096 };

static char path[64];
static struct mp_session *session;
static struct mp_symbolizer *symbolizer;
static struct mp_pipeline *pipeline;
static struct mp_perf_plane *plane;
static struct mp_err err;

static void begin(void)
{
	snprintf(path, sizeof(path), "/tmp/mpsample-perf-plane-%d.db", (int)getpid());
	cr_assert_eq(mp_session_create(path, true, &session, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(session, &err), 0, "%s", err.text);
	symbolizer = mp_symbolizer_new(getpid(), NULL);
	pipeline = mp_pipeline_new(session, symbolizer);
	cr_assert(pipeline);
}

static void end(void)
{
	mp_perf_plane_close(plane);
	mp_pipeline_free(pipeline);
	mp_symbolizer_free(symbolizer);
	if (session)
		mp_session_close(session, &err);
	unlink(path);
}

TestSuite(perf_plane, .init = begin, .fini = end);

static struct mp_perf_want of_faults(bool is_system_wide)
{
	struct mp_perf_want w = {.is_sampled = true};

	cr_assert_eq(mp_event_resolve("page-faults:period=1", &w.event, &err), 0, "%s", err.text);
	w.event.is_system_wide = is_system_wide;
	return w;
}

static void open_plane(const struct mp_perf_want *wants, size_t n)
{
	const struct mp_perf_options o = {
	    .pid = getpid(), .wants = wants, .n = n, .stack = MP_STACK_OFF, .budget = 1};

	cr_assert_eq(mp_perf_plane_open(&o, &plane, &err), 0, "%s", err.text);
	mp_perf_plane_enable(plane);
}

static void touch_pages(void)
{
	char *p = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(p, PAGES * PAGE_BYTES, MADV_NOHUGEPAGE);
	for (int i = 0; i < PAGES; i++)
		*(volatile char *)(p + i * PAGE_BYTES) = 1;
	munmap(p, PAGES * PAGE_BYTES);
}

/* Ends the slot and asks. */
static int64_t ask(const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;

	mp_perf_plane_disable(plane);
	cr_assert_eq(mp_perf_plane_slot(plane, session, pipeline, 1, 2, &err), 0, "%s", err.text);
	mp_pipeline_calls_known(pipeline, INT64_MAX);
	cr_assert_eq(mp_pipeline_commit(pipeline, 2, &err), 0, "%s", err.text);
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	int64_t v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return v;
}

#define MISSING "coalesce((SELECT sum(lost) FROM loss WHERE source GLOB 'samples of*'), 0)"

Test(perf_plane, samples_and_the_lost_ones_are_what_was_counted)
{
	const struct mp_perf_want w = of_faults(false);

	open_plane(&w, 1);
	touch_pages();
	cr_assert_geq(ask("SELECT sum(value) FROM thread_counter"), PAGES);
	cr_assert_eq(ask("SELECT (SELECT sum(value) FROM thread_counter) - (SELECT sum(period) FROM sample) "
			 "- " MISSING),
	    0);
}

/* As IBS of older kernels: another process faults meanwhile, on all CPUs. */
Test(perf_plane, of_whole_cpus_what_is_not_the_target_s_is_thrown_away)
{
	const struct mp_perf_want w = of_faults(true);

	open_plane(&w, 1);
	pid_t child = fork();
	if (!child) {
		for (int i = 0; i < 20; i++)
			touch_pages();
		_exit(0);
	}
	touch_pages();
	waitpid(child, NULL, 0);
	char sql[128];
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM sample WHERE tid <> %d", (int)getpid());
	cr_assert_eq(ask(sql), 0);
	cr_assert_geq(ask("SELECT count(*) + " MISSING " FROM sample"), PAGES);
	cr_assert_eq(
	    ask("SELECT count(*) FROM thread_counter"), 0); /* what a CPU counted is not the target's */
}

static void *in_thread(void *arg)
{
	struct timespec pause = {.tv_nsec = 1000000};

	/* Until its events are open. */
	while (!__atomic_load_n((int *)arg, __ATOMIC_ACQUIRE))
		nanosleep(&pause, NULL);
	touch_pages();
	return NULL;
}

Test(perf_plane, a_thread_that_begins_meanwhile_is_followed)
{
	const struct mp_perf_want w = of_faults(false);
	pthread_t thread;
	int go = 0;

	open_plane(&w, 1);
	cr_assert_eq(pthread_create(&thread, NULL, in_thread, &go), 0);
	mp_perf_plane_drain(plane, pipeline); /* hears of it */
	__atomic_store_n(&go, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	cr_assert_geq(
	    ask("SELECT sum(value) FROM thread_counter WHERE tid <> (SELECT min(tid) FROM thread_counter)"),
	    PAGES);
	cr_assert_eq(ask("SELECT count(*) FROM loss WHERE source GLOB 'threads*'"), 0);
}

Test(perf_plane, the_period_grows_when_samples_cost_too_much)
{
	struct mp_perf_want w = of_faults(false);

	w.event.has_period = false;
	const struct mp_perf_options o = {
	    .pid = getpid(), .wants = &w, .n = 1, .stack = MP_STACK_OFF, .budget = 3e-5};
	cr_assert_eq(mp_perf_plane_open(&o, &plane, &err), 0, "%s", err.text);
	mp_perf_plane_enable(plane);
	touch_pages();
	mp_perf_plane_drain(plane, pipeline);
	mp_perf_plane_steer(plane, 100000000);
	for (int i = 0; i < 40; i++)
		touch_pages();
	cr_assert_gt(ask("SELECT max(period) FROM sample"), 1);
	/* What samples stand for is what there was, but for less than two periods. */
	cr_assert_lt(ask("SELECT (SELECT sum(value) FROM thread_counter) - (SELECT sum(period) FROM sample)"),
	    2 * ask("SELECT max(period) FROM sample") +
		ask("SELECT " MISSING) * ask("SELECT max(period) FROM sample") + 1);
}

Test(perf_plane, watched_addresses_say_what_was_done)
{
	static volatile uint64_t watched;
	struct mp_perf_want w = {.is_sampled = true};
	char name[64];

	snprintf(name, sizeof(name), "mem:%#lx/8:w", (unsigned long)(uintptr_t)&watched);
	cr_assert_eq(mp_event_resolve(name, &w.event, &err), 0, "%s", err.text);
	open_plane(&w, 1);
	for (int i = 0; i < 10; i++)
		watched = (uint64_t)i;
	cr_assert_eq(ask("SELECT count(*) FROM sample WHERE is_write = 1 AND addr IS NOT NULL"), 10);
}

/* ---- What a user asks for ---- */

static int add(struct mp_wants *w, const char *text, bool is_sampled)
{
	return mp_wants_add(w, text, is_sampled, &err);
}

Test(perf_wants, lists_and_groups)
{
	static struct mp_wants w;

	cr_assert_eq(add(&w, "page-faults,cpu-clock", true), 0, "%s", err.text);
	cr_assert_eq(add(&w, "{task-clock,context-switches},minor-faults", false), 0, "%s", err.text);
	cr_assert_eq(w.n, 5);
	cr_assert_eq(w.all[0].group, 0);
	cr_assert(w.all[1].is_sampled);
	cr_assert_eq(w.all[2].group, 1);
	cr_assert_eq(w.all[3].group, 1);
	cr_assert(!w.all[3].is_sampled);
	cr_assert_eq(w.all[4].group, 0);
}

Test(perf_wants, what_is_wrong_is_said)
{
	static const char *const bad[] = {"", ",", "page-faults,", "{page-faults", "{}", "page-faults}",
	    "{a,{b}}", "no-such-event", "{page-faults}x"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		static struct mp_wants w;
		w.n = 0;
		err.text[0] = 0;
		cr_assert_lt(add(&w, bad[i], true), 0, "%s", bad[i]);
		cr_assert(err.text[0] && !strchr(err.text, '\n'), "%s: %s", bad[i], err.text);
	}
}

Test(perf_wants, the_default_is_what_there_is)
{
	static struct mp_wants w;

	cr_assert_eq(add(&w, "default", false), 0);
	cr_assert_geq(w.n, 2); /* page faults and switches are everywhere */
	for (size_t i = 0; i < w.n; i++)
		cr_assert(!w.all[i].is_sampled && !*w.all[i].event.note, "%s", w.all[i].event.name);
}
