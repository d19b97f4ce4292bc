/* SPDX-License-Identifier: MIT */
/* What the markers of mpsample.h call while somebody records. */
#include "sampler/preload/markers.h"

#include "sampler/preload/hook.h"
#include "sampler/preload/mpsample.h"

/*
 * The number of a name, kept at its marker for the next time: the table's index and one, above it the region
 * it is of, which is another in a forked child.
 */
static uint32_t name_index(struct mpsample_name *name)
{
	uint32_t region = mp_region->pid << 16, known = mp_load(&name->id);

	if (known && (known ^ region) >> 16 == 0)
		return (known & 0xffff) - 1;
	uint32_t index = mp_region_name(name->text ? name->text : "(unreadable)"); /* as a probe has it */
	if (index != MP_NAME_NONE)
		mp_store(&name->id, region | (index + 1));
	return index;
}

/* What the thread has spent in allocation calls so far: a span's part is what is between its two markers. */
static uint64_t calls_so_far(const struct mp_slot *s)
{
	return s->calls << MP_SPAN_NS_BITS | (s->calls_ns & ((1ULL << MP_SPAN_NS_BITS) - 1));
}

static bool is_span(unsigned int kind)
{
	return kind == MPSAMPLE_KIND_SPAN_BEGIN || kind == MPSAMPLE_KIND_SPAN_END;
}

static bool has_name(unsigned int kind)
{
	return kind <= MPSAMPLE_KIND_POOL_CREATE;
}

static bool is_state(unsigned int kind)
{
	return kind >= MPSAMPLE_KIND_GAUGE;
}

/* Cold: only when the ring is full. */
MP_COLD void miss(struct mp_slot *s, unsigned int kind, uint64_t pool)
{
	struct mp_pool_missed *m = s->pool_missed;

	mp_add(&s->dropped_markers, 1);
	if (kind != MPSAMPLE_KIND_POOL_GET && kind != MPSAMPLE_KIND_POOL_PUT)
		return;
	while (m < s->pool_missed + MP_POOLS_LOST && m->pool && m->pool != pool)
		m++;
	if (m < s->pool_missed + MP_POOLS_LOST)
		mp_store(&m->pool, pool);
	mp_store_release(kind == MPSAMPLE_KIND_POOL_GET ? &m->gets : &m->puts,
	    (kind == MPSAMPLE_KIND_POOL_GET ? m->gets : m->puts) + 1);
}

static void push(struct mp_slot *s, const struct mp_record *record, unsigned int kind, uint64_t c)
{
	const struct mp_record more = {record->t, c, 0, (uint64_t)MP_KIND_MORE << MP_KIND_SHIFT};
	bool has_more = kind == MPSAMPLE_KIND_POOL_CREATE;

	if (!mp_ring_has_room(s, 1 + has_more)) {
		miss(s, kind, record->addr);
		return;
	}
	mp_ring_push(s, record);
	if (has_more)
		mp_ring_push(s, &more);
}

/* Copies the stack that leads to a place, the first time. */
MP_COLD void tell_place(struct mp_slot *s, struct mp_record *record, uint64_t ip, uint64_t frame)
{
	uint64_t *place = &s->pool_places[mp_pool_place(ip)], *end = place + MP_POOL_TRIES;

	while (place < end && *place && *place != ip)
		place++;
	if (place == end || *place == ip)
		return;
	if (!mp_load(&mp_region->take_stacks) || !mp_ring_has_room(s, 1) || !mp_stacks_push(s, frame))
		return;
	*place = ip;
	record->what |= 1ULL << MP_STACK_SHIFT;
}

#define RECORDS_AHEAD 8

/* `frame` begins with the caller's frame and the return address, which is the marker's. The recorder has read
 * the line of the ring that is written to some markers later: it is on its way back meanwhile. */
MP_INLINE void push_with_place(struct mp_slot *s, struct mp_record *record, unsigned int kind, uint64_t frame)
{
	uint64_t ip = ((const uint64_t *)frame)[1];

	record->what |= mp_place_pack(ip);
	if (MP_UNLIKELY(s->pool_places[mp_pool_place(ip)] != ip))
		tell_place(s, record, ip, frame);
	if (MP_UNLIKELY(!mp_ring_has_room(s, 1))) {
		miss(s, kind, record->addr);
		return;
	}
	mp_ring_put(s, s->head, record);
	__builtin_prefetch(mp_slot_ring(s) + ((s->head + RECORDS_AHEAD) & s->ring_mask), 1);
	mp_store_release(&s->head, s->head + 1);
}

