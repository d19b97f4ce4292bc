/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_SESSION_PRIVATE_H
#define MP_ANALYSIS_SESSION_PRIVATE_H

/*
 * What the files of report session share.
 *
 *   session.c   the filling, from the session to the temporary tables
 *   phases.c    which phases there are
 *   slots.c     every call, by the slots of the histograms; spikes
 *   growth.c    how what is alive grows with what the program counts
 *   kept.c      what the kept calls and the followed blocks tell of sites, components and causes
 */
#include <stdbool.h>
#include <stdint.h>

#include "analysis/components.h"
#include "analysis/session/session.h"
#include "analysis/stats/tally.h"

#define PHASES_MAX 256 /* the whole included */
#define KINDS_MAX  128 /* of causes; further ones are passed over */
#define SPIKES_MAX 256

/* Sums of kept calls, by phase or spike, and stack or component: open addressing. */
struct cell {
	int64_t n, key; /* n < 0: unused */
	double calls, bytes, time_ns, live_bytes;
};

struct cells {
	struct cell *cell;
	size_t n, room; /* a power of two */
};

struct phase {
	char *name, *source;
	int64_t nth, start_ns, end_ns; /* end exclusive */
	int64_t covered_ns, frees;
	double bytes, live_bytes; /* live_bytes: at its end */
	struct mp_tally alloc;
};

struct slot {
	int64_t slot_ns, dur_ns;
	size_t phase;                 /* the innermost */
	double allocs, bytes, p99_ns; /* p99_ns < 0: of too few calls */
};

struct spike {
	const char *series; /* allocs_per_s bytes_per_s p99_ns */
	size_t phase;
	int64_t start_ns, end_ns, peak_ns; /* of slots; end exclusive; peak_ns: begin of the highest */
	double level, value;
};

struct filling {
	struct mp_session *session;
	const struct mp_report_scope *scope;
	struct mp_err *err;

	struct phase phase[PHASES_MAX]; /* by start, the longer ones first */
	size_t n;
	size_t in[PHASES_MAX], n_in; /* those that find_at() has found, the innermost last */

	struct slot *slot;              /* in their order */
	size_t n_slots, slots_room, at; /* at: the one that rows are read of */
	struct mp_tally slot_alloc;

	struct spike spike[SPIKES_MAX];
	size_t n_spikes;

	struct mp_components *components; /* NULL: no rules */
	struct cells stacks, parts, causes, spike_stacks;
	char *kind[KINDS_MAX];
	size_t n_kinds;
	bool has_blocks; /* some were followed */
};

int session_failed(const struct filling *f);
int session_no_memory(const struct filling *f);

int session_read_phases(struct filling *f);
void session_find_at(struct filling *f, int64_t t_ns);

/* Sums of phases, and then what stands out of them. */
int session_read_slots(struct filling *f);
int session_find_spikes(struct filling *f);

/* Calls, causes and blocks; blocks alone. */
int session_sum_kept(struct filling *f);
int session_sum_blocks(struct filling *f);

/* Into temp.session_growth: which components have more alive where a gauge is higher, and by how much. */
int session_find_growth(struct filling *f);

#endif
