/* SPDX-License-Identifier: MIT */
/*
 * Writes a session as large as reports have to bear, to measure them by:
 *
 *   big_session FILE
 *
 * An hour of 10^9 counted calls (about 1.5 M rows in `latency`), 10^6 kept ones of 20 threads and 400 stacks
 * at 80 named sites, 85 % of them outliers, of which each has its causes (about 2.5 M rows) that add up to
 * its duration, 10^5 spans around kept calls, and 2 x 10^5 kernel events inside of them; and 10^6 samples of
 * two events, most of them in 10^5 objects of the 80 sites. Every kept call is
 * counted in the histograms, and of the mallocs more than one in a thousand is an outlier: their p99.9 lies
 * among the outliers. The same file every time.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/append.h"
#include "store/histogram.h"

#define SLOTS    3600
#define CALLS    1000000000ULL
#define KEPT     1000000
#define SPANS    100000
#define STACKS   400
#define SITES    80
#define DEPTH    8
#define THREADS  20
#define SLOT_NS  1000000000LL
#define START_NS 50000000000000LL
#define TID      4242
#define SAMPLES  1000000
#define OBJECTS  100000
#define BODY     32 /* buckets that most calls of an operation and size class are in */

/* What a tenth of the calls each are of; mallocs of the smallest class are three tenths. */
static const struct kind {
	uint32_t op, size_class;
	uint64_t median_ns;
	int calls, outliers; /* tenths */
} kinds[] = {
    {MP_OP_MALLOC, 1, 60, 3, 5},
    {MP_OP_MALLOC, 4, 95, 1, 1},
    {MP_OP_MALLOC, 9, 400, 1, 1},
    {MP_OP_CALLOC, 5, 180, 1, 1},
    {MP_OP_REALLOC, 8, 350, 1, 1},
    {MP_OP_FREE, 0, 45, 3, 1},
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

static const struct {
	const char *kind, *detail;
} causes[] = {{"minor_fault", NULL}, {"off_cpu", "ran: kworker/1:2/61"}, {"syscall:mmap", NULL},
    {"syscall:munmap", NULL}, {"lock", NULL}, {"irq", "local_timer cpu 1"}, {"softirq", "net_rx"},
    {"migration", "ran: me-risk/4250"}, {"major_fault", NULL}, {"mmap_lock", NULL}, {"thp", NULL}};
#define CAUSES (sizeof(causes) / sizeof(*causes))

static const char *const span_names[] = {"on_market_data", "order_send", "risk_check"};

static struct mp_session *s;
static struct mp_err err;
static uint64_t counts[KINDS][MP_HIST_BUCKETS];
static uint64_t sums[KINDS], maxima[KINDS];
static int64_t spans;
static uint64_t random_state = 88172645463325252ULL;

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
	fprintf(stderr, "big_session: %s\n", err.text);
	exit(1);
}

static void count(size_t kind, uint64_t ns, uint64_t n)
{
	counts[kind][mp_hist_bucket(ns)] += n;
	sums[kind] += ns * n;
	maxima[kind] = ns > maxima[kind] ? ns : maxima[kind];
}

static void write_session_keys(void)
{
	static const struct {
		const char *key, *value;
	} keys[] = {{"pid", "4242"}, {"command", "./matching_engine --day"},
	    {"exe", "/opt/me/matching_engine"}, {"host", "big"}, {"kernel", "Linux 6.18.0 x86_64"},
	    {"cpu", "generated"}, {"version", "generated"}, {"options", "-p 4242"}, {"planes", "uprobe,perf"},
	    {"backend", "session"}, {"probe", "all"}, {"duty", "1.0"}, {"floor_ns", "462"},
	    {"cost_ns", "1500"}, {"keep_over_ns", "adaptive"}, {"end_reason", "duration"}};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		must(mp_session_set(s, &err, keys[i].key, "%s", keys[i].value));
	must(mp_session_set(s, &err, "start_ns", "%lld", START_NS));
	must(mp_session_set(s, &err, "end_ns", "%lld", START_NS + SLOTS * SLOT_NS));
	must(mp_session_set(s, &err, "duration_ns", "%lld", SLOTS * SLOT_NS));
}

