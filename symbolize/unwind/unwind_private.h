/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_UNWIND_UNWIND_PRIVATE_H
#define MP_SYMBOLIZE_UNWIND_UNWIND_PRIVATE_H

#include "symbolize/unwind/unwind.h"

/* What unwind.c and unwind_libunwind.c share. */

enum stack_read { READ_DONE, READ_ABOVE, READ_BELOW };

/* The word at `addr` of the copied stack. */
static inline enum stack_read mp_stack_read(const struct mp_stack_state *s, uint64_t addr, uint64_t *word)
{
	uint64_t offset = addr - s->bytes_at;

	if (addr < s->bytes_at)
		return READ_BELOW;
	if (s->n_bytes < sizeof(*word) || offset > s->n_bytes - sizeof(*word))
		return READ_ABOVE;
	__builtin_memcpy(word, s->bytes + offset, sizeof(*word));
	return READ_DONE;
}

/* Whether libunwind may execute this program of a CIE or an FDE. */
bool mp_unwind_vet(const uint8_t *program, size_t n, bool is_cie);

/* libunwind over a copied stack. */
struct unwind_remote;

struct unwind_remote *mp_unwind_remote_new(const struct mp_unwind_code *code);
void mp_unwind_remote_free(struct unwind_remote *r);
struct mp_unwound mp_unwind_remote(
    struct unwind_remote *r, const struct mp_stack_state *state, bool keep_cache, uint64_t *ip, size_t room);

#endif
