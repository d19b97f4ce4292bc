/* SPDX-License-Identifier: MIT */
#include "sampler/samples/samples.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/samples/objects.h"
#include "sampler/samples/places.h"

struct waiting {
	struct waiting *next;
	size_t bytes;
	struct mp_sample_event event;
	struct mp_stack_state stack; /* what event.stack points to */
	bool is_answered, is_asked;
	enum mp_sample_place place;
	char *place_name;
	int64_t object_id, offset;
	_Alignas(8) unsigned char data[]; /* the bytes of the stack, then the addresses of event.chain */
};

struct mp_samples {
	struct mp_session *session;
	struct mp_symbolizer *symbolizer;
	struct mp_stack_table *stacks;
	struct mp_objects *objects; /* NULL: addresses are not resolved */
	struct mp_places *places;
	struct waiting *first, **last;
	size_t n, bytes;
	int64_t n_objects; /* that have rows */
	struct mp_samples_lost lost;
	int failed; /* in an answer, told by the next settle */
	struct mp_err err;
};

struct mp_samples *mp_samples_new(
    struct mp_session *session, struct mp_symbolizer *symbolizer, struct mp_stack_table *stacks)
{
	struct mp_samples *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->session = session;
	s->symbolizer = symbolizer;
	s->stacks = stacks;
	s->last = &s->first;
	return s;
}

static void drop(struct waiting *w)
{
	free(w->place_name);
	free(w);
}

void mp_samples_free(struct mp_samples *s)
{
	if (!s)
		return;
	while (s->first) {
		struct waiting *w = s->first;

		s->first = w->next;
		drop(w);
	}
	mp_objects_free(s->objects);
	mp_places_free(s->places);
	free(s);
}

/* ---- Answers ---- */

/* Where only the caller is known, that is its stack. */
static int find_stack(struct mp_samples *s, struct mp_object *object)
{
	const struct mp_stack_source source = {.ip = &object->caller, .n_ip = 1, .t_ns = object->born_ns};

	if (object->stack_id || !object->caller)
		return 0;
	return mp_stack_table_add(s->stacks, &source, &object->stack_id, &s->err);
}

/* The first sample that falls into an object makes it a row. */
static int store_object(struct mp_samples *s, struct mp_object *object)
{
	int ret = find_stack(s, object);

	if (ret)
		return ret;
	object->object_id = ++s->n_objects;
	const struct mp_object_row row = {.object_id = object->object_id,
	    .addr = object->addr,
	    .size_bytes = object->size_bytes,
	    .born_ns = object->born_ns,
	    .tid = object->tid,
	    .stack_id = object->stack_id};
	return mp_append_object(s->session, &row, &s->err);
}

static void find_place(struct mp_samples *s, struct waiting *w, enum mp_no_object why)
{
	struct mp_place place = mp_places_find(s->places, w->event.addr, w->event.sp);

	w->place = place.kind == MP_PLACE_OLDER && why == MP_NOT_COVERED ? MP_PLACE_UNTRACKED : place.kind;
	w->offset = place.offset;
	struct mp_variable variable;
	if (place.kind == MP_PLACE_DATA &&
	    mp_symbolizer_variable(s->symbolizer, place.name, w->event.addr, &variable)) {
		place.name = variable.name;
		w->offset = (int64_t)variable.offset;
	}
	w->place_name = place.name ? strdup(place.name) : NULL;
}

static void answer(void *ctx, void *question, struct mp_object *object, enum mp_no_object why)
{
	struct mp_samples *s = ctx;
	struct waiting *w = question;

	w->is_answered = true;
	if (!object) {
		find_place(s, w, why);
		return;
	}
	if (!object->object_id && !s->failed)
		s->failed = store_object(s, object);
	w->place = MP_PLACE_OBJECT;
	w->object_id = object->object_id;
	uint64_t offset = w->event.addr - object->addr;
	w->offset = offset < object->size_bytes ? (int64_t)offset
						: -1; /* else it is the allocator's note beside it */
}

static void died(void *ctx, const struct mp_object *object, int64_t t_ns)
{
	struct mp_samples *s = ctx;

	if (!s->failed)
		s->failed = mp_update_object_death(s->session, object->object_id, t_ns, &s->err);
}

int mp_samples_track(struct mp_samples *s, pid_t pid)
{
	const struct mp_objects_answers answers = {answer, died, s};

	s->objects = mp_objects_new(&answers);
	s->places = mp_places_new(pid);
	return s->objects && s->places ? 0 : -ENOMEM;
}

void mp_samples_map(
    struct mp_samples *s, uint64_t start, uint64_t end, uint64_t file_offset, const char *path)
{
	if (s->places)
		mp_places_map(s->places, start, end, file_offset, path);
}

/* ---- Calls ---- */

static bool is_realloc(unsigned int op)
{
	return op == MP_OP_REALLOC || op == MP_OP_REALLOCARRAY;
}

void mp_samples_call(struct mp_samples *s, const struct mp_call_event *e, int64_t stack_id)
{
	if (!s->objects)
		return;
	if (mp_op_ignores_null(e->op)) {
		mp_objects_died(s->objects, e->addr, e->t_ns, e->tid);
		return;
	}
	/* A realloc that fails leaves the block as it was; one to nothing releases it. */
	if (is_realloc(e->op) && e->handed_in && (e->addr || !e->size_bytes))
		mp_objects_died(s->objects, e->handed_in, e->t_ns, e->tid);
	if (!e->addr)
		return;
	const struct mp_birth birth = {.addr = e->addr,
	    .size_bytes = e->size_bytes,
	    .start_ns = e->t_ns,
	    .end_ns = e->end_ns ? e->end_ns : e->t_ns + e->dur_ns,
	    .tid = e->tid,
	    .stack_id = stack_id,
	    .caller = e->caller};
	mp_objects_born(s->objects, &birth);
}

