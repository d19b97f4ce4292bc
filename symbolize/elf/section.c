/* SPDX-License-Identifier: MIT */
#include "symbolize/elf/section.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "symbolize/elf/private.h"

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2 /* glibc before 2.37 */
#endif

#define CHUNK_BYTES 65536

/* What is unpacked into memory where there is no disk to unpack to. */
#define MEMORY_BYTES_MAX (UINT64_C(256) << 20)

/* A stream on its way from one file to another. */
struct unpack {
	const struct mp_elf *e;
	uint64_t offset, left; /* of what is not read yet */
	int fd;
	uint64_t done, size; /* bytes written, and that there have to be */
	uint8_t in[CHUNK_BYTES], out[CHUNK_BYTES];
};

/* The next piece of input, in u->in; 0 at the end. */
static size_t next_input(struct unpack *u)
{
	size_t n = mp_elf_read(u->e, u->offset, u->in, u->left < sizeof(u->in) ? u->left : sizeof(u->in));

	u->offset += n;
	u->left = n ? u->left - n : 0;
	return n;
}

/* Appends the first `n` bytes of u->out. */
static int put_output(struct unpack *u, size_t n)
{
	if (n > u->size - u->done)
		return -EBADMSG; /* more than was announced */
	for (size_t at = 0; at < n;) {
		ssize_t r = pwrite(u->fd, u->out + at, n - at, (off_t)u->done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EIO;
		at += (size_t)r;
		u->done += (uint64_t)r;
	}
	return 0;
}

/* Several streams may follow each other: linkers join what the compiler has compressed. */
static int unpack_zlib(struct unpack *u)
{
	z_stream z = {0};
	int rc = 0, state = Z_OK;

	if (inflateInit(&z) != Z_OK)
		return -ENOMEM;
	while (rc == 0 && !(state == Z_STREAM_END && u->done == u->size)) {
		if (!z.avail_in) {
			z.next_in = u->in;
			z.avail_in = (uInt)next_input(u);
		}
		if (state == Z_STREAM_END)
			inflateReset(&z);
		/* Also without input: there may be output left that did not fit. If there is none,
		 * Z_BUF_ERROR. */
		z.next_out = u->out;
		z.avail_out = sizeof(u->out);
		state = inflate(&z, Z_NO_FLUSH);
		if (state == Z_OK || state == Z_STREAM_END)
			rc = put_output(u, sizeof(u->out) - z.avail_out);
		else
			rc = state == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
	}
	inflateEnd(&z);
	return rc;
}

/* The decoder's own limit of a stream's window holds: 128 MiB. */
static int unpack_zstd(struct unpack *u)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	ZSTD_inBuffer in = {.src = u->in};
	size_t state = 1; /* 0 at the end of a stream */
	int rc = 0;

	if (!z)
		return -ENOMEM;
	while (rc == 0 && (state || u->done < u->size)) {
		ZSTD_outBuffer out = {.dst = u->out, .size = sizeof(u->out)};

		if (in.pos == in.size) {
			in.pos = 0;
			in.size = next_input(u);
		}
		/* Without input it gives what it still holds, and nothing when the stream ends too early. */
		state = ZSTD_decompressStream(z, &out, &in);
		if (ZSTD_isError(state) || (!in.size && !out.pos))
			rc = -EBADMSG;
		else
			rc = put_output(u, out.pos);
	}
	ZSTD_freeDStream(z);
	return rc;
}

