/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRELOAD_PLANE_LIBRARY_H
#define MP_SAMPLER_PRELOAD_PLANE_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#include "sampler/probe.h"
#include "sampler/target.h"
#include "store/err.h"

/* libmpsample.so as a file: where it lies here, and whether it does its work in a target. */
#define MP_PRELOAD_LIBRARY "libmpsample.so"

/* The library's path: beside the mpsample program, else in ../lib/mpsample or ../lib from there. -ENOENT with
 * the places that were looked at. */
int mp_preload_library_path(char *out, size_t size, struct mp_err *err);

/* The target's module that is the library, or NULL. */
const struct mp_module *mp_preload_library_in(const struct mp_target *t);

/* The address of the function that the library calls when its region stands (sampler/preload/region.c), or
 * 0. */
uint64_t mp_preload_library_ready(const struct mp_module *m);

/*
 * Whether the target's malloc is the library's. `found` is what mp_probe_resolve() found. -ENOTSUP with the
 * reason: a static program, or a definition that the dynamic linker takes first.
 */
int mp_preload_library_check(const struct mp_target *t, const struct mp_probe_set *found, struct mp_err *err);

#endif
