/* SPDX-License-Identifier: MIT */
#include "sampler/cause.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sampler/context.h"
#include "store/append.h"

static char path[] = "/tmp/mp-cause-XXXXXX";
static struct mp_session *s;
static struct mp_err err;

static void begin(void)
{
	int fd = mkstemp(path);

	close(fd);
	unlink(path);
	cr_assert_eq(mp_session_create(path, false, &s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(s, &err), 0, "%s", err.text);
}

static void end(void)
{
	mp_session_close(s, NULL);
	unlink(path);
}

TestSuite(cause, .init = begin, .fini = end);

/* The rows of a call: "kind dur_ns n detail", joined by commas. */
static const char *rows(int64_t call_id)
{
	static char text[1024];
	sqlite3_stmt *st;

	sqlite3_prepare_v2(mp_session_db(s),
	    "SELECT group_concat(kind || ' ' || dur_ns || ' ' || n || coalesce(' ' || detail, ''), ', ')"
	    " FROM (SELECT * FROM v_cause WHERE call_id = ?1 ORDER BY kind)",
	    -1, &st, NULL);
	sqlite3_bind_int64(st, 1, call_id);
	sqlite3_step(st);
	snprintf(text, sizeof(text), "%s",
	    sqlite3_column_text(st, 0) ? (const char *)sqlite3_column_text(st, 0) : "");
	sqlite3_finalize(st);
	return text;
}

static int64_t call(int64_t dur_ns, const struct mp_causes *causes, int64_t hiccup_ns)
{
	struct mp_call row = {.t_ns = 1, .tid = 1, .kept = 1, .weight = 1, .dur_ns = dur_ns};
	struct mp_cause_account a = {.dur_ns = dur_ns, .causes = causes, .hiccup_ns = hiccup_ns};

	cr_assert_eq(mp_append_call(s, &row, &a.call_id, &err), 0, "%s", err.text);
	cr_assert_eq(mp_cause_write(s, &a, &err), 0, "%s", err.text);
	return a.call_id;
}

Test(cause, parts_and_the_rest_add_up)
{
	struct mp_causes c = {0};

	c.ns[MP_KERNEL_MINOR_FAULT] = 300;
	c.n[MP_KERNEL_MINOR_FAULT] = 2;
	c.ns[MP_KERNEL_OFF_CPU] = 500;
	c.n[MP_KERNEL_OFF_CPU] = 1;
	c.ran_ns = 500;
	c.ran_tid = 7;
	memcpy(c.ran, "0123456789abcdef", MP_COMM_BYTES); /* not terminated */
	cr_assert_str_eq(rows(call(1000, &c, 0)),
	    "minor_fault 300 2, off_cpu 500 1 ran: 0123456789abcdef/7, unexplained 200 1");
}

Test(cause, of_nothing_known_all_is_unexplained)
{
	struct mp_causes none = {0};

	cr_assert_str_eq(rows(call(1000, NULL, 0)), "unexplained 1000 1");
	cr_assert_str_eq(rows(call(0, &none, 0)), "unexplained 0 1");
}

Test(cause, more_than_the_whole_is_cut_where_most_is)
{
	struct mp_causes c = {0};

	c.ns[MP_KERNEL_IRQ] = 900;
	c.n[MP_KERNEL_IRQ] = 1;
	c.irq_ns = 900;
	c.irq = MP_IRQ_LOCAL_TIMER;
	c.irq_cpu = 3;
	c.ns[MP_KERNEL_SOFTIRQ] = 200;
	c.n[MP_KERNEL_SOFTIRQ] = 1;
	c.softirq_ns = 200;
	c.softirq = 7;
	cr_assert_str_eq(
	    rows(call(1000, &c, 50)), "irq 800 1 local_timer cpu 3, softirq 200 1 sched, unexplained 0 1");
	/* As little as there is: the parts that are cut to nothing are not rows. */
	cr_assert_str_eq(rows(call(0, &c, 50)), "unexplained 0 1");
}

Test(cause, system_calls_have_their_names)
{
	struct mp_causes c = {0};
	char kind[MP_CAUSE_KIND_BYTES];
	unsigned int known = 0;

	/* By the same table, from the name to the number. */
	for (unsigned int nr = 0; nr < 500; nr++)
		if (!strcmp(mp_cause_kind(MP_KERNEL_SYSCALL, nr, kind), "syscall:munmap"))
			known = nr;
	cr_assert_neq(known, 0);
	c.ns[MP_KERNEL_SYSCALL] = 700;
	c.n[MP_KERNEL_SYSCALL] = 4;
	c.syscall[0] = (struct mp_cause_syscall){.nr = known, .n = 2, .ns = 400};
	c.syscall[1] = (struct mp_cause_syscall){.nr = 99999, .n = 1, .ns = 200};
	cr_assert_str_eq(rows(call(1000, &c, 0)),
	    "syscall:99999 200 1, syscall:munmap 400 2, syscall:other 100 1, unexplained 300 1");
}

Test(cause, a_stall_explains_only_what_nothing_else_does)
{
	struct mp_causes c = {0};

	c.ns[MP_KERNEL_LOCK] = 600;
	c.n[MP_KERNEL_LOCK] = 1;
	cr_assert_str_eq(rows(call(1000, &c, 900)), "hiccup 400 1, lock 600 1, unexplained 0 1");
	cr_assert_str_eq(rows(call(1000, NULL, 900)), "hiccup 900 1, unexplained 100 1");
}

/* ---- Joined in time ---- */

static struct mp_kernel_interval interval(pid_t tid, enum mp_kernel_kind kind, int64_t t_ns, int64_t dur_ns)
{
	return (struct mp_kernel_interval){.tid = tid,
	    .kind = kind,
	    .is_cause = true,
	    .cause = kind,
	    .t_ns = t_ns,
	    .dur_ns = dur_ns,
	    .self_ns = dur_ns,
	    .what = 11};
}

static void add(struct mp_context *c, pid_t tid, enum mp_kernel_kind kind, int64_t t_ns, int64_t dur_ns)
{
	struct mp_kernel_interval k = interval(tid, kind, t_ns, dur_ns);

	mp_context_add(c, &k);
}

Test(context, only_what_lies_inside_and_of_the_thread)
{
	struct mp_context *c = mp_context_new();
	struct mp_causes found;

	add(c, 1, MP_KERNEL_MINOR_FAULT, 100, 50);  /* before */
	add(c, 1, MP_KERNEL_MINOR_FAULT, 1010, 50); /* inside */
	add(c, 2, MP_KERNEL_MINOR_FAULT, 1020, 50); /* another thread */
	add(c, 1, MP_KERNEL_SYSCALL, 1100, 200);
	add(c, 1, MP_KERNEL_SYSCALL, 1400, 300);
	add(c, 1, MP_KERNEL_OFF_CPU, 2500, 100); /* behind */
	cr_assert(mp_context_causes(c, 1, 1000, 2000, &found));
	cr_assert_eq(found.ns[MP_KERNEL_MINOR_FAULT], 50);
	cr_assert_eq(found.n[MP_KERNEL_MINOR_FAULT], 1);
	cr_assert_eq(found.ns[MP_KERNEL_SYSCALL], 500);
	cr_assert_eq(found.syscall[0].nr, 11);
	cr_assert_eq(found.syscall[0].n, 2);
	cr_assert_eq(found.ns[MP_KERNEL_OFF_CPU], 0);
	cr_assert_not(mp_context_causes(c, 1, 3000, 4000, &found));
	cr_assert_not(mp_context_causes(c, 3, 1000, 2000, &found));
	mp_context_free(c);
}

Test(context, sums_are_known_until_they_are_forgotten)
{
	struct mp_context *c = mp_context_new();
	int64_t fault_ns, off_cpu_ns;

	add(c, 1, MP_KERNEL_THP, 1000, 70);
	add(c, 1, MP_KERNEL_OFF_CPU, 2000, 500);
	cr_assert(mp_context_sums(c, 1, 900, 3000, &fault_ns, &off_cpu_ns));
	cr_assert_eq(fault_ns, 70);
	cr_assert_eq(off_cpu_ns, 500);
	cr_assert(mp_context_sums(c, 9, 900, 3000, &fault_ns, &off_cpu_ns), "a thread that did nothing");
	cr_assert_eq(fault_ns, 0);
	mp_context_forget(c, MP_CONTEXT_NS + 1500);
	cr_assert_not(mp_context_sums(c, 1, 900, 3000, &fault_ns, &off_cpu_ns));
	cr_assert(mp_context_sums(c, 1, 1100, 3000, &fault_ns, &off_cpu_ns));
	cr_assert_eq(off_cpu_ns, 500);
	mp_context_free(c);
}

Test(context, its_memory_is_bounded_and_the_latest_stays)
{
	struct mp_context *c = mp_context_new();
	struct mp_causes found;
	const int64_t n = 3 * MP_CONTEXT_MAX;

	for (int64_t i = 0; i < n; i++)
		add(c, 1 + (pid_t)(i % 7), MP_KERNEL_IRQ, i * 100, 10);
	cr_assert(mp_context_causes(c, 1 + (pid_t)((n - 1) % 7), (n - 1) * 100 - 5, n * 100, &found));
	cr_assert_eq(found.n[MP_KERNEL_IRQ], 1);
	cr_assert_not(mp_context_causes(c, 1, -5, 1000, &found), "the oldest are gone");
	mp_context_free(c);
}

Test(context, stalls_overlap_a_call_in_part)
{
	struct mp_context *c = mp_context_new();

	mp_context_add_hiccup(c, 1000, 500);
	cr_assert_eq(mp_context_hiccup_ns(c, 1200, 1300), 100);
	cr_assert_eq(mp_context_hiccup_ns(c, 900, 1100), 100);
	cr_assert_eq(mp_context_hiccup_ns(c, 1400, 2000), 100);
	cr_assert_eq(mp_context_hiccup_ns(c, 1500, 2000), 0);
	for (int i = 0; i < 5000; i++) /* more than are remembered */
		mp_context_add_hiccup(c, 10000 + i * 10, 5);
	cr_assert_eq(mp_context_hiccup_ns(c, 1200, 1300), 0);
	cr_assert_eq(mp_context_hiccup_ns(c, 10000 + 4999 * 10, 1 << 30), 5);
	mp_context_free(c);
}
