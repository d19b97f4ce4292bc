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

/* A table being compared. */
struct comparing {
	const struct mp_diff_table *table;
	struct mp_diff_side *side;
	struct mp_diff_items items;
	double *den[2]; /* room for a series */
	bool is_paired;
	struct pending *p;
	size_t n, room, tests;
};

static int no_memory(struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "out of memory");
}

static void contrast(
    const struct comparing *c, const struct mp_series *a, const struct mp_series *b, struct mp_contrast *out)
{
	if (c->is_paired)
		mp_series_contrast_pairs(a, b, out);
	else
		mp_series_contrast(a, b, out);
}

static bool is_enough(const struct mp_series *a, const struct mp_series *b, const struct mp_contrast *c)
{
	double sum = c->a.num + c->b.num, squares = a->squares + b->squares;

	return squares > 0 && sum * sum / squares >= LEAST_CALLS;
}

static double time_of(
    const struct comparing *c, const struct mp_diff_item *item, const struct mp_diff_unit *unit)
{
	return !c->table->is_watched ? unit->dur_s : item->is_slow ? unit->slow_s : unit->watched_s;
}

static double sum_of_all(const struct mp_diff_items *items, int which, int value, size_t unit)
{
	double sum = 0;

	for (size_t k = 0; k < items->n; k++)
		sum += items->item[k].side[which].value[value][unit];
	return sum;
}

/* The series of a metric that is a sum by something. */
static struct mp_series series_of(
    const struct comparing *c, const struct mp_diff_metric *m, const struct mp_diff_item *item, int which)
{
	const struct mp_diff_counts *counts = &item->side[which];
	const struct mp_diff_side *side = &c->side[which];
	double *den = c->den[which];

	for (size_t i = 0; i < side->n; i++)
		den[i] = m->kind == MP_DIFF_SHARE  ? sum_of_all(&c->items, which, m->value, i)
			 : m->kind == MP_DIFF_MEAN ? counts->rows[i]
						   : time_of(c, item, &side->unit[i]);
	return (struct mp_series){counts->value[m->value], den, side->n, counts->squares[m->value]};
}

