/* SPDX-License-Identifier: MIT */
/*
 * matching_engine [OPTION...] [LOGFILE]: runs one compressed market day, then says what it did.
 *
 *   --seconds N   its length (default 20)      --seed N   of what the market does (default 1)
 *   --pace N      so many times as busy (default 1)
 *   --flat        a day without phases, and without news: the same from its begin to its end
 *   --news N      headlines come in, N s after its start
 *   --truth       what a recording should find, a line each: `phase NAME BEGIN_NS END_NS` on CLOCK_MONOTONIC,
 *                 `bytes NAME N` that are alive at its end, of some kinds, `headlines N`
 */
#include "engine.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FEED, GATEWAY, NEWS, RISK, ENGINE, LOGGER, THREADS };

static const struct {
	const char *name;
	void *(*main)(void *);
} roles[THREADS] = {
    [FEED] = {"me-feed", feed_main},
    [GATEWAY] = {"me-gateway", gateway_main},
    [NEWS] = {"me-news", news_main},
    [RISK] = {"me-risk", risk_main},
    [ENGINE] = {"me-engine", engine_main},
    [LOGGER] = {"me-logger", logger_main},
};

static bool tells_truth;

static _Noreturn void usage(void)
{
	fputs("usage: matching_engine [--seconds N] [--seed N] [--pace N] [--flat] [--news N] [--truth] "
	      "[LOGFILE]\n",
	    stderr);
	exit(2);
}

static const char *options(int argc, char **argv)
{
	static const struct option known[] = {{"seconds", required_argument, NULL, 's'},
	    {"seed", required_argument, NULL, 'r'}, {"pace", required_argument, NULL, 'p'},
	    {"flat", no_argument, NULL, 'f'}, {"news", required_argument, NULL, 'n'},
	    {"truth", no_argument, NULL, 't'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 's')
			day.seconds = strtod(optarg, NULL);
		else if (c == 'r')
			day.seed = strtoull(optarg, NULL, 0);
		else if (c == 'p')
			day.pace = strtod(optarg, NULL);
		else if (c == 'f')
			day.is_flat = true;
		else if (c == 'n')
			day.news_at = strtod(optarg, NULL);
		else if (c == 't')
			tells_truth = true;
		else
			usage();
	}
	if (!(day.seconds > 0) || !(day.pace > 0) || argc - optind > 1)
		usage();
	return optind < argc ? argv[optind] : "/dev/null";
}

static void start(pthread_t thread[THREADS])
{
	for (int i = THREADS - 1; i >= 0; i--) { /* receivers before senders */
		int err = pthread_create(&thread[i], NULL, roles[i].main, NULL);

		if (err) {
			fprintf(
			    stderr, "matching_engine: cannot start %s: %s\n", roles[i].name, strerror(err));
			exit(1);
		}
		pthread_setname_np(thread[i], roles[i].name);
	}
}

/* Waits for the end of the day, or for a signal that ends it early. */
static void wait_for_close(const sigset_t *signals)
{
	int64_t ns = (int64_t)(day.seconds * 1e9);
	struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

	while (sigtimedwait(signals, NULL, &ts) < 0 && errno == EINTR)
		;
	atomic_store(&day.stop, true);
}

/* The senders end by themselves; each receiver ends when all that could send to it has. */
static void finish(pthread_t thread[THREADS])
{
	pthread_join(thread[FEED], NULL);
	pthread_join(thread[GATEWAY], NULL);
	pthread_join(thread[NEWS], NULL);
	pthread_join(thread[RISK], NULL);
	queue_push(engine_inbox(), NULL);
	pthread_join(thread[ENGINE], NULL);
	logger_finish();
	pthread_join(thread[LOGGER], NULL);
}

static void summary(void)
{
	struct engine_stats e = engine_stats();
	struct pool_stats p = pool_stats();

	printf(
	    "matching_engine: %.1f s, %llu messages, %llu orders, %llu modifies, %llu cancels, %llu trades, "
	    "%llu for unknown orders\n",
	    (double)(day_now_ns() - day.start_ns) / 1e9, (unsigned long long)e.messages,
	    (unsigned long long)e.orders, (unsigned long long)e.modifies, (unsigned long long)e.cancels,
	    (unsigned long long)e.trades, (unsigned long long)e.unknown);
	printf("matching_engine: order pool of %zu, high water %zu, exhausted %llu times\n", p.capacity,
	    p.high_water, (unsigned long long)p.exhausted);
	printf("matching_engine: %zu positions, %u index growths, %llu snapshots, %llu log lines, %llu audit "
	       "notes, "
	       "inbox full %llu times\n",
	    position_count(), index_growths(), (unsigned long long)e.snapshots,
	    (unsigned long long)logger_lines(), (unsigned long long)risk_audit_notes(),
	    (unsigned long long)queue_full_waits(engine_inbox()));
}

static void truth(void)
{
	day_print_phases();
	printf("bytes index %zu\nbytes positions %zu\nbytes audit %zu\nheadlines %llu\n", index_bytes(),
	    position_bytes(), risk_audit_bytes(), (unsigned long long)news_headlines());
}

int main(int argc, char **argv)
{
	const char *log_path = options(argc, argv);
	pthread_t thread[THREADS];
	sigset_t signals;
	int err;

	/* Fixed, or glibc would raise the threshold at the first free of a snapshot and never mmap again. */
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL); /* inherited by all threads; main takes them */
	err = logger_create(log_path);
	if (err) {
		fprintf(stderr, "matching_engine: cannot open %s: %s\n", log_path, strerror(-err));
		return 1;
	}
	if (engine_create()) {
		fputs("matching_engine: out of memory\n", stderr);
		return 1;
	}
	printf("matching_engine: pid %d, %.1f s day\n", getpid(), day.seconds);
	fflush(stdout);
	day.start_ns = day_now_ns();
	start(thread);
	wait_for_close(&signals);
	finish(thread);
	summary();
	if (tells_truth)
		truth();
	engine_destroy();
	risk_destroy();
	logger_destroy();
	return 0;
}
