/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <errno.h>
#include <sys/stat.h>

#include "symbolize/cfi_queue.h"
#include "symbolize/unwind/cfi_private.h"
#include "symbolize_fixture.h"

TestSuite(cfi, .timeout = 120);

/* ---- Programs ---- */

/* The CIE of every x86-64 compiler: CFA = rsp + 8, return address at CFA - 8. */
static const uint8_t usual_cie[] = {0x0c, 7, 8, 0x90, 1};
#define CODE_BYTES 100

static struct cfi_rows run_program(const uint8_t *program, size_t n, bool is_signal)
{
	struct cfi_cie cie = {.machine = EM_X86_64,
	    .code_align = 1,
	    .data_align = -8,
	    .ra_reg = 16,
	    .is_signal = is_signal,
	    .program = usual_cie,
	    .n_program = sizeof(usual_cie)};
	struct cfi_rows rows = {0};

	cr_assert_eq(mp_cfi_program_run(&cie, program, n, 0, CODE_BYTES, &rows), 0);
	cr_assert(mp_cfi_rows_valid(rows.row, rows.n));
	return rows;
}

static void expect_row(
    const struct cfi_rows *rows, size_t i, uint32_t addr, enum mp_cfi_rule rule, int cfa, int ra, int fp)
{
	cr_assert(i < rows->n, "there are %zu rows", rows->n);
	const struct mp_cfi_row *r = &rows->row[i];

	cr_expect_eq(r->addr, addr, "row %zu: address %u", i, r->addr);
	cr_expect_eq(r->rule, rule, "row %zu: rule %d", i, r->rule);
	cr_expect_eq(r->cfa_offset, cfa, "row %zu: cfa %d", i, r->cfa_offset);
	cr_expect_eq(r->ra, ra, "row %zu: ra %d", i, r->ra);
	cr_expect_eq(r->fp, fp, "row %zu: fp %d", i, r->fp);
}

#define RUN(...) run_program((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), false)

Test(cfi, frame_pointer_function)
{
	/* push %rbp at 0; mov %rsp, %rbp at 1; pop %rbp; ret at 50 */
	struct cfi_rows r = RUN(0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x02, 46, 0x0c, 7, 8);

	cr_expect_eq(r.n, 4);
	expect_row(&r, 0, 0, MP_CFI_SP, 8, -8, MP_CFI_SAME);
	expect_row(&r, 1, 1, MP_CFI_SP, 16, -8, -16);
	expect_row(&r, 2, 4, MP_CFI_FP, 16, -8, -16);
	expect_row(&r, 3, 50, MP_CFI_SP, 8, -8, -16);
	free(r.row);
}

Test(cfi, equal_rows_are_one_and_states_return)
{
	/* remember; +16; restore; then something that matters to no row (rbx) */
	struct cfi_rows r = RUN(0x41, 0x0a, 0x0e, 16, 0x44, 0x0b, 0x44, 0x83, 3, 0x44, 0xc3);

	cr_expect_eq(r.n, 3);
	expect_row(&r, 0, 0, MP_CFI_SP, 8, -8, MP_CFI_SAME);
	expect_row(&r, 1, 1, MP_CFI_SP, 16, -8, MP_CFI_SAME);
	expect_row(&r, 2, 5, MP_CFI_SP, 8, -8, MP_CFI_SAME);
	free(r.row);
}

Test(cfi, known_expressions)
{
	/* The PLT's. */
	struct cfi_rows r = RUN(0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22);
	expect_row(&r, 0, 0, MP_CFI_PLT, 11, -8, MP_CFI_SAME);
	cr_expect_eq(r.n, 1);
	free(r.row);

	/* gcc's frame with a realigned stack: rbp at 0(%rbp), CFA at -8(%rbp). */
	r = RUN(0x0c, 10, 0, 0x45, 0x10, 6, 2, 0x76, 0, 0x45, 0x0f, 3, 0x76, 0x78, 0x06);
	cr_expect_eq(r.n, 2);
	expect_row(&r, 0, 0, MP_CFI_COMPLEX, 0, MP_CFI_SAME, MP_CFI_SAME);
	expect_row(&r, 1, 10, MP_CFI_FP_DEREF, -8, -8, 0);
	free(r.row);
}

