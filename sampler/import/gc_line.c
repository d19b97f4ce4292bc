/* SPDX-License-Identifier: MIT */
#include "sampler/import/gc_line.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_S INT64_C(1000000000)

/* Longer numbers are none. */
#define DIGITS_MAX 18
#define NS_MAX     (INT64_C(1) << 62)
/* What takes longer, four months, is none either: nothing overflows, not even in sums of many. */
#define DUR_MAX_NS (INT64_C(10000000) * NS_PER_S)

/* A part of the line. */
struct piece {
	const char *at, *end;
};

static size_t length(const struct piece *p)
{
	return (size_t)(p->end - p->at);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool skip(struct piece *p, const char *word)
{
	size_t n = strlen(word);

	if (length(p) < n || memcmp(p->at, word, n) != 0)
		return false;
	p->at += n;
	return true;
}

static void trim(struct piece *p)
{
	while (p->at < p->end && (*p->at == ' ' || *p->at == '\t'))
		p->at++;
	while (p->end > p->at && (p->end[-1] == ' ' || p->end[-1] == '\t' || p->end[-1] == '\r'))
		p->end--;
}

static bool is_equal(const struct piece *p, const char *word)
{
	return length(p) == strlen(word) && !memcmp(p->at, word, length(p));
}

static bool is_ended_by(const struct piece *p, const char *word)
{
	size_t n = strlen(word);

	return length(p) >= n && !memcmp(p->end - n, word, n);
}

static void copy(char out[MP_GC_LINE_TEXT], const struct piece *p)
{
	snprintf(out, MP_GC_LINE_TEXT, "%.*s",
	    (int)(length(p) < MP_GC_LINE_TEXT ? length(p) : MP_GC_LINE_TEXT), p->at);
}

/* ---- Numbers ---- */

static bool take_whole(struct piece *p, int64_t *v)
{
	int digits = 0;

	for (*v = 0; p->at < p->end && is_digit(*p->at); p->at++, digits++) {
		if (digits == DIGITS_MAX)
			return false;
		*v = *v * 10 + (*p->at - '0');
	}
	return digits > 0;
}

/* 12.345, or 12,345 where the locale has commas, in units of unit_ns. */
static bool take_number(struct piece *p, int64_t *whole, int64_t *billionths)
{
	int64_t scale = NS_PER_S;

	*billionths = 0;
	if (!take_whole(p, whole))
		return false;
	if (p->at < p->end && (*p->at == '.' || *p->at == ',')) {
		for (p->at++; p->at < p->end && is_digit(*p->at); p->at++) {
			scale /= 10;
			*billionths += scale * (*p->at - '0');
		}
	}
	return true;
}

static bool in_ns(int64_t whole, int64_t billionths, int64_t unit_ns, int64_t *ns)
{
	if (whole > NS_MAX / unit_ns - 1)
		return false;
	*ns = whole * unit_ns + billionths / (NS_PER_S / unit_ns);
	return true;
}

/* A number with s, ms, us or ns behind it. */
static bool take_duration(struct piece *p, int64_t *ns)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {{"ms", 1000000}, {"us", 1000}, {"ns", 1}, {"s", NS_PER_S}};
	int64_t whole, billionths;

	if (!take_number(p, &whole, &billionths))
		return false;
	skip(p, " ");
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (skip(p, units[i].name))
			return in_ns(whole, billionths, units[i].ns, ns);
	return false;
}

static bool take_bytes(struct piece *p, int64_t *bytes)
{
	static const char units[] = "BKMGT";
	int64_t v;

	if (!take_whole(p, &v) || p->at == p->end)
		return false;
	const char *unit = memchr(units, *p->at, strlen(units));
	if (!unit || v > (INT64_MAX >> 4) >> (10 * (unit - units)))
		return false;
	p->at++;
	*bytes = v << (10 * (unit - units));
	return true;
}

/* ---- Decorations ---- */

/* Days since 1970 of a date of the Gregorian calendar (Hinnant, chrono-Compatible Low-Level Date Algorithms).
 */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	year -= month <= 2;
	int64_t era = year / 400, of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* 2026-11-26T11:44:02.123+0100 */
