/* SPDX-License-Identifier: MIT */
#ifndef MP_TESTS_PERF_DATA_FIXTURE_H
#define MP_TESTS_PERF_DATA_FIXTURE_H

/* Small recordings as perf record writes them, of either byte order: for unit tests and as seeds of the
 * fuzzer. */

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

struct writer {
	unsigned char b[16384];
	size_t n;
	bool is_swapped;
};

static void put_bytes(struct writer *w, const void *from, size_t n)
{
	memcpy(w->b + w->n, from, n);
	w->n += n;
}

static void put16(struct writer *w, uint16_t v)
{
	v = w->is_swapped ? __builtin_bswap16(v) : v;
	put_bytes(w, &v, sizeof(v));
}

static void put32(struct writer *w, uint32_t v)
{
	v = w->is_swapped ? __builtin_bswap32(v) : v;
	put_bytes(w, &v, sizeof(v));
}

static void put64(struct writer *w, uint64_t v)
{
	v = w->is_swapped ? __builtin_bswap64(v) : v;
	put_bytes(w, &v, sizeof(v));
}

static void put_padded(struct writer *w, const char *s, size_t n)
{
	memset(w->b + w->n, 0, n);
	memcpy(w->b + w->n, s, strlen(s));
	w->n += n;
}

static size_t begin_record(struct writer *w, uint32_t type, uint16_t misc)
{
	size_t at = w->n;

	put32(w, type);
	put16(w, misc);
	put16(w, 0);
	return at;
}

static void end_record(struct writer *w, size_t at)
{
	struct writer size = {.is_swapped = w->is_swapped};

	put16(&size, (uint16_t)(w->n - at));
	memcpy(w->b + at + 6, size.b, 2);
}

/* ---- Two events: page-faults (ids 11, 12) and a raw one (21) ---- */

#define FIXTURE_TYPE                                                                                         \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR)

/* As it lies in a file: bit-fields are told apart by byte order. */
static void put_attr(struct writer *w, uint32_t type, uint64_t config, uint32_t size)
{
	size_t at = w->n;
	unsigned char flags[8] = {0};

	put32(w, type);
	put32(w, size);
	put64(w, config);
	put64(w, 1); /* period */
	put64(w, FIXTURE_TYPE);
	put64(w, 0); /* read_format */
	/* precise_ip 2 of the raw one: bits 15, 16; sample_id_all: bit 18 */
	flags[2] = 1 << 2 | (type == PERF_TYPE_RAW);
	for (int i = 0; w->is_swapped && i < 8; i++) {
		unsigned char turned = 0;
		for (int bit = 0; bit < 8; bit++)
			if (flags[i] >> bit & 1)
				turned |= (unsigned char)(128 >> bit);
		flags[i] = turned;
	}
	put_bytes(w, flags, sizeof(flags));
	memset(w->b + w->n, 0, at + size - w->n);
	w->n = at + size;
}

static void put_identity(struct writer *w, uint64_t time, uint64_t id)
{
	put32(w, 100);
	put32(w, 101);
	put64(w, time);
	put64(w, id);
}

static void put_sample(struct writer *w, uint64_t time, uint64_t id)
{
	size_t at = begin_record(w, PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER);

	put64(w, id);
	put64(w, 0x401000 + time);
	put32(w, 100);
	put32(w, 101);
	put64(w, time);
	put64(w, 0x500000 + time);
	end_record(w, at);
}

static void put_comm(struct writer *w, uint64_t time)
{
	size_t at = begin_record(w, PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC);

	put32(w, 100);
	put32(w, 101);
	put_padded(w, "engine", 8);
	put_identity(w, time, 11);
	end_record(w, at);
}

static void put_map(struct writer *w)
{
	size_t at = begin_record(w, PERF_RECORD_MMAP, PERF_RECORD_MISC_USER);

	put32(w, 100);
	put32(w, 101);
	put64(w, 0x400000);
	put64(w, 0x10000);
	put64(w, 0);
	put_padded(w, "/bin/a", 8);
	put_identity(w, 0, 0); /* by perf itself: no time, no event */
	end_record(w, at);
}

