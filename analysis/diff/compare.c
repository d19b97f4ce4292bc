/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/diff/private.h"
#include "analysis/stats/correlation.h"
#include "analysis/stats/normal.h"
#include "analysis/stats/series.h"

/* What a sum has to stand on, both sides together, and what a quantile on either of its sides: fewer calls
 * than this are not normal enough. */
#define LEAST_CALLS  20
#define LEAST_BEYOND 10

/* A row with what its interval is made of, once it is known how many tests there are. */
struct pending {
	struct mp_diff_row row;
	struct mp_contrast contrast;
	const struct mp_diff_item *item;
	int metric;
};

struct pendings {
	struct pending *p;
	size_t n, room, tests;
};

static int no_memory(struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "out of memory");
}

static bool is_enough(const struct mp_series *a, const struct mp_series *b, const struct mp_contrast *c)
{
	double sum = c->a.num + c->b.num, squares = a->squares + b->squares;

	return squares > 0 && sum * sum / squares >= LEAST_CALLS;
}

/* By time: the units' own. */
static int fill_time(const struct mp_diff_table *t, const struct mp_diff_item *item,
    const struct mp_diff_side *side, double *den)
{
	for (size_t i = 0; i < side->n; i++)
		den[i] = !t->is_watched  ? side->unit[i].dur_s
			 : item->is_slow ? side->unit[i].slow_s
					 : side->unit[i].watched_s;
	return 0;
}

static void fill_whole(const struct mp_diff_items *items, int which, int value, size_t n, double *den)
{
	for (size_t i = 0; i < n; i++) {
		den[i] = 0;
		for (size_t k = 0; k < items->n; k++)
			den[i] += items->item[k].side[which].value[value][i];
	}
}

/* The series of a metric that is a sum by something; `den` is room for that. */
static struct mp_series series_of(const struct mp_diff_table *t, const struct mp_diff_metric *m,
    const struct mp_diff_items *items, const struct mp_diff_item *item, const struct mp_diff_side *side,
    int which, double *den)
{
	const struct mp_diff_counts *c = &item->side[which];
	struct mp_series s = {c->value[m->value], den, side->n, c->squares[m->value]};

	if (m->kind == MP_DIFF_SHARE)
		fill_whole(items, which, m->value, side->n, den);
	else if (m->kind == MP_DIFF_MEAN)
		memcpy(den, c->rows, side->n * sizeof(*den));
	else
		fill_time(t, item, side, den);
	return s;
}

static void compare_sums(
    struct pending *p, const struct mp_diff_items *items, const struct mp_diff_side side[2], double *den[2])
{
	const struct mp_diff_metric *m = p->row.metric;
	struct mp_series a = series_of(p->row.table, m, items, p->item, &side[0], 0, den[0]);
	struct mp_series b = series_of(p->row.table, m, items, p->item, &side[1], 1, den[1]);

	mp_series_contrast(&a, &b, &p->contrast);
	p->row.a = p->contrast.a.ratio;
	p->row.b = p->contrast.b.ratio;
	p->row.log_p = p->contrast.log_p;
	p->row.is_tested = p->contrast.error > 0 && is_enough(&a, &b, &p->contrast);
}

/* So many calls a side is worth whose rows stand for different numbers of them (Kish). */
static double worth(const struct mp_diff_counts *c)
{
	double calls = (double)c->tally.calls;

	return c->beyond_squares > 0 ? calls * calls / c->beyond_squares : 0;
}

