/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_GC_PREDICT_H
#define MP_SAMPLER_GC_PREDICT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When a runtime's next collection begins, predicted from the law that most of them follow: what is filled
 * grows as the program allocates, and when it comes to a part of its limit, a collection begins. Of HotSpot
 * `filled` is the eden and the part 0.94 to 1, of Go it is the heap and a part of its goal. The part is
 * learned: it is the median of recent collections.
 *
 * How fast it fills, several rules answer: rates over windows of an eighth of a cycle up to eight cycles, and
 * the recent intervals alone, for where nothing but collections is told, or where cycles are shorter than the
 * time between two samples. All of them predict all the time; the one that is told is the one that was best
 * lately when as much was left. The interval about it is made of its own past errors at such times: split
 * conformal prediction (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005), over the
 * last 64 cycles. Until there are enough of them it is wide.
 *
 * Pure; memory is bounded; no call takes longer than some microseconds. One thread.
 */
struct mp_gc_predictor;

/* `coverage`: of the intervals, 0.5 to 0.99. NULL without memory. */
struct mp_gc_predictor *mp_gc_predictor_new(double coverage);
void mp_gc_predictor_free(struct mp_gc_predictor *p);

/*
 * So much is filled, of so much: any unit. limit <= 0: not known; then the median of what was filled at
 * collections stands for it. To be called about every 100 ms, and where that is known, after a collection,
 * and when one begins just before mp_gc_predictor_pause(). Samples out of order are ignored.
 */
void mp_gc_predictor_sample(struct mp_gc_predictor *p, int64_t t_ns, double filled, double limit);

/* The collection that was predicted begins. */
void mp_gc_predictor_pause(struct mp_gc_predictor *p, int64_t t_ns);

/* The next one is due then, and with the probability `coverage` between lo_ns and hi_ns: now_ns <= lo_ns <=
 * due_ns <= hi_ns. False: nothing is known yet, as before the first samples and before the third collection.
 */
bool mp_gc_predictor_ask(
    struct mp_gc_predictor *p, int64_t now_ns, int64_t *due_ns, int64_t *lo_ns, int64_t *hi_ns);

#endif
