/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_DWARF_PRIVATE_H
#define MP_SYMBOLIZE_DWARF_PRIVATE_H

#include <stdbool.h>
#include <string.h>

#include "symbolize/dwarf/dwarf.h"
#include "symbolize/dwarf/format.h"
#include "symbolize/elf/section.h"

/*
 * What the files of this folder share, from the bytes upwards:
 *
 *   file.c        a file's sections; small reads at random through windows
 *   abbrev.c      abbreviation tables, compiled into steps that skip what nobody asks for
 *   forms.c       attribute values
 *   units.c       unit headers and root entries
 *   index.c       which unit describes an address
 *   ranges.c      range lists; a heap of ranges made flat
 *   names.c       names, through origins and specifications
 *   scopes.c      the namespaces, types and functions that names are within
 *   functions.c   the walk over a unit's entries
 *   lines.c       line programs
 *   split.c       .dwo and .dwp
 *   dwarf.c       open, find, what is kept in memory
 *
 * A word of the file is never an allocation's size: arrays grow with what was read.
 */

/* ---- Bytes ---- */

/* A place in bytes. Reading beyond the end gives zeros and sets `bad`, and nothing moves any more. */
struct dwarf_cursor {
	const unsigned char *p, *end;
	bool bad;
};

static inline uint64_t dwarf_left(const struct dwarf_cursor *c)
{
	return (uint64_t)(c->end - c->p);
}

static inline void dwarf_skip(struct dwarf_cursor *c, uint64_t n)
{
	if (n > dwarf_left(c)) {
		c->bad = true;
		c->p = c->end;
		return;
	}
	c->p += n;
}

/* A number of n <= 8 bytes, which are in this machine's order: mp_elf_open() takes no others. */
static inline uint64_t dwarf_fixed(struct dwarf_cursor *c, unsigned n)
{
	uint64_t v = 0;

	if (n > dwarf_left(c)) {
		c->bad = true;
		c->p = c->end;
		return 0;
	}
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	memcpy(&v, c->p, n);
#else
	memcpy((char *)&v + sizeof(v) - n, c->p, n);
#endif
	c->p += n;
	return v;
}

static inline uint64_t dwarf_uleb(struct dwarf_cursor *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; c->p < c->end; shift += 7) {
		unsigned char byte = *c->p++;

		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
	c->bad = true;
	return 0;
}

static inline int64_t dwarf_sleb(struct dwarf_cursor *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; c->p < c->end;) {
		unsigned char byte = *c->p++;

		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
		if (!(byte & 0x80)) {
			if (shift < 64 && (byte & 0x40))
				v |= ~UINT64_C(0) << shift;
			return (int64_t)v;
		}
	}
	c->bad = true;
	return 0;
}

/* A unit's or table's length; *offset_size becomes 4 or 8. */
static inline uint64_t dwarf_length(struct dwarf_cursor *c, uint8_t *offset_size)
{
	uint64_t length = dwarf_fixed(c, 4);

	*offset_size = 4;
	if (length == 0xffffffff) {
		*offset_size = 8;
		length = dwarf_fixed(c, 8);
	} else if (length >= 0xfffffff0) {
		c->bad = true;
	}
	return length;
}

/* ---- Files ---- */

enum dwarf_section {
	DWARF_INFO,
	DWARF_ABBREV,
	DWARF_STR,
	DWARF_STR_OFFSETS,
	DWARF_ADDR,
	DWARF_RANGES,
	DWARF_RNGLISTS,
	DWARF_LINE,
	DWARF_LINE_STR,
	DWARF_ARANGES,
	DWARF_CU_INDEX,
	DWARF_SECTIONS,
};

/* The most that mp_dwarf_peek() shows at once: larger than any entry, and any name, that is believed. */
#define DWARF_WINDOW_MAX 65536

struct dwarf_window {
	unsigned char *bytes;
	uint64_t at;
	size_t n, room;
	uint32_t fills;
};

