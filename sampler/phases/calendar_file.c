/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sampler/phases/calendar_private.h"

#define ENTRIES_MAX 256 /* times and phases */
#define DAYS_MAX    4096
#define NAME_MAX    40 /* inih cuts sections */

struct reading {
	struct mp_phase_calendar *out;
	const char *name, *rest; /* of the file; what of it is not read yet */
	char section[128];       /* of the last key: "[phase open" */
	int entry;               /* the one that keys are of; -1: the calendar */
	int line;
	int section_line; /* where the section of the last key begins */
	int header_line;  /* of a section that has no key yet; 0: it has */
	int zone_line;
	struct mp_err *err;
	int failed; /* -errno, once told */
};

static int fail_at(struct reading *r, int line, const char *what, const char *text)
{
	if (!r->failed)
		r->failed = mp_err_set(r->err, EINVAL, "%s:%d: %s%s%.80s%s", r->name, line, what,
		    text ? ": '" : "", text ? text : "", text ? "'" : "");
	return r->failed;
}

static int fail(struct reading *r, const char *what, const char *text)
{
	return fail_at(r, r->line, what, text);
}

static int no_memory(struct reading *r)
{
	return r->failed = mp_err_set(r->err, ENOMEM, "out of memory");
}

/* ---- Days ---- */

static bool digits(const char **at, int n, int *out)
{
	*out = 0;
	for (int i = 0; i < n; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		*out = *out * 10 + (**at - '0');
	}
	return true;
}

bool calendar_date(const char *text, int32_t *out)
{
	int year, month, day;

	if (!digits(&text, 4, &year) || *text++ != '-' || !digits(&text, 2, &month) || *text++ != '-' ||
	    !digits(&text, 2, &day) || *text || year < 1970 || year > 2105)
		return false;
	struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
	time_t t = timegm(&tm);
	*out = (int32_t)(t / DAY_S);
	return tm.tm_mday == day && tm.tm_mon == month - 1 && tm.tm_year == year - 1900;
}

static int by_day(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
	return (x > y) - (x < y);
}

static int take_days(struct reading *r, struct days *to, const char *value)
{
	char copy[512], *rest = NULL;

	snprintf(copy, sizeof(copy), "%s", value);
	for (char *word = strtok_r(copy, " \t,", &rest); word; word = strtok_r(NULL, " \t,", &rest)) {
		int32_t day;
		if (!calendar_date(word, &day))
			return fail(r, "this is no day, such as 2026-01-01", word);
		if (to->n == DAYS_MAX)
			return fail(r, "more than 4096 days", NULL);
		int32_t *more = reallocarray(to->day, to->n + 1, sizeof(*more));
		if (!more)
			return no_memory(r);
		to->day = more;
		to->day[to->n++] = day;
	}
	return 0;
}

static int take_covers(struct reading *r, const char *value)
{
	struct mp_phase_calendar *c = r->out;
	char from[12] = "", to[12] = "", more;

	if (sscanf(value, "%11s %11s %c", from, to, &more) != 2 || !calendar_date(from, &c->covers_from) ||
	    !calendar_date(to, &c->covers_to) || c->covers_to < c->covers_from)
		return fail(r, "give the first and the last day, such as 2025-01-01 2027-12-31", value);
	return 0;
}

static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static int weekday_by_name(const char *text, size_t n)
{
	for (int i = 0; i < 7; i++)
		if (n == 3 && !strncmp(weekday_names[i], text, 3))
			return i;
	return -1;
}

/* "mon-fri", "sun-thu", "mon,wed-fri": a range may pass the end of the week. */
static int take_weekdays(struct reading *r, unsigned int *out, const char *value)
{
	static const char separators[] = " \t,";
	const char *at = value + strspn(value, separators);

	*out = 0;
	for (size_t n; (n = strcspn(at, separators)); at += n, at += strspn(at, separators)) {
		const char *dash = memchr(at, '-', n);
		size_t first = dash ? (size_t)(dash - at) : n;
		int from = weekday_by_name(at, first);
		int to = dash ? weekday_by_name(dash + 1, n - first - 1) : from;
		if (from < 0 || to < 0)
			break;
		for (int day = from;; day = (day + 1) % 7) {
			*out |= 1u << day;
			if (day == to)
				break;
		}
	}
	return *at || !*out ? fail(r, "these are no weekdays, such as mon-fri", value) : 0;
}

/* ---- Times ---- */

static size_t name_length(const char *text)
{
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
}

