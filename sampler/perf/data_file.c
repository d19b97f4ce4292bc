/* SPDX-License-Identifier: MIT */
#include "sampler/perf/data_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "sampler/perf/data_order.h"
#include "sampler/perf/data_priv.h"

#define HEADER_BYTES      104
#define PIPE_HEADER_BYTES 16
#define ATTR_ENTRY_MAX    4096
/* A feature's section is read whole. */
#define FEATURE_BYTES_MAX (16u << 20)
#define IDS_BYTES_MAX     (32u << 20)

/* What perf itself writes between the kernel's records (tools/lib/perf/include/perf/event.h). */
enum {
	HEADER_ATTR = 64,
	HEADER_TRACING_DATA = 66,
	HEADER_BUILD_ID,
	FINISHED_ROUND,
	AUXTRACE = 71,
	EVENT_UPDATE = 78,
	HEADER_FEATURE = 80,
	COMPRESSED,
	COMPRESSED2 = 83,
	KNOWN_KINDS = 86 /* up to PERF_RECORD_SCHEDSTAT_*: those without a name here are passed by */
};

/* Bytes that arrive in pieces, of which whole records are taken. */
struct feed {
	unsigned char *bytes;
	size_t n;
};
#define FEED_BYTES (256u << 10)

struct section {
	uint64_t offset, size;
};

struct mp_perf_data {
	int fd;
	const char *path; /* the caller's, while it is opened and read */
	bool is_regular, is_swapped;
	uint64_t size, at, end; /* of the file; the next byte to read; where records end */
	struct feed raw, unpacked;
	uint64_t skip; /* bytes behind the record that are no records */
	ZSTD_DStream *zstd;
	struct mp_perf_order *order;
	struct mp_perf_description about;
	struct mp_perf_data_totals totals;
	mp_perf_data_fn *fn;
	void *ctx;
	struct mp_err *err;
	uint64_t last_time;
	bool is_over; /* what follows cannot be read */
};

__attribute__((format(printf, 2, 3))) static void cut(struct mp_perf_data *d, const char *fmt, ...)
{
	va_list args;

	if (d->totals.is_cut)
		return; /* the first reason is the reason */
	d->totals.is_cut = true;
	va_start(args, fmt);
	vsnprintf(d->totals.why, sizeof(d->totals.why), fmt, args);
	va_end(args);
}

/* ---- Bytes of the file ---- */

/* Less than `n` only at the end of the file, or where it cannot be read. */
static size_t read_fully(struct mp_perf_data *d, void *buf, size_t n, uint64_t offset)
{
	size_t got = 0;

	while (got < n) {
		ssize_t more = d->is_regular ? pread(d->fd, (char *)buf + got, n - got, (off_t)(offset + got))
					     : read(d->fd, (char *)buf + got, n - got);
		if (more < 0 && errno == EINTR)
			continue;
		if (more < 0)
			cut(d, "it cannot be read: %s", strerror(errno));
		if (more <= 0)
			break;
		got += (size_t)more;
	}
	return got;
}

/* A section, the caller's to free(), of at most `max` bytes; NULL: it is not all there, or no memory. */
static unsigned char *read_section(
    struct mp_perf_data *d, const struct section *s, size_t max, struct cursor *c)
{
	unsigned char *bytes = NULL;

	*c = (struct cursor){.is_swapped = d->is_swapped};
	if (s->size > max || s->offset > d->size || s->size > d->size - s->offset)
		return NULL;
	bytes = malloc(s->size + 1);
	if (!bytes || read_fully(d, bytes, s->size, s->offset) != s->size) {
		free(bytes);
		return NULL;
	}
	c->at = bytes;
	c->end = bytes + s->size;
	return bytes;
}

static struct section take_section(struct cursor *c)
{
	uint64_t offset = u64(c);

	return (struct section){offset, u64(c)};
}

/* ---- The header ---- */

static int no_perf_data(struct mp_perf_data *d, const char *why, struct mp_err *err)
{
	return mp_err_set(err, EINVAL, "%s is no recording of perf: %s", d->path, why);
}

static int no_memory(struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "out of memory");
}

