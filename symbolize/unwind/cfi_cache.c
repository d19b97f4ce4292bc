/* SPDX-License-Identifier: MIT */
#include "symbolize/unwind/cfi_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * A file per build-id, DIR/BUILDID.cfi: a header and the rows. What is in it is believed, so folder and file
 * have to be this user's, and nobody else's to write. A build-id is a file's own claim, and an unfriendly
 * program may claim libc's: `sum` says which bytes the rows were made from, under the secret in DIR/key,
 * without which nobody can make other bytes with the same sum.
 */

#define CACHE_VERSION 2

struct header {
	char magic[8];
	uint32_t version, row_bytes;
	uint64_t base, sum;
	uint64_t rows, checksum;
	char build_id[136];
};

static const char magic[8] = "MP-CFI\n";

static uint64_t checksum(const struct mp_cfi_row *row, size_t n)
{
	uint64_t sum = n, words[3];
	size_t i = 0;

	for (; i + 2 <= n; i += 2) {
		memcpy(words, &row[i], sizeof(words));
		for (int w = 0; w < 3; w++)
			sum = (sum ^ words[w]) * UINT64_C(0x9e3779b97f4a7c15) ^ sum >> 29;
	}
	for (; i < n; i++) {
		memset(words, 0, sizeof(words));
		memcpy(words, &row[i], sizeof(row[i]));
		sum = (sum ^ words[0] ^ words[1] << 1) * UINT64_C(0x9e3779b97f4a7c15);
	}
	return sum;
}

static void fill_header(struct header *h, const char *build_id, uint64_t base, uint64_t sum)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, magic, sizeof(magic));
	h->version = CACHE_VERSION;
	h->row_bytes = sizeof(struct mp_cfi_row);
	h->base = base;
	h->sum = sum;
	snprintf(h->build_id, sizeof(h->build_id), "%s", build_id);
}

static bool only_ours(const struct stat *st)
{
	return st->st_uid == geteuid() && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* The folder, or -errno: -EPERM when it is not ours alone. */
static int open_dir(const char *dir)
{
	struct stat st;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && only_ours(&st))
		return fd;
	close(fd);
	return -EPERM;
}

static bool read_all(int fd, void *buf, size_t n, off_t at)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = pread(fd, (char *)buf + done, n - done, at + (off_t)done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		done += (size_t)r;
	}
	return true;
}

static bool write_all(int fd, const void *buf, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t w = write(fd, (const char *)buf + done, n - done);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return false;
		done += (size_t)w;
	}
	return true;
}

/* ---- The key ---- */

static int read_key(int dir_fd, uint8_t key[static CFI_KEY_BYTES])
{
	struct stat st;
	int fd = openat(dir_fd, "key", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	bool good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
		    !(st.st_mode & (S_IRWXG | S_IRWXO)) && st.st_size == CFI_KEY_BYTES &&
		    read_all(fd, key, CFI_KEY_BYTES, 0);
	close(fd);
	return good ? 0 : -EPERM;
}

/* The key appears whole and only once: whoever comes second takes the first one's. */
static int make_key(int dir_fd)
{
	char temporary[32];
	uint8_t key[CFI_KEY_BYTES];
	int rc = 0;

	if (getrandom(key, sizeof(key), GRND_NONBLOCK) != (ssize_t)sizeof(key))
		return -EAGAIN;
	snprintf(temporary, sizeof(temporary), ".key.%d", (int)getpid());
	unlinkat(dir_fd, temporary, 0); /* one that a process of the same number left behind */
	int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (!write_all(fd, key, sizeof(key)))
		rc = -EIO;
	else if (linkat(dir_fd, temporary, dir_fd, "key", 0) < 0 && errno != EEXIST)
		rc = -errno;
	close(fd);
	unlinkat(dir_fd, temporary, 0);
	return rc;
}

int mp_cfi_cache_key(const char *dir, uint8_t key[static CFI_KEY_BYTES])
{
	int dir_fd = open_dir(dir);

	if (dir_fd < 0)
		return dir_fd;
	int rc = read_key(dir_fd, key);
	if (rc == -ENOENT)
		rc = make_key(dir_fd) < 0 ? -ENOENT : read_key(dir_fd, key);
	close(dir_fd);
	return rc;
}

/* ---- Tables ---- */

static int read_rows(int fd, const struct header *want, struct mp_cfi_row **row, size_t *n)
{
	struct header h;
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !only_ours(&st))
		return -EPERM;
	if (!read_all(fd, &h, sizeof(h), 0))
		return -EBADMSG;
	uint64_t rows = h.rows, rows_sum = h.checksum;
	h.rows = h.checksum = 0;
	if (memcmp(&h, want, sizeof(h)) != 0 || !rows || rows > CFI_ROWS_MAX ||
	    (uint64_t)st.st_size != sizeof(h) + rows * sizeof(**row))
		return -EBADMSG;
	*row = malloc(rows * sizeof(**row));
	if (!*row)
		return -ENOMEM;
	*n = rows;
	if (read_all(fd, *row, rows * sizeof(**row), sizeof(h)) && checksum(*row, *n) == rows_sum &&
	    mp_cfi_rows_valid(*row, *n))
		return 0;
	free(*row);
	*row = NULL;
	return -EBADMSG;
}

int mp_cfi_cache_load(
    const char *dir, const char *build_id, uint64_t base, uint64_t sum, struct mp_cfi_row **row, size_t *n)
{
	char name[160];
	struct header want;
	int dir_fd = open_dir(dir);

	if (dir_fd < 0)
		return dir_fd;
	snprintf(name, sizeof(name), "%s.cfi", build_id);
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int rc = fd < 0 ? -errno : 0;
	close(dir_fd);
	if (rc < 0)
		return rc;
	fill_header(&want, build_id, base, sum);
	rc = read_rows(fd, &want, row, n);
	if (rc == 0)
		futimens(fd, NULL); /* what is used stays (cfi_cache_trim.c) */
	close(fd);
	return rc;
}

/* Under a name of its own until it is complete: another recorder may look at any time. */
static int write_file(int dir_fd, const struct header *h, const struct mp_cfi_row *row, size_t n)
{
	char name[160], temporary[192];

	snprintf(name, sizeof(name), "%s.cfi", h->build_id);
	snprintf(temporary, sizeof(temporary), ".%s.%d", h->build_id, (int)getpid());
	unlinkat(dir_fd, temporary, 0); /* one that a process of the same number left behind */
	int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	bool good = write_all(fd, h, sizeof(*h)) && write_all(fd, row, n * sizeof(*row));
	close(fd);
	if (good && renameat(dir_fd, temporary, dir_fd, name) == 0)
		return 0;
	unlinkat(dir_fd, temporary, 0);
	return -EIO;
}

int mp_cfi_cache_store(const char *dir, const char *build_id, uint64_t base, uint64_t sum,
    const struct mp_cfi_row *row, size_t n)
{
	uint64_t bytes = sizeof(struct header) + n * sizeof(*row);
	struct header h;

	if (bytes > CFI_CACHE_TABLE_BYTES_MAX)
		return -E2BIG;
	int dir_fd = open_dir(dir);
	if (dir_fd < 0)
		return dir_fd;
	fill_header(&h, build_id, base, sum);
	h.rows = n;
	h.checksum = checksum(row, n);
	int rc = mp_cfi_cache_trim(dir_fd, CFI_CACHE_BYTES_MAX - bytes - 4096);
	if (rc == 0)
		rc = write_file(dir_fd, &h, row, n);
	close(dir_fd);
	return rc;
}
