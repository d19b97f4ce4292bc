/* SPDX-License-Identifier: MIT */
/*
 * The operators of C++, by their mangled names (Itanium C++ ABI), for allocators that bring their own
 * (jemalloc, tcmalloc, mimalloc). Those of the usual runtimes are a malloc or a free and something around it:
 * they are passed on, and counted there. Which sort one is shows at its first call that is recorded.
 */
#include "sampler/preload/operators.h"

#include <stddef.h>
#include <stdlib.h>

#include "sampler/preload/hook.h"
#include "sampler/preload/real.h"

enum sort { NOT_KNOWN, FORWARDS, ALLOCATES };

/* Arguments are those of a register machine: what an operator does not take is passed on all the same. */
typedef void *(*operator_fn)(uint64_t, uint64_t, uint64_t);

#define OPERATORS(X)                                                                                         \
	X(_Znwm, MP_OP_NEW, false)                                                                           \
	X(_Znam, MP_OP_NEW, false)                                                                           \
	X(_ZnwmRKSt9nothrow_t, MP_OP_NEW, false)                                                             \
	X(_ZnamRKSt9nothrow_t, MP_OP_NEW, false)                                                             \
	X(_ZnwmSt11align_val_t, MP_OP_NEW, true)                                                             \
	X(_ZnamSt11align_val_t, MP_OP_NEW, true)                                                             \
	X(_ZnwmSt11align_val_tRKSt9nothrow_t, MP_OP_NEW, true)                                               \
	X(_ZnamSt11align_val_tRKSt9nothrow_t, MP_OP_NEW, true)                                               \
	X(_ZdlPv, MP_OP_DELETE, false)                                                                       \
	X(_ZdaPv, MP_OP_DELETE, false)                                                                       \
	X(_ZdlPvm, MP_OP_DELETE, false)                                                                      \
	X(_ZdaPvm, MP_OP_DELETE, false)                                                                      \
	X(_ZdlPvRKSt9nothrow_t, MP_OP_DELETE, false)                                                         \
	X(_ZdaPvRKSt9nothrow_t, MP_OP_DELETE, false)                                                         \
	X(_ZdlPvSt11align_val_t, MP_OP_DELETE, true)                                                         \
	X(_ZdaPvSt11align_val_t, MP_OP_DELETE, true)                                                         \
	X(_ZdlPvmSt11align_val_t, MP_OP_DELETE, true)                                                        \
	X(_ZdaPvmSt11align_val_t, MP_OP_DELETE, true)                                                        \
	X(_ZdlPvSt11align_val_tRKSt9nothrow_t, MP_OP_DELETE, true)                                           \
	X(_ZdaPvSt11align_val_tRKSt9nothrow_t, MP_OP_DELETE, true)

struct operator
{
	operator_fn real; /* NULL: not looked for yet, or there is none */
	const char *name;
	uint32_t op;
	enum sort sort;
	bool is_aligned, is_absent;
};

#define INDEX_OF(symbol, which, aligned) OF##symbol,
enum { OPERATORS(INDEX_OF) OPERATOR_COUNT };

#define ROW_OF(symbol, which, aligned) {.name = #symbol, .op = which, .is_aligned = aligned},
static struct operator operators[OPERATOR_COUNT] = {OPERATORS(ROW_OF)};

/* ---- The real one ---- */

/* At load at the latest: whoever asks the dynamic linker later may wait for a thread that holds its lock
 * while it loads a library, and that waits for us. */
static __attribute__((noinline, cold)) operator_fn look_up(struct operator* o)
{
	if (o->is_absent)
		return NULL;
	mp_thread_begin_own();
	operator_fn real = (operator_fn)mp_real_operator(o->name);
	mp_thread_end_own();
	o->is_absent = !real;
	__atomic_store_n(&o->real, real, __ATOMIC_RELAXED);
	return real;
}

void mp_operators_init(void)
{
	for (unsigned int i = 0; i < OPERATOR_COUNT; i++)
		if (!operators[i].real)
			look_up(&operators[i]);
}

MP_INLINE operator_fn real_of(struct operator* o)
{
	operator_fn real = __atomic_load_n(&o->real, __ATOMIC_RELAXED);

	return MP_LIKELY(real) ? real : look_up(o);
}

