/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_PATTERNS_RHYTHM_H
#define MP_ANALYSIS_PATTERNS_RHYTHM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Periods in the times of events: timers, collectors, bursts of a market, hidden among events that come at
 * random.
 *
 * Events within MP_RHYTHM_BURST_NS of one another count as one: a cause that makes twenty calls slow at once
 * is no rhythm. Spectra (analysis/patterns/spectrum.h) of five ranges of periods, from 1 ms to a tenth of the
 * recording, are searched for lines that Poisson arrivals would show with a probability below
 * MP_RHYTHM_ALPHA, all frequencies of all ranges taken together. The strongest line is followed down to its
 * fundamental, its period refined by the resultant length (Rayleigh) over parts as long as the rhythm keeps
 * its phase; then the events that are too many at its phase are taken away, and the search begins again, for
 * the next one, at half the probability.
 *
 * What is not found: a period of a recording so sparse that fewer than 8 events fall into the 65,536 bins (8
 * s for periods of some ms) that are transformed at once.
 */
#define MP_RHYTHM_BURST_NS 200000
#define MP_RHYTHM_ALPHA    0.001

struct mp_rhythm {
	double period_ns;
	double locked_ns; /* it keeps its phase for so long, as far as was looked: the recording at most */
	double phase_ns; /* when a beat was, after from_ns, 0 to period_ns; < 0: it does not keep its phase to
			    the end */
	double events;   /* beyond what a uniform phase would have at its beats */
	double p_value;  /* that no rhythm is there, with all that was tried taken into account */
	double log_p;    /* its logarithm, which is never too small to tell */
	size_t members;  /* events at its beats, those that are there by chance included */
};

/*
 * Finds rhythms in `n` times between from_ns and to_ns, in order, and adds them, strongest first, to the
 * `known` ones that are in out[] already, which it does not find again, up to `most` in all; how many there
 * are then, or -ENOMEM. owner[i] becomes which of them (from 1 on) event i is a member of, or 0; what has an
 * owner before is left out of the search. `part` of MP_RHYTHM_ALPHA is this search's to spend: 1, or less if
 * it is one of several; below MP_RHYTHM_THOROUGH it is one of many, and takes less time. Memory:
 * 40 bytes an event and 12 MB.
 */
#define MP_RHYTHM_THOROUGH 0.5
int mp_rhythm_find(const int64_t *t_ns, size_t n, int64_t from_ns, int64_t to_ns, double part, uint8_t *owner,
    struct mp_rhythm *out, int known, int most);

#endif
