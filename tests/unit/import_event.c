/* SPDX-License-Identifier: MIT */
#include "sampler/import/event.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const char *name_of(uint32_t type, uint64_t config, const char *pmu)
{
	static char name[128];
	struct mp_perf_data_event e = {.attr = {.type = type, .config = config}};

	mp_import_event_name(&e, pmu, name, sizeof(name));
	return name;
}

Test(import_event, names)
{
	cr_expect_str_eq(name_of(PERF_TYPE_HARDWARE, 0, "cpu"), "cycles");
	cr_expect_str_eq(
	    name_of(PERF_TYPE_HARDWARE, 0x400000000, NULL), "cycles"); /* of one of several PMUs */
	cr_expect_str_eq(name_of(PERF_TYPE_HARDWARE, 3, NULL), "cache-misses");
	cr_expect_str_eq(name_of(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, NULL), "page-faults");
	cr_expect_str_eq(name_of(PERF_TYPE_HW_CACHE, 0x10003, NULL), "dTLB-load-misses");
	cr_expect_str_eq(name_of(PERF_TYPE_HW_CACHE, 0xff, NULL), "type3/config=0xff/");
	cr_expect_str_eq(name_of(PERF_TYPE_RAW, 0x1cd, "cpu"), "r1cd");
	cr_expect_str_eq(name_of(PERF_TYPE_TRACEPOINT, 316, NULL), "tracepoint:316");
	cr_expect_str_eq(name_of(11, 0x13, "ibs_op"), "ibs_op/config=0x13/");
	cr_expect_str_eq(name_of(99, 1, NULL), "type99/config=0x1/");
	struct mp_perf_data_event e = {
	    .attr = {.type = PERF_TYPE_BREAKPOINT, .bp_addr = 0x1000, .bp_len = 4, .bp_type = 3}};
	char name[128];
	mp_import_event_name(&e, NULL, name, sizeof(name));
	cr_expect_str_eq(name, "mem:0x1000/4:rw");
	snprintf(e.name, sizeof(e.name), "as recorded");
	mp_import_event_name(&e, NULL, name, sizeof(name));
	cr_expect_str_eq(name, "as recorded");
}

static enum mp_sample_quality quality(
    uint32_t type, unsigned int precise, uint64_t sample_type, const char *pmu, const char *cpu_id)
{
	struct mp_perf_data_event e = {
	    .attr = {.type = type, .precise_ip = precise & 3, .sample_type = sample_type}};
	struct mp_perf_data_about machine = {.host = ""};

	snprintf(machine.cpu_id, sizeof(machine.cpu_id), "%s", cpu_id);
	return mp_import_event_quality(&e, pmu, &machine);
}

#define FULL (PERF_SAMPLE_ADDR | PERF_SAMPLE_DATA_SRC | PERF_SAMPLE_WEIGHT_STRUCT)

Test(import_event, quality)
{
	const char *intel = "GenuineIntel,6,85,4", *amd = "AuthenticAMD,25,1,1", *arm = "0x00000000410fd0c0";

	cr_expect_eq(quality(PERF_TYPE_RAW, 2, FULL, "cpu", intel), MP_SAMPLE_PEBS);
	cr_expect_eq(quality(PERF_TYPE_RAW, 2, FULL, NULL, ""), MP_SAMPLE_PEBS);
	cr_expect_eq(quality(10, 3, FULL, "cpu_atom", intel), MP_SAMPLE_PEBS);
	cr_expect_eq(quality(PERF_TYPE_RAW, 0, FULL, "cpu", intel), MP_SAMPLE_COUNTER);
	cr_expect_eq(quality(PERF_TYPE_RAW, 2, FULL, "cpu", amd), MP_SAMPLE_IBS);
	cr_expect_eq(quality(PERF_TYPE_RAW, 2, FULL, "armv8_pmuv3", arm), MP_SAMPLE_DATA);
	cr_expect_eq(quality(11, 0, FULL, "ibs_op", amd), MP_SAMPLE_IBS);
	cr_expect_eq(quality(11, 0, PERF_SAMPLE_IP, "ibs_op", amd), MP_SAMPLE_PRECISE);
	cr_expect_eq(quality(8, 0, FULL, "arm_spe_0", arm), MP_SAMPLE_SPE);
	cr_expect_eq(quality(PERF_TYPE_HARDWARE, 3, PERF_SAMPLE_IP, "cpu", intel), MP_SAMPLE_PRECISE);
	cr_expect_eq(quality(PERF_TYPE_HARDWARE, 1, PERF_SAMPLE_ADDR, "cpu", intel), MP_SAMPLE_DATA);
	cr_expect_eq(quality(PERF_TYPE_HARDWARE, 0, PERF_SAMPLE_IP, "cpu", intel), MP_SAMPLE_COUNTER);
	cr_expect_eq(quality(PERF_TYPE_SOFTWARE, 0, FULL, "software", intel), MP_SAMPLE_SOFTWARE);
	cr_expect_eq(quality(PERF_TYPE_TRACEPOINT, 0, 0, "tracepoint", intel), MP_SAMPLE_SOFTWARE);
	cr_expect_eq(quality(PERF_TYPE_BREAKPOINT, 0, FULL, "breakpoint", intel), MP_SAMPLE_BREAKPOINT);
}
