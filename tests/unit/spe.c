/* SPDX-License-Identifier: MIT */
/* Packets of Arm SPE, written by hand as the architecture says. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/perf/spe.h"

#define N(array) (sizeof(array) / sizeof(*(array)))

static struct mp_spe_sample only(const unsigned char *bytes, size_t n)
{
	struct mp_spe s;
	struct mp_spe_sample out, more;

	mp_spe_begin(&s, bytes, n, true);
	cr_assert(mp_spe_next(&s, &out));
	cr_expect_not(mp_spe_next(&s, &more));
	cr_expect_eq(s.at, s.end);
	cr_expect_eq(s.bad_bytes, 0);
	return out;
}

/* A load that missed: operation, addresses, latencies, events, source, context, time. */
static const unsigned char load[] = {
    0x49, 0x00,                                           /* a load of a general register */
    0xb2, 0xc0, 0x3b, 0x29, 0x0f, 0xaa, 0xaa, 0x00, 0x5a, /* data, tagged 5a */
    0x9a, 0x11, 0x00,                                     /* translation 17 */
    0x99, 0x05, 0x00,                                     /* issue 5 */
    0x98, 0x2c, 0x01,                                     /* total 300 */
    0x52, 0x1e, 0x03, /* retired, L1 access, refill, TLB access, LLC, LLC miss */
    0x43, 0x0e,       /* from memory */
    0xb0, 0x00, 0xc4, 0x15, 0x08, 0xaa, 0xaa, 0x00, 0x80, /* instruction, EL0, not secure */
    0x64, 0x92, 0x10, 0x00, 0x00,                         /* of 4242 */
    0x71, 0x36, 0x6c, 0x21, 0x2c, 0x09, 0x00, 0x00, 0x00, /* when */
};

Test(spe, a_load)
{
	struct mp_spe_sample s = only(load, sizeof(load));

	cr_expect(s.has_ip && s.has_addr && s.has_time && s.has_context);
	cr_expect_eq(s.ip, 0xaaaa0815c400);
	cr_expect_eq(s.addr, 0xaaaa0f293bc0);
	cr_expect_not(s.in_kernel);
	cr_expect_eq(s.time_ticks, 0x092c216c36);
	cr_expect_eq(s.context, 4242);
	cr_expect_eq(s.latency, 300);
	cr_expect_eq(s.issue_latency, 5);
	cr_expect_eq(s.translation_latency, 17);
	cr_expect_eq(s.events, 0x31e);
	cr_expect_eq(s.access.level, MP_LEVEL_LOCAL_DRAM);
	cr_expect_eq(s.access.tlb, 1);
	cr_expect_eq(s.access.is_write, 0);
}

Test(spe, a_store_of_the_kernel)
{
	static const unsigned char bytes[] = {
	    0x49, 0x01,                                           /* a store */
	    0xb2, 0x80, 0x3c, 0x29, 0x0f, 0x00, 0x00, 0xff, 0xff, /* data in the kernel */
	    0x42, 0x36, /* retired, L1 access, TLB access and walk */
	    0xb0, 0x00, 0xc4, 0x15, 0x08, 0x00, 0x00, 0xff, 0xa0, /* instruction, EL1 */
	    0x98, 0x04, 0x00,                                     /* total 4 */
	    0x01,                                                 /* end: no time */
	    0x00, 0x00, 0x00,                                     /* padding */
	};
	struct mp_spe_sample s = only(bytes, sizeof(bytes));

	cr_expect_eq(s.ip, 0xffff00000815c400);
	cr_expect_eq(s.addr, 0xffff00000f293c80);
	cr_expect(s.in_kernel);
	cr_expect_not(s.has_time);
	cr_expect_not(s.has_context);
	cr_expect_eq(s.latency, 4);
	cr_expect_eq(s.issue_latency, -1);
	cr_expect_eq(s.access.is_write, 1);
	cr_expect_eq(s.access.tlb, 2);
	cr_expect_eq(s.access.level, MP_LEVEL_L1);
}

Test(spe, what_is_no_access_to_memory)
{
	static const unsigned char branch[] = {0x4a, 0x01,        /* a branch under a condition */
	    0xb1, 0x00, 0x10, 0x40, 0x00, 0x00, 0x00, 0x00, 0x80, /* its target */
	    0x42, 0xc2,                                           /* retired, not taken, mispredicted */
	    0xb0, 0x00, 0x20, 0x40, 0x00, 0x00, 0x00, 0x00, 0x80, /* instruction */
	    0x01};
	struct mp_spe_sample s = only(branch, sizeof(branch));

	cr_expect_eq(s.ip, 0x402000);
	cr_expect_not(s.has_addr);
	cr_expect_eq(s.access.level, MP_LEVEL_NONE);
	cr_expect_eq(s.access.is_write, -1);
	cr_expect_eq(s.access.tlb, -1);
	cr_expect_eq(s.latency, -1);
}

static enum mp_sample_level level(unsigned int source, unsigned int events, bool is_neoverse)
{
	const unsigned char bytes[] = {0x49, 0x00, 0x43, (unsigned char)source, 0x52, (unsigned char)events,
	    (unsigned char)(events >> 8), 0x01};
	struct mp_spe s;
	struct mp_spe_sample out;