static void put_lost(struct writer *w, uint64_t time)
{
	size_t at = begin_record(w, PERF_RECORD_LOST, 0);

	put64(w, 11);
	put64(w, 7);
	put_identity(w, time, 11);
	end_record(w, at);
}

static void put_round(struct writer *w)
{
	end_record(w, begin_record(w, 68, 0));
}

/* Ring by ring: the times go to and fro, but not over two rounds. 3 rounds, 7 samples, of which 2 are the raw
 * event's. */
static void put_records(struct writer *w)
{
	put_map(w);
	put_comm(w, 5);
	put_sample(w, 30, 11);
	put_sample(w, 50, 21);
	put_sample(w, 10, 12);
	put_sample(w, 40, 11);
	put_round(w);
	put_sample(w, 60, 11);
	put_sample(w, 45, 21);
	put_lost(w, 65);
	put_round(w);
	put_sample(w, 70, 12);
	put_round(w);
}

/* ---- What it says of itself ---- */

static void put_string(struct writer *w, const char *s)
{
	put32(w, 64);
	put_padded(w, s, 64);
}

static void put_build_id(struct writer *w)
{
	size_t at = begin_record(w, 67, 1 << 15);

	put32(w, UINT32_MAX);
	for (unsigned char i = 0; i < 20; i++)
		w->b[w->n++] = i;
	w->b[w->n++] = 16; /* of which are meant */
	put_padded(w, "", 3);
	put_padded(w, "/bin/a", 64);
	end_record(w, at);
}

#define FIXTURE_FEATURES 7
static const unsigned int fixture_features[FIXTURE_FEATURES] = {2, 3, 9, 11, 12, 16, 29};

static void put_event_desc(struct writer *w, uint32_t attr_bytes)
{
	put32(w, 2);
	put32(w, attr_bytes);
	put_attr(w, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, attr_bytes);
	put32(w, 2);
	put_string(w, "page-faults:u");
	put64(w, 11);
	put64(w, 12);
	put_attr(w, PERF_TYPE_RAW, 0x1cd, attr_bytes);
	put32(w, 1);
	put_string(w, "mem-loads");
	put64(w, 21);
}

static void put_feature(struct writer *w, unsigned int feature, uint32_t attr_bytes)
{
	switch (feature) {
	case 2:
		put_build_id(w);
		break;
	case 3:
		put_string(w, "host\001name");
		break;
	case 9:
		put_string(w, "GenuineIntel,6,85,4");
		break;
	case 11:
		put32(w, 2);
		put_string(w, "perf");
		put_string(w, "record");
		break;
	case 12:
		put_event_desc(w, attr_bytes);
		break;
	case 16:
		put32(w, 1);
		put32(w, 4);
		put_string(w, "cpu");
		break;
	case 29:
		put32(w, 1);
		put32(w, 1); /* CLOCK_MONOTONIC */
		put64(w, 1700000000000000000);
		put64(w, 77);
		break;
	}
}

/* ---- Whole recordings ---- */

static void put_magic(struct writer *w)
{
	put64(w, 0x32454c4946524550); /* "PERFILE2" */
}

static void append(struct writer *w, const struct writer *what)
{
	put_bytes(w, what->b, what->n);
}

