/* SPDX-License-Identifier: MIT */
#include "symbolize/functions.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

/* 4 million functions take 160 MiB here; the largest programs have one million. */
#define FUNCTIONS_MAX (4u << 20)

/* Functions looked at to the left of an address for one that reaches it. Functions nest (labels with a type
 * within assembler functions), but never deep. */
#define NESTED_MAX 64

/* How far a function of size 0 reaches when the next symbol is further away. With .symtab, the next symbol is
 * the next function; .dynsym lacks the local ones between. */
#define SIZELESS_BYTES_MAX        (64u << 10)
#define SIZELESS_DYNSYM_BYTES_MAX 4096

/* Characters of a name that decide between aliases. */
#define COMPARED_MAX 256

struct function {
	uint64_t vaddr, size;
	const char *name;
	uint64_t max_end; /* of the functions up to this one: where a search to the left may stop */
	uint8_t bind, quality;
};

struct mp_functions {
	const struct mp_elf *elf;
	struct function *v;
	size_t n, room;
};

static enum mp_symbol_quality quality_of(enum mp_elf_table table)
{
	switch (table) {
	case MP_ELF_SYMTAB:
		return MP_SYMBOL_SYMTAB;
	case MP_ELF_DEBUGDATA:
		return MP_SYMBOL_DEBUGDATA;
	case MP_ELF_DYNSYM:
		return MP_SYMBOL_DYNSYM;
	}
	return MP_SYMBOL_NONE;
}

static int add_function(void *ctx, const struct mp_elf_sym *sym)
{
	struct mp_functions *f = ctx;

	if (f->n == f->room) {
		size_t room = f->room ? 2 * f->room : 1024;
		struct function *v = room <= FUNCTIONS_MAX ? realloc(f->v, room * sizeof(*v)) : NULL;

		if (!v)
			return 1; /* what there is so far still serves */
		f->v = v;
		f->room = room;
	}
	f->v[f->n++] = (struct function){
	    .vaddr = sym->vaddr,
	    .size = sym->size,
	    .name = sym->name,
	    .bind = sym->bind,
	    .quality = quality_of(sym->table),
	};
	return 0;
}

static int compare_addresses(const void *va, const void *vb)
{
	const struct function *a = va, *b = vb;

	return a->vaddr < b->vaddr ? -1 : a->vaddr > b->vaddr;
}

bool mp_functions_prefer(const char *a, uint8_t bind_a, const char *b, uint8_t bind_b)
{
	bool local_a = bind_a == STB_LOCAL, local_b = bind_b == STB_LOCAL;
	size_t under_a = strspn(a, "_"), under_b = strspn(b, "_");

	/* A mangled name's underscore is no sign of an internal one. */
	if (a[0] == '_' && (a[1] == 'Z' || a[1] == 'R'))
		under_a = 0;
	if (b[0] == '_' && (b[1] == 'Z' || b[1] == 'R'))
		under_b = 0;
	if (local_a != local_b)
		return local_b;
	/* Before weak against global: in libc the public name ("write") is the weak one of "__write". */
	if (under_a != under_b)
		return under_a < under_b;
	if ((bind_a == STB_WEAK) != (bind_b == STB_WEAK))
		return bind_b == STB_WEAK;

	size_t n_a = strnlen(a, COMPARED_MAX), n_b = strnlen(b, COMPARED_MAX);
	if (n_a != n_b)
		return n_a < n_b;
	return strncmp(a, b, COMPARED_MAX) < 0;
}

/* Keeps the best name of each address, with the largest size and the quality of the best table that knows a
 * function there: the quality says how sure it is that the function starts at this address. */
static void merge_aliases(struct mp_functions *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++) {
		struct function *last = kept ? &f->v[kept - 1] : NULL, *next = &f->v[i];

		if (!last || last->vaddr != next->vaddr) {
			f->v[kept++] = *next;
			continue;
		}
		uint64_t size = last->size > next->size ? last->size : next->size;
		uint8_t quality = last->quality > next->quality ? last->quality : next->quality;
		if (mp_functions_prefer(next->name, next->bind, last->name, last->bind))
			*last = *next;
		last->size = size;
		last->quality = quality;
	}
	f->n = kept;
}

static void note_ends(struct mp_functions *f)
{
	uint64_t max = 0;

	for (size_t i = 0; i < f->n; i++) {
		struct function *v = &f->v[i];

		if (v->size > UINT64_MAX - v->vaddr)
			v->size = UINT64_MAX - v->vaddr;
		if (v->vaddr + v->size > max)
			max = v->vaddr + v->size;
		v->max_end = max;
	}
}

typedef int each_symbol(
    const struct mp_elf *e, int (*fn)(void *ctx, const struct mp_elf_sym *sym), void *ctx);

static struct mp_functions *collect(const struct mp_elf *e, const struct mp_elf *debug, each_symbol *each)
{
	struct mp_functions *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->elf = e;
	each(e, add_function, f);
	if (debug)
		each(debug, add_function, f);
	if (!f->n)
		return f;
	qsort(f->v, f->n, sizeof(*f->v), compare_addresses);
	merge_aliases(f);
	note_ends(f);
	struct function *smaller = realloc(f->v, f->n * sizeof(*f->v));
	if (smaller) {
		f->v = smaller;
		f->room = f->n;
	}
	return f;
}

struct mp_functions *mp_functions_new(const struct mp_elf *e, const struct mp_elf *debug)
{
	return collect(e, debug, mp_elf_each_function);
}

struct mp_functions *mp_functions_new_variables(const struct mp_elf *e, const struct mp_elf *debug)
{
	return collect(e, debug, mp_elf_each_variable);
}

/* Whether function `i`, which has no size, may reach `vaddr`, with no symbol between. */
static bool sizeless_covers(const struct mp_functions *f, size_t i, uint64_t vaddr)
{
	const struct function *v = &f->v[i];
	uint64_t max = v->quality == MP_SYMBOL_DYNSYM ? SIZELESS_DYNSYM_BYTES_MAX : SIZELESS_BYTES_MAX;

	return vaddr - v->vaddr < max && vaddr < mp_elf_code_end(f->elf, v->vaddr);
}

bool mp_functions_find(const struct mp_functions *f, uint64_t vaddr, struct mp_function *out)
{
	size_t low = 0, high = f->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (f->v[mid].vaddr <= vaddr)
			low = mid + 1;
		else
			high = mid;
	}
	for (size_t i = low, looked = 0; i-- > 0 && looked < NESTED_MAX; looked++) {
		const struct function *v = &f->v[i];
		bool covers =
		    v->size ? vaddr - v->vaddr < v->size : i + 1 == low && sizeless_covers(f, i, vaddr);

		if (covers) {
			*out = (struct mp_function){v->name, v->vaddr, (enum mp_symbol_quality)v->quality};
			return true;
		}
		if (v->max_end <= vaddr)
			break;
	}
	return false;
}

size_t mp_functions_bytes(const struct mp_functions *f)
{
	return f->room * sizeof(*f->v);
}

void mp_functions_free(struct mp_functions *f)
{
	if (!f)
		return;
	free(f->v);
	free(f);
}
