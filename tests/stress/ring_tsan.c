/* SPDX-License-Identifier: MIT */
/*
 * ring_tsan CALLS
 *
 * Truth: threads record CALLS calls and markers each, by the code of sampler/preload/record.h and with times
 * that are made up, into slots that they take and give back all the time, while a reader drains rings, reads
 * histograms and stacks, and changes the mode and the settings. Whatever the order of things:
 *
 *   - each record that was written is read once, in order, whole, as its thread's
 *   - written + dropped = pushed; in full mode every call is one or the other
 *   - the histograms hold all calls, and never fewer than `calls` says
 *   - the copy of a stack is that record's, and what lay there
 *
 * Exits with 0 when all held, else says what did not. Built with ThreadSanitizer, which looks for accesses
 * that nothing orders, and without. The figures that it prints depend on the machine's mood.
 */
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/preload/record.h"

enum { THREADS = 4, SLOTS = 3, RING = 64, FIRST_TID = 1000 };

#define EXPECT(ok, ...) ((ok) ? (void)0 : fail(__LINE__, __VA_ARGS__))
#define PATTERN         0x7061747465726e21ULL

enum kind { CALL, MARKER, MARKER_WITH_MORE, KINDS };

struct block_sum {
	uint64_t calls[MP_HIST_LINE_COUNT], bytes, sum_ns, max_ns;
};

struct thread {
	pthread_t thread;
	uint32_t tid;
	uint64_t pushed, written,
	    dropped;               /* records of calls kept and markers; owners' records are not among them */
	uint64_t recorded;         /* calls */
	unsigned char *is_written; /* [calls]; by the thread */
	unsigned char *is_read;    /* [calls]; by the reader */
	struct block_sum truth[MP_SLOT_BLOCKS];
};

struct reader {
	uint64_t stacks_tail, last[THREADS], calls;
	uint32_t tid;
	bool is_more_due;
};

static uint64_t calls_each;
static struct mp_region *region;
static struct thread threads[THREADS];
static struct mp_slot *slots[SLOTS];
static struct reader readers[SLOTS];
static unsigned int threads_left = THREADS;
static struct {
	uint64_t records, owners, outliers, samples, full, markers, stacks, slept, changes;
} seen;

__attribute__((format(printf, 2, 3))) static void fail(int line, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "ring_tsan.c:%d: ", line);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

/* ---- What a call is: all of it follows from its thread and number, so that a torn record shows ---- */

struct made_up {
	enum kind kind;
	uint32_t op;
	uint64_t t, size, ns;
};

static struct made_up make_up(uint32_t tid, uint64_t number)
{
	uint64_t x = (number + 1) * 0x9e3779b97f4a7c15ULL ^ (uint64_t)tid << 48;

	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ULL;
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ULL;
	x ^= x >> 32;
	return (struct made_up){
	    .kind = number % 16 < 14    ? CALL
		    : number % 16 == 14 ? MARKER
					: MARKER_WITH_MORE,
	    .op = (uint32_t)(x % MP_OP_COUNT),
	    .t = number,
	    .size = x >> 20 >> (20 + x % 24),
	    .ns = x >> 24 >> (x >> 8) % 40,
	};
}

static uint64_t address_of(uint32_t tid, uint64_t number)
{
	return (uint64_t)tid << 40 | number;
}

/* ---- The writers ---- */

/* An interposed function that has something on its stack that a copy has to hold. */
static __attribute__((noinline)) void call_with_pattern(
    struct mp_slot *s, const struct made_up *m, uint64_t addr)
{
	volatile uint64_t pattern[16];

	pattern[0] = PATTERN;
	pattern[1] = (uint64_t)(uintptr_t)pattern;
	for (int i = 2; i < 16; i++)
		pattern[i] = addr;
	mp_record_call(region, s, m->op, m->size, addr,
	    (struct mp_stamps){m->t, m->t + m->ns + region->floor_ticks, 0, false},
	    (uint64_t)__builtin_frame_address(0));
	pattern[0] = 0;
}

static void count_truth(struct thread *t, const struct made_up *m)
{
	struct block_sum *b = &t->truth[m->op * MP_SIZE_CLASSES + mp_size_class(m->size)];

	b->calls[mp_hist_bucket(m->ns) / MP_HIST_LINE]++;
	b->bytes += m->size;
	b->sum_ns += m->ns;
	if (m->ns > b->max_ns)
		b->max_ns = m->ns;
	t->recorded++;
}

