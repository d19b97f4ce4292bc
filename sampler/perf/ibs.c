/* SPDX-License-Identifier: MIT */
#include "sampler/perf/ibs.h"

#include <string.h>

/* The CPU's capabilities, 32 bits, then the registers as they are numbered, 64 bits each, not aligned. */
enum { OP_CTL, OP_RIP, OP_DATA, OP_DATA2, OP_DATA3, DC_LINEAR, N_REGISTERS };
#define CAPS_BYTES 4

#define CAPS_ZEN4   (1u << 11) /* sources of data have five bits */
#define RIP_INVALID (1ULL << 38)

#define DATA2_REMOTE (1ULL << 4)

#define DATA3_LOAD         (1ULL << 0)
#define DATA3_STORE        (1ULL << 1)
#define DATA3_L1_TLB_MISS  (1ULL << 2)
#define DATA3_L2_TLB_MISS  (1ULL << 3)
#define DATA3_L1_MISS      (1ULL << 7)
#define DATA3_NO_BUFFER    (1ULL << 16) /* its line was on its way already */
#define DATA3_LINEAR_VALID (1ULL << 17)
#define DATA3_L2_MISS      (1ULL << 20)

/* Of three bits: what answered beyond L2. */
enum {
	SOURCE_LOCAL_L3 = 1,
	SOURCE_CACHE = 2,
	SOURCE_DRAM = 3,
	SOURCE_FAR_CACHE = 5,
	SOURCE_PERSISTENT = 6,
	SOURCE_IO = 7
};
/* Of five, since Zen 4. */
enum { SOURCE_EXTENSION = 8, SOURCE_PEER = 12 };

static enum mp_sample_level level_beyond_l2(uint64_t data2, bool is_zen4)
{
	bool is_remote = data2 & DATA2_REMOTE;
	unsigned int source = (data2 & 7) | (is_zen4 ? (unsigned int)(data2 >> 6 & 3) << 3 : 0);

	switch (source) {
	case SOURCE_LOCAL_L3:
		return MP_LEVEL_L3;
	case SOURCE_CACHE:
		/* Before Zen 4 the node's caches are not told apart. */
		return is_zen4 || is_remote ? MP_LEVEL_OTHER_CACHE : MP_LEVEL_L3;
	case 4:
	case SOURCE_FAR_CACHE:
		return MP_LEVEL_OTHER_CACHE;
	case SOURCE_DRAM:
		return is_remote ? MP_LEVEL_REMOTE_DRAM : MP_LEVEL_LOCAL_DRAM;
	case SOURCE_PERSISTENT:
	case SOURCE_IO:
	case SOURCE_EXTENSION:
	case SOURCE_PEER:
		return MP_LEVEL_OTHER_MEMORY;
	default:
		return MP_LEVEL_NONE;
	}
}

/* Of stores it is not told where they went, beyond whether they hit. */
static enum mp_sample_level level_of(uint64_t data2, uint64_t data3, bool is_zen4)
{
	if (!(data3 & DATA3_L1_MISS))
		return MP_LEVEL_L1;
	if (!(data3 & DATA3_LOAD))
		return MP_LEVEL_NONE;
	if (!(data3 & DATA3_L2_MISS))
		return MP_LEVEL_L2;
	enum mp_sample_level level = level_beyond_l2(data2, is_zen4);
	return level == MP_LEVEL_NONE && data3 & DATA3_NO_BUFFER ? MP_LEVEL_LFB : level;
}

bool mp_ibs_decode(const void *raw, size_t n_bytes, struct mp_ibs_sample *out)
{
	uint64_t reg[N_REGISTERS];
	uint32_t caps;

	*out = (struct mp_ibs_sample){.latency = -1, .access = {MP_LEVEL_NONE, -1, -1}};
	if (n_bytes < CAPS_BYTES + sizeof(reg))
		return false;
	memcpy(&caps, raw, sizeof(caps));
	memcpy(reg, (const unsigned char *)raw + CAPS_BYTES, sizeof(reg));
	const uint64_t data3 = reg[OP_DATA3];
	if (!(data3 & (DATA3_LOAD | DATA3_STORE)))
		return false;
	out->has_ip = !(reg[OP_DATA] & RIP_INVALID);
	out->ip = out->has_ip ? reg[OP_RIP] : 0;
	out->has_addr = data3 & DATA3_LINEAR_VALID;
	out->addr = out->has_addr ? reg[DC_LINEAR] : 0;
	out->access.is_write = (data3 & DATA3_STORE) != 0;
	out->access.tlb = data3 & DATA3_L1_TLB_MISS && data3 & DATA3_L2_TLB_MISS ? 2 : 1;
	out->access.level = level_of(reg[OP_DATA2], data3, caps & CAPS_ZEN4);
	if (data3 & DATA3_LOAD)
		out->latency = data3 & DATA3_L1_MISS ? (int32_t)(data3 >> 32 & 0xffff) : 0;
	return true;
}
