/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_ELF_SECTION_H
#define MP_SYMBOLIZE_ELF_SECTION_H

#include "symbolize/elf/elf.h"

/*
 * The bytes of an ELF section as a range of a file: of the ELF file itself, or, where the section is
 * compressed (SHF_COMPRESSED with zlib or zstd, and the older .zdebug_*), of an unnamed temporary file that
 * it was unpacked to. Nothing is mapped and nothing held in memory: a debug file of gigabytes costs what is
 * read of it, and one that is truncated under its reader costs names.
 */
struct mp_section {
	int fd;
	uint64_t offset;  /* in fd */
	uint64_t size;    /* bytes, all within the file when it was opened */
	uint64_t vaddr;   /* sh_addr */
	bool is_unpacked; /* fd is ours */
};

/* The largest section that is unpacked. */
#define MP_SECTION_UNPACKED_MAX (UINT64_C(4) << 30)

/* Finds a section by its name (".debug_info" finds ".zdebug_info" too). `e` has to outlive it. 0, -ENOENT
 * (none, empty, or not in this file), -EBADMSG (damaged), -ENOTSUP (another compression), -E2BIG, or what the
 * temporary file met with. Any thread. */
int mp_section_open(const struct mp_elf *e, const char *name, struct mp_section *out);

/* The same, and -E2BIG for one of more than `max` bytes, packed or not: found out before any of it is
 * unpacked. */
int mp_section_open_within(const struct mp_elf *e, const char *name, uint64_t max, struct mp_section *out);

/* Whether there is something under this name, for mp_section_open() to try. Reads nothing. Any thread. */
bool mp_section_exists(const struct mp_elf *e, const char *name);

void mp_section_close(struct mp_section *s); /* also of one that was zeroed, or failed to open */

/* Up to `n` bytes at `at` bytes from its beginning; returns the count. Any thread. */
size_t mp_section_read(const struct mp_section *s, uint64_t at, void *buf, size_t n);

#endif