struct dwarf_unit {
	uint64_t offset;
	struct dwarf_loaded *loaded; /* NULL: not read now */
	bool is_rangeless;           /* a compilation unit that does not say which code is its own */
	bool may_have_more;          /* that says so with two addresses, not with a list */
	bool is_broken;              /* not tried again */
	uint8_t vain_loads;          /* that told nothing of the address for which it was read */
};

/* A file with DWARF sections: the program's, dwz's supplementary file, a .dwo, a .dwp. */
struct dwarf_file {
	struct mp_dwarf *dwarf;
	const struct mp_elf *elf;
	struct mp_elf *owned; /* closed with it; NULL: the caller's */
	struct mp_section section[DWARF_SECTIONS];
	struct dwarf_window window[DWARF_SECTIONS];
	struct dwarf_unit *units; /* of .debug_info, by offset */
	size_t n_units;
	bool units_tried;
};

/* Opens the sections, with ".dwo" behind their names when `is_dwo`. Those that are not there read as empty.
 */
void mp_dwarf_file_init(struct dwarf_file *f, struct mp_dwarf *d, const struct mp_elf *e, bool is_dwo);
void mp_dwarf_file_fini(struct dwarf_file *f);
size_t mp_dwarf_file_bytes(const struct dwarf_file *f);

/* The bytes at an offset of a section: at least `want`, at most DWARF_WINDOW_MAX, fewer at its end. Valid
 * until the next peek into the same section. An empty cursor where there is nothing. */
struct dwarf_cursor mp_dwarf_peek(struct dwarf_file *f, enum dwarf_section s, uint64_t at, size_t want);

/* A copy of the string at an offset of a section, cut at DWARF_WINDOW_MAX; NULL when there is none. */
char *mp_dwarf_string(struct dwarf_file *f, enum dwarf_section s, uint64_t at);

