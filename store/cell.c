/* SPDX-License-Identifier: MIT */
#include "store/cell.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name; /* a whole name, or "*" and the end of one */
	enum mp_unit unit;
} units[] = {
    {"t_ns", MP_UNIT_TIME},
    {"slot_ns", MP_UNIT_TIME},
    {"start_ns", MP_UNIT_TIME},
    {"end_ns", MP_UNIT_TIME},
    {"mono_ns", MP_UNIT_TIME},
    {"real_ns", MP_UNIT_TIME},
    {"*_t_ns", MP_UNIT_TIME},
    {"*_ns", MP_UNIT_DURATION},
    {"bytes", MP_UNIT_BYTES},
    {"*_bytes", MP_UNIT_BYTES},
    {"share", MP_UNIT_SHARE},
    {"*_share", MP_UNIT_SHARE},
    {"addr", MP_UNIT_ADDR},
    {"ip", MP_UNIT_ADDR},
    {"*_addr", MP_UNIT_ADDR},
    {"calls", MP_UNIT_COUNT},
    {"rows", MP_UNIT_COUNT},
    {"lost", MP_UNIT_COUNT},
    {"events", MP_UNIT_COUNT},
    {"spans", MP_UNIT_COUNT},
    {"*_spans", MP_UNIT_COUNT},
    {"cost", MP_UNIT_COUNT},
    {"value", MP_UNIT_COUNT},
    {"samples", MP_UNIT_COUNT},
    {"objects", MP_UNIT_COUNT},
    {"lines", MP_UNIT_COUNT},
    {"weight", MP_UNIT_COUNT},
    {"*_samples", MP_UNIT_COUNT},
    {"*_calls", MP_UNIT_COUNT},
    {"*_per_s", MP_UNIT_COUNT},
};

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

enum mp_unit mp_cell_unit(const char *column)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		const char *name = units[i].name;

		if (*name == '*' ? ends_with(column, name + 1) : !strcmp(column, name))
			return units[i].unit;
	}
	return MP_UNIT_NONE;
}

void mp_cell_title(const char *column, char *out, size_t size)
{
	enum mp_unit unit = mp_cell_unit(column);

	snprintf(out, size, "%s", column);
	size_t n = strlen(out);
	if (unit == MP_UNIT_TIME && n > 3 && n < size - 1)
		strcpy(out + n - 3, "_s");
	else if (unit == MP_UNIT_DURATION && n > 3)
		out[n - 3] = '\0';
	else if (unit == MP_UNIT_BYTES && n > 6)
		out[n - 6] = '\0';
}

struct scale {
	double factor;
	const char *name;
};

static const struct scale duration_scale[] = {{1, "ns"}, {1e3, "us"}, {1e6, "ms"}, {1e9, "s"}, {0, NULL}};
static const struct scale bytes_scale[] = {
    {1, "B"}, {1024, "KiB"}, {1048576, "MiB"}, {1073741824, "GiB"}, {1099511627776, "TiB"}, {0, NULL}};

/* Three digits in the largest unit that leaves something before the point: 999.6 ns are 1.00 us, not 1000 ns.
 */
static void scaled(const struct scale *s, double v, bool whole, char *out)
{
	double size = fabs(v);

	while (s[1].name && size >= s[1].factor - s->factor / 2)
		s++;
	size /= s->factor;
	int digits = (whole && s->factor == 1) || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
	snprintf(out, MP_CELL_NUMBER, "%.*f %s", digits, v / s->factor, s->name);
}

/* "-1,234,567": commas whatever the locale. */
static void thousands(int64_t v, char *out)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, v < 0 ? -(uint64_t)v : (uint64_t)v);

	if (v < 0)
		*out++ = '-';
	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			*out++ = ',';
		*out++ = digits[i];
	}
	*out = '\0';
}

static void seconds(int64_t ns, char *out)
{
	uint64_t us = (ns < 0 ? -(uint64_t)ns : (uint64_t)ns) / 1000;

	snprintf(out, MP_CELL_NUMBER, "%s%" PRIu64 ".%06u", ns < 0 ? "-" : "", us / 1000000,
	    (unsigned int)(us % 1000000));
}

void mp_cell_int(enum mp_unit unit, int64_t v, char *out)
{
	switch (unit) {
	case MP_UNIT_TIME:
		seconds(v, out);
		break;
	case MP_UNIT_DURATION:
		scaled(duration_scale, (double)v, true, out);
		break;
	case MP_UNIT_BYTES:
		scaled(bytes_scale, (double)v, true, out);
		break;
	case MP_UNIT_SHARE:
		snprintf(out, MP_CELL_NUMBER, "%" PRId64 " %%", v * 100);
		break;
	case MP_UNIT_ADDR:
		snprintf(out, MP_CELL_NUMBER, "0x%" PRIx64, (uint64_t)v);
		break;
	case MP_UNIT_COUNT:
		thousands(v, out);
		break;
	default:
		snprintf(out, MP_CELL_NUMBER, "%" PRId64, v);
	}
}

