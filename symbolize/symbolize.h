/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_SYMBOLIZE_H
#define MP_SYMBOLIZE_SYMBOLIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/err.h"
#include "symbolize/unwind/unwind.h"

/*
 * Addresses of one process to stacks and names. The caller says which executable mappings there were and
 * when; every address is looked up in the mapping that held it at its time. Everything read here (ELF files,
 * DWARF, perf maps, the copied stacks) is hostile: a broken file costs names, never more.
 *
 * Life: new -> add_map ... -> unwind, name ... -> free, in any order between. One thread; the tables for
 * unwinding are built by a thread of its own.
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
	MP_SYMBOL_JITDUMP = 5,   /* jit-PID.dump */
	MP_SYMBOL_DWARF = 6,     /* .debug_info: with lines and inlined functions */
};

/* All texts and lists are copied. */
struct mp_symbolize_options {
	const char *const *debug_dirs; /* searched before /usr/lib/debug */
	size_t n_debug_dirs;
	const char *cache_dir; /* of unwind tables, from mp_cfi_cache_dir(); NULL: none */
	bool long_names;       /* template arguments whole */
	struct mp_debuginfod
	    *debuginfod; /* servers to ask (symbolize/debuginfod.h), the caller's; NULL: none */
};

/* `pid` is used for /proc/PID/root, map_files, the vdso and the perf map; it may have ended meanwhile. 0
 * stands for no process: files are those of the host with the build-id that is told. `options` may be NULL.
 * NULL without memory. The target's root, its owner and its perf map are looked up now, so that they serve
 * after its end. */
struct mp_symbolizer *mp_symbolizer_new(pid_t pid, const struct mp_symbolize_options *options);
void mp_symbolizer_free(struct mp_symbolizer *s);

struct mp_map {
	uint64_t start, end, file_offset;
	const char
	    *path;    /* as in /proc/PID/maps: "/usr/lib/libc.so.6", "[vdso]", "//anon", "... (deleted)" */
	int64_t t_ns; /* mapped at */
	/* What a session knows of the file; elsewhere it is read from the file itself. */
	const char *build_id; /* lower-case hex; NULL: not known */
	bool bias_known;
	uint64_t bias;    /* run-time address minus the file's own */
	bool is_gone;     /* its file is not to be looked for */
	const char *note; /* the symbolizer's: why its file is not read */
};

/* Notes an executable mapping and opens its file at once, so that names survive the target and a replaced
 * file; its separate debug file is looked for in the background, symbols are read when the first address in
 * it is named. Keeps one or two file descriptors per file, of at most 1024 files. Copies `map`. A file that
 * cannot be opened is not an error: its addresses stay addresses. Returns the mapping's number, from 1 (also
 * when the same one was noted before), 0 without memory or when there are too many. */
uint32_t mp_symbolizer_add_map(struct mp_symbolizer *s, const struct mp_map *map);

/* The number of the mapping that held `addr` at `t_ns`, or 0. */
uint32_t mp_symbolizer_find(const struct mp_symbolizer *s, uint64_t addr, int64_t t_ns);

struct mp_module_info {
	const char *path;
	const char *build_id; /* lower-case hex, or NULL */
	bool bias_known;
	uint64_t bias;
	const char *note; /* what is known to be missing, or NULL; may come with the first name or stack */
};
/* False: no such mapping. Texts are valid until the next call. */
bool mp_symbolizer_module(const struct mp_symbolizer *s, uint32_t module, struct mp_module_info *out);

/*
 * Walks a stack (symbolize/unwind/unwind.h): addresses innermost first. -EAGAIN while the table of a file in
 * it is still built: ask again later, or after mp_symbolizer_wait().
 */
int mp_symbolizer_unwind(struct mp_symbolizer *s, const struct mp_stack_state *state, uint64_t *ip,
    size_t room, struct mp_unwound *out);

/* Has the tables of all files that are mapped built, and waits for them for at most so many ms: so that the
 * first stacks need not wait. */
void mp_symbolizer_prepare(struct mp_symbolizer *s, int max_ms);

/* Waits until the tables asked for so far are there, for at most so many ms. */
void mp_symbolizer_wait(struct mp_symbolizer *s, int max_ms);

/* How many tables have been finished so far: whether it is worth to ask again for a stack. */
uint64_t mp_symbolizer_tables_done(struct mp_symbolizer *s);

/* Functions that are inlined into each other at one address; those beyond are left out, the outermost ones
 * last. */
#define MP_INLINED_MAX 32

struct mp_name_function {
	const char *function; /* demangled, or NULL */
	const char *raw;      /* as in the symbol table, or NULL */
	const char *file;     /* source file, or NULL */
	int line;             /* 0: not known */
};

struct mp_name {
	const char *module; /* path, or NULL when the address is in no mapping */
	/* From the function's start. Without a function: the address within the module's file as `addr2line`
	 * and `nm` have it (from the load base, for all but position-dependent programs); in a mapping
	 * without an ELF file, from its start; in no mapping, the address itself. */
	uint64_t offset;
	enum mp_symbol_quality quality;
	size_t n; /* at least 1; the last is the function that the code is in, those before are inlined,
		     innermost first */
	struct mp_name_function function[MP_INLINED_MAX];
};

/* The name of the code at `addr` in a mapping (0: in none); `t_ns` matters for JIT code. For a return address
 * pass addr - 1. Strings stay valid until `s` is freed. Never fails: what is not known is NULL. */
void mp_symbolizer_name(
    struct mp_symbolizer *s, uint32_t module, uint64_t addr, int64_t t_ns, struct mp_name *out);

/* The variable at `addr` of the module that is mapped from `path`: its name, and where `addr` is in it.
 * False: none is known, or the module's debug file is still looked for. The name is valid until `s` is freed.
 */
struct mp_variable {
	const char *name;
	uint64_t offset;
};
bool mp_symbolizer_variable(
    struct mp_symbolizer *s, const char *path, uint64_t addr, struct mp_variable *out);

/* Reads what the JIT compilers have written since: call before the last names are asked for. */
void mp_symbolizer_refresh(struct mp_symbolizer *s);

#endif
