/* SPDX-License-Identifier: MIT */
#include "sampler/pools/account.h"

#include <stdlib.h>

#include "sampler/grow.h"
#include "store/histogram.h"

#define LINE_BYTES 64
#define PAGE_BYTES 4096

void mp_pool_account_free(struct mp_pool_account *a, struct mp_pool_limit *limit)
{
	limit->n -= a->object_index.n;
	limit->users -= a->user_index.n;
	limit->tids -= a->tid_index.n;
	free(a->objects);
	free(a->turn_of);
	mp_index_free(&a->object_index);
	mp_pool_order_free(&a->order);
	for (size_t i = 0; i < a->user_index.n; i++)
		mp_pool_hist_free(&a->users[i].hold);
	free(a->users);
	mp_index_free(&a->user_index);
	free(a->tids);
	mp_index_free(&a->tid_index);
	mp_pool_hist_free(&a->get_hist);
	mp_pool_hist_free(&a->put_hist);
	mp_pool_hist_free(&a->hold_hist);
	free(a->depth);
	*a = (struct mp_pool_account){0};
}

/* ---- What it knows ---- */

static bool same_object(const void *owner, uint32_t number, const void *ptr)
{
	const struct mp_pool_account *a = owner;
	return a->objects[number - 1].ptr == *(const uint64_t *)ptr;
}

/* 0: there is none, or with `limit`, no room for a new one. */
static uint32_t object_number(struct mp_pool_account *a, uint64_t ptr, struct mp_pool_limit *limit)
{
	size_t n = a->object_index.n + 1;
	uint32_t *slot = mp_index_slot(&a->object_index, mp_index_mix(ptr), same_object, a, &ptr);

	if (!slot || *slot || !limit)
		return slot ? *slot : 0;
	if (limit->n == limit->max ||
	    !mp_grow((void **)&a->objects, &a->objects_room, n, sizeof(*a->objects)) ||
	    !mp_grow((void **)&a->turn_of, &a->turns_room, n, sizeof(*a->turn_of))) {
		limit->lost++;
		return 0;
	}
	limit->n++;
	*slot = (uint32_t)(a->object_index.n = n);
	a->objects[n - 1] = (struct mp_pool_object){.ptr = ptr};
	a->turn_of[n - 1] = 0;
	return *slot;
}

static bool same_user(const void *owner, uint32_t number, const void *place)
{
	const struct mp_pool_account *a = owner;
	return a->users[number - 1].place == *(const uint32_t *)place;
}

static uint32_t user_number(struct mp_pool_account *a, uint32_t place, struct mp_pool_limit *limit)
{
	uint32_t *slot =
	    place ? mp_index_slot(&a->user_index, mp_index_mix(place), same_user, a, &place) : NULL;

	if (!slot || *slot)
		return slot ? *slot : 0;
	if (limit->users == limit->users_max ||
	    !mp_grow((void **)&a->users, &a->users_room, a->user_index.n + 1, sizeof(*a->users))) {
		limit->users_lost++;
		return 0;
	}
	limit->users++;
	*slot = (uint32_t)++a->user_index.n;
	a->users[*slot - 1] = (struct mp_pool_user){.place = place};
	return *slot;
}

static bool same_tid(const void *owner, uint32_t number, const void *tid)
{
	const struct mp_pool_account *a = owner;
	return a->tids[number - 1] == *(const pid_t *)tid;
}

static void note_thread(struct mp_pool_account *a, pid_t tid, struct mp_pool_limit *limit)
{
	uint32_t *slot = mp_index_slot(&a->tid_index, mp_index_mix((uint64_t)tid), same_tid, a, &tid);

	if (!slot || *slot)
		return;
	if (limit->tids == limit->tids_max ||
	    !mp_grow((void **)&a->tids, &a->tids_room, a->tid_index.n + 1, sizeof(*a->tids))) {
		limit->tids_lost++;
		return;
	}
	limit->tids++;
	*slot = (uint32_t)++a->tid_index.n;
	a->tids[*slot - 1] = tid;
}

/* ---- How full it is ---- */

static void begin_use(struct mp_pool_account *a)
{
	if (!a->is_used)
		a->use = (struct mp_pool_use){.in_use_min = a->in_use,
		    .in_use_max = a->in_use,
		    .in_use_bytes_max = a->tells_bytes ? a->in_use_bytes : -1};
	a->is_used = true;
}

static void end_rise(struct mp_pool_account *a)
{
	if (a->is_rising)
		for (size_t i = 0; i < a->user_index.n; i++)
			a->users[i].at_high_water = a->users[i].held;
	a->is_rising = false;
}

