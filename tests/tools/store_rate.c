/* SPDX-License-Identifier: MIT */
/*
 * How fast the recorder takes what the planes bring, on one core:
 *
 *   store_rate preload ROUNDS       reads rings that the library's own code has filled: calls drained; the
 * same with each malloc and free paired, as where samples are told their objects; histograms are read each
 * time. Filling is not timed store_rate rows ROUNDS DIR      writes rows of `call` by store/append.h and, in
 * turn, by one bare prepared insert of the same columns into a session of its own
 *
 * Prints a line a measure, NAME VALUE...; medians of the rounds, per second of CPU time.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sampler/latency.h"
#include "sampler/pipeline.h"
#include "sampler/preload/record.h"
#include "sampler/preload/ticks.h"
#include "sampler/preload_plane/plane.h"
#include "store/append.h"

#define SLOTS      4
#define RING       65536
#define LIVE       1024   /* blocks of a thread between malloc and free */
#define ROWS       250000 /* a round */
#define MAX_ROUNDS 99
#define UPTIME_NS  2600000000000000LL /* a month: times take eight bytes, as on most servers */

static struct mp_err err;

static void must(int rc)
{
	if (!rc)
		return;
	fprintf(stderr, "store_rate: %s\n", err.text);
	exit(1);
}

/* Of one core: what others do on a shared machine meanwhile does not count. */
static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_value);
	return v[n / 2];
}

/* ---- The library's rings ---- */

static struct mp_region *region;

/* As libmpsample.so makes it (sampler/preload/region.c), in this process. */
static void make_region(void)
{
	uint64_t slot_bytes = mp_region_slot_bytes(RING);
	uint64_t bytes = mp_region_header_bytes() + SLOTS * slot_bytes;
	int fd = memfd_create(MP_REGION_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)bytes) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		abort();
	region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (region == MAP_FAILED)
		abort();
	region->version = MP_REGION_VERSION;
	region->pid = (uint32_t)getpid();
	region->header_bytes = mp_region_header_bytes();
	region->slot_bytes = slot_bytes;
	region->slots = SLOTS;
	region->ring_records = RING;
	region->magic = MP_REGION_MAGIC;
	for (uint64_t i = 0; i < SLOTS; i++) {
		struct mp_slot *s = mp_region_slot(region, slot_bytes, i);

		s->ring_mask = RING - 1;
		s->lines = 1;
		s->random = 42 + i;
		s->tid = (uint32_t)(getpid() + (int)i);
		s->ready = 1;
		region->owner[i] = s->tid;
	}
}

static __attribute__((noinline)) void call(struct mp_slot *s, unsigned int op, uint64_t size, uint64_t addr)
{
	uint64_t start = mp_ticks(region->word & MP_WORD_MONOTONIC);

	mp_record_call(region, s, op, size, addr,
	    (struct mp_stamps){start, start + 60 + start % 64, 0, false},
	    (uint64_t)__builtin_frame_address(0));
}

/* Pairs of malloc and free, a window of live blocks between them, until no pair more finds room. */
static uint64_t fill(unsigned int records_per_call)
{
	uint64_t made = 0;

	for (uint64_t i = 0; i < SLOTS; i++) {
		struct mp_slot *s = mp_region_slot(region, region->slot_bytes, i);

		if (s->word != region->word)
			mp_slot_settings(region, s, region->word);
		for (uint64_t n = 0; n < RING / records_per_call / 2 - 2; n++) {
			uint64_t at = 0x7f0000000000 + i * 0x10000000;

			call(s, MP_OP_MALLOC, 16 + n % 500, at + n % LIVE * 4096);
			call(s, MP_OP_FREE, 0, at + (n + LIVE / 2) % LIVE * 4096);
			made += 2;
		}
	}
	return made;
}

static uint64_t dropped(void)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < SLOTS; i++)
		n += mp_region_slot(region, region->slot_bytes, i)->dropped;
	return n;
}

