/* SPDX-License-Identifier: MIT */
#include "symbolize/elf/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "symbolize/elf/private.h"

static size_t read_section(const struct mp_elf *e, const char *name, char *buf, size_t size)
{
	size_t number = mp_elf_find_section(e, name);
	uint64_t bytes = number ? mp_elf_section_bytes(e, number) : 0;

	return mp_elf_read(e, number ? e->sections[number].sh_offset : 0, buf, bytes < size ? bytes : size);
}

int mp_elf_debuglink(const struct mp_elf *e, char name[static MP_ELF_LINK_MAX], uint32_t *crc)
{
	size_t n = read_section(e, ".gnu_debuglink", name, MP_ELF_LINK_MAX), length = strnlen(name, n);
	size_t at = (length + 1 + 3) & ~(size_t)3; /* the checksum is aligned */

	if (!n)
		return -ENOENT;
	if (length == n || at + sizeof(*crc) > n)
		return -EBADMSG;
	memcpy(crc, name + at, sizeof(*crc));
	if (!length || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EBADMSG;
	return 0;
}

int mp_elf_altlink(const struct mp_elf *e, char path[static MP_ELF_LINK_MAX], char build_id[static 129])
{
	size_t n = read_section(e, ".gnu_debugaltlink", path, MP_ELF_LINK_MAX), length = strnlen(path, n);

	if (!n)
		return -ENOENT;
	if (!length || n < length + 2 || n - length - 1 > ELF_BUILD_ID_BYTES_MAX)
		return -EBADMSG;
	for (size_t i = length + 1; i < n; i++)
		snprintf(build_id + 2 * (i - length - 1), 3, "%02x", (uint8_t)path[i]);
	return 0;
}
