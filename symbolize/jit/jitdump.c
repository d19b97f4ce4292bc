/* SPDX-License-Identifier: MIT */
#include "symbolize/jit/jitdump.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbolize/jit/jit_lines.h"
#include "symbolize/jit/names.h"
#include "symbolize/jit/pace.h"
#include "symbolize/jit/timed_ranges.h"

/* Read of one file. A function takes 1-2 KiB, most of it its code, which is skipped. */
#define FILE_BYTES_MAX (UINT64_C(2) << 30)

/* Kept of one file: with the indexes some 120 MiB, and 48 MiB of lines. */
#define ENTRIES_MAX (1u << 20)

#define WINDOW_BYTES    65536
#define PATH_BYTES_MAX  4096
#define HEADER_SIZE_MAX 4096

/* Compared to see whether the file that grew still begins with what was read. */
#define TAIL_BYTES 64

/* No code: what a move leaves behind. */
#define NOTHING UINT32_MAX

/* Numbers, sizes and offsets of tools/perf/Documentation/jitdump-specification.txt. */
#define MAGIC               0x4A695444u
#define VERSION             1
#define HEADER_BYTES        40
#define FLAG_ARCH_TIMESTAMP 1u
#define PREFIX_BYTES        16
#define LOAD_BYTES          56
#define MOVE_BYTES          64
#define DEBUG_INFO_BYTES    32
#define DEBUG_ENTRY_BYTES   16

/* V8 fills the header's padding so. */
#define PAD_OF_V8 0xDEADBEEFu

struct code {
	uint64_t index; /* the writer's number for it, by which moves call it */
	uint32_t name;
	struct mp_jit_line_list lines;
};

struct window {
	uint64_t at;
	size_t n;
	unsigned char bytes[WINDOW_BYTES];
};

struct mp_jitdump {
	int fd;
	unsigned char header[HEADER_BYTES];
	bool has_header;
	uint64_t offset, file_bytes;    /* of the first record not read; of the file at the refresh */
	unsigned char tail[TAIL_BYTES]; /* the bytes before `offset` */
	size_t ntail;

	struct mp_timed_ranges *ranges; /* their value: an index into `codes`, or NOTHING */
	struct code *codes;
	size_t ncodes, codes_room;
	uint32_t *by_index; /* hash table: an index into `codes` + 1; 0: free */
	size_t by_index_size;
	struct mp_jit_lines lines; /* their file: an offset into `names` */
	struct mp_names names;
	uint32_t last_file; /* names repeat */

	uint32_t generation;
	struct mp_pace pace;
};

