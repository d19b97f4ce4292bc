/* SPDX-License-Identifier: MIT */
#include "sampler/phases/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DAY_S 86400LL

struct mp_zone {
	struct change {
		int64_t utc_s;    /* from here on */
		int32_t offset_s; /* this holds */
	} * changes;              /* the first is at MP_ZONE_FIRST_S */
	size_t n, room;
};

/* ---- Which file ---- */

static int check_name(const char *name, struct mp_err *err)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/.";

	if (!*name || name[strspn(name, allowed)] || *name == '/' || strstr(name, ".."))
		return mp_err_set(
		    err, EINVAL, "'%.80s' is no name of a time zone, such as America/New_York", name);
	return 0;
}

/* The C library takes a zone that it cannot read for UTC: so it is looked at before. */
static int check_file(const char *path, const char *name, struct mp_err *err)
{
	struct stat st;
	char magic[4] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return mp_err_set(err, ENOENT,
		    "there is no time zone %.80s: %.200s: %s; zones are those of the system (package tzdata, "
		    "or TZDIR)",
		    name, path, strerror(errno));
	bool is_zone =
	    !fstat(fd, &st) && S_ISREG(st.st_mode) && read(fd, magic, 4) == 4 && !memcmp(magic, "TZif", 4);
	close(fd);
	return is_zone ? 0 : mp_err_set(err, EINVAL, "%.200s is no time zone", path);
}

/* ---- Reading it ---- */

static int32_t local_offset(int64_t utc_s)
{
	time_t t = (time_t)utc_s;
	struct tm tm;

	return localtime_r(&t, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}

static bool add_change(struct mp_zone *z, int64_t utc_s, int32_t offset_s)
{
	if (z->n == z->room) {
		size_t room = z->room ? z->room * 2 : 64;
		struct change *bigger = reallocarray(z->changes, room, sizeof(*bigger));
		if (!bigger)
			return false;
		z->changes = bigger;
		z->room = room;
	}
	z->changes[z->n++] = (struct change){utc_s, offset_s};
	return true;
}

/* The first second of (from_s, to_s] at which the offset is not that of from_s, of one change in between. */
static int64_t find_change(int64_t from_s, int64_t to_s, int32_t offset_s)
{
	while (to_s - from_s > 1) {
		int64_t middle = from_s + (to_s - from_s) / 2;
		if (local_offset(middle) == offset_s)
			from_s = middle;
		else
			to_s = middle;
	}
	return to_s;
}

/* No zone has changed twice within a day since 1970. */
static bool read_changes(struct mp_zone *z)
{
	int32_t offset_s = local_offset(MP_ZONE_FIRST_S);
	bool ok = add_change(z, MP_ZONE_FIRST_S, offset_s);

	for (int64_t day = MP_ZONE_FIRST_S; ok && day < MP_ZONE_LAST_S; day += DAY_S) {
		int32_t next_s = local_offset(day + DAY_S);
		if (next_s == offset_s)
			continue;
		ok = add_change(z, find_change(day, day + DAY_S, offset_s), next_s);
		offset_s = next_s;
	}
	return ok;
}

static int set_tz(const char *value)
{
	int rc = value ? setenv("TZ", value, 1) : unsetenv("TZ");

	tzset();
	return rc;
}

int mp_zone_load(const char *name, struct mp_zone **out, struct mp_err *err)
{
	const char *dir = getenv("TZDIR"), *tz = getenv("TZ");
	char path[PATH_MAX + 1];
	int rc = check_name(name, err);

	if (rc)
		return rc;
	int n =
	    snprintf(path, sizeof(path), ":%s/%s", dir && *dir == '/' ? dir : "/usr/share/zoneinfo", name);
	if (n >= (int)sizeof(path))
		return mp_err_set(err, ENAMETOOLONG, "TZDIR is too long");
	rc = check_file(path + 1, name, err);
	if (rc)
		return rc;
	char *before = tz ? strdup(tz) : NULL;
	struct mp_zone *z = calloc(1, sizeof(*z));
	bool ok = z && (before || !tz) && !set_tz(path) && read_changes(z);
	if (before || !tz)
		set_tz(before);
	free(before);
	if (!ok) {
		mp_zone_free(z);
		return mp_err_set(err, ENOMEM, "out of memory");
	}
	*out = z;
	return 0;
}

void mp_zone_free(struct mp_zone *z)
{
	if (!z)
		return;
	free(z->changes);
	free(z);
}

/* ---- Using it ---- */

int32_t mp_zone_offset(const struct mp_zone *z, int64_t utc_s)
{
	size_t lo = 0, hi = z->n;

	while (hi - lo > 1) {
		size_t middle = (lo + hi) / 2;
		if (z->changes[middle].utc_s <= utc_s)
			lo = middle;
		else
			hi = middle;
	}
	return z->changes[lo].offset_s;
}

/*
 * Of the offsets of a day before and a day after, at most one change lies in between. The earlier one is
 * right where it leads to an instant at which it holds (of a time that comes twice that is the first), and is
 * the one to take in a gap; the later one where it alone does.
 */
int64_t mp_zone_utc(const struct mp_zone *z, int64_t wall_s)
{
	int32_t before = mp_zone_offset(z, wall_s - DAY_S), after = mp_zone_offset(z, wall_s + DAY_S);

	if (mp_zone_offset(z, wall_s - before) != before && mp_zone_offset(z, wall_s - after) == after)
		return wall_s - after;
	return wall_s - before;
}
