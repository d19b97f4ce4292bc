/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_RECORDER_POOLS_H
#define MP_SAMPLER_RECORDER_POOLS_H

#include "sampler/recorder/private.h"

/*
 * The recorder's part in following the functions of pools: those that the user's file names, and those of
 * built-in profiles, which nobody has asked for and which therefore go again when they cost too much.
 */

/* Finds them, before anything is attached; then puts the probes in. */
int mp_recorder_resolve_pools(struct mp_recorder *r, struct mp_err *err);
int mp_recorder_open_pools(struct mp_recorder *r, struct mp_err *err);

/* The target has mapped code. */
int mp_recorder_attach_new_pools(struct mp_recorder *r, struct mp_err *err);

/* Is it to be called once more, without new code: for a table that the target may have filled meanwhile? */
bool mp_recorder_awaits_pools(const struct mp_recorder *r);

/* Those from index `from` on go into the table of probes. */
int mp_recorder_store_pool_probes(struct mp_recorder *r, size_t from, struct mp_err *err);

/* What they have cost the target so far, in ns of CPU time, and how many calls that were. */
uint64_t mp_recorder_pool_cost_ns(const struct mp_recorder *r, uint64_t *calls);

/* To be called at each look: keeps the built-in ones within their part of the budget. */
void mp_recorder_watch_pools(struct mp_recorder *r, int64_t now);
int mp_recorder_store_pool_overhead(struct mp_recorder *r, struct mp_err *err);
void mp_recorder_tell_pools(const struct mp_recorder *r);

#endif
