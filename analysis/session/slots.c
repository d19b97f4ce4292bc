/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "analysis/each_row.h"
#include "analysis/session/private.h"
#include "store/op.h"

/* slot_ns, dur_ns, for how much of that every call was watched */
static int take_slot(void *ctx, sqlite3_value **row)
{
	struct filling *f = ctx;
	int64_t slot_ns = sqlite3_value_int64(row[0]), dur_ns = sqlite3_value_int64(row[1]),
		watched_ns = sqlite3_value_int64(row[2]);

	if (dur_ns <= 0)
		return 0;
	if (f->n_slots == f->slots_room) {
		size_t room = f->slots_room ? 2 * f->slots_room : 1024;
		struct slot *more = reallocarray(f->slot, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		f->slot = more;
		f->slots_room = room;
	}
	session_find_at(f, slot_ns + dur_ns / 2);
	if (!f->n_in)
		return 0;
	f->slot[f->n_slots++] =
	    (struct slot){.slot_ns = slot_ns, .dur_ns = dur_ns, .phase = f->in[f->n_in - 1]};
	for (size_t i = 0; i < f->n_in; i++)
		f->phase[f->in[i]].covered_ns += watched_ns >= 0 && watched_ns < dur_ns ? watched_ns : dur_ns;
	return 0;
}

/* The rows of the one that was read are all there. */
static int leave_slot(struct filling *f)
{
	struct slot *s = f->at < f->n_slots ? &f->slot[f->at] : NULL;
	int ret = 0;

	if (!s || !f->slot_alloc.calls)
		return 0;
	session_find_at(f, s->slot_ns + s->dur_ns / 2);
	for (size_t i = 0; !ret && i < f->n_in; i++)
		ret = mp_tally_merge(&f->phase[f->in[i]].alloc, &f->slot_alloc);
	mp_tally_clear(&f->slot_alloc);
	return ret;
}

/* Rows come in the order of slots. False: it is none of what was asked for. */
static bool enter_slot(struct filling *f, int64_t slot_ns, int *ret)
{
	*ret = 0;
	if (f->at < f->n_slots && f->slot[f->at].slot_ns == slot_ns)
		return true;
	*ret = leave_slot(f);
	while (f->at < f->n_slots && f->slot[f->at].slot_ns < slot_ns)
		f->at++;
	return !*ret && f->at < f->n_slots && f->slot[f->at].slot_ns == slot_ns;
}

/* slot_ns, op_id, bucket, calls */
static int take_bucket(void *ctx, sqlite3_value **row)
{
	struct filling *f = ctx;
	int ret;

	if (!mp_op_gives_memory(sqlite3_value_int64(row[1])) ||
	    !enter_slot(f, sqlite3_value_int64(row[0]), &ret))
		return 0;
	return ret ? ret
		   : mp_tally_add(&f->slot_alloc, sqlite3_value_int64(row[2]), sqlite3_value_int64(row[3]));
}

static void add_sum(struct phase *p, int64_t op, sqlite3_value **row)
{
	int64_t calls = sqlite3_value_int64(row[2]);

	if (op == MP_OP_FREE || op == MP_OP_DELETE)
		p->frees += calls;
	if (!mp_op_gives_memory(op))
		return;
	p->bytes += sqlite3_value_double(row[3]);
	mp_tally_add_exact(&p->alloc, calls, sqlite3_value_double(row[4]), sqlite3_value_int64(row[5]));
}

/* slot_ns, op_id, calls, bytes, sum_ns, max_ns */
static int take_sum(void *ctx, sqlite3_value **row)
{
	struct filling *f = ctx;
	int64_t op = sqlite3_value_int64(row[1]);
	int ret;

	if (!enter_slot(f, sqlite3_value_int64(row[0]), &ret))
		return ret;
	struct slot *s = &f->slot[f->at];
	session_find_at(f, s->slot_ns + s->dur_ns / 2);
	for (size_t i = 0; i < f->n_in; i++)
		add_sum(&f->phase[f->in[i]], op, row);
	return 0;
}

/* Sessions of before there was a table of slots have slots of about a second. */
static const char all_slots[] =
    "SELECT 1 FROM (SELECT slot_ns, dur_ns, coalesce((SELECT watched_ns FROM overhead"
    " WHERE overhead.slot_ns = slot.slot_ns AND mode IS NOT NULL), dur_ns) AS watched_ns FROM slot"
    " UNION ALL SELECT DISTINCT slot_ns, 1000000000, 1000000000 FROM main.latency_sum"
    " WHERE NOT EXISTS (SELECT 1 FROM slot) ORDER BY slot_ns) WHERE mp_take(?4, slot_ns, dur_ns, watched_ns)";

int session_read_slots(struct filling *f)
{
	int ret = mp_each_row(f->session, all_slots, f->scope, take_slot, f, f->err);

	f->at = 0;
	if (!ret)
		ret = mp_each_row(f->session,
		    "SELECT 1 FROM main.latency WHERE mp_take(?4, slot_ns, op_id, bucket, calls)", f->scope,
		    take_bucket, f, f->err);
	if (!ret)
		ret = leave_slot(f);
	f->at = 0;
	if (!ret)
		ret = mp_each_row(f->session,
		    "SELECT 1 FROM main.latency_sum WHERE mp_take(?4, slot_ns, op_id, calls, bytes, sum_ns, "
		    "max_ns)",
		    f->scope, take_sum, f, f->err);
	return ret == -ENOMEM ? session_no_memory(f) : ret;
}
