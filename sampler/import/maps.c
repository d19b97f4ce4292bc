/* SPDX-License-Identifier: MIT */
#include "sampler/import/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sampler/grow.h"
#include "sampler/index.h"
#include "sampler/perf/space.h"
#include "symbolize/elf/elf.h"

/* The symbolizer takes no more. */
#define MODULES_MAX     131072
#define PATHS_BYTES_MAX (64u << 20)
#define BUILD_ID_MAX    20

/* The kernel's mappings are of a process of their own, as perf has it. */
#define KERNEL_PID UINT32_MAX

/* A stack grows without a record: so far below its mapping an address is still its own (the usual limit). */
#define STACK_BYTES (8u << 20)

struct path {
	bool has_code; /* some of it is mapped as code: it is a module, and its data that of one */
	char text[];
};

struct module {
	uint64_t start, end, file_offset;
	const char *path;
	int64_t t_ns;
	char build_id[2 * BUILD_ID_MAX + 1]; /* empty: its record does not say */
	/* The file, where its record tells that instead; ino 0: it does not. */
	uint64_t ino;
	uint32_t maj, min;
};

struct mp_import_maps {
	struct mp_spaces *spaces;
	struct path **paths; /* [number - 1] */
	size_t n_paths, paths_room, paths_bytes;
	struct mp_index path_index;
	struct module *modules; /* [number - 1] */
	size_t n_modules, modules_room;
	struct mp_index module_index;
	uint64_t refused;
};

struct mp_import_maps *mp_import_maps_new(void)
{
	struct mp_import_maps *m = calloc(1, sizeof(*m));

	if (m && !(m->spaces = mp_spaces_new())) {
		free(m);
		m = NULL;
	}
	return m;
}

void mp_import_maps_free(struct mp_import_maps *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_paths; i++)
		free(m->paths[i]);
	free(m->paths);
	mp_index_free(&m->path_index);
	free(m->modules);
	mp_index_free(&m->module_index);
	mp_spaces_free(m->spaces);
	free(m);
}

uint64_t mp_import_maps_refused(const struct mp_import_maps *m)
{
	return m->refused;
}

/* ---- Paths ---- */

static bool same_path(const void *owner, uint32_t number, const void *what)
{
	return !strcmp(((const struct mp_import_maps *)owner)->paths[number - 1]->text, what);
}

/* One copy of each. -ENOMEM, -E2BIG. */
static int intern(struct mp_import_maps *m, const char *text, struct path **out)
{
	size_t n = strlen(text) + 1;
	uint64_t hash = 0;

	for (const char *s = text; *s; s++)
		hash = mp_index_mix(hash ^ (unsigned char)*s);
	uint32_t *slot = mp_index_slot(&m->path_index, hash, same_path, m, text);
	if (!slot)
		return -ENOMEM;
	if (!*slot) {
		if (m->paths_bytes + n > PATHS_BYTES_MAX)
			return -E2BIG;
		struct path *p = malloc(sizeof(*p) + n);
		if (!p ||
		    !mp_grow((void **)&m->paths, &m->paths_room, m->n_paths + 1, sizeof(struct path *))) {
			free(p);
			return -ENOMEM;
		}
		p->has_code = false;
		memcpy(p->text, text, n);
		m->paths[m->n_paths++] = p;
		m->path_index.n = m->n_paths;
		m->paths_bytes += n + sizeof(*p);
		*slot = (uint32_t)m->n_paths;
	}
	*out = m->paths[*slot - 1];
	return 0;
}

static struct path *path_of(const char *text)
{
	return (struct path *)(void *)((char *)(uintptr_t)text - offsetof(struct path, text));
}

/* Anybody's text; the kernel's own mapping has the name of the symbol that its offset is counted from. */
static void copy_path(const struct mp_perf_bytes *from, char *out, size_t room)
{
	static const char kernel[] = "[kernel.kallsyms]";
	size_t n = from->n < room - 1 ? from->n : room - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = (char)(from->at[i] < 0x20 || from->at[i] == 0x7f ? '?' : from->at[i]);
	out[n] = '\0';
	if (!strncmp(out, kernel, sizeof(kernel) - 1))
		out[sizeof(kernel) - 1] = '\0';
}

