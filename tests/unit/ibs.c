/* SPDX-License-Identifier: MIT */
/* Registers of AMD IBS, put together by hand. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/perf/ibs.h"

#define ZEN4 (1u << 11)

enum {
	LOAD = 1 << 0,
	STORE = 1 << 1,
	TLB1 = 1 << 2,
	TLB2 = 1 << 3,
	MISS = 1 << 7,
	NO_MAB = 1 << 16,
	VALID = 1 << 17,
	MISS2 = 1 << 20
};

static size_t put(unsigned char *raw, uint32_t caps, uint64_t data, uint64_t data2, uint64_t data3)
{
	const uint64_t regs[] = {0x6000000000000, 0x401234, data, data2, data3, 0x7f0000001040, 0x1040};

	memcpy(raw, &caps, sizeof(caps));
	memcpy(raw + sizeof(caps), regs, sizeof(regs));
	return sizeof(caps) + sizeof(regs);
}

static struct mp_ibs_sample decode(uint32_t caps, uint64_t data2, uint64_t data3)
{
	unsigned char raw[64];
	struct mp_ibs_sample out;

	cr_assert(mp_ibs_decode(raw, put(raw, caps, 0, data2, data3), &out));
	return out;
}

Test(ibs, a_load_that_missed)
{
	struct mp_ibs_sample s = decode(0, 3, LOAD | MISS | MISS2 | VALID | 300ULL << 32 | 77ULL << 48);

	cr_expect(s.has_ip && s.has_addr);
	cr_expect_eq(s.ip, 0x401234);
	cr_expect_eq(s.addr, 0x7f0000001040);
	cr_expect_eq(s.latency, 300);
	cr_expect_eq(s.access.level, MP_LEVEL_LOCAL_DRAM);
	cr_expect_eq(s.access.tlb, 1);
	cr_expect_eq(s.access.is_write, 0);
}

Test(ibs, levels)
{
	const uint64_t beyond = LOAD | MISS | MISS2 | VALID, remote = 1 << 4;

	cr_expect_eq(decode(0, 0, LOAD | VALID).access.level, MP_LEVEL_L1);
	cr_expect_eq(decode(0, 0, LOAD | VALID | 99ULL << 32).latency, 0);
	cr_expect_eq(decode(0, 3, LOAD | MISS | VALID).access.level, MP_LEVEL_L2);
	cr_expect_eq(decode(0, 1, beyond).access.level, MP_LEVEL_L3);
	cr_expect_eq(decode(0, 2, beyond).access.level, MP_LEVEL_L3);
	cr_expect_eq(decode(0, 2 | remote, beyond).access.level, MP_LEVEL_OTHER_CACHE);
	cr_expect_eq(decode(ZEN4, 2, beyond).access.level, MP_LEVEL_OTHER_CACHE);
	cr_expect_eq(decode(ZEN4, 5, beyond).access.level, MP_LEVEL_OTHER_CACHE);
	cr_expect_eq(decode(0, 3 | remote, beyond).access.level, MP_LEVEL_REMOTE_DRAM);
	cr_expect_eq(decode(0, 7, beyond).access.level, MP_LEVEL_OTHER_MEMORY);
	/* 8, in five bits: memory behind CXL. In three it is nothing. */
	cr_expect_eq(decode(ZEN4, 1 << 6, beyond).access.level, MP_LEVEL_OTHER_MEMORY);
	cr_expect_eq(decode(0, 1 << 6, beyond).access.level, MP_LEVEL_NONE);
	cr_expect_eq(decode(0, 0, beyond | NO_MAB).access.level, MP_LEVEL_LFB);
}

Test(ibs, stores_and_translations)
{
	struct mp_ibs_sample s = decode(0, 3, STORE | MISS | MISS2 | VALID | 5ULL << 32);

	cr_expect_eq(s.access.is_write, 1);
	cr_expect_eq(s.access.level, MP_LEVEL_NONE);
	cr_expect_eq(s.latency, -1);
	cr_expect_eq(decode(0, 0, STORE | VALID).access.level, MP_LEVEL_L1);
	cr_expect_eq(decode(0, 0, LOAD | TLB1).access.tlb, 1);
	cr_expect_eq(decode(0, 0, LOAD | TLB1 | TLB2).access.tlb, 2);
	cr_expect_not(decode(0, 0, LOAD).has_addr);
}

Test(ibs, what_is_no_sample_of_memory)
{
	unsigned char raw[64];
	struct mp_ibs_sample out;
	size_t n = put(raw, 0, 0, 0, VALID);

	cr_expect_not(mp_ibs_decode(raw, n, &out));
	n = put(raw, 0, 1ULL << 38, 0, LOAD | VALID);
	cr_assert(mp_ibs_decode(raw, n, &out));
	cr_expect_not(out.has_ip);
	/* Of these sizes exactly: a read behind them is one that sanitizers see. */
	for (size_t size = 0; size <= n; size++) {
		unsigned char *copy = malloc(size ? size : 1);

		cr_assert_not_null(copy);
		memcpy(copy, raw, size);
		cr_expect_eq(mp_ibs_decode(copy, size, &out), size >= 4 + 6 * 8, "%zu", size);
		free(copy);
	}
}
