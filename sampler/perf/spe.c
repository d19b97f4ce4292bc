/* SPDX-License-Identifier: MIT */
#include "sampler/perf/spe.h"

#include <string.h>

/*
 * A packet is a header of one byte, or of two where the first is 0b001000xx, and a payload whose length
 * stands in bits 5:4 of the (last) header byte: 1, 2, 4 or 8 bytes. Three have no payload: padding, the end
 * of a record, and alignment, which is an extended header before zeros.
 */
enum kind { PADDING, END, ADDRESS, COUNTER, CONTEXT, OPERATION, EVENTS, SOURCE, TIMESTAMP, UNKNOWN };

struct packet {
	enum kind kind;
	unsigned int index; /* the header's: which address, which counter, which class of operation */
	uint64_t payload;
	size_t n_bytes;
};

enum { ADDRESS_IP = 0, ADDRESS_DATA = 2 };
enum { COUNTER_TOTAL = 0, COUNTER_ISSUE = 1, COUNTER_TRANSLATION = 2 };
enum { CLASS_MEMORY = 1 };

static const struct {
	unsigned char mask, value, index_mask;
	enum kind kind;
} headers[] = {
    {0xf8, 0xb0, 7, ADDRESS},
    {0xf8, 0x98, 7, COUNTER},
    {0xfc, 0x64, 3, CONTEXT},
    {0xfc, 0x48, 3, OPERATION},
    {0xcf, 0x42, 0, EVENTS},
    {0xcf, 0x43, 0, SOURCE},
    {0xff, 0x71, 0, TIMESTAMP},
};

static uint64_t little_endian(const unsigned char *at, size_t n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | at[n];
	return v;
}

/* Alignment fills up to a multiple of 2 << header[7:4] bytes, counted from the packet's own address; where
 * that is cannot be known once the bytes were copied. Its filling is zeros, which are padding by themselves.
 */
static bool is_alignment(unsigned char extended)
{
	return !(extended & 0x0f);
}

enum outcome { WHOLE, CUT, BAD };

static enum outcome read_packet(const struct mp_spe *s, struct packet *out)
{
	size_t left = (size_t)(s->end - s->at), header = 1;
	unsigned int high = 0;
	unsigned char h = s->at[0];

	*out = (struct packet){.kind = PADDING, .n_bytes = 1};
	if (h <= 1) {
		out->kind = h ? END : PADDING;
		return WHOLE;
	}
	if ((h & 0xfc) == 0x20) {
		if (left < 2)
			return CUT;
		high = (h & 3u) << 3;
		h = s->at[1];
		header = out->n_bytes = 2;
		if (is_alignment(h))
			return WHOLE;
	}
	/* Those below have no length, and mean nothing. */
	if (h < 0x40)
		return BAD;
	size_t length = (size_t)1 << (h >> 4 & 3);
	if (left < header + length)
		return CUT;
	out->n_bytes = header + length;
	out->payload = little_endian(s->at + header, length);
	out->kind = UNKNOWN;
	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++)
		if ((h & headers[i].mask) == headers[i].value) {
			out->kind = headers[i].kind;
			out->index = high | (h & headers[i].index_mask);
		}
	return WHOLE;
}

/* The top byte holds a tag, or for instructions their exception level: what bit 55 says counts for all of it.
 */
static uint64_t canonical(uint64_t payload)
{
	return payload & 1ULL << 55 ? payload | 0xffULL << 56 : payload & ~(0xffULL << 56);
}

static void take_address(struct mp_spe_sample *out, const struct packet *p)
{
	if (p->index == ADDRESS_IP) {
		out->has_ip = true;
		out->ip = canonical(p->payload);
		out->in_kernel = (p->payload >> 61 & 3) != 0;
	} else if (p->index == ADDRESS_DATA) {
		out->has_addr = true;
		out->addr = canonical(p->payload);
	}
}

static void take_counter(struct mp_spe_sample *out, const struct packet *p)
{
	if (p->index == COUNTER_TOTAL)
		out->latency = (int32_t)p->payload;
	else if (p->index == COUNTER_ISSUE)
		out->issue_latency = (int32_t)p->payload;
	else if (p->index == COUNTER_TRANSLATION)
		out->translation_latency = (int32_t)p->payload;
}

static bool has(const struct mp_spe_sample *s, enum mp_spe_event event)
{
	return s->events >> event & 1;
}

/* Neoverse N1, V1, N2, V2: "Data source packet" in their Technical Reference Manuals. The remote chip's is
 * not told apart by cache and memory. */
