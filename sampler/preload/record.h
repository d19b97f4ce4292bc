/* SPDX-License-Identifier: MIT */
#ifndef MP_PRELOAD_RECORD_H
#define MP_PRELOAD_RECORD_H

/*
 * Recording one call: the histogram, what is kept, the ring. Header-only, because it is inlined into each
 * interposed function, and because the recorder's calibration, the stress tests and the model
 * (tests/model/ring.pml) run the same code.
 *
 * One writer a slot. Wait-free: every function here ends after a bounded number of its own steps, whatever
 * the reader and other threads do. No function of a library and no system call; no locked instruction, but of
 * blocks that are followed (track.h), and once when the recorder is dead. Fields that the reader reads
 * meanwhile are stored atomically (a plain store on x86-64 and arm64); only `head`, `lines`, `calls` and
 * `stacks_head` order anything.
 */
#include <stdbool.h>
#include <stddef.h>

#include "sampler/preload/shared.h"
#include "sampler/preload/track.h"

#define MP_LIKELY(x)   __builtin_expect(!!(x), 1)
#define MP_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define MP_INLINE      static inline __attribute__((always_inline))
#define MP_COLD        static __attribute__((noinline, cold, unused))

#define mp_load(p)             __atomic_load_n(p, __ATOMIC_RELAXED)
#define mp_load_acquire(p)     __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define mp_store(p, v)         __atomic_store_n(p, v, __ATOMIC_RELAXED)
#define mp_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define mp_add(p, n)           mp_store(p, *(p) + (n)) /* of the one writer */

/* ---- The ring ---- */

/*
 * The release store of `head` publishes the record: a reader that has seen `head` sees all of it. The acquire
 * load of `tail` is its counterpart: a record is written over only when the reader is through with the
 * old one. `tail_seen` may be old; the ring is then taken for fuller than it is, and looked at again.
 */
static inline void mp_ring_put(struct mp_slot *s, uint64_t position, const struct mp_record *record)
{
	struct mp_record *to = mp_slot_ring(s) + (position & s->ring_mask);

	mp_store(&to->t, record->t);
	mp_store(&to->addr, record->addr);
	mp_store(&to->size, record->size);
	mp_store(&to->what, record->what);
}

/* Room for `n` records, the reader willing, and once for the one that names a new owner: until it stands in
 * the ring, mp_ring_mute() lets every push come here first. */
MP_COLD bool mp_ring_make_room(struct mp_slot *s, uint64_t n)
{
	uint64_t records = (uint64_t)s->ring_mask + 1, tail = mp_load_acquire(&s->tail);
	bool is_named = s->named_tid == s->tid;

	if (s->head - tail + n + !is_named > records)
		return false;
	s->tail_seen = tail;
	if (!is_named) {
		const struct mp_record owner = {
		    .addr = s->tid, .what = (uint64_t)MP_KIND_THREAD << MP_KIND_SHIFT};
		mp_ring_put(s, s->head, &owner);
		mp_store_release(&s->head, s->head + 1);
		s->named_tid = s->tid;
	}
	return true;
}

MP_INLINE bool mp_ring_has_room(struct mp_slot *s, uint64_t n)
{
	return MP_LIKELY(s->head - s->tail_seen + n <= (uint64_t)s->ring_mask + 1) || mp_ring_make_room(s, n);
}

/* Takes the ring for full, until it is looked at. */
static inline void mp_ring_mute(struct mp_slot *s)
{
	s->named_tid = 0;
	s->tail_seen = s->head - s->ring_mask - 1;
}

MP_INLINE bool mp_ring_push(struct mp_slot *s, const struct mp_record *record)
{
	if (MP_UNLIKELY(!mp_ring_has_room(s, 1))) {
		mp_add(&s->dropped, 1);
		return false;
	}
	mp_ring_put(s, s->head, record);
	mp_store_release(&s->head, s->head + 1);
	return true;
}

/* The reader's side: the positions of what can be read now. `ring_records` is the reader's own knowledge. */
struct mp_ring_span {
	uint64_t from, to;
};

static inline bool mp_ring_readable(const struct mp_slot *s, uint64_t ring_records, struct mp_ring_span *out)
{
	out->from = mp_load(&s->tail);
	out->to = mp_load_acquire(&s->head);
	return out->to - out->from <= ring_records; /* false: the writer is hostile */
}

