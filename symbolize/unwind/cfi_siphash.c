/* SPDX-License-Identifier: MIT */
#include "symbolize/unwind/cfi_siphash.h"

#include <endian.h>
#include <string.h>

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void round_of(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static void take_word(struct cfi_siphash *h, uint64_t word)
{
	h->v[3] ^= word;
	round_of(h->v);
	round_of(h->v);
	h->v[0] ^= word;
}

static uint64_t load(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return le64toh(word);
}

void mp_cfi_siphash_begin(struct cfi_siphash *h, const uint8_t key[static CFI_KEY_BYTES])
{
	uint64_t k0 = load(key), k1 = load(key + 8);

	*h = (struct cfi_siphash){.v = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
				      k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)}};
}

void mp_cfi_siphash_add(struct cfi_siphash *h, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;

	for (; n && h->length % 8; n--)
		h->rest[h->length++ % 8] = *at++;
	if (h->length % 8 == 0 && h->has_rest) {
		take_word(h, load(h->rest));
		h->has_rest = false;
	}
	for (; n >= 8; n -= 8, at += 8, h->length += 8)
		take_word(h, load(at));
	for (; n; n--, h->has_rest = true)
		h->rest[h->length++ % 8] = *at++;
}

uint64_t mp_cfi_siphash_end(struct cfi_siphash *h)
{
	uint64_t length = h->length;

	memset(h->rest + length % 8, 0, 8 - length % 8);
	h->rest[7] = (uint8_t)length;
	take_word(h, load(h->rest));
	h->v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		round_of(h->v);
	return h->v[0] ^ h->v[1] ^ h->v[2] ^ h->v[3];
}
