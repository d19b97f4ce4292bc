/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <libiberty/demangle.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/demangle/demangle_private.h"

/* libiberty's demangler of D returns its result whole: it cannot be stopped while it works. What a name can
 * cost is therefore reckoned first. */
#define MANGLED_MAX 2048

/* Bits of the number of steps that a name may take: a fifth of a second at the worst. */
#define COST_BITS_MAX 23

static unsigned bits(uint64_t n)
{
	unsigned b = 0;

	for (; n; n >>= 1)
		b++;
	return b;
}

/*
 * A bound of the length after back references, https://dlang.org/spec/abi.html#back_ref: 'Q' and a number to
 * base 26 (its last digit a small letter), how far back the type is that stands here again. Each stands for
 * at most all between there and here, whose own references may double each other. Saturates.
 */
static uint64_t expanded(const char *mangled, size_t n)
{
	uint64_t sum[MANGLED_MAX + 1]; /* of the lengths of all before i */

	sum[0] = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t length = 1;

		if (mangled[i] == 'Q') {
			size_t back = 0, k = i + 1;

			while (back <= n && isupper((unsigned char)mangled[k]))
				back = back * 26 + (size_t)(mangled[k++] - 'A');
			if (islower((unsigned char)mangled[k]))
				back = back * 26 + (size_t)(mangled[k] - 'a');
			if (back <= i)
				length += sum[i] - sum[i - back];
		}
		sum[i + 1] = sum[i] + length < UINT32_MAX ? sum[i] + length : UINT32_MAX;
	}
	return sum[n];
}

/*
 * Where a function's type may begin (a letter for its calling convention), and where a template's argument is
 * a symbol (S and a number), the demangler tries one reading and then another one, each with all that
 * follows: every such place doubles its work, the latter more than that.
 */
static bool is_bounded(const char *mangled, size_t n)
{
	unsigned cost = bits(expanded(mangled, n));

	for (size_t i = 2; i < n; i++) {
		if (mangled[i] && strchr("FUWVRY", mangled[i]))
			cost++;
		else if (mangled[i] == 'S' && isdigit((unsigned char)mangled[i + 1]))
			cost += 2;
	}
	return cost <= COST_BITS_MAX;
}

/* The length of the bracketed part that `s` begins with; all of it where the brackets do not match. */
static size_t bracketed(const char *s)
{
	size_t i = 0;
	int depth = 0;

	do {
		depth += s[i] == '(' ? 1 : s[i] == ')' ? -1 : 0;
		i++;
	} while (s[i] && depth);
	return i;
}

/* "module.outer(int).inner(char) const" to "module.outer.inner". Template arguments, "f!(int)", stay. */
static void remove_parameters(char *name)
{
	size_t in = 0, out = 0;

	while (name[in]) {
		size_t n = 1;

		if (name[in] == '!' && name[in + 1] == '(') {
			n = 1 + bracketed(name + in + 1);
		} else if (name[in] == '(') {
			in += bracketed(name + in);
			if (name[in] == ' ')
				break;
			continue;
		}
		memmove(name + out, name + in, n);
		in += n;
		out += n;
	}
	name[out] = '\0';
}

bool mp_demangle_d(const char *mangled, char *out, size_t size)
{
	size_t n = strnlen(mangled, MANGLED_MAX);

	if (n == MANGLED_MAX || !is_bounded(mangled, n))
		return false;
	char *name = dlang_demangle(mangled, DMGL_ANSI);
	if (!name)
		return false;
	remove_parameters(name);
	n = strlen(name);
	bool fits = n && n < size;
	if (fits) {
		memcpy(out, name, n);
		out[n] = '\0';
	}
	free(name);
	return fits;
}
