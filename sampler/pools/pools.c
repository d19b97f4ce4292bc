/* SPDX-License-Identifier: MIT */
#include "sampler/pools/pools.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/grow.h"
#include "sampler/index.h"
#include "sampler/pools/private.h"

#define MAX_WAITING   (1u << 21) /* 230 MB: a million events a second, for two slots */
#define MAX_HANDLES   4096       /* names that pools were called by */
#define MAX_ROWS      1024       /* pools of one group that are told apart, ever */
#define MAX_OBJECTS   (1u << 22) /* 350 MB */
#define MAX_INSTANCES (1u << 20) /* pools that are not told apart: 60 MB */
#define MAX_USERS     8192       /* places, for each pool that they use: 120 MB */
#define MAX_TIDS      65536      /* likewise threads */

#define KIND_LOST 255 /* no event: of so many gets (ptr) and puts (bytes) only the number is known */

/* What a hostile target says it has, lost, or takes and puts back at once, and sums of that, stay clear of
 * what overflows. */
#define MAX_CREDIBLE (INT64_MAX / 4)
#define MAX_LOST     (1ull << 32)

#define SITES_EVERY 10 /* slots: sites are written anew */

static const char *const limit_names[LIMITS] = {
    [LIMIT_WAITING] = "pool events waiting, of too many",
    [LIMIT_POOLS] = "pools, of too many",
    [LIMIT_OBJECTS] = "objects of pools, of too many",
    [LIMIT_EVENTS] = "rows of pools, of too many",
    [LIMIT_PLACES] = "places that use pools, of too many",
    [LIMIT_THREADS] = "threads that use pools, of too many",
    [LIMIT_COUNTS] = "gets and puts of more objects than can be",
    [LIMIT_UNTOLD] = "puts into pools that only their objects tell, lost",
};

struct mp_pools *mp_pools_new(struct mp_session *session, struct mp_stack_table *stacks)
{
	struct mp_pools *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->session = session;
	p->doubt_ns = INT64_MIN;
	p->queue.item_bytes = sizeof(struct waiting);
	p->queue.max = MAX_WAITING;
	p->objects = (struct mp_pool_limit){
	    .max = MAX_OBJECTS, .users_max = MAX_USERS - MAX_USERS / 8, .tids_max = MAX_TIDS - MAX_TIDS / 8};
	p->no_objects =
	    (struct mp_pool_limit){.lost = 1, .users_max = MAX_USERS / 8, .tids_max = MAX_TIDS / 8};
	p->places = mp_pool_places_new(stacks);
	p->rows = calloc(1, sizeof(*p->rows));
	p->rest = calloc(1, sizeof(*p->rest));
	if (!p->places || !p->rows || !p->rest) {
		mp_pools_free(p);
		return NULL;
	}
	return p;
}

/* Those that stand for a rest have a part of their own, that the others cannot use up. */
static struct mp_pool_limit *limit_of(struct mp_pools *p, const struct pool *pool)
{
	return pool->is_rest ? &p->no_objects : &p->objects;
}

void mp_pools_free(struct mp_pools *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->queue.n; i++)
		free(((struct waiting *)p->queue.items)[i].birth);
	mp_time_queue_free(&p->queue);
	for (size_t i = 0; i < p->pool_index.n; i++)
		mp_pool_account_free(&p->pools[i].account, limit_of(p, &p->pools[i]));
	free(p->pools);
	mp_index_free(&p->pool_index);
	mp_pool_places_free(p->places);
	free(p->rows);
	free(p->rest);
	free(p->instances);
	mp_index_free(&p->instance_index);
	free(p->held);
	free(p);
}