Test(cfi, what_does_not_fit_is_complex)
{
	static const uint8_t programs[][12] = {
	    {0x0d, 3},                            /* CFA by rbx */
	    {0x0f, 4, 0x77, 8, 0x06, 0x06},       /* an expression */
	    {0x09, 16, 0},                        /* the return address in rax */
	    {0x0e, 0x80, 0x80, 0x80, 0x80, 0x01}, /* 2^28 bytes */
	    {0x14, 7, 2},                         /* a stack pointer that is not the CFA */
	    {0x05, 6, 0x80, 0x80, 0x01},          /* rbp 128 KiB away */
	    {0x08, 16},                           /* the return address in no memory */
	};
	static const size_t sizes[] = {2, 6, 3, 6, 3, 5, 2};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct cfi_rows r = run_program(programs[i], sizes[i], false);

		cr_expect_eq(r.n, 1);
		cr_expect_eq(r.row[0].rule, MP_CFI_COMPLEX, "program %zu: rule %d", i, r.row[0].rule);
		free(r.row);
	}
}

Test(cfi, signal_and_outermost)
{
	struct cfi_rows r = run_program((const uint8_t[]){0x44, 0x0e, 16}, 3, true);
	cr_expect_eq(r.n, 1);
	cr_expect_eq(r.row[0].rule, MP_CFI_SIGNAL);
	free(r.row);

	r = RUN(0x07, 16);
	cr_expect_eq(r.row[0].rule, MP_CFI_OUTERMOST);
	free(r.row);
}

Test(cfi, damaged_programs_end_in_nothing)
{
	/* restore without remember; unknown; an operand that is missing; a block longer than the program */
	static const uint8_t programs[][4] = {
	    {0x44, 0x0b}, {0x44, 0x3f}, {0x44, 0x0c, 7}, {0x44, 0x0f, 99, 1}};
	static const size_t sizes[] = {2, 2, 3, 4};

	for (size_t i = 0; i < 4; i++) {
		struct cfi_rows r = run_program(programs[i], sizes[i], false);

		cr_assert_eq(r.n, 2, "program %zu", i);
		cr_expect_eq(r.row[0].rule, MP_CFI_SP);
		cr_expect_eq(r.row[1].addr, 4);
		cr_expect_eq(r.row[1].rule, MP_CFI_NONE);
		free(r.row);
	}
	/* What lies behind the function's end says nothing. */
	struct cfi_rows r = RUN(0x02, 200, 0x3f, 0x3f);
	cr_expect_eq(r.n, 1);
	free(r.row);
}

/* ---- Files ---- */

/* Functions whose tables are known. `hole` has none. */
static const char source[] =
    ".text\n.globl first, hole, early, trampoline, last\n"
    ".balign 64\nfirst: .cfi_startproc\n push %rbp\n.cfi_def_cfa_offset 16\n.cfi_offset 6, -16\n"
    " mov %rsp, %rbp\n.cfi_def_cfa_register 6\n pop %rbp\n.cfi_def_cfa 7, 8\n ret\n.cfi_endproc\n"
    ".balign 64\nhole: .skip 64, 0x90\n"
    "early: .cfi_startproc\n.skip 32, 0x90\n.cfi_def_cfa_offset 32\n.skip 96, 0x90\n.cfi_endproc\n"
    ".balign 64\ntrampoline: .cfi_startproc\n.cfi_signal_frame\n.skip 64, 0x90\n.cfi_endproc\n"
    "last: .cfi_startproc\n.cfi_undefined 16\n.skip 64, 0x90\n.cfi_endproc\n"
    ".section .note.GNU-stack,\"\",@progbits\n";

static void make_file(const char *flags)
{
	char path[128];

	if (!fixture_dir[0]) {
		strcpy(fixture_dir, "/tmp/mpsample-symbolize-XXXXXX");
		cr_assert(mkdtemp(fixture_dir));
	}
	snprintf(path, sizeof(path), "%s/cfi.s", fixture_dir);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fputs(source, f);
	fclose(f);
	run("cd %s && cc -shared -nostdlib -Wl,--build-id=sha1 %s -o cfi.so cfi.s", fixture_dir, flags);
}

static struct mp_elf *open_made(const char *name)
{
	char path[128];
	struct mp_elf *e;
	struct mp_err err = {""};

	snprintf(path, sizeof(path), "%s/%s", fixture_dir, name);
	int fd = open(path, O_RDONLY);
	cr_assert(fd >= 0);
	cr_assert_eq(mp_elf_open(fd, path, &e, &err), 0, "%s", err.text);
	close(fd);
	return e;
}

