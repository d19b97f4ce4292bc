/* SPDX-License-Identifier: MIT */
#include "symbolize/dwarf/private.h"

#include <errno.h>
#include <stdlib.h>

#include "symbolize/elf/link.h"

/* Split units in memory keep a file each open. */
#define SPLIT_MAX 64

/* Texts of one unit's names, which are dropped together. */
#define NAME_BYTES_MAX (32u << 20)

/* A unit that was read in vain so much more often than not, because it claims addresses of which it then
 * knows nothing, is not read again. */
#define VAIN_LOADS_MAX 4

/* Bytes of units read before no more are: units may be dropped and read again for each address, and what is
 * asked for is the target's choice, too. That is about a minute. */
#define LOADED_TOTAL_MIN (UINT64_C(4) << 30)
#define LOADED_TIMES_MAX 8

/* ---- dwz's supplementary file ---- */

static struct mp_elf *open_alt(const struct mp_dwarf *d)
{
	char path[MP_ELF_LINK_MAX], build_id[129];

	if (!d->files.alt || mp_elf_altlink(d->main.elf, path, build_id) < 0)
		return NULL;
	return d->files.alt(d->files.ctx, path, build_id);
}

struct dwarf_file *mp_dwarf_alt(struct mp_dwarf *d)
{
	if (!d->alt_tried) {
		d->alt_tried = true;
		struct mp_elf *e = open_alt(d);
		if (e) {
			mp_dwarf_file_init(&d->alt, d, e, false);
			d->alt.owned = e;
			d->has_alt = true;
		}
	}
	return d->has_alt ? &d->alt : NULL;
}

/* ---- Units in memory ---- */

static void link_newest(struct mp_dwarf *d, struct dwarf_loaded *l)
{
	l->newer = NULL;
	l->older = d->newest;
	if (d->newest)
		d->newest->newer = l;
	else
		d->oldest = l;
	d->newest = l;
}

static void unlink_loaded(struct mp_dwarf *d, struct dwarf_loaded *l)
{
	*(l->newer ? &l->newer->older : &d->newest) = l->older;
	*(l->older ? &l->older->newer : &d->oldest) = l->newer;
}

static size_t texts_bytes(const struct dwarf_loaded *l)
{
	return l->functions.name_bytes + l->lines.path_bytes;
}

static size_t arrays_bytes(const struct dwarf_loaded *l)
{
	const struct dwarf_functions *f = &l->functions;
	const struct dwarf_lines *n = &l->lines;

	return sizeof(*l) + f->room * sizeof(*f->v) + f->names_room * sizeof(*f->names) +
	       f->scopes_room * sizeof(*f->scopes) + f->placed_room * sizeof(*f->placed) +
	       f->flat.n * (sizeof(*f->flat.start) + sizeof(*f->flat.value)) +
	       n->rows_room * sizeof(*n->rows) + n->sequences_room * sizeof(*n->sequences) +
	       n->dirs_room * sizeof(*n->dirs) + n->files_room * sizeof(*n->files);
}

static void unload(struct mp_dwarf *d, struct dwarf_loaded *l)
{
	unlink_loaded(d, l);
	d->loaded_bytes -= l->bytes;
	l->unit->loaded = NULL;
	mp_dwarf_functions_free(&l->functions);
	mp_dwarf_lines_free(&l->lines);
	if (l->split) {
		d->n_split--;
		mp_dwarf_file_fini(l->split);
		free(l->split);
	}
	free(l);
}

/* Makes room for `bytes` more, at the cost of those that were not asked for longest. */
static void make_room(struct mp_dwarf *d, size_t bytes, const struct dwarf_loaded *keep)
{
	size_t held = mp_dwarf_bytes(d) - d->loaded_bytes, max = MP_DWARF_BYTES_MAX;

	max = held + bytes < max ? max - held - bytes : 0;
	while (d->oldest && d->oldest != keep && (d->loaded_bytes > max || d->n_split >= SPLIT_MAX))
		unload(d, d->oldest);
}

static void account(struct mp_dwarf *d, struct dwarf_loaded *l)
{
	size_t bytes = arrays_bytes(l) + texts_bytes(l);

	d->loaded_bytes += bytes - l->bytes;
	l->bytes = bytes;
}

/* Arrays grow by doubling: what stays gives back what it did not need. */
static void *trim(void *v, size_t n, size_t *room, size_t size)
{
	void *less = n && n < *room ? realloc(v, n * size) : NULL;

	if (less)
		*room = n;
	return less ? less : v;
}

static void trim_arrays(struct dwarf_loaded *l)
{
	struct dwarf_functions *f = &l->functions;
	struct dwarf_lines *n = &l->lines;
	size_t starts = 2 * f->flat.n + 1, values = starts;

	f->v = trim(f->v, f->n, &f->room, sizeof(*f->v));
	f->names = trim(f->names, f->n_names, &f->names_room, sizeof(*f->names));
	f->scopes = trim(f->scopes, f->n_scopes, &f->scopes_room, sizeof(*f->scopes));
	f->placed = trim(f->placed, f->n_placed, &f->placed_room, sizeof(*f->placed));
	f->flat.start = trim(f->flat.start, f->flat.n, &starts, sizeof(*f->flat.start));
	f->flat.value = trim(f->flat.value, f->flat.n, &values, sizeof(*f->flat.value));
	n->rows = trim(n->rows, n->n_rows, &n->rows_room, sizeof(*n->rows));
	n->sequences = trim(n->sequences, n->n_sequences, &n->sequences_room, sizeof(*n->sequences));
}

