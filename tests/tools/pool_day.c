/* SPDX-License-Identifier: MIT */
/*
 * A recording of pools of which all is known, written as fast as it goes.
 *
 *   pool_day FILE SECONDS POOLS
 *
 * Phases `open` and `continuous` follow each other, 60 s each, or as much as makes 24 of them. The pools are
 *
 *   orders     4096 objects of 200 bytes. Wanders around 2000; in each open up to 1500 more are out; reaches
 * its capacity in the last tenth of the recording, and fails 17 times in the second before its last messages
 * 65536 objects of 64 bytes, of which 130 are out at most quotes     no capacity; 40 % of its puts are by
 * another thread books      1000 objects that were taken before the recording are put back: its count falls
 * to -1000 further    POOLS - 4 of them, a few hundred objects of 1000; the first 30 are used every second,
 * others every hundredth
 *
 * Gets and puts of orders and messages take 40 ns and 30 ns, one in a hundred 1000 ns; objects are held for 1
 * ms and 50 ms likewise.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/append.h"
#include "store/append_pool.h"
#include "store/histogram.h"

#define SECOND   INT64_C(1000000000)
#define START_NS INT64_C(50000000000000)
#define REAL_NS  INT64_C(1767603600000000000)
#define FURTHER  4
#define BUSY     30

static struct mp_err err;
static struct mp_session *session;
static uint64_t random_state = 88172645463325252ULL;

struct pool {
	int64_t id, in_use, capacity;
	struct mp_pool_sum sum;
};

static int64_t next_random(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (int64_t)(random_state % below);
}

static void check(int rc)
{
	if (!rc)
		return;
	fprintf(stderr, "pool_day: %s\n", err.text);
	exit(1);
}

static void create(struct pool *p, const char *name, int64_t capacity, int64_t object_bytes)
{
	struct mp_pool_row row = {.name = name,
	    .source = "markers",
	    .address = 0x10000,
	    .capacity = capacity,
	    .object_bytes = object_bytes,
	    .created_ns = -1};

	check(mp_append_pool(session, &row, &p->id, &err));
	p->capacity = capacity;
	p->sum = (struct mp_pool_sum){.in_use_bytes_max = -1,
	    .requested_bytes = -1,
	    .threads = 2,
	    .reuse_depth_p50 = 3,
	    .pages = 24,
	    .pages_least = 12,
	    .lines = 800,
	    .lines_least = 700,
	    .objects = 500};
}

static void step(struct pool *p, int64_t slot_ns, int64_t most, int64_t last, uint64_t failures)
{
	int64_t least = p->in_use < last ? p->in_use : last;
	uint64_t gets = (uint64_t)(most - p->in_use) + 1000, puts = gets - (uint64_t)(last - p->in_use);
	struct mp_pool_use use = {.in_use_min = least,
	    .in_use_max = most,
	    .in_use_last = last,
	    .gets = gets,
	    .puts = puts,
	    .failures = failures,
	    .in_use_bytes_max = -1};

	check(mp_append_pool_use(session, p->id, slot_ns, &use, &err));
	p->in_use = last;
	p->sum.gets += gets;
	p->sum.puts += puts;
	p->sum.failures += failures;
	p->sum.in_use = last;
	if (most > p->sum.in_use_max) {
		p->sum.in_use_max = most;
		p->sum.in_use_max_t_ns = slot_ns + SECOND / 4;
	}
}

static void count(const struct pool *p, int64_t slot_ns, const char *what, int64_t usual_ns, int64_t slow_ns)
{
	check(mp_append_pool_latency(
	    session, p->id, slot_ns, what, mp_hist_bucket((unsigned long long)usual_ns), 98, &err));
	check(mp_append_pool_latency(
	    session, p->id, slot_ns, what, mp_hist_bucket((unsigned long long)slow_ns), 2, &err));
}

static void count_all(const struct pool *p, int64_t slot_ns)
{
	count(p, slot_ns, "get", 40, 1000);
	count(p, slot_ns, "put", 30, 1000);
	count(p, slot_ns, "hold", 1000000, 50000000);
}

static int64_t phase_s(int64_t seconds)
{
	return seconds > 24 * 60 ? seconds / 24 : 60;
}

static void step_orders(struct pool *p, int64_t slot_ns, int64_t second, int64_t seconds)
{
	int64_t length = phase_s(seconds), level = 1800 + next_random(400), phase = second % (2 * length);
	uint64_t failures = second == seconds - 2 ? 17 : 0;

	if (phase < length)
		level += 1500 * (length - phase) / length;
	if (second >= seconds - seconds / 10)
		level += (p->capacity - level) * (second - seconds + seconds / 10) / (seconds / 10 + 1);
	if (failures)
		level = p->capacity;
	step(p, slot_ns, level, level - next_random(100), failures);
	count_all(p, slot_ns);
	for (uint64_t i = 0; i < failures; i++)
		check(mp_append_pool_event(session,
		    &(struct mp_pool_event_row){.pool_id = p->id,
			.t_ns = slot_ns + SECOND / 10 + (int64_t)i * 1000,
			.tid = 100,
			.kind = "empty",
			.n = 0},
		    &err));
}

static void append_sites(const struct pool *p)
{
	static const char *const names[] = {"Engine::accept", "Engine::amend", "Risk::check"};

	for (int64_t i = 1; i <= 3; i++) {
		struct mp_stack_row stack = {i, &i, 1, 3, 0};
		struct mp_pool_site site = {.ip = (uint64_t)i,
		    .stack_id = i,
		    .gets = p->sum.gets / (uint64_t)(i + 1),
		    .holds = 1000,
		    .hold_sum_ns = 1000000000,
		    .hold_max_ns = 60000000,
		    .hold_p50_ns = 1000000,
		    .hold_p99_ns = 50000000,
		    .at_high_water = 2048 >> i,
		    .held = i == 3 ? 12 : 3,
		    .oldest_ns = i == 3 ? START_NS + SECOND : INT64_MAX};

		check(mp_append_frame(session, i, 0x1000 + (uint64_t)i, 0, 0, &err));
		check(mp_append_stack(session, &stack, &err));
		check(mp_update_site(session, i, names[i - 1], &err));
		if (i < 3)
			site.held = site.oldest_ns = 0;
		check(mp_append_pool_site(session, p->id, &site, &err));
	}
}

int main(int argc, char **argv)
{
	int64_t seconds = argc > 2 ? atoll(argv[2]) : 0, pools = argc > 3 ? atoll(argv[3]) : 4, id;
	struct pool *p = calloc((size_t)pools + FURTHER, sizeof(*p));
	char name[32];

	if (!p || seconds < 1) {
		fprintf(stderr, "usage: pool_day FILE SECONDS POOLS\n");
		return 2;
	}
	check(mp_session_create(argv[1], false, &session, &err));
	check(mp_session_publish(session, &err));
	mp_session_set(session, &err, "pid", "4242");
	mp_session_set(session, &err, "command", "./engine");
	mp_session_set(session, &err, "start_ns", "%" PRId64, START_NS);
	mp_session_set(session, &err, "end_ns", "%" PRId64, START_NS + seconds * SECOND);
	check(mp_append_clock(session, START_NS, REAL_NS, &err));
	create(&p[0], "orders", 4096, 200);
	create(&p[1], "messages", 65536, 64);
	create(&p[2], "quotes", -1, 136);
	create(&p[3], "books", 2000, 512);
	for (int64_t i = FURTHER; i < pools; i++) {
		snprintf(name, sizeof(name), "further%" PRId64, i);
		create(&p[i], name, 1000, 64);
	}
	for (int64_t k = 0; k < seconds; k++) {
		int64_t slot_ns = START_NS + k * SECOND;

		check(mp_append_slot(session, slot_ns, SECOND, &err));
		if (k % phase_s(seconds) == 0)
			check(mp_append_phase(session, k % (2 * phase_s(seconds)) ? "continuous" : "open",
			    slot_ns, "marker", &id, &err));
		step_orders(&p[0], slot_ns, k, seconds);
		step(&p[1], slot_ns, 100 + next_random(30), 90, 0);
		count_all(&p[1], slot_ns);
		step(&p[2], slot_ns, 200 + next_random(300), 100, 0);
		step(&p[3], slot_ns, p[3].in_use + 10, k < 10 ? p[3].in_use - 100 : -1000 + next_random(50),
		    0);
		for (int64_t i = FURTHER; i < pools; i++)
			if (i < FURTHER + BUSY || (k + i) % 100 == 0)
				step(&p[i], slot_ns, 300 + next_random(200), 250, 0);
	}
	p[2].sum.cross_puts = p[2].sum.puts / 5 * 2;
	for (int64_t i = 0; i < pools; i++)
		check(mp_append_pool_sum(session, p[i].id, &p[i].sum, &err));
	append_sites(&p[0]);
	check(mp_session_close(session, &err));
	free(p);
	return 0;
}
