/* SPDX-License-Identifier: MIT */
/*
 * preload_plugin LIBRARY...: a program in C that loads each library in turn, lets it work, and takes it out
 * again; five rounds, with something else put where it was. Between times it asks for a symbol that no one
 * has, and reads the dynamic linker's message.
 *
 * Truth: `good` is how many of the plugins' blocks were as they should be: 4000 of each in each round. The
 * messages are those of a run without any preloaded library.
 */
#include "target.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/mman.h>

enum { ROUNDS = 5, WORK = 4000, OTHER_BYTES = 1 << 20 };

static void fail(void)
{
	target_print("error: %s\n", dlerror());
	_exit(1);
}

static const char *says(void)
{
	const char *message = dlerror();

	return message ? "an error" : "no error";
}

static unsigned work_once(const char *path)
{
	unsigned (*work)(unsigned);
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		fail();
	target_print("dlopen: %s\n", says());
	void *symbol = dlsym(handle, "plugin_work");
	if (!symbol)
		fail();
	memcpy(&work, &symbol, sizeof(work));
	if (dlsym(handle, "nobody_has_this"))
		fail();
	unsigned good = work(WORK); /* which may look up its operators only now */
	target_print("dlsym: %s\n", says());
	if (dlclose(handle))
		fail();
	/* The next one does not come to lie where this one was. */
	if (mmap(NULL, OTHER_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		fail();
	return good;
}

int main(int argc, char **argv)
{
	unsigned good = 0;

	target_wait_go();
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 1; i < argc; i++)
			good += work_once(argv[i]);
	target_print("good %u\n", good);
	target_done();
	return 0;
}
