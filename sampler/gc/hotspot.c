/* SPDX-License-Identifier: MIT */
#include "sampler/gc/hotspot.h"

#include <string.h>

/* Of JDK 8 to 25 the table has about 700 to 1600 entries of 48 bytes. */
#define ENTRIES_MOST 8192
#define ENTRY_MOST   256

/* Of an object of HotSpot no field that is meant here is further behind its begin. */
#define OFFSET_MOST 4096

#define SYMBOL_MOST 1024 /* bytes of a name that are looked at */

static bool read_u64(const struct mp_gc_memory *m, uint64_t at, uint64_t *out)
{
	return !m->read(m->ctx, at, out, sizeof(*out));
}

/* Whether a text stands there: of memory not one byte more is read. */
static bool is_text(const struct mp_gc_memory *m, uint64_t at, const char *text)
{
	char there[16];
	size_t n = strlen(text) + 1;

	return n <= sizeof(there) && !m->read(m->ctx, at, there, n) && !memcmp(there, text, n);
}

/* ---- The table ---- */

/* What an entry is like, as the target says. */
struct entries {
	uint64_t at, stride, type_name, field_name, offset;
};

static bool open_table(const struct mp_gc_memory *m, const struct mp_hotspot_symbols *s, struct entries *out)
{
	if (!read_u64(m, s->table, &out->at) || !read_u64(m, s->stride, &out->stride) ||
	    !read_u64(m, s->type_name, &out->type_name) || !read_u64(m, s->field_name, &out->field_name) ||
	    !read_u64(m, s->offset, &out->offset))
		return false;
	return out->at && out->stride >= 3 * sizeof(uint64_t) && out->stride <= ENTRY_MOST &&
	       out->type_name <= out->stride - 8 && out->field_name <= out->stride - 8 &&
	       out->offset <= out->stride - 8;
}

static uint64_t word(const unsigned char *entry, uint64_t at)
{
	uint64_t value;

	memcpy(&value, entry + at, sizeof(value));
	return value;
}

static const struct field {
	const char *type, *name;
} fields[] = {{"Klass", "_name"}, {"Symbol", "_length"}, {"Symbol", "_body"}};
#define FIELDS (sizeof(fields) / sizeof(*fields))

static void take_entry(const struct mp_gc_memory *m, const struct entries *e, const unsigned char *entry,
    uint64_t out[static FIELDS])
{
	for (size_t i = 0; i < FIELDS; i++) {
		if (!is_text(m, word(entry, e->type_name), fields[i].type))
			continue;
		uint64_t name = word(entry, e->field_name);
		if (is_text(m, name, fields[i].name) || (i == 2 && is_text(m, name, "_body[0]")))
			out[i] = word(entry, e->offset);
	}
}

bool mp_hotspot_read_layout(
    const struct mp_gc_memory *m, const struct mp_hotspot_symbols *s, struct mp_hotspot_layout *out)
{
	uint64_t found[FIELDS] = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
	unsigned char entry[ENTRY_MOST];
	struct entries e;

	if (!open_table(m, s, &e))
		return false;
	for (uint64_t i = 0; i < ENTRIES_MOST; i++) {
		if (m->read(m->ctx, e.at + i * e.stride, entry, e.stride) || !word(entry, e.type_name))
			break; /* the last one has no type */
		take_entry(m, &e, entry, found);
	}
	*out = (struct mp_hotspot_layout){found[0], found[1], found[2]};
	return out->name <= OFFSET_MOST && out->length <= OFFSET_MOST && out->body <= OFFSET_MOST;
}

/* ---- Names ---- */

static const char *primitive(char c)
{
	static const struct {
		char code;
		const char *name;
	} all[] = {{'B', "byte"}, {'C', "char"}, {'D', "double"}, {'F', "float"}, {'I', "int"}, {'J', "long"},
	    {'S', "short"}, {'Z', "boolean"}};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i].code == c)
			return all[i].name;
	return NULL;
}

/* Without what tells hidden classes apart: "/0x" or "+0x", and an address. */
static size_t without_address(const char *name, size_t n)
{
	for (size_t i = 0; i + 3 < n; i++)
		if ((name[i] == '/' || name[i] == '+') && name[i + 1] == '0' && name[i + 2] == 'x')
			return i;
	return n;
}

void mp_hotspot_readable(const char *name, size_t n, char out[static MP_GC_CLASS_NAME_BYTES])
{
	size_t dimensions = 0, len = 0;
	const char *element;

	/* The JVM's own limit is 255 of them (JVMS 4.4.1); here as many as the name has room for beside. */
	while (dimensions < n && dimensions < 16 && name[dimensions] == '[')
		dimensions++;
	name += dimensions;
	n -= dimensions;
	element = dimensions && n == 1 ? primitive(*name) : NULL;
	if (element) {
		name = element;
		n = strlen(element);
	} else if (dimensions && n > 2 && name[0] == 'L' && name[n - 1] == ';') {
		name++;
		n -= 2;
	}
	n = without_address(name, n);
	for (; len < n && len + 2 * dimensions + 1 < MP_GC_CLASS_NAME_BYTES; len++)
		out[len] = name[len] == '/'                                        ? '.'
			   : (unsigned char)name[len] < ' ' || name[len] == '\177' ? '?'
										   : name[len];
	for (; dimensions; dimensions--) {
		out[len++] = '[';
		out[len++] = ']';
	}
	out[len] = 0;
}

bool mp_hotspot_class_name(const struct mp_gc_memory *m, const struct mp_hotspot_layout *l, uint64_t klass,
    char out[static MP_GC_CLASS_NAME_BYTES])
{
	char name[SYMBOL_MOST];
	uint64_t symbol;
	uint16_t bytes;

	*out = 0;
	if (!klass || !read_u64(m, klass + l->name, &symbol) || !symbol ||
	    m->read(m->ctx, symbol + l->length, &bytes, sizeof(bytes)) || !bytes)
		return false;
	if (bytes > sizeof(name))
		bytes = sizeof(name);
	if (m->read(m->ctx, symbol + l->body, name, bytes))
		return false;
	mp_hotspot_readable(name, bytes, out);
	return *out;
}