/* HH:MM[:SS[.mmm]], up to 24:00. */
static bool parse_clock(const char **at, int64_t *ms)
{
	int h, m, s = 0, milli = 0;

	if (!digits(at, 2, &h) || *(*at)++ != ':' || !digits(at, 2, &m))
		return false;
	if (**at == ':') {
		++*at;
		if (!digits(at, 2, &s))
			return false;
		if (**at == '.') {
			++*at;
			if (!digits(at, 3, &milli))
				return false;
		}
	}
	*ms = ((h * 60LL + m) * 60 + s) * 1000 + milli;
	return m < 60 && s < 60 && *ms <= DAY_MS;
}

/* +1d */
static bool parse_days_later(const char **at, int64_t *ms)
{
	int days;

	if (**at != '+')
		return true;
	++*at;
	if (!digits(at, 1, &days) || *(*at)++ != 'd' || days > OFFSET_DAYS_MAX)
		return false;
	*ms += days * DAY_MS;
	return true;
}

static bool parse_reference(const char *at, struct moment *m)
{
	size_t n = name_length(at);
	const char *edge = at + n;

	if (*edge == '.') {
		size_t more = name_length(edge + 1);
		if (!(more == 3 && !strncmp(edge + 1, "end", 3)) &&
		    !(more == 5 && !strncmp(edge + 1, "start", 5)))
			return false;
		m->edge = more == 3 ? EDGE_END : EDGE_START;
		edge += 1 + more;
	}
	if (n >= MP_PHASE_NAME_BYTES)
		return false;
	memcpy(m->name, at, n);
	m->name[n] = 0;
	if (!*edge)
		return true;
	if (*edge != '+' && *edge != '-')
		return false;
	const char *clock = edge + 1;
	if (!parse_clock(&clock, &m->ms) || *clock)
		return false;
	m->ms = *edge == '-' ? -m->ms : m->ms;
	return true;
}

static int take_moment(struct reading *r, struct moment *m, const char *value)
{
	const char *at = value;

	if (m->line)
		return fail(r, "this was told before", value);
	m->line = r->line;
	bool ok = *value >= '0' && *value <= '9' && value[0] && value[1] && (value[2] == ':')
		      ? parse_clock(&at, &m->ms) && parse_days_later(&at, &m->ms) && !*at
		      : name_length(value) && parse_reference(value, m);
	return ok ? 0
		  : fail(r,
			"this is no time, such as 09:30, 16:00:00.500, 16:00+1d, open+00:05 or "
			"core.end-00:10",
			value);
}

/* ---- Sections and keys ---- */

static int find_entry(const struct mp_phase_calendar *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->entries[i].name, name))
			return (int)i;
	return -1;
}

static int begin_entry(struct reading *r, const char *name, bool is_phase)
{
	struct mp_phase_calendar *c = r->out;
	size_t n = name_length(name);

	if (!n || name[n] || n > NAME_MAX)
		return fail_at(r, r->section_line, "a name has letters, digits and _, 40 at most", name);
	if (find_entry(c, name) >= 0)
		return fail_at(r, r->section_line, "there are two of this name", name);
	if (c->n == ENTRIES_MAX)
		return fail_at(r, r->section_line, "more than 256 times and phases", NULL);
	struct entry *more = reallocarray(c->entries, c->n + 1, sizeof(*more));
	if (!more)
		return no_memory(r);
	c->entries = more;
	r->entry = (int)c->n++;
	c->entries[r->entry] = (struct entry){.is_phase = is_phase, .line = r->section_line};
	memcpy(c->entries[r->entry].name, name, n + 1);
	return 0;
}

static int begin_section(struct reading *r, const char *section)
{
	snprintf(r->section, sizeof(r->section), "%s", section);
	r->entry = -1;
	if (!strcmp(section, "calendar"))
		return 0;
	if (!strncmp(section, "phase ", 6))
		return begin_entry(r, section + 6 + strspn(section + 6, " \t"), true);
	if (!strncmp(section, "time ", 5))
		return begin_entry(r, section + 5 + strspn(section + 5, " \t"), false);
	return fail_at(r, r->section_line,
	    "this is no section: there are [calendar], [time NAME] and [phase NAME]", section);
}

static int set_text(struct reading *r, char **to, const char *value)
{
	char *longer = NULL;

	if (asprintf(&longer, "%s%s%s", *to ? *to : "", *to ? " " : "", value) < 0)
		return no_memory(r);
	free(*to);
	*to = longer;
	return 0;
}

