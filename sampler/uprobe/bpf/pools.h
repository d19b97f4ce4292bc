/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
#ifndef MP_SAMPLER_UPROBE_BPF_POOLS_H
#define MP_SAMPLER_UPROBE_BPF_POOLS_H

/* Pools: what markers and functions tell of them. Part of uprobe.bpf.c. */
#include "sampler/uprobe/bpf/values.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* set by the loader, as all of the rings */
} pool_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MP_BPF_POOL_FUNCTIONS);
	__type(key, u32);
	__type(value, struct mp_bpf_pool_function);
} pool_functions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct mp_bpf_pool_places);
} pool_places SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mp_bpf_pool_key);
	__type(value, struct mp_bpf_pool_missed);
} pool_missed SEC(".maps");

/* How often the name of a pool that was there before was told, by its function: its first event is not always
 * the one that is told first. */
#define NAMED_ENOUGH 16

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mp_bpf_pool_key);
	__type(value, u32);
} pool_named SEC(".maps");

/* ---- Rows ---- */

/* Where in the program it happens: the address is a return address, or as one, behind what it is of. */
struct pool_where {
	u64 ip, sp;
};

/* At the first or last instruction of a function, whose stack pointer is that of its entry: its caller. */
static __always_inline struct pool_where caller_of(struct pt_regs *ctx)
{
	struct pool_where where = {.sp = PT_REGS_SP(ctx) + RETURN_POPS};

#ifdef __TARGET_ARCH_x86
	bpf_probe_read_user(&where.ip, sizeof(where.ip), (void *)PT_REGS_SP(ctx));
#else
	where.ip = PT_REGS_RET(ctx);
#endif
	return where;
}

static __always_inline void miss_pool(const struct mp_bpf_pool *r, u64 objects)
{
	struct mp_bpf_pool_key key = {.pool = r->pool, .function = r->function};
	struct mp_bpf_pool_missed none = {0}, *m;

	COUNT(markers_lost);
	if (r->kind != MPSAMPLE_KIND_POOL_GET && r->kind != MPSAMPLE_KIND_POOL_PUT)
		return;
	m = bpf_map_lookup_elem(&pool_missed, &key);
	if (!m) {
		bpf_map_update_elem(&pool_missed, &key, &none, BPF_NOEXIST);
		m = bpf_map_lookup_elem(&pool_missed, &key);
	}
	if (m)
		__sync_fetch_and_add(r->kind == MPSAMPLE_KIND_POOL_GET ? &m->gets : &m->puts, objects);
}

/* Of how many objects a row is. A get of none has failed. */
static __always_inline u64 objects_of(const struct mp_bpf_pool *r)
{
	u32 number = r->function;
	const struct mp_bpf_pool_function *f =
	    bpf_map_lookup_elem(&pool_functions, &number); /* NULL: a marker's */

	return f && f->counts ? r->ptr : r->ptr != 0;
}

static __always_inline bool emit_with_stack(struct pt_regs *ctx, const struct mp_bpf_control *c,
    const struct mp_bpf_pool *r, u64 sp, const u32 mode, const u32 room)
{
	struct {
		struct mp_bpf_pool pool;
		struct mp_bpf_pool_stack stack;
	} *row = bpf_ringbuf_reserve(&pool_rows, sizeof(*row) + room, 0);

	if (!row)
		return false;
	row->pool = *r;
	row->pool.with = MP_BPF_POOL_STACK;
	row->stack.sp = sp;
	row->stack.mode = mode;
	row->stack.nframes = row->stack.stack_bytes = 0;
	save_registers(row->stack.saved, ctx);
	if (mode == MP_STACK_FRAME_POINTERS) {
		long bytes = bpf_get_stack(ctx, row + 1, room, BPF_F_USER_STACK);
		row->stack.nframes = bytes > 0 && bytes <= room ? bytes / sizeof(u64) : 0;
	} else {
		row->stack.stack_bytes = copy_stack((unsigned char *)(row + 1), sp, room);
	}
	bpf_ringbuf_submit(row, wakeup_flags(&pool_rows, c->pool_ring_bytes));
	return true;
}

