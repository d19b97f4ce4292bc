/* SPDX-License-Identifier: MIT */
#include "sampler/blocks/blocks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/blocks/table.h"
#include "sampler/grow.h"
#include "sampler/preload/track.h"
#include "store/append_block.h"

/* A bound of what a target can make us keep. */
#define MAX_WAITING 1000000u

/* The first period where none was drawn with. */
#define FIRST_PERIOD 64

/* In the order in which they count at one time. */
enum kind { DEATH, ALL_GONE, BIRTH };

struct event {
	int64_t t_ns;
	uint64_t order; /* of those at one time and of one kind */
	enum kind kind;
	bool is_moved;
	struct mp_block_birth block; /* of a death, its addr and tid */
};

struct mp_blocks {
	struct mp_session *session;
	struct mp_blocks_options o;
	struct mp_block_table *table;
	uint64_t period_bytes, random;
	struct event *waiting;
	size_t n_waiting, waiting_room;
	uint64_t order;
	uint64_t *unwritten; /* addresses of blocks that were born since mp_blocks_write() */
	size_t n_unwritten, unwritten_room;
	int64_t settled_ns;
	struct mp_blocks_counts counts;
};

double mp_block_chance(uint64_t size_bytes, uint64_t period_bytes)
{
	return period_bytes ? -expm1(-(double)mp_track_bytes(size_bytes) / (double)period_bytes) : 1;
}

struct mp_blocks *mp_blocks_new(struct mp_session *session, const struct mp_blocks_options *o)
{
	struct mp_blocks *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->session = session;
	b->o = *o;
	b->period_bytes = o->all ? o->period_bytes : 0;
	b->random = o->seed | 1;
	b->settled_ns = INT64_MIN;
	b->table = mp_block_table_new();
	if (!b->table) {
		free(b);
		return NULL;
	}
	return b;
}

void mp_blocks_free(struct mp_blocks *b)
{
	if (!b)
		return;
	mp_block_table_free(b->table);
	free(b->unwritten);
	free(b->waiting);
	free(b);
}

/* ---- Told ---- */

static void put(struct mp_blocks *b, const struct event *e)
{
	if (b->n_waiting == MAX_WAITING ||
	    !mp_grow((void **)&b->waiting, &b->waiting_room, b->n_waiting + 1, sizeof(*b->waiting))) {
		b->counts.no_room++;
		return;
	}
	b->waiting[b->n_waiting] = *e;
	b->waiting[b->n_waiting++].order = b->order++;
}

void mp_blocks_born(struct mp_blocks *b, const struct mp_block_birth *birth)
{
	put(b, &(struct event){.t_ns = birth->t_ns, .kind = BIRTH, .block = *birth});
}

void mp_blocks_died(struct mp_blocks *b, uint64_t addr, int64_t t_ns, pid_t tid, bool is_moved)
{
	put(b, &(struct event){
		   .t_ns = t_ns, .kind = DEATH, .is_moved = is_moved, .block = {.addr = addr, .tid = tid}});
}

void mp_blocks_all_gone(struct mp_blocks *b, int64_t t_ns)
{
	put(b, &(struct event){.t_ns = t_ns, .kind = ALL_GONE});
}

/* ---- Rows ---- */

struct end {
	int64_t t_ns;
	enum mp_block_end how;
	pid_t tid; /* who released it; 0: not known */
};

static int write_row(struct mp_blocks *b, struct mp_block *block, const struct end *end, struct mp_err *err)
{
	const struct mp_block_row row = {.addr = block->addr,
	    .size_bytes = block->size_bytes,
	    .op = block->op,
	    .tid = block->tid,
	    .stack_id = block->stack_id,
	    .scope = block->scope,
	    .born_ns = block->born_ns,
	    .weight = block->weight,
	    .end = end->how,
	    .died_ns = end->t_ns,
	    .free_tid = end->tid};
	int ret = mp_append_block(b->session, &row, &block->block_id, err);

	block->is_refused = !ret && !block->block_id;
	return ret;
}