/* Where the section with the code begins, which `first` does. */
static uint64_t first_vaddr(const struct mp_elf *e)
{
	struct mp_section text;

	cr_assert_eq(mp_section_open(e, ".text", &text), 0);
	uint64_t vaddr = text.vaddr;
	mp_section_close(&text);
	return vaddr;
}

static void expect_found(const struct mp_cfi *c, uint64_t vaddr, enum mp_cfi_rule rule, int cfa)
{
	const struct mp_cfi_row *r = mp_cfi_find(c, vaddr);

	cr_expect_eq(r ? r->rule : MP_CFI_NONE, rule, "at %#lx", (unsigned long)vaddr);
	if (r && cfa)
		cr_expect_eq(r->cfa_offset, cfa, "at %#lx: %d", (unsigned long)vaddr, r->cfa_offset);
}

static void expect_table(const struct mp_cfi *c, uint64_t text, bool has_signal)
{
	expect_found(c, 0, MP_CFI_NONE, 0);
	expect_found(c, text - 1, MP_CFI_NONE, 0);
	expect_found(c, text, MP_CFI_SP, 8);
	expect_found(c, text + 1, MP_CFI_SP, 16);
	expect_found(c, text + 4, MP_CFI_FP, 16);
	expect_found(c, text + 5, MP_CFI_SP, 8);
	expect_found(c, text + 6, MP_CFI_NONE, 0);
	expect_found(c, text + 64, MP_CFI_NONE, 0);
	expect_found(c, text + 128, MP_CFI_SP, 8);
	expect_found(c, text + 128 + 31, MP_CFI_SP, 8);
	expect_found(c, text + 128 + 32, MP_CFI_SP, 32);
	expect_found(c, text + 255, MP_CFI_SP, 32);
	expect_found(c, text + 256, has_signal ? MP_CFI_SIGNAL : MP_CFI_SP, 0);
	expect_found(c, text + 320, MP_CFI_OUTERMOST, 0);
	expect_found(c, text + 383, MP_CFI_OUTERMOST, 0);
	expect_found(c, text + 384, MP_CFI_NONE, 0);
	expect_found(c, UINT64_MAX, MP_CFI_NONE, 0);
}

static struct mp_cfi *build(const struct mp_elf *e, const struct mp_elf *debug, const char *cache)
{
	struct mp_err err = {""};
	struct mp_cfi *c;

	cr_assert_eq(mp_cfi_build(e, debug, cache, &c, &err), 0, "%s", err.text);
	return c;
}

Test(cfi, table_of_a_file, .fini = fixture_remove)
{
	make_file("");
	struct mp_elf *e = open_made("cfi.so");
	struct mp_cfi *c = build(e, NULL, NULL);

	expect_table(c, first_vaddr(e), true);
	cr_expect_eq(mp_cfi_rows(c), 10);
	mp_cfi_free(c);
	mp_elf_close(e);
}

static int expect_entry(void *ctx, const struct mp_elf_sym *sym)
{
	if (strncmp(sym->name, "shown", 5) == 0 || strcmp(sym->name, "hidden") == 0)
		expect_found(ctx, sym->vaddr, MP_CFI_SP, 8);
	if (strncmp(sym->name, "sizeless", 8) == 0) /* bare assembly */
		expect_found(ctx, sym->vaddr, MP_CFI_NONE, 0);
	return 0;
}

Test(cfi, entries_of_compiled_functions, .init = fixture_make, .fini = fixture_remove)
{
	struct mp_elf *e = open_made("lib.so");
	struct mp_cfi *c = build(e, NULL, NULL);

	mp_elf_each_function(e, expect_entry, c);
	mp_cfi_free(c);
	mp_elf_close(e);
}

Test(cfi, table_without_section_headers, .fini = fixture_remove)
{
	make_file("-Wl,--eh-frame-hdr");
	struct mp_elf *e = open_made("cfi.so");
	uint64_t text = first_vaddr(e);
	mp_elf_close(e);

	/* e_shoff, e_shnum, e_shstrndx */
	run("cd %s && printf '\\0\\0\\0\\0\\0\\0\\0\\0' | dd of=cfi.so bs=1 seek=40 conv=notrunc status=none "
	    "&& "
	    "printf '\\0\\0\\0\\0' | dd of=cfi.so bs=1 seek=60 conv=notrunc status=none",
	    fixture_dir);
	e = open_made("cfi.so");
	struct mp_cfi *c = build(e, NULL, NULL);
	expect_table(c, text, true);
	mp_cfi_free(c);
	mp_elf_close(e);
}