static inline void mp_ring_peek(
    const struct mp_record *ring, uint64_t ring_records, uint64_t position, struct mp_record *out)
{
	const struct mp_record *from = ring + (position & (ring_records - 1));

	out->t = mp_load(&from->t);
	out->addr = mp_load(&from->addr);
	out->size = mp_load(&from->size);
	out->what = mp_load(&from->what);
}

/* The records before `position` may be written over from now on. */
static inline void mp_ring_release(struct mp_slot *s, uint64_t position)
{
	mp_store_release(&s->tail, position);
}

/* ---- Scopes of components ---- */

static inline void mp_scope_begin(struct mp_slot *s, uint32_t name)
{
	if (s->scopes_open < MP_SCOPES_DEEP) {
		s->scopes[s->scopes_open] = s->scope;
		s->scope = name;
	} else {
		mp_add(&s->scopes_deep, 1);
	}
	s->scopes_open++;
}

static inline void mp_scope_end(struct mp_slot *s)
{
	if (!s->scopes_open)
		mp_add(&s->scope_ends, 1);
	else if (--s->scopes_open < MP_SCOPES_DEEP)
		s->scope = s->scopes[s->scopes_open];
}

static inline void mp_scopes_forget(struct mp_slot *s)
{
	s->scope = s->scopes_open = 0;
}

MP_COLD bool mp_tell_scope(struct mp_slot *s, uint64_t n)
{
	const struct mp_record scope = {.addr = s->scope, .what = (uint64_t)MP_KIND_SCOPE << MP_KIND_SHIFT};

	if (!mp_ring_has_room(s, n + 1))
		return false;
	mp_ring_put(s, s->head, &scope);
	mp_store_release(&s->head, s->head + 1);
	s->scope_told = s->scope;
	return true;
}

/* Room for `n` records of a call or a block, with the scope before them where that is another one. */
MP_INLINE bool mp_ring_has_room_in_scope(struct mp_slot *s, uint64_t n)
{
	return MP_LIKELY(s->scope == s->scope_told) ? mp_ring_has_room(s, n) : mp_tell_scope(s, n);
}

/* ---- The histogram ---- */

/* The cell of a (block, bucket), giving out a line at its first hit. */
MP_COLD uint32_t *mp_hist_new_cell(struct mp_slot *s, uint32_t block, uint32_t bucket)
{
	uint32_t number = bucket / MP_HIST_LINE, line = s->lines;

	if (line >= MP_FINE_LINES)
		return &s->line[MP_FINE_LINES + block][number];
	mp_store(&s->line_key[line], block * MP_HIST_LINE_COUNT + number);
	mp_store_release(&s->lines, line + 1);
	s->line_of[block][number] = (uint16_t)line;
	return &s->line[line][bucket % MP_HIST_LINE];
}

/* `op` of the second bank: MP_OP_COUNT more. */
MP_INLINE void mp_hist_count(struct mp_slot *s, uint32_t op, uint64_t size, uint64_t ns, uint32_t period)
{
	uint32_t block = op * MP_SIZE_CLASSES + mp_size_class(size), bucket = mp_hist_bucket(ns);
	uint32_t line = s->line_of[block][bucket / MP_HIST_LINE];
	uint32_t *cell =
	    MP_LIKELY(line) ? &s->line[line][bucket % MP_HIST_LINE] : mp_hist_new_cell(s, block, bucket);
	struct mp_slot_sum *sum = &s->sum[block];
	uint64_t longest = (uint64_t)period << MP_MAX_SHIFT | (ns < MP_HIST_MAX_NS ? ns : MP_HIST_MAX_NS);

	mp_add(cell, 1);
	mp_add(&sum->bytes, size);
	mp_add(&sum->sum_ns, ns);
	mp_store(&s->calls_ns, s->calls_ns + ns);
	if (longest > sum->max) /* a later period is larger than any duration of an earlier one */
		mp_store(&sum->max, longest);
	mp_store_release(&s->calls, s->calls + 1);
}

/* ---- What is kept ---- */

MP_INLINE uint64_t mp_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

/* -ln of a uniform number in (0, 1]: exponentially distributed, mean 1. By the exponent, and the series of
 * artanh for the mantissa in [0.7, 1.4]: 1e-6 off at most. */
