/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_ELF_ELF_H
#define MP_SYMBOLIZE_ELF_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/err.h"

/*
 * What mpsample needs of an ELF file, over libelf: program headers, symbols, relocations of the PLT,
 * build-id. The file is the target's and hostile: every offset and count is checked, nothing is trusted to be
 * terminated or sorted. An open file is immutable; any thread may read it.
 */
struct mp_elf;

/* Opens the ELF file behind `fd` (any 64-bit ELF for this machine's byte order; others are -ENOEXEC, as is
 * what is no regular file). Takes a duplicate of `fd`: the caller keeps its own. `name` is for messages. */
int mp_elf_open(int fd, const char *name, struct mp_elf **out, struct mp_err *err);
void mp_elf_close(struct mp_elf *e);

uint16_t mp_elf_machine(const struct mp_elf *e); /* EM_X86_64, ... */
bool mp_elf_is_static(
    const struct mp_elf *e); /* no PT_INTERP and no DT_NEEDED: nothing is bound at run time */
bool mp_elf_has_symtab(const struct mp_elf *e);      /* not stripped */
const char *mp_elf_build_id(const struct mp_elf *e); /* lower-case hex, NULL if none */

/* File offset <-> virtual address through the PT_LOAD segments. Return false where no segment covers it. */
bool mp_elf_offset_to_vaddr(const struct mp_elf *e, uint64_t offset, uint64_t *vaddr);
bool mp_elf_vaddr_to_offset(const struct mp_elf *e, uint64_t vaddr, uint64_t *offset);

/* The bytes of the file at a file offset: up to `n`, fewer at the end of the file. Returns the count. */
size_t mp_elf_read(const struct mp_elf *e, uint64_t offset, void *buf, size_t n);

/* The end of the executable section that holds `vaddr`, of the segment in a file without sections, or 0: no
 * function there reaches further. */
uint64_t mp_elf_code_end(const struct mp_elf *e, uint64_t vaddr);

enum mp_elf_table { MP_ELF_DYNSYM, MP_ELF_DEBUGDATA, MP_ELF_SYMTAB };

/* A symbol of a function or a variable. `size` may be 0 where the table does not say. */
struct mp_elf_sym {
	const char *name; /* owned by the mp_elf; never empty; may be long, and hold any byte */
	uint64_t vaddr, size;
	bool exported; /* in .dynsym, global or weak: what the dynamic linker binds to */
	uint8_t bind;  /* STB_LOCAL, STB_GLOBAL, STB_WEAK, ... */
	enum mp_elf_table table;
};

/* Calls `fn` for every defined function symbol (STT_FUNC, STT_GNU_IFUNC) of .symtab, .dynsym, and where there
 * is no .symtab .gnu_debugdata; stops when it returns non-zero and returns that. A function that is in two
 * tables comes twice, `exported` only from .dynsym. Reads the tables at each call; the first call also loads
 * the names, which stay until mp_elf_close(). */
int mp_elf_each_function(
    const struct mp_elf *e, int (*fn)(void *ctx, const struct mp_elf_sym *sym), void *ctx);

/* The same for every defined variable (STT_OBJECT; not those of a thread). */
int mp_elf_each_variable(
    const struct mp_elf *e, int (*fn)(void *ctx, const struct mp_elf_sym *sym), void *ctx);

/* Memory that the names and relocations loaded so far take, in bytes. */
size_t mp_elf_loaded_bytes(const struct mp_elf *e);

/* The symbol that the GOT slot at `vaddr` is bound to by name (.rela.plt, .rela.dyn), or NULL. `vaddr` may
 * also be the address of a PLT entry: of code that jumps through such a slot. */
const char *mp_elf_slot_symbol(const struct mp_elf *e, uint64_t vaddr);

/* A USDT probe, as a note of .note.stapsdt tells. The texts are owned by the call; `args` describes where the
 * arguments are ("8@%rdi 8@%rsi"). The notes are the file's word: nothing says that there is code at vaddr.
 */
struct mp_elf_usdt {
	const char *provider, *name, *args;
	uint64_t vaddr;     /* of the probed instruction, also after prelink(8) moved the file */
	uint64_t semaphore; /* address of its counter of readers, or 0 */
};

/* Calls `fn` for every USDT probe of the file in the order of its notes; stops when it returns non-zero and
 * returns that, -ENOMEM without memory. Notes that are damaged are left out. Reads the notes at each call. */
int mp_elf_each_usdt(
    const struct mp_elf *e, int (*fn)(void *ctx, const struct mp_elf_usdt *probe), void *ctx);

#endif
