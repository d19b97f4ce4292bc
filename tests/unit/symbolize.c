/* SPDX-License-Identifier: MIT */
#include "tests/unit/symbolize_fixture.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "symbolize/debug_file.h"
#include "symbolize/file.h"
#include "symbolize/functions.h"
#include "symbolize/symbolize.h"

TestSuite(symbolize, .init = fixture_make, .fini = fixture_remove, .timeout = 120);

/* A symbolizer that knows the executable mappings of `pid`, as of time 100. */
static struct mp_symbolizer *symbolizer_of(pid_t pid)
{
	char line[4096], path[64];
	struct mp_symbolizer *s = mp_symbolizer_new(pid, NULL);

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	FILE *f = fopen(path, "r");
	cr_assert(f);
	while (fgets(line, sizeof(line), f)) {
		struct mp_map map = {.t_ns = 100};
		char perms[8], file[4096] = "";

		sscanf(line, "%lx-%lx %7s %lx %*s %*s %4095[^\n]", &map.start, &map.end, perms,
		    &map.file_offset, file);
		map.path = file;
		if (perms[2] == 'x')
			mp_symbolizer_add_map(s, &map);
	}
	fclose(f);
	return s;
}

/* What it says of the function that the code is in, in one. */
struct name {
	const char *module, *function, *raw;
	uint64_t offset;
	enum mp_symbol_quality quality;
};

static struct name name_at(struct mp_symbolizer *s, uint64_t addr, int64_t t_ns)
{
	struct mp_name n;

	mp_symbolizer_name(s, mp_symbolizer_find(s, addr, t_ns), addr, t_ns, &n);
	cr_assert(n.n >= 1 && n.n <= MP_INLINED_MAX);
	const struct mp_name_function *own = &n.function[n.n - 1];
	return (struct name){n.module, own->function, own->raw, n.offset, n.quality};
}

static struct name name_of(struct mp_symbolizer *s, const void *addr)
{
	return name_at(s, (uintptr_t)addr, 200);
}

static const char *build_id_at(struct mp_symbolizer *s, uint64_t addr)
{
	struct mp_module_info info = {0};

	mp_symbolizer_module(s, mp_symbolizer_find(s, addr, INT64_MAX), &info);
	return info.build_id;
}

/* A mapping of all of a file of the fixture's folder at `start`, as if by a process that is gone. */
static void add_fixture(struct mp_symbolizer *s, const char *file, uint64_t start, int64_t t_ns)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", fixture_dir, file);
	mp_symbolizer_add_map(
	    s, &(struct mp_map){.start = start, .end = start + 0x10000, .path = path, .t_ns = t_ns});
}

/* Of a function of lib.so; its file offset and its address are the same in all that the fixture makes. */
static uint64_t offset_of(const char *function)
{
	struct mp_elf *e = fixture_open("lib.so");
	struct find find = find_symbol(e, function);
	uint64_t offset;

	cr_assert(find.found, "%s", function);
	cr_assert(mp_elf_vaddr_to_offset(e, find.sym.vaddr, &offset));
	mp_elf_close(e);
	return offset;
}

/* nm is the independent truth: every function of this very program, at its first, a middle and its last byte.
 */
Test(symbolize, own_functions_match_nm)
{
	struct mp_symbolizer *s = symbolizer_of(getpid());
	struct link_map *self = dlopen(NULL, RTLD_LAZY) ? _r_debug.r_map : NULL;
	char command[64], line[1024], name[512], type;
	uint64_t vaddr, size;
	int compared = 0;

	snprintf(command, sizeof(command), "nm -S /proc/%d/exe", (int)getpid());
	FILE *f = popen(command, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx %lx %c %511s", &vaddr, &size, &type, name) != 4 ||
		    !strchr("tT", type) ||
		    strstr(name, ".cold")) /* part of another function, by its debug information */
			continue;
		for (int i = 0; i < 3; i++) {
			uint64_t at = i == 0 ? 0 : i == 1 ? size / 2 : size - 1;
			struct name found = name_of(s, (void *)(self->l_addr + vaddr + at));

			cr_assert(found.raw, "%s", name);
			cr_assert_eq(
			    found.offset, at, "%s is said to be %s + %lu", name, found.raw, found.offset);
			cr_assert_geq(found.quality, MP_SYMBOL_SYMTAB);
			compared += strcmp(found.raw, name) == 0; /* aliases differ */
		}
	}
	pclose(f);
	cr_assert_gt(compared, 150);
	mp_symbolizer_free(s);
}

