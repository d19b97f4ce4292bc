/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "sampler/grow.h"
#include "sampler/perf/data_priv.h"

/* Of what nobody has more: the rest is passed by. */
#define IDS_MAX       (4u << 20)
#define BUILD_IDS_MAX (1u << 16)
#define PMUS_MAX      4096

#define ATTR_SIZE_MIN PERF_ATTR_SIZE_VER0

void mp_perf_description_free(struct mp_perf_description *d)
{
	for (size_t i = 0; i < d->n_build_ids; i++)
		free(d->build_ids[i].path);
	free(d->events);
	free(d->ids);
	mp_index_free(&d->id_index);
	free(d->build_ids);
	mp_index_free(&d->build_id_index);
	free(d->pmus);
}

/* ---- Texts ---- */

/* Texts come from anybody: what is not printable is '?'. */
static void copy_text(char *out, size_t room, const void *from, size_t n)
{
	const unsigned char *s = from;
	size_t i = 0;

	for (; i < n && i + 1 < room && s[i]; i++)
		out[i] = (char)(s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i]);
	out[i] = '\0';
}

/* struct perf_header_string: its length, with the zeros behind it, and itself. */
static void take_string(struct cursor *c, char *out, size_t room)
{
	uint32_t n = u32(c);
	const unsigned char *at = take(c, n);

	if (at)
		copy_text(out, room, at, n);
}

static void take_command(struct cursor *c, char *out, size_t room)
{
	uint32_t n = u32(c);
	size_t used = 0;

	for (uint32_t i = 0; i < n && !c->is_short && used + 2 < room; i++) {
		if (i)
			out[used++] = ' ';
		out[used] = '\0';
		take_string(c, out + used, room - used);
		used += strlen(out + used);
	}
}

/* ---- Events ---- */

/* Bit-fields begin at the other end of each byte on a machine of the other byte order. */
static uint64_t take_flags(struct cursor *c)
{
	const unsigned char *at = take(c, sizeof(uint64_t));
	unsigned char bytes[sizeof(uint64_t)] = {0};
	uint64_t flags;

	for (size_t i = 0; at && i < sizeof(bytes); i++)
		for (unsigned int bit = 0; bit < 8; bit++)
			if (at[i] >> bit & 1)
				bytes[i] |= (unsigned char)(1u << (c->is_swapped ? 7 - bit : bit));
	memcpy(&flags, bytes, sizeof(flags));
	return flags;
}

/* Behind config and the bit-fields the struct has grown with the years (PERF_ATTR_SIZE_VER*). */
static void take_attr(struct cursor *c, struct perf_event_attr *a)
{
	a->type = u32(c);
	a->size = u32(c);
	a->config = u64(c);
	a->sample_period = u64(c);
	a->sample_type = u64(c);
	a->read_format = u64(c);
	uint64_t flags = take_flags(c);
	memcpy((char *)&a->read_format + sizeof(a->read_format), &flags, sizeof(flags));
	a->wakeup_events = u32(c);
	a->bp_type = u32(c);
	a->config1 = u64(c);
	a->config2 = u64(c);
	a->branch_sample_type = u64(c);
	a->sample_regs_user = u64(c);
	a->sample_stack_user = u32(c);
	a->clockid = (int32_t)u32(c);
	a->sample_regs_intr = u64(c);
	a->aux_watermark = u32(c);
	a->sample_max_stack = u16(c);
	u16(c);
	a->aux_sample_size = u32(c);
	u32(c);
	a->sig_data = u64(c);
}

int mp_perf_describe_attr(
    struct mp_perf_description *d, const void *bytes, size_t n_bytes, bool is_swapped, size_t *event)
{
	unsigned char whole[sizeof(struct perf_event_attr)] = {0};
	struct cursor c = {.at = whole, .end = whole + sizeof(whole), .is_swapped = is_swapped};

