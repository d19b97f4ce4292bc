/* SPDX-License-Identifier: MIT */
#include "symbolize/dwarf/private.h"

#include <stdlib.h>

/* Of a unit, 24 bytes each, and some of them twice while they are made flat. */
#define RANGES_MAX (2u << 20)

/* What an entry of a list costs (mp_dwarf_spend()). */
#define ENTRY_COST 4

bool mp_dwarf_is_code(struct mp_dwarf *d, uint64_t vaddr)
{
	if (vaddr >= d->code_low && vaddr < d->code_high)
		return true;

	uint64_t end = mp_elf_code_end(d->main.elf, vaddr);
	if (!end)
		return false;
	d->code_low = vaddr; /* at least from here on */
	d->code_high = end;
	return true;
}

static bool append(struct dwarf_ranges *r, uint64_t low, uint64_t high, uint32_t value)
{
	if (r->n == r->room) {
		size_t room = r->room ? 2 * r->room : 256;
		size_t max = r->max ? r->max : RANGES_MAX;
		struct dwarf_range *v = room <= max ? realloc(r->v, room * sizeof(*v)) : NULL;

		if (!v)
			return false;
		r->v = v;
		r->room = room;
	}
	r->v[r->n++] = (struct dwarf_range){low, high, value};
	return true;
}

bool mp_dwarf_ranges_add(
    struct mp_dwarf *d, struct dwarf_ranges *r, size_t first, uint64_t low, uint64_t high, uint32_t value)
{
	if (low >= high || !mp_dwarf_is_code(d, low))
		return true;
	if (r->n > first && r->v[r->n - 1].high == low && r->v[r->n - 1].value == value) {
		r->v[r->n - 1].high = high;
		return true;
	}
	if (r->n > first && r->v[r->n - 1].low == high && r->v[r->n - 1].value == value) {
		r->v[r->n - 1].low = low;
		return true;
	}
	if (append(r, low, high, value))
		return true;
	mp_dwarf_damaged(d, "it has too many ranges of addresses, or there is no memory for them");
	return false;
}

struct list {
	const struct dwarf_cu *cu;
	struct dwarf_ranges *ranges;
	size_t first;
	uint32_t value;
	uint64_t base;
	uint64_t entry; /* lowest address of the first range */
	bool has_entry;
};

static bool list_add(struct list *l, uint64_t low, uint64_t high)
{
	if (!l->has_entry && low < high) {
		l->entry = low;
		l->has_entry = true;
	}
	return mp_dwarf_ranges_add(l->cu->file->dwarf, l->ranges, l->first, low, high, l->value);
}

/* DWARF 2-4: pairs of addresses. */
static bool old_list(struct list *l, uint64_t offset)
{
	unsigned size = l->cu->address_size;
	uint64_t all_ones = size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;

	for (;; offset += 2 * size) {
		struct dwarf_cursor c = mp_dwarf_peek(l->cu->main, DWARF_RANGES, offset, 2 * size);
		uint64_t low = dwarf_fixed(&c, size), high = dwarf_fixed(&c, size);

		if (c.bad || !mp_dwarf_spend(l->cu->file->dwarf, ENTRY_COST))
			return false;
		if (!low && !high)
			return true;
		if (low == all_ones)
			l->base = high;
		else if (!list_add(l, l->base + low, l->base + high))
			return false;
	}
}

static uint64_t indexed(const struct list *l, struct dwarf_cursor *c)
{
	struct dwarf_value v = {.form = DW_FORM_addrx, .u = dwarf_uleb(c)};
	uint64_t address = 0;

	if (!mp_dwarf_value_address(l->cu, &v, &address))
		c->bad = true;
	return address;
}

/* One entry of a DWARF 5 list. False at its end, or when it is damaged. */
static bool new_entry(struct list *l, struct dwarf_cursor *c)
{
	unsigned size = l->cu->address_size;
	uint64_t low = 0, high = 0;

	switch (dwarf_fixed(c, 1)) {
	case DW_RLE_base_addressx:
		l->base = indexed(l, c);
		return !c->bad;
	case DW_RLE_base_address:
		l->base = dwarf_fixed(c, size);
		return !c->bad;
	case DW_RLE_startx_endx:
		low = indexed(l, c);
		high = indexed(l, c);
		break;
	case DW_RLE_startx_length:
		low = indexed(l, c);
		high = low + dwarf_uleb(c);
		break;
	case DW_RLE_offset_pair:
		low = l->base + dwarf_uleb(c);
		high = l->base + dwarf_uleb(c);
		break;
	case DW_RLE_start_end:
		low = dwarf_fixed(c, size);
		high = dwarf_fixed(c, size);
		break;
	case DW_RLE_start_length:
		low = dwarf_fixed(c, size);
		high = low + dwarf_uleb(c);
		break;
	default: /* DW_RLE_end_of_list among them */
		return false;
	}
	return !c->bad && list_add(l, low, high);
}

static bool new_list(struct list *l, uint64_t offset)
{
	struct dwarf_file *f = l->cu->is_split ? l->cu->file : l->cu->main;

	for (;;) {
		struct dwarf_cursor c = mp_dwarf_peek(f, DWARF_RNGLISTS, offset, 32);
		const unsigned char *start = c.p;

		if (c.bad || !mp_dwarf_spend(l->cu->file->dwarf, ENTRY_COST))
			return false;
		if (!new_entry(l, &c))
			return !c.bad;
		offset += (uint64_t)(c.p - start);
	}
}

