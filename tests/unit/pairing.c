/* SPDX-License-Identifier: MIT */
/* Pairing of entries and returns, by the rules that the BPF programs follow too. */
#include <criterion/criterion.h>

#include "sampler/pairing.h"

#ifdef __x86_64__
#define POP 8
#else
#define POP 0
#endif

static void enter(
    struct mp_pairing *p, pid_t tid, unsigned int op, int64_t t_ns, uint64_t sp, uint64_t a, uint64_t b)
{
	struct mp_entry_record e = {.tid = tid, .op = op, .t_ns = t_ns, .sp = sp, .args = {a, b, 0}};
	mp_pairing_entry(p, &e);
}

static void leave(struct mp_pairing *p, pid_t tid, int64_t t_ns, uint64_t sp)
{
	struct mp_return_record r = {.tid = tid, .t_ns = t_ns, .sp = sp + POP};
	mp_pairing_return(p, &r, NULL);
}

static const struct mp_hist *block(struct mp_pairing *p, unsigned int op, uint64_t size)
{
	return &mp_pairing_hists(p).blocks[mp_hist_block(op, mp_size_class(size))];
}

Test(pairing, counts_size_and_duration_without_the_floor)
{
	struct mp_pairing *p = mp_pairing_new();
	struct mp_keep keep = {0};

	mp_pairing_keep(p, &keep, &(struct mp_floor){.ns = {400, 9000}});
	enter(p, 1, MP_OP_CALLOC, 1000, 0x7000, 10, 30);
	leave(p, 1, 1500, 0x7000);
	const struct mp_hist *h = block(p, MP_OP_CALLOC, 300);
	cr_assert_eq(h->calls, 1);
	cr_assert_eq(h->bytes, 300);
	cr_assert_eq(h->sum_ns, 100);
	cr_assert_eq(h->bucket[mp_hist_bucket(100)], 1);
	mp_pairing_free(p);
}

Test(pairing, a_call_inside_a_call_is_not_counted)
{
	struct mp_pairing *p = mp_pairing_new();
	struct mp_uprobe_stats stats;
	uint64_t orphans;

	enter(p, 1, MP_OP_REALLOC, 1000, 0x7000, 0, 64);
	enter(p, 1, MP_OP_MALLOC, 1100, 0x6f00, 64, 0);
	leave(p, 1, 1200, 0x6f00);
	leave(p, 1, 1300, 0x7000);
	mp_pairing_stats(p, &stats, &orphans);
	cr_assert_eq(block(p, MP_OP_REALLOC, 64)->calls, 1);
	cr_assert_eq(block(p, MP_OP_REALLOC, 64)->sum_ns, 300);
	cr_assert_eq(block(p, MP_OP_MALLOC, 64)->calls, 0);
	cr_assert_eq(stats.nested, 1);
	cr_assert_eq(stats.unpaired, 0);
	mp_pairing_free(p);
}

Test(pairing, a_tail_call_is_part_of_its_caller)
{
	struct mp_pairing *p = mp_pairing_new();
	struct mp_uprobe_stats stats;
	uint64_t orphans;

	enter(p, 1, MP_OP_REALLOCARRAY, 1000, 0x7000, 0, 64);
	enter(p, 1, MP_OP_REALLOC, 1010, 0x7000, 0, 64);
	leave(p, 1, 1300, 0x7000);
	mp_pairing_stats(p, &stats, &orphans);
	cr_assert_eq(block(p, MP_OP_REALLOCARRAY, 0)->calls, 1);
	cr_assert_eq(block(p, MP_OP_REALLOC, 64)->calls, 0);
	cr_assert_eq(stats.unpaired, 0);
	mp_pairing_free(p);
}

Test(pairing, a_call_that_never_returned_is_told_and_blocks_nothing)
{
	struct mp_pairing *p = mp_pairing_new();
	struct mp_uprobe_stats stats;
	uint64_t orphans;

	enter(p, 1, MP_OP_NEW, 1000, 0x7000, 8, 0); /* throws: the stack is unwound */
	enter(p, 1, MP_OP_MALLOC, 2000, 0x7100, 8, 0);
	leave(p, 1, 2100, 0x7100);
	leave(p, 2, 2200, 0x9000); /* under way when the probes went in */
	mp_pairing_stats(p, &stats, &orphans);
	cr_assert_eq(stats.unpaired, 1);
	cr_assert_eq(orphans, 1);
	cr_assert_eq(block(p, MP_OP_MALLOC, 8)->calls, 1);
	mp_pairing_free(p);
}

Test(pairing, free_of_null_is_no_call)
{
	struct mp_pairing *p = mp_pairing_new();

	enter(p, 1, MP_OP_FREE, 1000, 0x7000, 0, 0);
	leave(p, 1, 1100, 0x7000);
	enter(p, 1, MP_OP_FREE, 2000, 0x7000, 0x5000, 0);
	leave(p, 1, 2100, 0x7000);
	cr_assert_eq(block(p, MP_OP_FREE, 0)->calls, 1);
	mp_pairing_free(p);
}

Test(pairing, threads_do_not_mix)
{
	struct mp_pairing *p = mp_pairing_new();
	enum { THREADS = 5000 };

	for (pid_t tid = 1; tid <= THREADS; tid++)
		enter(p, tid, MP_OP_MALLOC, tid, 0x7000, 16, 0);
	for (pid_t tid = 1; tid <= THREADS; tid++)
		leave(p, tid, tid + 100, 0x7000);
	cr_assert_eq(block(p, MP_OP_MALLOC, 16)->calls, THREADS);
	cr_assert_eq(block(p, MP_OP_MALLOC, 16)->bucket[100], THREADS);
	mp_pairing_free(p);
}

Test(pairing, switches_give_time_off_cpu_and_migrations)
{
	struct mp_pairing *p = mp_pairing_new();
	struct mp_uprobe_stats stats;
	uint64_t orphans;

	mp_pairing_switch(p, 1, 1000, false, 0, NULL); /* first seen: neither */
	mp_pairing_switch(p, 1, 2000, true, 0, NULL);
	mp_pairing_switch(p, 1, 2500, false, 0, NULL);
	mp_pairing_switch(p, 1, 3000, true, 0, NULL);
	mp_pairing_switch(p, 1, 3500, false, 1, NULL);
	mp_pairing_stats(p, &stats, &orphans);
	cr_assert_eq(stats.kernel_events[MP_KERNEL_OFF_CPU], 2);
	cr_assert_eq(stats.kernel_events[MP_KERNEL_MIGRATION], 1);
	mp_pairing_free(p);
}
