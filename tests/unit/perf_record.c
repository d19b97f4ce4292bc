/* SPDX-License-Identifier: MIT */
#include "sampler/perf/record.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A record as a kernel of either byte order writes it. */
struct writer {
	unsigned char b[1024];
	size_t n;
	bool is_swapped;
};

static void put16(struct writer *w, uint16_t v)
{
	v = w->is_swapped ? __builtin_bswap16(v) : v;
	memcpy(w->b + w->n, &v, sizeof(v));
	w->n += sizeof(v);
}

static void put32(struct writer *w, uint32_t v)
{
	v = w->is_swapped ? __builtin_bswap32(v) : v;
	memcpy(w->b + w->n, &v, sizeof(v));
	w->n += sizeof(v);
}

static void put64(struct writer *w, uint64_t v)
{
	v = w->is_swapped ? __builtin_bswap64(v) : v;
	memcpy(w->b + w->n, &v, sizeof(v));
	w->n += sizeof(v);
}

/* Padded with zeros to 8, as the kernel does. */
static void put_text(struct writer *w, const char *s)
{
	size_t n = (strlen(s) + 1 + 7) / 8 * 8;

	memset(w->b + w->n, 0, n);
	memcpy(w->b + w->n, s, strlen(s));
	w->n += n;
}

static void begin(struct writer *w, bool is_swapped, uint32_t type, uint16_t misc)
{
	*w = (struct writer){.is_swapped = is_swapped};
	put32(w, type);
	put16(w, misc);
	put16(w, 0);
}

static void set_size(struct writer *w, size_t n)
{
	struct writer size = {.is_swapped = w->is_swapped};

	put16(&size, (uint16_t)n);
	memcpy(w->b + 6, size.b, 2);
}

#define IDENTITY                                                                                             \
	(PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU |     \
	    PERF_SAMPLE_IDENTIFIER)

static struct mp_perf_layout identity_layout(bool is_swapped)
{
	return (struct mp_perf_layout){
	    .sample_type = IDENTITY | PERF_SAMPLE_IP, .sample_id_all = true, .is_swapped = is_swapped};
}

static void put_identity(struct writer *w)
{
	put32(w, 4001);
	put32(w, 4002);
	put64(w, 123456789012ull);
	put64(w, 77);
	put64(w, 78);
	put32(w, 3);
	put32(w, 0);
	put64(w, 77);
	set_size(w, w->n);
}

static void check_identity(const struct mp_perf_record *r)
{
	cr_assert_eq(r->pid, 4001);
	cr_assert_eq(r->tid, 4002);
	cr_assert_eq(r->time, 123456789012ull);
	cr_assert_eq(r->id, 77);
	cr_assert_eq(r->stream_id, 78);
	cr_assert_eq(r->cpu, 3);
	cr_assert_eq(r->has & IDENTITY, IDENTITY);
}

/* In a block of just their size, so that the sanitizers notice what reads behind them. */
static int parse_exact(
    const struct mp_perf_layout *l, const struct writer *w, size_t n, struct mp_perf_record *out)
{
	static unsigned char *copy;

	free(copy); /* of the record before: this one stays readable */
	copy = malloc(n ? n : 1);
	memcpy(copy, w->b, n);
	return mp_perf_record_parse(l, copy, n, out);
}

static void parse(const struct mp_perf_layout *l, const struct writer *w, struct mp_perf_record *out)
{
	cr_assert_eq(parse_exact(l, w, w->n, out), 0);
}

/* Every shorter one is refused, whether its header says how short it is or not. */
static void check_truncated(const struct mp_perf_layout *l, const struct writer *whole, size_t needed)
{
	static const struct mp_perf_record empty;
	struct mp_perf_record r;

	for (size_t n = 0; n < whole->n; n++) {
		struct writer w = *whole;

		memset(&r, 0xff, sizeof(r));
		cr_assert_eq(parse_exact(l, &w, n, &r), -EBADMSG, "%zu of %zu bytes", n, whole->n);
		cr_assert_eq(memcmp(&r, &empty, sizeof(r)), 0, "%zu bytes leave something", n);
		if (n < sizeof(struct perf_event_header))
			continue;
		set_size(&w, n);
		int ret = parse_exact(l, &w, n, &r);
		if (n < needed)
			cr_assert_eq(ret, -EBADMSG, "%zu bytes that say so", n);
	}
}

