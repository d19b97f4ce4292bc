/* SPDX-License-Identifier: MIT */
#include "symbolize/mapped.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbolize/elf/elf.h"
#include "symbolize/file.h"

#define DELETED " (deleted)"

/* Text is mapped onto huge pages as a whole number of them: it may end behind the file's. */
#define HUGE_BYTES (UINT64_C(2) << 20)

/* Looks at a mapping that comes and goes. */
#define TRIES 4

/* Looks through /proc/PID/maps for anonymous code that was no file's: a JIT compiler maps its code by and by,
 * and each look takes up to a millisecond. */
#define LOOKS_MAX 256

static bool is_anonymous(const char *path)
{
	return !path[0] || strncmp(path, "//anon", 6) == 0 || strncmp(path, "/anon_hugepage", 14) == 0 ||
	       strncmp(path, "[anon", 5) == 0;
}

static void map_file_path(char path[static 96], pid_t pid, uint64_t start, uint64_t end)
{
	snprintf(path, 96, "/proc/%d/map_files/%llx-%llx", (int)pid, (unsigned long long)start,
	    (unsigned long long)end);
}

static int open_map_file(pid_t pid, uint64_t start, uint64_t end)
{
	char path[96];

	map_file_path(path, pid, start, end);
	return mp_file_open(path);
}

/*
 * Whether the file that is called `now` may be what was mapped under `name`: it may have been deleted since,
 * and a process in a chroot tells its own paths. The report of a mapping may be read when that is gone, and
 * another library is at the same address.
 */
static bool is_called(const char *now, const char *name)
{
	size_t n = strlen(now), length = strlen(name), suffix = sizeof(DELETED) - 1;

	if (n > suffix && strcmp(now + n - suffix, DELETED) == 0)
		n -= suffix;
	if (length > suffix && strcmp(name + length - suffix, DELETED) == 0)
		length -= suffix;
	return n >= length && strncmp(now + n - length, name, length) == 0;
}

/* A line of /proc/PID/maps. */
struct line {
	uint64_t start, end, offset, inode;
	unsigned dev_major, dev_minor;
	char path[MP_MAPPED_PATH_MAX];
};

static bool parse_line(const char *text, struct line *l)
{
	int at = 0;

	if (sscanf(text, "%lx-%lx %*4s %lx %x:%x %lu %n", &l->start, &l->end, &l->offset, &l->dev_major,
		&l->dev_minor, &l->inode, &at) < 6)
		return false;
	snprintf(l->path, sizeof(l->path), "%.*s", (int)strcspn(text + at, "\n"), text + at);
	return true;
}

static bool is_same_file(const struct line *a, const struct line *b)
{
	return a->inode && a->inode == b->inode && a->dev_major == b->dev_major &&
	       a->dev_minor == b->dev_minor;
}

/* Calls `fn` for the mappings of a process until it returns true; returns whether it did. */
static bool each_line(pid_t pid, bool (*fn)(void *ctx, const struct line *l), void *ctx)
{
	struct line *l = malloc(sizeof(*l));
	char path[64], *text = NULL;
	size_t room = 0;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	FILE *f = l ? fopen(path, "re") : NULL;
	while (f && !found && getline(&text, &room, f) > 0)
		found = parse_line(text, l) && fn(ctx, l);
	if (f)
		fclose(f);
	free(text);
	free(l);
	return found;
}

/* ---- Files ---- */

struct part {
	const struct mp_map *map;
	uint64_t start, end;
};

/* The mapping, or what is left of it: mprotect() or munmap() may have taken a part. */
static bool is_part(void *ctx, const struct line *l)
{
	struct part *part = ctx;
	const struct mp_map *map = part->map;

	if (l->start >= map->end || l->end <= map->start ||
	    l->offset - map->file_offset != l->start - map->start || !is_called(l->path, map->path))
		return false;
	part->start = l->start;
	part->end = l->end;
	return true;
}

/* The file of exactly this mapping, without a look at all of them. */
static int open_exact(const struct mp_process *p, const struct mp_map *map)
{
	char path[96], now[MP_MAPPED_PATH_MAX];

	map_file_path(path, p->pid, map->start, map->end);
	int fd = mp_file_open(path);
	if (fd < 0)
		return fd;
	ssize_t n = readlink(path, now, sizeof(now) - 1);
	now[n > 0 ? n : 0] = '\0';
	if (is_called(now, map->path))
		return fd;
	close(fd);
	return -ENOENT;
}

