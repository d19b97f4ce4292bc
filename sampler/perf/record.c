/* SPDX-License-Identifier: MIT */
#include "sampler/perf/record.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "sampler/perf/cursor.h"

/* Of linux/perf_event.h since 6.8: a word of counters a branch, behind the branches. */
#define BRANCH_COUNTERS (1u << 19)
#define FORMAT_LOST     (1u << 4)
#define BUILD_ID_MAX    20

/* What may stand at the end of records that are no samples, in this order. */
#define IDENTITY                                                                                             \
	(PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU |     \
	    PERF_SAMPLE_IDENTIFIER)

static struct mp_perf_words words(struct cursor *c, uint64_t n)
{
	/* A product that does not fit is larger than any record. */
	const unsigned char *at = take(c, n > UINT16_MAX ? UINT64_MAX : n * sizeof(uint64_t));

	return at ? (struct mp_perf_words){at, n, c->is_swapped} : (struct mp_perf_words){NULL, 0, false};
}

static struct mp_perf_bytes bytes_of(struct cursor *c, uint64_t n)
{
	const unsigned char *at = take(c, n);

	return at ? (struct mp_perf_bytes){at, n} : (struct mp_perf_bytes){NULL, 0};
}

/* All that is left; the kernel pads texts with zeros. */
static struct mp_perf_bytes text(struct cursor *c)
{
	struct mp_perf_bytes t = bytes_of(c, left(c));

	if (t.at)
		t.n = strnlen((const char *)t.at, t.n);
	return t;
}

uint64_t mp_perf_u64(const struct mp_perf_words *w, size_t i)
{
	return i < w->n ? load_u64(w->at + i * sizeof(uint64_t), w->is_swapped) : 0;
}

/* ---- Samples ---- */

static struct mp_perf_words read_values(struct cursor *c, uint64_t format)
{
	uint64_t times = !!(format & PERF_FORMAT_TOTAL_TIME_ENABLED) +
			 !!(format & PERF_FORMAT_TOTAL_TIME_RUNNING),
		 each = 1 + !!(format & PERF_FORMAT_ID) + !!(format & FORMAT_LOST);

	if (!(format & PERF_FORMAT_GROUP))
		return words(c, times + each);
	struct cursor ahead = *c;
	uint64_t n = u64(&ahead);
	return words(c, n > UINT16_MAX ? UINT64_MAX : 1 + times + n * each);
}

static struct mp_perf_words branches(struct cursor *c, uint64_t type)
{
	uint64_t n = u64(c);

	if (type & PERF_SAMPLE_BRANCH_HW_INDEX)
		u64(c);
	struct mp_perf_words w = words(c, n > UINT16_MAX ? n : n * 3);
	if (type & BRANCH_COUNTERS)
		words(c, n);
	return w;
}

static struct mp_perf_regs registers(struct cursor *c, uint64_t mask)
{
	struct mp_perf_regs r = {.abi = u64(c), .mask = mask};

	if (r.abi != PERF_SAMPLE_REGS_ABI_NONE)
		r.value = words(c, (uint64_t)__builtin_popcountll(mask));
	return r;
}

/* Room for `size` bytes, of which the last word says how many are meant. */
static struct mp_perf_bytes stack(struct cursor *c)
{
	uint64_t size = u64(c);

	if (!size)
		return (struct mp_perf_bytes){NULL, 0};
	struct mp_perf_bytes b = bytes_of(c, size);
	uint64_t meant = u64(c);
	if (meant < b.n)
		b.n = meant;
	return b;
}

/* The parts of a struct weight are where the same shifts find them on machines of either byte order. */
static void weight(struct mp_perf_record *r, uint64_t type, uint64_t value)
{
	r->weight = value;
	if (!(type & PERF_SAMPLE_WEIGHT_STRUCT))
		return;
	r->weight = (uint32_t)value;
	r->weight2 = (uint16_t)(value >> 32);
	r->weight3 = (uint16_t)(value >> 48);
}

/* What samples and other records have in common, in this order. */
static void read_who_and_when(struct cursor *c, uint64_t type, struct mp_perf_record *r)
{
	if (type & PERF_SAMPLE_TID) {
		r->pid = u32(c);
		r->tid = u32(c);
	}
	if (type & PERF_SAMPLE_TIME)
		r->time = u64(c);
}