static int check_magic(struct mp_perf_data *d, const unsigned char *magic, size_t n, struct mp_err *err)
{
	if (!n && !d->totals.is_cut)
		return no_perf_data(d, "it is empty; record again", err);
	if (d->totals.is_cut)
		return mp_err_set(err, EIO, "cannot import %s: %s", d->path, d->totals.why);
	if (n == 8 && !memcmp(magic, "PERFILE2", 8))
		d->is_swapped = __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__;
	else if (n == 8 && !memcmp(magic, "2ELIFREP", 8))
		d->is_swapped = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	else if (n == 8 && !memcmp(magic, "PERFFILE", 8))
		return no_perf_data(d,
		    "its format is that of perf before Linux 3.4; convert it with a perf of that time", err);
	else if (n == 8 && !memcmp(magic, "SQLite f", 8))
		return no_perf_data(d,
		    "it is a database; if it is a session of mpsample, it needs no import: mpsample report",
		    err);
	else
		return no_perf_data(
		    d, "it does not begin with PERFILE2; give a file that perf record wrote", err);
	d->about.about.is_swapped = d->is_swapped;
	return 0;
}

/* Each attr stands with the section of its ids. */
static int read_attr(struct mp_perf_data *d, struct cursor *attrs, size_t entry_bytes)
{
	const unsigned char *attr = take(attrs, entry_bytes - 16);
	struct section ids_at = take_section(attrs);
	struct cursor ids;
	size_t event;

	if (attrs->is_short)
		return 0;
	int ret = mp_perf_describe_attr(&d->about, attr, entry_bytes - 16, d->is_swapped, &event);
	unsigned char *bytes = ret ? NULL : read_section(d, &ids_at, IDS_BYTES_MAX, &ids);
	if (bytes)
		ret = mp_perf_describe_ids(&d->about, event, &ids);
	else if (!ret)
		cut(d, "the ids of its events are not all there");
	free(bytes);
	return ret;
}

static int read_attrs(
    struct mp_perf_data *d, const struct section *at, uint64_t entry_bytes, struct mp_err *err)
{
	struct cursor c;

	if (entry_bytes < PERF_ATTR_SIZE_VER0 + 16 || entry_bytes > ATTR_ENTRY_MAX || !at->size)
		return no_perf_data(d, "its header describes no events", err);
	unsigned char *bytes = read_section(d, at, MP_PERF_EVENTS_MAX * ATTR_ENTRY_MAX, &c);
	if (!bytes)
		return no_perf_data(d, "it ends before its events are described; record again", err);
	int ret = 0;
	while (!ret && left(&c) >= entry_bytes)
		ret = read_attr(d, &c, entry_bytes);
	free(bytes);
	return ret ? no_memory(err) : 0;
}

/* Behind the records: a section a feature, in the order of their bits. */
static int read_features(struct mp_perf_data *d, const uint64_t *flags, struct mp_err *err)
{
	struct section table = {d->end, 0};
	struct cursor c, feature;
	int ret = 0;

	for (size_t i = 0; i < FEATURES / 64; i++)
		table.size += 16 * (uint64_t)__builtin_popcountll(flags[i]);
	unsigned char *bytes = read_section(d, &table, FEATURES * 16, &c);
	if (!bytes) {
		cut(d, "it ends before its end: what perf tells of the machine and the files is missing");
		return 0;
	}
	for (unsigned int i = 0; !ret && i < FEATURES; i++) {
		if (!(flags[i / 64] >> i % 64 & 1))
			continue;
		struct section at = take_section(&c);
		unsigned char *content = read_section(d, &at, FEATURE_BYTES_MAX, &feature);
		if (content)
			ret = mp_perf_describe_feature(&d->about, i, &feature);
		else if (at.size <= FEATURE_BYTES_MAX)
			cut(d, "it ends before its end: some of what perf tells of the machine is missing");
		free(content);
	}
	free(bytes);
	return ret ? no_memory(err) : 0;
}

static int read_header(struct mp_perf_data *d, struct cursor *c, struct mp_err *err)
{
	uint64_t flags[FEATURES / 64], entry_bytes = u64(c);
	struct section attrs = take_section(c), data = take_section(c);

	take_section(c); /* names of events, of before Linux 3.4 */
	for (size_t i = 0; i < FEATURES / 64; i++)
		flags[i] = u64(c);
	if (data.offset > d->size)
		return no_perf_data(d, "it ends before its records begin; record again", err);
	d->at = data.offset;
	bool is_finished = data.size > 0;
	d->end = is_finished && data.size <= d->size - data.offset ? data.offset + data.size : d->size;
	int ret = read_attrs(d, &attrs, entry_bytes, err);
	if (ret)
		return ret;
	if (!is_finished)
		cut(d, "perf was ended before it could finish the file: build-ids and names of events are "
		       "missing");
	else if (data.size > d->size - data.offset)
		cut(d, "it is cut off: %" PRIu64 " of %" PRIu64 " bytes of records are there", d->end - d->at,
		    data.size);
	else
		ret = read_features(d, flags, err);
	return ret;
}