/* libdwarf does not know the augmentation of signal frames there. */
Test(cfi, debug_frame_of_the_separate_file, .fini = fixture_remove)
{
	struct mp_err err = {""};
	struct mp_cfi *c;

	make_file("-Wa,--gdwarf-5");
	run("cd %s && sed -i -e '1i.cfi_sections .debug_frame' -e 's/.cfi_signal_frame//' cfi.s && cc "
	    "-shared -nostdlib -o cfi.so cfi.s && "
	    "objcopy --only-keep-debug cfi.so cfi.debug && strip -g -R .debug_frame cfi.so",
	    fixture_dir);
	struct mp_elf *e = open_made("cfi.so"), *debug = open_made("cfi.debug");

	cr_expect_eq(mp_cfi_build(e, NULL, NULL, &c, &err), -ENOENT);
	cr_expect(err.text[0]);
	c = build(e, debug, NULL);
	expect_table(c, first_vaddr(e), false);
	mp_cfi_free(c);
	mp_elf_close(debug);
	mp_elf_close(e);
}

Test(cfi, damaged_sections_are_refused_or_say_less, .fini = fixture_remove)
{
	struct mp_section eh;
	unsigned refused = 0;

	make_file("");
	struct mp_elf *e = open_made("cfi.so");
	cr_assert_eq(mp_section_open(e, ".eh_frame", &eh), 0);
	unsigned long offset = eh.offset, size = eh.size;
	mp_section_close(&eh);
	mp_elf_close(e);
	for (unsigned long at = 0; at < size; at += 3) {
		struct mp_err err = {""};
		struct mp_cfi *c = NULL;

		run("cd %s && cp cfi.so bad.so && printf '\\377\\377' | dd of=bad.so bs=1 seek=%lu "
		    "conv=notrunc "
		    "status=none",
		    fixture_dir, offset + at);
		e = open_made("bad.so");
		int rc = mp_cfi_build(e, NULL, NULL, &c, &err);
		cr_expect(rc == 0 || rc == -EBADMSG || rc == -ENOENT, "%lu: %d %s", at, rc, err.text);
		refused += rc < 0;
		mp_cfi_free(c);
		mp_elf_close(e);
	}
	cr_expect_gt(refused, 0);
}

/* ---- The queue ---- */

static struct mp_symfile *symfile(const char *name, const char *path)
{
	struct mp_symfile *f = mp_symfile_new(open_made(name), path);

	cr_assert(f);
	return f;
}

/* What becomes of two files' tables within these bounds. */
static void get_two(const struct mp_cfi_queue_options *options, struct mp_symfile *file[2])
{
	struct mp_cfi_queue *q = mp_cfi_queue_new(options);
	bool is_pending;

	cr_assert(q);
	for (int i = 0; i < 2; i++) {
		file[i] = symfile("cfi.so", "/app/cfi.so");
		mp_cfi_queue_get(q, file[i], &is_pending);
		mp_cfi_queue_get(q, file[i], &is_pending);
	}
	mp_cfi_queue_wait(q, -1);
	for (int i = 0; i < 2; i++) {
		cr_expect_eq(mp_cfi_queue_get(q, file[i], &is_pending), file[i]->cfi);
		cr_expect_not(is_pending);
	}
	cr_expect_eq(mp_cfi_queue_done(q), 2);
	mp_cfi_queue_free(q);
}

Test(cfi, queue_has_bounds_for_all_tables, .fini = fixture_remove)
{
	struct mp_cfi_queue_options o = {.cache_dir = NULL};
	struct mp_symfile *file[2];

	make_file("");
	get_two(&o, file);
	cr_assert(file[0]->cfi && file[1]->cfi);
	cr_expect_str_empty(file[1]->cfi_err.text);
	o.bytes_max = 2 * mp_cfi_bytes(file[0]->cfi) - 1;
	for (int i = 0; i < 3; i++) {
		mp_symfile_free(file[0]);
		mp_symfile_free(file[1]);
		if (i == 2)
			break;
		get_two(&o, file);
		cr_expect(file[0]->cfi);
		cr_expect_null(file[1]->cfi, "bound %d", i);
		cr_expect(strstr(file[1]->cfi_err.text, i ? "too much time" : "too much memory"), "%s",
		    file[1]->cfi_err.text);
		o = (struct mp_cfi_queue_options){.build_ns_max = 1};
	}
}

