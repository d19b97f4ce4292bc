/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PAIRING_H
#define MP_SAMPLER_PAIRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sampler/latency.h"
#include "sampler/pipeline.h"
#include "sampler/uprobe/uprobe.h"

/*
 * Entries and returns of probed functions to calls, in the recorder: what uprobe.bpf.c does in the kernel, by
 * the same rules, for the backend without BPF. Also off-CPU times from switches. Records of all CPUs have to
 * come in the order of their time. One thread.
 */
struct mp_pairing;

struct mp_pairing *mp_pairing_new(void);
void mp_pairing_free(struct mp_pairing *p);

/* Where calls are counted: one shard. */
struct mp_hist_view mp_pairing_hists(struct mp_pairing *p);
void mp_pairing_split(struct mp_pairing *p, uint64_t split); /* mp_hist_split() */
void mp_pairing_keep(struct mp_pairing *p, const struct mp_keep *keep, const struct mp_floor *floor);

struct mp_entry_record {
	pid_t tid;
	unsigned int op;
	bool is_stepped; /* which floor */
	int64_t t_ns;
	uint64_t sp;
	uint64_t args[3];
};
void mp_pairing_entry(struct mp_pairing *p, const struct mp_entry_record *e);

struct mp_return_record {
	pid_t tid;
	int64_t t_ns;
	uint64_t sp, value;
	const struct mp_stack_state *stack; /* as in struct mp_call_event */
	const uint64_t *ip;
	size_t nframes;
};
/* `out` may be NULL: then the call is only counted. */
void mp_pairing_return(struct mp_pairing *p, const struct mp_return_record *r, struct mp_pipeline *out);

/* A thread left or entered CPU `cpu`. Why it left is not known. */
void mp_pairing_switch(
    struct mp_pairing *p, pid_t tid, int64_t t_ns, bool is_out, int cpu, struct mp_pipeline *out);

/* Fills in what pairing knows: unpaired, nested, kernel events; orphans are returns without an entry. */
void mp_pairing_stats(const struct mp_pairing *p, struct mp_uprobe_stats *out, uint64_t *orphans);
void mp_pairing_count_kernel_event(struct mp_pairing *p, enum mp_kernel_kind kind);

#endif
