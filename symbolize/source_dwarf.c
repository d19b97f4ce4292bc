/* SPDX-License-Identifier: MIT */
#include "symbolize/source.h"

#include <errno.h>
#include <stdio.h>

#include "symbolize/dwarf/dwarf.h"
#include "symbolize/symfile.h"

/* Functions, lines and inlining from the debug information of a file, or of its debug file. */

static void *dwarf_open(struct mp_symfile *file, char *note, size_t note_bytes)
{
	struct mp_dwarf_files files = mp_debug_source_files(&file->dwarf_source);
	struct mp_dwarf *d;
	struct mp_err err;

	for (int i = 0; i < 2; i++) {
		const struct mp_elf *e = i ? file->debug.elf : file->elf;
		int ret = e ? mp_dwarf_open(e, &files, &d, &err) : -ENOENT;

		if (!ret)
			return d;
		if (ret != -ENOENT)
			snprintf(note, note_bytes, "%s", err.text);
	}
	return NULL;
}

static void dwarf_find(void *source, uint64_t addr, struct mp_found *found)
{
	struct mp_dwarf_frame frames[MP_INLINED_MAX];
	size_t n = mp_dwarf_find(source, addr, frames, MP_INLINED_MAX);

	for (size_t i = 0; i < n; i++)
		found->function[i] =
		    (struct mp_found_function){frames[i].qualified ? frames[i].qualified : frames[i].function,
			frames[i].file, frames[i].line};
	found->n = n;
	if (!n)
		return;
	found->start = frames[n - 1].start;
	found->quality = MP_SYMBOL_DWARF;
}

static size_t dwarf_bytes(const void *source)
{
	return mp_dwarf_bytes(source);
}

static const char *dwarf_damage(const void *source)
{
	return mp_dwarf_damage(source);
}

static void dwarf_close(void *source)
{
	mp_dwarf_close(source);
}

const struct mp_source mp_source_dwarf = {.open = dwarf_open,
    .find = dwarf_find,
    .bytes = dwarf_bytes,
    .damage = dwarf_damage,
    .close = dwarf_close};