static bool text_is(struct mp_perf_bytes t, const char *expected)
{
	return t.n == strlen(expected) && !memcmp(t.at, expected, t.n);
}

#define BOTH_ORDERS(swapped) for (int swapped = 0; swapped < 2; swapped++)

/* ---- Samples ---- */

#define BRANCH_COUNTERS (1u << 19)
#define FORMAT_LOST     (1u << 4)

static struct mp_perf_layout full_layout(bool is_swapped)
{
	return (struct mp_perf_layout){
	    .sample_type = (PERF_SAMPLE_MAX - 1) & ~(uint64_t)PERF_SAMPLE_WEIGHT,
	    .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING | PERF_FORMAT_ID |
			   PERF_FORMAT_GROUP | FORMAT_LOST,
	    .branch_sample_type = PERF_SAMPLE_BRANCH_HW_INDEX | BRANCH_COUNTERS,
	    .sample_regs_user = 0x8000000000000005,
	    .sample_regs_intr = 0x3,
	    .is_swapped = is_swapped,
	};
}

static void put_full_head(struct writer *w)
{
	put64(w, 55); /* identifier */
	put64(w, 0xffffffff81000123);
	put32(w, 10);
	put32(w, 11);
	put64(w, 1000000001);
	put64(w, 0x7f0011223344);
	put64(w, 55);
	put64(w, 56);
	put32(w, 7);
	put32(w, 0);
	put64(w, 4000);
}

static void put_full_arrays(struct writer *w)
{
	/* read: two of a group, with their ids and losses */
	put64(w, 2);
	put64(w, 101);
	put64(w, 102);
	for (uint64_t i = 0; i < 6; i++)
		put64(w, 200 + i);
	put64(w, 3);
	put64(w, PERF_CONTEXT_USER);
	put64(w, 0x401000);
	put64(w, 0x402000);
	put32(w, 12); /* raw: with its length a multiple of 8 */
	memcpy(w->b + w->n, "raw contents", 12);
	w->n += 12;
	put64(w, 2); /* branches */
	put64(w, 9); /* hw_idx */
	for (uint64_t i = 0; i < 6; i++)
		put64(w, 300 + i);
	put64(w, 0xc0);
	put64(w, 0xc1);
	put64(w, PERF_SAMPLE_REGS_ABI_64);
	for (uint64_t i = 0; i < 3; i++)
		put64(w, 400 + i);
	put64(w, 16);
	memcpy(w->b + w->n, "stackstackstack!", 16);
	w->n += 16;
	put64(w, 10); /* of which are meant */
}

static void put_full_tail(struct writer *w)
{
	put64(w, 0x000300020000002a); /* as a struct: 42, 2, 3 */
	put64(w, 0x68100142);
	put64(w, 0x11);
	put64(w, PERF_SAMPLE_REGS_ABI_32);
	put64(w, 500);
	put64(w, 501);
	put64(w, 0x123456000);
	put64(w, 600); /* cgroup */
	put64(w, 4096);
	put64(w, 2097152);
	put64(w, 8);
	memcpy(w->b + w->n, "auxdata.", 8);
	w->n += 8;
	set_size(w, w->n);
}

static void make_full(struct writer *w, bool is_swapped)
{
	begin(w, is_swapped, PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER | PERF_RECORD_MISC_EXACT_IP);
	put_full_head(w);
	put_full_arrays(w);
	put_full_tail(w);
}

