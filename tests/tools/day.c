/* SPDX-License-Identifier: MIT */
/*
 * A recording of many hours in less than a minute: the recorder's own histograms, pipeline and store, driven
 * by the seconds of a made-up day as fast as they go.
 *
 *   day FILE MAX_BYTES SECONDS [full | trading]
 *
 * Each second has 2000 calls of three operations, counted; of them 20 samples of weight 100 (with `full`, 200
 * calls, each of them a row), and 3 outliers with two causes each; 4 kernel events, 2 spans, a loss every 7
 * s, a mark every 10 s. The outlier number N takes 50 us + N * 7919 % 1000003 ns: the slowest ones are known.
 * With `trading`, what a back end of 100,000 allocations a second has in a recording with the defaults, as
 * much as one of tests/targets/matching_engine has: 180,000 calls of six operations and 24 size classes, some
 * 900 rows of histograms a second; 250 samples and 200 outliers of 200 sites with names, 60 blocks that are
 * followed, 200 kernel events, 25 looks at pressure and gauges; phases of a trading day and components.
 *
 * Prints the truth and what the recorder took, a line each:
 *
 *   calls OP N BYTES NS      counted, of an operation
 *   weight OP N              calls that samples, outliers and `full` rows stood for when they were handed in
 *   rows N, outliers N, events N, spans N, marks N, losses N    handed in
 *   rss_kib AT_25 AT_50 AT_100   of this process
 *   bytes MOST LAST          file and log together: the most while it ran, and after it was closed
 *   step_us N                the longest that retention kept an append waiting, in CPU time
 *   seconds N                that all took
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sampler/components/classify.h"
#include "sampler/components/rules.h"
#include "sampler/latency.h"
#include "sampler/naming.h"
#include "sampler/pipeline.h"
#include "store/append.h"
#include "store/append_gc.h"
#include "store/retention.h"

#define SLOT_NS  INT64_C(1000000000)
#define START_NS INT64_C(50000000000000)
#define SAMPLES  20
#define WEIGHT   100
#define OUTLIERS 3
#define STACKS   40
#define DEPTH    6

static const unsigned int ops[] = {
    MP_OP_MALLOC, MP_OP_CALLOC, MP_OP_FREE, MP_OP_REALLOC, MP_OP_NEW, MP_OP_DELETE};
#define OPS       6
#define OPS_PLAIN 3

static struct mp_err err;
static struct mp_session *session;
static struct mp_pipeline *pipeline;
static struct mp_hist *hists;
static bool is_full, is_trading;
static uint64_t random_state = 88172645463325252ULL;
static uint64_t calls[OPS], bytes[OPS], sum_ns[OPS], weight[OPS];
static uint64_t rows, outliers, events, spans, marks, losses, most_bytes;

static uint64_t next_random(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

static void must(int rc)
{
	if (!rc)
		return;
	fprintf(stderr, "day: %s\n", err.text);
	exit(1);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : (uint64_t)st.st_size;
}

static uint64_t rss_kib(void)
{
	unsigned long long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%llu %llu", &size, &resident) != 2)
		exit(1);
	fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

static void count(int i, uint64_t size, uint64_t ns, uint64_t n)
{
	struct mp_hist *h = &hists[mp_hist_block(ops[i], mp_size_class(size))];

	h->bucket[mp_hist_bucket(ns)] += (uint32_t)n;
	h->calls += (uint32_t)n;
	h->bytes += size * n;
	h->sum_ns += ns * n;
	h->max_ns = ns > h->max_ns ? ns : h->max_ns;
	calls[i] += n;
	bytes[i] += size * n;
	sum_ns[i] += ns * n;
}

static uint64_t size_for(int i)
{
	return ops[i] == MP_OP_FREE ? 0 : 24 + 100 * next_random(8);
}

static void hand_in(
    int i, int64_t t_ns, unsigned int kept, unsigned int stands_for, uint64_t size, uint64_t ns)
{
	uint64_t stack = next_random(STACKS), ip[DEPTH];
	struct mp_causes causes = {0};
	struct mp_call_event e = {.tid = 4242 + (pid_t)next_random(8),
	    .op = ops[i],
	    .kept = kept,
	    .weight = stands_for,
	    .t_ns = t_ns,
	    .dur_ns = (int64_t)ns,
	    .size_bytes = size,
	    .addr = 0x7f0000000000 + next_random(1 << 26) * 16,
	    .knows_causes = true};

	for (uint64_t d = 0; d < DEPTH; d++)
		ip[d] = 0x400000 + (stack * DEPTH + d) * 64;
	if (kept != MP_KEPT_FULL) {
		e.ip = ip;
		e.nframes = DEPTH;
	}
	if (kept == MP_KEPT_OUTLIER) {
		causes.ns[MP_KERNEL_MINOR_FAULT] = ns / 4;
		causes.n[MP_KERNEL_MINOR_FAULT] = 3;
		causes.ns[MP_KERNEL_IRQ] = ns / 8;
		causes.n[MP_KERNEL_IRQ] = 1;
		e.causes = &causes;
	}
	mp_pipeline_call(pipeline, &e);
	rows++;
	outliers += kept == MP_KEPT_OUTLIER;
	weight[i] += stands_for;
}

static void kernel_events(int64_t t_ns)
{
	for (int k = 0; k < 4; k++, events++)
		mp_pipeline_kernel_event(pipeline, &(struct mp_kernel_interval){.t_ns = t_ns + k * 1000000,
						       .tid = 4242,
						       .kind = MP_KERNEL_MINOR_FAULT,
						       .dur_ns = 900,
						       .addr = 0x7f0000000000 + (uint64_t)k * 4096,
						       .ip = 0x400000,
						       .is_row = true});
}

static void one_second(int64_t slot_ns, int second)
{
	int samples = is_full ? 10 * SAMPLES : SAMPLES;

	kernel_events(slot_ns);
	for (int k = 0; k < samples; k++) {
		int i = (int)next_random(OPS_PLAIN);
		uint64_t size = size_for(i), ns = 40 + next_random(400) + (uint64_t)i * 100;
		unsigned int stands_for = is_full ? 1 : WEIGHT;

		count(i, size, ns, stands_for);
		hand_in(i, slot_ns + k * (SLOT_NS / samples), is_full ? MP_KEPT_FULL : MP_KEPT_SAMPLE,
		    stands_for, size, ns);
	}
	for (int k = 0; k < OUTLIERS; k++) {
		int i = (int)next_random(OPS_PLAIN);
		uint64_t size = size_for(i), ns = 50000 + outliers * 7919 % 1000003;

		count(i, size, ns, 1);
		hand_in(i, slot_ns + k * (SLOT_NS / OUTLIERS) + 1, MP_KEPT_OUTLIER, 1, size, ns);
	}
	for (int k = 0; k < 2; k++, spans++)
		mp_pipeline_span(pipeline, &(struct mp_span_event){.tid = 4242,
					       .t_ns = slot_ns + k * 1000000,
					       .dur_ns = 5000 + (int64_t)next_random(1000),
					       .name = "on_packet",
					       .spent = {500, 3, 0, 0}});
	if (second % 7 == 0) {
		mp_pipeline_loss(pipeline, slot_ns + SLOT_NS, "call ring", "rows", 11);
		losses += 11;
	}
	if (second % 10 == 0) {
		mp_pipeline_mark(pipeline, slot_ns, 4242, "tick", "of the made-up day");
		marks++;
	}
}

/* ---- A trading back end ---- */

