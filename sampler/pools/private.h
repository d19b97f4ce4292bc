/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_POOLS_PRIVATE_H
#define MP_SAMPLER_POOLS_PRIVATE_H

/* What pools.c, which applies events to the pools, and rows.c, which writes what comes of it, share. */
#include "sampler/index.h"
#include "sampler/pools/account.h"
#include "sampler/pools/places.h"
#include "sampler/pools/pools.h"
#include "sampler/time_queue.h"
#include "store/append_pool.h"

enum limit {
	LIMIT_WAITING,
	LIMIT_POOLS,
	LIMIT_OBJECTS,
	LIMIT_EVENTS,
	LIMIT_PLACES,
	LIMIT_THREADS,
	LIMIT_UNTOLD,
	LIMIT_COUNTS,
	LIMITS
};

/* What few events tell. */
struct birth {
	char name[MP_POOL_NAME_BYTES];
};

struct waiting {
	struct mp_timed at;
	int64_t dur_ns;
	uint64_t pool, ptr, bytes;
	int64_t capacity, object_bytes;
	struct birth *birth; /* NULL: none; freed when it is applied */
	uint32_t place;
	pid_t tid;
	uint8_t kind;
	bool counts; /* `ptr` is a number of objects */
	uint16_t group;
};

struct pool {
	uint64_t handle;
	unsigned int group;
	int64_t pool_id;                /* 0: none is there now */
	int64_t capacity, object_bytes; /* < 0: not known */
	bool is_rest;                   /* it stands for all of its group that are not told apart */
	int64_t doubt_ns;               /* gets and puts of it up to then were lost */
	struct mp_pool_account account;
};

/* One of those that are not told apart. */
struct instance {
	uint64_t handle;
	unsigned int group;
	bool is_new; /* it was seen to be made, and nothing was taken out: its stock is put in */
	int64_t out, bytes;
};

/* A row whose stack is not known yet. */
struct held {
	struct mp_pool_event_row row;
	uint32_t place;
};

struct mp_pools {
	struct mp_session *session;
	const struct mp_pool_kind *kinds;
	size_t n_kinds;
	struct mp_pool_places *places;
	struct mp_time_queue queue;

	struct pool *pools; /* [number - 1] */
	size_t pools_room;
	struct mp_index pool_index; /* by group and handle */
	uint32_t *rows;             /* by group: pools that have a row */
	uint32_t *rest;             /* by group: number of the pool that stands for the rest; 0: none */
	struct instance *instances;
	size_t instances_room;
	struct mp_index instance_index;
	struct mp_pool_limit objects, no_objects;
	uint64_t objects_told;

	struct held *held;
	size_t n_held, held_room;

	int64_t slot_ns, end_ns; /* of the slot that is applied next */
	bool has_begun;
	uint64_t slots, rows_made;
	int64_t doubt_ns; /* up to then something was lost of nobody knows which pool */
	uint64_t lost[LIMITS];
	struct mp_err *err; /* of the call that is under way */
};

/* ---- rows.c: each 0, or the failure of the session ---- */

/* A row of v_pool_event; held back until the place's stack is known, which mp_pools_put_held() looks for. */
int mp_pools_event(
    struct mp_pools *p, const struct pool *pool, const struct waiting *w, const char *kind, int64_t n);
int mp_pools_put_held(struct mp_pools *p, bool all);

/* What a pool did in this slot; what it did so far, and at its end with what is costly to know; its places.
 */
int mp_pools_put_slot(struct mp_pools *p, struct pool *pool);
int mp_pools_put_sum(struct mp_pools *p, struct pool *pool, bool is_end);
int mp_pools_put_sites(struct mp_pools *p, struct pool *pool);

#endif