static int take_calendar_key(struct reading *r, const char *key, const char *value)
{
	struct mp_phase_calendar *c = r->out;

	if (!strcmp(key, "zone")) {
		if (strlen(value) >= sizeof(c->zone_name))
			return fail(r, "this is no name of a time zone", value);
		snprintf(c->zone_name, sizeof(c->zone_name), "%s", value);
		r->zone_line = r->line;
		return 0;
	}
	if (!strcmp(key, "weekdays"))
		return take_weekdays(r, &c->weekdays, value);
	if (!strcmp(key, "holidays"))
		return take_days(r, &c->holidays, value);
	if (!strcmp(key, "half_days"))
		return take_days(r, &c->half_days, value);
	if (!strcmp(key, "covers"))
		return take_covers(r, value);
	if (!strcmp(key, "about"))
		return set_text(r, &c->about, value);
	if (!strcmp(key, "name"))
		return 0;
	return fail(r,
	    "[calendar] has no such key, but zone, weekdays, holidays, half_days, covers, name and about",
	    key);
}

static int take_half_day(struct reading *r, struct entry *e, const char *value)
{
	if (!e->is_phase)
		return take_moment(r, &e->moments[HALF_FROM], value);
	if (strcmp(value, "none"))
		return fail(r, "half_day of a phase is none; else half_day_from and half_day_to", value);
	e->not_on_half_days = true;
	return 0;
}

static int take_entry_key(struct reading *r, const char *key, const char *value)
{
	struct entry *e = &r->out->entries[r->entry];
	static const struct {
		const char *key;
		bool of_phase;
		enum key moment;
	} keys[] = {{"at", false, FROM}, {"from", true, FROM}, {"to", true, TO},
	    {"half_day_from", true, HALF_FROM}, {"half_day_to", true, HALF_TO}};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (e->is_phase == keys[i].of_phase && !strcmp(keys[i].key, key))
			return take_moment(r, &e->moments[keys[i].moment], value);
	if (!strcmp(key, "half_day"))
		return take_half_day(r, e, value);
	if (e->is_phase && !strcmp(key, "weekdays"))
		return take_weekdays(r, &e->weekdays, value);
	return fail(r,
	    e->is_phase
		? "[phase] has no such key, but from, to, weekdays, half_day, half_day_from and half_day_to"
		: "[time] has no such key, but at and half_day",
	    key);
}

/* inih's callback. It calls anew, with the same name, for each further indented line. */
static int take_key(void *user, const char *section, const char *key, const char *value)
{
	struct reading *r = user;

	if (r->header_line)
		r->section_line = r->header_line;
	r->header_line = 0;
	if (strcmp(section, r->section) && begin_section(r, section))
		return 0;
	return !(r->entry < 0 ? take_calendar_key(r, key, value) : take_entry_key(r, key, value));
}

/* inih tells of keys only. */
static int check_empty(struct reading *r)
{
	return r->header_line ? fail_at(r, r->header_line, "this section is empty", NULL) : 0;
}

/* inih takes comments behind values for such, but not those in further lines of a value. */
static size_t without_comment(const char *line, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (line[i] == ';' && (line[i - 1] == ' ' || line[i - 1] == '\t'))
			return i;
	return n;
}

/* For inih, as fgets(): it would take the rest of a line that is too long for another one. */
static char *next_line(char *buf, int size, void *user)
{
	struct reading *r = user;
	size_t n = strcspn(r->rest, "\n");

	if (!*r->rest || r->failed)
		return NULL;
	r->line++;
	if (n + 2 > (size_t)size) {
		fail(r, "this line is too long; lists go on in further, indented lines", NULL);
		return NULL;
	}
	if (*r->rest == '[') {
		if (check_empty(r))
			return NULL;
		r->header_line = r->line;
	}
	size_t told = without_comment(r->rest, n);
	memcpy(buf, r->rest, told);
	r->rest += n;
	n = told;
	if (*r->rest == '\n')
		buf[n++] = *r->rest++;
	buf[n] = 0;
	return buf;
}

/* ---- What is known once all has been read ---- */

static int link_moment(struct reading *r, struct moment *m)
{
	if (!m->line || !m->name[0])
		return 0;
	m->entry = find_entry(r->out, m->name);
	if (m->entry < 0)
		return fail_at(r, m->line, "no time or phase has this name", m->name);
	if (m->edge == EDGE_END && !r->out->entries[m->entry].is_phase)
		return fail_at(r, m->line, "this is a time and has no end", m->name);
	return 0;
}

static int check_keys(struct reading *r)
{
	struct mp_phase_calendar *c = r->out;
	bool has_phase = false;

	for (size_t i = 0; i < c->n; i++) {
		struct entry *e = &c->entries[i];
		has_phase |= e->is_phase;
		if (!e->moments[FROM].line)
			return fail_at(r, e->line,
			    e->is_phase ? "this phase has no from" : "this time has no at", e->name);
		if (e->is_phase && !e->moments[TO].line)
			return fail_at(r, e->line, "this phase has no to", e->name);
		for (int k = 0; k < MOMENTS; k++)
			if (link_moment(r, &e->moments[k]))
				return r->failed;
	}
	return has_phase ? 0 : fail_at(r, r->line, "there is no phase in it", NULL);
}

