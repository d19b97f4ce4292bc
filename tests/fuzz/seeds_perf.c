/* SPDX-License-Identifier: MIT */
/* seeds_perf DIR: inputs of fuzz_perf_data and fuzz_perf_record: the recordings of the unit tests, and
 * records. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/perf_data_fixture.h"

static const char *dir;

static void save(const char *target, const char *name, bool is_swapped, const void *bytes, size_t n)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s/%s%s", dir, target, name, is_swapped ? "-swapped" : "");
	FILE *f = fopen(path, "w");
	if (!f || fwrite(bytes, 1, n, f) != n || fclose(f)) {
		perror(path);
		exit(1);
	}
}

static void recordings(bool is_swapped)
{
	struct writer w;

	fixture_file(&w, is_swapped, 112);
	save("perf_data", "file", is_swapped, w.b, w.n);
	fixture_file(&w, is_swapped, 64);
	save("perf_data", "file-old", is_swapped, w.b, w.n);
	fixture_pipe(&w, is_swapped);
	save("perf_data", "pipe", is_swapped, w.b, w.n);
	fixture_compressed(&w, is_swapped, 81);
	save("perf_data", "compressed", is_swapped, w.b, w.n);
	fixture_compressed(&w, is_swapped, 83);
	save("perf_data", "compressed2", is_swapped, w.b, w.n);
}

/* The head that fuzz_perf_record reads: sample_type, read_format and what is set besides, branches,
 * registers. */
static void put_layout(struct writer *w, uint64_t type, uint64_t format, uint64_t branches)
{
	const uint64_t head[5] = {
	    type, format | UINT64_C(1) << 32 | (uint64_t)w->is_swapped << 33, branches, 5, 3};

	put_bytes(w, head, sizeof(head));
}

/* A sample with all there is; zeros end each array where it begins. */
static void full_sample(bool is_swapped)
{
	struct writer w = {.is_swapped = is_swapped};

	put_layout(&w, PERF_SAMPLE_MAX - 1, 31, 1 << 17 | 1 << 19);
	size_t at = begin_record(&w, PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER);
	for (int i = 0; i < 9; i++) /* up to the period */
		put64(&w, 1);
	put64(&w, 1); /* a group of one */
	for (int i = 0; i < 5; i++)
		put64(&w, 2);
	put64(&w, 2); /* callchain */
	put64(&w, PERF_CONTEXT_USER);
	put64(&w, 0x401000);
	put32(&w, 4); /* raw */
	put32(&w, 0);
	put64(&w, 1); /* branches */
	for (int i = 0; i < 5; i++)
		put64(&w, 3);
	put64(&w, 2); /* registers */
	put64(&w, 4);
	put64(&w, 4);
	put64(&w, 8); /* stack */
	put64(&w, 5);
	put64(&w, 8);
	for (int i = 0; i < 3; i++)
		put64(&w, 6);
	put64(&w, 0); /* no registers */
	for (int i = 0; i < 4; i++)
		put64(&w, 7);
	put64(&w, 8); /* aux */
	put64(&w, 8);
	end_record(&w, at);
	save("perf_record", "sample", is_swapped, w.b, w.n);
}

static void other_records(bool is_swapped)
{
	struct writer w = {.is_swapped = is_swapped};

	put_layout(&w, FIXTURE_TYPE, 0, 0);
	put_records(&w);
	for (uint32_t type = 1; type < PERF_RECORD_MAX; type++) {
		size_t at = begin_record(&w, type, 0);
		for (int i = 0; i < 8; i++)
			put64(&w, 1);
		put_identity(&w, 5, 11);
		end_record(&w, at);
	}
	save("perf_record", "others", is_swapped, w.b, w.n);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	dir = argv[1];
	for (int swapped = 0; swapped < 2; swapped++) {
		recordings(swapped);
		full_sample(swapped);
		other_records(swapped);
	}
	return 0;
}
