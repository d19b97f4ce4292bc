/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_CURSOR_H
#define MP_SAMPLER_PERF_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Reads values of either byte order out of bytes that nobody vouches for: what is left of them, front to
 * back. Once they were too few it stays so, and all further values are 0: the reader asks once, at the end.
 */
struct cursor {
	const unsigned char *at, *end;
	bool is_swapped, is_short;
};

static inline size_t left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

static inline const unsigned char *take(struct cursor *c, uint64_t n)
{
	const unsigned char *at = c->at;

	if (c->is_short || n > left(c)) {
		c->is_short = true;
		return NULL;
	}
	c->at += n;
	return at;
}

static inline uint64_t load_u64(const unsigned char *at, bool is_swapped)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return is_swapped ? __builtin_bswap64(v) : v;
}

static inline uint32_t load_u32(const unsigned char *at, bool is_swapped)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return is_swapped ? __builtin_bswap32(v) : v;
}

static inline uint16_t load_u16(const unsigned char *at, bool is_swapped)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return is_swapped ? __builtin_bswap16(v) : v;
}

static inline uint64_t u64(struct cursor *c)
{
	const unsigned char *at = take(c, sizeof(uint64_t));

	return at ? load_u64(at, c->is_swapped) : 0;
}

static inline uint32_t u32(struct cursor *c)
{
	const unsigned char *at = take(c, sizeof(uint32_t));

	return at ? load_u32(at, c->is_swapped) : 0;
}

static inline uint16_t u16(struct cursor *c)
{
	const unsigned char *at = take(c, sizeof(uint16_t));

	return at ? load_u16(at, c->is_swapped) : 0;
}

#endif
