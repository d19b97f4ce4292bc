/* SPDX-License-Identifier: MIT */
/* What the kernel says of a PMU: /sys/bus/event_source/devices/PMU/ (Documentation/ABI/testing/
 * sysfs-bus-event_source-devices-format and -events of the kernel). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sampler/perf/event_priv.h"

#define PATH_BYTES 512

static void path_of(const struct mp_event_machine *m, const char *pmu, const char *file, char out[PATH_BYTES])
{
	snprintf(out, PATH_BYTES, "%s/%s/%s", m->devices, pmu, file);
}

static int read_text(
    const struct mp_event_machine *m, const char *pmu, const char *file, char *out, size_t size)
{
	char path[PATH_BYTES];

	path_of(m, pmu, file, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, out, size - 1);
	int code = errno;
	close(fd);
	if (n < 0)
		return -code;
	out[n] = 0;
	out[strcspn(out, "\n")] = 0;
	return 0;
}

bool mp_event_sysfs_has(const struct mp_event_machine *m, const char *pmu, const char *file)
{
	char path[PATH_BYTES];

	path_of(m, pmu, file, path);
	return !access(path, F_OK);
}

int mp_event_sysfs_number(const struct mp_event_machine *m, const char *pmu, const char *file, uint32_t *out)
{
	char text[32], *end;
	int ret = read_text(m, pmu, file, text, sizeof(text));

	if (ret)
		return ret;
	unsigned long v = strtoul(text, &end, 0);
	if (end == text || *end || v > UINT32_MAX)
		return -EBADMSG;
	*out = (uint32_t)v;
	return 0;
}

static __u64 *word_of(struct perf_event_attr *attr, const char *name, size_t length)
{
	if (length == 6 && !strncmp(name, "config", 6))
		return &attr->config;
	if (length == 7 && !strncmp(name, "config1", 7))
		return &attr->config1;
	if (length == 7 && !strncmp(name, "config2", 7))
		return &attr->config2;
	return NULL;
}

/* "config:0-7,32-35" or "config1:5": the lowest bits of the value go into the first range. */
int mp_event_sysfs_put(const struct mp_event_machine *m, const char *pmu, const char *field, uint64_t value,
    struct perf_event_attr *attr)
{
	char file[64], text[128];

	snprintf(file, sizeof(file), "format/%s", field);
	int ret = read_text(m, pmu, file, text, sizeof(text));
	if (ret)
		return ret;
	size_t length = strcspn(text, ":");
	__u64 *word = word_of(attr, text, length);
	if (!word || !text[length])
		return -EBADMSG;
	for (char *range = text + length; *range;) {
		unsigned long low = strtoul(range + 1, &range, 10), high = low;

		if (*range == '-')
			high = strtoul(range + 1, &range, 10);
		if (high > 63 || low > high || (*range && *range != ','))
			return -EBADMSG;
		unsigned int bits = (unsigned int)(high - low + 1);
		uint64_t mask = bits == 64 ? UINT64_MAX : (1ULL << bits) - 1;
		*word = (*word & ~(mask << low)) | (value & mask) << low;
		value = bits == 64 ? 0 : value >> bits;
	}
	return value ? -ERANGE : 0;
}

int mp_event_sysfs_event(
    const struct mp_event_machine *m, const char *pmu, const char *event, struct perf_event_attr *attr)
{
	char file[96], text[256], *rest = text, *term;
	uint32_t type;

	snprintf(file, sizeof(file), "events/%s", event);
	int ret = read_text(m, pmu, file, text, sizeof(text));
	if (!ret)
		ret = mp_event_sysfs_number(m, pmu, "type", &type);
	if (ret)
		return ret;
	attr->type = type;
	while (!ret && (term = strsep(&rest, ","))) {
		char *equals = strchr(term, '=');

		if (equals)
			*equals++ = 0;
		ret = mp_event_sysfs_put(m, pmu, term, equals ? strtoull(equals, NULL, 0) : 1, attr);
	}
	return ret;
}

const char *mp_event_sysfs_intel(const struct mp_event_machine *m)
{
	return mp_event_sysfs_has(m, "cpu_core", "type") ? "cpu_core" : "cpu";
}

int mp_event_sysfs_leader(const struct mp_event_machine *m, struct mp_event *e)
{
	struct perf_event_attr leader = {.size = sizeof(leader),
	    .exclude_user = e->attr.exclude_user,
	    .exclude_kernel = e->attr.exclude_kernel,
	    .exclude_hv = e->attr.exclude_hv};
	int ret = mp_event_sysfs_event(m, mp_event_sysfs_intel(m), "mem-loads-aux", &leader);

	e->has_leader = !ret;
	if (e->has_leader)
		e->leader = leader;
	return ret == -ENOENT ? 0 : ret;
}