/* Where a place that is new goes; NULL: it is known, or there is no room. */
static __always_inline unsigned long long *new_place(u64 ip)
{
	u32 zero = 0, at = ip * 0x9e3779b97f4a7c15ULL >> 52;
	struct mp_bpf_pool_places *p = bpf_map_lookup_elem(&pool_places, &zero);

	if (!p)
		return 0;
#pragma unroll
	for (u32 i = 0; i < MP_BPF_POOL_TRIES; i++) {
		unsigned long long *place = &p->ip[(at & (MP_BPF_POOL_PLACES - 1)) + i];
		if (*place == ip)
			return 0;
		if (!*place)
			return place;
	}
	return 0;
}

/* The first time from a place, with its stack. */
static __always_inline void emit_pool(
    struct pt_regs *ctx, const struct mp_bpf_control *c, const struct mp_bpf_pool *r, u64 sp)
{
	unsigned long long *place = c->stack == MP_STACK_OFF ? 0 : new_place(r->ip);

	if (place) {
		bool is_copy = c->stack == MP_STACK_COPY;
		if (is_copy ? emit_with_stack(ctx, c, r, sp, MP_STACK_COPY, MP_STACK_BYTES)
			    : emit_with_stack(
				  ctx, c, r, sp, MP_STACK_FRAME_POINTERS, MP_MAX_FRAMES * sizeof(u64))) {
			*place = r->ip;
			return;
		}
	}
	if (bpf_ringbuf_output(
		&pool_rows, (void *)r, sizeof(*r), wakeup_flags(&pool_rows, c->pool_ring_bytes)))
		miss_pool(r, objects_of(r));
}

/* With the name that stands at `text`. */
static __always_inline void emit_named(
    const struct mp_bpf_control *c, const struct mp_bpf_pool *r, const char *text)
{
	struct {
		struct mp_bpf_pool pool;
		char name[MP_MARKER_NAME_BYTES];
	} row = {.pool = *r};

	row.pool.with = MP_BPF_POOL_NAME;
	read_name(row.name, text);
	if (bpf_ringbuf_output(&pool_rows, &row, sizeof(row), wakeup_flags(&pool_rows, c->pool_ring_bytes)))
		miss_pool(r, objects_of(r));
}

/* The registers of each kind: see MPSAMPLE_FIRE_* of mpsample.h. */
static __always_inline int pool_marker(struct pt_regs *ctx, const struct mp_bpf_control *c, u32 kind, u64 now)
{
	struct mp_bpf_pool r = {.tid = (u32)bpf_get_current_pid_tgid(),
	    .kind = kind,
	    .function = MP_BPF_POOL_MARKER,
	    .t_ns = now,
	    .dur_ns = ~0ULL,
	    .pool = PT_REGS_PARM1(ctx),
	    .ip = PT_REGS_IP(ctx) + 1,
	    .capacity = ~0ULL,
	    .object_bytes = ~0ULL};

	if (kind == MPSAMPLE_KIND_POOL_CREATE) {
		r.object_bytes = PT_REGS_PARM3(ctx);
		r.capacity = PT_REGS_PARM4(ctx);
		emit_named(c, &r, (const char *)PT_REGS_PARM2(ctx));
		return 0;
	}
	if (kind == MPSAMPLE_KIND_POOL_GET || kind == MPSAMPLE_KIND_POOL_PUT)
		r.ptr = PT_REGS_PARM2(ctx);
	emit_pool(ctx, c, &r, PT_REGS_SP(ctx));
	return 0;
}

/* ---- Functions ---- */

static __always_inline struct mp_bpf_pool_function *pool_function(u64 cookie)
{
	u32 number = cookie;

	return bpf_map_lookup_elem(&pool_functions, &number);
}

