/* SPDX-License-Identifier: MIT */
#include "symbolize/unwind/cfi_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The folder of the cache, by the XDG base directory specification. `sudo` and `su` may leave another user's
 * HOME to root: nothing is made there, for it would be root's in that user's folder, and where that user's
 * links lead to.
 */

#define SYSTEM_CACHE "/var/cache"

/* `fd`, if it is a folder of this user's; else it is closed. */
static int own(int fd)
{
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && st.st_uid == geteuid())
		return fd;
	close(fd);
	return -EPERM;
}

/* Makes the folders of `below`, one in the other, within `base`. Links lead to `base`, but not further. */
static int make_below(const char *base, const char *const *below)
{
	int at = own(open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	for (; at >= 0 && *below; below++) {
		int rc = mkdirat(at, *below, 0700) < 0 && errno != EEXIST ? -errno : 0;
		int next =
		    rc < 0 ? rc : own(openat(at, *below, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));

		close(at);
		at = next;
	}
	if (at < 0)
		return at;
	close(at);
	return 0;
}

/* $XDG_CACHE_HOME need not be there yet: then it is made in its folder, if that is this user's. */
static int make_in_xdg(const char *cache)
{
	int rc = make_below(cache, (const char *const[]){"mpsample", NULL});
	char parent[PATH_MAX];

	if (rc != -ENOENT || (size_t)snprintf(parent, sizeof(parent), "%s", cache) >= sizeof(parent))
		return rc;
	for (size_t n = strlen(parent); n > 1 && parent[n - 1] == '/'; n--)
		parent[n - 1] = '\0';
	char *slash = strrchr(parent, '/');
	*slash = '\0';
	return make_below(slash == parent ? "/" : parent, (const char *const[]){slash + 1, "mpsample", NULL});
}

static int tell(char *buf, size_t size, const char *base, const char *below)
{
	int n = snprintf(buf, size, "%s/%s", base, below);

	return n > 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

int mp_cfi_cache_dir_or(const char *of_system, char *buf, size_t size)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int rc = -ENOENT;

	if (cache && cache[0] == '/') {
		rc = make_in_xdg(cache);
		if (rc == 0)
			return tell(buf, size, cache, "mpsample");
	} else if (home && home[0] == '/') {
		rc = make_below(home, (const char *const[]){".cache", "mpsample", NULL});
		if (rc == 0)
			return tell(buf, size, home, ".cache/mpsample");
	}
	if (geteuid() != 0 || (rc != -EPERM && rc != -ENOENT))
		return rc;
	rc = make_below(of_system, (const char *const[]){"mpsample", NULL});
	return rc < 0 ? rc : tell(buf, size, of_system, "mpsample");
}

int mp_cfi_cache_dir(char *buf, size_t size)
{
	return mp_cfi_cache_dir_or(SYSTEM_CACHE, buf, size);
}
