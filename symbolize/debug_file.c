/* SPDX-License-Identifier: MIT */
#include "symbolize/debug_file.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "symbolize/debuginfod.h"
#include "symbolize/elf/link.h"
#include "symbolize/elf/private.h"
#include "symbolize/elf/section.h"
#include "symbolize/file.h"

/* What is read of files to compare their checksums: a target may have any number of them, each a sparse file
 * of terabytes. */
#define CHECKSUM_BYTES_MAX (INT64_C(8) << 30)

struct mp_debug_files {
	char **dirs;
	size_t ndirs;
	int root_fd;
	struct mp_debuginfod *debuginfod;
	_Atomic int64_t checksum_bytes_left;
};

/* What shows that a file is the one looked for. */
struct proof {
	const char *build_id; /* NULL: by the checksum */
	uint32_t crc;
	bool by_checksum;       /* else, without a build-id, its reader finds out */
	const struct mp_elf *e; /* whose debug file it is: it is not its own; NULL: what is looked for is no
				   debug file */
};

void mp_debug_files_free(struct mp_debug_files *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->ndirs; i++)
		free(f->dirs[i]);
	free(f->dirs);
	free(f);
}

struct mp_debug_files *mp_debug_files_new(const struct mp_debug_files_options *options)
{
	static const char *const usual[] = {MP_DEBUG_DIR};
	const char *const *dirs = options->ndirs ? options->dirs : usual;
	size_t n = options->ndirs ? options->ndirs : 1;
	struct mp_debug_files *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->root_fd = options->root_fd;
	f->checksum_bytes_left = CHECKSUM_BYTES_MAX;
	f->dirs = calloc(n, sizeof(*f->dirs));
	for (size_t i = 0; f->dirs && i < n; i++) {
		f->dirs[i] = strdup(dirs[i]);
		if (!f->dirs[i])
			break;
		f->ndirs++;
	}
	if (f->ndirs == n)
		return f;
	mp_debug_files_free(f);
	return NULL;
}

void mp_debug_files_set_debuginfod(struct mp_debug_files *f, struct mp_debuginfod *d)
{
	f->debuginfod = d;
}

void mp_debug_file_close(struct mp_debug_file *f)
{
	mp_elf_close(f->elf);
	free(f->path);
	*f = (struct mp_debug_file){0};
}

/* ---- Whether a file belongs ---- */

/* The checksum of .gnu_debuglink is zlib's CRC-32 of the whole file. */
static bool has_checksum(struct mp_debug_files *f, const struct mp_elf *e, uint32_t expected)
{
	uint8_t buf[65536];
	uLong crc = crc32(0, NULL, 0);
	uint64_t at = 0;
	size_t n;

	if (e->file_size > (uint64_t)CHECKSUM_BYTES_MAX)
		return false;
	if (atomic_fetch_sub(&f->checksum_bytes_left, (int64_t)e->file_size) < (int64_t)e->file_size) {
		atomic_fetch_add(&f->checksum_bytes_left, (int64_t)e->file_size);
		return false;
	}
	while ((n = mp_elf_read(e, at, buf, sizeof(buf))) > 0) {
		crc = crc32(crc, buf, (uInt)n);
		at += n;
	}
	return at == e->file_size && crc == expected;
}