/* Reads the unit; NULL when it is damaged or there is no memory. */
static struct dwarf_loaded *load(struct mp_dwarf *d, struct dwarf_unit *u)
{
	struct dwarf_loaded *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->unit = u;
	if (!mp_dwarf_header(&d->main, u->offset, &l->skeleton)) {
		free(l);
		return NULL;
	}
	uint64_t size = l->skeleton.end - l->skeleton.offset;
	mp_dwarf_budget(d, size);
	l->skeleton.alt = mp_dwarf_alt(d);
	if (!mp_dwarf_root(&l->skeleton, NULL)) {
		free(l);
		return NULL;
	}
	l->cu = l->skeleton;
	if (l->skeleton.dwo_name && mp_dwarf_split(d, &l->skeleton, &l->cu, &l->split)) {
		d->n_split += l->split != NULL;
		size = l->cu.end - l->cu.offset;
		mp_dwarf_budget(d, size);
	} else {
		l->cu = l->skeleton;
	}
	d->loaded_total += size;
	make_room(d, 2 * size < MP_DWARF_BYTES_MAX / 2 ? 2 * size : MP_DWARF_BYTES_MAX / 2, NULL);
	mp_dwarf_read_functions(&l->cu, &l->functions);
	if (l->skeleton.has_lines)
		mp_dwarf_read_lines(&l->skeleton, &l->lines);
	trim_arrays(l);
	u->loaded = l;
	link_newest(d, l);
	account(d, l);
	make_room(d, 0, l);
	return l;
}

static struct dwarf_loaded *loaded(struct mp_dwarf *d, struct dwarf_unit *u)
{
	if (u->loaded) {
		unlink_loaded(d, u->loaded);
		link_newest(d, u->loaded);
		return u->loaded;
	}
	if (u->is_broken || u->vain_loads >= VAIN_LOADS_MAX)
		return NULL;
	if (d->loaded_total > LOADED_TOTAL_MIN + LOADED_TIMES_MAX * d->main.section[DWARF_INFO].size) {
		mp_dwarf_damaged(d, "its units are too large to be read again for each address");
		return NULL;
	}
	struct dwarf_loaded *l = load(d, u);
	u->is_broken = !l;
	return l;
}

/* Drops the texts of a unit: those that are asked for again are read again. */
static void drop_texts(struct dwarf_loaded *l)
{
	for (size_t i = 0; i < l->functions.n_names; i++) {
		mp_dwarf_name_drop(&l->functions.names[i]);
	}
	for (size_t i = 0; i < l->lines.n_files; i++) {
		free(l->lines.files[i].path);
		l->lines.files[i].path = NULL;
	}
	l->functions.name_bytes = l->lines.path_bytes = 0;
}

/* ---- Open and find ---- */

int mp_dwarf_open(
    const struct mp_elf *e, const struct mp_dwarf_files *files, struct mp_dwarf **out, struct mp_err *err)
{
	struct mp_dwarf *d = calloc(1, sizeof(*d));

	if (!d)
		return mp_err_set(err, ENOMEM, "no memory to read debug information");
	if (files)
		d->files = *files;
	mp_dwarf_file_init(&d->main, d, e, false);
	if (!d->main.section[DWARF_INFO].size || !d->main.section[DWARF_ABBREV].size) {
		int rc = d->damage[0] ? mp_err_set(err, EBADMSG, "%s", d->damage)
				      : mp_err_set(err, ENOENT, "it has no debug information");
		mp_dwarf_close(d);
		return rc;
	}
	mp_dwarf_index_build(d);
	*out = d;
	return 0;
}

void mp_dwarf_close(struct mp_dwarf *d)
{
	if (!d)
		return;
	while (d->oldest)
		unload(d, d->oldest);
	mp_dwarf_index_free(&d->index);
	mp_dwarf_index_free(&d->rangeless);
	mp_dwarf_file_fini(&d->dwp);
	mp_dwarf_file_fini(&d->alt);
	mp_dwarf_file_fini(&d->main);
	for (size_t i = 0; i < DWARF_ABBREVS_CACHED; i++)
		mp_dwarf_abbrevs_free(&d->abbrevs[i]);
	mp_dwarf_abbrevs_free(&d->scratch);
	free(d);
}

static const char *function_name(struct dwarf_loaded *l, uint32_t number)
{
	if (number == DWARF_NOBODY)
		return NULL;

	struct dwarf_name *name = &l->functions.names[number];
	if (!name->text) {
		name->text = mp_dwarf_text(&l->cu, name->ref, NULL);
		if (name->text && !name->text[0])
			mp_dwarf_name_drop(name);
		l->functions.name_bytes += name->text ? strlen(name->text) + 1 : 0;
	}
	return name->text;
}