static void push_marker(struct mp_slot *s, const struct made_up *m, uint64_t addr)
{
	struct mp_record record = {
	    m->t, addr, m->size, (uint64_t)(MP_KIND_MARKER + m->kind) << MP_KIND_SHIFT};
	const struct mp_record more = {m->t, addr, m->size, (uint64_t)MP_KIND_MORE << MP_KIND_SHIFT};

	if (m->kind == MARKER) {
		mp_ring_push(s, &record);
		return;
	}
	if (!mp_ring_has_room(s, 2)) {
		mp_add(&s->dropped, 1);
		return;
	}
	mp_ring_push(s, &record);
	mp_ring_push(s, &more);
}

static void do_one(struct thread *t, struct mp_slot *s, uint64_t number)
{
	const struct made_up m = make_up(t->tid, number);
	uint64_t addr = address_of(t->tid, number);
	uint32_t word = mp_load(&region->word);

	if (!(word & MP_WORD_MODE))
		return; /* dormant */
	if (s->word != word)
		mp_slot_settings(region, s, word);

	uint64_t head = s->head, dropped = s->dropped;
	bool was_named = s->named_tid == s->tid;
	if (m.kind == CALL) {
		count_truth(t, &m);
		call_with_pattern(s, &m, addr);
	} else {
		push_marker(s, &m, addr);
	}
	uint64_t written = s->head - head - (!was_named && s->named_tid == s->tid);
	dropped = s->dropped - dropped;
	EXPECT(
	    written + dropped * (m.kind == MARKER_WITH_MORE ? 2 : 1) <= 2, "%u: too much is written", t->tid);
	if (m.kind != CALL || (s->word & MP_WORD_MODE) == MP_MODE_FULL)
		EXPECT(!!written != !!dropped, "%u: %lu is neither written nor dropped", t->tid, number);
	t->is_written[number] = !!written;
	t->written += !!written;
	t->dropped += dropped;
	t->pushed += written || dropped;
}

