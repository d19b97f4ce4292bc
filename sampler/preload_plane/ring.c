/* SPDX-License-Identifier: MIT */
#include "sampler/preload_plane/ring.h"

#include "sampler/preload/mpsample.h"
#include "sampler/preload/record.h"

#define RELEASE_EVERY 256 /* records: the writer gets room while we are still reading */

struct drain {
	struct mp_slot *slot;
	uint64_t ring_records, head;
	struct mp_ring_reader *reader;
	const struct mp_preload_clock *clock;
	const struct mp_ring_sink *sink;
};

static const struct mp_record *ring_of(const struct mp_slot *slot)
{
	return (const struct mp_record *)(slot + 1);
}

static unsigned int kind_of(const struct mp_record *r)
{
	return r->what >> MP_KIND_SHIFT & MP_KIND_MASK;
}

void mp_preload_ring_skip(struct mp_slot *slot, struct mp_ring_reader *r)
{
	r->tail = mp_load_acquire(&slot->head);
	r->stacks_tail = mp_load_acquire(&slot->stacks_head);
	r->owner = 0;
	r->caller = r->given = 0;
	r->scope = 0;
	mp_store_release(&slot->tail, r->tail);
	mp_store_release(&slot->stacks_tail, r->stacks_tail);
}

static void take_owner(struct drain *d, const struct mp_record *record)
{
	pid_t tid = (pid_t)(uint32_t)record->addr;
	int64_t now_ns = d->clock->points[d->clock->n - 1].ns;

	if (tid > 0 && tid != d->reader->owner && d->sink->owner)
		d->sink->owner(d->sink->ctx, tid, now_ns);
	d->reader->owner = tid;
	d->reader->scope = 0;
}

static pid_t owner_of(const struct drain *d)
{
	return d->reader->owner > 0 ? d->reader->owner : (pid_t)mp_load(&d->slot->tid);
}

static void take_scope(struct drain *d, const struct mp_record *record)
{
	d->reader->scope = record->addr <= MP_NAMES ? (unsigned int)record->addr : 0;
}

static void take_caller(struct drain *d, const struct mp_record *record)
{
	d->reader->caller = record->addr;
	d->reader->given = record->size;
}

/* The copy that the record announces, or NULL. */
static const struct mp_preload_stack *take_stack(struct drain *d, const struct mp_record *record,
    uint64_t position, int64_t t_ns, struct mp_preload_stack *stack)
{
	if (!(record->what >> MP_STACK_SHIFT & 1))
		return NULL;
	if (!mp_preload_stack_take(d->slot, &d->reader->stacks_tail, position, stack)) {
		d->reader->stacks_lost++;
		return NULL;
	}
	stack->state.t_ns = t_ns;
	/* It is copied: the writer gets its room before the stack is walked and written. */
	mp_store_release(&d->slot->stacks_tail, d->reader->stacks_tail);
	return stack;
}

static void take_call(struct drain *d, const struct mp_record *record, uint64_t position)
{
	struct mp_preload_stack stack;
	unsigned int weight = mp_weight_unpack(record->what >> MP_WEIGHT_SHIFT);
	unsigned int kept = record->what >> MP_KEPT_SHIFT & 3;
	struct mp_ring_call c = {.tid = owner_of(d),
	    .op = kind_of(record),
	    .kept = kept,
	    .weight = weight ? weight : 1,
	    .t_ns = mp_preload_clock_ns(d->clock, record->t),
	    .dur_ns = (int64_t)(record->what & MP_WHAT_NS),
	    .size_bytes = record->size,
	    .addr = record->addr,
	    .caller = d->reader->caller,
	    .given = d->reader->given,
	    .scope = d->reader->scope};

	d->reader->caller = d->reader->given = 0;
	c.stack = take_stack(d, record, position, c.t_ns, &stack);
	if (kept)
		d->sink->call(d->sink->ctx, &c);
	else
		d->reader->rows_lost++;
}

/* A counter of which only the low bits are told, since it was last told. */
static void advance(uint64_t *counter, uint64_t low, unsigned int bits)
{
	*counter += (low - *counter) & ((1ULL << bits) - 1);
}

static void take_sums(struct drain *d, uint64_t packed, struct mp_ring_marker *m)
{
	advance(&d->reader->calls_ns, packed, MP_SPAN_NS_BITS);
	advance(&d->reader->calls, packed >> MP_SPAN_NS_BITS, 64 - MP_SPAN_NS_BITS);
	m->alloc_ns = (int64_t)d->reader->calls_ns;
	m->alloc_calls = (int64_t)d->reader->calls;
}

