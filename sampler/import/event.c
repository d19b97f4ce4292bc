/* SPDX-License-Identifier: MIT */
#include "sampler/import/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- Names ---- */

/* As `perf list` has them, by their numbers in linux/perf_event.h. */
static const char *const hardware[] = {"cycles", "instructions", "cache-references", "cache-misses",
    "branches", "branch-misses", "bus-cycles", "stalled-cycles-frontend", "stalled-cycles-backend",
    "ref-cycles"};
static const char *const software[] = {"cpu-clock", "task-clock", "page-faults", "context-switches",
    "cpu-migrations", "minor-faults", "major-faults", "alignment-faults", "emulation-faults", "dummy",
    "bpf-output", "cgroup-switches"};
static const char *const caches[] = {"L1-dcache", "L1-icache", "LLC", "dTLB", "iTLB", "branch", "node"};
static const char *const cache_ops[][2] = {
    {"loads", "load-misses"}, {"stores", "store-misses"}, {"prefetches", "prefetch-misses"}};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* Since 5.13 the upper half of the config says which of several PMUs (hybrid CPUs). */
static uint64_t generic_config(const struct perf_event_attr *a)
{
	return a->config & PERF_HW_EVENT_MASK;
}

static bool cache_name(uint64_t config, char *out, size_t room)
{
	uint64_t cache = config & 0xff, op = config >> 8 & 0xff, result = config >> 16 & 0xff;

	if (cache >= COUNT(caches) || op >= COUNT(cache_ops) || result > 1)
		return false;
	snprintf(out, room, "%s-%s", caches[cache], cache_ops[op][result]);
	return true;
}

static bool generic_name(const struct perf_event_attr *a, char *out, size_t room)
{
	uint64_t config = generic_config(a);

	if (a->type == PERF_TYPE_HARDWARE && config < COUNT(hardware))
		snprintf(out, room, "%s", hardware[config]);
	else if (a->type == PERF_TYPE_SOFTWARE && config < COUNT(software))
		snprintf(out, room, "%s", software[config]);
	else if (a->type == PERF_TYPE_HW_CACHE)
		return cache_name(config, out, room);
	else
		return false;
	return true;
}

static void breakpoint_name(const struct perf_event_attr *a, char *out, size_t room)
{
	/* HW_BREAKPOINT_R, _W, _X of linux/hw_breakpoint.h */
	snprintf(out, room, "mem:0x%" PRIx64 "/%" PRIu64 ":%s%s%s", (uint64_t)a->bp_addr, (uint64_t)a->bp_len,
	    a->bp_type & 1 ? "r" : "", a->bp_type & 2 ? "w" : "", a->bp_type & 4 ? "x" : "");
}

void mp_import_event_name(const struct mp_perf_data_event *e, const char *pmu, char *out, size_t room)
{
	const struct perf_event_attr *a = &e->attr;

	if (*e->name)
		snprintf(out, room, "%s", e->name);
	else if (generic_name(a, out, room))
		return;
	else if (a->type == PERF_TYPE_BREAKPOINT)
		breakpoint_name(a, out, room);
	else if (a->type == PERF_TYPE_RAW)
		snprintf(out, room, "r%" PRIx64, (uint64_t)a->config);
	else if (a->type == PERF_TYPE_TRACEPOINT)
		snprintf(out, room, "tracepoint:%" PRIu64, (uint64_t)a->config);
	else if (pmu)
		snprintf(out, room, "%s/config=0x%" PRIx64 "/", pmu, (uint64_t)a->config);
	else
		snprintf(out, room, "type%" PRIu32 "/config=0x%" PRIx64 "/", a->type, (uint64_t)a->config);
}

void mp_import_event_chosen(const struct mp_perf_data_event *e, const char *pmu, char *out, size_t room)
{
	const struct perf_event_attr *a = &e->attr;

	snprintf(out, room,
	    "recorded by perf: type %" PRIu32 "%s%s%s, config 0x%" PRIx64 ", precise %u, %s %" PRIu64,
	    a->type, pmu ? " (" : "", pmu ? pmu : "", pmu ? ")" : "", (uint64_t)a->config,
	    (unsigned int)a->precise_ip, a->freq ? "frequency" : "period", (uint64_t)a->sample_period);
}

bool mp_import_event_is_dummy(const struct mp_perf_data_event *e)
{
	return e->attr.type == PERF_TYPE_SOFTWARE && e->attr.config == PERF_COUNT_SW_DUMMY;
}

/* ---- Quality ---- */

static bool begins(const char *s, const char *with)
{
	return s && !strncmp(s, with, strlen(with));
}

/* Of the CPU's own counters: the kernel's generic types, raw numbers, and what sysfs calls so. */
static bool is_core(const struct perf_event_attr *a, const char *pmu)
{
	return a->type == PERF_TYPE_HARDWARE || a->type == PERF_TYPE_HW_CACHE || a->type == PERF_TYPE_RAW ||
	       begins(pmu, "cpu");
}

static bool is_software(const struct perf_event_attr *a, const char *pmu)
{
	return a->type == PERF_TYPE_SOFTWARE || a->type == PERF_TYPE_TRACEPOINT || begins(pmu, "uprobe") ||
	       begins(pmu, "kprobe");
}

/* With address, source and latency of the access: whose? */
static enum mp_sample_quality full_quality(
    const struct perf_event_attr *a, const char *pmu, const struct mp_perf_data_about *machine)
{
	if (!is_core(a, pmu))
		return MP_SAMPLE_DATA;
	/* On AMD's CPUs the kernel gives what is to be precise to IBS. */
	if (begins(machine->cpu_id, "AuthenticAMD") || begins(machine->cpu_id, "HygonGenuine"))
		return MP_SAMPLE_IBS;
	/* Recordings without the CPU's name are of Intel's: elsewhere nothing had this when it was not told.
	 */
	if (begins(machine->cpu_id, "GenuineIntel") || (!*machine->cpu_id && !begins(machine->arch, "a")))
		return MP_SAMPLE_PEBS;
	return MP_SAMPLE_DATA;
}

enum mp_sample_quality mp_import_event_quality(
    const struct mp_perf_data_event *e, const char *pmu, const struct mp_perf_data_about *machine)
{
	const struct perf_event_attr *a = &e->attr;
	bool has_addr = a->sample_type & PERF_SAMPLE_ADDR, has_source = a->sample_type & PERF_SAMPLE_DATA_SRC,
	     has_weight = a->sample_type & (PERF_SAMPLE_WEIGHT | PERF_SAMPLE_WEIGHT_STRUCT);

	if (a->type == PERF_TYPE_BREAKPOINT)
		return MP_SAMPLE_BREAKPOINT;
	if (is_software(a, pmu))
		return MP_SAMPLE_SOFTWARE;
	if (begins(pmu, "ibs_"))
		return has_addr && has_source ? MP_SAMPLE_IBS : MP_SAMPLE_PRECISE;
	if (begins(pmu, "arm_spe"))
		return has_addr && has_source ? MP_SAMPLE_SPE : MP_SAMPLE_PRECISE;
	if (!a->precise_ip)
		return MP_SAMPLE_COUNTER;
	if (has_addr && has_source && has_weight)
		return full_quality(a, pmu, machine);
	return has_addr ? MP_SAMPLE_DATA : MP_SAMPLE_PRECISE;
}