static int open_header(struct mp_perf_data *d, struct mp_err *err)
{
	unsigned char bytes[HEADER_BYTES];
	size_t n = read_fully(d, bytes, PIPE_HEADER_BYTES, 0);
	int ret = check_magic(d, bytes, n < 8 ? n : 8, err);

	if (ret)
		return ret;
	if (n < PIPE_HEADER_BYTES)
		return no_perf_data(d, "it ends within its header; record again", err);
	uint64_t header_bytes = load_u64(bytes + 8, d->is_swapped);
	d->at = PIPE_HEADER_BYTES;
	d->end = d->is_regular ? d->size : UINT64_MAX;
	if (header_bytes == PIPE_HEADER_BYTES) {
		d->about.about.is_pipe = true;
		return 0;
	}
	if (!d->is_regular)
		return no_perf_data(
		    d, "it is no regular file, and not in pipe mode; save it to a file first", err);
	if (header_bytes != HEADER_BYTES || read_fully(d, bytes, HEADER_BYTES, 0) < HEADER_BYTES)
		return no_perf_data(d, "its header is damaged, or cut off; record again", err);
	struct cursor c = {.at = bytes + 16, .end = bytes + HEADER_BYTES, .is_swapped = d->is_swapped};
	return read_header(d, &c, err);
}