static void compare_quantiles(struct pending *p, const struct mp_diff_side side[2])
{
	const struct mp_diff_counts *a = &p->item->side[0], *b = &p->item->side[1];
	double share = 1 - (double)p->row.metric->tail / MP_TAIL_WHOLE;
	/* Of both sides together such a part of the squares as of the calls. */
	struct mp_series x = {
	    a->beyond[p->metric], a->all, side[0].n, a->beyond_squares * (1 - share) * share};
	struct mp_series y = {
	    b->beyond[p->metric], b->all, side[1].n, b->beyond_squares * (1 - share) * share};

	mp_series_contrast(&x, &y, &p->contrast);
	p->row.a = mp_diff_quantile(&a->tally, share);
	p->row.b = mp_diff_quantile(&b->tally, share);
	p->row.log_p = p->contrast.log_p;
	double least = LEAST_BEYOND / fmin(share, 1 - share);
	p->row.is_tested = p->contrast.error > 0 && worth(a) >= least && worth(b) >= least;
}

static int add_pending(struct pendings *all, const struct mp_diff_table *t, const struct mp_diff_item *item,
    int metric, struct pending **out)
{
	if (all->n == all->room) {
		size_t room = all->room ? 2 * all->room : 64;
		struct pending *p = realloc(all->p, room * sizeof(*p));

		if (!p)
			return -ENOMEM;
		all->p = p;
		all->room = room;
	}
	*out = &all->p[all->n++];
	**out = (struct pending){.row = {.table = t,
				     .metric = &t->metric[metric],
				     .name = item->name,
				     .op = item->op,
				     .a = NAN,
				     .b = NAN,
				     .lo = NAN,
				     .hi = NAN},
	    .item = item,
	    .metric = metric};
	return 0;
}

static int compare_item(struct pendings *all, const struct mp_diff_table *t,
    const struct mp_diff_items *items, const struct mp_diff_item *item, const struct mp_diff_side side[2],
    double *den[2])
{
	for (int k = 0; t->metric[k].name; k++) {
		struct pending *p;

		if (add_pending(all, t, item, k, &p))
			return -ENOMEM;
		if (t->metric[k].kind == MP_DIFF_MOST) {
			p->row.a = item->side[0].most;
			p->row.b = item->side[1].most;
		} else if (t->metric[k].kind == MP_DIFF_QUANTILE) {
			compare_quantiles(p, side);
		} else {
			compare_sums(p, items, side, den);
		}
		all->tests += p->row.is_tested;
	}
	return 0;
}

/* Of the sums: so many errors to either side. */
static void sum_interval(struct pending *p, double reach)
{
	double change = p->row.b - p->row.a, half = reach * p->contrast.error;

	p->row.lo = change - half;
	p->row.hi = change + half;
}

/* Each side's own, turned round from the share beyond, and both taken together. */
static void quantile_interval(struct pending *p, double reach)
{
	const struct mp_diff_counts *side = p->item->side;
	double share = 1 - (double)p->row.metric->tail / MP_TAIL_WHOLE, lo[2], hi[2];
	const struct mp_ratio *of[2] = {&p->contrast.a, &p->contrast.b};

	for (int i = 0; i < 2; i++) {
		double half = reach * p->contrast.widen * sqrt(of[i]->variance);

		lo[i] = mp_diff_quantile(&side[i].tally, share - half);
		hi[i] = share + half < 1 ? mp_diff_quantile(&side[i].tally, share + half) : NAN;
	}
	double change = p->row.b - p->row.a;
	p->row.lo = change - hypot(p->row.b - lo[1], hi[0] - p->row.a);
	p->row.hi = change + hypot(hi[1] - p->row.b, p->row.a - lo[0]);
}

static const char *verdict_of(const struct mp_diff_row *row)
{
	double change = row->b - row->a, size = fmax(fabs(row->a), fabs(row->b));

	if (row->metric->kind == MP_DIFF_MOST)
		return NULL;
	if (!row->is_tested)
		return "unknown";
	if (row->log_p > log(MP_DIFF_LEVEL) || fabs(change) < MP_DIFF_LEAST_SHARE * size)
		return "same";
	if (row->metric->kind == MP_DIFF_RATE && (row->a == 0 || row->b == 0))
		return row->a == 0 ? "new" : "gone";
	return change > 0 ? "more" : "less";
}