/* ---- Modules ---- */

static bool same_module(const void *owner, uint32_t number, const void *what)
{
	const struct module *have = &((const struct mp_import_maps *)owner)->modules[number - 1], *m = what;

	return have->start == m->start && have->end == m->end && have->file_offset == m->file_offset &&
	       have->path == m->path && have->ino == m->ino && have->maj == m->maj && have->min == m->min &&
	       !strcmp(have->build_id, m->build_id);
}

/* Its number; 0: too many, or -ENOMEM. */
static int64_t module_number(struct mp_import_maps *m, const struct module *module)
{
	uint64_t hash = mp_index_mix(module->start ^ mp_index_mix(module->end ^ (uintptr_t)module->path));
	uint32_t *slot = mp_index_slot(&m->module_index, hash, same_module, m, module);

	if (!slot)
		return -ENOMEM;
	if (*slot > 0)
		return (int64_t)*slot;
	if (m->n_modules == MODULES_MAX)
		return 0;
	if (!mp_grow((void **)&m->modules, &m->modules_room, m->n_modules + 1, sizeof(*m->modules)))
		return -ENOMEM;
	m->modules[m->n_modules++] = *module;
	m->module_index.n = m->n_modules;
	*slot = (uint32_t)m->n_modules;
	return (int64_t)m->n_modules;
}

