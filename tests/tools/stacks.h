/* SPDX-License-Identifier: MIT */
#ifndef MP_TESTS_TOOLS_STACKS_H
#define MP_TESTS_TOOLS_STACKS_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbolize/elf/elf.h"
#include "symbolize/modmap.h"
#include "symbolize/process.h"
#include "symbolize/unwind/unwind.h"
#include "tests/targets/unwind/capture.h"

/*
 * What tests/targets/unwind/ wrote, read back, and its modules as a symbolizer has them: for a checker and a
 * benchmark, which exit when anything is missing.
 */
struct mp_symfile {
	struct mp_symfile *next;
	char *path;
	struct mp_elf *elf;
	struct mp_cfi *cfi; /* NULL: it has none */
};

struct stack {
	struct captured head;
	const uint64_t *ref;
	struct mp_stack_state state;
};

struct stacks {
	struct mp_modmap *modules;
	struct mp_symfile *files;
	struct stack *stack;
	size_t n;
	char *text;       /* the file */
	char *paths[512]; /* of maps */
	size_t n_paths;
};

#define STACKS_DIE(...)                                                                                      \
	do {                                                                                                 \
		fprintf(stderr, __VA_ARGS__);                                                                \
		fputc('\n', stderr);                                                                         \
		exit(2);                                                                                     \
	} while (0)

/* ---- Modules ---- */

static inline struct mp_symfile *stacks_file(struct stacks *s, int fd, const char *path)
{
	struct mp_err err = {""};
	struct mp_symfile *f;

	for (f = s->files; f; f = f->next)
		if (strcmp(f->path, path) == 0)
			return f;
	f = calloc(1, sizeof(*f));
	if (!f || mp_elf_open(fd, path, &f->elf, &err) < 0)
		STACKS_DIE("%s: %s", path, err.text);
	int rc = mp_cfi_build(f->elf, NULL, NULL, &f->cfi, &err);
	if (rc < 0 && rc != -ENOENT)
		STACKS_DIE("%s: %s", path, err.text);
	f->path = strdup(path);
	f->next = s->files;
	s->files = f;
	return f;
}

static inline void stacks_add_map(
    struct stacks *s, unsigned long start, unsigned long end, unsigned long offset, const char *path)
{
	struct mp_map map = {.start = start, .end = end, .file_offset = offset, .path = strdup(path)};
	struct mp_symfile *file = NULL;
	int fd = -1;

	if (s->n_paths == sizeof(s->paths) / sizeof(*s->paths))
		STACKS_DIE("too many mappings");
	s->paths[s->n_paths++] = (char *)map.path;
	if (path[0] == '/')
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		file = stacks_file(s, fd, path);
		close(fd);
	}
	mp_modmap_add(s->modules, &map, file);
}

static inline void stacks_load_maps(struct stacks *s, const char *name)
{
	char line[4096], path[4096], perms[8];
	unsigned long start, end, offset;

	snprintf(path, sizeof(path), "%s.maps", name);
	FILE *f = fopen(path, "r");
	if (!f)
		STACKS_DIE("cannot read %s", path);
	s->modules = mp_modmap_new();
	while (fgets(line, sizeof(line), f)) {
		path[0] = '\0';
		if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %4095s", &start, &end, perms, &offset, path) < 4)
			continue;
		if (perms[2] == 'x')
			stacks_add_map(s, start, end, offset, path);
	}
	fclose(f);
}

static inline const struct mp_module *stacks_module(void *ctx, uint64_t addr, uint64_t *bias)
{
	const struct stacks *s = ctx;
	const struct mp_module *m = mp_modmap_find(s->modules, addr, 0);
	uint64_t vaddr;

	if (m && m->file && mp_elf_offset_to_vaddr(m->file->elf, m->map.file_offset, &vaddr))
		*bias = m->map.start - vaddr;
	return m;
}

static inline const struct mp_cfi *stacks_table(
    void *ctx, uint64_t addr, int64_t t_ns, uint64_t *bias, bool *is_code)
{
	const struct mp_module *m = stacks_module(ctx, addr, bias);

	(void)t_ns;
	*is_code = m != NULL;
	return m && m->file ? m->file->cfi : NULL;
}

static inline const struct mp_elf *stacks_elf(void *ctx, uint64_t addr, int64_t t_ns, uint64_t *bias)
{
	const struct mp_module *m = stacks_module(ctx, addr, bias);

	(void)t_ns;
	return m && m->file ? m->file->elf : NULL;
}

/* ---- Stacks ---- */

static inline void stacks_set_registers(const struct captured *c, struct mp_stack_state *s)
{
#ifdef __x86_64__
	static const int saved[] = {6, 3, 12, 13, 14, 15};
	static const int sp = 7;
#else
	static const int saved[] = {29, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28};
	static const int sp = 31;
#endif
	s->ip = c->ip;
	s->bytes_at = c->sp;
	s->n_bytes = c->n_bytes;
	s->reg[sp] = c->sp;
	s->known = UINT64_C(1) << sp;
	for (size_t i = 0; i < sizeof(saved) / sizeof(*saved); i++) {
		s->reg[saved[i]] = c->callee_saved[i];
		s->known |= UINT64_C(1) << saved[i];
	}
}

static inline void stacks_load(struct stacks *s, const char *name)
{
	FILE *f = fopen(name, "r");
	size_t room = 0, at = 0, size;

	memset(s, 0, sizeof(*s));
	if (!f)
		STACKS_DIE("cannot read %s", name);
	fseek(f, 0, SEEK_END);
	size = (size_t)ftell(f);
	rewind(f);
	s->text = malloc(size + 1);
	if (!s->text || fread(s->text, 1, size, f) != size)
		STACKS_DIE("cannot read %s", name);
	fclose(f);
	while (at < size) {
		if (s->n == room) {
			room = room ? 2 * room : 1024;
			s->stack = realloc(s->stack, room * sizeof(*s->stack));
		}
		struct stack *k = &s->stack[s->n++];
		memset(k, 0, sizeof(*k));
		memcpy(&k->head, s->text + at, sizeof(k->head));
		if (k->head.magic != CAPTURED_MAGIC)
			STACKS_DIE("%s is damaged", name);
		at += sizeof(k->head);
		k->ref = (const uint64_t *)(s->text + at);
		at += k->head.n_ref * sizeof(*k->ref);
		stacks_set_registers(&k->head, &k->state);
		k->state.bytes = (const unsigned char *)s->text + at;
		at += k->head.n_bytes;
	}
	stacks_load_maps(s, name);
}

static inline bool stacks_is_code(void *ctx, uint64_t addr, int64_t t_ns)
{
	uint64_t bias;
	bool yes;

	stacks_table(ctx, addr, t_ns, &bias, &yes);
	return yes;
}

static inline struct mp_unwinder *stacks_unwinder(struct stacks *s)
{
	struct mp_unwind_code code = {
	    .table = stacks_table, .elf = stacks_elf, .is_code = stacks_is_code, .ctx = s};
	struct mp_unwinder *u = mp_unwinder_new(&code);

	if (!u)
		STACKS_DIE("no memory");
	return u;
}

static inline void stacks_free(struct stacks *s)
{
	while (s->files) {
		struct mp_symfile *f = s->files;

		s->files = f->next;
		mp_cfi_free(f->cfi);
		mp_elf_close(f->elf);
		free(f->path);
		free(f);
	}
	mp_modmap_free(s->modules);
	for (size_t i = 0; i < s->n_paths; i++)
		free(s->paths[i]);
	free(s->stack);
	free(s->text);
}

#endif