static void read_id_and_cpu(struct cursor *c, uint64_t type, struct mp_perf_record *r)
{
	if (type & PERF_SAMPLE_ID)
		r->id = u64(c);
	if (type & PERF_SAMPLE_STREAM_ID)
		r->stream_id = u64(c);
	if (type & PERF_SAMPLE_CPU) {
		r->cpu = u32(c);
		u32(c);
	}
}

/* The first part of a sample is small and of fixed size: who, when, where. */
static void sample_head(struct cursor *c, uint64_t type, struct mp_perf_record *r)
{
	if (type & PERF_SAMPLE_IDENTIFIER)
		r->id = u64(c);
	if (type & PERF_SAMPLE_IP)
		r->ip = u64(c);
	read_who_and_when(c, type, r);
	if (type & PERF_SAMPLE_ADDR)
		r->addr = u64(c);
	read_id_and_cpu(c, type, r);
	if (type & PERF_SAMPLE_PERIOD)
		r->period = u64(c);
}

static void sample_arrays(struct cursor *c, const struct mp_perf_layout *l, struct mp_perf_record *r)
{
	uint64_t type = l->sample_type;

	if (type & PERF_SAMPLE_READ)
		r->read = read_values(c, l->read_format);
	if (type & PERF_SAMPLE_CALLCHAIN)
		r->callchain = words(c, u64(c));
	if (type & PERF_SAMPLE_RAW)
		r->raw = bytes_of(c, u32(c));
	if (type & PERF_SAMPLE_BRANCH_STACK)
		r->branches = branches(c, l->branch_sample_type);
	if (type & PERF_SAMPLE_REGS_USER)
		r->regs_user = registers(c, l->sample_regs_user);
	if (type & PERF_SAMPLE_STACK_USER)
		r->stack = stack(c);
}

static void sample_tail(struct cursor *c, const struct mp_perf_layout *l, struct mp_perf_record *r)
{
	uint64_t type = l->sample_type;

	if (type & (PERF_SAMPLE_WEIGHT | PERF_SAMPLE_WEIGHT_STRUCT))
		weight(r, type, u64(c));
	if (type & PERF_SAMPLE_DATA_SRC)
		r->data_src = u64(c);
	if (type & PERF_SAMPLE_TRANSACTION)
		r->transaction = u64(c);
	if (type & PERF_SAMPLE_REGS_INTR)
		r->regs_intr = registers(c, l->sample_regs_intr);
	if (type & PERF_SAMPLE_PHYS_ADDR)
		r->phys_addr = u64(c);
	/* Kernel order: the cgroup and the page sizes stand before the aux data, which was added first. */
	if (type & PERF_SAMPLE_CGROUP)
		r->cgroup = u64(c);
	if (type & PERF_SAMPLE_DATA_PAGE_SIZE)
		r->data_page_size = u64(c);
	if (type & PERF_SAMPLE_CODE_PAGE_SIZE)
		r->code_page_size = u64(c);
	if (type & PERF_SAMPLE_AUX)
		r->aux = bytes_of(c, u64(c));
}

/* ---- Other records ---- */

static void take_map(struct cursor *c, struct mp_perf_record *r)
{
	r->u.map.pid = u32(c);
	r->u.map.tid = u32(c);
	r->u.map.addr = u64(c);
	r->u.map.len = u64(c);
	r->u.map.pgoff = u64(c);
	r->u.map.prot = r->misc & PERF_RECORD_MISC_MMAP_DATA ? 0 : PROT_EXEC;
}

/* A file is known by its device and inode, or by its build-id in the same place. */
static void take_map_file(struct cursor *c, struct mp_perf_record *r)
{
	if (r->misc & PERF_RECORD_MISC_MMAP_BUILD_ID) {
		struct mp_perf_bytes b = bytes_of(c, 4 + BUILD_ID_MAX);
		if (b.at)
			r->u.map.build_id =
			    (struct mp_perf_bytes){b.at + 4, b.at[0] < BUILD_ID_MAX ? b.at[0] : BUILD_ID_MAX};
	} else {
		r->u.map.maj = u32(c);
		r->u.map.min = u32(c);
		r->u.map.ino = u64(c);
		u64(c); /* the inode's generation */
	}
	r->u.map.prot = u32(c);
	u32(c); /* flags of mmap(2) */
}

