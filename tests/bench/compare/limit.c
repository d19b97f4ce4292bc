/* SPDX-License-Identifier: MIT */
/*
 * limit pair|sleepable|entry OBJECT PID FILE SYMBOL   empty BPF programs at the function's entry and return
 * limit offset FILE SYMBOL                            where in FILE the function begins
 *
 * The least that a uprobe can cost. `pair` is two links, an entry and a return probe; `sleepable` one link
 * and one program for both (Linux 6.13), which may sleep: nothing done with BPF can be cheaper; `entry` an
 * entry probe alone. OBJECT is limit.bpf.o. Prints `ready` when the probes are in, and keeps them in until it
 * is ended by a signal, and with it the links.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* libbpf 1.1 does not know them yet: include/uapi/linux/bpf.h of Linux 6.13. */
#define ATTACH_UPROBE_MULTI   48
#define ATTACH_UPROBE_SESSION 57
#define UPROBE_MULTI_RETURN   1u

struct link_create_uprobe_multi {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t cnt, multi_flags, pid, pad;
};

static uint64_t offset_of_address(Elf *elf, uint64_t address)
{
	size_t n = 0;

	elf_getphdrnum(elf, &n);
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr segment;

		if (gelf_getphdr(elf, (int)i, &segment) && segment.p_type == PT_LOAD &&
		    address - segment.p_vaddr < segment.p_memsz)
			return address - segment.p_vaddr + segment.p_offset;
	}
	return 0;
}

/* 0: there is none. */
static uint64_t offset_of_symbol(Elf *elf, const char *name)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf, section))) {
		Elf_Data *data = elf_getdata(section, NULL);
		GElf_Shdr header;
		GElf_Sym symbol;

		if (!data || !gelf_getshdr(section, &header) || header.sh_type != SHT_DYNSYM)
			continue;
		for (int i = 0; gelf_getsym(data, i, &symbol); i++) {
			const char *found = elf_strptr(elf, header.sh_link, symbol.st_name);

			if (found && symbol.st_value && !strcmp(found, name))
				return offset_of_address(elf, symbol.st_value);
		}
	}
	return 0;
}

static uint64_t find_offset(const char *path, const char *name)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t offset = 0;

	elf_version(EV_CURRENT);
	Elf *elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ, NULL);

	if (elf)
		offset = offset_of_symbol(elf, name);
	else
		fprintf(stderr, "limit: cannot read %s\n", path);
	elf_end(elf);
	if (fd >= 0)
		close(fd);
	if (!offset)
		fprintf(stderr, "limit: no function %s in %s\n", name, path);
	return offset;
}

static bool attach(const struct bpf_program *program, uint32_t type, uint32_t multi_flags, pid_t pid,
    const char *path, uint64_t offset)
{
	struct link_create_uprobe_multi attr = {
	    .prog_fd = (uint32_t)bpf_program__fd(program),
	    .attach_type = type,
	    .path = (uintptr_t)path,
	    .offsets = (uintptr_t)&offset,
	    .cnt = 1,
	    .multi_flags = multi_flags,
	    .pid = (uint32_t)pid,
	};

	if (syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr)) >= 0)
		return true;
	perror("limit: the kernel refuses the probe");
	return false;
}

static struct bpf_program *program(struct bpf_object *object, const char *name, bool is_session)
{
	struct bpf_program *p = bpf_object__find_program_by_name(object, name);

	if (p)
		bpf_program__set_expected_attach_type(
		    p, is_session ? ATTACH_UPROBE_SESSION : ATTACH_UPROBE_MULTI);
	if (p && is_session)
		bpf_program__set_flags(p, BPF_F_SLEEPABLE);
	return p;
}

static bool put_in(const char *kind, const char *object_path, pid_t pid, const char *path, uint64_t offset)
{
	bool is_session = !strcmp(kind, "sleepable");
	struct bpf_object *object = bpf_object__open_file(object_path, NULL);

	if (!object)
		return false;
	struct bpf_program *first = program(object, "empty", is_session);
	struct bpf_program *second = program(object, "empty_too", is_session);

	if (!first || !second || bpf_object__load(object))
		return false;
	if (is_session)
		return attach(first, ATTACH_UPROBE_SESSION, 0, pid, path, offset);
	return (strcmp(kind, "pair") ||
		   attach(second, ATTACH_UPROBE_MULTI, UPROBE_MULTI_RETURN, pid, path, offset)) &&
	       attach(first, ATTACH_UPROBE_MULTI, 0, pid, path, offset);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "offset")) {
		uint64_t offset = find_offset(argv[2], argv[3]);

		if (offset)
			printf("0x%llx\n", (unsigned long long)offset);
		return !offset;
	}
	if (argc != 6) {
		fputs("usage: limit pair|sleepable|entry OBJECT PID FILE SYMBOL | limit offset FILE SYMBOL\n",
		    stderr);
		return 2;
	}
	uint64_t offset = find_offset(argv[4], argv[5]);

	if (!offset || !put_in(argv[1], argv[2], atoi(argv[3]), argv[4], offset))
		return 1;
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