static inline double mp_exponential(uint64_t *random)
{
	union {
		double d;
		uint64_t bits;
	} u = {.d = ((double)(mp_random(random) >> 11) + 1) / 9007199254740992.0};
	int exponent = (int)(u.bits >> 52) - 1023;

	u.bits = (u.bits & ((1ULL << 52) - 1)) | 1023ULL << 52;
	if (u.d > 1.41421356237309505) {
		u.d /= 2;
		exponent++;
	}
	double z = (u.d - 1) / (u.d + 1), z2 = z * z;
	double ln = 2 * z * (1 + z2 * (1 / 3.0 + z2 * (1 / 5.0 + z2 * (1 / 7.0 + z2 / 9))));
	return -(ln + exponent * 0.69314718055994531);
}

/* Without samples a call in so many is taken aside all the same, to look whether the recorder lives. */
#define MP_LEASE_CALLS (1u << 20)

/*
 * Draws when the next sample is due, so that each call is one with probability 1/weight, independent of the
 * others: the number of failures before a success is floor(E / -ln(1 - 1/weight)), E exponential, mean 1.
 */
static inline uint64_t mp_draw(uint64_t *random, uint32_t weight)
{
	double w = weight;

	if (!weight)
		return MP_LEASE_CALLS;
	if (weight == 1)
		return 0;
	/* 1 / -ln(1 - 1/w), by its series: 0.1 % off at 2, less above. */
	double mean =
	    w - 0.5 - 1 / (12 * w) - 1 / (24 * w * w) - 19 / (720 * w * w * w) - 3 / (160 * w * w * w * w);
	return (uint64_t)(mp_exponential(random) * mean);
}

static inline void mp_draw_sample(struct mp_slot *s, uint32_t weight)
{
	s->weight = mp_weight_round(weight);
	s->countdown = mp_draw(&s->random, s->weight);
}

/*
 * Draws after how many bytes the next block is followed: the points of a Poisson process of one point in
 * `period` bytes, a block being as many of them long as mp_track_bytes() says. It is followed if a point lies
 * in it. The distance to the next point is exponential, and has no memory.
 */
static inline void mp_draw_tracked(struct mp_slot *s, uint64_t period)
{
	s->track_bytes = period;
	s->track_left = period ? (uint64_t)(mp_exponential(&s->random) * (double)period) : UINT64_MAX;
}

/* Takes over what the recorder has set since this thread last looked. The draw has no memory, so that drawing
 * anew does not bias it. */
static inline void mp_slot_settings(const struct mp_region *r, struct mp_slot *s, uint32_t word)
{
	mp_load_acquire(&r->word); /* this word or a later one: what was set before it is seen below */
	for (unsigned int op = 0; op < MP_OP_COUNT; op++)
		s->keep_over_ns[op] = mp_load(&r->keep_over_ns[op]);
	s->outliers = s->samples = 0;
	mp_draw_sample(s, mp_load(&r->sample_weight));
	s->tracked = 0;
	mp_draw_tracked(s, mp_load(&r->track_bytes));
	mp_ring_mute(s);   /* a recording that has just begun does not know this thread, */
	s->scope_told = 0; /* and takes it to be in no scope */
	uint32_t recording = mp_load(&r->recording);
	if (s->recording != recording)
		mp_scopes_forget(s); /* nobody listened meanwhile */
	s->recording = recording;
	for (unsigned int i = 0; i < MP_POOL_PLACES + MP_POOL_TRIES; i++)
		s->pool_places[i] = 0;
	s->word = word;
}

/* A burst between two looks of the recorder shall end in some hundred rows, not in a full ring. */
static inline void mp_damp(const struct mp_region *r, struct mp_slot *s, uint32_t op, uint32_t kept)
{
	uint32_t double_outliers = mp_load(&r->double_outliers), double_samples = mp_load(&r->double_samples);

	if (kept == MP_KEPT_OUTLIER) {
		if (double_outliers && ++s->outliers % double_outliers == 0)
			s->keep_over_ns[op] *= 2;
		return;
	}
	bool is_burst = double_samples && ++s->samples % double_samples == 0 && s->weight < 1u << 30;
	mp_draw_sample(s, is_burst ? s->weight * 2 : s->weight);
}

/* ---- Copies of the stack ---- */

/* From `sp` to the end of the stack, or where that is not known, of the page that the last frame known to be
 * there lies in: what is copied has to be mapped. */
