/* SPDX-License-Identifier: MIT */
#include "sampler/preload_plane/library.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbolize/elf/elf.h"

#define READY_FUNCTION "mpsample_ready_v1"

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* The folder that the program lies in; "" if that is not known. */
static void program_folder(char *out, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", out, size - 1);

	out[n > 0 ? n : 0] = 0;
	char *slash = strrchr(out, '/');
	if (slash)
		*slash = 0;
}

int mp_preload_library_path(char *out, size_t size, struct mp_err *err)
{
	static const char *const places[] = {"", "/../lib/mpsample", "/../lib"};
	char folder[PATH_MAX], path[PATH_MAX + 64], real[PATH_MAX];

	program_folder(folder, sizeof(folder));
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(path, sizeof(path), "%s%s/" MP_PRELOAD_LIBRARY, folder, places[i]);
		if (access(path, R_OK) || !realpath(path, real) || strlen(real) >= size)
			continue;
		/* The dynamic linker splits its list at these. */
		if (strpbrk(real, " :"))
			return mp_err_set(err, EINVAL,
			    "%s cannot be preloaded from a path with a space or colon; move it", real);
		snprintf(out, size, "%s", real);
		return 0;
	}
	return mp_err_set(err, ENOENT,
	    MP_PRELOAD_LIBRARY
	    " is neither in %s nor in ../lib/mpsample or ../lib from there; build it (make), or "
	    "install it (make install)",
	    folder);
}

const struct mp_module *mp_preload_library_in(const struct mp_target *t)
{
	for (size_t i = 0; i < t->n_modules; i++)
		if (!strncmp(base_name(t->modules[i].path), MP_PRELOAD_LIBRARY, strlen(MP_PRELOAD_LIBRARY)))
			return &t->modules[i];
	return NULL;
}

static int find_ready(void *ctx, const struct mp_elf_sym *sym)
{
	if (!sym->exported || strcmp(sym->name, READY_FUNCTION))
		return 0;
	*(uint64_t *)ctx = sym->vaddr;
	return 1;
}

uint64_t mp_preload_library_ready(const struct mp_module *m)
{
	struct mp_elf *elf;
	uint64_t vaddr = 0;
	int fd = open(m->open_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return 0;
	if (!mp_elf_open(fd, m->path, &elf, NULL)) {
		mp_elf_each_function(elf, find_ready, &vaddr);
		mp_elf_close(elf);
	}
	close(fd);
	return vaddr ? m->base + vaddr : 0;
}

static const struct mp_module *module_of(const struct mp_target *t, const struct mp_probe *p)
{
	for (size_t i = 0; i < t->n_modules; i++)
		if (!strcmp(t->modules[i].path, p->module))
			return &t->modules[i];
	return NULL;
}

int mp_preload_library_check(const struct mp_target *t, const struct mp_probe_set *found, struct mp_err *err)
{
	const struct mp_module *library = mp_preload_library_in(t);

	if (!library && t->n_modules == 1)
		return mp_err_set(err, ENOTSUP,
		    "%s is a static program: nothing can be preloaded into it; use --plane uprobe",
		    base_name(t->exe));
	if (!library)
		return mp_err_set(err, ENOTSUP,
		    MP_PRELOAD_LIBRARY
		    " was not loaded into %s: its dynamic linker takes no LD_PRELOAD (a set-user-ID "
		    "program, another C library); use --plane uprobe",
		    base_name(t->exe));
	for (size_t i = 0; i < found->n; i++) {
		const struct mp_probe *p = &found->probes[i];
		const struct mp_module *m = strcmp(p->function, "malloc") ? NULL : module_of(t, p);
		if (m && m != library && (m->is_exe || m->link_order < library->link_order))
			return mp_err_set(err, ENOTSUP,
			    "%s defines malloc itself, before " MP_PRELOAD_LIBRARY
			    ", which therefore does not see its calls; use --plane uprobe",
			    base_name(m->path));
	}
	return 0;
}
