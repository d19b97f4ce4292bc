/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_SOURCE_H
#define MP_SYMBOLIZE_SOURCE_H

#include "symbolize/symbolize.h"

/*
 * A source of names: one kind of file that knows what code is called. The chain (symbolize/symbolizer.c) asks
 * from the highest rank to the lowest until the function is known; each adds what those before it did not
 * know.
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

/* Of one file. `addr` is as in its symbol table. */
struct mp_source {
	/* NULL: the file holds nothing of the kind; when it is damaged, with the reason in `note`. */
	void *(*open)(struct mp_symfile *file, char *note, size_t note_bytes);
	void (*find)(void *source, uint64_t addr, struct mp_found *found);
	size_t (*bytes)(const void *source); /* of memory, now */
	void (*close)(void *source);
};

extern const struct mp_source mp_source_dwarf, mp_source_symbols;

#define MP_SOURCES 2
extern const struct mp_source *const mp_sources[MP_SOURCES]; /* the best first */

#endif
