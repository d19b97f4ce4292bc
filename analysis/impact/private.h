/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_IMPACT_PRIVATE_H
#define MP_ANALYSIS_IMPACT_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/err.h"
#include "store/session.h"

/* What the files impact*.c share, and nobody else includes. */

#define MP_IMPACT_ROWS   (4u << 20) /* spans, and kept calls */
#define MP_IMPACT_CAUSES (16u << 20)
#define MP_IMPACT_NAMES  256
#define MP_IMPACT_KINDS  64
#define MP_IMPACT_NS     (1LL << 45) /* 9.8 hours: a longer time counts as this */

struct mp_cost;
struct mp_report_scope;

enum mp_impact_part {
	MP_IMPACT_ALLOC,
	MP_IMPACT_FAULT,
	MP_IMPACT_OFF_CPU,
	MP_IMPACT_GC,
	MP_IMPACT_PARTS,
};

struct mp_impact_span {
	int64_t dur_ns;
	int64_t part_ns[MP_IMPACT_PARTS]; /* < 0: not known */
	uint32_t alloc_calls;
	uint32_t first, calls; /* its kept calls */
	uint16_t name;
	bool outlier; /* one of them is an outlier */
};

struct mp_impact_call {
	int64_t mid_ns; /* the middle of it: clocks may be some ns apart */
	int64_t dur_ns;
	uint32_t tid;
	uint32_t group : 21; /* site and operation */
	uint32_t causes : 11;
	uint32_t cause; /* the first */
	uint32_t weight : 30;
	uint32_t sample : 1; /* drawn from those that are not kept as outliers */
	uint32_t outlier : 1;
};

struct mp_impact_cause {
	uint64_t ns : 56;
	uint64_t kind : 8; /* in mp_impact.kind */
};

/* Kinds that are there without a row. */
enum {
	MP_IMPACT_UNEXPLAINED,
	MP_IMPACT_KIND_FAULT, /* page faults of any kind, outside kept calls */
	MP_IMPACT_KIND_OFF_CPU,
	MP_IMPACT_KIND_GC,
	MP_IMPACT_KIND_OTHER, /* what does not fit into MP_IMPACT_KINDS */
	MP_IMPACT_KINDS_FIXED,
};

struct mp_impact_kind {
	char text[48];
	size_t length;
	unsigned int within; /* the parts of a span that time of this kind is counted in, too, as bits */
};

struct mp_impact_name {
	char *text;
	size_t length;
	uint32_t spans, first; /* in mp_impact.span */
	double time_ns;
};

/* Sites by number (temp.impact_site); 0: no stack was taken. These are none. */
enum {
	MP_IMPACT_SITES = 65536,
	MP_IMPACT_SITE_OTHER = MP_IMPACT_SITES, /* what does not fit into MP_IMPACT_SITES */
	MP_IMPACT_SITE_NOT_KEPT,                /* calls that are not kept as rows */
	MP_IMPACT_SITE_OUTSIDE,                 /* not in kept calls */
};
#define MP_IMPACT_OPS            16 /* groups a site */
#define MP_IMPACT_SITE_OF(group) ((group) / MP_IMPACT_OPS)

struct mp_impact {
	struct mp_impact_span *span; /* those of a name together */
	uint32_t spans;
	uint64_t looks;    /* calls of spans, all together */
	uint32_t unlooked; /* spans whose calls are not looked at: too many spans hold the same calls */

	struct mp_impact_call *call; /* by thread and time */
	uint32_t calls;
	struct mp_impact_thread {
		uint32_t tid, first, end; /* its calls */
		uint32_t at;              /* where the last span that was looked for begins */
	} * thread;                       /* by tid */
	uint32_t threads;
	struct mp_impact_cause *cause;
	uint32_t causes;
	int64_t *usual_ns; /* of each group */

	struct mp_impact_name name[MP_IMPACT_NAMES];
	uint32_t names;
	struct mp_impact_kind kind[MP_IMPACT_KINDS];
	uint32_t kinds;
};

/* Reads spans, calls and causes, and makes temp.impact_site. mp_impact_free() in any case. */
int mp_impact_load(
    struct mp_impact *m, struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);
void mp_impact_free(struct mp_impact *m);

/* Of calls as they were read: finds outliers where all calls are kept, and the usual times; puts the calls in
 * order. */
int mp_impact_order_calls(struct mp_impact *m, struct mp_err *err);
/* Then, the calls of a span; cheap for spans in about the order of time. */
void mp_impact_find_calls(struct mp_impact *m, struct mp_impact_span *span, uint32_t tid, int64_t t_ns);
/* At last, puts the spans of each name together, so that a look at a name reads memory in one go. */
void mp_impact_order_spans(struct mp_impact *m);

/* The i-th kept call of a span, and the i-th cause of a call. */
static inline const struct mp_impact_call *mp_impact_call_of(
    const struct mp_impact *m, const struct mp_impact_span *span, uint32_t i)
{
	return &m->call[span->first + i];
}

static inline const struct mp_impact_cause *mp_impact_cause_of(
    const struct mp_impact *m, const struct mp_impact_call *call, uint32_t i)
{
	return &m->cause[call->cause + i];
}

