/* SPDX-License-Identifier: MIT */
#include "sampler/perf/level.h"

#include <criterion/criterion.h>
#include <linux/perf_event.h>

#define LVL(bits) ((uint64_t)(bits) << PERF_MEM_LVL_SHIFT)
#define LVLNUM(n) ((uint64_t)(n) << PERF_MEM_LVLNUM_SHIFT)
#define HIT(bits) LVL(PERF_MEM_LVL_HIT | (bits))
#define REMOTE    ((uint64_t)PERF_MEM_REMOTE_REMOTE << PERF_MEM_REMOTE_SHIFT)
#define HOPS(n)   ((uint64_t)(n) << PERF_MEM_HOPS_SHIFT)
#define TLB(bits) ((uint64_t)(bits) << PERF_MEM_TLB_SHIFT)
#define OP(bits)  ((uint64_t)(bits) << PERF_MEM_OP_SHIFT)
#define LEVEL_IS(src, expected)                                                                              \
	cr_expect_eq(mp_access_of(src).level, expected, "%s: %d", #src, (int)mp_access_of(src).level)

Test(perf_level, old_kernels_tell_bits)
{
	LEVEL_IS(HIT(PERF_MEM_LVL_L1), MP_LEVEL_L1);
	LEVEL_IS(HIT(PERF_MEM_LVL_LFB), MP_LEVEL_LFB);
	LEVEL_IS(HIT(PERF_MEM_LVL_L2), MP_LEVEL_L2);
	LEVEL_IS(HIT(PERF_MEM_LVL_L3), MP_LEVEL_L3);
	LEVEL_IS(HIT(PERF_MEM_LVL_LOC_RAM), MP_LEVEL_LOCAL_DRAM);
	LEVEL_IS(HIT(PERF_MEM_LVL_REM_RAM1), MP_LEVEL_REMOTE_DRAM);
	LEVEL_IS(HIT(PERF_MEM_LVL_REM_RAM2), MP_LEVEL_REMOTE_DRAM);
	LEVEL_IS(HIT(PERF_MEM_LVL_REM_CCE1), MP_LEVEL_OTHER_CACHE);
	LEVEL_IS(HIT(PERF_MEM_LVL_REM_CCE2), MP_LEVEL_OTHER_CACHE);
	LEVEL_IS(HIT(PERF_MEM_LVL_IO), MP_LEVEL_OTHER_MEMORY);
	LEVEL_IS(HIT(PERF_MEM_LVL_UNC), MP_LEVEL_OTHER_MEMORY);
}

Test(perf_level, of_several_the_one_that_was_hit)
{
	LEVEL_IS(HIT(PERF_MEM_LVL_MISS | PERF_MEM_LVL_L1 | PERF_MEM_LVL_L2), MP_LEVEL_L2);
	LEVEL_IS(HIT(PERF_MEM_LVL_L3 | PERF_MEM_LVL_LOC_RAM), MP_LEVEL_LOCAL_DRAM);
}

Test(perf_level, a_miss_says_only_where_it_was_not)
{
	LEVEL_IS(LVL(PERF_MEM_LVL_MISS | PERF_MEM_LVL_L3), MP_LEVEL_NONE);
	LEVEL_IS(LVL(PERF_MEM_LVL_MISS) | LVLNUM(PERF_MEM_LVLNUM_L3), MP_LEVEL_NONE);
	LEVEL_IS(LVL(PERF_MEM_LVL_MISS | PERF_MEM_LVL_L1), MP_LEVEL_NONE);
}

Test(perf_level, nothing_told)
{
	LEVEL_IS(0, MP_LEVEL_NONE);
	LEVEL_IS(LVL(PERF_MEM_LVL_NA) | LVLNUM(PERF_MEM_LVLNUM_NA), MP_LEVEL_NONE);
}

Test(perf_level, new_kernels_tell_numbers)
{
	LEVEL_IS(LVLNUM(PERF_MEM_LVLNUM_L1), MP_LEVEL_L1);
	LEVEL_IS(LVLNUM(PERF_MEM_LVLNUM_LFB), MP_LEVEL_LFB);
	LEVEL_IS(LVLNUM(PERF_MEM_LVLNUM_L2), MP_LEVEL_L2);
	LEVEL_IS(LVLNUM(5), MP_LEVEL_LFB); /* L2's buffer of lines that it waits for */
	LEVEL_IS(LVLNUM(PERF_MEM_LVLNUM_L3), MP_LEVEL_L3);
	LEVEL_IS(LVLNUM(PERF_MEM_LVLNUM_ANY_CACHE), MP_LEVEL_OTHER_CACHE);
	LEVEL_IS(LVLNUM(PERF_MEM_LVLNUM_RAM), MP_LEVEL_LOCAL_DRAM);
	LEVEL_IS(LVLNUM(PERF_MEM_LVLNUM_PMEM), MP_LEVEL_OTHER_MEMORY);
	LEVEL_IS(LVLNUM(PERF_MEM_LVLNUM_CXL), MP_LEVEL_OTHER_MEMORY);
	LEVEL_IS(LVLNUM(PERF_MEM_LVLNUM_IO), MP_LEVEL_OTHER_MEMORY);
	LEVEL_IS(LVLNUM(8), MP_LEVEL_OTHER_MEMORY); /* uncached */
}

Test(perf_level, the_number_counts_where_both_are_told)
{
	LEVEL_IS(HIT(PERF_MEM_LVL_REM_CCE1) | LVLNUM(PERF_MEM_LVLNUM_L3) | REMOTE, MP_LEVEL_OTHER_CACHE);
	LEVEL_IS(HIT(PERF_MEM_LVL_L3) | LVLNUM(PERF_MEM_LVLNUM_L2), MP_LEVEL_L2);
	LEVEL_IS(HIT(PERF_MEM_LVL_L2) | LVLNUM(PERF_MEM_LVLNUM_NA), MP_LEVEL_L2);
}

Test(perf_level, near_and_far)
{
	LEVEL_IS(LVLNUM(PERF_MEM_LVLNUM_RAM) | REMOTE, MP_LEVEL_REMOTE_DRAM);
	LEVEL_IS(LVLNUM(PERF_MEM_LVLNUM_RAM) | REMOTE | HOPS(PERF_MEM_HOPS_1), MP_LEVEL_REMOTE_DRAM);
	LEVEL_IS(LVLNUM(PERF_MEM_LVLNUM_RAM) | HOPS(PERF_MEM_HOPS_3), MP_LEVEL_REMOTE_DRAM);
	LEVEL_IS(LVLNUM(PERF_MEM_LVLNUM_RAM) | HOPS(PERF_MEM_HOPS_0), MP_LEVEL_LOCAL_DRAM);
	LEVEL_IS(LVLNUM(PERF_MEM_LVLNUM_L2) | REMOTE | HOPS(PERF_MEM_HOPS_0), MP_LEVEL_OTHER_CACHE);
}

Test(perf_level, tlb)
{
	cr_expect_eq(mp_access_of(TLB(PERF_MEM_TLB_HIT | PERF_MEM_TLB_L1 | PERF_MEM_TLB_L2)).tlb, 1);
	cr_expect_eq(mp_access_of(TLB(PERF_MEM_TLB_HIT | PERF_MEM_TLB_L2)).tlb, 1);
	cr_expect_eq(mp_access_of(TLB(PERF_MEM_TLB_HIT)).tlb, 1);
	cr_expect_eq(mp_access_of(TLB(PERF_MEM_TLB_MISS | PERF_MEM_TLB_L2)).tlb, 2);
	cr_expect_eq(mp_access_of(TLB(PERF_MEM_TLB_HIT | PERF_MEM_TLB_WK)).tlb, 2);
	cr_expect_eq(mp_access_of(TLB(PERF_MEM_TLB_MISS)).tlb, 2);
	cr_expect_eq(mp_access_of(TLB(PERF_MEM_TLB_MISS | PERF_MEM_TLB_L1)).tlb, -1); /* perhaps in L2's */
	cr_expect_eq(mp_access_of(TLB(PERF_MEM_TLB_NA)).tlb, -1);
	cr_expect_eq(mp_access_of(0).tlb, -1);
}

Test(perf_level, loads_and_stores)
{
	cr_expect_eq(mp_access_of(OP(PERF_MEM_OP_LOAD)).is_write, 0);
	cr_expect_eq(mp_access_of(OP(PERF_MEM_OP_STORE)).is_write, 1);
	cr_expect_eq(mp_access_of(OP(PERF_MEM_OP_LOAD | PERF_MEM_OP_STORE)).is_write, 1);
	cr_expect_eq(mp_access_of(OP(PERF_MEM_OP_PFETCH)).is_write, 0);
	cr_expect_eq(mp_access_of(OP(PERF_MEM_OP_NA)).is_write, -1);
	cr_expect_eq(mp_access_of(0).is_write, -1);
}

/* As a Skylake server wrote it (Linux 5.x): a load that hit a fill buffer, and one of L3. */
Test(perf_level, real_values)
{
	struct mp_access lfb =
	    mp_access_of(OP(PERF_MEM_OP_LOAD) | HIT(PERF_MEM_LVL_LFB) | LVLNUM(PERF_MEM_LVLNUM_LFB) |
			 TLB(PERF_MEM_TLB_HIT | PERF_MEM_TLB_L1 | PERF_MEM_TLB_L2));

	cr_expect(lfb.level == MP_LEVEL_LFB && lfb.tlb == 1 && lfb.is_write == 0);
}
