/* SPDX-License-Identifier: MIT */
#include "sampler/pools/glibc_arena.h"

#include <errno.h>
#include <string.h>

#define PAGE          4096 /* the smallest there is: sizes are multiples of it also where pages are larger */
#define FLAGS         7ULL
#define BINS          127
#define CHANGING_BINS 4
#define ADDR_MAX      (1ULL << 56) /* user space ends below, with five levels of page tables, too */

/* struct malloc_state. Fast bins begin behind a lock, flags and a note whether there are fast chunks. */
struct state {
	uint32_t mutex, flags, have_fastchunks, pad;
	uint64_t fastbin[MP_GLIBC_FASTBINS];
	uint64_t top, last_remainder;
	uint64_t bins[2 * BINS];
	uint32_t binmap[4];
	uint64_t next, next_free, attached_threads;
	uint64_t system_bytes, system_bytes_max;
};

_Static_assert(sizeof(struct state) == 2200, "as struct malloc_state is");

/* Of heap_info. Since 2.35 a page size follows, which makes it 48 bytes instead of 32. */
struct heap {
	uint64_t arena, previous, bytes, mapped_bytes;
};

#define HEAP_HEADER     32
#define HEAP_HEADER_NEW 48

bool mp_memory_all(const struct mp_memory *m, uint64_t addr, void *buf, size_t n)
{
	return m->read(m->ctx, addr, buf, n) == n;
}

uint64_t mp_glibc_chunk_bytes(uint64_t request)
{
	if (request > INT64_MAX)
		request = INT64_MAX;
	uint64_t bytes = (request + 8 + 15) & ~15ULL;
	return bytes < MP_GLIBC_MIN ? MP_GLIBC_MIN : bytes;
}

/*
 * A bin is a ring of free chunks and of the bin itself, as if that were a chunk: an empty one points to
 * itself, twice. Most bins of any program are empty, and one of two pointers never is the bin's, but of those
 * that change while they are read.
 */
static bool has_bins(const struct state *s, uint64_t address)
{
	unsigned int empty = 0, odd = 0;

	for (unsigned int i = 0; i < BINS; i++) {
		uint64_t self = address + offsetof(struct state, bins) + 16ULL * i - 16;
		uint64_t first = s->bins[2 * i], last = s->bins[2 * i + 1];

		if (first % 8 || last % 8 || !first || !last)
			return false;
		odd += (first == self) != (last == self);
		empty += first == self;
	}
	return empty >= BINS / 4 && odd <= CHANGING_BINS;
}

static bool is_state(const struct state *s, uint64_t address)
{
	if (address % 8 || s->top % 16 || s->top >= ADDR_MAX || s->next % 8 || !s->next ||
	    s->system_bytes > s->system_bytes_max || s->system_bytes >= ADDR_MAX)
		return false;
	return has_bins(s, address);
}

uint64_t mp_glibc_find_main(const void *data, size_t n, uint64_t addr, uint64_t lo, uint64_t hi)
{
	struct state s;

	for (size_t at = (8 - addr % 8) % 8; n >= sizeof(s) && at <= n - sizeof(s); at += 8) {
		uint64_t top;
		memcpy(&top, (const char *)data + at + offsetof(struct state, top), sizeof(top));
		if (top < lo || top >= hi)
			continue;
		memcpy(&s, (const char *)data + at, sizeof(s));
		if (is_state(&s, addr + at) && s.system_bytes)
			return addr + at;
	}
	return 0;
}

/* Of a chunk, without its flags. */
static uint64_t size_of(const struct mp_memory *m, uint64_t chunk)
{
	uint64_t size;

	return mp_memory_all(m, chunk + 8, &size, sizeof(size)) ? size & ~FLAGS : 0;
}

/* The main arena has one run of memory, which ends with `top`. That is read twice: it moves with any call. */
static int find_main_start(const struct mp_memory *m, const struct state *s, struct mp_glibc_arena *a)
{
	struct state again;
	uint64_t end = a->top + size_of(m, a->top);

	if (!mp_memory_all(m, a->address, &again, sizeof(again)))
		return -EFAULT;
	if (again.top != s->top || again.system_bytes != s->system_bytes)
		return -EAGAIN;
	if (end < a->system_bytes)
		return -EPROTO;
	a->start = (end - a->system_bytes + 15) & ~15ULL;
	return 0;
}

static int find_heap_start(const struct mp_memory *m, struct mp_glibc_arena *a)
{
	uint64_t heap = mp_glibc_heap_of(a->address), header = a->address - heap;
	struct heap h;

	if (header != HEAP_HEADER && header != HEAP_HEADER_NEW)
		return -EPROTO;
	if (!mp_memory_all(m, heap, &h, sizeof(h)))
		return -EFAULT;
	if (h.arena != a->address || h.previous)
		return -EPROTO;
	a->heap_header_bytes = header;
	a->start = (a->address + sizeof(struct state) + 15) & ~15ULL;
	return 0;
}

int mp_glibc_arena_read(const struct mp_memory *m, uint64_t address, bool is_main, struct mp_glibc_arena *out)
{
	struct state s;

	*out = (struct mp_glibc_arena){.address = address, .is_main = is_main};
	if (!mp_memory_all(m, address, &s, sizeof(s)))
		return -EFAULT;
	if (!is_state(&s, address))
		return -EPROTO;
	out->top = s.top;
	out->next = s.next;
	out->system_bytes = s.system_bytes;
	memcpy(out->fastbin, s.fastbin, sizeof(out->fastbin));
	/* Before the first allocation the first bin stands for it. */
	if (!s.system_bytes || s.top == address + offsetof(struct state, top)) {
		out->top = 0;
		return is_main ? 0 : find_heap_start(m, out);
	}
	return is_main ? find_main_start(m, &s, out) : find_heap_start(m, out);
}

uint64_t mp_glibc_heap_bytes(
    const struct mp_memory *m, const struct mp_glibc_arena *a, uint64_t heap, uint64_t *previous)
{
	struct heap h;

	*previous = 0;
	if (!mp_memory_all(m, heap, &h, sizeof(h)) || h.arena != a->address || !h.bytes || h.bytes % PAGE ||
	    h.bytes > MP_GLIBC_HEAP_MAX || h.previous % MP_GLIBC_HEAP_MAX)
		return 0;
	*previous = h.previous;
	return h.bytes;
}