static const char *qualified_name(struct dwarf_loaded *l, uint32_t number)
{
	if (number == DWARF_NOBODY || !l->functions.names[number].entry)
		return NULL;
	const char *text = function_name(l, number);
	if (!text)
		return NULL;
	struct dwarf_name *name = &l->functions.names[number];
	if (!name->qualified) {
		name->qualified = mp_dwarf_qualified(&l->cu, &l->functions, name->entry, text);
		l->functions.name_bytes += name->qualified ? strlen(name->qualified) + 1 : 0;
	}
	return name->qualified;
}

/* Names lie anywhere in memory: all are on their way before the first is needed. */
static void prefetch_names(const struct dwarf_functions *f, uint32_t number)
{
	for (; number != DWARF_NOBODY; number = f->v[number].caller)
		if (f->v[number].name != DWARF_NOBODY)
			__builtin_prefetch(&f->names[f->v[number].name]);
}

/* What a unit knows of an address: the function there, the one that it is inlined in, and so on. */
static size_t find_in(struct dwarf_loaded *l, uint64_t vaddr, struct mp_dwarf_frame *out, size_t room)
{
	const struct dwarf_row *row = mp_dwarf_row(&l->lines, vaddr);
	uint32_t number = mp_dwarf_flat_find(&l->functions.flat, vaddr);
	uint64_t file = row ? row->file : 0, start = 0;
	int line = row ? (int)row->line : 0;
	bool has_file = row;
	size_t n = 0;

	if (!row && number == DWARF_NOBODY)
		return 0;
	prefetch_names(&l->functions, number);
	do {
		const struct dwarf_function *f = number != DWARF_NOBODY ? &l->functions.v[number] : NULL;

		out[n++] = (struct mp_dwarf_frame){
		    .function = f ? function_name(l, f->name) : NULL,
		    .qualified = f ? qualified_name(l, f->name) : NULL,
		    .file = has_file ? mp_dwarf_path(&l->skeleton, &l->lines, file) : NULL,
		    .line = line,
		};
		if (!f)
			break;
		start = f->start;
		file = f->call_file;
		line = (int)f->call_line;
		has_file = true;
		number = f->caller;
	} while (number != DWARF_NOBODY && n < room);
	while (number != DWARF_NOBODY) { /* beyond what there was room for */
		start = l->functions.v[number].start;
		number = l->functions.v[number].caller;
	}
	for (size_t i = 0; i < n; i++)
		out[i].start = start;
	return n;
}

static void note_load(struct dwarf_unit *u, bool is_useful)
{
	if (!is_useful)
		u->vain_loads++; /* it is not loaded beyond VAIN_LOADS_MAX */
	else if (u->vain_loads)
		u->vain_loads--;
}

static size_t find_by(struct mp_dwarf *d, const struct dwarf_index *index, uint64_t vaddr,
    struct mp_dwarf_frame *out, size_t room)
{
	uint32_t units[DWARF_CANDIDATES_MAX];
	size_t n_units = mp_dwarf_index_find(index, vaddr, units), n = 0;

	for (size_t i = 0; i < n_units && !n; i++) {
		struct dwarf_unit *u = &d->main.units[units[i]];
		bool is_new = !u->loaded;
		struct dwarf_loaded *l = loaded(d, u);

		if (!l)
			continue;
		if (texts_bytes(l) > NAME_BYTES_MAX)
			drop_texts(l);
		n = find_in(l, vaddr, out, room);
		account(d, l);
		if (is_new)
			note_load(u, n > 0);
	}
	return n;
}

size_t mp_dwarf_find(struct mp_dwarf *d, uint64_t vaddr, struct mp_dwarf_frame *out, size_t room)
{
	if (!room || !mp_dwarf_is_code(d, vaddr))
		return 0;

	mp_dwarf_budget(d, 0); /* for names in other units; loading one sets its own */
	size_t n = find_by(d, &d->index, vaddr, out, room);
	if (!n) {
		mp_dwarf_index_rangeless(d);
		n = find_by(d, &d->rangeless, vaddr, out, room);
	}
	return n;
}

size_t mp_dwarf_bytes(const struct mp_dwarf *d)
{
	size_t bytes = sizeof(*d) + d->loaded_bytes;

	bytes += mp_dwarf_file_bytes(&d->main) + mp_dwarf_file_bytes(&d->alt) + mp_dwarf_file_bytes(&d->dwp);
	bytes += mp_dwarf_abbrevs_bytes(d);
	bytes += (d->index.ranges.room + d->rangeless.ranges.room) * sizeof(struct dwarf_range);
	bytes += (d->index.ranges.n + d->rangeless.ranges.n) * sizeof(uint64_t);
	return bytes;
}

const char *mp_dwarf_damage(const struct mp_dwarf *d)
{
	return d->damage[0] ? d->damage : NULL;
}