/* The debug file is found by the builder; before that there are no names, nor sources that are without it. */
Test(cfi, queue_finds_debug_files, .init = fixture_make, .fini = fixture_remove)
{
	run("cd %s && mkdir app && cc -g -O1 -fPIC -shared -Wl,--build-id=sha1 -o full.so lib.c && objcopy "
	    "--only-keep-debug full.so app/full.debug && "
	    "objcopy -S --add-gnu-debuglink=app/full.debug full.so app/bare.so",
	    fixture_dir);
	struct mp_debug_files_options where = {.root_fd = open(fixture_dir, O_PATH | O_DIRECTORY)};
	struct mp_debug_files *files = mp_debug_files_new(&where);
	struct mp_cfi_queue *q = mp_cfi_queue_new(&(struct mp_cfi_queue_options){.files = files});
	struct mp_symfile *f = symfile("app/bare.so", "/app/bare.so"),
			  *other = symfile("app/bare.so", "/app/bare.so"),
			  *none = symfile("app/bare.so", "/gone/bare.so");
	struct mp_elf *full = open_made("full.so");
	uint64_t hidden = find_symbol(full, "hidden").sym.vaddr;
	struct mp_found found;

	f->debug_state = MP_CFI_PENDING;
	mp_symfile_find(f, hidden, true, &found);
	cr_expect_eq(found.n, 0);
	cr_expect_not(f->is_opened);

	f->debug_state = MP_CFI_UNASKED;
	mp_cfi_queue_add(q, f);
	mp_cfi_queue_add(q, none);
	mp_cfi_queue_find_debug(q, f);
	mp_symfile_find(f, hidden, true, &found);
	cr_assert_eq(found.n, 1);
	cr_expect_str_eq(found.function[0].function, "hidden");
	cr_expect_gt(found.function[0].line, 0);

	mp_cfi_queue_find_debug(q, other); /* nobody asked */
	cr_expect(other->debug.elf);
	mp_cfi_queue_wait(q, -1);
	cr_expect_eq(none->debug_state, MP_CFI_READY);
	cr_expect_null(none->debug.elf);
	cr_expect_eq(f->cfi_state, MP_CFI_UNASKED, "no table was asked for");
	cr_expect_eq(mp_cfi_queue_done(q), 0);
	mp_cfi_queue_free(q);
	mp_symfile_free(f);
	mp_symfile_free(other);
	mp_symfile_free(none);
	mp_elf_close(full);
	mp_debug_files_free(files);
	close(where.root_fd);
}

/* ---- The cache ---- */

static char cache_file[256];

static void find_cache_file(const struct mp_elf *e, const char *cache)
{
	snprintf(cache_file, sizeof(cache_file), "%s/%s.cfi", cache, mp_elf_build_id(e));
	cr_assert_eq(access(cache_file, R_OK), 0, "%s", cache_file);
}

/* What `change`, a command about $f, makes of the cache's file is not taken: it is made again. */
static void expect_not_taken(const struct mp_elf *e, const char *cache, const char *change)
{
	run("cp -p %s %s/good", cache_file, fixture_dir);
	run("f=%s; %s", cache_file, change);
	struct mp_cfi *c = build(e, NULL, cache);
	expect_table(c, first_vaddr(e), true);
	mp_cfi_free(c);
	run("cmp -s %s %s/good && test $(stat -c %%a %s) = 600", cache_file, fixture_dir, cache_file);
}

Test(cfi, cache, .fini = fixture_remove)
{
	struct mp_cfi_row *row;
	char cache[128];
	size_t n;

	make_file("");
	snprintf(cache, sizeof(cache), "%s/new/cache", fixture_dir);
	struct mp_elf *e = open_made("cfi.so");
	mp_cfi_free(build(e, NULL, cache));
	cr_expect_neq(access(cache, F_OK), 0, "folders are mp_cfi_cache_dir()'s to make");
	run("mkdir -p %s", cache);
	for (int i = 0; i < 2; i++) {
		struct mp_cfi *c = build(e, NULL, cache);
		expect_table(c, first_vaddr(e), true);
		mp_cfi_free(c);
	}
	find_cache_file(e, cache);
	expect_not_taken(e, cache, "truncate -s -1 $f");
	expect_not_taken(e, cache, "truncate -s 0 $f");
	expect_not_taken(e, cache, "printf x | dd of=$f bs=1 seek=240 conv=notrunc status=none");
	expect_not_taken(e, cache, "chmod 664 $f");
	expect_not_taken(e, cache, "chmod 602 $f");
	/* Other bytes under the same build-id, as an unfriendly program may have. */
	cr_expect_eq(mp_cfi_cache_load(cache, mp_elf_build_id(e), 0, 1, &row, &n), -EBADMSG);
	mp_elf_close(e);
}