/* In file mode: header, ids, attrs, records, features. */
__attribute__((unused)) static void fixture_file(struct writer *w, bool is_swapped, uint32_t attr_bytes)
{
	struct writer records = {.is_swapped = is_swapped}, features = records;
	const uint64_t ids_at = 104, attrs_at = ids_at + 24, data_at = attrs_at + 2 * (attr_bytes + 16);
	uint64_t bits = 0, sizes[FIXTURE_FEATURES];

	*w = (struct writer){.is_swapped = is_swapped};
	put_records(&records);
	for (size_t i = 0; i < FIXTURE_FEATURES; i++) {
		size_t before = features.n;
		put_feature(&features, fixture_features[i], attr_bytes);
		sizes[i] = features.n - before;
		bits |= UINT64_C(1) << fixture_features[i];
	}
	put_magic(w);
	put64(w, 104);
	put64(w, attr_bytes + 16);
	put64(w, attrs_at);
	put64(w, 2 * (attr_bytes + 16));
	put64(w, data_at);
	put64(w, records.n);
	put64(w, 0);
	put64(w, 0);
	put64(w, bits);
	for (int i = 0; i < 3; i++)
		put64(w, 0);
	put64(w, 11);
	put64(w, 12);
	put64(w, 21);
	put_attr(w, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, attr_bytes);
	put64(w, ids_at);
	put64(w, 16);
	put_attr(w, PERF_TYPE_RAW, 0x1cd, attr_bytes);
	put64(w, ids_at + 16);
	put64(w, 8);
	append(w, &records);
	uint64_t at = w->n + 16 * FIXTURE_FEATURES;
	for (size_t i = 0; i < FIXTURE_FEATURES; at += sizes[i++]) {
		put64(w, at);
		put64(w, sizes[i]);
	}
	append(w, &features);
}

static void put_attr_record(struct writer *w, uint32_t type, uint64_t config, uint64_t id)
{
	size_t at = begin_record(w, 64, 0);

	put_attr(w, type, config, 112);
	put64(w, id);
	if (id == 11)
		put64(w, 12);
	end_record(w, at);
}

static void put_pipe_head(struct writer *w, bool is_swapped)
{
	*w = (struct writer){.is_swapped = is_swapped};
	put_magic(w);
	put64(w, 16);
	put_attr_record(w, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, 11);
	put_attr_record(w, PERF_TYPE_RAW, 0x1cd, 21);
	for (size_t i = 1; i < FIXTURE_FEATURES; i++) {
		if (fixture_features[i] == 12)
			continue; /* names come as updates */
		size_t at = begin_record(w, 80, 0);
		put64(w, fixture_features[i]);
		put_feature(w, fixture_features[i], 112);
		end_record(w, at);
	}
	for (int i = 0; i < 2; i++) {
		size_t at = begin_record(w, 78, 0);
		put64(w, 2); /* a name */
		put64(w, i ? 21 : 11);
		put_padded(w, i ? "mem-loads" : "page-faults:u", 16);
		end_record(w, at);
	}
}

/* Data that is no record stands behind these. */
static void put_tails(struct writer *w)
{
	size_t at = begin_record(w, 66, 0); /* tracing data: padded to 8 */

	put32(w, 13);
	put32(w, 0);
	end_record(w, at);
	put_padded(w, "tracing data", 16);
	at = begin_record(w, 71, 0); /* aux area */
	put64(w, 24);
	for (int i = 0; i < 4; i++)
		put64(w, 0);
	end_record(w, at);
	put_padded(w, "aux data", 24);
}

__attribute__((unused)) static void fixture_pipe(struct writer *w, bool is_swapped)
{
	put_pipe_head(w, is_swapped);
	put_tails(w);
	put_records(w);
	put_build_id(w);
}

/* perf record -z: the stream of records, compressed as one stream, cut anywhere. type 81, or 83 with its
 * size. */
__attribute__((unused)) static void fixture_compressed(struct writer *w, bool is_swapped, uint32_t type)
{
	struct writer records = {.is_swapped = is_swapped};
	unsigned char packed[4096];
	ZSTD_outBuffer out = {packed, sizeof(packed), 0};
	ZSTD_CStream *z = ZSTD_createCStream();

	put_records(&records);
	for (size_t at = 0, n = 100; at < records.n; at += n) {
		ZSTD_inBuffer in = {records.b + at, at + n < records.n ? n : records.n - at, 0};
		ZSTD_compressStream(z, &out, &in);
		ZSTD_flushStream(z, &out);
	}
	ZSTD_freeCStream(z);
	put_pipe_head(w, is_swapped);
	for (size_t at = 0; at < out.pos; at += 64) {
		size_t n = out.pos - at < 64 ? out.pos - at : 64, record = begin_record(w, type, 0);
		if (type == 83)
			put64(w, n);
		put_bytes(w, packed + at, n);
		while (type == 83 && w->n % 8)
			w->b[w->n++] = 0xee;
		end_record(w, record);
	}
	put_round(w);
}

#endif
