/* SPDX-License-Identifier: MIT */
#include "symbolize/elf/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * The notes of .note.stapsdt, by which a file tells of its USDT probes
 * (https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation): owner "stapsdt", type 3, and as
 * description three addresses (of the probe, of .stapsdt.base when the note was made, of a semaphore) and
 * three strings. They are not loaded, so that only the section table leads to them.
 */
#define STAPSDT_TYPE 3

/* What is read of a file. A JVM's libjvm.so has about 100 KiB of notes; sections of a hostile file may claim,
 * each of them, all of it. */
#define USDT_NOTES_BYTES_MAX (16u << 20)

/* Each part of a note begins at a multiple of 4. */
static uint64_t padded(uint32_t n)
{
	return ((uint64_t)n + 3) & ~3ULL;
}

/* The string at `*at`, and moves behind it; NULL where none ends before `end`. */
static const char *take_string(const char **at, const char *end)
{
	const char *text = *at, *zero = memchr(text, 0, (size_t)(end - text));

	if (!zero)
		return NULL;
	*at = zero + 1;
	return text;
}

struct base {
	bool known;
	uint64_t vaddr;
};

static bool parse_usdt(const char *desc, size_t n, const struct base *base, struct mp_elf_usdt *out)
{
	uint64_t address[3]; /* probe, base, semaphore */
	const char *at = desc + sizeof(address), *end = desc + n;

	if (n < sizeof(address))
		return false;
	memcpy(address, desc, sizeof(address));
	out->provider = take_string(&at, end);
	out->name = out->provider ? take_string(&at, end) : NULL;
	out->args = out->name ? take_string(&at, end) : NULL;
	if (!out->args)
		return false;

	uint64_t moved = base->known && address[1] ? base->vaddr - address[1] : 0;
	out->vaddr = address[0] + moved;
	out->semaphore = address[2] ? address[2] + moved : 0;
	return true;
}

/* A note whose sizes reach beyond the section ends it: nothing says where the next one begins. */
static int each_note(const char *notes, size_t n, const struct base *base,
    int (*fn)(void *ctx, const struct mp_elf_usdt *probe), void *ctx)
{
	static const char owner[] = "stapsdt";
	size_t at = 0;
	Elf64_Nhdr h;
	int ret = 0;

	while (!ret && n - at >= sizeof(h)) {
		memcpy(&h, notes + at, sizeof(h));
		at += sizeof(h);
		uint64_t name_bytes = padded(h.n_namesz);
		if (name_bytes > n - at || h.n_descsz > n - at - name_bytes)
			break;
		const char *name = notes + at, *desc = name + name_bytes;
		struct mp_elf_usdt probe;
		if (h.n_type == STAPSDT_TYPE && h.n_namesz == sizeof(owner) &&
		    !memcmp(name, owner, sizeof(owner)) && parse_usdt(desc, h.n_descsz, base, &probe))
			ret = fn(ctx, &probe);
		at += name_bytes;
		at += padded(h.n_descsz) < n - at ? padded(h.n_descsz)
						  : n - at; /* the last may lack its padding */
	}
	return ret;
}

int mp_elf_each_usdt(const struct mp_elf *e, int (*fn)(void *ctx, const struct mp_elf_usdt *probe), void *ctx)
{
	struct base base = {0};
	uint64_t room = USDT_NOTES_BYTES_MAX;
	int ret = 0;

	size_t number = mp_elf_find_section(e, ".stapsdt.base");
	if (number)
		base = (struct base){true, e->sections[number].sh_addr};
	for (size_t i = 1; !ret && i < e->nsections; i++) {
		uint64_t bytes = mp_elf_section_bytes(e, i);

		if (e->sections[i].sh_type != SHT_NOTE || !bytes || bytes > room)
			continue;
		room -= bytes;
		char *notes = malloc(bytes);
		if (!notes)
			return -ENOMEM;
		ret =
		    each_note(notes, mp_elf_read(e, e->sections[i].sh_offset, notes, bytes), &base, fn, ctx);
		free(notes);
	}
	return ret;
}
