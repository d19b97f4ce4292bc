/* SPDX-License-Identifier: MIT */
#include "tests/unit/symbolize_fixture.h"

#include <errno.h>
#include <stdbool.h>

#include "symbolize/debug_file.h"
#include "symbolize/dwarf/dwarf.h"

TestSuite(dwarf, .init = fixture_make, .fini = fixture_remove, .timeout = 300);

#define FRAMES_MAX 16

static void write_file(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", fixture_dir, name);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fputs(text, f);
	cr_assert_eq(fclose(f), 0);
}

/* An open file with DWARF, and what it asks for further ones through. */
struct opened {
	struct mp_elf *e;
	struct mp_dwarf *d;
	char path[128];
	struct mp_debug_files *files;
	struct mp_debug_source source;
};

static void open_dwarf(struct opened *o, const char *name)
{
	struct mp_debug_files_options options = {.root_fd = -1};
	struct mp_err err = {0};

	snprintf(o->path, sizeof(o->path), "%s/%s", fixture_dir, name);
	o->e = fixture_open(name);
	o->files = mp_debug_files_new(&options);
	o->source = (struct mp_debug_source){o->files, o->path, NULL};
	struct mp_dwarf_files callbacks = mp_debug_source_files(&o->source);
	cr_assert_eq(mp_dwarf_open(o->e, &callbacks, &o->d, &err), 0, "%s: %s", name, err.text);
}

static void close_dwarf(struct opened *o)
{
	mp_dwarf_close(o->d);
	mp_debug_files_free(o->files);
	mp_elf_close(o->e);
}

static uint64_t address_of(struct opened *o, const char *symbol)
{
	struct find find = find_symbol(o->e, symbol);

	cr_assert(find.found, "no symbol %s", symbol);
	return find.sym.vaddr;
}

/* The frames at `vaddr` as "inner f.c:3 < outer f.c:7": the last component of each file. */
static void told(struct mp_dwarf *d, uint64_t vaddr, char *out, size_t size)
{
	struct mp_dwarf_frame frames[FRAMES_MAX];
	size_t n = mp_dwarf_find(d, vaddr, frames, FRAMES_MAX), done = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n && done < size; i++) {
		const char *file = frames[i].file ? frames[i].file : "?", *slash = strrchr(file, '/');

		done += (size_t)snprintf(out + done, size - done, "%s%s %s:%d", i ? " < " : "",
		    frames[i].function ? frames[i].function : "?", slash ? slash + 1 : file, frames[i].line);
	}
}

#define expect_told(d, vaddr, expected, ...)                                                                 \
	do {                                                                                                 \
		char text[1024];                                                                             \
		told(d, vaddr, text, sizeof(text));                                                          \
		cr_expect_str_eq(                                                                            \
		    text, expected, "%s: is '%s', should be '%s'", __VA_ARGS__, text, expected);             \
	} while (0)

/* ---- What compilers make ---- */

/* The labels are where nothing else is: the truth is in the lines. */
static const char inlining[] = "int seen;\n"
			       "#define AT(label) asm volatile(\".globl \" label \"\\n.type \" label "
			       "\", @function\\n\" label \": nop\" ::: \"memory\")\n"
			       "static inline __attribute__((always_inline)) void inner(int x)\n"
			       "{\n"
			       "	seen = x;\n"
			       "	AT(\"at_inner\");\n" /* 6 */
			       "}\n"
			       "static inline __attribute__((always_inline)) void middle(int x)\n"
			       "{\n"
			       "	inner(x + seen);\n" /* 10 */
			       "	AT(\"at_middle\");\n"
			       "}\n"
			       "int outer(int x)\n"
			       "{\n"
			       "	middle(x);\n" /* 15 */
			       "	AT(\"at_outer\");\n"
			       "	return seen;\n"
			       "}\n";

static void check_inlining(const char *name)
{
	struct mp_dwarf_frame frames[FRAMES_MAX];
	struct opened o;
	char expected[160];

	open_dwarf(&o, name);
	uint64_t inner = address_of(&o, "at_inner"), outer = address_of(&o, "outer");
	expect_told(o.d, inner, "inner f.c:6 < middle f.c:10 < outer f.c:15", name);
	expect_told(o.d, address_of(&o, "at_middle"), "middle f.c:11 < outer f.c:15", name);
	expect_told(o.d, address_of(&o, "at_outer"), "outer f.c:16", name);

	cr_expect_eq(mp_dwarf_find(o.d, inner, frames, FRAMES_MAX), 3, "%s", name);
	snprintf(expected, sizeof(expected), "%s/f.c", fixture_dir);
	for (int i = 0; i < 3; i++) {
		cr_expect_str_eq(frames[i].file, expected, "%s", name);
		cr_expect_eq(frames[i].start, outer, "%s: %#lx", name, (unsigned long)frames[i].start);
	}
	/* The innermost ones, where there is no room for all. */
	cr_expect_eq(mp_dwarf_find(o.d, inner, frames, 2), 2);
	cr_expect_str_eq(frames[1].function, "middle");
	cr_expect_eq(frames[1].start, outer);
	cr_expect_eq(mp_dwarf_find(o.d, inner, frames, 0), 0);
	cr_expect_null(mp_dwarf_damage(o.d), "%s: %s", name, mp_dwarf_damage(o.d));
	cr_expect_leq(mp_dwarf_bytes(o.d), MP_DWARF_BYTES_MAX);
	close_dwarf(&o);
}

