/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_SYMFILE_H
#define MP_SYMBOLIZE_SYMFILE_H

#include <stdatomic.h>
#include <sys/stat.h>

#include "symbolize/debug_file.h"
#include "symbolize/dwarf/dwarf.h"
#include "symbolize/functions.h"
#include "symbolize/source.h"
#include "symbolize/unwind/cfi.h"

/*
 * One file of code, however often it is mapped: the ELF file, its separate debug file, the sources of names
 * that read them, and its table for unwinding. One thread, but for its debug file and its table, which
 * symbolize/cfi_queue.h finds and builds in a thread of its own: while one is pending, it is the builder's,
 * and nobody else looks at it; from MP_CFI_READY on, read with acquire, it does not change any more.
 */
enum mp_cfi_state { MP_CFI_UNASKED, MP_CFI_PENDING, MP_CFI_READY };

struct mp_symfile {
	struct mp_symfile *next; /* in the symbolizer's list */
	struct stat stat;        /* which file it is */
	const char *path;        /* as the target sees it; the symbolizer's */
	struct mp_elf *elf;

	_Atomic int debug_state;             /* enum mp_cfi_state, of what follows */
	struct mp_debug_file debug;          /* debug.elf NULL: none, or not needed */
	struct mp_debug_source dwarf_source; /* where its DWARF finds further files */

	void *source[MP_SOURCES]; /* as mp_sources; opened at the first name */
	bool is_opened;
	char open_note[192]; /* why a source is not open, though there is something; or empty */
	char note[1024];     /* mp_symfile_note()'s */

	struct mp_functions *variables; /* read at the first question; NULL: none, or not yet */
	bool has_variables;             /* they have been read */

	_Atomic int cfi_state;    /* enum mp_cfi_state: what follows is there from MP_CFI_READY on */
	const struct mp_cfi *cfi; /* NULL: it has none */
	struct mp_err cfi_err;    /* why not; or empty text */

	struct mp_symfile *cfi_next; /* in the builder's queue, under its lock */
	bool is_queued;
};

/* Takes over `elf`, which is closed if there is no memory: then NULL. `path` has to outlive it. */
struct mp_symfile *mp_symfile_new(struct mp_elf *elf, const char *path);
void mp_symfile_free(struct mp_symfile *f);

/* Looks for its debug file, once, in `files` (NULL: there is none), and publishes it: before its names and
 * its table are asked for. The builder's, once the builder was asked. */
void mp_symfile_find_debug(struct mp_symfile *f, struct mp_debug_files *files);

/* What the sources know of `vaddr`. With `may_open` false sources that are not open yet stay shut. After
 * mp_cfi_queue_wait() or mp_cfi_queue_find_debug(): while its debug file is pending, nothing is known. */
void mp_symfile_find(struct mp_symfile *f, uint64_t vaddr, bool may_open, struct mp_found *found);

/* The variable that holds `vaddr`, and where it begins; NULL: none is known. The name is demangled by the
 * caller, and lives as long as the file. While the debug file is pending, nothing is known. */
const char *mp_symfile_variable(struct mp_symfile *f, uint64_t vaddr, uint64_t *start);

/* What is known to be missing of its names and stacks, in one line; NULL: nothing, or nobody has asked for
 * them yet. Valid until the next call. */
const char *mp_symfile_note(struct mp_symfile *f);

/* Memory that names take now, bytes. */
size_t mp_symfile_bytes(const struct mp_symfile *f);

#endif