Test(perf_record, every_bit_of_a_sample)
{
	BOTH_ORDERS(swapped)
	{
		struct mp_perf_layout l = full_layout(swapped);
		struct mp_perf_record r;
		struct writer w;

		make_full(&w, swapped);
		parse(&l, &w, &r);
		cr_assert_eq(r.type, PERF_RECORD_SAMPLE);
		cr_assert_eq(r.misc, PERF_RECORD_MISC_USER | PERF_RECORD_MISC_EXACT_IP);
		cr_assert_eq(r.has, l.sample_type);
		cr_assert_eq(r.id, 55);
		cr_assert_eq(r.stream_id, 56);
		cr_assert_eq(r.ip, 0xffffffff81000123);
		cr_assert(r.pid == 10 && r.tid == 11 && r.cpu == 7);
		cr_assert_eq(r.time, 1000000001);
		cr_assert_eq(r.addr, 0x7f0011223344);
		cr_assert_eq(r.period, 4000);
		cr_assert_eq(r.weight, 42);
		cr_assert_eq(r.weight2, 2);
		cr_assert_eq(r.weight3, 3);
		cr_assert_eq(r.data_src, 0x68100142);
		cr_assert_eq(r.transaction, 0x11);
		cr_assert_eq(r.phys_addr, 0x123456000);
		cr_assert_eq(r.cgroup, 600);
		cr_assert_eq(r.data_page_size, 4096);
		cr_assert_eq(r.code_page_size, 2097152);
	}
}

Test(perf_record, arrays_of_a_sample)
{
	BOTH_ORDERS(swapped)
	{
		struct mp_perf_layout l = full_layout(swapped);
		struct mp_perf_record r;
		struct writer w;

		make_full(&w, swapped);
		parse(&l, &w, &r);
		cr_assert_eq(r.read.n, 9);
		cr_assert_eq(mp_perf_u64(&r.read, 0), 2);
		cr_assert_eq(mp_perf_u64(&r.read, 8), 205);
		cr_assert_eq(r.callchain.n, 3);
		cr_assert_eq(mp_perf_u64(&r.callchain, 0), (uint64_t)PERF_CONTEXT_USER);
		cr_assert_eq(mp_perf_u64(&r.callchain, 2), 0x402000);
		cr_assert_eq(mp_perf_u64(&r.callchain, 3), 0); /* outside */
		cr_assert(r.raw.n == 12 && !memcmp(r.raw.at, "raw contents", 12));
		cr_assert_eq(r.branches.n, 6);
		cr_assert_eq(mp_perf_u64(&r.branches, 0), 300);
		cr_assert_eq(mp_perf_u64(&r.branches, 5), 305);
		cr_assert_eq(r.regs_user.abi, PERF_SAMPLE_REGS_ABI_64);
		cr_assert_eq(r.regs_user.mask, l.sample_regs_user);
		cr_assert_eq(r.regs_user.value.n, 3);
		cr_assert_eq(mp_perf_u64(&r.regs_user.value, 2), 402);
		cr_assert(r.stack.n == 10 && !memcmp(r.stack.at, "stackstack", 10));
		cr_assert_eq(r.regs_intr.abi, PERF_SAMPLE_REGS_ABI_32);
		cr_assert_eq(mp_perf_u64(&r.regs_intr.value, 1), 501);
		cr_assert(r.aux.n == 8 && !memcmp(r.aux.at, "auxdata.", 8));
	}
}

Test(perf_record, a_truncated_sample_is_refused_at_every_length)
{
	BOTH_ORDERS(swapped)
	{
		struct mp_perf_layout l = full_layout(swapped);
		struct writer w;

		make_full(&w, swapped);
		check_truncated(&l, &w, w.n);
	}
}