static bool take_date(struct piece *p, int64_t *real_ns)
{
	int64_t y, mo, d, h, mi, s, frac, zone;

	if (!take_whole(p, &y) || y < 1970 || y > 2200 || !skip(p, "-") || !take_whole(p, &mo) || mo < 1 ||
	    mo > 12 || !skip(p, "-") || !take_whole(p, &d) || d < 1 || d > 31 || !skip(p, "T") ||
	    !take_whole(p, &h) || h > 24 || !skip(p, ":") || !take_whole(p, &mi) || mi > 60 ||
	    !skip(p, ":") || !take_number(p, &s, &frac) || s > 60)
		return false;
	int sign = skip(p, "+") ? 1 : skip(p, "-") ? -1 : 0;
	if (!sign || !take_whole(p, &zone) || zone > 2400)
		return false;
	int64_t minutes = h * 60 + mi - sign * (zone / 100 * 60 + zone % 100);
	*real_ns = (days_of(y, mo, d) * 86400 + minutes * 60 + s) * NS_PER_S + frac;
	return true;
}

/* What counts milliseconds since 1970 and what counts since the start look the same, but for their size. */
#define REAL_FROM_NS (INT64_C(100000000) * NS_PER_S)

static void take_time(struct piece group, struct mp_gc_line *out)
{
	struct piece date = group;
	int64_t ns = -1;

	if (take_date(&date, &ns) && date.at == date.end)
		out->real_ns = ns;
	else if (take_duration(&group, &ns) && group.at == group.end && ns < REAL_FROM_NS)
		out->uptime_ns = ns;
	else if (group.at == group.end && ns >= REAL_FROM_NS)
		out->real_ns = ns;
}

/* The decorations; `is_bare`: "gc" is the only tag. False: there are none. */
static bool take_decorations(struct piece *p, struct mp_gc_line *out, bool *has_tags, bool *is_bare)
{
	bool any = false;

	while (p->at < p->end && *p->at == '[') {
		const char *close = memchr(p->at, ']', length(p));
		struct piece group = {p->at + 1, close};

		if (!close)
			break;
		trim(&group);
		if (length(&group) && is_digit(*group.at))
			take_time(group, out);
		*has_tags |= length(&group) >= 2 && !memcmp(group.at, "gc", 2);
		*is_bare |= is_equal(&group, "gc");
		p->at = close + 1;
		any = true;
	}
	return any;
}

/* ---- Sizes ---- */

/* (34M), or (55%), which tells no bytes. */
static bool take_total(struct piece *p, int64_t *bytes)
{
	struct piece q = *p, r = *p;
	int64_t percent;

	*bytes = -1;
	if (skip(&q, "(") && take_bytes(&q, bytes) && skip(&q, ")")) {
		*p = q;
		return true;
	}
	*bytes = -1;
	if (!skip(&r, "(") || !take_whole(&r, &percent) || !skip(&r, "%)"))
		return false;
	*p = r;
	return true;
}

/* 10M->1M(34M); 8704K(9728K)->1008K(9728K); 70M(55%)->30M(23%) */
static bool take_change(struct piece *p, struct mp_gc_line_pool *pool)
{
	struct piece q = *p;
	int64_t was;

	if (!take_bytes(&q, &pool->before))
		return false;
	take_total(&q, &was);
	if (!skip(&q, "->") || !take_bytes(&q, &pool->after))
		return false;
	take_total(&q, &pool->committed);
	*p = q;
	return true;
}

static void add_pool(struct mp_gc_line *out, const char *name, struct piece *p)
{
	struct mp_gc_line_pool *pool = &out->pool[out->pools];

	trim(p);
	pool->name = name;
	if (out->pools < MP_GC_LINE_POOLS_MAX && take_change(p, pool))
		out->pools++;
}

/* What generations are called in the log, and their pools in the JVM. */
static bool parse_generation(struct piece p, struct mp_gc_line *out)
{
	static const struct {
		const char *prefix, *whole, *eden, *survivor;
	} generations[] = {
	    {"PSYoungGen:", NULL, "PS Eden Space", "PS Survivor Space"},
	    {"ParOldGen:", "PS Old Gen", NULL, NULL},
	    {"PSOldGen:", "PS Old Gen", NULL, NULL},
	    {"DefNew:", NULL, "Eden Space", "Survivor Space"},
	    {"ParNew:", NULL, "Par Eden Space", "Par Survivor Space"},
	    {"Tenured:", "Tenured Gen", NULL, NULL},
	    {"CMS:", "CMS Old Gen", NULL, NULL},
	    {"Metaspace:", "Metaspace", NULL, NULL},
	};
	struct mp_gc_line_pool all;

	for (size_t i = 0; i < sizeof(generations) / sizeof(*generations); i++) {
		struct piece q = p;

		if (!skip(&q, generations[i].prefix))
			continue;
		out->kind = MP_GC_LINE_OTHER;
		trim(&q);
		if (generations[i].whole)
			add_pool(out, generations[i].whole, &q);
		else if (take_change(&q, &all)) {
			trim(&q);
			if (skip(&q, "Eden:"))
				add_pool(out, generations[i].eden, &q);
			trim(&q);
			if (skip(&q, "From:"))
				add_pool(out, generations[i].survivor, &q);
		}
		if (out->pools)
			out->kind = MP_GC_LINE_POOLS;
		return true;
	}
	return false;
}

