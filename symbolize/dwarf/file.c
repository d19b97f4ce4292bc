/* SPDX-License-Identifier: MIT */
#include "symbolize/dwarf/private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUDGET_MIN (4u << 20)

/* What a window reads at least: names lie anywhere, lists and entries near each other. */
#define STRING_WINDOW_BYTES 512
#define WINDOW_BYTES        8192

#define WHOLE_AFTER_FILLS 500
#define WHOLE_BYTES_MAX   (16u << 20)

static const char *const section_names[DWARF_SECTIONS] = {
    [DWARF_INFO] = ".debug_info",
    [DWARF_ABBREV] = ".debug_abbrev",
    [DWARF_STR] = ".debug_str",
    [DWARF_STR_OFFSETS] = ".debug_str_offsets",
    [DWARF_ADDR] = ".debug_addr",
    [DWARF_RANGES] = ".debug_ranges",
    [DWARF_RNGLISTS] = ".debug_rnglists",
    [DWARF_LINE] = ".debug_line",
    [DWARF_LINE_STR] = ".debug_line_str",
    [DWARF_ARANGES] = ".debug_aranges",
    [DWARF_CU_INDEX] = ".debug_cu_index",
};

void mp_dwarf_damaged(struct mp_dwarf *d, const char *fmt, ...)
{
	va_list ap;

	if (d->damage[0])
		return;
	va_start(ap, fmt);
	vsnprintf(d->damage, sizeof(d->damage), fmt, ap);
	va_end(ap);
}

void mp_dwarf_budget(struct mp_dwarf *d, uint64_t bytes)
{
	d->budget = BUDGET_MIN + 2 * bytes;
}

bool mp_dwarf_spend(struct mp_dwarf *d, uint64_t cost)
{
	if (d->budget < cost) {
		d->budget = 0;
		mp_dwarf_damaged(d, "its entries share range lists or abbreviations beyond measure");
		return false;
	}
	d->budget -= cost;
	return true;
}

void mp_dwarf_file_init(struct dwarf_file *f, struct mp_dwarf *d, const struct mp_elf *e, bool is_dwo)
{
	*f = (struct dwarf_file){.dwarf = d, .elf = e};
	for (size_t i = 0; i < DWARF_SECTIONS; i++) {
		bool is_index = i == DWARF_CU_INDEX;
		char name[32];

		/* Addresses and lines are the program's; an index is only in a .dwp. */
		if (is_dwo && (i == DWARF_ADDR || i == DWARF_RANGES || i == DWARF_ARANGES))
			continue;
		if (is_index && !is_dwo)
			continue;
		snprintf(name, sizeof(name), "%s%s", section_names[i], is_dwo && !is_index ? ".dwo" : "");
		int rc = mp_section_open(e, name, &f->section[i]);
		if (rc < 0 && rc != -ENOENT)
			mp_dwarf_damaged(d, "cannot read its section %s: %s", name, strerror(-rc));
		if (rc < 0)
			f->section[i] = (struct mp_section){0};
	}
}

void mp_dwarf_file_fini(struct dwarf_file *f)
{
	if (!f->dwarf)
		return;
	mp_dwarf_abbrevs_forget(f->dwarf, f);
	for (size_t i = 0; i < DWARF_SECTIONS; i++) {
		if (f->section[i].size)
			mp_section_close(&f->section[i]);
		free(f->window[i].bytes);
	}
	free(f->units);
	mp_elf_close(f->owned);
	*f = (struct dwarf_file){0};
}

/* How much to read at `at`: all of a section of strings where much was read of it and it is not large. */
static size_t window_bytes(
    struct dwarf_window *w, const struct mp_section *section, enum dwarf_section s, uint64_t *at, size_t want)
{
	bool is_strings = s == DWARF_STR || s == DWARF_LINE_STR;
	size_t min = is_strings ? STRING_WINDOW_BYTES : WINDOW_BYTES;

	if (is_strings && ++w->fills > WHOLE_AFTER_FILLS && section->size <= WHOLE_BYTES_MAX) {
		*at = 0;
		return section->size;
	}
	return want < min ? min : want;
}

static bool fill_window(struct dwarf_file *f, enum dwarf_section s, uint64_t at, size_t want)
{
	struct dwarf_window *w = &f->window[s];
	size_t n = window_bytes(w, &f->section[s], s, &at, want);

	w->n = 0;
	if (n > w->room) {
		size_t room = n > DWARF_WINDOW_MAX ? n : DWARF_WINDOW_MAX;
		unsigned char *bytes = realloc(w->bytes, room);

		if (!bytes)
			return false;
		w->bytes = bytes;
		w->room = room;
	}
	w->at = at;
	w->n = mp_section_read(&f->section[s], at, w->bytes, n);
	if (n > w->n && n == f->section[s].size)
		f->section[s].size =
		    w->n; /* truncated meanwhile: not to be read as a whole again and again */
	return w->n > 0;
}

size_t mp_dwarf_file_bytes(const struct dwarf_file *f)
{
	size_t bytes = f->n_units * sizeof(*f->units);

	for (size_t i = 0; i < DWARF_SECTIONS; i++)
		bytes += f->window[i].room;
	return bytes;
}

struct dwarf_cursor mp_dwarf_peek(struct dwarf_file *f, enum dwarf_section s, uint64_t at, size_t want)
{
	static const unsigned char nothing;
	struct dwarf_cursor none = {&nothing, &nothing, true};
	struct dwarf_window *w = &f->window[s];

	if (at >= f->section[s].size)
		return none;
	if (want > DWARF_WINDOW_MAX)
		want = DWARF_WINDOW_MAX;
	if (want > f->section[s].size - at)
		want = f->section[s].size - at;
	bool is_in = at >= w->at && at - w->at <= w->n && want <= w->n - (at - w->at);
	if (!is_in && (!fill_window(f, s, at, want) || at - w->at >= w->n))
		return none;
	return (struct dwarf_cursor){w->bytes + (at - w->at), w->bytes + w->n, false};
}

char *mp_dwarf_string(struct dwarf_file *f, enum dwarf_section s, uint64_t at)
{
	for (size_t want = 128;; want *= 8) {
		struct dwarf_cursor c = mp_dwarf_peek(f, s, at, want);
		size_t n = dwarf_left(&c), length = strnlen((const char *)c.p, n);

		if (c.bad || !n)
			return NULL;
		if (length < n || n < want || want >= DWARF_WINDOW_MAX)
			return strndup((const char *)c.p, length);
	}
}