static void check_compiled(const char *name, const char *compiler, const char *options)
{
	run("cd %s && %s -O1 -fPIC -shared -nostdlib %s -o %s f.c", fixture_dir, compiler, options, name);
	check_inlining(name);
}

Test(dwarf, each_version_of_gcc)
{
	write_file("f.c", inlining);
	check_compiled("gcc2", "gcc", "-gdwarf-2");
	check_compiled("gcc3", "gcc", "-gdwarf-3");
	check_compiled("gcc4", "gcc", "-gdwarf-4");
	check_compiled("gcc5", "gcc", "-gdwarf-5");
	check_compiled("types", "gcc", "-gdwarf-5 -fdebug-types-section");
	check_compiled("sections", "gcc", "-gdwarf-5 -ffunction-sections");
}

Test(dwarf, sixty_four_bit)
{
	write_file("f.c", inlining);
	if (system("echo 'int x;' | gcc -gdwarf-5 -gdwarf64 -xc -c -o /dev/null - 2>/dev/null") != 0)
		cr_skip_test("this gcc makes no 64-bit DWARF");
	check_compiled("gcc64", "gcc", "-gdwarf-5 -gdwarf64");
	check_compiled("gcc64_4", "gcc", "-gdwarf-4 -gdwarf64");
}

Test(dwarf, each_version_of_clang)
{
	write_file("f.c", inlining);
	check_compiled("clang4", "clang", "-gdwarf-4");
	check_compiled("clang5", "clang", "-gdwarf-5"); /* indexed strings, addresses and ranges */
}

Test(dwarf, compressed)
{
	write_file("f.c", inlining);
	check_compiled("plain", "gcc", "-g");
	run("cd %s && objcopy --compress-debug-sections=zlib plain zlib", fixture_dir);
	check_inlining("zlib");
	run("cd %s && objcopy --compress-debug-sections=zlib-gnu plain zdebug", fixture_dir);
	check_inlining("zdebug");
}

Test(dwarf, separate_debug_file)
{
	struct opened o;

	write_file("f.c", inlining);
	check_compiled("plain", "gcc", "-g");
	run("cd %s && objcopy --only-keep-debug plain only && strip -g plain", fixture_dir);
	check_inlining("only");
	struct mp_elf *e = fixture_open("plain");
	struct mp_err err;
	cr_assert_eq(mp_dwarf_open(e, NULL, &o.d, &err), -ENOENT);
	cr_expect(err.text[0]);
	mp_elf_close(e);
}

Test(dwarf, split)
{
	static const char *const compilers[] = {"gcc", "clang"};
	struct opened o;

	write_file("f.c", inlining);
	for (int i = 0; i < 2; i++) {
		for (int version = 4; version <= 5; version++) {
			char name[16];

			run("cd %s && rm -f *.dwo && %s -O1 -fPIC -gdwarf-%d -gsplit-dwarf -c -o f.o f.c && "
			    "test -f f.dwo && cc -shared -nostdlib -o s%d%d f.o",
			    fixture_dir, compilers[i], version, i, version);
			snprintf(name, sizeof(name), "s%d%d", i, version);
			check_inlining(name);
			/* Without it there are lines, and no functions. */
			run("rm %s/f.dwo", fixture_dir);
			open_dwarf(&o, name);
			expect_told(o.d, address_of(&o, "at_inner"), "? f.c:6", name);
			close_dwarf(&o);
		}
	}
}

Test(dwarf, package)
{
	write_file("f.c", inlining);
	if (system("command -v dwp >/dev/null") == 0) {
		run("cd %s && gcc -O1 -fPIC -gdwarf-4 -gsplit-dwarf -c -o f.o f.c && cc -shared -nostdlib -o "
		    "p4 "
		    "f.o && dwp -e p4 -o p4.dwp && rm f.dwo",
		    fixture_dir);
		check_inlining("p4");
	}
	if (system("command -v llvm-dwp >/dev/null") != 0)
		cr_skip_test("there is no llvm-dwp");
	run("cd %s && clang -O1 -fPIC -gdwarf-5 -gsplit-dwarf -c -o f.o f.c && cc -shared -nostdlib -o p5 "
	    "f.o && "
	    "timeout 60 llvm-dwp -e p5 -o p5.dwp && rm f.dwo",
	    fixture_dir);
	check_inlining("p5");
}