static void take_ksymbol(struct cursor *c, struct mp_perf_record *r)
{
	r->u.ksymbol.addr = u64(c);
	r->u.ksymbol.len = u32(c);
	r->u.ksymbol.ksym_type = u16(c);
	r->u.ksymbol.flags = u16(c);
	r->u.ksymbol.name = text(c);
}

static void take_task(struct cursor *c, struct mp_perf_record *r)
{
	r->u.task.pid = u32(c);
	r->u.task.ppid = u32(c);
	r->u.task.tid = u32(c);
	r->u.task.ptid = u32(c);
	r->u.task.time = u64(c);
}

static void take_switch(struct cursor *c, struct mp_perf_record *r)
{
	r->u.cpu_switch.is_out = r->misc & PERF_RECORD_MISC_SWITCH_OUT;
	r->u.cpu_switch.is_preempt = r->misc & PERF_RECORD_MISC_SWITCH_OUT_PREEMPT;
	if (r->type == PERF_RECORD_SWITCH)
		return;
	r->u.cpu_switch.pid = u32(c);
	r->u.cpu_switch.tid = u32(c);
}

static void take_namespaces(struct cursor *c, struct mp_perf_record *r)
{
	r->u.namespaces.pid = u32(c);
	r->u.namespaces.tid = u32(c);
	r->u.namespaces.n = u64(c);
	r->u.namespaces.links = words(c, r->u.namespaces.n > UINT16_MAX ? UINT64_MAX : r->u.namespaces.n * 2);
}

/* False: of a kind that is not looked into. */
static bool take_body(struct cursor *c, const struct mp_perf_layout *l, struct mp_perf_record *r)
{
	switch (r->type) {
	case PERF_RECORD_MMAP:
	case PERF_RECORD_MMAP2:
		take_map(c, r);
		if (r->type == PERF_RECORD_MMAP2)
			take_map_file(c, r);
		r->u.map.path = text(c);
		break;
	case PERF_RECORD_LOST:
		r->u.lost.id = u64(c);
		r->u.lost.lost = u64(c);
		break;
	case PERF_RECORD_LOST_SAMPLES:
		r->u.lost.lost = u64(c);
		break;
	case PERF_RECORD_COMM:
		r->u.comm.pid = u32(c);
		r->u.comm.tid = u32(c);
		r->u.comm.comm = text(c);
		r->u.comm.is_exec = r->misc & PERF_RECORD_MISC_COMM_EXEC;
		break;
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		take_task(c, r);
		break;
	case PERF_RECORD_THROTTLE:
	case PERF_RECORD_UNTHROTTLE:
		r->u.throttle.time = u64(c);
		r->u.throttle.id = u64(c);
		r->u.throttle.stream_id = u64(c);
		break;
	case PERF_RECORD_READ:
		r->pid = u32(c);
		r->tid = u32(c);
		r->has |= PERF_SAMPLE_TID | PERF_SAMPLE_READ;
		r->read = read_values(c, l->read_format);
		break;
	case PERF_RECORD_AUX:
		r->u.aux_data.offset = u64(c);
		r->u.aux_data.size = u64(c);
		r->u.aux_data.flags = u64(c);
		break;
	case PERF_RECORD_ITRACE_START:
		r->u.itrace.pid = u32(c);
		r->u.itrace.tid = u32(c);
		break;
	case PERF_RECORD_SWITCH:
	case PERF_RECORD_SWITCH_CPU_WIDE:
		take_switch(c, r);
		break;
	case PERF_RECORD_NAMESPACES:
		take_namespaces(c, r);
		break;
	case PERF_RECORD_KSYMBOL:
		take_ksymbol(c, r);
		break;
	default:
		return false;
	}
	return true;
}

/* ---- Of whom and when ---- */

static uint64_t identity_type(const struct mp_perf_layout *l)
{
	return l->sample_id_all ? l->sample_type & IDENTITY : 0;
}

static size_t identity_bytes(uint64_t type)
{
	return (size_t)__builtin_popcountll(type) * sizeof(uint64_t);
}

