/* SPDX-License-Identifier: MIT */
/*
 * where [plain|memfd|moved|moving|reload]: a program whose code is not simply at its path.
 *
 * Truth: between go and "done", the function where_allocates makes 97 calls of malloc (size 977), each in its
 * turn called by where_works.
 *   plain    no more than that
 *   memfd    it runs from a copy of itself in memory (fexecve)
 *   moved    the page of these functions was replaced by anonymous memory with the same code, before "ready"
 *   moving   the same, after go
 *   reload   instead: libwhere_a.so and libwhere_b.so (beside the program, or in the folder of the second
 * argument) are loaded and unloaded in turns, at the same address, after go; a_allocates and b_allocates make
 * 31 and 37 calls, three times. Prints `same ADDRESSES`: 1 if both were always at the same address.
 */
#include "target.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

enum { CALLS = 97, PAGE = 4096, ROUNDS = 3 };

#define MOVED NOINLINE __attribute__((section("moved_text"), noclone))

/* The function that is moved and what it is called by, in pages of their own. */
MOVED __attribute__((aligned(PAGE))) static void where_allocates(void)
{
	void *p = malloc(977);

	TARGET_USE(p);
	free(p);
}

MOVED static void where_works(void)
{
	for (int i = 0; i < CALLS; i++) {
		where_allocates();
		__asm__ volatile("");
	}
}

extern char __start_moved_text[], __stop_moved_text[];

/* Whole pages are copied: what else is in the last one goes with them. */
static void move_text(void)
{
	size_t n = ((size_t)(__stop_moved_text - __start_moved_text) + PAGE - 1) / PAGE * PAGE;
	void *copy = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(copy, __start_moved_text, n);
	if (mmap(__start_moved_text, n, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != __start_moved_text)
		_exit(3);
	memcpy(__start_moved_text, copy, n);
	munmap(copy, n);
}

/* Becomes the same program, run from memory. */
static void run_from_memory(char **argv)
{
	char buf[65536];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), fd = memfd_create("where-code", MFD_CLOEXEC);
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (write(fd, buf, (size_t)n) != n)
			_exit(3);
	argv[1] = "plain";
	/* libmpsample.so takes itself out of the environment of what a process starts. */
	if (getenv("WHERE_PRELOAD"))
		setenv("LD_PRELOAD", getenv("WHERE_PRELOAD"), 1);
	fexecve(fd, argv, environ);
	_exit(3);
}

/* Loads NAME, calls its function, unloads it; returns where it was. */
static uintptr_t use_library(const char *folder, const char *name, const char *function)
{
	char path[PATH_MAX];
	void (*allocates)(void);
	struct link_map *map;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		target_print("%s\n", dlerror());
		_exit(3);
	}
	*(void **)&allocates = dlsym(handle, function);
	dlinfo(handle, RTLD_DI_LINKMAP, &map);
	uintptr_t base = map->l_addr;
	allocates();
	dlclose(handle);
	return base;
}

static void reload(const char *folder)
{
	uintptr_t first = 0;
	int same = 1;

	for (int i = 0; i < ROUNDS; i++) {
		uintptr_t a = use_library(folder, "libwhere_a.so", "a_allocates");
		uintptr_t b = use_library(folder, "libwhere_b.so", "b_allocates");

		first = first ? first : a;
		same &= a == first && b == first;
	}
	target_print("same %d\n", same);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "plain";
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%s", argv[0]);
	if (strcmp(mode, "memfd") == 0)
		run_from_memory(argv);
	if (strcmp(mode, "moved") == 0)
		move_text();
	target_wait_go();
	if (strcmp(mode, "moving") == 0)
		move_text();
	if (strcmp(mode, "reload") == 0)
		reload(argc > 2 ? argv[2] : dirname(folder));
	else
		where_works();
	target_done();
	return 0;
}
