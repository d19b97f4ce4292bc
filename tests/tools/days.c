/* SPDX-License-Identifier: MIT */
/*
 * Writes many days of one program, a session each, through the path that a recorder writes by:
 *
 *   days DIRECTORY SEED DAYS [NAME=VALUE]...
 *
 * The sessions are DIRECTORY/01.db and so on, of weekdays from Monday, 2026-11-02, on, each from 14:30 UTC. A
 * day has two phases, open_burst, a third of it, and continuous. Days differ by chance only: what a phase is
 * like on a day, its durations, rate, sizes, faults, pauses, pool, live blocks, is drawn with noise=2 percent
 * each (log-normal), and each call again: 95 % have a duration around 100 ns (log-normal), 5 % are in a tail
 * around 2 us, in which p99 and p99.9 lie.
 *
 *   seconds=24   how long a day is
 *   noise=2      percent, as above
 *   grow=0       percent by which the tail of open_burst is longer each day than on the day of the week
 * before it leak=0       percent by which what continuous leaves alive grows each day slow_day=0   the
 * number, from 1, of a day on which the tail of continuous is `slow` percent longer slow=0 weekends=0   1:
 * each day of the calendar probe_day=0  the number of a day that was recorded with other probes
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/append.h"
#include "store/append_block.h"
#include "store/append_gc.h"
#include "store/append_pool.h"
#include "store/histogram.h"

#define SLOT_NS  INT64_C(1000000000)
#define START_NS INT64_C(50000000000000)
#define FIRST_S  INT64_C(1793629800) /* 2026-11-02 14:30:00 UTC */
#define DAY_S    INT64_C(86400)
#define PER_S    3000
#define BLOCKS   300
#define BYTES    256

static struct option {
	const char *name;
	double value;
} options[] = {{"seconds", 24}, {"noise", 2}, {"grow", 0}, {"leak", 0}, {"slow_day", 0}, {"slow", 0},
    {"weekends", 0}, {"probe_day", 0}};
enum { SECONDS, NOISE, GROW, LEAK, SLOW_DAY, SLOW, WEEKENDS, PROBE_DAY, OPTIONS };

/* What a phase is like on a day, against what it is usually like. */
struct weather {
	double slower, longer_tail, more, larger, faults, pauses, pause_ns, pool, live;
};

static struct mp_session *s;
static struct mp_err err;
static uint64_t random_state;
static int64_t faults;

