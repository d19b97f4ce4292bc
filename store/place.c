/* SPDX-License-Identifier: MIT */
#include "store/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* SQLite's lock bytes: pending, reserved and the shared range (https://www.sqlite.org/lockingv3.html). */
#define SQLITE_LOCK_START 0x40000000
#define SQLITE_LOCK_BYTES 512

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFLNK:
		return "a symbolic link";
	case S_IFCHR:
	case S_IFBLK:
		return "a device";
	case S_IFIFO:
		return "a pipe";
	case S_IFSOCK:
		return "a socket";
	default:
		return "a special file";
	}
}

/*
 * A database that somebody has open is not replaced: on closing, SQLite there would delete our write-ahead
 * log, which it knows by name. Connections in WAL mode hold a lock on the file as long as they live.
 */
static int check_unused(const char *path, struct mp_err *err)
{
	struct flock lock = {.l_type = F_WRLCK,
	    .l_whence = SEEK_SET,
	    .l_start = SQLITE_LOCK_START,
	    .l_len = SQLITE_LOCK_BYTES};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return 0;
	int rc = fcntl(fd, F_GETLK, &lock);
	close(fd);
	if (rc < 0 || lock.l_type == F_UNLCK)
		return 0;
	return mp_err_set(err, EBUSY,
	    "cannot replace %s: process %d has it open: end that process or choose another name", path,
	    (int)lock.l_pid);
}

static int check_directory(const char *path, struct mp_err *err)
{
	const char *slash = strrchr(path, '/');
	char *dir = !slash ? strdup(".") : slash == path ? strdup("/") : strndup(path, slash - path);
	struct stat st;
	int rc = 0;

	if (!dir)
		return mp_err_set(err, ENOMEM, "cannot create %s: out of memory", path);
	if (stat(dir, &st) < 0)
		rc =
		    errno == ENOENT
			? mp_err_set(err, ENOENT,
			      "cannot create %s: there is no directory %s: create it or choose another place",
			      path, dir)
			: mp_err_set(err, errno, "cannot create %s: %s: %s", path, dir, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		rc = mp_err_set(
		    err, ENOTDIR, "cannot create %s: %s is not a directory: choose another place", path, dir);
	else if (faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) < 0)
		rc = mp_err_set(err, errno,
		    "cannot create %s: directory %s is not writable (%s): choose another place", path, dir,
		    strerror(errno));
	free(dir);
	return rc;
}

int mp_place_check(const char *path, bool force, struct mp_err *err)
{
	struct stat st;

	if (!*path)
		return mp_err_set(err, EINVAL, "the session's name is empty: give a file name");
	if (lstat(path, &st) < 0) {
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			return mp_err_set(err, errno, "cannot create %s: %s", path, strerror(errno));
		return check_directory(path, err);
	}
	if (!S_ISREG(st.st_mode))
		return mp_err_set(err, EEXIST,
		    "cannot create %s: it is %s, not a regular file: choose another name", path,
		    kind_of(st.st_mode));
	if (!force)
		return mp_err_set(err, EEXIST, "%s exists: choose another name or add --force", path);
	int rc = check_unused(path, err);
	return rc ? rc : check_directory(path, err);
}

int mp_place_temp(const char *path, char **temp, struct mp_err *err)
{
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)(slash - path) + 1 : 0;

	*temp = NULL;
	for (unsigned int n = 0; n < 100; n++) {
		char *name;

		if (asprintf(&name, "%.*s.%s.%d-%u.tmp", dir_len, path, path + dir_len, (int)getpid(), n) < 0)
			return mp_err_set(err, ENOMEM, "cannot create %s: out of memory", path);
		/* O_EXCL: in a directory like /tmp, others may have put a link there. */
		int fd = open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
		if (fd >= 0) {
			close(fd);
			*temp = name;
			return 0;
		}
		int saved = errno;
		free(name);
		if (saved != EEXIST)
			return mp_err_set(err, saved, "cannot create %s: %s", path, strerror(saved));
	}
	return mp_err_set(err, EEXIST,
	    "cannot create %s: too many files named .%s.*.tmp beside it: remove them", path, path + dir_len);
}

/* File systems without RENAME_NOREPLACE: a hard link fails on an existing name just as well. */
static int rename_noreplace(const char *from, const char *to)
{
	if (!renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
		return -errno;
	if (link(from, to) < 0)
		return -errno;
	unlink(from);
	return 0;
}

/* `aside` is where the old log waits until the old database is gone; a log may exist even without one. */
static int replace(const char *temp, const char *path, const char *wal, const char *aside)
{
	bool moved = !rename(wal, aside);

	if (!moved && errno != ENOENT)
		return -errno;
	if (rename(temp, path) < 0) {
		int saved = errno;

		if (moved)
			rename(aside, wal);
		return -saved;
	}
	if (moved)
		unlink(aside);
	return 0;
}

int mp_place_publish(const char *temp, const char *path, bool force, struct mp_err *err)
{
	char *wal = NULL, *shm = NULL, *journal = NULL, *aside = NULL;
	int rc = mp_place_check(path, force, err);

	if (rc)
		return rc;
	if (asprintf(&wal, "%s-wal", path) < 0 || asprintf(&shm, "%s-shm", path) < 0 ||
	    asprintf(&journal, "%s-journal", path) < 0 || asprintf(&aside, "%s-old", temp) < 0) {
		rc = mp_err_set(err, ENOMEM, "cannot create %s: out of memory", path);
		goto out;
	}
	/*
	 * What an earlier database of this name left beside it would be replayed into the new one. Without
	 * `force` as well: the database may have been deleted by hand, and its log forgotten.
	 */
	if (force)
		rc = replace(temp, path, wal, aside);
	else if (!access(wal, F_OK) || !access(journal, F_OK))
		rc = -ENOTEMPTY;
	else
		rc = rename_noreplace(temp, path);
	if (rc == -EEXIST)
		mp_err_set(err, EEXIST, "%s exists: choose another name or add --force", path);
	else if (rc == -ENOTEMPTY)
		mp_err_set(err, ENOTEMPTY,
		    "cannot create %s: a log of an earlier one is left (%s): remove it, choose another name "
		    "or add --force",
		    path, access(wal, F_OK) ? journal : wal);
	else if (rc)
		mp_err_set(err, -rc, "cannot create %s: %s", path, strerror(-rc));
	if (!rc) {
		unlink(shm);
		unlink(journal);
	}
out:
	free(wal);
	free(shm);
	free(journal);
	free(aside);
	return rc;
}
