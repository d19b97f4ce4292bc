/* SPDX-License-Identifier: MIT */
#include "tests/unit/symbolize_fixture.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <sys/mman.h>

#include "symbolize/functions.h"

TestSuite(elf, .init = fixture_make, .fini = fixture_remove, .timeout = 300);

static const char *libc_path(void)
{
	Dl_info info;

	cr_assert(dladdr(dlsym(dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD), "qsort"), &info));
	return info.dli_fname;
}

/* One line of `command`'s output. */
static void output_of(char *out, int size, const char *command)
{
	FILE *f = popen(command, "r");

	cr_assert(f && fgets(out, size, f), "no output: %s", command);
	out[strcspn(out, "\n")] = '\0';
	pclose(f);
}

Test(elf, properties_match_readelf)
{
	struct mp_elf *e = fixture_open("lib.so");
	char command[256], expected[256];

	snprintf(command, sizeof(command), "readelf -n %s/lib.so | sed -n 's/.*Build ID: //p'", fixture_dir);
	output_of(expected, sizeof(expected), command);
	cr_assert_str_eq(mp_elf_build_id(e), expected);
	cr_assert(!mp_elf_is_static(e));
	cr_assert(mp_elf_has_symtab(e));
#ifdef __x86_64__
	cr_assert_eq(mp_elf_machine(e), EM_X86_64);
#endif
	mp_elf_close(e);
}

Test(elf, static_program_without_build_id)
{
	run("cd %s && echo 'int main(void) { return 0; }' > m.c && cc -static -Wl,--build-id=none -o m m.c",
	    fixture_dir);
	struct mp_elf *e = fixture_open("m");

	cr_assert(mp_elf_is_static(e));
	cr_assert_null(mp_elf_build_id(e));
	mp_elf_close(e);
}

Test(elf, offsets_and_addresses_are_inverse)
{
	struct mp_elf *e = fixture_open("lib.so");
	uint64_t vaddr = find_symbol(e, "shown").sym.vaddr, offset, back;
	uint8_t code[16], *loaded;
	char path[128];

	cr_assert(mp_elf_vaddr_to_offset(e, vaddr, &offset));
	cr_assert(mp_elf_offset_to_vaddr(e, offset, &back));
	cr_assert_eq(back, vaddr);
	cr_assert(!mp_elf_vaddr_to_offset(e, UINT64_MAX - 5, &offset));
	cr_assert(!mp_elf_offset_to_vaddr(e, UINT64_MAX - 5, &back));

	/* The bytes there are those that the dynamic linker maps at the function. */
	snprintf(path, sizeof(path), "%s/lib.so", fixture_dir);
	void *so = dlopen(path, RTLD_NOW);
	cr_assert(so, "%s", dlerror());
	loaded = dlsym(so, "shown");
	cr_assert(mp_elf_vaddr_to_offset(e, vaddr, &offset));
	cr_assert_eq(mp_elf_read(e, offset, code, sizeof(code)), sizeof(code));
	cr_assert_arr_eq(code, loaded, sizeof(code));
	mp_elf_close(e);
}

Test(elf, read_ends_with_the_file)
{
	struct mp_elf *e = fixture_open("lib.so");
	char buf[64];
	int fd = fixture_open_fd("lib.so");
	off_t size = lseek(fd, 0, SEEK_END);

	cr_assert_eq(mp_elf_read(e, (uint64_t)size - 10, buf, sizeof(buf)), 10);
	cr_assert_eq(mp_elf_read(e, (uint64_t)size, buf, sizeof(buf)), 0);
	cr_assert_eq(mp_elf_read(e, UINT64_MAX, buf, sizeof(buf)), 0);
	close(fd);
	mp_elf_close(e);
}

Test(elf, functions_of_both_tables)
{
	struct mp_elf *e = fixture_open("lib.so");
	struct find shown = find_symbol(e, "shown"), hidden = find_symbol(e, "hidden");

	cr_assert_eq(shown.found, 2);
	cr_assert_eq(shown.tables, 1 << MP_ELF_DYNSYM | 1 << MP_ELF_SYMTAB);
	cr_assert(shown.sym.exported); /* the last one seen is .dynsym's */
	cr_assert_gt(shown.sym.size, 0);
	cr_assert_eq(hidden.found, 1);
	cr_assert_eq(hidden.tables, 1 << MP_ELF_SYMTAB);
	cr_assert(!hidden.sym.exported);
	cr_assert_eq(hidden.sym.bind, STB_LOCAL);
	cr_assert_eq(find_symbol(e, "malloc").found, 0); /* undefined here */
	mp_elf_close(e);
}

static int stop_at_third(void *ctx, const struct mp_elf_sym *sym)
{
	(void)sym;
	return ++*(int *)ctx == 3 ? 42 : 0;
}

