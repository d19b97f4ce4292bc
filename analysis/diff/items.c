/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/diff/private.h"

/*
 * The rows of the data, as the files of sql/diff/ have them. One with a bucket is `weight` calls of a
 * histogram, of which the sums are told elsewhere; one with a duration is a call (or a span, or a pause) that
 * stands for `weight`; one with neither adds to the sums only.
 */
enum { KEY, T_NS, BUCKET, DUR_NS, WEIGHT, AMOUNT1, AMOUNT2, MOST };

struct key {
	int64_t key;
	size_t item;
};

struct data_row;
typedef int take(const struct mp_diff_table *t, struct mp_diff_item *, int, const struct data_row *);

/* Reading one side of a table. What is read goes to that side of the items alone. */
struct reading {
	const struct mp_diff_table *table;
	struct mp_diff_side *side;
	struct mp_diff_items *items;
	int which; /* side */
	struct key key[MP_DIFF_ITEMS];
	size_t n;
	take *take;
	int rc;
	struct mp_err err;
};

struct data_row {
	size_t unit;
	bool is_counted, is_call; /* in a histogram; by itself */
	uint32_t bucket;
	double weight, amount[MP_DIFF_VALUES], most;
};

static int no_memory(struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "out of memory");
}

static int cannot_read(const struct mp_diff_side *side, struct mp_err *err)
{
	return mp_err_set(err, EIO, "cannot read %s: %s", mp_session_path(side->session),
	    sqlite3_errmsg(mp_session_db(side->session)));
}

static int prepare(struct mp_diff_side *side, const char *name, sqlite3_stmt **stmt, struct mp_err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "sql/diff/%s.sql", name);
	side->scope.limit = MP_DIFF_ITEMS + 1;
	return mp_report_prepare(side->session, path, &side->scope, stmt, err);
}

static bool is_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static double *by_unit(const struct mp_diff_side *side)
{
	return calloc(side->n, sizeof(double));
}

/* -ENOMEM. What was allocated is freed with the items. */
static int make_room(const struct mp_diff_table *t, struct mp_diff_counts *c, const struct mp_diff_side *side)
{
	bool all = (c->rows = by_unit(side)) && (c->all = by_unit(side));

	for (int i = 0; i < MP_DIFF_VALUES; i++)
		all = all && (c->value[i] = by_unit(side));
	for (int i = 0; t->metric[i].name; i++)
		if (t->metric[i].kind == MP_DIFF_QUANTILE)
			all = all && (c->beyond[i] = by_unit(side));
	return all ? 0 : -ENOMEM;
}

static struct mp_diff_item *add_item(const struct mp_diff_table *t, struct mp_diff_side side[2],
    struct mp_diff_items *items, const char *name, const char *op)
{
	if (items->n == items->room) {
		size_t room = items->room ? 2 * items->room : 32;
		struct mp_diff_item *item = realloc(items->item, room * sizeof(*item));

		if (!item)
			return NULL;
		items->item = item;
		items->room = room;
	}
	struct mp_diff_item *item = &items->item[items->n++];
	*item = (struct mp_diff_item){.name = strdup(name), .op = op ? strdup(op) : NULL};
	if (!item->name || (op && !item->op) || make_room(t, &item->side[0], &side[0]) ||
	    make_room(t, &item->side[1], &side[1]))
		return NULL;
	return item;
}

/* The item of that name, which the other side may have had already. */
static struct mp_diff_item *find_item(const struct mp_diff_table *t, struct mp_diff_side side[2],
    struct mp_diff_items *items, const char *name, const char *op)
{
	for (size_t i = 0; i < items->n; i++)
		if (is_same(items->item[i].name, name) && is_same(items->item[i].op, op))
			return &items->item[i];
	return add_item(t, side, items, name, op);
}

