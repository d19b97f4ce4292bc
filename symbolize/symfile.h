/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_SYMFILE_H
#define MP_SYMBOLIZE_SYMFILE_H

#include <stdatomic.h>
#include <sys/stat.h>

#include "symbolize/cfi.h"
#include "symbolize/debug_file.h"
#include "symbolize/dwarf.h"
#include "symbolize/source.h"

/*
 * One file of code, however often it is mapped: the ELF file, its separate debug file, the sources of names
 * that read them, and its table for unwinding. One thread, but for what the table's builder does
 * (symbolize/cfi_queue.h).
 */
enum mp_cfi_state { MP_CFI_UNASKED, MP_CFI_PENDING, MP_CFI_READY };

struct mp_symfile {
	struct mp_symfile *next; /* in the symbolizer's list */
	struct stat stat;        /* which file it is */
	const char *path;        /* as the target sees it; the symbolizer's */
	struct mp_elf *elf;
	struct mp_debug_file debug;          /* debug.elf NULL: none, or not needed */
	bool debug_is_found;                 /* it was looked for */
	struct mp_debug_source dwarf_source; /* where its DWARF finds further files */
	void *source[MP_SOURCES];            /* as mp_sources; opened at the first name */
	bool is_opened;
	char note[192]; /* what is known to be missing; or empty */

	_Atomic int cfi_state;       /* enum mp_cfi_state: what follows is there from MP_CFI_READY on */
	const struct mp_cfi *cfi;    /* NULL: it has none */
	struct mp_err cfi_err;       /* why not; or empty text */
	struct mp_symfile *cfi_next; /* in the builder's queue */
};

/* Takes over `elf`, which is closed if there is no memory: then NULL. `path` has to outlive it. */
struct mp_symfile *mp_symfile_new(struct mp_elf *elf, const char *path);
void mp_symfile_free(struct mp_symfile *f);

/* Looks for its debug file, once: before its names and its table are asked for. */
void mp_symfile_find_debug(struct mp_symfile *f, struct mp_debug_files *files);

/* What the sources know of `vaddr`. With `may_open` false sources that are not open yet stay shut. */
void mp_symfile_find(struct mp_symfile *f, uint64_t vaddr, bool may_open, struct mp_found *found);

/* Memory that names take now, bytes. */
size_t mp_symfile_bytes(const struct mp_symfile *f);

#endif
