/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_DEBUG_FILE_H
#define MP_SYMBOLIZE_DEBUG_FILE_H

#include "symbolize/dwarf/dwarf.h"
#include "symbolize/elf/elf.h"

struct mp_debuginfod;

/* Where distributions install separate debug files. */
#define MP_DEBUG_DIR "/usr/lib/debug"

/*
 * The files that belong to a file: its separate debug file, found as gdb finds it ("Debugging Information in
 * Separate Files" in its manual), dwz's supplementary file, split DWARF, and the file itself by its build-id.
 *
 * A file is taken only if it shows that it belongs: by its build-id, else by the checksum that the other one
 * gives of it; of split DWARF, its reader compares the ids. Paths that stand in the target's files are
 * resolved below the target's root first, then on the host. Only regular files are opened. Any thread;
 * one, where servers are asked.
 */
struct mp_debug_files;

struct mp_debug_files_options {
	const char *const *dirs; /* debug folders on the host, in the order they are asked; copied */
	size_t ndirs;            /* 0: MP_DEBUG_DIR */
	int root_fd;             /* the target's root folder, the caller's; -1: none */
};

struct mp_debug_files *mp_debug_files_new(const struct mp_debug_files_options *options); /* NULL: no memory */
void mp_debug_files_free(struct mp_debug_files *f);

/* From now on, what is not found here is asked of servers (NULL: no more). For naming, not for recording. */
void mp_debug_files_set_debuginfod(struct mp_debug_files *f, struct mp_debuginfod *d);

/* A file that was found, and where: it may name others relative to that. */
struct mp_debug_file {
	struct mp_elf *elf;
	char *path;
	bool in_root; /* below the target's root; else on the host */
};
void mp_debug_file_close(struct mp_debug_file *f); /* also of one that is zeroed */

/*
 * The separate debug file of `e`, which the target mapped from `path` (as it sees it): by build-id
 * DIR/.build-id/xx/yyyy.debug in each folder, then in MP_DEBUG_DIR of the target's root; by .gnu_debuglink
 * beside the file, in .debug/ beside it, and below each of these folders with the file's own folder; with the
 * same build-id, DIR/path and DIR/NAME, also with .debug behind; from a server. One without symbols and
 * without DWARF is none. 0, or -ENOENT and `out` zeroed.
 */
int mp_debug_files_find(
    struct mp_debug_files *f, const struct mp_elf *e, const char *path, struct mp_debug_file *out);

/* The file with this build-id (lower-case hex) that was mapped from `path`, where the mapped one is gone:
 * DIR/.build-id/xx/yyyy, DIR/path and DIR/NAME in each folder, `path` below the target's root and on the
 * host, from a server; else its debug file. 0, or -ENOENT and `out` zeroed. */
int mp_debug_files_find_executable(
    struct mp_debug_files *f, const char *path, const char *build_id, struct mp_debug_file *out);

/* What the DWARF of one file asks for further files through. */
struct mp_debug_source {
	struct mp_debug_files *files;
	const char *path;                  /* of the mapped file, as the target sees it */
	const struct mp_debug_file *debug; /* the file that has the DWARF, if it is another one; NULL: not */
};

/* The callbacks over `source`, which must outlive their user, as must what it points to. */
struct mp_dwarf_files mp_debug_source_files(struct mp_debug_source *source);

#endif