int mp_pools_kinds(struct mp_pools *p, const struct mp_pool_kind *kinds, size_t n)
{
	uint32_t *rows = calloc(n + 1, sizeof(*rows)), *rest = calloc(n + 1, sizeof(*rest));

	if (!rows || !rest) {
		free(rows);
		free(rest);
		return -ENOMEM;
	}
	memcpy(rows, p->rows, (p->n_kinds + 1) * sizeof(*rows));
	memcpy(rest, p->rest, (p->n_kinds + 1) * sizeof(*rest));
	free(p->rows);
	free(p->rest);
	p->rows = rows;
	p->rest = rest;
	p->kinds = kinds;
	p->n_kinds = n;
	return 0;
}

/* NULL: markers. */
static const struct mp_pool_kind *kind_of(const struct mp_pools *p, unsigned int group)
{
	return group ? &p->kinds[group - 1] : NULL;
}

/* ---- Taking ---- */

static bool is_pool_kind(unsigned int kind)
{
	return kind >= MPSAMPLE_KIND_POOL_CREATE && kind <= MPSAMPLE_KIND_POOL_CLEAR;
}

/* By what it is told from others of its group. */
static uint64_t handle_of(const struct mp_pools *p, unsigned int group, uint64_t pool)
{
	const struct mp_pool_kind *k = kind_of(p, group);
	uint64_t step = k && k->by_size ? k->size_step : 0;

	if (k && k->is_one)
		return 0;
	return step && pool <= UINT64_MAX - step ? (pool + step - 1) / step * step : pool;
}

/* Blocks that are in no pool: libraries may have them. */
static bool is_of_none(const struct mp_pools *p, unsigned int group, uint64_t pool)
{
	const struct mp_pool_kind *k = kind_of(p, group);

	return k && !pool && !k->is_one && !k->by_size;
}

static int64_t credible(int64_t value)
{
	return value <= MAX_CREDIBLE ? value : -1;
}

void mp_pools_take(struct mp_pools *p, const struct mp_pool_event *e)
{
	struct waiting w = {.at.t_ns = e->t_ns,
	    .dur_ns = e->dur_ns,
	    .ptr = e->ptr,
	    .bytes = e->bytes,
	    .capacity = credible(e->capacity),
	    .object_bytes = credible(e->object_bytes),
	    .tid = e->tid,
	    .kind = (uint8_t)e->kind,
	    .counts = e->counts,
	    .group = (uint16_t)e->group};

	/* A put of nothing is none, as free(NULL). */
	if (!is_pool_kind(e->kind) || e->group > p->n_kinds || (e->kind == MPSAMPLE_KIND_POOL_PUT && !e->ptr))
		return;
	if (is_of_none(p, e->group, e->pool))
		return;
	if (e->counts && e->ptr > MAX_LOST) {
		p->lost[LIMIT_COUNTS]++;
		return;
	}
	w.pool = handle_of(p, e->group, e->pool);
	w.place = mp_pool_places_take(p->places, e);
	if (e->name && (w.birth = calloc(1, sizeof(*w.birth))))
		snprintf(
		    w.birth->name, sizeof(w.birth->name), "%.*s", (int)sizeof(w.birth->name) - 1, e->name);
	if (!mp_time_queue_push(&p->queue, &w)) {
		free(w.birth);
		p->lost[LIMIT_WAITING]++;
	}
}

/* ---- Pools ---- */

struct key {
	unsigned int group;
	uint64_t handle;
};

static uint64_t hash_of(const struct key *k)
{
	return mp_index_mix(k->handle ^ mp_index_mix(k->group));
}

static bool same_pool(const void *owner, uint32_t number, const void *what)
{
	const struct mp_pools *p = owner;
	const struct key *k = what;
	const struct pool *pool = &p->pools[number - 1];
	return pool->handle == k->handle && pool->group == k->group && !pool->is_rest;
}

static struct pool *add_pool(struct mp_pools *p, const struct key *k)
{
	if (!mp_grow((void **)&p->pools, &p->pools_room, p->pool_index.n + 1, sizeof(*p->pools)))
		return NULL;
	struct pool *pool = &p->pools[p->pool_index.n++];
	*pool = (struct pool){.handle = k->handle, .group = k->group, .doubt_ns = INT64_MIN};
	return pool;
}

