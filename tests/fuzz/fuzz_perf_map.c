/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbolize/jit/perf_map.h"

/*
 * A perf map that is written in two parts, truncated and written again; names are asked for at the addresses
 * that it seems to speak of. The first byte of the input says where the first part ends.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/mpsample-fuzz-XXXXXX";
static int dir_fd = -1, fd = -1;

static void cleanup(void)
{
	unlinkat(dir_fd, "map", 0);
	rmdir(dir);
}

static void setup(void)
{
	if (!mkdtemp(dir))
		abort();
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = openat(dir_fd, "map", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		abort();
	atexit(cleanup);
}

static void ask(const struct mp_perf_map *m, uint64_t addr)
{
	const char *name;
	uint64_t start;

	if (!mp_perf_map_find(m, addr, &name, &start))
		return;
	if (start > addr || strlen(name) > 1023)
		abort();
	for (; *name; name++)
		if ((unsigned char)*name < 0x20 || *name == 0x7f)
			abort();
}

static void ask_around(const struct mp_perf_map *m, const uint8_t *data, size_t size)
{
	char line[64];

	for (size_t i = 0; i < size; i++) {
		if (i && data[i - 1] != '\n')
			continue;
		size_t n = size - i < sizeof(line) - 1 ? size - i : sizeof(line) - 1;
		char *end;

		memcpy(line, data + i, n);
		line[n] = '\0';
		uint64_t start = strtoull(line, &end, 16);
		ask(m, start);
		ask(m, start + strtoull(end, NULL, 16) - 1);
	}
	ask(m, 0);
	ask(m, UINT64_MAX);
}

static void put(const uint8_t *data, size_t size, off_t at)
{
	if (pwrite(fd, data, size, at) != (ssize_t)size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (fd < 0)
		setup();
	if (!size)
		return 0;
	size_t first = data[0] < size - 1 ? data[0] : size - 1;
	struct mp_perf_map *m = mp_perf_map_new(getuid());
	if (!m || ftruncate(fd, 0) < 0)
		abort();
	data++;
	size--;
	mp_perf_map_add_source(m, dir_fd, "map");
	put(data, first, 0);
	mp_perf_map_refresh(m);
	ask_around(m, data, first);
	put(data + first, size - first, (off_t)first);
	mp_perf_map_refresh(m);
	ask_around(m, data, size);
	if (ftruncate(fd, 0) < 0)
		abort();
	put(data + first, size - first, 0);
	mp_perf_map_refresh(m);
	ask_around(m, data, size);
	mp_perf_map_free(m);
	return 0;
}
