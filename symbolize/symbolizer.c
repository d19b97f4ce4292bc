/* SPDX-License-Identifier: MIT */
#include "symbolize/symbolize.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbolize/debug_file.h"
#include "symbolize/demangle.h"
#include "symbolize/elf.h"
#include "symbolize/file.h"
#include "symbolize/functions.h"
#include "symbolize/intern.h"
#include "symbolize/modmap.h"
#include "symbolize/perf_map.h"
#include "symbolize/process.h"

/* Files held open. A Java or Python program with all its modules maps 300; the default limit of descriptors
 * is 1024, often raised. */
#define FILES_MAX 1024

/* Memory for symbols of all files. When it is used up, further files keep only module and offset. */
#define SYMBOLS_BYTES_MAX (1u << 30)

/* As long a symbol as is handed out; longer ones are cut. */
#define RAW_BYTES_MAX 4096

/* A power of two. 16384 names take 1.4 MiB; call sites of a program's allocations are some thousands. */
#define CACHE_SIZE 16384

/* One mapped file, however often it is mapped. */
struct mp_symfile {
	struct mp_symfile *next;
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
	struct mp_elf *elf;
	struct mp_elf *debug; /* its separate debug file, where it has no .symtab itself */
	struct mp_functions *functions;
	bool functions_tried;
};

struct cached {
	uint64_t addr;
	uint32_t module;     /* mp_module.id; 0: in no module */
	uint32_t generation; /* of the perf map when it was asked; 0: it was not */
	bool used;
	struct mp_name name;
};

struct mp_symbolizer {
	pid_t pid;
	struct mp_process process;
	char *debug_dir;
	struct mp_modmap *modules;
	struct mp_perf_map *perf_map;
	struct mp_intern *strings;
	struct mp_symfile *files;
	size_t nfiles;
	size_t symbols_bytes;
	struct cached *cache;
};

static void add_perf_map_sources(struct mp_symbolizer *s)
{
	char path[64];
	struct mp_process host;

	/* In a container, the process knows its inner PID only, and writes to its own /tmp. */
	if (s->process.root_fd >= 0) {
		snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)s->process.ns_pid);
		mp_perf_map_add_source(s->perf_map, s->process.root_fd, path);
	}
	mp_process_open(0, &host);
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)s->pid);
	if (host.root_fd >= 0)
		mp_perf_map_add_source(s->perf_map, host.root_fd, path);
	mp_process_close(&host);
	mp_perf_map_poll(s->perf_map);
}

struct mp_symbolizer *mp_symbolizer_new(pid_t pid)
{
	struct mp_symbolizer *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->pid = pid;
	mp_process_open(pid, &s->process);
	s->debug_dir = strdup(MP_DEBUG_DIR);
	s->modules = mp_modmap_new();
	s->perf_map = mp_perf_map_new(s->process.uid);
	s->strings = mp_intern_new();
	s->cache = calloc(CACHE_SIZE, sizeof(*s->cache));
	if (!s->debug_dir || !s->modules || !s->perf_map || !s->strings || !s->cache) {
		mp_symbolizer_free(s);
		return NULL;
	}
	if (pid)
		add_perf_map_sources(s);
	return s;
}

void mp_symbolizer_set_debug_dir(struct mp_symbolizer *s, const char *dir)
{
	char *copy = strdup(dir);

	if (!copy)
		return;
	free(s->debug_dir);
	s->debug_dir = copy;
}

/* A descriptor of the mapped file, or -errno. */
static int open_mapped(const struct mp_symbolizer *s, const struct mp_map *map)
{
	char path[128];
	int fd = -ENOENT;

	if (strcmp(map->path, "[vdso]") == 0)
		return mp_process_vdso(s->pid, map->start, map->end);
	if (map->path[0] != '/' || strncmp(map->path, "//anon", 6) == 0)
		return -ENOENT;
	/* The very file that is mapped, also when it was deleted or replaced by another one. */
	if (s->pid) {
		snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", (int)s->pid,
		    (unsigned long long)map->start, (unsigned long long)map->end);
		fd = mp_file_open(path);
	}
	/* Without the right to do so (CAP_CHECKPOINT_RESTORE), or when the mapping is gone. */
	if (fd < 0 && s->process.root_fd >= 0)
		fd = mp_file_open_in(s->process.root_fd, map->path);
	return fd;
}

static struct mp_symfile *find_file(const struct mp_symbolizer *s, const struct stat *st)
{
	for (struct mp_symfile *f = s->files; f; f = f->next)
		if (f->dev == st->st_dev && f->ino == st->st_ino && f->mtime.tv_sec == st->st_mtim.tv_sec &&
		    f->mtime.tv_nsec == st->st_mtim.tv_nsec)
			return f;
	return NULL;
}