static void set_in_use(struct mp_pool_account *a, int64_t in_use)
{
	if (in_use < a->in_use)
		end_rise(a);
	a->in_use = in_use;
	a->use.in_use_max = in_use > a->use.in_use_max ? in_use : a->use.in_use_max;
	a->use.in_use_min = in_use < a->use.in_use_min ? in_use : a->use.in_use_min;
	if (in_use > a->sum.in_use_max) {
		a->sum.in_use_max = in_use;
		a->is_rising = a->was_highest = true;
	}
}

/* What the sum of all that was asked for has room for: a hostile target says anything. */
static uint64_t credible(const struct mp_pool_account *a, uint64_t bytes)
{
	return bytes <= (uint64_t)(INT64_MAX - a->requested_bytes) ? bytes : 0;
}

/* Of an object that is not known nothing tells when its bytes are back: they do not count as in use. */
static void add_bytes(struct mp_pool_account *a, uint64_t bytes, bool comes_back)
{
	a->tells_bytes = true;
	a->requested_bytes += (int64_t)bytes;
	a->in_use_bytes += comes_back ? (int64_t)bytes : 0;
	if (a->in_use_bytes > a->use.in_use_bytes_max)
		a->use.in_use_bytes_max = a->in_use_bytes;
	if (a->in_use_bytes > a->most_bytes)
		a->most_bytes = a->in_use_bytes;
}

/* ---- Gets and puts ---- */

static void count_depth(struct mp_pool_account *a, uint32_t later)
{
	if (!a->depth && !(a->depth = calloc(MP_HIST_BUCKETS, sizeof(*a->depth))))
		return;
	a->depth[mp_hist_bucket(later)]++;
}

static void take_out_of_order(struct mp_pool_account *a, uint32_t number)
{
	uint32_t in_pool = a->order.n, later;

	if (!a->turn_of[number - 1])
		return;
	later = mp_pool_order_get(&a->order, a->turn_of[number - 1]);
	a->turn_of[number - 1] = 0;
	a->sum.reuses++;
	a->sum.lifo_reuses += !later;
	a->sum.fifo_reuses += later + 1 == in_pool;
	count_depth(a, later);
}

/* It is not with who took it any more. */
static void let_go(struct mp_pool_account *a, struct mp_pool_object *o)
{
	if (o->site)
		a->users[o->site - 1].held--;
	a->in_use_bytes -= (int64_t)o->bytes;
	o->is_out = false;
}

static void set_in_use_of_get(struct mp_pool_account *a, int64_t in_use, const struct mp_pool_deed *d)
{
	int64_t before = a->sum.in_use_max;

	set_in_use(a, in_use);
	if (a->sum.in_use_max == before)
		return;
	a->sum.in_use_max_t_ns = d->t_ns;
	a->sum.in_use_max_tid = d->tid;
	a->high_place = d->place;
}

enum mp_pool_finding mp_pool_account_get(
    struct mp_pool_account *a, const struct mp_pool_deed *d, struct mp_pool_limit *limit)
{
	uint32_t number = object_number(a, d->ptr, limit), user = user_number(a, d->place, limit);
	uint64_t bytes = credible(a, d->bytes);
	struct mp_pool_object *o = number ? &a->objects[number - 1] : NULL;
	bool was_out = o && o->is_out;
	enum mp_pool_finding finding = was_out && !a->has_gaps ? MP_POOL_TWICE : MP_POOL_FINE;

	begin_use(a);
	a->use.gets++;
	a->sum.gets++;
	if (d->dur_ns >= 0)
		mp_pool_hist_count(&a->get_hist, (uint64_t)d->dur_ns);
	note_thread(a, d->tid, limit);
	if (was_out)
		let_go(a, o);
	if (user) {
		a->users[user - 1].gets++;
		a->users[user - 1].held += o != NULL;
	}
	if (o) {
		take_out_of_order(a, number);
		a->given += !o->was_given;
		o->bytes = bytes;
		o->t_ns = d->t_ns;
		o->tid = d->tid;
		o->site = user;
		o->is_out = o->was_given = true;
	}
	if (bytes)
		add_bytes(a, bytes, o || !limit->max);
	if (finding == MP_POOL_FINE)
		set_in_use_of_get(a, a->in_use + 1, d);
	return finding;
}

