/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_INTERN_H
#define MP_SYMBOLIZE_INTERN_H

/* A set of strings that stay where they are until it is freed. One thread. */
struct mp_intern;

struct mp_intern *mp_intern_new(void);

/* The set's copy of `s`, or NULL without memory or when the set has 512 MiB. */
const char *mp_intern(struct mp_intern *set, const char *s);

void mp_intern_free(struct mp_intern *set);

#endif