	mp_spe_begin(&s, bytes, sizeof(bytes), is_neoverse);
	cr_assert(mp_spe_next(&s, &out));
	return out.access.level;
}

Test(spe, sources_of_neoverse)
{
	static const enum mp_sample_level want[16] = {[0] = MP_LEVEL_L1,
	    [8] = MP_LEVEL_L2,
	    [9] = MP_LEVEL_OTHER_CACHE,
	    [10] = MP_LEVEL_L3,
	    [11] = MP_LEVEL_L3,
	    [12] = MP_LEVEL_OTHER_CACHE,
	    [13] = MP_LEVEL_REMOTE_DRAM,
	    [14] = MP_LEVEL_LOCAL_DRAM};

	for (unsigned int i = 0; i < 16; i++)
		cr_expect_eq(level(i, 0, true), want[i], "source %u", i);
	cr_expect_eq(level(0xff, 0, true), MP_LEVEL_NONE);
	cr_expect_eq(level(0x7, 1 << MP_SPE_LLC_MISS, true), MP_LEVEL_LOCAL_DRAM);
	cr_expect(mp_spe_has_neoverse_sources(0x413fd0c1));
	cr_expect(mp_spe_has_neoverse_sources(0x410fd4f0));
	cr_expect_not(mp_spe_has_neoverse_sources(0x411fd070));
	cr_expect_not(mp_spe_has_neoverse_sources(0x483fd0c1));
}

/* Other CPUs number their sources in ways of their own. */
Test(spe, levels_by_events_alone)
{
	const unsigned int l1 = 1 << MP_SPE_L1_ACCESS, refill = 1 << MP_SPE_L1_REFILL;
	const unsigned int llc = 1 << MP_SPE_LLC_ACCESS, miss = 1 << MP_SPE_LLC_MISS;

	cr_expect_eq(level(14, l1, false), MP_LEVEL_L1);
	cr_expect_eq(level(14, l1 | refill, false), MP_LEVEL_NONE);
	cr_expect_eq(level(14, l1 | refill | llc, false), MP_LEVEL_L3);
	cr_expect_eq(level(0, l1 | refill | llc | miss, false), MP_LEVEL_LOCAL_DRAM);
	cr_expect_eq(
	    level(0, l1 | refill | llc | miss | 1 << MP_SPE_REMOTE_ACCESS, false), MP_LEVEL_REMOTE_DRAM);
	cr_expect_eq(level(0, 0, false), MP_LEVEL_NONE);
}

Test(spe, packets_that_are_passed_over)
{
	static const unsigned char bytes[] = {0x20, 0x50, 0x00, 0x00, /* alignment and its zeros */
	    0x00, 0x01,                                               /* an empty record */
	    0x49, 0x00,                                               /* a load */
	    0x20, 0x98, 0x07, 0x00,                                   /* counter 0, by an extended header */
	    0x21, 0x98, 0xff, 0x00,                                   /* counter 8: not known */
	    0x22, 0xb2, 1, 2, 3, 4, 5, 6, 7, 8,                       /* address 18: not known */
	    0xb3, 1, 2, 3, 4, 5, 6, 7, 8,                             /* the physical address */
	    0x72, 0x02, 0, 0, 0, 0, 0, 0, 0,                          /* events of eight bytes */
	    0x40, 0x77,                                               /* reserved, of one byte */
	    0xff, 1, 2, 3, 4, 5, 6, 7, 8,                             /* reserved, of eight */
	    0x01};
	struct mp_spe_sample s = only(bytes, sizeof(bytes));

	cr_expect_eq(s.latency, 7);
	cr_expect_eq(s.events, 2);
	cr_expect_not(s.has_addr);
	cr_expect_not(s.has_ip);
}

/* However the bytes are cut: every whole record is there, and the rest is left to be read again. */
Test(spe, bytes_that_come_in_pieces)
{
	unsigned char two[2 * sizeof(load)];

	memcpy(two, load, sizeof(load));
	memcpy(two + sizeof(load), load, sizeof(load));
	for (size_t n = 0; n <= sizeof(two); n++) {
		/* Of this size exactly: a read beyond it is one that sanitizers see. */
		unsigned char *piece = malloc(n ? n : 1);
		struct mp_spe s;
		struct mp_spe_sample out;
		size_t samples = 0;

		cr_assert_not_null(piece);
		memcpy(piece, two, n);
		mp_spe_begin(&s, piece, n, true);
		while (mp_spe_next(&s, &out))
			samples++;
		cr_expect_eq(samples, n / sizeof(load), "%zu bytes", n);
		cr_expect_eq((size_t)(s.at - piece), samples * sizeof(load), "%zu bytes", n);
		cr_expect_eq(s.bad_bytes, 0);
		free(piece);
	}
}

Test(spe, bytes_that_are_no_packets)
{
	unsigned char bytes[4 + sizeof(load)] = {0x49, 0x01, 0x07, 0x30};
	struct mp_spe s;
	struct mp_spe_sample out;

	memcpy(bytes + 4, load, sizeof(load));
	mp_spe_begin(&s, bytes, sizeof(bytes), true);
	cr_assert(mp_spe_next(&s, &out));
	cr_expect_eq(s.bad_bytes, 2);
	cr_expect_eq(out.access.is_write, 0);
	cr_expect_eq(out.ip, 0xaaaa0815c400);
	cr_expect_not(mp_spe_next(&s, &out));
}