Test(dwarf, a_dwo_of_another_build_is_not_taken)
{
	struct opened o;

	write_file("f.c", inlining);
	run("cd %s && clang -O1 -fPIC -gdwarf-5 -gsplit-dwarf -c -o f.o f.c && cc -shared -nostdlib -o s f.o "
	    "&& "
	    "echo 'int another;' >> f.c && clang -O1 -fPIC -gdwarf-5 -gsplit-dwarf -c -o f.o f.c",
	    fixture_dir);
	open_dwarf(&o, "s");
	expect_told(o.d, address_of(&o, "at_inner"), "? f.c:6", "s");
	cr_expect_not_null(mp_dwarf_damage(o.d));
	close_dwarf(&o);
}

Test(dwarf, supplementary_file)
{
	if (system("command -v dwz >/dev/null") != 0)
		cr_skip_test("there is no dwz");
	write_file("f.c", inlining);
	check_compiled("a", "gcc", "-gdwarf-4");
	run("cd %s && cp a b && cp a c && dwz -m alt a b c && readelf -SW a | grep -q gnu_debugaltlink",
	    fixture_dir);
	check_inlining("a");
}

/* A lambda's function is within a type, within the abstract entry of the function around it. */
Test(dwarf, linkage_names_and_lambdas)
{
	struct opened o;

	write_file("f.cc",
	    "#define AT(label) asm volatile(\".globl \" label \"\\n.type \" label \", @function\\n\" label "
	    "\": nop\" ::: \"memory\")\n"
	    "namespace n {\n"
	    "struct s {\n"
	    "	__attribute__((always_inline)) void method(int) { AT(\"at_method\"); }\n" /* 4 */
	    "};\n"
	    "template <class F> __attribute__((noinline)) int apply(F f, int x)\n"
	    "{\n"
	    "	return f(x);\n"
	    "}\n"
	    "}\n"
	    "int run(int x)\n"
	    "{\n"
	    "	n::s().method(x);\n" /* 13 */
	    "	auto f = [](int y) __attribute__((noinline)) {\n"
	    "		AT(\"at_lambda\");\n" /* 15 */
	    "		return y;\n"
	    "	};\n"
	    "	return n::apply(f, x);\n"
	    "}\n");
	run("cd %s && g++ -O1 -g -fPIC -shared -nostdlib -o f f.cc", fixture_dir);
	open_dwarf(&o, "f");
	expect_told(o.d, address_of(&o, "at_method"), "_ZN1n1s6methodEi f.cc:4 < _Z3runi f.cc:13", "method");
	struct mp_dwarf_frame frame = {0};
	cr_assert(mp_dwarf_find(o.d, address_of(&o, "at_lambda"), &frame, 1));
	const char *whole = frame.qualified ? frame.qualified : frame.function;
	cr_expect(whole && strstr(whole, "run") && strstr(whole, "operator()"), "%s", whole);
	cr_expect_eq(frame.line, 15);
	close_dwarf(&o);
}

/* ---- Written by hand ---- */

/* `text` follows a function f of 256 bytes, one nop each, and macros for DWARF's parts. */
static void assemble(const char *name, const char *text)
{
	static char whole[65536];

	snprintf(whole, sizeof(whole),
	    ".text\n.globl f\n.type f, @function\nf: .fill 256, 1, 0x90\n.size f, . - f\n"
	    ".globl g\n.type g, @function\ng: .fill 256, 1, 0x90\n.size g, . - g\n"
	    ".macro attr name, form\n.uleb128 \\name, \\form\n.endm\n"
	    ".macro decl code, tag, children\n.uleb128 \\code, \\tag\n.byte \\children\n.endm\n"
	    ".macro decl_end\n.byte 0, 0\n.endm\n"
	    ".section .debug_abbrev, \"\", @progbits\n"
	    "decl 1, 0x11, 1\nattr 0x10, 0x17\nattr 0x11, 1\nattr 0x12, 7\nattr 0x1b, 8\ndecl_end\n" /* unit
												      */
	    "decl 2, 0x2e, 0\nattr 3, 8\nattr 0x11, 1\nattr 0x12, 7\ndecl_end\n" /* function */
	    "%s",
	    text);
	char file[64];
	snprintf(file, sizeof(file), "%s.s", name);
	write_file(file, whole);
	run("cd %s && cc -shared -nostdlib -o %s %s.s", fixture_dir, name, name);
}

/* A unit of version 4 with f and g, and the entries in it. */
#define UNIT(entries)                                                                                        \
	".byte 0\n"                                                                                          \
	".section .debug_info, \"\", @progbits\n"                                                            \
	"unit: .4byte unit_end - unit - 4\n.2byte 4\n.4byte 0\n.byte 8\n"                                    \
	".uleb128 1\n.4byte 0\n.8byte f\n.8byte 512\n.asciz \"/made\"\n" entries ".byte 0\nunit_end:\n"