static inline uint64_t mp_stack_bytes(const struct mp_slot *s, uint64_t sp, uint64_t frame)
{
	bool is_known = sp >= s->stack_lo && sp < s->stack_hi;
	uint64_t end = is_known ? s->stack_hi : MP_PAGE_ROUND(frame + 2 * sizeof(uint64_t));
	uint64_t bytes = end - sp;

	return (bytes < MP_STACK_COPY_MAX ? bytes : MP_STACK_COPY_MAX) & ~7ULL;
}

/*
 * What one copy may take of the room there is: the less room, the less each takes, so that the calls of a
 * burst have the innermost frames of their stacks at least.
 */
#define MP_STACK_COPY_MIN 1024

static inline uint64_t mp_stacks_share(struct mp_slot *s)
{
	uint64_t share = (MP_STACKS_BYTES - (s->stacks_head - s->stacks_tail_seen)) / 8;

	if (share < MP_STACK_COPY_MAX) {
		s->stacks_tail_seen = mp_load_acquire(&s->stacks_tail);
		share = (MP_STACKS_BYTES - (s->stacks_head - s->stacks_tail_seen)) / 8;
	}
	share &= ~7ULL;
	return share > MP_STACK_COPY_MIN ? share : MP_STACK_COPY_MIN;
}

/* Where a copy of `bytes` may be written, or NULL; `*position` is its own, `*next` that behind it. */
static inline struct mp_stack_copy *mp_stacks_reserve(
    struct mp_slot *s, uint64_t bytes, uint64_t *position, uint64_t *next)
{
	uint64_t at = s->stacks_head, need = sizeof(struct mp_stack_copy) + bytes;

	if (MP_STACKS_BYTES - at % MP_STACKS_BYTES < need)
		at += MP_STACKS_BYTES - at % MP_STACKS_BYTES;
	if (at + need - s->stacks_tail_seen > MP_STACKS_BYTES)
		s->stacks_tail_seen = mp_load_acquire(&s->stacks_tail);
	if (at + need - s->stacks_tail_seen > MP_STACKS_BYTES)
		return NULL;
	*position = at;
	*next = at + need;
	return (struct mp_stack_copy *)(s->stacks + at % MP_STACKS_BYTES);
}

#ifdef __x86_64__
#define MP_CAPTURE(copy)                                                                                     \
	__asm__ volatile(                                                                                    \
	    "lea 0(%%rip), %%rax\n\tmov %%rax, 8(%0)\n\tmov %%rsp, 16(%0)\n\tmov %%rbp, 32(%0)\n\t"          \
	    "mov %%rbx, 40(%0)\n\tmov %%r12, 48(%0)\n\tmov %%r13, 56(%0)\n\tmov %%r14, 64(%0)\n\t"           \
	    "mov %%r15, 72(%0)"                                                                              \
	    :                                                                                                \
	    : "r"(copy)                                                                                      \
	    : "rax", "memory")
#else
#define MP_CAPTURE(copy)                                                                                     \
	__asm__ volatile("adr x9, .\n\tmov x10, sp\n\tstp x9, x10, [%0, #8]\n\tstp x29, x19, [%0, #32]\n\t"  \
			 "stp x20, x21, [%0, #48]\n\tstp x22, x23, [%0, #64]\n\tstp x24, x25, [%0, #80]\n\t" \
			 "stp x26, x27, [%0, #96]\n\tstr x28, [%0, #112]"                                    \
			 :                                                                                   \
			 : "r"(copy)                                                                         \
			 : "x9", "x10", "memory")
#endif

MP_INLINE uint64_t mp_stack_pointer(void)
{
	uint64_t sp;
#ifdef __x86_64__
	__asm__ volatile("mov %%rsp, %0" : "=r"(sp));
#else
	__asm__ volatile("mov %0, sp" : "=r"(sp));
#endif
	return sp;
}

_Static_assert(offsetof(struct mp_stack_copy, sp) == 16 && offsetof(struct mp_stack_copy, callee_saved) == 32,
    "MP_CAPTURE");

/* Copies the calling thread's stack from here upwards. `frame` is __builtin_frame_address(0) of the
 * interposed function. Room for the record has to be there: a copy without one would leave the reader out of
 * step. AddressSanitizer would take the gaps between the callers' variables for overflows. */