/* Each bit by itself: one value, and nothing of the others. */
Test(perf_record, single_bits)
{
	for (unsigned int bit = 0; 1u << bit < PERF_SAMPLE_MAX; bit++) {
		BOTH_ORDERS(swapped)
		{
			struct mp_perf_layout l = {.sample_type = 1ull << bit, .is_swapped = swapped};
			struct mp_perf_record r;
			struct writer w;

			begin(&w, swapped, PERF_RECORD_SAMPLE, 0);
			put64(&w, 0); /* as a number, and as the length of an array */
			set_size(&w, w.n);
			parse(&l, &w, &r);
			cr_assert_eq(r.has, l.sample_type);
			check_truncated(&l, &w, l.sample_type == PERF_SAMPLE_RAW ? 12 : w.n);
		}
	}
}

Test(perf_record, weight_is_one_word_or_three_parts)
{
	BOTH_ORDERS(swapped)
	{
		struct mp_perf_layout l = {.sample_type = PERF_SAMPLE_WEIGHT, .is_swapped = swapped};
		struct mp_perf_record r;
		struct writer w;

		begin(&w, swapped, PERF_RECORD_SAMPLE, 0);
		put64(&w, 0x000300020000002a);
		set_size(&w, w.n);
		parse(&l, &w, &r);
		cr_assert_eq(r.weight, 0x000300020000002a);
		cr_assert(!r.weight2 && !r.weight3);
		l.sample_type = PERF_SAMPLE_WEIGHT_STRUCT;
		parse(&l, &w, &r);
		cr_assert(r.weight == 42 && r.weight2 == 2 && r.weight3 == 3);
	}
}

/* A big-endian machine writes its structure the other way round: the same word. */
Test(perf_record, weight_struct_of_a_big_endian_machine)
{
	static const unsigned char be[] = {0, 0, 0, 9, 0, 0, 0, 16, /* header */
	    0, 3, 0, 2, 0, 0, 0, 42};                               /* var3_w, var2_w, var1_dw */
	struct mp_perf_layout l = {.sample_type = PERF_SAMPLE_WEIGHT_STRUCT,
	    .is_swapped = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__};
	struct mp_perf_record r;

	cr_assert_eq(mp_perf_record_parse(&l, be, sizeof(be), &r), 0);
	cr_assert(r.weight == 42 && r.weight2 == 2 && r.weight3 == 3);
}

Test(perf_record, pairs_of_a_big_endian_machine)
{
	static const unsigned char be[] = {0, 0, 0, 9, 0, 2, 0, 24, /* header: misc 2 */
	    0, 0, 1, 0, 0, 0, 2, 1,                                 /* pid, tid */
	    0, 0, 0, 5, 0, 0, 0, 0};                                /* cpu, reserved */
	struct mp_perf_layout l = {.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_CPU,
	    .is_swapped = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__};
	struct mp_perf_record r;

	cr_assert_eq(mp_perf_record_parse(&l, be, sizeof(be), &r), 0);
	cr_assert_eq(r.misc, PERF_RECORD_MISC_USER);
	cr_assert(r.pid == 256 && r.tid == 513 && r.cpu == 5);
}

Test(perf_record, absurd_lengths_are_refused)
{
	static const uint64_t types[] = {PERF_SAMPLE_CALLCHAIN, PERF_SAMPLE_RAW, PERF_SAMPLE_BRANCH_STACK,
	    PERF_SAMPLE_STACK_USER, PERF_SAMPLE_AUX, PERF_SAMPLE_READ};
	static const uint64_t lengths[] = {3, UINT16_MAX, UINT32_MAX, 1ull << 61, (1ull << 61) + 1,
	    UINT64_MAX / 3, UINT64_MAX / 8 + 1, UINT64_MAX};

	for (size_t t = 0; t < sizeof(types) / sizeof(*types); t++)
		for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
			struct mp_perf_layout l = {.sample_type = types[t], .read_format = PERF_FORMAT_GROUP};
			struct mp_perf_record r;
			struct writer w;

			begin(&w, false, PERF_RECORD_SAMPLE, 0);
			if (types[t] == PERF_SAMPLE_RAW)
				put32(&w, (uint32_t)lengths[i] | 1); /* of 32 bits: not 0 */
			else
				put64(&w, lengths[i]);
			set_size(&w, w.n);
			cr_assert_eq(
			    mp_perf_record_parse(&l, w.b, w.n, &r), -EBADMSG, "bit %zu, length %zu", t, i);
		}
}

