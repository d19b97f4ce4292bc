/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_SAMPLES_OBJECTS_H
#define MP_SAMPLER_SAMPLES_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Which allocation held an address at a time. Births, deaths and questions are told in any order, each with
 * its time; mp_objects_settle() puts those up to a time in order and answers. A block is alive from the
 * return of the call that allocates it to the entry of the one that releases it: so an address that is used
 * again is never in two. What a thread touches inside the call that allocates a block (calloc clears it,
 * malloc notes its size before it) is that block's, too. One thread.
 */
struct mp_objects;

/* A live allocation. */
struct mp_object {
	uint64_t addr, size_bytes;
	int64_t born_ns;
	pid_t tid;
	int64_t stack_id;  /* of its allocation; 0: only `caller` is known, or nothing */
	uint64_t caller;   /* the return address of the call; 0: not known */
	int64_t object_id; /* the asker's, 0 at first */
};

struct mp_birth {
	uint64_t addr, size_bytes;
	int64_t start_ns, end_ns; /* of the call */
	pid_t tid;
	int64_t stack_id;
	uint64_t caller;
};

/* Why there is no object. */
enum mp_no_object {
	MP_NEVER_COVERED, /* no block that was born here has held the address */
	MP_NOT_COVERED,   /* one did, earlier */
};

struct mp_objects_answers {
	/* Of mp_objects_ask(), in the order of time but for those that wait for a call to return. `object`
	 * may be changed by object_id; NULL: none, and why. */
	void (*answer)(void *ctx, void *question, struct mp_object *object, enum mp_no_object why);
	/* An object with an object_id was released. */
	void (*died)(void *ctx, const struct mp_object *object, int64_t t_ns);
	void *ctx;
};

/* NULL without memory. */
struct mp_objects *mp_objects_new(const struct mp_objects_answers *answers);
/* What has not been answered is not any more. */
void mp_objects_free(struct mp_objects *o);

/* False: no room, and counted (mp_objects_lost()). */
bool mp_objects_born(struct mp_objects *o, const struct mp_birth *b);
bool mp_objects_died(struct mp_objects *o, uint64_t addr, int64_t t_ns, pid_t tid);
bool mp_objects_ask(struct mp_objects *o, uint64_t addr, int64_t t_ns, pid_t tid, void *question);

/* All births and deaths up to then have been told. INT64_MAX: nothing more comes, all questions are answered.
 */
void mp_objects_settle(struct mp_objects *o, int64_t up_to_ns);

size_t mp_objects_alive(const struct mp_objects *o);

/* Births and deaths that found no room, and live objects whose place another one took: since it was last
 * asked. */
uint64_t mp_objects_lost(struct mp_objects *o);

#endif