static int by_key(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

static int read_keys(struct reading *r, struct mp_diff_side side[2], struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int step = SQLITE_DONE, rc = prepare(&side[r->which], r->table->items, &stmt, err);

	while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 1);
		const char *op = (const char *)sqlite3_column_text(stmt, 2);

		if (r->n == MP_DIFF_ITEMS) {
			r->items->is_cut = true;
			step = SQLITE_DONE;
			break;
		}
		struct mp_diff_item *item = find_item(r->table, side, r->items, name ? name : "", op);
		if (!item)
			rc = no_memory(err);
		else
			r->key[r->n++] =
			    (struct key){sqlite3_column_int64(stmt, 0), (size_t)(item - r->items->item)};
		if (!rc)
			item->is_slow |= sqlite3_column_int(stmt, 3) != 0;
	}
	sqlite3_finalize(stmt);
	qsort(r->key, r->n, sizeof(*r->key), by_key);
	return rc ? rc : step == SQLITE_DONE ? 0 : cannot_read(r->side, err);
}

/* A session may come from anybody: no negative numbers, no NaN. */
static double number(sqlite3_stmt *stmt, int col)
{
	double v = sqlite3_column_double(stmt, col);

	return v > 0 && v < 1e30 ? v : 0;
}

/* False: of no unit, or it says nothing. */
static bool read_row(const struct reading *r, sqlite3_stmt *stmt, struct data_row *row)
{
	int64_t unit = mp_diff_side_unit(r->side, sqlite3_column_int64(stmt, T_NS));
	int64_t bucket = sqlite3_column_int64(stmt, BUCKET), dur_ns = sqlite3_column_int64(stmt, DUR_NS);

	*row = (struct data_row){.unit = (size_t)unit,
	    .is_counted = sqlite3_column_type(stmt, BUCKET) != SQLITE_NULL,
	    .is_call = sqlite3_column_type(stmt, DUR_NS) != SQLITE_NULL,
	    .weight = number(stmt, WEIGHT)};
	if (unit < 0 || (row->is_counted && (bucket < 0 || bucket >= MP_HIST_BUCKETS)))
		return false;
	row->bucket = row->is_counted ? (uint32_t)bucket : mp_hist_bucket(dur_ns > 0 ? (uint64_t)dur_ns : 0);
	if (row->is_counted)
		return row->weight > 0;
	row->amount[0] = row->weight;
	row->amount[1] = number(stmt, AMOUNT1);
	row->amount[2] = number(stmt, AMOUNT2);
	row->most = number(stmt, MOST);
	return true;
}

/* What an amount was the sum of: a call by itself, or as many as the row counts, at least as unequal as all
 * equal. */
static double squares_of(const struct data_row *row, double amount, bool is_amount)
{
	if (row->is_call)
		return amount * amount;
	return is_amount ? amount * amount / fmax(row->weight, 1) : amount;
}

static int take_sums(
    const struct mp_diff_table *t, struct mp_diff_item *item, int which, const struct data_row *row)
{
	struct mp_diff_counts *c = &item->side[which];
	int rc = 0;

	if (row->is_counted || row->is_call) {
		rc = mp_tally_add(&c->tally, row->bucket, (int64_t)fmin(row->weight, 1e15));
		c->all[row->unit] += row->weight;
		c->beyond_squares += row->is_call ? row->weight * row->weight : row->weight;
	}
	if (row->is_counted)
		return rc;
	for (int i = 0; i < MP_DIFF_VALUES; i++) {
		c->value[i][row->unit] += row->amount[i];
		c->squares[i] += squares_of(row, row->amount[i], t->is_amount[i]);
	}
	c->rows[row->unit]++;
	c->most = fmax(c->most, row->most);
	return rc;
}

