/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbolize/jit/jit_mapping.h"
#include "symbolize/jit/jitdump.h"
#include "symbolize/jit/timed_ranges.h"

enum { LOAD, MOVE, DEBUG_INFO, CLOSE, UNWINDING_INFO };

static int fd;
static struct mp_jitdump *dump;

static void setup(void)
{
	char path[] = "/tmp/mpsample-jitdump-XXXXXX";

	fd = mkostemp(path, O_APPEND);
	cr_assert_geq(fd, 0);
	unlink(path);
}

static void teardown(void)
{
	mp_jitdump_free(dump);
	dump = NULL;
	close(fd);
}

TestSuite(jitdump, .init = setup, .fini = teardown, .timeout = 120);

/* ---- A writer ---- */

struct bytes {
	size_t n;
	unsigned char b[8192];
};

static void put32(struct bytes *out, uint32_t v)
{
	memcpy(out->b + out->n, &v, 4);
	out->n += 4;
}

static void put64(struct bytes *out, uint64_t v)
{
	memcpy(out->b + out->n, &v, 8);
	out->n += 8;
}

static void put_string(struct bytes *out, const char *s)
{
	memcpy(out->b + out->n, s, strlen(s) + 1);
	out->n += strlen(s) + 1;
}

static void append(const struct bytes *b)
{
	cr_assert_eq(write(fd, b->b, b->n), (ssize_t)b->n);
}

static void header(uint32_t magic, uint32_t version, uint32_t bytes, uint32_t pad, uint64_t flags)
{
	struct bytes b = {.n = 0};

	put32(&b, magic);
	put32(&b, version);
	put32(&b, bytes);
	put32(&b, 62);
	put32(&b, pad);
	put32(&b, 1234);
	put64(&b, 99);
	put64(&b, flags);
	append(&b);
}

static void plain_header(void)
{
	header(0x4A695444, 1, 40, 0, 0);
}

static struct bytes record(uint32_t id, uint64_t t)
{
	struct bytes b = {.n = 0};

	put32(&b, id);
	put32(&b, 0);
	put64(&b, t);
	return b;
}

static void finish(struct bytes *b)
{
	uint32_t n = (uint32_t)b->n;

	memcpy(b->b + 4, &n, 4);
}

static struct bytes make_load(uint64_t t, uint64_t addr, uint64_t size, uint64_t index, const char *name)
{
	struct bytes b = record(LOAD, t);

	put64(&b, 0);
	put64(&b, addr);
	put64(&b, addr);
	put64(&b, size);
	put64(&b, index);
	put_string(&b, name);
	if (size < 1024) {
		memset(b.b + b.n, 0x90, size);
		b.n += size;
	}
	finish(&b);
	return b;
}

static void load(uint64_t t, uint64_t addr, uint64_t size, uint64_t index, const char *name)
{
	struct bytes b = make_load(t, addr, size, index, name);

	append(&b);
}

static void move(uint64_t t, uint64_t from, uint64_t to, uint64_t size, uint64_t index)
{
	struct bytes b = record(MOVE, t);

	put64(&b, 0);
	put64(&b, to);
	put64(&b, from);
	put64(&b, to);
	put64(&b, size);
	put64(&b, index);
	finish(&b);
	append(&b);
}

struct entry {
	uint64_t addr;
	int line;
	const char *file;
};

static void debug_info(uint64_t addr, uint64_t claimed, const struct entry *entries, size_t n)
{
	struct bytes b = record(DEBUG_INFO, 1);

	put64(&b, addr);
	put64(&b, claimed);
	for (size_t i = 0; i < n; i++) {
		put64(&b, entries[i].addr);
		put32(&b, (uint32_t)entries[i].line);
		put32(&b, 0);
		put_string(&b, entries[i].file);
	}
	finish(&b);
	append(&b);
}

static void other(uint32_t id, size_t n)
{
	struct bytes b = record(id, 1);

	b.n += n;
	finish(&b);
	append(&b);
}

/* ---- Questions ---- */

static void read_all(void)
{
	if (!dump)
		dump = mp_jitdump_new(fd);
	cr_assert(dump);
	mp_jitdump_refresh(dump);
}

