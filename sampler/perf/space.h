/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_SPACE_H
#define MP_SAMPLER_PERF_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the processes of a recording have mapped, as its records tell it in the order of their times: a later
 * mapping takes the place of what it covers. Memory is bounded: processes that have ended go first, and
 * mappings beyond the limit are refused. One thread.
 */
struct mp_spaces;

/* Mappings of all processes together. */
#define MP_SPACE_MAPS_MAX (1u << 20)

struct mp_space_map {
	uint64_t start, end, file_offset;
	const char *path; /* the caller's */
	uint32_t module;  /* the caller's number of it; 0: no code */
};

struct mp_spaces *mp_spaces_new(void);
void mp_spaces_free(struct mp_spaces *s);

/* 0, -E2BIG: there are too many, -ENOMEM. */
int mp_spaces_map(struct mp_spaces *s, uint32_t pid, const struct mp_space_map *map);
/* A child begins with what its parent has mapped. As mp_spaces_map(). */
int mp_spaces_fork(struct mp_spaces *s, uint32_t parent, uint32_t child);
/* Another program: nothing is left of the old one. */
void mp_spaces_exec(struct mp_spaces *s, uint32_t pid);
/* What it had may still be asked for. */
void mp_spaces_exit(struct mp_spaces *s, uint32_t pid);

/* The mapping that holds an address now, or NULL; *above: the next one behind the address, or NULL. Valid
 * until the next change. `above` may be NULL. */
const struct mp_space_map *mp_spaces_find(
    struct mp_spaces *s, uint32_t pid, uint64_t addr, const struct mp_space_map **above);

#endif