/* The third argument stands behind its marker, which both found room together. */
static void take_marker(struct drain *d, const struct mp_record *record, uint64_t position)
{
	struct mp_record more;
	struct mp_preload_stack stack;
	unsigned int kind = kind_of(record) - MP_KIND_MARKER;
	bool has_name = kind <= MPSAMPLE_KIND_POOL_CREATE;
	struct mp_ring_marker m = {.tid = owner_of(d),
	    .kind = kind,
	    .name = has_name ? record->what & 0xffff : MP_NAMES,
	    .place = has_name ? 0 : mp_place_unpack(record->what),
	    .t_ns = mp_preload_clock_ns(d->clock, record->t),
	    .a = record->addr,
	    .b = record->size,
	    .alloc_calls = -1,
	    .alloc_ns = -1};

	if (m.kind == MPSAMPLE_KIND_SPAN_BEGIN || m.kind == MPSAMPLE_KIND_SPAN_END)
		take_sums(d, record->size, &m);
	if (!has_name)
		m.stack = take_stack(d, record, position, m.t_ns, &stack);
	if (position + 1 != d->head) {
		mp_ring_peek(ring_of(d->slot), d->ring_records, position + 1, &more);
		if (kind_of(&more) == MP_KIND_MORE)
			m.c = more.addr;
	}
	if (d->sink->marker)
		d->sink->marker(d->sink->ctx, &m);
}

static void take_block(struct drain *d, const struct mp_record *record, uint64_t position, bool is_birth)
{
	struct mp_preload_stack stack;
	unsigned int more = (unsigned int)(record->what >> MP_WEIGHT_SHIFT);
	struct mp_ring_block b = {.tid = owner_of(d),
	    .t_ns = mp_preload_clock_ns(d->clock, record->t),
	    .addr = record->addr,
	    .size_bytes = record->size,
	    .period_bytes = is_birth ? record->what & MP_WHAT_NS : 0,
	    .op = is_birth ? more : 0,
	    .caller = d->reader->caller,
	    .scope = d->reader->scope,
	    .is_moved = !is_birth && more};

	d->reader->caller = d->reader->given = 0;
	if (is_birth && (!b.period_bytes || b.op >= MP_OP_COUNT)) {
		d->reader->rows_lost++;
		return;
	}
	b.stack = take_stack(d, record, position, b.t_ns, &stack);
	if (d->sink->block)
		d->sink->block(d->sink->ctx, &b);
}

/* A marker with more behind it that is not there yet: both are read next time. */
static bool is_half_marker(const struct drain *d, const struct mp_record *record, uint64_t position)
{
	return position + 1 == d->head && kind_of(record) == MP_KIND_MARKER + MPSAMPLE_KIND_POOL_CREATE;
}

static void take(struct drain *d, const struct mp_record *record, uint64_t position)
{
	unsigned int kind = kind_of(record);

	if (kind < MP_OP_COUNT)
		take_call(d, record, position);
	else if (kind > MP_KIND_MARKER && kind <= MP_KIND_MARKER + MPSAMPLE_KIND_POOL_CLEAR)
		take_marker(d, record, position);
	else if (kind == MP_KIND_BORN || kind == MP_KIND_DIED)
		take_block(d, record, position, kind == MP_KIND_BORN);
	else if (kind == MP_KIND_THREAD)
		take_owner(d, record);
	else if (kind == MP_KIND_CALLER)
		take_caller(d, record);
	else if (kind == MP_KIND_SCOPE)
		take_scope(d, record);
	else if (kind != MP_KIND_MORE)
		d->reader->rows_lost++;
}

void mp_preload_ring_drain(struct mp_slot *slot, uint64_t ring_records, uint64_t head,
    struct mp_ring_reader *r, const struct mp_preload_clock *clock, const struct mp_ring_sink *sink)
{
	struct drain d = {slot, ring_records, head, r, clock, sink};
	uint64_t position = r->tail;

	if (head - position > ring_records) {
		r->rows_lost++;
		mp_preload_ring_skip(slot, r);
		return;
	}
	for (; position != head; position++) {
		struct mp_record record;

		mp_ring_peek(ring_of(slot), ring_records, position, &record);
		if (is_half_marker(&d, &record, position))
			break;
		take(&d, &record, position);
		if (position % RELEASE_EVERY)
			continue;
		mp_ring_release(slot, position + 1);
		mp_store_release(&slot->stacks_tail, r->stacks_tail);
	}
	r->tail = position;
	mp_ring_release(slot, position);
	mp_store_release(&slot->stacks_tail, r->stacks_tail);
}