Test(perf_record, registers_that_were_not_taken_and_no_stack)
{
	struct mp_perf_layout l = {
	    .sample_type = PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER | PERF_SAMPLE_WEIGHT,
	    .sample_regs_user = 0xff};
	struct mp_perf_record r;
	struct writer w;

	begin(&w, false, PERF_RECORD_SAMPLE, 0);
	put64(&w, PERF_SAMPLE_REGS_ABI_NONE);
	put64(&w, 0); /* no stack, and then no word of how much is meant */
	put64(&w, 31);
	set_size(&w, w.n);
	parse(&l, &w, &r);
	cr_assert_eq(r.regs_user.value.n, 0);
	cr_assert_null(r.stack.at);
	cr_assert_eq(r.weight, 31);
}

/* ---- Other records ---- */

static void check_other(struct writer *w, struct mp_perf_record *r, const char *what)
{
	struct mp_perf_layout l = identity_layout(w->is_swapped);

	put_identity(w);
	cr_assert_eq(parse_exact(&l, w, w->n, r), 0, "%s", what);
	check_identity(r);
	/* Text may be missing; what stands before it may not. */
	check_truncated(&l, w,
	    r->type == PERF_RECORD_MMAP || r->type == PERF_RECORD_MMAP2 || r->type == PERF_RECORD_COMM ||
		    r->type == PERF_RECORD_KSYMBOL
		? w->n - 16
		: w->n);
	cr_assert_eq(parse_exact(&l, w, w->n, r), 0);
}

Test(perf_record, mappings)
{
	BOTH_ORDERS(swapped)
	{
		struct mp_perf_record r;
		struct writer w;

		begin(&w, swapped, PERF_RECORD_MMAP, PERF_RECORD_MISC_USER);
		put32(&w, 21);
		put32(&w, 22);
		put64(&w, 0x400000);
		put64(&w, 0x1000);
		put64(&w, 0x2000);
		put_text(&w, "/bin/engine"); /* 16 bytes */
		check_other(&w, &r, "MMAP");
		cr_assert(r.u.map.pid == 21 && r.u.map.tid == 22);
		cr_assert(r.u.map.addr == 0x400000 && r.u.map.len == 0x1000 && r.u.map.pgoff == 0x2000);
		cr_assert_eq(r.u.map.prot, PROT_EXEC);
		cr_assert(text_is(r.u.map.path, "/bin/engine"));
		cr_assert_eq(r.u.map.build_id.n, 0);
	}
}

Test(perf_record, data_mappings_are_told_apart)
{
	struct mp_perf_record r;
	struct writer w;

	begin(&w, false, PERF_RECORD_MMAP, PERF_RECORD_MISC_USER | PERF_RECORD_MISC_MMAP_DATA);
	put32(&w, 21);
	put32(&w, 22);
	for (int i = 0; i < 3; i++)
		put64(&w, 0x1000);
	put_text(&w, "//anon-two");
	check_other(&w, &r, "MMAP of data");
	cr_assert_eq(r.u.map.prot, 0);
}

static void begin_mmap2(struct writer *w, bool is_swapped, uint16_t misc)
{
	begin(w, is_swapped, PERF_RECORD_MMAP2, misc);
	put32(w, 31);
	put32(w, 32);
	put64(w, 0x7f0000000000);
	put64(w, 0x5000);
	put64(w, 0x1000);
}

