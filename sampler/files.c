/* SPDX-License-Identifier: MIT */
#include "sampler/files.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

int mp_debug_dirs_add(struct mp_debug_dirs *d, const char *dir, struct mp_err *err)
{
	struct stat st;

	if (d->n == MP_DEBUG_DIRS_MAX)
		return mp_err_set(err, EINVAL, "--debug-dir: more than %d folders", MP_DEBUG_DIRS_MAX);
	if (stat(dir, &st) < 0)
		return mp_err_set(
		    err, EINVAL, "--debug-dir: cannot read folder '%s': %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return mp_err_set(err, EINVAL,
		    "--debug-dir: %s is not a folder; give the one that holds the debug files or .build-id",
		    dir);
	if (access(dir, R_OK | X_OK) < 0)
		return mp_err_set(
		    err, EINVAL, "--debug-dir: cannot read folder %s: %s", dir, strerror(errno));
	d->dir[d->n++] = dir;
	return 0;
}

void mp_raise_file_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l))
		return;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}
