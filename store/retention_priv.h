/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_RETENTION_PRIV_H
#define MP_STORE_RETENTION_PRIV_H

/*
 * What the files of retention share, and append.c and session.c call:
 *
 *   retention.c   the size, whose turn it is, what is let in
 *   thin_calls.c  `call`, and `cause` with it
 *   thin_rows.c   tables whose rows stand for themselves
 *   rollup.c      slots
 */
#include "store/histogram.h"
#include "store/op.h"
#include "store/retention.h"
#include "store/session_priv.h"

enum mp_area {
	MP_AREA_CALL,
	MP_AREA_KERNEL_EVENT,
	MP_AREA_SAMPLE,
	MP_AREA_SPAN,
	MP_AREA_MARK,
	MP_AREA_POOL_EVENT,
	MP_AREA_GC, /* with what each collection did to its pools */
	MP_AREA_GC_PREDICTION,
	MP_AREA_BLOCK,
	MP_AREA_SLOT,  /* all that is counted by slot */
	MP_AREA_STACK, /* stacks, frames and their names: only counted */
	MP_AREAS
};

/* A walk through a table that halves it. What comes after its beginning is let in at half the rate. */
struct mp_pass {
	unsigned int level; /* passes so far */
	int64_t at, end;    /* rows up to `at` are done, of those up to `end`; at == end: none is under way */
};

/* Of outliers that were below a limit when a pass began: since then they are samples. */
struct mp_demotion {
	uint64_t under_ns[MP_OP_COUNT];
	unsigned int level; /* of the samples' passes then */
};
#define MP_DEMOTIONS 64

/* One in 2^level is drawn out of each so many that come, at random: evenly in time. */
struct mp_draw {
	uint32_t block, n, drawn;
};

#define MP_ROLL_LEVELS 5

/* About what a row of each takes of the file. */
extern const double mp_row_bytes[MP_AREAS];
#define MP_CALL_BYTES 50.0

/* Collections of so many times the mean, or more, are kept as long as there is room. */
#define MP_GC_LONG      4
#define MP_GC_LONG_TEXT "4"

/* Likewise one of pool_latency. */
#define MP_POOL_LATENCY_BYTES 24.0

/* And one of pressure. */
#define MP_PRESSURE_BYTES 40.0

/* And one of gc_class. */
#define MP_GC_CLASS_BYTES 24.0

enum mp_retention_statement {
	MP_RS_PAGES,
	MP_RS_FREE_PAGES,
	MP_RS_THINNED,
	MP_RS_CALL_READ,
	MP_RS_CALL_DELETE,
	MP_RS_CALL_WRITE,
	MP_RS_CAUSE_CALLS,
	MP_RS_CAUSE_SAVE,
	MP_RS_CAUSE_DELETE,
	MP_RS_CAUSE_BACK,
	MP_RS_CAUSE_CLEAR,
	MP_RS_ROWS, /* thin_rows.c: some for each area */
	MP_RS_ROLL = MP_RS_ROWS + 8 * 8,
	MP_RETENTION_STATEMENTS = MP_RS_ROLL + 32
};

struct mp_retention {
	struct mp_session *session;
	uint64_t max_bytes, page_bytes, log_bytes;
	int64_t limit_pages, high_pages; /* of the file without its log; from the second on it is thinned */
	int64_t used_pages;              /* when last looked at */
	unsigned int steps;              /* since the last commit */
	uint64_t random;
	double bytes[MP_AREAS]; /* about what each takes */
	struct mp_pass pass[MP_AREAS];
	struct mp_draw draw[MP_AREAS];

	/* Calls. */
	uint64_t rows_of[MP_KEPT_FULL + 1]; /* by enum mp_kept */
	bool halves_outliers;               /* the pass under way is one of outliers */
	struct mp_draw call_draw[MP_OP_COUNT];
	uint32_t outliers[MP_OP_COUNT][MP_HIST_BUCKETS]; /* those that are kept as such */
	uint32_t full[MP_OP_COUNT][MP_HIST_BUCKETS];     /* of --full: all that came */
	uint64_t n_full[MP_OP_COUNT], full_over_ns[MP_OP_COUNT];
	struct mp_demotion demotion[MP_DEMOTIONS];
	unsigned int demotions;

	/* Slots: those that begin before roll_ns[l] are of level l at least; [0]: have ended long enough ago.
	 */
	int64_t roll_ns[MP_ROLL_LEVELS];
	bool rolls;

	double gc_mean_ns; /* of recent collections */
	uint64_t thinned[MP_AREAS], thinned_outliers, thinned_pressure;
	uint64_t calls_removed; /* of those, rows that had been written */
	struct mp_retention_refused refused;
	uint64_t longest_step_ns;
	sqlite3_stmt *statement[MP_RETENTION_STATEMENTS];
};

int mp_retention_new(struct mp_session *s, uint64_t max_bytes, struct mp_err *err);
void mp_retention_free(struct mp_retention *r);

/* Between appended rows: thins some hundred rows where that is due. */
int mp_retention_step(struct mp_session *s, struct mp_err *err);
/* A slot has ended. */
int mp_retention_slot(struct mp_session *s, int64_t slot_ns, struct mp_err *err);

/* Whether a row that comes is written: counted where not. */
bool mp_retention_takes(struct mp_session *s, enum mp_area area);
/* The same of a collection: those that take many times what others do stay. */
bool mp_retention_takes_gc(struct mp_session *s, int64_t dur_ns);
/* So many times a followed block that is written stands for what it stood for: those that are not. */
double mp_retention_block_times(const struct mp_session *s);
/* The period of a sample that is written: those that are not, it stands for. */
uint64_t mp_retention_period(const struct mp_session *s, uint64_t period);
void mp_retention_count_call(struct mp_session *s, const struct mp_call *c);
void mp_retention_count(struct mp_session *s, enum mp_area area, double bytes);

/* For the files of retention. A statement of theirs, prepared once; run() resets it. */
sqlite3_stmt *mp_retention_get(struct mp_retention *r, int which, const char *sql);
int mp_retention_run(struct mp_retention *r, sqlite3_stmt *st, struct mp_err *err);
uint64_t mp_retention_random(struct mp_retention *r);
bool mp_draw_takes(struct mp_draw *d, unsigned int level, uint64_t *random);

/* One step each: `*work` grows by the rows that were looked at; not at all, where nothing can go. */
int mp_thin_calls(struct mp_retention *r, uint64_t *work, struct mp_err *err);
int mp_thin_rows(struct mp_retention *r, enum mp_area area, uint64_t *work, struct mp_err *err);
int mp_rollup(struct mp_retention *r, uint64_t *work, struct mp_err *err);

/* Pure. Of two samples one, as likely as its weight says: true, the first. */
bool mp_first_of_pair(uint64_t weight, uint64_t other, uint64_t random);
/* For how many outliers' passes ago; see struct mp_demotion. -1: it stays an outlier. */
int mp_demotion_of(const struct mp_retention *r, unsigned int op, uint64_t dur_ns);

#endif