struct against_dladdr {
	struct mp_symbolizer *s;
	void *libc;
	uintptr_t base;
	int compared, same_name;
};

static int compare_with_dladdr(void *ctx, const struct mp_elf_sym *sym)
{
	struct against_dladdr *x = ctx;
	Dl_info info;

	if (!sym->exported || sym->size < 2)
		return 0;
	const char *addr = (const char *)x->base + sym->vaddr;
	cr_assert(dladdr(addr + 1, &info));
	struct name name = name_of(x->s, addr + 1);
	cr_assert_eq((uintptr_t)addr + 1 - name.offset, (uintptr_t)info.dli_saddr, "dladdr: %s, here: %s",
	    info.dli_sname, name.raw);
	cr_assert_str_eq(strrchr(name.module, '/'), strrchr(info.dli_fname, '/')); /* /lib is a link */
	x->same_name += strcmp(name.raw, info.dli_sname) == 0;
	x->compared++;
	return 0;
}

Test(symbolize, libc_functions_match_dladdr)
{
	Dl_info info;
	struct against_dladdr x = {
	    .s = symbolizer_of(getpid()), .libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD)};

	cr_assert(dladdr(dlsym(x.libc, "malloc"), &info));
	x.base = (uintptr_t)info.dli_fbase;
	struct mp_elf *e = fixture_open(info.dli_fname);
	mp_elf_each_function(e, compare_with_dladdr, &x);
	cr_assert_gt(x.compared, 2000);
	cr_assert_gt(x.same_name, x.compared / 3);
	mp_elf_close(e);

	static const char *const names[] = {
	    "malloc", "free", "calloc", "realloc", "write", "mmap", "clock_gettime"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_expect_str_eq(name_of(x.s, dlsym(x.libc, names[i])).function, names[i]);
	mp_symbolizer_free(x.s);
}

Test(symbolize, vdso)
{
	struct mp_symbolizer *s = symbolizer_of(getpid());
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR); /* NOLINT: an address */

	int found = 0;

	if (!base)
		cr_skip_test("this kernel maps no vdso");
	cr_assert_str_eq(name_of(s, base).module, "[vdso]");
	cr_assert(build_id_at(s, (uintptr_t)base));
	for (uint64_t at = 0; at < 8192; at++) {
		struct name name = name_of(s, base + at);

		found += name.function && strstr(name.function, "clock_gettime") && name.offset == 0;
	}
	cr_assert_eq(found, 1);
	mp_symbolizer_free(s);
}

Test(symbolize, latest_mapping_at_the_time_wins)
{
	struct mp_symbolizer *s = mp_symbolizer_new(0, NULL);
	uint64_t shown = offset_of("shown");

	add_fixture(s, "lib.so", 0x100000, 1000);
	mp_symbolizer_add_map(
	    s, &(struct mp_map){.start = 0x101000, .end = 0x102000, .path = "//anon", .t_ns = 2000});
	add_fixture(s, "lib.so", 0x100000, 3000);

	cr_assert_null(name_at(s, 0x100000 + shown, 999).module);
	cr_assert_eq(name_at(s, 0x100000 + shown, 999).offset, 0x100000 + shown);
	cr_assert_str_eq(name_at(s, 0x100000 + shown, 1000).function, "shown");
	cr_assert_eq(shown & ~UINT64_C(0xfff), 0x1000, "the test assumes one page of code");
	cr_assert_str_eq(name_at(s, 0x100000 + shown, 2000).module, "//anon");
	cr_assert_null(name_at(s, 0x100000 + shown, 2000).function);
	cr_assert_eq(name_at(s, 0x100000 + shown, 2000).offset, shown - 0x1000);
	cr_assert_str_eq(name_at(s, 0x100000 + shown, 2999).module, "//anon");
	cr_assert_str_eq(name_at(s, 0x100000 + shown, 3000).function, "shown");
	cr_assert_null(name_at(s, 0x110000, 5000).module);
	mp_symbolizer_free(s);
}