static bool has_rows_left(const struct mp_pools *p, unsigned int group)
{
	return p->rows[group] < MAX_ROWS;
}

/* The place of a pool, whether it is there now or not. NULL: there is none, and not `may_add` or no room. */
static struct pool *pool_place(struct mp_pools *p, const struct key *k, bool may_add)
{
	uint32_t *slot = mp_index_slot(&p->pool_index, hash_of(k), same_pool, p, k);

	if (!slot || (!*slot && (!may_add || p->pool_index.n >= MAX_HANDLES || !add_pool(p, k))))
		return NULL;
	if (!*slot)
		*slot = (uint32_t)p->pool_index.n;
	return &p->pools[*slot - 1];
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* What was lost is older than much that still waits: of that, too, nothing is called wrong. */
static void doubt(struct pool *pool, int64_t t_ns)
{
	pool->account.has_gaps |= pool->pool_id != 0;
	pool->doubt_ns = later(pool->doubt_ns, t_ns);
}

/* It may have been of any of them. */
static void doubt_all(struct mp_pools *p, unsigned int group, int64_t t_ns)
{
	for (size_t i = 0; i < p->pool_index.n; i++)
		if (p->pools[i].group == group)
			doubt(&p->pools[i], t_ns);
	p->doubt_ns = later(p->doubt_ns, t_ns);
}

static uint64_t at_most(uint64_t n, uint64_t most)
{
	return n < most ? n : most;
}

void mp_pools_lost(struct mp_pools *p, const struct mp_pool_lost *lost)
{
	const struct waiting w = {.at.t_ns = lost->t_ns,
	    .kind = KIND_LOST,
	    .group = (uint16_t)lost->group,
	    .pool = lost->group <= p->n_kinds ? handle_of(p, lost->group, lost->pool) : 0,
	    .ptr = at_most(lost->gets, MAX_LOST),
	    .bytes = at_most(lost->puts, MAX_LOST),
	    .capacity = -1,
	    .object_bytes = -1};

	if (lost->group > p->n_kinds || is_of_none(p, lost->group, lost->pool))
		return;
	if (w.pool == MP_POOL_BY_OBJECT) {
		doubt_all(p, lost->group, lost->t_ns);
		p->lost[LIMIT_UNTOLD] += w.ptr + w.bytes;
		return;
	}
	if (!mp_time_queue_push(&p->queue, &w))
		p->lost[LIMIT_WAITING]++;
	const struct key k = {lost->group, w.pool};
	struct pool *pool = pool_place(p, &k, has_rows_left(p, lost->group));
	if (pool)
		doubt(pool, lost->t_ns);
	else
		p->doubt_ns = later(p->doubt_ns, lost->t_ns);
}

static void name_of(const struct mp_pools *p, const struct waiting *w, bool is_rest, char name[static 80])
{
	const struct mp_pool_kind *k = kind_of(p, w->group);
	const char *kind = k ? k->name : "pool";

	if (is_rest)
		snprintf(name, 80, "%s (others)", kind);
	else if (w->birth && *w->birth->name)
		snprintf(name, 80, "%s", w->birth->name);
	else if (k && k->by_size)
		snprintf(name, 80, "%s %" PRIu64, kind, w->pool);
	else if (k)
		snprintf(name, 80, "%s", kind);
	else
		snprintf(name, 80, "pool 0x%" PRIx64, w->pool);
}

/* Begins an account in an empty place. */
static int open_pool(struct mp_pools *p, struct pool *pool, const struct waiting *w)
{
	const struct mp_pool_kind *k = kind_of(p, w->group);
	bool is_known = w->kind == MPSAMPLE_KIND_POOL_CREATE, by_size = k && k->by_size;
	char name[80];

	name_of(p, w, pool->is_rest, name);
	pool->capacity = pool->is_rest ? -1 : w->capacity;
	pool->object_bytes = pool->is_rest ? -1 : by_size ? (int64_t)w->pool : w->object_bytes;
	pool->account.is_whole = is_known && !pool->is_rest;
	pool->account.has_gaps = w->at.t_ns <= pool->doubt_ns || w->at.t_ns <= p->doubt_ns;
	p->rows[w->group]++;
	const struct mp_pool_row row = {.name = name,
	    .source = k ? k->source : "markers",
	    .address = by_size || pool->is_rest || (k && k->is_one) ? 0 : w->pool,
	    .capacity = pool->capacity,
	    .object_bytes = pool->object_bytes,
	    .created_ns = is_known && !pool->is_rest ? w->at.t_ns : -1};
	return mp_append_pool(p->session, &row, &pool->pool_id, p->err);
}

/* Ends it: at `t_ns` of the session, or with the recording (< 0). */
static int close_pool(struct mp_pools *p, struct pool *pool, int64_t t_ns)
{
	int ret = mp_pools_put_slot(p, pool);

	if (!ret)
		ret = mp_pools_put_sum(p, pool, true);
	if (!ret)
		ret = mp_pools_put_sites(p, pool);
	if (!ret && t_ns >= 0)
		ret = mp_update_pool(p->session, pool->pool_id, -1, -1, t_ns, p->err);
	mp_pool_account_free(&pool->account, limit_of(p, pool));
	pool->pool_id = 0;
	return ret;
}

/* ---- Pools that are not told apart ---- */

/* Of a pool that nothing is known of there is nothing to end: pools are cleared when they are gone. */
static bool is_end(const struct waiting *w)
{
	return w->kind == MPSAMPLE_KIND_POOL_DESTROY || w->kind == MPSAMPLE_KIND_POOL_CLEAR;
}

static bool same_instance(const void *owner, uint32_t number, const void *what)
{
	const struct mp_pools *p = owner;
	const struct key *k = what;
	return p->instances[number - 1].handle == k->handle && p->instances[number - 1].group == k->group;
}

/* NULL: there is none, and not `may_add` or no room. */
static struct instance *instance_of(struct mp_pools *p, const struct key *k, bool may_add)
{
	uint32_t *slot = mp_index_slot(&p->instance_index, hash_of(k), same_instance, p, k);

