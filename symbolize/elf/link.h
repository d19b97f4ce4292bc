/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_ELF_LINK_H
#define MP_SYMBOLIZE_ELF_LINK_H

#include "symbolize/elf/elf.h"

/* What a file says of its further files, which symbolize/debug_file.h looks for. Both return 0, -ENOENT (it
 * says nothing) or -EBADMSG. Any thread. */
#define MP_ELF_LINK_MAX 4096

/* .gnu_debuglink: the name of its separate debug file, which is a plain one, and that file's CRC. */
int mp_elf_debuglink(const struct mp_elf *e, char name[static MP_ELF_LINK_MAX], uint32_t *crc);

/* .gnu_debugaltlink: the path of its supplementary file, which dwz makes, and its build-id in hex. */
int mp_elf_altlink(const struct mp_elf *e, char path[static MP_ELF_LINK_MAX], char build_id[static 129]);

#endif
