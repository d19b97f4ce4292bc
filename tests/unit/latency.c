/* SPDX-License-Identifier: MIT */
/* The histogram reader: exact differences, whatever the writers do meanwhile. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sampler/latency.h"
#include "store/session.h"

static struct mp_hist_view new_view(unsigned int shards)
{
	struct mp_hist_view v = {calloc((size_t)shards * MP_HIST_BLOCKS, sizeof(struct mp_hist)), shards, 1};

	cr_assert_not_null(v.blocks);
	return v;
}

/* As uprobe.bpf.c counts. */
static void count(struct mp_hist_view *v, unsigned int shard, unsigned int op, uint64_t size, uint64_t ns)
{
	struct mp_hist *h = &v->blocks[shard * MP_HIST_BLOCKS + mp_hist_block(op, mp_size_class(size))];

	__atomic_fetch_add(&h->bucket[mp_hist_bucket(ns)], 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&h->bytes, size, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&h->sum_ns, ns, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&h->calls, 1, __ATOMIC_SEQ_CST);
}

Test(latency, counts_all_shards_and_operations)
{
	struct mp_hist_view v = new_view(2);
	struct mp_latency *l = mp_latency_new(&v);

	count(&v, 0, MP_OP_MALLOC, 100, 50);
	count(&v, 1, MP_OP_MALLOC, 100000, 5000);
	count(&v, 1, MP_OP_FREE, 0, 20);
	mp_latency_poll(l, false);
	cr_assert_eq(mp_latency_calls(l, MP_OP_MALLOC), 2);
	cr_assert_eq(mp_latency_calls(l, MP_OP_FREE), 1);
	cr_assert_eq(mp_latency_calls_all(l), 3);
	mp_latency_poll(l, true);
	cr_assert_eq(mp_latency_calls_all(l), 3, "nothing is counted twice");
	mp_latency_free(l);
	free(v.blocks);
}

Test(latency, bucket_counters_wrap_without_loss)
{
	struct mp_hist_view v = new_view(1);
	struct mp_latency *l = mp_latency_new(&v);
	struct mp_hist *h = &v.blocks[mp_hist_block(MP_OP_MALLOC, 0)];

	h->bucket[10] = h->calls = UINT32_MAX - 1;
	mp_latency_poll(l, false);
	h->bucket[10] += 5; /* past 2^32 */
	h->calls += 5;
	mp_latency_poll(l, false);
	cr_assert_eq(mp_latency_calls(l, MP_OP_MALLOC), (uint64_t)UINT32_MAX - 1 + 5);
	mp_latency_free(l);
	free(v.blocks);
}

Test(latency, a_half_counted_call_is_completed_at_the_end)
{
	struct mp_hist_view v = new_view(1);
	struct mp_latency *l = mp_latency_new(&v);
	struct mp_hist *h = &v.blocks[mp_hist_block(MP_OP_MALLOC, 0)];

	count(&v, 0, MP_OP_MALLOC, 8, 10);
	mp_latency_poll(l, false);
	h->bucket[11]++; /* the writer is between its first and its last add */
	mp_latency_poll(l, false);
	mp_latency_poll(l, true);
	cr_assert_eq(mp_latency_calls(l, MP_OP_MALLOC), 2);
	mp_latency_free(l);
	free(v.blocks);
}

Test(latency, quantiles_are_nearest_rank_of_recent_calls)
{
	struct mp_hist_view v = new_view(1);
	struct mp_latency *l = mp_latency_new(&v);

	for (int i = 1; i <= 100; i++)
		count(&v, 0, MP_OP_MALLOC, 8, (uint64_t)i);
	mp_latency_poll(l, false);
	cr_assert_eq(mp_latency_recent_quantile(l, MP_OP_MALLOC, 0.5), 50);
	cr_assert_eq(mp_latency_recent_quantile(l, MP_OP_MALLOC, 0.99), 99);
	cr_assert_eq(mp_latency_recent_quantile(l, MP_OP_MALLOC, 1.0), 100);
	cr_assert_eq(mp_latency_recent_quantile(l, MP_OP_FREE, 0.5), 0);
	mp_latency_fade(l);
	cr_assert_eq(mp_latency_recent_calls(l, MP_OP_MALLOC), 0);
	cr_assert_eq(mp_latency_calls(l, MP_OP_MALLOC), 100);
	mp_latency_free(l);
	free(v.blocks);
}

#define WRITERS 4
#define CALLS   100000

struct writer {
	struct mp_hist_view *view;
	unsigned int shard;
};

static void *write_calls(void *arg)
{
	struct writer *w = arg;

	for (unsigned int i = 0; i < CALLS; i++)
		count(w->view, w->shard, i % MP_OP_COUNT, i % 5000, i % 3000);
	return NULL;
}

Test(latency, nothing_is_lost_or_doubled_while_writers_run)
{
	struct mp_hist_view v = new_view(2);
	struct mp_latency *l = mp_latency_new(&v);
	pthread_t threads[WRITERS];
	struct writer writers[WRITERS];

	for (unsigned int i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){&v, i % 2};
		pthread_create(&threads[i], NULL, write_calls, &writers[i]);
	}
	for (int i = 0; i < 1000; i++)
		mp_latency_poll(l, false);
	for (unsigned int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	mp_latency_poll(l, true);
	cr_assert_eq(mp_latency_calls_all(l), (uint64_t)WRITERS * CALLS);
	mp_latency_free(l);
	free(v.blocks);
}

