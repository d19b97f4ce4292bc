/* SPDX-License-Identifier: MIT */
/* Profiles of garbage collectors: the built-in ones, and texts that are none. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sampler/gc/profile.h"

Test(gc_profile, built_in)
{
	struct mp_gc_profile p;
	struct mp_err err = {0};
	int ret;
	size_t n = 0;

	for (; !(ret = mp_gc_profile_load(n, &p, &err)); n++) {
		cr_assert(p.name && p.about, "%s", p.file);
		for (size_t i = 0; i < p.n_variants; i++)
			cr_assert_gt(p.variants[i].n, 1, "%s: [variant %s]", p.file, p.variants[i].name);
		mp_gc_profile_free(&p);
	}
	cr_assert_eq(ret, -ENOENT, "%s", err.text);
	cr_assert_geq(n, 5);
}

static const char minimal[] =
    "[profile]\nname = x\nmodules = libx.so\n[variant a]\nbegin = entry:f(kind=arg1)\n";

static int parse(const char *more, struct mp_gc_profile *out, struct mp_err *err)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s%s", minimal, more);
	return mp_gc_profile_parse("x.ini", text, out, err);
}

Test(gc_profile, all_that_there_is)
{
	struct mp_gc_profile p;
	struct mp_err err = {0};

	cr_assert_eq(
	    parse("after = usdt:a:b(pool=str@arg0:arg1,\n    used=arg2)\nafter = entry:g(used=arg0)\n"
		  "optional = after stopped\n"
		  "[kinds]\n0 = young\nSome Operation = full\n[causes]\nNo GC = -\n"
		  "[gauge live]\nvalue = u64@v\nversion = str@u64@w\nis = 1.*\n"
		  "[gauge live]\nvalue = u64@v+8\nis = 2.*\n[classes]\nnames = hotspot\n[law]\nkind = "
		  "young\nfilled = live\nlimit = goal\n",
		&p, &err),
	    0, "%s", err.text);
	cr_assert_eq(p.n_variants, 1);
	cr_assert_eq(p.variants[0].n, 3, "a bracket that is open goes on, a new key is new");
	cr_assert_str_eq(p.variants[0].entries[1].where, "usdt:a:b(pool=str@arg0:arg1, used=arg2)");
	cr_assert_eq(p.variants[0].entries[2].role, MP_GC_AFTER);
	cr_assert_eq(p.variants[0].optional, 1u << MP_GC_AFTER | 1u << MP_GC_STOPPED);
	cr_assert_str_eq(mp_gc_word(&p.kinds, "Some Operation"), "full");
	cr_assert_null(mp_gc_word(&p.kinds, "Some"));
	cr_assert_str_eq(mp_gc_word(&p.causes, "No GC"), "-");
	cr_assert_eq(p.n_gauges, 2);
	cr_assert_str_eq(p.gauges[1].value, "u64@v+8");
	cr_assert_str_eq(p.law_limit, "goal");
	cr_assert_str_eq(p.class_names, MP_GC_CLASSES_HOTSPOT);
	mp_gc_profile_free(&p);
}

Test(gc_profile, bad)
{
	static const struct {
		const char *more, *error;
	} bad[] = {
	    {"[variant b]\nstarts = entry:f\n", "x.ini:7: unknown key 'starts'"},
	    {"[things]\na = b\n", "x.ini:7: unknown section 'things'"},
	    {"[variant b]\noptional = begin starts\n", "x.ini:7: unknown role in 'begin starts'"},
	    {"[law]\nwhen = now\n", "x.ini:7: unknown key 'when'"},
	    {"[gauge g]\nwhat = u64@v\n", "x.ini:7: unknown key 'what'"},
	    {"[profile]\nsize = 3\n", "x.ini:7: unknown key 'size'"},
	    {"[classes]\nname = hotspot\n", "x.ini:7: unknown key 'name'"},
	    {"[classes]\nnames = dotnet\n", "x.ini:7: unknown names of classes 'dotnet'"},
	    {"begin\n", "x.ini:6: no KEY = VALUE"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct mp_gc_profile p;
		struct mp_err err = {0};
		cr_expect_eq(parse(bad[i].more, &p, &err), -EINVAL);
		cr_expect_str_eq(err.text, bad[i].error);
	}
	struct mp_gc_profile p;
	struct mp_err err = {0};
	cr_expect_eq(
	    mp_gc_profile_parse("y.ini", "[profile]\nname = y\nmodules = y.so\n", &p, &err), -EINVAL);
	cr_expect_str_eq(err.text, "y.ini: a profile has a name, modules or symbols, and a variant");
}
