/* SPDX-License-Identifier: MIT */
#include "symbolize/elf/gopclntab.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/elf/section.h"

#define TABLE_BYTES_MAX (UINT64_C(512) << 20)
#define WORD            8 /* bytes of a pointer: 64-bit programs only */

enum magic {
	GO_1_2 = 0xfffffffb,
	GO_1_16 = 0xfffffffa,
	GO_1_18 = 0xfffffff0,
	GO_1_20 = 0xfffffff1,
};

struct mp_gopclntab {
	unsigned char *bytes;
	uint64_t size;
	uint64_t n;             /* functions */
	uint64_t functab;       /* where the pairs of address and offset begin, */
	unsigned int pair_word; /* the bytes of each of the two; */
	uint64_t text;          /* is added to the addresses; */
	uint64_t functions;     /* what the offsets count from, */
	uint64_t names;         /* and those of names */
};

/* `n` bytes as a number, little endian; 0 outside of the table. */
static uint64_t number(const struct mp_gopclntab *t, uint64_t at, unsigned int n)
{
	uint64_t v = 0;

	if (at > t->size || n > t->size - at)
		return 0;
	memcpy(&v, t->bytes + at, n);
	return v;
}

/* The word `i` behind the first eight bytes. */
static uint64_t head(const struct mp_gopclntab *t, unsigned int i)
{
	return number(t, 8 + (uint64_t)i * WORD, WORD);
}

static bool find_parts(struct mp_gopclntab *t)
{
	if (t->size < 8 + 8 * WORD || t->bytes[7] != WORD)
		return false;
	t->n = head(t, 0);
	switch ((uint32_t)number(t, 0, 4)) {
	case GO_1_18:
	case GO_1_20:
		t->pair_word = 4;
		t->text = head(t, 2) ? head(t, 2) : t->text;
		t->names = head(t, 3);
		t->functab = t->functions = head(t, 7);
		break;
	case GO_1_16:
		t->pair_word = WORD;
		t->text = 0;
		t->names = head(t, 2);
		t->functab = t->functions = head(t, 6);
		break;
	case GO_1_2:
		t->pair_word = WORD;
		t->text = 0;
		t->functab = 8 + WORD;
		break;
	default:
		return false;
	}
	/* And one more address behind the last pair: where it ends. */
	return t->functab < t->size && t->n < (t->size - t->functab) / (2 * t->pair_word);
}

static uint64_t section_address(const struct mp_elf *e, const char *name)
{
	struct mp_section s = {0};
	uint64_t at = mp_section_open(e, name, &s) ? 0 : s.vaddr;

	mp_section_close(&s);
	return at;
}

static int read_table(const struct mp_elf *e, const char *name, struct mp_gopclntab *t)
{
	struct mp_section s = {0};
	int ret = mp_section_open_within(e, name, TABLE_BYTES_MAX, &s);

	if (!ret) {
		t->size = s.size;
		t->bytes = malloc(t->size);
		ret = !t->bytes                                              ? -ENOMEM
		      : mp_section_read(&s, 0, t->bytes, t->size) != t->size ? -EBADMSG
									     : 0;
	}
	mp_section_close(&s);
	return ret;
}

int mp_gopclntab_open(const struct mp_elf *e, struct mp_gopclntab **out)
{
	struct mp_gopclntab *t = calloc(1, sizeof(*t));
	int ret = t ? read_table(e, ".gopclntab", t) : -ENOMEM;

	/* Of programs of any position it lies with what is relocated. */
	if (ret == -ENOENT)
		ret = read_table(e, ".data.rel.ro.gopclntab", t);
	if (!ret) {
		t->text = section_address(e, ".text");
		ret = find_parts(t) ? 0 : -EBADMSG;
	}
	if (ret)
		mp_gopclntab_close(t);
	*out = ret ? NULL : t;
	return ret;
}

void mp_gopclntab_close(struct mp_gopclntab *t)
{
	if (t)
		free(t->bytes);
	free(t);
}

/* The name of the function that is told of at an offset. */
static const char *name_at(const struct mp_gopclntab *t, uint64_t offset)
{
	uint64_t function = t->functions + offset; /* behind its entry comes its name */
	uint64_t name = t->names + (uint32_t)number(t, function + t->pair_word, 4);

	if (function < offset || function >= t->size || name >= t->size ||
	    !memchr(t->bytes + name, 0, t->size - name) || !t->bytes[name])
		return NULL;
	return (const char *)t->bytes + name;
}

int mp_gopclntab_each(
    const struct mp_gopclntab *t, int (*fn)(void *ctx, const struct mp_elf_sym *sym), void *ctx)
{
	int ret = 0;

	for (uint64_t i = 0; !ret && i < t->n; i++) {
		uint64_t pair = t->functab + i * 2 * t->pair_word;
		uint64_t entry = number(t, pair, t->pair_word);
		uint64_t end = number(t, pair + 2 * t->pair_word, t->pair_word);
		const struct mp_elf_sym sym = {
		    .name = name_at(t, number(t, pair + t->pair_word, t->pair_word)),
		    .vaddr = t->text + entry,
		    .size = end - entry,
		    .bind = STB_LOCAL,
		    .table = MP_ELF_SYMTAB};
		if (sym.name && end > entry)
			ret = fn(ctx, &sym);
	}
	return ret;
}
