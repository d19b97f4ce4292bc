/* SPDX-License-Identifier: MIT */
/* Sections as ranges of files: plain, compressed in each way, damaged. */
#include "tests/unit/symbolize_fixture.h"

#include <elf.h>
#include <errno.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include "symbolize/elf/section.h"

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2
#endif

/* More than a chunk before and after compression, and no multiple of one. */
#define CONTENT_BYTES 1000003

static char content[CONTENT_BYTES];

static void write_file(const char *name, const void *bytes, size_t n)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", fixture_dir, name);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	cr_assert_eq(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

/* big.so: lib.so with .debug_big, which holds `content`. */
static void make(void)
{
	uint32_t state = 1;

	fixture_make();
	for (size_t i = 0; i < CONTENT_BYTES; i++) {
		state = state * 1664525 + 1013904223;
		content[i] = (char)('a' + (state >> 24) % 20);
	}
	memset(content + 300000, 'x', 400000); /* much comes out of little */
	write_file("content", content, CONTENT_BYTES);
	run("cd %s && objcopy --add-section .debug_big=content lib.so big.so", fixture_dir);
}

TestSuite(section, .init = make, .fini = fixture_remove, .timeout = 300);

static void expect_content(const char *file, bool is_unpacked)
{
	static char got[CONTENT_BYTES + 1];
	struct mp_elf *e = fixture_open(file);
	struct mp_section s;

	cr_assert_eq(mp_section_open(e, ".debug_big", &s), 0, "%s", file);
	cr_expect_eq(s.is_unpacked, is_unpacked, "%s", file);
	cr_expect_eq(s.size, CONTENT_BYTES);
	cr_expect_eq(mp_section_read(&s, 0, got, sizeof(got)), CONTENT_BYTES);
	cr_expect(memcmp(got, content, CONTENT_BYTES) == 0, "%s", file);
	cr_expect_eq(mp_section_read(&s, CONTENT_BYTES - 5, got, 100), 5);
	cr_expect(memcmp(got, content + CONTENT_BYTES - 5, 5) == 0);
	cr_expect_eq(mp_section_read(&s, CONTENT_BYTES, got, 1), 0);
	cr_expect_eq(mp_section_read(&s, UINT64_MAX, got, 1), 0);
	mp_section_close(&s);
	mp_elf_close(e);
}

Test(section, plain)
{
	expect_content("big.so", false);
}

Test(section, compressed_by_binutils)
{
	run("cd %s && objcopy --compress-debug-sections=zlib big.so zlib.so", fixture_dir);
	expect_content("zlib.so", true);
	run("cd %s && objcopy --compress-debug-sections=zlib-gnu big.so gnu.so"
	    " && readelf -SW gnu.so | grep -qF .zdebug_big",
	    fixture_dir);
	expect_content("gnu.so", true);
}

static int open_section(const char *file, const char *name)
{
	struct mp_elf *e = fixture_open(file);
	struct mp_section s;
	int rc = mp_section_open(e, name, &s);

	if (rc < 0) {
		cr_expect_eq(s.size, 0);
		cr_expect_not(s.is_unpacked);
	}
	mp_section_close(&s);
	mp_elf_close(e);
	return rc;
}

Test(section, what_is_not_there)
{
	cr_expect_eq(open_section("lib.so", ".debug_big"), -ENOENT);
	cr_expect_eq(open_section("lib.so", ".bss"), -ENOENT);
	cr_expect_eq(open_section("lib.so", ""), -ENOENT);
	run("cd %s && objcopy --only-keep-debug lib.so lib.debug && : >empty"
	    " && objcopy --add-section .debug_none=empty lib.so none.so",
	    fixture_dir);
	cr_expect_eq(open_section("lib.debug", ".text"), -ENOENT);
	cr_expect_eq(open_section("none.so", ".debug_none"), -ENOENT);
	struct mp_section zeroed = {0};
	mp_section_close(&zeroed);
}

Test(section, address)
{
	struct mp_elf *e = fixture_open("lib.so");
	struct mp_section s;
	uint64_t vaddr;

	cr_assert_eq(mp_section_open(e, ".text", &s), 0);
	cr_assert(mp_elf_offset_to_vaddr(e, s.offset, &vaddr));
	cr_expect_eq(s.vaddr, vaddr);
	mp_section_close(&s);
	mp_elf_close(e);
}

/* ---- Compressed by hand, and wrongly so ---- */