/* splitmix64 (Steele, Lea and Flood, OOPSLA 2014): seeds that follow one another do as well as others. */
static double uniform(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return ((double)((z ^ z >> 31) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
	return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

static double noise(void)
{
	return exp(options[NOISE].value / 100 * normal());
}

static void must(int rc)
{
	if (!rc)
		return;
	fprintf(stderr, "days: %s\n", err.text);
	exit(1);
}

static struct weather weather_of(int day, int is_burst)
{
	struct weather w = {noise(), noise(), noise(), noise(), noise(), noise(), noise(), noise(), noise()};

	if (is_burst) {
		w.more *= 2;
		w.longer_tail *= pow(1 + options[GROW].value / 100, day);
	} else {
		w.live *= pow(1 + options[LEAK].value / 100, day);
		if (day + 1 == (int)options[SLOW_DAY].value)
			w.longer_tail *= 1 + options[SLOW].value / 100;
	}
	return w;
}

static void write_calls(int64_t slot_ns, const struct weather *w)
{
	static uint64_t counts[MP_HIST_BUCKETS];
	double expected = PER_S * w->more;
	int64_t n = (int64_t)(expected + sqrt(expected) * normal());
	struct mp_latency_sum sum = {
	    .calls = (uint64_t)n, .bytes = (uint64_t)((double)n * BYTES * w->larger)};
	uint32_t size_class = mp_size_class(BYTES);

	for (int64_t i = 0; i < n; i++) {
		double ns = w->slower * (uniform() < 0.05 ? 2000 * w->longer_tail * exp(0.3 * normal())
							  : 100 * exp(0.4 * normal()));
		uint64_t whole = (uint64_t)ns;

		counts[mp_hist_bucket(whole)]++;
		sum.sum_ns += whole;
		sum.max_ns = whole > sum.max_ns ? whole : sum.max_ns;
	}
	for (uint32_t b = 0; b < MP_HIST_BUCKETS; b++) {
		if (counts[b])
			must(mp_append_latency(s, slot_ns, MP_OP_MALLOC, size_class, b, counts[b], &err));
		counts[b] = 0;
	}
	must(mp_append_latency_sum(s, slot_ns, MP_OP_MALLOC, size_class, &sum, &err));
}

static void write_pauses(int64_t slot_ns, const struct weather *w)
{
	int n = (int)(4 * w->pauses + uniform());

	for (int i = 0; i < n; i++) {
		int64_t gc_id, ns = (int64_t)(2e6 * w->pause_ns * exp(0.2 * normal()));
		struct mp_gc_row row = {.t_ns = slot_ns + i * (SLOT_NS / 8),
		    .dur_ns = ns,
		    .ttsp_ns = -1,
		    .stopped_ns = ns,
		    .is_pause = true,
		    .runtime = "hotspot",
		    .kind = "young",
		    .bytes_since_last = -1,
		    .source = "probes"};

		must(mp_append_gc(s, &row, &gc_id, &err));
	}
}

static void write_second(int second, int64_t offset_ns, int64_t pool_id, const struct weather *w)
{
	int64_t slot_ns = START_NS + second * SLOT_NS;
	struct mp_pool_use use = {.in_use_min = 10,
	    .in_use_max = (int64_t)(1000 * w->pool + 10 * normal()),
	    .in_use_last = 10,
	    .in_use_bytes_max = -1};

	must(mp_append_slot(s, slot_ns, SLOT_NS, &err));
	must(mp_append_clock(s, slot_ns, slot_ns + offset_ns, &err));
	write_calls(slot_ns, w);
	write_pauses(slot_ns, w);
	must(mp_append_pool_use(s, pool_id, slot_ns, &use, &err));
	faults += (int64_t)(500 * w->faults + 20 * normal());
	must(mp_append_pressure(s, slot_ns, "minor_faults", (double)faults, &err));
}

/* Born in the phase's first second, and alive ever after. */
static void write_blocks(int64_t start_ns, const struct weather *w)
{
	for (int i = 0; i < BLOCKS; i++) {
		struct mp_block_row row = {.addr = 0x7f0000000000 + (uint64_t)i * 65536,
		    .size_bytes = (uint64_t)(8192 * w->live * (0.5 + uniform())),
		    .op = MP_OP_MALLOC,
		    .tid = 4242,
		    .born_ns = start_ns + i,
		    .weight = 1};
		int64_t block_id;

		must(mp_append_block(s, &row, &block_id, &err));
	}
}

static void write_keys(int day, int64_t dur_ns)
{
	int is_other = day + 1 == (int)options[PROBE_DAY].value;
	const char *const keys[][2] = {{"pid", "4242"}, {"command", "./engine --day"}, {"host", "generated"},
	    {"kernel", "Linux 6.18.0 x86_64"}, {"cpu", "generated"}, {"version", "generated"},
	    {"planes", "uprobe"}, {"backend", "session"}, {"probe", is_other ? "slow" : "all"},
	    {"duty", "1.0"}, {"end_reason", "duration"}};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		must(mp_session_set(s, &err, keys[i][0], "%s", keys[i][1]));
	must(mp_session_set(s, &err, "start_ns", "%" PRId64, START_NS));
	must(mp_session_set(s, &err, "end_ns", "%" PRId64, START_NS + dur_ns));
	must(mp_session_set(s, &err, "duration_ns", "%" PRId64, dur_ns));
}

static void write_day(const char *directory, int day)
{
	int seconds = (int)options[SECONDS].value, burst = seconds / 3;
	int64_t dur_ns = seconds * SLOT_NS, middle_ns = START_NS + burst * SLOT_NS, id, pool_id;
	int64_t date = options[WEEKENDS].value > 0 ? day : day + 2 * (day / 5);
	struct weather open = weather_of(day, 1), later = weather_of(day, 0);
	struct mp_pool_row pool = {"orders", "markers", 0, 4000, 64, START_NS};
	char path[4096];

	snprintf(path, sizeof(path), "%s/%02d.db", directory, day + 1);
	must(mp_session_create(path, true, &s, &err));
	must(mp_session_publish(s, &err));
	must(mp_append_phase(s, "open_burst", START_NS, "calendar", &id, &err));
	must(mp_update_phase(s, id, middle_ns, &err));
	must(mp_append_phase(s, "continuous", middle_ns, "calendar", &id, &err));
	must(mp_append_pool(s, &pool, &pool_id, &err));
	for (int i = 0; i < seconds; i++)
		write_second(
		    i, (FIRST_S + date * DAY_S) * SLOT_NS - START_NS, pool_id, i < burst ? &open : &later);
	write_blocks(START_NS, &open);
	write_blocks(middle_ns, &later);
	write_keys(day, dur_ns);
	must(mp_session_close(s, &err));
}

static void parse(int argc, char **argv)
{
	for (int i = 4; i < argc; i++) {
		const char *equals = strchr(argv[i], '=');
		size_t n = equals ? (size_t)(equals - argv[i]) : 0, k = 0;

		while (k < OPTIONS && (strlen(options[k].name) != n || strncmp(options[k].name, argv[i], n)))
			k++;
		if (k == OPTIONS) {
			fprintf(stderr, "days: no option %s\n", argv[i]);
			exit(2);
		}
		options[k].value = strtod(equals + 1, NULL);
	}
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fputs("usage: days DIRECTORY SEED DAYS [NAME=VALUE]...\n", stderr);
		return 2;
	}
	parse(argc, argv);
	random_state = strtoull(argv[2], NULL, 10) * 0x632be59bd9b4e019;
	for (int day = 0; day < atoi(argv[3]); day++)
		write_day(argv[1], day);
	return 0;
}
