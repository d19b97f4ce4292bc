/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "sampler/functions/table.h"
#include "symbolize/elf/section.h"

/*
 * .eh_frame_hdr (Linux Standard Base, 10.6.2): four bytes that say how the rest is encoded, the address of
 * .eh_frame, the number of entries, and a table of them sorted by address: of a function, and of its FDE.
 * Each linker writes it in the one way that is read here.
 */
struct header {
	unsigned char version, frame_encoding, count_encoding, table_encoding;
	int32_t frame;
	uint32_t count;
};

struct entry {
	int32_t function, fde; /* from the beginning of the section */
};

/* The beginning of an FDE whose addresses are 4 bytes, from where they stand: as all are on our machines. */
struct fde {
	uint32_t length, cie;
	int32_t function;
	uint32_t bytes;
};

#define PCREL_SDATA4   0x1b
#define UDATA4         0x03
#define DATAREL_SDATA4 0x3b

/* The last entry at or before an address: its FDE's address, or 0. */
static uint64_t fde_of(const struct mp_section *s, uint64_t vaddr)
{
	struct header h;
	struct entry e;
	uint32_t low = 0, high;
	uint64_t fde = 0;

	if (mp_section_read(s, 0, &h, sizeof(h)) != sizeof(h) || h.version != 1 ||
	    h.frame_encoding != PCREL_SDATA4 || h.count_encoding != UDATA4 ||
	    h.table_encoding != DATAREL_SDATA4)
		return 0;
	high = h.count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (mp_section_read(s, sizeof(h) + (uint64_t)middle * sizeof(e), &e, sizeof(e)) != sizeof(e))
			return 0;
		if (s->vaddr + (uint64_t)(int64_t)e.function > vaddr) {
			high = middle;
			continue;
		}
		fde = s->vaddr + (uint64_t)(int64_t)e.fde;
		low = middle + 1;
	}
	return fde;
}

bool mp_function_extent(const struct mp_elf *elf, uint64_t vaddr, uint64_t *begin, uint64_t *bytes)
{
	struct mp_section s;
	struct fde f;
	uint64_t offset, end = mp_elf_code_end(elf, vaddr);

	if (!end || mp_section_open(elf, ".eh_frame_hdr", &s))
		return false;
	uint64_t at = fde_of(&s, vaddr);
	mp_section_close(&s);
	if (!at || !mp_elf_vaddr_to_offset(elf, at, &offset) ||
	    mp_elf_read(elf, offset, &f, sizeof(f)) != sizeof(f))
		return false;
	*begin = at + offsetof(struct fde, function) + (uint64_t)(int64_t)f.function;
	*bytes = f.bytes;
	return *begin <= vaddr && vaddr - *begin < f.bytes && f.bytes <= end - *begin;
}
