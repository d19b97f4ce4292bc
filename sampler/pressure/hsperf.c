/* SPDX-License-Identifier: MIT */
#include "sampler/pressure/hsperf.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC       0xcafec0c0 /* big-endian, whatever the rest is */
#define ENTRIES_MAX 65536

/* PerfDataPrologue of perfMemory.hpp. */
struct prologue {
	uint32_t magic;
	uint8_t byte_order, major, minor, accessible;
	int32_t used, overflow;
	int64_t changed;
	int32_t entry_offset, num_entries;
};

/* PerfDataEntry, likewise: the name and the data lie behind it, each by its offset from here. */
struct entry {
	int32_t entry_length, name_offset, vector_length;
	uint8_t type, flags, units, variability; /* type as in a JVM's signatures */
	int32_t data_offset;
};

_Static_assert(sizeof(struct prologue) == 32 && sizeof(struct entry) == 20, "as they lie in the file");

/* ---- Which figure is whose ---- */

static const struct {
	const char *name;
	size_t offset;
} numbers[] = {
    {"sun.os.hrt.frequency", offsetof(struct mp_hsperf, frequency)},
    {"sun.rt.safepoints", offsetof(struct mp_hsperf, safepoints)},
    {"sun.rt.safepointTime", offsetof(struct mp_hsperf, safepoint_ticks)},
    {"sun.rt.safepointSyncTime", offsetof(struct mp_hsperf, safepoint_sync_ticks)},
    {"sun.gc.metaspace.used", offsetof(struct mp_hsperf, metaspace_used_bytes)},
    {"sun.gc.metaspace.capacity", offsetof(struct mp_hsperf, metaspace_capacity_bytes)},
};

static const struct {
	const char *name;
	size_t offset;
} texts[] = {
    {"java.property.java.vm.version", offsetof(struct mp_hsperf, vm_version)},
    {"java.rt.vmArgs", offsetof(struct mp_hsperf, vm_args)},
};

/* The number after `prefix` and the rest behind its dot; NULL: the name is another. */
static const char *indexed(const char *name, const char *prefix, unsigned int below, unsigned int *index)
{
	size_t n = strlen(prefix);
	char *rest;

	if (strncmp(name, prefix, n) || name[n] < '0' || name[n] > '9')
		return NULL;
	unsigned long i = strtoul(name + n, &rest, 10);
	if (i >= below || *rest != '.')
		return NULL;
	*index = (unsigned int)i;
	return rest + 1;
}

static int64_t *number_of_space(struct mp_hsperf_space *s, const char *what)
{
	if (!strcmp(what, "used"))
		return &s->used_bytes;
	if (!strcmp(what, "capacity"))
		return &s->capacity_bytes;
	return strcmp(what, "initCapacity") ? NULL : &s->init_bytes;
}

static int64_t *number_of(struct mp_hsperf *h, const char *name)
{
	unsigned int i, k;
	const char *what = indexed(name, "sun.gc.collector.", MP_HSPERF_COLLECTORS, &i);

	if (what)
		return !strcmp(what, "invocations") ? &h->collectors[i].invocations
		       : !strcmp(what, "time")      ? &h->collectors[i].ticks
						    : NULL;
	what = indexed(name, "sun.gc.generation.", MP_HSPERF_GENERATIONS, &i);
	if (what && !strcmp(what, "maxCapacity"))
		return &h->generations[i].max_bytes;
	what = what ? indexed(what, "space.", MP_HSPERF_SPACES, &k) : NULL;
	if (what)
		return number_of_space(&h->generations[i].spaces[k], what);
	for (size_t n = 0; n < sizeof(numbers) / sizeof(*numbers); n++)
		if (!strcmp(name, numbers[n].name))
			return (int64_t *)((char *)h + numbers[n].offset);
	return NULL;
}

static const char **text_of(struct mp_hsperf *h, const char *name)
{
	unsigned int i, k;
	const char *what = indexed(name, "sun.gc.collector.", MP_HSPERF_COLLECTORS, &i);

	if (what)
		return strcmp(what, "name") ? NULL : &h->collectors[i].name;
	what = indexed(name, "sun.gc.generation.", MP_HSPERF_GENERATIONS, &i);
	if (what && !strcmp(what, "name"))
		return &h->generations[i].name;
	what = what ? indexed(what, "space.", MP_HSPERF_SPACES, &k) : NULL;
	if (what)
		return strcmp(what, "name") ? NULL : &h->generations[i].spaces[k].name;
	for (size_t n = 0; n < sizeof(texts) / sizeof(*texts); n++)
		if (!strcmp(name, texts[n].name))
			return (const char **)((char *)h + texts[n].offset);
	return NULL;
}

/* ---- The file ---- */

/* A text that ends before `length`; NULL: it does not. */
static const char *text_at(const char *at, size_t length)
{
	return memchr(at, 0, length) ? at : NULL;
}

