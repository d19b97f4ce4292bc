/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_UPROBE_BACKEND_BPF_GC_H
#define MP_SAMPLER_UPROBE_BACKEND_BPF_GC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sampler/gc/classes.h"
#include "sampler/gc/points.h"
#include "sampler/pipeline.h"
#include "sampler/uprobe/shared.h"

/* The part of the BPF backends that is about garbage collections (bpf/gc.h). One thread. */
struct bpf_object;

/* Puts the points from index `from` on in. `keep`: as for mp_bpf_pools_attach(). On failure some may be in.
 */
int mp_bpf_gc_attach(struct bpf_object *object, pid_t pid, const struct mp_gc_set *set, size_t from,
    int (*keep)(void *ctx, int fd, enum mp_probe_group group, struct mp_err *err), void *ctx,
    struct mp_err *err);

/* What memory was given out for since the last call: takes it out of the programs' map. */
void mp_bpf_gc_classes(
    struct bpf_object *object, void (*take)(void *ctx, const struct mp_gc_given *g), void *ctx);

/* A row of the ring. */
void mp_bpf_gc_take(struct mp_pipeline *p, const struct mp_gc_set *set, const void *row, size_t bytes);

#endif