static void measure_preload(const char *name, int rounds, bool track)
{
	static const struct mp_preload_listener nobody;
	struct mp_keep keep = {.full = !track, .track = track, .stack = MP_STACK_OFF, .sample_weight = 0};
	struct mp_preload *p;
	struct mp_session *session;
	double rate[MAX_ROUNDS];
	uint64_t calls = 0;
	char path[] = "/tmp/mp-store-rate-XXXXXX";
	struct mp_symbolizer *symbolizer = mp_symbolizer_new(getpid(), &(struct mp_symbolize_options){0});

	memset(keep.over_ns, 0x7f, sizeof(keep.over_ns));
	if (!mkdtemp(path) || chdir(path))
		abort();
	must(mp_session_create("s.db", true, &session, &err));
	must(mp_session_publish(session, &err));
	struct mp_pipeline *pipeline = mp_pipeline_new(session, symbolizer);
	if (track)
		must(mp_pipeline_track(pipeline, getpid(), &err));
	must(mp_preload_open(getpid(), &p, &err));
	mp_preload_activate(p, &keep);
	struct mp_hist_view view = mp_preload_hists(p);
	struct mp_latency *latency = mp_latency_new(&view);

	for (int i = 0; i < rounds; i++) {
		uint64_t made = fill(track ? 2 : 1);
		double start = now_s();

		while (mp_preload_drain(p, track ? pipeline : NULL, &nobody))
			;
		mp_pipeline_calls_known(pipeline, INT64_MAX / 2);
		mp_preload_poll(p, true);
		mp_latency_poll(latency, true);
		rate[i] = (double)made / (now_s() - start);
		calls += made;
	}
	struct mp_preload_stats stats;
	mp_preload_stats(p, &stats);
	uint64_t counted = mp_latency_calls_all(latency);
	double calls_per_s = median(rate, rounds);
	printf("%s records_per_s %.0f calls_per_s %.0f calls %" PRIu64 " not_counted %" PRId64
	       " lost %" PRIu64 "\n",
	    name, calls_per_s * (track ? 2 : 1), calls_per_s, calls, (int64_t)(calls - counted),
	    dropped() + stats.rows_lost);
	mp_latency_free(latency);
	mp_preload_close(p);
	mp_pipeline_free(pipeline);
	mp_symbolizer_free(symbolizer);
	must(mp_session_close(session, &err));
	unlink("s.db");
	if (chdir("/") || rmdir(path))
		abort();
}

/* ---- Rows ---- */

static uint64_t random_state = 88172645463325252ULL;

