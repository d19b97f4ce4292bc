/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_LEAF_H
#define MP_SAMPLER_LEAF_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "symbolize/symbolize.h"

/*
 * The frames that a walk along frame pointers leaves out: a function without a frame pointer right above the
 * allocator (operator new of libstdc++, a wrapper in an optimized library) hides its own caller, and with it
 * the very site that is looked for. Its code tells how much stack it uses, and the words of the stack that
 * were copied with the row hold the missing return address: it counts only if a call instruction stands
 * before it.
 *
 * Reads the target's memory. One thread.
 */
struct mp_leaf;

struct mp_leaf *mp_leaf_new(pid_t pid, struct mp_symbolizer *symbolizer);
void mp_leaf_free(struct mp_leaf *l);

/*
 * Completes a stack: `ip` are its return addresses, `words` what lay on the stack when the allocator had
 * returned. `out` has room for `room` addresses; returns how many there are now.
 */
size_t mp_leaf_complete(struct mp_leaf *l, const uint64_t *ip, size_t n, const uint64_t *words,
    size_t n_words, int64_t t_ns, uint64_t *out, size_t room);

#endif
