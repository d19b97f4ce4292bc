/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_SYMBOLIZE_H
#define MP_SYMBOLIZE_SYMBOLIZE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/err.h"

/*
 * Addresses of one process to names. The caller says which executable mappings there were and when; every
 * address is looked up in the mapping that held it at its time. Everything read here (ELF files, perf maps)
 * is hostile: a broken file costs names, never more.
 *
 * Life: new -> add_map ... -> name ... -> free. add_map and name may alternate. One thread.
 */
struct mp_symbolizer;

/* Where a name came from; the higher rank is the better source, and replaces a lower one. Stored in sessions.
 */
enum mp_symbol_quality {
	MP_SYMBOL_NONE = 0,    /* only module and offset, or nothing */
	MP_SYMBOL_DYNSYM = 1,  /* exported symbols only: a local function may go under its neighbour's name */
	MP_SYMBOL_JIT_MAP = 2, /* /tmp/perf-PID.map */
	MP_SYMBOL_DEBUGDATA = 3, /* .gnu_debugdata */
	MP_SYMBOL_SYMTAB = 4,    /* .symtab, of the file or of its separate debug file */
};

struct mp_map {
	uint64_t start, end, file_offset;
	const char
	    *path;    /* as in /proc/PID/maps: "/usr/lib/libc.so.6", "[vdso]", "//anon", "... (deleted)" */
	int64_t t_ns; /* mapped at */
};

struct mp_name {
	const char *module;   /* path, or NULL when the address is in no mapping */
	const char *function; /* demangled, or NULL */
	const char *raw;      /* as in the symbol table, or NULL */
	const char *file;     /* source file, or NULL */
	int line;             /* 0: not known */
	/* From the function's start. Without a function: the address within the module's file as `addr2line`
	 * and `nm` have it (from the load base, for all but position-dependent programs); in a mapping
	 * without an ELF file, from its start; in no mapping, the address itself. */
	uint64_t offset;
	enum mp_symbol_quality quality;
};

/* `pid` is used for /proc/PID/root, map_files, the vdso and the perf map; it may have ended meanwhile. 0
 * stands for no process: files are those of the host (compare mp_symbolizer_build_id() with what was
 * recorded). NULL without memory. The target's root, its owner and its perf map are looked up now, so that
 * they serve after its end. */
struct mp_symbolizer *mp_symbolizer_new(pid_t pid);

/* Where on the host to look for separate debug files, in place of /usr/lib/debug:
 * DIR/.build-id/xx/yyyy.debug. For mappings added from now on. `dir` is copied. */
void mp_symbolizer_set_debug_dir(struct mp_symbolizer *s, const char *dir);

/* Notes an executable mapping and opens its file at once, so that names survive the target and a replaced
 * file; symbols are read when the first address in it is named. Keeps one or two file descriptors per file,
 * of at most 1024 files. Copies `map`. A file that cannot be opened is not an error: its addresses stay
 * addresses. */
void mp_symbolizer_add_map(struct mp_symbolizer *s, const struct mp_map *map);

/* The build-id (lower-case hex) of the file behind the latest mapping of `addr`, or NULL. Owned by `s`. */
const char *mp_symbolizer_build_id(struct mp_symbolizer *s, uint64_t addr);

/* The name of the code at `addr` at time `t_ns`. For a return address pass addr - 1. Strings stay valid until
 * `s` is freed. Never fails: what is not known is NULL. */
void mp_symbolizer_name(struct mp_symbolizer *s, uint64_t addr, int64_t t_ns, struct mp_name *out);

void mp_symbolizer_free(struct mp_symbolizer *s);

#endif
