/* SPDX-License-Identifier: MIT */
#include "symbolize/symfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/elf/section.h"

const struct mp_source *const mp_sources[MP_SOURCES] = {&mp_source_dwarf, &mp_source_symbols};

struct mp_symfile *mp_symfile_new(struct mp_elf *elf, const char *path)
{
	struct mp_symfile *f = calloc(1, sizeof(*f));

	if (!f) {
		mp_elf_close(elf);
		return NULL;
	}
	f->elf = elf;
	f->path = path;
	return f;
}

void mp_symfile_find_debug(struct mp_symfile *f, struct mp_debug_files *files)
{
	if (f->debug_state == MP_CFI_READY)
		return;
	if (files && (!mp_elf_has_symtab(f->elf) || !mp_section_exists(f->elf, ".debug_info")))
		mp_debug_files_find(files, f->elf, f->path, &f->debug);
	f->dwarf_source = (struct mp_debug_source){files, f->path, f->debug.elf ? &f->debug : NULL};
	atomic_store_explicit(&f->debug_state, MP_CFI_READY, memory_order_release);
}

void mp_symfile_free(struct mp_symfile *f)
{
	if (!f)
		return;
	for (int i = 0; i < MP_SOURCES; i++)
		if (f->source[i])
			mp_sources[i]->close(f->source[i]);
	mp_functions_free(f->variables);
	mp_cfi_free((struct mp_cfi *)f->cfi);
	mp_debug_file_close(&f->debug);
	mp_elf_close(f->elf);
	free(f);
}

static void open_sources(struct mp_symfile *f)
{
	for (int i = 0; i < MP_SOURCES; i++)
		f->source[i] = mp_sources[i]->open(f, f->open_note, sizeof(f->open_note));
	f->is_opened = true;
}

void mp_symfile_find(struct mp_symfile *f, uint64_t vaddr, bool may_open, struct mp_found *found)
{
	found->n = 0;
	found->quality = MP_SYMBOL_NONE;
	if (atomic_load_explicit(&f->debug_state, memory_order_acquire) == MP_CFI_PENDING)
		return; /* sources that are opened now would be without it for good */
	if (!f->is_opened && may_open)
		open_sources(f);
	for (int i = 0; i < MP_SOURCES; i++)
		if (f->source[i])
			mp_sources[i]->find(f->source[i], vaddr, found);
}

const char *mp_symfile_variable(struct mp_symfile *f, uint64_t vaddr, uint64_t *start)
{
	struct mp_function found;

	if (atomic_load_explicit(&f->debug_state, memory_order_acquire) == MP_CFI_PENDING)
		return NULL;
	if (!f->has_variables)
		f->variables = mp_functions_new_variables(f->elf, f->debug.elf);
	f->has_variables = true;
	if (!f->variables || !mp_functions_find(f->variables, vaddr, &found))
		return NULL;
	*start = found.vaddr;
	return found.raw;
}

static const char *missing_names(const struct mp_symfile *f)
{
	const struct mp_elf *debug = f->debug.elf;

	for (int i = 0; i < MP_SOURCES; i++)
		if (f->source[i] && mp_sources[i]->damage && mp_sources[i]->damage(f->source[i]))
			return mp_sources[i]->damage(f->source[i]);
	if (f->open_note[0])
		return f->open_note;
	if (!mp_elf_has_symtab(f->elf) && !(debug && mp_elf_has_symtab(debug)))
		return "stripped, and its debug file was not found: only exported functions have names";
	return f->source[0] ? NULL : "without debug information: functions have no lines";
}

static const char *missing_stacks(const struct mp_symfile *f)
{
	if (atomic_load_explicit(&f->cfi_state, memory_order_acquire) != MP_CFI_READY || f->cfi)
		return NULL;
	return f->cfi_err.text[0] ? f->cfi_err.text
				  : "without call frame information: stacks go on by frame pointers";
}

const char *mp_symfile_note(struct mp_symfile *f)
{
	const char *names = f->is_opened ? missing_names(f) : NULL, *stacks = missing_stacks(f);

	if (!names && !stacks)
		return NULL;
	snprintf(f->note, sizeof(f->note), "%s%s%s", names ? names : "", names && stacks ? "; " : "",
	    stacks ? stacks : "");
	return f->note;
}

size_t mp_symfile_bytes(const struct mp_symfile *f)
{
	size_t n = mp_elf_loaded_bytes(f->elf);

	if (atomic_load_explicit(&f->debug_state, memory_order_acquire) == MP_CFI_READY && f->debug.elf)
		n += mp_elf_loaded_bytes(f->debug.elf);
	for (int i = 0; i < MP_SOURCES; i++)
		if (f->source[i])
			n += mp_sources[i]->bytes(f->source[i]);
	return n;
}
