/* SPDX-License-Identifier: MIT */
#include "sampler/pressure/cgroup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sampler/pressure/text.h"

#define MOUNTS_BYTES (1 << 20) /* of the mount table, at most */

/* What version 1 says where there is no limit: the highest number of pages that it can count. */
#define NO_LIMIT_BYTES 0x7ffffffffffff000ULL / 2

enum what { NONE, USED, HIGH, MAX, FAILURES, EVENTS, PSI, FILES };

static const char *const names[2][FILES] = {
    {[USED] = "memory.usage_in_bytes", [MAX] = "memory.limit_in_bytes", [FAILURES] = "memory.failcnt"},
    {[USED] = "memory.current",
	[HIGH] = "memory.high",
	[MAX] = "memory.max",
	[EVENTS] = "memory.events",
	[PSI] = "memory.pressure"},
};

struct mp_cgroup {
	int fd[FILES];
	char groups[8192]; /* as they were when it was opened */
};

/* ---- Where it is ---- */

/* Whether one of the words between commas. */
static bool has_word(const char *words, size_t length, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = words, *end = words + length; at < end;) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *to = comma ? comma : end;
		if ((size_t)(to - at) == n && !memcmp(at, word, n))
			return true;
		at = to + 1;
	}
	return false;
}

/* The group of the process in a hierarchy: lines NUMBER:CONTROLLERS:PATH. -ENOENT: in none. */
static int group_of(const char *cgroups, int version, char *path, size_t size)
{
	for (const char *line = cgroups; line && *line;) {
		const char *end = strchrnul(line, '\n'), *words = memchr(line, ':', (size_t)(end - line));
		const char *at = words ? memchr(words + 1, ':', (size_t)(end - words - 1)) : NULL;
		bool is_it = at && (version == 2 ? !strncmp(line, "0::", 3)
						 : has_word(words + 1, (size_t)(at - words - 1), "memory"));

		if (is_it && (size_t)(end - at) <= size) {
			memcpy(path, at + 1, (size_t)(end - at - 1));
			path[end - at - 1] = 0;
			return 0;
		}
		line = *end ? end + 1 : end;
	}
	return -ENOENT;
}

/* Blanks and backslashes are written as \ and three octal digits. In place. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		bool is_octal = text[0] == '\\' && text[1] >= '0' && text[1] < '4' && text[2] >= '0' &&
				text[2] < '8' && text[3] >= '0' && text[3] < '8';
		*to++ =
		    is_octal ? (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0')) : *text;
		text += is_octal ? 3 : 0;
	}
	*to = 0;
}

/* A line of the mount table (proc_pid_mountinfo(5)); false: not of this hierarchy. */
struct mount {
	char root[4096], point[4096];
};

static bool read_mount(const char *line, int version, struct mount *m)
{
	char type[32], options[1024];
	const char *dash = strstr(line, " - ");

	if (!dash || sscanf(dash, " - %31s %*s %1023s", type, options) != 2 ||
	    sscanf(line, "%*d %*d %*s %4095s %4095s", m->root, m->point) != 2)
		return false;
	unescape(m->root);
	unescape(m->point);
	return version == 2 ? !strcmp(type, "cgroup2")
			    : !strcmp(type, "cgroup") && has_word(options, strlen(options), "memory");
}

/* What of a path lies below `root`, from its slash on; NULL: it is elsewhere. */
static const char *below(const char *path, const char *root)
{
	size_t n = strcmp(root, "/") ? strlen(root) : 0;

	if (strncmp(path, root, n) || (path[n] && path[n] != '/'))
		return NULL;
	return path + n;
}

/* Where a group outside of the reader's namespace would be begins with /.. */
static bool climbs(const char *path)
{
	for (const char *at = path; (at = strstr(at, "/..")); at += 3)
		if (!at[3] || at[3] == '/')
			return true;
	return false;
}

static int place_of(
    const char *cgroups, const char *mounts, int version, struct mount *m, struct mp_cgroup_place *out)
{
	char group[4096], line[12288];

	if (group_of(cgroups, version, group, sizeof(group)) || climbs(group))
		return -ENOENT;
	for (const char *at = mounts; *at;) {
		const char *end = strchrnul(at, '\n'), *rest = NULL;
		size_t n = (size_t)(end - at);

		if (n < sizeof(line)) {
			memcpy(line, at, n);
			line[n] = 0;
			rest = read_mount(line, version, m) ? below(group, m->root) : NULL;
		}
		out->version = version;
		if (rest && (size_t)snprintf(out->path, sizeof(out->path), "%s%s", m->point,
				strcmp(rest, "/") ? rest : "") < sizeof(out->path))
			return 0;
		at = *end ? end + 1 : end;
	}
	return -ENOENT;
}

