/* SPDX-License-Identifier: MIT */
/* The PMU: which counters are there, whether they interrupt, what is sampled precisely, and what each alias
 * of an event comes to. All by trying. */
#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sampler/doctor/check.h"
#include "sampler/doctor/pmu.h"
#include "sampler/perf/event.h"
#include "sampler/perf/ring.h"
#include "sampler/perf/spe.h"

#define DEVICES "/sys/bus/event_source/devices/"
#define MIDR    "/sys/devices/system/cpu/cpu0/regs/identification/midr_el1"

static bool not_permitted(int code)
{
	return code == -EACCES || code == -EPERM;
}

static void no_counters(const struct mp_doctor *d, struct mp_finding *out)
{
	if (d->facts.in_vm)
		mp_finding_no_fix(
		    out, "nothing to do in this guest: only its host can give it counters (a vPMU)");
	else
		mp_finding_no_fix(out, "nothing to do: the kernel has no driver for this CPU's counters");
}

static void add_word(char *words, size_t size, const char *word)
{
	size_t n = strlen(words);

	snprintf(words + n, size - n, "%s%s", n ? " " : "", word);
}

/* 0: it counts. */
static int try_counter(const char *name)
{
	struct mp_event e;
	int ret = mp_event_encode(name, &e, NULL);

	if (ret)
		return ret;
	e.attr.disabled = 1;
	int fd = mp_perf_open(&e.attr, 0, -1, -1);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static void check_counters(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	static const char *const names[] = {"cycles", "instructions", "cache-references", "cache-misses",
	    "branches", "branch-misses", "L1-dcache-load-misses", "LLC-load-misses", "dTLB-load-misses",
	    "node-load-misses"};
	char there[256] = "", missing[256] = "";
	struct mp_pmu_known known;
	int refused = 0;

	(void)arg;
	mp_pmu_known(&known);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		int code = try_counter(names[i]);
		add_word(code ? missing : there, sizeof(there), names[i]);
		if (not_permitted(code))
			refused = code;
	}
	d->has_counters = *there;
	if (*there) {
		mp_finding_set(out, *missing ? MP_CHECK_LIMITED : MP_CHECK_WORKS,
		    "%s%s%s (libpfm4: %d events of %s)", there, *missing ? "; not there: " : "", missing,
		    known.events, known.names);
		if (*missing)
			mp_finding_no_fix(out, "this CPU or its kernel does not count these");
	} else if (refused) {
		mp_finding_set(out, MP_CHECK_MISSING, "perf_event_open: %s", strerror(-refused));
		mp_finding_fix(out, "%s", d->facts.rights_fix);
	} else {
		mp_finding_set(out, MP_CHECK_MISSING, "none (by its model libpfm4 takes the CPU for %s)",
		    known.pmus ? known.names : "none that it knows");
		no_counters(d, out);
	}
}

static void count_sample(void *ctx, const struct perf_event_header *record)
{
	*(uint64_t *)ctx += record->type == PERF_RECORD_SAMPLE;
}

/* Work for the counters; its result is used, so that it is done. */
static unsigned long work(unsigned long n)
{
	unsigned long v = 1;

	for (unsigned long i = 0; i < n; i++) {
		v = v * 6364136223846793005UL + i;
		__asm__ volatile("" : "+r"(v));
	}
	return v;
}

/* Runs some ten million cycles of a loop; *samples: how many came at one a million of them. */
static int sample_cycles(uint64_t *samples, struct mp_err *err)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
	    .config = PERF_COUNT_HW_CPU_CYCLES,
	    .sample_period = 1000000,
	    .sample_type = PERF_SAMPLE_IP,
	    .disabled = 1,
	    .exclude_kernel = 1,
	    .exclude_hv = 1};
	struct mp_perf_ring ring;
	int fd = mp_perf_open(&attr, 0, -1, -1);

	*samples = 0;
	if (fd < 0)
		return mp_err_set(err, -fd, "cycles do not interrupt: %s", strerror(-fd));
	int ret = mp_perf_ring_map(fd, 1, &ring, err);
	if (ret) {
		close(fd);
		return ret;
	}
	ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
	work(10000000);
	ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
	mp_perf_ring_read(&ring, count_sample, samples);
	mp_perf_ring_close(&ring);
	return 0;
}