/* What a compressed section may hold: a header, and the stream behind it. */
static struct {
	Elf64_Chdr h;
	unsigned char stream[2 * CONTENT_BYTES];
} packed;

/* Makes packed.so, whose .debug_big is the header and `n` bytes of the stream, flagged as compressed. */
static void write_packed(size_t n)
{
	char path[128];
	Elf64_Ehdr h;
	Elf64_Shdr s, names;
	char name[12];

	write_file("packed", &packed, sizeof(packed.h) + n);
	run("cd %s && objcopy --add-section .debug_big=packed lib.so packed.so", fixture_dir);
	snprintf(path, sizeof(path), "%s/packed.so", fixture_dir);
	int fd = open(path, O_RDWR);
	cr_assert_eq(pread(fd, &h, sizeof(h), 0), sizeof(h));
	cr_assert_eq(
	    pread(fd, &names, sizeof(names), (off_t)(h.e_shoff + h.e_shstrndx * sizeof(s))), sizeof(names));
	for (unsigned i = 1; i < h.e_shnum; i++) {
		off_t at = (off_t)(h.e_shoff + i * sizeof(s));

		cr_assert_eq(pread(fd, &s, sizeof(s), at), sizeof(s));
		cr_assert_eq(
		    pread(fd, name, sizeof(name), (off_t)(names.sh_offset + s.sh_name)), sizeof(name));
		if (strncmp(name, ".debug_big", sizeof(name)) != 0)
			continue;
		s.sh_flags |= SHF_COMPRESSED;
		cr_assert_eq(pwrite(fd, &s, sizeof(s), at), sizeof(s));
	}
	close(fd);
}

static size_t pack_zstd(void)
{
	size_t n =
	    ZSTD_compress(packed.stream, sizeof(packed.stream), content, CONTENT_BYTES, ZSTD_CLEVEL_DEFAULT);

	cr_assert_not(ZSTD_isError(n));
	packed.h = (Elf64_Chdr){.ch_type = ELFCOMPRESS_ZSTD, .ch_size = CONTENT_BYTES, .ch_addralign = 1};
	return n;
}

static size_t pack_zlib(void)
{
	uLongf n = sizeof(packed.stream);

	cr_assert_eq(compress(packed.stream, &n, (const Bytef *)content, CONTENT_BYTES), Z_OK);
	packed.h = (Elf64_Chdr){.ch_type = ELFCOMPRESS_ZLIB, .ch_size = CONTENT_BYTES, .ch_addralign = 1};
	return n;
}

Test(section, zstd)
{
	write_packed(pack_zstd());
	expect_content("packed.so", true);
}

/* Linkers join sections that the compiler has compressed. */
Test(section, several_streams)
{
	uLongf first = sizeof(packed.stream), second = sizeof(packed.stream) / 2;

	pack_zlib();
	cr_assert_eq(compress(packed.stream, &first, (const Bytef *)content, 123456), Z_OK);
	cr_assert_eq(
	    compress(packed.stream + first, &second, (const Bytef *)content + 123456, CONTENT_BYTES - 123456),
	    Z_OK);
	write_packed(first + second);
	expect_content("packed.so", true);

	pack_zstd();
	first = ZSTD_compress(packed.stream, sizeof(packed.stream), content, 123456, 1);
	second =
	    ZSTD_compress(packed.stream + first, CONTENT_BYTES, content + 123456, CONTENT_BYTES - 123456, 1);
	write_packed(first + second);
	expect_content("packed.so", true);
}

static void expect_damaged(size_t n)
{
	static const uint64_t wrong[] = {1, CONTENT_BYTES - 1, CONTENT_BYTES + 1, 1 << 30};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		packed.h.ch_size = wrong[i];
		write_packed(n);
		cr_expect_eq(open_section("packed.so", ".debug_big"), -EBADMSG, "size %lu", wrong[i]);
	}
	packed.h.ch_size = CONTENT_BYTES;
	static const size_t cut[] = {1, 2, 65536, 65537};
	for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
		write_packed(n - cut[i]);
		cr_expect_eq(open_section("packed.so", ".debug_big"), -EBADMSG, "cut by %zu", cut[i]);
	}
	write_packed(0);
	cr_expect_eq(open_section("packed.so", ".debug_big"), -EBADMSG);
	packed.h.ch_size = MP_SECTION_UNPACKED_MAX + 1;
	write_packed(n);
	cr_expect_eq(open_section("packed.so", ".debug_big"), -E2BIG);
	packed.h.ch_size = UINT64_MAX;
	write_packed(n);
	cr_expect_eq(open_section("packed.so", ".debug_big"), -E2BIG);
	packed.h.ch_size = 0;
	write_packed(n);
	cr_expect_eq(open_section("packed.so", ".debug_big"), -ENOENT);
	packed.h.ch_size = CONTENT_BYTES;
	packed.h.ch_type = 77;
	write_packed(n);
	cr_expect_eq(open_section("packed.so", ".debug_big"), -ENOTSUP);
}

