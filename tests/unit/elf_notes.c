/* SPDX-License-Identifier: MIT */
/* USDT notes: what compilers and linkers make of mpsample.h, and files that lie. */
#include "tests/unit/symbolize_fixture.h"

#include <elf.h>
#include <errno.h>
#include <sys/stat.h>

#include "sampler/preload/mpsample.h" /* so that this is built anew when it changes */

TestSuite(elf_notes, .init = fixture_make, .fini = fixture_remove, .timeout = 300);

/* The header as text: where the test runs, the source tree need not be. */
extern const char header_text[];
__asm__(".pushsection .rodata\n"
	"header_text: .incbin \"sampler/preload/mpsample.h\"\n"
	".byte 0\n"
	".popsection");

static const char source[] = "#include \"mpsample.h\"\n"
			     "void f(void *p);\n"
			     "void f(void *p) { MPSAMPLE_SPAN_BEGIN(a, 1); MPSAMPLE_MARK(\"b\", 2);"
			     " MPSAMPLE_POOL_CREATE(p, \"c\", 3, 4); MPSAMPLE_SPAN_END(a, 1); }\n";

static void write_file(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", fixture_dir, name);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fputs(text, f);
	fclose(f);
}

/* m.so: the function above, with four probes. */
static struct mp_elf *open_markers(void)
{
	write_file("mpsample.h", header_text);
	write_file("m.c", source);
	run("cc -O2 -fPIC -shared -o %s/m.so %s/m.c", fixture_dir, fixture_dir);
	return fixture_open("m.so");
}

struct seen {
	char text[1024];
	uint64_t vaddr[8];
	int n, stop_at, semaphores;
};

static int see(void *ctx, const struct mp_elf_usdt *u)
{
	struct seen *s = ctx;
	size_t at = strlen(s->text);

	snprintf(s->text + at, sizeof(s->text) - at, "%s:%s(%s)\n", u->provider, u->name, u->args);
	if (s->n < 8)
		s->vaddr[s->n] = u->vaddr;
	s->semaphores += u->semaphore != 0;
	return ++s->n == s->stop_at ? 42 : 0;
}

#ifdef __x86_64__
static const char expected[] = "mpsample:span_begin(8@%rdi 8@%rsi)\nmpsample:mark(8@%rdi -8@%rsi)\n"
			       "mpsample:pool_create(8@%rdi 8@%rsi 8@%rdx 8@%rcx)\n"
			       "mpsample:span_end(8@%rdi 8@%rsi)\n";
#else
static const char expected[] = "mpsample:span_begin(8@x0 8@x1)\nmpsample:mark(8@x0 -8@x1)\n"
			       "mpsample:pool_create(8@x0 8@x1 8@x2 8@x3)\nmpsample:span_end(8@x0 8@x1)\n";
#endif

Test(elf_notes, probes_are_found_at_their_instructions)
{
	struct mp_elf *e = open_markers();
	struct seen s = {0};

	cr_assert_eq(mp_elf_each_usdt(e, see, &s), 0);
	cr_expect_str_eq(s.text, expected, "%s", s.text);
	cr_expect_eq(s.semaphores, 0);
	for (int i = 0; i < s.n; i++) {
		unsigned char code[4] = {0};
		uint64_t offset;

		cr_assert(mp_elf_code_end(e, s.vaddr[i]));
		cr_assert(mp_elf_vaddr_to_offset(e, s.vaddr[i], &offset));
		mp_elf_read(e, offset, code, sizeof(code));
#ifdef __x86_64__
		cr_expect_eq(code[0], 0x90);
		cr_expect_eq(code[1], 0x66);
#endif
	}
	s = (struct seen){.stop_at = 2};
	cr_expect_eq(mp_elf_each_usdt(e, see, &s), 42);
	cr_expect_eq(s.n, 2);
	mp_elf_close(e);
}

Test(elf_notes, a_file_without_notes)
{
	struct mp_elf *e = fixture_open("lib.so");
	struct seen s = {0};

	cr_expect_eq(mp_elf_each_usdt(e, see, &s), 0);
	cr_expect_eq(s.n, 0);
	mp_elf_close(e);
}

Test(elf_notes, stripping_keeps_them)
{
	mp_elf_close(open_markers());
	run("strip %s/m.so", fixture_dir);
	struct mp_elf *e = fixture_open("m.so");
	struct seen s = {0};

	mp_elf_each_usdt(e, see, &s);
	cr_expect_str_eq(s.text, expected);
	mp_elf_close(e);
}

/* ---- Files that were changed ---- */

struct file {
	unsigned char *bytes;
	size_t n;
	size_t notes, notes_bytes; /* of .note.stapsdt */
	Elf64_Shdr *notes_header, *base_header;
};

