/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_GC_PRIVATE_H
#define MP_ANALYSIS_GC_PRIVATE_H

#include <sqlite3.h>

#include "analysis/gc/mmu.h"
#include "analysis/report.h"

/* What a fill of the report has in its hands. */
struct gc_work {
	struct mp_session *s;
	const struct mp_report_scope *scope;
	struct mp_err *err;
	int64_t from_ns, now_ns; /* what is looked at, within the recording; not empty */
	struct mp_pause *pause;  /* merged */
	size_t pauses;
};

int gc_fail(struct gc_work *w);
int gc_prepare(struct gc_work *w, const char *sql, sqlite3_stmt **stmt);
/* Runs a prepared INSERT, and makes it ready for the next row. */
int gc_put(struct gc_work *w, sqlite3_stmt *insert);

/* ---- series.c ---- */

enum gc_series {
	GC_PAUSES,    /* begun, a second */
	GC_PAUSED,    /* ns, a second */
	GC_LENGTH,    /* of the pauses that began in the slot, ns; NAN: none */
	GC_ALLOCATED, /* bytes a second: as the runtimes count them, else what collections tell of since the
			 one before */
	GC_LIVE,      /* bytes in use after the last collection before the slot */
	GC_PROMOTED,  /* bytes a second that moved to an old generation in pauses */
	GC_RSS,
	GC_MAJOR_FAULTS, /* a second */
	GC_PSI_MEMORY,   /* ns a second */
	GC_PSI_CPU,
	GC_SWAP,
	GC_SERIES_COUNT,
};
#define GC_SERIES_ASKED 3 /* the first are what the others may go along with */

/* At most so many slots, of a second, or as many as keep to that. */
#define GC_SLOTS_MOST 2048

struct gc_table {
	int64_t slot_ns;
	size_t slots;
	double *v[GC_SERIES_COUNT]; /* NAN: not known */
};

/* -ENOMEM, -EIO. To be cleared, also after a failure. */
int gc_table_load(struct gc_work *w, struct gc_table *out);
void gc_table_clear(struct gc_table *t);

/* A rate, a second, by slot: the query gives (from, to, amount) of times; NULL as `from`: it is left out.
 * What it leaves out of a slot is not known, NAN if that is half of it. `parameter`: its ?1, if it has one.
 */
int gc_rate_between(struct gc_work *w, struct gc_table *t, const char *sql, int64_t parameter, double *v);

/* ---- relations.c ---- */

/* Fills temp.gc_relation. */
int gc_relations_put(struct gc_work *w, const struct gc_table *t);
/* Fills temp.gc_trend. */
int gc_trends_put(struct gc_work *w);

/* ---- classes.c ---- */

/* Fills temp.gc_slot, and temp.gc_class_relation. */
int gc_classes_put(struct gc_work *w, struct gc_table *t);

#endif
