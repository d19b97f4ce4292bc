/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_UNWIND_CFI_SIPHASH_H
#define MP_SYMBOLIZE_UNWIND_CFI_SIPHASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * SipHash-2-4 (J.-P. Aumasson, D. J. Bernstein: SipHash: a fast short-input PRF, 2012): who does not know the
 * key can make no second input with the same sum. Of pieces of any length, as if they were one.
 */
#define CFI_KEY_BYTES 16

struct cfi_siphash {
	uint64_t v[4], length;
	uint8_t rest[8]; /* the last length % 8 bytes */
	bool has_rest;
};

void mp_cfi_siphash_begin(struct cfi_siphash *h, const uint8_t key[static CFI_KEY_BYTES]);
void mp_cfi_siphash_add(struct cfi_siphash *h, const void *bytes, size_t n);
uint64_t mp_cfi_siphash_end(struct cfi_siphash *h);

#endif
