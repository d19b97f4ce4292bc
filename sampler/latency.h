/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_LATENCY_H
#define MP_SAMPLER_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#include "sampler/uprobe/shared.h"
#include "store/session.h"

/*
 * Reads the histograms that a capture plane keeps counting into (BPF maps, or the recorder's own memory) and
 * turns them into differences: rows of the session for each slot, and what the recorder steers by.
 * One thread; the writers go on meanwhile.
 */
struct mp_latency;

/* Shards of MP_HIST_BLOCKS histograms each, which the plane adds to atomically; where it has two banks
 * (store/histogram.h), those of the second one behind those of the first. */
struct mp_hist_view {
	struct mp_hist *blocks;
	unsigned int shards, banks; /* banks 0: one */
};

struct mp_latency *mp_latency_new(const struct mp_hist_view *view);
void mp_latency_free(struct mp_latency *l);

/* Takes in what was counted since the last call. To be called at least once per 2^32 calls of the target, and
 * once with `final` when the plane has stopped: then every block is read, whether it seems changed or not. */
void mp_latency_poll(struct mp_latency *l, bool final);

/* A window ends at `now_ns` that began with the last one's end, or at `now_ns` of the first call: the worst
 * of each operation, by its p99, is written with the slot. Of windows with fewer than 100 calls, whose p99 is
 * their maximum, only if there is no other. */
void mp_latency_window(struct mp_latency *l, int64_t now_ns);

/* Writes what was taken in since the last flush as the slot that began at `slot_ns`. */
int mp_latency_flush(struct mp_latency *l, struct mp_session *session, int64_t slot_ns, struct mp_err *err);

/*
 * A slot that ends at an instant, where the plane's counting goes over to the other bank:
 *
 *   mp_latency_bank()   in which it counts, to be told to the plane with the instant
 *   mp_latency_ahead()  before that is told: what the other bank still had of the slot that ended at the last
 *                       such instant is written; false: the instant has been taken back before it came
 *   mp_latency_turn()   after the flush of the slot that ended there: the slots that follow are of the other
 *                       bank. Calls that began before it and end later are added to the slot that has ended
 */
unsigned int mp_latency_bank(const struct mp_latency *l);
int mp_latency_ahead(struct mp_latency *l, struct mp_session *session, bool is_ahead, struct mp_err *err);
void mp_latency_turn(struct mp_latency *l, int64_t slot_ns);

/* All calls of an operation since the beginning. */
uint64_t mp_latency_calls(const struct mp_latency *l, unsigned int op);
uint64_t mp_latency_calls_all(const struct mp_latency *l);

/* The duration in ns that a share `q` (0..1) of the recent calls of `op` stays at or below: the upper end of
 * its bucket. Recent calls fade by half with each mp_latency_fade(). 0 when there were none. */
uint64_t mp_latency_recent_quantile(const struct mp_latency *l, unsigned int op, double q);
uint64_t mp_latency_recent_calls(const struct mp_latency *l, unsigned int op);
void mp_latency_fade(struct mp_latency *l);

/* Which sizes were asked for lately, by all calls that ask for memory: of each size class their share, and
 * what they asked for on average. Seconds without such a call change nothing. */
struct mp_size_mix {
	unsigned int n; /* 0: no call was counted */
	struct {
		uint64_t bytes; /* ascending */
		double share;   /* all together 1 */
	} of[MP_SIZE_CLASSES];
};
struct mp_size_mix mp_latency_size_mix(const struct mp_latency *l);

/* What the calibration block holds: its calls, their median and p99; and empties it, while nothing is
 * counted. */
struct mp_latency_calibration {
	uint64_t calls, p50_ns, p99_ns;
};
struct mp_latency_calibration mp_latency_calibration(const struct mp_hist_view *view);
void mp_latency_calibration_reset(const struct mp_hist_view *view);

#endif
