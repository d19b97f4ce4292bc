/* SPDX-License-Identifier: MIT */
/*
 * libcalls_counter.so, for LD_PRELOAD: counts the calls of malloc, calloc, realloc and free that the dynamic
 * linker binds to it - the program's, its libraries' and libc's own through its PLT - and at exit writes a
 * line each to the file named in $CALLS_COUNTER_OUT. Independent of mpsample, to agree or disagree with it.
 *
 * Not seen: calls inside libc that do not go through the PLT, calls after this library's destructor, and
 * everything in a process that ends by _exit or a signal. A forked child keeps counting but does not write.
 */
#include "target.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>

enum { MALLOC, CALLOC, REALLOC, FREE, FREE_NULL, OPS };

static const char *const names[OPS] = {"malloc", "calloc", "realloc", "free", "free_null"};
static uint64_t calls[OPS];
static pid_t owner;

static struct {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void (*free)(void *);
} real;

/* Serves dlsym itself while the real functions are being looked up; never given back. */
static char bootstrap[64 * 1024] __attribute__((aligned(16)));
static size_t bootstrap_used;

static void *bootstrap_alloc(size_t size)
{
	size_t at = __atomic_fetch_add(&bootstrap_used, (size + 15) & ~(size_t)15, __ATOMIC_RELAXED);

	return at + size <= sizeof(bootstrap) ? bootstrap + at : NULL;
}

static bool from_bootstrap(const void *p)
{
	return (const char *)p >= bootstrap && (const char *)p < bootstrap + sizeof(bootstrap);
}

static void resolve_one(void *function, const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	memcpy(function, &found, sizeof(found));
}

static __thread bool resolving __attribute__((tls_model("initial-exec")));

/* False when the caller is dlsym itself. Two threads may both look up: they find the same. */
static bool resolved(void)
{
	if (__builtin_expect(__atomic_load_n(&real.free, __ATOMIC_ACQUIRE) != NULL, 1))
		return true;
	if (resolving)
		return false;
	resolving = true;
	resolve_one(&real.malloc, "malloc");
	resolve_one(&real.calloc, "calloc");
	resolve_one(&real.realloc, "realloc");
	resolve_one(&real.free, "free"); /* last: the sign that all are there */
	resolving = false;
	return true;
}

static void count(int op)
{
	__atomic_fetch_add(&calls[op], 1, __ATOMIC_RELAXED);
}

void *malloc(size_t size)
{
	if (!resolved())
		return bootstrap_alloc(size);
	count(MALLOC);
	return real.malloc(size);
}

void *calloc(size_t n, size_t size)
{
	size_t bytes;

	if (!resolved())
		return __builtin_mul_overflow(n, size, &bytes) ? NULL : bootstrap_alloc(bytes);
	count(CALLOC);
	return real.calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	if (!resolved() || from_bootstrap(old)) {
		size_t behind = old ? (size_t)(bootstrap + sizeof(bootstrap) - (char *)old) : 0;
		void *p = resolved() ? real.malloc(size) : bootstrap_alloc(size);

		if (p && old)
			memcpy(p, old, size < behind ? size : behind);
		return p;
	}
	count(REALLOC);
	return real.realloc(old, size);
}

void free(void *p)
{
	if (from_bootstrap(p) || !resolved())
		return;
	count(FREE);
	if (!p)
		count(FREE_NULL); /* of FREE, those that do nothing */
	real.free(p);
}

__attribute__((constructor)) static void begin(void)
{
	owner = getpid();
	resolved();
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("CALLS_COUNTER_OUT");
	char line[64];

	if (!path || getpid() != owner)
		return;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	for (int op = 0; fd >= 0 && op < OPS; op++) {
		uint64_t n = __atomic_load_n(&calls[op], __ATOMIC_RELAXED);
		int length = snprintf(line, sizeof(line), "%s %llu\n", names[op], (unsigned long long)n);

		if (write(fd, line, (size_t)length) < 0)
			break;
	}
	if (fd >= 0)
		close(fd);
}
