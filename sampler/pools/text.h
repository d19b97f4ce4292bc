/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_POOLS_TEXT_H
#define MP_SAMPLER_POOLS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "store/err.h"

/*
 * The text that names a function and says where its values are, in its parts:
 *
 *     OrderPool::acquire(pool=arg0, ptr=ret)                   by its name in C, C++, ...: demangled, or a
 * glob OrderPool::acquire(unsigned long)(pool=arg0, ptr=ret)    one of several of the name, by its parameters
 *     virtual:CLASS:2(pool=arg0, ptr=ret)                      what the virtual table of a class has there,
 * from 0; it need not have a name. Destructors are two usdt:PROVIDER:NAME(pool=arg0, ptr=arg1) a USDT probe
 */
enum mp_pool_value {
	MP_POOL_VALUE_POOL,
	MP_POOL_VALUE_PTR,
	MP_POOL_VALUE_SIZE,
	MP_POOL_VALUE_CAPACITY,
	MP_POOL_VALUE_OBJECT_BYTES,
	MP_POOL_VALUE_NAME,
	MP_POOL_VALUE_COUNT,
};

#define MP_POOL_TEXT_MAX 1024

struct mp_pool_text {
	char name[MP_POOL_TEXT_MAX]; /* of a USDT probe PROVIDER:NAME; of a virtual function its class */
	char parameters[MP_POOL_TEXT_MAX]; /* with their brackets; empty: none are given */
	bool is_usdt, is_virtual;
	unsigned int slot;                                  /* in the virtual table */
	char values[MP_POOL_VALUE_COUNT][MP_POOL_TEXT_MAX]; /* expressions; empty: not given */
};

const char *mp_pool_value_name(enum mp_pool_value v);

/* -EINVAL with half a sentence that a place in a file may precede. */
int mp_pool_text_parse(const char *text, struct mp_pool_text *out, struct mp_err *err);

/* Whether two texts of parameters are the same but for spaces, and for "const" behind them where the first
 * says nothing of it; "()" is "(void)". */
bool mp_pool_same_parameters(const char *wanted, const char *found);

#endif
