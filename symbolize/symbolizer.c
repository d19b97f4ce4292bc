/* SPDX-License-Identifier: MIT */
#include "symbolize/symbolize.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbolize/cfi_queue.h"
#include "symbolize/debug_file.h"
#include "symbolize/demangle/demangle.h"
#include "symbolize/intern.h"
#include "symbolize/jit.h"
#include "symbolize/jit/jit_mapping.h"
#include "symbolize/mapped.h"
#include "symbolize/modmap.h"
#include "symbolize/process.h"
#include "symbolize/symfile.h"

/* Files held open. A Java or Python program with all its modules maps 300; the default limit of descriptors
 * is 1024, often raised. */
#define FILES_MAX 1024

/* A program with more files than this uses few of them: their tables are made when a stack leads there. */
#define PREPARED_FILES_MAX 64

/* Memory for symbols of all files. When it is used up, further files keep only module and offset. */
#define SYMBOLS_BYTES_MAX (1u << 30)

/* As long a symbol as is handed out; longer ones are cut. */
#define RAW_BYTES_MAX 4096

struct mp_symbolizer {
	pid_t pid;
	bool long_names;
	struct mp_process process;
	struct mp_debug_files *debug_files;
	struct mp_modmap *modules;
	struct mp_jit *jit;
	struct mp_intern *strings;
	struct mp_symfile *files;
	size_t nfiles;
	size_t symbols_bytes; /* of all files, when a source was last opened */
	struct mp_cfi_queue *tables;
	struct mp_unwinder *unwinder;
	bool has_pending; /* the stack that is walked needs a table that is not there yet */
};

/* ---- What the unwinder asks ---- */

static const struct mp_cfi *table_at(void *ctx, uint64_t addr, int64_t t_ns, uint64_t *bias, bool *is_code)
{
	struct mp_symbolizer *s = ctx;
	const struct mp_module *m = mp_modmap_find(s->modules, addr, t_ns);
	bool is_pending = false;

	*is_code = m != NULL;
	if (!m || !m->file || !m->map.bias_known)
		return NULL;
	*bias = m->map.bias;
	const struct mp_cfi *table = mp_cfi_queue_get(s->tables, m->file, &is_pending);
	if (is_pending) {
		s->has_pending = true;
		*is_code = false; /* no need to go on with this stack */
	}
	return table;
}

static const struct mp_elf *elf_at(void *ctx, uint64_t addr, int64_t t_ns, uint64_t *bias)
{
	struct mp_symbolizer *s = ctx;
	const struct mp_module *m = mp_modmap_find(s->modules, addr, t_ns);

	if (!m || !m->file || !m->map.bias_known)
		return NULL;
	*bias = m->map.bias;
	return m->file->elf;
}

static bool is_jit_at(void *ctx, uint64_t addr, int64_t t_ns)
{
	struct mp_symbolizer *s = ctx;
	const struct mp_module *m = mp_modmap_find(s->modules, addr, t_ns);

	return m && !m->file && mp_is_jit_mapping(m->map.path);
}

int mp_symbolizer_unwind(struct mp_symbolizer *s, const struct mp_stack_state *state, uint64_t *ip,
    size_t room, struct mp_unwound *out)
{
	s->has_pending = false;
	*out = mp_unwind(s->unwinder, state, ip, room);
	return s->has_pending ? -EAGAIN : 0;
}

static bool is_code_at(void *ctx, uint64_t addr, int64_t t_ns)
{
	struct mp_symbolizer *s = ctx;

	return mp_modmap_find(s->modules, addr, t_ns) != NULL;
}

void mp_symbolizer_wait(struct mp_symbolizer *s, int max_ms)
{
	mp_cfi_queue_wait(s->tables, max_ms);
}

uint64_t mp_symbolizer_tables_done(struct mp_symbolizer *s)
{
	return mp_cfi_queue_done(s->tables);
}

void mp_symbolizer_prepare(struct mp_symbolizer *s, int max_ms)
{
	bool is_pending;

	if (s->nfiles > PREPARED_FILES_MAX)
		return;
	for (struct mp_symfile *f = s->files; f; f = f->next)
		mp_cfi_queue_get(s->tables, f, &is_pending);
	mp_cfi_queue_wait(s->tables, max_ms);
}

