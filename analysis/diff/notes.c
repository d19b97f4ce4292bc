/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/diff/private.h"
#include "analysis/stats/series.h"

/* What should be the same on both sides, and what it does to the figures where it is not. */
static const struct {
	const char *column, *what, *effect;
} keys[] = {
    {"backend", "recorded by", "durations have other floors and errors"},
    {"probe", "probed", "other calls are counted"},
    {"floor_ns", "floor in ns", "durations differ by up to as much"},
    {"host", "host", "it may be the machine that differs"},
    {"cpu", "CPU", "it may be the machine that differs"},
    {"kernel", "kernel", "it may be the kernel that differs"},
    {"version", "version of mpsample", "it may have measured otherwise"},
    {"command", "command", "these are two programs, or it was told to do something else"},
    {"allocators", "allocators", "it may be the allocator that differs"},
    {"keep_over_ns", "calls kept as outliers over", "causes are of other calls"},
    {"kept_all", "all calls kept", "causes are of other calls"},
    {"causes", "causes that could be seen", "what was not seen is unexplained"},
};

static __attribute__((format(printf, 2, 3))) void note(struct mp_diff_notes *notes, const char *fmt, ...)
{
	va_list ap;

	if (notes->n == sizeof(notes->note) / sizeof(*notes->note))
		return;
	va_start(ap, fmt);
	vsnprintf(notes->note[notes->n].text, sizeof(notes->note->text), fmt, ap);
	va_end(ap);
	notes->n++;
}

static void note_keys(sqlite3_stmt *a, sqlite3_stmt *b, struct mp_diff_notes *out)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *x = mp_diff_text(a, keys[i].column), *y = mp_diff_text(b, keys[i].column);

		if (strcmp(x, y))
			note(out, "%s: %.80s and %.80s: %s", keys[i].what, *x ? x : "not known",
			    *y ? y : "not known", keys[i].effect);
	}
}

static void note_lost(sqlite3_stmt *stmt, char side, const char *what, const char *lost, const char *effect,
    struct mp_diff_notes *out)
{
	int64_t n = mp_diff_integer(stmt, lost);
	char number[MP_CELL_NUMBER];

	if (n <= 0)
		return;
	mp_cell_int(MP_UNIT_COUNT, n, number);
	note(out, "%c: %s %s LOST: %s", side, number, what, effect);
}

static void note_side(
    sqlite3_stmt *stmt, const struct mp_diff_side *side, char name, struct mp_diff_notes *out)
{
	double duty = atof(mp_diff_text(stmt, "duty"));

	if (side->n < MP_SERIES_LEAST)
		note(out, "%c: %zu seconds are too few to tell chance from change: %d at least", name,
		    side->n, MP_SERIES_LEAST);
	note_lost(stmt, name, "calls", "calls_lost", "missing in every figure", out);
	note_lost(stmt, name, "rows", "rows_lost", "sites and causes come out too low", out);
	note_lost(stmt, name, "stacks", "stacks_lost", "their calls are of no site", out);
	note_lost(stmt, name, "events", "events_lost", "causes are unexplained that need not be", out);
	if (mp_diff_integer(stmt, "rows_thinned") > 0)
		note(out, "%c: rows gave way to --max-size: spans and pauses by second come out too low",
		    name);
	if (duty > 0 && duty < 1)
		note(out, "%c: calls were watched %.3g %% of the time: rates are by the time that was", name,
		    duty * 100);
}

void mp_diff_notes_find(sqlite3_stmt *a, sqlite3_stmt *b, const struct mp_diff_side side[2],
    const struct mp_diff_rows *rows, struct mp_diff_notes *out)
{
	*out = (struct mp_diff_notes){0};
	if (rows->is_paired)
		note(out,
		    "call rates rise and fall together (rank correlation %.2f): compared second with second",
		    rows->rho);
	note_keys(a, b, out);
	note_side(a, &side[0], 'A', out);
	note_side(b, &side[1], 'B', out);
	for (const struct mp_diff_table *t = mp_diff_tables; t->name; t++)
		if (rows->is_cut[t - mp_diff_tables])
			note(out, "%s: only the first %d of a side are compared", t->name, MP_DIFF_ITEMS);
}
