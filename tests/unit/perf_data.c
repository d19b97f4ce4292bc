/* SPDX-License-Identifier: MIT */
#include "sampler/perf/data_file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sampler/perf/data_order.h"
#include "tests/unit/perf_data_fixture.h"

/* What was handed out, as text: "comm@5 0@10 ..." */
struct heard {
	char text[512];
	size_t n;
	uint64_t records;
};

static int hear(void *ctx, const struct mp_perf_record *r, size_t event, struct mp_err *err)
{
	struct heard *h = ctx;
	size_t room = sizeof(h->text) - h->n;

	(void)err;
	h->records++;
	if (r->type == PERF_RECORD_SAMPLE) {
		cr_assert(r->ip == 0x401000 + r->time && r->addr == 0x500000 + r->time && r->tid == 101);
		h->n += (size_t)snprintf(h->text + h->n, room, "%zu@%" PRIu64 " ", event, r->time);
	} else {
		h->n += (size_t)snprintf(h->text + h->n, room, "%s@%" PRIu64 " ",
		    r->type == PERF_RECORD_COMM   ? "comm"
		    : r->type == PERF_RECORD_MMAP ? "map"
						  : "lost",
		    r->time);
	}
	return 0;
}

static int file_of(const void *bytes, size_t n)
{
	int fd = memfd_create("perf.data", MFD_CLOEXEC);

	cr_assert(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Opened and read; NULL: refused. */
static struct mp_perf_data *read_bytes(const void *bytes, size_t n, struct heard *h)
{
	struct mp_perf_data *d;
	struct mp_err err = {""};
	int fd = file_of(bytes, n);

	*h = (struct heard){.n = 0};
	int ret = mp_perf_data_open(fd, "perf.data", &d, &err);
	if (!ret)
		cr_assert_eq(mp_perf_data_read(d, hear, h, &err), 0);
	else
		cr_assert(ret < 0 && *err.text && !d);
	close(fd);
	return d;
}

static const char in_order[] = "map@0 comm@5 0@10 0@30 0@40 1@45 1@50 0@60 lost@65 0@70 ";

static void check_whole(struct mp_perf_data *d, const struct heard *h)
{
	const struct mp_perf_data_totals *t = mp_perf_data_totals(d);

	cr_assert_str_eq(h->text, in_order);
	cr_assert_eq(t->records, 10);
	cr_assert(!t->unknown && !t->broken && !t->no_event && !t->late && !t->is_cut, "%s", t->why);
	cr_assert_eq(mp_perf_data_events(d), 2);
	cr_assert_str_eq(mp_perf_data_event(d, 0)->name, "page-faults:u");
	cr_assert_str_eq(mp_perf_data_event(d, 1)->name, "mem-loads");
	cr_assert_eq(mp_perf_data_event(d, 1)->attr.config, 0x1cd);
	cr_assert_eq(mp_perf_data_event(d, 1)->attr.precise_ip, 2);
	cr_assert_eq(mp_perf_data_event(d, 0)->attr.precise_ip, 0);
	cr_assert(mp_perf_data_event(d, 0)->attr.sample_id_all && !mp_perf_data_event(d, 0)->attr.disabled);
}

static void check_about(struct mp_perf_data *d)
{
	const struct mp_perf_data_about *a = mp_perf_data_about(d);

	cr_assert_str_eq(a->host, "host?name");
	cr_assert_str_eq(a->cpu_id, "GenuineIntel,6,85,4");
	cr_assert_str_eq(a->command, "perf record");
	cr_assert(a->has_clock && a->clock_id == 1 && a->clock_ns == 77 && a->real_ns == 1700000000000000000);
	cr_assert_str_eq(mp_perf_data_build_id(d, "/bin/a"), "000102030405060708090a0b0c0d0e0f");
	cr_assert_null(mp_perf_data_build_id(d, "/bin/b"));
	cr_assert_str_eq(mp_perf_data_pmu(d, 4), "cpu");
	cr_assert_null(mp_perf_data_pmu(d, 5));
}

/* Of every size of the attributes that a kernel had, and of one to come. */
Test(perf_data, file_mode)
{
	static const uint32_t sizes[] = {64, 72, 80, 96, 104, 112, 120, 128, 136, 144};

	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(*sizes); i++) {
		struct writer w;
		struct heard h;

		fixture_file(&w, i % 2, sizes[i / 2]);
		struct mp_perf_data *d = read_bytes(w.b, w.n, &h);
		cr_assert(d);
		check_whole(d, &h);
		check_about(d);
		cr_assert(!mp_perf_data_about(d)->is_pipe && mp_perf_data_about(d)->is_swapped == (i % 2));
		mp_perf_data_close(d);
	}
}

Test(perf_data, pipe_mode)
{
	for (int swapped = 0; swapped < 2; swapped++) {
		struct writer w;
		struct heard h;

		fixture_pipe(&w, swapped);
		struct mp_perf_data *d = read_bytes(w.b, w.n, &h);
		cr_assert(d);
		check_whole(d, &h);
		check_about(d);
		cr_assert(mp_perf_data_about(d)->is_pipe);
		cr_assert_eq(mp_perf_data_totals(d)->aux_bytes, 24);
		mp_perf_data_close(d);
	}
}

Test(perf_data, out_of_a_pipe)
{
	struct heard h = {.n = 0};
	struct mp_perf_data *d;
	struct mp_err err;
	struct writer w;
	int ends[2];

	fixture_pipe(&w, false);
	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(write(ends[1], w.b, w.n), (ssize_t)w.n);
	close(ends[1]);
	cr_assert_eq(mp_perf_data_open(ends[0], "-", &d, &err), 0);
	cr_assert_eq(mp_perf_data_read(d, hear, &h, &err), 0);
	check_whole(d, &h);
	mp_perf_data_close(d);
	close(ends[0]);
}

/* What has to be read to and fro cannot come out of a pipe. */
Test(perf_data, file_mode_out_of_a_pipe_is_refused)
{
	struct mp_perf_data *d;
	struct mp_err err;
	struct writer w;
	int ends[2];

	fixture_file(&w, false, 112);
	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(write(ends[1], w.b, w.n), (ssize_t)w.n);
	close(ends[1]);
	cr_assert_eq(mp_perf_data_open(ends[0], "-", &d, &err), -EINVAL);
	cr_assert(strstr(err.text, "pipe mode"));
	close(ends[0]);
}

Test(perf_data, compressed_records)
{
	for (int i = 0; i < 4; i++) {
		struct writer w;
		struct heard h;

		fixture_compressed(&w, i % 2, i / 2 ? 83 : 81);
		struct mp_perf_data *d = read_bytes(w.b, w.n, &h);
		cr_assert(d);
		check_whole(d, &h);
		cr_assert_gt(mp_perf_data_totals(d)->compressed, 1);
		mp_perf_data_close(d);
	}
}

Test(perf_data, damaged_compression_gives_what_was_before)
{
	struct writer w;
	struct heard h;

	fixture_compressed(&w, false, 81);
	memset(w.b + w.n - 60, 0xff, 40);
	struct mp_perf_data *d = read_bytes(w.b, w.n, &h);
	cr_assert(d && mp_perf_data_totals(d)->is_cut);
	cr_assert(
	    h.records > 0 && h.records < 10 && !strncmp(h.text, "map@0 comm@5 0@10 ", 18), "%s", h.text);
	mp_perf_data_close(d);
}

/* Cut off anywhere: refused, or what is whole is handed out, and the cut told. */
static void check_cut(const struct writer *w, bool knows_its_size)
{
	uint64_t most = 0;

	for (size_t n = 0; n < w->n; n++) {
		struct heard h;
		struct mp_perf_data *d = read_bytes(w->b, n, &h);

		if (!d)
			continue;
		const struct mp_perf_data_totals *t = mp_perf_data_totals(d);
		cr_assert_eq(t->broken, 0);
		cr_assert_eq(t->is_cut, t->why[0] != '\0');
		cr_assert(h.records >= most, "%zu bytes give less than %zu", n, n - 1);
		if (knows_its_size)
			cr_assert(t->is_cut, "%zu of %zu bytes are not told as such", n, w->n);
		most = h.records;
		mp_perf_data_close(d);
	}
	cr_assert_eq(most, 10); /* what stands behind is no record */
}

Test(perf_data, cut_off_anywhere)
{
	struct writer w;

	fixture_file(&w, false, 112);
	check_cut(&w, true);
	fixture_file(&w, true, 64);
	check_cut(&w, true);
	fixture_pipe(&w, false);
	check_cut(&w, false);
}

/* perf that was killed leaves a file that says nothing of the size of its records. */
Test(perf_data, never_finished)
{
	struct writer w, whole;
	struct heard h;

	fixture_file(&whole, false, 112);
	w = whole;
	memset(w.b + 48, 0, 8);
	size_t records_end = 104 + 24 + 2 * 128;
	struct writer records = {.n = 0};
	put_records(&records);
	struct mp_perf_data *d = read_bytes(w.b, records_end + records.n, &h);
	cr_assert(d && mp_perf_data_totals(d)->is_cut);
	cr_assert_str_eq(h.text, in_order);
	cr_assert_str_eq(mp_perf_data_event(d, 0)->name, "");
	mp_perf_data_close(d);
}

static void check_refused(const void *bytes, size_t n, const char *why)
{
	struct mp_perf_data *d;
	struct mp_err err;
	int fd = file_of(bytes, n);

	cr_assert_eq(mp_perf_data_open(fd, "f", &d, &err), -EINVAL);
	cr_assert(strstr(err.text, why), "'%s' says nothing of '%s'", err.text, why);
	cr_assert_null(strchr(err.text, '\n'));
	close(fd);
}

Test(perf_data, what_is_none_is_refused)
{
	struct writer w;

	check_refused("", 0, "empty");
	check_refused("hello, world: a text", 20, "PERFILE2");
	check_refused("SQLite format 3", 16, "database");
	check_refused("PERFFILE\0\0\0\0\0\0\0\0", 16, "Linux 3.4");
	check_refused("PERFILE2", 8, "header");
	fixture_file(&w, false, 112);
	check_refused(w.b, 100, "header");
	check_refused(w.b, 110, "ends before");
	memset(w.b + 32, 0, 8); /* no attrs */
	check_refused(w.b, w.n, "no events");
}

Test(perf_data, what_is_not_known_is_counted)
{
	struct writer w;
	struct heard h;

	fixture_pipe(&w, false);
	put_sample(&w, 80, 999);                   /* of no event */
	end_record(&w, begin_record(&w, 63, 0));   /* of a kernel to come */
	end_record(&w, begin_record(&w, 9999, 0)); /* of a perf to come */
	end_record(&w, begin_record(&w, PERF_RECORD_FORK, 0));
	put_sample(&w, 90, 11);
	struct mp_perf_data *d = read_bytes(w.b, w.n, &h);
	const struct mp_perf_data_totals *t = mp_perf_data_totals(d);
	cr_assert_eq(t->no_event, 1);
	cr_assert_eq(t->unknown, 2);
	cr_assert_eq(t->broken, 1);
	cr_assert_eq(t->records, 11);
	cr_assert(!t->is_cut && strstr(h.text, "0@90"));
	mp_perf_data_close(d);
}

Test(perf_data, a_record_without_size_ends_it)
{
	struct writer w;
	struct heard h;

	fixture_pipe(&w, false);
	begin_record(&w, PERF_RECORD_FORK, 0);
	put_sample(&w, 90, 11);
	struct mp_perf_data *d = read_bytes(w.b, w.n, &h);
	cr_assert(mp_perf_data_totals(d)->is_cut);
	cr_assert_str_eq(h.text, in_order);
	mp_perf_data_close(d);
}

static int stop(void *ctx, const struct mp_perf_record *r, size_t event, struct mp_err *err)
{
	(void)r;
	(void)event;
	(void)err;
	return ++*(int *)ctx == 3 ? -EINTR : 0;
}

Test(perf_data, the_reader_may_stop)
{
	struct writer w;
	struct mp_perf_data *d;
	struct mp_err err;
	int fd;

	fixture_pipe(&w, false);
	fd = file_of(w.b, w.n);
	cr_assert_eq(mp_perf_data_open(fd, "f", &d, &err), 0);
	int n = 0;
	cr_assert_eq(mp_perf_data_read(d, stop, &n, &err), -EINTR);
	cr_assert_eq(n, 3);
	mp_perf_data_close(d);
	close(fd);
}

/* ---- Order ---- */

static uint64_t next_time(struct mp_perf_order *o)
{
	struct mp_perf_waiting *w = mp_perf_order_next(o);
	uint64_t time = w ? w->time : 0;

	free(w);
	return time;
}

Test(perf_order, a_round_lets_go_what_the_one_before_brought)
{
	struct mp_perf_order *o = mp_perf_order_new();

	mp_perf_order_add(o, 30, 0, "x", 1);
	mp_perf_order_add(o, 10, 0, "x", 1);
	cr_assert_eq(next_time(o), 0);
	mp_perf_order_round(o);
	cr_assert_eq(next_time(o), 0); /* another ring may still have 20 */
	mp_perf_order_add(o, 20, 0, "x", 1);
	mp_perf_order_add(o, 40, 0, "x", 1);
	mp_perf_order_round(o);
	cr_assert_eq(next_time(o), 10);
	cr_assert_eq(next_time(o), 20);
	cr_assert_eq(next_time(o), 30);
	cr_assert_eq(next_time(o), 0);
	mp_perf_order_end(o);
	cr_assert_eq(next_time(o), 40);
	cr_assert_eq(next_time(o), 0);
	mp_perf_order_free(o);
}

Test(perf_order, those_of_one_time_stay_in_their_order)
{
	struct mp_perf_order *o = mp_perf_order_new();

	for (size_t i = 0; i < 1000; i++)
		mp_perf_order_add(o, 1 + i % 3, i, "x", 1);
	mp_perf_order_end(o);
	uint64_t time = 0;
	size_t number = 0;
	for (size_t i = 0; i < 1000; i++) {
		struct mp_perf_waiting *w = mp_perf_order_next(o);
		cr_assert(w->time > time || (w->time == time && w->event > number));
		time = w->time;
		number = w->event;
		free(w);
	}
	mp_perf_order_free(o);
}

/* Without rounds the earliest go when there are too many. */
Test(perf_order, memory_is_bounded)
{
	static unsigned char bytes[65535];
	struct mp_perf_order *o = mp_perf_order_new();
	size_t in = 0, out = 0, most = 0;
	uint64_t last = 0;

	for (; in < 3 * MP_PERF_ORDER_BYTES / sizeof(bytes); in++) {
		/* To and fro by 500 records. */
		mp_perf_order_add(o, 1000 + (in ^ 255), 0, bytes, sizeof(bytes));
		for (uint64_t t; (t = next_time(o)); out++) {
			cr_assert_geq(t, last);
			last = t;
		}
		most = in - out > most ? in - out : most;
	}
	cr_assert_leq(most, MP_PERF_ORDER_BYTES / sizeof(bytes) + 1);
	cr_assert_geq(most, MP_PERF_ORDER_BYTES / sizeof(bytes) * 9 / 10);
	mp_perf_order_free(o);
}
