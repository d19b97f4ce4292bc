/* SPDX-License-Identifier: MIT */
#include "sampler/stack_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/grow.h"
#include "sampler/index.h"
#include "sampler/uprobe/shared.h"
#include "store/append.h"
#include "store/retention.h"

/*
 * Distinct stacks are bounded by the program's call graph, but a corrupt stack can be new each time. Beyond
 * this many, rows go without a stack, and the loss says so.
 */
#define MAX_STACKS 200000
#define MAX_FRAMES 200000

/* Frames of one stack: what is deeper is cut, and marked so. */
#define MAX_DEPTH 256

/* The same address in another mapping is other code. */
struct frame {
	uint64_t addr;
	uint32_t module;
};

/* Its frames, by number, innermost first: [first, first + n) of `stack_frames`. */
struct stack {
	size_t first;
	uint32_t n;
	uint8_t quality, ended;
};

struct mp_stack_table {
	struct mp_session *session;
	struct mp_symbolizer *symbolizer;
	uint32_t (*find)(void *ctx, uint64_t addr, int64_t t_ns);
	void *ctx;
	struct mp_index frame_index, stack_index;
	struct frame *frames; /* [number - 1] */
	struct stack *stacks; /* [number - 1] */
	int64_t *stack_frames;
	size_t n_stack_frames, frames_room, stacks_room, stack_frames_room;
	uint64_t dropped;
};

struct mp_stack_table *mp_stack_table_new_of(
    struct mp_session *session, uint32_t (*find)(void *ctx, uint64_t addr, int64_t t_ns), void *ctx)
{
	struct mp_stack_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->session = session;
	t->find = find;
	t->ctx = ctx;
	return t;
}

static uint32_t find_by_symbolizer(void *ctx, uint64_t addr, int64_t t_ns)
{
	return mp_symbolizer_find(ctx, addr, t_ns);
}

struct mp_stack_table *mp_stack_table_new(struct mp_session *session, struct mp_symbolizer *symbolizer)
{
	struct mp_stack_table *t = mp_stack_table_new_of(session, find_by_symbolizer, symbolizer);

	if (t)
		t->symbolizer = symbolizer;
	return t;
}

void mp_stack_table_free(struct mp_stack_table *t)
{
	if (!t)
		return;
	mp_index_free(&t->frame_index);
	mp_index_free(&t->stack_index);
	free(t->frames);
	free(t->stacks);
	free(t->stack_frames);
	free(t);
}

static int no_memory(struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "out of memory");
}

/* ---- Frames ---- */

static bool same_frame(const void *owner, uint32_t number, const void *what)
{
	const struct frame *have = &((const struct mp_stack_table *)owner)->frames[number - 1], *f = what;

	return have->addr == f->addr && have->module == f->module;
}

/* The frame's number; 0: no more of them are taken; or -errno. */
static int64_t frame_number(struct mp_stack_table *t, uint64_t addr, int64_t t_ns, struct mp_err *err)
{
	struct frame f = {addr, t->find(t->ctx, addr - 1, t_ns)};
	uint64_t hash = mp_index_mix(addr ^ (uint64_t)f.module << 48);
	uint32_t *slot = mp_index_slot(&t->frame_index, hash, same_frame, t, &f);

	if (!slot)
		return no_memory(err);
	if (*slot > 0)
		return *slot;
	if (t->frame_index.n >= MAX_FRAMES || t->stack_index.n >= MAX_STACKS ||
	    !mp_retention_keeps_stacks(t->session))
		return 0;
	if (!mp_grow((void **)&t->frames, &t->frames_room, t->frame_index.n + 1, sizeof(*t->frames)))
		return no_memory(err);
	uint32_t number = (uint32_t)++t->frame_index.n;
	t->frames[number - 1] = f;
	*slot = number;
	int ret = mp_append_frame(t->session, number, addr, f.module, t_ns, err);
	return ret ? (int64_t)ret : number;
}

/* ---- Stacks ---- */

struct stack_key {
	const int64_t *frames;
	size_t n;
	struct mp_unwound how;
};

static bool same_stack(const void *owner, uint32_t number, const void *what)
{
	const struct mp_stack_table *t = owner;
	const struct stack_key *key = what;
	const struct stack *s = &t->stacks[number - 1];

	return s->n == key->n && s->quality == key->how.quality && s->ended == key->how.end &&
	       !memcmp(t->stack_frames + s->first, key->frames, key->n * sizeof(*key->frames));
}

/* The stack's number, 0 or -errno, as of frames. */
static int64_t stack_number(
    struct mp_stack_table *t, const struct stack_key *key, uint64_t hash, struct mp_err *err)
{
	uint32_t *slot = mp_index_slot(&t->stack_index, hash, same_stack, t, key);