Test(symbolize, aliases_gaps_and_sizeless_functions)
{
	struct mp_symbolizer *s = mp_symbolizer_new(0, NULL);
	uint64_t sizeless = offset_of("sizeless");

	run("cd %s && strip -o bare.so lib.so", fixture_dir);
	add_fixture(s, "lib.so", 0x100000, 0);
	add_fixture(s, "bare.so", 0x200000, 0);
	cr_assert_str_eq(name_at(s, 0x100000 + offset_of("_shown_alias"), 0).function, "shown");
	cr_assert_str_eq(name_at(s, 0x100000 + sizeless + 47, 0).function, "sizeless");
	cr_assert_str_eq(name_at(s, 0x100000 + sizeless + 48, 0).function, "sizeless_local");
	cr_assert_str_eq(name_at(s, 0x100000 + sizeless + 80, 0).function, "sizeless_local");
	cr_assert_null(name_at(s, 0x100000 + sizeless + 81, 0).function, "it reached beyond its section");

	struct name hidden = name_at(s, 0x200000 + offset_of("hidden"), 0);
	cr_assert_null(hidden.function, "a local function took its neighbour's name %s", hidden.function);
	cr_assert_eq(hidden.quality, MP_SYMBOL_NONE);
	cr_assert_eq(
	    hidden.offset, offset_of("hidden")); /* the file's address: offsets equal addresses here */
	struct name shown = name_at(s, 0x200000 + offset_of("shown") + 1, 0);
	cr_assert_str_eq(shown.function, "shown");
	cr_assert_eq(shown.quality, MP_SYMBOL_DYNSYM);
	cr_assert_eq(shown.offset, 1);
	mp_symbolizer_free(s);
}

Test(symbolize, preference_among_aliases)
{
	cr_assert(mp_functions_prefer("malloc", STB_GLOBAL, "__libc_malloc", STB_GLOBAL));
	cr_assert(mp_functions_prefer("write", STB_WEAK, "__write", STB_GLOBAL));
	cr_assert(mp_functions_prefer("zzz", STB_GLOBAL, "aaa", STB_WEAK));
	cr_assert(mp_functions_prefer("_zzz", STB_WEAK, "aaa", STB_LOCAL));
	cr_assert(mp_functions_prefer("_ZN1a1bEv", STB_GLOBAL, "_ab", STB_GLOBAL));
	cr_assert(mp_functions_prefer("zz", STB_GLOBAL, "aaa", STB_GLOBAL));
	cr_assert(mp_functions_prefer("aaa", STB_GLOBAL, "aab", STB_GLOBAL));
	cr_assert(!mp_functions_prefer("aaa", STB_GLOBAL, "aaa", STB_GLOBAL));
}

/* lib.so stripped, its symbols in debug/.build-id/xx/yyyy.debug. */
static void make_debug_file(char *build_id, size_t size)
{
	struct mp_elf *e = fixture_open("lib.so");

	snprintf(build_id, size, "%s", mp_elf_build_id(e));
	mp_elf_close(e);
	run("cd %s && strip -o bare.so lib.so && mkdir -p debug/.build-id/%.2s &&"
	    " objcopy --only-keep-debug lib.so debug/.build-id/%.2s/%s.debug",
	    fixture_dir, build_id, build_id, build_id + 2);
}

Test(symbolize, separate_debug_file)
{
	char build_id[256], debug_dir[128];
	const char *dir = debug_dir;
	const struct mp_symbolize_options options = {.debug_dirs = &dir, .n_debug_dirs = 1};

	make_debug_file(build_id, sizeof(build_id));
	snprintf(debug_dir, sizeof(debug_dir), "%s/debug", fixture_dir);
	struct mp_symbolizer *s = mp_symbolizer_new(0, &options);
	add_fixture(s, "bare.so", 0x100000, 0);
	struct name hidden = name_at(s, 0x100000 + offset_of("hidden") + 2, 0);
	cr_assert_str_eq(hidden.function, "hidden");
	cr_assert_eq(hidden.quality, MP_SYMBOL_SYMTAB);
	cr_assert_eq(hidden.offset, 2);
	cr_assert_str_eq(build_id_at(s, 0x100000), build_id);
	mp_symbolizer_free(s);
}

Test(symbolize, debugdata)
{
	struct mp_symbolizer *s = mp_symbolizer_new(0, NULL);

	fixture_make_debugdata("mini.so");
	add_fixture(s, "mini.so", 0x100000, 0);
	struct name hidden = name_at(s, 0x100000 + offset_of("hidden"), 0);
	cr_assert_str_eq(hidden.function, "hidden");
	cr_assert_eq(hidden.quality, MP_SYMBOL_DEBUGDATA);
	struct name shown = name_at(s, 0x100000 + offset_of("shown"), 0);
	cr_assert_eq(shown.quality, MP_SYMBOL_DYNSYM);
	mp_symbolizer_free(s);
}