Test(perf_record, mappings_by_inode)
{
	BOTH_ORDERS(swapped)
	{
		struct mp_perf_record r;
		struct writer w;

		begin_mmap2(&w, swapped, PERF_RECORD_MISC_USER);
		put32(&w, 8);
		put32(&w, 1);
		put64(&w, 131072);
		put64(&w, 1);
		put32(&w, PROT_READ | PROT_EXEC);
		put32(&w, MAP_PRIVATE);
		put_text(&w, "/lib/libc.so");
		check_other(&w, &r, "MMAP2");
		cr_assert(r.u.map.maj == 8 && r.u.map.min == 1 && r.u.map.ino == 131072);
		cr_assert_eq(r.u.map.prot, PROT_READ | PROT_EXEC);
		cr_assert(r.u.map.addr == 0x7f0000000000 && r.u.map.len == 0x5000 && r.u.map.pgoff == 0x1000);
		cr_assert(text_is(r.u.map.path, "/lib/libc.so"));
	}
}

Test(perf_record, mappings_by_build_id)
{
	BOTH_ORDERS(swapped)
	{
		struct mp_perf_record r;
		struct writer w;

		begin_mmap2(&w, swapped, PERF_RECORD_MISC_USER | PERF_RECORD_MISC_MMAP_BUILD_ID);
		w.b[w.n] = 20; /* one byte: of no byte order */
		for (unsigned char i = 0; i < 20; i++)
			w.b[w.n + 4 + i] = i + 1;
		w.n += 24;
		put32(&w, PROT_READ | PROT_EXEC);
		put32(&w, MAP_PRIVATE);
		put_text(&w, "/lib/libc.so");
		check_other(&w, &r, "MMAP2 with a build-id");
		cr_assert_eq(r.u.map.build_id.n, 20);
		cr_assert(r.u.map.build_id.at[0] == 1 && r.u.map.build_id.at[19] == 20);
		cr_assert(!r.u.map.ino && !r.u.map.maj);
		w.b[8 + 32] = 255; /* longer than any */
		struct mp_perf_layout l = identity_layout(swapped);
		parse(&l, &w, &r);
		cr_assert_eq(r.u.map.build_id.n, 20);
	}
}

Test(perf_record, comm_fork_exit)
{
	BOTH_ORDERS(swapped)
	{
		struct mp_perf_record r;
		struct writer w;

		begin(&w, swapped, PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC);
		put32(&w, 41);
		put32(&w, 42);
		put_text(&w, "me-engine");
		check_other(&w, &r, "COMM");
		cr_assert(r.u.comm.pid == 41 && r.u.comm.tid == 42 && r.u.comm.is_exec);
		cr_assert(text_is(r.u.comm.comm, "me-engine"));
		for (int i = 0; i < 2; i++) {
			begin(&w, swapped, i ? PERF_RECORD_EXIT : PERF_RECORD_FORK, 0);
			for (uint32_t v = 51; v < 55; v++)
				put32(&w, v);
			put64(&w, 987654321);
			check_other(&w, &r, "FORK, EXIT");
			cr_assert(r.u.task.pid == 51 && r.u.task.ppid == 52 && r.u.task.tid == 53 &&
				  r.u.task.ptid == 54);
			cr_assert_eq(r.u.task.time, 987654321);
		}
	}
}

Test(perf_record, losses_and_throttling)
{
	BOTH_ORDERS(swapped)
	{
		struct mp_perf_record r;
		struct writer w;

		begin(&w, swapped, PERF_RECORD_LOST, 0);
		put64(&w, 77);
		put64(&w, 1234);
		check_other(&w, &r, "LOST");
		cr_assert(r.u.lost.id == 77 && r.u.lost.lost == 1234);
		begin(&w, swapped, PERF_RECORD_LOST_SAMPLES, 0);
		put64(&w, 99);
		check_other(&w, &r, "LOST_SAMPLES");
		cr_assert(r.u.lost.id == 0 && r.u.lost.lost == 99);
		for (uint32_t type = PERF_RECORD_THROTTLE; type <= PERF_RECORD_UNTHROTTLE; type++) {
			begin(&w, swapped, type, 0);
			put64(&w, 61);
			put64(&w, 62);
			put64(&w, 63);
			check_other(&w, &r, "THROTTLE");
			cr_assert(
			    r.u.throttle.time == 61 && r.u.throttle.id == 62 && r.u.throttle.stream_id == 63);
		}
	}
}