static struct file read_file(void)
{
	struct file f = {0};
	struct stat st;
	char path[128];

	mp_elf_close(open_markers());
	snprintf(path, sizeof(path), "%s/m.so", fixture_dir);
	int fd = open(path, O_RDONLY);
	cr_assert(fd >= 0 && !fstat(fd, &st));
	f.n = (size_t)st.st_size;
	f.bytes = malloc(f.n);
	cr_assert_eq(read(fd, f.bytes, f.n), (ssize_t)f.n);
	close(fd);

	const Elf64_Ehdr *h = (const void *)f.bytes;
	Elf64_Shdr *sections = (void *)(f.bytes + h->e_shoff);
	const char *names = (const char *)f.bytes + sections[h->e_shstrndx].sh_offset;
	for (int i = 0; i < h->e_shnum; i++) {
		if (!strcmp(names + sections[i].sh_name, ".note.stapsdt"))
			f.notes_header = &sections[i];
		if (!strcmp(names + sections[i].sh_name, ".stapsdt.base"))
			f.base_header = &sections[i];
	}
	cr_assert(f.notes_header && f.base_header);
	f.notes = f.notes_header->sh_offset;
	f.notes_bytes = f.notes_header->sh_size;
	return f;
}

/* The file as it is now, cut to `n` bytes: how many probes it shows. */
static struct seen look(const struct file *f, size_t n)
{
	struct seen s = {0};
	struct mp_elf *e;
	char path[128];

	snprintf(path, sizeof(path), "%s/changed.so", fixture_dir);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, f->bytes, n), (ssize_t)n);
	if (!mp_elf_open(fd, path, &e, NULL)) {
		mp_elf_each_usdt(e, see, &s);
		mp_elf_close(e);
	}
	close(fd);
	return s;
}

Test(elf_notes, a_moved_file_moves_its_probes)
{
	struct file f = read_file();
	struct seen before = look(&f, f.n);

	f.base_header->sh_addr += 0x1000;
	struct seen after = look(&f, f.n);
	cr_assert_eq(after.n, 4);
	for (int i = 0; i < 4; i++)
		cr_expect_eq(after.vaddr[i], before.vaddr[i] + 0x1000);
	free(f.bytes);
}

/* The section ends anywhere: the notes before that place are whole, the others are left out. */
Test(elf_notes, truncated_section)
{
	struct file f = read_file();
	int last = 0;

	for (size_t n = 0; n <= f.notes_bytes; n++) {
		f.notes_header->sh_size = n;
		struct seen s = look(&f, f.n);
		cr_expect_geq(s.n, last);
		cr_expect_leq(s.n, 4);
		cr_expect(!strncmp(s.text, expected, strlen(s.text)), "%zu: %s", n, s.text);
		last = s.n;
	}
	cr_expect_eq(last, 4);
	free(f.bytes);
}

Test(elf_notes, truncated_file)
{
	struct file f = read_file();

	for (size_t n = 0; n < f.n; n += 61)
		cr_expect_leq(look(&f, n).n, 4);
	free(f.bytes);
}

/* Any one byte of the notes is another. */
Test(elf_notes, damaged_notes)
{
	static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
	struct file f = read_file();

	for (size_t i = 0; i < f.notes_bytes; i++) {
		unsigned char saved = f.bytes[f.notes + i];

		for (size_t v = 0; v < sizeof(values); v++) {
			f.bytes[f.notes + i] = values[v];
			cr_expect_leq(look(&f, f.n).n, 4);
		}
		f.bytes[f.notes + i] = saved;
	}
	free(f.bytes);
}

Test(elf_notes, section_headers_that_lie)
{
	struct file f = read_file();
	Elf64_Shdr saved = *f.notes_header;

	f.notes_header->sh_size = UINT64_MAX;
	cr_expect_leq(look(&f, f.n).n, 4);
	f.notes_header->sh_size = f.n - saved.sh_offset; /* to the end of the file: other bytes follow */
	cr_expect_geq(look(&f, f.n).n, 4);
	f.notes_header->sh_offset = UINT64_MAX - 8;
	cr_expect_eq(look(&f, f.n).n, 0);
	*f.notes_header = saved;
	f.base_header->sh_name = UINT32_MAX;
	cr_expect_eq(look(&f, f.n).n, 4);
	Elf64_Ehdr *h = (void *)f.bytes;
	h->e_shstrndx = 0xfffe;
	cr_expect_eq(look(&f, f.n).n, 4);
	h->e_shstrndx = SHN_XINDEX;
	cr_expect_eq(look(&f, f.n).n, 4);
	free(f.bytes);
}
