/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_MODMAP_H
#define MP_SYMBOLIZE_MODMAP_H

#include "symbolize/symbolize.h"

struct mp_symfile; /* symbolize/symfile.h */

/*
 * Which mapping held an address at a time. Mappings are only ever added: a later one covers an earlier one
 * where they overlap. One thread.
 */
struct mp_modmap;

struct mp_module {
	struct mp_map map;
	struct mp_symfile *file; /* the caller's; NULL: none, or not readable */
	uint32_t id;             /* from 1, in the order in which they were added */
};

struct mp_modmap *mp_modmap_new(void);

/* Notes a mapping; `map->path` and `file` must outlive the modmap. The same mapping of the same file again is
 * not noted. 0, -EINVAL (empty range), -ENOMEM, or -E2BIG when there are too many. */
int mp_modmap_add(struct mp_modmap *m, const struct mp_map *map, struct mp_symfile *file);

/* Among the mappings at or before `t_ns` that cover `addr` the latest, or NULL. Valid until the next add. */
const struct mp_module *mp_modmap_find(const struct mp_modmap *m, uint64_t addr, int64_t t_ns);

/* Number `id`, or NULL. Valid until the next add. */
const struct mp_module *mp_modmap_get(const struct mp_modmap *m, uint32_t id);

void mp_modmap_free(struct mp_modmap *m);

#endif
