/* SPDX-License-Identifier: MIT */
#include "symbolize/dwarf/private.h"

#include <stdlib.h>

/* The largest line program that is read, in one piece. */
#define PROGRAM_BYTES_MAX (128u << 20)

#define ROWS_MAX      (4u << 20)
#define SEQUENCES_MAX (1u << 20)
#define FILES_MAX     (1u << 18)
#define FORMATS_MAX   16

/* A row while its sequence is not complete. */
struct fresh_row {
	uint64_t at;
	uint32_t file, line;
	uint32_t order; /* in which it came */
};

struct program {
	struct mp_dwarf *d;
	const struct dwarf_cu *cu;
	struct dwarf_lines *lines;
	const unsigned char *bytes; /* of the program, from its header on */
	struct dwarf_cursor c;
	uint8_t offset_size, address_size;
	uint8_t min_length, max_ops, line_range, opcode_base;
	int8_t line_base;
	uint8_t lengths[256]; /* operands of the standard opcodes */
	/* The state machine. */
	uint64_t at;
	uint32_t op_index, file;
	int64_t line;
	/* The sequence so far. */
	struct fresh_row *rows;
	size_t n_rows, rows_room;
	bool is_unsorted;
};

/* One more of a growing array; NULL without room. */
static void *one_more(void *v, size_t n, size_t *room, size_t max, size_t size)
{
	if (n < *room)
		return v;

	size_t more = *room ? 2 * *room : 64;
	void *grown = more <= max ? realloc(v, more * size) : NULL;
	if (grown)
		*room = more;
	return grown;
}

/* ---- Header ---- */

static bool add_dir(struct dwarf_lines *l, uint64_t name)
{
	uint64_t *v = one_more(l->dirs, l->n_dirs, &l->dirs_room, FILES_MAX, sizeof(*v));

	if (!v)
		return false;
	l->dirs = v;
	l->dirs[l->n_dirs++] = name;
	return true;
}

static bool add_file(struct dwarf_lines *l, uint64_t name, uint64_t dir)
{
	struct dwarf_source *v = one_more(l->files, l->n_files, &l->files_room, FILES_MAX, sizeof(*v));

	if (!v)
		return false;
	l->files = v;
	l->files[l->n_files++] = (struct dwarf_source){.name = name, .dir = dir};
	return true;
}

/* A string that begins at `start` in the program: where it is in .debug_line. */
static uint64_t string_ref(const struct program *p, const unsigned char *start)
{
	return dwarf_ref(DWARF_REF_LINE, p->cu->stmt_list + (uint64_t)(start - p->bytes));
}

static uint64_t read_string(const struct program *p, struct dwarf_cursor *c)
{
	const unsigned char *start = c->p;

	dwarf_skip(c, strnlen((const char *)c->p, dwarf_left(c)) + 1);
	return string_ref(p, start);
}

/* DWARF 2-4: strings, then files with their numbers of a directory. */
static void old_tables(struct program *p)
{
	struct dwarf_cursor *c = &p->c;

	while (c->p < c->end && *c->p)
		if (!add_dir(p->lines, read_string(p, c)))
			return;
	dwarf_skip(c, 1);
	while (c->p < c->end && *c->p) {
		uint64_t name = read_string(p, c), dir = dwarf_uleb(c);

		dwarf_uleb(c);
		dwarf_uleb(c);
		if (!add_file(p->lines, name, dir))
			return;
	}
	dwarf_skip(c, 1);
}

struct format {
	uint64_t content, form;
};

static size_t read_formats(struct program *p, struct format out[FORMATS_MAX])
{
	size_t n = dwarf_fixed(&p->c, 1), kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct format f = {dwarf_uleb(&p->c), dwarf_uleb(&p->c)};

		if (kept < FORMATS_MAX)
			out[kept++] = f;
		else
			p->c.bad = true;
	}
	return kept;
}

/* DWARF 5: tables that describe themselves. */
static void new_table(struct program *p, bool is_dirs)
{
	struct format formats[FORMATS_MAX];
	size_t n_formats = read_formats(p, formats);
	uint64_t n = dwarf_uleb(&p->c);
	struct dwarf_cu cu = *p->cu;

	cu.offset_size = p->offset_size;
	for (uint64_t i = 0; i < n && !p->c.bad; i++) {
		const unsigned char *start = p->c.p;
		uint64_t name = 0, dir = 0;

		for (size_t k = 0; k < n_formats && !p->c.bad; k++) {
			struct dwarf_step step = {.form = (uint8_t)formats[k].form};

			if (formats[k].form > DW_FORM_addrx4 || formats[k].form == DW_FORM_implicit_const) {
				p->c.bad = true;
				return;
			}
			struct dwarf_value v = mp_dwarf_value(&p->c, &cu, &step);
			if (formats[k].content == DW_LNCT_path)
				name = v.p ? string_ref(p, v.p) : mp_dwarf_value_string(&v, NULL, 0);
			if (formats[k].content == DW_LNCT_directory_index)
				dir = v.u;
		}
		/* Entries without bytes may be said to be 2^64. */
		if (p->c.bad || p->c.p == start ||
		    !(is_dirs ? add_dir(p->lines, name) : add_file(p->lines, name, dir)))
			return;
	}
}

