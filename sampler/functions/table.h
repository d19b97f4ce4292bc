/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_FUNCTIONS_TABLE_H
#define MP_SAMPLER_FUNCTIONS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/target.h"
#include "symbolize/elf/elf.h"

/*
 * The functions of a module of a target, by address: what functions that a user names are looked for in, and
 * what tells whose an address is. The file is the target's and hostile; what it can make us keep is bounded.
 * Immutable once open; any thread.
 */
#define MP_FUNCTIONS_MAX (4u << 20) /* symbols: the largest browser has a quarter of it */

/* A symbol. A function that has several names, or is in two tables, is there as often, side by side. */
struct mp_function_symbol {
	const char *name; /* as in the symbol table; the table's */
	uint64_t vaddr, size;
	unsigned int order; /* in the tables of the file */
	bool is_part;       /* of a function, moved away from it by the compiler */
	bool is_weak;       /* as inline functions and templates are: every module may have its copy of one */
};

struct mp_function_table {
	const struct mp_module *module;
	struct mp_elf *elf;
	struct mp_function_symbol *all;
	size_t n;
	struct mp_gopclntab
	    *go;    /* where the names of a stripped Go program are; NULL: in the symbol tables */
	bool is_go; /* built by Go, whose stacks move: no probe on a return, no pairing by the stack */
};

/* `m` has to outlive the table. -ENOMEM, -E2BIG; any other error: the file cannot be read, or is no ELF. */
int mp_function_table_open(const struct mp_module *m, struct mp_function_table *out);
void mp_function_table_close(
    struct mp_function_table *t); /* also of one that was zeroed, or failed to open */

/* The function that an address is in, by the symbols, or NULL. */
const struct mp_function_symbol *mp_function_at(const struct mp_function_table *t, uint64_t vaddr);

/*
 * The same by the table that unwinding goes by (.eh_frame_hdr): of functions without a symbol, and of the
 * parts that the compiler has moved away from functions, each of which counts as one. False: none is told of.
 */
bool mp_function_extent(const struct mp_elf *elf, uint64_t vaddr, uint64_t *begin, uint64_t *bytes);

/* The code of a function, to be freed, and where it is in the file. NULL: it is not in the file, too large,
 * or there is no memory. */
unsigned char *mp_function_code(
    const struct mp_function_table *t, const struct mp_function_symbol *f, uint64_t *offset);

#endif