#define TRADING_SITES    200
#define TRADING_SAMPLES  250
#define TRADING_OUTLIERS 200
#define TRADING_BLOCKS   60
#define TRADING_CALLS    260000 /* where the rate is 1 */
#define TRADING_CLASSES  24
#define TRADING_BODY     16 /* rows of histograms of each operation and size class */

extern const char __executable_start[], etext[];

/* Of the whole: begins, and how busy it is then. */
static const struct trading_phase {
	const char *name;
	double at, rate;
} trading_phases[] = {{"pre_open", 0, 0.2}, {"open_burst", 0.1, 2.5}, {"continuous", 0.12, 1},
    {"close_burst", 0.9, 2}, {"post_close", 0.93, 0.3}};
#define TRADING_PHASES (sizeof(trading_phases) / sizeof(*trading_phases))

static const char trading_rules[] = "[component order_book]\nfunction = mp_pipeline_*\n"
				    "[component positions]\nfunction = mp_latency_* mp_append_*\n"
				    "[component large]\nsize = 4096-\n";

static uint64_t trading_size(void)
{
	return UINT64_C(16) << next_random(8) | next_random(16) << 3;
}

/* Functions of this program itself, which have names. */
static uint64_t trading_site(uint64_t n)
{
	uint64_t span = (uint64_t)(etext - __executable_start) / 2;

	return (uint64_t)(uintptr_t)__executable_start + span / 2 + span * n / TRADING_SITES;
}

