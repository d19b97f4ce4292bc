/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "symbolize/jit/perf_map.h"
#include "symbolize/jit/ranges.h"

static char dir[64];
static int dir_fd;
static struct mp_perf_map *map;

static void setup(void)
{
	strcpy(dir, "/tmp/mpsample-perf-map-XXXXXX");
	cr_assert(mkdtemp(dir));
	dir_fd = open(dir, O_PATH | O_DIRECTORY);
	map = mp_perf_map_new(getuid());
	mp_perf_map_add_source(map, dir_fd, "/tmp/perf-7.map");
	mkdirat(dir_fd, "tmp", 0700);
}

static void teardown(void)
{
	char command[128];

	mp_perf_map_free(map);
	close(dir_fd);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(perf_map, .init = setup, .fini = teardown, .timeout = 120);

static void put(const char *text, int flags)
{
	int fd = openat(dir_fd, "tmp/perf-7.map", O_WRONLY | O_CREAT | flags, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static const char *name_at(uint64_t addr)
{
	const char *name;
	uint64_t start;

	return mp_perf_map_find(map, addr, &name, &start) ? name : "-";
}

Test(perf_map, lines)
{
	put("1000 10 Lcom/firm/Book;::insert\n2000 20 LazyCompile:*price /a b.js:3\r\n0x3000 0x8 prefixed\n",
	    O_TRUNC);
	mp_perf_map_refresh(map);
	cr_assert_str_eq(name_at(0x1000), "Lcom/firm/Book;::insert");
	cr_assert_str_eq(name_at(0x100f), "Lcom/firm/Book;::insert");
	cr_assert_str_eq(name_at(0x1010), "-");
	cr_assert_str_eq(name_at(0xfff), "-");
	cr_assert_str_eq(name_at(0x201f), "LazyCompile:*price /a b.js:3");
	cr_assert_str_eq(name_at(0x3007), "prefixed");
}

Test(perf_map, hostile_lines_are_skipped)
{
	char *text = malloc(20000);

	strcpy(text, "\n \n1000\n1000 10\n1000 10 \nxyz 10 bad\n-1 10 bad\n11111111111111111 10 huge\n"
		     "1000 fffffffffffffffff huge\nfffffffffffffff0 20 wraps\n1000 0 empty\n10000 10 "
		     "control\x1b[1m\n4000 10 ");
	memset(text + strlen(text), 0, 1);
	size_t n = strlen(text);
	memset(text + n, 'x', 9000);
	strcpy(text + n + 9000, "\n5000 10 after\n6000 10 ");
	n = strlen(text);
	memset(text + n, 'y', 3000);
	text[n + 3000] = '\0';
	put(text, O_TRUNC);
	free(text);
	mp_perf_map_refresh(map);
	cr_assert_str_eq(name_at(0x1000), "-");
	cr_assert_str_eq(name_at(0xfffffffffffffff5), "-");
	cr_assert_str_eq(name_at(0x10000), "control?[1m");
	cr_assert_str_eq(name_at(0x4000), "-"); /* longer than a line may be */
	cr_assert_str_eq(name_at(0x5000), "after");
	cr_assert_eq(strlen(name_at(0x6000)), 1023); /* cut; and no newline behind it */
}

Test(perf_map, grows_and_is_overridden)
{
	put("1000 100 old\n2000 10 unfinis", O_TRUNC);
	mp_perf_map_refresh(map);
	uint32_t generation = mp_perf_map_generation(map);
	cr_assert_str_eq(name_at(0x1080), "old");
	cr_assert_str_eq(name_at(0x2000), "unfinis");
	mp_perf_map_refresh(map);
	cr_assert_eq(mp_perf_map_generation(map), generation, "nothing was new");

	put("hed\n1040 40 new\n", O_APPEND);
	mp_perf_map_refresh(map);
	cr_assert_neq(mp_perf_map_generation(map), generation);
	cr_assert_str_eq(name_at(0x2000), "unfinished");
	cr_assert_str_eq(name_at(0x103f), "old");
	cr_assert_str_eq(name_at(0x1040), "new");
	cr_assert_str_eq(name_at(0x1080), "old");
}

Test(perf_map, replaced_and_rewritten_files)
{
	put("1000 10 first_name_of_all\n", O_TRUNC);
	mp_perf_map_refresh(map);
	cr_assert_str_eq(name_at(0x1000), "first_name_of_all");
	put("1000 10 rewritten\n2000 10 more\n3000 10 and_more\n", O_TRUNC); /* in place, and longer */
	mp_perf_map_refresh(map);
	cr_assert_str_eq(name_at(0x1000), "rewritten");
	put("", O_TRUNC);
	mp_perf_map_refresh(map);
	cr_assert_str_eq(name_at(0x1000), "-");
	put("1000 10 again\n", O_TRUNC);
	mp_perf_map_refresh(map);
	cr_assert_eq(unlinkat(dir_fd, "tmp/perf-7.map", 0), 0);
	mp_perf_map_refresh(map);
	cr_assert_str_eq(name_at(0x1000), "again", "what was read stays when the file is gone");
	put("1000 10 other\n", O_EXCL);
	mp_perf_map_refresh(map);
	cr_assert_str_eq(name_at(0x1000), "other");
}

Test(perf_map, fifo_and_links_are_not_opened)
{
	put("1000 10 secret\n", O_TRUNC);
	cr_assert_eq(renameat(dir_fd, "tmp/perf-7.map", dir_fd, "tmp/real"), 0);
	cr_assert_eq(symlinkat("real", dir_fd, "tmp/perf-7.map"), 0);
	mp_perf_map_refresh(map);
	cr_assert_str_eq(name_at(0x1000), "-");

	cr_assert_eq(unlinkat(dir_fd, "tmp/perf-7.map", 0), 0);
	cr_assert_eq(mkfifoat(dir_fd, "tmp/perf-7.map", 0600), 0);
	mp_perf_map_refresh(map); /* would block here */
	cr_assert_str_eq(name_at(0x1000), "-");

	cr_assert_eq(unlinkat(dir_fd, "tmp/perf-7.map", 0), 0);
	cr_assert_eq(renameat(dir_fd, "tmp/real", dir_fd, "tmp/perf-7.map"), 0);
	mp_perf_map_refresh(map);
	cr_assert_str_eq(name_at(0x1000), "secret");
}

/* A container's /tmp that leads to the host's. */
Test(perf_map, links_lead_nowhere_out_of_the_root)
{
	char outside[] = "/tmp/mpsample-outside-XXXXXX", path[128];

	cr_assert(mkdtemp(outside));
	snprintf(path, sizeof(path), "%s/perf-7.map", outside);
	FILE *f = fopen(path, "w");
	fputs("1000 10 outside\n", f);
	fclose(f);
	cr_assert_eq(unlinkat(dir_fd, "tmp", AT_REMOVEDIR), 0);
	cr_assert_eq(symlinkat(outside, dir_fd, "tmp"), 0);
	mp_perf_map_refresh(map);
	cr_assert_str_eq(name_at(0x1000), "-");
	unlink(path);
	rmdir(outside);
}

Test(perf_map, files_of_other_users_are_not_read)
{
	if (getuid() != 0)
		cr_skip_test("needs root to give a file away");
	put("1000 10 theirs\n", O_TRUNC);
	cr_assert_eq(fchownat(dir_fd, "tmp/perf-7.map", 1234, 1234, 0), 0);
	mp_perf_map_refresh(map);
	cr_assert_str_eq(name_at(0x1000), "-");

	struct mp_perf_map *owned = mp_perf_map_new(1234);
	const char *name;
	uint64_t start;
	mp_perf_map_add_source(owned, dir_fd, "tmp/perf-7.map");
	mp_perf_map_refresh(owned);
	cr_assert(mp_perf_map_find(owned, 0x1000, &name, &start));
	mp_perf_map_free(owned);
}

/* A map longer than what is kept, of a compiler that uses its memory again: the latest names count. */
Test(perf_map, more_lines_than_are_kept)
{
	enum { SLOTS = 50000, LINES = 2200000 };

	put("", O_TRUNC);
	int fd = openat(dir_fd, "tmp/perf-7.map", O_WRONLY);
	FILE *f = fdopen(fd, "w");
	cr_assert(f);
	for (int i = 0; i < LINES; i++)
		fprintf(f, "%x 10 f%d\n", 0x1000 + i % SLOTS * 16, i / SLOTS);
	fputs("9000000 10 last\n", f);
	fclose(f);
	mp_perf_map_refresh(map);
	cr_assert_str_eq(name_at(0x1000), "f43");
	cr_assert_str_eq(name_at(0x1000 + (SLOTS - 1) * 16), "f43");
	cr_assert_str_eq(name_at(0x9000000), "last");
}

/* Names as the runtimes write them: HotSpot (jcmd PID Compiler.perfmap), V8 (--perf-basic-prof), .NET
 * (DOTNET_PerfMapEnabled), CPython (-X perf). */
Test(perf_map, lines_of_runtimes)
{
	put("0x00007f2a8d0a7c40 0x0000000000000318 com.firm.Book::insert(long, int)\n"
	    "0x00007f2a8d0a8000 0x40 StubRoutines (1)\n"
	    "7f6d31fc82c0 ac JS:^bookInsert /srv/a b.js:2:20\n"
	    "00007F1234567890 80 [Firm] Book::Insert(int32)[Tier1]\n"
	    "7f00aa000000 b py::insert:/srv/book.py\n",
	    O_TRUNC);
	mp_perf_map_refresh(map);
	cr_assert_str_eq(name_at(0x7f2a8d0a7f57), "com.firm.Book::insert(long, int)");
	cr_assert_str_eq(name_at(0x7f2a8d0a8000), "StubRoutines (1)");
	cr_assert_str_eq(name_at(0x7f6d31fc82c0), "JS:^bookInsert /srv/a b.js:2:20");
	cr_assert_str_eq(name_at(0x7f123456790f), "[Firm] Book::Insert(int32)[Tier1]");
	cr_assert_str_eq(name_at(0x7f00aa00000a), "py::insert:/srv/book.py");
}

/* Random overlapping ranges against the definition: the last that holds the address. */
Test(perf_map, ranges_match_their_definition)
{
	enum { N = 300, SPACE = 2000 };
	struct mp_range ranges[N];

	srand(1);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < N; i++) {
			ranges[i].start = (uint64_t)(rand() % SPACE);
			ranges[i].end = ranges[i].start + 1 + (uint64_t)(rand() % (i % 10 ? 20 : 500));
		}
		struct mp_ranges *index = mp_ranges_new(ranges, N);
		for (uint64_t addr = 0; addr < SPACE + 600; addr++) {
			const struct mp_range *expected = NULL;

			for (int i = 0; i < N; i++)
				if (addr >= ranges[i].start && addr < ranges[i].end)
					expected = &ranges[i];
			cr_assert_eq(mp_ranges_find(index, ranges, addr), expected);
		}
		mp_ranges_free(index);
	}
	struct mp_ranges *empty = mp_ranges_new(NULL, 0);
	cr_assert_null(mp_ranges_find(empty, NULL, 5));
	mp_ranges_free(empty);
}
