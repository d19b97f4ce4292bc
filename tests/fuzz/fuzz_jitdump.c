/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolize/jit/jitdump.h"

/*
 * A jitdump file that is written in two parts, and then anew with its first record missing; every eight
 * aligned bytes of it are asked for as an address and as a time. The first byte of the input says where the
 * first part ends, in steps of eight bytes.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER_BYTES 40
#define ASKED_MAX    512

static int fd = -1;

static void check(const char *text)
{
	if (strlen(text) > 1023)
		abort();
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			abort();
}

static void ask(const struct mp_jitdump *j, uint64_t addr, int64_t t_ns)
{
	struct mp_jit_name name;

	if (!mp_jitdump_find(j, addr, t_ns, &name))
		return;
	if (name.start > addr || (name.file && name.line <= 0))
		abort();
	check(name.function);
	if (name.file)
		check(name.file);
}

static void ask_around(const struct mp_jitdump *j, const uint8_t *data, size_t size)
{
	int64_t t_ns = INT64_MAX;

	for (size_t i = 0; i + 8 <= size && i < 8 * ASKED_MAX; i += 8) {
		uint64_t v;

		memcpy(&v, data + i, 8);
		ask(j, v, INT64_MAX);
		ask(j, v + 1, t_ns);
		ask(j, v - 1, INT64_MIN);
		t_ns = (int64_t)v;
	}
}

static void put(const uint8_t *data, size_t size, off_t at)
{
	if (pwrite(fd, data, size, at) != (ssize_t)size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (!size || ftruncate(fd, 0) < 0)
		return 0;
	size_t first = 8 * (size_t)data[0];
	data++;
	size--;
	first = first < size ? first : size;
	put(data, first, 0);
	struct mp_jitdump *j = mp_jitdump_new(fd);
	if (!j)
		return 0;
	mp_jitdump_refresh(j);
	ask_around(j, data, first);
	put(data + first, size - first, (off_t)first);
	mp_jitdump_refresh(j);
	ask_around(j, data, size);
	if (size > HEADER_BYTES && ftruncate(fd, 0) == 0) {
		put(data, HEADER_BYTES, 0);
		put(data + (first > HEADER_BYTES ? first : HEADER_BYTES),
		    size - (first > HEADER_BYTES ? first : HEADER_BYTES), HEADER_BYTES);
		mp_jitdump_refresh(j);
		ask_around(j, data, size);
	}
	mp_jitdump_free(j);
	return 0;
}
