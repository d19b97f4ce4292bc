/* SPDX-License-Identifier: MIT */
/* The files that belong to a file, and those that only look so. */
#include "tests/unit/symbolize_fixture.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "symbolize/debug_file.h"
#include "symbolize/elf/link.h"

TestSuite(debug_file, .init = fixture_make, .fini = fixture_remove, .timeout = 120);

/* How it is looked for in most tests: the fixture's folder is the target's root, "/app/bare.so" the file, and
 * debug/ is the only debug folder of the host. */
static struct mp_debug_files *files_of(bool root)
{
	char dir[128];
	const char *dirs[] = {"/nonexistent", dir};
	struct mp_debug_files_options options = {.dirs = dirs, .ndirs = 2, .root_fd = -1};

	snprintf(dir, sizeof(dir), "%s/debug", fixture_dir);
	if (root)
		options.root_fd = open(fixture_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct mp_debug_files *f = mp_debug_files_new(&options);
	cr_assert(f);
	return f;
}

/* app/bare.so, stripped, and its debug file full.debug, which bare.so links to. */
static void make_pair(const char *build_id_option)
{
	run("cd %s && mkdir -p app debug && cc -g -O1 -fPIC -shared %s -o full.so lib.c"
	    " && objcopy --only-keep-debug full.so full.debug"
	    " && objcopy -S --add-gnu-debuglink=full.debug full.so app/bare.so",
	    fixture_dir, build_id_option);
}

/* Where the debug file of app/bare.so is found: its path, "" for nowhere, behind "root:" or "host:". */
static const char *found_at(struct mp_debug_files *f)
{
	static char at[4200];
	struct mp_elf *e = fixture_open("app/bare.so");
	struct mp_debug_file found;
	int rc = mp_debug_files_find(f, e, "/app/bare.so", &found);

	at[0] = '\0';
	if (rc == 0) {
		cr_expect_eq(find_symbol(found.elf, "hidden").found, 1);
		const char *path = found.path;
		if (!found.in_root && strncmp(path, fixture_dir, strlen(fixture_dir)) == 0)
			path += strlen(fixture_dir);
		snprintf(at, sizeof(at), "%s:%s", found.in_root ? "root" : "host", path);
	} else {
		cr_expect_eq(rc, -ENOENT);
		cr_expect_null(found.elf);
	}
	mp_debug_file_close(&found);
	mp_elf_close(e);
	return at;
}

static void expect_found(const char *where)
{
	struct mp_debug_files *f = files_of(true);
	const char *at = found_at(f);

	cr_expect_str_eq(at, where, "found at '%s', not at '%s'", at, where);
	mp_debug_files_free(f);
}

/* In the order of the manual of gdb. */
static void expect_places(void)
{
	expect_found("");
	run("cd %s && mkdir -p usr/lib/debug/app && cp full.debug usr/lib/debug/app", fixture_dir);
	expect_found("root:/usr/lib/debug/app/full.debug");
	run("cd %s && mkdir -p debug/app && cp full.debug debug/app", fixture_dir);
	expect_found("host:/debug/app/full.debug");
	run("cd %s && mkdir app/.debug && cp full.debug app/.debug", fixture_dir);
	expect_found("root:/app/.debug/full.debug");
	run("cd %s && cp full.debug app", fixture_dir);
	expect_found("root:/app/full.debug");
}

Test(debug_file, link_by_checksum)
{
	make_pair("-Wl,--build-id=none");
	expect_places();
}

Test(debug_file, link_by_build_id)
{
	make_pair("-Wl,--build-id=sha1");
	/* The checksum would say no: tools change debug files after the link was made. */
	run("cd %s && echo >>full.debug", fixture_dir);
	expect_places();
}

Test(debug_file, build_id_folders_come_first)
{
	char id[256] = "";

	make_pair("-Wl,--build-id=sha1");
	struct mp_elf *e = fixture_open("full.so");
	snprintf(id, sizeof(id), "%s", mp_elf_build_id(e));
	mp_elf_close(e);
	run("cd %s && cp full.debug app && d=usr/lib/debug/.build-id/%.2s && mkdir -p $d && cp full.debug "
	    "$d/%s.debug",
	    fixture_dir, id, id + 2);
	char where[512];
	snprintf(where, sizeof(where), "root:/usr/lib/debug/.build-id/%.2s/%s.debug", id, id + 2);
	expect_found(where);
	run("cd %s && mv usr/lib/debug/.build-id debug", fixture_dir);
	snprintf(where, sizeof(where), "host:/debug/.build-id/%.2s/%s.debug", id, id + 2);
	expect_found(where);
}

Test(debug_file, what_does_not_belong)
{
	make_pair("-Wl,--build-id=none");
	run("cd %s && cp full.debug app && printf x | dd of=app/full.debug bs=1 seek=200 conv=notrunc "
	    "status=none",
	    fixture_dir);
	expect_found("");
	run("cd %s && rm app/full.debug && mkfifo app/full.debug", fixture_dir);
	expect_found("");
	run("cd %s && rm app/full.debug && mkdir app/full.debug", fixture_dir);
	expect_found("");
	run("cd %s && rmdir app/full.debug && ln -s full.debug app/full.debug", fixture_dir);
	expect_found("");
	/* In the target's root, links lead nowhere out of it. */
	run("cd %s && ln -sf %s/full.debug app/full.debug", fixture_dir, fixture_dir);
	expect_found("");
	run("cd %s && ln -sf /full.debug app/full.debug", fixture_dir);
	expect_found("root:/app/full.debug");
	/* An ELF file of a terabyte, whose checksum nobody wants to know. */
	run("cd %s && rm app/full.debug && cp full.debug app && truncate -s 1T app/full.debug", fixture_dir);
	expect_found("");
	run("cd %s && truncate -s 1T full.so && ln full.so app/full.debug -f", fixture_dir);
	expect_found("");
}

Test(debug_file, another_build_or_itself)
{
	make_pair("-Wl,--build-id=sha1");
	run("cd %s && echo 'int hidden(void) { return 1; }' >x.c && cc -g -shared -fPIC -Wl,--build-id=sha1"
	    " -o app/full.debug x.c",
	    fixture_dir);
	expect_found("");
	/* No symbols: no debug file. */
	run("cd %s && strip -o app/full.debug full.so", fixture_dir);
	expect_found("");
	run("cd %s && ln -f app/bare.so app/full.debug", fixture_dir);
	expect_found("");
	/* Without a build-id, where the file has one: the checksum decides. */
	run("cd %s && objcopy --remove-section .note.gnu.build-id full.debug app/full.debug", fixture_dir);
	expect_found("");
}

/* ---- The links themselves ---- */

static int link_of(const char *bytes, size_t n, char name[static MP_ELF_LINK_MAX])
{
	char path[128];
	uint32_t crc = 0;

	snprintf(path, sizeof(path), "%s/section", fixture_dir);
	FILE *f = fopen(path, "w");
	cr_assert_eq(fwrite(bytes, 1, n, f), n);
	fclose(f);
	run("cd %s && objcopy --add-section .gnu_debuglink=section lib.so linked.so", fixture_dir);
	struct mp_elf *e = fixture_open("linked.so");
	int rc = mp_elf_debuglink(e, name, &crc);
	mp_elf_close(e);
	if (rc == 0)
		cr_expect_eq(crc, 0x04030201);
	return rc;
}

Test(debug_file, links)
{
	char name[MP_ELF_LINK_MAX], long_one[5000];

	cr_expect_eq(link_of("ab\0\0\1\2\3\4", 8, name), 0);
	cr_expect_str_eq(name, "ab");
	cr_expect_eq(link_of("abc\0\1\2\3\4", 8, name), 0);
	cr_expect_eq(link_of("abcd\0\0\0\0\1\2\3\4", 12, name), 0);
	cr_expect_eq(link_of("abcd\0\0\0\0\1\2\3", 11, name), -EBADMSG);
	cr_expect_eq(link_of("abcd", 4, name), -EBADMSG);
	cr_expect_eq(link_of("\0\0\0\0\1\2\3\4", 8, name), -EBADMSG);
	cr_expect_eq(link_of("a/b\0\1\2\3\4", 8, name), -EBADMSG);
	cr_expect_eq(link_of("..\0\0\1\2\3\4", 8, name), -EBADMSG);
	memset(long_one, 'x', sizeof(long_one));
	cr_expect_eq(link_of(long_one, sizeof(long_one), name), -EBADMSG);
}

Test(debug_file, altlinks)
{
	static const char id[] = "path\0\xab\xcd\x01";
	char path[MP_ELF_LINK_MAX], build_id[129];

	run("cd %s && printf 'path\\000\\253\\315\\001' >section"
	    " && objcopy --add-section .gnu_debugaltlink=section lib.so linked.so",
	    fixture_dir);
	struct mp_elf *e = fixture_open("linked.so");
	cr_expect_eq(mp_elf_altlink(e, path, build_id), 0);
	cr_expect_str_eq(path, id);
	cr_expect_str_eq(build_id, "abcd01");
	mp_elf_close(e);
	static const char *const bad[] = {"path", "path\\000", "path\\000\\001", "\\000ab"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		run("cd %s && printf '%s' >section"
		    " && objcopy --add-section .gnu_debugaltlink=section lib.so linked.so",
		    fixture_dir, bad[i]);
		e = fixture_open("linked.so");
		cr_expect_eq(mp_elf_altlink(e, path, build_id), i == 2 ? 0 : -EBADMSG, "%s", bad[i]);
		mp_elf_close(e);
	}
	run("cd %s && head -c 200 /dev/zero | tr '\\0' x >section && sed -i 's/^/p\\x00/' section"
	    " && objcopy --add-section .gnu_debugaltlink=section lib.so linked.so",
	    fixture_dir);
	e = fixture_open("linked.so");
	cr_expect_eq(mp_elf_altlink(e, path, build_id), -EBADMSG);
	mp_elf_close(e);
	e = fixture_open("lib.so");
	cr_expect_eq(mp_elf_altlink(e, path, build_id), -ENOENT);
	mp_elf_close(e);
}

/* ---- The file itself ---- */

Test(debug_file, executable)
{
	char id[256];
	struct mp_debug_file found;
	struct mp_debug_files *f = files_of(true);
	struct mp_elf *e = fixture_open("lib.so");

	snprintf(id, sizeof(id), "%s", mp_elf_build_id(e));
	mp_elf_close(e);
	cr_expect_eq(mp_debug_files_find_executable(f, "/app/lib.so", id, &found), -ENOENT);
	static const char *const places[] = {
	    "app", "debug", "debug/app", "debug/.build-id/%.2s"}; /* each is preferred to those before */
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char dir[128];

		snprintf(dir, sizeof(dir), i == 3 ? "debug/.build-id/%.2s" : "%s", i == 3 ? id : places[i]);
		run("cd %s && mkdir -p %s && cp lib.so %s/%s", fixture_dir, dir, dir,
		    i == 3 ? id + 2 : "lib.so");
		cr_assert_eq(mp_debug_files_find_executable(f, "/app/lib.so", id, &found), 0, "%s", dir);
		cr_expect(strstr(found.path, dir), "%s", found.path);
		cr_expect_eq(found.in_root, i == 0);
		mp_debug_file_close(&found);
	}
	id[0] = id[0] == '0' ? '1' : '0';
	cr_expect_eq(mp_debug_files_find_executable(f, "/app/lib.so", id, &found), -ENOENT);
	cr_expect_eq(mp_debug_files_find_executable(f, "/app/lib.so", "", &found), -ENOENT);
	cr_expect_eq(mp_debug_files_find_executable(f, "/app/lib.so", "../../lib.so", &found), -ENOENT);
	cr_expect_eq(mp_debug_files_find_executable(f, "", id, &found), -ENOENT);
	cr_expect_null(found.elf);
	mp_debug_files_free(f);
}