/* Once it is known where the quantiles of both sides lie. */
static int take_beyond(
    const struct mp_diff_table *t, struct mp_diff_item *item, int which, const struct data_row *row)
{
	if (!row->is_counted && !row->is_call)
		return 0;
	for (int i = 0; t->metric[i].name; i++) {
		const struct mp_diff_place *place = &item->place[i];

		if (t->metric[i].kind != MP_DIFF_QUANTILE || row->bucket < place->bucket)
			continue;
		item->side[which].beyond[i][row->unit] +=
		    row->weight * (row->bucket == place->bucket ? 1 - place->part : 1);
	}
	return 0;
}

static int read_rows(struct reading *r, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	const struct key *key = NULL;
	int step = SQLITE_DONE, rc = prepare(r->side, r->table->rows, &stmt, err);

	while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct key wanted = {.key = sqlite3_column_int64(stmt, KEY)};
		struct data_row row;

		if (!key || key->key != wanted.key)
			key = bsearch(&wanted, r->key, r->n, sizeof(*key), by_key);
		if (key && read_row(r, stmt, &row) &&
		    r->take(r->table, &r->items->item[key->item], r->which, &row))
			rc = no_memory(err);
	}
	sqlite3_finalize(stmt);
	return rc ? rc : step == SQLITE_DONE ? 0 : cannot_read(r->side, err);
}

static void *read_beside(void *arg)
{
	struct reading *r = arg;

	r->rc = read_rows(r, &r->err);
	return NULL;
}

/* Both sides at the same time, each with its own connection; where there is no thread to be had, one after
 * the other.
 */
static int read_both(struct reading r[2], take *f, struct mp_err *err)
{
	pthread_t thread;

	r[0].take = r[1].take = f;
	bool beside = !pthread_create(&thread, NULL, read_beside, &r[1]);
	int rc = read_rows(&r[0], err);

	if (beside)
		pthread_join(thread, NULL);
	else
		read_beside(&r[1]);
	if (!rc && r[1].rc) {
		rc = r[1].rc;
		*err = r[1].err;
	}
	return rc;
}

static double share_of(const struct mp_diff_metric *m)
{
	return 1 - (double)m->tail / MP_TAIL_WHOLE;
}

static bool place_quantiles(const struct mp_diff_table *t, struct mp_diff_items *items)
{
	bool any = false;

	for (int k = 0; t->metric[k].name; k++) {
		if (t->metric[k].kind != MP_DIFF_QUANTILE)
			continue;
		any = true;
		for (size_t i = 0; i < items->n; i++)
			items->item[i].place[k] = mp_diff_place(&items->item[i].side[0].tally,
			    &items->item[i].side[1].tally, share_of(&t->metric[k]));
	}
	return any;
}

int mp_diff_items_read(
    const struct mp_diff_table *t, struct mp_diff_side side[2], struct mp_diff_items *out, struct mp_err *err)
{
	struct reading *r = calloc(2, sizeof(*r));
	int rc = r ? 0 : no_memory(err);

	*out = (struct mp_diff_items){0};
	for (int i = 0; !rc && i < 2; i++) {
		r[i] = (struct reading){.table = t, .side = &side[i], .items = out, .which = i};
		rc = read_keys(&r[i], side, err);
	}
	if (!rc)
		rc = read_both(r, take_sums, err);
	if (!rc && place_quantiles(t, out))
		rc = read_both(r, take_beyond, err);
	free(r);
	return rc;
}

static void free_counts(struct mp_diff_counts *c)
{
	mp_tally_clear(&c->tally);
	for (int i = 0; i < MP_DIFF_VALUES; i++)
		free(c->value[i]);
	for (int i = 0; i < MP_DIFF_METRICS; i++)
		free(c->beyond[i]);
	free(c->rows);
	free(c->all);
}

void mp_diff_items_free(struct mp_diff_items *items)
{
	for (size_t i = 0; i < items->n; i++) {
		free_counts(&items->item[i].side[0]);
		free_counts(&items->item[i].side[1]);
		free(items->item[i].name);
		free(items->item[i].op);
	}
	free(items->item);
	*items = (struct mp_diff_items){0};
}
