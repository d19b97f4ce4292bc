/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_DEMANGLE_DEMANGLE_H
#define MP_SYMBOLIZE_DEMANGLE_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

/* The longest name, with its NUL, that mp_demangle() writes, and what it writes of a short one: what a table
 * can show. */
#define MP_DEMANGLED_MAX  4096
#define MP_SHORT_NAME_MAX 1024

/*
 * Writes the name of the function with symbol `raw` as a reader wants it in a table: C++, Rust (legacy and
 * v0) and D demangled, without parameters, long template arguments shortened ("std::vector<...>::push_back"),
 * any other name as it is, without a symbol version ("malloc@@GLIBC_2.2.5") or a compiler's clone suffix
 * ("insert.isra.0"). With `long_names`, template arguments stay. Control characters, which a hostile file may
 * hold, become '?'. A name that does not fit ends in "...". Bounded in time and memory. Any thread.
 */
void mp_demangle(const char *raw, bool long_names, char out[static MP_DEMANGLED_MAX]);

/*
 * Writes the parameters of a C++ function, with what qualifies it: "(unsigned long)", "() const". Empty where
 * the name says none: of other languages, and C. Bounded likewise. Any thread.
 */
void mp_demangle_parameters(const char *raw, char out[static MP_DEMANGLED_MAX]);

/* Shortens, in place, template arguments longer than MP_TEMPLATE_ARGS_MAX characters to "<...>" and D's to
 * "!(...)". */
#define MP_TEMPLATE_ARGS_MAX 40
void mp_shorten_templates(char *name);

#endif