/* ---- What DWARF asks for ---- */

static bool can_open(struct mp_elf *e)
{
	mp_elf_close(e);
	return e;
}

Test(debug_file, split_dwarf)
{
	struct mp_debug_files *f = files_of(true);
	struct mp_debug_source source = {.files = f, .path = "/app/lib.so"};
	struct mp_dwarf_files d = mp_debug_source_files(&source);

	run("cd %s && mkdir -p build/o app debug && cp lib.so build/o/a.dwo", fixture_dir);
	cr_expect(can_open(d.dwo(d.ctx, "o/a.dwo", "/build")));
	cr_expect(can_open(d.dwo(d.ctx, "/build/o/a.dwo", NULL)));
	cr_expect(can_open(d.dwo(d.ctx, "../build/o/a.dwo", "/app")));
	cr_expect_not(can_open(d.dwo(d.ctx, "o/a.dwo", "/other")));
	cr_expect_not(can_open(d.dwo(d.ctx, "o/a.dwo", NULL)));
	cr_expect_not(can_open(d.dwo(d.ctx, "", "/build")));
	cr_expect_not(can_open(d.dwo(d.ctx, "o/", "/build")));
	run("cd %s && cp lib.so app/a.dwo", fixture_dir);
	cr_expect(can_open(d.dwo(d.ctx, "o/a.dwo", "/other")));
	run("cd %s && mv app/a.dwo debug", fixture_dir);
	cr_expect(can_open(d.dwo(d.ctx, "o/a.dwo", "/other")));
	run("cd %s && mkfifo app/a.dwo && rm debug/a.dwo", fixture_dir);
	cr_expect_not(can_open(d.dwo(d.ctx, "o/a.dwo", "/other")));

	cr_expect_not(can_open(d.dwp(d.ctx)));
	run("cd %s && cp lib.so app/lib.so.dwp", fixture_dir);
	cr_expect(can_open(d.dwp(d.ctx)));
	run("cd %s && mv app/lib.so.dwp debug", fixture_dir);
	cr_expect(can_open(d.dwp(d.ctx)));
	source.path = "";
	cr_expect_not(can_open(d.dwp(d.ctx)));
	cr_expect_not(can_open(d.dwo(d.ctx, "x", "")));
	mp_debug_files_free(f);
}

