/* SPDX-License-Identifier: MIT */
#ifndef MP_PRELOAD_THREAD_H
#define MP_PRELOAD_THREAD_H

/*
 * What the library keeps of each thread, and the way into and out of recording a call. The thread itself
 * only, also from its signal handlers. Initial-exec TLS: reading it never allocates.
 */
#include "sampler/preload/region.h"
#include "sampler/preload/ticks.h"

struct mp_self {
	/* Where the word is that says whether somebody records, all that a dormant call looks at: so far
	 * behind mp_word_of_strangers. 0, as all of a new thread is: its first call is to come. In a child
	 * that the C library knows nothing of it is the parent's, until a call that was to be recorded finds
	 * the fork guard. */
	uintptr_t word_at;
	struct mp_slot *slot;  /* to record into; NULL while a call is being recorded, and without a slot */
	struct mp_slot *owned; /* the same, whether a call is being recorded or not */
	uint64_t frame;        /* of the interposed function that is being recorded; 0: none */
	uint64_t nested_in;    /* that call, by the number of those before it */
	uint32_t nested;       /* others that were called in it */
	bool is_storing;       /* the real function has returned, the call is being written down */
	bool is_ending;        /* its destructors have run */
};

extern __thread struct mp_self mp_self __attribute__((tls_model("initial-exec")));

/* Never dormant: of threads before their first call, and after their destructors have run. */
extern __attribute__((visibility("hidden"))) const uint32_t mp_word_of_strangers;

MP_INLINE bool mp_thread_is_known(const struct mp_self *self)
{
	return self->word_at != 0;
}

/* The thread's first call: makes the region, claims a slot. Keeps errno. */
void mp_thread_first_call(struct mp_self *self) __attribute__((cold));

/* For a call that cannot simply be recorded: the slot when it can after all, else NULL. */
struct mp_slot *mp_thread_consider(struct mp_self *self, uint64_t frame) __attribute__((cold));

/* What the calling thread allocates between these two is the library's own: it is not recorded. */
void mp_thread_begin_own(void);
void mp_thread_end_own(void);

/* Once, when the library is loaded; and in a forked child. */
void mp_thread_init(void);
void mp_thread_in_child(void);

/* Whether the calling thread has nothing to do but to pass the call on. */
MP_INLINE bool mp_is_dormant(const struct mp_self *self)
{
	uintptr_t word = (uintptr_t)&mp_word_of_strangers + self->word_at;

	return MP_LIKELY(!(mp_load((const uint32_t *)word) & MP_WORD_MODE));
}

struct mp_recording {
	struct mp_self *self;
	struct mp_slot *slot;
	uint64_t frame;
	uint32_t word;
};

#define MP_BARRIER() __asm__ volatile("" ::: "memory") /* to the compiler, for our own signal handlers */

/* False: the call is not recorded. Else mp_end() has to follow. `frame` as for mp_stacks_push(). */
MP_INLINE bool mp_begin(struct mp_recording *c, uint64_t frame)
{
	struct mp_self *self = &mp_self;
	uint32_t word = mp_region_word();
	struct mp_slot *s = self->slot;

	if (MP_UNLIKELY(!s) || MP_UNLIKELY(s->word != word)) {
		s = mp_thread_consider(self, frame);
		if (!s)
			return false;
		word = s->word;
	}
	self->slot = NULL;
	self->frame = frame;
	MP_BARRIER();
	*c = (struct mp_recording){self, s, frame, word};
	return true;
}

/* Whether a block that is about to be released may be a followed one: then it is for a twin of its own to
 * record, which the others only jump to, for it may be as slow as it likes. */
MP_INLINE bool mp_may_be_followed(uint64_t addr)
{
	return MP_UNLIKELY(mp_track_may_have(&mp_region->tracked, addr));
}

/* Of that twin, before the real function is called. What is not recorded is taken out all the same: the
 * recorder sees that it is gone. */
MP_COLD bool mp_take_followed(uint64_t addr)
{
	return addr && mp_region_word() & MP_WORD_MODE && mp_track_take(&mp_region->tracked, addr);
}

/* The call returned: the caller may go on counting, or drop it. */
MP_INLINE void mp_end(const struct mp_recording *c)
{
	MP_BARRIER();
	c->self->is_storing = false;
	c->self->frame = 0;
	MP_BARRIER();
	c->self->slot = c->slot;
}

MP_INLINE void mp_end_call(
    const struct mp_recording *c, uint32_t op, uint64_t size, uint64_t addr, struct mp_stamps at)
{
	/* A signal handler that was called meanwhile, on a stack above this one, was recorded for itself, and
	 * has put the slot back: the next one must not find it. */
	c->self->slot = NULL;
	c->self->is_storing = true;
	MP_BARRIER();
	/* Unless a signal handler forked meanwhile, past the C library, and this is the child: the slot is
	 * its parent's. In a child of fork() it is cut off from that (mp_region_in_child). */
	if (MP_LIKELY(mp_load(&mp_fork_guard.mask)))
		mp_record_call(mp_region, c->slot, op, size, addr, at, c->frame);
	mp_end(c);
}

#endif
