/* SPDX-License-Identifier: MIT */
#include "symbolize/jit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbolize/file.h"
#include "symbolize/jit/perf_map.h"

/* A process has one JIT compiler, seldom two. */
#define JITDUMPS_MAX 8

struct mp_jit {
	pid_t pid;
	int root_fd; /* the symbolizer's */
	struct mp_perf_map *perf_map;
	struct mp_jitdump *dump[JITDUMPS_MAX];
	struct stat stat[JITDUMPS_MAX]; /* which files they are */
	size_t n;
};

static void add_perf_map_sources(struct mp_jit *j, const struct mp_process *process)
{
	char path[64];
	struct mp_process host;

	/* In a container, the process knows its inner PID only, and writes to its own /tmp. */
	if (process->root_fd >= 0) {
		snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)process->ns_pid);
		mp_perf_map_add_source(j->perf_map, process->root_fd, path);
	}
	mp_process_open(0, &host);
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)j->pid);
	if (host.root_fd >= 0)
		mp_perf_map_add_source(j->perf_map, host.root_fd, path);
	mp_process_close(&host);
	mp_perf_map_poll(j->perf_map);
}

struct mp_jit *mp_jit_new(pid_t pid, const struct mp_process *process)
{
	struct mp_jit *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->pid = pid;
	j->root_fd = process->root_fd;
	j->perf_map = mp_perf_map_new(process->uid);
	if (!j->perf_map) {
		free(j);
		return NULL;
	}
	if (pid)
		add_perf_map_sources(j, process);
	return j;
}

void mp_jit_free(struct mp_jit *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->n; i++)
		mp_jitdump_free(j->dump[i]);
	mp_perf_map_free(j->perf_map);
	free(j);
}

/* The same file may be mapped, and a mapping told, more than once. */
static bool is_known(const struct mp_jit *j, const struct stat *st)
{
	for (size_t i = 0; i < j->n; i++)
		if (j->stat[i].st_dev == st->st_dev && j->stat[i].st_ino == st->st_ino)
			return true;
	return false;
}

bool mp_jit_add_map(struct mp_jit *j, const struct mp_map *map)
{
	struct stat st;
	char path[128];

	if (!mp_jitdump_is_name(map->path))
		return false;
	if (j->n == JITDUMPS_MAX || !j->pid)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", (int)j->pid,
	    (unsigned long long)map->start, (unsigned long long)map->end);
	int fd = mp_file_open(path);
	if (fd < 0 && j->root_fd >= 0)
		fd = mp_file_open_in(j->root_fd, map->path);
	if (fd < 0)
		return true;
	if (!fstat(fd, &st) && !is_known(j, &st)) {
		j->stat[j->n] = st;
		j->dump[j->n] = mp_jitdump_new(fd);
		j->n += j->dump[j->n] != NULL;
	}
	close(fd);
	return true;
}

void mp_jit_refresh(struct mp_jit *j)
{
	for (size_t i = 0; i < j->n; i++)
		mp_jitdump_refresh(j->dump[i]);
	mp_perf_map_refresh(j->perf_map);
}

static void found_one(struct mp_found *found, const struct mp_jit_name *name, enum mp_symbol_quality quality)
{
	found->n = 1;
	found->function[0] = (struct mp_found_function){name->function, name->file, name->line};
	found->start = name->start;
	found->quality = quality;
}

void mp_jit_find(struct mp_jit *j, uint64_t addr, int64_t t_ns, struct mp_found *found)
{
	struct mp_jit_name name = {0};

	found->n = 0;
	found->quality = MP_SYMBOL_NONE;
	for (size_t i = 0; i < j->n; i++) {
		mp_jitdump_poll(j->dump[i]);
		if (mp_jitdump_find(j->dump[i], addr, t_ns, &name)) {
			found_one(found, &name, MP_SYMBOL_JITDUMP);
			return;
		}
	}
	mp_perf_map_poll(j->perf_map);
	if (mp_perf_map_find(j->perf_map, addr, &name.function, &name.start))
		found_one(found, &name, MP_SYMBOL_JIT_MAP);
}