/* Frame STACK x DEPTH + its depth; the innermost one is the site, which five stacks share. */
static void write_stacks(void)
{
	struct mp_module_row module = {
	    1, "/opt/me/matching_engine", "00c0ffee", 0x400000, 0x500000, 0, START_NS, true, 0x400000, NULL};

	must(mp_append_module(s, &module, &err));
	for (int64_t id = 1; id <= STACKS; id++) {
		int64_t frames[DEPTH];
		char site[32];

		for (int depth = 0; depth < DEPTH; depth++) {
			char name[32];
			struct mp_function_name function = {name, "engine.cc", 10 * (depth + 1)};
			struct mp_frame_names names = {module.path, 16, &function, 1, 6};
			int64_t frame = id * DEPTH + depth;

			if (depth == 0)
				snprintf(name, sizeof(name), "site_%" PRId64, id % SITES);
			else
				snprintf(name, sizeof(name), "caller_%" PRId64 "_%d", id, depth);
			frames[depth] = frame;
			must(mp_append_frame(s, frame, 0x400000 + (uint64_t)frame * 64, 1, START_NS, &err));
			must(mp_update_frame(s, frame, &names, &err));
		}
		struct mp_stack_row row = {id, frames, DEPTH, 3, 0};
		must(mp_append_stack(s, &row, &err));
		snprintf(site, sizeof(site), "site_%" PRId64, id % SITES);
		must(mp_update_site(s, id, site, &err));
	}
}

static void write_target(void)
{
	static const char *const phases[] = {"open_auction", "continuous", "close_auction"};

	for (int64_t i = 0; i < THREADS; i++) {
		char comm[16];

		snprintf(comm, sizeof(comm), "me-worker-%" PRId64, i);
		must(mp_append_thread(s, TID + i, comm, START_NS, NULL, &err));
	}
	write_stacks();
	for (int64_t i = 0; i < 3; i++) {
		int64_t phase_id;

		must(mp_append_phase(
		    s, phases[i], START_NS + i * 1200 * SLOT_NS, "generated", &phase_id, &err));
		must(mp_update_phase(s, phase_id, START_NS + (i + 1) * 1200 * SLOT_NS, &err));
	}
}

static void write_cause(int64_t call_id, const char *kind, int64_t dur_ns, uint64_t n, const char *detail)
{
	struct mp_cause_row row = {call_id, kind, detail, dur_ns, n};

	must(mp_append_cause(s, &row, &err));
}

/* None to four known causes, neighbours in the list, and the rest unexplained. */
static void write_causes(const struct mp_call *c, int64_t call_id)
{
	int64_t left = c->dur_ns;
	uint64_t n = next_random(5), first = next_random(CAUSES);

	for (uint64_t i = 0; i < n; i++) {
		size_t k = (first + i) % CAUSES;
		int64_t part = left / 2 + (int64_t)next_random((uint64_t)left / 4 + 1);

		write_cause(call_id, causes[k].kind, part, 1 + next_random(3), causes[k].detail);
		left -= part;
	}
	write_cause(call_id, "unexplained", left, 1, NULL);
	if (n && call_id % 3 == 0) {
		struct mp_kernel_event e = {
		    c->t_ns + c->dur_ns / 8, c->tid, causes[first].kind, c->dur_ns / 2, c->addr, 0x400000};

		must(mp_append_kernel_event(s, &e, &err));
	}
}

/* Around a call that was kept. */
static void write_span(const struct mp_call *c, int64_t i)
{
	int64_t before = 2000 + (int64_t)next_random(20000), after = 1000 + (int64_t)next_random(10000);
	struct mp_span_row row = {.name = span_names[i % 3],
	    .id = (uint64_t)i,
	    .tid = c->tid,
	    .t_ns = c->t_ns - before,
	    .dur_ns = before + c->dur_ns + after,
	    .alloc_ns = c->dur_ns + (int64_t)next_random(1000),
	    .alloc_calls = 1 + (int64_t)next_random(10),
	    .fault_ns = c->dur_ns / 4,
	    .off_cpu_ns = i % 7 ? 0 : c->dur_ns / 3,
	    .gc_ns = -1};

	must(mp_append_span(s, &row, &err));
}

