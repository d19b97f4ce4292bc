/* SPDX-License-Identifier: MIT */
/* The file behind a mapping, when its name says otherwise. */
#include "tests/unit/symbolize_fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "symbolize/mapped.h"

TestSuite(mapped, .init = fixture_make, .fini = fixture_remove, .timeout = 120);

/* The mapping of this process that holds `addr`. */
static struct mp_map map_of(const void *addr, char path[static 4096])
{
	struct mp_map map = {0};
	char line[4200];
	FILE *f = fopen("/proc/self/maps", "r");

	while (fgets(line, sizeof(line), f)) {
		path[0] = '\0';
		sscanf(
		    line, "%lx-%lx %*s %lx %*s %*s %4095[^\n]", &map.start, &map.end, &map.file_offset, path);
		if ((uintptr_t)addr >= map.start && (uintptr_t)addr < map.end)
			break;
	}
	fclose(f);
	map.path = path;
	return map;
}

/* lib.so of the fixture's folder, or what is at `path`, loaded; the address of its function `shown`. */
static void *load(const char *path, void **handle)
{
	char in_folder[128];

	snprintf(in_folder, sizeof(in_folder), "%s/lib.so", fixture_dir);
	*handle = dlopen(path ? path : in_folder, RTLD_NOW | RTLD_LOCAL);
	cr_assert(*handle, "%s", dlerror());
	void *shown = dlsym(*handle, "shown");
	cr_assert(shown);
	return shown;
}

/* The function of the file behind `fd` at what `map` says of `addr`; closes it. */
static void expect_shown(int fd, const struct mp_map *map, const void *addr)
{
	struct mp_elf *e = NULL;
	uint64_t vaddr;

	cr_assert_geq(fd, 0, "%s: %s", map->path, strerror(-fd));
	cr_assert_eq(mp_elf_open(fd, map->path, &e, NULL), 0);
	close(fd);
	cr_assert(mp_elf_offset_to_vaddr(e, (uintptr_t)addr - map->start + map->file_offset, &vaddr));
	struct find find = find_symbol(e, "shown");
	cr_expect(find.found);
	cr_expect_eq(find.sym.vaddr, vaddr);
	mp_elf_close(e);
}

static void need_map_files(void)
{
	if (geteuid() != 0)
		cr_skip_test("needs root to open /proc/PID/map_files");
}

/* ---- Build-ids in memory ---- */

static void expect_build_id(const void *code, const char *file)
{
	char path[4096];
	struct mp_map map = map_of(code, path);
	struct mp_elf *e = fixture_open(file);
	struct mp_image image;

	cr_assert_eq(mp_process_image_of(getpid(), map.start, map.file_offset, &image), 0, "%s", file);
	cr_assert(mp_elf_build_id(e));
	cr_expect_str_eq(image.build_id, mp_elf_build_id(e));
	cr_expect(image.text_start <= (uintptr_t)code && (uintptr_t)code < image.text_end);
	mp_elf_close(e);
}

Test(mapped, build_ids_in_memory)
{
	Dl_info info;
	void *handle, *shown = load(NULL, &handle);

	expect_build_id((void *)load, "/proc/self/exe");
	void *of_libc = dlsym(RTLD_DEFAULT, "gnu_get_libc_version"); /* which no sanitizer has, too */
	cr_assert(dladdr(of_libc, &info));
	expect_build_id(of_libc, info.dli_fname);
	expect_build_id(shown, "lib.so");
}

/* Segments further apart in memory than in the file. */
Test(mapped, build_id_of_a_file_with_distant_segments)
{
	char path[128];
	void *handle;

	run("cd %s && cc -O1 -fPIC -shared -Wl,--build-id=sha1,-z,max-page-size=0x10000,-z,noseparate-code "
	    "-Wl,-Ttext-segment=0x4000000 -o far.so lib.c",
	    fixture_dir);
	snprintf(path, sizeof(path), "%s/far.so", fixture_dir);
	expect_build_id(load(path, &handle), "far.so");
}