static struct mp_call_event trading_call(int64_t t_ns, int i, uint64_t ip[DEPTH])
{
	uint64_t site = next_random(TRADING_SITES) * next_random(TRADING_SITES) / TRADING_SITES;

	for (uint64_t d = 0; d < DEPTH; d++)
		ip[d] = trading_site(d ? (site * 7 + d * 31) % TRADING_SITES : site);
	return (struct mp_call_event){.tid = 4242 + (pid_t)next_random(8),
	    .op = ops[i],
	    .t_ns = t_ns,
	    .size_bytes = ops[i] == MP_OP_FREE || ops[i] == MP_OP_DELETE ? 0 : trading_size(),
	    .addr = 0x7f0000000000 + next_random(1 << 26) * 16,
	    .knows_causes = true,
	    .ip = ip,
	    .nframes = DEPTH};
}

/* All calls of a second: their durations are about log-normal. */
static void trading_counts(double rate)
{
	uint64_t of_class = (uint64_t)(rate * TRADING_CALLS / (OPS * TRADING_CLASSES * TRADING_BODY));

	for (int i = 0; i < OPS; i++) {
		bool has_size = ops[i] != MP_OP_FREE && ops[i] != MP_OP_DELETE;
		for (int c = 0; c < (has_size ? TRADING_CLASSES : 1); c++)
			for (int b = 0; b < TRADING_BODY / (c % 4 ? 2 : 1); b++)
				count(i, has_size ? 16 + 48 * (uint64_t)c * (uint64_t)c : 0,
				    (uint64_t)(20 + 6 * b) << next_random(3),
				    (has_size ? of_class : of_class * TRADING_CLASSES) + next_random(3));
	}
}

static void trading_kept(int64_t slot_ns, double rate)
{
	uint64_t ip[DEPTH];

	for (int k = 0; k < TRADING_SAMPLES + TRADING_OUTLIERS; k++) {
		bool is_outlier = k % 9 < 4;
		struct mp_causes causes = {0};
		struct mp_call_event e =
		    trading_call(slot_ns + k * (SLOT_NS / (TRADING_SAMPLES + TRADING_OUTLIERS)),
			(int)next_random(OPS), ip);
		e.kept = is_outlier ? MP_KEPT_OUTLIER : MP_KEPT_SAMPLE;
		e.weight = is_outlier ? 1 : 1 + (unsigned int)(rate * TRADING_CALLS / TRADING_SAMPLES);
		e.dur_ns = is_outlier ? 2000 + (int64_t)next_random(60000) : 20 + (int64_t)next_random(300);
		if (is_outlier) {
			causes.ns[MP_KERNEL_MINOR_FAULT] = (uint64_t)e.dur_ns / 2;
			causes.n[MP_KERNEL_MINOR_FAULT] = 1;
			e.causes = &causes;
		}
		mp_pipeline_call(pipeline, &e);
		rows++;
		outliers += is_outlier;
	}
}

static void trading_blocks(int64_t slot_ns)
{
	uint64_t ip[DEPTH];

	for (int k = 0; k < TRADING_BLOCKS; k++) {
		int64_t t_ns = slot_ns + k * (SLOT_NS / TRADING_BLOCKS);
		struct mp_call_event e = trading_call(t_ns, 0, ip);
		e.born_period = 4 << 20;
		e.size_bytes = 4096 + trading_size();
		mp_pipeline_block_born(pipeline, &e);
		if (k % 50)
			mp_pipeline_block_died(pipeline, e.addr, t_ns + 1000000, e.tid, false);
	}
}

