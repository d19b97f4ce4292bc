/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_UNWIND_CFI_PRIVATE_H
#define MP_SYMBOLIZE_UNWIND_CFI_PRIVATE_H

#include "symbolize/elf/section.h"
#include "symbolize/unwind/cfi.h"
#include "symbolize/unwind/cfi_siphash.h"

/* What the cfi*.c files share. */

/* The largest table: 192 MiB. libc has 25 thousand rows, the largest programs around some 5 million. */
#define CFI_ROWS_MAX (16u << 20)

/* The largest section read. */
#define CFI_SECTION_BYTES_MAX (UINT64_C(512) << 20)

/* Rows as they are made. A zeroed one is empty. */
struct cfi_rows {
	struct mp_cfi_row *row;
	size_t n, room;
};

/* Adds a row; one that says the same as its predecessor is left out, one at the same address replaces it.
 * `row->addr` must not be below the last one's. 0, -ENOMEM, -E2BIG. */
int mp_cfi_rows_add(struct cfi_rows *rows, const struct mp_cfi_row *row);

/* Whether `rows` may be used: sorted strictly, every rule known. Says nothing about whether they are true. */
bool mp_cfi_rows_valid(const struct mp_cfi_row *row, size_t n);

/* A table of valid rows, at least one of them; takes `row` (from malloc()) over, also when it fails. -ENOMEM.
 */
int mp_cfi_from_rows(uint64_t base, struct mp_cfi_row *row, size_t n, struct mp_cfi **out);

/* ---- cfi_program.c: what a CIE and an FDE say, executed ---- */

struct cfi_cie {
	uint16_t machine; /* EM_X86_64, EM_AARCH64 */
	uint64_t code_align;
	int64_t data_align;
	unsigned ra_reg;
	bool is_signal; /* augmentation 'S' */
	const uint8_t *program;
	size_t n_program;
};

/* Executes an FDE's program for the code at [start, end), which are both below 2^32, and adds its rows. What
 * is damaged in it becomes MP_CFI_NONE from there on. 0, -ENOMEM, -E2BIG. */
int mp_cfi_program_run(const struct cfi_cie *cie, const uint8_t *program, size_t n, uint32_t start,
    uint32_t end, struct cfi_rows *rows);

/* ---- cfi_build.c: libdwarf's part, run in a sandbox ---- */

/* Code of the file that a table can speak of: from the lowest executable address, less than 4 GiB. */
struct cfi_source {
	uint16_t machine;
	uint64_t base, size;
	struct mp_section eh_frame, debug_frame; /* .size 0: none */
};

/* Opens the sections. -ENOENT: there are none, -EINVAL: no code. */
int mp_cfi_source_open(const struct mp_elf *e, const struct mp_elf *debug, struct cfi_source *out);
void mp_cfi_source_close(struct cfi_source *s);

/* Sections up to this size are read for the cache's sake. Their rows take about as much. */
#define CFI_OWN_BYTES_MAX (UINT64_C(128) << 20)

/*
 * Copies the sections, so that nobody changes them between now and their use, and sums them up under the
 * cache's key: a build-id is a file's own claim, and an unfriendly program may claim libc's. -E2BIG for
 * larger ones, -errno: the source is as it was.
 */
int mp_cfi_source_own(struct cfi_source *s, const uint8_t key[static CFI_KEY_BYTES], uint64_t *sum);

/* The sandboxed work: `ctx` is a struct cfi_source, the result an array of struct mp_cfi_row. */
int mp_cfi_build_rows(void *ctx, int out_fd);

/* ---- cfi_cache_dir.c ---- */

/* mp_cfi_cache_dir() with another folder for /var/cache. */
int mp_cfi_cache_dir_or(const char *of_system, char *buf, size_t size);

/* ---- cfi_cache.c ---- */

/* The secret of the folder, made with it: 16 random bytes that nobody else can read. Without it no cache:
 * -errno. */
int mp_cfi_cache_key(const char *dir, uint8_t key[static CFI_KEY_BYTES]);

/* The table's rows as the cache has them, or -errno. `sum` is mp_cfi_source_own()'s. */
int mp_cfi_cache_load(
    const char *dir, const char *build_id, uint64_t base, uint64_t sum, struct mp_cfi_row **row, size_t *n);
/* -E2BIG for a table that would take too much of the cache's room, which others make for it: those that were
 * not used for the longest time are dropped. */
int mp_cfi_cache_store(const char *dir, const char *build_id, uint64_t base, uint64_t sum,
    const struct mp_cfi_row *row, size_t n);

/* All tables together, and one. */
#define CFI_CACHE_BYTES_MAX       (UINT64_C(512) << 20)
#define CFI_CACHE_TABLE_BYTES_MAX (UINT64_C(64) << 20)

/* ---- cfi_cache_trim.c ---- */

/* Drops tables of the folder until the rest takes at most so many bytes; and what was left half written. 0,
 * or -errno: there may be more. */
int mp_cfi_cache_trim(int dir_fd, uint64_t max_bytes);

#endif
