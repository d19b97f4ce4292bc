/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_SOURCE_H
#define MP_SYMBOLIZE_SOURCE_H

#include "symbolize/symbolize.h"

/*
 * Sources of names, best first; each is a small file over a reader of one format, and each name carries its
 * rank:
 *
 *   of a file (symbolize/symfile.c)       source_dwarf.c, source_symbols.c; the latter also gives the public
 * name of what the former found of JIT code (symbolize/jit.c)         jitdump, perf map
 *
 * All say what they found in the same form, which the symbolizer makes names of.
 */
struct mp_found {
	size_t n; /* functions, innermost first; 0: nothing is known */
	struct mp_found_function {
		const char *function; /* as the source spells it; NULL: not known. Valid until the source is
					 asked again */
		const char *file;
		int line;
	} function[MP_INLINED_MAX];
	uint64_t start; /* of the function that the code is in */
	enum mp_symbol_quality quality;
};

static inline bool mp_found_is_named(const struct mp_found *f)
{
	return f->n && f->function[f->n - 1].function;
}

struct mp_symfile;

/* A source of one file. `addr` is as in its symbol table. Each adds to `found` what those before it did not
 * know. */
struct mp_source {
	/* NULL: the file holds nothing of the kind; when it is damaged, with the reason in `note`. */
	void *(*open)(struct mp_symfile *file, char *note, size_t note_bytes);
	void (*find)(void *source, uint64_t addr, struct mp_found *found);
	size_t (*bytes)(const void *source); /* of memory, now */
	/* The first damage met with so far, or NULL: none. NULL: it is never damaged in part. */
	const char *(*damage)(const void *source);
	void (*close)(void *source);
};

extern const struct mp_source mp_source_dwarf, mp_source_symbols;

#define MP_SOURCES 2
extern const struct mp_source *const mp_sources[MP_SOURCES]; /* the best first */

#endif