Test(elf, each_function_stops_when_told)
{
	struct mp_elf *e = fixture_open("lib.so");
	int n = 0;

	cr_assert_eq(mp_elf_each_function(e, stop_at_third, &n), 42);
	cr_assert_eq(n, 3);
	mp_elf_close(e);
}

struct libc_check {
	uintptr_t base;
	int compared;
};

static int compare_with_dladdr(void *ctx, const struct mp_elf_sym *sym)
{
	struct libc_check *check = ctx;
	struct link_map *map;
	Dl_info info;

	if (!sym->exported)
		return 0;
	cr_assert(dladdr1((void *)(check->base + sym->vaddr), &info, (void **)&map, RTLD_DL_LINKMAP));
	cr_assert_eq((uintptr_t)info.dli_saddr, check->base + sym->vaddr, "%s: dladdr says %s", sym->name,
	    info.dli_sname);
	check->compared++;
	return 0;
}

Test(elf, libc_functions_are_where_dladdr_says)
{
	Dl_info info;
	struct libc_check check = {0};
	struct mp_elf *e = fixture_open(libc_path());
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD), *libc_malloc = dlsym(libc, "malloc");

	cr_assert(dladdr(libc_malloc, &info));
	check.base = (uintptr_t)info.dli_fbase;
	cr_assert_eq(mp_elf_each_function(e, compare_with_dladdr, &check), 0);
	cr_assert_gt(check.compared, 2000);
	cr_assert_eq(find_symbol(e, "malloc").sym.vaddr, (uintptr_t)libc_malloc - check.base);
	mp_elf_close(e);
}

/* The GOT slot and the PLT entry of malloc, as binutils name them. */
Test(elf, slots_and_plt_entries)
{
	struct mp_elf *e = fixture_open("lib.so");
	char command[256], line[64];

	snprintf(command, sizeof(command), "readelf -rW %s/lib.so | awk '/JUMP_SLO/ && / malloc/ {print $1}'",
	    fixture_dir);
	output_of(line, sizeof(line), command);
	uint64_t slot = strtoull(line, NULL, 16);
	cr_assert_str_eq(mp_elf_slot_symbol(e, slot), "malloc");
	cr_assert_null(mp_elf_slot_symbol(e, slot + 1));

	snprintf(
	    command, sizeof(command), "objdump -d %s/lib.so | awk '/<malloc@plt>:/ {print $1}'", fixture_dir);
	output_of(line, sizeof(line), command);
	uint64_t plt = strtoull(line, NULL, 16);
	cr_assert_str_eq(mp_elf_slot_symbol(e, plt), "malloc");
	cr_assert_null(mp_elf_slot_symbol(e, find_symbol(e, "shown").sym.vaddr));
	mp_elf_close(e);
}

Test(elf, debugdata_holds_what_dynsym_lacks)
{
	fixture_make_debugdata("mini.so");
	struct mp_elf *whole = fixture_open("lib.so"), *e = fixture_open("mini.so");
	struct find hidden = find_symbol(e, "hidden");

	cr_assert(!mp_elf_has_symtab(e));
	cr_assert_eq(hidden.found, 1);
	cr_assert_eq(hidden.sym.table, MP_ELF_DEBUGDATA);
	cr_assert_eq(hidden.sym.vaddr, find_symbol(whole, "hidden").sym.vaddr);
	cr_assert_eq(find_symbol(e, "shown").tables, 1 << MP_ELF_DYNSYM);
	mp_elf_close(e);
	mp_elf_close(whole);
}

/* A good ELF file with 300 MiB of zeros behind it, 45 KiB compressed. */
Test(elf, decompression_bomb_is_given_up)
{
	run("cd %s && (cat lib.so; head -c 300M /dev/zero) | xz -6 > bomb.xz && strip -o bomb.so lib.so &&"
	    " objcopy --add-section .gnu_debugdata=bomb.xz bomb.so",
	    fixture_dir);
	struct mp_elf *e = fixture_open("bomb.so");

	cr_assert_eq(find_symbol(e, "shown").found, 1);
	cr_assert_eq(find_symbol(e, "hidden").found, 0);
	cr_assert_lt(mp_elf_loaded_bytes(e), 1u << 20);
	mp_elf_close(e);
}

Test(elf, refuses_what_is_no_elf_file)
{
	struct mp_err err;
	struct mp_elf *e = NULL;
	int fds[2];
	static const char *const texts[] = {"", "\177ELF", "#!/bin/sh\n", "!<arch>\n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int fd = memfd_create("text", MFD_CLOEXEC);
		cr_assert_eq(write(fd, texts[i], strlen(texts[i])), (ssize_t)strlen(texts[i]));
		cr_assert_eq(mp_elf_open(fd, "text", &e, &err), -ENOEXEC);
		cr_assert(strstr(err.text, "text"));
		close(fd);
	}
	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(mp_elf_open(fds[0], "pipe", &e, &err), -ENOEXEC);
}

