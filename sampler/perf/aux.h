/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_AUX_H
#define MP_SAMPLER_PERF_AUX_H

#include "sampler/perf/ring.h"
#include "sampler/perf/spe.h"

/*
 * The aux area of an event (perf_event_open(2), "aux_offset"): memory that the hardware writes by itself,
 * while records in the event's own ring tell how far (PERF_RECORD_AUX). Here it holds the records of Arm SPE.
 * One thread reads.
 */
struct mp_perf_aux {
	struct mp_perf_ring ring;
	unsigned char *area;
	size_t bytes; /* a power of two */
	bool has_neoverse_sources;
	uint64_t cut;       /* records that told of lost or damaged data, since mp_perf_aux_take_cut() */
	uint64_t bad_bytes; /* likewise bytes that are no packets */
	unsigned char *scratch;
};

#define MP_PERF_AUX_BYTES (1u << 20)

/* Maps the ring and the area of `fd`, which belongs to *out from now on, also after a failure. */
int mp_perf_aux_open(int fd, struct mp_perf_aux *out, struct mp_err *err);
void mp_perf_aux_close(struct mp_perf_aux *a);

/* Hands samples on, each with its time on the session clock as well as that is known: the last one of what a
 * record tells of was taken at the record's time, the others before it by the ticks of the CPU's timer. The
 * event has to be opened with sample_id_all and PERF_SAMPLE_TIME as the last part of the identity. */
typedef void mp_perf_aux_fn(void *ctx, const struct mp_spe_sample *sample, int64_t t_ns);
void mp_perf_aux_drain(struct mp_perf_aux *a, mp_perf_aux_fn *fn, void *ctx);

/* The same for bytes that lie in one piece. `ns_per_tick` 0: not known. */
void mp_perf_aux_decode(struct mp_perf_aux *a, const void *bytes, size_t n, int64_t t_ns, double ns_per_tick,
    mp_perf_aux_fn *fn, void *ctx);

#endif