static const char *name_at(uint64_t addr, int64_t t)
{
	struct mp_jit_name name;

	return mp_jitdump_find(dump, addr, t, &name) ? name.function : "-";
}

/* "FUNCTION+OFFSET FILE:LINE" */
static const char *place_at(uint64_t addr)
{
	static char text[512];
	struct mp_jit_name name;

	if (!mp_jitdump_find(dump, addr, INT64_MAX, &name))
		return "-";
	snprintf(text, sizeof(text), "%s+%x %s:%d", name.function, (unsigned)(addr - name.start),
	    name.file ? name.file : "-", name.line);
	return text;
}

/* ---- Names ---- */

Test(jitdump, names_of_files)
{
	cr_assert(mp_jitdump_is_name("jit-1234.dump"));
	cr_assert(mp_jitdump_is_name("/root/.debug/jit/llvm-IR-jit-20240101-abc/jit-1.dump"));
	cr_assert(mp_jitdump_is_name("/tmp/jit-77.dump (deleted)"));
	cr_assert_not(mp_jitdump_is_name("/tmp/jit-.dump"));
	cr_assert_not(mp_jitdump_is_name("/tmp/jit-12.dump2"));
	cr_assert_not(mp_jitdump_is_name("/tmp/jit-12x.dump"));
	cr_assert_not(mp_jitdump_is_name("/tmp/ajit-12.dump"));
	cr_assert_not(mp_jitdump_is_name("/tmp/jit-12.dump/lib.so"));
	cr_assert_not(mp_jitdump_is_name("//anon"));
	cr_assert_not(mp_jitdump_is_name(""));
}