static void lost(void)
{
	__atomic_fetch_add(&mp_region->markers_lost, 1, __ATOMIC_RELAXED);
}

/* The last value is what counts: no record. */
static void set_gauge(uint32_t index, uint64_t value)
{
	struct mp_recording recording;

	mp_store(&mp_region->gauge[index], value);
	if (MP_UNLIKELY(!mp_load(&mp_region->is_gauge[index])))
		mp_store_release(&mp_region->is_gauge[index], 1);
	if (MP_UNLIKELY(!mp_self.slot) || !mp_begin(&recording, FRAME)) {
		__atomic_fetch_add(&mp_region->gauge_sets, 1, __ATOMIC_RELAXED);
		return;
	}
	mp_add(&recording.slot->gauge_sets, 1);
	mp_end(&recording);
}

/* A name that finds no room counts for what is around it. */
static void begin_component(uint32_t index)
{
	struct mp_recording recording;

	if (index == MP_NAME_NONE)
		lost();
	if (!mp_self.slot || !mp_begin(&recording, FRAME)) {
		lost();
		return;
	}
	mp_scope_begin(recording.slot, index == MP_NAME_NONE ? recording.slot->scope : index + 1);
	mp_end(&recording);
}

static void end_component(void)
{
	struct mp_recording recording;

	if (!mp_self.slot || !mp_begin(&recording, FRAME)) {
		lost();
		return;
	}
	mp_scope_end(recording.slot);
	mp_end(&recording);
}

/* Markers that say how things are, not what happened. */
static void tell_state(unsigned int kind, uint32_t index, uint64_t value)
{
	if (kind == MPSAMPLE_KIND_COMPONENT_BEGIN)
		begin_component(index);
	else if (kind == MPSAMPLE_KIND_COMPONENT_END)
		end_component();
	else if (kind == MPSAMPLE_KIND_GAUGE && index == MP_NAME_NONE)
		lost();
	else if (kind == MPSAMPLE_KIND_GAUGE)
		set_gauge(index, value);
}

static void marker(unsigned int kind, struct mpsample_name *name, unsigned long long a, unsigned long long b,
    unsigned long long c)
{
	struct mp_recording recording;
	uint32_t index = MP_NAME_NONE;

	if (MP_UNLIKELY(!mp_thread_is_known(&mp_self)))
		mp_thread_first_call(&mp_self);
	if (!(mp_region_word() & MP_WORD_MODE))
		return;
	if (is_state(kind)) {
		tell_state(kind, name ? name_index(name) : MP_NAME_NONE, a);
		return;
	}
	if (has_name(kind) && (index = name_index(name)) == MP_NAME_NONE) {
		lost();
		return;
	}
	/* Without a slot, or in a signal handler that interrupted the recording of a call. */
	if (!mp_self.slot || !mp_begin(&recording, FRAME)) {
		lost();
		return;
	}
	if (is_span(kind))
		b = calls_so_far(recording.slot);
	struct mp_record record = {
	    mp_ticks(recording.word), a, b, (uint64_t)(MP_KIND_MARKER + kind) << MP_KIND_SHIFT};
	if (has_name(kind)) {
		record.what |= index;
		push(recording.slot, &record, kind, c);
	} else {
		push_with_place(recording.slot, &record, kind, FRAME);
	}
	mp_end(&recording);
}

static const unsigned int dormant;

EXPORT struct mpsample_api mpsample_api_v1 = {.size = sizeof(struct mpsample_api),
    .mode = &dormant,
    .marker = marker,
    .kinds = MPSAMPLE_KIND_COMPONENT_END};

void mp_markers_listen(void)
{
	mp_store(&mpsample_api_v1.mode, &mp_region->word);
}

void mp_markers_ignore(void)
{
	mp_store(&mpsample_api_v1.mode, &dormant);
	MP_BARRIER();
}
