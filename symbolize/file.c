/* SPDX-License-Identifier: MIT */
#include "symbolize/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TRIES 16

/*
 * Opens what the O_PATH descriptor `found` holds, when it is a regular file, and closes `found`. Looking
 * first matters: opening a device has effects, even with O_NONBLOCK. Through /proc/self/fd it is the same
 * file, whatever has taken its name meanwhile. O_NONBLOCK: a lease held on the file fails the open instead of
 * delaying it by 45 s.
 */
static int open_regular(int found)
{
	struct stat st;
	char path[32];
	int fd = -EINVAL;

	if (fstat(found, &st) < 0) {
		fd = -errno;
	} else if (S_ISREG(st.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", found);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd < 0)
			fd = -errno;
	}
	close(found);
	return fd;
}

static int open_in(int root_fd, const char *path, int flags)
{
	struct open_how how = {
	    .flags = O_PATH | O_CLOEXEC | (unsigned)flags,
	    .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	/* -EAGAIN: something was renamed meanwhile, and ".." may lead out. A target can go on with that. */
	int fd = -1;
	errno = EAGAIN;
	for (int i = 0; i < TRIES && fd < 0 && errno == EAGAIN; i++)
		fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	/* Before Linux 5.6, or under a seccomp filter older than that. */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
		while (*path == '/')
			path++;
		fd = openat(root_fd, path, O_PATH | O_CLOEXEC | flags);
	}
	return fd < 0 ? -errno : open_regular(fd);
}

int mp_file_open(const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : open_regular(fd);
}

int mp_file_open_in(int root_fd, const char *path)
{
	return open_in(root_fd, path, 0);
}

int mp_file_open_in_nofollow(int root_fd, const char *path)
{
	return open_in(root_fd, path, O_NOFOLLOW);
}