Test(perf_record, switches)
{
	BOTH_ORDERS(swapped)
	{
		struct mp_perf_record r;
		struct writer w;

		begin(&w, swapped, PERF_RECORD_SWITCH,
		    PERF_RECORD_MISC_SWITCH_OUT | PERF_RECORD_MISC_SWITCH_OUT_PREEMPT);
		check_other(&w, &r, "SWITCH");
		cr_assert(r.u.cpu_switch.is_out && r.u.cpu_switch.is_preempt && !r.u.cpu_switch.tid);
		begin(&w, swapped, PERF_RECORD_SWITCH_CPU_WIDE, 0);
		put32(&w, 71);
		put32(&w, 72);
		check_other(&w, &r, "SWITCH_CPU_WIDE");
		cr_assert(!r.u.cpu_switch.is_out && r.u.cpu_switch.pid == 71 && r.u.cpu_switch.tid == 72);
	}
}

Test(perf_record, aux_itrace_ksymbol)
{
	BOTH_ORDERS(swapped)
	{
		struct mp_perf_record r;
		struct writer w;

		begin(&w, swapped, PERF_RECORD_AUX, 0);
		put64(&w, 81);
		put64(&w, 82);
		put64(&w, PERF_AUX_FLAG_TRUNCATED);
		check_other(&w, &r, "AUX");
		cr_assert(r.u.aux_data.offset == 81 && r.u.aux_data.size == 82 && r.u.aux_data.flags == 1);
		begin(&w, swapped, PERF_RECORD_ITRACE_START, 0);
		put32(&w, 83);
		put32(&w, 84);
		check_other(&w, &r, "ITRACE_START");
		cr_assert(r.u.itrace.pid == 83 && r.u.itrace.tid == 84);
		begin(&w, swapped, PERF_RECORD_KSYMBOL, 0);
		put64(&w, 0xffffffffc0000000);
		put32(&w, 256);
		put16(&w, 1);
		put16(&w, 2);
		put_text(&w, "bpf_prog_1");
		check_other(&w, &r, "KSYMBOL");
		cr_assert(r.u.ksymbol.addr == 0xffffffffc0000000 && r.u.ksymbol.len == 256);
		cr_assert(r.u.ksymbol.ksym_type == 1 && r.u.ksymbol.flags == 2);
		cr_assert(text_is(r.u.ksymbol.name, "bpf_prog_1"));
	}
}

Test(perf_record, namespaces_and_read)
{
	BOTH_ORDERS(swapped)
	{
		struct mp_perf_layout l = identity_layout(swapped);
		struct mp_perf_record r;
		struct writer w;

		begin(&w, swapped, PERF_RECORD_NAMESPACES, 0);
		put32(&w, 91);
		put32(&w, 92);
		put64(&w, 2);
		for (uint64_t i = 0; i < 4; i++)
			put64(&w, 900 + i);
		check_other(&w, &r, "NAMESPACES");
		cr_assert(r.u.namespaces.pid == 91 && r.u.namespaces.n == 2 && r.u.namespaces.links.n == 4);
		cr_assert_eq(mp_perf_u64(&r.u.namespaces.links, 3), 903);
		begin(&w, swapped, PERF_RECORD_READ, 0);
		put32(&w, 4001);
		put32(&w, 4002);
		put64(&w, 1000);
		put64(&w, 5);
		l.read_format = PERF_FORMAT_ID;
		put_identity(&w);
		parse(&l, &w, &r);
		check_identity(&r);
		cr_assert(r.has & PERF_SAMPLE_READ && r.read.n == 2 && mp_perf_u64(&r.read, 0) == 1000);
		check_truncated(&l, &w, w.n);
	}
}