static bool read_header(struct program *p)
{
	struct dwarf_cursor *c = &p->c;
	uint64_t length = dwarf_length(c, &p->offset_size);

	if (length < dwarf_left(c))
		c->end = c->p + length;
	p->lines->version = (uint8_t)dwarf_fixed(c, 2);
	if (c->bad || p->lines->version < 2 || p->lines->version > 5)
		return false;
	p->address_size = p->cu->address_size;
	if (p->lines->version >= 5) {
		p->address_size = (uint8_t)dwarf_fixed(c, 1);
		dwarf_skip(c, 1);
	}
	uint64_t header = dwarf_fixed(c, p->offset_size);
	if (c->bad || header > dwarf_left(c))
		return false;
	const unsigned char *first = c->p + header;
	p->min_length = (uint8_t)dwarf_fixed(c, 1);
	p->max_ops = p->lines->version >= 4 ? (uint8_t)dwarf_fixed(c, 1) : 1;
	dwarf_skip(c, 1); /* default_is_stmt */
	p->line_base = (int8_t)dwarf_fixed(c, 1);
	p->line_range = (uint8_t)dwarf_fixed(c, 1);
	p->opcode_base = (uint8_t)dwarf_fixed(c, 1);
	for (unsigned i = 1; i < p->opcode_base; i++)
		p->lengths[i] = (uint8_t)dwarf_fixed(c, 1);
	if (p->lines->version >= 5) {
		new_table(p, true);
		if (!c->bad)
			new_table(p, false);
	} else {
		old_tables(p);
	}
	if (c->bad || !p->line_range || !p->max_ops || p->address_size > 8)
		return false;
	c->p = first; /* there may be more in the header than this version has */
	return true;
}

/* ---- Rows ---- */