Test(debug_file, supplementary_file)
{
	char id[256], path[256];
	struct mp_debug_files *f = files_of(true);
	struct mp_debug_file debug = {.in_root = false};
	struct mp_debug_source source = {.files = f, .path = "/app/lib.so"};
	struct mp_dwarf_files d = mp_debug_source_files(&source);
	struct mp_elf *e = fixture_open("lib.so");

	snprintf(id, sizeof(id), "%s", mp_elf_build_id(e));
	mp_elf_close(e);
	run("cd %s && mkdir -p common app debug/.dwz/multiarch && cp lib.so common/x", fixture_dir);
	cr_expect(can_open(d.alt(d.ctx, "/common/x", id)));
	cr_expect(can_open(d.alt(d.ctx, "../common/x", id)));
	cr_expect_not(can_open(d.alt(d.ctx, "common/x", id)));
	cr_expect_not(can_open(d.alt(d.ctx, "/common/x", "abcd")));
	cr_expect_not(can_open(d.alt(d.ctx, "/common/x", "")));
	run("cd %s && cp lib.so debug/.dwz/x", fixture_dir);
	cr_expect(can_open(d.alt(d.ctx, "common/x", id)));
	run("cd %s && mv debug/.dwz/x debug/.dwz/multiarch", fixture_dir);
	cr_expect(can_open(d.alt(d.ctx, "/usr/lib/debug/.dwz/multiarch/x", id)));
	/* Relative to the debug file's folder, which is on the host. */
	snprintf(path, sizeof(path), "%s/debug/lib.debug", fixture_dir);
	debug.path = path;
	source.debug = &debug;
	cr_expect(can_open(d.alt(d.ctx, "../common/x", id)));
	mp_debug_files_free(f);
}

