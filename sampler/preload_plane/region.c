/* SPDX-License-Identifier: MIT */
#include "sampler/preload_plane/region.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MAX_LINES 1048576 /* of /proc/PID/maps and /proc/locks: the target may make them long */

/* A mapping of a memfd that has the region's name. */
struct candidate {
	uint64_t start, end, offset, inode;
	unsigned int dev_major, dev_minor;
};

#define MAX_CANDIDATES 16

/* ---- Finding ---- */

/* As the kernel shows it, mostly with " (deleted)" behind it. */
static bool is_region_name(const char *path)
{
	static const char name[] = "/memfd:" MP_REGION_NAME;
	char next = strncmp(path, name, sizeof(name) - 1) ? '?' : path[sizeof(name) - 1];

	return !next || next == ' ' || next == '\n';
}

static bool parse_mapping(const char *line, struct candidate *c)
{
	unsigned long long start, end, offset, inode;
	int path_at = 0;

	if (sscanf(line, "%llx-%llx %*s %llx %x:%x %llu %n", &start, &end, &offset, &c->dev_major,
		&c->dev_minor, &inode, &path_at) < 6)
		return false;
	c->start = start;
	c->end = end;
	c->offset = offset;
	c->inode = inode;
	return is_region_name(line + path_at);
}

/* Calls `fn` with each mapping of a region, until it returns false. 0 or -errno. */
static int each_mapping(pid_t pid, bool (*fn)(void *ctx, const struct candidate *c), void *ctx)
{
	char path[64], *line = NULL;
	size_t size = 0;
	bool goes_on = true;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return -errno;
	for (unsigned int lines = 0; goes_on && lines < MAX_LINES && getline(&line, &size, f) > 0; lines++) {
		struct candidate c;
		if (parse_mapping(line, &c))
			goes_on = fn(ctx, &c);
	}
	free(line);
	fclose(f);
	return 0;
}

struct candidates {
	struct candidate *found;
	int n;
};

/* The slots of one region are many mappings of one inode. */
static bool take_candidate(void *ctx, const struct candidate *c)
{
	struct candidates *l = ctx;

	for (int i = 0; i < l->n; i++)
		if (l->found[i].inode == c->inode)
			return true;
	l->found[l->n++] = *c;
	return l->n < MAX_CANDIDATES;
}

/* Returns how many regions, or -errno. */
static int find_candidates(pid_t pid, struct candidate *out)
{
	struct candidates l = {.found = out};
	int ret = each_mapping(pid, take_candidate, &l);

	return ret ? ret : l.n;
}

struct slot_search {
	uint64_t inode, offset;
	uint64_t addr; /* found */
};

static bool is_slot(void *ctx, const struct candidate *c)
{
	struct slot_search *s = ctx;

	if (c->inode == s->inode && s->offset >= c->offset && s->offset - c->offset < c->end - c->start)
		s->addr = c->start + (s->offset - c->offset);
	return !s->addr;
}

uint64_t mp_preload_region_slot_addr(const struct mp_preload_region *r, pid_t pid, unsigned int i)
{
	struct slot_search s = {.inode = r->inode, .offset = mp_region_header_bytes() + i * r->slot_bytes};

	return each_mapping(pid, is_slot, &s) ? 0 : s.addr;
}

int mp_preload_region_is_mapped(const struct mp_preload_region *r, pid_t pid)
{
	struct candidate found[MAX_CANDIDATES];
	int n = find_candidates(pid, found);

	for (int i = 0; i < n; i++)
		if (found[i].inode == r->inode)
			return 1;
	return n < 0 ? n : 0;
}

/* ---- Opening ---- */

static bool is_it(const struct stat *s, const struct candidate *c)
{
	return S_ISREG(s->st_mode) && s->st_ino == c->inode && major(s->st_dev) == c->dev_major &&
	       minor(s->st_dev) == c->dev_minor;
}

/*
 * What stands behind the path may be exchanged at any time, and opening a device does things: so it is named
 * first (O_PATH), looked at, and what was looked at is opened. Only memory of tmpfs: pages of others
 * (hugetlbfs, FUSE) may be missing for good, which is SIGBUS.
 */
