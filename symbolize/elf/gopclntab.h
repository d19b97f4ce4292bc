/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_ELF_GOPCLNTAB_H
#define MP_SYMBOLIZE_ELF_GOPCLNTAB_H

#include "symbolize/elf/elf.h"

/*
 * The functions of a Go program by the table that its runtime walks stacks with, which is there in stripped
 * programs, too. Formats of Go 1.2 and later, by debug/gosym/pclntab.go of its library. The table is the
 * file's and hostile.
 */
struct mp_gopclntab;

/* Reads the table. -ENOENT: there is none; -EBADMSG: of a format that is not known, or damaged; -E2BIG;
 * -ENOMEM. */
int mp_gopclntab_open(const struct mp_elf *e, struct mp_gopclntab **out);
void mp_gopclntab_close(struct mp_gopclntab *t);

/* Calls `fn` for every function, in the order of their addresses, with names that stay until close; stops
 * when it returns non-zero and returns that. Entries that are damaged are left out. Any thread. */
int mp_gopclntab_each(
    const struct mp_gopclntab *t, int (*fn)(void *ctx, const struct mp_elf_sym *sym), void *ctx);

#endif
