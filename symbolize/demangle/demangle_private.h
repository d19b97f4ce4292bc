/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_DEMANGLE_DEMANGLE_PRIVATE_H
#define MP_SYMBOLIZE_DEMANGLE_DEMANGLE_PRIVATE_H

#include "symbolize/demangle/demangle.h"

/* Writes the name of a D function ("_D...", terminated) without its parameters; false for what is none, does
 * not fit, or might take too long to tell. */
bool mp_demangle_d(const char *mangled, char *out, size_t size);

#endif
