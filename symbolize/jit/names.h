/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_JIT_NAMES_H
#define MP_SYMBOLIZE_JIT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A longer name is cut. */
#define MP_NAME_BYTES_MAX 1023

/* Many names in one growing block, each known by its offset: what files of JIT compilers are kept as. All
 * zero is an empty one. One thread. */
struct mp_names {
	char *bytes;
	size_t size, room;
};

/* Adds the `n` bytes of `name` without its control characters, and a terminator; false without memory, or
 * when the block has 256 MiB. May move `bytes`. */
bool mp_names_add(struct mp_names *names, const char *name, size_t n, uint32_t *at);

void mp_names_free(struct mp_names *names);

#endif