/* A line program of version 4, or 2 and 3 without the maximum of operations. */
#define LINES(version, max_ops, opcode_base, lengths, tables, program)                                       \
	".section .debug_line, \"\", @progbits\n"                                                            \
	"line: .4byte line_end - line - 4\n.2byte " version "\n.4byte program - 1f\n1: .byte 1\n" max_ops    \
	".byte 1, -3, 12, " opcode_base "\n.byte " lengths "\n" tables "program:\n" program "\nline_end:\n"

#define STANDARD "0,1,1,1,1,0,0,0,1,0,0,1"
#define FILES                                                                                                \
	".asciz \"sub\", \"/else\"\n.byte 0\n"                                                               \
	".asciz \"a.c\"\n.byte 1, 0, 0\n.asciz \"b.c\"\n.byte 2, 0, 0\n.asciz \"/c.c\"\n.byte 0, 0, 0\n"     \
	".asciz \"d.c\"\n.byte 0, 0, 0\n.byte 0\n"
#define SET_ADDRESS(where) ".byte 0, 9, 2\n.8byte " where "\n"
#define END                ".byte 0, 1, 1\n"

struct expected {
	uint64_t offset; /* from f */
	const char *file;
	int line;
};

static void check_lines(const char *name, const struct expected *expected, size_t n)
{
	struct mp_dwarf_frame frame;
	struct opened o;

	open_dwarf(&o, name);
	for (size_t i = 0; i < n; i++) {
		const struct expected *x = &expected[i];
		size_t found = mp_dwarf_find(o.d, address_of(&o, "f") + x->offset, &frame, 1);

		cr_expect_eq(found, x->line || x->file, "%s, f + %lu", name, (unsigned long)x->offset);
		if (!found)
			continue;
		cr_expect_eq(
		    frame.line, x->line, "%s, f + %lu: line %d", name, (unsigned long)x->offset, frame.line);
		cr_expect_str_eq(frame.file ? frame.file : "none", x->file ? x->file : "none", "%s, f + %lu",
		    name, (unsigned long)x->offset);
	}
	cr_expect_null(mp_dwarf_damage(o.d), "%s: %s", name, mp_dwarf_damage(o.d));
	close_dwarf(&o);
}

#define CHECK_LINES(name, ...)                                                                               \
	check_lines(name, (const struct expected[]){__VA_ARGS__},                                            \
	    sizeof((const struct expected[]){__VA_ARGS__}) / sizeof(struct expected))

Test(dwarf, line_program)
{
	assemble(
	    "l", UNIT("") LINES("4", ".byte 1\n", "13", STANDARD, FILES,
		     SET_ADDRESS("f") ".byte 1\n"                                    /* 0: a.c:1 */
				      ".byte 13 + 3 + 5 + 12 * 4\n"                  /* 4: + 5: line 6 */
				      ".byte 4, 2, 3\n.sleb128 100\n.byte 2, 6, 1\n" /* 10: b.c:106 */
				      ".byte 8\n.byte 13 + 3\n"                      /* + 20: the same line */
				      ".byte 9\n.2byte 10\n.byte 4, 3, 1\n"          /* 40: /c.c */
				      ".byte 4, 4, 3\n.sleb128 -50\n.byte 2, 8\n.byte 1\n" /* 48: d.c:56 */
				      ".byte 0, 5, 0x80, 1, 2, 3, 4\n"         /* not known: skipped */
				      ".byte 5, 9, 6, 7, 10, 11, 12, 3\n"      /* columns and flags */
				      ".byte 3\n.sleb128 -56\n.byte 2, 2, 1\n" /* 50: line 0 */
				      ".byte 4, 9, 3, 1, 2, 2, 1\n" /* 52: file 9, which is not there */
				      ".byte 0, 8, 3\n.asciz \"e.c\"\n.byte 2, 0, 0\n" /* file 5 */
				      ".byte 4, 5, 2, 2, 1\n"                          /* 54 */
				      ".byte 2, 6\n" END));
	CHECK_LINES("l", {0, "/made/sub/a.c", 1}, {3, "/made/sub/a.c", 1}, {4, "/made/sub/a.c", 6},
	    {9, "/made/sub/a.c", 6}, {10, "/else/b.c", 106}, {39, "/else/b.c", 106}, {40, "/c.c", 106},
	    {48, "/made/d.c", 56}, {50, "/made/d.c", 0}, {52, NULL, 1}, {54, "/else/e.c", 1},
	    {59, "/else/e.c", 1}, {60, NULL, 0});
}