static int64_t moment_ms(const struct mp_phase_calendar *c, const struct moment *m, int is_half)
{
	return m->name[0] ? c->entries[m->entry].ms[is_half][m->edge] + m->ms : m->ms;
}

/* All that it refers to is computed. Within some days of its own, and not ending before it begins. */
static int compute(struct reading *r, struct entry *e)
{
	for (int is_half = 0; is_half < 2; is_half++) {
		const struct moment *from =
		    &e->moments[is_half && e->moments[HALF_FROM].line ? HALF_FROM : FROM];
		const struct moment *to = &e->moments[is_half && e->moments[HALF_TO].line ? HALF_TO : TO];
		int64_t *ms = e->ms[is_half];

		ms[EDGE_START] = moment_ms(r->out, from, is_half);
		if (ms[EDGE_START] < -DAY_MS || ms[EDGE_START] > OFFSET_DAYS_MAX * DAY_MS)
			return fail_at(r, from->line, "this is too far from its day", e->name);
		if (!e->is_phase)
			continue;
		ms[EDGE_END] = moment_ms(r->out, to, is_half);
		if (ms[EDGE_END] <= ms[EDGE_START])
			ms[EDGE_END] += DAY_MS;
		if (ms[EDGE_END] <= ms[EDGE_START])
			return fail_at(r, to->line, "this phase ends before it begins", e->name);
		if (ms[EDGE_END] - ms[EDGE_START] < 1000)
			return fail_at(r, to->line, "this phase is shorter than a second", e->name);
		if (ms[EDGE_END] > (OFFSET_DAYS_MAX + 1) * DAY_MS)
			return fail_at(r, to->line, "this is too far from its day", e->name);
	}
	return 0;
}

enum visit { NOT_VISITED, UNDER_WAY, VISITED };

/* Depth first: what is referred to, then the entry itself. A circle through any of its times is one, whether
 * it is closed on one day or not; but its own end may be told by its begin. */
static int resolve(struct reading *r, int i, enum visit *visits)
{
	struct entry *e = &r->out->entries[i];

	visits[i] = UNDER_WAY;
	for (int k = 0; k < MOMENTS; k++) {
		const struct moment *m = &e->moments[k];
		bool is_own = m->entry == i && m->edge == EDGE_START && (k == TO || k == HALF_TO);
		if (!m->line || !m->name[0] || is_own || visits[m->entry] == VISITED)
			continue;
		if (visits[m->entry] == UNDER_WAY)
			return fail_at(r, m->line, "this leads back to itself in a circle", m->name);
		if (resolve(r, m->entry, visits))
			return r->failed;
	}
	visits[i] = VISITED;
	return compute(r, e);
}

static int load_zone(struct reading *r)
{
	struct mp_err why;

	if (!r->out->zone_name[0])
		return fail_at(r, r->line, "it does not say which time zone: [calendar] zone = ...", NULL);
	int rc = mp_zone_load(r->out->zone_name, &r->out->zone, &why);
	if (rc)
		r->failed = mp_err_set(r->err, -rc, "%s:%d: %s", r->name, r->zone_line, why.text);
	return r->failed;
}

static void sort_days(struct days *d)
{
	if (d->n)
		qsort(d->day, d->n, sizeof(*d->day), by_day);
}

static int finish(struct reading *r)
{
	enum visit visits[ENTRIES_MAX] = {NOT_VISITED};

	sort_days(&r->out->holidays);
	sort_days(&r->out->half_days);
	if (load_zone(r) || check_keys(r))
		return r->failed;
	for (size_t i = 0; i < r->out->n; i++)
		if (visits[i] == NOT_VISITED && resolve(r, (int)i, visits))
			return r->failed;
	return 0;
}

int mp_phase_calendar_parse(
    const char *name, const char *text, struct mp_phase_calendar **out, struct mp_err *err)
{
	struct mp_phase_calendar *c = calloc(1, sizeof(*c));
	struct reading r = {.out = c, .name = name, .rest = text, .entry = -1, .err = err};

	if (!c)
		return mp_err_set(err, ENOMEM, "out of memory");
	c->weekdays = 0x3e; /* mon-fri */
	int line = ini_parse_stream(next_line, &r, take_key, &r);
	if (!r.failed && line > 0)
		fail_at(&r, line, "this is no KEY = VALUE, and no [SECTION]", NULL);
	if (!r.failed)
		check_empty(&r);
	if (r.failed || finish(&r)) {
		mp_phase_calendar_free(c);
		return r.failed;
	}
	*out = c;
	return 0;
}