static void end_hold(struct mp_pool_account *a, const struct mp_pool_object *o, int64_t t_ns)
{
	uint64_t held_ns = t_ns > o->t_ns ? (uint64_t)t_ns - (uint64_t)o->t_ns : 0;
	struct mp_pool_user *u = o->site ? &a->users[o->site - 1] : NULL;

	mp_pool_hist_count(&a->hold_hist, held_ns);
	if (!u)
		return;
	u->holds++;
	u->hold_sum_ns += held_ns;
	u->hold_max_ns = held_ns > u->hold_max_ns ? held_ns : u->hold_max_ns;
	mp_pool_hist_count(&u->hold, held_ns);
}

/* It lies in the pool now. */
static void put_into_order(struct mp_pool_account *a, uint32_t number)
{
	if (number && !a->turn_of[number - 1])
		mp_pool_order_put(&a->order, number, a->turn_of);
}

enum mp_pool_finding mp_pool_account_put(
    struct mp_pool_account *a, const struct mp_pool_deed *d, struct mp_pool_limit *limit)
{
	uint32_t number = object_number(a, d->ptr, NULL);
	struct mp_pool_object *o = number ? &a->objects[number - 1] : NULL;

	begin_use(a);
	a->use.puts++;
	a->sum.puts++;
	if (d->dur_ns >= 0)
		mp_pool_hist_count(&a->put_hist, (uint64_t)d->dur_ns);
	/* Its get may be one that was lost, or it found no room here. */
	if ((!o && limit->lost) || (a->has_gaps && !(o && o->is_out))) {
		set_in_use(a, a->in_use - 1);
		return MP_POOL_FINE;
	}
	if (!o)
		return MP_POOL_UNKNOWN;
	if (!o->is_out) {
		a->sum.double_puts++;
		return MP_POOL_DOUBLE;
	}
	end_rise(a); /* while it is still held */
	a->sum.cross_puts += o->tid != d->tid;
	end_hold(a, o, d->t_ns);
	let_go(a, o);
	put_into_order(a, number);
	set_in_use(a, a->in_use - 1);
	return MP_POOL_FINE;
}

void mp_pool_account_get_many(
    struct mp_pool_account *a, const struct mp_pool_deed *d, struct mp_pool_limit *limit)
{
	uint32_t user = user_number(a, d->place, limit);

	a->is_counted = true;
	begin_use(a);
	a->use.gets += d->count;
	a->sum.gets += d->count;
	if (d->dur_ns >= 0)
		mp_pool_hist_count(&a->get_hist, (uint64_t)d->dur_ns);
	note_thread(a, d->tid, limit);
	if (user)
		a->users[user - 1].gets += d->count;
	set_in_use_of_get(a, a->in_use + (int64_t)d->count, d);
}

uint64_t mp_pool_account_put_many(struct mp_pool_account *a, const struct mp_pool_deed *d)
{
	bool is_known = a->is_whole && !a->has_gaps;
	uint64_t out = a->in_use > 0 ? (uint64_t)a->in_use : 0;
	uint64_t excess = is_known && d->count > out ? d->count - out : 0;

	a->is_counted = true;
	if (is_known && !a->sum.gets)
		return 0;
	begin_use(a);
	a->use.puts += d->count;
	a->sum.puts += d->count;
	a->sum.foreign_puts += excess;
	if (d->dur_ns >= 0)
		mp_pool_hist_count(&a->put_hist, (uint64_t)d->dur_ns);
	set_in_use(a, a->in_use - (int64_t)(d->count - excess));
	return excess;
}

void mp_pool_account_foreign(struct mp_pool_account *a)
{
	a->sum.foreign_puts++;
}

void mp_pool_account_older(
    struct mp_pool_account *a, const struct mp_pool_deed *d, struct mp_pool_limit *limit)
{
	a->sum.older_puts++;
	put_into_order(a, object_number(a, d->ptr, limit));
	set_in_use(a, a->in_use - 1);
}

void mp_pool_account_empty(struct mp_pool_account *a, int64_t free, int64_t dur_ns)
{
	begin_use(a);
	a->use.failures++;
	a->sum.failures++;
	if (dur_ns >= 0)
		mp_pool_hist_count(&a->get_hist, (uint64_t)dur_ns);
	if (free <= 0)
		return;
	a->sum.hidden_failures++;
	a->sum.hidden_max = (uint64_t)free > a->sum.hidden_max ? (uint64_t)free : a->sum.hidden_max;
}

int64_t mp_pool_account_clear(struct mp_pool_account *a, int64_t t_ns)
{
	int64_t out = a->in_use;

	begin_use(a);
	end_rise(a);
	for (size_t i = 0; i < a->object_index.n; i++) {
		struct mp_pool_object *o = &a->objects[i];
		if (!o->is_out)
			continue;
		end_hold(a, o, t_ns);
		let_go(a, o);
		put_into_order(a, (uint32_t)i + 1);
	}
	set_in_use(a, 0);
	a->in_use_bytes = 0;
	return out;
}