/* The i-th span of a name. */
static inline struct mp_impact_span *mp_impact_span_of(
    const struct mp_impact *m, const struct mp_impact_name *name, uint32_t i)
{
	return &m->span[name->first + i];
}

/* Before a look at the calls of the i-th span: spans of many threads take turns, and their calls are far
 * apart in memory, so those of the next ones are fetched now. */
static inline void mp_impact_fetch(const struct mp_impact *m, const struct mp_impact_name *name, uint32_t i)
{
	enum { CALL_AHEAD = 16, CAUSE_AHEAD = 8 };

	if (i + CALL_AHEAD >= name->spans)
		return;
	__builtin_prefetch(mp_impact_call_of(m, mp_impact_span_of(m, name, i + CALL_AHEAD), 0));
	const struct mp_impact_span *soon = mp_impact_span_of(m, name, i + CAUSE_AHEAD);
	if (soon->calls)
		__builtin_prefetch(mp_impact_cause_of(m, mp_impact_call_of(m, soon, 0), 0));
}

/* A cause at a site: one number, to be compared and hashed. */
static inline uint32_t mp_impact_key(unsigned int kind, uint32_t site)
{
	return kind << 17 | site;
}

static inline unsigned int mp_impact_key_kind(uint32_t key)
{
	return key >> 17;
}

static inline uint32_t mp_impact_key_site(uint32_t key)
{
	return key & 0x1ffff;
}

/* What a cause of a kept call took. Of the unexplained, only what is beyond the usual time of a call there:
 * the work itself takes time. */
static inline int64_t mp_impact_taken(
    const struct mp_impact *m, const struct mp_impact_call *call, const struct mp_impact_cause *cause)
{
	int64_t ns = (int64_t)cause->ns, usual_ns = m->usual_ns[call->group];

	if (cause->kind != MP_IMPACT_UNEXPLAINED)
		return ns;
	return ns > usual_ns ? ns - usual_ns : 0;
}

/* What the usual time of calls that are not kept is estimated from: kept calls, by duration. */
struct mp_impact_estimate {
	struct mp_impact_sample {
		int64_t dur_ns, usual_ns;
		double weight, weighted_usual; /* of this one and all before */
	} * sample;
	uint32_t n, sampled; /* how many; of all that were seen, drawn at random */
	uint64_t seen;
};

int mp_impact_estimate_new(struct mp_impact_estimate *e, struct mp_err *err);
void mp_impact_estimate_free(struct mp_impact_estimate *e);

/* A cause at a site, over the spans of one name. */
struct mp_impact_pair {
	uint32_t key; /* mp_impact_key() */
	uint32_t spans, last_span;
	double total_ns, tail_ns; /* in all spans, and in those at or above their p99 */
	double late_ns, cost;     /* of the lateness that it made up */
};

#define MP_IMPACT_PAIRS 65536

/* A table by key; what does not fit counts as of MP_IMPACT_SITE_OTHER. */
struct mp_impact_pairs {
	struct mp_impact_pair *pair; /* open addressing; spans == 0: free */
	uint32_t used;
};

int mp_impact_pairs_new(struct mp_impact_pairs *p, struct mp_err *err);
void mp_impact_pairs_clear(struct mp_impact_pairs *p);
void mp_impact_pairs_free(struct mp_impact_pairs *p);
/* Counts `span` in, once. */
struct mp_impact_pair *mp_impact_pair_of(struct mp_impact_pairs *p, uint32_t key, uint32_t span);

/* One look at all kept calls in the spans of a name: marks spans with an outlier, sums what each cause took.
 */
void mp_impact_survey(struct mp_impact *m, const struct mp_impact_name *name, int64_t p99_ns,
    struct mp_impact_pairs *pairs, struct mp_impact_estimate *estimate);

/* What a span would lose: had its allocations taken their usual time, or only those that are not kept;
 * without a part (0 where not known); without each of n causes at sites. 0 to its duration. */
int64_t mp_impact_lost_alloc(
    const struct mp_impact *m, const struct mp_impact_span *span, const struct mp_impact_estimate *estimate);
int64_t mp_impact_lost_not_kept(
    const struct mp_impact *m, const struct mp_impact_span *span, const struct mp_impact_estimate *estimate);
int64_t mp_impact_lost_part(const struct mp_impact_span *span, enum mp_impact_part part);
void mp_impact_lost_pairs(const struct mp_impact *m, const struct mp_impact_span *span, const uint32_t *key,
    size_t n, int64_t *lost_ns);

/*
 * What the lateness of the spans of a name costs, by cause and site: `pairs`, empty before, gets spans,
 * late_ns and cost. A span is late by what it took beyond `median_ns`. Each cause in it takes the part of
 * that which its own time is of the lateness, or of all causes' time if that is more; the rest is
 * unexplained.
 */
void mp_impact_loss(const struct mp_impact *m, const struct mp_impact_name *name, int64_t median_ns,
    const struct mp_impact_estimate *estimate, const struct mp_cost *cost, struct mp_impact_pairs *pairs);

#endif