	if (!slot || (!*slot && (!may_add || p->instance_index.n == MAX_INSTANCES ||
				    !mp_grow((void **)&p->instances, &p->instances_room,
					p->instance_index.n + 1, sizeof(*p->instances)))))
		return NULL;
	if (!*slot) {
		*slot = (uint32_t)++p->instance_index.n;
		p->instances[*slot - 1] = (struct instance){.handle = k->handle, .group = k->group};
	}
	return &p->instances[*slot - 1];
}

/* The one that stands for the rest of a group; NULL: no room, or no memory. */
static struct pool *rest_of(struct mp_pools *p, unsigned int group)
{
	const struct key none = {.group = group};

	if (!p->rest[group]) {
		struct pool *pool = add_pool(p, &none);
		if (!pool)
			return NULL;
		pool->is_rest = true;
		p->rest[group] = (uint32_t)p->pool_index.n;
	}
	return &p->pools[p->rest[group] - 1];
}

/* Of a put nobody knows the bytes: they are those of the pool's mean object. */
static void put_into_rest(
    struct mp_pools *p, struct pool *pool, struct instance *i, const struct mp_pool_deed *d)
{
	int64_t bytes = i->out > 0 ? i->bytes / i->out : 0;

	if (d->count && i->is_new)
		return;
	if (d->count)
		mp_pool_account_put_many(&pool->account, d);
	else
		mp_pool_account_put(&pool->account, d, &p->no_objects);
	mp_pool_account_return(&pool->account, 0, bytes);
	i->bytes -= bytes;
	i->out -= d->count ? (int64_t)d->count : 1;
}

static void get_from_rest(
    struct mp_pools *p, struct pool *pool, struct instance *i, const struct mp_pool_deed *d)
{
	int64_t before = pool->account.in_use_bytes;