/* A call of a pool function, as far as it is known when it is told. */
struct pool_call {
	u32 number;
	bool has_returned, has_failed;
	u64 start_ns, end_ns, dur_ns; /* dur_ns ~0: not known */
	const struct pool_args *args;
	struct pool_where where;
};

/*
 * The values that are read now: at the entry all but those of a function that makes a pool, the object that a
 * get takes out, and what is returned; at the return those.
 */
static __always_inline void take_values(struct pt_regs *ctx, const struct mp_bpf_pool_function *f,
    const struct pool_args *args, bool is_return, struct pool_values *v)
{
	bool late = f->kind == MPSAMPLE_KIND_POOL_CREATE;
	bool late_ptr = late || f->kind == MPSAMPLE_KIND_POOL_GET;

#define TAKE(member, is_late)                                                                                \
	if (f->wants_return ? is_return == ((is_late) || f->member.from == MP_FETCH_RETURNED) : !is_return)  \
	fetch(&f->member, ctx, args, is_return, &v->member)
	TAKE(pool, late);
	TAKE(ptr, late_ptr);
	TAKE(bytes, late);
	TAKE(capacity, late);
	TAKE(object_bytes, late);
#undef TAKE
}

/* A chain of objects that are put, from the one that has been told on. */
struct pool_chain {
	struct mp_bpf_pool row;
	const struct mp_bpf_control *c;
	u64 offset; /* of the next one's address in each */
	u64 next;
	bool is_cut;
};

/* Some more are no chain, but a circle; and who waits for it has to go on. */
#define CHAIN_ROWS_MAX (65536 / MP_BPF_POOL_CHAINED)

/* Takes the next one's address out of an object; false: it is not in memory. */
static __always_inline bool read_next(struct pool_chain *chain, u64 object)
{
	/* What cannot be read is 0 afterwards, as at the end. */
	chain->is_cut =
	    bpf_probe_read_user(&chain->next, sizeof(chain->next), (void *)(object + chain->offset));
	return !chain->is_cut;
}

/* The next ones, in one row: many rows take longer than the objects. An object is told when it has been read:
 * what is not in memory is none. */
static long put_next(u32 i, struct pool_chain *chain)
{
	struct {
		struct mp_bpf_pool pool;
		u64 ptr[MP_BPF_POOL_CHAINED];
	} * row;
	u64 objects[MP_BPF_POOL_CHAINED] = {0};
	u32 n = 0;

	for (; n < MP_BPF_POOL_CHAINED && chain->next; n++) {
		objects[n] = chain->next;
		if (!read_next(chain, objects[n]))
			break;
	}
	chain->row.ptr = n;
	row = bpf_ringbuf_reserve(&pool_rows, sizeof(*row), 0);
	if (row) {
		row->pool = chain->row;
		__builtin_memcpy(row->ptr, objects, sizeof(objects));
		bpf_ringbuf_submit(row, wakeup_flags(&pool_rows, chain->c->pool_ring_bytes));
	} else {
		miss_pool(&chain->row, n);
	}
	return chain->is_cut || !chain->next;
}

static __always_inline void put_chain(
    const struct mp_bpf_control *c, const struct mp_bpf_pool *first, u64 offset, u32 number)
{
	struct pool_chain chain = {.row = *first, .c = c, .offset = offset};
	struct mp_bpf_stats *st = get_stats();
	u64 start = bpf_ktime_get_ns();

	chain.row.with = MP_BPF_POOL_CHAIN;
	if (read_next(&chain, first->ptr) && chain.next)
		bpf_loop(CHAIN_ROWS_MAX, put_next, &chain, 0);
	if (!st)
		return;
	if (chain.is_cut || chain.next)
		__sync_fetch_and_add(&st->pool_chains_cut, 1);
	if (number < MP_BPF_POOL_FUNCTIONS)
		__sync_fetch_and_add(&st->pool_chain_ns[number], bpf_ktime_get_ns() - start);
}

