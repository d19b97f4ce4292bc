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

static void symbols_find(void *source, uint64_t addr, struct mp_found *found)
{
	struct mp_function f;

	if (!mp_functions_find(source, addr, &f))
		return;
	if (!found->n) /* else a line is known already, of code that DWARF has no function for */
		found->function[found->n++] = (struct mp_found_function){.function = NULL};
	found->function[found->n - 1].function = f.raw;
	found->start = f.vaddr;
	found->quality = f.quality;
}

static size_t symbols_bytes(const void *source)
{
	return mp_functions_bytes(source);
}

static void symbols_close(void *source)
{
	mp_functions_free(source);
}

const struct mp_source mp_source_symbols = {symbols_open, symbols_find, symbols_bytes, symbols_close};
