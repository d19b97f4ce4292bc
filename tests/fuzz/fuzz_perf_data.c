/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sampler/perf/data_file.h"
#include "sampler/perf/space.h"

/* A file of perf, in file or pipe mode, read to its end; its mappings go into address spaces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A few bytes may unpack to millions of records, which takes time and nothing else. */
#define RECORDS_MAX 20000

struct reader {
	struct mp_perf_data *data;
	struct mp_spaces *spaces;
	uint64_t records, last, late;
};

static void use_map(struct reader *c, const struct mp_perf_record *r)
{
	const struct mp_space_map map = {.start = r->u.map.addr,
	    .end = r->u.map.addr + r->u.map.len,
	    .file_offset = r->u.map.pgoff,
	    .path = "",
	    .module = 1};
	const struct mp_space_map *above, *at;

	mp_spaces_map(c->spaces, r->u.map.pid, &map);
	at = mp_spaces_find(c->spaces, r->u.map.pid, map.start, &above);
	if (map.start < map.end && (!at || at->start != map.start || at->end != map.end))
		abort();
	if (above && above->start <= map.start)
		abort();
	at = mp_spaces_find(c->spaces, r->u.map.pid, map.end, NULL);
	if (at && at->start < map.end && map.start < map.end)
		abort();
}

static int on_record(void *ctx, const struct mp_perf_record *r, size_t event, struct mp_err *err)
{
	struct reader *c = ctx;

	(void)err;
	if (event >= mp_perf_data_events(c->data) || r->type >= PERF_RECORD_MAX)
		abort();
	if (r->has & PERF_SAMPLE_TIME && r->time) {
		c->late += r->time < c->last;
		c->last = r->time > c->last ? r->time : c->last;
	}
	if (r->type == PERF_RECORD_MMAP || r->type == PERF_RECORD_MMAP2)
		use_map(c, r);
	if (r->type == PERF_RECORD_FORK)
		mp_spaces_fork(c->spaces, r->u.task.ppid, r->u.task.pid);
	if (r->type == PERF_RECORD_EXIT)
		mp_spaces_exit(c->spaces, r->u.task.pid);
	return ++c->records == RECORDS_MAX;
}

static void check_texts(struct mp_perf_data *d)
{
	const struct mp_perf_data_about *a = mp_perf_data_about(d);
	const char *const texts[] = {a->host, a->kernel, a->arch, a->cpu, a->cpu_id, a->version, a->command};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		for (const char *s = texts[i]; *s; s++)
			if ((unsigned char)*s < 0x20)
				abort();
	for (size_t i = 0; i < mp_perf_data_events(d); i++)
		if (strlen(mp_perf_data_event(d, i)->name) >= sizeof(mp_perf_data_event(d, i)->name))
			abort();
	const char *hex = mp_perf_data_build_id(d, "/bin/a");
	if (hex && strlen(hex) > 40)
		abort();
	mp_perf_data_pmu(d, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct reader c = {0};
	struct mp_err err;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	if (mp_perf_data_open(fd, "fuzz", &c.data, &err)) {
		if (!strncmp(err.text, "out of memory", 13))
			abort();
		return 0;
	}
	c.spaces = mp_spaces_new();
	int ret = mp_perf_data_read(c.data, on_record, &c, &err);
	const struct mp_perf_data_totals *t = mp_perf_data_totals(c.data);
	if (ret < 0 || (ret == 0) != (c.records < RECORDS_MAX) || t->records != c.records ||
	    t->late != c.late)
		abort();
	if (t->is_cut != (t->why[0] != '\0'))
		abort();
	check_texts(c.data);
	mp_perf_data_close(c.data);
	mp_spaces_free(c.spaces);
	return 0;
}