static void check_interrupts(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	struct mp_err err;
	uint64_t samples;

	(void)arg;
	if (!d->has_counters) {
		mp_finding_set(out, MP_CHECK_MISSING, "no counter that could interrupt");
		mp_finding_no_fix(out, "only software events and breakpoints are sampled");
		return;
	}
	int code = sample_cycles(&samples, &err);
	if (!code && samples) {
		mp_finding_set(out, MP_CHECK_WORKS, "counters interrupt: tried with cycles");
		return;
	}
	mp_finding_set(out, MP_CHECK_MISSING, "%s",
	    code ? err.text : "cycles are counted, and no interrupt came when their counter overflowed");
	if (not_permitted(code))
		mp_finding_fix(out, "%s", d->facts.rights_fix);
	else
		mp_finding_no_fix(
		    out, "counters can only be counted here (record --count), not sampled (record -e)");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What stands in a folder of sysfs, by name; nothing where there is no such folder. */
static void list_folder(const char *path, char *out, size_t size)
{
	char *names[64];
	size_t n = 0;
	DIR *dir = opendir(path);
	const struct dirent *e;

	out[0] = 0;
	while (dir && n < sizeof(names) / sizeof(*names) && (e = readdir(dir)))
		if (e->d_name[0] != '.' && (names[n] = strdup(e->d_name)))
			n++;
	if (dir)
		closedir(dir);
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		add_word(out, size, names[i]);
		free(names[i]);
	}
}

static void describe_ibs(struct mp_finding *out)
{
	char format[256], caps[256];

	list_folder(DEVICES "ibs_op/format", format, sizeof(format));
	list_folder(DEVICES "ibs_op/caps", caps, sizeof(caps));
	mp_finding_set(out, MP_CHECK_WORKS, "AMD IBS: %s%s%s", format, *caps ? "; capabilities: " : "", caps);
}

static void describe_spe(struct mp_finding *out)
{
	char format[256], caps[256], midr[32];
	bool is_neoverse =
	    !mp_facts_read(MIDR, midr, sizeof(midr)) && mp_spe_has_neoverse_sources(strtoull(midr, NULL, 0));

	list_folder(DEVICES "arm_spe_0/format", format, sizeof(format));
	list_folder(DEVICES "arm_spe_0/caps", caps, sizeof(caps));
	mp_finding_set(out, MP_CHECK_WORKS, "Arm SPE: %s; capabilities: %s; %s", format, caps,
	    is_neoverse ? "tells every level of the caches" : "tells of the levels what its events say");
}

static const char *intel_folder(void)
{
	return access(DEVICES "cpu_core", F_OK) ? DEVICES "cpu" : DEVICES "cpu_core";
}

static void describe_pebs(long long levels, struct mp_finding *out)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/events/mem-loads", intel_folder());
	bool has_latency = !access(path, F_OK);
	snprintf(path, sizeof(path), "%s/events/mem-loads-aux", intel_folder());
	bool has_leader = !access(path, F_OK);
	mp_finding_set(out, MP_CHECK_WORKS, "PEBS, precise_ip up to %lld, %s load latency%s", levels,
	    has_latency ? "with" : "without", has_leader ? ", led by mem-loads-aux" : "");
}

/* Memory accesses sampled with address and latency: by PEBS, IBS or SPE. */
static void check_precise(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	char path[128];
	long long levels = 0;

	(void)arg;
	snprintf(path, sizeof(path), "%s/caps/max_precise", intel_folder());
	mp_facts_read_number(path, &levels);
	if (!access(DEVICES "ibs_op", F_OK)) {
		describe_ibs(out);
	} else if (!access(DEVICES "arm_spe_0", F_OK)) {
		describe_spe(out);
	} else if (levels > 0) {
		describe_pebs(levels, out);
	} else {
		mp_finding_set(out, MP_CHECK_MISSING, "neither PEBS nor IBS nor SPE");
		if (d->has_counters)
			mp_finding_no_fix(out,
			    "nothing to do: the kernel has no driver for one of this CPU's%s",
			    d->facts.in_vm ? ", or the host keeps it from this guest" : "");
		else
			no_counters(d, out);
	}
}

/* What `record -e ALIAS` takes here, and why nothing better. */
static void check_alias(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	const char *alias = arg;
	struct mp_event e;
	struct mp_err err;
	int code = mp_event_resolve(alias, &e, &err);

	if (code) {
		mp_finding_error(out, MP_CHECK_MISSING, err.text);
		if (not_permitted(code))
			mp_finding_fix(out, "%s", d->facts.rights_fix);
		return;
	}
	mp_finding_set(out, *e.note ? MP_CHECK_LIMITED : MP_CHECK_WORKS, "by %s, quality %s%s%s", e.chosen,
	    mp_event_quality_name(e.quality), *e.note ? ": " : "", e.note);
	if (*e.note)
		mp_finding_no_fix(out, "see hardware counters");
}

const struct mp_check mp_checks_counters[] = {
    {"hardware counters", check_counters, NULL},
    {"counter interrupts", check_interrupts, NULL},
    {"precise sampling", check_precise, NULL},
    {"event mem-loads", check_alias, "mem-loads"},
    {"event mem-stores", check_alias, "mem-stores"},
    {"event cache-misses", check_alias, "cache-misses"},
    {"event l3-miss", check_alias, "l3-miss"},
    {"event remote-dram", check_alias, "remote-dram"},
    {"event dtlb-misses", check_alias, "dtlb-misses"},
    {"event page-faults", check_alias, "page-faults"},
    {NULL, NULL, NULL},
};
