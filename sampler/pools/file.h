/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_POOLS_FILE_H
#define MP_SAMPLER_POOLS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "store/err.h"

/*
 * Files that name the functions of pools, as far as they can be understood without a target: sections and
 * keys in the order of the text, with the file and the line of each.
 *
 *     include = FILE          ; read here; relative to the file that says so
 *     [pool NAME]             ; and in the built-in ones one section [profile]
 *     KEY = VALUE             ; a key may be repeated; an indented line goes on with a bracket that is open
 *
 * Beside unknown sections and keys, each key is told apart only by whether it names functions.
 */
#define MP_POOL_FILES_MAX    32 /* included, in all */
#define MP_POOL_SECTIONS_MAX 256
#define MP_POOL_ENTRIES_MAX  4096 /* in all */

struct mp_pool_place {
	const char *file; /* as given, or as included; the struct mp_pool_file's */
	int line;
};

enum mp_pool_key {
	MP_POOL_KEY_GET,
	MP_POOL_KEY_PUT,
	MP_POOL_KEY_CREATE,
	MP_POOL_KEY_DESTROY,
	MP_POOL_KEY_CLEAR,
	MP_POOL_KEY_EMPTY,
	MP_POOL_KEY_FUNCTIONS, /* those above name functions */
	MP_POOL_KEY_MODULE = MP_POOL_KEY_FUNCTIONS,
	MP_POOL_KEY_CAPACITY,
	MP_POOL_KEY_OBJECT_BYTES,
	MP_POOL_KEY_USDT,
	MP_POOL_KEY_INSTANCES,
	MP_POOL_KEY_SIZE_STEP,
	MP_POOL_KEY_NULL,
	MP_POOL_KEY_CLEAR_IS_RETURN,
	MP_POOL_KEY_LATENCY,
	MP_POOL_KEY_EXCEPTIONS,
	MP_POOL_KEY_NAME, /* of a pool, and of [profile] */
	/* Of [profile]. */
	MP_POOL_KEY_ABOUT,
	MP_POOL_KEY_VERSIONS,
	MP_POOL_KEY_VARIABLE,
	MP_POOL_KEY_KNOWN,
	MP_POOL_KEY_COUNT,
};

const char *mp_pool_key_name(enum mp_pool_key key);

struct mp_pool_entry {
	enum mp_pool_key key;
	char *value; /* never empty */
	struct mp_pool_place place;
};

struct mp_pool_section {
	char *name; /* of the pool; NULL: the section [profile] */
	struct mp_pool_place place;
	struct mp_pool_entry *entries;
	size_t n;
};

struct mp_pool_file {
	struct mp_pool_section *sections;
	size_t n;
	char *names[MP_POOL_FILES_MAX + 1]; /* of the files */
	size_t n_names;
};

/* Reads a user's file. Errors, with file and line: -ENOENT no such file, -EINVAL not understood, -ELOOP
 * includes itself, -E2BIG, -ENOMEM, and those of reading. */
int mp_pool_file_read(const char *path, struct mp_pool_file *out, struct mp_err *err);

/* The same for a text that is at hand: a built-in profile, which may not include. */
int mp_pool_file_parse(const char *name, const char *text, struct mp_pool_file *out, struct mp_err *err);

void mp_pool_file_free(struct mp_pool_file *f);

/* The first entry of a key, or NULL. */
const struct mp_pool_entry *mp_pool_section_get(const struct mp_pool_section *s, enum mp_pool_key key);

/* "pools.ini:3: " before a text, as an error; returns -code. */
int mp_pool_error(struct mp_err *err, const struct mp_pool_place *at, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