/* An unnamed file with room for `size` bytes: on disk, where it may take half of what is free. */
static int open_temporary(uint64_t size)
{
	struct statvfs v;
	int fd = open("/var/tmp", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 && fstatvfs(fd, &v) == 0 && size / v.f_frsize < v.f_bavail / 2)
		return fd;
	if (fd >= 0)
		close(fd);
	if (size > MEMORY_BYTES_MAX)
		return fd >= 0 ? -ENOSPC : -E2BIG;
	fd = memfd_create("mpsample-section", MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Unpacks the stream of `stored` bytes at `offset`, to become `out->size` bytes: at most `max`. */
static int unpack_stream(const struct mp_elf *e, uint32_t type, uint64_t offset, uint64_t stored,
    uint64_t max, struct mp_section *out)
{
	struct unpack u = {.e = e, .offset = offset, .left = stored, .size = out->size};

	if (type != ELFCOMPRESS_ZLIB && type != ELFCOMPRESS_ZSTD)
		return -ENOTSUP;
	if (!out->size)
		return -ENOENT;
	if (out->size > max || out->size > MP_SECTION_UNPACKED_MAX)
		return -E2BIG;
	u.fd = open_temporary(out->size);
	if (u.fd < 0)
		return u.fd;
	int rc = type == ELFCOMPRESS_ZLIB ? unpack_zlib(&u) : unpack_zstd(&u);
	if (rc == 0 && u.done != u.size)
		rc = -EBADMSG;
	if (rc < 0) {
		close(u.fd);
		return rc;
	}
	out->fd = u.fd;
	out->offset = 0;
	out->is_unpacked = true;
	return 0;
}

/* SHF_COMPRESSED: a header, and the stream. */
static int unpack_section(const struct mp_elf *e, size_t number, uint64_t max, struct mp_section *out)
{
	uint64_t stored = mp_elf_section_stored_bytes(e, number);
	Elf64_Chdr h;

	if (stored <= sizeof(h) || mp_elf_read(e, out->offset, &h, sizeof(h)) != sizeof(h))
		return -EBADMSG;
	out->size = h.ch_size;
	return unpack_stream(e, h.ch_type, out->offset + sizeof(h), stored - sizeof(h), max, out);
}

/* .zdebug_*: "ZLIB", the size as a big-endian number, and the stream. */
static int unpack_zdebug(const struct mp_elf *e, size_t number, uint64_t max, struct mp_section *out)
{
	uint64_t stored = mp_elf_section_stored_bytes(e, number), size;
	char h[12];

	if (stored <= sizeof(h) || mp_elf_read(e, out->offset, h, sizeof(h)) != sizeof(h) ||
	    memcmp(h, "ZLIB", 4) != 0)
		return -EBADMSG;
	memcpy(&size, h + 4, sizeof(size));
	out->size = be64toh(size);
	return unpack_stream(e, ELFCOMPRESS_ZLIB, out->offset + sizeof(h), stored - sizeof(h), max, out);
}

/* The number of the section; 0: none, empty, or not in this file. *is_z: it is a .zdebug_* one. */
static size_t find(const struct mp_elf *e, const char *name, bool *is_z)
{
	size_t number = mp_elf_find_section(e, name);
	char other[64];

	*is_z = !number && strncmp(name, ".debug_", 7) == 0;
	if (*is_z) {
		snprintf(other, sizeof(other), ".z%s", name + 1);
		number = mp_elf_find_section(e, other);
	}
	return number && mp_elf_section_stored_bytes(e, number) ? number : 0;
}

bool mp_section_exists(const struct mp_elf *e, const char *name)
{
	bool is_z;

	return find(e, name, &is_z) != 0;
}

int mp_section_open_within(const struct mp_elf *e, const char *name, uint64_t max, struct mp_section *out)
{
	bool is_z;
	size_t number = find(e, name, &is_z);
	int rc = 0;

	*out = (struct mp_section){0};
	if (!number)
		return -ENOENT;
	const Elf64_Shdr *s = &e->sections[number];
	*out = (struct mp_section){
	    .fd = e->fd,
	    .offset = s->sh_offset,
	    .size = mp_elf_section_stored_bytes(e, number),
	    .vaddr = s->sh_addr,
	};
	if (s->sh_flags & SHF_COMPRESSED)
		rc = unpack_section(e, number, max, out);
	else if (is_z)
		rc = unpack_zdebug(e, number, max, out);
	else if (out->size > max)
		rc = -E2BIG;
	if (rc < 0)
		*out = (struct mp_section){0};
	return rc;
}

int mp_section_open(const struct mp_elf *e, const char *name, struct mp_section *out)
{
	return mp_section_open_within(e, name, UINT64_MAX, out);
}

void mp_section_close(struct mp_section *s)
{
	if (s->is_unpacked)
		close(s->fd);
	*s = (struct mp_section){0};
}

size_t mp_section_read(const struct mp_section *s, uint64_t at, void *buf, size_t n)
{
	size_t done = 0;

	if (at >= s->size)
		return 0;
	if (n > s->size - at)
		n = s->size - at;
	while (done < n) {
		ssize_t r = pread(s->fd, (char *)buf + done, n - done, (off_t)(s->offset + at + done));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break; /* the file may have been truncated since it was opened */
		done += (size_t)r;
	}
	return done;
}
