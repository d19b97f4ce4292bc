/* SPDX-License-Identifier: MIT */
#include "symbolize/jit/perf_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbolize/file.h"
#include "symbolize/jit/names.h"
#include "symbolize/jit/pace.h"
#include "symbolize/jit/ranges.h"

/* Read of one file: maps of large Java programs have 50 MiB. */
#define FILE_BYTES_MAX (256u << 20)

/* Kept of one file: about 100 MiB with their names' index. */
#define ENTRIES_MAX (2u << 20)

/* Each takes up to a second: a map made to need one after every few lines gets no more. */
#define PASSES_MAX 8

/* A longer line is skipped. */
#define LINE_BYTES_MAX 4096

#define CHUNK_BYTES 65536

/* "0 1 a" and a newline are the shortest. */
#define LINES_OF_CHUNK_MAX (CHUNK_BYTES / 6 + 1)

/* Compared to see whether the file that grew still begins with what was read. */
#define TAIL_BYTES 64

#define SOURCES_MAX 2

struct source {
	int root_fd;
	char *path;
};

struct mp_perf_map {
	uid_t owner;
	struct source sources[SOURCES_MAX];
	int nsources;

	int fd;             /* the file read so far; kept open, for the target's root may go away. -1: none */
	uint64_t offset;    /* of the first line not read */
	uint64_t seen_size; /* at the last refresh */
	char tail[TAIL_BYTES]; /* the bytes before `offset` */
	size_t ntail;

	struct mp_range *entries; /* in the order of the file; `value` is an offset into `names` */
	size_t n, room;
	unsigned npasses; /* over the entries, to forget those that are covered */
	struct mp_names names;
	size_t nwhole, names_whole; /* of `n` and of the names' size: from lines that ended in a newline */
	struct mp_ranges *index;    /* of `entries` */

	uint32_t generation;
	struct mp_pace pace;
};

struct mp_perf_map *mp_perf_map_new(uid_t owner)
{
	struct mp_perf_map *m = calloc(1, sizeof(*m));

	if (m) {
		m->owner = owner;
		m->fd = -1;
		m->generation = 1;
	}
	return m;
}

void mp_perf_map_add_source(struct mp_perf_map *m, int root_fd, const char *path)
{
	if (m->nsources == SOURCES_MAX)
		return;
	struct source source = {fcntl(root_fd, F_DUPFD_CLOEXEC, 3), strdup(path)};
	if (source.root_fd < 0 || !source.path) {
		if (source.root_fd >= 0)
			close(source.root_fd);
		free(source.path);
		return;
	}
	m->sources[m->nsources++] = source;
}

static void forget_entries(struct mp_perf_map *m)
{
	m->offset = m->seen_size = m->ntail = 0;
	m->n = m->names.size = 0;
	m->nwhole = m->names_whole = 0;
	m->npasses = 0;
	mp_ranges_free(m->index);
	m->index = NULL;
	m->generation++;
}

static void add_entry(struct mp_perf_map *m, uint64_t start, uint64_t size, const char *name, size_t n)
{
	if (!size || size > UINT64_MAX - start || m->n == ENTRIES_MAX)
		return;
	if (m->n == m->room) {
		size_t room = m->room ? 2 * m->room : 1024;
		struct mp_range *entries = realloc(m->entries, room * sizeof(*entries));

		if (!entries)
			return;
		m->entries = entries;
		m->room = room;
	}
	struct mp_range entry = {.start = start, .end = start + size};
	if (mp_names_add(&m->names, name, n, &entry.value))
		m->entries[m->n++] = entry;
}

