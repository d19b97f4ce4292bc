/* SPDX-License-Identifier: MIT */
#include "analysis/diff/diff.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "analysis/diff/private.h"

void mp_diff_table_names(char *out, size_t size)
{
	size_t n = 0;

	*out = '\0';
	for (const struct mp_diff_table *t = mp_diff_tables; t->name && n < size; t++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", t->name);
}

static bool has_table(const char *name)
{
	for (const struct mp_diff_table *t = mp_diff_tables; t->name; t++)
		if (!strcmp(t->name, name))
			return true;
	return false;
}

/* The figure of that name, of any table. */
static const struct mp_diff_metric *find_figure(const char *name)
{
	for (const struct mp_diff_table *t = mp_diff_tables; t->name; t++)
		for (const struct mp_diff_metric *m = t->metric; m->name; m++)
			if (!strcmp(m->name, name))
				return m;
	return NULL;
}

static int check_figure(const struct mp_diff_condition *c, struct mp_err *err)
{
	const struct mp_diff_metric *m = find_figure(c->figure);

	if (!m)
		return mp_err_set(err, EINVAL,
		    "--fail-if '%.120s': there is no figure %s: as in the column figure, such as p99_ns or "
		    "calls_per_s",
		    c->text, c->figure);
	if (m->kind == MP_DIFF_MOST)
		return mp_err_set(err, EINVAL,
		    "--fail-if '%.120s': %s is for information: whether it differs beyond chance cannot be "
		    "told",
		    c->text, c->figure);
	return 0;
}

int mp_diff_check(const struct mp_diff_options *o, struct mp_err *err)
{
	char all[256];
	int rc = 0;

	mp_diff_table_names(all, sizeof(all));
	if (o->table && !has_table(o->table))
		return mp_err_set(err, EINVAL, "there is no table %.80s: there are %s", o->table, all);
	for (size_t i = 0; !rc && i < o->n_conditions; i++)
		rc = check_figure(&o->condition[i], err);
	return rc;
}

static bool is_changed(const struct mp_diff_row *row)
{
	return row->verdict && strcmp(row->verdict, "same") && strcmp(row->verdict, "unknown");
}

/* mpsample: p99_ns > +10%: operations malloc: p99_ns 1.22 us, was 1.10 us: +10.9 % (+6.1 % to +14 %) */
static void say_failed(const struct mp_diff_condition *c, const struct mp_diff_row *row, FILE *out)
{
	char a[MP_CELL_NUMBER], b[MP_CELL_NUMBER], change[MP_CELL_NUMBER], lo[MP_CELL_NUMBER],
	    hi[MP_CELL_NUMBER];

	mp_diff_figure(row, row->a, a);
	mp_diff_figure(row, row->b, b);
	mp_diff_change(row, row->b - row->a, change);
	mp_diff_change(row, row->lo, lo);
	mp_diff_change(row, row->hi, hi);
	fprintf(out, "mpsample: %s: %s, ", c->text, row->table->name);
	mp_cell_write_plain(out, row->name, strlen(row->name));
	if (row->op)
		fprintf(out, "/%s", row->op);
	fprintf(out, ": %s A %s, B %s, %s (%s to %s)\n", row->metric->name, a, b, change, lo, hi);
}

static int check_condition(const struct mp_diff_condition *c, const struct mp_diff_rows *rows, FILE *failed,
    struct mp_diff_failures *failures, struct mp_err *err)
{
	size_t of = 0, known = 0;

	for (size_t i = 0; i < rows->n; i++) {
		const struct mp_diff_row *row = &rows->row[i];

		if (!mp_diff_condition_is_of(c, row->table->name, row->name, row->op, row->metric->name))
			continue;
		of++;
		known += row->is_tested;
		if (is_changed(row) && mp_diff_condition_meets(c, row->a, row->b)) {
			say_failed(c, row, failed);
			failures->met++;
		}
	}
	if (!of)
		return mp_err_set(
		    err, ENODATA, "--fail-if '%.120s': neither side has such a figure", c->text);
	if (!known) {
		fprintf(failed, "mpsample: %s: too little is known to tell\n", c->text);
		failures->untold++;
	}
	return 0;
}

static int check_conditions(const struct mp_diff_options *o, const struct mp_diff_rows *rows, FILE *failed,
    struct mp_diff_failures *failures, struct mp_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < o->n_conditions; i++)
		rc = check_condition(&o->condition[i], rows, failed, failures, err);
	return rc;
}

int mp_diff_run(const struct mp_diff_options *o, FILE *out, FILE *failed, struct mp_diff_failures *failures,
    struct mp_err *err)
{
	struct mp_diff_side side[2] = {{0}};
	struct mp_diff_rows rows = {0};
	int rc = mp_diff_check(o, err);

	*failures = (struct mp_diff_failures){0};
	for (int i = 0; !rc && i < 2; i++)
		rc = mp_diff_side_open(&side[i], o->path[i] ? o->path[i] : o->path[0], o->phase[i], err);
	if (!rc)
		rc = mp_diff_compare(side, &rows, err);
	if (!rc)
		rc = check_conditions(o, &rows, failed, failures, err);
	if (!rc)
		rc = mp_diff_write(o, side, &rows, out, err);
	mp_diff_rows_free(&rows);
	mp_diff_side_close(&side[0]);
	mp_diff_side_close(&side[1]);
	return rc;
}
