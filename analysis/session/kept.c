/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/each_row.h"
#include "analysis/session/private.h"
#include "store/op.h"

static struct cell *slot_for(struct cells *c, int64_t n, int64_t key)
{
	uint64_t hash = ((uint64_t)key * 256 + (uint64_t)n) * UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (size_t)(hash >> 32) & (c->room - 1);

	while (c->cell[i].n >= 0 && (c->cell[i].n != n || c->cell[i].key != key))
		i = (i + 1) & (c->room - 1);
	return &c->cell[i];
}

static bool grow(struct cells *c)
{
	struct cells more = {.n = c->n, .room = c->room ? 2 * c->room : 1024};

	more.cell = calloc(more.room, sizeof(*more.cell));
	if (!more.cell)
		return false;
	for (size_t i = 0; i < more.room; i++)
		more.cell[i].n = -1;
	for (size_t i = 0; i < c->room; i++)
		if (c->cell[i].n >= 0)
			*slot_for(&more, c->cell[i].n, c->cell[i].key) = c->cell[i];
	free(c->cell);
	*c = more;
	return true;
}

static bool add_to(struct cells *c, size_t n, int64_t key, const struct cell *what)
{
	if (4 * (c->n + 1) > 3 * c->room && !grow(c))
		return false;
	struct cell *cell = slot_for(c, (int64_t)n, key);
	if (cell->n < 0) {
		*cell = (struct cell){.n = (int64_t)n, .key = key};
		c->n++;
	}
	cell->part = what->part;
	cell->rows += what->rows;
	cell->calls += what->calls;
	cell->bytes += what->bytes;
	cell->time_ns += what->time_ns;
	cell->live_bytes += what->live_bytes;
	return true;
}

static bool add_to_spikes(struct filling *f, int64_t t_ns, int64_t stack_id, const struct cell *what)
{
	bool is_calm = true;

	for (size_t i = 0; i < f->n_spikes; i++) {
		const struct spike *s = &f->spike[i];
		if (t_ns < s->start_ns - MOVE_BEFORE_NS || t_ns >= s->end_ns)
			continue;
		if (t_ns < s->first_end_ns && s->first_end_ns - s->start_ns <= MOVE_BEFORE_NS) {
			size_t step = (size_t)((t_ns - s->start_ns + MOVE_BEFORE_NS) / MOVE_STEP_NS);
			if (!add_to(&f->moves, i * MOVE_STEPS + step, stack_id, what))
				return false;
		}
		if (t_ns < s->start_ns)
			continue;
		is_calm = false;
		if (!add_to(&f->spike_stacks, i, stack_id, what))
			return false;
	}
	return !f->n_spikes || !is_calm || !f->n_in || add_to(&f->calm, f->in[f->n_in - 1], stack_id, what);
}

/* t_ns, tid, op_id, size_bytes, dur_ns, weight, stack_id, scope_id */
static int take_call(void *ctx, sqlite3_value **row)
{
	struct filling *f = ctx;
	int64_t tid = sqlite3_value_int64(row[1]), size = sqlite3_value_int64(row[3]),
		stack_id = sqlite3_value_int64(row[6]);
	double weight = sqlite3_value_double(row[5]);
	struct cell what = {.rows = 1,
	    .calls = weight,
	    .bytes = weight * (double)size,
	    .time_ns = weight * sqlite3_value_double(row[4])};

	if (!mp_op_gives_memory(sqlite3_value_int64(row[2])))
		return 0;
	int64_t part = f->components
			   ? mp_component_of(f->components, sqlite3_value_int64(row[7]), stack_id, size, tid)
			   : 0;
	what.part = part;
	session_find_at(f, sqlite3_value_int64(row[0]));
	for (size_t i = 0; i < f->n_in; i++)
		if (!add_to(&f->stacks, f->in[i], stack_id, &what) ||
		    (f->components && !add_to(&f->parts, f->in[i], part, &what)))
			return -ENOMEM;
	return add_to_spikes(f, sqlite3_value_int64(row[0]), stack_id, &what) ? 0 : -ENOMEM;
}

