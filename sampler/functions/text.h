/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_FUNCTIONS_TEXT_H
#define MP_SAMPLER_FUNCTIONS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "store/err.h"

/*
 * The text that names a function and says where its values are, in its parts:
 *
 *     OrderPool::acquire(pool=arg0, ptr=ret)                   by its name in C, C++, ...: demangled, or a
 * glob OrderPool::acquire(unsigned long)(pool=arg0, ptr=ret)    one of several of the name, by its parameters
 *     virtual:CLASS:2(pool=arg0, ptr=ret)                      what the virtual table of a class has there,
 *                                                              from 0; it need not have a name. Destructors
 *                                                              are two
 *     usdt:PROVIDER:NAME(pool=arg0, ptr=arg1)                  a USDT probe
 */
#define MP_FUNCTION_TEXT_MAX   1024
#define MP_FUNCTION_VALUES_MAX 8

struct mp_function_text {
	char name[MP_FUNCTION_TEXT_MAX]; /* of a USDT probe PROVIDER:NAME; of a virtual function its class */
	char parameters[MP_FUNCTION_TEXT_MAX]; /* with their brackets; empty: none are given */
	bool is_usdt, is_virtual;
	unsigned int slot;                                         /* in the virtual table */
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
