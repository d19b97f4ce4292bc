/* SPDX-License-Identifier: MIT */
#include "tests/unit/symbolize_fixture.h"

#include <stdbool.h>

#include "symbolize/symbolize.h"

/* Names of functions of which not all have a linkage name in debug information: all are inlined into run().
 */

TestSuite(symbolize_scopes, .init = fixture_make, .fini = fixture_remove, .timeout = 120);

static const char source[] =
    "#include <stdlib.h>\n"
    "#define INLINE __attribute__((always_inline)) inline\n"
    "namespace { struct Book { INLINE void *insert(size_t n) { return malloc(n); } }; }\n"
    "namespace engine { inline namespace v1 {\n"
    "template <class T> struct Side {\n"
    "	INLINE void *add(T n) {\n"
    "		struct Local { static INLINE void *grow(T n) { return malloc(n + 7); } };\n"
    "		return Local::grow(n);\n"
    "	}\n"
    "};\n"
    "namespace { namespace inner { INLINE void *deep(size_t n) { return malloc(n + 9); } } }\n"
    "} }\n"
    "extern \"C\" int run(int n, void **out) {\n"
    "	auto f = [](size_t m) __attribute__((always_inline)) { return Book().insert(m); };\n"
    "	out[0] = f(n);\n"
    "	out[1] = engine::Side<int>().add(n);\n"
    "	out[2] = engine::inner::deep(n);\n"
    "	return 0;\n"
    "}\n";

/* Whether some address of run() in DIR/FILE is in a function of this name. */
static bool has_name(const char *file, const char *wanted)
{
	char path[128];
	struct mp_symbolizer *s = mp_symbolizer_new(0, NULL);
	struct mp_name name;
	bool found = false;

	snprintf(path, sizeof(path), "%s/%s", fixture_dir, file);
	uint32_t module = mp_symbolizer_add_map(
	    s, &(struct mp_map){.start = 0x100000, .end = 0x110000, .path = path, .t_ns = 0});
	cr_assert(module);
	for (uint64_t at = 0x100000; at < 0x103000; at++) {
		mp_symbolizer_name(s, module, at, 0, &name);
		for (size_t i = 0; i < name.n; i++)
			found |= name.function[i].function && !strcmp(name.function[i].function, wanted);
	}
	mp_symbolizer_free(s);
	return found;
}

static void check(const char *compiler, const char *lambda)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/scopes.cc", fixture_dir);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fputs(source, f);
	fclose(f);
	run("cd %s && %s -O1 -g -fPIC -shared -o scopes.so scopes.cc", fixture_dir, compiler);
	const char *const names[] = {"run", lambda, "(anonymous namespace)::Book::insert",
	    "engine::v1::Side<int>::add", "engine::v1::(anonymous namespace)::inner::deep"};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		cr_expect(has_name("scopes.so", names[i]), "%s: %s", compiler, names[i]);
	/* The function that a type is local to has a linkage name, with its own type's name in it. */
	cr_expect(has_name("scopes.so", "engine::v1::Side<int>::add(int)::Local::grow"), "%s: a local type",
	    compiler);
}

Test(symbolize_scopes, gcc)
{
	check("g++", "run::{lambda}::operator()");
}

Test(symbolize_scopes, clang)
{
	if (system("command -v clang++ >/dev/null"))
		cr_skip_test("clang++ is not installed");
	check("clang++", "run::$_0::operator()");
}