static int sum_calls(struct filling *f)
{
	/* Older sessions do not have it. */
	static const char
	    without_scopes[] = "SELECT 1 FROM main.call WHERE t_ns >= ?1 AND t_ns < ?2"
			       " AND mp_take(?4, t_ns, tid, op_id, size_bytes, dur_ns, weight, stack_id, 0)",
	    with_scopes[] =
		"SELECT 1 FROM main.call WHERE t_ns >= ?1 AND t_ns < ?2"
		" AND mp_take(?4, t_ns, tid, op_id, size_bytes, dur_ns, weight, stack_id, scope_id)";
	int ret = mp_components_load(f->session, &f->components, f->err);

	if (!ret)
		ret = mp_each_row(f->session,
		    f->components && mp_components_have_scopes(f->components) ? with_scopes : without_scopes,
		    f->scope, take_call, f, f->err);
	return ret == -ENOMEM ? session_no_memory(f) : ret;
}

/* -1: there are too many; -ENOMEM. */
static int kind_number(struct filling *f, const char *kind)
{
	for (size_t i = 0; i < f->n_kinds; i++)
		if (!strcmp(f->kind[i], kind))
			return (int)i;
	if (f->n_kinds == KINDS_MAX)
		return -1;
	f->kind[f->n_kinds] = strdup(kind);
	return f->kind[f->n_kinds] ? (int)f->n_kinds++ : -ENOMEM;
}

/* t_ns, kind, dur_ns, n, weight */
static int take_cause(void *ctx, sqlite3_value **row)
{
	struct filling *f = ctx;
	const char *kind = (const char *)sqlite3_value_text(row[1]);
	double weight = sqlite3_value_double(row[4]);
	const struct cell what = {
	    .calls = weight * sqlite3_value_double(row[3]), .time_ns = weight * sqlite3_value_double(row[2])};
	int number = kind ? kind_number(f, kind) : -1;

	session_find_at(f, sqlite3_value_int64(row[0]));
	for (size_t i = 0; number >= 0 && i < f->n_in; i++)
		if (!add_to(&f->causes, f->in[i], number, &what))
			return -ENOMEM;
	return number == -ENOMEM ? number : 0;
}

static int sum_causes(struct filling *f)
{
	int ret = mp_each_row(f->session,
	    "SELECT 1 FROM main.cause CROSS JOIN main.call USING (call_id) WHERE t_ns >= ?1 AND t_ns < ?2"
	    " AND mp_take(?4, t_ns, kind, cause.dur_ns, n, weight)",
	    f->scope, take_cause, f, f->err);
	return ret == -ENOMEM ? session_no_memory(f) : ret;
}

/* born_ns, died_ns, tid, size_bytes, weight, stack_id, scope_id */
static int take_block(void *ctx, sqlite3_value **row)
{
	struct filling *f = ctx;
	int64_t born_ns = sqlite3_value_int64(row[0]), size = sqlite3_value_int64(row[3]),
		stack_id = sqlite3_value_int64(row[5]);
	bool has_died = sqlite3_value_type(row[1]) != SQLITE_NULL;
	const struct cell what = {.live_bytes = (double)size * sqlite3_value_double(row[4])};
	int64_t part = f->components ? mp_component_of(f->components, sqlite3_value_int64(row[6]), stack_id,
					   size, sqlite3_value_int64(row[2]))
				     : 0;

	f->has_blocks = true;
	for (size_t i = 0; i < f->n; i++) {
		if (born_ns >= f->phase[i].end_ns ||
		    (has_died && sqlite3_value_int64(row[1]) < f->phase[i].end_ns))
			continue;
		f->phase[i].live_bytes += what.live_bytes;
		if (f->components && !add_to(&f->parts, i, part, &what))
			return -ENOMEM;
	}
	return 0;
}

int session_sum_blocks(struct filling *f)
{
	int ret = mp_each_row(f->session,
	    "SELECT 1 FROM block WHERE mp_take(?4, born_ns, died_ns, tid, size_bytes, weight, stack_id, "
	    "scope_id)",
	    f->scope, take_block, f, f->err);
	return ret == -ENOMEM ? session_no_memory(f) : ret;
}

int session_sum_kept(struct filling *f)
{
	int ret = sum_calls(f);

	if (!ret)
		ret = sum_causes(f);
	return ret ? ret : session_sum_blocks(f);
}