static int check_file(struct mp_perf_data *d, struct mp_err *err)
{
	struct stat st;

	if (fstat(d->fd, &st))
		return mp_err_set(err, errno, "cannot look at %s: %s", d->path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return mp_err_set(err, EISDIR,
		    "cannot import %s: it is a directory; give a file that perf record wrote (without "
		    "--threads)",
		    d->path);
	d->is_regular = S_ISREG(st.st_mode);
	d->size = d->is_regular ? (uint64_t)st.st_size : 0;
	return 0;
}

int mp_perf_data_open(int fd, const char *path, struct mp_perf_data **out, struct mp_err *err)
{
	struct mp_perf_data *d = calloc(1, sizeof(*d));
	int ret = 0;

	*out = NULL;
	if (!d)
		return no_memory(err);
	d->fd = fd;
	d->path = path;
	d->raw.bytes = malloc(FEED_BYTES);
	d->order = mp_perf_order_new();
	if (!d->raw.bytes || !d->order)
		ret = no_memory(err);
	if (!ret)
		ret = check_file(d, err);
	if (!ret)
		ret = open_header(d, err);
	if (ret)
		mp_perf_data_close(d);
	else
		*out = d;
	return ret;
}

void mp_perf_data_close(struct mp_perf_data *d)
{
	if (!d)
		return;
	ZSTD_freeDStream(d->zstd);
	mp_perf_order_free(d->order);
	mp_perf_description_free(&d->about);
	free(d->raw.bytes);
	free(d->unpacked.bytes);
	free(d);
}

/* ---- Handing out ---- */

/* By the first event's layout, as perf does: where ids stand is the same for all, or one is enough. */
static size_t event_of(struct mp_perf_data *d, const void *bytes, size_t n, uint32_t type)
{
	uint64_t id;

	if (d->about.n_events < 2)
		return d->about.n_events ? 0 : MP_PERF_NO_EVENT;
	if (!mp_perf_record_id(&d->about.events[0].layout, bytes, n, &id))
		return 0;
	size_t event = mp_perf_event_of_id(&d->about, id);
	/* What perf itself wrote in the kernel's name is of no event. */
	return event == MP_PERF_NO_EVENT && type != PERF_RECORD_SAMPLE ? 0 : event;
}

static int hand_out(struct mp_perf_data *d, const struct mp_perf_record *r, size_t event)
{
	if (r->has & PERF_SAMPLE_TIME && r->time) {
		d->totals.late += r->time < d->last_time;
		d->last_time = r->time > d->last_time ? r->time : d->last_time;
	}
	d->totals.records++;
	return d->fn(d->ctx, r, event, d->err);
}

static int hand_out_ready(struct mp_perf_data *d)
{
	struct mp_perf_waiting *w;
	struct mp_perf_record r;
	int ret = 0;

	while (!ret && (w = mp_perf_order_next(d->order))) {
		mp_perf_record_parse(&d->about.events[w->event].layout, w->bytes, w->n_bytes, &r);
		ret = hand_out(d, &r, w->event);
		free(w);
	}
	return ret;
}

/* A record of the kernel's kinds. */
static int take_record(struct mp_perf_data *d, const unsigned char *bytes, size_t n, uint32_t type)
{
	size_t event = type < PERF_RECORD_MAX ? event_of(d, bytes, n, type) : MP_PERF_NO_EVENT;
	struct mp_perf_record r;

	if (type >= PERF_RECORD_MAX || !type) {
		d->totals.unknown++;
		return 0;
	}
	if (event == MP_PERF_NO_EVENT) {
		d->totals.no_event++;
		return 0;
	}
	if (mp_perf_record_parse(&d->about.events[event].layout, bytes, n, &r) == -EBADMSG) {
		d->totals.broken++;
		return 0;
	}
	if (!(r.has & PERF_SAMPLE_TIME) || !r.time || r.time == UINT64_MAX)
		return hand_out(d, &r, event);
	if (!mp_perf_order_add(d->order, r.time, event, bytes, n))
		return no_memory(d->err);
	return hand_out_ready(d);
}

/* ---- perf's own records ---- */

static int take_attr_record(struct mp_perf_data *d, struct cursor *c)
{
	size_t event, n = left(c) >= 8 ? load_u32(c->at + 4, c->is_swapped) : 0;
	const unsigned char *attr = take(c, n ? n : PERF_ATTR_SIZE_VER0);

	if (!attr) {
		d->totals.broken++;
		return 0;
	}
	int ret = mp_perf_describe_attr(&d->about, attr, n ? n : PERF_ATTR_SIZE_VER0, d->is_swapped, &event);
	d->totals.broken += !ret && event == MP_PERF_NO_EVENT;
	return ret ? ret : mp_perf_describe_ids(&d->about, event, c);
}

static void take_tail(struct mp_perf_data *d, uint32_t type, struct cursor *c)
{
	uint64_t n = type == AUXTRACE ? u64(c) : ((uint64_t)u32(c) + 7) & ~UINT64_C(7);

	d->skip = n;
	if (type == AUXTRACE)
		d->totals.aux_bytes += n;
}

static int take_feed(struct mp_perf_data *d, struct feed *f, bool is_unpacked);

/* All that a piece unpacks to, in turns: a small piece may hold much. */
static int unpack(struct mp_perf_data *d, const unsigned char *bytes, size_t n)
{
	ZSTD_inBuffer in = {bytes, n, 0};
	int ret = 0;

	if (!d->zstd) {
		d->zstd = ZSTD_createDStream();
		d->unpacked.bytes = malloc(FEED_BYTES);
		if (!d->zstd || !d->unpacked.bytes)
			return -ENOMEM;
	}
	d->totals.compressed++;
	for (bool is_full = true; !ret && !d->is_over && (in.pos < in.size || is_full);) {
		ZSTD_outBuffer out = {d->unpacked.bytes, FEED_BYTES, d->unpacked.n};
		size_t rc = ZSTD_decompressStream(d->zstd, &out, &in);
		if (ZSTD_isError(rc)) {
			cut(d, "its compressed records are damaged: %s", ZSTD_getErrorName(rc));
			d->is_over = true;
			break;
		}
		is_full = out.pos == out.size;
		d->unpacked.n = out.pos;
		ret = take_feed(d, &d->unpacked, true);
	}
	return ret;
}

static int take_compressed(struct mp_perf_data *d, uint32_t type, struct cursor *c)
{
	uint64_t n = type == COMPRESSED2 ? u64(c) : left(c);
	const unsigned char *bytes = take(c, n);

	if (!bytes) {
		d->totals.broken++;
		return 0;
	}
	return unpack(d, bytes, n);
}

static int take_own_record(struct mp_perf_data *d, uint32_t type, uint16_t misc, struct cursor *c)
{
	switch (type) {
	case HEADER_ATTR:
		return take_attr_record(d, c);
	case HEADER_BUILD_ID:
		return mp_perf_describe_build_id(&d->about, misc, c);
	case HEADER_FEATURE: {
		uint64_t feature = u64(c);
		return mp_perf_describe_feature(&d->about, feature < FEATURES ? (unsigned int)feature : 0, c);
	}
	case EVENT_UPDATE:
		mp_perf_describe_update(&d->about, c);
		return 0;
	case FINISHED_ROUND:
		mp_perf_order_round(d->order);
		return hand_out_ready(d);
	default:
		d->totals.unknown += type >= KNOWN_KINDS;
		return 0;
	}
}

static int take_any(struct mp_perf_data *d, const unsigned char *bytes, size_t n, bool is_unpacked)
{
	struct cursor c = {.at = bytes + 8, .end = bytes + n, .is_swapped = d->is_swapped};
	uint32_t type = load_u32(bytes, d->is_swapped);
	int ret;

	if (type < HEADER_ATTR)
		return take_record(d, bytes, n, type);
	if (type == COMPRESSED || type == COMPRESSED2 || type == AUXTRACE || type == HEADER_TRACING_DATA) {
		/* They stand in the file itself only. */
		d->totals.broken += is_unpacked;
		if (is_unpacked)
			return 0;
		if (type == AUXTRACE || type == HEADER_TRACING_DATA) {
			take_tail(d, type, &c);
			return 0;
		}
		ret = take_compressed(d, type, &c);
	} else {
		ret = take_own_record(d, type, load_u16(bytes + 4, d->is_swapped), &c);
	}
	return ret == -ENOMEM ? no_memory(d->err) : ret;
}

/* ---- Front to back ---- */

/* Takes the whole records, and moves what is left of the last one to the front. */
static int take_feed(struct mp_perf_data *d, struct feed *f, bool is_unpacked)
{
	size_t at = 0, size = 0;
	int ret = 0;

	while (!ret && !d->is_over && !(d->skip && !is_unpacked) &&
	       f->n - at >= sizeof(struct perf_event_header)) {
		size = load_u16(f->bytes + at + 6, d->is_swapped);
		if (size < sizeof(struct perf_event_header)) {
			cut(d, "a record of no size stands %s",
			    is_unpacked ? "among its compressed records" : "in it");
			d->is_over = true;
			break;
		}
		if (size > f->n - at)
			break;
		ret = take_any(d, f->bytes + at, size, is_unpacked);
		at += size;
	}
	memmove(f->bytes, f->bytes + at, f->n - at);
	f->n -= at;
	return ret;
}

/* What follows a record and is none: in the feed, then in the file. */
static void skip(struct mp_perf_data *d)
{
	size_t here = d->skip < d->raw.n ? (size_t)d->skip : d->raw.n;

	memmove(d->raw.bytes, d->raw.bytes + here, d->raw.n - here);
	d->raw.n -= here;
	d->skip -= here;
	if (d->is_regular && d->skip) {
		uint64_t there = d->skip < d->end - d->at ? d->skip : d->end - d->at;
		d->at += there;
		d->skip -= there;
	}
}

/* False: nothing follows. */
static bool fill(struct mp_perf_data *d)
{
	size_t room = FEED_BYTES - d->raw.n;
	size_t n = d->end - d->at < room ? (size_t)(d->end - d->at) : room;
	size_t got = n ? read_fully(d, d->raw.bytes + d->raw.n, n, d->at) : 0;

	d->raw.n += got;
	d->at += got;
	return got;
}

int mp_perf_data_read(struct mp_perf_data *d, mp_perf_data_fn *fn, void *ctx, struct mp_err *err)
{
	bool is_more = true;
	int ret = 0;

	d->fn = fn;
	d->ctx = ctx;
	d->err = err;
	while (!ret && !d->is_over && is_more) {
		is_more = fill(d);
		do {
			skip(d);
			ret = take_feed(d, &d->raw, false);
		} while (!ret && d->skip && d->raw.n && !d->is_over);
	}
	if (ret)
		return ret;
	if (d->raw.n || d->skip)
		cut(d, "it ends in the midst of a record");
	if (d->unpacked.n)
		cut(d, "its compressed records end in the midst of one");
	mp_perf_order_end(d->order);
	return hand_out_ready(d);
}

/* ---- What it says ---- */

size_t mp_perf_data_events(const struct mp_perf_data *d)
{
	return d->about.n_events;
}

const struct mp_perf_data_event *mp_perf_data_event(const struct mp_perf_data *d, size_t i)
{
	return &d->about.events[i];
}

const struct mp_perf_data_about *mp_perf_data_about(const struct mp_perf_data *d)
{
	return &d->about.about;
}

const struct mp_perf_data_totals *mp_perf_data_totals(const struct mp_perf_data *d)
{
	return &d->totals;
}

const char *mp_perf_data_build_id(struct mp_perf_data *d, const char *path)
{
	return mp_perf_build_id_of(&d->about, path);
}

const char *mp_perf_data_pmu(const struct mp_perf_data *d, uint32_t type)
{
	for (size_t i = 0; i < d->about.n_pmus; i++)
		if (d->about.pmus[i].type == type)
			return d->about.pmus[i].name;
	return NULL;
}

int mp_perf_data_percent(const struct mp_perf_data *d)
{
	return d->is_regular && d->size ? (int)((double)d->at * 100 / (double)d->size) : -1;
}
