/* SPDX-License-Identifier: MIT */
/*
 * The operators of C++, by their mangled names (Itanium C++ ABI), for allocators that bring their own
 * (jemalloc, tcmalloc, mimalloc). Those of the usual runtimes are a malloc or a free and something around it:
 * they are passed on, and counted there. Which sort one is shows at its first call that is recorded.
 */
#include "sampler/preload/hook.h"
#include "sampler/preload/real.h"

enum sort { NOT_KNOWN, FORWARDS, ALLOCATES };

/* Arguments are those of a register machine: what an operator does not take is passed on all the same. */
typedef void *(*operator_fn)(uint64_t, uint64_t, uint64_t);

struct operator
{
	operator_fn real;
	const char *name;
	uint32_t op;
	enum sort sort;
};

static __attribute__((noinline, cold)) operator_fn look_up(struct operator* o, void *caller)
{
	operator_fn real = (operator_fn)mp_real_operator(o->name, caller);

	__atomic_store_n(&o->real, real, __ATOMIC_RELAXED);
	return real;
}

MP_INLINE operator_fn real_of(struct operator* o, void *caller)
{
	operator_fn real = __atomic_load_n(&o->real, __ATOMIC_RELAXED);

	return MP_LIKELY(real) ? real : look_up(o, caller);
}

MP_INLINE void end(const struct mp_recording *c, uint32_t op, uint64_t a, void *p, struct mp_stamps at)
{
	if (op == MP_OP_NEW)
		mp_end_call(c, op, a, ADDR(p), at);
	else
		mp_end_call(c, op, 0, a, at);
}

/* Calls it outside of any recording: if that counts something, it was malloc or free behind it, and if not,
 * it is the operator that has to be counted. */
static __attribute__((noinline, cold)) void *learn(
    struct operator* o, uint64_t a, uint64_t b, uint64_t c, uint64_t frame)
{
	const struct mp_slot *s = mp_self.slot;
	uint64_t before = s ? s->calls : 0;
	struct mp_recording recording;
	struct mp_stamps at;

	at.start = mp_ticks(mp_region_word());
	void *p = o->real(a, b, c);
	at.end = mp_ticks(mp_region_word());
	if (!s || s != mp_self.slot)
		return p;
	o->sort = s->calls == before ? ALLOCATES : FORWARDS;
	if (o->sort == ALLOCATES && mp_begin(&recording, frame))
		end(&recording, o->op, a, p, at);
	return p;
}

TWIN void *record_operator(uint64_t a, uint64_t b, uint64_t c, struct operator* o)
{
	struct mp_recording recording;
	struct mp_stamps at;

	if (MP_UNLIKELY(o->sort == NOT_KNOWN) && mp_self.slot)
		return learn(o, a, b, c, FRAME);
	if (!mp_begin(&recording, FRAME))
		return o->real(a, b, c);
	at.start = mp_ticks(recording.word);
	void *p = o->real(a, b, c);
	at.end = mp_ticks(recording.word);
	end(&recording, o->op, a, p, at);
	return p;
}

#define OPERATOR(symbol, which)                                                                              \
	EXPORT void *symbol(uint64_t a, uint64_t b, uint64_t c);                                             \
	EXPORT void *symbol(uint64_t a, uint64_t b, uint64_t c)                                              \
	{                                                                                                    \
		static struct operator o = {.name = #symbol, .op = which};                                   \
		operator_fn real = real_of(&o, __builtin_return_address(0));                                 \
                                                                                                             \
		if (which == MP_OP_DELETE && MP_UNLIKELY(!a)) /* no call (store/op.h) */                     \
			return NULL;                                                                         \
		if (o.sort == FORWARDS || mp_is_dormant(&mp_self))                                           \
			return real(a, b, c);                                                                \
		return record_operator(a, b, c, &o);                                                         \
	}

OPERATOR(_Znwm, MP_OP_NEW)
OPERATOR(_Znam, MP_OP_NEW)
OPERATOR(_ZnwmRKSt9nothrow_t, MP_OP_NEW)
OPERATOR(_ZnamRKSt9nothrow_t, MP_OP_NEW)
OPERATOR(_ZnwmSt11align_val_t, MP_OP_NEW)
OPERATOR(_ZnamSt11align_val_t, MP_OP_NEW)
OPERATOR(_ZnwmSt11align_val_tRKSt9nothrow_t, MP_OP_NEW)
OPERATOR(_ZnamSt11align_val_tRKSt9nothrow_t, MP_OP_NEW)
OPERATOR(_ZdlPv, MP_OP_DELETE)
OPERATOR(_ZdaPv, MP_OP_DELETE)
OPERATOR(_ZdlPvm, MP_OP_DELETE)
OPERATOR(_ZdaPvm, MP_OP_DELETE)
OPERATOR(_ZdlPvRKSt9nothrow_t, MP_OP_DELETE)
OPERATOR(_ZdaPvRKSt9nothrow_t, MP_OP_DELETE)
OPERATOR(_ZdlPvSt11align_val_t, MP_OP_DELETE)
OPERATOR(_ZdaPvSt11align_val_t, MP_OP_DELETE)
OPERATOR(_ZdlPvmSt11align_val_t, MP_OP_DELETE)
OPERATOR(_ZdaPvmSt11align_val_t, MP_OP_DELETE)
OPERATOR(_ZdlPvSt11align_val_tRKSt9nothrow_t, MP_OP_DELETE)
OPERATOR(_ZdaPvSt11align_val_tRKSt9nothrow_t, MP_OP_DELETE)