MP_COLD __attribute__((no_sanitize("address"))) bool mp_stacks_push(struct mp_slot *s, uint64_t frame)
{
	uint64_t position, next, sp = mp_stack_pointer();
	uint64_t share = mp_stacks_share(s), bytes = mp_stack_bytes(s, sp, frame);

	bytes = bytes < share ? bytes : share;
	struct mp_stack_copy *copy = mp_stacks_reserve(s, bytes, &position, &next);

	if (!copy) {
		mp_add(&s->stacks_dropped, 1);
		return false;
	}
	MP_CAPTURE(copy);
	copy->position = position;
	copy->frame = frame;
	copy->record = s->head;
	copy->bytes = bytes;
	const uint64_t *from = (const uint64_t *)sp;
	uint64_t *to = (uint64_t *)(copy + 1);
	for (uint64_t i = 0; i < bytes / 8; i++)
		to[i] = from[i];
	mp_store_release(&s->stacks_head, next);
	return true;
}

/* ---- One call ---- */

struct mp_stamps {
	uint64_t start, end; /* ticks */
	uint64_t given;      /* the block that realloc was given; 0: none */
	bool is_tracked;     /* the block that is released was a followed one (mp_track_take()) */
};

/* Nobody has read for a long time: back to sleep, unless another recorder has just come. What counts the
 * changes stays: the next recorder's word must be unlike any that a thread has looked at. */
