/* SPDX-License-Identifier: MIT */
#include "sampler/pools/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sampler/profile.h"
#include "store/embed.h"
#include "symbolize/elf/elf.h"

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static const char *text_of(const struct mp_pool_section *s, enum mp_pool_key key)
{
	const struct mp_pool_entry *e = s ? mp_pool_section_get(s, key) : NULL;
	return e ? e->value : "";
}

static const struct mp_embedded *embedded(size_t i)
{
	static const char prefix[] = "sampler/profiles/pool-";

	for (const struct mp_embedded *f = mp_embedded_files; f->path; f++)
		if (!strncmp(f->path, prefix, sizeof(prefix) - 1) && !i--)
			return f;
	return NULL;
}

int mp_pool_profile_load(size_t i, struct mp_pool_profile *out, struct mp_err *err)
{
	const struct mp_embedded *f = embedded(i);
	const struct mp_pool_section *s = NULL;

	*out = (struct mp_pool_profile){0};
	if (!f)
		return -ENOENT;
	int ret = mp_pool_file_parse(f->path, f->text, &out->file, err);
	for (size_t k = 0; k < out->file.n && !s; k++)
		if (!out->file.sections[k].name)
			s = &out->file.sections[k];
	out->name = text_of(s, MP_POOL_KEY_NAME);
	out->about = text_of(s, MP_POOL_KEY_ABOUT);
	out->versions = text_of(s, MP_POOL_KEY_VERSIONS);
	out->variable = text_of(s, MP_POOL_KEY_VARIABLE);
	out->known = text_of(s, MP_POOL_KEY_KNOWN);
	for (size_t k = 0; s && k < s->n; k++) {
		size_t n = strlen(out->modules);
		if (s->entries[k].key == MP_POOL_KEY_MODULE)
			snprintf(out->modules + n, sizeof(out->modules) - n, "%s%s", n ? " " : "",
			    s->entries[k].value);
	}
	return ret;
}

void mp_pool_profile_free(struct mp_pool_profile *p)
{
	mp_pool_file_free(&p->file);
}

static int take_variable(void *ctx, const struct mp_elf_sym *sym)
{
	return !strcmp(sym->name, ctx);
}

static bool has_variable(const struct mp_module *m, const char *name)
{
	struct mp_elf *elf;
	int fd = open(m->open_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool found = false;

	if (fd < 0)
		return false;
	if (!mp_elf_open(fd, m->path, &elf, NULL)) {
		found = mp_elf_each_variable(elf, take_variable, (void *)(uintptr_t)name) == 1;
		mp_elf_close(elf);
	}
	close(fd);
	return found;
}

/* Marks the program, if the library is linked into it. */
static bool match_program(struct mp_pool_profile *p, const struct mp_target *t, bool *chosen)
{
	for (size_t i = 0; *p->variable && i < t->n_modules; i++) {
		const struct mp_module *m = &t->modules[i];
		if (!m->is_exe || !has_variable(m, p->variable))
			continue;
		chosen[i] = true;
		snprintf(p->where, sizeof(p->where), "%.255s", file_name(m->path));
		return true;
	}
	return false;
}

bool mp_pool_profile_match(struct mp_pool_profile *p, const struct mp_target *t, bool *chosen)
{
	size_t n = 0;

	p->chosen = chosen;
	for (size_t i = 0; i < t->n_modules; i++) {
		const char *name = file_name(t->modules[i].path);
		chosen[i] = mp_profile_glob(p->modules, name);
		if (!chosen[i])
			continue;
		snprintf(p->where + n, sizeof(p->where) - n, "%s%s", n ? ", " : "", name);
		n = strlen(p->where);
		if (p->versions[0] && !mp_profile_glob(p->versions, name))
			snprintf(p->unknown_version, sizeof(p->unknown_version), "%.255s", name);
	}
	return n || match_program(p, t, chosen);
}
