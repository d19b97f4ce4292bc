/* SPDX-License-Identifier: MIT */
/*
 * A load on the Boehm-Demers-Weiser collector (libgc).
 *
 *   boehm TRUTH OPTION...
 *
 * TRUTH is written at the end, a line `begin_ns end_ns -` for each time that the collector stopped the other
 * threads, on CLOCK_MONOTONIC, by its own events: from before it gives the order until all run again. -:
 * none, and no events.
 *
 *   --mode steady|bursty   a constant rate, or one that changes every 2 s between a fifth and 1.8 of it
 *   --seconds N            ends after N s; 0 (default): at SIGTERM
 *   --rate N               orders a second of all threads, of about 280 bytes each (default 200000); 0: as
 * fast as it goes
 *   --live N               orders in each thread's live set (default 20000)
 *   --threads N            that allocate (default 2)
 *   --churn N              so many threads a second are started and end
 *   --latency              a thread, which the collector stops too, measures how late it gets up from short
 * sleeps
 *
 * Says `ready PID` when it works, and at its end: units (orders made), wrong (orders whose contents changed:
 * 0), churned, longest_stall_ns (--latency), collections, done.
 */
#define GC_THREADS
#include <gc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "../target.h"

#define BATCH       64
#define MAX_THREADS 64
#define MAX_PAUSES  (1u << 20)
#define NAP_NS      200000

struct order {
	uint64_t id;
	unsigned char *payload;
	size_t size;
};

struct worker {
	pthread_t thread;
	unsigned self;
	atomic_ulong units;
};

static struct {
	bool is_bursty, is_latency;
	unsigned long seconds, rate, live, threads, churn;
} options = {.rate = 200000, .live = 20000, .threads = 2};

static volatile sig_atomic_t term;
static atomic_bool stopped;
static atomic_ulong wrong, churned;
static uint64_t longest_stall_ns;
static struct worker workers[MAX_THREADS];

/* Written with the collector's lock held. */
static struct pause {
	uint64_t begin_ns, end_ns;
} pauses[MAX_PAUSES];
static unsigned n_pauses;

static void on_event(GC_EventType event)
{
	if (n_pauses == MAX_PAUSES)
		return;
	if (event == GC_EVENT_PRE_STOP_WORLD)
		pauses[n_pauses].begin_ns = target_ns(CLOCK_MONOTONIC);
	else if (event == GC_EVENT_POST_START_WORLD)
		pauses[n_pauses++].end_ns = target_ns(CLOCK_MONOTONIC);
}

static void on_term(int number)
{
	(void)number;
	term = 1;
}

static struct order *make_order(uint64_t id, size_t size)
{
	struct order *o = GC_MALLOC(sizeof(*o));

	*o = (struct order){id, GC_MALLOC_ATOMIC(size), size};
	memset(o->payload, (int)(id & 0xff), size);
	return o;
}

static void check(const struct order *o)
{
	if (o && (o->payload[0] != (o->id & 0xff) || o->payload[o->size - 1] != (o->id & 0xff)))
		atomic_fetch_add(&wrong, 1);
}

static void sleep_ns(long ns)
{
	nanosleep(&(struct timespec){0, ns}, NULL);
}

static double rate_now(uint64_t since_ns)
{
	double share = (double)options.rate / (double)options.threads;

	if (!options.is_bursty)
		return share;
	return since_ns / 2000000000u % 2 ? 1.8 * share : 0.2 * share;
}

/* Waits until as many orders are due. */
static void keep_pace(uint64_t began_ns, uint64_t *last_ns, double *credit)
{
	*credit -= BATCH;
	while (options.rate && !atomic_load(&stopped)) {
		uint64_t now = target_ns(CLOCK_MONOTONIC);

		*credit += rate_now(now - began_ns) * (double)(now - *last_ns) / 1e9;
		if (*credit > 100 * BATCH)
			*credit = 100 * BATCH;
		*last_ns = now;
		if (*credit >= 0)
			return;
		sleep_ns(1000000);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct order **live = GC_MALLOC(options.live * sizeof(struct order *));
	uint64_t began = target_ns(CLOCK_MONOTONIC), last = began, seed = w->self + 1, id = 0;
	double credit = 0;

	while (!atomic_load(&stopped)) {
		for (unsigned i = 0; i < BATCH; i++, id++) {
			struct order *o = make_order(id, 16 + target_random(&seed) % 481);

			check(o);
			if (id % 16)
				continue;
			unsigned long at = target_random(&seed) % options.live;

			check(live[at]);
			live[at] = o;
		}
		atomic_store(&w->units, id);
		keep_pace(began, &last, &credit);
	}
	for (unsigned long i = 0; i < options.live; i++)
		check(live[i]);
	return NULL;
}

static void *measure_stalls(void *arg)
{
	uint64_t before = target_ns(CLOCK_MONOTONIC);

	while (!atomic_load(&stopped)) {
		sleep_ns(NAP_NS);
		uint64_t now = target_ns(CLOCK_MONOTONIC);

		if (now - before > NAP_NS + longest_stall_ns)
			longest_stall_ns = now - before - NAP_NS;
		before = now;
	}
	return arg;
}

static void *live_shortly(void *arg)
{
	check(make_order(*(uint64_t *)arg, 64));
	return NULL;
}

static void *start_and_join(void *arg)
{
	for (uint64_t n = 0; !atomic_load(&stopped); n++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, live_shortly, &n) == 0 && pthread_join(thread, NULL) == 0)
			atomic_fetch_add(&churned, 1);
		sleep_ns(1000000000 / (long)options.churn - 1);
	}
	return arg;
}

