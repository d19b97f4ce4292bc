/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_PATTERNS_BEAT_H
#define MP_ANALYSIS_PATTERNS_BEAT_H

#include <stddef.h>
#include <stdint.h>

/*
 * The phases of events in a cycle: how much they keep together (Rayleigh), at which period most, and how far
 * each is from the beat. The recording is divided into parts of length_s, and phases are compared within a
 * part only: a rhythm that drifts keeps its phase for a while.
 */

/* The parts with the most events, at most so many events in all. */
struct mp_beat_sample {
	double *t_s;   /* since from_ns, part by part */
	size_t *begin; /* of each part in t_s, and the end of the last */
	size_t parts;
	double length_s;
};

/* 0 or -ENOMEM. Free with mp_beat_sample_clear(). */
int mp_beat_sample(
    const int64_t *t_ns, size_t n, int64_t from_ns, double length_s, size_t most, struct mp_beat_sample *out);
void mp_beat_sample_clear(struct mp_beat_sample *sample);

/*
 * The squared length of the mean of the phases, without the bias that chance has: 1 if all events are on the
 * beat, 0 (or a little below) if they know no beat, the square of their part if some do.
 */
double mp_beat_resultant(const struct mp_beat_sample *sample, double hz);

/* The frequency within hz +- reach_hz at which that is the largest. */
double mp_beat_peak(const struct mp_beat_sample *sample, double hz, double reach_hz);

/* All events against the beat of their part, which is told from the others in it: alone, an event has no
 * distance. */
#define MP_BEAT_STEPS 256
struct mp_beat_fold {
	float *distance;             /* of each event to the beat: 0 to 0.5 of a period; < 0: not known */
	double count[MP_BEAT_STEPS]; /* of the distances, in equal steps */
	double known;                /* their sum */
	double phase;                /* of the beat in the first part, 0 to 1, 0 at from_ns */
};

/* 0 or -ENOMEM. Free with mp_beat_fold_clear(). */
int mp_beat_fold(
    const int64_t *t_ns, size_t n, int64_t from_ns, double hz, double length_s, struct mp_beat_fold *out);
void mp_beat_fold_clear(struct mp_beat_fold *fold);

#endif