Test(cfi, cache_in_a_folder_of_others_is_not_used, .fini = fixture_remove)
{
	char cache[128];

	make_file("");
	snprintf(cache, sizeof(cache), "%s/cache", fixture_dir);
	run("mkdir -m 777 %s", cache);
	run("chmod 777 %s", cache);
	struct mp_elf *e = open_made("cfi.so");
	struct mp_cfi *c = build(e, NULL, cache);
	expect_table(c, first_vaddr(e), true);
	mp_cfi_free(c);
	run("rmdir %s", cache); /* empty */
	mp_elf_close(e);
}

/* The vector of the paper's appendix A, in one piece and in two. */
Test(cfi, siphash)
{
	uint8_t key[CFI_KEY_BYTES], message[15], longer[100];
	struct cfi_siphash h, whole;

	for (uint8_t i = 0; i < sizeof(key); i++)
		key[i] = i;
	for (uint8_t i = 0; i < sizeof(message); i++)
		message[i] = i;
	for (uint8_t i = 0; i < sizeof(longer); i++)
		longer[i] = (uint8_t)(i * 7);
	for (size_t cut = 0; cut <= sizeof(message); cut++) {
		mp_cfi_siphash_begin(&h, key);
		mp_cfi_siphash_add(&h, message, cut);
		mp_cfi_siphash_add(&h, message + cut, sizeof(message) - cut);
		cr_expect_eq(mp_cfi_siphash_end(&h), UINT64_C(0xa129ca6149be45e5), "cut at %zu", cut);
	}
	mp_cfi_siphash_begin(&whole, key);
	mp_cfi_siphash_add(&whole, longer, sizeof(longer));
	uint64_t sum = mp_cfi_siphash_end(&whole);
	for (size_t piece = 1; piece < 20; piece++) {
		mp_cfi_siphash_begin(&h, key);
		for (size_t at = 0; at < sizeof(longer); at += piece)
			mp_cfi_siphash_add(
			    &h, longer + at, piece < sizeof(longer) - at ? piece : sizeof(longer) - at);
		cr_expect_eq(mp_cfi_siphash_end(&h), sum, "pieces of %zu", piece);
	}
}

static uint64_t own_sum(struct cfi_source *own, const struct mp_elf *e, uint8_t first_of_key)
{
	uint8_t key[CFI_KEY_BYTES] = {first_of_key};
	uint64_t sum = 0;

	cr_assert_eq(mp_cfi_source_open(e, NULL, own), 0);
	cr_assert_eq(mp_cfi_source_own(own, key, &sum), 0);
	return sum;
}

/* What was summed up is what is read: the file may be changed in between. Nobody without the key knows a sum.
 */
Test(cfi, sources_are_summed_up_and_kept, .fini = fixture_remove)
{
	struct cfi_source own, again;
	uint8_t before[64], after[64];

	make_file("");
	struct mp_elf *e = open_made("cfi.so");
	uint64_t sum = own_sum(&own, e, 1);
	cr_expect_eq(own_sum(&again, e, 1), sum);
	mp_cfi_source_close(&again);
	cr_expect_neq(own_sum(&again, e, 2), sum);
	mp_cfi_source_close(&again);

	struct mp_section eh;
	cr_assert_eq(mp_section_open(e, ".eh_frame", &eh), 0);
	cr_assert_eq(mp_section_read(&eh, 0, before, sizeof(before)), sizeof(before));
	run("printf '\\377' | dd of=%s/cfi.so bs=1 seek=%lu conv=notrunc status=none", fixture_dir,
	    (unsigned long)eh.offset + 20);
	cr_expect_eq(mp_section_read(&own.eh_frame, 0, after, sizeof(after)), sizeof(after));
	cr_expect_arr_eq(before, after, sizeof(before));
	cr_expect_eq(own.eh_frame.vaddr, eh.vaddr);
	cr_expect_eq(own.eh_frame.size, eh.size);
	cr_expect_neq(own_sum(&again, e, 1), sum);
	mp_cfi_source_close(&again);
	mp_cfi_source_close(&own);
	mp_elf_close(e);
}

