/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_UPROBE_BACKEND_BPF_RINGS_H
#define MP_SAMPLER_UPROBE_BACKEND_BPF_RINGS_H

#include "sampler/gc/points.h"
#include "sampler/pipeline.h"
#include "sampler/pools/function.h"
#include "sampler/span.h"
#include "sampler/uprobe/backend_bpf_scopes.h"
#include "sampler/uprobe/shared.h"

/*
 * The ring buffers that the programs of uprobe.bpf.c write: of calls, of kernel events, of markers, of pools,
 * of garbage collections, and of calls that are no rows. Each is read for itself, so that none waits for
 * another's end. One thread.
 */
#define MP_BPF_RINGS 6

/* What of the kernel is seen: a bit of `sees`. */
#define MP_SEES(kind) (1u << MP_KERNEL_##kind)

struct bpf_object;
struct ring_buffer;

struct mp_bpf_rings {
	struct ring_buffer *ring[MP_BPF_RINGS];
	int fd;                               /* polls all of them; -1: not open */
	const struct mp_bpf_control *control; /* the owner's, as what follows */
	const struct mp_span_set *spans;      /* NULL: none */
	const struct mp_pool_set *pools;      /* likewise */
	const struct mp_gc_set *gc;           /* likewise */
	uint32_t sees;
	uint64_t span_calls[MP_SPANS_MAX]; /* so far, by function */
	struct mp_bpf_scopes scopes;

	struct mp_pipeline *pipeline; /* of the turn in progress; NULL: rows are thrown away */
	size_t rows_left;             /* of it */
};

/* Of the loaded object. 0 or -errno; mp_bpf_rings_close() in any case. */
int mp_bpf_rings_open(struct mp_bpf_rings *b, struct bpf_object *object, struct mp_err *err);
void mp_bpf_rings_close(struct mp_bpf_rings *b);

/* Hands a turn's rows of each ring on, or throws all away (NULL). True: more wait. */
bool mp_bpf_rings_read(struct mp_bpf_rings *b, struct mp_pipeline *p);

#endif