Test(dwarf, line_program_of_version_2_with_more_opcodes)
{
	assemble("l", UNIT("") LINES("2", "", "15", STANDARD ",2,0", FILES,
			  SET_ADDRESS("f") ".byte 13, 0x81, 1, 5\n" /* two operands of nobody's opcode */
					   ".byte 14, 1\n.byte 15 + 3 + 2 + 12 * 2\n" END));
	CHECK_LINES("l", {0, "/made/sub/a.c", 1}, {1, "/made/sub/a.c", 1}, {2, NULL, 0});
}

/* Rows that go backwards, and several at one address: the last one counts. */
Test(dwarf, line_rows_in_disorder)
{
	assemble("l",
	    UNIT("") LINES("4", ".byte 1\n", "13", STANDARD, FILES,
		SET_ADDRESS("f + 20") ".byte 3, 19, 1\n" SET_ADDRESS(
		    "f") ".byte 3, 1, 1, 3, 1, 1\n" SET_ADDRESS("f + 10") ".byte 3, 1, 1\n" SET_ADDRESS("f + "
													"30")
		    END));
	CHECK_LINES("l", {0, "/made/sub/a.c", 22}, {9, "/made/sub/a.c", 22}, {10, "/made/sub/a.c", 23},
	    {19, "/made/sub/a.c", 23}, {20, "/made/sub/a.c", 20}, {29, "/made/sub/a.c", 20}, {30, NULL, 0});
}

/* A sequence that the linker has removed lies at 0; of two that overlap, the first one counts. */
Test(dwarf, line_sequences)
{
	assemble(
	    "l", UNIT("") LINES("4", ".byte 1\n", "13", STANDARD, FILES,
		     SET_ADDRESS("0") ".byte 3, 8, 1, 2\n.uleb128 0x10000000\n" END SET_ADDRESS(
			 "f + 40") ".byte 3, 39, 1, 2, 20\n" END SET_ADDRESS("f") ".byte 3, 9, 1, 2, 50\n" END
			 SET_ADDRESS("f + 10") ".byte 3, 19, 1, 2, 20\n" END));
	CHECK_LINES("l", {0, "/made/sub/a.c", 10}, {10, "/made/sub/a.c", 10}, {45, "/made/sub/a.c", 10},
	    {50, "/made/sub/a.c", 40}, {59, "/made/sub/a.c", 40}, {60, NULL, 0});
}

/* Several operations an instruction: addresses advance when a bundle is full. */
Test(dwarf, line_program_of_bundles)
{
	assemble("l", UNIT("") LINES("4", ".byte 3\n", "13", STANDARD, FILES,
			  SET_ADDRESS("f") ".byte 1\n.byte 13 + 3 + 1 + 12 * 2\n" /* operation 2: line 2 */
					   ".byte 13 + 3 + 1 + 12 * 1\n"          /* address 1: line 3 */
					   ".byte 2, 6\n" END));
	CHECK_LINES(
	    "l", {0, "/made/sub/a.c", 2}, {1, "/made/sub/a.c", 3}, {2, "/made/sub/a.c", 3}, {3, NULL, 0});
}

static void expect_function(struct opened *o, uint64_t offset, const char *expected)
{
	struct mp_dwarf_frame frame = {0};

	mp_dwarf_find(o->d, address_of(o, "f") + offset, &frame, 1);
	cr_expect_str_eq(frame.function ? frame.function : "none", expected, "f + %lu: %s",
	    (unsigned long)offset, frame.function ? frame.function : "none");
}

/* The smallest range is the answer; of equal ones the later. */
Test(dwarf, functions_that_overlap)
{
	struct opened o;

	assemble("o", UNIT(".uleb128 2\n.asciz \"wide\"\n.8byte f, 100\n"
			   ".uleb128 2\n.asciz \"first\"\n.8byte f + 10, 20\n"
			   ".uleb128 2\n.asciz \"second\"\n.8byte f + 10, 20\n"
			   ".uleb128 2\n.asciz \"across\"\n.8byte f + 20, 40\n"
			   ".uleb128 2\n.asciz \"removed\"\n.8byte 0, 0x100000\n"));
	open_dwarf(&o, "o");
	expect_function(&o, 0, "wide");
	expect_function(&o, 10, "second");
	expect_function(&o, 29, "second");
	expect_function(&o, 30, "across");
	expect_function(&o, 59, "across");
	expect_function(&o, 60, "wide");
	expect_function(&o, 99, "wide");
	expect_function(&o, 100, "none");
	close_dwarf(&o);
}