/* Whether the table is in the cache after it was asked for. */
static bool is_stored(const struct mp_elf *e, const char *cache)
{
	struct mp_cfi *c = build(e, NULL, cache);

	expect_table(c, first_vaddr(e), true);
	mp_cfi_free(c);
	snprintf(cache_file, sizeof(cache_file), "%s/%s.cfi", cache, mp_elf_build_id(e));
	return unlink(cache_file) == 0;
}

Test(cfi, cache_needs_its_key, .fini = fixture_remove)
{
	uint8_t key[CFI_KEY_BYTES], same[CFI_KEY_BYTES], other[CFI_KEY_BYTES];
	char cache[128];

	make_file("");
	struct mp_elf *e = open_made("cfi.so");
	snprintf(cache, sizeof(cache), "%s/other", fixture_dir);
	run("mkdir %s %s/cache", cache, fixture_dir);
	cr_assert_eq(mp_cfi_cache_key(cache, other), 0);
	snprintf(cache, sizeof(cache), "%s/cache", fixture_dir);
	cr_expect(is_stored(e, cache));
	run("cd %s && test \"$(stat -c %%s%%a key) $(ls -A)\" = '16600 key'", cache);
	cr_assert_eq(mp_cfi_cache_key(cache, key), 0);
	cr_assert_eq(mp_cfi_cache_key(cache, same), 0);
	cr_expect_arr_eq(key, same, sizeof(key));
	cr_expect_arr_neq(key, other, sizeof(key));

	static const char *const changes[] = {"chmod 640 key", "truncate -s 15 key", "truncate -s 17 key",
	    "rm key; ln -s ../other/key key", "rm key; mkdir key"};
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		run("cd %s && rm -rf key && cp -p ../other/key key", cache);
		cr_expect(is_stored(e, cache));
		run("cd %s && %s", cache, changes[i]);
		cr_expect_not(is_stored(e, cache), "%s", changes[i]);
	}
	/* What was stored under another key is not taken. */
	run("rm -rf %s/key", cache);
	mp_cfi_free(build(e, NULL, cache));
	find_cache_file(e, cache);
	run("cp %s %s/good && cp -p %s/other/key %s/key", cache_file, fixture_dir, fixture_dir, cache);
	mp_cfi_free(build(e, NULL, cache));
	run("! cmp -s %s %s/good", cache_file, fixture_dir);
	mp_elf_close(e);
}

/* Files as large as a full cache take no room: they are holes. Number 1 is the oldest. */
Test(cfi, cache_stays_small, .fini = fixture_remove)
{
	char cache[128];

	make_file("");
	struct mp_elf *e = open_made("cfi.so");
	snprintf(cache, sizeof(cache), "%s/cache", fixture_dir);
	run("mkdir %s", cache);
	mp_cfi_free(build(e, NULL, cache));
	find_cache_file(e, cache);
	run("cd %s && rm %s && truncate -s 600M key.txt .new.1 .old.1 && for i in 1 2 3 4 5 6 7 8; do"
	    " truncate -s 64M $i.cfi && touch -d \"-$((9 - i)) days\" $i.cfi; done"
	    " && touch -d '-2 hours' .old.1 && ln -s 1.cfi link.cfi",
	    cache, cache_file);
	mp_cfi_free(build(e, NULL, cache));
	run("cd %s && test \"$(LC_ALL=C ls -A | grep -v %s | tr '\\n' ' ')\" = '.new.1 2.cfi 3.cfi 4.cfi "
	    "5.cfi 6.cfi 7.cfi "
	    "8.cfi key key.txt link.cfi '",
	    cache, mp_elf_build_id(e));
	/* What is used is kept. */
	run("touch -d '-9 days' %s && rm %s/8.cfi", cache_file, cache);
	mp_cfi_free(build(e, NULL, cache));
	run("cd %s && truncate -s 64M 9.cfi", cache);
	int fd = open(cache, O_RDONLY | O_DIRECTORY);
	cr_expect_eq(mp_cfi_cache_trim(fd, (UINT64_C(129) << 20) + 8192), 0);
	run("cd %s && test -e %s && test \"$(echo ?.cfi)\" = '7.cfi 9.cfi'", cache, cache_file);
	cr_expect_eq(mp_cfi_cache_trim(fd, 0), 0);
	run("cd %s && ! test -e %s && test \"$(echo *)\" = 'key key.txt link.cfi'", cache, cache_file);
	close(fd);
	mp_elf_close(e);
}

