/* SPDX-License-Identifier: MIT */
/*
 * Writes a session as one recording of a steady program on a noisy machine, for comparisons:
 *
 *   diff_session FILE SEED [NAME=VALUE]...
 *
 * Sessions of different seeds differ by chance only. The chance is that of a machine: for some seconds all is
 * slower (an autoregression with phi = 0.6 and a standard deviation of noise=2 percent for durations, another
 * for the rate of calls), and in one second of thirty, something runs beside it and makes one of 200 calls
 * twenty times as long.
 *
 * About 40,000 calls a second: malloc of two sizes, calloc, free; each is drawn. 97 % have a duration around
 * the median of their operation (log-normal), 3 % are in its tail, which begins at ten times that (Pareto,
 * exponent 3): p99 lies in the tail. All calls above 40 times the median and one of 500 of the others are
 * kept, with stacks at ten sites; the former have causes. Further a span, pauses of a collector, a pool,
 * counters, and two phases, open_burst and continuous: the first and the second half.
 *
 *   seconds=60    how long
 *   noise=2       percent, as above
 *   tail=0        percent by which the tail of malloc is longer
 *   late=0        the same, in the second half only
 *   rate=0        percent by which there are more mallocs
 *   site=0        1: a tenth of the calls come from a site that no other session has
 *   cause=0       percent by which page faults take more of an outlier
 *   pause=0       percent by which pauses are longer
 *   floor=462     what the probes are said to take
 *   lost=0        calls that are said to be lost
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/append.h"
#include "store/append_gc.h"
#include "store/append_pool.h"
#include "store/histogram.h"

#define SLOT_NS  1000000000LL
#define START_NS 50000000000000LL
#define TID      4242
#define SITES    11 /* the last one only where it is planted */
#define SAMPLE   500
#define OUTLIER  40

static const struct kind {
	uint32_t op;
	uint64_t bytes;
	double median_ns, per_s;
} kinds[] = {{MP_OP_MALLOC, 40, 60, 12000}, {MP_OP_MALLOC, 700, 140, 5000}, {MP_OP_CALLOC, 300, 180, 2000},
    {MP_OP_FREE, 0, 45, 19000}};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

static struct option {
	const char *name;
	double value;
} options[] = {{"seconds", 60}, {"noise", 2}, {"tail", 0}, {"late", 0}, {"rate", 0}, {"site", 0},
    {"cause", 0}, {"pause", 0}, {"floor", 462}, {"lost", 0}};
enum { SECONDS, NOISE, TAIL, LATE, RATE, SITE, CAUSE, PAUSE, FLOOR, LOST, OPTIONS };

static struct mp_session *s;
static struct mp_err err;
static uint64_t random_state;
static uint64_t counts[KINDS][MP_HIST_BUCKETS];

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

/* How much slower, or faster, all is for a while. */
static double next_noise(double *state)
{
	*state = 0.6 * *state + 0.8 * normal();
	return exp(options[NOISE].value / 100 * *state);
}

static void must(int rc)
{
	if (!rc)
		return;
	fprintf(stderr, "diff_session: %s\n", err.text);
	exit(1);
}

static void write_stacks(void)
{
	struct mp_module_row module = {
	    1, "/opt/me/engine", "00c0ffee", 0x400000, 0x500000, 0, START_NS, true, 0x400000, NULL};

	must(mp_append_module(s, &module, &err));
	for (int64_t id = 1; id <= SITES; id++) {
		struct mp_stack_row row = {id, &id, 1, 3, 0};
		char site[32];

		snprintf(site, sizeof(site), id == SITES ? "planted_site" : "site_%" PRId64, id);
		must(mp_append_frame(s, id, 0x400000 + (uint64_t)id * 64, 1, START_NS, &err));
		must(mp_append_stack(s, &row, &err));
		must(mp_update_site(s, id, site, &err));
	}
}