/* Takes over `fd`; returns it, or -ESTALE when it is not the file that `image` was loaded from. */
static int check(int fd, const char *path, const struct mp_image *image)
{
	struct mp_elf *e = NULL;

	if (fd < 0 || !image || !image->build_id[0])
		return fd;
	const char *build_id = mp_elf_open(fd, path, &e, NULL) == 0 ? mp_elf_build_id(e) : NULL;
	if (!build_id || strcmp(build_id, image->build_id) != 0) {
		close(fd);
		fd = -ESTALE;
	}
	mp_elf_close(e);
	return fd;
}

/* `image`: as it is in memory; NULL: the process is gone. */
static int open_by_name(const struct mp_process *p, const char *path, const struct mp_image *image)
{
	char name[MP_MAPPED_PATH_MAX], exe[64];
	size_t n = strlen(path), suffix = sizeof(DELETED) - 1;

	if (p->pid && image && image->build_id[0]) {
		snprintf(exe, sizeof(exe), "/proc/%d/exe", (int)p->pid);
		int fd = check(mp_file_open(exe), path, image);
		if (fd >= 0)
			return fd;
	}
	if (p->root_fd < 0 || n >= sizeof(name))
		return -ENOENT;
	int fd = check(mp_file_open_in(p->root_fd, path), path, image);
	if (fd >= 0 || n <= suffix || strcmp(path + n - suffix, DELETED) != 0)
		return fd;
	/* Replaced by the same file, maybe. Not without a look at the memory. */
	if (!image || !image->build_id[0])
		return -ENOENT;
	snprintf(name, sizeof(name), "%.*s", (int)(n - suffix), path);
	return check(mp_file_open_in(p->root_fd, name), name, image);
}

/* Only of a mapping that is still there when it was read does the memory tell; it may come and go meanwhile.
 */
static int open_file(const struct mp_process *p, const struct mp_map *map)
{
	struct part part = {.map = map}, after = part;
	struct mp_image image;

	for (int i = 0; p->pid && i < TRIES; i++) {
		int fd = open_exact(p, map);
		if (fd >= 0)
			return fd;
		if (!each_line(p->pid, is_part, &part))
			break;
		fd = open_map_file(p->pid, part.start, part.end);
		if (fd >= 0)
			return fd;
		if (fd == -ENOENT)
			continue;
		if (mp_process_image_of(p->pid, map->start, map->file_offset, &image) < 0)
			break;
		if (each_line(p->pid, is_part, &after) && after.start == part.start && after.end == part.end)
			return open_by_name(p, map->path, &image);
	}
	return open_by_name(p, map->path, NULL);
}

/* ---- Text that was moved ---- */

struct around {
	uint64_t start;
	struct line last;   /* the last mapping of a file below `start` */
	struct line header; /* the beginning of the last file that was mapped from its beginning */
};

static bool note_line(void *ctx, const struct line *l)
{
	struct around *a = ctx;

	if (l->start >= a->start)
		return true;
	if (l->inode && l->path[0] == '/') {
		a->last = *l;
		if (l->offset == 0)
			a->header = *l;
	}
	return false;
}

/* Whether `map` is within the text of `image`. */
static bool is_text(const struct mp_map *map, const struct mp_image *image)
{
	return map->start >= image->text_start && map->start < image->text_end &&
	       map->end <= (image->text_end + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
}

static int open_around(struct mp_process *p, struct mp_map *map, char path[static MP_MAPPED_PATH_MAX])
{
	struct around *a = p->looks < LOOKS_MAX ? calloc(1, sizeof(*a)) : NULL;
	struct mp_image image;
	int fd = -ENOENT;

	if (!a)
		return -ENOENT;
	p->looks++;
	a->start = map->start;
	each_line(p->pid, note_line, a);
	if (is_same_file(&a->last, &a->header) && mp_process_image(p->pid, a->header.start, &image) == 0 &&
	    is_text(map, &image)) {
		fd = open_map_file(p->pid, a->last.start, a->last.end);
		if (fd < 0)
			fd = open_by_name(p, a->last.path, &image);
	}
	if (fd >= 0) {
		p->looks--;
		strcpy(path, a->last.path);
		map->path = path;
		map->file_offset = map->start - image.text_start + image.text_offset;
	}
	free(a);
	return fd;
}

int mp_mapped_open(struct mp_process *p, struct mp_map *map, char path[static MP_MAPPED_PATH_MAX])
{
	if (map->start >= map->end)
		return -EINVAL;
	if (strcmp(map->path, "[vdso]") == 0)
		return mp_process_vdso(p->pid, map->start, map->end);
	if (is_anonymous(map->path))
		return p->pid ? open_around(p, map, path) : -ENOENT;
	if (map->path[0] != '/')
		return -ENOENT;
	return open_file(p, map);
}