static uint32_t u32_at(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t u64_at(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

bool mp_jitdump_is_name(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	if (strncmp(name, "jit-", 4) != 0 || !isdigit((unsigned char)name[4]))
		return false;
	name += 4 + strspn(name + 4, "0123456789");
	return strcmp(name, ".dump") == 0 || strcmp(name, ".dump (deleted)") == 0;
}

/* ---- Reading ---- */

static size_t read_at(int fd, void *buf, size_t n, uint64_t at)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = pread(fd, (char *)buf + done, n - done, (off_t)(at + done));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	return done;
}

/* At least `n` (at most WINDOW_BYTES) bytes of the file at `at`, or NULL. Valid until the next peek. */
static const unsigned char *peek(const struct mp_jitdump *j, struct window *w, uint64_t at, size_t n)
{
	if (at < w->at || at - w->at > w->n || n > w->n - (at - w->at)) {
		w->at = at;
		w->n = read_at(j->fd, w->bytes, WINDOW_BYTES, at);
	}
	return n <= w->n - (at - w->at) ? w->bytes + (at - w->at) : NULL;
}

/* The string at `at`, which its terminator ends, or the record at `end`, or `max`. */
static const char *peek_string(
    const struct mp_jitdump *j, struct window *w, uint64_t at, uint64_t end, size_t max, size_t *n)
{
	*n = end - at < max ? (size_t)(end - at) : max;
	const char *s = (const char *)peek(j, w, at, *n);

	if (s)
		*n = strnlen(s, *n);
	return s;
}

/* Whether the bytes are the start of a header; all of it, or all that is there yet. */
static bool may_be_header(const unsigned char *h, size_t n)
{
	static const uint32_t magic = MAGIC;

	if (n < HEADER_BYTES)
		return memcmp(h, &magic, n < sizeof(magic) ? n : sizeof(magic)) == 0;
	return u32_at(h) == MAGIC && u32_at(h + 4) == VERSION && u32_at(h + 8) >= HEADER_BYTES &&
	       u32_at(h + 8) <= HEADER_SIZE_MAX;
}

static bool is_v8(const struct mp_jitdump *j)
{
	return u32_at(j->header + 16) == PAD_OF_V8;
}

static int64_t time_of(const struct mp_jitdump *j, const unsigned char *record)
{
	uint64_t t = u64_at(record + 8);

	if (u64_at(j->header + 32) & FLAG_ARCH_TIMESTAMP)
		return INT64_MIN; /* before any time that is asked for */
	return t <= INT64_MAX ? (int64_t)t : INT64_MAX;
}

/* ---- Codes by the writer's number ---- */

/* A slot further than this from its place counts as full: numbers made to collide cost only their moves. */
#define PROBES_MAX 32

static uint32_t *index_slot(const struct mp_jitdump *j, uint64_t index)
{
	uint64_t hash = index * UINT64_C(0x9e3779b97f4a7c15) >> 32;

	for (size_t i = 0; j->by_index_size && i < PROBES_MAX; i++) {
		uint32_t *slot = &j->by_index[(hash + i) & (j->by_index_size - 1)];

		if (!*slot || j->codes[*slot - 1].index == index)
			return slot;
	}
	return NULL;
}

static void note_index(struct mp_jitdump *j, uint32_t code)
{
	if (2 * j->ncodes > j->by_index_size) {
		size_t size = j->by_index_size ? 2 * j->by_index_size : 1024;
		uint32_t *table = calloc(size, sizeof(*table));

		if (!table)
			return;
		free(j->by_index);
		j->by_index = table;
		j->by_index_size = size;
		for (uint32_t i = 0; i < code; i++) {
			uint32_t *slot = index_slot(j, j->codes[i].index);
			if (slot)
				*slot = i + 1;
		}
	}
	uint32_t *slot = index_slot(j, j->codes[code].index);
	if (slot)
		*slot = code + 1;
}

/* ---- Records ---- */

struct record {
	uint64_t at, end;
	int64_t t_ns;
};

static bool add_code(struct mp_jitdump *j, const struct code *code)
{
	if (j->ncodes == j->codes_room) {
		size_t room = j->codes_room ? 2 * j->codes_room : 256;
		struct code *codes = room <= ENTRIES_MAX ? realloc(j->codes, room * sizeof(*codes)) : NULL;

		if (!codes)
			return false;
		j->codes = codes;
		j->codes_room = room;
	}
	j->codes[j->ncodes++] = *code;
	return true;
}

/* V8 gives the lines of inlined functions the file of the function that they were inlined into: a wrong place
 * is worse than none. Only its optimizing compilers inline: "JS:*f", "JS:+f", before 2022 "LazyCompile:*f".
 */
static bool lines_are_known_wrong(const struct mp_jitdump *j, const char *name)
{
	const char *colon = is_v8(j) ? strchr(name, ':') : NULL;

	return colon && (colon[1] == '*' || colon[1] == '+');
}

static bool is_range(uint64_t start, uint64_t size)
{
	return size && start <= UINT64_MAX - size;
}

static void read_load(struct mp_jitdump *j, struct window *w, const struct record *r)
{
	const unsigned char *p = peek(j, w, r->at, LOAD_BYTES);

	if (!p)
		return;
	uint64_t addr = u64_at(p + 32), size = u64_at(p + 40);
	struct code code = {.index = u64_at(p + 48)};
	struct mp_range range = {addr, addr + size, (uint32_t)j->ncodes};
	size_t n;

	const char *name = peek_string(j, w, r->at + LOAD_BYTES, r->end, MP_NAME_BYTES_MAX, &n);
	if (!name || !is_range(addr, size) || !mp_names_add(&j->names, name, n, &code.name)) {
		mp_jit_lines_drop(&j->lines);
		return;
	}
	if (lines_are_known_wrong(j, j->names.bytes + code.name))
		mp_jit_lines_drop(&j->lines);
	code.lines = mp_jit_lines_attach(&j->lines, addr, size);
	if (add_code(j, &code) && mp_timed_ranges_add(j->ranges, &range, r->t_ns) == 0)
		note_index(j, range.value);
}

static void read_move(struct mp_jitdump *j, struct window *w, const struct record *r)
{
	const unsigned char *p = peek(j, w, r->at, MOVE_BYTES);

	if (!p)
		return;
	uint64_t from = u64_at(p + 32), to = u64_at(p + 40), size = u64_at(p + 48);
	const uint32_t *slot = index_slot(j, u64_at(p + 56));
	struct mp_range left = {from, from + size, NOTHING};
	struct mp_range taken = {to, to + size, slot && *slot ? *slot - 1 : NOTHING};

	if (is_range(from, size))
		mp_timed_ranges_add(j->ranges, &left, r->t_ns);
	if (is_range(to, size))
		mp_timed_ranges_add(j->ranges, &taken, r->t_ns);
}

/* The names' offset of a source file, which mostly is that of the line before. */
static bool intern_file(struct mp_jitdump *j, const char *name, size_t n, uint32_t *out)
{
	static const char same[] = {'\xff'};

	if (!(n == sizeof(same) && name[0] == same[0])) {
		const char *last = j->last_file == MP_JIT_NO_FILE ? NULL : j->names.bytes + j->last_file;

		if ((!last || strncmp(last, name, n) != 0 || last[n]) &&
		    !mp_names_add(&j->names, name, n, &j->last_file))
			return false;
	}
	*out = j->last_file;
	return true;
}

/* Reads the entry at `*at` and moves on; false at the end, and for one that cannot be one. */
static bool read_line(struct mp_jitdump *j, struct window *w, const struct record *r, uint64_t *at)
{
	const unsigned char *p = r->end - *at > DEBUG_ENTRY_BYTES ? peek(j, w, *at, DEBUG_ENTRY_BYTES) : NULL;
	size_t n;

	if (!p)
		return false;
	uint64_t addr = u64_at(p);
	int32_t line = (int32_t)u32_at(p + 8);
	uint32_t file;

	*at += DEBUG_ENTRY_BYTES;
	const char *name = peek_string(j, w, *at, r->end, PATH_BYTES_MAX, &n);
	if (!name || n == PATH_BYTES_MAX || n == r->end - *at || !intern_file(j, name, n, &file))
		return false;
	*at += n + 1;
	return mp_jit_lines_add(&j->lines, addr, file, line);
}

static void read_debug_info(struct mp_jitdump *j, struct window *w, const struct record *r)
{
	const unsigned char *p = peek(j, w, r->at, DEBUG_INFO_BYTES);

	if (!p)
		return;
	uint64_t n = u64_at(p + 24), at = r->at + DEBUG_INFO_BYTES;
	mp_jit_lines_begin(&j->lines, u64_at(p + 16));
	j->last_file = MP_JIT_NO_FILE; /* "the same as before" does not reach into another record */
	for (uint64_t i = 0; i < n; i++)
		if (!read_line(j, w, r, &at)) {
			mp_jit_lines_drop(&j->lines);
			return;
		}
	mp_jit_lines_end(&j->lines);
}

/* Reads the record at `offset`; false when there is none, or not all of it yet. */
static bool read_record(struct mp_jitdump *j, struct window *w)
{
	static const struct {
		size_t bytes;
		void (*read)(struct mp_jitdump *j, struct window *w, const struct record *r);
	} kinds[] = {
	    {LOAD_BYTES + 1, read_load},
	    {MOVE_BYTES, read_move},
	    {DEBUG_INFO_BYTES, read_debug_info},
	};
	uint64_t end = j->file_bytes < FILE_BYTES_MAX ? j->file_bytes : FILE_BYTES_MAX;
	const unsigned char *p = j->offset < end ? peek(j, w, j->offset, PREFIX_BYTES) : NULL;

	if (!p)
		return false;
	uint32_t id = u32_at(p), bytes = u32_at(p + 4);
	if (bytes < PREFIX_BYTES || bytes > end - j->offset)
		return false;
	struct record r = {j->offset, j->offset + bytes, time_of(j, p)};
	if (id < sizeof(kinds) / sizeof(kinds[0]) && bytes >= kinds[id].bytes)
		kinds[id].read(j, w, &r);
	j->offset = r.end;
	return true;
}

/* ---- The file ---- */

static void forget(struct mp_jitdump *j)
{
	if (j->offset)
		j->generation++;
	mp_timed_ranges_clear(j->ranges);
	if (j->by_index)
		memset(j->by_index, 0, j->by_index_size * sizeof(*j->by_index));
	j->ncodes = j->names.size = 0;
	mp_jit_lines_clear(&j->lines);
	j->last_file = MP_JIT_NO_FILE;
	j->has_header = false;
	j->offset = j->ntail = 0;
}

static bool still_begins_as_read(const struct mp_jitdump *j)
{
	unsigned char now[HEADER_BYTES > TAIL_BYTES ? HEADER_BYTES : TAIL_BYTES];

	return j->file_bytes >= j->offset && read_at(j->fd, now, HEADER_BYTES, 0) == HEADER_BYTES &&
	       memcmp(now, j->header, HEADER_BYTES) == 0 &&
	       read_at(j->fd, now, j->ntail, j->offset - j->ntail) == j->ntail &&
	       memcmp(now, j->tail, j->ntail) == 0;
}

static void keep_tail(struct mp_jitdump *j)
{
	j->ntail = j->offset < TAIL_BYTES ? (size_t)j->offset : TAIL_BYTES;
	if (read_at(j->fd, j->tail, j->ntail, j->offset - j->ntail) != j->ntail)
		j->ntail = 0;
}

static void read_header(struct mp_jitdump *j)
{
	if (read_at(j->fd, j->header, HEADER_BYTES, 0) != HEADER_BYTES ||
	    !may_be_header(j->header, HEADER_BYTES))
		return;
	j->has_header = true;
	j->offset = u32_at(j->header + 8);
}

struct mp_jitdump *mp_jitdump_new(int fd)
{
	unsigned char header[HEADER_BYTES];
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	if (!may_be_header(header, read_at(fd, header, HEADER_BYTES, 0)))
		return NULL;
	struct mp_jitdump *j = calloc(1, sizeof(*j));
	if (!j)
		return NULL;
	j->generation = 1;
	j->last_file = MP_JIT_NO_FILE;
	j->ranges = mp_timed_ranges_new(ENTRIES_MAX);
	j->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (!j->ranges || j->fd < 0) {
		mp_jitdump_free(j);
		return NULL;
	}
	return j;
}

void mp_jitdump_refresh(struct mp_jitdump *j)
{
	struct stat st;
	struct window *w;

	if (fstat(j->fd, &st) < 0 || st.st_size < 0)
		return;
	j->file_bytes = (uint64_t)st.st_size;
	if (j->has_header && !still_begins_as_read(j))
		forget(j);
	if (!j->has_header)
		read_header(j);
	w = malloc(sizeof(*w));
	if (!j->has_header || !w) {
		free(w);
		return;
	}
	uint64_t before = j->offset;
	w->at = w->n = 0;
	while (read_record(j, w))
		;
	free(w);
	keep_tail(j);
	if (j->offset == before)
		return;
	mp_timed_ranges_build(j->ranges);
	j->generation++;
}

void mp_jitdump_poll(struct mp_jitdump *j)
{
	if (!mp_pace_begin(&j->pace))
		return;
	mp_jitdump_refresh(j);
	mp_pace_end(&j->pace);
}

uint32_t mp_jitdump_generation(const struct mp_jitdump *j)
{
	return j->generation;
}

/* ---- Asking ---- */

bool mp_jitdump_find(const struct mp_jitdump *j, uint64_t addr, int64_t t_ns, struct mp_jit_name *out)
{
	const struct mp_range *range = mp_timed_ranges_find(j->ranges, addr, t_ns);

	if (!range || range->value == NOTHING)
		return false;
	const struct code *c = &j->codes[range->value];
	*out = (struct mp_jit_name){.function = j->names.bytes + c->name, .start = range->start};
	const struct mp_jit_line *line =
	    mp_jit_lines_find(&j->lines, c->lines, addr - range->start, is_v8(j));
	if (line && line->file != MP_JIT_NO_FILE && line->line > 0) {
		out->file = j->names.bytes + line->file;
		out->line = line->line;
	}
	return true;
}

void mp_jitdump_free(struct mp_jitdump *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		close(j->fd);
	mp_timed_ranges_free(j->ranges);
	mp_names_free(&j->names);
	free(j->codes);
	free(j->by_index);
	mp_jit_lines_free(&j->lines);
	free(j);
}
