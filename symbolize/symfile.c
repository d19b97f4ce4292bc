/* SPDX-License-Identifier: MIT */
#include "symbolize/symfile.h"

#include <stdlib.h>
#include <string.h>

#include "symbolize/section.h"

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
	mp_cfi_free((struct mp_cfi *)f->cfi);
	mp_debug_file_close(&f->debug);
	mp_elf_close(f->elf);
	free(f);
}

static void open_sources(struct mp_symfile *f)
{
	for (int i = 0; i < MP_SOURCES; i++)
		f->source[i] = mp_sources[i]->open(f, f->note, sizeof(f->note));
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