/* Is the name of the pool to be told with what happens to it? */
static __always_inline bool wants_name(const struct mp_bpf_pool_function *f, u64 pool, u32 number)
{
	struct mp_bpf_pool_key key = {.pool = pool, .function = number};
	u32 one = 1, *told;

	if (f->text.from == MP_FETCH_NOTHING)
		return false;
	if (f->kind == MPSAMPLE_KIND_POOL_CREATE)
		return true;
	told = bpf_map_lookup_elem(&pool_named, &key);
	if (!told)
		return !bpf_map_update_elem(&pool_named, &key, &one, BPF_NOEXIST);
	return *told < NAMED_ENOUGH && __sync_fetch_and_add(told, 1) < NAMED_ENOUGH;
}

/*
 * All that the function tells. An object can be in other hands as soon as the call that puts it back has
 * begun, and not before the one that takes it out has returned: told by these times, what was put back is
 * never taken out earlier.
 */
static __always_inline void tell_pool(struct pt_regs *ctx, const struct mp_bpf_control *c,
    const struct mp_bpf_pool_function *f, const struct pool_call *call, const struct pool_values *v)
{
	bool is_get = f->kind == MPSAMPLE_KIND_POOL_GET;
	bool by_end = is_get || f->kind == MPSAMPLE_KIND_POOL_CREATE || f->kind == MPSAMPLE_KIND_POOL_EMPTY;
	struct mp_bpf_pool r = {.tid = (u32)bpf_get_current_pid_tgid(),
	    .kind = f->kind,
	    .function = call->number,
	    .t_ns = by_end ? call->end_ns : call->start_ns,
	    .dur_ns = call->dur_ns,
	    .pool = v->pool,
	    .ptr = v->ptr,
	    .bytes = v->bytes == ~0ULL ? 0 : v->bytes,
	    .ip = call->where.ip,
	    .capacity = v->capacity,
	    .object_bytes = v->object_bytes};
	u64 text;

	/* A number of objects that is negative, as of an error, is none. */
	if (f->counts && (long long)r.ptr < 0 && (r.ptr != ~0ULL || !f->ptr.n_reads))
		r.ptr = 0;
	if (call->has_failed && !is_get)
		return;
	/* A get of nothing is a failure, where that can be; a put of nothing is none, as free(NULL). */
	if (call->has_failed)
		r.kind = MPSAMPLE_KIND_POOL_EMPTY;
	else if ((is_get && (r.ptr == ~0ULL || (!r.ptr && f->ignores_null))) ||
		 (f->kind == MPSAMPLE_KIND_POOL_PUT && !r.ptr))
		return;
	if (wants_name(f, v->pool, call->number) &&
	    fetch(&f->text, ctx, call->args, call->has_returned, &text))
		emit_named(c, &r, (const char *)text);
	else
		emit_pool(ctx, c, &r, call->where.sp);
	if (f->next.from != MP_FETCH_NOTHING && fetch(&f->next, ctx, call->args, false, &text))
		put_chain(c, &r, text, call->number);
}

static __always_inline void count_pool_call(u32 number)
{
	struct mp_bpf_stats *st = get_stats();

	if (st && number < MP_BPF_POOL_FUNCTIONS)
		__sync_fetch_and_add(&st->pool_calls[number], 1);
}

static __always_inline void drop_pool_call(struct open_pool *o)
{
	o->sp = 0;
	COUNT(pools_left);
}

/* As spans: what is open below the stack pointer, or in its place, did not return. */
static __always_inline struct open_pool *place_for_pool(struct thread_state *t, u64 sp)
{
	struct open_pool *place = 0;

#pragma unroll
	for (u32 i = 0; i < MP_POOLS_DEEP; i++) {
		struct open_pool *o = &t->pools[i];
		if (o->sp && o->sp <= sp && sp - o->sp < SAME_STACK_BYTES)
			drop_pool_call(o);
		if (!o->sp)
			place = o;
	}
	return place;
}