static int compare_rows(const void *va, const void *vb)
{
	const struct fresh_row *a = va, *b = vb;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* Of rows with the same address the last one counts. */
static void drop_covered(struct program *p)
{
	size_t kept = 0;

	if (p->is_unsorted)
		qsort(p->rows, p->n_rows, sizeof(*p->rows), compare_rows);
	for (size_t i = 0; i < p->n_rows; i++) {
		if (kept && p->rows[kept - 1].at == p->rows[i].at)
			kept--;
		p->rows[kept++] = p->rows[i];
	}
	p->n_rows = kept;
}

static bool keep_rows(struct program *p, uint64_t end)
{
	struct dwarf_lines *l = p->lines;
	uint64_t low = p->rows[0].at;
	size_t first = l->n_rows;

	for (size_t i = 0; i < p->n_rows && p->rows[i].at < end; i++) {
		const struct fresh_row *r = &p->rows[i];
		struct dwarf_row *last = l->n_rows > first ? &l->rows[l->n_rows - 1] : NULL;

		if (last && last->file == r->file && last->line == r->line)
			continue; /* differs in what nobody asks for */
		struct dwarf_row *v = one_more(l->rows, l->n_rows, &l->rows_room, ROWS_MAX, sizeof(*v));
		if (!v)
			return false;
		l->rows = v;
		l->rows[l->n_rows++] = (struct dwarf_row){(uint32_t)(r->at - low), r->file, r->line};
	}
	struct dwarf_sequence *s =
	    one_more(l->sequences, l->n_sequences, &l->sequences_room, SEQUENCES_MAX, sizeof(*s));
	if (!s)
		return false;
	l->sequences = s;
	l->sequences[l->n_sequences++] =
	    (struct dwarf_sequence){low, end, (uint32_t)first, (uint32_t)(l->n_rows - first)};
	return true;
}

/* The sequence ends at p->at. One that lies in no code was removed by the linker. */
static bool end_sequence(struct program *p)
{
	bool is_good = true;

	drop_covered(p);
	if (p->n_rows && p->rows[0].at < p->at && p->at - p->rows[0].at <= UINT32_MAX &&
	    mp_dwarf_is_code(p->d, p->rows[0].at))
		is_good = keep_rows(p, p->at);
	p->n_rows = 0;
	p->is_unsorted = false;
	return is_good;
}

static bool add_row(struct program *p)
{
	struct fresh_row *last = p->n_rows ? &p->rows[p->n_rows - 1] : NULL;
	struct fresh_row row = {
	    .at = p->at,
	    .file = p->file,
	    .line = p->line > 0 && p->line < INT32_MAX ? (uint32_t)p->line : 0,
	    .order = (uint32_t)p->n_rows,
	};

	if (last && last->at == row.at) {
		row.order = last->order;
		*last = row;
		return true;
	}
	if (last && last->at > row.at)
		p->is_unsorted = true;
	struct fresh_row *v = one_more(p->rows, p->n_rows, &p->rows_room, ROWS_MAX, sizeof(*v));
	if (!v)
		return false;
	p->rows = v;
	p->rows[p->n_rows++] = row;
	return true;
}

/* ---- The state machine (DWARF 5, section 6.2) ---- */

static void reset(struct program *p)
{
	p->at = 0;
	p->op_index = 0;
	p->file = 1;
	p->line = 1;
}

static void advance(struct program *p, uint64_t operations)
{
	if (p->max_ops == 1) {
		p->at += p->min_length * operations;
		return;
	}
	uint64_t index = p->op_index + operations;
	p->at += p->min_length * (index / p->max_ops);
	p->op_index = (uint32_t)(index % p->max_ops);
}

static bool extended(struct program *p)
{
	uint64_t length = dwarf_uleb(&p->c);
	bool is_good = true;

	if (p->c.bad || !length || length > dwarf_left(&p->c))
		return false;
	const unsigned char *next = p->c.p + length;
	struct dwarf_cursor c = {p->c.p, next, false};
	switch (dwarf_fixed(&c, 1)) {
	case DW_LNE_end_sequence:
		is_good = end_sequence(p);
		reset(p);
		break;
	case DW_LNE_set_address:
		p->at = dwarf_fixed(&c, length - 1 <= 8 ? (unsigned)length - 1 : 8);
		p->op_index = 0;
		break;
	case DW_LNE_define_file: {
		uint64_t name = read_string(p, &c), dir = dwarf_uleb(&c);
		is_good = !c.bad && add_file(p->lines, name, dir);
		break;
	}
	default:
		break;
	}
	p->c.p = next;
	return is_good;
}

static bool standard(struct program *p, unsigned op)
{
	struct dwarf_cursor *c = &p->c;

	switch (op) {
	case DW_LNS_copy:
		return add_row(p);
	case DW_LNS_advance_pc:
		advance(p, dwarf_uleb(c));
		return true;
	case DW_LNS_advance_line:
		p->line = (int64_t)((uint64_t)p->line + (uint64_t)dwarf_sleb(c));
		return true;
	case DW_LNS_set_file: {
		uint64_t file = dwarf_uleb(c);
		p->file = file < UINT32_MAX ? (uint32_t)file : UINT32_MAX;
		return true;
	}
	case DW_LNS_const_add_pc:
		advance(p, (255u - p->opcode_base) / p->line_range);
		return true;
	case DW_LNS_fixed_advance_pc:
		p->at += dwarf_fixed(c, 2);
		p->op_index = 0;
		return true;
	case DW_LNS_negate_stmt:
	case DW_LNS_set_basic_block:
	case DW_LNS_set_prologue_end:
	case DW_LNS_set_epilogue_begin:
		return true;
	}
	for (unsigned i = 0; i < p->lengths[op]; i++)
		dwarf_uleb(c);
	return true;
}

static void run(struct program *p)
{
	reset(p);
	while (p->c.p < p->c.end) {
		unsigned op = (unsigned)dwarf_fixed(&p->c, 1);
		bool is_good;

		if (op >= p->opcode_base) {
			op -= p->opcode_base;
			advance(p, op / p->line_range);
			p->line += p->line_base + (int)(op % p->line_range);
			is_good = add_row(p);
		} else if (op == 0) {
			is_good = extended(p);
		} else {
			is_good = standard(p, op);
		}
		if (!is_good || p->c.bad) {
			mp_dwarf_damaged(p->d, "the line program at %#llx of .debug_line is damaged",
			    (unsigned long long)p->cu->stmt_list);
			return;
		}
	}
}

/* ---- All sequences ---- */

static int compare_sequences(const void *va, const void *vb)
{
	const struct dwarf_sequence *a = va, *b = vb;

	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	if (a->high != b->high)
		return a->high > b->high ? -1 : 1;
	return a->first > b->first ? -1 : a->first < b->first; /* the last one counts */
}

/* Where sequences overlap, the one that begins first counts. Their rows count from where they began. */
static void drop_overlaps(struct dwarf_lines *l)
{
	size_t kept = 0;
	uint64_t end = 0;

	if (l->n_sequences)
		qsort(l->sequences, l->n_sequences, sizeof(*l->sequences), compare_sequences);
	for (size_t i = 0; i < l->n_sequences; i++) {
		if (l->sequences[i].high <= end)
			continue;
		end = l->sequences[i].high;
		l->sequences[kept++] = l->sequences[i];
	}
	l->n_sequences = kept;
}

const struct dwarf_row *mp_dwarf_row(const struct dwarf_lines *l, uint64_t vaddr)
{
	size_t low = 0, high = l->n_sequences;

	/* The first that ends behind it: ends ascend, beginnings may overlap. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (l->sequences[mid].high <= vaddr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == l->n_sequences || vaddr < l->sequences[low].low)
		return NULL;

	const struct dwarf_sequence *s = &l->sequences[low];
	const struct dwarf_row *rows = l->rows + s->first;
	for (low = 0, high = s->n; low < high;) {
		size_t mid = low + (high - low) / 2;

		if (rows[mid].at <= vaddr - s->low)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? &rows[low - 1] : NULL;
}

void mp_dwarf_read_lines(const struct dwarf_cu *cu, struct dwarf_lines *lines)
{
	struct mp_dwarf *d = cu->file->dwarf;
	struct dwarf_cursor head = mp_dwarf_peek(cu->main, DWARF_LINE, cu->stmt_list, 16);
	uint8_t offset_size;
	uint64_t length = dwarf_length(&head, &offset_size), n = length + (offset_size == 8 ? 12 : 4);

	if (head.bad || length > PROGRAM_BYTES_MAX || !mp_dwarf_spend(d, n / 4)) {
		mp_dwarf_damaged(
		    d, "there is no line program at %#llx of .debug_line", (unsigned long long)cu->stmt_list);
		return;
	}
	if (n > cu->main->section[DWARF_LINE].size - cu->stmt_list)
		n = cu->main->section[DWARF_LINE].size - cu->stmt_list;
	unsigned char *bytes = malloc(n);
	if (!bytes)
		return;
	n = mp_section_read(&cu->main->section[DWARF_LINE], cu->stmt_list, bytes, n);
	struct program p = {.d = d, .cu = cu, .lines = lines, .bytes = bytes, .c = {bytes, bytes + n, false}};
	if (read_header(&p))
		run(&p);
	else
		mp_dwarf_damaged(d, "the header of the line program at %#llx of .debug_line is damaged",
		    (unsigned long long)cu->stmt_list);
	free(p.rows);
	free(bytes);
	drop_overlaps(lines);
}

void mp_dwarf_lines_free(struct dwarf_lines *l)
{
	for (size_t i = 0; i < l->n_files; i++)
		free(l->files[i].path);
	free(l->rows);
	free(l->sequences);
	free(l->dirs);
	free(l->files);
	*l = (struct dwarf_lines){0};
}

/* ---- Paths ---- */

static char *join(const char *a, const char *b, const char *c)
{
	size_t n = strlen(a) + strlen(b) + strlen(c) + 3;
	char *path = malloc(n);

	if (!path)
		return NULL;
	strcpy(path, a);
	if (b[0])
		strcat(strcat(path, "/"), b);
	return strcat(strcat(path, "/"), c);
}

/* As addr2line does: the directory in front of a relative name, the compilation's in front of a relative
 * directory. */
static char *make_path(const struct dwarf_cu *cu, const struct dwarf_lines *l, const struct dwarf_source *f)
{
	uint64_t number = l->version >= 5 ? f->dir : f->dir - 1; /* 0 becomes none */
	char *name = f->name ? mp_dwarf_text(cu, f->name, NULL) : NULL, *path;

	if (!name || name[0] == '/')
		return name;
	char *sub = number < l->n_dirs ? mp_dwarf_text(cu, l->dirs[number], NULL) : NULL;
	char *dir = !sub || sub[0] != '/' ? mp_dwarf_text(cu, cu->comp_dir, NULL) : NULL;
	if (!dir) {
		dir = sub;
		sub = NULL;
	}
	path = dir ? join(dir, sub ? sub : "", name) : strdup(name);
	free(dir);
	free(sub);
	free(name);
	return path;
}

const char *mp_dwarf_path(const struct dwarf_cu *cu, struct dwarf_lines *l, uint64_t file)
{
	uint64_t number = l->version >= 5 ? file : file - 1;

	if (number >= l->n_files)
		return NULL;
	struct dwarf_source *f = &l->files[number];
	if (!f->path) {
		f->path = make_path(cu, l, f);
		l->path_bytes += f->path ? strlen(f->path) + 1 : 0;
	}
	return f->path;
}
