/* SPDX-License-Identifier: MIT */
#include "sampler/preload/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * dlsym() may allocate: that of glibc before 2.34 does, and so does every failed look-up. What asks before
 * malloc itself is known gets memory from here, which no allocator knows: it is never freed.
 *
 * Elsewhere nothing asks. The first thread that knows the allocator then closes this for good, and free and
 * realloc are the allocator's own. Else they stay those below, which look at the address.
 */
#define EARLY_BYTES  16384
#define EARLY_CLOSED ((size_t)1 << 62) /* of early_used, and above */

static unsigned char early[EARLY_BYTES] __attribute__((aligned(16)));
static size_t early_used;

/* Those of the allocator; NULL before they are known. */
static void *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);

static bool is_early(const void *p)
{
	return (uintptr_t)p - (uintptr_t)early < EARLY_BYTES;
}

/* Who finds it closed, by another thread, sees the allocator's own malloc, too: close_early() comes after. */
static void *early_malloc(size_t size)
{
	size_t rounded = (size + 31) & ~(size_t)15; /* the size stands before the block, for realloc */

	if (size > EARLY_BYTES)
		return NULL;
	size_t at = __atomic_fetch_add(&early_used, rounded, __ATOMIC_ACQUIRE);
	if (at >= EARLY_CLOSED)
		return mp_real.malloc(size);
	if (at + rounded > EARLY_BYTES)
		return NULL;
	*(size_t *)(early + at) = size;
	return early + at + 16;
}

static void *early_calloc(size_t n, size_t size)
{
	size_t bytes;
	void *p = __builtin_mul_overflow(n, size, &bytes) ? NULL : early_malloc(bytes);

	return p ? memset(p, 0, bytes) : NULL;
}

/* For good, once malloc is known; false: some is in use. */
static bool close_early(void)
{
	size_t used = 0;

	return __atomic_compare_exchange_n(
		   &early_used, &used, EARLY_CLOSED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
	       used >= EARLY_CLOSED;
}

static void find_all(void);

/* The look-up itself runs in one thread, and so does what it calls: while it lasts, that is served from
 * above. */
static __thread bool is_looking __attribute__((tls_model("initial-exec")));

static void *first_malloc(size_t size)
{
	if (is_looking)
		return early_malloc(size);
	find_all();
	return mp_real.malloc(size);
}

static void *first_calloc(size_t n, size_t size)
{
	if (is_looking)
		return early_calloc(n, size);
	find_all();
	return mp_real.calloc(n, size);
}

static void *checked_realloc(void *old, size_t size)
{
	if (!old)
		return mp_real.malloc(size);
	if (is_early(old)) {
		size_t old_size = ((const size_t *)old)[-2];
		void *p = mp_real.malloc(size);
		return p ? memcpy(p, old, old_size < size ? old_size : size) : NULL;
	}
	if (!real_realloc && is_looking)
		return NULL; /* what block could that be */
	if (!real_realloc)
		find_all();
	return real_realloc(old, size);
}

static void checked_free(void *p)
{
	if (!p || is_early(p) || (!real_free && is_looking))
		return;
	if (!real_free)
		find_all();
	real_free(p);
}

static void *first_reallocarray(void *p, size_t n, size_t size)
{
	find_all();
	return mp_real.reallocarray(p, n, size);
}

static int first_posix_memalign(void **p, size_t alignment, size_t size)
{
	find_all();
	return mp_real.posix_memalign(p, alignment, size);
}

static void *first_aligned_alloc(size_t alignment, size_t size)
{
	find_all();
	return mp_real.aligned_alloc(alignment, size);
}

static void *first_memalign(size_t alignment, size_t size)
{
	find_all();
	return mp_real.memalign(alignment, size);
}

static void *first_valloc(size_t size)
{
	find_all();
	return mp_real.valloc(size);
}

static void *first_pvalloc(size_t size)
{
	find_all();
	return mp_real.pvalloc(size);
}

struct mp_real mp_real = {
    .malloc = first_malloc,
    .calloc = first_calloc,
    .realloc = checked_realloc,
    .reallocarray = first_reallocarray,
    .free = checked_free,
    .posix_memalign = first_posix_memalign,
    .aligned_alloc = first_aligned_alloc,
    .memalign = first_memalign,
    .valloc = first_valloc,
    .pvalloc = first_pvalloc,
    .memalign_op = MP_OP_MEMALIGN,
};

/* ---- What an allocator may lack ---- */

static void *no_reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (!__builtin_mul_overflow(n, size, &bytes))
		return mp_real.realloc(p, bytes);
	errno = ENOMEM;
	return NULL;
}

