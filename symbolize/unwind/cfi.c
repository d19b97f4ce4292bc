/* SPDX-License-Identifier: MIT */
#include "symbolize/unwind/cfi_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbolize/unwind/sandbox.h"

/* The FDEs of the largest program around take libdwarf half a GiB, its section and rows as much again. */
static const struct mp_sandbox_limits limits = {
    .memory_bytes = UINT64_C(2) << 30, .cpu_ms = 10000, .wall_ms = 20000};

struct mp_cfi {
	uint64_t base;
	struct mp_cfi_row *row;
	size_t n;
	/* index[i] is the last row at or before i << shift bytes: where a search begins. About as many as
	 * rows, so that a search of code of usual density looks at one or two rows. */
	uint32_t *index;
	size_t n_index;
	unsigned shift;
};

/* ---- Rows ---- */

static bool same_rule(const struct mp_cfi_row *a, const struct mp_cfi_row *b)
{
	return a->rule == b->rule && a->cfa_offset == b->cfa_offset && a->ra == b->ra && a->fp == b->fp;
}

int mp_cfi_rows_add(struct cfi_rows *rows, const struct mp_cfi_row *row)
{
	if (rows->n && rows->row[rows->n - 1].addr == row->addr)
		rows->n--;
	if (rows->n && same_rule(&rows->row[rows->n - 1], row))
		return 0;
	if (rows->n == rows->room) {
		size_t room = rows->room ? 2 * rows->room : 4096;
		struct mp_cfi_row *more =
		    room <= CFI_ROWS_MAX ? realloc(rows->row, room * sizeof(*more)) : NULL;

		if (!more)
			return room > CFI_ROWS_MAX ? -E2BIG : -ENOMEM;
		rows->row = more;
		rows->room = room;
	}
	rows->row[rows->n++] = *row;
	return 0;
}

bool mp_cfi_rows_valid(const struct mp_cfi_row *row, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (row[i].rule > MP_CFI_COMPLEX || (i && row[i].addr <= row[i - 1].addr))
			return false;
	return true;
}

/* ---- Building ---- */

/* What the sandboxed child wrote. */
static int read_result(int fd, struct mp_cfi_row **row, size_t *n)
{
	struct stat st;
	size_t done = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size == 0)
		return -ENOENT;
	if (st.st_size % (off_t)sizeof(**row) || st.st_size / (off_t)sizeof(**row) > (off_t)CFI_ROWS_MAX)
		return -EBADMSG;
	*row = malloc((size_t)st.st_size);
	if (!*row)
		return -ENOMEM;
	while (done < (size_t)st.st_size) {
		ssize_t r = read(fd, (char *)*row + done, (size_t)st.st_size - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	*n = done / sizeof(**row);
	if (done == (size_t)st.st_size && mp_cfi_rows_valid(*row, *n))
		return 0;
	free(*row);
	*row = NULL;
	return -EBADMSG;
}

static int build(struct cfi_source *source, struct mp_cfi_row **row, size_t *n, struct mp_err *err)
{
	int keep[2], fd, rc;
	size_t n_keep = 0;

	if (source->eh_frame.size)
		keep[n_keep++] = source->eh_frame.fd;
	if (source->debug_frame.size)
		keep[n_keep++] = source->debug_frame.fd;
	rc = mp_sandbox_run(mp_cfi_build_rows, source, keep, n_keep, &limits, &fd, err);
	if (rc < 0)
		return rc;
	rc = read_result(fd, row, n);
	close(fd);
	if (rc == -ENOENT)
		return mp_err_set(err, ENOENT, "its call frame information describes no code");
	return rc < 0 ? mp_err_set(err, -rc, "its call frame information cannot be used") : 0;
}

static int make_index(struct mp_cfi *c)
{
	uint64_t span = (uint64_t)c->row[c->n - 1].addr + 1;

	while (span >> c->shift > c->n)
		c->shift++;
	c->n_index = (span >> c->shift) + 1;
	c->index = malloc(c->n_index * sizeof(*c->index));
	if (!c->index)
		return -ENOMEM;
	for (size_t i = 0, r = 0; i < c->n_index; i++) {
		while (r + 1 < c->n && c->row[r + 1].addr <= (uint64_t)i << c->shift)
			r++;
		c->index[i] = (uint32_t)r;
	}
	return 0;
}

int mp_cfi_from_rows(uint64_t base, struct mp_cfi_row *row, size_t n, struct mp_cfi **out)
{
	struct mp_cfi *c = calloc(1, sizeof(*c));

	if (!c) {
		free(row);
		return -ENOMEM;
	}
	c->base = base;
	c->row = row;
	c->n = n;
	if (make_index(c) < 0) {
		mp_cfi_free(c);
		return -ENOMEM;
	}
	*out = c;
	return 0;
}

int mp_cfi_build(const struct mp_elf *e, const struct mp_elf *debug, const char *cache_dir,
    struct mp_cfi **out, struct mp_err *err)
{
	const char *build_id = cache_dir ? mp_elf_build_id(e) : NULL;
	struct cfi_source source;
	struct mp_cfi_row *row = NULL;
	size_t n = 0;
	uint8_t key[CFI_KEY_BYTES];
	uint64_t sum = 0;

	int rc = mp_cfi_source_open(e, debug, &source);
	if (rc < 0) {
		rc = mp_err_set(err, -rc, "it has no %s", rc == -ENOENT ? "call frame information" : "code");
		goto out;
	}
	if (build_id && (mp_cfi_cache_key(cache_dir, key) < 0 || mp_cfi_source_own(&source, key, &sum) < 0))
		build_id = NULL; /* without the cache, then */
	if (!build_id || mp_cfi_cache_load(cache_dir, build_id, source.base, sum, &row, &n) < 0) {
		rc = build(&source, &row, &n, err);
		if (rc == 0 && build_id)
			mp_cfi_cache_store(cache_dir, build_id, source.base, sum, row, n); /* if it can */
	}
	if (rc == 0 && mp_cfi_from_rows(source.base, row, n, out) < 0)
		rc = mp_err_set(err, ENOMEM, "no memory for call frame information");
out:
	mp_cfi_source_close(&source);
	return rc;
}

void mp_cfi_free(struct mp_cfi *c)
{
	if (!c)
		return;
	free(c->row);
	free(c->index);
	free(c);
}

/* ---- Asking ---- */

const struct mp_cfi_row *mp_cfi_find(const struct mp_cfi *c, uint64_t vaddr)
{
	uint64_t at = vaddr - c->base, bucket;
	size_t low, high;

	if (vaddr < c->base || at < c->row[0].addr || at > UINT32_MAX)
		return NULL;
	bucket = at >> c->shift;
	if (bucket >= c->n_index)
		bucket = c->n_index - 1;
	low = c->index[bucket];
	high = bucket + 1 < c->n_index ? c->index[bucket + 1] + 1 : c->n;
	/* The last row at or before `at` is in [low, high). */
	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (c->row[mid].addr <= at)
			low = mid;
		else
			high = mid;
	}
	return c->row[low].rule == MP_CFI_NONE ? NULL : &c->row[low];
}

size_t mp_cfi_rows(const struct mp_cfi *c)
{
	return c->n;
}

size_t mp_cfi_bytes(const struct mp_cfi *c)
{
	return sizeof(*c) + c->n * sizeof(*c->row) + c->n_index * sizeof(*c->index);
}
