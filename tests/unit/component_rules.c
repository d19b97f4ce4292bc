/* SPDX-License-Identifier: MIT */
/* Rules of components: files of them, and what they decide. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "sampler/components/rules.h"

static struct mp_component_rules parsed(const char *text)
{
	struct mp_component_rules r;
	struct mp_err err = {0};

	cr_assert_eq(mp_component_rules_parse("x.ini", text, &r, &err), 0, "%s", err.text);
	return r;
}

Test(component_rules, all_that_there_is)
{
	struct mp_component_rules r = parsed(
	    "; of the engine\n[component order_book]\nfunction = OrderBook::* book_*\n    level_* ; more\n"
	    "module = libbook.so\n[component order_book big ones]\nsize = 4K-1M\nthread = engine*\n"
	    "[component order_book]\nfile = */book/*.c\n[component rest]\nsize = 1-\n");

	cr_assert_eq(r.n, 4);
	cr_assert_str_eq(r.all[0].name, "order_book");
	cr_assert_str_eq(r.all[0].functions, "OrderBook::* book_* level_*");
	cr_assert_str_eq(r.all[0].modules, "libbook.so");
	cr_assert_eq(r.all[0].line, 2);
	cr_assert_str_eq(r.all[1].name, "order_book");
	cr_assert_eq(r.all[1].min_bytes, 4096);
	cr_assert_eq(r.all[1].max_bytes, 1 << 20);
	cr_assert_str_eq(r.all[1].threads, "engine*");
	cr_assert_null(r.all[1].functions);
	cr_assert_str_eq(r.all[2].files, "*/book/*.c");
	cr_assert_eq(r.all[3].min_bytes, 1);
	cr_assert_eq(r.all[3].max_bytes, UINT64_MAX);
	mp_component_rules_free(&r);
	cr_assert_eq(r.n, 0);
}

Test(component_rules, what_is_wrong_is_told_with_its_place)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
	    {"", "x.ini:0: no section [component NAME] or [gauge NAME] in it"},
	    {"[component a]\nfunction = f\n[component b]\n", "x.ini:3: a rule that says nothing 'b'"},
	    {"function = f\n", "x.ini:1: a key outside a section; begin with [component NAME]: 'function'"},
	    {"[component]\nfunction = f\n", "x.ini:1: a section without a name"},
	    {"[pool a]\nfunction = f\n", "x.ini:1: a section is [component NAME]"},
	    {"[components a]\nfunction = f\n", "x.ini:1: a section is [component NAME]"},
	    {"[component a\nfunction = f\n", "x.ini:1: a section is [component NAME]"},
	    {"[component a]\nfuncton = f\n", "x.ini:2: unknown key 'funcon'"},
	    {"[component a]\nfunction = f\nnothing\n", "x.ini:3: no KEY = VALUE"},
	    {"[component a]\nfunction =\n", "x.ini:2: a key without a value: 'function'"},
	    {"[component a]\nsize = many\n", "x.ini:2: size is bytes as N, N-M, N- or -M, not 'many'"},
	    {"[component a]\nsize = 64-8\n", "x.ini:2: size is bytes"},
	    {"[component a]\nsize = 64 128\n", "x.ini:2: size is bytes"},
	    {"[component a]\nsize = -\n", "x.ini:2: size is bytes"},
	    {"[component a]\nsize = 99999999999999999999\n", "x.ini:2: size is bytes"},
	    {"[component a]\nsize = 17179869184G\n", "x.ini:2: size is bytes"},
	    {"[component a]\nsize = 8\nsize = 9\n", "x.ini:3: a rule has one size"},
	    {"[gauge a]\nmodule = x\n", "x.ini:1: a gauge without a value 'a'"},
	    {"[gauge a]\nvalue = u64@x\nvalue = u64@y\n", "x.ini:3: a gauge has one 'value'"},
	    {"[gauge a]\nvalue = x\n[gauge a]\nvalue = y\n",
		"x.ini:3: there is a gauge of this name already: 'a'"},
	    {"[gauge a]\nfunction = f\n", "x.ini:2: unknown key 'function'"},
	    {"  [component a]\nfunction = f\n", "x.ini:1: a section begins in the first column"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct mp_component_rules r;
		struct mp_err err = {0};
		const char *text = bad[i].text;
		cr_assert_eq(mp_component_rules_parse("x.ini", text, &r, &err), -EINVAL, "%s", text);
		cr_assert_eq(r.n, 0);
		if (strstr(bad[i].error, "funcon"))
			cr_assert(strstr(err.text, "did you mean function"), "%s", err.text);
		else
			cr_assert(!strncmp(err.text, bad[i].error, strlen(bad[i].error)), "%s\n%s", err.text,
			    bad[i].error);
	}
}

Test(component_rules, gauges)
{
	struct mp_component_rules r =
	    parsed("[gauge orders]\nvalue = u64@live_orders ; of the book\nmodule = libbook.so\n"
		   "[component book]\nmodule = libbook.so\n[gauge levels]\nvalue = s32@levels+8\n");

	cr_assert_eq(r.n, 1);
	cr_assert_eq(r.n_gauges, 2);
	cr_assert_str_eq(r.gauges[0].name, "orders");
	cr_assert_str_eq(r.gauges[0].value, "u64@live_orders");
	cr_assert_str_eq(r.gauges[0].module, "libbook.so");
	cr_assert_null(r.gauges[1].module);
	cr_assert_eq(r.gauges[1].line, 6);
	cr_assert_str_eq(r.file, "x.ini");
	mp_component_rules_free(&r);
}

Test(component_rules, a_file_that_cannot_be_read)
{
	struct mp_component_rules r;
	struct mp_err err = {0};

	cr_assert_eq(mp_component_rules_read("/nowhere/x.ini", &r, &err), -ENOENT);
	cr_assert_str_eq(err.text, "cannot read /nowhere/x.ini: No such file or directory");
	cr_assert_eq(mp_component_rules_read("/", &r, &err), -EINVAL);
	cr_assert(strstr(err.text, "no regular file"), "%s", err.text);
}

Test(component_rules, a_line_too_long_is_not_cut)
{
	char text[400] = "[component a]\nfunction = ";
	struct mp_component_rules r;
	struct mp_err err = {0};

	memset(text + strlen(text), 'x', 200);
	cr_assert_eq(mp_component_rules_parse("x.ini", text, &r, &err), -EINVAL);
	cr_assert(strstr(err.text, "x.ini:2: a line of more than 197 bytes"), "%s", err.text);
}

/* The names of the rules, in their order, for one stack. */
static const char *decided(const char *text, const struct mp_component_frame *frames, size_t n)
{
	static char names[512];
	struct mp_component_rules r = parsed(text);
	size_t out[16], found = mp_component_candidates(&r, frames, n, out);

	names[0] = 0;
	for (size_t i = 0; i < found; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? " " : "",
		    r.all[out[i]].name);
	mp_component_rules_free(&r);
	return names;
}

