/* SPDX-License-Identifier: MIT */
#include "symbolize/elf/private.h"

#include <errno.h>
#include <lzma.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * .gnu_debugdata ("MiniDebugInfo", as Fedora's files carry it): an xz-compressed ELF file whose .symtab holds
 * the function symbols that .dynsym lacks. See "MiniDebugInfo" in the GDB manual.
 */

/* `xz -9` needs 65 MiB to decompress; a file may ask for 4 GiB. */
#define DECODER_BYTES_MAX (80u << 20)

/* A symbol table of 2.7 million functions, and the limit of what a compression bomb costs. */
#define DECOMPRESSED_BYTES_MAX (64u << 20)

#define CHUNK_BYTES 32768

static bool write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t r = write(fd, p, n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		p += r;
		n -= (size_t)r;
	}
	return true;
}

/* Decompresses `size` bytes of the file at `offset` into `fd`. */
static bool decompress(const struct mp_elf *e, uint64_t offset, uint64_t size, lzma_stream *lz, int fd)
{
	uint8_t in[CHUNK_BYTES], out[CHUNK_BYTES];
	lzma_ret rc = LZMA_OK;

	while (rc == LZMA_OK) {
		if (!lz->avail_in && size) {
			size_t n = size < sizeof(in) ? size : sizeof(in);

			if (mp_elf_read(e, offset, in, n) != n)
				return false;
			lz->next_in = in;
			lz->avail_in = n;
			offset += n;
			size -= n;
		}
		lz->next_out = out;
		lz->avail_out = sizeof(out);
		/* With LZMA_FINISH a stream that ends early is LZMA_BUF_ERROR, not an endless loop. */
		rc = lzma_code(lz, size ? LZMA_RUN : LZMA_FINISH);
		if (rc != LZMA_OK && rc != LZMA_STREAM_END)
			return false;
		if (lz->total_out > DECOMPRESSED_BYTES_MAX ||
		    !write_all(fd, out, sizeof(out) - lz->avail_out))
			return false;
	}
	return true;
}

struct mp_elf *mp_elf_open_debugdata(const struct mp_elf *e)
{
	lzma_stream lz = LZMA_STREAM_INIT;
	struct mp_elf *inner = NULL;
	uint64_t size = mp_elf_section_bytes(e, e->debugdata);

	/* Compressed larger than what may come out of it: not worth reading. */
	if (!size || size > DECOMPRESSED_BYTES_MAX)
		return NULL;
	int fd = memfd_create("mpsample-debugdata", MFD_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (lzma_stream_decoder(&lz, DECODER_BYTES_MAX, 0) != LZMA_OK)
		goto out;
	if (decompress(e, e->sections[e->debugdata].sh_offset, size, &lz, fd) &&
	    mp_elf_open_nested(fd, ".gnu_debugdata", true, &inner, NULL) < 0)
		inner = NULL;
	lzma_end(&lz);
out:
	close(fd);
	return inner;
}