/* ---- Life ---- */

static struct mp_debug_files *new_debug_files(
    const struct mp_symbolizer *s, const struct mp_symbolize_options *o)
{
	const char **dirs = calloc(o->n_debug_dirs + 1, sizeof(*dirs));

	if (!dirs)
		return NULL;
	for (size_t i = 0; i < o->n_debug_dirs; i++)
		dirs[i] = o->debug_dirs[i];
	dirs[o->n_debug_dirs] = MP_DEBUG_DIR;
	const struct mp_debug_files_options options = {dirs, o->n_debug_dirs + 1, s->process.root_fd};
	struct mp_debug_files *files = mp_debug_files_new(&options);
	free(dirs);
	if (files && o->debuginfod)
		mp_debug_files_set_debuginfod(files, o->debuginfod);
	return files;
}

struct mp_symbolizer *mp_symbolizer_new(pid_t pid, const struct mp_symbolize_options *options)
{
	static const struct mp_symbolize_options defaults;
	const struct mp_symbolize_options *o = options ? options : &defaults;
	struct mp_symbolizer *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	const struct mp_unwind_code code = {
	    .table = table_at, .elf = elf_at, .is_code = is_code_at, .is_jit = is_jit_at, .ctx = s};
	s->pid = pid;
	s->long_names = o->long_names;
	mp_process_open(pid, &s->process);
	s->debug_files = new_debug_files(s, o);
	s->modules = mp_modmap_new();
	s->jit = mp_jit_new(pid, &s->process);
	s->strings = mp_intern_new();
	s->tables = mp_cfi_queue_new(
	    &(struct mp_cfi_queue_options){.cache_dir = o->cache_dir, .files = s->debug_files});
	s->unwinder = mp_unwinder_new(&code);
	if (!s->debug_files || !s->modules || !s->jit || !s->strings || !s->tables || !s->unwinder) {
		mp_symbolizer_free(s);
		return NULL;
	}
	return s;
}

void mp_symbolizer_free(struct mp_symbolizer *s)
{
	if (!s)
		return;
	mp_cfi_queue_free(s->tables); /* before what it reads */
	mp_unwinder_free(s->unwinder);
	while (s->files) {
		struct mp_symfile *f = s->files;

		s->files = f->next;
		mp_symfile_free(f);
	}
	mp_modmap_free(s->modules);
	mp_jit_free(s->jit);
	mp_intern_free(s->strings);
	mp_debug_files_free(s->debug_files);
	mp_process_close(&s->process);
	free(s);
}

/* ---- Files ---- */