static void write_keys(void)
{
	static const struct {
		const char *key, *value;
	} keys[] = {{"pid", "4242"}, {"command", "./engine --day"}, {"host", "generated"},
	    {"kernel", "Linux 6.18.0 x86_64"}, {"cpu", "generated"}, {"version", "generated"},
	    {"planes", "uprobe,perf"}, {"backend", "session"}, {"probe", "all"}, {"duty", "1.0"},
	    {"keep_over_ns", "adaptive"}, {"end_reason", "duration"}};
	int64_t dur_ns = (int64_t)options[SECONDS].value * SLOT_NS;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		must(mp_session_set(s, &err, keys[i].key, "%s", keys[i].value));
	must(mp_session_set(s, &err, "floor_ns", "%.0f", options[FLOOR].value));
	must(mp_session_set(s, &err, "start_ns", "%lld", START_NS));
	must(mp_session_set(s, &err, "end_ns", "%lld", START_NS + dur_ns));
	must(mp_session_set(s, &err, "duration_ns", "%" PRId64, dur_ns));
	if (options[LOST].value > 0)
		must(mp_append_loss(
		    s, START_NS + SLOT_NS, "a ring", "calls", (uint64_t)options[LOST].value, &err));
}

static void write_phases(void)
{
	int64_t half_ns = START_NS + (int64_t)options[SECONDS].value / 2 * SLOT_NS, id;

	must(mp_append_phase(s, "open_burst", START_NS, "generated", &id, &err));
	must(mp_update_phase(s, id, half_ns, &err));
	must(mp_append_phase(s, "continuous", half_ns, "generated", &id, &err));
}

static void write_causes(int64_t call_id, int64_t dur_ns)
{
	static const char *const names[] = {"minor_fault", "off_cpu", "irq"};
	double part = uniform() * (1 + options[CAUSE].value / 100) * 0.5;
	struct mp_cause_row known = {call_id,
	    names[uniform() < 0.6   ? 0
		  : uniform() < 0.5 ? 1
				    : 2],
	    NULL, (int64_t)((double)dur_ns * fmin(part, 1)), 1};
	struct mp_cause_row rest = {call_id, "unexplained", NULL, dur_ns - known.dur_ns, 1};

	must(mp_append_cause(s, &known, &err));
	must(mp_append_cause(s, &rest, &err));
}

static void keep(const struct kind *k, int64_t t_ns, int64_t dur_ns, bool is_outlier)
{
	int64_t site =
	    options[SITE].value > 0 && uniform() < 0.1 ? SITES : 1 + (int64_t)(10 * uniform() * uniform());
	struct mp_call c = {.t_ns = t_ns,
	    .tid = TID,
	    .op = k->op,
	    .kept = is_outlier ? MP_KEPT_OUTLIER : MP_KEPT_SAMPLE,
	    .weight = is_outlier ? 1 : SAMPLE,
	    .size_bytes = k->bytes,
	    .addr = 0x7f0000000000,
	    .dur_ns = dur_ns,
	    .stack_id = site};
	int64_t call_id;

	must(mp_append_call(s, &c, &call_id, &err));
	if (is_outlier)
		write_causes(call_id, dur_ns);
}

static double longer_tail(const struct kind *k, bool is_late)
{
	if (k->op != MP_OP_MALLOC)
		return 1;
	return 1 + (options[TAIL].value + (is_late ? options[LATE].value : 0)) / 100;
}

/* The calls of a kind in a second. */
static void write_calls(size_t i, int64_t slot_ns, double slower, double more, bool is_late, bool is_burst)
{
	const struct kind *k = &kinds[i];
	double per_s = k->per_s * more * (k->op == MP_OP_MALLOC ? 1 + options[RATE].value / 100 : 1);
	double tail = longer_tail(k, is_late);
	int64_t n = (int64_t)(per_s + sqrt(per_s) * normal());
	struct mp_latency_sum sum = {.calls = (uint64_t)n, .bytes = (uint64_t)n * k->bytes};

	for (int64_t c = 0; c < n; c++) {
		double ns = k->median_ns * slower;

		if (uniform() < 0.03)
			ns *= 10 * tail * pow(uniform(), -1.0 / 3);
		else
			ns *= exp(0.4 * normal());
		if (is_burst && uniform() < 0.005)
			ns *= 20;
		uint64_t whole = (uint64_t)ns;
		bool is_outlier = ns > OUTLIER * k->median_ns;

		counts[i][mp_hist_bucket(whole)]++;
		sum.sum_ns += whole;
		sum.max_ns = whole > sum.max_ns ? whole : sum.max_ns;
		if (is_outlier || uniform() < 1.0 / SAMPLE)
			keep(k, slot_ns + c * (SLOT_NS / n), (int64_t)whole, is_outlier);
	}
	uint32_t size_class = mp_size_class(k->bytes);
	for (uint32_t b = 0; b < MP_HIST_BUCKETS; b++) {
		if (counts[i][b])
			must(mp_append_latency(s, slot_ns, k->op, size_class, b, counts[i][b], &err));
		counts[i][b] = 0;
	}
	must(mp_append_latency_sum(s, slot_ns, k->op, size_class, &sum, &err));
}

