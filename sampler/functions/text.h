/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_FUNCTIONS_TEXT_H
#define MP_SAMPLER_FUNCTIONS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "store/err.h"

/*
 * The text that names a function and says where its values are, in its parts. By its name in C, C++, ...,
 * demangled, or a glob:
 *
 *     OrderPool::acquire(pool=arg0, ptr=ret)
 *
 * one of several of the name, by its parameters:
 *
 *     OrderPool::acquire(unsigned long)(pool=arg0, ptr=ret)
 *
 * what the virtual table of a class has there, from 0 (destructors are two); it need not have a name:
 *
 *     virtual:CLASS:2(pool=arg0, ptr=ret)
 *
 * what a variable of the module leads to, so many bytes from its begin, and with `:BYTES:COUNT` again every
 * BYTES, COUNT in all, of which those that are NULL are none:
 *
 *     pointer:VARIABLE+112:128:16(pool=arg0, count=arg2)
 *
 * a USDT probe:
 *
 *     usdt:PROVIDER:NAME(pool=arg0, ptr=arg1)
 */
#define MP_FUNCTION_TEXT_MAX   1024
#define MP_FUNCTION_VALUES_MAX 10
#define MP_FUNCTION_SLOTS_MAX  64 /* functions of a table of pointers */

struct mp_function_text {
	char name[MP_FUNCTION_TEXT_MAX]; /* of a USDT probe PROVIDER:NAME; of a virtual function its class;
					    of a pointer the variable */
	char parameters[MP_FUNCTION_TEXT_MAX]; /* with their brackets; empty: none are given */
	bool is_usdt, is_virtual, is_pointer;
	unsigned int slot;                /* in the virtual table */
	unsigned int offset, step, slots; /* of pointers: where the first is, how far apart, how many */
	char values[MP_FUNCTION_VALUES_MAX][MP_FUNCTION_TEXT_MAX]; /* expressions; empty: not given */
};

/* `names` of the values that may be given, at most MP_FUNCTION_VALUES_MAX, in their order; ends with NULL.
 * -EINVAL with half a sentence that a place in a file may precede. */
int mp_function_text_parse(
    const char *text, const char *const *names, struct mp_function_text *out, struct mp_err *err);

/* Whether two texts of parameters are the same but for spaces, and for "const" behind them where the first
 * says nothing of it; "()" is "(void)". */
bool mp_function_same_parameters(const char *wanted, const char *found);

#endif