/* Eden regions: 6->0(10) */
static bool parse_regions(struct piece p, struct mp_gc_line *out)
{
	static const struct {
		const char *prefix, *pool;
	} spaces[] = {{"Eden regions: ", "G1 Eden Space"}, {"Survivor regions: ", "G1 Survivor Space"},
	    {"Old regions: ", "G1 Old Gen"}, {"Humongous regions: ", "G1 Old Gen"},
	    {"Archive regions: ", "G1 Old Gen"}};
	struct mp_gc_line_pool *pool = &out->pool[0];

	for (size_t i = 0; i < sizeof(spaces) / sizeof(*spaces); i++) {
		if (!skip(&p, spaces[i].prefix))
			continue;
		pool->name = spaces[i].pool;
		pool->committed = -1;
		if (!take_whole(&p, &pool->before) || !skip(&p, "->") || !take_whole(&p, &pool->after))
			return true;
		if (skip(&p, "(") && !take_whole(&p, &pool->committed))
			pool->committed = -1;
		out->pools = 1;
		out->kind = MP_GC_LINE_REGIONS;
		return true;
	}
	return false;
}

/* Z: Capacity: 70M (55%) 78M (61%) 84M (66%) 88M (69%) ...: at the start and end of marking, and of moving.
 */
static bool parse_capacity(struct piece p, struct mp_gc_line *out)
{
	int64_t bytes = -1, percent;

	trim(&p);
	if (!skip(&p, "Capacity:"))
		return false;
	out->kind = MP_GC_LINE_OTHER;
	for (int i = 0; i < 4; i++) {
		trim(&p);
		if (!take_bytes(&p, &bytes) || (trim(&p), !skip(&p, "(")) || !take_whole(&p, &percent) ||
		    !skip(&p, "%)"))
			return true;
	}
	out->pool[0] = (struct mp_gc_line_pool){"heap", -1, -1, bytes};
	out->pools = 1;
	out->kind = MP_GC_LINE_CAPACITY;
	return true;
}

/* ---- Collections ---- */

/* Takes a word off the end, and the spaces before it. */
static struct piece last_word(struct piece *p)
{
	struct piece word = {p->end, p->end};

	while (word.at > p->at && word.at[-1] != ' ')
		word.at--;
	p->end = word.at;
	trim(p);
	return word;
}

static bool take_last_duration(struct piece *p, int64_t *ns)
{
	struct piece rest = *p, word = last_word(&rest);

	if (!take_duration(&word, ns) || word.at != word.end || *ns > DUR_MAX_NS) {
		*ns = -1;
		return false;
	}
	*p = rest;
	return true;
}

static void take_last_change(struct piece *p, struct mp_gc_line *out)
{
	struct piece rest = *p, word = last_word(&rest);
	struct mp_gc_line_pool *pool = &out->pool[0];

	if (!take_change(&word, pool) || word.at != word.end)
		return;
	pool->name = "heap";
	out->pools = 1;
	*p = rest;
}

/* Takes "(...)" off the end, brackets within it included: "(System.gc())". */
static bool take_last_brackets(struct piece *p, struct piece *inside)
{
	int depth = 0;
	const char *at = p->end;

	if (p->at == p->end || p->end[-1] != ')')
		return false;
	do {
		at--;
		depth += *at == ')' ? 1 : *at == '(' ? -1 : 0;
	} while (at > p->at && depth > 0);
	if (depth)
		return false;
	*inside = (struct piece){at + 1, p->end - 1};
	p->end = at;
	trim(p);
	return true;
}

/* "Young (Concurrent Start) (G1 Humongous Allocation)" is of kind concurrent-start, and the last brackets are
 * the cause; what begins in lower case there, "(unload classes)", says how, not why. */
static void take_cause(struct piece *p, struct mp_gc_line *out)
{
	struct piece inside;

	while (take_last_brackets(p, &inside)) {
		struct piece what = inside;

		if (skip(&what, "Evacuation Failure")) {
			snprintf(out->value, sizeof(out->value), "evacuation failure");
		} else if (is_equal(&inside, "Normal") || is_equal(&inside, "Prepare Mixed")) {
			continue;
		} else if (is_equal(&inside, "Mixed") || is_equal(&inside, "Concurrent Start") ||
			   is_equal(&inside, "Initial Mark")) {
			copy(out->name, &inside);
		} else if (!out->cause[0] && length(&inside) && !(*inside.at >= 'a' && *inside.at <= 'z')) {
			copy(out->cause, &inside);
		}
	}
}

