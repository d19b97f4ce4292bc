/* SPDX-License-Identifier: MIT */
#include "symbolize/elf/private.h"

#include <stdlib.h>
#include <string.h>

/* Relocations read at a time. */
#define RELOCS_PER_READ 2048

/* Slots kept: a program binds some thousands of functions. The next power of two above a million bounds what
 * a file made for the purpose costs (16 bytes each). */
#define SLOTS_MAX (1u << 20)

struct slots {
	struct elf_slot *v;
	size_t n, room;
	size_t looked_up; /* symbols read, with or without a name */
	bool full;
};

static void slots_add(struct slots *slots, uint64_t vaddr, const char *name)
{
	if (slots->n == slots->room) {
		size_t room = slots->room ? 2 * slots->room : 256;
		struct elf_slot *v = room <= SLOTS_MAX ? realloc(slots->v, room * sizeof(*v)) : NULL;

		if (!v) {
			slots->full = true;
			return;
		}
		slots->v = v;
		slots->room = room;
	}
	slots->v[slots->n++] = (struct elf_slot){vaddr, name};
}

/* Whether a relocation stores the address of its symbol. Others (relative, TLS, copy) name no function. */
static bool binds_address(uint16_t machine, uint32_t type)
{
	switch (machine) {
	case EM_X86_64:
		return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT || type == R_X86_64_64;
	case EM_AARCH64:
		return type == R_AARCH64_JUMP_SLOT || type == R_AARCH64_GLOB_DAT || type == R_AARCH64_ABS64;
	default:
		return false;
	}
}

static void add_reloc(const struct mp_elf *e, const Elf64_Rela *r, struct slots *slots)
{
	uint64_t number = ELF64_R_SYM(r->r_info),
		 symbols = mp_elf_section_bytes(e, e->dynsym) / sizeof(Elf64_Sym);
	const Elf64_Shdr *dynsym = &e->sections[e->dynsym];
	Elf64_Sym sym;

	if (!number || number >= symbols || !binds_address(e->machine, ELF64_R_TYPE(r->r_info)))
		return;
	if (++slots->looked_up >= SLOTS_MAX)
		slots->full = true;
	if (mp_elf_read(e, dynsym->sh_offset + number * sizeof(sym), &sym, sizeof(sym)) != sizeof(sym))
		return;
	const char *name = mp_elf_string(&e->lazy->dynsym_strings, sym.st_name);
	/* A weak reference that stays undefined and data symbols pass too: who asks knows that it is a slot.
	 */
	if (name)
		slots_add(slots, r->r_offset, name);
}

static void add_relocs(const struct mp_elf *e, size_t number, struct slots *slots)
{
	Elf64_Rela buf[RELOCS_PER_READ];
	uint64_t left = mp_elf_section_bytes(e, number) / sizeof(*buf),
		 offset = e->sections[number].sh_offset;

	if (left > ELF_ENTRIES_MAX)
		left = ELF_ENTRIES_MAX;
	while (left && !slots->full) {
		size_t n = left < RELOCS_PER_READ ? left : RELOCS_PER_READ;

		if (mp_elf_read(e, offset, buf, n * sizeof(*buf)) != n * sizeof(*buf))
			break;
		for (size_t i = 0; i < n && !slots->full; i++)
			add_reloc(e, &buf[i], slots);
		offset += n * sizeof(*buf);
		left -= n;
	}
}

static int compare_slots(const void *va, const void *vb)
{
	const struct elf_slot *a = va, *b = vb;

	return a->vaddr < b->vaddr ? -1 : a->vaddr > b->vaddr;
}

static void load_slots(const struct mp_elf *e)
{
	struct slots slots = {0};
	uint64_t budget = ELF_ENTRIES_MAX;

	if (e->dynsym)
		mp_elf_load_strings(e, e->dynsym, &e->lazy->dynsym_strings);
	for (size_t i = 1; i < e->nsections && e->dynsym; i++) {
		const Elf64_Shdr *s = &e->sections[i];
		uint64_t entries = mp_elf_section_bytes(e, i) / sizeof(Elf64_Rela);

		if (s->sh_type != SHT_RELA || s->sh_link != e->dynsym || s->sh_entsize != sizeof(Elf64_Rela))
			continue;
		/* 65536 section headers may all point to the same long table. */
		if (entries > budget)
			break;
		budget -= entries;
		add_relocs(e, i, &slots);
	}
	if (slots.n)
		qsort(slots.v, slots.n, sizeof(*slots.v), compare_slots);
	e->lazy->slots = slots.v;
	e->lazy->nslots = slots.n;
}

static const char *find_slot(const struct mp_elf *e, uint64_t vaddr)
{
	struct elf_slot key = {.vaddr = vaddr}, *found = NULL;

	if (e->lazy->nslots)
		found = bsearch(&key, e->lazy->slots, e->lazy->nslots, sizeof(key), compare_slots);
	return found ? found->name : NULL;
}

/* The slot that x86-64 code at `vaddr` jumps through: [endbr64] [bnd] jmp *disp32(%rip). */
static bool x86_jump_slot(const uint8_t *code, size_t n, uint64_t vaddr, uint64_t *slot)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	size_t at = 0;
	int32_t disp;

	if (n >= sizeof(endbr64) && memcmp(code, endbr64, sizeof(endbr64)) == 0)
		at = sizeof(endbr64);
	if (at < n && code[at] == 0xf2)
		at++;
	if (at + 6 > n || code[at] != 0xff || code[at + 1] != 0x25)
		return false;
	memcpy(&disp, code + at + 2, sizeof(disp));
	*slot = vaddr + at + 6 + (uint64_t)(int64_t)disp;
	return true;
}

/* The same for arm64: [bti c] adrp x16, PAGE; ldr x17, [x16, #OFFSET]; ... br x17. */
static bool arm64_jump_slot(const uint8_t *code, size_t n, uint64_t vaddr, uint64_t *slot)
{
	uint32_t insn[3];

	if (n < sizeof(insn))
		return false;
	memcpy(insn, code, sizeof(insn));
	size_t at = insn[0] == 0xd503245f;
	uint32_t adrp = insn[at], ldr = insn[at + 1];
	if ((adrp & 0x9f00001f) != 0x90000010 || (ldr & 0xffc003ff) != 0xf9400211)
		return false;

	uint64_t page = ((adrp >> 5 & 0x7ffff) << 2) | (adrp >> 29 & 3);
	if (page & (1 << 20))
		page -= 1 << 21;
	*slot = ((vaddr + 4 * at) & ~(uint64_t)0xfff) + (page << 12) + (uint64_t)(ldr >> 10 & 0xfff) * 8;
	return true;
}

const char *mp_elf_slot_symbol(const struct mp_elf *e, uint64_t vaddr)
{
	uint8_t code[16];
	uint64_t offset, slot;

	pthread_mutex_lock(&e->lazy->lock);
	if (!e->lazy->slots_tried)
		load_slots(e);
	e->lazy->slots_tried = true;
	pthread_mutex_unlock(&e->lazy->lock);

	const char *name = find_slot(e, vaddr);
	if (name || !mp_elf_code_end(e, vaddr) || !mp_elf_vaddr_to_offset(e, vaddr, &offset))
		return name;
	size_t n = mp_elf_read(e, offset, code, sizeof(code));
	if (e->machine == EM_X86_64 ? x86_jump_slot(code, n, vaddr, &slot)
				    : arm64_jump_slot(code, n, vaddr, &slot))
		return find_slot(e, slot);
	return NULL;
}
