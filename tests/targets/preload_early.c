/* SPDX-License-Identifier: MIT */
/*
 * preload_early: a program whose dlsym allocates, as that of old C libraries does, and keeps some of what it
 * got. A preloaded allocator that looks for the one behind it is asked for memory before it can have any.
 *
 * Truth: `kept`, the blocks that were handed out during look-ups, with what was written to them; `early` of
 * them are the library's own memory. All are made larger and freed after the go: `reallocs` and `frees`.
 */
#include "target.h"

#include <dlfcn.h>
#include <string.h>

#define KEPT_MAX    1024
#define EARLY_BYTES 40
#define LATE_BYTES  100000

static char *kept[KEPT_MAX];
static unsigned int n_kept;

static void fail(const char *what)
{
	target_print("broken %s\n", what);
	_exit(1);
}

static void keep(char *p)
{
	if (!p || n_kept == KEPT_MAX)
		fail("memory");
	memset(p, 'a' + (int)n_kept, EARLY_BYTES);
	kept[n_kept++] = p;
}

static void allocate(void)
{
	char *zeros = calloc(5, 60), *grown = realloc(strcpy(malloc(20), "grown"), 200);

	for (int i = 0; i < 300; i++)
		if (zeros[i])
			fail("calloc");
	if (strcmp(grown, "grown") != 0)
		fail("realloc");
	free(zeros);
	free(NULL);
	free(grown);
	keep(realloc(NULL, EARLY_BYTES));
	keep(malloc(EARLY_BYTES));
}

/* The next definition behind a preloaded library is that of the C library. */
void *dlsym(void *restrict handle, const char *restrict name)
{
	static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5"};
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD), *real = NULL;
	void *libdl = dlopen("libdl.so.2", RTLD_LAZY | RTLD_NOLOAD); /* of glibc before 2.34 */

	for (unsigned int i = 0; libc && !real && i < 3; i++)
		real = dlvsym(libdl && i ? libdl : libc, "dlsym", versions[i]);
	if (!real)
		fail("dlsym");
	allocate();
	return ((void *(*)(void *, const char *))real)(handle == RTLD_NEXT ? libc : handle, name);
}

static bool is_of_library(const void *p)
{
	Dl_info info;

	return dladdr(p, &info) && strstr(info.dli_fname, "libmpsample");
}

int main(void)
{
	unsigned int early = 0;

	for (unsigned int i = 0; i < n_kept; i++)
		early += is_of_library(kept[i]);
	target_wait_go();
	for (unsigned int i = 0; i < n_kept; i++) {
		char *p = realloc(kept[i], LATE_BYTES);
		for (int k = 0; k < EARLY_BYTES; k++)
			if (!p || p[k] != (char)('a' + i))
				fail("what was kept");
		free(p);
	}
	target_print("kept %u\nearly %u\nreallocs %u\nfrees %u\n", n_kept, early, n_kept, n_kept);
	target_done();
}