void mp_pool_account_lost(struct mp_pool_account *a, uint64_t gets, uint64_t puts, int64_t t_ns)
{
	int64_t before = a->sum.in_use_max;

	begin_use(a);
	a->use.gets += gets;
	a->use.puts += puts;
	a->sum.gets += gets;
	a->sum.puts += puts;
	a->sum.lost += gets + puts;
	a->has_gaps = true;
	set_in_use(a, a->in_use + (int64_t)(gets - puts));
	if (a->sum.in_use_max == before)
		return;
	/* Nobody knows which of them it was. */
	a->sum.in_use_max_t_ns = t_ns;
	a->sum.in_use_max_tid = 0;
	a->high_place = 0;
}

void mp_pool_account_return(struct mp_pool_account *a, int64_t objects, int64_t bytes)
{
	begin_use(a);
	a->in_use_bytes -= bytes;
	set_in_use(a, a->in_use - objects);
}

bool mp_pool_account_has_out(const struct mp_pool_account *a, uint64_t ptr)
{
	/* The lookup changes nothing without a limit. */
	uint32_t number = object_number((struct mp_pool_account *)a, ptr, NULL);

	return number && a->objects[number - 1].is_out;
}

/* ---- What comes of it ---- */

static int64_t median_depth(const struct mp_pool_account *a)
{
	uint64_t half = (a->sum.reuses + 1) / 2, seen = 0;

	if (!a->depth || !a->sum.reuses)
		return -1;
	for (uint32_t b = 0; b < MP_HIST_BUCKETS; b++) {
		seen += a->depth[b];
		if (seen >= half)
			return (int64_t)mp_hist_lo_ns(b);
	}
	return -1;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* In how many units of `unit` bytes the objects lie, of sorted addresses. */
static int64_t touched(const uint64_t *ptr, size_t n, uint64_t bytes, uint64_t unit)
{
	int64_t units = 0;
	uint64_t next = 0; /* the first unit that is not counted yet */

	for (size_t i = 0; i < n; i++) {
		uint64_t first = ptr[i] / unit, last = (ptr[i] + bytes - 1) / unit;
		if (first < next)
			first = next;
		if (last < first || last - first > UINT32_MAX)
			continue;
		units += (int64_t)(last - first + 1);
		next = last + 1;
	}
	return units;
}

static void sum_spread(struct mp_pool_account *a, uint64_t bytes)
{
	uint64_t *ptr = malloc(a->object_index.n * sizeof(*ptr) + 1);
	uint64_t most = a->sum.in_use_max > 0 ? (uint64_t)a->sum.in_use_max : 0;
	size_t n = 0;

	if (!ptr || bytes > UINT32_MAX || most > UINT32_MAX) {
		free(ptr);
		return;
	}
	for (size_t i = 0; i < a->object_index.n; i++)
		if (a->objects[i].was_given)
			ptr[n++] = a->objects[i].ptr;
	qsort(ptr, n, sizeof(*ptr), by_value);
	a->sum.lines = touched(ptr, n, bytes, LINE_BYTES);
	a->sum.pages = touched(ptr, n, bytes, PAGE_BYTES);
	a->sum.lines_least = (int64_t)((most * bytes + LINE_BYTES - 1) / LINE_BYTES);
	a->sum.pages_least = (int64_t)((most * bytes + PAGE_BYTES - 1) / PAGE_BYTES);
	free(ptr);
}

void mp_pool_account_sum(struct mp_pool_account *a, int64_t object_bytes, bool is_end)
{
	struct mp_pool_sum *s = &a->sum;

	if (is_end)
		end_rise(a);
	s->in_use = a->in_use;
	s->threads = a->tid_index.n;
	s->reuse_depth_p50 = median_depth(a);
	s->objects = a->given;
	s->lines = s->lines_least = s->pages = s->pages_least = -1;
	if (is_end && object_bytes > 0 && !a->is_counted)
		sum_spread(a, (uint64_t)object_bytes);
	s->in_use_bytes_max = a->tells_bytes ? a->most_bytes : -1;
	s->requested_bytes = a->tells_bytes ? a->requested_bytes : -1;
}

int64_t mp_pool_account_oldest(const struct mp_pool_account *a, uint32_t user)
{
	int64_t oldest = 0;

	for (size_t i = 0; i < a->object_index.n; i++) {
		const struct mp_pool_object *o = &a->objects[i];
		if (o->is_out && o->site == user && (!oldest || o->t_ns < oldest))
			oldest = o->t_ns;
	}
	return oldest;
}
