/* SPDX-License-Identifier: MIT */
#include "analysis/jitter/succession.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/each_row.h"
#include "store/op.h"

#define WINDOW      (1 << 20)                   /* rows that are held to be put in order */
#define HASH        (4 * MP_SUCCESSION_THREADS) /* a power of two */
#define WEIGHT_MAX  UINT32_MAX
#define ROWS_TO_SAY 10 /* a figure of fewer differences or gaps says nothing */

struct row {
	int64_t t_ns, dur_ns;
	uint32_t weight;
	uint16_t thread; /* index in mp_succession.thread */
	uint8_t op, kept;
};

/* How the calls of a thread and operation follow each other. `last` is the one before, of any kind; `sample`
 * the sample before. */
struct chain {
	bool has_last, has_sample, is_full;
	int64_t last_t_ns, last_ns, sample_ns, sample_weight;
	double all_sum, all_n;         /* differences of neighbouring rows */
	double sample_sum, sample_n;   /* of neighbouring samples, each counted as often as it stands for */
	double outlier_sum, outlier_n; /* of outliers from the sample before */
};

struct gaps {
	bool has_last;
	int64_t last_t_ns;
	struct mp_moments moments;
};

struct reader {
	struct mp_succession *out;
	struct chain *chain; /* by thread, as out->thread */
	struct gaps gaps[MP_SUCCESSION_OPS];
	struct row *row;
	size_t rows;
	uint16_t hash[HASH]; /* 1 + index in out->thread; 0: free */
};

/* ---- Threads ---- */

/* The index of a thread and operation; of "all others" once there are too many. */
static size_t find_thread(struct reader *r, int64_t tid, uint32_t op)
{
	struct mp_succession *k = r->out;
	uint64_t h = ((uint64_t)tid * MP_SUCCESSION_OPS + op) * 0x9e3779b97f4a7c15ULL >> 32;

	uint16_t *slot = &r->hash[h % HASH];

	for (; *slot; slot = &r->hash[++h % HASH]) {
		const struct mp_succession_thread *t = &k->thread[*slot - 1];

		if (t->tid == tid && t->op == op)
			return *slot - 1U;
	}
	/* Thread 0 is no thread; of "all others" there is at most one an operation. */
	if (k->n >= MP_SUCCESSION_THREADS && tid)
		return find_thread(r, 0, op);
	k->thread[k->n] = (struct mp_succession_thread){.tid = tid, .op = op};
	*slot = (uint16_t)++k->n;
	return k->n - 1;
}

static int count_row(struct mp_succession_thread *t, const struct row *row)
{
	int rc = mp_tally_add(&t->tally, mp_hist_bucket((uint64_t)row->dur_ns), row->weight);

	mp_tally_add_exact(&t->tally, row->weight, (double)row->dur_ns * row->weight, row->dur_ns);
	t->rows++;
	return rc;
}

/* ---- In the order of time ---- */

static double difference(int64_t a, int64_t b)
{
	return fabs((double)a - (double)b);
}

static void follow(struct chain *s, const struct row *row)
{
	if (s->has_last && row->t_ns < s->last_t_ns)
		return;
	if (s->has_last) {
		s->all_sum += difference(row->dur_ns, s->last_ns);
		s->all_n++;
	}
	s->has_last = true;
	s->last_t_ns = row->t_ns;
	s->last_ns = row->dur_ns;
	if (row->kept == MP_KEPT_OUTLIER) {
		if (s->has_sample) {
			s->outlier_sum += 2 * difference(row->dur_ns, s->sample_ns);
			s->outlier_n++;
		}
		return;
	}
	s->is_full |= row->kept == MP_KEPT_FULL;
	if (s->has_sample) {
		s->sample_sum += (double)s->sample_weight * difference(row->dur_ns, s->sample_ns);
		s->sample_n += (double)s->sample_weight;
	}
	s->has_sample = true;
	s->sample_ns = row->dur_ns;
	s->sample_weight = row->weight;
}

static void follow_outlier(struct gaps *g, const struct row *row)
{
	if (g->has_last && row->t_ns < g->last_t_ns)
		return;
	if (g->has_last)
		mp_moments_add(&g->moments, (double)((uint64_t)row->t_ns - (uint64_t)g->last_t_ns), 1);
	g->has_last = true;
	g->last_t_ns = row->t_ns;
}

static int by_time(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->t_ns < y->t_ns ? -1 : x->t_ns > y->t_ns;
}

