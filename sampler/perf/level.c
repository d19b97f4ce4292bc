/* SPDX-License-Identifier: MIT */
#include "sampler/perf/level.h"

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>

/* Numbers of levels in newer headers: the buffer of lines that L2 waits for, the cache before memory, L0 and
 * uncached memory. */
#define LVLNUM_L2_MHB 0x05
#define LVLNUM_MSC    0x06
#define LVLNUM_L0     0x07
#define LVLNUM_UNC    0x08

/* A cache that another core has: whichever it is. */
static enum mp_sample_level cache(enum mp_sample_level level, const union perf_mem_data_src *src)
{
	return src->mem_remote || src->mem_hops ? MP_LEVEL_OTHER_CACHE : level;
}

/* Another core of the same node (no hop) has the same memory. */
static enum mp_sample_level memory(const union perf_mem_data_src *src)
{
	bool is_near = src->mem_hops ? src->mem_hops == PERF_MEM_HOPS_0 : !src->mem_remote;

	return is_near ? MP_LEVEL_LOCAL_DRAM : MP_LEVEL_REMOTE_DRAM;
}

static enum mp_sample_level of_number(const union perf_mem_data_src *src)
{
	switch (src->mem_lvl_num) {
	case LVLNUM_L0:
	case PERF_MEM_LVLNUM_L1:
		return cache(MP_LEVEL_L1, src);
	case PERF_MEM_LVLNUM_LFB:
	case LVLNUM_L2_MHB:
		return MP_LEVEL_LFB;
	case PERF_MEM_LVLNUM_L2:
		return cache(MP_LEVEL_L2, src);
	case PERF_MEM_LVLNUM_L3:
		return cache(MP_LEVEL_L3, src);
	case PERF_MEM_LVLNUM_ANY_CACHE:
		return MP_LEVEL_OTHER_CACHE;
	case PERF_MEM_LVLNUM_RAM:
		return memory(src);
	case PERF_MEM_LVLNUM_L4: /* beside memory, not before it */
	case LVLNUM_MSC:
	case LVLNUM_UNC:
	case PERF_MEM_LVLNUM_CXL:
	case PERF_MEM_LVLNUM_IO:
	case PERF_MEM_LVLNUM_PMEM:
		return MP_LEVEL_OTHER_MEMORY;
	default:
		return MP_LEVEL_NONE;
	}
}

/* The farthest first: what is told besides it was missed on the way. */
static enum mp_sample_level of_bits(uint64_t lvl)
{
	static const struct {
		uint64_t bits;
		enum mp_sample_level level;
	} levels[] = {
	    {PERF_MEM_LVL_IO | PERF_MEM_LVL_UNC, MP_LEVEL_OTHER_MEMORY},
	    {PERF_MEM_LVL_REM_RAM1 | PERF_MEM_LVL_REM_RAM2, MP_LEVEL_REMOTE_DRAM},
	    {PERF_MEM_LVL_LOC_RAM, MP_LEVEL_LOCAL_DRAM},
	    {PERF_MEM_LVL_REM_CCE1 | PERF_MEM_LVL_REM_CCE2, MP_LEVEL_OTHER_CACHE},
	    {PERF_MEM_LVL_L3, MP_LEVEL_L3},
	    {PERF_MEM_LVL_L2, MP_LEVEL_L2},
	    {PERF_MEM_LVL_LFB, MP_LEVEL_LFB},
	    {PERF_MEM_LVL_L1, MP_LEVEL_L1},
	};

	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
		if (lvl & levels[i].bits)
			return levels[i].level;
	return MP_LEVEL_NONE;
}

static enum mp_sample_level level_of(const union perf_mem_data_src *src)
{
	enum mp_sample_level level;

	/* "L3 miss" says where the data did not come from. */
	if (src->mem_lvl & PERF_MEM_LVL_MISS && !(src->mem_lvl & PERF_MEM_LVL_HIT))
		return MP_LEVEL_NONE;
	level = of_number(src);
	return level != MP_LEVEL_NONE ? level : of_bits(src->mem_lvl);
}

/* What missed the first TLB may be in the second. */
static int tlb_of(uint64_t tlb)
{
	bool in_tlb = tlb & (PERF_MEM_TLB_L1 | PERF_MEM_TLB_L2),
	     beyond = tlb & (PERF_MEM_TLB_WK | PERF_MEM_TLB_OS);

	if (tlb & PERF_MEM_TLB_NA)
		return -1;
	if (tlb & PERF_MEM_TLB_MISS)
		return (tlb & PERF_MEM_TLB_L1) && !(tlb & PERF_MEM_TLB_L2) && !beyond ? -1 : 2;
	if (tlb & PERF_MEM_TLB_HIT)
		return beyond && !in_tlb ? 2 : 1;
	return -1;
}

static int is_write(uint64_t op)
{
	if (op & PERF_MEM_OP_STORE)
		return 1;
	return op & (PERF_MEM_OP_LOAD | PERF_MEM_OP_PFETCH | PERF_MEM_OP_EXEC) ? 0 : -1;
}

struct mp_access mp_access_of(uint64_t data_src)
{
	const union perf_mem_data_src src = {.val = data_src};

	return (struct mp_access){level_of(&src), tlb_of(src.mem_dtlb), is_write(src.mem_op)};
}