Test(section, damaged_zlib)
{
	expect_damaged(pack_zlib());
}

Test(section, damaged_zstd)
{
	expect_damaged(pack_zstd());
}

/* Any byte of the stream is another: the section is damaged, or of the size that was announced. */
Test(section, changed_bytes)
{
	for (int kind = 0; kind < 2; kind++) {
		size_t n = kind ? pack_zstd() : pack_zlib();

		for (size_t at = 0; at < n; at += at < 40 ? 1 : n / 40) {
			packed.stream[at] ^= 0xff;
			write_packed(n);
			int rc = open_section("packed.so", ".debug_big");
			cr_expect(rc == 0 || rc == -EBADMSG, "%zu: %d", at, rc);
			packed.stream[at] ^= 0xff;
		}
	}
}

/* A file that is cut after it was opened gives what is left. */
Test(section, truncated_while_open)
{
	char byte[16];
	struct mp_elf *e = fixture_open("big.so");
	struct mp_section s;

	cr_assert_eq(mp_section_open(e, ".debug_big", &s), 0);
	run("truncate -s %lu %s/big.so", s.offset + 10, fixture_dir);
	cr_expect_eq(mp_section_read(&s, 0, byte, sizeof(byte)), 10);
	cr_expect_eq(mp_section_read(&s, 100, byte, sizeof(byte)), 0);
	mp_section_close(&s);
	mp_elf_close(e);
}

static int open_within(const char *file, uint64_t max)
{
	struct mp_elf *e = fixture_open(file);
	struct mp_section s;
	int rc = mp_section_open_within(e, ".debug_big", max, &s);

	cr_expect(mp_section_exists(e, ".debug_big"));
	cr_expect_not(mp_section_exists(e, ".debug_other"));
	cr_expect_not(mp_section_exists(e, ".bss"), "nothing of it is in the file");
	cr_expect_eq(s.size, rc ? 0 : CONTENT_BYTES);
	mp_section_close(&s);
	mp_elf_close(e);
	return rc;
}

/* What is too large is not unpacked, as a damaged stream shows; nor is what is only asked for. */
Test(section, size_that_the_caller_allows)
{
	cr_expect_eq(open_within("big.so", CONTENT_BYTES), 0);
	cr_expect_eq(open_within("big.so", CONTENT_BYTES - 1), -E2BIG);
	run("cd %s && objcopy --compress-debug-sections=zlib-gnu big.so gnu.so", fixture_dir);
	cr_expect_eq(open_within("gnu.so", CONTENT_BYTES), 0);
	cr_expect_eq(open_within("gnu.so", CONTENT_BYTES - 1), -E2BIG);
	for (int kind = 0; kind < 2; kind++) {
		size_t n = kind ? pack_zstd() : pack_zlib();

		write_packed(n);
		cr_expect_eq(open_within("packed.so", CONTENT_BYTES), 0);
		write_packed(n - 1);
		cr_expect_eq(open_within("packed.so", CONTENT_BYTES), -EBADMSG);
		cr_expect_eq(open_within("packed.so", CONTENT_BYTES - 1), -E2BIG);
	}
}

static size_t open_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

Test(section, nothing_stays_open)
{
	size_t n = pack_zlib(), before;

	write_packed(n);
	struct mp_elf *e = fixture_open("packed.so");
	struct mp_section s;
	before = open_descriptors();
	cr_assert_eq(mp_section_open(e, ".debug_big", &s), 0);
	cr_expect_eq(open_descriptors(), before + 1);
	mp_section_close(&s);
	mp_section_close(&s);
	cr_expect_eq(open_descriptors(), before);
	mp_elf_close(e);
	packed.h.ch_size--;
	write_packed(n);
	before = open_descriptors();
	open_section("packed.so", ".debug_big");
	cr_expect_eq(open_descriptors(), before);
}
