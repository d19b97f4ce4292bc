/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolize/dwarf/dwarf.h"
#include "symbolize/functions.h"

/* Functions and lines of an ELF file's DWARF. The same file stands in for all others that it asks for: what
 * is looked for in them is damaged in its own ways. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRAMES_MAX 32
#define ASKED_MAX  64

static int fd = -1;
static size_t sum; /* so that everything is read */

static struct mp_elf *open_again(void)
{
	struct mp_elf *e = NULL;

	return mp_elf_open(fd, "fuzz", &e, NULL) == 0 ? e : NULL;
}

static struct mp_elf *open_alt(void *ctx, const char *path, const char *build_id)
{
	(void)ctx;
	sum += strlen(path) + strlen(build_id);
	return open_again();
}

static struct mp_elf *open_dwo(void *ctx, const char *name, const char *comp_dir)
{
	(void)ctx;
	sum += strlen(name) + strlen(comp_dir);
	return open_again();
}

static struct mp_elf *open_dwp(void *ctx)
{
	(void)ctx;
	return open_again();
}

static void ask(struct mp_dwarf *d, uint64_t vaddr)
{
	struct mp_dwarf_frame frames[FRAMES_MAX];
	size_t n = mp_dwarf_find(d, vaddr, frames, FRAMES_MAX);

	if (n > FRAMES_MAX)
		abort();
	for (size_t i = 0; i < n; i++) {
		if (frames[i].line < 0)
			abort();
		sum += frames[i].function ? strlen(frames[i].function) : 0;
		sum += frames[i].file ? strlen(frames[i].file) : 0;
	}
	if (mp_dwarf_bytes(d) > MP_DWARF_BYTES_MAX)
		abort();
}

struct asked {
	struct mp_dwarf *d;
	int n;
};

static int ask_function(void *ctx, const struct mp_elf_sym *sym)
{
	struct asked *a = ctx;

	ask(a->d, sym->vaddr);
	ask(a->d, sym->vaddr + sym->size / 2);
	return ++a->n == ASKED_MAX;
}

static void use(const struct mp_elf *e)
{
	struct mp_dwarf_files files = {open_alt, open_dwo, open_dwp, NULL};
	struct mp_dwarf *d;

	if (mp_dwarf_open(e, &files, &d, NULL) < 0)
		return;
	mp_elf_each_function(e, ask_function, &(struct asked){d, 0});
	for (uint64_t vaddr = 0x1000; vaddr < 0x1400; vaddr += 0x1d)
		ask(d, vaddr);
	ask(d, 0);
	ask(d, UINT64_MAX);
	sum += mp_dwarf_damage(d) ? strlen(mp_dwarf_damage(d)) : 0;
	mp_dwarf_close(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mp_elf *e;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	if (mp_elf_open(fd, "fuzz", &e, NULL) == 0) {
		use(e);
		mp_elf_close(e);
	}
	return 0;
}
