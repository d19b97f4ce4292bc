/* SPDX-License-Identifier: MIT */
#include "sampler/slow_probes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FUNCTION_BYTES_MAX 8192 /* of code that is looked at for a place */

/* A file with functions of the family, open as long as its slow paths may have to be looked for again. */
struct mp_slow_module {
	struct mp_probe head;
	uint64_t bias;
	struct mp_elf *elf;
	struct mp_cfi *cfi;
	struct mp_slow_path path;
	uint64_t *entries; /* addresses of the family's functions */
	size_t n_entries;
};

static bool is_entry(void *ctx, uint64_t vaddr)
{
	const struct mp_slow_module *m = ctx;

	for (size_t i = 0; i < m->n_entries; i++)
		if (m->entries[i] == vaddr)
			return true;
	return false;
}

static struct mp_slow_file file_of(struct mp_slow_module *m)
{
	return (struct mp_slow_file){.elf = m->elf, .cfi = m->cfi, .is_entry = is_entry, .ctx = m};
}

static const struct mp_probe *probe_at(
    const struct mp_slow_probes *s, const struct mp_slow_module *m, uint64_t offset)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct mp_probe *p = &s->probes[i];
		if (!strcmp(p->open_path, m->head.open_path) && p->module_offset - p->skipped_bytes == offset)
			return p;
	}
	return NULL;
}

static void add_probe(struct mp_slow_probes *s, struct mp_slow_module *m, const struct mp_slow_function *f)
{
	unsigned char code[FUNCTION_BYTES_MAX];
	uint64_t offset;

	if (!mp_elf_vaddr_to_offset(m->elf, f->vaddr, &offset))
		return;
	const struct mp_probe *known = probe_at(s, m, offset);
	if (known) {
		s->ops[known->slow] |= f->ops;
		return;
	}
	if (s->n == MP_BPF_SLOW_FUNCTIONS) {
		s->is_cut = true;
		return;
	}
	struct mp_probe *p = &s->probes[s->n];
	*p = m->head;
	p->op = f->op_by_jump < 0 ? MP_COOKIE_NO_OP : (unsigned int)f->op_by_jump;
	p->is_slow = true;
	p->slow = (unsigned int)s->n;
	p->size_args = f->size_arg ? MP_ARG(f->size_arg) : 0;
	p->ptr_args = f->ptr_arg ? MP_ARG(f->ptr_arg) : 0;
	snprintf(p->function, sizeof(p->function), "%s", f->name);
	if (!*f->name)
		snprintf(p->function, sizeof(p->function), "at 0x%llx", (unsigned long long)f->vaddr);
	size_t n = mp_elf_read(m->elf, offset, code, f->size < sizeof(code) ? f->size : sizeof(code));
	mp_probe_place(p, code, n, f->size <= n, offset);
	s->ops[s->n++] = f->ops;
}

/* What the module's path holds, and the set does not yet. */
static void take_path(struct mp_slow_probes *s, struct mp_slow_module *m, size_t callers_before)
{
	for (size_t i = 0; i < m->path.n; i++)
		add_probe(s, m, &m->path.functions[i]);
	for (size_t i = callers_before; i < m->path.n_callers; i++) {
		const struct mp_slow_caller *c = &m->path.callers[i];
		if (s->n_callers == MP_BPF_SLOW_CALLERS) {
			s->is_cut = true;
			break;
		}
		s->callers[s->n_callers++] = (struct mp_bpf_slow_caller){
		    .lo = m->bias + c->vaddr, .hi = m->bias + c->vaddr + c->size, .op = c->op};
	}
	s->is_cut |= m->path.is_cut;
}

static bool is_of(const struct mp_probe *p, const struct mp_slow_module *m)
{
	return p->op < MP_OP_COUNT && !p->marker && !strcmp(p->open_path, m->head.open_path);
}