/* ---- Samples ---- */

static int write_row(struct mp_samples *s, const struct waiting *w, int64_t stack_id, struct mp_err *err)
{
	const struct mp_sample_event *e = &w->event;
	const struct mp_sample_row row = {.t_ns = e->t_ns,
	    .tid = e->tid,
	    .cpu = e->cpu,
	    .event_id = e->event_id,
	    .ip = e->ip,
	    .has_addr = e->has_addr,
	    .addr = e->addr,
	    .period = e->period,
	    .weight = e->weight,
	    .data_src = e->data_src,
	    .level = e->access.level,
	    .tlb = e->access.tlb,
	    .is_write = e->access.is_write,
	    .quality = e->quality,
	    .place = w->place,
	    .place_name = w->place_name,
	    .object_id = w->object_id,
	    .offset = w->offset,
	    .stack_id = stack_id};

	return mp_append_sample(s->session, &row, NULL, err);
}

/* The stack as far as it is known; without one, the instruction is all of it. */
static int walk(struct mp_samples *s, const struct waiting *w, int64_t *stack_id, struct mp_err *err)
{
	const struct mp_sample_event *e = &w->event;
	const struct mp_stack_source source = {.stack = e->stack,
	    .ip = e->n_chain ? e->chain : &e->ip,
	    .n_ip = e->n_chain ? e->n_chain : 1,
	    .t_ns = e->t_ns,
	    .at_instruction = true};

	return mp_stack_table_add(s->stacks, &source, stack_id, err);
}

static struct waiting *copy(const struct mp_sample_event *e, size_t room)
{
	size_t stack_bytes = e->stack ? (e->stack->n_bytes + 7) & ~(size_t)7 : 0;
	size_t chain_bytes = e->n_chain * sizeof(*e->chain),
	       bytes = sizeof(struct waiting) + stack_bytes + chain_bytes;
	struct waiting *w = bytes <= room ? malloc(bytes) : NULL;

	if (!w)
		return NULL;
	*w = (struct waiting){.bytes = bytes, .event = *e, .offset = -1};
	if (e->stack) {
		w->stack = *e->stack;
		memcpy(w->data, e->stack->bytes, e->stack->n_bytes);
		w->stack.bytes = w->data;
		w->event.stack = &w->stack;
	}
	if (chain_bytes)
		memcpy(w->data + stack_bytes, e->chain, chain_bytes);
	w->event.chain = (const uint64_t *)(const void *)(w->data + stack_bytes);
	return w;
}

/* No room: the row is written as it is, with nothing but the instruction. */
static int write_poor(struct mp_samples *s, const struct mp_sample_event *e, struct mp_err *err)
{
	struct waiting w = {.event = *e, .offset = -1};
	int64_t stack_id;

	s->lost.stacks += e->stack || e->n_chain;
	s->lost.addresses += e->has_addr && s->objects;
	w.event.stack = NULL;
	w.event.n_chain = 0;
	int ret = walk(s, &w, &stack_id, err);
	return ret ? ret : write_row(s, &w, stack_id, err);
}

int mp_samples_take(struct mp_samples *s, const struct mp_sample_event *e, struct mp_err *err)
{
	struct waiting *w = copy(e, MP_SAMPLES_BYTES - s->bytes);

	if (!w)
		return write_poor(s, e, err);
	if (e->has_addr && s->objects) {
		w->is_asked = mp_objects_ask(s->objects, e->addr, e->t_ns, e->tid, w);
		s->lost.addresses += !w->is_asked;
	}
	*s->last = w;
	s->last = &w->next;
	s->bytes += w->bytes;
	s->n++;
	return 0;
}

/* True: it still waits. */
static bool has_to_wait(const struct waiting *w, int64_t mapped_ns)
{
	return (w->is_asked && !w->is_answered) || w->event.t_ns > mapped_ns;
}

static int write_ready(struct mp_samples *s, int64_t mapped_ns, bool wants_stacks, struct mp_err *err)
{
	struct waiting **at = &s->first, *w;
	int ret = 0;

	while (!ret && (w = *at)) {
		int64_t stack_id = 0;
		int walked = has_to_wait(w, mapped_ns) ? -EAGAIN
			     : wants_stacks            ? walk(s, w, &stack_id, err)
						       : 0;
		if (walked == -EAGAIN) {
			at = &w->next;
			continue;
		}
		ret = walked ? walked : write_row(s, w, stack_id, err);
		*at = w->next;
		s->bytes -= w->bytes;
		s->n--;
		s->lost.stacks += !wants_stacks;
		drop(w);
	}
	for (s->last = at; *s->last;)
		s->last = &(*s->last)->next;
	return ret;
}

int mp_samples_settle(struct mp_samples *s, int64_t calls_ns, int64_t mapped_ns, struct mp_err *err)
{
	if (s->objects)
		mp_objects_settle(s->objects, calls_ns);
	if (s->failed) {
		if (err)
			*err = s->err;
		return s->failed;
	}
	return write_ready(s, mapped_ns, true, err);
}

size_t mp_samples_waiting(const struct mp_samples *s)
{
	return s->n;
}

int mp_samples_give_up(struct mp_samples *s, struct mp_err *err)
{
	return write_ready(s, INT64_MAX, false, err);
}

struct mp_samples_lost mp_samples_lost(struct mp_samples *s)
{
	struct mp_samples_lost lost = s->lost;

	if (s->objects)
		lost.blocks += mp_objects_lost(s->objects);
	s->lost = (struct mp_samples_lost){0};
	return lost;
}