Test(jitdump, mappings_that_hold_compiled_code)
{
	static const char *const yes[] = {"", "//anon", "[heap]", "[anon:v8]", "[anon_shmem:code]",
	    "/memfd:doublemapper (deleted)", "/dev/zero (deleted)", "/dev/zero", "/SYSV00000000 (deleted)",
	    "/anon_hugepage (deleted)"};
	static const char *const no[] = {"[vdso]", "[vsyscall]", "[stack]", "[uprobes]", "/tmp/jit-12.dump",
	    "/usr/lib/libc.so.6", "/usr/bin/node (deleted)", "/dev/zero/lib.so", "/SYSVlib.so", "//anonymous",
	    "/SYSV00000000x", "/opt/memfd:x", " "};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		cr_assert(mp_is_jit_mapping(yes[i]), "%s", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		cr_assert_not(mp_is_jit_mapping(no[i]), "%s", no[i]);
}

/* ---- Records ---- */

Test(jitdump, loads)
{
	plain_header();
	load(100, 0x1000, 0x20, 0, "JS:*insert /book.js:3:20");
	load(101, 0x2000, 0x8, 1, "second");
	other(CLOSE, 0);
	other(UNWINDING_INFO, 48);
	other(77, 5);
	load(102, 0x3000, 0x8, 2, "con\x1btrol\n");
	read_all();
	cr_assert_str_eq(place_at(0x1000), "JS:*insert /book.js:3:20+0 -:0");
	cr_assert_str_eq(place_at(0x101f), "JS:*insert /book.js:3:20+1f -:0");
	cr_assert_str_eq(place_at(0xfff), "-");
	cr_assert_str_eq(place_at(0x1020), "-");
	cr_assert_str_eq(place_at(0x2007), "second+7 -:0");
	cr_assert_str_eq(place_at(0x3000), "con?trol?+0 -:0");
}

Test(jitdump, an_address_means_what_was_there)
{
	plain_header();
	load(100, 0x1000, 0x100, 0, "first");
	load(200, 0x1040, 0x40, 1, "inside");
	load(300, 0x1000, 0x50, 2, "over_both");
	read_all();
	cr_assert_str_eq(name_at(0x1040, 99), "-");
	cr_assert_str_eq(name_at(0x1040, 100), "first");
	cr_assert_str_eq(name_at(0x1040, 199), "first");
	cr_assert_str_eq(name_at(0x1040, 200), "inside");
	cr_assert_str_eq(name_at(0x1040, 300), "over_both");
	cr_assert_str_eq(name_at(0x1050, 300), "inside");
	cr_assert_str_eq(name_at(0x1080, INT64_MAX), "first");
	cr_assert_str_eq(name_at(0x1000, INT64_MIN), "-");
}

/* Threads take their times before the lock of the file. */
Test(jitdump, records_out_of_order)
{
	plain_header();
	load(300, 0x1000, 0x10, 0, "late");
	load(100, 0x1000, 0x10, 1, "early");
	load(200, 0x1000, 0x10, 2, "middle");
	load(200, 0x1000, 0x10, 3, "middle_too");
	read_all();
	cr_assert_str_eq(name_at(0x1000, 150), "early");
	cr_assert_str_eq(name_at(0x1000, 250), "middle_too");
	cr_assert_str_eq(name_at(0x1000, 350), "late");
	load(50, 0x1000, 0x10, 4, "earliest");
	load(UINT64_MAX, 0x1000, 0x10, 5, "at_no_time");
	read_all();
	cr_assert_str_eq(name_at(0x1000, 60), "earliest");
	cr_assert_str_eq(name_at(0x1000, 150), "early");
	cr_assert_str_eq(name_at(0x1000, INT64_MAX - 1), "late");
}

Test(jitdump, moves)
{
	static const struct entry lines[] = {{0x1000, 7, "/a.js"}, {0x1008, 8, "\xff"}};

	plain_header();
	debug_info(0x1000, 2, lines, 2);
	load(100, 0x1000, 0x20, 11, "moved");
	load(100, 0x5000, 0x20, 12, "was_there");
	move(200, 0x1000, 0x5000, 0x20, 11);
	move(300, 0x5000, 0x5010, 0x20, 11); /* onto itself */
	move(400, 0x5010, 0x8000, 0x20, 99); /* of a code that never was */
	read_all();
	cr_assert_str_eq(name_at(0x1000, 199), "moved");
	cr_assert_str_eq(name_at(0x5000, 199), "was_there");
	cr_assert_str_eq(name_at(0x1000, 200), "-");
	cr_assert_str_eq(name_at(0x5000, 200), "moved");
	cr_assert_str_eq(name_at(0x5000, 300), "-");
	cr_assert_str_eq(name_at(0x502f, 300), "moved");
	cr_assert_str_eq(name_at(0x5010, 400), "-");
	cr_assert_str_eq(name_at(0x8000, 400), "-");

	struct mp_jit_name name;
	cr_assert(mp_jitdump_find(dump, 0x5018, 300, &name));
	cr_assert_eq(name.start, 0x5010);
	cr_assert_str_eq(name.file, "/a.js");
	cr_assert_eq(name.line, 8);
}

/* The writer numbers its codes anew: the latest with a number is meant. */
Test(jitdump, numbers_used_again)
{
	plain_header();
	for (uint64_t i = 0; i < 3000; i++)
		load(i, 0x10000 + i * 16, 16, i << 32, "many");
	load(5000, 0x1000, 0x10, 7, "seventh");
	load(5001, 0x2000, 0x10, 7, "seventh_too");
	move(5002, 0x2000, 0x3000, 0x10, 7);
	read_all();
	cr_assert_str_eq(place_at(0x3000), "seventh_too+0 -:0");
	cr_assert_str_eq(place_at(0x1000), "seventh+0 -:0");
}

Test(jitdump, clock_of_another_kind)
{
	header(0x4A695444, 1, 40, 0, 1);
	load(UINT64_MAX, 0x1000, 0x10, 0, "first");
	load(5, 0x1000, 0x8, 1, "second");
	read_all();
	cr_assert_str_eq(name_at(0x1000, 1), "second");
	cr_assert_str_eq(name_at(0x1008, 1), "first");
}

/* ---- Lines ---- */

Test(jitdump, lines)
{
	static const struct entry lines[] = {{0x1000, 10, "/book.cc"}, {0x1010, 11, "\xff"},
	    {0x1018, 3, "/inlined.h"}, {0x1050, 12, "/book.cc"}};
	static const struct entry unsorted[] = {{0x2010, 21, "/b.cc"}, {0x2004, 20, "/a.cc"}};

	plain_header();
	debug_info(0x1000, 4, lines, 4);
	other(UNWINDING_INFO, 48);
	load(100, 0x1000, 0x80, 0, "insert");
	load(100, 0x1000 + 0x100, 0x80, 1, "without");
	debug_info(0x2000, 2, unsorted, 2);
	load(100, 0x2000, 0x20, 2, "match");
	read_all();
	cr_assert_str_eq(place_at(0x1000), "insert+0 /book.cc:10");
	cr_assert_str_eq(place_at(0x100f), "insert+f /book.cc:10");
	cr_assert_str_eq(place_at(0x1010), "insert+10 /book.cc:11");
	cr_assert_str_eq(place_at(0x1018), "insert+18 /inlined.h:3");
	cr_assert_str_eq(place_at(0x107f), "insert+7f /book.cc:12");
	cr_assert_str_eq(place_at(0x1100), "without+0 -:0");
	cr_assert_str_eq(place_at(0x2000), "match+0 -:0");
	cr_assert_str_eq(place_at(0x2004), "match+4 /a.cc:20");
	cr_assert_str_eq(place_at(0x201f), "match+1f /b.cc:21");
}

Test(jitdump, lines_of_other_code_and_garbage)
{
	static const struct entry of_first[] = {{0x1000, 10, "/a.cc"}},
				  outside[] = {{0x2000, 5, "/b.cc"}, {0x9000, 6, "x"}},
				  before[] = {{0x2fff, 5, "/b.cc"}}, same[] = {{0x4000, 5, "\xff"}};

	plain_header();
	debug_info(0x1000, 1, of_first, 1);
	load(100, 0x1800, 0x10, 0, "other");
	load(100, 0x1000, 0x10, 1, "first");
	debug_info(0x2000, 2, outside, 2);
	load(100, 0x2000, 0x10, 2, "outside");
	debug_info(0x3000, 1, before, 1);
	load(100, 0x3000, 0x10, 3, "before");
	debug_info(0x4000, 1, same, 1); /* the same as nothing */
	load(100, 0x4000, 0x10, 4, "same");
	debug_info(0x1000, 1u << 30, of_first, 1); /* fewer than it says */
	load(100, 0x1000, 0x10, 5, "claimed");
	read_all();
	cr_assert_str_eq(place_at(0x1800), "other+0 -:0");
	cr_assert_str_eq(place_at(0x2000), "outside+0 -:0");
	cr_assert_str_eq(place_at(0x3000), "before+0 -:0");
	cr_assert_str_eq(place_at(0x4000), "same+0 -:0");
	cr_assert_str_eq(place_at(0x1000), "claimed+0 -:0");
}

/* LLVM's lines are too high by an ELF header. */
Test(jitdump, shifted_lines)
{
	static const struct entry lines[] = {{0x1040, 10, "/a.cc"}, {0x1050, 11, "\xff"}};
	static const struct entry right[] = {{0x2000, 20, "/a.cc"}};

	plain_header();
	debug_info(0x1000, 2, lines, 2);
	load(100, 0x1000, 0x80, 0, "shifted");
	read_all();
	cr_assert_str_eq(place_at(0x1000), "shifted+0 /a.cc:10");
	cr_assert_str_eq(place_at(0x1010), "shifted+10 /a.cc:11");

	debug_info(0x2000, 1, right, 1);
	load(100, 0x2000, 0x80, 1, "right"); /* no shifting writer has such a line */
	read_all();
	cr_assert_str_eq(place_at(0x1010), "shifted+10 -:0");
	cr_assert_str_eq(place_at(0x2000), "right+0 /a.cc:20");
}

Test(jitdump, lines_of_v8)
{
	static const struct entry lines[] = {{0x1048, 10, "/a.js"}}, optimized[] = {{0x2048, 700, "/a.js"}};

	header(0x4A695444, 1, 40, 0xDEADBEEF, 0);
	debug_info(0x1000, 1, lines, 1);
	load(100, 0x1000, 0x80, 0, "JS:^f /a.js:9:1");
	debug_info(0x2000, 1, optimized, 1);
	load(100, 0x2000, 0x80, 1, "JS:*f /a.js:9:1");
	read_all();
	cr_assert_str_eq(place_at(0x1007), "JS:^f /a.js:9:1+7 -:0");
	cr_assert_str_eq(place_at(0x1008), "JS:^f /a.js:9:1+8 /a.js:10");
	cr_assert_str_eq(place_at(0x2010), "JS:*f /a.js:9:1+10 -:0");
}

/* ---- The file ---- */

Test(jitdump, grows)
{
	struct bytes half = make_load(300, 0x3000, 0x10, 2, "in_two_parts"), rest = half;

	dump = mp_jitdump_new(fd);
	cr_assert(dump, "its writer opens, maps, and only then writes it");
	read_all();
	uint32_t generation = mp_jitdump_generation(dump);
	plain_header();
	load(100, 0x1000, 0x10, 0, "first");
	read_all();
	cr_assert_neq(mp_jitdump_generation(dump), generation);
	generation = mp_jitdump_generation(dump);
	read_all();
	cr_assert_eq(mp_jitdump_generation(dump), generation, "nothing was new");

	half.n = 30;
	append(&half);
	read_all();
	cr_assert_eq(mp_jitdump_generation(dump), generation);
	cr_assert_str_eq(place_at(0x3000), "-");
	rest.n -= 30;
	memmove(rest.b, rest.b + 30, rest.n);
	append(&rest);
	read_all();
	cr_assert_neq(mp_jitdump_generation(dump), generation);
	cr_assert_str_eq(place_at(0x3000), "in_two_parts+0 -:0");
	cr_assert_str_eq(place_at(0x1000), "first+0 -:0");
}

Test(jitdump, lines_and_load_in_two_refreshes)
{
	static const struct entry lines[] = {{0x1000, 10, "/a.cc"}};

	plain_header();
	debug_info(0x1000, 1, lines, 1);
	read_all();
	load(100, 0x1000, 0x10, 0, "first");
	read_all();
	cr_assert_str_eq(place_at(0x1000), "first+0 /a.cc:10");
}

Test(jitdump, truncated_and_rewritten)
{
	plain_header();
	load(100, 0x1000, 0x10, 0, "first");
	load(100, 0x2000, 0x10, 1, "second");
	read_all();
	uint32_t generation = mp_jitdump_generation(dump);
	cr_assert_eq(ftruncate(fd, 0), 0);
	read_all();
	cr_assert_str_eq(place_at(0x1000), "-");
	cr_assert_neq(mp_jitdump_generation(dump), generation);

	plain_header();
	load(100, 0x3000, 0x10, 0, "a");
	read_all();
	cr_assert_str_eq(place_at(0x3000), "a+0 -:0");
	cr_assert_eq(ftruncate(fd, 0), 0); /* and longer at the next look */
	plain_header();
	load(100, 0x4000, 0x10, 0, "b");
	load(100, 0x5000, 0x10, 1, "c");
	read_all();
	cr_assert_str_eq(place_at(0x3000), "-");
	cr_assert_str_eq(place_at(0x4000), "b+0 -:0");
	cr_assert_str_eq(place_at(0x5000), "c+0 -:0");
	cr_assert_eq(ftruncate(fd, 0), 0);
	cr_assert_eq(write(fd, "no header at all, but long enough to be one", 43), 43);
	read_all();
	cr_assert_str_eq(place_at(0x4000), "-");
}

Test(jitdump, what_is_none)
{
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	cr_assert_null(mp_jitdump_new(pipe_fds[0]));
	cr_assert_null(mp_jitdump_new(-1));
	header(0x4454694A, 1, 40, 0, 0); /* a machine of the other byte order */
	cr_assert_null(mp_jitdump_new(fd));
	cr_assert_eq(ftruncate(fd, 0), 0);
	header(0x4A695444, 2, 40, 0, 0);
	cr_assert_null(mp_jitdump_new(fd));
	cr_assert_eq(ftruncate(fd, 0), 0);
	header(0x4A695444, 1, 39, 0, 0);
	cr_assert_null(mp_jitdump_new(fd));
	cr_assert_eq(ftruncate(fd, 0), 0);
	cr_assert_eq(write(fd,
			 "\x7f"
			 "ELF",
			 4),
	    4);
	cr_assert_null(mp_jitdump_new(fd));
}

Test(jitdump, longer_headers)
{
	header(0x4A695444, 1, 56, 0, 0);
	cr_assert_eq(write(fd, "0123456789abcdef", 16), 16);
	load(100, 0x1000, 0x10, 0, "behind");
	read_all();
	cr_assert_str_eq(place_at(0x1000), "behind+0 -:0");
}

Test(jitdump, damaged_records)
{
	struct bytes b;

	plain_header();
	load(100, 0x1000, 0, 0, "empty");
	load(100, UINT64_MAX - 5, 10, 1, "wraps");
	load(100, 0x1000, UINT64_MAX, 2, "all");
	other(LOAD, 3);
	other(MOVE, 3);
	other(DEBUG_INFO, 3);
	b = make_load(100, 0x2000, 0x10, 3, "");
	memset(b.b + 56, 'x', 2000); /* no terminator */
	b.n = 2056;
	finish(&b);
	append(&b);
	load(100, 0x3000, 0x10, 4, "after");
	b = make_load(100, 0x4000, 0x10, 5, "too_short_for_a_prefix");
	memcpy(b.b + 4, &(uint32_t){15}, 4);
	append(&b);
	load(100, 0x5000, 0x10, 6, "behind_garbage");
	read_all();
	cr_assert_str_eq(place_at(0x1000), "-");
	cr_assert_str_eq(place_at(UINT64_MAX - 3), "-");
	cr_assert_eq(strlen(name_at(0x2000, 100)), 1023);
	cr_assert_str_eq(place_at(0x3000), "after+0 -:0");
	cr_assert_str_eq(place_at(0x4000), "-");
	cr_assert_str_eq(place_at(0x5000), "-");
}

/* A record longer than what is read at once, and a file with holes of any size. */
Test(jitdump, large_code)
{
	struct bytes b = make_load(100, 0x100000, 1u << 30, 0, "large");

	plain_header();
	memcpy(b.b + 4, &(uint32_t){(1u << 30) + 62}, 4);
	append(&b);
	cr_assert_eq(ftruncate(fd, 40 + (1 << 30) + 62), 0);
	load(100, 0x1000, 0x10, 1, "behind");
	read_all();
	cr_assert_str_eq(place_at(0x100000 + (1u << 30) - 1), "large+3fffffff -:0");
	cr_assert_str_eq(place_at(0x1000), "behind+0 -:0");
}

/* ---- Ranges with times ---- */

/* Against the definition, over more than one block of each level, with additions between. */
Test(jitdump, timed_ranges_match_their_definition)
{
	enum { N = 70000, SPACE = 50000, STEPS = 7 };
	static struct mp_range ranges[N];
	static int64_t times[N];
	struct mp_timed_ranges *r = mp_timed_ranges_new(N);

	srand(1);
	for (int i = 0; i < N; i++) {
		ranges[i].start = (uint64_t)(rand() % SPACE);
		ranges[i].end = ranges[i].start + 1 + (uint64_t)(rand() % (i % 1000 ? 5 : 20000));
		ranges[i].value = (uint32_t)i;
		times[i] = i - (i % 50 ? 0 : rand() % (i % 20000 ? 10 : 30000));
	}
	for (int step = 1, at = 0; step <= STEPS; step++) {
		for (; at < N * step / STEPS; at++)
			cr_assert_eq(mp_timed_ranges_add(r, &ranges[at], times[at]), 0);
		mp_timed_ranges_build(r);
		for (int q = 0; q < 300; q++) {
			uint64_t addr = (uint64_t)(rand() % (SPACE + 100));
			int64_t t = rand() % (at + 100) - 50;
			uint32_t expected = UINT32_MAX;

			for (int i = 0; i < at; i++)
				if (addr >= ranges[i].start && addr < ranges[i].end && times[i] <= t &&
				    (expected == UINT32_MAX || times[i] >= times[expected]))
					expected = (uint32_t)i;
			const struct mp_range *found = mp_timed_ranges_find(r, addr, t);
			cr_assert_eq(found ? found->value : UINT32_MAX, expected);
		}
	}
	cr_assert_eq(mp_timed_ranges_add(r, &ranges[0], 0), -E2BIG);
	cr_assert_eq(mp_timed_ranges_add(r, &(struct mp_range){5, 5, 0}, 0), -EINVAL);
	mp_timed_ranges_clear(r);
	cr_assert_null(mp_timed_ranges_find(r, 5, INT64_MAX));
	mp_timed_ranges_free(r);
}
