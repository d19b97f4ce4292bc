/* SPDX-License-Identifier: MIT */
/* The functions of stripped Go programs, by tables of each format; and by tables with any byte changed. */
#include "symbolize/elf/gopclntab.h"

#include <errno.h>

#include "symbolize/elf/section.h"
#include "tests/unit/symbolize_fixture.h"

static void fixture_folder(void)
{
	strcpy(fixture_dir, "/tmp/mpsample-symbolize-XXXXXX");
	cr_assert(mkdtemp(fixture_dir));
}

TestSuite(gopclntab, .init = fixture_folder, .fini = fixture_remove, .timeout = 120);

#define CODE ".text\nfirst: .skip 32\nsecond: .skip 64\nend:\n"

/* Go 1.20, and with another number 1.18. */
#define TABLE_1_18(magic)                                                                                    \
	CODE ".section .gopclntab,\"a\"\nt: .4byte " magic "\n.byte 0,0,1,8\n"                               \
	     ".8byte 2,0,0,names-t,0,0,0,pairs-t\n"                                                          \
	     "names: .byte 0\nn1: .asciz \"main.first\"\nn2: .asciz \"runtime.(*T).second\"\n.balign 4\n"    \
	     "pairs: .4byte 0,f1-pairs,second-first,f2-pairs,end-first\n"                                    \
	     "f1: .4byte 0,n1-names\nf2: .4byte second-first,n2-names\n"

#define TABLE_1_16                                                                                           \
	CODE ".section .gopclntab,\"a\"\nt: .4byte 0xfffffffa\n.byte 0,0,1,8\n"                              \
	     ".8byte 2,0,names-t,0,0,0,pairs-t\n"                                                            \
	     "names: .byte 0\nn1: .asciz \"main.first\"\nn2: .asciz \"runtime.(*T).second\"\n.balign 8\n"    \
	     "pairs: .8byte 0x1000,f1-pairs,0x1020,f2-pairs,0x1060\n"                                        \
	     "f1: .8byte 0x1000\n.4byte n1-names\nf2: .8byte 0x1020\n.4byte n2-names\n"

#define TABLE_1_2                                                                                            \
	CODE ".section .gopclntab,\"a\"\nt: .4byte 0xfffffffb\n.byte 0,0,1,8\n.8byte 2\n"                    \
	     "pairs: .8byte 0x1000,f1-t,0x1020,f2-t,0x1060\n"                                                \
	     "n1: .asciz \"main.first\"\nn2: .asciz \"runtime.(*T).second\"\n.balign 8\n"                    \
	     "f1: .8byte 0x1000\n.4byte n1-t\nf2: .8byte 0x1020\n.4byte n2-t\n"

static struct mp_elf *open_again(void)
{
	char path[128];
	struct mp_elf *e;
	struct mp_err err = {""};

	snprintf(path, sizeof(path), "%s/go.so", fixture_dir);
	int fd = open(path, O_RDONLY);
	cr_assert_eq(mp_elf_open(fd, path, &e, &err), 0, "%s", err.text);
	close(fd);
	return e;
}

static struct mp_elf *make(const char *source)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/go.s", fixture_dir);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fputs(source, f);
	fclose(f);
	run("cd %s && cc -shared -nostdlib -s -o go.so go.s", fixture_dir);
	return open_again();
}

struct seen {
	char names[256];
	uint64_t vaddr[8], size[8];
	size_t n;
};

static int see(void *ctx, const struct mp_elf_sym *sym)
{
	struct seen *s = ctx;
	size_t at = strlen(s->names);

	snprintf(s->names + at, sizeof(s->names) - at, "%s;", sym->name);
	if (s->n < 8) {
		s->vaddr[s->n] = sym->vaddr;
		s->size[s->n++] = sym->size;
	}
	return 0;
}

static void expect_both(struct mp_elf *e, uint64_t first)
{
	struct mp_gopclntab *t;
	struct seen s = {0};

	cr_assert_eq(mp_gopclntab_open(e, &t), 0);
	cr_assert_eq(mp_gopclntab_each(t, see, &s), 0);
	cr_expect_str_eq(s.names, "main.first;runtime.(*T).second;");
	if (!first) { /* where the code is, as the file says */
		struct mp_section text;
		cr_assert_eq(mp_section_open(e, ".text", &text), 0);
		first = text.vaddr;
		mp_section_close(&text);
	}
	cr_expect_eq(s.vaddr[0], first);
	cr_expect_eq(s.vaddr[1], first + 32);
	cr_expect_eq(s.size[0], 32);
	cr_expect_eq(s.size[1], 64);
	mp_gopclntab_close(t);
	mp_elf_close(e);
}

Test(gopclntab, formats)
{
	expect_both(make(TABLE_1_18("0xfffffff1")), 0);
	expect_both(make(TABLE_1_18("0xfffffff0")), 0);
	expect_both(make(TABLE_1_16), 0x1000);
	expect_both(make(TABLE_1_2), 0x1000);
}

/* As in programs of any position. */
Test(gopclntab, with_what_is_relocated)
{
	mp_elf_close(make(TABLE_1_16));
	run("cd %s && objcopy --rename-section .gopclntab=.data.rel.ro.gopclntab go.so", fixture_dir);
	expect_both(open_again(), 0x1000);
}

Test(gopclntab, none)
{
	struct mp_elf *e = make(CODE);
	struct mp_gopclntab *t;

	cr_expect_eq(mp_gopclntab_open(e, &t), -ENOENT);
	mp_elf_close(e);
	e = make(TABLE_1_18("0xfffffff2"));
	cr_expect_eq(mp_gopclntab_open(e, &t), -EBADMSG);
	mp_elf_close(e);
}

/* Whatever a byte of the table says: nothing outside of it is read (which sanitizers see), and names end. */
Test(gopclntab, any_byte)
{
	static const char *const tables[] = {TABLE_1_18("0xfffffff1"), TABLE_1_16, TABLE_1_2};
	static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
	char path[128];
	size_t opened = 0;

	for (size_t k = 0; k < sizeof(tables) / sizeof(*tables); k++) {
		struct mp_elf *e = make(tables[k]);
		struct mp_section s;
		cr_assert_eq(mp_section_open(e, ".gopclntab", &s), 0);
		uint64_t offset = s.offset, size = s.size;
		mp_section_close(&s);
		snprintf(path, sizeof(path), "%s/go.so", fixture_dir);
		int fd = open(path, O_RDWR);
		for (uint64_t at = offset; at < offset + size; at++) {
			unsigned char was;
			cr_assert_eq(pread(fd, &was, 1, (off_t)at), 1);
			for (size_t v = 0; v < sizeof(values); v++) {
				struct mp_gopclntab *t;
				struct seen seen = {0};
				cr_assert_eq(pwrite(fd, &values[v], 1, (off_t)at), 1);
				if (mp_gopclntab_open(e, &t))
					continue;
				opened++;
				cr_assert_eq(mp_gopclntab_each(t, see, &seen), 0);
				mp_gopclntab_close(t);
			}
			cr_assert_eq(pwrite(fd, &was, 1, (off_t)at), 1);
		}
		close(fd);
		mp_elf_close(e);
	}
	cr_expect_gt(opened, 1000);
}