/* As sampler/preload/region.c does it. */
static struct mp_slot *claim(uint32_t tid)
{
	for (int i = 0;; i = (i + 1) % SLOTS) {
		uint32_t free = 0;

		if (__atomic_compare_exchange_n(
			&region->owner[i], &free, tid, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			slots[i]->tid = tid;
			slots[i]->word = 0;
			return slots[i];
		}
		if (i == SLOTS - 1)
			sched_yield();
	}
}

static void release(const struct mp_slot *s)
{
	for (int i = 0; i < SLOTS; i++)
		if (slots[i] == s)
			mp_store_release(&region->owner[i], 0);
}

static void know_stack(struct mp_slot *s)
{
	pthread_attr_t attr;
	void *lo;
	size_t size;

	if (pthread_getattr_np(pthread_self(), &attr))
		return;
	if (!pthread_attr_getstack(&attr, &lo, &size)) {
		s->stack_lo = (uint64_t)(uintptr_t)lo;
		s->stack_hi = s->stack_lo + size;
	}
	pthread_attr_destroy(&attr);
}

/* Rings are now full, now empty, and now on the edge, which a writer at full speed never leaves. */
static void keep_pace(const struct mp_slot *s, uint32_t pace, uint64_t number)
{
	if (pace == 1 && number % 8 == 0)
		sched_yield();
	while (pace >= 2 && s->head - mp_load(&s->tail) >= RING - 2 + pace % 4)
		sched_yield();
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	uint64_t random = t->tid * 0x9e3779b97f4a7c15ULL;

	for (uint64_t number = 0; number < calls_each;) {
		uint64_t until = number + mp_random(&random) % 2000 + 1;
		uint32_t pace = mp_random(&random) % 5;
		struct mp_slot *s = claim(t->tid);

		s->stack_lo = s->stack_hi = 0;
		if (mp_random(&random) % 2)
			know_stack(s);
		for (; number < until && number < calls_each; number++) {
			do_one(t, s, number);
			keep_pace(s, pace, number);
		}
		release(s);
	}
	__atomic_fetch_sub(&threads_left, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* ---- The reader ---- */

/* The copy that the record at `position` says it has: it holds the pattern, at the place where it was. */
static void read_stack(struct mp_slot *s, struct reader *r, uint64_t position, const struct mp_record *record)
{
	static uint64_t words[MP_STACK_COPY_MAX / 8];
	struct mp_stack_copy copy;
	uint64_t head = mp_load_acquire(&s->stacks_head), at = r->stacks_tail;
	uint64_t offset = at % MP_STACKS_BYTES;

	EXPECT(head > at && head - at <= MP_STACKS_BYTES, "no copy of a stack");
	if (MP_STACKS_BYTES - offset >= sizeof(copy))
		memcpy(&copy, s->stacks + offset, sizeof(copy));
	if (MP_STACKS_BYTES - offset < sizeof(copy) || copy.position != at) {
		at += MP_STACKS_BYTES - offset;
		offset = 0;
		memcpy(&copy, s->stacks, sizeof(copy));
	}
	EXPECT(copy.position == at && copy.record == position,
	    "the copy at %lu of %lu is said to be that at %lu of %lu", at, position, copy.position,
	    copy.record);
	EXPECT(copy.bytes % 8 == 0 && copy.bytes <= MP_STACK_COPY_MAX &&
		   copy.bytes <= MP_STACKS_BYTES - offset - sizeof(copy),
	    "copy of %lu bytes", copy.bytes);
	memcpy(words, s->stacks + offset + sizeof(copy), copy.bytes);
	bool is_found = false;
	for (uint64_t i = 0; i + 16 <= copy.bytes / 8 && !is_found; i++)
		is_found = words[i] == PATTERN && words[i + 1] == copy.sp + 8 * i &&
			   words[i + 2] == record->addr && words[i + 15] == record->addr;
	EXPECT(is_found, "%lu bytes of stack from %lx without the pattern", copy.bytes, copy.sp);
	EXPECT(copy.frame >= copy.sp && copy.frame < copy.sp + copy.bytes, "the frame is not in the copy");
	r->stacks_tail = at + sizeof(copy) + copy.bytes;
	seen.stacks++;
}

static void check_call(const struct mp_record *record, const struct made_up *m)
{
	uint64_t ns = m->ns < MP_HIST_MAX_NS ? m->ns : MP_HIST_MAX_NS;
	uint32_t kept = record->what >> MP_KEPT_SHIFT & 3;
	uint32_t weight = mp_weight_unpack(record->what >> MP_WEIGHT_SHIFT);

	EXPECT((record->what & MP_WHAT_NS) == ns && (record->what >> MP_KIND_SHIFT & MP_KIND_MASK) == m->op,
	    "a call whose parts do not belong together");
	EXPECT(kept && (kept == MP_KEPT_SAMPLE ? weight >= 1 : weight == 1), "kept for %u with weight %u",
	    kept, weight);
	seen.outliers += kept == MP_KEPT_OUTLIER;
	seen.samples += kept == MP_KEPT_SAMPLE;
	seen.full += kept == MP_KEPT_FULL;
}

static void check_record(
    struct mp_slot *s, struct reader *r, uint64_t position, const struct mp_record *record)
{
	uint32_t kind = record->what >> MP_KIND_SHIFT & MP_KIND_MASK;

	if (kind == MP_KIND_THREAD) {
		EXPECT(!r->is_more_due, "another owner within a marker");
		r->tid = (uint32_t)record->addr;
		EXPECT(r->tid - FIRST_TID < THREADS, "owner %u", r->tid);
		seen.owners++;
		return;
	}
	uint64_t number = record->t;
	EXPECT(number < calls_each && record->addr == address_of(r->tid, number),
	    "record %lx in the name of %u", record->addr, r->tid);
	struct thread *t = &threads[r->tid - FIRST_TID];
	const struct made_up m = make_up(r->tid, number);

	EXPECT(record->size == m.size, "torn: size %lu, not %lu", record->size, m.size);
	EXPECT((kind == MP_KIND_MORE) == r->is_more_due, "half a marker");
	r->is_more_due = kind == MP_KIND_MARKER + MARKER_WITH_MORE;
	if (kind == MP_KIND_MORE)
		return;
	EXPECT(!r->last[r->tid - FIRST_TID] || number >= r->last[r->tid - FIRST_TID], "out of order");
	r->last[r->tid - FIRST_TID] = number + 1;
	EXPECT(!t->is_read[number], "record %lu of %u is read twice", number, r->tid);
	t->is_read[number] = 1;
	seen.records++;
	if (m.kind == CALL)
		check_call(record, &m);
	else
		seen.markers++;
	if (record->what >> MP_STACK_SHIFT & 1)
		read_stack(s, r, position, record);
}

static void drain(int i, uint64_t batch)
{
	struct mp_slot *s = slots[i];
	struct mp_ring_span span;

	EXPECT(mp_ring_readable(s, RING, &span), "the ring holds more than fits in");
	for (uint64_t position = span.from; position < span.to; position++) {
		struct mp_record record;

		mp_ring_peek(mp_slot_ring(s), RING, position, &record);
		check_record(s, &readers[i], position, &record);
		if (position % batch == 0) {
			mp_ring_release(s, position + 1);
			mp_store_release(&s->stacks_tail, readers[i].stacks_tail);
		}
	}
	mp_ring_release(s, span.to);
	mp_store_release(&s->stacks_tail, readers[i].stacks_tail);
}

/* Adds what the slot holds to `into`, if that is given. */
static void read_histogram(int i, struct block_sum *into)
{
	struct mp_slot *s = slots[i];
	uint64_t calls = mp_load_acquire(&s->calls), total = 0;
	uint32_t lines = mp_load_acquire(&s->lines);

	EXPECT(calls >= readers[i].calls && lines <= MP_FINE_LINES, "the histogram of slot %d", i);
	readers[i].calls = calls;
	for (uint32_t line = 1; line < lines; line++) {
		uint32_t key = mp_load(&s->line_key[line]);
		uint32_t block = key / MP_HIST_LINE_COUNT, number = key % MP_HIST_LINE_COUNT;

		EXPECT(block < MP_SLOT_BLOCKS, "line of block %u", block);
		for (int k = 0; k < MP_HIST_LINE; k++) {
			uint32_t count = mp_load(&s->line[line][k]);
			total += count;
			if (into)
				into[block].calls[number] += count;
		}
	}
	for (uint32_t block = 0; block < MP_SLOT_BLOCKS; block++) {
		for (uint32_t number = 0; number < MP_HIST_LINE_COUNT; number++) {
			uint32_t count = mp_load(&s->line[MP_FINE_LINES + block][number]);
			total += count;
			if (into)
				into[block].calls[number] += count;
		}
		uint64_t max = mp_load(&s->sum[block].max);
		EXPECT(max >> MP_MAX_SHIFT <= region->period, "a maximum of the future");
		if (!into)
			continue;
		into[block].bytes += mp_load(&s->sum[block].bytes);
		into[block].sum_ns += mp_load(&s->sum[block].sum_ns);
	}
	EXPECT(into ? total == calls : total >= calls, "%lu calls in the histogram of slot %d, %lu recorded",
	    total, i, calls);
}

/* What a recorder sets while it records, and now and then a new recorder's coming after the old one's lease.
 */
static void change_settings(uint64_t *random)
{
	static const uint32_t weights[] = {0, 1, 2, 7, 100, 1000};
	uint32_t mode = mp_random(random) % 3 ? MP_MODE_ACTIVE : MP_MODE_FULL, word = mp_load(&region->word);

	for (int op = 0; op < MP_OP_COUNT; op++)
		mp_store(&region->keep_over_ns[op], 1ULL << (20 + mp_random(random) % 24));
	mp_store(&region->sample_weight, weights[mp_random(random) % 6]);
	mp_store(&region->take_stacks, mp_random(random) % 4 != 0);
	mp_store(&region->double_samples, mp_random(random) % 2 * 50);
	mp_store(&region->double_outliers, mp_random(random) % 2 * 50);
	mp_store(&region->lease_ticks, mp_random(random) % 8 ? UINT64_MAX : 0);
	mp_store(&region->period, region->period + 1);
	if (!(word & MP_WORD_MODE))
		seen.slept++;
	mp_store_release(&region->word, (word & ~MP_WORD_MODE) + MP_WORD_CHANGE + mode);
	seen.changes++;
}

static void read_all(void)
{
	uint64_t random = 88172645463325252ULL;

	while (__atomic_load_n(&threads_left, __ATOMIC_ACQUIRE)) {
		for (int i = 0; i < SLOTS; i++)
			drain(i, 1 + mp_random(&random) % RING);
		if (mp_random(&random) % 8 == 0)
			read_histogram((int)(mp_random(&random) % SLOTS), NULL);
		if (mp_random(&random) % 64 == 0 || !(mp_load(&region->word) & MP_WORD_MODE))
			change_settings(&random);
	}
	for (int i = 0; i < SLOTS; i++)
		drain(i, RING);
}

/* ---- The end ---- */

static void compare_histograms(void)
{
	static struct block_sum found[MP_SLOT_BLOCKS];
	uint64_t max[MP_SLOT_BLOCKS] = {0};

	for (int i = 0; i < SLOTS; i++)
		read_histogram(i, found);
	for (int t = 0; t < THREADS; t++)
		for (int b = 0; b < MP_SLOT_BLOCKS; b++) {
			const struct block_sum *truth = &threads[t].truth[b];
			for (int n = 0; n < MP_HIST_LINE_COUNT; n++)
				found[b].calls[n] -= truth->calls[n];
			found[b].bytes -= truth->bytes;
			found[b].sum_ns -= truth->sum_ns;
			max[b] = max[b] > truth->max_ns ? max[b] : truth->max_ns;
		}
	for (int b = 0; b < MP_SLOT_BLOCKS; b++) {
		for (int n = 0; n < MP_HIST_LINE_COUNT; n++)
			EXPECT(!found[b].calls[n], "line %d of block %d is wrong by %ld calls", n, b,
			    (long)found[b].calls[n]);
		EXPECT(!found[b].bytes && !found[b].sum_ns, "sums of block %d", b);
		for (int i = 0; i < SLOTS; i++)
			EXPECT((slots[i]->sum[b].max & MP_HIST_MAX_NS) <= max[b], "maximum of block %d", b);
	}
}

static void compare_records(void)
{
	uint64_t written = 0, dropped = 0, pushed = 0, heads = 0, in_slots = 0;

	for (int t = 0; t < THREADS; t++) {
		EXPECT(!memcmp(threads[t].is_written, threads[t].is_read, calls_each),
		    "thread %d: not all that was written was read", t);
		written += threads[t].written;
		dropped += threads[t].dropped;
		pushed += threads[t].pushed;
	}
	for (int i = 0; i < SLOTS; i++) {
		heads += slots[i]->head;
		in_slots += slots[i]->dropped;
		EXPECT(slots[i]->tail == slots[i]->head && readers[i].stacks_tail == slots[i]->stacks_head,
		    "something is left in slot %d", i);
	}
	EXPECT(
	    written + dropped == pushed, "%lu written + %lu dropped != %lu pushed", written, dropped, pushed);
	EXPECT(seen.records == written && in_slots == dropped, "%lu read of %lu", seen.records, written);
	EXPECT(heads >= written + seen.owners, "heads");
	printf("written %lu dropped %lu owners %lu outliers %lu samples %lu full %lu markers %lu stacks %lu "
	       "changes "
	       "%lu slept %lu\n",
	    written, dropped, seen.owners, seen.outliers, seen.samples, seen.full, seen.markers, seen.stacks,
	    seen.changes, seen.slept);
}

static void *zeroed(size_t bytes)
{
	void *p = aligned_alloc(MP_LINE_BYTES, MP_PAGE_ROUND(bytes));

	if (!p)
		abort();
	return memset(p, 0, MP_PAGE_ROUND(bytes));
}

static void set_up(void)
{
	uint64_t random = 1;

	region = zeroed(sizeof(*region));
	region->ns_per_tick = 1ULL << 32;
	region->floor_ticks = 11;
	change_settings(&random);
	region->lease_ticks = UINT64_MAX;
	for (int i = 0; i < SLOTS; i++) {
		slots[i] = zeroed(mp_region_slot_bytes(RING));
		slots[i]->ring_mask = RING - 1;
		slots[i]->lines = 1;
		slots[i]->random = (uint64_t)i + 1;
	}
	for (uint32_t t = 0; t < THREADS; t++) {
		threads[t].tid = FIRST_TID + t;
		threads[t].is_written = zeroed(calls_each);
		threads[t].is_read = zeroed(calls_each);
	}
}

int main(int argc, char **argv)
{
	calls_each = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
	if (!calls_each) {
		fputs("usage: ring_tsan CALLS\n", stderr);
		return 2;
	}
	set_up();
	for (int t = 0; t < THREADS; t++)
		if (pthread_create(&threads[t].thread, NULL, thread_main, &threads[t]))
			fail(__LINE__, "cannot make thread %d", t);
	read_all();
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t].thread, NULL);
	compare_histograms();
	compare_records();
	for (int i = 0; i < SLOTS; i++)
		free(slots[i]);
	for (int t = 0; t < THREADS; t++) {
		free(threads[t].is_written);
		free(threads[t].is_read);
	}
	free(region);
	return 0;
}