/* Without call frame information nothing swears that a place is a function's beginning: no slow path then. */
static bool open_module(struct mp_slow_module *m)
{
	char cache[PATH_MAX];
	const char *cache_dir = mp_cfi_cache_dir(cache, sizeof(cache)) ? NULL : cache;
	int fd = open(m->head.open_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return false;
	int ret = mp_elf_open(fd, m->head.module, &m->elf, NULL);
	close(fd);
	if (ret)
		return false;
	return !mp_cfi_build(m->elf, NULL, cache_dir, &m->cfi, NULL);
}

static int add_module(struct mp_slow_probes *s, struct mp_slow_module *m, const struct mp_probe_set *family)
{
	m->entries = calloc(family->n, sizeof(*m->entries));
	if (!m->entries)
		return -ENOMEM;
	if (!open_module(m))
		return 0;
	struct mp_slow_caller *callers = calloc(family->n + 1, sizeof(*callers));
	size_t n = 0;
	if (!callers)
		return -ENOMEM;
	const struct mp_slow_file file = file_of(m);
	for (size_t i = 0; i < family->n; i++) {
		const struct mp_probe *p = &family->probes[i];
		if (is_of(p, m) && mp_elf_offset_to_vaddr(m->elf, p->module_offset - p->skipped_bytes,
				       &m->entries[m->n_entries]))
			m->n_entries++;
	}
	for (size_t i = 0; i < family->n; i++) {
		const struct mp_probe *p = &family->probes[i];
		struct mp_slow_caller *c = &callers[n];
		*c = (struct mp_slow_caller){.size = p->function_bytes, .op = p->op};
		n += is_of(p, m) && c->size &&
		     mp_elf_offset_to_vaddr(m->elf, p->module_offset - p->skipped_bytes, &c->vaddr);
	}
	mp_slow_path_find(&m->path, &file, callers, n);
	free(callers);
	s->ops_told |= m->path.ops;
	take_path(s, m, 0);
	return 0;
}

static bool is_known(const struct mp_slow_probes *s, const struct mp_probe *p)
{
	for (size_t i = 0; i < s->n_modules; i++)
		if (!strcmp(s->modules[i].head.open_path, p->open_path))
			return true;
	return false;
}

static bool bias_of(const struct mp_target *t, const struct mp_probe *p, uint64_t *bias)
{
	const struct mp_module *m = mp_target_module_of(t, p->inode, p->dev_major, p->dev_minor);

	if (m)
		*bias = m->base;
	return m;
}

int mp_slow_probes_find(const struct mp_target *t, const struct mp_probe_set *family,
    struct mp_slow_probes *out, struct mp_err *err)
{
	int ret = 0;

	*out = (struct mp_slow_probes){0};
	out->probes = calloc(MP_BPF_SLOW_FUNCTIONS, sizeof(*out->probes));
	out->modules = calloc(family->n + 1, sizeof(*out->modules));
	if (!out->probes || !out->modules)
		ret = -ENOMEM;
	for (size_t i = 0; !ret && i < family->n; i++) {
		const struct mp_probe *p = &family->probes[i];
		struct mp_slow_module *m = &out->modules[out->n_modules];
		if (p->op >= MP_OP_COUNT || is_known(out, p) || !bias_of(t, p, &m->bias))
			continue;
		m->head = *p;
		out->n_modules++;
		ret = add_module(out, m, family);
	}
	if (!ret)
		return 0;
	mp_slow_probes_free(out);
	return mp_err_set(err, ENOMEM, "out of memory");
}

int mp_slow_probes_deeper(struct mp_slow_probes *s, size_t i, unsigned int op)
{
	uint64_t vaddr;

	s->is_dropped[i] = true;
	for (size_t k = 0; k < s->n_modules; k++) {
		struct mp_slow_module *m = &s->modules[k];
		const struct mp_probe *p = &s->probes[i];
		if (strcmp(m->head.open_path, p->open_path) ||
		    !mp_elf_offset_to_vaddr(m->elf, p->module_offset - p->skipped_bytes, &vaddr))
			continue;
		const struct mp_slow_file file = file_of(m);
		size_t callers = m->path.n_callers;
		for (size_t f = 0; f < m->path.n; f++) {
			if (m->path.functions[f].vaddr != vaddr)
				continue;
			int ret = mp_slow_path_deeper(&m->path, &file, f, op);
			if (!ret)
				take_path(s, m, callers);
			return ret;
		}
	}
	return -ENOENT;
}

void mp_slow_probes_free(struct mp_slow_probes *s)
{
	for (size_t i = 0; i < s->n_modules; i++) {
		free(s->modules[i].entries);
		mp_cfi_free(s->modules[i].cfi);
		if (s->modules[i].elf)
			mp_elf_close(s->modules[i].elf);
	}
	free(s->modules);
	free(s->probes);
	*s = (struct mp_slow_probes){0};
}
