/* SPDX-License-Identifier: MIT */
/* The allocator profiles, and what is found with them in this very process. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "sampler/probe.h"
#include "sampler/uprobe/shared.h"

Test(profile, all_files_are_understood)
{
	struct mp_profiles p;
	struct mp_err err;

	cr_assert_eq(mp_profiles_load(&p, &err), 0, "%s", err.text);
	for (unsigned int op = 0; op < MP_OP_COUNT; op++)
		cr_assert_not_null(p.family[op], "no functions for %s", mp_op_name(op));
	cr_assert_geq(p.n_allocators, 5);
	mp_profiles_free(&p);
}

static bool is_last_alignment(void *seen, const char *word)
{
	*(int *)seen += 1;
	return !strcmp(word, "_ZnamSt11align_val_tRKSt9nothrow_t");
}

Test(profile, lists_go_on_over_lines)
{
	struct mp_profiles p;
	int seen = 0;

	cr_assert_eq(mp_profiles_load(&p, NULL), 0);
	cr_assert(mp_profile_each_word(p.family[MP_OP_NEW], is_last_alignment, &seen));
	cr_assert_eq(seen, 8);
	mp_profiles_free(&p);
}

Test(profile, wrappers_are_told_from_sites)
{
	struct mp_profiles p;

	cr_assert_eq(mp_profiles_load(&p, NULL), 0);
	cr_assert(mp_profile_is_wrapper(&p, "operator new", "/opt/engine"));
	cr_assert(mp_profile_is_wrapper(&p, "std::vector<Order>::push_back", "/opt/engine"));
	cr_assert(mp_profile_is_wrapper(&p, NULL, "/usr/lib/x86_64-linux-gnu/libc.so.6"));
	cr_assert_not(mp_profile_is_wrapper(&p, "OrderBook::insert", "/opt/engine"));
	cr_assert_not(mp_profile_is_wrapper(&p, NULL, NULL));
	cr_assert_not(
	    mp_profile_is_wrapper(&p, "malloc_stats_report", "/opt/engine"), "globs match whole names");
	mp_profiles_free(&p);
}

Test(probe, finds_the_family_in_this_process)
{
	struct mp_profiles p;
	struct mp_target t;
	struct mp_probe_set set;
	struct mp_err err;
	unsigned int mallocs = 0;

	cr_assert_eq(mp_profiles_load(&p, NULL), 0);
	cr_assert_eq(mp_target_open(getpid(), &t, &err), 0, "%s", err.text);
	cr_assert_eq(mp_probe_resolve(&t, &p, &set, &err), 0, "%s", err.text);
	for (size_t i = 0; i < set.n; i++) {
		mallocs += set.probes[i].op == MP_OP_MALLOC;
		for (size_t k = 0; k < i; k++)
			cr_assert(set.probes[i].module_offset != set.probes[k].module_offset ||
				      set.probes[i].inode != set.probes[k].inode,
			    "%s twice", set.probes[i].function);
	}
	cr_assert_eq(mallocs, 1);
	mp_probe_set_free(&set);
	mp_target_close(&t);
	mp_profiles_free(&p);
}

Test(probe, cookies_carry_operation_and_arguments)
{
	const struct mp_probe calloc_ = {.op = MP_OP_CALLOC,
				  .size_args = MP_ARG(1) | MP_ARG(2),
				  .is_stepped = true},
			      slow = {
				  .op = MP_COOKIE_NO_OP, .ptr_args = MP_ARG(4), .is_slow = true, .slow = 7};

	cr_assert_eq(mp_probe_cookie(&calloc_, MP_PROBES_WINDOW),
	    MP_OP_CALLOC | 6u << 8 | 1u << 24 | 1u << 25 | MP_COOKIE_RETURNS_BLOCK);
	cr_assert_eq(mp_probe_cookie(&slow, MP_PROBES_SLOW), 255 | 16u << 16 | 2u << 25 | 7ULL << 32);

	/* free(NULL) is no call; a slow function says by whom it is called only when it is hit. */
	struct mp_probe free_ = {.op = MP_OP_FREE, .ptr_args = MP_ARG(1)};
	uint64_t cookie = mp_probe_cookie(&free_, MP_PROBES_ALWAYS);
	cr_assert(cookie & MP_COOKIE_IGNORES_NULL);
	free_.is_slow = true;
	cr_assert_not(mp_probe_cookie(&free_, MP_PROBES_SLOW) & MP_COOKIE_IGNORES_NULL);
}

Test(target, refuses_what_cannot_be_recorded)
{
	struct mp_target t;
	struct mp_err err;

	cr_assert_lt(mp_target_open(0x7ffffff0, &t, &err), 0);
	cr_assert(strstr(err.text, "no process"), "%s", err.text);
}

Test(target, modules_stand_in_link_order)
{
	struct mp_target t;
	struct mp_err err;

	cr_assert_eq(mp_target_open(getpid(), &t, &err), 0, "%s", err.text);
	cr_assert_gt(t.n_modules, 2);
	cr_assert(t.modules[0].is_exe);
	for (size_t i = 1; i < t.n_modules; i++)
		cr_assert_leq(t.modules[i - 1].link_order, t.modules[i].link_order);
	mp_target_close(&t);
}