/* Reads a hexadecimal number and the spaces behind it; false for none, or for more than 64 bits. */
static bool take_hex(const char **p, const char *end, uint64_t *out)
{
	const char *s = *p;
	int digits = 0;

	if (end - s > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	for (*out = 0; s < end; s++, digits++) {
		char c = *s, lower = c | 0x20;
		unsigned digit;

		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (lower >= 'a' && lower <= 'f')
			digit = (unsigned)(lower - 'a') + 10;
		else
			break;
		if (*out >> 60)
			return false;
		*out = *out << 4 | digit;
	}
	if (!digits || s == end || *s != ' ')
		return false;
	while (s < end && *s == ' ')
		s++;
	*p = s;
	return true;
}

static void parse_line(struct mp_perf_map *m, const char *line, size_t n)
{
	const char *p = line, *end = line + n;
	uint64_t start, size;

	while (end > p && (end[-1] == '\r' || end[-1] == ' '))
		end--;
	if (take_hex(&p, end, &start) && take_hex(&p, end, &size) && p < end)
		add_entry(m, start, size, p, (size_t)(end - p));
}

/* A line that may be spread over chunks. */
struct line {
	char text[LINE_BYTES_MAX];
	size_t n; /* may exceed what `text` holds: then the line is skipped */
};

static void parse_chunk(struct mp_perf_map *m, struct line *line, const char *chunk, size_t size)
{
	for (size_t i = 0; i < size;) {
		const char *newline = memchr(chunk + i, '\n', size - i);
		size_t n = newline ? (size_t)(newline - chunk) - i : size - i;

		if (line->n + n <= LINE_BYTES_MAX)
			memcpy(line->text + line->n, chunk + i, n);
		line->n += n;
		i += n;
		if (!newline)
			break;
		i++;
		if (line->n <= LINE_BYTES_MAX)
			parse_line(m, line->text, line->n);
		m->offset += line->n + 1;
		line->n = 0;
	}
}

/* Before the entries reach their limit: forgets those of which later ones have left nothing. A compiler that
 * uses its memory again and again writes a map without end, of whose lines the last ones matter. */
static void forget_covered(struct mp_perf_map *m)
{
	if (m->n + LINES_OF_CHUNK_MAX < ENTRIES_MAX || m->npasses == PASSES_MAX)
		return;
	struct mp_ranges *index = mp_ranges_new(m->entries, m->n);
	bool *shown = index ? calloc(m->n, sizeof(*shown)) : NULL;
	size_t kept = 0;

	if (shown) {
		mp_ranges_shown(index, shown);
		for (size_t i = 0; i < m->n; i++)
			if (shown[i])
				m->entries[kept++] = m->entries[i];
		m->n = kept;
	}
	m->npasses++;
	free(shown);
	mp_ranges_free(index);
}

/* Reads from `offset` to the end. A last line without its newline may be unfinished: it counts for now, and
 * is read again, and then overrides itself, when the file has grown. */
static void read_on(struct mp_perf_map *m)
{
	static const size_t max = FILE_BYTES_MAX;
	char *chunk = malloc(CHUNK_BYTES);
	struct line line = {.n = 0};

	m->n = m->nwhole;
	m->names.size = m->names_whole;
	for (uint64_t at = m->offset; chunk && at < max;) {
		ssize_t n = pread(m->fd, chunk, CHUNK_BYTES, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		forget_covered(m);
		parse_chunk(m, &line, chunk, (size_t)n);
		at += (uint64_t)n;
	}
	m->nwhole = m->n;
	m->names_whole = m->names.size;
	if (line.n && line.n <= LINE_BYTES_MAX)
		parse_line(m, line.text, line.n);
	free(chunk);

	m->ntail = m->offset < TAIL_BYTES ? m->offset : TAIL_BYTES;
	if (pread(m->fd, m->tail, m->ntail, (off_t)(m->offset - m->ntail)) != (ssize_t)m->ntail)
		m->ntail = 0;
}

static bool still_begins_as_read(const struct mp_perf_map *m, const struct stat *st)
{
	char now[TAIL_BYTES];

	return (uint64_t)st->st_size >= m->seen_size &&
	       pread(m->fd, now, m->ntail, (off_t)(m->offset - m->ntail)) == (ssize_t)m->ntail &&
	       memcmp(now, m->tail, m->ntail) == 0;
}

/* Makes `fd` the file that is there now; another one than before starts anew. */
static void reopen(struct mp_perf_map *m)
{
	struct stat st, held;

	for (int i = 0; i < m->nsources; i++) {
		int fd = mp_file_open_in_nofollow(m->sources[i].root_fd, m->sources[i].path);

		if (fd < 0)
			continue;
		/* perf does the same check: in /tmp anyone may have put the file there. */
		if (fstat(fd, &st) < 0 || (st.st_uid != m->owner && st.st_uid != 0)) {
			close(fd);
			continue;
		}
		if (m->fd >= 0 && fstat(m->fd, &held) == 0 && held.st_dev == st.st_dev &&
		    held.st_ino == st.st_ino) {
			close(fd);
			return;
		}
		if (m->fd >= 0)
			close(m->fd);
		m->fd = fd;
		forget_entries(m);
		return;
	}
}

void mp_perf_map_refresh(struct mp_perf_map *m)
{
	struct stat st;

	reopen(m);
	if (m->fd < 0 || fstat(m->fd, &st) < 0)
		return;
	if (!still_begins_as_read(m, &st))
		forget_entries(m);
	else if ((uint64_t)st.st_size == m->seen_size)
		return;
	m->seen_size = (uint64_t)st.st_size;
	read_on(m);
	mp_ranges_free(m->index);
	m->index = mp_ranges_new(m->entries, m->n);
	m->generation++;
}

void mp_perf_map_poll(struct mp_perf_map *m)
{
	if (!mp_pace_begin(&m->pace))
		return;
	mp_perf_map_refresh(m);
	mp_pace_end(&m->pace);
}

uint32_t mp_perf_map_generation(const struct mp_perf_map *m)
{
	return m->generation;
}

bool mp_perf_map_find(const struct mp_perf_map *m, uint64_t addr, const char **name, uint64_t *start)
{
	const struct mp_range *r = m->index ? mp_ranges_find(m->index, m->entries, addr) : NULL;

	if (!r)
		return false;
	*name = m->names.bytes + r->value;
	*start = r->start;
	return true;
}

void mp_perf_map_free(struct mp_perf_map *m)
{
	if (!m)
		return;
	for (int i = 0; i < m->nsources; i++) {
		close(m->sources[i].root_fd);
		free(m->sources[i].path);
	}
	if (m->fd >= 0)
		close(m->fd);
	mp_ranges_free(m->index);
	free(m->entries);
	mp_names_free(&m->names);
	free(m);
}