static enum mp_sample_level level_of_source(uint64_t source)
{
	static const enum mp_sample_level levels[16] = {
	    [0x0] = MP_LEVEL_L1,
	    [0x8] = MP_LEVEL_L2,
	    [0x9] = MP_LEVEL_OTHER_CACHE, /* a core of the cluster */
	    [0xa] = MP_LEVEL_L3,          /* the cluster's cache */
	    [0xb] = MP_LEVEL_L3,          /* the system's cache */
	    [0xc] = MP_LEVEL_OTHER_CACHE, /* of another cluster */
	    [0xd] = MP_LEVEL_REMOTE_DRAM, /* another chip */
	    [0xe] = MP_LEVEL_LOCAL_DRAM,
	};

	return source < 16 ? levels[source] : MP_LEVEL_NONE;
}

static enum mp_sample_level level_of_events(const struct mp_spe_sample *s)
{
	if (has(s, MP_SPE_LLC_MISS))
		return has(s, MP_SPE_REMOTE_ACCESS) ? MP_LEVEL_REMOTE_DRAM : MP_LEVEL_LOCAL_DRAM;
	if (has(s, MP_SPE_LLC_ACCESS))
		return MP_LEVEL_L3;
	/* Refilled, and nothing said from where: an L2 in between is not told of. */
	return has(s, MP_SPE_L1_ACCESS) && !has(s, MP_SPE_L1_REFILL) ? MP_LEVEL_L1 : MP_LEVEL_NONE;
}

/* What packets of one record say together. */
struct record {
	bool is_memory, is_write, has_source, has_any;
	uint64_t source;
};

static void take(struct record *r, struct mp_spe_sample *out, const struct packet *p)
{
	switch (p->kind) {
	case ADDRESS:
		take_address(out, p);
		break;
	case COUNTER:
		take_counter(out, p);
		break;
	case CONTEXT:
		out->has_context = true;
		out->context = (uint32_t)p->payload;
		break;
	case OPERATION:
		r->is_memory = p->index == CLASS_MEMORY;
		r->is_write = p->payload & 1;
		break;
	case EVENTS:
		out->events = p->payload;
		break;
	case SOURCE:
		r->has_source = true;
		r->source = p->payload;
		break;
	case TIMESTAMP:
		out->has_time = true;
		out->time_ticks = p->payload;
		break;
	default:
		return;
	}
	r->has_any = true;
}

static void finish(const struct mp_spe *s, const struct record *r, struct mp_spe_sample *out)
{
	if (!r->is_memory)
		return;
	out->access.is_write = r->is_write;
	out->access.tlb = has(out, MP_SPE_TLB_WALK) ? 2 : has(out, MP_SPE_TLB_ACCESS) ? 1 : -1;
	if (r->has_source && s->has_neoverse_sources)
		out->access.level = level_of_source(r->source);
	if (out->access.level == MP_LEVEL_NONE)
		out->access.level = level_of_events(out);
}

static void begin(struct record *r, struct mp_spe_sample *out)
{
	*r = (struct record){.has_any = false};
	*out = (struct mp_spe_sample){
	    .latency = -1, .issue_latency = -1, .translation_latency = -1, .access = {MP_LEVEL_NONE, -1, -1}};
}

bool mp_spe_has_neoverse_sources(uint64_t midr)
{
	static const unsigned int parts[] = {0xd0c, 0xd40, 0xd49, 0xd4f}; /* N1, V1, N2, V2 */

	if ((midr >> 24 & 0xff) != 0x41)
		return false;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if ((midr >> 4 & 0xfff) == parts[i])
			return true;
	return false;
}

void mp_spe_begin(struct mp_spe *s, const void *bytes, size_t n_bytes, bool has_neoverse_sources)
{
	const unsigned char *at = bytes;

	*s = (struct mp_spe){.at = at, .end = at + n_bytes, .has_neoverse_sources = has_neoverse_sources};
}

/* A record ends with its time, or, where it has none, with an end packet. */
bool mp_spe_next(struct mp_spe *s, struct mp_spe_sample *out)
{
	const unsigned char *start = s->at;
	struct record r;

	begin(&r, out);
	while (s->at < s->end) {
		struct packet p;
		enum outcome outcome = read_packet(s, &p);

		if (outcome == CUT)
			break;
		if (outcome == BAD) {
			/* Lengths cannot be trusted any more: what was read is no sample, and the next byte
			 * may begin another. */
			s->bad_bytes++;
			start = ++s->at;
			begin(&r, out);
			continue;
		}
		s->at += p.n_bytes;
		take(&r, out, &p);
		if (p.kind == TIMESTAMP || (p.kind == END && r.has_any)) {
			finish(s, &r, out);
			return true;
		}
		if (!r.has_any)
			start = s->at;
	}
	s->at = start;
	return false;
}