static size_t pick_kind(bool outlier)
{
	int at = (int)next_random(10);
	size_t k = 0;

	while ((at -= outlier ? kinds[k].outliers : kinds[k].calls) >= 0)
		k++;
	return k;
}

/* The calls of a second that are kept, in the order of time. Each tenth outlier is on a grid of 10 ms: a
 * rhythm. */
static void write_kept(int64_t slot_ns, int64_t n, uint64_t taken[KINDS])
{
	for (int64_t i = 0; i < n; i++) {
		bool outlier = next_random(100) < 85;
		size_t k = pick_kind(outlier);
		struct mp_call c = {.t_ns = slot_ns + i * (SLOT_NS / n) + (int64_t)next_random(1000000),
		    .tid = TID + (int64_t)next_random(THREADS),
		    .op = kinds[k].op,
		    .kept = outlier ? MP_KEPT_OUTLIER : MP_KEPT_SAMPLE,
		    .weight = outlier ? 1 : 6000,
		    .size_bytes = kinds[k].op == MP_OP_FREE ? 0 : mp_size_class_lo(kinds[k].size_class) + 7,
		    .addr = 0x7f0000000000 + next_random(1 << 30) * 16,
		    .dur_ns = (int64_t)(kinds[k].median_ns + next_random(50)),
		    .stack_id = 1 + (int64_t)next_random(STACKS)};
		int64_t call_id;

		if (outlier) {
			/* Pareto with exponent 1, from 4 us up to 4 ms. */
			c.dur_ns = 4000000 / (1 + (int64_t)next_random(1000));
			c.dur_ns += (int64_t)next_random((uint64_t)c.dur_ns / 8);
		}
		if (outlier && i % 10 == 0)
			c.t_ns = c.t_ns / 10000000 * 10000000;
		must(mp_append_call(s, &c, &call_id, &err));
		if (outlier)
			write_causes(&c, call_id);
		if (i % 10 == 5 && spans < SPANS)
			write_span(&c, spans++);
		count(k, (uint64_t)c.dur_ns, 1);
		taken[k]++;
	}
}

/* The rest of the calls of a second: a hump around the median, which moves by the second. */
static void count_body(int slot, size_t k, uint64_t calls)
{
	uint64_t left = calls;

	for (int b = 0; b < BODY; b++) {
		uint64_t ns = kinds[k].median_ns * (uint64_t)(20 + b * 2 + slot % 7) / 40;
		uint64_t n = b + 1 < BODY ? left / 5 : left;

		count(k, ns, n);
		left -= n;
	}
}

static void write_slot(int64_t slot_ns)
{
	for (size_t k = 0; k < KINDS; k++) {
		struct mp_latency_sum sum = {.sum_ns = sums[k], .max_ns = maxima[k]};

		for (unsigned int b = 0; b < MP_HIST_BUCKETS; b++)
			if (counts[k][b]) {
				sum.calls += counts[k][b];
				must(mp_append_latency(
				    s, slot_ns, kinds[k].op, kinds[k].size_class, b, counts[k][b], &err));
			}
		sum.bytes = sum.calls * mp_size_class_lo(kinds[k].size_class);
		must(mp_append_latency_sum(s, slot_ns, kinds[k].op, kinds[k].size_class, &sum, &err));
		struct mp_latency_window window = {
		    slot_ns + 300000000, 100000000, sum.calls / 10, kinds[k].median_ns * 4};
		must(mp_append_latency_window(s, slot_ns, kinds[k].op, &window, &err));
	}
}