static void trading_pressure(int64_t slot_ns)
{
	static double counted[9]; /* most of these only rise */
	static const char *const names[] = {"rss_bytes", "minor_faults", "major_faults", "cpu_user_ns",
	    "cpu_system_ns", "psi_cpu_some_ns", "psi_memory_some_ns", "cgroup_memory_bytes", "gauge.orders"};

	_Static_assert(sizeof(names) / sizeof(*names) == sizeof(counted) / sizeof(*counted), "names");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		counted[i] += 80 + (double)next_random(40);
		must(mp_append_pressure(session, slot_ns, names[i], counted[i], &err));
	}
	for (int k = 0; k < 200; k++, events++)
		mp_pipeline_kernel_event(pipeline, &(struct mp_kernel_interval){.t_ns = slot_ns + k * 5000000,
						       .tid = 4242,
						       .kind = MP_KERNEL_MINOR_FAULT,
						       .dur_ns = 900,
						       .addr = 0x7f0000000000 + (uint64_t)k * 4096,
						       .ip = trading_site((uint64_t)k),
						       .is_row = true});
}

static void trading_second(int64_t slot_ns, int second, int seconds)
{
	static int64_t phase_id;
	static size_t next_phase;
	double rate;

	if (next_phase < TRADING_PHASES && second >= trading_phases[next_phase].at * seconds) {
		if (phase_id)
			must(mp_update_phase(session, phase_id, slot_ns, &err));
		must(mp_append_phase(
		    session, trading_phases[next_phase++].name, slot_ns, "calendar", &phase_id, &err));
	}
	rate = trading_phases[next_phase - 1].rate;
	if (second == seconds - 1)
		must(mp_update_phase(session, phase_id, slot_ns + SLOT_NS, &err));
	trading_counts(rate);
	trading_kept(slot_ns, rate);
	trading_blocks(slot_ns);
	trading_pressure(slot_ns);
}

static bool is_none(void *ctx, const char *function, const char *module)
{
	(void)ctx, (void)function, (void)module;
	return false;
}

/* Where this program's code is mapped. */
static void trading_map(void)
{
	static char path[4096];

	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
		exit(1);
	mp_pipeline_map(
	    pipeline, (uint64_t)(uintptr_t)__executable_start, (uint64_t)(uintptr_t)etext, 0, path, START_NS);
	mp_pipeline_mappings_known(pipeline, INT64_MAX);
}

static void trading_end(struct mp_symbolizer *symbolizer)
{
	const struct mp_naming naming = {.session = session, .symbolizer = symbolizer, .is_wrapper = is_none};
	struct mp_naming_totals totals;
	struct mp_component_rules rules;

	must(mp_naming_run(&naming, &totals, &err));
	must(mp_component_rules_parse("rules", trading_rules, &rules, &err));
	must(mp_components_classify(session, &rules, &err));
	mp_component_rules_free(&rules);
}

static void check_size(const char *path, const char *log)
{
	uint64_t now = size_of(path) + size_of(log);

	most_bytes = now > most_bytes ? now : most_bytes;
}

static bool is_impatient(void *ctx)
{
	(void)ctx;
	return true;
}

/* As mp_recorder_end_slot() and finish() do. */
static void run(struct mp_latency *latency, struct mp_symbolizer *symbolizer, const char *path, int seconds,
    uint64_t rss[3])
{
	char log[4096];
	int64_t slot_ns = START_NS;

	snprintf(log, sizeof(log), "%s-wal", path);
	for (int second = 0; second < seconds; second++) {
		int64_t end_ns = START_NS + (second + 1) * SLOT_NS + (int64_t)next_random(1000000);

		if (is_trading)
			trading_second(slot_ns, second, seconds);
		else
			one_second(slot_ns, second);
		mp_latency_poll(latency, false);
		mp_latency_window(latency, end_ns);
		must(mp_latency_flush(latency, session, slot_ns, &err));
		must(mp_append_clock(session, end_ns, end_ns + 1700000000000000000LL, &err));
		must(mp_append_counter(session, slot_ns, "minor_fault", 4, &err));
		must(mp_append_overhead(session,
		    &(struct mp_overhead_row){
			.slot_ns = slot_ns, .plane = "preload", .events = 2000, .cost_ns = 32000},
		    &err));
		must(mp_append_slot(session, slot_ns, end_ns - slot_ns, &err));
		must(mp_pipeline_commit(pipeline, end_ns, &err));
		mp_latency_fade(latency);
		slot_ns = end_ns;
		if (second % 16 == 0)
			check_size(path, log);
		if (second == seconds / 4)
			rss[0] = rss_kib();
		if (second == seconds / 2)
			rss[1] = rss_kib();
	}
	rss[2] = rss_kib();
	must(mp_pipeline_end(pipeline, is_impatient, NULL, &err));
	if (is_trading)
		trading_end(symbolizer);
	must(mp_session_set(session, &err, "end_ns", "%" PRId64, slot_ns));
	must(mp_session_set(session, &err, "duration_ns", "%" PRId64, slot_ns - START_NS));
	must(mp_session_set(session, &err, "end_reason", "duration"));
	must(mp_retention_settle(session, &err));
	check_size(path, log);
}