/* Every form that an attribute to skip may have, in front of the name. */
Test(dwarf, forms)
{
	struct opened o;

	assemble("o",
	    "decl 0x1234567, 0x2e, 0\n" /* the codes are not in a row */
	    "attr 0x2000, 3\nattr 0x2001, 4\nattr 0x2002, 5\nattr 0x2003, 6\nattr 0x2004, 7\nattr 0x2005, 8\n"
	    "attr 0x2006, 9\nattr 0x2008, 10\nattr 0x2009, 11\nattr 0x200a, 12\nattr 0x200b, 13\nattr "
	    "0x200c, 14\n"
	    "attr 0x200d, 15\nattr 0x200e, 16\nattr 0x200f, 17\nattr 0x2010, 18\nattr 0x2011, 19\nattr "
	    "0x2012, 20\n"
	    "attr 0x2013, 21\nattr 0x2014, 22\nattr 0x2015, 23\nattr 0x2016, 24\nattr 0x2017, 25\nattr "
	    "0x2018, 26\n"
	    "attr 0x2019, 27\nattr 0x201a, 28\nattr 0x201b, 29\nattr 0x201c, 30\nattr 0x201d, 31\nattr "
	    "0x201e, 32\n"
	    "attr 0x201f, 33\n.sleb128 -5\nattr 0x2020, 34\nattr 0x2021, 35\nattr 0x2022, 36\nattr 0x2023, "
	    "37\n"
	    "attr 0x2024, 38\nattr 0x2025, 39\nattr 0x2026, 40\nattr 0x2027, 41\nattr 0x2028, 42\nattr "
	    "0x2029, 43\n"
	    "attr 0x202a, 44\nattr 0x202b, 0x1f01\nattr 0x202c, 0x1f02\nattr 0x202d, 0x1f20\nattr 0x202e, "
	    "0x1f21\n"
	    "attr 3, 0x16\nattr 0x11, 1\nattr 0x12, 0x21\n.sleb128 30\ndecl_end\n" UNIT(
		".uleb128 0x1234567\n"
		".2byte 1\n.byte 1\n.4byte 2\n.byte 1, 2\n.2byte 1\n.4byte 1\n.8byte 1\n.asciz \"skip\"\n"
		".uleb128 3\n.byte 1, 2, 3\n.byte 1, 9\n.byte 1\n.byte 1\n.sleb128 -300\n.4byte 1\n"
		".uleb128 300\n.4byte 1\n.byte 1\n.2byte 1\n.4byte 1\n.8byte 1\n"
		".uleb128 300\n.uleb128 5\n.2byte 7\n.4byte 1\n.uleb128 2\n.byte 1, 2\n.uleb128 300\n"
		".uleb128 1\n.4byte 1\n.4byte 1\n.8byte 1, 2\n.4byte 1\n.8byte 1\n"
		".uleb128 1\n.uleb128 1\n.8byte 1\n.byte 1\n"
		".2byte 1\n.byte 1, 2, 3\n.4byte 1\n.byte 1\n.2byte 1\n.byte 1, 2, 3\n"
		".4byte 1\n.uleb128 1\n.uleb128 1\n.4byte 1\n.4byte 1\n"
		".uleb128 8\n.asciz \"behind_all\"\n.8byte f + 7\n"));
	open_dwarf(&o, "o");
	expect_function(&o, 7, "behind_all");
	expect_function(&o, 36, "behind_all");
	expect_function(&o, 37, "none");
	cr_expect_null(mp_dwarf_damage(o.d), "%s", mp_dwarf_damage(o.d));
	close_dwarf(&o);
}

/* Names through an origin and a declaration; chains that go round in circles have none, and an end. */
Test(dwarf, chains_of_names)
{
	struct opened o;

	assemble("o",
	    "decl 3, 0x2e, 0\nattr 0x31, 0x13\nattr 0x11, 1\nattr 0x12, 7\ndecl_end\n"
	    "decl 4, 0x2e, 0\nattr 0x47, 0x13\ndecl_end\n"
	    "decl 5, 0x2e, 0\nattr 3, 8\nattr 0x6e, 8\ndecl_end\n"
	    "decl 6, 0x2e, 0\nattr 3, 8\nattr 0x47, 0x13\nattr 0x11, 1\nattr 0x12, 7\ndecl_end\n" UNIT(
		".uleb128 3\n.4byte abstract - unit\n.8byte f, 10\n"
		".uleb128 3\n.4byte circle - unit\n.8byte f + 10, 10\n"
		".uleb128 3\n.4byte 0x7fffffff\n.8byte f + 20, 10\n"
		".uleb128 6\n.asciz \"own\"\n.4byte circle - unit\n.8byte f + 30, 10\n"
		".uleb128 6\n.asciz \"own\"\n.4byte abstract - unit\n.8byte f + 40, 10\n"
		"abstract: .uleb128 4\n.4byte declared - unit\n"
		"declared: .uleb128 5\n.asciz \"plain\"\n.asciz \"_Z6linkedv\"\n"
		"circle: .uleb128 4\n.4byte circle2 - unit\n"
		"circle2: .uleb128 4\n.4byte circle - unit\n"));
	open_dwarf(&o, "o");
	expect_function(&o, 0, "_Z6linkedv");
	expect_function(&o, 10, "none");
	expect_function(&o, 20, "none");
	expect_function(&o, 30, "own");
	expect_function(&o, 40, "_Z6linkedv");
	close_dwarf(&o);
}