static int open_checked(const char *path, const struct candidate *c)
{
	char self[64];
	struct stat s;
	struct statfs fs;
	int named = open(path, O_PATH | O_CLOEXEC), fd = -ENOENT;

	if (named < 0)
		return -errno;
	if (!fstat(named, &s) && is_it(&s, c) && !fstatfs(named, &fs) && fs.f_type == TMPFS_MAGIC) {
		snprintf(self, sizeof(self), "/proc/self/fd/%d", named);
		fd = open(self, O_RDWR | O_CLOEXEC);
		fd = fd < 0 ? -errno : fd;
	}
	close(named);
	return fd;
}

/* By the name first: to look at a file that is somewhere else may take as long as that wants. */
static int open_by_descriptor(pid_t pid, const struct candidate *c)
{
	char path[64], name[64];
	struct dirent *entry;
	struct stat s;
	int fd = -ENOENT;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *dir = opendir(path);
	if (!dir)
		return -errno;
	while (fd == -ENOENT && (entry = readdir(dir))) {
		int number = atoi(entry->d_name);
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, number);
		ssize_t n = readlink(path, name, sizeof(name) - 1);
		name[n > 0 ? n : 0] = 0;
		if (is_region_name(name) && !stat(path, &s) && is_it(&s, c))
			fd = open_checked(path, c);
	}
	closedir(dir);
	return fd;
}

static int open_candidate(pid_t pid, const struct candidate *c)
{
	char path[96];
	int fd = open_by_descriptor(pid, c);

	if (fd != -ENOENT)
		return fd;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", pid, (unsigned long long)c->start,
	    (unsigned long long)c->end);
	return open_checked(path, c);
}

/* ---- Checking ---- */

static int not_ours(pid_t pid, const char *what, struct mp_err *err)
{
	return mp_err_set(err, EPROTO,
	    "the shared memory of process %d is not what libmpsample.so makes: %s; restart the process with "
	    "this version's library",
	    pid, what);
}

/* Takes over the sizes if they are what our own arithmetic says. `h` is a copy. */
static int check_header(struct mp_preload_region *r, pid_t pid, const struct mp_region *h,
    uint64_t file_bytes, struct mp_err *err)
{
	uint64_t records = h->ring_records;

	if (h->magic != MP_REGION_MAGIC)
		return not_ours(pid, "it does not begin as one", err);
	if (h->version != MP_REGION_VERSION)
		return mp_err_set(err, EPROTO,
		    "the libmpsample.so of process %d speaks version %u, this mpsample %d; restart the "
		    "process with the library of this mpsample",
		    pid, h->version, MP_REGION_VERSION);
	if (!records || records & (records - 1) || records > MP_RING_RECORDS_MAX)
		return not_ours(pid, "its rings have an impossible size", err);
	if (h->header_bytes != mp_region_header_bytes() || h->slot_bytes != mp_region_slot_bytes(records) ||
	    !h->slots || h->slots > MP_REGION_SLOTS)
		return not_ours(pid, "its parts have other sizes", err);
	r->ring_records = records;
	r->slot_bytes = mp_region_slot_bytes(records);
	r->slots = (unsigned int)h->slots;
	r->bytes = mp_region_header_bytes() + r->slots * r->slot_bytes;
	return file_bytes < r->bytes ? not_ours(pid, "it is too short", err) : 0;
}

/* The last number of NSpid: the PID as the process itself sees it. */
static uint32_t pid_inside(pid_t pid)
{
	char path[64], line[256];
	uint32_t inside = (uint32_t)pid;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		const char *last = strncmp(line, "NSpid:", 6) ? NULL : strrchr(line, '\t');
		if (last)
			inside = (uint32_t)strtoul(last + 1, NULL, 10);
	}
	if (f)
		fclose(f);
	return inside;
}

