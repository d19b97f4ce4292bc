/* SPDX-License-Identifier: MIT */
/* The machine's counters and clocks. */
#include <errno.h>
#include <glob.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sampler/doctor/check.h"
#include "sampler/doctor/pmu.h"
#include "sampler/perf/ring.h"

#define DEVICES "/sys/bus/event_source/devices/"
#define CLOCK   "/sys/devices/system/clocksource/clocksource0/"

/* Recordings of this version are made of software events: counters are told about, no more. */
#define NOT_RECORDED "; this version records none"

static void no_counters(const struct mp_doctor *d, struct mp_finding *out)
{
	if (d->facts.in_vm)
		mp_finding_no_fix(
		    out, "nothing to do in this guest: only its host can give it counters (a vPMU)");
	else
		mp_finding_no_fix(out, "nothing to do: the kernel has no driver for this CPU's counters");
}

static void check_counters(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
	    .config = PERF_COUNT_HW_CPU_CYCLES,
	    .disabled = 1,
	    .exclude_kernel = 1};
	struct mp_pmu_known known;
	int fd = mp_perf_open(&attr, 0, -1, -1);

	(void)arg;
	mp_pmu_known(&known);
	if (fd >= 0) {
		close(fd);
		mp_finding_set(
		    out, MP_CHECK_WORKS, "cycles can be counted (libpfm4: %s)" NOT_RECORDED, known.names);
	} else if (fd == -EACCES || fd == -EPERM) {
		mp_finding_set(out, MP_CHECK_MISSING, "perf_event_open: %s" NOT_RECORDED, strerror(-fd));
		mp_finding_fix(out, "%s", d->facts.rights_fix);
	} else {
		mp_finding_set(out, MP_CHECK_MISSING, "cycles cannot be counted (libpfm4: %s)" NOT_RECORDED,
		    known.names);
		no_counters(d, out);
	}
}

/* Memory accesses sampled with address and latency: by PEBS, IBS or SPE. */
static void check_precise(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	long long max_precise = 0;

	(void)arg;
	mp_facts_read_number(DEVICES "cpu/caps/max_precise", &max_precise);
	if (!access(DEVICES "ibs_op", F_OK))
		mp_finding_set(out, MP_CHECK_WORKS, "AMD IBS" NOT_RECORDED);
	else if (!access(DEVICES "arm_spe_0", F_OK))
		mp_finding_set(out, MP_CHECK_WORKS, "Arm SPE" NOT_RECORDED);
	else if (max_precise > 0)
		mp_finding_set(out, MP_CHECK_WORKS, "PEBS, precise_ip up to %lld" NOT_RECORDED, max_precise);
	if (*out->detail)
		return;
	mp_finding_set(out, MP_CHECK_MISSING, "neither PEBS nor IBS nor SPE" NOT_RECORDED);
	no_counters(d, out);
}

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
    {"hardware counters", check_counters, NULL},
    {"precise sampling", check_precise, NULL},
    {"clock source", check_clock, NULL},
    {"CPU governor", check_governor, NULL},
    {NULL, NULL, NULL},
};
