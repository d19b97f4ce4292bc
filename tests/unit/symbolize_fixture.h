/* SPDX-License-Identifier: MIT */
#ifndef MP_TESTS_SYMBOLIZE_FIXTURE_H
#define MP_TESTS_SYMBOLIZE_FIXTURE_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbolize/elf/elf.h"

/* A folder of its own per test, with a small shared object "lib.so" whose functions are known. */
static char fixture_dir[64];

__attribute__((format(printf, 1, 2), unused)) static void run(const char *fmt, ...)
{
	char command[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	cr_assert_eq(system(command), 0, "failed: %s", command);
}

static const char fixture_source[] =
    "#include <stdlib.h>\n"
    "int shown(int x) { return x + 1; }\n"
    "__attribute__((noinline, used)) static int hidden(int x) { return x * 3; }\n"
    "void *shown_too(int x) { return malloc(hidden(x)); }\n"
    "extern __typeof(shown) _shown_alias __attribute__((alias(\"shown\")));\n"
    "extern __typeof(shown) shown_weak_alias __attribute__((weak, alias(\"shown\")));\n"
    "asm(\".section hot, \\\"ax\\\", @progbits\\n.balign 64\\n.globl sizeless\\n.type sizeless, "
    "@function\\nsizeless: .skip 48, 0x90\\n\"\n"
    "    \".type sizeless_local, @function\\nsizeless_local: .skip 32, 0x90\\nret\\n.text\");\n";

static void fixture_remove(void)
{
	if (fixture_dir[0])
		run("rm -rf %s", fixture_dir);
}

__attribute__((unused)) static void fixture_make(void)
{
	char path[128];

	strcpy(fixture_dir, "/tmp/mpsample-symbolize-XXXXXX");
	cr_assert(mkdtemp(fixture_dir));
	snprintf(path, sizeof(path), "%s/lib.c", fixture_dir);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fputs(fixture_source, f);
	fclose(f);
	run("cd %s && cc -O1 -fPIC -shared -Wl,--build-id=sha1,-z,lazy -o lib.so "
	    "lib.c",
	    fixture_dir);
}

__attribute__((unused)) static int fixture_open_fd(const char *name)
{
	char path[PATH_MAX];

	snprintf(
	    path, sizeof(path), "%s%s%s", name[0] == '/' ? "" : fixture_dir, name[0] == '/' ? "" : "/", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0, "%s: %m", path);
	return fd;
}

/* An ELF file of the fixture's folder, or at an absolute path. */
__attribute__((unused)) static struct mp_elf *fixture_open(const char *name)
{
	struct mp_err err;
	struct mp_elf *e = NULL;

	int fd = fixture_open_fd(name);
	cr_assert_eq(mp_elf_open(fd, name, &e, &err), 0, "%s", err.text);
	close(fd);
	return e;
}

struct find {
	const char *name;
	struct mp_elf_sym sym;
	int found;
	int tables; /* bit set */
};

static int find_by_name(void *ctx, const struct mp_elf_sym *sym)
{
	struct find *find = ctx;

	if (strcmp(sym->name, find->name) == 0) {
		find->sym = *sym;
		find->found++;
		find->tables |= 1 << sym->table;
	}
	return 0;
}

__attribute__((unused)) static struct find find_symbol(const struct mp_elf *e, const char *name)
{
	struct find find = {.name = name};

	cr_assert_eq(mp_elf_each_function(e, find_by_name, &find), 0);
	return find;
}

/* Gives a stripped lib.so the .gnu_debugdata that a distribution would, as `out`. */
__attribute__((unused)) static void fixture_make_debugdata(const char *out)
{
	run("cd %s && objcopy -S --keep-symbol=hidden --keep-symbol=sizeless_local lib.so mini"
	    " && xz -k -9 -f mini && strip -o %s lib.so && objcopy --add-section .gnu_debugdata=mini.xz %s",
	    fixture_dir, out, out);
}

#endif