	*event = MP_PERF_NO_EVENT;
	if (n_bytes < ATTR_SIZE_MIN || d->n_events == MP_PERF_EVENTS_MAX)
		return 0;
	if (!mp_grow((void **)&d->events, &d->events_room, d->n_events + 1, sizeof(*d->events)))
		return -ENOMEM;
	memcpy(whole, bytes, n_bytes < sizeof(whole) ? n_bytes : sizeof(whole));
	struct mp_perf_data_event *e = &d->events[d->n_events];
	*e = (struct mp_perf_data_event){.name = ""};
	take_attr(&c, &e->attr);
	e->layout = (struct mp_perf_layout){
	    .sample_type = e->attr.sample_type,
	    .read_format = e->attr.read_format,
	    .branch_sample_type = e->attr.branch_sample_type,
	    .sample_regs_user = e->attr.sample_regs_user,
	    .sample_regs_intr = e->attr.sample_regs_intr,
	    .sample_id_all = e->attr.sample_id_all,
	    .is_swapped = is_swapped,
	};
	*event = d->n_events++;
	return 0;
}

static bool same_id(const void *owner, uint32_t number, const void *what)
{
	return ((const struct mp_perf_description *)owner)->ids[number - 1].id == *(const uint64_t *)what;
}

/* An id that is told twice stays the first event's. */
static int add_id(struct mp_perf_description *d, size_t event, uint64_t id)
{
	if (d->n_ids == IDS_MAX)
		return 0;
	uint32_t *slot = mp_index_slot(&d->id_index, mp_index_mix(id), same_id, d, &id);
	if (!slot || !mp_grow((void **)&d->ids, &d->ids_room, d->n_ids + 1, sizeof(*d->ids)))
		return -ENOMEM;
	if (*slot)
		return 0;
	d->ids[d->n_ids++] = (struct mp_perf_event_id){id, (uint32_t)event};
	*slot = (uint32_t)d->n_ids;
	d->id_index.n = d->n_ids;
	return 0;
}

int mp_perf_describe_ids(struct mp_perf_description *d, size_t event, struct cursor *c)
{
	int ret = 0;

	while (!ret && event != MP_PERF_NO_EVENT && left(c) >= sizeof(uint64_t))
		ret = add_id(d, event, u64(c));
	return ret;
}

size_t mp_perf_event_of_id(struct mp_perf_description *d, uint64_t id)
{
	uint32_t *slot = mp_index_slot(&d->id_index, mp_index_mix(id), same_id, d, &id);

	return slot && *slot ? d->ids[*slot - 1].event : MP_PERF_NO_EVENT;
}

/* The events once more, in the same order, with their names. */
static int take_event_desc(struct mp_perf_description *d, struct cursor *c)
{
	uint32_t n = u32(c), attr_bytes = u32(c);
	int ret = 0;

	for (uint32_t i = 0; !ret && i < n && i < d->n_events && !c->is_short; i++) {
		take(c, attr_bytes);
		uint32_t n_ids = u32(c);
		take_string(c, d->events[i].name, sizeof(d->events[i].name));
		for (uint32_t j = 0; !ret && j < n_ids && !c->is_short; j++) {
			uint64_t id = u64(c);
			ret = c->is_short ? 0 : add_id(d, i, id);
		}
	}
	return ret;
}

void mp_perf_describe_update(struct mp_perf_description *d, struct cursor *c)
{
	enum { UPDATE_NAME = 2 };
	uint64_t type = u64(c);
	size_t event = mp_perf_event_of_id(d, u64(c));

	if (!c->is_short && type == UPDATE_NAME && event != MP_PERF_NO_EVENT)
		copy_text(d->events[event].name, sizeof(d->events[event].name), c->at, left(c));
}

/* ---- Files ---- */

#define BUILD_ID_BYTES 20

static bool same_path(const void *owner, uint32_t number, const void *what)
{
	return !strcmp(((const struct mp_perf_description *)owner)->build_ids[number - 1].path, what);
}

static uint32_t *build_id_slot(struct mp_perf_description *d, const char *path)
{
	uint64_t hash = 0;

	for (const char *s = path; *s; s++)
		hash = mp_index_mix(hash ^ (unsigned char)*s);
	return mp_index_slot(&d->build_id_index, hash, same_path, d, path);
}

const char *mp_perf_build_id_of(struct mp_perf_description *d, const char *path)
{
	uint32_t *slot = build_id_slot(d, path);

	return slot && *slot ? d->build_ids[*slot - 1].hex : NULL;
}

void mp_perf_build_id_hex(const unsigned char *id, size_t n, char *hex)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		hex[2 * i] = digits[id[i] >> 4];
		hex[2 * i + 1] = digits[id[i] & 15];
	}
	hex[2 * n] = '\0';
}

