/* SPDX-License-Identifier: MIT */
#include "analysis/diff/condition.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(const char *text, const char *why, struct mp_err *err)
{
	return mp_err_set(err, EINVAL,
	    "--fail-if '%.120s': %s, such as 'p99_ns > +10%%' or "
	    "'bytes_per_s of on_packet/malloc > +1000'",
	    text, why);
}

/* The last > or < that a signed number follows: names of C++ functions hold others. */
static const char *find_comparison(const char *text)
{
	for (const char *c = text + strlen(text); c-- > text;)
		if ((*c == '>' || *c == '<') && c[1 + strspn(c + 1, " ")] &&
		    strchr("+-", c[1 + strspn(c + 1, " ")]))
			return c;
	return NULL;
}

/* Digits, by hand: the same in every locale, and no names of numbers that are none. */
static bool parse_number(const char *c, double *out)
{
	double value = 0, unit = 1;
	const char *first = c;

	for (; isdigit((unsigned char)*c); c++)
		value = value * 10 + (*c - '0');
	if (c == first)
		return false;
	if (*c == '.')
		for (c++; isdigit((unsigned char)*c); c++)
			value += (*c - '0') * (unit /= 10);
	*out = value;
	return !*c && isfinite(value);
}

static bool parse_limit(const char *text, struct mp_diff_condition *out)
{
	char number[64];
	size_t n = strlen(text);

	while (n && text[n - 1] == ' ')
		n--;
	out->is_percent = n && text[n - 1] == '%';
	n -= out->is_percent;
	while (n && text[n - 1] == ' ')
		n--;
	if (n < 2 || n >= sizeof(number))
		return false;
	memcpy(number, text, n);
	number[n] = '\0';
	if (!parse_number(number + 1, &out->limit))
		return false;
	if (*number == '-')
		out->limit = -out->limit;
	return true;
}

/* Copies text[0..n) without the spaces around it; false: it is empty or does not fit. */
static bool copy_trimmed(const char *text, size_t n, char *out, size_t size)
{
	while (n && *text == ' ') {
		text++;
		n--;
	}
	while (n && text[n - 1] == ' ')
		n--;
	if (!n || n >= size)
		return false;
	memcpy(out, text, n);
	out[n] = '\0';
	return true;
}

/* "[TABLE.]FIGURE [of NAME]", text[0..n). */
static bool parse_subject(const char *text, size_t n, struct mp_diff_condition *out)
{
	const char *of = memmem(text, n, " of ", 4);
	size_t left = of ? (size_t)(of - text) : n;
	const char *dot = memchr(text, '.', left);

	if (of && !copy_trimmed(of + 4, n - left - 4, out->name, sizeof(out->name)))
		return false;
	if (dot && !copy_trimmed(text, (size_t)(dot - text), out->table, sizeof(out->table)))
		return false;
	const char *figure = dot ? dot + 1 : text;
	if (!copy_trimmed(figure, left - (size_t)(figure - text), out->figure, sizeof(out->figure)))
		return false;
	return !strchr(out->figure, ' ') && !strchr(out->table, ' ');
}

int mp_diff_condition_parse(const char *text, struct mp_diff_condition *out, struct mp_err *err)
{
	const char *comparison = find_comparison(text);

	*out = (struct mp_diff_condition){.text = text};
	if (!comparison)
		return refuse(text, "give a figure, > or <, and a change with its sign", err);
	out->is_above = *comparison == '>';
	comparison++;
	if (!parse_limit(comparison + strspn(comparison, " "), out))
		return refuse(text, "the change is not a number", err);
	if (!parse_subject(text, (size_t)(comparison - 1 - text), out))
		return refuse(text, "what stands before the comparison is not a figure", err);
	return 0;
}

static bool is_name(const char *wanted, const char *name, const char *op)
{
	size_t n = name ? strlen(name) : 0;

	if ((name && !strcmp(wanted, name)) || (op && !strcmp(wanted, op)))
		return true;
	return name && op && !strncmp(wanted, name, n) && wanted[n] == '/' && !strcmp(wanted + n + 1, op);
}

bool mp_diff_condition_is_of(const struct mp_diff_condition *c, const char *table, const char *name,
    const char *op, const char *figure)
{
	if (strcmp(c->figure, figure))
		return false;
	/* An operation has a row of its own only among the operations. */
	if (*c->table && strcmp(c->table, table) &&
	    (strcmp(table, "operations") || !name || strcmp(c->table, name)))
		return false;
	return !*c->name || is_name(c->name, name, op);
}

bool mp_diff_condition_meets(const struct mp_diff_condition *c, double a, double b)
{
	double change = b - a;

	if (c->is_percent)
		change = change == 0 ? 0 : a == 0 ? copysign(INFINITY, change) : change / fabs(a) * 100;
	return c->is_above ? change > c->limit : change < c->limit;
}
