/* SPDX-License-Identifier: MIT */
#include "symbolize/source.h"

#include "symbolize/functions.h"
#include "symbolize/symfile.h"

/* The symbol tables of a file and of its debug file: functions, no lines. */

static void *symbols_open(struct mp_symfile *file, char *note, size_t note_bytes)
{
	(void)note;
	(void)note_bytes;
	return mp_functions_new(file->elf, file->debug.elf);
}

/*
 * What debug information calls the function that begins here, too, is called as the symbol table does: that
 * is the public one of several names (malloc, not __libc_malloc), and has its namespaces also where debug
 * information leaves the linkage name out, as for functions of anonymous ones.
 */
static void symbols_find(void *source, uint64_t addr, struct mp_found *found)
{
	struct mp_function f;

	if (!mp_functions_find(source, addr, &f))
		return;
	if (mp_found_is_named(found)) {
		if (found->start == f.vaddr)
			found->function[found->n - 1].function = f.raw;
		return;
	}
	if (!found->n) /* else a line is known already, of code that has no function in debug information */
		found->function[found->n++] = (struct mp_found_function){.function = NULL};
	found->function[found->n - 1].function = f.raw;
	found->start = f.vaddr;
	found->quality = f.quality > found->quality ? f.quality : found->quality;
}

static size_t symbols_bytes(const void *source)
{
	return mp_functions_bytes(source);
}

static void symbols_close(void *source)
{
	mp_functions_free(source);
}

const struct mp_source mp_source_symbols = {
    .open = symbols_open, .find = symbols_find, .bytes = symbols_bytes, .close = symbols_close};
