/* SPDX-License-Identifier: MIT */
#include "symbolize/jit/jit_lines.h"

#include <stdlib.h>

/* 48 MiB. A power of two. */
#define LINES_MAX (4u << 20)

/*
 * `perf inject` makes an ELF file of each function, and its first versions took a line's address for an
 * offset from the file's start: V8 and LLVM write addresses that are too high by the size of an ELF header,
 * and have kept to it. No line lies before its code's start: one line in the first bytes of any code proves a
 * file right, and one behind a code's end, or as the first exactly a header behind its start, speaks for the
 * shift.
 */
#define ELF_HEADER_BYTES 0x40

void mp_jit_lines_begin(struct mp_jit_lines *l, uint64_t code_addr)
{
	mp_jit_lines_drop(l);
	l->open = true;
	l->code_addr = code_addr;
	l->first = l->n;
	l->lowest = UINT32_MAX;
	l->highest = 0;
}

bool mp_jit_lines_add(struct mp_jit_lines *l, uint64_t addr, uint32_t file, int32_t line)
{
	if (addr < l->code_addr || addr - l->code_addr >= UINT32_MAX)
		return false;
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 1024;
		struct mp_jit_line *lines =
		    room <= LINES_MAX ? realloc(l->lines, room * sizeof(*lines)) : NULL;

		if (!lines)
			return false;
		l->lines = lines;
		l->room = room;
	}
	uint32_t offset = (uint32_t)(addr - l->code_addr);
	l->lines[l->n++] = (struct mp_jit_line){offset, file, line};
	l->lowest = offset < l->lowest ? offset : l->lowest;
	l->highest = offset > l->highest ? offset : l->highest;
	return true;
}

static int compare_lines(const void *va, const void *vb)
{
	const struct mp_jit_line *a = va, *b = vb;

	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

void mp_jit_lines_end(struct mp_jit_lines *l)
{
	for (size_t i = l->first + 1; i < l->n; i++)
		if (l->lines[i].offset < l->lines[i - 1].offset) {
			qsort(l->lines + l->first, l->n - l->first, sizeof(*l->lines), compare_lines);
			return;
		}
}

void mp_jit_lines_drop(struct mp_jit_lines *l)
{
	if (l->open)
		l->n = l->first;
	l->open = false;
}

/* Lines outside of their code are garbage (V8 writes such for its baseline code), and so are those among them
 * that seem to lie within. */
struct mp_jit_line_list mp_jit_lines_attach(struct mp_jit_lines *l, uint64_t addr, uint64_t size)
{
	struct mp_jit_line_list list = {(uint32_t)l->first, (uint32_t)(l->n - l->first)};

	if (!l->open || l->code_addr != addr || !list.n ||
	    (l->highest >= size && l->highest - size >= ELF_HEADER_BYTES)) {
		mp_jit_lines_drop(l);
		return (struct mp_jit_line_list){0, 0};
	}
	l->any_low |= l->lowest < ELF_HEADER_BYTES;
	l->any_high |= l->lowest == ELF_HEADER_BYTES || l->highest >= size;
	l->open = false;
	return list;
}

const struct mp_jit_line *mp_jit_lines_find(
    const struct mp_jit_lines *l, struct mp_jit_line_list list, uint64_t offset, bool shifted)
{
	size_t low = 0, high = list.n;

	if (!list.n)
		return NULL;
	if (shifted || (l->any_high && !l->any_low))
		offset += ELF_HEADER_BYTES;
	const struct mp_jit_line *lines = l->lines + list.first;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (lines[mid].offset <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? &lines[low - 1] : NULL;
}

void mp_jit_lines_clear(struct mp_jit_lines *l)
{
	l->n = 0;
	l->open = l->any_low = l->any_high = false;
}

void mp_jit_lines_free(struct mp_jit_lines *l)
{
	free(l->lines);
	*l = (struct mp_jit_lines){.n = 0};
}