/* All kinds of entries of a DWARF 5 list, and of an older one. */
Test(dwarf, lists_of_ranges)
{
	static const uint64_t starts[] = {0, 20, 40, 60, 80, 100};
	struct opened o;

	assemble("o",
	    ".byte 0\n"
	    "second: decl 1, 0x11, 1\nattr 0x11, 1\nattr 0x55, 0x17\nattr 0x73, 0x17\nattr 0x74, "
	    "0x17\ndecl_end\n"
	    "decl 2, 0x2e, 0\nattr 3, 8\nattr 0x55, 0x23\ndecl_end\n.byte 0\n"
	    ".section .debug_info, \"\", @progbits\n"
	    "unit: .4byte unit_end - unit - 4\n.2byte 5\n.byte 1, 8\n.4byte second - .debug_abbrev\n"
	    ".uleb128 1\n.8byte f\n.4byte list - .debug_rnglists\n.4byte addresses - .debug_addr\n"
	    ".4byte table - .debug_rnglists\n"
	    ".uleb128 2\n.asciz \"in_pieces\"\n.uleb128 1\n.byte 0\nunit_end:\n"
	    ".section .debug_addr, \"\", @progbits\n"
	    ".4byte addr_end - . - 4\n.2byte 5\n.byte 8, 0\naddresses: .8byte f, f + 20, f + 40, f + "
	    "50\naddr_end:\n"
	    ".section .debug_rnglists, \"\", @progbits\n"
	    "lists: .4byte lists_end - . - 4\n.2byte 5\n.byte 8, 0\n.4byte 2\n"
	    "table: .4byte 0x7fffffff, list - table\n"
	    "list: .byte 1, 0, 4, 0, 10\n" /* base by index, pair of offsets */
	    ".byte 3, 1, 10\n"             /* start by index, length */
	    ".byte 2, 2, 3\n"              /* start and end by index */
	    ".byte 5\n.8byte f + 60\n.byte 4, 0, 10\n"
	    ".byte 6\n.8byte f + 80, f + 90\n"
	    ".byte 7\n.8byte f + 100\n.byte 10\n"
	    ".byte 0\nlists_end:\n");
	open_dwarf(&o, "o");
	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		expect_function(&o, starts[i], "in_pieces");
		expect_function(&o, starts[i] + 9, "in_pieces");
		expect_function(&o, starts[i] + 10, "none");
	}
	close_dwarf(&o);

	assemble("p", "decl 3, 0x2e, 0\nattr 3, 8\nattr 0x55, 0x17\ndecl_end\n" UNIT(
			  ".uleb128 3\n.asciz \"in_pieces\"\n.4byte 0\n") ".section .debug_ranges, \"\", "
									  "@progbits\n.8byte 0, 10, 20, 30, "
									  "-1, f + 40, 0, 10, 0, 0\n");
	open_dwarf(&o, "p");
	for (size_t i = 0; i < 3; i++) {
		expect_function(&o, starts[i], "in_pieces");
		expect_function(&o, starts[i] + 9, "in_pieces");
		expect_function(&o, starts[i] + 10, "none");
	}
	close_dwarf(&o);
}

/* A unit that does not say what is its own, as assemblers and old compilers make them. */
Test(dwarf, units_without_ranges)
{
	struct opened o;

	assemble("o", ".byte 0\n"
		      "second: decl 1, 0x11, 1\nattr 0x10, 0x17\nattr 0x1b, 8\ndecl_end\n"
		      "decl 2, 0x2e, 0\nattr 3, 8\nattr 0x11, 1\nattr 0x12, 7\ndecl_end\n.byte 0\n"
		      ".section .debug_info, \"\", @progbits\n"
		      "unit: .4byte unit_end - unit - 4\n.2byte 4\n.4byte second - .debug_abbrev\n.byte 8\n"
		      ".uleb128 1\n.4byte 0\n.asciz \"/made\"\n"
		      ".uleb128 2\n.asciz \"function\"\n.8byte f, 10\n.byte 0\nunit_end:\n" LINES("3", "",
			  "13", STANDARD, FILES, SET_ADDRESS("f + 100") ".byte 3, 6, 1, 2, 8\n" END));
	open_dwarf(&o, "o");
	expect_function(&o, 5, "function");
	close_dwarf(&o);
	CHECK_LINES("o", {100, "/made/sub/a.c", 7}, {107, "/made/sub/a.c", 7}, {108, NULL, 0});
}

/* ---- Damage ---- */