static void write_spans_and_pauses(int64_t slot_ns, double slower)
{
	for (int i = 0; i < 100; i++) {
		struct mp_span_row row = {.name = "on_packet",
		    .id = (uint64_t)i,
		    .tid = TID,
		    .t_ns = slot_ns + i * (SLOT_NS / 100),
		    .dur_ns = (int64_t)(9000 * slower * exp(0.5 * normal())),
		    .alloc_ns = -1,
		    .alloc_calls = -1,
		    .fault_ns = -1,
		    .off_cpu_ns = -1,
		    .gc_ns = -1};

		must(mp_append_span(s, &row, &err));
	}
	for (int i = 0; i < 5; i++) {
		int64_t gc_id;
		double ns = 2e6 * slower * (1 + options[PAUSE].value / 100) * exp(0.2 * normal());
		struct mp_gc_row row = {.t_ns = slot_ns + i * (SLOT_NS / 5),
		    .dur_ns = (int64_t)ns,
		    .ttsp_ns = -1,
		    .stopped_ns = (int64_t)ns,
		    .is_pause = true,
		    .runtime = "hotspot",
		    .kind = "young",
		    .bytes_since_last = -1,
		    .source = "probes"};

		must(mp_append_gc(s, &row, &gc_id, &err));
	}
}

static void write_second(int second, int64_t pool_id, double noise[2])
{
	int64_t slot_ns = START_NS + second * SLOT_NS;
	double slower = next_noise(&noise[0]), more = next_noise(&noise[1]);
	bool is_burst = uniform() < 1.0 / 30, is_late = second >= (int)options[SECONDS].value / 2;
	uint64_t gets = (uint64_t)(1000 * more);
	struct mp_pool_use use = {.in_use_min = 10,
	    .in_use_max = (int64_t)(100 * more + 10 * fabs(normal())),
	    .in_use_last = 10,
	    .gets = gets,
	    .puts = gets,
	    .failures = uniform() < 0.1,
	    .in_use_bytes_max = -1};

	must(mp_append_slot(s, slot_ns, SLOT_NS, &err));
	must(mp_append_clock(s, slot_ns, slot_ns + 1700000000000000000LL, &err));
	for (size_t i = 0; i < KINDS; i++)
		write_calls(i, slot_ns, slower, more, is_late, is_burst);
	write_spans_and_pauses(slot_ns, slower);
	must(mp_append_pool_use(s, pool_id, slot_ns, &use, &err));
	must(mp_append_counter(s, slot_ns, "minor_fault", (int64_t)(300 * more + 20 * normal()), &err));
	must(mp_append_counter(s, slot_ns, "migration", (int64_t)(4 * uniform()), &err));
}

static void parse(int argc, char **argv)
{
	random_state = strtoull(argv[2], NULL, 10) * 0x632be59bd9b4e019;
	for (int i = 3; i < argc; i++) {
		const char *equals = strchr(argv[i], '=');
		size_t n = equals ? (size_t)(equals - argv[i]) : 0, k = 0;

		while (k < OPTIONS && (strlen(options[k].name) != n || strncmp(options[k].name, argv[i], n)))
			k++;
		if (k == OPTIONS) {
			fprintf(stderr, "diff_session: no option %s\n", argv[i]);
			exit(2);
		}
		options[k].value = strtod(equals + 1, NULL);
	}
}

int main(int argc, char **argv)
{
	struct mp_pool_row pool = {"orders", "markers", 0, 200, 64, START_NS};
	double noise[2];
	int64_t pool_id;

	if (argc < 3) {
		fputs("usage: diff_session FILE SEED [NAME=VALUE]...\n", stderr);
		return 2;
	}
	parse(argc, argv);
	noise[0] = normal();
	noise[1] = normal();
	must(mp_session_create(argv[1], true, &s, &err));
	must(mp_session_publish(s, &err));
	write_stacks();
	write_phases();
	must(mp_append_pool(s, &pool, &pool_id, &err));
	for (int second = 0; second < (int)options[SECONDS].value; second++)
		write_second(second, pool_id, noise);
	write_keys();
	must(mp_session_close(s, &err));
	return 0;
}