	i->is_new = false;
	if (d->count)
		mp_pool_account_get_many(&pool->account, d, &p->no_objects);
	else
		mp_pool_account_get(&pool->account, d, &p->no_objects);
	i->bytes += pool->account.in_use_bytes - before;
	i->out += d->count ? (int64_t)d->count : 1;
}

static int apply_to_rest(struct mp_pools *p, struct pool *pool, const struct waiting *w)
{
	const struct key k = {w->group, w->pool};
	struct instance *i = instance_of(p, &k, !is_end(w));
	const struct mp_pool_deed d = {.bytes = w->bytes,
	    .count = w->counts ? w->ptr : 0,
	    .tid = w->tid,
	    .t_ns = w->at.t_ns,
	    .dur_ns = w->dur_ns,
	    .place = w->place};

	if (!i) {
		p->lost[LIMIT_POOLS] += !is_end(w);
		return 0;
	}
	int ret = pool->pool_id ? 0 : open_pool(p, pool, w);
	if (ret)
		return ret;
	switch (w->kind) {
	case MPSAMPLE_KIND_POOL_GET:
		if (w->ptr)
			get_from_rest(p, pool, i, &d);
		else
			mp_pool_account_empty(&pool->account, -1, w->dur_ns);
		break;
	case MPSAMPLE_KIND_POOL_PUT:
		put_into_rest(p, pool, i, &d);
		break;
	case MPSAMPLE_KIND_POOL_EMPTY:
		mp_pool_account_empty(&pool->account, -1, w->dur_ns);
		break;
	case KIND_LOST:
		i->out += (int64_t)(w->ptr - w->bytes);
		mp_pool_account_lost(&pool->account, w->ptr, w->bytes, w->at.t_ns);
		break;
	default: /* it begins, ends or is cleared: nothing of it is out */
		i->is_new = w->kind == MPSAMPLE_KIND_POOL_CREATE;
		mp_pool_account_return(&pool->account, i->out, i->bytes);
		i->out = i->bytes = 0;
	}
	return 0;
}

/* ---- What happens to one ---- */

/* A pool may grow. */
static int learn(struct mp_pools *p, struct pool *pool, const struct waiting *w)
{
	bool is_new =
	    (w->capacity >= 0 && w->capacity != pool->capacity) ||
	    (w->object_bytes >= 0 && w->object_bytes != pool->object_bytes && pool->object_bytes < 0);

	if (!is_new)
		return 0;
	bool has_grown = pool->capacity >= 0 && w->capacity > pool->capacity;
	pool->capacity = w->capacity >= 0 ? w->capacity : pool->capacity;
	pool->object_bytes = pool->object_bytes >= 0 ? pool->object_bytes : w->object_bytes;
	int ret = mp_update_pool(p->session, pool->pool_id, pool->capacity, pool->object_bytes, -1, p->err);
	return ret || !has_grown ? ret : mp_pools_event(p, pool, w, "grown", pool->capacity);
}

/* The pool of a group, but for `but`, that has given out an object; NULL: none has. */
static struct pool *pool_of(
    const struct mp_pools *p, unsigned int group, uint64_t ptr, const struct pool *but)
{
	for (size_t i = 0; i < p->pool_index.n; i++) {
		struct pool *pool = &p->pools[i];
		if (pool != but && pool->group == group && pool->pool_id &&
		    mp_pool_account_has_out(&pool->account, ptr))
			return pool;
	}
	return NULL;
}

static int put(struct mp_pools *p, struct pool *pool, const struct waiting *w, const struct mp_pool_deed *d)
{
	switch (mp_pool_account_put(&pool->account, d, &p->objects)) {
	case MP_POOL_DOUBLE:
		return mp_pools_event(p, pool, w, "double_put", -1);
	case MP_POOL_UNKNOWN:
		if (!pool->account.is_whole && !pool_of(p, pool->group, w->ptr, pool)) {
			mp_pool_account_older(&pool->account, d, &p->objects);
			return 0;
		}
		mp_pool_account_foreign(&pool->account);
		return mp_pools_event(p, pool, w, "foreign_put", -1);
	default:
		return 0;
	}
}

static int empty(struct mp_pools *p, struct pool *pool, const struct waiting *w)
{
	int64_t in_use = pool->account.in_use;
	/* Of a pool that was there before the recording nobody knows what else is out. */
	bool is_known = pool->account.is_whole && pool->capacity >= 0 && in_use <= pool->capacity;
	int64_t free = is_known ? pool->capacity - in_use : -1;
	/* Who asked for more than was free was not kept from anything. */
	bool are_too_few = w->counts && free < (int64_t)w->ptr;

	mp_pool_account_empty(&pool->account, are_too_few ? -1 : free, w->dur_ns);
	return mp_pools_event(p, pool, w, "empty", free);
}

static int destroy(struct mp_pools *p, struct pool *pool, const struct waiting *w)
{
	const struct mp_pool_kind *k = kind_of(p, pool->group);
	int64_t out = pool->account.in_use;
	int ret = 0;

	if (k && k->returns_on_clear)
		mp_pool_account_clear(&pool->account, w->at.t_ns);
	else if (out > 0)
		ret = mp_pools_event(p, pool, w, "not_returned", out);
	return ret ? ret : close_pool(p, pool, w->at.t_ns);
}

static int apply_many(
    struct mp_pools *p, struct pool *pool, const struct waiting *w, const struct mp_pool_deed *d)
{
	uint64_t foreign;