static void write_second(int slot)
{
	int64_t slot_ns = START_NS + slot * SLOT_NS;
	int64_t n = (int64_t)KEPT * (slot + 1) / SLOTS - (int64_t)KEPT * slot / SLOTS;
	uint64_t calls = CALLS * (uint64_t)(slot + 1) / SLOTS - CALLS * (uint64_t)slot / SLOTS;
	uint64_t taken[KINDS] = {0}, given = 0;

	memset(counts, 0, sizeof(counts));
	memset(sums, 0, sizeof(sums));
	memset(maxima, 0, sizeof(maxima));
	write_kept(slot_ns, n, taken);
	for (size_t k = 0; k < KINDS; k++) {
		uint64_t all = k + 1 < KINDS ? calls * (uint64_t)kinds[k].calls / 10 : calls - given;

		count_body(slot, k, all - taken[k]);
		given += all;
	}
	write_slot(slot_ns);
	must(mp_append_clock(s, slot_ns, slot_ns + 1700000000000000000LL, &err));
	must(mp_append_counter(s, slot_ns, "minor_fault", 1000, &err));
	must(mp_append_overhead(s,
	    &(struct mp_overhead_row){
		.slot_ns = slot_ns, .plane = "uprobe", .events = calls, .cost_ns = calls * 1500},
	    &err));
	if (slot % 60 == 0)
		must(mp_session_commit(s, &err));
}

static const struct mp_event_row events[] = {
    {1, "mem-loads", "skx::MEM_TRANS_RETIRED:LOAD_LATENCY:ldlat=30", NULL, true, MP_SAMPLE_PEBS},
    {2, "mem-stores", "skx::MEM_INST_RETIRED:ALL_STORES", NULL, true, MP_SAMPLE_DATA}};

/* Each of another size by its site, one behind the other. */
static void write_objects(void)
{
	for (int64_t i = 1; i <= OBJECTS; i++) {
		int64_t stack_id = 1 + i % STACKS;
		struct mp_object_row row = {i, 0x7f0000000000 + (uint64_t)i * 512,
		    32 + 16 * (uint64_t)(stack_id % 20), START_NS, TID, stack_id};

		must(mp_append_object(s, &row, &err));
	}
}

/* Low numbers of objects come more often: some sites have most. Of ten samples one is in no object. */
static void write_sample(int64_t i)
{
	static const int64_t cycles[] = {0, 4, 9, 14, 60, 210, 300, 480, 0};
	int64_t object_id = 1 + (int64_t)next_random(1 + next_random(OBJECTS));
	bool is_load = next_random(3) > 0, in_object = next_random(10) > 0;
	int level = is_load ? 1 + (int)next_random(7) : 0;
	int64_t offset = 8 * (int64_t)next_random(1 + next_random(4));
	struct mp_sample_row row = {.t_ns = START_NS + i * (SLOTS * SLOT_NS / SAMPLES),
	    .tid = TID + (int64_t)next_random(THREADS),
	    .cpu = 1,
	    .event_id = is_load ? 1 : 2,
	    .ip = 0x400000 + next_random(4096),
	    .has_addr = true,
	    .addr = 0x7f0000000000 + (uint64_t)(in_object ? object_id * 512 + offset : i * 64),
	    .period = 1000 + next_random(100),
	    .weight = is_load ? cycles[level] + (int64_t)next_random((uint64_t)cycles[level] + 1) : -1,
	    .level = (enum mp_sample_level)level,
	    .tlb = 1 + (next_random(20) == 0),
	    .is_write = !is_load,
	    .quality = is_load ? MP_SAMPLE_PEBS : MP_SAMPLE_DATA,
	    .place = in_object ? MP_PLACE_OBJECT : (enum mp_sample_place)next_random(MP_PLACES),
	    .object_id = in_object ? object_id : 0,
	    .offset = in_object ? offset : -1,
	    .stack_id = 1 + (int64_t)next_random(STACKS)};

	if (!in_object && row.place == MP_PLACE_OBJECT)
		row.place = MP_PLACE_STACK;
	must(mp_append_sample(s, &row, NULL, &err));
}

static void write_samples(void)
{
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
		must(mp_append_event(s, &events[i], &err));
	write_objects();
	for (int64_t i = 0; i < SAMPLES; i++)
		write_sample(i);
	must(mp_session_commit(s, &err));
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: big_session FILE\n", stderr);
		return 2;
	}
	must(mp_session_create(argv[1], true, &s, &err));
	must(mp_session_publish(s, &err));
	write_target();
	for (int slot = 0; slot < SLOTS; slot++)
		write_second(slot);
	write_samples();
	write_session_keys();
	must(mp_session_close(s, &err));
	return 0;
}