/* A path that is told twice keeps its first build-id. */
int mp_perf_describe_build_id(struct mp_perf_description *d, uint16_t misc, struct cursor *c)
{
	/* Of tools/perf/util/build-id.h since 5.10: the size stands behind the 20 bytes. */
	enum { MISC_BUILD_ID_SIZE = 1 << 15 };
	char path[4096];

	u32(c); /* pid: the host or a guest */
	const unsigned char *id = take(c, BUILD_ID_BYTES + 4);
	if (!id || d->n_build_ids == BUILD_IDS_MAX)
		return 0;
	copy_text(path, sizeof(path), c->at, left(c));
	uint32_t *slot = build_id_slot(d, path);
	if (!slot ||
	    !mp_grow((void **)&d->build_ids, &d->build_ids_room, d->n_build_ids + 1, sizeof(*d->build_ids)))
		return -ENOMEM;
	if (*slot)
		return 0;
	struct mp_perf_build_id *b = &d->build_ids[d->n_build_ids];
	b->path = strdup(path);
	if (!b->path)
		return -ENOMEM;
	size_t n = misc & MISC_BUILD_ID_SIZE ? id[BUILD_ID_BYTES] : BUILD_ID_BYTES;
	mp_perf_build_id_hex(id, n < BUILD_ID_BYTES ? n : BUILD_ID_BYTES, b->hex);
	*slot = (uint32_t)++d->n_build_ids;
	d->build_id_index.n = d->n_build_ids;
	return 0;
}

static int take_build_ids(struct mp_perf_description *d, struct cursor *c)
{
	int ret = 0;

	while (!ret && left(c) >= sizeof(struct perf_event_header)) {
		u32(c); /* type: of no meaning here */
		uint16_t misc = u16(c), size = u16(c);
		struct cursor body = *c;
		if (size < sizeof(struct perf_event_header) ||
		    !take(c, size - sizeof(struct perf_event_header)))
			break;
		body.end = c->at;
		ret = mp_perf_describe_build_id(d, misc, &body);
	}
	return ret;
}

/* ---- The machine ---- */

static int take_pmus(struct mp_perf_description *d, struct cursor *c)
{
	uint32_t n = u32(c);

	for (uint32_t i = 0; i < n && d->n_pmus < PMUS_MAX; i++) {
		struct mp_perf_pmu pmu = {.type = u32(c)};
		take_string(c, pmu.name, sizeof(pmu.name));
		if (c->is_short)
			break;
		if (!mp_grow((void **)&d->pmus, &d->pmus_room, d->n_pmus + 1, sizeof(*d->pmus)))
			return -ENOMEM;
		d->pmus[d->n_pmus++] = pmu;
	}
	return 0;
}

static void take_clock(struct mp_perf_data_about *a, struct cursor *c)
{
	u32(c); /* version */
	a->clock_id = u32(c);
	a->real_ns = u64(c);
	a->clock_ns = u64(c);
	a->has_clock = !c->is_short;
}

int mp_perf_describe_feature(struct mp_perf_description *d, unsigned int feature, struct cursor *c)
{
	struct mp_perf_data_about *a = &d->about;

	switch (feature) {
	case FEATURE_BUILD_ID:
		return take_build_ids(d, c);
	case FEATURE_EVENT_DESC:
		return take_event_desc(d, c);
	case FEATURE_PMU_MAPPINGS:
		return take_pmus(d, c);
	case FEATURE_HOSTNAME:
		take_string(c, a->host, sizeof(a->host));
		break;
	case FEATURE_OSRELEASE:
		take_string(c, a->kernel, sizeof(a->kernel));
		break;
	case FEATURE_VERSION:
		take_string(c, a->version, sizeof(a->version));
		break;
	case FEATURE_ARCH:
		take_string(c, a->arch, sizeof(a->arch));
		break;
	case FEATURE_CPUDESC:
		take_string(c, a->cpu, sizeof(a->cpu));
		break;
	case FEATURE_CPUID:
		take_string(c, a->cpu_id, sizeof(a->cpu_id));
		break;
	case FEATURE_CMDLINE:
		take_command(c, a->command, sizeof(a->command));
		break;
	case FEATURE_CLOCK_DATA:
		take_clock(a, c);
		break;
	}
	return 0;
}