static uint64_t next_random(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

/* As `--full` brings them: two calls a microsecond, of a handful of threads; one in a thousand has a stack.
 */
static struct mp_call *make_rows(void)
{
	struct mp_call *rows = calloc(ROWS, sizeof(*rows));

	for (int i = 0; rows && i < ROWS; i++)
		rows[i] = (struct mp_call){.t_ns = UPTIME_NS + i * 500,
		    .tid = 23000 + (int64_t)next_random(8),
		    .op = next_random(2) ? MP_OP_MALLOC : MP_OP_FREE,
		    .kept = MP_KEPT_FULL,
		    .weight = 1,
		    .addr = 0x7f0000000000 + next_random(1 << 26) * 16,
		    .dur_ns = 20 + (int64_t)next_random(200),
		    .stack_id = next_random(1000) ? 0 : 1 + (int64_t)next_random(400)};
	for (int i = 0; rows && i < ROWS; i++)
		rows[i].size_bytes = rows[i].op == MP_OP_MALLOC ? 16 + next_random(1000) : 0;
	return rows;
}

static double append_rows(struct mp_session *s, const struct mp_call *rows)
{
	double start = now_s();
	int64_t id;

	for (int i = 0; i < ROWS; i++)
		must(mp_append_call(s, &rows[i], &id, &err));
	must(mp_session_commit(s, &err));
	return ROWS / (now_s() - start);
}

static double insert_rows(sqlite3 *db, sqlite3_stmt *st, const struct mp_call *rows)
{
	double start = now_s();

	for (int i = 0; i < ROWS; i++) {
		const struct mp_call *c = &rows[i];

		sqlite3_bind_int64(st, 1, c->t_ns);
		sqlite3_bind_int64(st, 2, c->tid);
		sqlite3_bind_int64(st, 3, c->op);
		sqlite3_bind_int64(st, 4, (int64_t)c->size_bytes);
		sqlite3_bind_int64(st, 5, (int64_t)c->addr);
		sqlite3_bind_int64(st, 6, c->dur_ns);
		sqlite3_bind_int64(st, 7, c->kept);
		sqlite3_bind_int64(st, 8, c->weight);
		if (c->stack_id)
			sqlite3_bind_int64(st, 9, c->stack_id);
		else
			sqlite3_bind_null(st, 9);
		if (sqlite3_step(st) != SQLITE_DONE)
			abort();
		sqlite3_reset(st);
	}
	if (sqlite3_exec(db, "COMMIT; BEGIN IMMEDIATE", NULL, NULL, NULL))
		abort();
	return ROWS / (now_s() - start);
}

static struct mp_session *create(const char *name)
{
	struct mp_session *s;

	must(mp_session_create(name, true, &s, &err));
	must(mp_session_publish(s, &err));
	return s;
}

static int64_t one(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) || sqlite3_step(st) != SQLITE_ROW)
		abort();
	int64_t value = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return value;
}

static void measure_rows(int rounds, const char *dir)
{
	static const char sql[] =
	    "INSERT INTO call (t_ns, tid, op_id, size_bytes, addr, dur_ns, kept, weight, stack_id)"
	    " VALUES (?,?,?,?,?,?,?,?,?)";
	double appended[MAX_ROUNDS], bare[MAX_ROUNDS], ratio[MAX_ROUNDS];
	struct mp_call *rows = make_rows();
	sqlite3_stmt *st = NULL;

	if (!rows || chdir(dir))
		abort();
	struct mp_session *a = create("append.db"), *b = create("bare.db");
	sqlite3 *db = mp_session_db(b);
	int64_t empty = one(db, "PRAGMA page_count");
	if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL))
		abort();
	for (int i = 0; i < rounds; i++) {
		bool is_first = i % 2;

		if (is_first)
			appended[i] = append_rows(a, rows);
		bare[i] = insert_rows(db, st, rows);
		if (!is_first)
			appended[i] = append_rows(a, rows);
		ratio[i] = appended[i] / bare[i];
		for (int r = 0; r < ROWS; r++)
			rows[r].t_ns += ROWS * 500LL;
	}
	double per_row = (double)((one(db, "PRAGMA page_count") - empty) * one(db, "PRAGMA page_size")) /
			 ((double)rounds * ROWS);
	printf("rows appended_per_s %.0f bare_per_s %.0f ratio %.3f bytes_per_row %.1f\n",
	    median(appended, rounds), median(bare, rounds), median(ratio, rounds), per_row);
	sqlite3_finalize(st);
	must(mp_session_close(a, &err));
	must(mp_session_close(b, &err));
	free(rows);
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[2]) : 0;

	if (rounds > 0 && rounds <= MAX_ROUNDS && argc == 3 && !strcmp(argv[1], "preload")) {
		make_region();
		measure_preload("drained", rounds, false);
		measure_preload("paired", rounds, true);
		return 0;
	}
	if (rounds > 0 && rounds <= MAX_ROUNDS && argc == 4 && !strcmp(argv[1], "rows")) {
		measure_rows(rounds, argv[3]);
		return 0;
	}
	fputs("usage: store_rate preload ROUNDS | store_rate rows ROUNDS DIR\n", stderr);
	return 2;
}