static void start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	if (pthread_create(thread, NULL, run, arg)) {
		fprintf(stderr, "no thread\n");
		exit(1);
	}
}

static void parse(int argc, char **argv)
{
	const struct {
		const char *name;
		unsigned long *to;
	} numbers[] = {{"--seconds", &options.seconds}, {"--rate", &options.rate}, {"--live", &options.live},
	    {"--threads", &options.threads}, {"--churn", &options.churn}};

	for (int i = 2; i < argc; i++) {
		bool known = strcmp(argv[i], "--latency") == 0;

		options.is_latency |= known;
		if (i + 1 < argc && strcmp(argv[i], "--mode") == 0) {
			options.is_bursty = strcmp(argv[++i], "bursty") == 0;
			continue;
		}
		for (size_t n = 0; !known && i + 1 < argc && n < sizeof(numbers) / sizeof(numbers[0]); n++)
			if ((known = strcmp(argv[i], numbers[n].name) == 0))
				*numbers[n].to = target_number(argv[++i]);
		if (!known) {
			fprintf(stderr, "unknown option %s\n", argv[i]);
			exit(2);
		}
	}
	if (!options.live || !options.threads || options.threads > MAX_THREADS || options.churn > 100000) {
		fprintf(stderr, "what a number may be: see the source\n");
		exit(2);
	}
}

static void write_truth(const char *path)
{
	FILE *f = fopen(path, "w");

	for (unsigned i = 0; f && i < n_pauses; i++)
		fprintf(f, "%llu %llu -\n", (unsigned long long)pauses[i].begin_ns,
		    (unsigned long long)pauses[i].end_ns);
	if (!f || fclose(f)) {
		perror(path);
		exit(1);
	}
}

/* Until the order to end, or its time. */
static void wait_end(void)
{
	uint64_t began = target_ns(CLOCK_MONOTONIC);

	while (
	    !term && (!options.seconds || target_ns(CLOCK_MONOTONIC) - began < options.seconds * 1000000000u))
		sleep_ns(10000000);
}

/* All threads, from their start to their end. Returns the orders made. */
static unsigned long run(void)
{
	pthread_t churner, sleeper;
	unsigned long units = 0;

	for (unsigned i = 0; i < options.threads; i++) {
		workers[i].self = i;
		start(&workers[i].thread, work, &workers[i]);
	}
	if (options.churn)
		start(&churner, start_and_join, NULL);
	if (options.is_latency)
		start(&sleeper, measure_stalls, NULL);
	target_print("ready %d\n", (int)getpid());
	wait_end();
	atomic_store(&stopped, true);
	for (unsigned i = 0; i < options.threads; i++) {
		pthread_join(workers[i].thread, NULL);
		units += atomic_load(&workers[i].units);
	}
	if (options.churn)
		pthread_join(churner, NULL);
	if (options.is_latency)
		pthread_join(sleeper, NULL);
	return units;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	parse(argc, argv);
	signal(SIGTERM, on_term);
	GC_INIT();
	GC_allow_register_threads();
	bool is_told = strcmp(argv[1], "-") != 0;

	if (is_told)
		GC_set_on_collection_event(on_event);
	unsigned long units = run();

	GC_set_on_collection_event(NULL);
	if (is_told)
		write_truth(argv[1]);
	target_print("units %lu\nwrong %lu\nchurned %lu\ncollections %lu\n", units, atomic_load(&wrong),
	    atomic_load(&churned), (unsigned long)GC_get_gc_no());
	if (options.is_latency)
		target_print("longest_stall_ns %llu\n", (unsigned long long)longest_stall_ns);
	target_print("done\n");
	return 0;
}