/* Text without an end stops where the record does, also before its identity. */
Test(perf_record, text_without_an_end)
{
	struct mp_perf_layout l = identity_layout(false);
	struct mp_perf_record r;
	struct writer w;

	begin(&w, false, PERF_RECORD_COMM, 0);
	put64(&w, 0);
	memset(w.b + w.n, 'x', 16);
	w.n += 16;
	put_identity(&w);
	parse(&l, &w, &r);
	cr_assert(text_is(r.u.comm.comm, "xxxxxxxxxxxxxxxx"));
}

Test(perf_record, unknown_kinds_are_told_as_such)
{
	static const uint32_t types[] = {PERF_RECORD_TEXT_POKE, PERF_RECORD_BPF_EVENT, PERF_RECORD_CGROUP,
	    PERF_RECORD_AUX_OUTPUT_HW_ID, 50, 64, 68, UINT32_MAX, 0};

	BOTH_ORDERS(swapped)
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		struct mp_perf_layout l = identity_layout(swapped);
		struct mp_perf_record r;
		struct writer w;

		begin(&w, swapped, types[i], 5);
		put64(&w, 1);
		put_identity(&w);
		cr_assert_eq(parse_exact(&l, &w, w.n, &r), -ENOTSUP);
		cr_assert(r.type == types[i] && r.misc == 5);
	}
}

Test(perf_record, without_sample_id_all_there_is_no_identity)
{
	struct mp_perf_layout l = {.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME};
	struct mp_perf_record r;
	struct writer w;
	uint64_t id;

	begin(&w, false, PERF_RECORD_LOST, 0);
	put64(&w, 1);
	put64(&w, 2);
	set_size(&w, w.n);
	parse(&l, &w, &r);
	cr_assert_eq(r.has, 0);
	cr_assert_eq(r.u.lost.lost, 2);
	cr_assert_not(mp_perf_record_id(&l, w.b, w.n, &id));
}

/* ---- Ids ---- */

Test(perf_record, ids_are_found_before_the_layout_is_known)
{
	BOTH_ORDERS(swapped)
	{
		struct mp_perf_layout l = full_layout(swapped), i = identity_layout(swapped);
		uint64_t id = 0;
		struct writer w;

		make_full(&w, swapped);
		cr_assert(mp_perf_record_id(&l, w.b, w.n, &id));
		cr_assert_eq(id, 55);
		l.sample_type &= ~(uint64_t)PERF_SAMPLE_IDENTIFIER;
		memmove(w.b + 8, w.b + 16, w.n - 16); /* the identifier is gone: the id is behind ADDR */
		cr_assert(mp_perf_record_id(&l, w.b, w.n, &id));
		cr_assert_eq(id, 55);

		begin(&w, swapped, PERF_RECORD_COMM, 0);
		put64(&w, 0);
		put_identity(&w);
		cr_assert(mp_perf_record_id(&i, w.b, w.n, &id));
		cr_assert_eq(id, 77);
		i.sample_type &= ~(uint64_t)PERF_SAMPLE_IDENTIFIER;
		set_size(&w, w.n - 8);
		cr_assert(mp_perf_record_id(&i, w.b, w.n - 8, &id));
		cr_assert_eq(id, 77);
		i.sample_type &= ~(uint64_t)PERF_SAMPLE_ID;
		cr_assert_not(mp_perf_record_id(&i, w.b, w.n - 8, &id));
	}
}

Test(perf_record, ids_of_truncated_records)
{
	struct mp_perf_layout l = identity_layout(false);
	struct writer whole;
	uint64_t id;

	begin(&whole, false, PERF_RECORD_SWITCH, 0);
	put_identity(&whole);
	for (size_t n = 0; n < whole.n; n++) {
		struct writer w = whole;
		cr_assert_not(mp_perf_record_id(&l, w.b, n, &id));
		if (n >= 8) {
			set_size(&w, n);
			cr_assert_not(mp_perf_record_id(&l, w.b, n, &id));
		}
	}
}
