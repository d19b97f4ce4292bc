/* SPDX-License-Identifier: MIT */
#include "symbolize/jit/jit_mapping.h"

#include <stddef.h>
#include <string.h>

/* Of shmget(): "/SYSV0052e2c1 (deleted)". */
static bool is_shared_memory(const char *path)
{
	return strncmp(path, "/SYSV", 5) == 0 && strspn(path + 5, "0123456789abcdef") == 8 &&
	       (!path[13] || strcmp(path + 13, " (deleted)") == 0);
}

bool mp_is_jit_mapping(const char *path)
{
	/* With what may follow: the whole name, a file's " (deleted)", or anything. */
	static const struct {
		const char *name;
		enum { WHOLE, DELETED, PREFIX } rest;
	} names[] = {
	    {"", WHOLE}, {"//anon", WHOLE}, {"[heap]", WHOLE},
	    {"[anon:", PREFIX},          /* prctl(PR_SET_VMA_ANON_NAME): "[anon:v8]" */
	    {"[anon_shmem:", PREFIX},    /* the same, shared */
	    {"/memfd:", PREFIX},         /* .NET maps its "doublemapper" twice: to write, and to execute */
	    {"/dev/zero", DELETED},      /* MAP_SHARED | MAP_ANONYMOUS: PHP */
	    {"/anon_hugepage", DELETED}, /* MAP_HUGETLB: a JVM's code cache with -XX:+UseLargePages */
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i].name);
		const char *rest = path + n;

		if (strncmp(path, names[i].name, n) != 0)
			continue;
		if (names[i].rest == PREFIX || !*rest ||
		    (names[i].rest == DELETED && strcmp(rest, " (deleted)") == 0))
			return true;
	}
	return is_shared_memory(path);
}