static inline void mp_sleep_without_recorder(struct mp_region *r, uint64_t now)
{
	uint32_t word = mp_load(&r->word);

	if (now > mp_load(&r->lease_ticks))
		__atomic_compare_exchange_n(
		    &r->word, &word, word & ~MP_WORD_MODE, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Before a call's record, where that was asked for: who called, and what was given. `frame` begins with the
 * caller's frame and the return address. */
MP_INLINE void mp_push_caller(struct mp_slot *s, uint64_t frame, uint64_t given)
{
	const struct mp_record caller = {.addr = frame ? ((const uint64_t *)frame)[1] : 0,
	    .size = given,
	    .what = (uint64_t)MP_KIND_CALLER << MP_KIND_SHIFT};

	mp_ring_put(s, s->head, &caller);
	mp_store_release(&s->head, s->head + 1);
}

MP_INLINE void mp_push_call(struct mp_slot *s, const struct mp_record *record)
{
	if (MP_LIKELY(mp_ring_has_room_in_scope(s, 1)))
		mp_ring_push(s, record);
	else
		mp_add(&s->dropped, 1);
}

MP_COLD void mp_keep(struct mp_region *r, struct mp_slot *s, uint32_t op, uint32_t kept,
    struct mp_record *record, uint64_t frame, uint64_t given)
{
	uint32_t mode = s->word & MP_WORD_MODE;
	bool is_full = mode >= MP_MODE_FULL;
	uint32_t kept_as = is_full && kept == MP_KEPT_SAMPLE ? MP_KEPT_FULL : kept;
	uint32_t weight = kept_as == MP_KEPT_SAMPLE ? s->weight : 1;

	if (!weight) {
		/* Not drawn: see MP_LEASE_CALLS. */
	} else if (!mp_ring_has_room_in_scope(s, mode == MP_MODE_TRACK ? 2 : 1)) {
		mp_add(&s->dropped, 1);
	} else {
		if (mode == MP_MODE_TRACK)
			mp_push_caller(s, frame, given);
		bool has_stack = mp_load(&r->take_stacks) && mp_stacks_push(s, frame);
		record->what |= (uint64_t)kept_as << MP_KEPT_SHIFT | (uint64_t)has_stack << MP_STACK_SHIFT |
				mp_weight_pack(weight) << MP_WEIGHT_SHIFT;
		mp_ring_push(s, record);
	}
	mp_damp(r, s, op, kept);
	mp_sleep_without_recorder(r, record->t);
}

MP_COLD void mp_push_tracked(struct mp_region *r, struct mp_slot *s, struct mp_record *record, uint64_t frame,
    uint64_t given, bool is_birth)
{
	if (!mp_ring_has_room_in_scope(s, 2)) {
		mp_add(&s->dropped, 1);
		return;
	}
	mp_push_caller(s, frame, given);
	if (is_birth && mp_load(&r->track_stacks) && mp_stacks_push(s, frame))
		record->what |= 1ULL << MP_STACK_SHIFT;
	mp_ring_push(s, record);
}

/* ---- Followed blocks ---- */

/* A release that found no room stays untold: the recorder sees by the set that the block is gone. */
MP_COLD void mp_tell_death(
    struct mp_region *r, struct mp_slot *s, uint32_t op, uint64_t size, uint64_t addr, struct mp_stamps at)
{
	bool is_move = op == MP_OP_REALLOC || op == MP_OP_REALLOCARRAY;
	const struct mp_record death = {at.start, is_move ? at.given : addr, 0,
	    (uint64_t)MP_KIND_DIED << MP_KIND_SHIFT | (uint64_t)is_move << MP_WEIGHT_SHIFT};

	if (is_move && !addr && size)
		mp_track_put(&r->tracked, at.given); /* it failed, and left the block as it was */
	else if (mp_ring_has_room(s, 1))
		mp_ring_push(s, &death);
}

MP_COLD void mp_tell_birth(struct mp_region *r, struct mp_slot *s, uint32_t op, uint64_t size, uint64_t addr,
    struct mp_stamps at, uint64_t frame)
{
	struct mp_record birth = {at.end, addr, size,
	    (s->track_bytes & MP_WHAT_NS) | (uint64_t)MP_KIND_BORN << MP_KIND_SHIFT |
		(uint64_t)op << MP_WEIGHT_SHIFT};

	/* Where the stack finds no room, at least who called is told. */
	if (!mp_ring_has_room_in_scope(s, 2) || !mp_track_put(&r->tracked, addr)) {
		__atomic_fetch_add(&r->track_lost, 1, __ATOMIC_RELAXED);
	} else {
		bool has_stack = mp_load(&r->take_stacks) && mp_stacks_push(s, frame);
		birth.what |= (uint64_t)has_stack << MP_STACK_SHIFT;
		if (!has_stack)
			mp_push_caller(s, frame, 0);
		mp_ring_push(s, &birth);
	}
	bool is_burst = ++s->tracked % MP_TRACKED_TO_DOUBLE == 0 && s->track_bytes < 1ULL << 40;
	mp_draw_tracked(s, is_burst ? s->track_bytes * 2 : s->track_bytes);
}

/* True: the block is to be followed. */
MP_INLINE bool mp_draw_block(struct mp_slot *s, uint64_t size)
{
	uint64_t bytes = mp_track_bytes(size);

	if (MP_UNLIKELY(bytes >= s->track_left))
		return true;
	s->track_left -= bytes;
	return false;
}

/*
 * Counts a call, and keeps it if it is one to keep. `frame` as for mp_stacks_push().
 * Formula: ns = (ticks - floor) * ns_per_tick / 2^32.
 */
MP_INLINE void mp_record_call(struct mp_region *r, struct mp_slot *s, uint32_t op, uint64_t size,
    uint64_t addr, struct mp_stamps at, uint64_t frame)
{
	int64_t ticks = (int64_t)(at.end - at.start - mp_load(&r->floor_ticks));
	uint64_t ns =
	    ticks > 0 ? (uint64_t)((unsigned __int128)(uint64_t)ticks * mp_load(&r->ns_per_tick) >> 32) : 0;

	uint32_t bank = mp_hist_bank(mp_load(&r->split), at.start);
	mp_hist_count(s, bank * MP_OP_COUNT + op, size, ns, mp_load(&r->period));
	if (MP_UNLIKELY(at.is_tracked))
		mp_tell_death(r, s, op, size, addr, at);
	if (op != MP_OP_FREE && op != MP_OP_DELETE && MP_LIKELY(addr) && mp_draw_block(s, size))
		mp_tell_birth(r, s, op, size, addr, at, frame);

	struct mp_record record = {at.start, addr, size,
	    (ns < MP_HIST_MAX_NS ? ns : MP_HIST_MAX_NS) | (uint64_t)op << MP_KIND_SHIFT};
	if (MP_UNLIKELY(ns >= s->keep_over_ns[op])) {
		mp_keep(r, s, op, MP_KEPT_OUTLIER, &record, frame, at.given);
	} else if (MP_UNLIKELY(s->countdown == 0)) {
		mp_keep(r, s, op, MP_KEPT_SAMPLE, &record, frame, at.given);
	} else {
		s->countdown--;
		record.what |= (uint64_t)MP_KEPT_FULL << MP_KEPT_SHIFT | 1ULL << MP_WEIGHT_SHIFT;
		if ((s->word & MP_WORD_MODE) == MP_MODE_FULL)
			mp_push_call(s, &record);
		else if (MP_UNLIKELY((s->word & MP_WORD_MODE) == MP_MODE_TRACK))
			mp_push_tracked(
			    r, s, &record, frame, at.given, op != MP_OP_FREE && op != MP_OP_DELETE);
	}
}

#endif
