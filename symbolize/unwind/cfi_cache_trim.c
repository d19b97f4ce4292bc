/* SPDX-License-Identifier: MIT */
#include "symbolize/unwind/cfi_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The cache's folder is kept small, as it grows: by what is stored least lately, or was used so. */

/* More tables than this are not kept, however small: so many names are held in memory here. */
#define FILES_MAX 65536

/* A temporary file as old as this was left behind: a table is written within seconds. */
#define TEMPORARY_MAX_S 3600

struct table {
	char name[160];
	struct timespec used;
	uint64_t bytes; /* on disk, about */
};

struct tables {
	struct table *table;
	size_t n, room;
	uint64_t bytes;
};

static int by_use(const void *a, const void *b)
{
	const struct timespec *x = &((const struct table *)a)->used, *y = &((const struct table *)b)->used;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

static bool is_table(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && n < sizeof(((struct table *)0)->name) && strcmp(name + n - 4, ".cfi") == 0;
}

static int add(struct tables *t, const char *name, const struct stat *st)
{
	if (t->n == t->room) {
		size_t room = t->room ? 2 * t->room : 256;
		struct table *more = realloc(t->table, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->table = more;
		t->room = room;
	}
	struct table *new = &t->table[t->n++];
	*new = (struct table){.used = st->st_mtim, .bytes = ((uint64_t)st->st_size + 4095) & ~UINT64_C(4095)};
	memcpy(new->name, name, strlen(name) + 1);
	t->bytes += new->bytes;
	return 0;
}

/* Lists the tables; removes temporary files that were left behind, and tables beyond FILES_MAX. */
static int look_through(DIR *dir, struct tables *t)
{
	time_t now = time(NULL);
	struct dirent *d;
	struct stat st;
	int rc = 0;

	while (rc == 0 && (d = readdir(dir))) {
		if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (d->d_name[0] == '.' ? st.st_mtim.tv_sec < now - TEMPORARY_MAX_S
					: is_table(d->d_name) && t->n == FILES_MAX)
			unlinkat(dirfd(dir), d->d_name, 0);
		else if (d->d_name[0] != '.' && is_table(d->d_name))
			rc = add(t, d->d_name, &st);
	}
	return rc;
}

int mp_cfi_cache_trim(int dir_fd, uint64_t max_bytes)
{
	struct tables t = {0};
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		int rc = -errno;

		if (fd >= 0)
			close(fd);
		return rc;
	}
	int rc = look_through(dir, &t);
	if (rc == 0 && t.bytes > max_bytes) {
		qsort(t.table, t.n, sizeof(*t.table), by_use);
		for (size_t i = 0; i < t.n && t.bytes > max_bytes; i++)
			if (unlinkat(dir_fd, t.table[i].name, 0) == 0 || errno == ENOENT)
				t.bytes -= t.table[i].bytes;
	}
	free(t.table);
	closedir(dir);
	return rc < 0 ? rc : t.bytes > max_bytes ? -ENOSPC : 0;
}