/* What would make libelf allocate gigabytes: extended header counts in a sparse file. */
Test(elf, refuses_huge_header_counts)
{
	Elf64_Ehdr h;
	Elf64_Shdr first = {.sh_size = 1u << 20, .sh_info = 1u << 20};
	struct mp_elf *e = NULL;
	int from = fixture_open_fd("lib.so"), fd = memfd_create("huge", MFD_CLOEXEC);

	cr_assert_eq(pread(from, &h, sizeof(h), 0), sizeof(h));
	cr_assert_eq(ftruncate(fd, INT64_C(1) << 40), 0);
	h.e_shnum = 0;
	h.e_shoff = 4096;
	cr_assert_eq(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
	cr_assert_eq(pwrite(fd, &first, sizeof(first), 4096), sizeof(first));
	cr_assert_eq(mp_elf_open(fd, "huge", &e, NULL), -ENOEXEC);
	h.e_shnum = 1;
	h.e_phnum = PN_XNUM;
	cr_assert_eq(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
	cr_assert_eq(mp_elf_open(fd, "huge", &e, NULL), -ENOEXEC);
	close(fd);
	close(from);
}

/* A truncation after the open costs symbols, not the process (which it would, were the file mapped). */
Test(elf, file_truncated_while_open)
{
	run("cp %s/lib.so %s/cut.so", fixture_dir, fixture_dir);
	struct mp_elf *e = fixture_open("cut.so");

	run("truncate -s 100 %s/cut.so", fixture_dir);
	cr_assert_eq(find_symbol(e, "shown").found, 0);
	mp_elf_close(e);
}

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static int touch(void *ctx, const struct mp_elf_sym *sym)
{
	*(size_t *)ctx += strlen(sym->name) + sym->size;
	return 0;
}

/* Everything that reads a file's contents. */
static void use(struct mp_elf *e)
{
	size_t sum = 0;
	uint64_t at;
	struct mp_function function;

	mp_elf_build_id(e);
	mp_elf_each_function(e, touch, &sum);
	struct mp_functions *functions = mp_functions_new(e, NULL);
	for (int i = 0; i < 64; i++) {
		uint64_t vaddr = i < 32 ? random_next() % 0x6000 : random_next();

		mp_elf_offset_to_vaddr(e, vaddr, &at);
		mp_elf_vaddr_to_offset(e, vaddr, &at);
		const char *slot = mp_elf_slot_symbol(e, vaddr);
		sum += slot ? strlen(slot) : 0;
		if (mp_functions_find(functions, vaddr, &function))
			sum += strlen(function.raw);
	}
	mp_functions_free(functions);
}

static void damage(uint8_t *bytes, size_t *size)
{
	static const uint64_t values[] = {
	    0, 1, 8, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff, UINT64_MAX, 0xfff0};
	Elf64_Ehdr h;

	memcpy(&h, bytes, sizeof(h));
	for (int n = 1 + (int)(random_next() % 8); n > 0; n--) {
		size_t at = random_next() % *size;
		unsigned where = random_next() % 4, width = 1 << random_next() % 4;
		uint64_t value = random_next() % 2 ? values[random_next() % 8] : random_next() % (2 * *size);

		/* Most bytes are code; damage to headers is what can harm. */
		if (where == 0)
			at = random_next() % 1024;
		else if (where == 1 && h.e_shoff < *size)
			at = h.e_shoff + random_next() % (*size - h.e_shoff);
		if (at + width <= *size)
			memcpy(bytes + at, &value, width);
	}
	if (random_next() % 4 == 0)
		*size = random_next() % *size;
}

/* Opens `count` damaged copies of a file; returns how many could still be opened. */
static int open_damaged(const char *name, int count)
{
	static uint8_t original[1 << 20], bytes[1 << 20];
	int from = fixture_open_fd(name), opened = 0;
	ssize_t n = read(from, original, sizeof(original));

	cr_assert(n > 1024 && n < (ssize_t)sizeof(original));
	close(from);
	for (int i = 0; i < count; i++) {
		struct mp_elf *e = NULL;
		size_t size = (size_t)n;
		int fd = memfd_create("damaged", MFD_CLOEXEC);

		memcpy(bytes, original, size);
		damage(bytes, &size);
		cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
		if (mp_elf_open(fd, "damaged", &e, NULL) == 0) {
			use(e);
			mp_elf_close(e);
			opened++;
		}
		close(fd);
	}
	return opened;
}

Test(elf, damaged_files_do_no_harm)
{
	int opened;

	fixture_make_debugdata("mini.so");
	opened = open_damaged("lib.so", 6000);
	cr_assert(opened > 1000 && opened < 6000, "%d opened", opened);
	opened = open_damaged("mini.so", 4000);
	cr_assert(opened > 1000 && opened < 4000, "%d opened", opened);
}
