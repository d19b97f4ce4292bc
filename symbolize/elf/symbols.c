/* SPDX-License-Identifier: MIT */
#include "symbolize/elf/private.h"

#include <stdlib.h>

/* Symbols read at a time: a table is never in memory as a whole. */
#define SYMBOLS_PER_READ 2048

void mp_elf_load_strings(const struct mp_elf *e, size_t number, struct elf_strings *strings)
{
	size_t link = e->sections[number].sh_link;

	if (strings->loaded)
		return;
	strings->loaded = true;
	if (link >= e->nsections || e->sections[link].sh_type != SHT_STRTAB)
		return;
	uint64_t size = mp_elf_section_bytes(e, link);
	if (!size || size > ELF_STRINGS_BYTES_MAX)
		return;
	strings->text = malloc(size + 1);
	if (!strings->text)
		return;
	strings->size = mp_elf_read(e, e->sections[link].sh_offset, strings->text, size);
	strings->text[strings->size] = '\0';
}

const char *mp_elf_string(const struct elf_strings *strings, uint64_t offset)
{
	if (offset >= strings->size || !strings->text[offset])
		return NULL;
	return strings->text + offset;
}

struct visit {
	enum mp_elf_table table;
	const struct elf_strings *strings;
	bool wants_variables;
	int (*fn)(void *ctx, const struct mp_elf_sym *sym);
	void *ctx;
};

static int visit_symbol(const struct visit *v, const Elf64_Sym *s)
{
	unsigned type = ELF64_ST_TYPE(s->st_info), bind = ELF64_ST_BIND(s->st_info);

	bool is_function = type == STT_FUNC || type == STT_GNU_IFUNC;

	if (s->st_shndx == SHN_UNDEF || (v->wants_variables ? type != STT_OBJECT : !is_function))
		return 0;

	struct mp_elf_sym sym = {
	    .name = mp_elf_string(v->strings, s->st_name),
	    .vaddr = s->st_value,
	    .size = s->st_size,
	    .exported = v->table == MP_ELF_DYNSYM && (bind == STB_GLOBAL || bind == STB_WEAK),
	    .bind = (uint8_t)bind,
	    .table = v->table,
	};
	return sym.name ? v->fn(v->ctx, &sym) : 0;
}

/* Visits the functions of symbol table `number`. */
static int visit_table(const struct mp_elf *e, size_t number, const struct visit *v)
{
	const Elf64_Shdr *s = &e->sections[number];
	uint64_t left = mp_elf_section_bytes(e, number) / sizeof(Elf64_Sym), offset = s->sh_offset;
	int rc = 0;

	if (s->sh_entsize != sizeof(Elf64_Sym) || !v->strings->size)
		return 0;
	if (left > ELF_ENTRIES_MAX)
		left = ELF_ENTRIES_MAX;
	Elf64_Sym *buf = malloc(SYMBOLS_PER_READ * sizeof(*buf));
	while (buf && left && rc == 0) {
		size_t n = left < SYMBOLS_PER_READ ? left : SYMBOLS_PER_READ;
		size_t got = mp_elf_read(e, offset, buf, n * sizeof(*buf)) / sizeof(*buf);

		for (size_t i = 0; i < got && rc == 0; i++)
			rc = visit_symbol(v, &buf[i]);
		if (got < n)
			break;
		offset += n * sizeof(*buf);
		left -= n;
	}
	free(buf);
	return rc;
}

static struct mp_elf *load_debugdata(const struct mp_elf *e)
{
	if (!e->lazy->debugdata_tried && e->debugdata && !e->symtab)
		e->lazy->debugdata = mp_elf_open_debugdata(e);
	e->lazy->debugdata_tried = true;
	return e->lazy->debugdata;
}

/* The symbols of the ELF file within .gnu_debugdata: its .symtab, under another table's name. */
static int visit_debugdata(const struct mp_elf *inner, struct visit v)
{
	if (!inner || !inner->symtab)
		return 0;
	pthread_mutex_lock(&inner->lazy->lock);
	mp_elf_load_strings(inner, inner->symtab, &inner->lazy->symtab_strings);
	pthread_mutex_unlock(&inner->lazy->lock);
	v.table = MP_ELF_DEBUGDATA;
	v.strings = &inner->lazy->symtab_strings;
	return visit_table(inner, inner->symtab, &v);
}

static int visit_all(const struct mp_elf *e, struct visit v)
{
	struct elf_lazy *lazy = e->lazy;
	int rc = 0;

	pthread_mutex_lock(&lazy->lock);
	if (e->symtab)
		mp_elf_load_strings(e, e->symtab, &lazy->symtab_strings);
	if (e->dynsym)
		mp_elf_load_strings(e, e->dynsym, &lazy->dynsym_strings);
	const struct mp_elf *inner = load_debugdata(e);
	pthread_mutex_unlock(&lazy->lock);

	if (e->symtab) {
		v.table = MP_ELF_SYMTAB;
		v.strings = &lazy->symtab_strings;
		rc = visit_table(e, e->symtab, &v);
	}
	if (rc == 0 && e->dynsym) {
		v.table = MP_ELF_DYNSYM;
		v.strings = &lazy->dynsym_strings;
		rc = visit_table(e, e->dynsym, &v);
	}
	return rc ? rc : visit_debugdata(inner, v);
}

int mp_elf_each_function(
    const struct mp_elf *e, int (*fn)(void *ctx, const struct mp_elf_sym *sym), void *ctx)
{
	return visit_all(e, (struct visit){.fn = fn, .ctx = ctx});
}

int mp_elf_each_variable(
    const struct mp_elf *e, int (*fn)(void *ctx, const struct mp_elf_sym *sym), void *ctx)
{
	return visit_all(e, (struct visit){.fn = fn, .ctx = ctx, .wants_variables = true});
}

size_t mp_elf_loaded_bytes(const struct mp_elf *e)
{
	struct elf_lazy *lazy = e->lazy;

	pthread_mutex_lock(&lazy->lock);
	size_t n =
	    lazy->symtab_strings.size + lazy->dynsym_strings.size + lazy->nslots * sizeof(*lazy->slots);
	/* What came out of .gnu_debugdata lies in a memfd, which is memory too. */
	if (lazy->debugdata)
		n += mp_elf_loaded_bytes(lazy->debugdata) + lazy->debugdata->file_size;
	pthread_mutex_unlock(&lazy->lock);
	return n;
}