	if (!slot)
		return no_memory(err);
	if (*slot > 0)
		return *slot;
	if (t->stack_index.n >= MAX_STACKS || !mp_retention_keeps_stacks(t->session))
		return 0;
	if (!mp_grow((void **)&t->stacks, &t->stacks_room, t->stack_index.n + 1, sizeof(*t->stacks)) ||
	    !mp_grow((void **)&t->stack_frames, &t->stack_frames_room, t->n_stack_frames + key->n,
		sizeof(*t->stack_frames)))
		return no_memory(err);
	uint32_t number = (uint32_t)++t->stack_index.n;
	t->stacks[number - 1] =
	    (struct stack){t->n_stack_frames, (uint32_t)key->n, key->how.quality, key->how.end};
	memcpy(t->stack_frames + t->n_stack_frames, key->frames, key->n * sizeof(*key->frames));
	t->n_stack_frames += key->n;
	*slot = number;
	struct mp_stack_row row = {number, key->frames, key->n, (int)key->how.quality, (int)key->how.end};
	int ret = mp_append_stack(t->session, &row, err);
	return ret ? (int64_t)ret : number;
}

/* ---- From a source ---- */

/* Where the copy was cut, the frame pointers may lead on: from the last address that both know. */
static void go_on_by_frame_pointers(
    const struct mp_stack_source *e, uint64_t *ip, size_t room, struct mp_unwound *how)
{
	size_t at = e->n_ip;

	while (at > 0 && e->ip[at - 1] != ip[how->n - 1])
		at--;
	if (!at || at == e->n_ip)
		return;
	how->quality = how->quality < MP_STACK_FP ? how->quality : MP_STACK_FP;
	while (at < e->n_ip && how->n < room)
		ip[how->n++] = e->ip[at++];
	how->end = at < e->n_ip ? MP_STACK_FULL : MP_STACK_LOST;
}

/* 0 or -EAGAIN. */
static int find_addresses(struct mp_stack_table *t, const struct mp_stack_source *e, uint64_t *ip,
    size_t room, struct mp_unwound *how)
{
	*how = (struct mp_unwound){.n = 0};
	if (e->stack) {
		int ret = mp_symbolizer_unwind(t->symbolizer, e->stack, ip, room, how);
		if (ret)
			return ret;
	}
	if (how->n && how->end != MP_STACK_OUTERMOST)
		go_on_by_frame_pointers(e, ip, room, how);
	if (how->n)
		return 0;
	how->n = e->n_ip < room ? e->n_ip : room;
	memcpy(ip, e->ip ? e->ip : ip, how->n * sizeof(*ip));
	how->quality = how->n ? MP_STACK_FP : MP_STACK_NONE;
	how->end = how->n == room || how->n == MP_MAX_FRAMES ? MP_STACK_FULL : MP_STACK_LOST;
	return 0;
}

int mp_stack_table_add_addresses(struct mp_stack_table *t, const uint64_t *ip, const struct mp_unwound *how,
    int64_t t_ns, int64_t *stack_id, struct mp_err *err)
{
	int64_t frames[MAX_DEPTH];
	struct stack_key key = {.frames = frames, .how = *how};
	uint64_t hash = key.how.n << 8 | key.how.quality << 4 | key.how.end;

	*stack_id = 0;
	for (; key.n < key.how.n; key.n++) {
		int64_t number = frame_number(t, ip[key.n], t_ns, err);
		if (number < 0)
			return (int)number;
		if (!number)
			break;
		frames[key.n] = number;
		hash = mp_index_mix(hash ^ (uint64_t)number);
	}
	int64_t number = key.n == key.how.n ? stack_number(t, &key, hash, err) : 0;
	if (number < 0)
		return (int)number;
	t->dropped += !number;
	*stack_id = number;
	return 0;
}

int mp_stack_table_add(
    struct mp_stack_table *t, const struct mp_stack_source *e, int64_t *stack_id, struct mp_err *err)
{
	uint64_t ip[MAX_DEPTH];
	struct mp_unwound how;
	int ret = find_addresses(t, e, ip, MAX_DEPTH, &how);

	if (e->at_instruction)
		ip[0]++;
	*stack_id = 0;
	return ret || !how.n ? ret : mp_stack_table_add_addresses(t, ip, &how, e->t_ns, stack_id, err);
}

uint64_t mp_stack_table_take_dropped(struct mp_stack_table *t)
{
	uint64_t dropped = t->dropped;

	t->dropped = 0;
	return dropped;
}

size_t mp_stack_table_stacks(const struct mp_stack_table *t)
{
	return t->stack_index.n;
}

size_t mp_stack_table_frames(const struct mp_stack_table *t)
{
	return t->frame_index.n;
}