void mp_cell_real(enum mp_unit unit, double v, char *out)
{
	/* What does not fit an integer is shown as the number it is. */
	bool fits = fabs(v) < 9e18;

	switch (unit) {
	case MP_UNIT_DURATION:
		scaled(duration_scale, v, false, out);
		break;
	case MP_UNIT_BYTES:
		scaled(bytes_scale, v, true, out);
		break;
	case MP_UNIT_SHARE:
		snprintf(out, MP_CELL_NUMBER, "%.1f %%", fits ? v * 100 : v);
		break;
	case MP_UNIT_TIME:
	case MP_UNIT_COUNT:
		if (fits && fabs(v) >= 10) {
			mp_cell_int(unit, llround(v), out);
			break;
		}
		/* fall through */
	default:
		snprintf(out, MP_CELL_NUMBER, "%.4g", v);
	}
}

void mp_cell_exact(double v, char *out)
{
	if (!isfinite(v)) {
		strcpy(out, "null");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(out, MP_CELL_NUMBER, "%.*g", digits, v);
		if (strtod(out, NULL) == v)
			break;
	}
	/* 3 would come back as an integer. */
	if (!strpbrk(out, ".e"))
		strcat(out, ".0");
}

/*
 * The code point at `s`, of `n` > 0 bytes, and its length; length 0 if it is not UTF-8 (RFC 3629: no overlong
 * forms, no surrogates, nothing above U+10FFFF).
 */
static size_t decode(const unsigned char *s, size_t n, uint32_t *cp)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : *s < 0xf5 ? 4 : 0;

	if (!len || len > n)
		return 0;
	*cp = len == 1 ? *s : *s & (0x7f >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (s[i] & 0x3f);
	}
	if (*cp < least[len] || (*cp >= 0xd800 && *cp < 0xe000) || *cp > 0x10ffff)
		return 0;
	return len;
}

static bool is_control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0);
}

/* What makes a line look like another one: zero width, line separators, direction marks, BOM. */
static bool is_deceptive(uint32_t cp)
{
	return (cp >= 0x200b && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
	       (cp >= 0x2060 && cp <= 0x206f) || cp == 0x061c || cp == 0xfeff;
}

static const char *short_escape(uint32_t cp)
{
	switch (cp) {
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	default:
		return NULL;
	}
}

void mp_cell_write_plain(FILE *out, const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t cp = 0;

	for (size_t i = 0, len; i < n; i += len) {
		len = decode(s + i, n - i, &cp);
		if (!len) {
			fprintf(out, "\\x%02x", s[i]);
			len = 1;
		} else if (short_escape(cp)) {
			fputs(short_escape(cp), out);
		} else if (is_control(cp)) {
			fprintf(out, "\\x%02x", cp);
		} else if (is_deceptive(cp)) {
			fprintf(out, "\\u%04x", cp);
		} else {
			fwrite(s + i, 1, len, out);
		}
	}
}

void mp_cell_write_json(FILE *out, const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t cp = 0;

	putc('"', out);
	for (size_t i = 0, len; i < n; i += len) {
		len = decode(s + i, n - i, &cp);
		if (!len) {
			fputs("\xef\xbf\xbd", out);
			len = 1;
		} else if (cp == '"' || cp == '\\') {
			fprintf(out, "\\%c", (int)cp);
		} else if (short_escape(cp)) {
			fputs(short_escape(cp), out);
		} else if (is_control(cp) || is_deceptive(cp)) {
			fprintf(out, "\\u%04x", cp);
		} else {
			fwrite(s + i, 1, len, out);
		}
	}
	putc('"', out);
}

void mp_cell_write_json_value(FILE *out, const char *json, size_t n)
{
	const unsigned char *s = (const unsigned char *)json;
	uint32_t cp = 0;

	for (size_t i = 0, len; i < n; i += len) {
		len = decode(s + i, n - i, &cp);
		if (!len) {
			fputs("\xef\xbf\xbd", out);
			len = 1;
		} else if ((is_control(cp) && cp >= 0x7f) || is_deceptive(cp)) {
			/* Only strings can hold these. */
			fprintf(out, "\\u%04x", cp);
		} else {
			fwrite(s + i, 1, len, out);
		}
	}
}

void mp_cell_write_csv(FILE *out, const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	bool quoted = !n || memchr(s, ',', n) || memchr(s, '"', n) || memchr(s, '\n', n) ||
		      memchr(s, '\r', n) || *s == ' ' || s[n - 1] == ' ';
	uint32_t cp = 0;

	if (quoted)
		putc('"', out);
	for (size_t i = 0, len; i < n; i += len) {
		len = decode(s + i, n - i, &cp);
		if (!len || (is_control(cp) && !short_escape(cp))) {
			fputs("\xef\xbf\xbd", out);
			len = len ? len : 1;
			continue;
		}
		if (cp == '"')
			putc('"', out);
		fwrite(s + i, 1, len, out);
	}
	if (quoted)
		putc('"', out);
}