static int map_checked(struct mp_preload_region *r, pid_t pid, struct mp_err *err)
{
	struct mp_region header;
	struct stat s;
	int seals = fcntl(r->fd, F_GET_SEALS);

	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return not_ours(pid, "it could shrink while it is read", err);
	if (fstat(r->fd, &s) || s.st_size < (off_t)sizeof(header) ||
	    pread(r->fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
		return not_ours(pid, "it is too short", err);
	int ret = check_header(r, pid, &header, (uint64_t)s.st_size, err);
	if (ret)
		return ret;
	if (header.pid != pid_inside(pid))
		return mp_err_set(err, ECHILD,
		    "process %d was forked by process %u, which carries libmpsample.so, and has no recording "
		    "of its own; start that one with MPSAMPLE_FOLLOW_FORKS=1",
		    pid, header.pid);
	void *p = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (p == MAP_FAILED)
		return mp_err_set(err, errno, "cannot map the shared memory of process %d (%llu MiB): %s",
		    pid, (unsigned long long)(r->bytes >> 20), strerror(errno));
	r->header = p;
	return 0;
}

static int open_and_map(
    pid_t pid, const struct candidate *c, struct mp_preload_region *out, struct mp_err *err)
{
	*out = (struct mp_preload_region){.fd = open_candidate(pid, c), .inode = c->inode};
	if (out->fd == -ENOENT)
		return not_ours(pid, "it is no memory file that can be opened", err);
	if (out->fd < 0)
		return mp_err_set(err, -out->fd,
		    "cannot open the shared memory of libmpsample.so in process %d: %s; run as its user, or "
		    "as root",
		    pid, strerror(-out->fd));
	int ret = map_checked(out, pid, err);
	if (ret)
		mp_preload_region_close(out);
	return ret;
}

/* A process may map several: its parent's, which a fork left it, or what only has the name. The first that is
 * good counts; else the first failure is told, and what is broken before what is merely another's. */
int mp_preload_region_open(pid_t pid, struct mp_preload_region *out, struct mp_err *err)
{
	struct candidate found[MAX_CANDIDATES];
	int n = find_candidates(pid, found), failure = 0;

	*out = (struct mp_preload_region){.fd = -1};
	if (n < 0)
		return mp_err_set(err, -n == ENOENT ? ESRCH : -n,
		    "cannot read the memory map of process %d: %s", pid, strerror(-n));
	for (int i = 0; i < n; i++) {
		struct mp_err this;
		int ret = open_and_map(pid, &found[i], out, &this);
		if (!ret)
			return 0;
		if (!failure || failure == -ECHILD) {
			failure = ret;
			if (err)
				*err = this;
		}
	}
	return failure ? failure
		       : mp_err_set(err, ENOENT,
			     "process %d does not carry libmpsample.so; start it with "
			     "LD_PRELOAD=libmpsample.so",
			     pid);
}

void mp_preload_region_close(struct mp_preload_region *r)
{
	if (r->header)
		munmap(r->header, r->bytes);
	if (r->fd >= 0)
		close(r->fd);
	*r = (struct mp_preload_region){.fd = -1};
}

/* ---- The lock ---- */

/* Lines of /proc/locks: "1: FLOCK  ADVISORY  WRITE 4242 00:01:2053 0 EOF". */
pid_t mp_preload_region_recorder(const struct mp_preload_region *r)
{
	char line[256];
	struct stat s;
	pid_t holder = 0;
	FILE *f = fopen("/proc/locks", "re");

	if (fstat(r->fd, &s))
		s.st_ino = 0;
	for (unsigned int n = 0; f && !holder && n < MAX_LINES && fgets(line, sizeof(line), f); n++) {
		unsigned int dev_major, dev_minor;
		unsigned long long inode;
		int pid;
		if (sscanf(line, "%*s FLOCK %*s %*s %d %x:%x:%llu", &pid, &dev_major, &dev_minor, &inode) ==
			4 &&
		    inode == s.st_ino && dev_major == major(s.st_dev) && dev_minor == minor(s.st_dev))
			holder = pid;
	}
	if (f)
		fclose(f);
	return holder;
}

int mp_preload_region_lock(struct mp_preload_region *r, pid_t pid, struct mp_err *err)
{
	if (!flock(r->fd, LOCK_EX | LOCK_NB))
		return 0;
	if (errno != EWOULDBLOCK)
		return mp_err_set(
		    err, errno, "cannot lock the shared memory of process %d: %s", pid, strerror(errno));
	pid_t other = mp_preload_region_recorder(r);
	return other > 0 ? mp_err_set(err, EBUSY,
			       "process %d is being recorded by process %d; wait for that recording, or end "
			       "it: kill %d",
			       pid, other, other)
			 : mp_err_set(err, EBUSY,
			       "process %d is being recorded by another mpsample; wait for that recording, "
			       "or end it",
			       pid);
}

/* ---- Slots ---- */

unsigned int mp_preload_region_next(const struct mp_preload_region *r, unsigned int i)
{
	uint64_t header = mp_region_header_bytes();

	if (i >= r->slots)
		return r->slots;
	off_t at = lseek(r->fd, (off_t)(header + i * r->slot_bytes), SEEK_DATA);
	if (at < (off_t)header)
		return r->slots;
	uint64_t slot = ((uint64_t)at - header) / r->slot_bytes;
	return slot < r->slots ? (unsigned int)slot : r->slots;
}