static void sort(struct reader *r)
{
	for (size_t i = 1; i < r->rows; i++)
		if (r->row[i - 1].t_ns > r->row[i].t_ns) {
			qsort(r->row, r->rows, sizeof(*r->row), by_time);
			return;
		}
}

/* The first n rows of all, in order; the others wait for rows that are older. */
static void take(struct reader *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *row = &r->row[i];

		follow(&r->chain[row->thread], row);
		if (row->kept == MP_KEPT_OUTLIER)
			follow_outlier(&r->gaps[row->op], row);
	}
	r->rows -= n;
	memmove(r->row, r->row + n, r->rows * sizeof(*r->row));
}

/* ---- What it comes to ---- */

/*
 * Of all calls, those beside an outlier differ as outliers do: two differences an outlier; the others as
 * samples do. A session that kept everything has neighbours.
 */
static void finish_masd(const struct reader *r, uint32_t op)
{
	double sum = 0, n = 0;

	for (size_t i = 0; i < r->out->n; i++) {
		const struct chain *s = &r->chain[i];

		if (r->out->thread[i].op != op)
			continue;
		if (s->is_full) {
			sum += s->all_sum;
			n += s->all_n;
			continue;
		}
		double usual = s->sample_n > s->outlier_n ? s->sample_n - s->outlier_n : 0;

		sum += s->outlier_sum + (s->sample_n > 0 ? usual * s->sample_sum / s->sample_n : 0);
		n += 2 * s->outlier_n + usual;
	}
	r->out->masd_ns[op] = n >= ROWS_TO_SAY ? sum / n : NAN;
}

static int add_row(void *ctx, sqlite3_value **value)
{
	struct reader *r = ctx;
	int64_t op = sqlite3_value_int64(value[2]), dur_ns = sqlite3_value_int64(value[3]);
	int64_t weight = sqlite3_value_int64(value[5]);

	if (op < 0 || op >= MP_SUCCESSION_OPS)
		return 0;
	struct row *row = &r->row[r->rows++];
	*row = (struct row){.t_ns = sqlite3_value_int64(value[0]),
	    .dur_ns = dur_ns < 0 ? 0 : dur_ns,
	    .weight = weight < 1            ? 1
		      : weight > WEIGHT_MAX ? WEIGHT_MAX
					    : (uint32_t)weight,
	    .op = (uint8_t)op,
	    .kept = (uint8_t)sqlite3_value_int(value[4])};
	row->thread = (uint16_t)find_thread(r, sqlite3_value_int64(value[1]), row->op);
	int rc = count_row(&r->out->thread[row->thread], row);
	if (r->rows == WINDOW) {
		sort(r);
		take(r, WINDOW / 2);
	}
	return rc;
}

int mp_succession_read(
    struct mp_session *s, const struct mp_report_scope *scope, struct mp_succession *out, struct mp_err *err)
{
	const size_t threads =
	    MP_SUCCESSION_THREADS + MP_SUCCESSION_OPS; /* with one for "all others" of each operation */
	struct reader *r = calloc(1, sizeof(*r));
	int rc;

	*out = (struct mp_succession){.thread = calloc(threads, sizeof(*out->thread))};
	if (r) {
		r->out = out;
		r->chain = calloc(threads, sizeof(*r->chain));
		r->row = malloc(WINDOW * sizeof(*r->row));
	}
	if (!r || !out->thread || !r->chain || !r->row) {
		rc = mp_err_set(err, ENOMEM, "cannot read %s: out of memory", mp_session_path(s));
		goto out;
	}
	rc = mp_each_row(s,
	    "SELECT 1 FROM call WHERE CASE WHEN t_ns >= ?1 AND t_ns < ?2"
	    " THEN mp_take(?4, t_ns, tid, op_id, dur_ns, kept, weight) END",
	    scope, add_row, r, err);
	if (rc)
		goto out;
	sort(r);
	take(r, r->rows);
	for (uint32_t op = 0; op < MP_SUCCESSION_OPS; op++) {
		finish_masd(r, op);
		out->gap_cv[op] =
		    r->gaps[op].moments.n >= ROWS_TO_SAY ? mp_moments_cv(&r->gaps[op].moments) : NAN;
	}
out:
	if (r) {
		free(r->chain);
		free(r->row);
	}
	free(r);
	return rc;
}

void mp_succession_free(struct mp_succession *k)
{
	for (size_t i = 0; k->thread && i < k->n; i++)
		mp_tally_clear(&k->thread[i].tally);
	free(k->thread);
	*k = (struct mp_succession){0};
}
