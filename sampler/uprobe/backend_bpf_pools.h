/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_UPROBE_BACKEND_BPF_POOLS_H
#define MP_SAMPLER_UPROBE_BACKEND_BPF_POOLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sampler/pipeline.h"
#include "sampler/pools/function.h"
#include "sampler/uprobe/shared.h"

/* The part of the BPF backends that is about pools (bpf/pools.h). One thread. */
struct bpf_object;

/*
 * Puts the probes of the functions from index `from` on in, their ends first: what begins shall be seen to
 * end. `keep` is handed each link's descriptor, and closes it where it cannot keep it. On failure some may be
 * in.
 */
int mp_bpf_pools_attach(struct bpf_object *object, pid_t pid, const struct mp_pool_set *set, size_t from,
    int (*keep)(void *ctx, int fd, enum mp_probe_group group, struct mp_err *err), void *ctx,
    struct mp_err *err);

/* A row of the ring. `set`: whose functions are probed; NULL: of none, only markers come. */
void mp_bpf_pools_take(struct mp_pipeline *p, const struct mp_pool_set *set, const void *row, size_t bytes);

/* Hands on, and forgets, the gets and puts of which only the number is known. */
void mp_bpf_pools_tell_missed(
    struct bpf_object *object, struct mp_pipeline *p, const struct mp_pool_set *set, int64_t now_ns);

#endif
