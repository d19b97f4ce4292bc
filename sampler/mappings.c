/* SPDX-License-Identifier: MIT */
#include "sampler/mappings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/grow.h"

/* A process can have as many as vm.max_map_count allows: 65530 by default. */
#define MAX_MAPPINGS (1u << 20)

static bool parse(const char *line, struct mp_mapping *m)
{
	char perms[5];
	int path_at = 0;
	unsigned long long start, end, offset, inode;

	*m = (struct mp_mapping){0};
	if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &start, &end, perms, &offset, &m->dev_major,
		&m->dev_minor, &inode, &path_at) < 7)
		return false;
	m->start = start;
	m->end = end;
	m->file_offset = offset;
	m->inode = inode;
	m->is_writable = perms[1] == 'w';
	m->is_exec = perms[2] == 'x';
	m->path = strndup(line + path_at, strcspn(line + path_at, "\n"));
	return m->path != NULL;
}

int mp_mappings_read(pid_t pid, struct mp_mappings *out)
{
	char path[64], *line = NULL;
	size_t line_size = 0, room = 0;
	int ret = 0;

	*out = (struct mp_mappings){0};
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!ret && out->n < MAX_MAPPINGS && getline(&line, &line_size, f) > 0) {
		if (!mp_grow((void **)&out->all, &room, out->n + 1, sizeof(*out->all)))
			ret = -ENOMEM;
		else if (parse(line, &out->all[out->n]))
			out->n++;
	}
	free(line);
	fclose(f);
	if (ret)
		mp_mappings_free(out);
	return ret;
}

void mp_mappings_free(struct mp_mappings *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->all[i].path);
	free(m->all);
	*m = (struct mp_mappings){0};
}

const struct mp_mapping *mp_mappings_find(const struct mp_mappings *m, uint64_t addr)
{
	size_t from = 0, to = m->n; /* the first that ends behind `addr` is in [from, to] */

	while (from < to) {
		size_t mid = from + (to - from) / 2;
		if (m->all[mid].end <= addr)
			from = mid + 1;
		else
			to = mid;
	}
	return from < m->n && m->all[from].start <= addr ? &m->all[from] : NULL;
}