/* In lower case, with - for spaces: "Init Mark" is init-mark. */
static void to_kind(char *text)
{
	for (; *text; text++)
		*text = *text == ' ' ? '-' : (char)(*text >= 'A' && *text <= 'Z' ? *text + 32 : *text);
}

/* "Pause Young (Normal) (G1 Evacuation Pause) 10M->1M(34M) 2.525ms" without its first word. */
static void parse_collection(
    struct piece p, enum mp_gc_line_kind kind, const char *prefix, struct mp_gc_line *out)
{
	char name[MP_GC_LINE_TEXT];
	bool has_end = take_last_duration(&p, &out->dur_ns);

	take_last_change(&p, out);
	/* Z of JDK 17 tells of a cycle without how long it took. */
	out->kind = has_end || (kind == MP_GC_LINE_CYCLE && out->pools) ? kind : MP_GC_LINE_BEGIN;
	take_cause(&p, out);
	if (!out->name[0])
		copy(out->name, &p);
	snprintf(name, sizeof(name), "%.15s%.79s", prefix, out->name);
	memcpy(out->name, name, sizeof(name));
	to_kind(out->name);
}

/* Any other part of a collection that says how long it took. */
static void parse_phase(struct piece p, struct mp_gc_line *out)
{
	out->kind = MP_GC_LINE_OTHER;
	if (!take_last_duration(&p, &out->dur_ns))
		return;
	take_last_change(&p, out);
	out->pools = 0;
	out->is_summed = is_ended_by(&p, ":");
	p.end -= out->is_summed;
	trim(&p);
	copy(out->name, &p);
	if (out->name[0])
		out->kind = MP_GC_LINE_PHASE;
}

static void parse_beside(struct piece p, bool is_row, struct mp_gc_line *out)
{
	struct piece whole = p;

	if (is_row)
		parse_collection(p, MP_GC_LINE_BESIDE, "", out);
	else
		parse_phase(whole, out);
}

/* What stands behind "GC(n) ". */
static void parse_numbered(struct piece p, bool has_tags, bool is_bare, struct mp_gc_line *out)
{
	static const struct {
		const char *prefix, *kind;
	} cycles[] = {
	    {"Garbage Collection", "cycle"}, {"Major Collection", "major"}, {"Minor Collection", "minor"}};
	const char *generation = "";

	trim(&p);
	/* Z with generations: in lower case of a minor collection. */
	if (skip(&p, "Y: ") || skip(&p, "y: "))
		generation = "young ";
	else if (skip(&p, "O: ") || skip(&p, "o: "))
		generation = "old ";
	trim(&p);
	struct piece rest = p;
	if (skip(&rest, "Pause ")) {
		parse_collection(rest, MP_GC_LINE_PAUSE, generation, out);
		return;
	}
	if (skip(&rest, "Concurrent ")) {
		/* Of cycles that tell of themselves in one line these are parts. */
		struct piece name = p;
		int64_t ns;
		bool is_cycle = take_last_duration(&name, &ns) && is_ended_by(&name, "Cycle");

		parse_beside(p, is_cycle || (has_tags && is_bare), out);
		return;
	}
	for (size_t i = 0; i < sizeof(cycles) / sizeof(*cycles); i++) {
		if (!skip(&rest, cycles[i].prefix))
			continue;
		parse_collection(rest, MP_GC_LINE_CYCLE, "", out);
		snprintf(out->name, sizeof(out->name), "%s", cycles[i].kind);
		return;
	}
	if (is_equal(&p, "To-space exhausted"))
		out->kind = MP_GC_LINE_NO_ROOM;
	else if (!parse_generation(p, out) && !parse_regions(p, out) && !parse_capacity(p, out))
		parse_phase(p, out);
}

/* ---- What is of no collection ---- */

/* The number behind `word`, wherever that stands. */
static bool find_duration(struct piece p, const char *word, int64_t *ns)
{
	const char *at = memmem(p.at, length(&p), word, strlen(word));

	if (!at)
		return false;
	p.at = at + strlen(word);
	return take_duration(&p, ns) && *ns <= DUR_MAX_NS;
}