/* What begins before the instant is of the old bank, whenever it is counted; the word is one. */
Test(latency, a_split_word_is_one_instant)
{
	const uint64_t at = 1001;

	for (unsigned int bank = 0; bank < 2; bank++) {
		cr_assert_eq(mp_hist_bank(bank, 1), bank, "never");
		cr_assert_eq(mp_hist_bank(bank, UINT64_MAX - 1), bank, "never");
		cr_assert_eq(mp_hist_bank(mp_hist_split(at, bank), at - 1), bank);
		cr_assert_eq(mp_hist_bank(mp_hist_split(at, bank), at), !bank);
		cr_assert_eq(mp_hist_bank(mp_hist_split(at, bank), UINT64_MAX), !bank);
		cr_assert_eq(mp_hist_split(at - 1, bank), mp_hist_split(at, bank), "even ones are odd");
	}
}

static int64_t stored(struct mp_session *s, int64_t slot_ns)
{
	sqlite3_stmt *st;
	int64_t calls = -1;

	cr_assert_eq(sqlite3_prepare_v2(mp_session_db(s),
			 "SELECT total(calls) FROM latency WHERE slot_ns = ?", -1, &st, NULL),
	    SQLITE_OK);
	sqlite3_bind_int64(st, 1, slot_ns);
	if (sqlite3_step(st) == SQLITE_ROW)
		calls = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return calls;
}

/* Slots 100 to 200, whose end is an instant, and 200 to 300; calls of the first one are counted late. */
Test(latency, a_slot_ends_at_an_instant)
{
	struct mp_hist_view v = new_view(4); /* two banks of two shards */
	struct mp_session *s;
	struct mp_err err;

	v.shards = v.banks = 2;
	struct mp_latency *l = mp_latency_new(&v);
	char path[] = "/tmp/mpsample-latency.XXXXXX";
	cr_assert(mkdtemp(path));
	char *file;
	cr_assert_geq(asprintf(&file, "%s/s.db", path), 0);
	cr_assert_eq(mp_session_create(file, true, &s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(s, &err), 0, "%s", err.text);

	cr_assert_eq(mp_latency_bank(l), 0);
	count(&v, 1, MP_OP_MALLOC, 8, 10);
	cr_assert_eq(mp_latency_ahead(l, s, true, &err), 0);
	count(&v, 2, MP_OP_MALLOC, 8, 10); /* behind the instant, before anybody looks */
	count(&v, 0, MP_OP_MALLOC, 8, 10);
	mp_latency_poll(l, false);
	cr_assert_eq(mp_latency_flush(l, s, 100, &err), 0);
	mp_latency_turn(l, 100);
	cr_assert_eq(mp_latency_bank(l), 1);
	cr_assert_eq(stored(s, 100), 2);
	count(&v, 3, MP_OP_MALLOC, 8, 10);
	count(&v, 0, MP_OP_MALLOC, 8, 10); /* it began before the instant */
	mp_latency_poll(l, false);
	cr_assert_eq(mp_latency_flush(l, s, 200, &err), 0);
	cr_assert_eq(stored(s, 100), 3);
	cr_assert_eq(stored(s, 200), 2);
	count(&v, 1, MP_OP_MALLOC, 8, 10); /* likewise */
	cr_assert_eq(mp_latency_ahead(l, s, true, &err), 0);
	cr_assert_eq(stored(s, 100), 4);
	cr_assert_eq(mp_latency_ahead(l, s, false, &err), 0, "taken back");
	count(&v, 0, MP_OP_MALLOC, 8, 10);
	mp_latency_poll(l, true);
	cr_assert_eq(mp_latency_flush(l, s, 300, &err), 0);
	cr_assert_eq(stored(s, 100), 5);
	cr_assert_eq(mp_latency_calls_all(l), 7);
	cr_assert_eq(mp_session_close(s, &err), 0, "%s", err.text);
	unlink(file);
	rmdir(path);
	free(file);
	mp_latency_free(l);
	free(v.blocks);
}

Test(latency, the_mix_of_sizes_is_that_of_the_last_calls)
{
	struct mp_hist_view v = new_view(1);
	struct mp_latency *l = mp_latency_new(&v);

	cr_assert_eq(mp_latency_size_mix(l).n, 0);
	count(&v, 0, MP_OP_MALLOC, 100, 50);
	count(&v, 0, MP_OP_NEW, 120, 50);
	count(&v, 0, MP_OP_FREE, 0, 50);
	count(&v, 0, MP_OP_CALLOC, 5000, 50);
	count(&v, 0, MP_OP_CALLOC, 5000, 50);
	mp_latency_poll(l, false);
	for (int i = 0; i < 100; i++)
		mp_latency_fade(l); /* nothing new */
	struct mp_size_mix mix = mp_latency_size_mix(l);
	cr_assert_eq(mix.n, 2);
	cr_assert_eq(mix.of[0].bytes, 110);
	cr_assert_eq(mix.of[1].bytes, 5000);
	cr_assert_float_eq(mix.of[0].share, 0.5, 1e-9);
	count(&v, 0, MP_OP_MALLOC, 100, 50);
	mp_latency_poll(l, false);
	mix = mp_latency_size_mix(l);
	cr_assert_float_eq(mix.of[0].share, 2 / 3.0, 1e-9, "%f", mix.of[0].share);
	mp_latency_free(l);
	free(v.blocks);
}