static int end_block(struct mp_blocks *b, struct mp_block *block, const struct end *end, struct mp_err *err)
{
	int ret = 0;

	if (block->block_id)
		ret = mp_update_block_end(b->session, block->block_id, end->how, end->t_ns, end->tid, err);
	else if (!block->is_refused)
		ret = write_row(b, block, end, err);
	b->counts.lost += end->how == MP_BLOCK_LOST;
	mp_block_table_remove(b->table, block);
	return ret;
}

static int lose(struct mp_blocks *b, struct mp_block *block, struct mp_err *err)
{
	const struct end end = {block->seen_ns, MP_BLOCK_LOST, 0};

	return end_block(b, block, &end, err);
}

int mp_blocks_write(struct mp_blocks *b, struct mp_err *err)
{
	const struct end none = {.how = MP_BLOCK_ALIVE};
	int ret = 0;

	for (size_t i = 0; !ret && i < b->n_unwritten; i++) {
		struct mp_block *block = mp_block_table_find(b->table, b->unwritten[i]);

		if (block && !block->block_id && !block->is_refused)
			ret = write_row(b, block, &none, err);
	}
	b->n_unwritten = 0;
	return ret;
}

/* ---- Thinning ---- */

static double uniform(struct mp_blocks *b)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return (double)(b->random >> 11) / 9007199254740992.0;
}

/* How likely a block that was drawn with `from` stays with `to`. */
static double stays(uint64_t size_bytes, uint64_t from, uint64_t to)
{
	return from < to ? mp_block_chance(size_bytes, to) / mp_block_chance(size_bytes, from) : 1;
}

static double expected_alive(const struct mp_blocks *b, uint64_t period_bytes)
{
	double n = 0;

	for (size_t i = 0; i < mp_block_table_count(b->table); i++) {
		const struct mp_block *block = mp_block_table_at(b->table, i);
		n += stays(block->size_bytes, block->period_bytes, period_bytes);
	}
	return n;
}

static int thin_one(struct mp_blocks *b, struct mp_block *block, struct mp_err *err)
{
	double chance = stays(block->size_bytes, block->period_bytes, b->period_bytes);
	int ret = 0;

	if (uniform(b) < chance) {
		block->weight /= chance;
		block->period_bytes =
		    block->period_bytes > b->period_bytes ? block->period_bytes : b->period_bytes;
		return block->block_id && chance < 1
			   ? mp_update_block_weight(b->session, block->block_id, 1 / chance, err)
			   : 0;
	}
	if (block->block_id)
		ret = mp_delete_block(b->session, block->block_id, err);
	if (b->o.forget)
		b->o.forget(b->o.ctx, block->addr);
	mp_block_table_remove(b->table, block);
	return ret;
}

/* Down to about three quarters. */
static int thin(struct mp_blocks *b, struct mp_err *err)
{
	uint64_t period = b->period_bytes ? b->period_bytes : FIRST_PERIOD;
	int ret = 0;

	while (period < UINT64_MAX / 4 && expected_alive(b, period) > 0.75 * (double)b->o.max_alive)
		period *= 2;
	b->period_bytes = period;
	for (size_t i = mp_block_table_count(b->table); !ret && i--;)
		ret = thin_one(b, mp_block_table_at(b->table, i), err);
	return ret;
}

/* ---- In order ---- */

