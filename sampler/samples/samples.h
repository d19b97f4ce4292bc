/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_SAMPLES_SAMPLES_H
#define MP_SAMPLER_SAMPLES_SAMPLES_H

#include "sampler/pipeline.h"
#include "sampler/stack_table.h"

/*
 * Samples on their way to the session. A sample waits until all calls before it are known: then it can be
 * told which allocation its address was in (sampler/samples/objects.h), or what else is there
 * (sampler/samples/places.h); and until its stack can be walked. At most MP_SAMPLES_BYTES wait; of more,
 * addresses stay unresolved, which is counted.
 *
 * One thread. Failures are of the session, or -ENOMEM.
 */
struct mp_samples;

#define MP_SAMPLES_BYTES (64u << 20)

/* All stay the caller's. NULL without memory. */
struct mp_samples *mp_samples_new(
    struct mp_session *session, struct mp_symbolizer *symbolizer, struct mp_stack_table *stacks);
void mp_samples_free(struct mp_samples *s);

/* From now on calls of process `pid` are told; without it addresses are not resolved. -ENOMEM. */
int mp_samples_track(struct mp_samples *s, pid_t pid);

/* The process mapped memory, of whatever kind. */
void mp_samples_map(
    struct mp_samples *s, uint64_t start, uint64_t end, uint64_t file_offset, const char *path);

/* A call, with its stack if that is known. */
void mp_samples_call(struct mp_samples *s, const struct mp_call_event *e, int64_t stack_id);

int mp_samples_take(struct mp_samples *s, const struct mp_sample_event *e, struct mp_err *err);

/* All calls that returned up to `calls_ns` have been told, all mappings up to `mapped_ns`: writes what is
 * ready. INT64_MAX: nothing more comes. */
int mp_samples_settle(struct mp_samples *s, int64_t calls_ns, int64_t mapped_ns, struct mp_err *err);

/* Samples that still wait for the unwind tables of their code. */
size_t mp_samples_waiting(const struct mp_samples *s);

/* Writes those, without their stacks. */
int mp_samples_give_up(struct mp_samples *s, struct mp_err *err);

/* What was lost since it was last asked. */
struct mp_samples_lost {
	uint64_t stacks, addresses, blocks;
};
struct mp_samples_lost mp_samples_lost(struct mp_samples *s);

#endif