/* Notes the first damage. */
void mp_dwarf_damaged(struct mp_dwarf *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- Abbreviations ---- */

/* The attributes that somebody asks for. */
enum dwarf_want {
	DWARF_SKIP, /* no attribute: bytes to skip */
	DWARF_SIBLING,
	DWARF_NAME,
	DWARF_LINKAGE_NAME,
	DWARF_ORIGIN,
	DWARF_SPECIFICATION,
	DWARF_LOW_PC,
	DWARF_HIGH_PC,
	DWARF_RANGES_AT,
	DWARF_ENTRY_PC,
	DWARF_CALL_FILE,
	DWARF_CALL_LINE,
	DWARF_COMP_DIR,
	DWARF_STMT_LIST,
	DWARF_LANGUAGE,
	DWARF_STR_OFFSETS_BASE,
	DWARF_ADDR_BASE,
	DWARF_RNGLISTS_BASE,
	DWARF_RANGES_BASE,
	DWARF_DWO_NAME,
	DWARF_DWO_ID,
	DWARF_WANTS,
};

#define DWARF_VARIABLE UINT32_MAX /* a size that only the bytes themselves tell */

/* One step over an entry's bytes. Neighbours of fixed size that nobody asks for are one step; attributes
 * without bytes that nobody asks for are none. So a step costs the file at least a byte, except one of each
 * enum dwarf_want: the time an entry takes is bounded by its size. */
struct dwarf_step {
	uint8_t want; /* enum dwarf_want */
	uint8_t form;
	uint32_t size; /* bytes, or DWARF_VARIABLE */
	int64_t value; /* of DW_FORM_implicit_const */
};

enum dwarf_class {
	DWARF_ENTER, /* nothing in itself; functions may be within, also in a type: methods, lambdas */
	DWARF_PRUNE, /* no function within */
	DWARF_SCOPE, /* as DWARF_ENTER; its name is part of the names within: a namespace or type */
	DWARF_FUNCTION,
	DWARF_INLINED,
	DWARF_ROOT,
};

struct dwarf_abbrev {
	uint64_t code;
	uint16_t tag;
	uint8_t class; /* enum dwarf_class */
	bool has_children;
	uint16_t n_steps;
	int32_t
	    sibling_at; /* of a DW_FORM_ref4, from the first attribute; -1: none, or not at a fixed place */
	uint32_t first_step;
	uint32_t size;  /* of all attributes, or DWARF_VARIABLE */
	uint32_t wants; /* bit set of enum dwarf_want: those that it has */
};

struct dwarf_abbrevs {
	struct dwarf_abbrev *v;
	size_t n, room;
	struct dwarf_step *steps;
	size_t n_steps, steps_room;
	bool is_dense; /* v[i].code == i + 1 */
	/* What it was made of. */
	const struct dwarf_file *file;
	uint64_t offset;
	uint8_t version, offset_size, address_size;
	uint64_t used; /* for the cache */
};

/* ---- Units ---- */

/* A string, or the entry of another unit that has the name: where it is, 4 bits of enum dwarf_ref_kind and
 * 60 of offset. */
enum dwarf_ref_kind {
	DWARF_REF_NONE,
	DWARF_REF_STR,      /* offset in .debug_str */
	DWARF_REF_LINE_STR, /* in .debug_line_str of the file with the lines */
	DWARF_REF_INFO,     /* in .debug_info */
	DWARF_REF_LINE,     /* in .debug_line */
	DWARF_REF_STRX,     /* index into the unit's string offsets */
	DWARF_REF_ALT_STR,  /* offset in .debug_str of the supplementary file */
	DWARF_REF_DIE,      /* entry at an offset of .debug_info */
	DWARF_REF_ALT_DIE,  /* the same in the supplementary file */
};

#define DWARF_REF_OFFSET_MAX ((UINT64_C(1) << 60) - 1)

static inline uint64_t dwarf_ref(enum dwarf_ref_kind kind, uint64_t offset)
{
	return offset <= DWARF_REF_OFFSET_MAX ? (uint64_t)kind << 60 | offset : 0;
}

static inline enum dwarf_ref_kind dwarf_ref_kind(uint64_t ref)
{
	return (enum dwarf_ref_kind)(ref >> 60);
}

static inline uint64_t dwarf_ref_offset(uint64_t ref)
{
	return ref & DWARF_REF_OFFSET_MAX;
}

/* A unit's header, and what its root entry says. */
struct dwarf_cu {
	struct dwarf_file *file; /* that it is in */
	struct dwarf_file *main; /* with addresses, ranges and lines: the skeleton's for a split unit */
	struct dwarf_file *alt;  /* the supplementary file, or NULL */
	uint64_t offset, end;    /* in .debug_info, within the section */
	uint64_t first;          /* offset of the root entry */
	uint64_t abbrev_offset;
	uint8_t version, type, offset_size, address_size;
	bool is_split; /* in a .dwo or .dwp */
	bool has_low_pc, has_ranges, has_lines, has_dwo_id;
	uint16_t root_tag;
	uint64_t low_pc, high_pc;
	uint64_t ranges;    /* offset in .debug_ranges or .debug_rnglists */
	uint64_t stmt_list; /* offset in .debug_line */
	uint64_t language;
	uint64_t dwo_id;
	uint64_t str_offsets_base, addr_base, rnglists_base, ranges_base;
	uint64_t comp_dir, dwo_name; /* dwarf_ref */
};

/* An attribute's value as it is in the bytes. */
struct dwarf_value {
	uint8_t form;
	uint64_t u;             /* number, offset or index */
	const unsigned char *p; /* DW_FORM_string: its first byte */
};

/* Reads the header at `offset`. False: it is damaged, and there is nothing behind it to be found. */
bool mp_dwarf_header(struct dwarf_file *f, uint64_t offset, struct dwarf_cu *cu);

/* Reads the root entry. `skeleton`: of a split unit, else NULL. */
bool mp_dwarf_root(struct dwarf_cu *cu, const struct dwarf_cu *skeleton);

/* The units of a file's .debug_info, found at the first call. */
void mp_dwarf_units(struct dwarf_file *f);

/* The unit that holds the entry at an offset, or NULL. */
struct dwarf_unit *mp_dwarf_unit_at(struct dwarf_file *f, uint64_t offset);

/* Skips a value. */
void mp_dwarf_skip_form(struct dwarf_cursor *c, const struct dwarf_cu *cu, unsigned form);

/* Reads the value of a step's attribute. */
struct dwarf_value mp_dwarf_value(
    struct dwarf_cursor *c, const struct dwarf_cu *cu, const struct dwarf_step *step);

/* The same, faster where most values are. */
static inline struct dwarf_value dwarf_value(
    struct dwarf_cursor *c, const struct dwarf_cu *cu, const struct dwarf_step *step)
{
	if (step->size - 1 < 8) /* not DW_FORM_implicit_const, which has no bytes */
		return (struct dwarf_value){.form = step->form, .u = dwarf_fixed(c, step->size)};
	return mp_dwarf_value(c, cu, step);
}

/* Bytes that a form takes, or DWARF_VARIABLE. False: not a form. */
bool mp_dwarf_form_size(unsigned form, const struct dwarf_cu *cu, uint32_t *size);

/* What a value means. `bytes` is where the unit's file offset `bytes_at` is in memory, for strings within. */
uint64_t mp_dwarf_value_string(const struct dwarf_value *v, const unsigned char *bytes, uint64_t bytes_at);
bool mp_dwarf_value_address(const struct dwarf_cu *cu, const struct dwarf_value *v, uint64_t *address);
bool mp_dwarf_value_ranges(const struct dwarf_cu *cu, const struct dwarf_value *v, uint64_t *offset);
uint64_t mp_dwarf_value_entry(const struct dwarf_cu *cu, const struct dwarf_value *v); /* dwarf_ref */
bool mp_dwarf_form_is_constant(unsigned form);

/* The abbreviations of a unit, from the cache; valid until the next call. NULL: damaged, or no memory. */
const struct dwarf_abbrevs *mp_dwarf_abbrevs(const struct dwarf_cu *cu);

/* Only the one with this code, in a table that the caller owns (mp_dwarf_abbrevs_free()): for indexing
 * thousands of units, of which only the roots matter. */
const struct dwarf_abbrev *mp_dwarf_abbrev_single(
    struct dwarf_abbrevs *t, const struct dwarf_cu *cu, uint64_t code);
void mp_dwarf_abbrevs_free(struct dwarf_abbrevs *t);
size_t mp_dwarf_abbrevs_bytes(const struct mp_dwarf *d); /* of all that are cached */
void mp_dwarf_abbrevs_forget(struct mp_dwarf *d, const struct dwarf_file *f);

const struct dwarf_abbrev *mp_dwarf_abbrev_search(const struct dwarf_abbrevs *t, uint64_t code);

static inline const struct dwarf_abbrev *dwarf_abbrev_find(const struct dwarf_abbrevs *t, uint64_t code)
{
	if (t->is_dense)
		return code - 1 < t->n ? &t->v[code - 1] : NULL;
	return mp_dwarf_abbrev_search(t, code);
}

/* ---- Ranges ---- */

struct dwarf_range {
	uint64_t low, high;
	uint32_t value; /* the caller's */
};

struct dwarf_ranges {
	struct dwarf_range *v;
	size_t n, room;
	size_t max; /* 0: what is enough for a unit */
};

/* Appends. A range that continues the last one since v[first] is joined with it; what is empty, or lies in no
 * code (the linker puts what it removed at 0), is left out. False without memory, or when there are too many.
 */
bool mp_dwarf_ranges_add(
    struct mp_dwarf *d, struct dwarf_ranges *r, size_t first, uint64_t low, uint64_t high, uint32_t value);

/* Appends the list at an offset of .debug_ranges or .debug_rnglists, and sets *entry (where not NULL) to the
 * first address in it. */
bool mp_dwarf_ranges_list(
    const struct dwarf_cu *cu, uint64_t offset, struct dwarf_ranges *r, uint32_t value, uint64_t *entry);

bool mp_dwarf_is_code(struct mp_dwarf *d, uint64_t vaddr);

#define DWARF_NOBODY UINT32_MAX

/* Addresses cut into pieces, each with the smallest range that covers it; among equal ones, the last. */
struct dwarf_flat {
	uint64_t *start; /* a piece reaches up to the next one's start */
	uint32_t *value; /* DWARF_NOBODY: no range is here */
	size_t n;
};

bool mp_dwarf_flatten(struct dwarf_ranges *r, struct dwarf_flat *out); /* reorders r */
uint32_t mp_dwarf_flat_find(const struct dwarf_flat *f, uint64_t vaddr);
void mp_dwarf_flat_free(struct dwarf_flat *f);

/* ---- What is kept of a unit ---- */

struct dwarf_function {
	uint64_t start;  /* address of the entry; 0: not known */
	uint32_t caller; /* function that this one is inlined in, or DWARF_NOBODY */
	uint32_t name;   /* in names, or DWARF_NOBODY */
	uint32_t call_file, call_line;
};

struct dwarf_name {
	uint64_t ref;
	uint64_t entry;  /* that has this name, in the unit, if it is no linkage name; 0: not known */
	char *text;      /* NULL: not read yet */
	char *qualified; /* likewise */
};

/* A namespace, type or function, with names in it. */
struct dwarf_scope {
	uint64_t name;   /* dwarf_ref of its own; 0: it has none */
	uint32_t parent; /* scope that it is in, or DWARF_NOBODY */
	bool is_namespace;
};

/* An entry with a name that is not a linkage name, and the scope that it is in. */
struct dwarf_placed {
	uint64_t entry;
	uint32_t scope;
};

struct dwarf_functions {
	struct dwarf_function *v;
	size_t n, room;
	struct dwarf_flat flat;
	struct dwarf_name *names;
	size_t n_names, names_room;
	size_t name_bytes;
	struct dwarf_scope *scopes;
	size_t n_scopes, scopes_room;
	struct dwarf_placed *placed; /* by entry */
	size_t n_placed, placed_room;
};

struct dwarf_row {
	uint32_t at; /* from the sequence's low */
	uint32_t file, line;
};

struct dwarf_sequence {
	uint64_t low, high;
	uint32_t first, n; /* rows */
};

struct dwarf_source {
	uint64_t name; /* dwarf_ref */
	uint64_t dir;
	char *path; /* joined; NULL: not needed yet */
};

struct dwarf_lines {
	struct dwarf_row *rows;
	size_t n_rows, rows_room;
	struct dwarf_sequence *sequences;
	size_t n_sequences, sequences_room;
	uint64_t *dirs; /* dwarf_ref */
	size_t n_dirs, dirs_room;
	struct dwarf_source *files;
	size_t n_files, files_room;
	size_t path_bytes;
	uint8_t version;
};

struct dwarf_loaded {
	struct dwarf_unit *unit;
	struct dwarf_cu skeleton; /* the unit in the program's file, split or not */
	struct dwarf_cu cu;       /* the one with the entries */
	struct dwarf_file *split; /* its file, ours; NULL */
	struct dwarf_functions functions;
	struct dwarf_lines lines;
	size_t bytes;
	struct dwarf_loaded *newer, *older; /* by use */
};

/* Fills functions->v, ->flat and ->names from the entries of a unit. What is damaged ends it; what there is
 * so far serves. */
void mp_dwarf_read_functions(const struct dwarf_cu *cu, struct dwarf_functions *functions);
void mp_dwarf_functions_free(struct dwarf_functions *functions);

/* Runs the line program of a unit. The same holds. */
void mp_dwarf_read_lines(const struct dwarf_cu *cu, struct dwarf_lines *lines);
const struct dwarf_row *mp_dwarf_row(const struct dwarf_lines *lines, uint64_t vaddr);
void mp_dwarf_lines_free(struct dwarf_lines *lines);

/* The path of a file by its number, or NULL. Owned by `lines`. */
const char *mp_dwarf_path(const struct dwarf_cu *cu, struct dwarf_lines *lines, uint64_t file);

/* The origins of a unit that have a number in names already. */
struct dwarf_origins {
	uint64_t *key; /* dwarf_ref of the entry; 0: free */
	uint32_t *name;
	size_t n, room; /* room is a power of two */
};

/* The number in functions->names of what the entry at `origin` (a dwarf_ref) is called, when it is in the
 * unit whose bytes these are; else one that says to look there when asked. DWARF_NOBODY: it has no name. */
uint32_t mp_dwarf_origin_name(struct dwarf_origins *o, struct dwarf_functions *functions,
    const struct dwarf_cu *cu, const struct dwarf_abbrevs *abbrevs, const unsigned char *bytes,
    uint64_t origin);
void mp_dwarf_name_drop(struct dwarf_name *name); /* its texts: they are read again when asked for */
uint32_t mp_dwarf_add_name(struct dwarf_functions *functions, uint64_t ref, uint64_t entry);

/* The text of a string or of an entry's name; the caller's. NULL: none. *entry (where not NULL): the entry
 * that has it, where that was followed to. */
char *mp_dwarf_text(const struct dwarf_cu *cu, uint64_t ref, uint64_t *entry);

/* Notes that the entry at an offset has a name within a scope; entries come in order. What finds no room is
 * not qualified. */
uint32_t mp_dwarf_add_scope(struct dwarf_functions *f, const struct dwarf_scope *scope);
void mp_dwarf_add_placed(struct dwarf_functions *f, uint64_t entry, uint32_t scope);

/* Whether functions of a language may lack a linkage name and be within something. */
bool mp_dwarf_language_has_scopes(uint64_t language);

/* The name of the function with this entry, which is `name` in itself, with all that it is within; the
 * caller's. NULL: it is within nothing. */
char *mp_dwarf_qualified(
    const struct dwarf_cu *cu, const struct dwarf_functions *f, uint64_t entry, const char *name);

/* ---- The whole ---- */

/* Ranges of units, for "which units claim this address". */
struct dwarf_index {
	struct dwarf_ranges ranges; /* sorted by low; value: the unit's number */
	uint64_t *max_high;         /* of the subtree whose middle this is */
};

#define DWARF_CANDIDATES_MAX 16

void mp_dwarf_index_build(struct mp_dwarf *d);
void mp_dwarf_index_free(struct dwarf_index *index);

/* Units that claim `vaddr`, by offset; returns their number. */
size_t mp_dwarf_index_find(
    const struct dwarf_index *index, uint64_t vaddr, uint32_t out[DWARF_CANDIDATES_MAX]);

/* Units that do not say what is theirs, by what their functions and lines say. Once, at the first address
 * that is in no other. */
void mp_dwarf_index_rangeless(struct mp_dwarf *d);

/* The split unit of a skeleton. *file is ours then. */
bool mp_dwarf_split(
    struct mp_dwarf *d, const struct dwarf_cu *skeleton, struct dwarf_cu *cu, struct dwarf_file **file);

#define DWARF_ABBREVS_CACHED 32

struct mp_dwarf {
	struct dwarf_file main, alt, dwp;
	bool has_alt, alt_tried, has_dwp, dwp_tried;
	struct mp_dwarf_files files;
	struct dwarf_index index, rangeless;
	bool rangeless_tried;
	struct dwarf_loaded *newest, *oldest;
	size_t loaded_bytes, n_split;
	struct dwarf_abbrevs abbrevs[DWARF_ABBREVS_CACHED];
	uint64_t clock;
	uint64_t code_low, code_high; /* the executable section that an address was last found in */
	struct dwarf_abbrevs scratch; /* of one root entry */
	uint64_t budget;              /* see mp_dwarf_spend() */
	uint64_t loaded_total;        /* bytes of all units read so far, those read again among them */
	char damage[200];
};

/*
 * What a byte of the file can be made to cost is bounded, except where several entries share a list of ranges
 * or an abbreviation table that is long. So these are paid for, about 10 ns each, from what a file or unit of
 * this size is worth. False: all is spent, which is damage.
 */
void mp_dwarf_budget(struct mp_dwarf *d, uint64_t bytes);
bool mp_dwarf_spend(struct mp_dwarf *d, uint64_t cost);

/* dwz's supplementary file, opened at the first call; NULL. */
struct dwarf_file *mp_dwarf_alt(struct mp_dwarf *d);

#endif
