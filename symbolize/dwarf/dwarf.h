/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_DWARF_DWARF_H
#define MP_SYMBOLIZE_DWARF_DWARF_H

#include "symbolize/elf/elf.h"

/*
 * Functions, lines and inlining from DWARF 2-5: what `addr2line -fi` says of an address. Own code because
 * speed is the point (one pass over a unit with precomputed abbreviations; libdwarf takes longer only to walk
 * the entries than addr2line's fifth allows) and because the file is hostile: every offset, count and nesting
 * is bounded, there is no recursion by the file's word, and nothing is mapped. A damaged unit costs its own
 * names.
 *
 * Units are indexed by address at open; a unit's functions and lines are read when the first address in it is
 * asked for, and dropped again, least recently used first, beyond MP_DWARF_BYTES_MAX. One thread.
 */
struct mp_dwarf;

#define MP_DWARF_BYTES_MAX (256u << 20)

/* Where further files come from: dwz's supplementary file (.gnu_debugaltlink), split DWARF (.dwo, .dwp). Each
 * returns a file that the reader closes, or NULL. */
struct mp_dwarf_files {
	struct mp_elf *(*alt)(void *ctx, const char *path, const char *build_id);
	struct mp_elf *(*dwo)(void *ctx, const char *name, const char *comp_dir); /* for each unit */
	struct mp_elf *(*dwp)(void *ctx);                                         /* once */
	void *ctx;
};

/* Opens the DWARF of `e`, which must outlive it; `files` may be NULL and is copied. 0, -ENOENT (there is
 * none), or -errno with the reason. */
int mp_dwarf_open(
    const struct mp_elf *e, const struct mp_dwarf_files *files, struct mp_dwarf **out, struct mp_err *err);
void mp_dwarf_close(struct mp_dwarf *d);

/* A function at an address: the innermost inlined one first, the one that was not inlined last. */
struct mp_dwarf_frame {
	const char *function; /* linkage name where there is one, else the name; NULL: not known */
	/* The same with its namespaces, types and functions around it; NULL where `function` is a linkage
	 * name, or there is nothing around it. */
	const char *qualified;
	const char *file; /* joined with its directories, as addr2line does; NULL: not known */
	int line;         /* of the address, or of the call that was inlined; 0: not known */
	uint64_t start;   /* vaddr of the entry of the function that was not inlined; 0: not known */
};

/* The functions at `vaddr` (as in the file's symbol table); returns their number, at most `room`, 0: not
 * known. One frame without a function where only the line is known. Strings live until the next call. */
size_t mp_dwarf_find(struct mp_dwarf *d, uint64_t vaddr, struct mp_dwarf_frame *out, size_t room);

/* Memory held now, bytes. */
size_t mp_dwarf_bytes(const struct mp_dwarf *d);

/* The first damage met with so far, as a sentence; NULL: none. */
const char *mp_dwarf_damage(const struct mp_dwarf *d);

#endif