static void ask_everywhere(struct mp_elf *e)
{
	struct mp_dwarf_frame frames[FRAMES_MAX];
	struct mp_dwarf *d;
	uint64_t f = find_symbol(e, "outer").sym.vaddr;

	if (mp_dwarf_open(e, NULL, &d, NULL) < 0)
		return;
	for (uint64_t at = f & ~UINT64_C(15); at < f + 64; at += 3) {
		size_t n = mp_dwarf_find(d, at, frames, FRAMES_MAX);

		for (size_t i = 0; i < n; i++)
			cr_assert_geq(frames[i].line, 0);
	}
	cr_assert_leq(mp_dwarf_bytes(d), MP_DWARF_BYTES_MAX);
	mp_dwarf_close(d);
}

/* Each byte of the DWARF sections changed in several ways: whatever is said then, it is said. */
static void check_damage(const char *options)
{
	static unsigned char file[65536];
	static const unsigned char changes[] = {0x00, 0x01, 0x7f, 0x80, 0xff};

	write_file("f.c", inlining);
	run("cd %s && cc -O1 %s -fPIC -shared -nostdlib -Wl,-z,noseparate-code -o broken f.c", fixture_dir,
	    options);
	int fd = fixture_open_fd("broken");
	ssize_t n = pread(fd, file, sizeof(file), 0);
	close(fd);
	cr_assert(n > 0 && n < (ssize_t)sizeof(file));
	char path[128];
	snprintf(path, sizeof(path), "%s/broken", fixture_dir);
	int out = open(path, O_WRONLY);
	cr_assert_geq(out, 0);
	for (ssize_t at = 0x300; at < n; at++) {
		for (size_t i = 0; i < sizeof(changes); i++) {
			struct mp_elf *e = NULL;

			pwrite(out, &changes[i], 1, at);
			fd = fixture_open_fd("broken");
			if (mp_elf_open(fd, "broken", &e, NULL) == 0)
				ask_everywhere(e);
			close(fd);
			mp_elf_close(e);
		}
		pwrite(out, &file[at], 1, at);
	}
	close(out);
}

Test(dwarf, damage_of_version_5)
{
	check_damage("-gdwarf-5");
}

Test(dwarf, damage_of_version_3)
{
	check_damage("-gdwarf-3");
}

/* The file is cut while it is open: names go, the reader stays. */
Test(dwarf, truncated_under_the_reader)
{
	struct mp_dwarf_frame frames[FRAMES_MAX];
	struct opened o;

	write_file("f.c", inlining);
	check_compiled("cut", "gcc", "-gdwarf-5");
	open_dwarf(&o, "cut");
	uint64_t inner = address_of(&o, "at_inner");
	run("truncate -s 4096 %s", o.path);
	mp_dwarf_find(o.d, inner, frames, FRAMES_MAX);
	close_dwarf(&o);
}

/* Entries nest without end; children that are their own sibling; a list that all functions share. */
Test(dwarf, nested_too_deep)
{
	struct opened o;

	assemble("o", "decl 3, 0x0b, 1\ndecl_end\n" UNIT(
			  ".uleb128 2\n.asciz \"before\"\n.8byte f, 10\n.fill 100000, 1, 3\n"
			  ".uleb128 2\n.asciz \"behind\"\n.8byte f + 10, 10\n"));
	open_dwarf(&o, "o");
	expect_function(&o, 0, "before");
	expect_function(&o, 10, "none");
	cr_expect_not_null(mp_dwarf_damage(o.d));
	close_dwarf(&o);
}

Test(dwarf, siblings_only_forwards)
{
	struct opened o;

	assemble("o", "decl 3, 0x48, 1\nattr 1, 0x13\ndecl_end\n" UNIT(
			  "self: .uleb128 3\n.4byte self - unit\n.byte 0\n"
			  ".uleb128 3\n.4byte 0x7fffffff\n.byte 0\n"
			  ".uleb128 2\n.asciz \"behind\"\n.8byte f + 10, 10\n"));
	open_dwarf(&o, "o");
	expect_function(&o, 10, "behind");
	close_dwarf(&o);
}

Test(dwarf, shared_lists_cost_no_more_than_the_file)
{
	struct opened o;

	/* 20,000 functions with the same 20,000 ranges would be 400 million. */
	assemble("o", "decl 3, 0x2e, 0\nattr 0x55, 0x17\ndecl_end\n" UNIT(
			  ".rept 20000\n.uleb128 3\n.4byte 0\n.endr\n") ".section .debug_ranges, \"\", "
									"@progbits\n.rept 10000\n.8byte 0, "
									"1, 5, 6\n.endr\n.8byte 0, 0\n");
	open_dwarf(&o, "o");
	expect_function(&o, 0, "none");
	cr_expect_not_null(mp_dwarf_damage(o.d));
	cr_expect_leq(mp_dwarf_bytes(o.d), MP_DWARF_BYTES_MAX);
	close_dwarf(&o);
}