/* `level` is the table's part of MP_DIFF_LEVEL. */
static int judge(struct pendings *all, double level)
{
	double *log_p = calloc(all->tests + 1, sizeof(*log_p));
	double z = all->tests ? mp_normal_with_above(level / 2 / (double)all->tests) : 0;
	size_t n = 0;
	int rc = log_p ? 0 : -ENOMEM;

	for (size_t i = 0; !rc && i < all->n; i++)
		if (all->p[i].row.is_tested)
			log_p[n++] = all->p[i].row.log_p;
	rc = rc ? rc : mp_holm(log_p, n);
	n = 0;
	for (size_t i = 0; !rc && i < all->n; i++) {
		struct pending *p = &all->p[i];

		if (p->row.is_tested) {
			p->row.log_p = fmin(0, log_p[n++] + log(MP_DIFF_LEVEL / level));
			if (p->row.metric->kind == MP_DIFF_QUANTILE)
				quantile_interval(p, mp_contrast_reach(&p->contrast, z));
			else
				sum_interval(p, mp_contrast_reach(&p->contrast, z));
		}
		p->row.verdict = verdict_of(&p->row);
	}
	free(log_p);
	return rc;
}

static int compare_table(const struct mp_diff_table *t, struct mp_diff_side side[2],
    struct mp_diff_items *items, struct pendings *all, struct mp_err *err)
{
	double *den[2] = {calloc(side[0].n, sizeof(double)), calloc(side[1].n, sizeof(double))};
	int rc = den[0] && den[1] ? mp_diff_items_read(t, side, items, err) : no_memory(err);

	for (size_t i = 0; !rc && i < items->n; i++)
		if (compare_item(all, t, items, &items->item[i], side, den))
			rc = no_memory(err);
	free(den[0]);
	free(den[1]);
	return rc;
}

static int keep_rows(struct mp_diff_rows *out, const struct pendings *all)
{
	struct mp_diff_row *row = realloc(out->row, (out->n + all->n + 1) * sizeof(*row));

	if (!row)
		return -ENOMEM;
	out->row = row;
	for (size_t i = 0; i < all->n; i++) {
		struct mp_diff_row *to = &row[out->n++];

		*to = all->p[i].row;
		to->name = strdup(to->name);
		to->op = to->op ? strdup(to->op) : NULL;
		if (!to->name || (!to->op && all->p[i].row.op))
			return -ENOMEM;
	}
	return 0;
}

/* One table's items are gone before the next one's come. */
struct result {
	struct mp_diff_items items;
	struct pendings all;
};

static size_t count_tables(void)
{
	size_t n = 0;

	while (mp_diff_tables[n].name)
		n++;
	return n;
}

/*
 * The level is divided before it is known which tables have something to test: what a table without any would
 * have had is not given to the others, so that no table's verdicts depend on whether there are, say, pools.
 */
static double level_of(const struct mp_diff_table *t)
{
	return t->is_main ? MP_DIFF_LEVEL / 2 : MP_DIFF_LEVEL / 2 / (double)(count_tables() - 1);
}

int mp_diff_compare(struct mp_diff_side side[2], struct mp_diff_rows *out, struct mp_err *err)
{
	int rc = 0;

	*out = (struct mp_diff_rows){0};
	for (const struct mp_diff_table *t = mp_diff_tables; !rc && t->name; t++) {
		struct result r = {0};

		rc = compare_table(t, side, &r.items, &r.all, err);
		if (!rc && (judge(&r.all, level_of(t)) || keep_rows(out, &r.all)))
			rc = no_memory(err);
		out->is_cut[t - mp_diff_tables] = r.items.is_cut;
		mp_diff_items_free(&r.items);
		free(r.all.p);
	}
	return rc;
}

void mp_diff_rows_free(struct mp_diff_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		free(rows->row[i].name);
		free(rows->row[i].op);
	}
	free(rows->row);
	*rows = (struct mp_diff_rows){0};
}