/* A child that maps lib.so, which is then deleted and replaced: the mapped file's names count. */
Test(symbolize, deleted_and_replaced_file_and_dead_process)
{
	int ready[2];
	char path[128];
	uint64_t shown = offset_of("shown"), start = 0;

	if (geteuid() != 0)
		cr_skip_test("needs root to open /proc/PID/map_files");
	cr_assert_eq(pipe(ready), 0);
	snprintf(path, sizeof(path), "%s/lib.so", fixture_dir);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		int fd = open(path, O_RDONLY);
		void *p = mmap(NULL, 0x3000, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
		if (write(ready[1], &p, sizeof(p)) > 0)
			pause();
		_exit(1);
	}
	cr_assert_eq(read(ready[0], &start, sizeof(start)), sizeof(start));
	run("cd %s && rm lib.so && echo 'int x(void) { return 1; }' > x.c && cc -shared -fPIC -o lib.so x.c",
	    fixture_dir);
	struct mp_symbolizer *s = symbolizer_of(pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);

	struct name name = name_at(s, start + shown, 100);
	cr_assert(strstr(name.module, "lib.so (deleted)"), "%s", name.module);
	cr_assert_str_eq(name.function, "shown");
	mp_symbolizer_free(s);
}

/* FIFOs, devices and folders under the name of a mapped file. */
Test(symbolize, only_regular_files_are_opened)
{
	struct mp_symbolizer *s = mp_symbolizer_new(0, NULL);

	run("mkfifo %s/fifo && mkdir %s/folder", fixture_dir, fixture_dir);
	add_fixture(s, "fifo", 0x100000, 0); /* would block here */
	add_fixture(s, "folder", 0x200000, 0);
	add_fixture(s, "missing", 0x300000, 0);
	add_fixture(s, "lib.c", 0x400000, 0);
	mp_symbolizer_add_map(
	    s, &(struct mp_map){.start = 0x500000, .end = 0x501000, .path = "/dev/tty", .t_ns = 0});
	mp_symbolizer_add_map(
	    s, &(struct mp_map){.start = 0x600000, .end = 0x601000, .path = NULL, .t_ns = 0});
	mp_symbolizer_add_map(
	    s, &(struct mp_map){.start = 0x700000, .end = 0x600000, .path = "/end/before/start", .t_ns = 0});
	for (uint64_t at = 0x100000; at <= 0x600000; at += 0x100000) {
		struct name name = name_at(s, at + 8, 0);

		cr_assert(name.module);
		cr_assert_null(name.function);
		cr_assert_eq(name.offset, 8);
		cr_assert_null(build_id_at(s, at));
	}
	cr_assert_null(name_at(s, 0x700000, 0).module);
	mp_symbolizer_free(s);

	int root = open(fixture_dir, O_PATH | O_DIRECTORY);
	cr_assert_eq(mp_file_open_in(root, "fifo"), -EINVAL);
	cr_assert_eq(mp_file_open_in(root, "folder"), -EINVAL);
	cr_assert_eq(mp_file_open_in(root, "missing"), -ENOENT);
	cr_assert_eq(mp_file_open("/dev/null"), -EINVAL);
	close(root);
}

/* A child writes its perf map, as a JIT compiler does. */
Test(symbolize, jit_code_of_another_process)
{
	char path[64];
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)pid);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fputs("7000010 20 Book::insert\n", f);
	fclose(f);
	struct mp_symbolizer *s = mp_symbolizer_new(pid, NULL);
	mp_symbolizer_add_map(
	    s, &(struct mp_map){.start = 0x7000000, .end = 0x7001000, .path = "//anon", .t_ns = 0});
	for (int again = 0; again < 2; again++) { /* the second comes out of the cache */
		struct name name = name_at(s, 0x7000014, 1);

		cr_assert_str_eq(name.function, "Book::insert");
		cr_assert_str_eq(name.module, "//anon");
		cr_assert_eq(name.offset, 4);
		cr_assert_eq(name.quality, MP_SYMBOL_JIT_MAP);
	}
	cr_assert_null(name_at(s, 0x7000030, 1).function);
	mp_symbolizer_free(s);
	unlink(path);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
