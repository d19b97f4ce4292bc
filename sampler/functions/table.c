/* SPDX-License-Identifier: MIT */
#include "sampler/functions/table.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sampler/grow.h"
#include "symbolize/elf/gopclntab.h"
#include "symbolize/elf/section.h"

#define MAX_FUNCTION_BYTES (1u << 20) /* of code that is decoded */

struct loading {
	struct mp_function_table *table;
	size_t room;
	int failed;
};

/* Parts of a function that the compiler has moved away have the function's name and a suffix (GCC, LLVM). */
static bool is_part(const char *name)
{
	return strstr(name, ".cold") || strstr(name, ".part.");
}

static int take(void *ctx, const struct mp_elf_sym *sym)
{
	struct loading *l = ctx;
	struct mp_function_table *t = l->table;

	if (t->n == MP_FUNCTIONS_MAX)
		l->failed = -E2BIG;
	else if (!mp_grow((void **)&t->all, &l->room, t->n + 1, sizeof(*t->all)))
		l->failed = -ENOMEM;
	if (l->failed)
		return l->failed;
	t->all[t->n] = (struct mp_function_symbol){.name = sym->name,
	    .vaddr = sym->vaddr,
	    .size = sym->size,
	    .order = (unsigned int)t->n,
	    .is_part = is_part(sym->name),
	    .is_weak = sym->bind == STB_WEAK};
	t->n++;
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct mp_function_symbol *x = a, *y = b;

	if (x->vaddr != y->vaddr)
		return x->vaddr < y->vaddr ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* The build information is there in stripped programs, too, and the table in any that can run: in one of any
 * position under another name (cmd/link/internal/ld/data.go). */
static bool has_go(const struct mp_elf *elf)
{
	static const char *const sections[] = {
	    ".go.buildinfo", ".note.go.buildid", ".gopclntab", ".data.rel.ro.gopclntab"};

	for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++)
		if (mp_section_exists(elf, sections[i]))
			return true;
	return false;
}

int mp_function_table_open(const struct mp_module *m, struct mp_function_table *out)
{
	struct loading l = {.table = out};

	*out = (struct mp_function_table){.module = m};
	int fd = open(m->open_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	int ret = mp_elf_open(fd, m->path, &out->elf, NULL);
	close(fd);
	if (ret) {
		out->elf = NULL;
		return ret;
	}
	out->is_go = has_go(out->elf);
	mp_elf_each_function(out->elf, take, &l);
	if (out->is_go && !mp_elf_has_symtab(out->elf) && !l.failed && !mp_gopclntab_open(out->elf, &out->go))
		mp_gopclntab_each(out->go, take, &l);
	if (l.failed)
		mp_function_table_close(out);
	else if (out->n)
		qsort(out->all, out->n, sizeof(*out->all), by_address);
	return l.failed;
}

void mp_function_table_close(struct mp_function_table *t)
{
	mp_gopclntab_close(t->go);
	if (t->elf)
		mp_elf_close(t->elf);
	free(t->all);
	*t = (struct mp_function_table){0};
}

const struct mp_function_symbol *mp_function_at(const struct mp_function_table *t, uint64_t vaddr)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (t->all[middle].vaddr <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	/* Of several names of an address some may have no size. */
	for (size_t i = low; i-- && t->all[i].vaddr == t->all[low - 1].vaddr;)
		if (vaddr - t->all[i].vaddr < t->all[i].size)
			return &t->all[i];
	return NULL;
}

unsigned char *mp_function_code(
    const struct mp_function_table *t, const struct mp_function_symbol *f, uint64_t *offset)
{
	if (!f->size || f->size > MAX_FUNCTION_BYTES || !mp_elf_vaddr_to_offset(t->elf, f->vaddr, offset))
		return NULL;
	unsigned char *code = malloc(f->size);
	if (code && mp_elf_read(t->elf, *offset, code, f->size) != f->size) {
		free(code);
		code = NULL;
	}
	return code;
}
