/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_GC_HOTSPOT_H
#define MP_SAMPLER_GC_HOTSPOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Names of classes of HotSpot, read from outside while it runs: a Klass leads to a Symbol, which has a length
 * and that many bytes. Where these are is said by the table that libjvm.so exports for its own debugger
 * (vmStructs.hpp), in every version. All that is read is the target's and hostile. Any thread.
 */
#define MP_GC_CLASS_NAME_BYTES 160 /* with its zero; longer names are cut */

/* Reads memory of the target: 0, or anything else where there is none. */
struct mp_gc_memory {
	int (*read)(void *ctx, uint64_t at, void *buf, size_t n);
	void *ctx;
};

/* Where in the target the variables are that tell of the table: gHotSpotVMStructs, and of the rest
 * gHotSpotVMStructEntryArrayStride, ...TypeNameOffset, ...FieldNameOffset, ...OffsetOffset. */
struct mp_hotspot_symbols {
	uint64_t table, stride, type_name, field_name, offset;
};

/* Offsets of Klass::_name, Symbol::_length (16 bits), Symbol::_body. */
struct mp_hotspot_layout {
	uint64_t name, length, body;
};

/* False: not all of them are told; before libjvm.so has run its constructors none is. Takes some
 * milliseconds. */
bool mp_hotspot_read_layout(
    const struct mp_gc_memory *m, const struct mp_hotspot_symbols *s, struct mp_hotspot_layout *out);

/* As the source has it: java.lang.String, byte[][]. False, and `out` empty: it cannot be read, as that of a
 * class that has been unloaded. */
bool mp_hotspot_class_name(const struct mp_gc_memory *m, const struct mp_hotspot_layout *l, uint64_t klass,
    char out[static MP_GC_CLASS_NAME_BYTES]);

/* Makes such a name of the JVM's, of `n` bytes: java/lang/String, [[B, [Ljava/lang/String;. What the JVM puts
 * behind the names of hidden classes to tell them apart is left out: each lambda would be a class of its own.
 */
void mp_hotspot_readable(const char *name, size_t n, char out[static MP_GC_CLASS_NAME_BYTES]);

#endif
