/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_ELF_PRIVATE_H
#define MP_SYMBOLIZE_ELF_PRIVATE_H

#include <elf.h>
#include <pthread.h>

#include "symbolize/elf/elf.h"

/*
 * What the files of this folder share. libelf reads the headers at open; from then on there are only our
 * bounded copies and pread(): nothing is mapped (a file truncated under a mapping kills its reader with
 * SIGBUS), and no libelf state is shared between threads.
 */

/* The longest build-id: gold and lld allow any length, SHA-256 has 32 bytes. */
#define ELF_BUILD_ID_BYTES_MAX 64

/* The largest string table. The debug file of a browser, the largest program around, has about 400 MiB. */
#define ELF_STRINGS_BYTES_MAX (512u << 20)

/* Entries read of one symbol or relocation table: a sparse file may claim 2^58 of them. */
#define ELF_ENTRIES_MAX (16u << 20)

/* A string table in memory; NUL behind its end, so that every offset below `size` is a string. */
struct elf_strings {
	char *text;
	size_t size;
	bool loaded; /* or tried to */
};

struct elf_slot {
	uint64_t vaddr;
	const char *name;
};

/* What is read on first use. */
struct elf_lazy {
	pthread_mutex_t lock; /* over all below; what is set once stays */
	struct elf_strings symtab_strings, dynsym_strings;
	struct mp_elf *debugdata; /* the ELF file within .gnu_debugdata */
	bool debugdata_tried;
	struct elf_slot *slots; /* sorted by address */
	size_t nslots;
	bool slots_tried;
};

struct mp_elf {
	int fd;
	uint64_t file_size;
	uint16_t machine;
	bool has_interp, has_needed;
	char build_id[2 * ELF_BUILD_ID_BYTES_MAX + 1];
	Elf64_Phdr *segments;
	size_t nsegments;
	Elf64_Shdr *sections; /* NULL: none, or damaged */
	size_t nsections;
	size_t names, symtab, dynsym, debugdata; /* section numbers; 0: none */
	struct elf_lazy *lazy;
};

/* mp_elf_open() for a file that came out of another one's .gnu_debugdata: `nested` ones are not looked into.
 */
int mp_elf_open_nested(int fd, const char *name, bool nested, struct mp_elf **out, struct mp_err *err);

/* The bytes of section `number` that are in the file: fewer than sh_size says in a truncated file; 0 for
 * SHT_NOBITS and compressed sections. */
uint64_t mp_elf_section_bytes(const struct mp_elf *e, size_t number);

/* The same, of compressed sections too, as they are in the file. */
uint64_t mp_elf_section_stored_bytes(const struct mp_elf *e, size_t number);

/* The number of the first section with this name; 0: none. */
size_t mp_elf_find_section(const struct mp_elf *e, const char *name);

/* Loads the string table that belongs to symbol table `number` into `strings`, once. Call with the lock held.
 */
void mp_elf_load_strings(const struct mp_elf *e, size_t number, struct elf_strings *strings);

/* The string at `offset`, or NULL when that is outside or empty. */
const char *mp_elf_string(const struct elf_strings *strings, uint64_t offset);

/* Decompresses .gnu_debugdata and opens what was in it; NULL when there is none or it is damaged. */
struct mp_elf *mp_elf_open_debugdata(const struct mp_elf *e);

#endif