int mp_cgroup_place(const char *cgroups, const char *mounts, struct mp_cgroup_place *out)
{
	struct mount m;
	int ret = place_of(cgroups, mounts, 1, &m, out);

	/* On a machine with both, the memory controller belongs to one of them. */
	return ret ? place_of(cgroups, mounts, 2, &m, out) : 0;
}

/* ---- Its files ---- */

struct mp_cgroup *mp_cgroup_new(void)
{
	struct mp_cgroup *c = calloc(1, sizeof(*c));

	for (int i = 0; c && i < FILES; i++)
		c->fd[i] = -1;
	return c;
}

static void close_all(struct mp_cgroup *c)
{
	for (int i = 0; i < FILES; i++) {
		if (c->fd[i] >= 0)
			close(c->fd[i]);
		c->fd[i] = -1;
	}
}

void mp_cgroup_free(struct mp_cgroup *c)
{
	if (!c)
		return;
	close_all(c);
	free(c);
}

void mp_cgroup_open(struct mp_cgroup *c, const struct mp_cgroup_place *place)
{
	int dir = open(place->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	close_all(c);
	for (int i = 0; dir >= 0 && i < FILES; i++)
		if (names[place->version - 1][i])
			c->fd[i] = openat(dir, names[place->version - 1][i], O_RDONLY | O_CLOEXEC);
	if (dir >= 0)
		close(dir);
}

/* The whole of a file that cannot be read in one go. NULL: not to be had. */
static char *read_mounts(void)
{
	char *text = malloc(MOUNTS_BYTES);
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n = text && fd >= 0 ? 1 : 0;

	while (n > 0 && length < MOUNTS_BYTES - 1) {
		n = read(fd, text + length, MOUNTS_BYTES - 1 - length);
		length += n > 0 ? (size_t)n : 0;
	}
	if (text)
		text[length] = 0;
	if (fd >= 0)
		close(fd);
	return text;
}

bool mp_cgroup_follow(struct mp_cgroup *c, pid_t pid)
{
	char path[64], groups[sizeof(c->groups)];
	struct mp_cgroup_place place;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = mp_text_read(fd, groups, sizeof(groups));
	if (fd >= 0)
		close(fd);
	if (n < 0 || !strcmp(groups, c->groups))
		return false;
	memcpy(c->groups, groups, sizeof(groups));
	char *mounts = read_mounts();
	close_all(c);
	if (mounts && !mp_cgroup_place(groups, mounts, &place))
		mp_cgroup_open(c, &place);
	free(mounts);
	return true;
}

/* ---- What they say ---- */

/* False: it cannot be read, now or any more. */
static bool read_file(struct mp_cgroup *c, enum what what, char *text, size_t size)
{
	if (mp_text_read(c->fd[what], text, size) > 0)
		return true;
	if (c->fd[what] >= 0)
		close(c->fd[what]);
	c->fd[what] = -1;
	return false;
}

static void tell_limit(struct mp_cgroup *c, enum what what, const char *name, struct mp_series *s)
{
	char text[64];

	if (!read_file(c, what, text, sizeof(text)))
		return;
	uint64_t bytes = isdigit(*text) ? strtoull(text, NULL, 10) : UINT64_MAX;
	if (bytes < NO_LIMIT_BYTES)
		mp_series_now(s, name, (double)bytes);
	else if (mp_series_has(s, name))
		mp_series_now(s, name, -1);
}

static void tell_events(struct mp_cgroup *c, struct mp_series *s)
{
	static const char *const keys[][2] = {
	    {"high", "cgroup_high_events"}, {"max", "cgroup_max_events"}, {"oom", "cgroup_oom_events"}};
	char text[1024];
	uint64_t n;

	if (!read_file(c, EVENTS, text, sizeof(text)))
		return;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (mp_text_value(text, keys[i][0], &n))
			mp_series_since(s, keys[i][1], (double)n, false);
}

static void tell_psi(struct mp_cgroup *c, struct mp_series *s)
{
	char text[512];
	uint64_t us;

	if (!read_file(c, PSI, text, sizeof(text)))
		return;
	if (mp_text_psi(text, "some", &us))
		mp_series_since(s, "cgroup_psi_memory_some_ns", (double)us * 1000, false);
	if (mp_text_psi(text, "full", &us))
		mp_series_since(s, "cgroup_psi_memory_full_ns", (double)us * 1000, false);
}

void mp_cgroup_tell(struct mp_cgroup *c, struct mp_series *s, bool all)
{
	char text[64];

	if (read_file(c, USED, text, sizeof(text)))
		mp_series_now(s, "cgroup_memory_bytes", (double)strtoull(text, NULL, 10));
	if (!all)
		return;
	tell_limit(c, HIGH, "cgroup_high_bytes", s);
	tell_limit(c, MAX, "cgroup_max_bytes", s);
	if (read_file(c, FAILURES, text, sizeof(text)))
		mp_series_since(s, "cgroup_max_events", (double)strtoull(text, NULL, 10), false);
	tell_events(c, s);
	tell_psi(c, s);
}
