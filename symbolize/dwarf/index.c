/* SPDX-License-Identifier: MIT */
#include "symbolize/dwarf/private.h"

#include <stdlib.h>

/* Sorted ranges as a tree without pointers: the root of [low, high) is its middle. */
struct part {
	size_t low, high;
};

#define TREE_DEPTH_MAX 64

/* A browser's units have some 2 million. */
#define INDEX_RANGES_MAX (4u << 20)

/* Claims to an address that are looked at. The linker lets all units that had an inline function claim the
 * code of the one that it has kept. */
#define FOUND_MAX 4096

static size_t middle(size_t low, size_t high)
{
	return low + (high - low) / 2;
}

static int compare_ranges(const void *va, const void *vb)
{
	const struct dwarf_range *a = va, *b = vb;

	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	return a->value < b->value ? -1 : a->value > b->value;
}

/* The subtree's end, from its children's, which are known: depth is the logarithm of the number. */
static uint64_t note_max(struct dwarf_index *index, size_t low, size_t high)
{
	if (low >= high)
		return 0;

	size_t mid = middle(low, high);
	uint64_t max = index->ranges.v[mid].high;
	uint64_t left = note_max(index, low, mid), right = note_max(index, mid + 1, high);
	max = left > max ? left : max;
	max = right > max ? right : max;
	index->max_high[mid] = max;
	return max;
}

static void index_finish(struct mp_dwarf *d, struct dwarf_index *index)
{
	if (!index->ranges.n)
		return;
	qsort(index->ranges.v, index->ranges.n, sizeof(*index->ranges.v), compare_ranges);
	index->max_high = malloc(index->ranges.n * sizeof(*index->max_high));
	if (!index->max_high) {
		mp_dwarf_damaged(d, "no memory for its index");
		index->ranges.n = 0;
		return;
	}
	note_max(index, 0, index->ranges.n);
}

void mp_dwarf_index_free(struct dwarf_index *index)
{
	free(index->ranges.v);
	free(index->max_high);
	*index = (struct dwarf_index){0};
}

/* Keeps the first units, by their numbers. */
static void add_candidate(uint32_t unit, uint32_t out[DWARF_CANDIDATES_MAX], size_t *n)
{
	size_t i = 0;

	while (i < *n && out[i] < unit)
		i++;
	if (i == DWARF_CANDIDATES_MAX || (i < *n && out[i] == unit))
		return;
	if (*n < DWARF_CANDIDATES_MAX)
		++*n;
	memmove(out + i + 1, out + i, (*n - 1 - i) * sizeof(*out));
	out[i] = unit;
}

size_t mp_dwarf_index_find(
    const struct dwarf_index *index, uint64_t vaddr, uint32_t out[DWARF_CANDIDATES_MAX])
{
	struct part todo[TREE_DEPTH_MAX] = {{0, index->ranges.n}};
	size_t n_todo = index->ranges.n ? 1 : 0, n = 0, found = 0;

	while (n_todo && found < FOUND_MAX) {
		struct part part = todo[--n_todo];
		size_t mid = middle(part.low, part.high);
		const struct dwarf_range *r = &index->ranges.v[mid];

		if (index->max_high[mid] <= vaddr)
			continue;
		if (vaddr >= r->low && vaddr < r->high) {
			add_candidate(r->value, out, &n);
			found++;
		}
		/* One more than was taken, at each level. */
		if (vaddr >= r->low && mid + 1 < part.high && n_todo < TREE_DEPTH_MAX)
			todo[n_todo++] = (struct part){mid + 1, part.high};
		if (part.low < mid && n_todo < TREE_DEPTH_MAX)
			todo[n_todo++] = (struct part){part.low, mid};
	}
	return n;
}

/* ---- What a unit says of itself ---- */

static bool is_compilation(const struct dwarf_cu *cu)
{
	return cu->root_tag == DW_TAG_compile_unit || cu->root_tag == DW_TAG_skeleton_unit;
}

/* False when there is no room for more. */
static bool index_unit(struct mp_dwarf *d, uint32_t number)
{
	struct dwarf_unit *u = &d->main.units[number];
	struct dwarf_cu cu;
	bool has_room = true;

	if (!mp_dwarf_header(&d->main, u->offset, &cu) || cu.type == DW_UT_type ||
	    cu.type == DW_UT_split_type)
		return true;
	if (!mp_dwarf_root(&cu, NULL)) {
		u->is_broken = true;
		mp_dwarf_damaged(d, "the root entry of the unit at %#llx of .debug_info cannot be read",
		    (unsigned long long)u->offset);
		return true;
	}
	if (!is_compilation(&cu))
		return true;
	/* Damage in a list costs the ranges behind it. */
	if (cu.has_ranges)
		mp_dwarf_ranges_list(&cu, cu.ranges, &d->index.ranges, number, NULL);
	else if (cu.high_pc)
		has_room = mp_dwarf_ranges_add(
		    d, &d->index.ranges, d->index.ranges.n, cu.low_pc, cu.high_pc, number);
	else
		u->is_rangeless = true;
	u->may_have_more = !cu.has_ranges;
	return has_room;
}