static void describe(void)
{
	static const char *const keys[][2] = {{"pid", "4242"}, {"command", "./matching_engine --day"},
	    {"planes", "preload,perf"}, {"backend", "preload"}, {"probe", "all"}, {"duty", "1.0"},
	    {"floor_ns", "10"}};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		must(mp_session_set(session, &err, keys[i][0], "%s", keys[i][1]));
	must(mp_session_set(session, &err, "start_ns", "%" PRId64, START_NS));
	for (pid_t tid = 4242; tid < 4250; tid++)
		mp_pipeline_thread(pipeline, tid, "me-worker", START_NS);
}

int main(int argc, char **argv)
{
	static const char *const names[OPS] = {"malloc", "calloc", "free", "realloc", "new", "delete"};
	uint64_t rss[3];
	double start = now_s();

	if (argc < 4) {
		fputs("usage: day FILE MAX_BYTES SECONDS [full | trading]\n", stderr);
		return 2;
	}
	is_full = argc > 4 && !strcmp(argv[4], "full");
	is_trading = argc > 4 && !strcmp(argv[4], "trading");
	hists = calloc(MP_HIST_BLOCKS, sizeof(*hists));
	struct mp_hist_view view = {hists, 1, 1};
	struct mp_latency *latency = mp_latency_new(&view);
	struct mp_symbolizer *symbolizer = mp_symbolizer_new(getpid(), &(struct mp_symbolize_options){0});
	must(mp_session_create(argv[1], true, &session, &err));
	must(mp_session_publish(session, &err));
	must(mp_session_live(session, strtoull(argv[2], NULL, 10), &err));
	pipeline = mp_pipeline_new(session, symbolizer);
	describe();
	if (is_trading) {
		static const struct mp_blocks_options blocks = {.max_alive = 100000, .seed = 1};
		must(mp_pipeline_follow_blocks(pipeline, &blocks, &err));
		trading_map();
	}
	mp_latency_window(latency, START_NS);
	run(latency, symbolizer, argv[1], atoi(argv[3]), rss);
	struct mp_retention_totals totals;
	mp_retention_totals(session, &totals);
	must(mp_session_close(session, &err));

	for (int i = 0; i < OPS; i++) {
		if (!calls[i])
			continue;
		printf("calls %s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", names[i], calls[i], bytes[i],
		    sum_ns[i]);
		printf("weight %s %" PRIu64 "\n", names[i], weight[i]);
	}
	printf("rows %" PRIu64 "\noutliers %" PRIu64 "\nevents %" PRIu64 "\nspans %" PRIu64 "\nmarks %" PRIu64
	       "\nlosses %" PRIu64 "\n",
	    rows, outliers, events, spans, marks, losses);
	printf("rss_kib %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", rss[0], rss[1], rss[2]);
	printf("bytes %" PRIu64 " %" PRIu64 "\n", most_bytes, size_of(argv[1]));
	printf("step_us %" PRIu64 "\n", totals.longest_step_ns / 1000);
	printf("seconds %.1f\n", now_s() - start);
	mp_latency_free(latency);
	mp_pipeline_free(pipeline);
	mp_symbolizer_free(symbolizer);
	free(hists);
	return 0;
}