static int be_born(struct mp_blocks *b, const struct event *e, struct mp_err *err)
{
	const struct mp_block_birth *birth = &e->block;
	struct mp_block *block = mp_block_table_find(b->table, birth->addr);
	double chance = stays(birth->size_bytes, birth->period_bytes, b->period_bytes);
	int ret = block ? lose(b, block, err) : 0; /* what is in its place has been released unseen */

	if (ret)
		return ret;
	if (chance < 1 && uniform(b) >= chance) {
		if (b->o.forget)
			b->o.forget(b->o.ctx, birth->addr);
		return 0;
	}
	block = mp_grow((void **)&b->unwritten, &b->unwritten_room, b->n_unwritten + 1, sizeof(*b->unwritten))
		    ? mp_block_table_add(b->table, birth->addr)
		    : NULL;
	if (!block) {
		b->counts.no_room++;
		return 0;
	}
	block->size_bytes = birth->size_bytes;
	block->period_bytes = birth->period_bytes > b->period_bytes ? birth->period_bytes : b->period_bytes;
	block->weight = 1 / mp_block_chance(birth->size_bytes, block->period_bytes);
	block->born_ns = block->seen_ns = birth->t_ns;
	block->stack_id = birth->stack_id;
	block->tid = birth->tid;
	block->op = birth->op;
	block->scope = birth->scope;
	b->unwritten[b->n_unwritten++] = birth->addr;
	b->counts.born++;
	return mp_block_table_count(b->table) > b->o.max_alive ? thin(b, err) : 0;
}

static int die(struct mp_blocks *b, const struct event *e, struct mp_err *err)
{
	const struct end end = {e->t_ns, e->is_moved ? MP_BLOCK_MOVED : MP_BLOCK_FREED, e->block.tid};
	struct mp_block *block = mp_block_table_find(b->table, e->block.addr);

	if (!block) {
		b->counts.older += b->o.all && !b->period_bytes;
		return 0;
	}
	b->counts.died++;
	return end_block(b, block, &end, err);
}

static int all_gone(struct mp_blocks *b, int64_t t_ns, struct mp_err *err)
{
	const struct end end = {t_ns, MP_BLOCK_LOST, 0};
	int ret = 0;

	for (size_t i = mp_block_table_count(b->table); !ret && i--;)
		ret = end_block(b, mp_block_table_at(b->table, i), &end, err);
	return ret;
}

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static bool is_in_order(const struct mp_blocks *b)
{
	for (size_t i = 1; i < b->n_waiting; i++)
		if (by_time(&b->waiting[i - 1], &b->waiting[i]) > 0)
			return false;
	return true;
}

int mp_blocks_settle(struct mp_blocks *b, int64_t up_to_ns, struct mp_err *err)
{
	size_t done = 0;
	int ret = 0;

	if (!is_in_order(b))
		qsort(b->waiting, b->n_waiting, sizeof(*b->waiting), by_time);
	for (; !ret && done < b->n_waiting && b->waiting[done].t_ns <= up_to_ns; done++) {
		const struct event *e = &b->waiting[done];

		ret = e->kind == BIRTH   ? be_born(b, e, err)
		      : e->kind == DEATH ? die(b, e, err)
					 : all_gone(b, e->t_ns, err);
	}
	b->n_waiting -= done;
	memmove(b->waiting, b->waiting + done, b->n_waiting * sizeof(*b->waiting));
	if (up_to_ns > b->settled_ns)
		b->settled_ns = up_to_ns;
	return ret;
}

int mp_blocks_look(struct mp_blocks *b, int64_t now_ns, struct mp_err *err)
{
	int ret = 0;

	for (size_t i = b->o.is_alive ? mp_block_table_count(b->table) : 0; !ret && i--;) {
		struct mp_block *block = mp_block_table_at(b->table, i);

		if (b->o.is_alive(b->o.ctx, block->addr)) {
			block->missing_ns = 0;
			block->seen_ns = now_ns;
		} else if (!block->missing_ns && b->settled_ns < INT64_MAX) {
			block->missing_ns = now_ns;
		} else if (block->missing_ns < b->settled_ns) {
			ret = lose(b, block, err);
		}
	}
	return ret;
}

uint64_t mp_blocks_period(const struct mp_blocks *b)
{
	return b->period_bytes;
}

struct mp_blocks_counts mp_blocks_counts(const struct mp_blocks *b)
{
	struct mp_blocks_counts counts = b->counts;

	counts.alive = mp_block_table_count(b->table);
	return counts;
}
