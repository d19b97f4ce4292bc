/* SPDX-License-Identifier: MIT */
/* The machine's clocks. */
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "sampler/doctor/check.h"

#define CLOCK "/sys/devices/system/clocksource/clocksource0/"

static bool is_word_of(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += n)
		if ((at == words || at[-1] == ' ') && (!at[n] || at[n] == ' '))
			return true;
	return false;
}

/* Clocks that user space and BPF read without leaving the CPU: others cost 0.5 us and more a time stamp. */
static void check_clock(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	static const char fast[] = "tsc kvm-clock hyperv_clocksource_tsc_page arch_sys_counter";
	char current[64], available[256];

	(void)d;
	(void)arg;
	if (mp_facts_read(CLOCK "current_clocksource", current, sizeof(current))) {
		mp_finding_set(out, MP_CHECK_LIMITED, "cannot read " CLOCK "current_clocksource");
		mp_finding_fix(out, "mount -t sysfs sysfs /sys");
		return;
	}
	if (is_word_of(fast, current)) {
		mp_finding_set(out, MP_CHECK_WORKS, "%s", current);
		return;
	}
	mp_finding_set(out, MP_CHECK_LIMITED, "%s: slow, every time stamp adds to the overhead", current);
	mp_facts_read(CLOCK "available_clocksource", available, sizeof(available));
	if (is_word_of(available, "tsc"))
		mp_finding_fix(out, "echo tsc | sudo tee " CLOCK "current_clocksource");
	else
		mp_finding_no_fix(
		    out, "nothing to do: the kernel does not trust this CPU's TSC (dmesg | grep -i tsc)");
}

static void check_governor(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	glob_t files = {0};
	char governor[64];
	size_t slow = 0;

	(void)d;
	(void)arg;
	if (glob("/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor", 0, NULL, &files)) {
		mp_finding_set(out, MP_CHECK_WORKS, "none: this kernel does not scale the frequency");
		return;
	}
	for (size_t i = 0; i < files.gl_pathc; i++)
		slow += !mp_facts_read(files.gl_pathv[i], governor, sizeof(governor)) &&
			strcmp(governor, "performance");
	if (!slow) {
		mp_finding_set(out, MP_CHECK_WORKS, "performance");
	} else {
		mp_finding_set(out, MP_CHECK_LIMITED,
		    "%zu of %zu CPUs are not on performance: durations vary with the clock", slow,
		    files.gl_pathc);
		mp_finding_fix(out, "sudo cpupower frequency-set -g performance");
	}
	globfree(&files);
}

const struct mp_check mp_checks_machine[] = {
    {"clock source", check_clock, NULL},
    {"CPU governor", check_governor, NULL},
    {NULL, NULL, NULL},
};
