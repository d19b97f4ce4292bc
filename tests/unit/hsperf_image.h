/* SPDX-License-Identifier: MIT */
#ifndef MP_TESTS_UNIT_HSPERF_IMAGE_H
#define MP_TESTS_UNIT_HSPERF_IMAGE_H

/* A file of hsperfdata as HotSpot lays it out, of the byte order of this machine. */
#include <endian.h>
#include <stdint.h>
#include <string.h>

struct hsperf_image {
	char bytes[8192];
	size_t n;
};

static inline void hsperf_put(struct hsperf_image *f, size_t at, const void *data, size_t n)
{
	memcpy(f->bytes + at, data, n);
}

static inline void hsperf_put32(struct hsperf_image *f, size_t at, int32_t value)
{
	hsperf_put(f, at, &value, sizeof(value));
}

static inline void hsperf_begin(struct hsperf_image *f)
{
	uint32_t magic = htobe32(0xcafec0c0);

	memset(f, 0, sizeof(*f));
	hsperf_put(f, 0, &magic, sizeof(magic));
	f->bytes[4] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	f->bytes[5] = 2;
	f->bytes[7] = 1;
	hsperf_put32(f, 24, 32);
	f->n = 32;
	hsperf_put32(f, 8, (int32_t)f->n);
}

/* One more entry, of data that begins at a multiple of 8: where it begins. */
static inline size_t hsperf_add(
    struct hsperf_image *f, const char *name, char type, int32_t vector, const void *data, size_t size)
{
	size_t at = f->n, data_at = (20 + strlen(name) + 1 + 7) / 8 * 8,
	       length = (data_at + size + 7) / 8 * 8;
	int32_t entries;

	hsperf_put32(f, at, (int32_t)length);
	hsperf_put32(f, at + 4, 20);
	hsperf_put32(f, at + 8, vector);
	f->bytes[at + 12] = type;
	hsperf_put32(f, at + 16, (int32_t)data_at);
	hsperf_put(f, at + 20, name, strlen(name) + 1);
	hsperf_put(f, at + data_at, data, size);
	f->n += length;
	hsperf_put32(f, 8, (int32_t)f->n);
	memcpy(&entries, f->bytes + 28, sizeof(entries));
	hsperf_put32(f, 28, entries + 1);
	return at;
}

static inline size_t hsperf_long(struct hsperf_image *f, const char *name, int64_t value)
{
	return hsperf_add(f, name, 'J', 0, &value, sizeof(value));
}

static inline size_t hsperf_text(struct hsperf_image *f, const char *name, const char *text)
{
	return hsperf_add(f, name, 'B', (int32_t)strlen(text) + 1, text, strlen(text) + 1);
}

/* As a JVM with G1 has it, of JDK 17: it adds some bytes to capacities. */
static inline void hsperf_g1(struct hsperf_image *f)
{
	hsperf_begin(f);
	hsperf_long(f, "sun.rt._sync_Inflations", 7);
	hsperf_long(f, "sun.os.hrt.frequency", 2000000000);
	hsperf_long(f, "sun.rt.safepoints", 20);
	hsperf_long(f, "sun.rt.safepointTime", 3000);
	hsperf_long(f, "sun.rt.safepointSyncTime", 500);
	hsperf_text(f, "sun.gc.collector.0.name", "G1 young collection pauses");
	hsperf_long(f, "sun.gc.collector.0.invocations", 19);
	hsperf_long(f, "sun.gc.collector.0.time", 2800);
	hsperf_long(f, "sun.gc.generation.0.maxCapacity", (256 << 20) + 24);
	hsperf_text(f, "sun.gc.generation.0.space.0.name", "eden");
	hsperf_long(f, "sun.gc.generation.0.space.0.capacity", (40 << 20) + 8);
	hsperf_long(f, "sun.gc.generation.0.space.0.initCapacity", (13 << 20) + 8);
	hsperf_long(f, "sun.gc.generation.0.space.0.used", 30 << 20);
	hsperf_text(f, "sun.gc.generation.0.space.1.name", "s0");
	hsperf_long(f, "sun.gc.generation.0.space.1.used", 0);
	hsperf_text(f, "sun.gc.generation.0.space.2.name", "s1");
	hsperf_long(f, "sun.gc.generation.0.space.2.used", 2 << 20);
	hsperf_long(f, "sun.gc.generation.1.maxCapacity", (256 << 20) + 8);
	hsperf_text(f, "sun.gc.generation.1.space.0.name", "space");
	hsperf_long(f, "sun.gc.generation.1.space.0.initCapacity", (51 << 20) + 8);
	hsperf_long(f, "sun.gc.generation.1.space.0.used", 1124352);
	hsperf_long(f, "sun.gc.metaspace.used", 78512);
	hsperf_text(f, "java.rt.vmArgs", "-Xms64m -Xmx256m");
	hsperf_text(f, "java.property.java.vm.version", "17.0.15+6");
}

#endif