/* The file behind `fd`, new or known; NULL when it is no ELF file. */
static struct mp_symfile *note_file(struct mp_symbolizer *s, int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	struct mp_symfile *f = find_file(s, &st);
	if (f || s->nfiles == FILES_MAX)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	if (mp_elf_open(fd, path, &f->elf, NULL) < 0) {
		free(f);
		return NULL;
	}
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->mtime = st.st_mtim;
	if (!mp_elf_has_symtab(f->elf) && mp_elf_build_id(f->elf))
		f->debug = mp_debug_file_open(s->debug_dir, s->process.root_fd, mp_elf_build_id(f->elf));
	f->next = s->files;
	s->files = f;
	s->nfiles++;
	return f;
}

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

void mp_symbolizer_add_map(struct mp_symbolizer *s, const struct mp_map *map)
{
	struct mp_map copy = *map;
	struct mp_symfile *file = NULL;

	if (!copy.path)
		copy.path = "";
	int fd = open_mapped(s, &copy);
	if (fd >= 0) {
		file = note_file(s, fd, copy.path);
		close(fd);
	}
	copy.path = intern_clean(s, copy.path);
	if (copy.path)
		mp_modmap_add(s->modules, &copy, file);
}

const char *mp_symbolizer_build_id(struct mp_symbolizer *s, uint64_t addr)
{
	const struct mp_module *module = mp_modmap_find(s->modules, addr, INT64_MAX);

	return module && module->file ? mp_elf_build_id(module->file->elf) : NULL;
}

static size_t functions_bytes(const struct mp_symfile *f)
{
	size_t n = mp_elf_loaded_bytes(f->elf);

	if (f->debug)
		n += mp_elf_loaded_bytes(f->debug);
	if (f->functions)
		n += mp_functions_bytes(f->functions);
	return n;
}

static const struct mp_functions *functions_of(struct mp_symbolizer *s, struct mp_symfile *f)
{
	if (!f->functions_tried && s->symbols_bytes < SYMBOLS_BYTES_MAX) {
		f->functions = mp_functions_new(f->elf, f->debug);
		s->symbols_bytes += functions_bytes(f);
	}
	f->functions_tried = true;
	return f->functions;
}

static void name_in_file(
    struct mp_symbolizer *s, const struct mp_module *m, uint64_t addr, struct mp_name *out)
{
	char shown[MP_DEMANGLED_MAX];
	struct mp_function function;
	uint64_t vaddr;

	out->offset = addr - m->map.start + m->map.file_offset;
	if (!mp_elf_offset_to_vaddr(m->file->elf, out->offset, &vaddr))
		return;
	out->offset = vaddr;
	const struct mp_functions *functions = functions_of(s, m->file);
	if (!functions || !mp_functions_find(functions, vaddr, &function))
		return;
	mp_demangle(function.raw, false, shown);
	out->function = mp_intern(s->strings, shown);
	out->raw = intern_clean(s, function.raw);
	out->offset = vaddr - function.vaddr;
	out->quality = out->function ? function.quality : MP_SYMBOL_NONE;
}

static void name_in_perf_map(struct mp_symbolizer *s, uint64_t addr, struct mp_name *out)
{
	const char *name;
	uint64_t start;

	if (!mp_perf_map_find(s->perf_map, addr, &name, &start))
		return;
	out->function = out->raw = mp_intern(s->strings, name);
	out->offset = addr - start;
	out->quality = out->function ? MP_SYMBOL_JIT_MAP : MP_SYMBOL_NONE;
}

static struct cached *cache_slot(struct mp_symbolizer *s, uint64_t addr, uint32_t module)
{
	/* The golden ratio's fraction: neighbouring addresses go to distant slots. */
	uint64_t hash = (addr ^ (uint64_t)module << 48) * UINT64_C(0x9e3779b97f4a7c15);

	return &s->cache[hash >> 32 & (CACHE_SIZE - 1)];
}

void mp_symbolizer_name(struct mp_symbolizer *s, uint64_t addr, int64_t t_ns, struct mp_name *out)
{
	const struct mp_module *module = mp_modmap_find(s->modules, addr, t_ns);
	uint32_t id = module ? module->id : 0, generation = 0;
	bool jit = !module || !module->file;

	if (jit) {
		mp_perf_map_poll(s->perf_map);
		generation = mp_perf_map_generation(s->perf_map);
	}
	struct cached *c = cache_slot(s, addr, id);
	if (c->used && c->addr == addr && c->module == id && c->generation == generation) {
		*out = c->name;
		return;
	}
	*out = (struct mp_name){.module = module ? module->map.path : NULL, .offset = addr};
	if (module)
		out->offset = addr - module->map.start;
	if (jit)
		name_in_perf_map(s, addr, out);
	else
		name_in_file(s, module, addr, out);
	*c = (struct cached){addr, id, generation, true, *out};
}

void mp_symbolizer_free(struct mp_symbolizer *s)
{
	if (!s)
		return;
	while (s->files) {
		struct mp_symfile *f = s->files;

		s->files = f->next;
		mp_functions_free(f->functions);
		mp_elf_close(f->debug);
		mp_elf_close(f->elf);
		free(f);
	}
	mp_modmap_free(s->modules);
	mp_perf_map_free(s->perf_map);
	mp_intern_free(s->strings);
	mp_process_close(&s->process);
	free(s->cache);
	free(s->debug_dir);
	free(s);
}