Test(cfi, large_tables_are_not_stored, .init = fixture_make, .fini = fixture_remove)
{
	size_t n = CFI_CACHE_TABLE_BYTES_MAX / sizeof(struct mp_cfi_row);
	struct mp_cfi_row *rows = calloc(n, sizeof(*rows));
	char cache[128];

	snprintf(cache, sizeof(cache), "%s/cache", fixture_dir);
	run("mkdir %s", cache);
	cr_assert(rows);
	cr_expect_eq(mp_cfi_cache_store(cache, "abcd", 0, 1, rows, n), -E2BIG);
	cr_expect_eq(mp_cfi_cache_store(cache, "abce", 0, 1, rows, n - 100), 0);
	run("cd %s && test $(ls) = abce.cfi", cache);
	free(rows);
}

/* mp_cfi_cache_dir() with these variables, within the fixture's folder ("": not set), where "system" stands
 * for /var/cache. The folder that it tells, without the fixture's, or NULL. */
static const char *cache_dir_with(const char *xdg, const char *home)
{
	static char got[256];
	char path[128];

	unsetenv("XDG_CACHE_HOME");
	unsetenv("HOME");
	snprintf(path, sizeof(path), "%s/%s", fixture_dir, xdg);
	if (xdg[0])
		setenv("XDG_CACHE_HOME", path, 1);
	snprintf(path, sizeof(path), "%s/%s", fixture_dir, home);
	if (home[0])
		setenv("HOME", path, 1);
	snprintf(path, sizeof(path), "%s/system", fixture_dir);
	if (mp_cfi_cache_dir_or(path, got, sizeof(got)) < 0)
		return NULL;
	run("test $(stat -c %%a%%u %s) = 700%d", got, (int)geteuid());
	return got + strlen(fixture_dir);
}

Test(cfi, folder_of_the_cache, .init = fixture_make, .fini = fixture_remove)
{
	bool is_root = geteuid() == 0;
	char small[4];

	run("cd %s && mkdir home xdg system", fixture_dir);
	cr_expect_str_eq(cache_dir_with("", "home"), "/home/.cache/mpsample");
	cr_expect_str_eq(cache_dir_with("", "home"), "/home/.cache/mpsample", "when it is there");
	cr_expect_str_eq(cache_dir_with("xdg", "home"), "/xdg/mpsample");
	cr_expect_str_eq(cache_dir_with("new/", "home"), "/new//mpsample");
	cr_expect_eq(mp_cfi_cache_dir_or("/nonexistent", small, sizeof(small)), -ENAMETOOLONG);
	const char *none = cache_dir_with("", "");
	cr_expect(is_root ? !strcmp(none, "/system/mpsample") : !none);
	none = cache_dir_with("no/where", "home");
	cr_expect(is_root ? !strcmp(none, "/system/mpsample") : !none);
}

/* Nothing is made where a link leads, nor in a folder of somebody else's. */
Test(cfi, folder_of_the_cache_is_ours, .init = fixture_make, .fini = fixture_remove)
{
	run("cd %s && mkdir home system other && ln -s ../other home/.cache", fixture_dir);
	cr_expect_null(cache_dir_with("", "home"));
	run("cd %s && rm home/.cache && mkdir home/.cache && ln -s ../../other home/.cache/mpsample",
	    fixture_dir);
	cr_expect_null(cache_dir_with("", "home"));
	run("rmdir %s/other", fixture_dir); /* empty */
	if (geteuid() != 0)
		cr_skip_test("needs root");
	run("cd %s && rm -r home/.cache && chown 65534 home", fixture_dir);
	const char *dir = cache_dir_with("", "home");
	cr_expect(dir && !strcmp(dir, "/system/mpsample"), "%s", dir);
	dir = cache_dir_with("home", "home");
	cr_expect(dir && !strcmp(dir, "/system/mpsample"), "%s", dir);
	dir = cache_dir_with("home/new", "home");
	cr_expect(dir && !strcmp(dir, "/system/mpsample"), "%s", dir);
	run("rmdir %s/home", fixture_dir); /* empty */
}

Test(cfi, rows_out_of_order_are_not_valid)
{
	struct mp_cfi_row rows[] = {{.addr = 1, .rule = MP_CFI_SP}, {.addr = 5, .rule = MP_CFI_FP}};

	cr_expect(mp_cfi_rows_valid(rows, 2));
	rows[1].addr = 1;
	cr_expect_not(mp_cfi_rows_valid(rows, 2));
	rows[1].addr = 5;
	rows[1].rule = (uint32_t)(MP_CFI_COMPLEX + 1) & 15;
	cr_expect_not(mp_cfi_rows_valid(rows, 2));
}
