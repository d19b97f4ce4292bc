/* SPDX-License-Identifier: MIT */
#ifndef MP_PRELOAD_OPERATORS_H
#define MP_PRELOAD_OPERATORS_H

/* Finds the operators of C++ that stand behind the library. Once, when it is loaded. */
void mp_operators_init(void);

#endif