/* As dwz makes it. */
Test(debug_file, dwz)
{
	char path[MP_ELF_LINK_MAX], build_id[129];
	struct mp_debug_files *f = files_of(false);

	if (system("command -v dwz >/dev/null") != 0)
		cr_skip_test("dwz is not installed");
	run("cd %s && mkdir -p debug/.dwz && for i in 1 2; do cc -g -O1 -fPIC -shared -Wl,--build-id=sha1 -o "
	    "$i.so lib.c"
	    " && objcopy --only-keep-debug $i.so debug/$i.debug; done"
	    " && cd debug && dwz -m .dwz/common -r 1.debug 2.debug",
	    fixture_dir);
	struct mp_elf *e = fixture_open("debug/1.debug");
	cr_assert_eq(mp_elf_altlink(e, path, build_id), 0);
	mp_elf_close(e);
	char name[256];
	snprintf(name, sizeof(name), "%s/debug/1.debug", fixture_dir);
	struct mp_debug_file debug = {.path = name};
	struct mp_debug_source source = {.files = f, .path = "/app/lib.so", .debug = &debug};
	struct mp_dwarf_files d = mp_debug_source_files(&source);
	cr_expect(can_open(d.alt(d.ctx, path, build_id)), "%s", path);
	mp_debug_files_free(f);
}