/* An entry whose bounds have been checked. */
static void take(struct mp_hsperf *h, const char *at, const struct entry *e)
{
	const char *name = text_at(at + e->name_offset, (size_t)(e->entry_length - e->name_offset));
	size_t room = (size_t)(e->entry_length - e->data_offset);

	if (name && e->type == 'J' && !e->vector_length && room >= sizeof(int64_t)) {
		int64_t *number = number_of(h, name);
		if (number)
			memcpy(number, at + e->data_offset, sizeof(*number));
	} else if (name && e->type == 'B' && e->vector_length > 0) {
		const char **text = text_of(h, name);
		size_t length = (size_t)e->vector_length;
		if (text)
			*text = text_at(at + e->data_offset, length < room ? length : room);
	}
}

static bool is_within(int32_t offset, int32_t length)
{
	return offset >= (int32_t)sizeof(struct entry) && offset < length;
}

static void nothing_told(struct mp_hsperf *h)
{
	memset(h, 0, sizeof(*h));
	for (size_t n = 0; n < sizeof(numbers) / sizeof(*numbers); n++)
		*(int64_t *)((char *)h + numbers[n].offset) = -1;
	for (int i = 0; i < MP_HSPERF_COLLECTORS; i++)
		h->collectors[i].invocations = h->collectors[i].ticks = -1;
	for (int i = 0; i < MP_HSPERF_GENERATIONS; i++) {
		h->generations[i].max_bytes = -1;
		for (int k = 0; k < MP_HSPERF_SPACES; k++)
			h->generations[i].spaces[k] = (struct mp_hsperf_space){NULL, -1, -1, -1};
	}
}

int mp_hsperf_parse(const void *bytes, size_t n, struct mp_hsperf *out)
{
	const uint8_t native = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	const char *file = bytes;
	struct prologue p;
	struct entry e;

	nothing_told(out);
	if (n < sizeof(p))
		return -EPROTO;
	memcpy(&p, file, sizeof(p));
	if (be32toh(p.magic) != MAGIC || p.byte_order != native || p.major != 2)
		return -EPROTO;
	if (!p.accessible)
		return -EAGAIN;
	if (p.used < 0 || p.entry_offset < (int32_t)sizeof(p) || p.num_entries < 0)
		return -EPROTO;
	/* More may have come to it since it was read: what of it has been read counts. */
	n = (size_t)p.used < n ? (size_t)p.used : n;
	size_t at = (size_t)p.entry_offset;
	for (int32_t i = 0; i < p.num_entries && i < ENTRIES_MAX && at + sizeof(e) <= n; i++) {
		memcpy(&e, file + at, sizeof(e));
		if (e.entry_length < (int32_t)sizeof(e) || (size_t)e.entry_length > n - at)
			break;
		if (is_within(e.name_offset, e.entry_length) && is_within(e.data_offset, e.entry_length))
			take(out, file + at, &e);
		at += (size_t)e.entry_length;
	}
	return 0;
}

/* ---- The heap ---- */

int64_t mp_hsperf_whole_pages(int64_t bytes)
{
	return bytes < 0 ? bytes : bytes & ~INT64_C(4095);
}

int64_t mp_hsperf_sum(int64_t a, int64_t b)
{
	return a < 0 ? b : b < 0 || b > INT64_MAX - a ? a : a + b;
}

/* Of G1 and Z each generation may become the whole heap; of the others they are parts of it. */
static bool shares_heap(const struct mp_hsperf *h)
{
	for (unsigned int i = 0; i < MP_HSPERF_COLLECTORS; i++) {
		const char *name = h->collectors[i].name;
		if (name &&
		    (!strncmp(name, "G1 ", 3) || !strncmp(name, "Z ", 2) || !strncmp(name, "ZGC ", 4)))
			return true;
	}
	return false;
}

int64_t mp_hsperf_max_heap(const struct mp_hsperf *h)
{
	int64_t added = -1, most = -1;

	for (unsigned int g = 0; g < MP_HSPERF_GENERATIONS; g++) {
		int64_t max = mp_hsperf_whole_pages(h->generations[g].max_bytes);
		added = mp_hsperf_sum(added, max);
		most = max > most ? max : most;
	}
	return shares_heap(h) ? most : added;
}

int64_t mp_hsperf_initial_heap(const struct mp_hsperf *h)
{
	int64_t added = -1;

	for (unsigned int g = 0; g < MP_HSPERF_GENERATIONS; g++)
		for (unsigned int k = 0; k < MP_HSPERF_SPACES; k++) {
			const struct mp_hsperf_space *s = &h->generations[g].spaces[k];
			/* Serial and Parallel tell it of the old generation alone. */
			if (s->name && !strcmp(s->name, "eden") && s->init_bytes <= 0)
				return -1;
			added = mp_hsperf_sum(added, mp_hsperf_whole_pages(s->init_bytes));
		}
	return added;
}