struct aranges {
	uint32_t unit;
	uint8_t offset_size, address_size;
	uint64_t end;
};

/* A set's header; *at moves to its first pair. */
static bool aranges_header(struct mp_dwarf *d, uint64_t *at, struct aranges *set)
{
	struct dwarf_cursor c = mp_dwarf_peek(&d->main, DWARF_ARANGES, *at, 64);
	const unsigned char *start = c.p;
	uint64_t length = dwarf_length(&c, &set->offset_size), size = d->main.section[DWARF_ARANGES].size;
	uint64_t body = *at + (uint64_t)(c.p - start);

	if (c.bad || !length)
		return false;
	set->end = length < size - body ? body + length : size;
	dwarf_fixed(&c, 2);
	uint64_t offset = dwarf_fixed(&c, set->offset_size);
	set->address_size = (uint8_t)dwarf_fixed(&c, 1);
	uint8_t segment_size = (uint8_t)dwarf_fixed(&c, 1);
	struct dwarf_unit *u = mp_dwarf_unit_at(&d->main, offset);

	if (c.bad || segment_size || (set->address_size != 8 && set->address_size != 4))
		u = NULL;
	set->unit = u && u->offset == offset ? (uint32_t)(u - d->main.units) : DWARF_NOBODY;

	/* Pairs are aligned to their size, from the set's beginning. */
	uint64_t header = (uint64_t)(c.p - start), pair = 2 * (uint64_t)set->address_size;
	*at += pair ? (header + pair - 1) / pair * pair : header;
	return true;
}

/* For units that cannot say themselves what is theirs, or, before DWARF 3, only one range of it. */
static void read_aranges(struct mp_dwarf *d)
{
	struct aranges set;

	for (uint64_t at = 0; aranges_header(d, &at, &set); at = set.end) {
		struct dwarf_unit *u = set.unit != DWARF_NOBODY ? &d->main.units[set.unit] : NULL;

		while (u && u->may_have_more && at < set.end) {
			struct dwarf_cursor c =
			    mp_dwarf_peek(&d->main, DWARF_ARANGES, at, 2 * (size_t)set.address_size);
			uint64_t low = dwarf_fixed(&c, set.address_size);
			uint64_t size = dwarf_fixed(&c, set.address_size);

			if (c.bad || (!low && !size))
				break;
			if (!mp_dwarf_ranges_add(
				d, &d->index.ranges, d->index.ranges.n, low, low + size, set.unit))
				return;
			at += 2 * (uint64_t)set.address_size;
		}
	}
}

void mp_dwarf_index_build(struct mp_dwarf *d)
{
	bool any_more = false;

	mp_dwarf_budget(d, d->main.section[DWARF_INFO].size);
	d->index.ranges.max = d->rangeless.ranges.max = INDEX_RANGES_MAX;
	mp_dwarf_units(&d->main);
	for (size_t i = 0; i < d->main.n_units; i++) {
		if (!index_unit(d, (uint32_t)i))
			break;
		any_more |= d->main.units[i].may_have_more;
	}
	if (any_more)
		read_aranges(d);
	index_finish(d, &d->index);
}

/* ---- What its functions and lines say ---- */

static bool add_rangeless(struct mp_dwarf *d, uint64_t low, uint64_t high, uint32_t unit)
{
	struct dwarf_ranges *r = &d->rangeless.ranges;

	return mp_dwarf_ranges_add(d, r, r->n ? r->n - 1 : 0, low, high, unit);
}

static bool index_rangeless_unit(struct mp_dwarf *d, uint32_t number)
{
	struct dwarf_cu cu;
	struct dwarf_functions functions = {0};
	struct dwarf_lines lines = {0};
	bool has_room = true;

	if (!mp_dwarf_header(&d->main, d->main.units[number].offset, &cu) || !mp_dwarf_root(&cu, NULL))
		return true;
	mp_dwarf_read_functions(&cu, &functions);
	const struct dwarf_flat *flat = &functions.flat;
	for (size_t i = 0; i + 1 < flat->n && has_room; i++)
		if (flat->value[i] != DWARF_NOBODY)
			has_room = add_rangeless(d, flat->start[i], flat->start[i + 1], number);
	if (cu.has_lines)
		mp_dwarf_read_lines(&cu, &lines);
	for (size_t i = 0; i < lines.n_sequences && has_room; i++)
		has_room = add_rangeless(d, lines.sequences[i].low, lines.sequences[i].high, number);
	mp_dwarf_functions_free(&functions);
	mp_dwarf_lines_free(&lines);
	return has_room;
}

void mp_dwarf_index_rangeless(struct mp_dwarf *d)
{
	if (d->rangeless_tried)
		return;
	d->rangeless_tried = true;
	mp_dwarf_budget(d, d->main.section[DWARF_INFO].size);
	for (size_t i = 0; i < d->main.n_units; i++)
		if (d->main.units[i].is_rangeless && !index_rangeless_unit(d, (uint32_t)i))
			break;
	index_finish(d, &d->rangeless);
}