static int add_map(struct mp_import_maps *m, const struct mp_perf_record *r)
{
	bool is_kernel = (r->misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_KERNEL;
	uint64_t start = r->u.map.addr;
	struct module module = {.start = start,
	    .end = r->u.map.len > UINT64_MAX - start ? UINT64_MAX : start + r->u.map.len,
	    .file_offset = is_kernel ? 0 : r->u.map.pgoff,
	    .t_ns = r->time < INT64_MAX ? (int64_t)r->time : 0,
	    .ino = r->u.map.ino,
	    .maj = r->u.map.maj,
	    .min = r->u.map.min};
	char text[4096];
	struct path *path;

	copy_path(&r->u.map.path, text, sizeof(text));
	int ret = intern(m, text, &path);
	if (ret)
		return ret;
	module.path = path->text;
	mp_perf_build_id_hex(r->u.map.build_id.at, r->u.map.build_id.n, module.build_id);
	int64_t number = 0;
	if (r->u.map.prot & PROT_EXEC && module.start < module.end) {
		path->has_code = true;
		number = module_number(m, &module);
		if (number <= 0)
			return number ? (int)number : -E2BIG;
	}
	const struct mp_space_map map = {
	    module.start, module.end, module.file_offset, module.path, (uint32_t)number};
	return mp_spaces_map(m->spaces, is_kernel ? KERNEL_PID : r->u.map.pid, &map);
}

int mp_import_maps_take(struct mp_import_maps *m, const struct mp_perf_record *r)
{
	int ret = 0;

	switch (r->type) {
	case PERF_RECORD_MMAP:
	case PERF_RECORD_MMAP2:
		ret = add_map(m, r);
		break;
	case PERF_RECORD_FORK:
		/* A new thread has its process's. */
		if (r->u.task.pid != r->u.task.ppid)
			ret = mp_spaces_fork(m->spaces, r->u.task.ppid, r->u.task.pid);
		break;
	case PERF_RECORD_EXIT:
		if (r->u.task.pid == r->u.task.tid)
			mp_spaces_exit(m->spaces, r->u.task.pid);
		break;
	case PERF_RECORD_COMM:
		if (r->u.comm.is_exec)
			mp_spaces_exec(m->spaces, r->u.comm.pid);
		break;
	}
	m->refused += ret == -E2BIG;
	return ret == -E2BIG ? 0 : ret;
}

/* ---- Addresses ---- */

static bool is_kernel_addr(uint64_t addr)
{
	return addr >> 63;
}

uint32_t mp_import_maps_module(struct mp_import_maps *m, uint32_t pid, uint64_t addr)
{
	const struct mp_space_map *map =
	    mp_spaces_find(m->spaces, is_kernel_addr(addr) ? KERNEL_PID : pid, addr, NULL);

	return map ? map->module : 0;
}

static bool is_stack(const struct mp_space_map *map)
{
	return !strncmp(map->path, "[stack", 6);
}

/* Not memory that only goes by a name of a file. */
static bool is_file(const struct mp_space_map *map)
{
	static const char *const not_files[] = {"//anon", "/anon_hugepage", "/dev/zero", "/SYSV"};

	for (size_t i = 0; i < sizeof(not_files) / sizeof(*not_files); i++)
		if (!strncmp(map->path, not_files[i], strlen(not_files[i])))
			return false;
	return map->path[0] == '/';
}

void mp_import_maps_place(struct mp_import_maps *m, uint32_t pid, uint64_t addr, struct mp_sample_row *row)
{
	const struct mp_space_map *above,
	    *map = is_kernel_addr(addr) ? NULL : mp_spaces_find(m->spaces, pid, addr, &above);

	row->place = MP_PLACE_UNKNOWN;
	if (is_kernel_addr(addr))
		return;
	if (map && is_file(map)) {
		row->place = path_of(map->path)->has_code ? MP_PLACE_DATA : MP_PLACE_FILE;
		row->place_name = map->path;
		row->offset = (int64_t)((addr - map->start + map->file_offset) & INT64_MAX);
	} else if (map ? is_stack(map) : above && is_stack(above) && above->start - addr <= STACK_BYTES) {
		row->place = MP_PLACE_STACK;
	}
}

/* ---- For the session ---- */

/* The recording is of this machine, as far as names tell. */
static bool is_of_here(struct mp_perf_data *d)
{
	struct utsname here;

	return !uname(&here) && !strcmp(here.nodename, mp_perf_data_about(d)->host);
}

/*
 * perf lists the build-ids of files that had samples, not of those that only lead there. Of a recording of
 * this machine such a file may be here still: it is, if it has the inode that was mapped.
 */
static void look_at_file(struct module *m)
{
	struct stat st;
	struct mp_elf *elf;
	int fd = m->path[0] == '/' ? open(m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;

	if (fd < 0)
		return;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_ino == m->ino && major(st.st_dev) == m->maj &&
	    minor(st.st_dev) == m->min && !mp_elf_open(fd, m->path, &elf, NULL)) {
		const char *build_id = mp_elf_build_id(elf);
		if (build_id && strlen(build_id) < sizeof(m->build_id))
			memcpy(m->build_id, build_id, strlen(build_id) + 1);
		mp_elf_close(elf);
	}
	close(fd);
}

static const char *build_id_of(const struct module *m, struct mp_perf_data *d)
{
	return *m->build_id ? m->build_id : mp_perf_data_build_id(d, m->path);
}

int mp_import_maps_store(struct mp_import_maps *m, struct mp_session *s, struct mp_perf_data *d,
    int64_t start_ns, struct mp_err *err)
{
	bool is_here = is_of_here(d);
	int ret = 0;

	for (size_t i = 0; !ret && i < m->n_modules; i++) {
		struct module *module = &m->modules[i];
		if (is_here && module->ino && !build_id_of(module, d))
			look_at_file(module);
		struct mp_module_row row = {.module_id = (int64_t)i + 1,
		    .path = module->path,
		    .build_id = build_id_of(module, d),
		    .start = module->start,
		    .end = module->end,
		    .file_offset = module->file_offset,
		    .t_ns = module->t_ns > start_ns ? module->t_ns : start_ns};
		ret = mp_append_module(s, &row, err);
	}
	return ret;
}

uint32_t *mp_import_maps_tell(
    struct mp_import_maps *m, struct mp_perf_data *d, struct mp_symbolizer *s, size_t *n)
{
	uint32_t *numbers = calloc(m->n_modules + 1, sizeof(*numbers));

	*n = m->n_modules + 1;
	for (size_t i = 0; numbers && i < m->n_modules; i++) {
		const struct module *module = &m->modules[i];
		const char *build_id = build_id_of(module, d);
		/* Without a build-id nothing says that a file here is the one that was mapped there. */
		struct mp_map map = {.start = module->start,
		    .end = module->end,
		    .file_offset = module->file_offset,
		    .path = module->path,
		    .t_ns = module->t_ns,
		    .build_id = build_id,
		    .is_gone = !build_id};
		numbers[i + 1] = mp_symbolizer_add_map(s, &map);
	}
	return numbers;
}
