/* SPDX-License-Identifier: MIT */
/* The parts of `mpsample doctor` that do not depend on the machine. */
#include <criterion/criterion.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sampler/doctor/check.h"
#include "sampler/doctor/facts.h"
#include "sampler/doctor/pmu.h"
#include "sampler/perf/event.h"

Test(doctor, kernel_releases)
{
	static const struct {
		const char *release;
		bool parses;
		unsigned int major, minor;
	} cases[] = {
	    {"6.18.44-fc-v669", true, 6, 18},
	    {"6.1.0-18-amd64", true, 6, 1},
	    {"5.10", true, 5, 10},
	    {"6.13-rc1+", true, 6, 13},
	    {"6", false, 6, 0},
	    {"", false, 0, 0},
	    {"linux", false, 0, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mp_kernel_version v;

		cr_expect_eq(mp_kernel_parse(cases[i].release, &v), cases[i].parses, "%s", cases[i].release);
		cr_expect_eq(v.major, cases[i].major, "%s", cases[i].release);
		cr_expect_eq(v.minor, cases[i].minor, "%s", cases[i].release);
	}
}

Test(doctor, kernels_compare_by_number)
{
	struct mp_kernel_version v = {6, 6};

	cr_expect(mp_kernel_at_least(v, 6, 6));
	cr_expect(mp_kernel_at_least(v, 5, 19));
	cr_expect_not(mp_kernel_at_least(v, 6, 13));
	cr_expect_not(mp_kernel_at_least(v, 7, 0));
}

Test(doctor, root_has_everything)
{
	struct mp_privileges p;

	mp_privileges_parse("Name:\tmpsample\nCapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\n"
			    "NoNewPrivs:\t0\nSeccomp:\t0\n",
	    &p);
	cr_expect(mp_privileges_has(&p, CAP_BPF));
	cr_expect(mp_privileges_has(&p, CAP_PERFMON));
	cr_expect(mp_privileges_has(&p, CAP_SYS_PTRACE));
	cr_expect(mp_privileges_has(&p, CAP_CHECKPOINT_RESTORE));
	cr_expect_not(p.no_new_privs);
	cr_expect_eq(p.seccomp, 0);
}

Test(doctor, file_capabilities)
{
	struct mp_privileges p;

	/* What getpcaps shows after setcap of the five that mpsample asks for. */
	mp_privileges_parse(
	    "CapEff:\t000001c000080004\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t1\nSeccomp:\t2\n", &p);
	cr_expect(mp_privileges_has(&p, CAP_BPF));
	cr_expect(mp_privileges_has(&p, CAP_DAC_READ_SEARCH));
	cr_expect_not(mp_privileges_has(&p, CAP_SYS_ADMIN));
	cr_expect_not(mp_privileges_has(&p, CAP_IPC_LOCK));
	cr_expect(p.no_new_privs);
	cr_expect_eq(p.seccomp, 2);
}

Test(doctor, sys_admin_stands_in_for_what_was_split_off)
{
	struct mp_privileges p = {.effective = 1ULL << CAP_SYS_ADMIN};

	cr_expect(mp_privileges_has(&p, CAP_BPF));
	cr_expect(mp_privileges_has(&p, CAP_PERFMON));
	cr_expect(mp_privileges_has(&p, CAP_CHECKPOINT_RESTORE));
	cr_expect_not(mp_privileges_has(&p, CAP_SYS_PTRACE));
	cr_expect_not(mp_privileges_has(&p, CAP_DAC_READ_SEARCH));
}

Test(doctor, a_status_without_the_lines_grants_nothing)
{
	struct mp_privileges p;

	mp_privileges_parse("", &p);
	cr_expect_eq(p.effective, 0);
	mp_privileges_parse("NotCapEff:\tff\nCapEffX:\tff", &p);
	cr_expect_eq(p.effective, 0);
}

Test(doctor, locked_memory_counts_beyond_the_allowance)
{
	/* 2 CPUs, 516 KiB each: 1,056,768 bytes are free of the limit. */
	cr_expect(mp_locked_memory_suffices(1056768, 0, 516, 2));
	cr_expect_not(mp_locked_memory_suffices(1056769, 0, 516, 2));
	cr_expect(mp_locked_memory_suffices(1056768 + 8388608, 8388608, 516, 2));
	cr_expect_not(mp_locked_memory_suffices(1056769 + 8388608, 8388608, 516, 2));
	cr_expect(mp_locked_memory_suffices(UINT64_MAX, UINT64_MAX, 0, 1));
}

static void expect_quoted(const char *text, const char *want)
{
	char out[256];

	mp_shell_quote(text, out, sizeof(out));
	cr_expect_str_eq(out, want);
}

Test(doctor, paths_are_quoted_only_where_a_shell_would_take_them_apart)
{
	expect_quoted("/usr/local/bin/mpsample", "/usr/local/bin/mpsample");
	expect_quoted("/opt/a b/mpsample", "'/opt/a b/mpsample'");
	expect_quoted("/opt/o'neil/mpsample", "'/opt/o'\\''neil/mpsample'");
	expect_quoted("/opt/$(reboot)", "'/opt/$(reboot)'");
	expect_quoted("", "''");
}

Test(doctor, a_quoted_path_never_leaves_its_buffer)
{
	char *out = malloc(12);

	cr_assert_not_null(out);
	mp_shell_quote("''''''''''''", out, 12);
	cr_expect_lt(strlen(out), 12);
	free(out);
}

Test(doctor, errors_are_parted_into_what_and_what_to_do)
{
	struct mp_finding f = {0};

	mp_finding_error(&f, MP_CHECK_MISSING, "cannot open it: not permitted; run as root");
	cr_expect_str_eq(f.detail, "cannot open it: not permitted");
	cr_expect_str_eq(f.fix, "run as root");
	cr_expect(f.can_fix);

	f = (struct mp_finding){0};
	mp_finding_error(&f, MP_CHECK_LIMITED, "no 100% words");
	cr_expect_str_eq(f.detail, "no 100% words");
	cr_expect_not(f.can_fix);
}

Test(doctor, the_best_backend_that_works_is_taken)
{
	struct mp_doctor d = {0};

	cr_expect_eq(mp_doctor_backend(&d), MP_BACKEND_AUTO);
	d.backend_works[MP_BACKEND_TRACEFS] = true;
	cr_expect_eq(mp_doctor_backend(&d), MP_BACKEND_TRACEFS);
	d.backend_works[MP_BACKEND_MULTI] = true;
	cr_expect_eq(mp_doctor_backend(&d), MP_BACKEND_MULTI);
}

Test(doctor, a_process_that_can_never_be_recorded_is_an_error)
{
	struct mp_doctor_target t;
	struct mp_err err = {0};

	cr_expect_neq(mp_doctor_target_open(999999999, &t, &err), 0);
	cr_expect_neq(*err.text, 0);
}

Test(doctor, this_process_could_be_probed)
{
	struct mp_doctor_target t;
	struct mp_err err = {0};

	cr_assert_eq(mp_doctor_target_open(getpid(), &t, &err), 0, "%s", err.text);
	cr_expect_null(mp_doctor_target_obstacle(&t), "%s", mp_doctor_target_obstacle(&t));
	cr_expect_gt(t.probes.n, 0);
	cr_expect_geq(t.threads, 1);
	cr_expect_eq(t.unreadable, 0);
	mp_doctor_target_close(&t);
}

/* Each alias has its row, and this machine takes some rung of each. */
Test(doctor, what_the_aliases_come_to)
{
	for (size_t i = 0; mp_event_alias(i); i++) {
		const struct mp_check *c = mp_checks_counters;
		struct mp_doctor d = {.facts = {.cpus = 1}};
		struct mp_finding f = {0};

		while (c->name && (!c->arg || strcmp(c->arg, mp_event_alias(i)->name)))
			c++;
		cr_assert_not_null(c->name, "%s", mp_event_alias(i)->name);
		c->run(&d, c->arg, &f);
		cr_expect_neq(f.state, MP_CHECK_MISSING, "%s: %s", c->name, f.detail);
		cr_expect_not_null(strstr(f.detail, "quality "), "%s: %s", c->name, f.detail);
		cr_expect_eq(*f.fix != 0, f.state == MP_CHECK_LIMITED, "%s: %s", c->name, f.fix);
	}
}

static int count_event(void *ctx, const char *name, const char *about)
{
	struct mp_event e;

	(*(int *)ctx)++;
	cr_expect_not_null(strstr(name, "::"), "%s", name);
	cr_expect_not_null(about);
	cr_expect_eq(mp_event_encode(name, &e, NULL), 0, "%s", name);
	return 0;
}

/* What the list shows can be asked for. */
Test(doctor, what_libpfm4_knows_of_this_cpu)
{
	struct mp_pmu_known known;
	int listed = 0;

	mp_pmu_known(&known);
	cr_expect_neq(*known.names, 0);
	cr_expect_eq(mp_pmu_each_event(count_event, &listed), 0);
	cr_expect_geq(listed, known.events);
	cr_expect_eq(known.events > 0, known.pmus > 0);
}