static const struct mp_component_frame add[] = {
    {"level_new", "/opt/engine/libbook.so", "src/book/level.c"},
    {"OrderBook::add(Order const&)", "/opt/engine/libbook.so", "src/book/book.cc"},
    {"on_message", "/opt/engine/engine", "src/feed.c"},
    {"main", "/opt/engine/engine", NULL},
};
#define DECIDED(text) decided(text, add, sizeof(add) / sizeof(*add))

Test(component_rules, the_innermost_frame_decides)
{
	cr_assert_str_eq(
	    DECIDED("[component feed]\nfunction = on_*\n[component book]\nfunction = OrderBook::*\n"),
	    "book");
	cr_assert_str_eq(DECIDED("[component all]\nfunction = *\n[component book]\nfunction = level_new\n"),
	    "all", "of one frame, the first rule");
	cr_assert_str_eq(DECIDED("[component none]\nfunction = level\n"), "");
	cr_assert_str_eq(DECIDED("[component a]\nfunction = main\n[component b]\nsize = 1-\n"), "a");
	cr_assert_str_eq(decided("[component a]\nfunction = *\n", NULL, 0), "");
}

Test(component_rules, all_of_a_rule_is_true_of_one_frame)
{
	cr_assert_str_eq(DECIDED("[component a]\nfunction = on_message\nmodule = libbook.so\n"), "");
	cr_assert_str_eq(DECIDED("[component a]\nfunction = on_message\nmodule = engine\n"), "a");
	cr_assert_str_eq(DECIDED("[component a]\nmodule = /opt/*\nfile = */feed.c\n"), "a");
	cr_assert_str_eq(DECIDED("[component a]\nfile = feed.c\n"), "a");
	cr_assert_str_eq(DECIDED("[component a]\nfile = main.c\n"), "", "what is not known is not true");
}

Test(component_rules, sizes_and_threads_are_asked_of_each_allocation)
{
	cr_assert_str_eq(
	    DECIDED(
		"[component big]\nfunction = on_message\nsize = 4K-\n[component book]\nfunction = level_*\n"
		"size = -64\n[component feed]\nfunction = on_message\n[component last]\nthread = x\n"),
	    "book big feed");
	cr_assert_str_eq(
	    DECIDED("[component x]\nthread = x\n[component y]\nsize = 8\n[component z]\nfunction = zzz\n"),
	    "x y");
	cr_assert_str_eq(decided("[component x]\nthread = x\n", NULL, 0), "x", "without a stack");
}

Test(component_rules, names_match_without_their_parameters)
{
	static const struct {
		const char *glob, *name;
		bool matches;
	} cases[] = {
	    {"f", "f(int)", true},
	    {"f", "f(int) const", true},
	    {"f(int)", "f(int)", true},
	    {"f(long)", "f(int)", false},
	    {"A::f", "A::f(void (*)(int))", true},
	    {"std::vector<*>::push_back", "std::vector<void (*)(int), int>::push_back(int)", true},
	    {"(anonymous?namespace)::f", "(anonymous namespace)::f(int)", true},
	    {"A::operator()", "A::operator()(int) const", true},
	    {"A::operator<", "A::operator<(A const&)", true},
	    {"A::operator<<", "A::operator<<(int)", true},
	    {"A::operator->", "A::operator->()", true},
	    {"operator?new", "operator new(unsigned long)", true},
	    {"A", "A::f(int)", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct mp_component_frame f = {cases[i].name, NULL, NULL};
		char text[128];
		snprintf(text, sizeof(text), "[component a]\nfunction = %s\n", cases[i].glob);
		cr_assert_str_eq(
		    decided(text, &f, 1), cases[i].matches ? "a" : "", "%s %s", cases[i].glob, cases[i].name);
	}
}
