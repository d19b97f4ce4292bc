/* SPDX-License-Identifier: MIT */
#include "sampler/preload/environment.h"

#include <stddef.h>
#include <string.h>

/* Of the dynamic linker: where the kernel put argc, argv and the environment, above which there is no stack.
 * Weak: other C libraries have none. */
extern void *__libc_stack_end __attribute__((weak));
extern char **environ;

unsigned long mp_environment_stack_end(void)
{
	return &__libc_stack_end ? (unsigned long)__libc_stack_end : 0;
}

static char **first_environment(void)
{
	if (!&__libc_stack_end || !__libc_stack_end)
		return environ;
	long argc = *(long *)__libc_stack_end;
	char **argv = (char **)__libc_stack_end + 1;
	return argc >= 0 && argc < 1 << 20 && !argv[argc] ? argv + argc + 1 : environ;
}

static char **find(char **variables, const char *name)
{
	size_t n = strlen(name);

	for (char **v = variables; v && *v; v++)
		if (!strncmp(*v, name, n) && (*v)[n] == '=')
			return v;
	return NULL;
}

static char *value_of(char *variable)
{
	return strchr(variable, '=') + 1;
}

const char *mp_environment(const char *name)
{
	char **variable = find(first_environment(), name);
	return variable ? value_of(*variable) : NULL;
}

bool mp_environment_is_set(const char *name)
{
	const char *value = mp_environment(name);
	return value && *value && strcmp(value, "0") != 0;
}

static bool is_this_library(const char *path, size_t n)
{
	static const char name[] = "libmpsample.so";
	const size_t length = sizeof(name) - 1;

	return n >= length && !memcmp(path + n - length, name, length) &&
	       (n == length || path[n - length - 1] == '/');
}

/* By hand: programs define an unsetenv() of their own, which is not ready yet (bash). */
static void remove_variable(char **at)
{
	do
		at[0] = at[1];
	while (*at++);
}

/* In place: the list only gets shorter, and whoever holds a pointer to it sees the new one. */
void mp_environment_forget_preload(void)
{
	char **variable = find(environ, "LD_PRELOAD");

	if (!variable)
		return;
	char *list = value_of(*variable), *to = list;
	for (char *from = list; *from;) {
		size_t n = strcspn(from, " :"), separators = strspn(from + n, " :");

		if (!is_this_library(from, n)) {
			memmove(to, from, n + separators);
			to += n + separators;
		}
		from += n + separators;
	}
	*to = 0;
	if (!*list)
		remove_variable(variable);
}
