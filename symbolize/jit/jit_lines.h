/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_JIT_JIT_LINES_H
#define MP_SYMBOLIZE_JIT_JIT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The source lines of a jitdump file: they come as a list before the code that they belong to, and are
 * hostile. All zero is an empty set. One thread.
 *
 * Life: begin -> add ... -> end -> attach -> find ... . At any time drop: forgets the list that is not
 * attached.
 */
#define MP_JIT_NO_FILE UINT32_MAX

struct mp_jit_line {
	uint32_t offset; /* from the code's start, as written: possibly too high */
	uint32_t file;   /* the caller's, or MP_JIT_NO_FILE */
	int32_t line;
};

/* The lines of one code. */
struct mp_jit_line_list {
	uint32_t first, n;
};

struct mp_jit_lines {
	struct mp_jit_line *lines;
	size_t n, room;

	bool open; /* a list has begun, and is not attached */
	uint64_t code_addr;
	size_t first;
	uint32_t lowest, highest;

	bool any_low, any_high; /* which say whether all are too high, see jit_lines.c */
};

void mp_jit_lines_begin(struct mp_jit_lines *l, uint64_t code_addr);

/* False for a line before its code, or when there are too many or no memory. */
bool mp_jit_lines_add(struct mp_jit_lines *l, uint64_t addr, uint32_t file, int32_t line);

void mp_jit_lines_end(struct mp_jit_lines *l);
void mp_jit_lines_drop(struct mp_jit_lines *l);

/* The open list, when it is that of the code at `addr`; else none, and it is dropped. */
struct mp_jit_line_list mp_jit_lines_attach(struct mp_jit_lines *l, uint64_t addr, uint64_t size);

/* The line of the code at this offset, or NULL. `shifted`: the file's lines are known to be too high. */
const struct mp_jit_line *mp_jit_lines_find(
    const struct mp_jit_lines *l, struct mp_jit_line_list list, uint64_t offset, bool shifted);

/* Forgets all. */
void mp_jit_lines_clear(struct mp_jit_lines *l);
void mp_jit_lines_free(struct mp_jit_lines *l);

#endif