bool mp_dwarf_ranges_list(
    const struct dwarf_cu *cu, uint64_t offset, struct dwarf_ranges *r, uint32_t value, uint64_t *entry)
{
	struct list l = {
	    .cu = cu,
	    .ranges = r,
	    .first = r->n,
	    .value = value,
	    .base = cu->low_pc,
	};
	bool is_good = cu->version >= 5 ? new_list(&l, offset) : old_list(&l, offset);

	if (entry)
		*entry = l.entry;
	return is_good;
}

/* ---- Flat ---- */

#define DIGIT_BITS 11
#define DIGITS     (1u << DIGIT_BITS)

/* One pass of a radix sort: by the digit of (low - base) that `shift` leads to. */
static void sort_digit(
    const struct dwarf_range *from, struct dwarf_range *to, size_t n, uint64_t base, unsigned shift)
{
	uint32_t at[DIGITS + 1] = {0};

	for (size_t i = 0; i < n; i++)
		at[((from[i].low - base) >> shift & (DIGITS - 1)) + 1]++;
	for (size_t i = 1; i < DIGITS; i++)
		at[i] += at[i - 1];
	for (size_t i = 0; i < n; i++)
		to[at[(from[i].low - base) >> shift & (DIGITS - 1)]++] = from[i];
}

/* By their starts. Comparing would take a tenth of all the time that reading a unit takes. */
static bool sort_starts(struct dwarf_ranges *r)
{
	struct dwarf_range *other = malloc(r->n * sizeof(*other));
	uint64_t min = UINT64_MAX, max = 0;

	if (!other)
		return false;
	for (size_t i = 0; i < r->n; i++) {
		min = r->v[i].low < min ? r->v[i].low : min;
		max = r->v[i].low > max ? r->v[i].low : max;
	}
	for (unsigned shift = 0; shift < 64 && (max - min) >> shift; shift += DIGIT_BITS) {
		struct dwarf_range *sorted = other;

		sort_digit(r->v, sorted, r->n, min, shift);
		other = r->v;
		r->v = sorted;
	}
	r->room = r->n;
	free(other);
	return true;
}

/* Whether `a` is the better answer where both are: the smaller one, else the one that came later. */
static bool is_better(const struct dwarf_range *a, const struct dwarf_range *b)
{
	uint64_t size_a = a->high - a->low, size_b = b->high - b->low;

	return size_a != size_b ? size_a < size_b : a->value > b->value;
}

/* A binary heap of ranges by their numbers, the best one on top. */
struct heap {
	const struct dwarf_range *ranges;
	uint32_t *v;
	size_t n;
};

static bool heap_less(const struct heap *h, size_t i, size_t j)
{
	return is_better(&h->ranges[h->v[i]], &h->ranges[h->v[j]]);
}

static void heap_swap(struct heap *h, size_t i, size_t j)
{
	uint32_t v = h->v[i];

	h->v[i] = h->v[j];
	h->v[j] = v;
}

static void heap_push(struct heap *h, uint32_t range)
{
	size_t i = h->n++;

	h->v[i] = range;
	for (; i && heap_less(h, i, (i - 1) / 2); i = (i - 1) / 2)
		heap_swap(h, i, (i - 1) / 2);
}

static void heap_pop(struct heap *h)
{
	size_t i = 0;

	h->v[0] = h->v[--h->n];
	for (;;) {
		size_t best = i, left = 2 * i + 1;

		if (left < h->n && heap_less(h, left, best))
			best = left;
		if (left + 1 < h->n && heap_less(h, left + 1, best))
			best = left + 1;
		if (best == i)
			return;
		heap_swap(h, i, best);
		i = best;
	}
}

static void emit(struct dwarf_flat *out, uint64_t start, uint32_t value)
{
	if (out->n && out->value[out->n - 1] == value)
		return;
	out->start[out->n] = start;
	out->value[out->n++] = value;
}

/* Goes through the addresses from point to point: a range begins, or the best one ends. */
static void sweep(const struct dwarf_ranges *r, struct heap *h, struct dwarf_flat *out)
{
	size_t i = 0;

	while (i < r->n || h->n) {
		uint64_t at = i < r->n ? r->v[i].low : UINT64_MAX;

		if (h->n && r->v[h->v[0]].high < at)
			at = r->v[h->v[0]].high;
		while (i < r->n && r->v[i].low <= at)
			heap_push(h, (uint32_t)i++);
		while (h->n && r->v[h->v[0]].high <= at)
			heap_pop(h);
		emit(out, at, h->n ? r->v[h->v[0]].value : DWARF_NOBODY);
	}
}

bool mp_dwarf_flatten(struct dwarf_ranges *r, struct dwarf_flat *out)
{
	struct heap h = {0};
	bool is_good = false;

	*out = (struct dwarf_flat){0};
	if (!r->n)
		return true;
	h.v = malloc(r->n * sizeof(*h.v));
	out->start = malloc((2 * r->n + 1) * sizeof(*out->start));
	out->value = malloc((2 * r->n + 1) * sizeof(*out->value));
	if (h.v && out->start && out->value && sort_starts(r)) {
		h.ranges = r->v;
		sweep(r, &h, out);
		is_good = true;
	}
	free(h.v);
	if (!is_good)
		mp_dwarf_flat_free(out);
	return is_good;
}

uint32_t mp_dwarf_flat_find(const struct dwarf_flat *f, uint64_t vaddr)
{
	size_t low = 0, high = f->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (f->start[mid] <= vaddr)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? f->value[low - 1] : DWARF_NOBODY;
}

void mp_dwarf_flat_free(struct dwarf_flat *f)
{
	free(f->start);
	free(f->value);
	*f = (struct dwarf_flat){0};
}