static void compare_sums(const struct comparing *c, struct pending *p)
{
	struct mp_series a = series_of(c, p->row.metric, p->item, 0);
	struct mp_series b = series_of(c, p->row.metric, p->item, 1);

	contrast(c, &a, &b, &p->contrast);
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

static void compare_quantiles(const struct comparing *c, struct pending *p)
{
	const struct mp_diff_counts *a = &p->item->side[0], *b = &p->item->side[1];
	double share = 1 - (double)p->row.metric->tail / MP_TAIL_WHOLE;
	/* Of both sides together such a part of the squares as of the calls. */
	struct mp_series x = {
	    a->beyond[p->metric], a->all, c->side[0].n, a->beyond_squares * (1 - share) * share};
	struct mp_series y = {
	    b->beyond[p->metric], b->all, c->side[1].n, b->beyond_squares * (1 - share) * share};

	contrast(c, &x, &y, &p->contrast);
	p->row.a = mp_diff_quantile(&a->tally, share);
	p->row.b = mp_diff_quantile(&b->tally, share);
	p->row.log_p = p->contrast.log_p;
	double least = LEAST_BEYOND / fmin(share, 1 - share);
	p->row.is_tested = p->contrast.error > 0 && worth(a) >= least && worth(b) >= least;
}

static struct pending *add_pending(struct comparing *c, const struct mp_diff_item *item, int metric)
{
	if (c->n == c->room) {
		size_t room = c->room ? 2 * c->room : 64;
		struct pending *p = realloc(c->p, room * sizeof(*p));

		if (!p)
			return NULL;
		c->p = p;
		c->room = room;
	}
	struct pending *p = &c->p[c->n++];
	*p = (struct pending){.row = {.table = c->table,
				  .metric = &c->table->metric[metric],
				  .name = item->name,
				  .op = item->op,
				  .a = NAN,
				  .b = NAN,
				  .lo = NAN,
				  .hi = NAN},
	    .item = item,
	    .metric = metric};
	return p;
}

/* Bytes of operations that have none, quantiles of nothing. */
static bool says_nothing(const struct pending *p)
{
	const struct mp_diff_metric *m = p->row.metric;

	if (m->kind == MP_DIFF_QUANTILE)
		return isnan(p->row.a) && isnan(p->row.b);
	return p->row.table->is_amount[m->value] && !(p->row.a > 0) && !(p->row.b > 0);
}

static int compare_item(struct comparing *c, const struct mp_diff_item *item)
{
	for (int k = 0; c->table->metric[k].name; k++) {
		struct pending *p = add_pending(c, item, k);

		if (!p)
			return -ENOMEM;
		if (p->row.metric->kind == MP_DIFF_MOST) {
			p->row.a = item->side[0].most;
			p->row.b = item->side[1].most;
		} else if (p->row.metric->kind == MP_DIFF_QUANTILE) {
			compare_quantiles(c, p);
		} else {
			compare_sums(c, p);
		}
		if (says_nothing(p))
			c->n--;
		else
			c->tests += p->row.is_tested;
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

/* No figure falls below 0. */
static void find_interval(struct pending *p, double z)
{
	double reach = mp_contrast_reach(&p->contrast, z);

	if (p->row.metric->kind == MP_DIFF_QUANTILE)
		quantile_interval(p, reach);
	else
		sum_interval(p, reach);
	if (p->row.lo < -p->row.a)
		p->row.lo = -p->row.a;
}

static const char *verdict_of(const struct mp_diff_row *row)
{
	double change = row->b - row->a, size = fmax(fabs(row->a), fabs(row->b));

	if (row->metric->kind == MP_DIFF_MOST)
		return NULL;
	if (row->a == 0 && row->b == 0)
		return "same";
	if (!row->is_tested)
		return "unknown";
	if (row->log_p > log(MP_DIFF_LEVEL) || fabs(change) < MP_DIFF_LEAST_SHARE * size)
		return "same";
	if (row->metric->kind == MP_DIFF_RATE && (row->a == 0 || row->b == 0))
		return row->a == 0 ? "new" : "gone";
	return change > 0 ? "more" : "less";
}

/* `level` is the table's part of MP_DIFF_LEVEL. */
static int judge(struct comparing *c, double level)
{
	double *log_p = calloc(c->tests + 1, sizeof(*log_p));
	double z = c->tests ? mp_normal_with_above(level / 2 / (double)c->tests) : 0;
	size_t n = 0;
	int rc = log_p ? 0 : -ENOMEM;

	for (size_t i = 0; !rc && i < c->n; i++)
		if (c->p[i].row.is_tested)
			log_p[n++] = c->p[i].row.log_p;
	rc = rc ? rc : mp_holm(log_p, n);
	n = 0;
	for (size_t i = 0; !rc && i < c->n; i++) {
		struct pending *p = &c->p[i];

		if (p->row.is_tested) {
			p->row.log_p = fmin(0, log_p[n++] + log(MP_DIFF_LEVEL / level));
			find_interval(p, z);
		}
		p->row.verdict = verdict_of(&p->row);
	}
	free(log_p);
	return rc;
}

static int keep_rows(const struct comparing *c, struct mp_diff_rows *out)
{
	struct mp_diff_row *row = realloc(out->row, (out->n + c->n + 1) * sizeof(*row));

	if (!row)
		return -ENOMEM;
	out->row = row;
	for (size_t i = 0; i < c->n; i++) {
		struct mp_diff_row *to = &row[out->n++];

		*to = c->p[i].row;
		to->name = strdup(to->name);
		to->op = to->op ? strdup(to->op) : NULL;
		if (!to->name || (!to->op && c->p[i].row.op))
			return -ENOMEM;
	}
	return 0;
}

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
	double half = MP_DIFF_LEVEL / 2;

	return t->is_main ? half : half / (double)(count_tables() - 1);
}

static int compare_table(struct comparing *c, struct mp_diff_rows *out, struct mp_err *err)
{
	int rc = mp_diff_items_read(c->table, c->side, &c->items, err);

	if (rc)
		return rc;
	if (c->table->is_main && mp_diff_course(&c->items, c->side, &out->rho, &out->is_paired))
		return no_memory(err);
	c->is_paired = out->is_paired;
	for (size_t i = 0; !rc && i < c->items.n; i++)
		rc = compare_item(c, &c->items.item[i]);
	if (rc || judge(c, level_of(c->table)) || keep_rows(c, out))
		return no_memory(err);
	out->is_cut[c->table - mp_diff_tables] = c->items.is_cut;
	return 0;
}

int mp_diff_compare(struct mp_diff_side side[2], struct mp_diff_rows *out, struct mp_err *err)
{
	double *den[2] = {calloc(side[0].n, sizeof(double)), calloc(side[1].n, sizeof(double))};
	int rc = den[0] && den[1] ? 0 : no_memory(err);

	*out = (struct mp_diff_rows){.rho = NAN};
	for (const struct mp_diff_table *t = mp_diff_tables; !rc && t->name; t++) {
		struct comparing c = {.table = t, .side = side, .den = {den[0], den[1]}};

		rc = compare_table(&c, out, err);
		/* One table's items are gone before the next one's come. */
		mp_diff_items_free(&c.items);
		free(c.p);
	}
	free(den[0]);
	free(den[1]);
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
