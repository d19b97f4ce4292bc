/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolize/debug_file.h"
#include "symbolize/elf/elf.h"
#include "symbolize/elf/gopclntab.h"
#include "symbolize/elf/link.h"
#include "symbolize/elf/section.h"
#include "symbolize/functions.h"
#include "symbolize/process.h"

/* All that is read of an ELF file besides DWARF; and the input as what a process has in its memory. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t sum; /* so that everything is read */

static int on_function(void *ctx, const struct mp_elf_sym *sym)
{
	uint64_t *last = ctx;

	if (!sym->name[0])
		abort();
	sum += strlen(sym->name);
	*last = sym->vaddr;
	return 0;
}

static int on_usdt(void *ctx, const struct mp_elf_usdt *u)
{
	(void)ctx;
	sum += strlen(u->provider) + strlen(u->name) + strlen(u->args);
	return 0;
}

static void read_sections(const struct mp_elf *e)
{
	static const char *const names[] = {".debug_info", ".debug_abbrev", ".debug_line", ".debug_str",
	    ".eh_frame", ".text", ".gnu_debuglink", ".gnu_debugdata", ".note.stapsdt"};
	static char buf[4096];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct mp_section s;

		if (mp_section_open(e, names[i], &s) == 0) {
			if (!s.size || mp_section_read(&s, s.size, buf, 1))
				abort();
			for (uint64_t at = 0; at < s.size && at < 65536; at += sizeof(buf))
				if (!mp_section_read(&s, at, buf, sizeof(buf)))
					abort();
		}
		mp_section_close(&s);
	}
}

static void read_go_functions(const struct mp_elf *e)
{
	struct mp_gopclntab *t;
	uint64_t last = 0;

	if (!mp_gopclntab_open(e, &t)) {
		mp_gopclntab_each(t, on_function, &last);
		mp_gopclntab_close(t);
	}
}

static void read_links(const struct mp_elf *e)
{
	char name[MP_ELF_LINK_MAX], build_id[129];
	uint32_t crc;

	if (mp_elf_debuglink(e, name, &crc) == 0 && (!name[0] || strchr(name, '/')))
		abort();
	if (mp_elf_altlink(e, name, build_id) == 0)
		sum += strlen(name) + strlen(build_id);
}

static void ask(const struct mp_elf *e, const struct mp_functions *functions, uint64_t vaddr)
{
	struct mp_function f;
	uint64_t at;

	mp_elf_code_end(e, vaddr);
	mp_elf_offset_to_vaddr(e, vaddr, &at);
	mp_elf_vaddr_to_offset(e, vaddr, &at);
	const char *slot = mp_elf_slot_symbol(e, vaddr);
	if (slot)
		sum += strlen(slot);
	if (functions && mp_functions_find(functions, vaddr, &f)) {
		if (f.vaddr > vaddr)
			abort();
		sum += strlen(f.raw);
	}
}

static void use(const struct mp_elf *e)
{
	uint64_t last = 0;

	mp_elf_machine(e);
	mp_elf_is_static(e);
	if (mp_elf_build_id(e))
		sum += strlen(mp_elf_build_id(e));
	mp_elf_each_function(e, on_function, &last);
	mp_elf_each_usdt(e, on_usdt, NULL);
	read_sections(e);
	read_links(e);
	read_go_functions(e);
	struct mp_functions *functions = mp_functions_new(e, NULL);
	for (uint64_t vaddr = 0; vaddr < 0x4000; vaddr += 0x101)
		ask(e, functions, vaddr);
	ask(e, functions, last);
	ask(e, functions, last + 1);
	ask(e, functions, UINT64_MAX);
	mp_functions_free(functions);
	if (mp_elf_loaded_bytes(e) > (256u << 20))
		abort();
}

/* The header at the input's beginning, the rest behind it, and then nothing. */
static void use_as_memory(const uint8_t *data, size_t size)
{
	static uint8_t *memory;
	struct mp_image image;

	if (!memory)
		memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size = size < 65536 ? size : 65536;
	memset(memory, 0, 65536);
	memcpy(memory, data, size);
	mp_process_image(getpid(), (uintptr_t)memory, &image);
	mp_process_image_of(getpid(), (uintptr_t)memory + 0x1000, 0x1000, &image);
	sum += strlen(image.build_id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct mp_elf *e;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	if (mp_elf_open(fd, "fuzz", &e, NULL) == 0) {
		use(e);
		mp_elf_close(e);
	}
	use_as_memory(data, size);
	return 0;
}
