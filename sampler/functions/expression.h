/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_FUNCTIONS_EXPRESSION_H
#define MP_SAMPLER_FUNCTIONS_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/functions/fetch.h"
#include "store/err.h"

/*
 * Texts that say where a value is in a target, made into struct mp_fetch:
 *
 *     value   = place { (+|-) number }
 *     place   = number                  decimal, 0x hexadecimal
 *             | arg0 ... arg5           of a function in registers; of a USDT probe those of its note
 *             | ret                     what the function returns
 *             | name                    the address of a variable of the module
 *             | type @ value            what is there in memory: type is u8 u16 u32 u64 s8 s16 s32 s64; the
 *                                       offset belongs to the address
 *             | @ value                 u64 @ value
 *             | * place                 u64 @ place
 *             | type ( place )          of an argument or what is returned, only the lower part
 *             | ( value )
 *
 * So `u32@(u64@arg0+8)+16` is argument 0, 8 bytes read 8 behind it, and 4 bytes read 16 behind what that
 * gave.
 */

/* What names stand for. */
struct mp_expression_names {
	bool has_return;
	/* Argument `number`, with a text when there is no such. NULL: those of a function. */
	int (*argument)(void *ctx, unsigned int number, struct mp_fetch *out, struct mp_err *err);
	/* The address of a variable. NULL: names are accepted, and stand for 0. */
	int (*variable)(void *ctx, const char *name, uint64_t *address, struct mp_err *err);
	/* Is there memory? NULL: yes. */
	bool (*is_mapped)(void *ctx, uint64_t address, size_t n);
	void *ctx;
};

/* Errors, as half a sentence that a place in a file may precede: -EINVAL not understood, -ERANGE a number
 * that is too large, -E2BIG more reads in one another than a probe makes, -EFAULT an address that is not in
 * the target. */
int mp_expression_parse(
    const char *text, const struct mp_expression_names *names, struct mp_fetch *out, struct mp_err *err);

/* Whether what a fetch gives is in memory, and which arguments it begins with: as for mp_insn_placement(). */
unsigned int mp_expression_needs(const struct mp_fetch *f);

/*
 * Argument `number` of a USDT probe by the text of its note: "8@%rdi -4@12(%rbp) 4@$3", on arm64 "8@x0
 * 4@[sp, 12]". -EINVAL where there is no such argument, or one that lies where a probe does not look.
 */
int mp_expression_usdt_argument(
    const char *args, unsigned int number, struct mp_fetch *out, struct mp_err *err);

#endif
