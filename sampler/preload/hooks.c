/* SPDX-License-Identifier: MIT */
/* The interposed functions of C. */
#include <errno.h>
#include <stdlib.h>

#include "sampler/preload/hook.h"
#include "sampler/preload/real.h"

TWIN void *record_malloc(size_t size)
{
	void *p;

	RECORD(MP_OP_MALLOC, size, ADDR(p), p = mp_real.malloc(size));
	return p;
}

EXPORT void *malloc(size_t size)
{
	return mp_is_dormant(&mp_self) ? mp_real.malloc(size) : record_malloc(size);
}

TWIN void *record_calloc(size_t n, size_t size)
{
	void *p;

	RECORD(MP_OP_CALLOC, n * size, ADDR(p), p = mp_real.calloc(n, size));
	return p;
}

EXPORT void *calloc(size_t n, size_t size)
{
	return mp_is_dormant(&mp_self) ? mp_real.calloc(n, size) : record_calloc(n, size);
}

COLD_TWIN void *record_followed_realloc(void *old, size_t size)
{
	bool was_followed = mp_take_followed(ADDR(old));
	void *p;

	RECORD_GIVEN(MP_OP_REALLOC, size, ADDR(p), old, was_followed, p = mp_real.realloc(old, size));
	return p;
}

TWIN void *record_realloc(void *old, size_t size)
{
	void *p;

	if (mp_may_be_followed(ADDR(old)))
		return record_followed_realloc(old, size);
	RECORD_GIVEN(MP_OP_REALLOC, size, ADDR(p), old, false, p = mp_real.realloc(old, size));
	return p;
}

EXPORT void *realloc(void *old, size_t size)
{
	return mp_is_dormant(&mp_self) ? mp_real.realloc(old, size) : record_realloc(old, size);
}

COLD_TWIN void *record_followed_reallocarray(void *old, size_t n, size_t size)
{
	bool was_followed = mp_take_followed(ADDR(old));
	void *p;

	RECORD_GIVEN(
	    MP_OP_REALLOCARRAY, n * size, ADDR(p), old, was_followed, p = mp_real.reallocarray(old, n, size));
	return p;
}

TWIN void *record_reallocarray(void *old, size_t n, size_t size)
{
	void *p;

	if (mp_may_be_followed(ADDR(old)))
		return record_followed_reallocarray(old, n, size);
	RECORD_GIVEN(
	    MP_OP_REALLOCARRAY, n * size, ADDR(p), old, false, p = mp_real.reallocarray(old, n, size));
	return p;
}

EXPORT void *reallocarray(void *old, size_t n, size_t size)
{
	return mp_is_dormant(&mp_self) ? mp_real.reallocarray(old, n, size)
				       : record_reallocarray(old, n, size);
}

COLD_TWIN void record_followed_free(void *p)
{
	bool was_followed = mp_take_followed(ADDR(p));

	RECORD_GIVEN(MP_OP_FREE, 0, ADDR(p), p, was_followed, mp_real.free(p));
}

/* free(NULL) is no call (store/op.h). */
TWIN void record_free(void *p)
{
	if (MP_UNLIKELY(!p))
		return;
	if (mp_may_be_followed(ADDR(p)))
		record_followed_free(p);
	else
		RECORD(MP_OP_FREE, 0, ADDR(p), mp_real.free(p));
}

EXPORT void free(void *p)
{
	if (mp_is_dormant(&mp_self))
		mp_real.free(p);
	else
		record_free(p);
}

TWIN int record_posix_memalign(void **p, size_t alignment, size_t size)
{
	int ret;

	RECORD(
	    MP_OP_POSIX_MEMALIGN, size, ret ? 0 : ADDR(*p), ret = mp_real.posix_memalign(p, alignment, size));
	return ret;
}

EXPORT int posix_memalign(void **p, size_t alignment, size_t size)
{
	return mp_is_dormant(&mp_self) ? mp_real.posix_memalign(p, alignment, size)
				       : record_posix_memalign(p, alignment, size);
}

TWIN void *record_aligned_alloc(size_t alignment, size_t size)
{
	void *p;

	RECORD(MP_OP_ALIGNED_ALLOC, size, ADDR(p), p = mp_real.aligned_alloc(alignment, size));
	return p;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	return mp_is_dormant(&mp_self) ? mp_real.aligned_alloc(alignment, size)
				       : record_aligned_alloc(alignment, size);
}

TWIN void *record_memalign(size_t alignment, size_t size)
{
	void *p;

	RECORD(mp_real.memalign_op, size, ADDR(p), p = mp_real.memalign(alignment, size));
	return p;
}

EXPORT void *memalign(size_t alignment, size_t size);
EXPORT void *memalign(size_t alignment, size_t size)
{
	return mp_is_dormant(&mp_self) ? mp_real.memalign(alignment, size) : record_memalign(alignment, size);
}

TWIN void *record_valloc(size_t size)
{
	void *p;

	RECORD(MP_OP_VALLOC, size, ADDR(p), p = mp_real.valloc(size));
	return p;
}

EXPORT void *valloc(size_t size)
{
	return mp_is_dormant(&mp_self) ? mp_real.valloc(size) : record_valloc(size);
}

TWIN void *record_pvalloc(size_t size)
{
	void *p;

	RECORD(MP_OP_PVALLOC, size, ADDR(p), p = mp_real.pvalloc(size));
	return p;
}

EXPORT void *pvalloc(size_t size);
EXPORT void *pvalloc(size_t size)
{
	return mp_is_dormant(&mp_self) ? mp_real.pvalloc(size) : record_pvalloc(size);
}