Test(mapped, memory_that_is_no_image)
{
	struct mp_image image;
	char *p = mmap(NULL, 0x3000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_expect_eq(mp_process_image(getpid(), (uintptr_t)p, &image), -ENOEXEC);
	cr_expect_eq(mp_process_image(getpid(), 8, &image), -EFAULT);
	cr_expect_lt(mp_process_image_of(getpid(), (uintptr_t)p, 0, &image), 0);
	cr_expect_lt(mp_process_image_of(getpid(), 0x1000, UINT64_MAX, &image), 0);
	/* A header at the end of what is mapped, its segments nowhere. */
	int fd = open("/proc/self/exe", O_RDONLY);
	cr_assert_eq(pread(fd, p, 64, 0), 64);
	for (unsigned byte = 16; byte < 64; byte++) {
		unsigned char saved = (unsigned char)p[byte];

		p[byte] = (char)0xff;
		mp_process_image(getpid(), (uintptr_t)p, &image);
		p[byte] = (char)saved;
	}
	memcpy(p + 0x1000 - 64, p, 64);
	munmap(p + 0x1000, 0x2000);
	cr_expect_eq(mp_process_image(getpid(), (uintptr_t)p + 0x1000 - 64, &image), -ENOEXEC);
	cr_expect_eq(mp_process_image(0x3ffffff, (uintptr_t)p, &image), -ESRCH);
	close(fd);
}

/* ---- Names that lead elsewhere ---- */

static int open_mapped(struct mp_map *map, char path[static 4096])
{
	struct mp_process p;

	mp_process_open(getpid(), &p);
	int fd = mp_mapped_open(&p, map, path);
	mp_process_close(&p);
	return fd;
}

Test(mapped, replaced_file)
{
	void *handle, *shown = load(NULL, &handle);
	char path[4096], changed[4096];

	need_map_files();
	struct mp_map map = map_of(shown, path);
	expect_shown(open_mapped(&map, changed), &map, shown);
	run("cd %s && rm lib.so && echo 'int x(void) { return 1; }' > x.c"
	    " && cc -shared -fPIC -Wl,--build-id=sha1 -o lib.so x.c",
	    fixture_dir);
	map = map_of(shown, path);
	cr_assert(strstr(map.path, " (deleted)"));
	expect_shown(open_mapped(&map, changed), &map, shown);
}

/* The end of the mapping was unmapped since it was reported. */
Test(mapped, mapping_that_was_cut)
{
	void *handle, *shown = load(NULL, &handle);
	char path[4096], changed[4096];

	need_map_files();
	struct mp_map map = map_of(shown, path);
	map.end += 0x1000;
	expect_shown(open_mapped(&map, changed), &map, shown);
}

/* Gives up the right to map_files. (The shell that run() starts takes it again.) */
static void become_nobody(void)
{
	run("chmod 755 %s", fixture_dir);
	cr_assert(geteuid() != 0 || seteuid(65534) == 0);
	prctl(PR_SET_DUMPABLE, 1);
}

/* Without the right to map_files: only the same build will do. */
Test(mapped, by_name_only_the_same_build)
{
	void *handle, *shown = load(NULL, &handle);
	char path[4096], other[4200], changed[4096];
	struct mp_map map = map_of(shown, path);

	snprintf(other, sizeof(other), "%s", path);
	map.path = other;
	become_nobody();
	expect_shown(open_mapped(&map, changed), &map, shown);
	run("cd %s && cp lib.so saved.so && rm lib.so && echo 'int x(void) { return 1; }' > x.c"
	    " && cc -shared -fPIC -Wl,--build-id=sha1 -o lib.so x.c",
	    fixture_dir);
	cr_expect_eq(open_mapped(&map, changed), -ESTALE);
	run("cd %s && cc -shared -fPIC -Wl,--build-id=none -o lib.so x.c", fixture_dir);
	cr_expect_eq(open_mapped(&map, changed), -ESTALE);
	run("cd %s && rm lib.so && mkfifo lib.so", fixture_dir);
	cr_expect_eq(open_mapped(&map, changed), -EINVAL);
	run("cd %s && rm lib.so && mkdir lib.so", fixture_dir);
	cr_expect_eq(open_mapped(&map, changed), -EINVAL);
	run("cd %s && rmdir lib.so && ln -s lib.so lib.so", fixture_dir);
	cr_expect_eq(open_mapped(&map, changed), -ELOOP);
	run("cd %s && rm lib.so && truncate -s 1T lib.so", fixture_dir);
	cr_expect_eq(open_mapped(&map, changed), -ESTALE);
	/* Put back: "(deleted)" is no part of the name. */
	run("cd %s && rm lib.so && cp saved.so lib.so", fixture_dir);
	strcat(other, " (deleted)");
	expect_shown(open_mapped(&map, changed), &map, shown);
	if (getuid() == 0)
		cr_assert_eq(seteuid(0), 0);
}

/* What was reported is gone, and another library is exactly there: the report's name counts. */
Test(mapped, another_file_at_the_same_address)
{
	char path[4096], changed[4096], name[128];
	void *handle, *shown = load(NULL, &handle);
	struct mp_map map = map_of(shown, path);

	run("cd %s && sed 's/shown/other/g' lib.c >other.c && cc -O1 -fPIC -shared "
	    "-Wl,--build-id=sha1,-z,lazy"
	    " -o other.so other.c",
	    fixture_dir);
	dlclose(handle);
	snprintf(name, sizeof(name), "%s/other.so", fixture_dir);
	int fd = open(name, O_RDONLY);
	cr_assert_eq(mmap((void *)map.start, map.end - map.start, PROT_READ | PROT_EXEC,
			 MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, (off_t)map.file_offset),
	    (void *)map.start);
	close(fd);
	expect_shown(open_mapped(&map, changed), &map, shown);
	run("cd %s && rm lib.so", fixture_dir);
	cr_expect_eq(open_mapped(&map, changed), -ENOENT);
}

Test(mapped, memfd)
{
	char path[4096], changed[4096];
	void *handle;
	int fd = memfd_create("code", 0), from = fixture_open_fd("lib.so");

	need_map_files();
	for (ssize_t n; (n = read(from, path, sizeof(path))) > 0;)
		cr_assert_eq(write(fd, path, (size_t)n), n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	void *shown = load(path, &handle);
	struct mp_map map = map_of(shown, path);
	cr_assert(strstr(map.path, "memfd:code"), "%s", map.path);
	expect_shown(open_mapped(&map, changed), &map, shown);
}

/* ---- Text on anonymous memory ---- */

static struct mp_map anonymous(const void *at)
{
	static char names[2][4096];
	static int which;
	char *path = names[which++ % 2];
	struct mp_map map = map_of(at, path);

	cr_assert_str_eq(map.path, "");
	map.path = "//anon";
	return map;
}

/* Copies the page of `addr` to anonymous memory in its place, as programs do for huge pages. */
static void move_page(void *addr)
{
	char *page = (char *)((uintptr_t)addr & ~(uintptr_t)0xfff), copy[4096];

	memcpy(copy, page, sizeof(copy));
	cr_assert_eq(mmap(page, sizeof(copy), PROT_READ | PROT_WRITE | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
	    page);
	memcpy(page, copy, sizeof(copy));
}

Test(mapped, moved_text_is_the_files)
{
	char changed[4096], expected[128];
	void *handle, *shown = load(NULL, &handle);

	move_page(shown);
	struct mp_map map = anonymous(shown);
	expect_shown(open_mapped(&map, changed), &map, shown);
	snprintf(expected, sizeof(expected), "%s/lib.so", fixture_dir);
	cr_expect_str_eq(map.path, expected);

	/* Its name may be another file's by now. */
	run("cd %s && rm lib.so && echo 'int x(void) { return 1; }' > x.c && cc -shared -fPIC -o lib.so x.c",
	    fixture_dir);
	map = anonymous(shown);
	need_map_files();
	expect_shown(open_mapped(&map, changed), &map, shown);
}

Test(mapped, other_anonymous_code_is_no_files)
{
	char changed[4096];
	void *handle, *shown = load(NULL, &handle);
	char *page = (char *)((uintptr_t)shown & ~(uintptr_t)0xfff);
	struct mp_process p;

	mp_process_open(getpid(), &p);
	void *jit = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct mp_map map = anonymous(jit);
	cr_expect_eq(mp_mapped_open(&p, &map, changed), -ENOENT);
	cr_expect_str_eq(map.path, "//anon");

	/* Where a library was that is gone. */
	dlclose(handle);
	cr_assert_eq(
	    mmap(page, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
	    page);
	map = anonymous(page);
	cr_expect_eq(mp_mapped_open(&p, &map, changed), -ENOENT);
	cr_expect_str_eq(map.path, "//anon");
	mp_process_close(&p);
}

Test(mapped, what_is_no_file)
{
	static const char *const paths[] = {"", "//anon", "[heap]", "[stack]", "[vsyscall]", "relative",
	    "/dev/null", "/nonexistent", "/", "[anon:x]", "/memfd:x (deleted)", "/SYSV00000000 (deleted)"};
	char changed[4096];
	struct mp_process host;

	mp_process_open(0, &host);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct mp_map map = {.start = 0x10000, .end = 0x20000, .path = paths[i]};

		cr_expect_lt(open_mapped(&map, changed), 0, "%s", paths[i]);
		cr_expect_lt(mp_mapped_open(&host, &map, changed), 0, "%s", paths[i]);
	}
	struct mp_map map = {.start = 0x20000, .end = 0x10000, .path = "/bin/sh"};
	cr_expect_eq(open_mapped(&map, changed), -EINVAL);
	mp_process_close(&host);
}