static bool is_same_file(const struct mp_elf *a, const struct mp_elf *b)
{
	struct stat x, y;

	return fstat(a->fd, &x) == 0 && fstat(b->fd, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool has_debug(const struct mp_elf *e)
{
	return mp_elf_has_symtab(e) || mp_section_exists(e, ".debug_info");
}

static bool belongs(struct mp_debug_files *f, const struct mp_elf *candidate, const struct proof *proof)
{
	const char *build_id = mp_elf_build_id(candidate);

	if (proof->e && (is_same_file(candidate, proof->e) || !has_debug(candidate)))
		return false;
	/* Build-ids that differ are other builds, whatever the checksum says. */
	if (proof->build_id && (build_id || !proof->by_checksum))
		return build_id && strcmp(build_id, proof->build_id) == 0;
	return !proof->by_checksum || has_checksum(f, candidate, proof->crc);
}

/* Takes over `fd`. Whether the file behind it is the one. */
static bool take(struct mp_debug_files *f, int fd, const char *path, bool in_root, const struct proof *proof,
    struct mp_debug_file *out)
{
	struct mp_elf *e = NULL;

	if (fd < 0)
		return false;
	int rc = mp_elf_open(fd, path, &e, NULL);
	close(fd);
	if (rc < 0)
		return false;
	char *copy = belongs(f, e, proof) ? strdup(path) : NULL;
	if (!copy) {
		mp_elf_close(e);
		return false;
	}
	*out = (struct mp_debug_file){e, copy, in_root};
	return true;
}

/* ---- Where files may be ---- */

static bool try_host(
    struct mp_debug_files *f, const char *path, const struct proof *proof, struct mp_debug_file *out)
{
	return take(f, mp_file_open(path), path, false, proof, out);
}

static bool try_root(
    struct mp_debug_files *f, const char *path, const struct proof *proof, struct mp_debug_file *out)
{
	return f->root_fd >= 0 && take(f, mp_file_open_in(f->root_fd, path), path, true, proof, out);
}

/* A path of the target's. */
static bool try_both(
    struct mp_debug_files *f, const char *path, const struct proof *proof, struct mp_debug_file *out)
{
	return path[0] == '/' && (try_root(f, path, proof, out) || try_host(f, path, proof, out));
}

/* DIR/`rest` in each debug folder of the host. */
__attribute__((format(printf, 4, 5))) static bool try_dirs(
    struct mp_debug_files *f, const struct proof *proof, struct mp_debug_file *out, const char *format, ...)
{
	char rest[PATH_MAX], path[PATH_MAX];
	va_list ap;

	va_start(ap, format);
	int n = vsnprintf(rest, sizeof(rest), format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(rest))
		return false;
	for (size_t i = 0; i < f->ndirs; i++) {
		n = snprintf(path, sizeof(path), "%s/%s", f->dirs[i], rest);
		if (n > 0 && (size_t)n < sizeof(path) && try_host(f, path, proof, out))
			return true;
	}
	return false;
}

/* Writes `dir`/`name`, where `dir` ends before the last slash of `file`. */
__attribute__((format(printf, 4, 5))) static bool beside(
    char *path, size_t size, const char *file, const char *format, ...)
{
	const char *slash = strrchr(file, '/');
	size_t dir = slash ? (size_t)(slash - file) + 1 : 0;
	va_list ap;

	if (!slash || dir >= size)
		return false;
	memcpy(path, file, dir);
	va_start(ap, format);
	int n = vsnprintf(path + dir, size - dir, format, ap);
	va_end(ap);
	return n > 0 && (size_t)n < size - dir;
}

/* The first byte of a build-id names the folder, the rest the file. Hex, so that it names nothing else. */
static bool is_build_id(const char *build_id)
{
	return build_id && strlen(build_id) > 2 && strspn(build_id, "0123456789abcdef") == strlen(build_id);
}

static bool fetch(struct mp_debug_files *f, enum mp_debuginfod_kind kind, const struct proof *proof,
    struct mp_debug_file *out)
{
	return f->debuginfod && take(f, mp_debuginfod_find(f->debuginfod, kind, proof->build_id),
				    "/debuginfod", false, proof, out);
}

/* ---- The separate debug file ---- */

static bool find_by_build_id(struct mp_debug_files *f, const struct proof *proof, struct mp_debug_file *out)
{
	char path[PATH_MAX];
	const char *id = proof->build_id;

	if (try_dirs(f, proof, out, ".build-id/%.2s/%s.debug", id, id + 2))
		return true;
	snprintf(path, sizeof(path), MP_DEBUG_DIR "/.build-id/%.2s/%s.debug", id, id + 2);
	return try_root(f, path, proof, out);
}

/* `path` is the target's word for where the file is, `name` the file's word for where its debug file is. */
static bool find_by_link(struct mp_debug_files *f, const char *path, const char *name,
    const struct proof *proof, struct mp_debug_file *out)
{
	char at[PATH_MAX], in_root[PATH_MAX + sizeof(MP_DEBUG_DIR)];

	if (path[0] != '/')
		return false;
	if (beside(at, sizeof(at), path, "%s", name) && try_both(f, at, proof, out))
		return true;
	if (beside(at, sizeof(at), path, ".debug/%s", name) && try_both(f, at, proof, out))
		return true;
	if (!beside(at, sizeof(at), path, "%s", name))
		return false;
	if (try_dirs(f, proof, out, "%s", at + 1))
		return true;
	snprintf(in_root, sizeof(in_root), MP_DEBUG_DIR "%s", at);
	return try_root(f, in_root, proof, out);
}

/* As people keep what they have built: under the program's name, whole or only its debug information. Links
 * in the folders lead where they like: they are the user's. A path with ".." is no one's. */
static bool find_by_name(
    struct mp_debug_files *f, const char *path, const struct proof *proof, struct mp_debug_file *out)
{
	const char *slash = strrchr(path, '/');

	if (path[0] != '/' || strstr(path, "/../"))
		return false;
	return try_dirs(f, proof, out, "%s", path + 1) || try_dirs(f, proof, out, "%s", slash + 1) ||
	       try_dirs(f, proof, out, "%s.debug", path + 1) ||
	       try_dirs(f, proof, out, "%s.debug", slash + 1);
}

int mp_debug_files_find(
    struct mp_debug_files *f, const struct mp_elf *e, const char *path, struct mp_debug_file *out)
{
	const char *build_id = is_build_id(mp_elf_build_id(e)) ? mp_elf_build_id(e) : NULL;
	struct proof proof = {.build_id = build_id, .e = e};
	char name[MP_ELF_LINK_MAX];

	*out = (struct mp_debug_file){0};
	if (build_id && find_by_build_id(f, &proof, out))
		return 0;
	if (mp_elf_debuglink(e, name, &proof.crc) == 0) {
		proof.by_checksum = true;
		if (find_by_link(f, path, name, &proof, out))
			return 0;
		proof.by_checksum = false;
	}
	if (build_id && find_by_name(f, path, &proof, out))
		return 0;
	return build_id && fetch(f, MP_DEBUGINFOD_DEBUG, &proof, out) ? 0 : -ENOENT;
}

int mp_debug_files_find_executable(
    struct mp_debug_files *f, const char *path, const char *build_id, struct mp_debug_file *out)
{
	struct proof proof = {.build_id = build_id};

	*out = (struct mp_debug_file){0};
	if (!is_build_id(build_id))
		return -ENOENT;
	if (try_dirs(f, &proof, out, ".build-id/%.2s/%s", build_id, build_id + 2))
		return 0;
	if (find_by_name(f, path, &proof, out))
		return 0;
	if (try_both(f, path, &proof, out) || fetch(f, MP_DEBUGINFOD_EXECUTABLE, &proof, out))
		return 0;
	/* Its debug file has the same addresses, and all names. */
	bool found = try_dirs(f, &proof, out, ".build-id/%.2s/%s.debug", build_id, build_id + 2) ||
		     fetch(f, MP_DEBUGINFOD_DEBUG, &proof, out);
	return found ? 0 : -ENOENT;
}

/* ---- Further files of DWARF ---- */

/* The supplementary file that dwz moved to what several debug files have in common. */
static struct mp_elf *open_alt(void *ctx, const char *name, const char *build_id)
{
	static const char dwz[] = "/.dwz/";
	struct mp_debug_source *s = ctx;
	struct mp_debug_files *f = s->files;
	const char *from = s->debug ? s->debug->path : s->path, *slash = strrchr(name, '/'),
		   *below = strstr(name, dwz);
	struct proof proof = {.build_id = build_id};
	struct mp_debug_file found = {0};
	char path[PATH_MAX] = "";

	if (!is_build_id(build_id))
		return NULL;
	if (name[0] == '/')
		snprintf(path, sizeof(path), "%s", name);
	else if (!beside(path, sizeof(path), from, "%s", name))
		path[0] = '\0';
	/* A debug file on the host has its supplementary file there. */
	bool on_host = s->debug && !s->debug->in_root;
	if ((on_host ? try_host(f, path, &proof, &found) : try_both(f, path, &proof, &found)) ||
	    find_by_build_id(f, &proof, &found) || (below && try_dirs(f, &proof, &found, "%s", below + 1)) ||
	    try_dirs(f, &proof, &found, ".dwz/%s", slash ? slash + 1 : name) ||
	    fetch(f, MP_DEBUGINFOD_DEBUG, &proof, &found))
		free(found.path);
	return found.elf;
}

static const struct proof no_proof = {0};

/* A .dwo file: where the compiler wrote it, then beside the program and in the debug folders. */
static struct mp_elf *open_dwo(void *ctx, const char *name, const char *comp_dir)
{
	struct mp_debug_source *s = ctx;
	struct mp_debug_files *f = s->files;
	const char *slash = strrchr(name, '/'), *plain = slash ? slash + 1 : name;
	struct mp_debug_file found = {0};
	char path[PATH_MAX], near[PATH_MAX];

	bool absolute = name[0] == '/';
	int n = snprintf(
	    path, sizeof(path), "%s%s%s", absolute || !comp_dir ? "" : comp_dir, absolute ? "" : "/", name);
	if (!plain[0] || n < 0)
		return NULL;
	if (((size_t)n < sizeof(path) && try_both(f, path, &no_proof, &found)) ||
	    (!absolute && beside(near, sizeof(near), s->path, "%s", name) &&
		try_both(f, near, &no_proof, &found)) ||
	    (beside(near, sizeof(near), s->path, "%s", plain) && try_both(f, near, &no_proof, &found)) ||
	    try_dirs(f, &no_proof, &found, "%s", plain))
		free(found.path);
	return found.elf;
}

/* The .dwp file of the program, or of its debug file. */
static struct mp_elf *open_dwp(void *ctx)
{
	struct mp_debug_source *s = ctx;
	struct mp_debug_files *f = s->files;
	const char *slash = strrchr(s->path, '/');
	struct mp_debug_file found = {0};
	char path[PATH_MAX], other[PATH_MAX] = "";

	int n = snprintf(path, sizeof(path), "%s.dwp", s->path);
	if (n < 0 || (size_t)n >= sizeof(path) || path[0] != '/')
		return NULL;
	if (s->debug)
		n = snprintf(other, sizeof(other), "%s.dwp", s->debug->path);
	if ((size_t)n >= sizeof(other))
		other[0] = '\0';
	if (try_both(f, path, &no_proof, &found) || try_dirs(f, &no_proof, &found, "%s", path + 1) ||
	    try_dirs(f, &no_proof, &found, "%s.dwp", slash + 1) ||
	    (other[0] && (s->debug->in_root ? try_root(f, other, &no_proof, &found)
					    : try_host(f, other, &no_proof, &found))))
		free(found.path);
	return found.elf;
}

struct mp_dwarf_files mp_debug_source_files(struct mp_debug_source *source)
{
	return (struct mp_dwarf_files){open_alt, open_dwo, open_dwp, source};
}