static int no_posix_memalign(void **p, size_t alignment, size_t size)
{
	(void)p, (void)alignment, (void)size;
	return ENOMEM;
}

static void *no_aligned(size_t alignment, size_t size)
{
	(void)alignment, (void)size;
	errno = ENOMEM;
	return NULL;
}

static void *no_valloc(size_t size)
{
	(void)size;
	errno = ENOMEM;
	return NULL;
}

/* POSIX promises that a function pointer fits; ISO C has no cast for it. Entries are stored one by one:
 * another thread that reads one meanwhile finds the old or the new. */
static void find(void *entry, const char *name, void *otherwise)
{
	void *function = dlsym(RTLD_NEXT, name);

	__atomic_store_n((void **)entry, function ? function : otherwise, __ATOMIC_RELAXED);
}

static void find_all(void)
{
	int saved_errno = errno;
	struct mp_real found = mp_real;

	is_looking = true;
	find(&found.malloc, "malloc", NULL);
	find(&found.calloc, "calloc", NULL);
	find(&found.realloc, "realloc", NULL);
	find(&found.free, "free", NULL);
	if (!found.malloc || !found.calloc || !found.realloc || !found.free)
		abort(); /* no libc behind us */
	__atomic_store_n(&real_realloc, found.realloc, __ATOMIC_RELAXED);
	__atomic_store_n(&real_free, found.free, __ATOMIC_RELAXED);
	__atomic_store_n(&mp_real.calloc, found.calloc, __ATOMIC_RELAXED);
	__atomic_store_n(&mp_real.malloc, found.malloc, __ATOMIC_RELAXED);
	if (close_early()) {
		__atomic_store_n(&mp_real.realloc, found.realloc, __ATOMIC_RELAXED);
		__atomic_store_n(&mp_real.free, found.free, __ATOMIC_RELAXED);
	}
	is_looking = false;

	find(&mp_real.reallocarray, "reallocarray", (void *)no_reallocarray);
	find(&mp_real.posix_memalign, "posix_memalign", (void *)no_posix_memalign);
	find(&mp_real.aligned_alloc, "aligned_alloc", (void *)no_aligned);
	find(&mp_real.memalign, "memalign", (void *)no_aligned);
	find(&mp_real.valloc, "valloc", (void *)no_valloc);
	find(&mp_real.pvalloc, "pvalloc", (void *)no_valloc);
	if (mp_real.memalign == mp_real.aligned_alloc)
		mp_real.memalign_op = MP_OP_ALIGNED_ALLOC;
	errno = saved_errno;
}

/* ---- C++ ---- */

static void *from_callers_library(const char *name, void *caller)
{
	Dl_info info;
	void *handle, *function;

	if (!dladdr(caller, &info) || !info.dli_fname)
		return NULL;
	handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
	if (!handle)
		return NULL;
	function = dlsym(handle, name);
	dlclose(handle);
	return function;
}

void *mp_real_operator(const char *name)
{
	int saved_errno = errno;
	void *function = dlsym(RTLD_NEXT, name);

	if (!function)
		dlsym(RTLD_NEXT, "malloc"); /* what succeeds takes the message back */
	errno = saved_errno;
	return function;
}

void *mp_real_operator_of(const char *name, void *caller)
{
	static const char message[] =
	    "libmpsample.so: symbol lookup error: undefined C++ operator new or delete\n";
	void *function = from_callers_library(name, caller);

	if (!function) {
		if (write(STDERR_FILENO, message, sizeof(message) - 1) < 0)
			abort();
		_exit(127);
	}
	return function;
}