static __always_inline struct open_pool *find_pool_call(struct thread_state *t, u64 sp, u32 number)
{
#pragma unroll
	for (u32 i = 0; i < MP_POOLS_DEEP; i++) {
		struct open_pool *o = &t->pools[i];
		if (o->sp == sp && o->function == number)
			return o;
	}
	return 0;
}

/* The cookie of all: which function. */
SEC("kprobe")
int pool_entry(struct pt_regs *ctx)
{
	u64 now = bpf_ktime_get_ns();
	struct mp_bpf_control *c = get_control();
	u32 number = bpf_get_attach_cookie(ctx);
	struct mp_bpf_pool_function *f = pool_function(number);
	u64 sp = PT_REGS_SP(ctx);

	if (!c->enabled || !f)
		return 0;
	count_pool_call(number);
	if (!f->wants_return) {
		struct pool_args args;
		struct pool_values values = {~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL};
		struct pool_call call = {
		    .number = number, .start_ns = now, .end_ns = now, .dur_ns = ~0ULL, .args = &args};
		take_args(&args, ctx);
		take_values(ctx, f, &args, false, &values);
		if (f->is_usdt)
			call.where = (struct pool_where){PT_REGS_IP(ctx) + 1, sp};
		else
			call.where = caller_of(ctx);
		tell_pool(ctx, c, f, &call, &values);
		return 0;
	}
	struct thread_state *t = make_state_of_current(c);
	struct open_pool *o = t ? place_for_pool(t, sp) : 0;
	if (!o) {
		COUNT(pools_left);
		return 0;
	}
	take_args(&o->args, ctx);
	o->values = (struct pool_values){~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL};
	take_values(ctx, f, &o->args, false, &o->values);
	o->function = number;
	o->sp = sp;
	o->start_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline bool has_failed(const struct mp_bpf_pool_function *f, u64 returned)
{
	return (f->failure == MP_FUNCTION_FAILURE_NONZERO && (u32)returned) ||
	       (f->failure == MP_FUNCTION_FAILURE_NEGATIVE && (int)returned < 0) ||
	       (f->failure == MP_FUNCTION_FAILURE_NULL && !returned) ||
	       (f->failure == MP_FUNCTION_FAILURE_FALSE && !(unsigned char)returned);
}

/* `sp`: that of its entry. */
static __always_inline int pool_left(struct pt_regs *ctx, u64 sp, struct pool_where where)
{
	struct mp_bpf_control *c = get_control();
	u32 number = bpf_get_attach_cookie(ctx);
	struct mp_bpf_pool_function *f = pool_function(number);
	struct thread_state *t = f ? state_of_current(c) : 0;
	struct open_pool *o = t ? find_pool_call(t, sp, number) : 0;

	if (!o)
		return 0; /* began before the recording, or was too deep */
	struct pool_call call = {.number = number,
	    .has_returned = true,
	    .has_failed = has_failed(f, PT_REGS_RC(ctx)),
	    .start_ns = o->start_ns,
	    .end_ns = bpf_ktime_get_ns(),
	    .args = &o->args,
	    .where = where};
	u64 from = o->start_ns + c->floor_ns[f->is_stepped & 1];
	call.dur_ns = call.end_ns > from ? call.end_ns - from : 0;
	take_values(ctx, f, &o->args, true, &o->values);
	tell_pool(ctx, c, f, &call, &o->values);
	o->sp = 0;
	return 0;
}

/* On an instruction that ends the function, where the stack pointer is what it was at the entry. */
SEC("kprobe")
int pool_exit(struct pt_regs *ctx)
{
	return pool_left(ctx, PT_REGS_SP(ctx), caller_of(ctx));
}

/* After the return. */
SEC("kprobe")
int pool_return(struct pt_regs *ctx)
{
	struct pool_where where = {PT_REGS_IP(ctx), PT_REGS_SP(ctx)};

	return pool_left(ctx, where.sp - RETURN_POPS, where);
}

#endif
