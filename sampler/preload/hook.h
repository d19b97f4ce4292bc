/* SPDX-License-Identifier: MIT */
#ifndef MP_PRELOAD_HOOK_H
#define MP_PRELOAD_HOOK_H

/*
 * What an interposed function is made of. It passes the call on at once while nobody records; the recording
 * twin beside it is jumped to, so that its frame is the one above the caller's.
 */
#include "sampler/preload/thread.h"

#define EXPORT __attribute__((visibility("default")))
/* Keeps its frame pointer, while the function that jumps to it needs none (Makefile). */
#define TWIN static __attribute__((noinline, optimize("no-omit-frame-pointer")))
/* The one of a block that may be followed. */
#define COLD_TWIN TWIN __attribute__((cold))
#define FRAME     ((uint64_t)__builtin_frame_address(0))
#define ADDR(p)   ((uint64_t)(uintptr_t)(p))

/*
 * The stamps are the first and the last thing done around the real call. `call` is an expression that sets
 * what `addr` speaks of.
 */
#define RECORD(op, size, addr, call) RECORD_GIVEN(op, size, addr, NULL, false, call)

/*
 * The same of a call that is given a block, and may return it or another. `was_followed`: mp_take_followed()
 * of it, which has been called before the allocator can give its address to another thread.
 */
#define RECORD_GIVEN(op, size, addr, block, was_followed, call)                                              \
	do {                                                                                                 \
		struct mp_recording c_;                                                                      \
		if (!mp_begin(&c_, FRAME)) {                                                                 \
			call;                                                                                \
			break;                                                                               \
		}                                                                                            \
		struct mp_stamps at_ = {                                                                     \
		    .given = (uint64_t)(uintptr_t)(block), .is_tracked = (was_followed)};                    \
		at_.start = mp_ticks(c_.word);                                                               \
		call;                                                                                        \
		at_.end = mp_ticks(c_.word);                                                                 \
		mp_end_call(&c_, op, size, addr, at_);                                                       \
	} while (0)

#endif