	if (w->kind == MPSAMPLE_KIND_POOL_GET) {
		mp_pool_account_get_many(&pool->account, d, &p->objects);
		return 0;
	}
	foreign = mp_pool_account_put_many(&pool->account, d);
	return foreign ? mp_pools_event(p, pool, w, "foreign_put", (int64_t)foreign) : 0;
}

static int apply_to(struct mp_pools *p, struct pool *pool, const struct waiting *w)
{
	const struct mp_pool_deed d = {.ptr = w->ptr,
	    .bytes = w->bytes,
	    .tid = w->tid,
	    .t_ns = w->at.t_ns,
	    .dur_ns = w->dur_ns,
	    .count = w->counts ? w->ptr : 0,
	    .place = w->place};
	int ret = learn(p, pool, w);

	if (ret)
		return ret;
	if (d.count && (w->kind == MPSAMPLE_KIND_POOL_GET || w->kind == MPSAMPLE_KIND_POOL_PUT))
		return apply_many(p, pool, w, &d);
	switch (w->kind) {
	case MPSAMPLE_KIND_POOL_GET:
		if (!w->ptr)
			return empty(p, pool, w);
		return mp_pool_account_get(&pool->account, &d, &p->objects) == MP_POOL_TWICE
			   ? mp_pools_event(p, pool, w, "double_get", -1)
			   : 0;
	case MPSAMPLE_KIND_POOL_PUT:
		return put(p, pool, w, &d);
	case MPSAMPLE_KIND_POOL_EMPTY:
		return empty(p, pool, w);
	case MPSAMPLE_KIND_POOL_CLEAR:
		mp_pool_account_clear(&pool->account, w->at.t_ns);
		return 0;
	case MPSAMPLE_KIND_POOL_DESTROY:
		return destroy(p, pool, w);
	case KIND_LOST:
		mp_pool_account_lost(&pool->account, w->ptr, w->bytes, w->at.t_ns);
		return 0;
	default:
		return 0;
	}
}

static int apply_to_others(struct mp_pools *p, const struct waiting *w)
{
	if (is_end(w) && !p->rest[w->group])
		return 0;
	struct pool *pool = rest_of(p, w->group);
	p->lost[LIMIT_POOLS] += !pool;
	return pool ? apply_to_rest(p, pool, w) : 0;
}

/* A create in the place of a pool that was not destroyed ends it: nothing tells what became of its objects.
 */
static int apply_to_its_pool(struct mp_pools *p, const struct waiting *w)
{
	const struct key k = {w->group, w->pool};
	bool is_create = w->kind == MPSAMPLE_KIND_POOL_CREATE;
	bool is_by_object = w->pool == MP_POOL_BY_OBJECT, may_add = !is_end(w) && has_rows_left(p, w->group);
	struct pool *pool = is_by_object ? pool_of(p, w->group, w->ptr, NULL) : pool_place(p, &k, may_add);
	int ret = 0;

	if (is_by_object && !pool)
		return 0; /* taken before the recording: of which pool cannot be told */
	if (pool && pool->pool_id && is_create)
		ret = close_pool(p, pool, w->at.t_ns);
	if (pool && !pool->pool_id && !has_rows_left(p, w->group))
		pool = NULL;
	if (!ret && pool && !pool->pool_id && !is_end(w))
		ret = open_pool(p, pool, w);
	if (!ret && pool && pool->pool_id)
		ret = apply_to(p, pool, w);
	return ret || pool ? ret : apply_to_others(p, w);
}

static int apply(void *ctx, const void *item)
{
	const struct waiting *w = item;
	int ret = apply_to_its_pool(ctx, w);

	free(w->birth);
	return ret;
}

/* ---- Slots ---- */

static int end_slot(struct mp_pools *p)
{
	bool with_sites = ++p->slots % SITES_EVERY == 0;
	int ret = 0;

	for (size_t i = 0; !ret && i < p->pool_index.n; i++) {
		struct pool *pool = &p->pools[i];
		if (pool->pool_id)
			ret = mp_pools_put_slot(p, pool);
		if (!ret && pool->pool_id && with_sites)
			ret = mp_pools_put_sites(p, pool);
	}
	p->rows_made = 0;
	return ret;
}

int mp_pools_commit(struct mp_pools *p, int64_t t_ns, int64_t mapped_ns, struct mp_err *err)
{
	p->err = err;
	int ret = mp_pool_places_settle(p->places, mapped_ns, false, err);
	if (!ret)
		ret = mp_time_queue_apply(&p->queue, p->end_ns, apply, p);
	if (!ret)
		ret = end_slot(p);
	if (!ret)
		ret = mp_pools_put_held(p, false);
	/* What is older than the first slot is a part of it. */
	p->slot_ns = p->has_begun ? p->end_ns : t_ns;
	p->has_begun = true;
	p->end_ns = t_ns;
	return ret;
}

int mp_pools_end(struct mp_pools *p, struct mp_err *err)
{
	p->err = err;
	int ret = mp_pool_places_settle(p->places, INT64_MAX, true, err);
	if (!ret)
		ret = mp_time_queue_apply(&p->queue, INT64_MAX, apply, p);
	for (size_t i = 0; !ret && i < p->pool_index.n; i++)
		if (p->pools[i].pool_id)
			ret = close_pool(p, &p->pools[i], -1);
	return ret ? ret : mp_pools_put_held(p, true);
}

static uint64_t take(uint64_t *n)
{
	uint64_t had = *n;

	*n = 0;
	return had;
}

const char *mp_pools_lost_by(struct mp_pools *p, size_t which, uint64_t *lost)
{
	if (which >= LIMITS)
		return NULL;
	if (which == LIMIT_OBJECTS) {
		p->lost[which] = p->objects.lost - p->objects_told;
		p->objects_told = p->objects.lost;
	}
	if (which == LIMIT_PLACES)
		p->lost[which] += mp_pool_places_lost(p->places) + take(&p->objects.users_lost) +
				  take(&p->no_objects.users_lost);
	if (which == LIMIT_THREADS)
		p->lost[which] = take(&p->objects.tids_lost) + take(&p->no_objects.tids_lost);
	*lost = p->lost[which];
	p->lost[which] = 0;
	return limit_names[which];
}
