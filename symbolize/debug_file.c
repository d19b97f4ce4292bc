/* SPDX-License-Identifier: MIT */
#include "symbolize/debug_file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "symbolize/file.h"

/* Takes over `fd`. */
static struct mp_elf *open_if_matching(int fd, const char *path, const char *build_id)
{
	struct mp_elf *e = NULL;

	if (fd < 0)
		return NULL;
	int rc = mp_elf_open(fd, path, &e, NULL);
	close(fd);
	if (rc < 0)
		return NULL;
	const char *found = mp_elf_build_id(e);
	if (found && strcmp(found, build_id) == 0)
		return e;
	mp_elf_close(e);
	return NULL;
}

struct mp_elf *mp_debug_file_open(const char *dir, int root_fd, const char *build_id)
{
	char path[PATH_MAX];
	struct mp_elf *e = NULL;

	/* The first byte names the folder, the rest the file. */
	if (strlen(build_id) <= 2)
		return NULL;
	int n = snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", dir, build_id, build_id + 2);
	if (n > 0 && (size_t)n < sizeof(path))
		e = open_if_matching(mp_file_open(path), path, build_id);
	if (e || root_fd < 0)
		return e;
	snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", MP_DEBUG_DIR, build_id, build_id + 2);
	return open_if_matching(mp_file_open_in(root_fd, path), path, build_id);
}