/*
 * A program in C has no operators until it loads a plugin in C++, whose runtime's are out of reach for
 * RTLD_NEXT, may be its own, and may be gone with it: here is what they all do. Only when that fails they are
 * asked themselves, to call the new-handler and throw.
 */
static __attribute__((noinline, cold)) void *without_runtime(
    const struct operator* o, uint64_t a, uint64_t b, uint64_t c, void *caller)
{
	uint64_t size = a ? a : 1, alignment = b > sizeof(void *) ? b : sizeof(void *);

	if (o->op == MP_OP_DELETE) {
		free((void *)(uintptr_t)a);
		return NULL;
	}
	void *p = !o->is_aligned        ? malloc(size)
		  : size <= PTRDIFF_MAX ? aligned_alloc(alignment, (size + alignment - 1) & -alignment)
					: NULL;
	if (p)
		return p;
	mp_thread_begin_own();
	operator_fn real = (operator_fn)mp_real_operator_of(o->name, caller);
	mp_thread_end_own();
	return real(a, b, c);
}

/* ---- Recording ---- */

MP_INLINE void end(const struct mp_recording *c, uint32_t op, uint64_t a, void *p, struct mp_stamps at)
{
	if (op == MP_OP_NEW)
		mp_end_call(c, op, a, ADDR(p), at);
	else
		mp_end_call(c, op, 0, a, at);
}

/*
 * The real one is called outside of any recording: it may throw, and then never comes back to end one. Such a
 * call is not counted. If the first one counted something meanwhile, that was the malloc or free behind it,
 * and if not, it is the operator that has to be counted.
 */
MP_INLINE void *record(
    uint64_t a, uint64_t b, uint64_t c, struct operator* o, bool was_followed, uint64_t frame)
{
	const struct mp_slot *s = mp_self.slot;
	uint64_t before = s ? s->calls : 0;
	uint32_t word = mp_region_word();
	struct mp_recording recording;
	struct mp_stamps at = {.is_tracked = was_followed};

	at.start = mp_ticks(word);
	void *p = o->real(a, b, c);
	at.end = mp_ticks(word);
	if (MP_UNLIKELY(o->sort == NOT_KNOWN)) {
		if (!s || s != mp_self.slot || !(word & MP_WORD_MODE) || word != mp_region_word())
			return p; /* what is behind it may have gone by uncounted */
		o->sort = s->calls == before ? ALLOCATES : FORWARDS;
	}
	if (o->sort == ALLOCATES && mp_begin(&recording, frame))
		end(&recording, o->op, a, p, at);
	return p;
}

COLD_TWIN void *record_followed_operator(uint64_t a, uint64_t b, uint64_t c, struct operator* o)
{
	return record(a, b, c, o, mp_take_followed(a), FRAME);
}

/* What free() sees is left to it. */
TWIN void *record_operator(uint64_t a, uint64_t b, uint64_t c, struct operator* o)
{
	if (o->op == MP_OP_DELETE && o->sort == ALLOCATES && mp_may_be_followed(a))
		return record_followed_operator(a, b, c, o);
	return record(a, b, c, o, false, FRAME);
}

#define DEFINE(symbol, which, aligned)                                                                       \
	EXPORT void *symbol(uint64_t a, uint64_t b, uint64_t c);                                             \
	EXPORT void *symbol(uint64_t a, uint64_t b, uint64_t c)                                              \
	{                                                                                                    \
		struct operator* o = & operators[OF##symbol];                                                \
                                                                                                             \
		if (which == MP_OP_DELETE && MP_UNLIKELY(!a)) /* no call (store/op.h) */                     \
			return NULL;                                                                         \
		operator_fn real = real_of(o);                                                               \
		if (MP_UNLIKELY(!real))                                                                      \
			return without_runtime(o, a, b, c, __builtin_return_address(0));                     \
		if (o->sort == FORWARDS || mp_is_dormant(&mp_self))                                          \
			return real(a, b, c);                                                                \
		return record_operator(a, b, c, o);                                                          \
	}

OPERATORS(DEFINE)
