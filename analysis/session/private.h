/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_SESSION_PRIVATE_H
#define MP_ANALYSIS_SESSION_PRIVATE_H

/*
 * What the files of report session share.
 *
 *   session.c   the filling, from the session to the temporary tables
 *   phases.c    which phases there are
 *   slots.c     every call, by the slots of the histograms
 *   spikes.c    what stands out of a phase
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

/* Who moved first is looked for from before a spike's start to the end of its first slot. */
#define MOVE_BEFORE_NS INT64_C(10000000000)
#define MOVE_STEP_NS   INT64_C(25000000)
#define MOVE_STEPS     1024 /* a longer first slot tells nothing */

/* Sums of kept calls, by phase or spike, and stack or component: open addressing. */
struct cell {
	int64_t n, key; /* n < 0: unused */
	int64_t part;   /* the component, of the last one */
	double rows, calls, bytes, time_ns, live_bytes;
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
	size_t phase; /* the innermost */
};

struct spike {
	int64_t start_ns, end_ns, first_end_ns; /* of slots; ends exclusive; first_end_ns: of the first one */
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
	struct cells calm, moves; /* stacks outside of spikes; and around their starts, in steps: n: spike *
				     MOVE_STEPS + step */
	char *kind[KINDS_MAX];
	size_t n_kinds;
	bool has_blocks; /* some were followed */
};

int session_failed(const struct filling *f);
int session_no_memory(const struct filling *f);

/*
 * Runs `before FROM (what the view says) rest`, over other rows than the session's: common table expressions
 * in `before` go before private views of their name.
 */
int session_ask_view(struct filling *f, const char *view, const char *before, const char *rest);

int session_read_phases(struct filling *f);
void session_find_at(struct filling *f, int64_t t_ns);

/* Sums of phases. */
int session_read_slots(struct filling *f);

/* What stands out of them, into temp.session_spike and f->spike. */
int session_find_spikes(struct filling *f);

/* Calls, causes and blocks; blocks alone. */
int session_sum_kept(struct filling *f);
int session_sum_blocks(struct filling *f);

/* Into temp.session_growth: which components have more alive where a gauge is higher, and by how much. */
int session_find_growth(struct filling *f);

#endif