/* JDK 13 and later, in one line; before, in seconds, without the reason. */
static bool parse_safepoint(struct piece p, struct mp_gc_line *out)
{
	struct piece q = p;
	const char *stop = "Total time for which application threads were stopped: ";

	if (skip(&q, "Safepoint \"")) {
		out->kind = MP_GC_LINE_OTHER;
		if (find_duration(q, "Reaching safepoint: ", &out->ttsp_ns) &&
		    find_duration(q, "Total: ", &out->dur_ns))
			out->kind = MP_GC_LINE_SAFEPOINT;
		return true;
	}
	if (!skip(&q, stop))
		return false;
	out->kind = MP_GC_LINE_OTHER;
	if (find_duration(p, stop, &out->dur_ns) &&
	    find_duration(p, "Stopping threads took: ", &out->ttsp_ns))
		out->kind = MP_GC_LINE_SAFEPOINT;
	return true;
}

static bool parse_collector(struct piece p, struct mp_gc_line *out)
{
	static const struct {
		const char *text, *name;
	} collectors[] = {{"Using G1", "G1"}, {"Using Parallel", "Parallel"}, {"Using Serial", "Serial"},
	    {"Using The Z Garbage Collector", "Z"}, {"Using Shenandoah", "Shenandoah"},
	    {"Using Concurrent Mark Sweep", "CMS"}, {"Using Epsilon", "Epsilon"}};

	for (size_t i = 0; i < sizeof(collectors) / sizeof(*collectors); i++) {
		if (!is_equal(&p, collectors[i].text))
			continue;
		out->kind = MP_GC_LINE_SETTING;
		snprintf(out->name, sizeof(out->name), "collector");
		snprintf(out->value, sizeof(out->value), "%s", collectors[i].name);
		return true;
	}
	return false;
}

static bool parse_setting(struct piece p, struct mp_gc_line *out)
{
	static const struct {
		const char *prefix, *name;
		bool is_bytes;
	} settings[] = {{"Version: ", "version", false}, {"Heap Region Size: ", "region_bytes", true},
	    {"Heap Min Capacity: ", "min_heap_bytes", true}, {"Min Capacity: ", "min_heap_bytes", true},
	    {"Heap Initial Capacity: ", "initial_heap_bytes", true},
	    {"Initial Capacity: ", "initial_heap_bytes", true},
	    {"Heap Max Capacity: ", "max_heap_bytes", true}, {"Max Capacity: ", "max_heap_bytes", true},
	    {"Pre-touch: ", "pre_touch", false}, {"Parallel Workers: ", "parallel_workers", false},
	    {"Concurrent Workers: ", "concurrent_workers", false}, {"CPUs: ", "cpus", false},
	    {"Large Page Support: ", "large_pages", false}};
	int64_t bytes;

	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		if (!skip(&p, settings[i].prefix))
			continue;
		out->kind = MP_GC_LINE_OTHER;
		snprintf(out->name, sizeof(out->name), "%s", settings[i].name);
		if (!settings[i].is_bytes)
			copy(out->value, &p);
		else if (take_bytes(&p, &bytes))
			snprintf(out->value, sizeof(out->value), "%lld", (long long)bytes);
		if (out->value[0])
			out->kind = MP_GC_LINE_SETTING;
		return true;
	}
	return false;
}

/* Z: Allocation Stall (main) 16.147ms */
static bool parse_stall(struct piece p, struct mp_gc_line *out)
{
	struct piece inside;

	if (!skip(&p, "Allocation Stall "))
		return false;
	out->kind = MP_GC_LINE_OTHER;
	if (take_last_duration(&p, &out->dur_ns) && take_last_brackets(&p, &inside)) {
		copy(out->name, &inside);
		out->kind = MP_GC_LINE_STALL;
	}
	return true;
}

void mp_gc_line_parse(const char *text, size_t n, struct mp_gc_line *out)
{
	struct piece p = {text, text + n};
	bool has_tags = false, is_bare = false;

	*out = (struct mp_gc_line){.uptime_ns = -1, .real_ns = -1, .gc = -1, .dur_ns = -1, .ttsp_ns = -1};
	if (!take_decorations(&p, out, &has_tags, &is_bare))
		return;
	trim(&p);
	out->kind = has_tags ? MP_GC_LINE_OTHER : MP_GC_LINE_NONE;
	if (skip(&p, "GC(") && take_whole(&p, &out->gc) && skip(&p, ")"))
		parse_numbered(p, has_tags, is_bare, out);
	else if (!parse_safepoint(p, out) && !parse_collector(p, out) && !parse_stall(p, out))
		parse_setting(p, out);
}
