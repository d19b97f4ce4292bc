/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_FUNCTIONS_H
#define MP_SYMBOLIZE_FUNCTIONS_H

#include "symbolize/elf/elf.h"
#include "symbolize/symbolize.h"

/* The function symbols of one file, sorted for lookup by address. Immutable; any thread. */
struct mp_functions;

/* Names are those of `e` and `debug` (its separate debug file, or NULL), which must outlive it. NULL without
 * memory. */
struct mp_functions *mp_functions_new(const struct mp_elf *e, const struct mp_elf *debug);

/* The same of its variables, which are looked up as functions are. */
struct mp_functions *mp_functions_new_variables(const struct mp_elf *e, const struct mp_elf *debug);

struct mp_function {
	const char *raw;
	uint64_t vaddr;
	enum mp_symbol_quality quality;
};

/* The function that covers `vaddr`. False in a gap: rather no name than the neighbour's. */
bool mp_functions_find(const struct mp_functions *f, uint64_t vaddr, struct mp_function *out);

/* The memory that the functions take without their names. */
size_t mp_functions_bytes(const struct mp_functions *f);

/* Whether a reader would rather see symbol `a` than `b`, which is at the same address. */
bool mp_functions_prefer(const char *a, uint8_t bind_a, const char *b, uint8_t bind_b);

void mp_functions_free(struct mp_functions *f);

#endif