/* The set's copy of a string from outside, cut and without control characters. */
static const char *intern_clean(struct mp_symbolizer *s, const char *from)
{
	char buf[RAW_BYTES_MAX];
	size_t n = strnlen(from, sizeof(buf) - 1);

	for (size_t i = 0; i < n; i++)
		buf[i] = (unsigned char)from[i] < 0x20 || from[i] == 0x7f ? '?' : from[i];
	buf[n] = '\0';
	return mp_intern(s->strings, buf);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static struct mp_symfile *keep_file(struct mp_symbolizer *s, struct mp_symfile *f)
{
	if (!f)
		return NULL;
	f->next = s->files;
	s->files = f;
	s->nfiles++;
	return f;
}

/* The file behind `fd`, new or known; NULL when it is no ELF file, or another one than is told. */
static struct mp_symfile *note_file(struct mp_symbolizer *s, int fd, struct mp_map *map)
{
	struct mp_err err;
	struct mp_elf *elf;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	for (struct mp_symfile *f = s->files; f; f = f->next)
		if (is_same_file(&f->stat, &st))
			return f;
	if (s->nfiles == FILES_MAX) {
		map->note = "not read: there are more files than are kept open";
		return NULL;
	}
	if (mp_elf_open(fd, map->path, &elf, &err) < 0) {
		map->note = intern_clean(s, err.text);
		return NULL;
	}
	const char *build_id = mp_elf_build_id(elf);
	if (map->build_id && (!build_id || strcmp(map->build_id, build_id))) {
		mp_elf_close(elf);
		return NULL;
	}
	struct mp_symfile *f = keep_file(s, mp_symfile_new(elf, map->path));
	if (!f)
		return NULL;
	f->stat = st;
	if (s->pid) /* it may be in the target's root, which goes with the target */
		mp_cfi_queue_add(s->tables, f);
	return f;
}

/* The file with a build-id, wherever the folders of debug files or servers have it. */
static struct mp_symfile *find_by_build_id(struct mp_symbolizer *s, const struct mp_map *map)
{
	struct mp_debug_file found;

	for (struct mp_symfile *f = s->files; f; f = f->next)
		if (mp_elf_build_id(f->elf) && !strcmp(mp_elf_build_id(f->elf), map->build_id))
			return f;
	if (s->nfiles == FILES_MAX ||
	    mp_debug_files_find_executable(s->debug_files, map->path, map->build_id, &found))
		return NULL;
	struct mp_elf *elf = found.elf;
	found.elf = NULL;
	mp_debug_file_close(&found);
	return keep_file(s, mp_symfile_new(elf, map->path));
}

/* The file behind a mapping, which may turn out to be another one's (text that was moved onto huge pages). */
static struct mp_symfile *open_file(struct mp_symbolizer *s, struct mp_map *map)
{
	char path[MP_MAPPED_PATH_MAX] = "";
	struct mp_symfile *file = NULL;
	int fd = map->is_gone ? -ENOENT : mp_mapped_open(&s->process, map, path);

	if (map->path == path)
		map->path = intern_clean(s, path);
	if (fd == -ESTALE)
		map->note = "another file is at its path now";
	if (!map->path)
		map->path = "";
	if (fd >= 0) {
		file = note_file(s, fd, map);
		close(fd);
	}
	if (fd == -EMFILE || fd == -ENFILE)
		map->note = "not read: too many files are open";
	if (!file && map->build_id && !map->is_gone)
		file = find_by_build_id(s, map);
	if (!file && map->build_id && !map->note)
		map->note = "no file with its build-id was found";
	return file;
}

/* ---- Mappings ---- */

/*
 * What was added to the file's addresses when it was mapped. Asked of the mapping's midst: its first page may
 * begin in the segment before, which has another distance between address and offset.
 */
static void find_bias(struct mp_map *map, const struct mp_elf *elf)
{
	uint64_t half = (map->end - map->start) / 2, vaddr;

	if (map->end <= map->start)
		return;
	if (!mp_elf_offset_to_vaddr(elf, map->file_offset + half, &vaddr)) {
		half = 0;
		if (!mp_elf_offset_to_vaddr(elf, map->file_offset, &vaddr))
			return;
	}
	map->bias = map->start + half - vaddr;
	map->bias_known = true;
}

uint32_t mp_symbolizer_add_map(struct mp_symbolizer *s, const struct mp_map *map)
{
	struct mp_map copy = *map;

	copy.path = intern_clean(s, map->path ? map->path : "");
	copy.build_id = map->build_id ? intern_clean(s, map->build_id) : NULL;
	if (!copy.path)
		return 0;
	struct mp_symfile *file = mp_jit_add_map(s->jit, &copy) ? NULL : open_file(s, &copy);
	if (file && !copy.bias_known)
		find_bias(&copy, file->elf);
	if (file && !copy.build_id)
		copy.build_id = mp_elf_build_id(file->elf);
	if (mp_modmap_add(s->modules, &copy, file) < 0)
		return 0;
	const struct mp_module *m = mp_modmap_find(s->modules, copy.start, copy.t_ns);
	return m ? m->id : 0;
}

uint32_t mp_symbolizer_find(const struct mp_symbolizer *s, uint64_t addr, int64_t t_ns)
{
	const struct mp_module *m = mp_modmap_find(s->modules, addr, t_ns);

	return m ? m->id : 0;
}

bool mp_symbolizer_module(const struct mp_symbolizer *s, uint32_t module, struct mp_module_info *out)
{
	const struct mp_module *m = mp_modmap_get(s->modules, module);

	if (!m)
		return false;
	*out = (struct mp_module_info){.path = m->map.path,
	    .build_id = m->map.build_id,
	    .bias_known = m->map.bias_known,
	    .bias = m->map.bias,
	    .note = m->map.note};
	if (m->file && !out->note)
		out->note = mp_symfile_note(m->file);
	return true;
}

/* ---- Names ---- */

/* Sources take more with time: what each takes now counts. */
static void sum_bytes(struct mp_symbolizer *s)
{
	s->symbols_bytes = 0;
	for (const struct mp_symfile *f = s->files; f; f = f->next)
		s->symbols_bytes += mp_symfile_bytes(f);
}

/* What the sources found, in texts that stay; `at` as the sources count addresses. */
static void take_found(
    struct mp_symbolizer *s, const struct mp_found *found, uint64_t at, bool is_mangled, struct mp_name *out)
{
	char shown[MP_DEMANGLED_MAX];

	for (size_t i = 0; i < found->n; i++) {
		const struct mp_found_function *from = &found->function[i];

		out->function[i] = (struct mp_name_function){.line = from->line};
		if (from->file)
			out->function[i].file = intern_clean(s, from->file);
		if (!from->function)
			continue;
		out->function[i].raw = intern_clean(s, from->function);
		out->function[i].function = out->function[i].raw;
		if (is_mangled) {
			mp_demangle(from->function, s->long_names, shown);
			out->function[i].function = mp_intern(s->strings, shown);
		}
	}
	if (!found->n)
		return;
	out->n = found->n;
	out->quality = found->quality;
	if (mp_found_is_named(found) && found->start <= at)
		out->offset = at - found->start;
}

static void name_in_file(struct mp_symbolizer *s, struct mp_symfile *f, uint64_t vaddr, struct mp_name *out)
{
	bool was_opened = f->is_opened;
	struct mp_found found;

	mp_cfi_queue_find_debug(s->tables, f);
	mp_symfile_find(f, vaddr, s->symbols_bytes < SYMBOLS_BYTES_MAX, &found);
	if (f->is_opened && !was_opened)
		sum_bytes(s);
	take_found(s, &found, vaddr, true, out);
}

/* The latest mapping of the file that says where it lies. */
static const struct mp_module *module_from(const struct mp_symbolizer *s, const char *path)
{
	const struct mp_module *m, *found = NULL;

	for (uint32_t id = 1; (m = mp_modmap_get(s->modules, id)); id++)
		if (m->file && m->map.bias_known && !strcmp(m->map.path, path))
			found = m;
	return found;
}

bool mp_symbolizer_variable(struct mp_symbolizer *s, const char *path, uint64_t addr, struct mp_variable *out)
{
	const struct mp_module *m = module_from(s, path);
	char shown[MP_DEMANGLED_MAX];
	uint64_t start = 0;

	const char *raw = m ? mp_symfile_variable(m->file, addr - m->map.bias, &start) : NULL;
	if (!raw)
		return false;
	mp_demangle(raw, s->long_names, shown);
	out->name = mp_intern(s->strings, shown);
	out->offset = addr - m->map.bias - start;
	return out->name != NULL;
}

static void name_in_jit_code(struct mp_symbolizer *s, uint64_t addr, int64_t t_ns, struct mp_name *out)
{
	struct mp_found found;

	mp_jit_find(s->jit, addr, t_ns, &found);
	take_found(s, &found, addr, false, out);
}

void mp_symbolizer_name(
    struct mp_symbolizer *s, uint32_t module, uint64_t addr, int64_t t_ns, struct mp_name *out)
{
	const struct mp_module *m = mp_modmap_get(s->modules, module);

	*out = (struct mp_name){.module = m ? m->map.path : NULL, .offset = addr, .n = 1};
	if (m)
		out->offset = addr - (m->map.bias_known ? m->map.bias : m->map.start);
	if (!m || !m->file)
		name_in_jit_code(s, addr, t_ns, out);
	else if (m->map.bias_known)
		name_in_file(s, m->file, addr - m->map.bias, out);
	else
		out->offset += m->map.file_offset;
}

void mp_symbolizer_refresh(struct mp_symbolizer *s)
{
	mp_jit_refresh(s->jit);
}
