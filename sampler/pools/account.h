/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_POOLS_ACCOUNT_H
#define MP_SAMPLER_POOLS_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sampler/index.h"
#include "sampler/pools/hist.h"
#include "sampler/pools/order.h"
#include "store/append_pool.h"

/*
 * The account of one pool: its objects by address, what is out, who took it, and the figures that come of it.
 * It knows nothing of the session; sampler/pools/pools.c writes what stands here. One thread.
 */

/* An object that the pool gave out, or that was put into it. */
struct mp_pool_object {
	uint64_t ptr;
	uint64_t bytes; /* asked for */
	int64_t t_ns;   /* of its last get */
	pid_t tid;      /* which did that */
	uint32_t site;  /* number of it in the account; 0: not known */
	bool is_out;
	bool was_given; /* ever */
};

/* A place in the program that takes objects out. */
struct mp_pool_user {
	uint32_t place; /* of sampler/pools/places.h */
	uint64_t gets, holds, hold_sum_ns, hold_max_ns;
	struct mp_pool_hist hold;
	uint64_t held, at_high_water;
};

struct mp_pool_account {
	/* How full it is. */
	int64_t in_use, in_use_bytes;
	bool tells_bytes;
	int64_t most_bytes, requested_bytes;
	uint64_t given;  /* objects that were out once */
	bool is_whole;   /* seen since it was made: what it did not give out is foreign */
	bool has_gaps;   /* gets and puts were lost: what looks wrong may be right, and only counts */
	bool is_counted; /* of some gets and puts only how many objects they were of is told */
	struct mp_pool_sum sum;
	uint32_t high_place; /* of the get that made it the most */
	bool is_rising;      /* it has never been so full: at_high_water is yet to be told */

	/* In this slot. */
	bool is_used;
	bool was_highest; /* more than ever before */
	struct mp_pool_use use;
	struct mp_pool_hist get_hist, put_hist, hold_hist;

	struct mp_pool_object *objects; /* [number - 1] */
	uint32_t *turn_of;              /* likewise: its turn in `order`; 0: not in the pool */
	size_t objects_room, turns_room;
	struct mp_index object_index;
	struct mp_pool_order order;

	struct mp_pool_user *users; /* [number - 1], by place */
	size_t users_room;
	struct mp_index user_index;

	pid_t *tids;
	size_t tids_room;
	struct mp_index tid_index;

	uint64_t *depth; /* reuse depths: by bucket of store/histogram.h */
};

/* How many objects, places and threads all accounts may know, and do. `max` 0: objects are not known at all,
 * and whoever has the account tells when bytes are back (mp_pool_account_return). */
struct mp_pool_limit {
	size_t max, n;
	uint64_t lost; /* objects that found no room: their gets and puts count, no more */
	size_t users_max, users, tids_max, tids;
	uint64_t users_lost, tids_lost; /* gets whose place, thread found no room */
};

void mp_pool_account_free(struct mp_pool_account *a, struct mp_pool_limit *limit);

/* What a get or put turned out to be. */
enum mp_pool_finding {
	MP_POOL_FINE,
	MP_POOL_TWICE,   /* a get of what is out */
	MP_POOL_DOUBLE,  /* a put of what was put back already */
	MP_POOL_UNKNOWN, /* a put of what this pool was not seen to give out */
};

struct mp_pool_deed {
	uint64_t ptr, bytes;
	pid_t tid;
	int64_t t_ns, dur_ns; /* dur_ns < 0: not told */
	uint32_t place;
	uint64_t count; /* of mp_pool_account_get_many() and put_many(): objects */
};

enum mp_pool_finding mp_pool_account_get(
    struct mp_pool_account *a, const struct mp_pool_deed *d, struct mp_pool_limit *limit);
enum mp_pool_finding mp_pool_account_put(
    struct mp_pool_account *a, const struct mp_pool_deed *d, struct mp_pool_limit *limit);

/*
 * So many objects at once, `d->count`, of which no more is known: neither who holds them nor for how long, in
 * which order they are used again, nor whether they were out; `d->ptr` and `d->bytes` do not count. Durations
 * are those of calls. What is put into a pool that was seen since it was made before anything was taken out
 * is its stock, and no put.
 *
 * Returned, of a put: how many more than were out of a pool that was seen since it was made: foreign ones.
 */
void mp_pool_account_get_many(
    struct mp_pool_account *a, const struct mp_pool_deed *d, struct mp_pool_limit *limit);
uint64_t mp_pool_account_put_many(struct mp_pool_account *a, const struct mp_pool_deed *d);

/* What a put of MP_POOL_UNKNOWN was. Older: the object was out before the recording began, and is not now. */
void mp_pool_account_foreign(struct mp_pool_account *a);
void mp_pool_account_older(
    struct mp_pool_account *a, const struct mp_pool_deed *d, struct mp_pool_limit *limit);

/* A get found nothing. `free`: what there should have been; < 0: not known. */
void mp_pool_account_empty(struct mp_pool_account *a, int64_t free, int64_t dur_ns);

/* All that is out is back (an arena is cleared) at `t_ns`: that were so many. */
int64_t mp_pool_account_clear(struct mp_pool_account *a, int64_t t_ns);

/* Only their number is known, as of `t_ns`. */
void mp_pool_account_lost(struct mp_pool_account *a, uint64_t gets, uint64_t puts, int64_t t_ns);

/* So many objects, of which no more is known, are back. */
void mp_pool_account_return(struct mp_pool_account *a, int64_t objects, int64_t bytes);

/* Is this object out? */
bool mp_pool_account_has_out(const struct mp_pool_account *a, uint64_t ptr);

/* Completes a->sum: what is costly to know (cache lines and pages, for objects of `object_bytes`; <= 0: not
 * known) only when the pool or the recording ends. */
void mp_pool_account_sum(struct mp_pool_account *a, int64_t object_bytes, bool is_end);

/* When the oldest object that this user holds was taken; 0: it holds none. Looks at all objects. */
int64_t mp_pool_account_oldest(const struct mp_pool_account *a, uint32_t user);

#endif
