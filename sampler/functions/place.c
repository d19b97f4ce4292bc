/* SPDX-License-Identifier: MIT */
#include "sampler/functions/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/insn.h"

/* What the dynamic linker binds the stub (PLT entry) at `vaddr` to, or NULL. */
static const char *stub_symbol(const struct mp_elf *elf, uint64_t vaddr)
{
	unsigned char stub[32];
	uint64_t offset;

	if (!mp_elf_vaddr_to_offset(elf, vaddr, &offset))
		return NULL;
	size_t n = mp_elf_read(elf, offset, stub, sizeof(stub));
	uint64_t slot = mp_insn_stub_slot(stub, n, vaddr);
	return slot ? mp_elf_slot_symbol(elf, slot) : NULL;
}

/* The function that an address of code is in, or the part of one; stubs are in none. */
static bool covering(const struct mp_function_table *t, uint64_t vaddr, struct mp_function_symbol *out)
{
	const struct mp_function_symbol *named = mp_function_at(t, vaddr);

	if (named) {
		*out = *named;
		return true;
	}
	*out = (struct mp_function_symbol){.name = ""};
	return !stub_symbol(t->elf, vaddr) && mp_function_extent(t->elf, vaddr, &out->vaddr, &out->size);
}

/* A function in its parts: the first is it itself, the others are those that it jumps to. */
#define MAX_PARTS 16

struct ends {
	const struct mp_function_table *table;
	struct mp_function_place *place;
	bool through_jumps;
	struct mp_function_symbol parts[MAX_PARTS];
	size_t n_parts;
	bool too_many;
};

static bool is_inside(const struct ends *e, uint64_t vaddr)
{
	for (size_t i = 0; i < e->n_parts; i++)
		if (vaddr - e->parts[i].vaddr < e->parts[i].size)
			return true;
	return false;
}

static void take_part(void *ctx, uint64_t to)
{
	struct ends *e = ctx;
	struct mp_function_symbol part;

	if (is_inside(e, to) || !covering(e->table, to, &part) || (!part.is_part && !e->through_jumps))
		return;
	if (e->n_parts < MAX_PARTS)
		e->parts[e->n_parts++] = part;
	else
		e->too_many = true;
}

/* A jump to another function, which goes on in its place, ends this one. */
static int take_end(void *ctx, uint64_t vaddr, bool is_jump, uint64_t to)
{
	struct ends *e = ctx;
	uint64_t offset;

	if (is_jump && to && is_inside(e, to))
		return 0;
	if (e->place->n_ends == MP_FUNCTION_ENDS_MAX ||
	    !mp_elf_vaddr_to_offset(e->table->elf, vaddr, &offset)) {
		e->too_many = true;
		return 1;
	}
	e->place->ends_in_jump |= is_jump;
	e->place->ends[e->place->n_ends++] = offset;
	return 0;
}

static int refuse(const char **why, const char *reason)
{
	*why = reason;
	return -ENOTSUP;
}

int mp_function_place_entry(const struct mp_function_table *t, const struct mp_function_symbol *f,
    unsigned int args, struct mp_function_place *out, const char **why)
{
	return t->is_go ? refuse(why, "it is Go's, whose stacks move")
			: mp_function_place_point(t, f, args, out, why);
}

int mp_function_place_point(const struct mp_function_table *t, const struct mp_function_symbol *f,
    unsigned int args, struct mp_function_place *out, const char **why)
{
	uint64_t offset;

	*out = (struct mp_function_place){0};
	unsigned char *code = mp_function_code(t, f, &offset);
	if (!code)
		return refuse(why, "its code is not in the file");
	out->skipped_bytes = mp_insn_placement(code, f->size, args, false);
	out->is_stepped = !mp_insn_is_emulated(code + out->skipped_bytes, f->size - out->skipped_bytes);
	out->entry = offset + out->skipped_bytes;
	free(code);
	return 0;
}

int mp_function_place_ends(const struct mp_function_table *t, const struct mp_function_symbol *f,
    bool through_jumps, struct mp_function_place *out, const char **why)
{
	struct ends e = {
	    .table = t, .place = out, .through_jumps = through_jumps, .parts = {*f}, .n_parts = 1};
	struct mp_insn_ends found = {.end = take_end, .leaves = take_part, .ctx = &e};
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < e.n_parts; i++) {
		uint64_t offset;
		unsigned char *code = mp_function_code(t, &e.parts[i], &offset);
		ret = code ? mp_insn_each_end(code, e.parts[i].size, e.parts[i].vaddr, &found) : -EINVAL;
		free(code);
	}
	if (ret < 0)
		return refuse(why, "its code cannot be told from data");
	if (e.too_many)
		return refuse(why, "it has too many ends");
	return out->n_ends ? 0 : refuse(why, "it never returns");
}

/* ---- Closed functions ---- */

#define MAX_CLOSED 64 /* functions and parts that a function may come to */

struct closure {
	const struct mp_function_table *table;
	struct mp_function_symbol all[MAX_CLOSED];
	size_t n;
};

/* Of the C library: they call nothing of the program's, throw nothing, and are no cancellation points
 * (pthreads(7)). What defines malloc in another library is taken to keep to that, too. */
static bool is_harmless(const char *name)
{
	static const char *const names[] = {"__assert_fail", "__errno_location", "__memcpy_chk",
	    "__memmove_chk", "__memset_chk", "__stack_chk_fail", "__tls_get_addr", "abort", "aligned_alloc",
	    "calloc", "clock_gettime", "free", "malloc", "memcmp", "memcpy", "memmove", "memset",
	    "posix_memalign", "pthread_getspecific", "pthread_mutex_lock", "pthread_mutex_trylock",
	    "pthread_mutex_unlock", "pthread_self", "pthread_setspecific", "pthread_spin_lock",
	    "pthread_spin_trylock", "pthread_spin_unlock", "realloc", "sched_getcpu", "sched_yield", "strcmp",
	    "strlen"};

	for (size_t i = 0; name && i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static int take_call(void *ctx, const struct mp_insn_call *call)
{
	struct closure *c = ctx;
	struct mp_function_symbol f;

	if (!call->to)
		return !(call->slot && is_harmless(mp_elf_slot_symbol(c->table->elf, call->slot)));
	for (size_t i = 0; i < c->n; i++)
		if (call->to - c->all[i].vaddr < c->all[i].size)
			return 0;
	if (!covering(c->table, call->to, &f))
		return !is_harmless(stub_symbol(c->table->elf, call->to));
	if (c->n == MAX_CLOSED)
		return 1;
	c->all[c->n++] = f;
	return 0;
}

bool mp_function_is_closed(const struct mp_function_table *t, const struct mp_function_symbol *f)
{
	struct closure c = {.table = t, .all = {*f}, .n = 1};
	int ret = t->is_go;

	for (size_t i = 0; !ret && i < c.n; i++) {
		uint64_t offset;
		unsigned char *code = mp_function_code(t, &c.all[i], &offset);
		ret = code ? mp_insn_each_call(code, c.all[i].size, c.all[i].vaddr, take_call, &c) : -EINVAL;
		free(code);
	}
	return !ret;
}