static void take_identity(struct cursor *c, uint64_t type, struct mp_perf_record *r)
{
	read_who_and_when(c, type, r);
	read_id_and_cpu(c, type, r);
	if (type & PERF_SAMPLE_IDENTIFIER)
		r->id = u64(c);
	r->has |= type;
}

static int parse_sample(struct cursor *c, const struct mp_perf_layout *l, struct mp_perf_record *r)
{
	sample_head(c, l->sample_type, r);
	sample_arrays(c, l, r);
	sample_tail(c, l, r);
	r->has = l->sample_type & (PERF_SAMPLE_MAX - 1);
	return 0;
}

/* Cuts the identity off the end first: texts go up to it. */
static int parse_other(struct cursor *c, const struct mp_perf_layout *l, struct mp_perf_record *r)
{
	uint64_t type = r->type < PERF_RECORD_MAX ? identity_type(l) : 0;
	size_t n = identity_bytes(type);

	if (n > left(c)) {
		c->is_short = true;
		return 0;
	}
	struct cursor tail = {.at = c->end - n, .end = c->end, .is_swapped = c->is_swapped};
	c->end -= n;
	int ret = take_body(c, l, r) ? 0 : -ENOTSUP;
	take_identity(&tail, type, r);
	return ret;
}

/* The header is sane, and all of the record there. */
static bool open_record(
    const struct mp_perf_layout *l, const void *bytes, size_t n_bytes, struct cursor *out, uint32_t *type)
{
	const unsigned char *at = bytes;

	if (n_bytes < sizeof(struct perf_event_header))
		return false;
	size_t size = load_u16(at + offsetof(struct perf_event_header, size), l->is_swapped);
	if (size < sizeof(struct perf_event_header) || size > n_bytes)
		return false;
	*type = load_u32(at, l->is_swapped);
	*out = (struct cursor){
	    .at = at + sizeof(struct perf_event_header), .end = at + size, .is_swapped = l->is_swapped};
	return true;
}

int mp_perf_record_parse(
    const struct mp_perf_layout *layout, const void *bytes, size_t n_bytes, struct mp_perf_record *out)
{
	struct cursor c;

	memset(out, 0, sizeof(*out));
	if (!open_record(layout, bytes, n_bytes, &c, &out->type)) {
		out->type = 0;
		return -EBADMSG;
	}
	out->misc = load_u16(
	    (const unsigned char *)bytes + offsetof(struct perf_event_header, misc), layout->is_swapped);
	int ret =
	    out->type == PERF_RECORD_SAMPLE ? parse_sample(&c, layout, out) : parse_other(&c, layout, out);
	if (!c.is_short)
		return ret;
	memset(out, 0, sizeof(*out));
	return -EBADMSG;
}

/* Words before the id in a sample, and behind it in the identity at a record's end. */
static bool sample_id_at(uint64_t type, size_t *words_before)
{
	*words_before = 0;
	if (type & PERF_SAMPLE_IDENTIFIER)
		return true;
	*words_before = (size_t)__builtin_popcountll(
	    type & (PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR));
	return type & PERF_SAMPLE_ID;
}

static bool tail_id_at(uint64_t type, size_t *words_behind)
{
	*words_behind = 0;
	if (type & PERF_SAMPLE_IDENTIFIER)
		return true;
	*words_behind = (size_t)__builtin_popcountll(type & (PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU));
	return type & PERF_SAMPLE_ID;
}

bool mp_perf_record_id(const struct mp_perf_layout *layout, const void *bytes, size_t n_bytes, uint64_t *id)
{
	uint64_t identity = identity_type(layout);
	struct cursor c;
	uint32_t type;
	size_t n;

	if (!open_record(layout, bytes, n_bytes, &c, &type) || type >= PERF_RECORD_MAX)
		return false;
	if (type == PERF_RECORD_SAMPLE) {
		if (!sample_id_at(layout->sample_type, &n) || !take(&c, n * sizeof(uint64_t)))
			return false;
	} else {
		if (!tail_id_at(identity, &n) || left(&c) < identity_bytes(identity))
			return false;
		c.at = c.end - (n + 1) * sizeof(uint64_t);
	}
	*id = u64(&c);
	return !c.is_short;
}
